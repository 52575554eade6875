//! Tests of sessions with a Splunk HTTP Event Collector.

use super::server::{Received, Server, json};
use super::{TOKEN, deliver, deliver_within, event_with, events, hec_event, hec_target, to};
use crate::syslog::http::{HttpTarget, event};
use crate::syslog::session::DeliveryError;
use crate::syslog::tests::sessions::timing;
use crate::syslog::tests::{finding, message_of, sender};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const SUCCESS: &str = "{\"text\":\"Success\",\"code\":0}";

/// Delivers three events to a server that answers every request in this way. Returns the error.
fn refusal(status: u16, body: &'static str) -> (String, usize) {
    let server = Server::start(move |_| json(status, body));
    let outcome = deliver(&to(server.url(), hec_target()), events(3));
    assert_eq!((outcome.decided, outcome.dead.len()), (0, 0), "{outcome:?}");
    (outcome.error(), server.received().len())
}

#[test]
fn events_are_sent_one_after_the_other_with_token_and_channel() {
    let server = Server::start(|_| json(200, SUCCESS));
    let outcome = deliver(&to(server.url(), hec_target()), events(3));
    assert!(outcome.result.is_ok() && outcome.decided == 3, "{outcome:?}");
    let [request] = server.received().try_into().unwrap();
    assert_eq!(request.path, "/services/collector/event");
    assert_eq!(request.headers["authorization"], format!("Splunk {TOKEN}"));
    assert_eq!(request.body, [0, 1, 2].map(hec_event).join("\n"));
    let channel = &request.headers["x-splunk-request-channel"];
    let parts: Vec<usize> = channel.split('-').map(str::len).collect();
    assert_eq!((parts.as_slice(), channel.as_bytes()[14]), ([8, 4, 4, 4, 12].as_slice(), b'4'), "{channel}");
}

#[test]
fn requests_have_at_most_512_kib_and_500_events() {
    let server = Server::start(|_| json(200, SUCCESS));
    let long = event_with(0, &format!("{{\"n\":\"{}\"}}", "x".repeat(60_000)));
    let mut sent = vec![long; 10];
    sent.extend(events(700));
    let outcome = deliver(&to(server.url(), hec_target()), sent);
    assert!(outcome.result.is_ok() && outcome.decided == 710, "{outcome:?}");
    let bodies: Vec<String> = server.received().into_iter().map(|request| request.body).collect();
    assert!(bodies.iter().all(|body| body.len() <= 512 << 10 && body.lines().count() <= 500));
    assert_eq!(bodies.len(), 3);
    let arrived = bodies.join("\n");
    let arrived: Vec<&str> = arrived.lines().collect();
    assert_eq!(arrived.len(), 710);
    assert!(arrived[10..].iter().copied().eq((0..700).map(hec_event)));
}

#[test]
fn wrong_token_and_wrong_index_name_their_key_and_nothing_is_given_up() {
    for (status, body, cure) in [
        (403, "{\"text\":\"Invalid token\",\"code\":4}", "check token"),
        (403, "{\"text\":\"Token disabled\",\"code\":1}", "enable the token"),
        (401, "{\"text\":\"Token is required\",\"code\":2}", "check token"),
        (400, "{\"text\":\"Incorrect index\",\"code\":7,\"invalid-event-number\":0}", "or correct index"),
        (404, "{\"text\":\"The requested URL was not found on this server.\",\"code\":404}", "check url"),
    ] {
        let (error, requests) = refusal(status, body);
        assert!(error.contains(cure) && error.contains(&status.to_string()), "{error}");
        assert_eq!(requests, 1, "an answer that a setting causes is not tried again");
    }
}

#[test]
fn busy_server_is_tried_five_times() {
    let (error, requests) = refusal(503, "{\"text\":\"Server is busy\",\"code\":9}");
    assert!(error.contains("503") && error.contains("Server is busy"), "{error}");
    assert_eq!(requests, 5);
}

#[test]
fn receipt_of_anything_else_is_none() {
    for body in ["", "{}", "<html><title>Welcome</title></html>", "{\"text\":\"Success\",\"code\":3}", "[]"] {
        let (error, _) = refusal(200, body);
        assert!(error.contains("no receipt of a Splunk HTTP Event Collector; check url"), "{error}");
    }
}

/// Answers events with an acknowledgement number, and questions about it by `answer`.
fn acknowledging(mut answer: impl FnMut(usize) -> &'static str + Send + 'static) -> Server {
    let mut asked = 0;
    Server::start(move |request: &Received| {
        if request.path == "/services/collector/event" {
            return json(200, "{\"text\":\"Success\",\"code\":0,\"ackId\":7}");
        }
        asked += 1;
        json(200, answer(asked))
    })
}

#[test]
fn events_count_only_after_the_indexers_have_acknowledged_them() {
    let late = |asked| if asked < 3 { "{\"acks\":{\"7\":false}}" } else { "{\"acks\":{\"7\":true}}" };
    let server = acknowledging(late);
    let outcome = deliver(&to(server.url(), hec_target()), events(2));
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
    let received = server.received();
    assert_eq!(received.len(), 4, "one request and three questions");
    let channel = &received[0].headers["x-splunk-request-channel"];
    for question in &received[1..] {
        assert_eq!(question.path, format!("/services/collector/ack?channel={channel}"));
        assert_eq!(question.body, "{\"acks\":[7]}");
        assert_eq!(question.headers["authorization"], format!("Splunk {TOKEN}"));
    }
}

#[test]
fn failures_between_two_answers_about_an_acknowledgement_are_counted_in_a_row() {
    let mut asked = 0;
    let server = Server::start(move |request: &Received| {
        if request.path == "/services/collector/event" {
            return json(200, "{\"text\":\"Success\",\"code\":0,\"ackId\":7}");
        }
        asked += 1;
        match asked {
            10 => json(200, "{\"acks\":{\"7\":true}}"),
            odd if odd % 2 == 1 => json(503, "{\"text\":\"Server is busy\",\"code\":9}"),
            _ => json(200, "{\"acks\":{\"7\":false}}"),
        }
    });
    let mut timing = timing();
    timing.receipt = Duration::from_secs(20);
    let outcome = deliver_within(&to(server.url(), hec_target()), events(2), &timing, &|| false);
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
    assert_eq!(server.received().iter().filter(|request| request.path.ends_with("/event")).count(), 1);
}

#[test]
fn acknowledgement_that_never_comes_leaves_the_events_queued() {
    let server = acknowledging(|_| "{\"acks\":{\"7\":false}}");
    let outcome = deliver(&to(server.url(), hec_target()), events(2));
    assert!(matches!(outcome.result, Err(DeliveryError::NotAcknowledged(_))), "{outcome:?}");
    assert_eq!(outcome.decided, 0);
    assert_eq!(server.received().iter().filter(|request| request.path.ends_with("/event")).count(), 1);
}

#[test]
fn acknowledgement_of_another_form_is_none() {
    let server = acknowledging(|_| "{\"acks\":{\"8\":true},\"7\":true}");
    let outcome = deliver(&to(server.url(), hec_target()), events(1));
    assert!(matches!(outcome.result, Err(DeliveryError::NotAcknowledged(_))), "{outcome:?}");
    let server = acknowledging(|_| "yes");
    let outcome = deliver(&to(server.url(), hec_target()), events(1));
    assert!(outcome.error().contains("no acknowledgement"), "{outcome:?}");
}

/// Answers each request with a number of its own, from 0. Answers each question, counted from 1, by whether a number is
/// indexed.
fn numbering(mut is_indexed: impl FnMut(usize, u64) -> bool + Send + 'static) -> Server {
    let (mut next, mut asked) = (0, 0);
    Server::start(move |request: &Received| {
        if request.path == "/services/collector/event" {
            next += 1;
            return json(200, &json!({"text": "Success", "code": 0, "ackId": next - 1}).to_string());
        }
        asked += 1;
        let question: Value = serde_json::from_str(&request.body).unwrap();
        let ids = question["acks"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap());
        let acks: BTreeMap<String, bool> = ids.map(|id| (id.to_string(), is_indexed(asked, id))).collect();
        json(200, &json!({"acks": acks}).to_string())
    })
}

/// Returns the bodies of the questions for acknowledgements, and the number of other requests.
fn questions(server: &Server) -> (Vec<String>, usize) {
    let (asked, sent): (Vec<Received>, Vec<Received>) =
        server.received().into_iter().partition(|request| request.path.starts_with("/services/collector/ack"));
    (asked.into_iter().map(|request| request.body).collect(), sent.len())
}

#[test]
fn number_of_questions_does_not_grow_with_the_number_of_requests() {
    for requests in [1, 10] {
        let server = numbering(|asked, _| asked >= 3);
        let outcome = deliver(&to(server.url(), hec_target()), events(requests * 500));
        assert!(outcome.result.is_ok() && outcome.decided == requests * 500, "{outcome:?}");
        let (asked, sent) = questions(&server);
        assert_eq!((asked.len(), sent), (3, requests));
    }
}

#[test]
fn at_most_sixteen_requests_wait_for_their_acknowledgement() {
    let server = numbering(|_, _| true);
    let outcome = deliver(&to(server.url(), hec_target()), events(20_000));
    assert!(outcome.result.is_ok() && outcome.decided == 20_000, "{outcome:?}");
    let (asked, sent) = questions(&server);
    let expected = [0..16, 16..32, 32..40].map(|ids| json!({"acks": ids.collect::<Vec<u64>>()}).to_string());
    assert_eq!((asked.as_slice(), sent), (expected.as_slice(), 40));
}

#[test]
fn missing_acknowledgement_leaves_its_events_and_those_after_it_queued() {
    let server = numbering(|_, id| id != 1);
    let outcome = deliver(&to(server.url(), hec_target()), events(1_400));
    assert!(matches!(outcome.result, Err(DeliveryError::NotAcknowledged(_))), "{outcome:?}");
    assert_eq!(outcome.decided, 500);
    let (asked, sent) = questions(&server);
    assert_eq!((asked[0].as_str(), asked[1].as_str(), sent), ("{\"acks\":[0,1,2]}", "{\"acks\":[1]}", 3));
}

#[test]
fn requests_before_one_that_fails_are_still_confirmed() {
    let mut requests = 0;
    let server = Server::start(move |request: &Received| match request.path.as_str() {
        "/services/collector/event" => {
            requests += 1;
            if requests == 3 {
                return json(403, "{\"text\":\"Token disabled\",\"code\":1}");
            }
            json(200, &json!({"text": "Success", "code": 0, "ackId": requests}).to_string())
        }
        _ => json(200, "{\"acks\":{\"1\":true,\"2\":true}}"),
    });
    let outcome = deliver(&to(server.url(), hec_target()), events(1_400));
    assert!(outcome.error().contains("enable the token"), "{outcome:?}");
    assert_eq!(outcome.decided, 1_000);
}

#[test]
fn number_that_two_requests_share_proves_neither() {
    let server = acknowledging(|_| "{\"acks\":{\"7\":true}}");
    let outcome = deliver(&to(server.url(), hec_target()), events(600));
    assert!(outcome.error().contains("sticky sessions"), "{outcome:?}");
    assert_eq!(outcome.decided, 0);
}

#[test]
fn queued_event_goes_to_the_index_that_is_configured_now() {
    let message = message_of(&finding("bob", "e"));
    let queued = event::render(&sender(), &message);
    for index in [Some("other".to_owned()), None] {
        let server = Server::start(|_| json(200, SUCCESS));
        let corrected = HttpTarget::SplunkHec { token: SecretString::from(TOKEN), index: index.clone() };
        assert!(deliver(&to(server.url(), corrected), vec![queued.clone()]).result.is_ok());
        let [request] = server.received().try_into().unwrap();
        let sent: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(
            (sent["index"].as_str(), &sent["event"]["event"]["id"]),
            (index.as_deref(), &Value::from(message.id.as_str()))
        );
    }
}
