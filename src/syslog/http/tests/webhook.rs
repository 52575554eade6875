//! Tests of sessions with receivers of webhooks.

use super::server::{Answer, Received, Server, json};
use super::{deliver, events, to, webhook_target};
use crate::syslog::http::SigningKey;
use crate::syslog::session::DeliveryError;
use chrono::Utc;
use secrecy::SecretString;
use serde_json::Value;

/// Returns the numbers of the events in a request.
fn numbers(request: &Received) -> Vec<u64> {
    let batch: Vec<Value> = serde_json::from_str(&request.body).unwrap();
    batch.iter().map(|event| event["data"]["n"].as_u64().unwrap()).collect()
}

#[test]
fn batch_is_signed_over_id_time_and_body() {
    let server = Server::start(|_| Answer::With(204, &[], String::new()));
    let outcome = deliver(&to(format!("{}/hooks/", server.url()), webhook_target()), events(2));
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
    let [request] = server.received().try_into().unwrap();
    assert_eq!(
        (request.path.as_str(), request.body.as_str()),
        ("/hooks/", format!("[{}]", events(2).join(",")).as_str())
    );
    assert_eq!(request.headers["content-type"], "application/cloudevents-batch+json");
    assert!(!request.headers.contains_key("authorization"));
    let time: i64 = request.headers["webhook-timestamp"].parse().unwrap();
    assert!((Utc::now().timestamp() - time).abs() < 60);
    let key = SigningKey::parse(SecretString::from(super::KEY)).unwrap();
    // `signing` compares this function with the example of the specification.
    assert_eq!(request.headers["webhook-signature"], key.sign(&request.headers["webhook-id"], time, &request.body));
}

#[test]
fn repeated_batch_has_the_same_id_and_bytes_and_another_batch_has_another_id() {
    let mut first = true;
    let server = Server::start(move |_| {
        if std::mem::take(&mut first) { Answer::Close } else { Answer::With(202, &[], "queued".to_owned()) }
    });
    let destination = to(server.url(), webhook_target());
    assert!(deliver(&destination, events(3)).result.is_ok());
    assert!(deliver(&destination, events(2)).result.is_ok());
    let [dropped, repeated, other] = server.received().try_into().unwrap();
    assert_eq!(dropped.body, repeated.body);
    let id = |request: &Received| request.headers["webhook-id"].clone();
    assert_eq!(id(&dropped), id(&repeated));
    assert_ne!(id(&dropped), id(&other));
}

#[test]
fn event_that_the_receiver_cannot_process_is_dead_and_the_others_arrive_once() {
    let server = Server::start(|request| {
        if numbers(request).contains(&6) { json(422, "{\"message\":\"unknown account\"}") } else { json(200, "{}") }
    });
    let outcome = deliver(&to(server.url(), webhook_target()), events(9));
    assert!(outcome.result.is_ok() && outcome.decided == 9, "{outcome:?}");
    assert_eq!(outcome.dead.len(), 1);
    assert_eq!(outcome.dead[0].0, events(7)[6]);
    assert_eq!(outcome.dead[0].1.status, 422);
    assert!(outcome.dead[0].1.reason.contains("unknown account"), "{:?}", outcome.dead);
    let accepted: Vec<u64> = server.received().iter().map(numbers).filter(|n| !n.contains(&6)).flatten().collect();
    assert_eq!(accepted, [0, 1, 2, 3, 4, 5, 7, 8]);
}

#[test]
fn receiver_that_refuses_everything_does_not_refuse_the_data() {
    let server = Server::start(|_| json(400, "{\"message\":\"bad request\"}"));
    let outcome = deliver(&to(server.url(), webhook_target()), events(90));
    assert!(matches!(outcome.result, Err(DeliveryError::RefusesAll { events: 20, .. })), "{outcome:?}");
    assert_eq!((outcome.decided, outcome.dead.len()), (0, 0));
    assert!(outcome.error().contains("none of them was given up"), "{}", outcome.error());
}

#[test]
fn receiver_that_is_gone_or_refuses_the_signature_names_the_key_to_change() {
    for (status, body, cure) in [
        (410, "", "remove this destination"),
        (401, "no", "check signing_key"),
        (400, "{\"error\":\"No matching signature found\"}", "compare signing_key"),
        (400, "missing required headers", "no proxy removes or refuses headers"),
        (404, "", "check url"),
    ] {
        let server = Server::start(move |_| json(status, body));
        let outcome = deliver(&to(server.url(), webhook_target()), events(2));
        assert!(outcome.error().contains(cure), "{}", outcome.error());
        // A 400 can be about one of the events, so each is asked about.
        let requests = if status == 400 { 3 } else { 1 };
        assert_eq!((outcome.decided, outcome.dead.len(), server.received().len()), (0, 0, requests));
    }
}

#[test]
fn event_whose_refusal_sounds_like_one_of_the_signature_does_not_stop_the_others() {
    let server = Server::start(|request| {
        if numbers(request).contains(&0) { json(400, "invalid user.name: e-signature-svc") } else { json(204, "") }
    });
    let outcome = deliver(&to(server.url(), webhook_target()), events(9));
    assert!(outcome.result.is_ok() && outcome.decided == 9, "{outcome:?}");
    assert_eq!(outcome.dead.len(), 1, "{outcome:?}");
}

#[test]
fn receiver_that_refuses_everything_after_its_first_request_gives_no_event_up() {
    for refusal in ["No matching signature found", "bad request"] {
        let mut requests = 0;
        let server = Server::start(move |_| {
            requests += 1;
            if requests == 1 { json(200, "") } else { json(400, refusal) }
        });
        let outcome = deliver(&to(server.url(), webhook_target()), events(300));
        assert!(matches!(outcome.result, Err(DeliveryError::RefusesAll { events: 20, .. })), "{outcome:?}");
        assert_eq!((outcome.decided, outcome.dead.len()), (100, 0), "{refusal}");
    }
}

#[test]
fn refusal_that_sounds_like_one_of_the_signature_is_final_only_after_a_later_acceptance() {
    let refused = |request: &Received| {
        if numbers(request).contains(&99) { json(400, "no such user: e-signature-svc") } else { json(204, "") }
    };
    let server = Server::start(refused);
    let outcome = deliver(&to(server.url(), webhook_target()), events(100));
    assert!(matches!(outcome.result, Err(DeliveryError::RefusesAll { events: 1, .. })), "{outcome:?}");
    assert_eq!((outcome.decided, outcome.dead.len()), (99, 0));
    let outcome = deliver(&to(server.url(), webhook_target()), events(101));
    assert!(outcome.result.is_ok() && outcome.decided == 101, "{outcome:?}");
    assert_eq!(outcome.dead[0].0, events(100)[99]);
}

#[test]
fn refused_requests_are_counted_since_the_last_acceptance() {
    let server =
        Server::start(
            |request| if numbers(request).iter().any(|n| n % 100 < 15) { json(422, "") } else { json(200, "") },
        );
    let outcome = deliver(&to(server.url(), webhook_target()), events(300));
    assert!(outcome.result.is_ok() && outcome.decided == 300, "{outcome:?}");
    assert_eq!(outcome.dead.len(), 45);
}

#[test]
fn refused_group_is_recorded_before_the_accepted_one_that_makes_it_final() {
    let server = Server::start(|request| {
        if numbers(request).iter().any(|n| (100..110).contains(n)) { json(422, "") } else { json(200, "") }
    });
    let mut sent = events(110);
    // A group of its own: the next event does not fit into it.
    sent.push(super::event_with(110, &format!("{{\"n\":110,\"x\":\"{}\"}}", "x".repeat(520_000))));
    let outcome = deliver(&to(server.url(), webhook_target()), sent);
    assert!(outcome.result.is_ok() && outcome.decided == 111, "{outcome:?}");
    let dead: Vec<&String> = outcome.dead.iter().map(|(event, _)| event).collect();
    assert_eq!(dead, events(110)[100..].iter().collect::<Vec<_>>());
}
