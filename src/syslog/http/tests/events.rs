//! Tests of the queued form of an event, and of what each target gets of it.

use super::{bulk_target, hec_target, to, webhook_target};
use crate::syslog::ecs;
use crate::syslog::facts::RunFacts;
use crate::syslog::format::Sender;
use crate::syslog::http::{HttpTarget, event};
use crate::syslog::message::{Message, of_failed};
use crate::syslog::tests::{facts, finding, message_of, sender};
use serde_json::{Value, json};

/// Returns an event as its receiver gets it.
fn sent(target: HttpTarget, message: &Message<'_>) -> String {
    to("http://127.0.0.1".to_owned(), target).as_sent(&event::render(&sender(), message)).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn splunk_gets_time_host_and_source_type_next_to_the_event() {
    let message = message_of(&finding("bob \u{e9}\n", "e"));
    let sent = sent(hec_target(), &message);
    assert!(sent.contains("\"time\":1795399200.123,\"host\":\"host.example.com\","), "{sent}");
    let mut sent = parsed(&sent);
    let event = sent.as_object_mut().unwrap().remove("event").unwrap();
    assert_eq!(event["event"]["id"], message.id);
    assert_eq!(event["user"]["name"], "bob \u{e9}\u{240a}");
    sent.as_object_mut().unwrap().remove("time");
    let expected = json!({
        "host": "host.example.com", "index": "audit", "source": "bt-rollcall", "sourcetype": "bt-rollcall:json",
    });
    assert_eq!(sent, expected);
}

#[test]
fn document_for_the_bulk_api_has_the_id_of_its_event() {
    let message = message_of(&finding("bob", "e"));
    let sent = sent(bulk_target(), &message);
    let lines: Vec<&str> = sent.split('\n').collect();
    assert_eq!(lines.len(), 2, "{sent}");
    assert_eq!(parsed(lines[0]), json!({"create": {"_id": message.id}}));
    assert_eq!(parsed(lines[1]), Value::Object(ecs::fields(&message)));
}

#[test]
fn cloud_event_has_every_required_attribute_the_subject_and_the_host() {
    let message = message_of(&finding("bob", "e"));
    let event = parsed(&sent(webhook_target(), &message));
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], message.id);
    assert_eq!(event["source"], "/bt-rollcall/host.example.com");
    assert_eq!(event["type"], "bt-rollcall.finding.stale-login");
    assert_eq!(event["time"], "2026-11-23T02:00:00.123Z");
    assert_eq!(event["subject"], "eu/user/17");
    assert_eq!(event["host"], "host.example.com");
    assert_eq!(event["datacontenttype"], "application/json");
    assert_eq!(event["data"], Value::Object(ecs::fields(&message)));
}

#[test]
fn event_about_a_run_has_no_subject() {
    let event = parsed(&sent(webhook_target(), &of_failed(&facts(), "no source")));
    assert_eq!((event.get("subject"), &event["type"]), (None, &json!("bt-rollcall.run.failed")));
}

#[test]
fn every_target_gets_the_same_body_with_the_same_bytes() {
    let message = message_of(&finding("bob \u{1f600}\"\\", "e"));
    let bodies = [
        sent(hec_target(), &message).split_once(",\"event\":").unwrap().1.trim_end_matches('}').to_owned(),
        sent(bulk_target(), &message).split_once('\n').unwrap().1.trim_end_matches('}').to_owned(),
        sent(webhook_target(), &message).split_once(",\"data\":").unwrap().1.trim_end_matches('}').to_owned(),
    ];
    assert_eq!((&bodies[0], &bodies[0]), (&bodies[1], &bodies[2]));
}

#[test]
fn long_event_is_shortened_to_what_every_target_accepts_and_stays_valid() {
    let reason = "\"\u{1f600}\\ ".repeat(20_000);
    let facts = facts();
    let message = of_failed(&facts, &reason);
    let queued = event::render(&sender(), &message);
    assert!(queued.len() <= 8_000 && queued.is_ascii(), "{} octets", queued.len());
    assert_eq!(parsed(&queued)["data"]["btrollcall"]["truncated"], true);
    let longest_index = HttpTarget::SplunkHec { token: super::TOKEN.into(), index: Some("i".repeat(80)) };
    for target in [longest_index, bulk_target(), webhook_target()] {
        let sent = sent(target, &message);
        assert!(sent.len() <= queued.len(), "a request counts the queued length");
    }
}

#[test]
fn strange_host_stays_in_its_place() {
    let facts = RunFacts { host: "a b/../\u{e9}".to_owned(), ..facts() };
    let strange = Sender { host: facts.host.clone(), pid: 1 };
    let event = parsed(&event::render(&strange, &of_failed(&facts, "x")));
    assert_eq!(
        (&event["source"], &event["host"]),
        (&json!("/bt-rollcall/a%20b%2F..%2F%C3%A9"), &json!("a b/../\u{e9}"))
    );
}

#[test]
fn queued_text_of_another_form_is_an_error_that_names_the_way_out() {
    for queued in
        ["", "{}", "{\"create\":{\"_id\":\"x\"}}\n{}", "{\"id\":\"x\",\"time\":\"now\",\"host\":\"h\",\"data\":{}}"]
    {
        let error = to("http://127.0.0.1".to_owned(), bulk_target()).as_sent(queued).unwrap_err().to_string();
        assert!(error.contains("spool purge"), "{error}");
    }
}

#[test]
fn account_with_a_very_long_id_has_no_subject_and_fits_into_the_queue() {
    let mut finding = finding("bob", "e");
    finding.subject.id = "\u{1f600}".repeat(25_000).into();
    let queued = event::render(&sender(), &message_of(&finding));
    assert!(queued.len() <= 8_000, "{} octets", queued.len());
    let event = parsed(&queued);
    assert_eq!((event.get("subject"), &event["data"]["btrollcall"]["truncated"]), (None, &json!(true)));
}
