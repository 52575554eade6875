//! Every field outside of `btrollcall` is one that ECS 9.4 defines, with its type. The structured data repeats the body.

use super::super::facts::SourceFacts;
use super::standing::{source, suspect};
use super::*;
use crate::model::{Change, ChangeKind};
use elastic_common_schema::ecs as schema;
use serde_json::Map;

/// The type of a field as ECS defines it. Types that hold any text (`keyword`, `match_only_text`) are one here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EcsType {
    Text,
    TextList,
    Date,
    Long,
}

/// The fields of ECS that events use. Names come from a crate that is generated from ECS; types are those of the field
/// reference 9.4 (`ecs_flat.yml`).
const ECS: [(&str, EcsType); 39] = [
    (schema::base::TIMESTAMP, EcsType::Date),
    (schema::agent::AGENT_NAME, EcsType::Text),
    (schema::agent::AGENT_TYPE, EcsType::Text),
    (schema::agent::AGENT_VERSION, EcsType::Text),
    (schema::ECS_VERSION, EcsType::Text),
    (schema::event::EVENT_ACTION, EcsType::Text),
    (schema::event::EVENT_CATEGORY, EcsType::TextList),
    (schema::event::EVENT_CODE, EcsType::Text),
    (schema::event::EVENT_DATASET, EcsType::Text),
    (schema::event::EVENT_END, EcsType::Date),
    (schema::event::EVENT_ID, EcsType::Text),
    (schema::event::EVENT_KIND, EcsType::Text),
    (schema::event::EVENT_MODULE, EcsType::Text),
    (schema::event::EVENT_OUTCOME, EcsType::Text),
    (schema::event::EVENT_PROVIDER, EcsType::Text),
    (schema::event::EVENT_REASON, EcsType::Text),
    (schema::event::EVENT_SEQUENCE, EcsType::Long),
    (schema::event::EVENT_SEVERITY, EcsType::Long),
    (schema::event::EVENT_START, EcsType::Date),
    (schema::event::EVENT_TYPE, EcsType::TextList),
    (schema::group::GROUP_ID, EcsType::Text),
    (schema::group::GROUP_NAME, EcsType::Text),
    (schema::host::HOST_HOSTNAME, EcsType::Text),
    (schema::host::HOST_NAME, EcsType::Text),
    (schema::base::MESSAGE, EcsType::Text),
    (schema::observer::OBSERVER_HOSTNAME, EcsType::Text),
    (schema::observer::OBSERVER_IP, EcsType::TextList),
    (schema::observer::OBSERVER_NAME, EcsType::Text),
    (schema::observer::OBSERVER_PRODUCT, EcsType::Text),
    (schema::observer::OBSERVER_TYPE, EcsType::Text),
    (schema::observer::OBSERVER_VENDOR, EcsType::Text),
    (schema::related::RELATED_USER, EcsType::TextList),
    (schema::rule::RULE_ID, EcsType::Text),
    (schema::rule::RULE_NAME, EcsType::Text),
    (schema::rule::RULE_RULESET, EcsType::Text),
    (schema::user::USER_EMAIL, EcsType::Text),
    (schema::user::USER_FULL_NAME, EcsType::Text),
    (schema::user::USER_ID, EcsType::Text),
    (schema::user::USER_NAME, EcsType::Text),
];

fn type_of(value: &Value) -> Option<EcsType> {
    match value {
        Value::String(text) if DateTime::parse_from_rfc3339(text).is_ok() => Some(EcsType::Date),
        Value::String(_) => Some(EcsType::Text),
        Value::Array(items) if items.iter().all(Value::is_string) => Some(EcsType::TextList),
        Value::Number(number) if number.is_u64() => Some(EcsType::Long),
        _ => None,
    }
}

/// Adds the path and type of each field, except our own.
fn collect(map: &Map<String, Value>, path: &str, found: &mut BTreeMap<String, Option<EcsType>>) {
    for (key, value) in map.iter().filter(|(key, _)| *key != "btrollcall") {
        match value {
            Value::Object(below) => collect(below, &format!("{path}{key}."), found),
            other => drop(found.insert(format!("{path}{key}"), type_of(other))),
        }
    }
}

#[test]
fn every_field_that_is_not_ours_is_defined_by_ecs_with_its_type() {
    let mut found = BTreeMap::new();
    every_event(|message| collect(&ecs::fields(message), "", &mut found));
    let known: BTreeMap<String, Option<EcsType>> =
        ECS.into_iter().map(|(name, ecs_type)| (name.to_owned(), Some(ecs_type))).collect();
    assert_eq!(found, known);
}

/// Calls a function with an event of every sort.
pub(super) fn every_event(mut with: impl FnMut(&Message<'_>)) {
    let reason = Some("groups: answered 403".to_owned());
    let sources = vec![SourceFacts { reason, ..source("pra", "bt.example.com") }];
    let previous_started_at = Some(now() - chrono::TimeDelta::days(1));
    let facts = RunFacts { sources, previous_started_at, ..facts() };
    let of_no_run = RunFacts::of_test("host", now());
    let by_address = RunFacts { sources: vec![source("pra", "10.0.0.7")], ..facts.clone() };
    let account = || Some(account("bob@example.com", "Bob Hill"));
    let changes =
        ChangeKind::ALL.map(|kind| Change { account: account().map(Box::new), ..super::changes::change(kind, "bob") });
    let finding = Finding { exception: Some("E-1".into()), ..finding("bob", "e") };
    let previous_severity = Some(Severity::Low);
    let sent = [FindingFacts { account: account(), previous_severity, ..opened(&finding) }];
    let suspects = [suspect()];
    let completed = completed();
    let of_run = of_published(&facts, &changes, &sent, &suspects, &completed);
    let others = [of_failed(&facts, "x"), of_test(&of_no_run)];
    let others = of_published(&by_address, &[], &sent, &[], &completed).chain(others);
    of_run.chain(others).for_each(|message| with(&message));
}

/// Returns the parameters of our own element of a frame, as Vector's parser reads them.
fn own_parameters(frame: &str) -> BTreeMap<String, String> {
    let loose = syslog_loose::parse_message(frame, syslog_loose::Variant::RFC5424);
    let element = loose.structured_data.iter().find(|element| element.id == "btrollcall@99999").unwrap();
    element.params().map(|(name, value)| ((*name).to_owned(), value)).collect()
}

#[test]
fn structured_data_has_the_ids_of_the_body_with_an_enterprise_number() {
    let to = SyslogDestination { enterprise_number: Some(99_999), ..stream() };
    let finding = render(&to, &sender(), &message_about("bob \"]\\", "e"), 7);
    let (facts, completed) = (facts(), completed());
    let completed = render(&to, &sender(), &of_published(&facts, &[], &[], &[], &completed).last().unwrap(), 8);
    for (frame, names) in
        [(&finding, vec!["code", "finding", "id", "run", "seq", "state"]), (&completed, vec!["code", "id", "run"])]
    {
        let strict = syslog_rfc5424::parse_message(frame).unwrap();
        let (own, body) = (own_parameters(frame), body(frame));
        assert_eq!(own.keys().map(String::as_str).collect::<Vec<_>>(), names);
        for (name, pointer) in [
            ("id", "/event/id"),
            ("code", "/event/code"),
            ("run", "/btrollcall/run/id"),
            ("seq", "/event/sequence"),
            ("finding", "/btrollcall/finding/fingerprint"),
            ("state", "/btrollcall/finding/status"),
        ] {
            let in_body = body.pointer(pointer).map(|value| value.to_string().trim_matches('"').to_owned());
            assert_eq!(own.get(name), in_body.as_ref(), "{name}");
            assert_eq!(strict.sd.find_tuple("btrollcall@99999", name), own.get(name), "{name}");
        }
    }
    assert!(!render(&stream(), &sender(), &message_about("bob", "e"), 7).contains("btrollcall@"));
}

#[test]
fn structured_data_of_our_own_counts_towards_the_size_limit_and_gives_way_to_the_body() {
    for (host, is_kept) in [("h".repeat(63), true), ("h".repeat(255), false)] {
        let to = SyslogDestination { enterprise_number: Some(99_999), ..datagram() };
        let sender = Sender { host, pid: u32::MAX };
        let frame = render(&to, &sender, &message_about("bob", &"e".repeat(3_000)), u64::MAX);
        assert!(frame.len() <= to.max_frame_octets(), "{frame}");
        assert_eq!(frame.contains("[btrollcall@99999 id="), is_kept, "{frame}");
        assert_eq!(body(&frame)["user"]["name"], "bob");
    }
}
