//! Tests of what is the same for every target: limits, retries, redirects, secrets and signals.

use super::server::{Answer, Server, json};
use super::{TOKEN, deliver, deliver_within, events, hec_target, to, webhook_target};
use crate::syslog::session::DeliveryError;
use crate::syslog::tests::sessions::timing;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn busy_receiver_gets_the_same_request_after_the_time_that_it_asks_for() {
    let mut times = Vec::new();
    let server = Server::start(move |_| {
        times.push(Instant::now());
        match times.as_slice() {
            [_] => Answer::With(429, &[("retry-after", "1")], "slow down".to_owned()),
            [first, second, ..] => {
                assert!(*second - *first >= Duration::from_secs(1));
                Answer::With(200, &[], String::new())
            }
            [] => Answer::Close,
        }
    });
    let patient = crate::syslog::session::Timing { longest_wait: Duration::from_secs(2), ..timing() };
    let outcome = deliver_within(&to(server.url(), webhook_target()), events(2), &patient, &|| false);
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
    let [first, second] = server.received().try_into().unwrap();
    assert_eq!(first.body, second.body);
}

#[test]
fn receiver_that_asks_for_a_day_is_asked_again_after_the_longest_wait() {
    let mut answers = vec![200, 425, 408];
    let server =
        Server::start(move |_| Answer::With(answers.pop().unwrap(), &[("retry-after", "86400")], String::new()));
    let outcome = deliver(&to(server.url(), webhook_target()), events(1));
    assert!(outcome.result.is_ok(), "{outcome:?}");
}

#[test]
fn request_that_is_too_large_is_halved_and_a_single_event_that_is_too_large_is_dead() {
    let server = Server::start(|request| {
        let size = if request.body.len() > 100 || request.body.contains("{\"n\":4}") { 413 } else { 200 };
        Answer::With(size, &[], String::new())
    });
    let outcome = deliver(&to(server.url(), webhook_target()), events(6));
    assert!(outcome.result.is_ok() && outcome.decided == 6, "{outcome:?}");
    assert_eq!(outcome.dead.len(), 1);
    assert_eq!((&outcome.dead[0].0, outcome.dead[0].1.status), (&events(5)[4], 413));
}

#[test]
fn connection_that_breaks_after_the_request_is_repeated_with_the_same_bytes() {
    let mut first = true;
    let server = Server::start(move |_| {
        if std::mem::take(&mut first) { Answer::Close } else { json(200, "{\"text\":\"Success\",\"code\":0}") }
    });
    let outcome = deliver(&to(server.url(), hec_target()), events(4));
    assert!(outcome.result.is_ok() && outcome.decided == 4, "{outcome:?}");
    let [first, second] = server.received().try_into().unwrap();
    assert_eq!(first.body, second.body);
}

#[test]
fn events_of_answered_requests_stay_delivered_when_a_later_request_fails() {
    let mut requests = 0;
    let server = Server::start(move |_| {
        requests += 1;
        Answer::With(if requests == 1 { 200 } else { 500 }, &[], String::new())
    });
    let outcome = deliver(&to(server.url(), webhook_target()), events(150));
    assert!(outcome.error().contains("500"), "{outcome:?}");
    assert_eq!(outcome.decided, 100, "a request to a webhook has 100 events");
}

#[test]
fn receiver_that_never_answers_is_given_up_within_the_limits() {
    let server = Server::start(|_| Answer::Silence);
    let short = crate::syslog::session::Timing { answer: Duration::from_millis(30), ..timing() };
    let outcome = deliver_within(&to(server.url(), webhook_target()), events(1), &short, &|| false);
    assert!(outcome.error().contains("not complete"), "{}", outcome.error());
    assert_eq!(server.received().len(), 5);
}

#[test]
fn session_ends_at_its_own_limit() {
    let server = Server::start(|_| Answer::Silence);
    let short = crate::syslog::session::Timing { session: Duration::from_millis(50), ..timing() };
    let outcome = deliver_within(&to(server.url(), webhook_target()), events(1), &short, &|| false);
    assert!(matches!(outcome.result, Err(DeliveryError::TooSlow(_))), "{outcome:?}");
}

#[test]
fn signal_ends_a_request_that_is_not_answered() {
    let is_asked = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&is_asked);
    let server = Server::start(move |_| {
        signal.store(true, Ordering::SeqCst);
        Answer::Silence
    });
    let patient = crate::syslog::session::Timing {
        answer: Duration::from_secs(3600),
        session: Duration::from_secs(3600),
        stopping: Duration::from_millis(20),
        ..timing()
    };
    let destination = to(server.url(), webhook_target());
    let is_stopped = || is_asked.load(Ordering::SeqCst);
    let outcome = deliver_within(&destination, events(1), &patient, &is_stopped);
    assert!(matches!(outcome.result, Err(DeliveryError::Stopped)), "{outcome:?}");
    assert!(matches!(deliver_within(&destination, events(1), &patient, &|| true).result, Err(DeliveryError::Stopped)));
    assert_eq!(server.received().len(), 1, "after a signal no session starts");
}

#[test]
fn redirect_is_not_followed_and_its_query_is_not_shown() {
    let elsewhere = Server::start(|_| Answer::With(200, &[], String::new()));
    let server = Server::start(|_| Answer::With(307, &[("location", "http://127.0.0.1/login?key=abc")], String::new()));
    let outcome = deliver(&to(server.url(), webhook_target()), events(1));
    let error = outcome.error();
    assert!(
        error.contains("a redirect (307) to http://127.0.0.1/login instead") && error.contains("correct url"),
        "{error}"
    );
    assert!(!error.contains("abc"), "{error}");
    assert!(elsewhere.received().is_empty() && server.received().len() == 1);
}

#[test]
fn secret_that_a_receiver_echoes_is_masked() {
    let body = format!("{{\"text\":\"bad {TOKEN} and Splunk {TOKEN}\",\"code\":6}}");
    let server = Server::start(move |_| json(403, &body));
    let error = deliver(&to(server.url(), hec_target()), events(1)).error();
    assert!(error.contains("bad *** and"), "{error}");
    let destination = to(server.url(), hec_target());
    assert!(!format!("{destination:?}").contains(TOKEN));
}

#[test]
fn receiver_that_nothing_listens_for_names_the_address() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let outcome = deliver(&to(format!("http://127.0.0.1:{port}"), webhook_target()), events(1));
    let error = outcome.error();
    assert!(error.contains(&format!("no connection to 127.0.0.1:{port}: connection refused; ")), "{error}");
}
