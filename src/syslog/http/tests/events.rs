//! Tests of the envelope of each target.

use super::{bulk_target, hec_target, webhook_target};
use crate::syslog::ecs;
use crate::syslog::facts::RunFacts;
use crate::syslog::http::{HttpTarget, item};
use crate::syslog::message::{Message, of_failed};
use crate::syslog::tests::{facts, finding, message_of, sender};
use serde_json::{Value, json};

fn rendered(target: &HttpTarget, message: &Message<'_>) -> String {
    item::render(target, &sender(), message)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn splunk_gets_time_host_and_source_type_next_to_the_event() {
    let message = message_of(&finding("bob \u{e9}\n", "e"));
    let item = rendered(&hec_target(), &message);
    assert!(item.starts_with("{\"time\":1795399200.123,\"host\":\"host.example.com\","), "{item}");
    let mut item = parsed(&item);
    let event = item.as_object_mut().unwrap().remove("event").unwrap();
    assert_eq!(event["event"]["id"], message.id);
    assert_eq!(event["user"]["name"], "bob \u{e9}\u{240a}");
    item.as_object_mut().unwrap().remove("time");
    let expected = json!({
        "host": "host.example.com", "source": "bt-rollcall", "sourcetype": "bt-rollcall:json",
    });
    assert_eq!(item, expected);
}

#[test]
fn document_for_the_bulk_api_has_the_id_of_its_event() {
    let message = message_of(&finding("bob", "e"));
    let item = rendered(&bulk_target(), &message);
    let lines: Vec<&str> = item.split('\n').collect();
    assert_eq!(lines.len(), 2, "{item}");
    assert_eq!(parsed(lines[0]), json!({"create": {"_id": message.id}}));
    assert_eq!(parsed(lines[1]), Value::Object(ecs::fields(&message)));
}

#[test]
fn cloud_event_has_every_required_attribute_and_the_subject_of_the_event() {
    let message = message_of(&finding("bob", "e"));
    let event = parsed(&rendered(&webhook_target(), &message));
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], message.id);
    assert_eq!(event["source"], "/bt-rollcall/host.example.com");
    assert_eq!(event["type"], "bt-rollcall.finding.stale-login");
    assert_eq!(event["time"], "2026-11-23T02:00:00.123Z");
    assert_eq!(event["subject"], "eu/user/17");
    assert_eq!(event["datacontenttype"], "application/json");
    assert_eq!(event["data"], Value::Object(ecs::fields(&message)));
}

#[test]
fn event_about_a_run_has_no_subject() {
    let event = parsed(&rendered(&webhook_target(), &of_failed(&facts(), "no source")));
    assert_eq!((event.get("subject"), &event["type"]), (None, &json!("bt-rollcall.run.failed")));
}

#[test]
fn long_event_is_shortened_to_what_the_target_accepts_and_stays_valid() {
    let reason = "\"\u{1f600}\\ ".repeat(20_000);
    for (target, limit) in [(hec_target(), 8_000), (bulk_target(), 32_000), (webhook_target(), 32_000)] {
        let item = rendered(&target, &of_failed(&facts(), &reason));
        assert!(item.len() <= limit && item.is_ascii(), "{} octets", item.len());
        let body = parsed(item.lines().next_back().unwrap());
        let body =
            body.get("event").filter(|event| event.get("btrollcall").is_some()).or(body.get("data")).unwrap_or(&body);
        assert_eq!(body["btrollcall"]["truncated"], true, "{body}");
        // As a line of the spool, which has a limit of 64 KiB.
        assert!(serde_json::to_string(&item).unwrap().len() < 64 << 10);
    }
}

#[test]
fn same_event_has_the_same_bytes_and_a_strange_host_stays_in_its_place() {
    let facts = RunFacts { host: "a b/../\u{e9}".to_owned(), ..facts() };
    let message = of_failed(&facts, "x");
    let strange = crate::syslog::format::Sender { host: facts.host.clone(), pid: 1 };
    for target in [hec_target(), bulk_target(), webhook_target()] {
        assert_eq!(rendered(&target, &message), rendered(&target, &message));
    }
    let event = parsed(&item::render(&webhook_target(), &strange, &message));
    assert_eq!(event["source"], "/bt-rollcall/a%20b%2F..%2F%C3%A9");
}
