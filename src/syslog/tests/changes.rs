//! Tests of change events: codes, categories, order and size.

use super::*;
use crate::model::{Change, ChangeKind, ChangedGroup};
use serde_json::json;

pub(super) fn change(kind: ChangeKind, text: &str) -> Change {
    let membership = matches!(kind, ChangeKind::MembershipAdded | ChangeKind::MembershipRemoved);
    let of_group = matches!(kind, ChangeKind::GroupAdded | ChangeKind::GroupRemoved | ChangeKind::GroupRenamed);
    let subject_kind = if of_group { SubjectKind::Group } else { SubjectKind::User };
    Change {
        source: SourceName::from("eu"),
        event_id: Fingerprint::of(&[kind.as_str()]),
        kind,
        subject: Subject { kind: subject_kind, id: "17".into(), name: Some(text.into()) },
        field: Some("display_name".into()),
        before: Some(text.into()),
        after: Some(text.into()),
        base_run: "20261122T020000Z-7f3a".into(),
        group: membership.then(|| ChangedGroup { id: "3".into(), name: Some(text.into()), privileged: true }),
        account: None,
    }
}

#[test]
fn every_kind_of_change_is_an_iam_event_with_its_subject_and_the_time_between_the_snapshots() {
    let facts = RunFacts { previous_started_at: Some(now() - chrono::TimeDelta::days(1)), ..facts() };
    let changes: Vec<Change> = ChangeKind::ALL.into_iter().map(|kind| change(kind, "x")).collect();
    let (finding, completed) = (finding("n", "e"), completed());
    let findings = [opened(&finding)];
    let messages: Vec<Message<'_>> = of_published(&facts, &changes, &findings, &[], &completed).collect();
    let codes: Vec<&str> = messages.iter().map(|message| &*message.code).collect();
    let kinds = ChangeKind::ALL.map(ChangeKind::as_str);
    assert_eq!(codes, [&kinds[..], &["finding.stale-login", "run.completed"]].concat());
    for (message, kind) in messages.iter().zip(ChangeKind::ALL) {
        let body = body(&render(&stream(), &sender(), message, 1));
        let event = &body["event"];
        // In the order of the kinds: gained access is above other changes, and a privileged group is highest.
        let severity = [3, 1, 8, 1, 1, 1, 1, 1, 3, 1, 3, 1][kind as usize];
        assert_eq!(
            (&event["kind"], &event["code"], &event["severity"]),
            (&"event".into(), &kind.as_str().into(), &severity.into())
        );
        assert_eq!(
            event["id"],
            Fingerprint::of(&[kind.as_str()]).to_string(),
            "the id is the event_id of the changes table"
        );
        assert_eq!(event["start"], "2026-11-22T02:00:00.123Z");
        let (of_user, of_group) = (body["user"]["id"] == "17", !body["group"].is_null());
        assert_eq!(of_user, kind.as_str().starts_with("user.") || kind.as_str().starts_with("membership."));
        assert_eq!(of_group, !kind.as_str().starts_with("user."));
        let allowed = ["admin", "change", "creation", "deletion", "group", "info", "user"];
        let types = event["type"].as_array().unwrap();
        assert!(types.iter().all(|word| allowed.contains(&word.as_str().unwrap())), "ECS: expected types of iam");
    }
    assert_eq!(
        body(&render(&stream(), &sender(), &messages[2], 1))["btrollcall"]["group"]["sensitivity"],
        "privileged"
    );
}

#[test]
fn a_change_has_one_of_the_severities_of_its_code() {
    for kind in ChangeKind::ALL {
        let row = super::super::codes::of_change(kind);
        let standing = |privileged| Some(Box::new(AccountStanding { privileged: Some(privileged), ..account("", "") }));
        let usual = Change { group: None, account: standing(false), ..change(kind, "x") };
        assert_eq!(usual.severity(), row.severity, "{}", kind.as_str());
        let (field, after) = (Some("is_admin".into()), Some("true".into()));
        let raised = Change { field, after, account: standing(true), ..change(kind, "x") };
        assert_eq!(raised.severity(), row.raised.map_or(row.severity, |(severity, _)| severity), "{}", kind.as_str());
    }
}

#[test]
fn a_group_that_is_not_listed_has_no_name_and_an_unknown_sensitivity() {
    let unlisted = ChangedGroup { id: "99".into(), name: None, privileged: false };
    let change = Change { group: Some(unlisted), ..change(ChangeKind::MembershipAdded, "bob") };
    let body = ecs::fields(&message_of_change(change));
    assert_eq!(body["group"], json!({ "id": "99" }));
    assert_eq!(body["btrollcall"]["group"], json!({ "sensitivity": "unknown" }));
    assert_eq!(body["event"]["severity"], 3);
}

#[test]
fn a_group_without_a_name_that_matches_by_its_id_is_privileged() {
    let by_id = ChangedGroup { id: "99".into(), name: None, privileged: true };
    let change = Change { group: Some(by_id), ..change(ChangeKind::MembershipAdded, "bob") };
    let body = ecs::fields(&message_of_change(change));
    assert_eq!(body["btrollcall"]["group"], json!({ "sensitivity": "privileged", "privileged": true }));
}

#[test]
fn a_change_with_very_long_texts_fits_into_a_datagram_and_keeps_its_subject() {
    for kind in ChangeKind::ALL {
        let change = change(kind, &"\u{1f600}\n".repeat(5000));
        let frame = render(&datagram(), &sender(), &message_of_change(change), 1);
        assert!(frame.len() <= 1180 && !frame.contains('\n'), "{}: {}", kind.as_str(), frame.len());
        assert_eq!(body(&frame)["btrollcall"]["change"]["subject"]["id"], "17");
        assert_eq!(body(&frame)["event"]["code"], kind.as_str());
    }
}
