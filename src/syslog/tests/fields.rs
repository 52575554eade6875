//! Every field outside of `btrollcall` is one that ECS 9.4 defines, with its type.

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
