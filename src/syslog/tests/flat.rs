//! CEF and LEEF: whatever a name contains, a reader that follows the specification gets it back.

use super::super::body::replace_control_characters;
use super::fields::every_event;
use super::*;
use crate::model::ChangeKind;
use std::collections::BTreeMap;

fn with_payload(payload: Payload, to: SyslogDestination) -> SyslogDestination {
    SyslogDestination { payload, ..to }
}

fn rendered(payload: Payload, message: &Message<'_>) -> String {
    render(&with_payload(payload, stream()), &sender(), message, 1)
}

/// Splits at a character that is not escaped, and removes the escapes.
fn split_unescaped(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut is_escaped) = (vec![String::new()], false);
    for c in text.chars() {
        match c {
            '\\' if !is_escaped => is_escaped = true,
            c if c == at && !is_escaped => parts.push(String::new()),
            c => {
                parts.last_mut().unwrap().push(c);
                is_escaped = false;
            }
        }
    }
    parts
}

/// Reads CEF as the implementation standard defines it: the header, then the extension.
fn cef(frame: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let body = &frame[frame.find("CEF:").unwrap()..];
    let mut header = split_unescaped(body, '|');
    let raw: Vec<usize> = body.match_indices('|').map(|(at, _)| at).collect();
    // The titles in this test have no bars, so that the seventh bar ends the header.
    let extension = &body[raw[6] + 1..];
    header.truncate(7);
    let parts = split_unescaped(&format!("{extension} end"), '=');
    let mut fields = BTreeMap::new();
    let mut key = parts[0].clone();
    for part in &parts[1..] {
        // The last word before an equals sign is the next key.
        let (value, next) = part.rsplit_once(' ').unwrap();
        assert!(fields.insert(key, value.to_owned()).is_none(), "a key twice in {body}");
        key = next.to_owned();
    }
    (header, fields)
}

fn leef(frame: &str) -> BTreeMap<String, String> {
    let body = &frame[frame.find("LEEF:").unwrap()..];
    let fields = body.splitn(7, '|').last().unwrap();
    let pair = |field: &str| field.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())).unwrap();
    fields.split('^').map(pair).collect()
}

#[test]
fn a_finding_has_the_documented_keys_in_cef_and_leef() {
    let mut finding = finding("leila.hansen", "e");
    finding.wording =
        ("t", r#"{"age_days":100,"basis":"2026-08-15T02:00:00Z","basis_kind":"last_login","times_seen":1}"#).into();
    let message = message_of(&finding);
    let (header, fields) = cef(&rendered(Payload::Cef, &message));
    let version = env!("CARGO_PKG_VERSION");
    let expected = ["CEF:0", "btrollcall", "bt-rollcall", version, "finding.stale-login", "Inactive accounts", "8"];
    assert_eq!(header, expected);
    let expected = [
        ("act", "finding-opened"),
        ("cat", "finding"),
        ("cn1", "100"),
        ("cn1Label", "ageDays"),
        ("cs1Label", "fingerprint"),
        ("cs2", "new"),
        ("cs2Label", "status"),
        ("deviceCustomDate1", "1786759200000"),
        ("deviceCustomDate1Label", "lastLogin"),
        ("dpriv", "Administrator"),
        ("duid", "17"),
        ("duser", "leila.hansen"),
        ("rt", "1795399200123"),
    ];
    for (key, value) in expected {
        assert_eq!(fields.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!((&fields["externalId"], &fields["cs5"]), (&message.id, &message.id));
    let fields = leef(&rendered(Payload::Leef, &message));
    for (key, value) in [("usrName", "leila.hansen"), ("policy", "stale-login"), ("sev", "8"), ("ageDays", "100")] {
        assert_eq!(fields.get(key).map(String::as_str), Some(value), "{key}");
    }
}

/// Returns the group names of a finding in CEF and LEEF, which must be the same. Group 1 has a name.
fn group_names(subject: SubjectKind, evidence: &Value) -> Option<String> {
    let mut finding = finding("leila", "e");
    finding.subject.kind = subject;
    finding.wording = ("t", evidence.to_string().as_str()).into();
    let groups = GroupNames::of(&finding, |id| (id == "1").then(|| "Vault = Admins".to_owned()));
    let message = message_with(&FindingFacts { groups, ..opened(&finding) });
    let (_, fields) = cef(&rendered(Payload::Cef, &message));
    let names = fields.get("cs3").cloned();
    assert_eq!(fields.get("cs3Label").map(String::as_str), names.as_ref().map(|_| "groupName"));
    assert_eq!(leef(&rendered(Payload::Leef, &message)).get("groupName").cloned(), names);
    names
}

#[test]
fn a_finding_about_an_account_names_its_groups_and_says_how_many_are_left_out() {
    use serde_json::json;
    let both = || Some("Vault = Admins, 2".to_owned());
    for (evidence, expected) in [
        (json!({"count": 2, "groups": ["1", "2"], "privileged_groups": ["1"]}), both()),
        (json!({"count": 2, "named_groups": ["1", "2"]}), both()),
        (json!({"count": 2, "missing_groups": ["1", "2"]}), both()),
        (json!({"memberships_only_by_user": ["1"], "memberships_only_by_group": ["2"]}), both()),
        (json!({"count": 120, "groups": ["1", "2"]}), Some("Vault = Admins, 2, 118 more".to_owned())),
        (json!({"values": {"groups": ["A", "1"], "group_ids": ["8", "9"]}}), Some("A, 1".to_owned())),
        (json!({"values": {"groups": ["A"]}, "lengths": {"groups": 257}}), Some("A, 256 more".to_owned())),
        (json!({"values": {"group_ids": ["1", "2"]}}), both()),
        (json!({"count": 3, "accounts": ["a", "b"]}), None),
        (json!({"count": 0, "named_groups": []}), None),
    ] {
        assert_eq!(group_names(SubjectKind::User, &evidence), expected, "{evidence}");
    }
    let of_group = group_names(SubjectKind::Group, &json!({"count": 1, "groups": ["1"]}));
    assert_eq!(of_group.as_deref(), Some("leila"), "its subject, once");
}

#[test]
fn names_of_groups_that_are_too_long_for_their_key_are_left_out_whole_and_counted() {
    let (long, short) = ("l".repeat(300), "s".repeat(80));
    let ids = [&long, &long, &long, &short, &short];
    let names = group_names(SubjectKind::User, &serde_json::json!({"count": 9, "groups": ids})).unwrap();
    // Three long names and two separators have 904 characters. The second short name has no room any more.
    assert_eq!(names, format!("{long}, {long}, {long}, {short}, 5 more"));
    assert!(names.chars().count() <= 1_000);
}

#[test]
fn every_key_of_cef_and_leef_is_documented() {
    let document = include_str!("../../../docs/events.md");
    let section = document.split("## CEF and LEEF").nth(1).unwrap().split("\n## ").next().unwrap();
    let is_documented = |key: &String| section.contains(&format!("`{key}`"));
    every_event(|message| {
        let (_, cef) = cef(&rendered(Payload::Cef, message));
        let labels: Vec<&String> =
            cef.iter().filter(|(key, _)| key.ends_with("Label")).map(|(_, label)| label).collect();
        let keys = cef.keys().filter(|key| !key.ends_with("Label")).chain(labels);
        let leef = leef(&rendered(Payload::Leef, message));
        let missing: Vec<&String> = keys.chain(leef.keys()).filter(|key| !is_documented(key)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    });
}

#[test]
fn every_event_has_its_code_time_and_id_in_each_payload() {
    every_event(|message| {
        let (header, fields) = cef(&rendered(Payload::Cef, message));
        assert_eq!((header[4].as_str(), &fields["externalId"]), (&*message.code, &message.id));
        assert!(fields.values().all(|value| !value.is_empty()));
        let frame = rendered(Payload::Leef, message);
        assert!(frame.contains(&format!("|{}|^|devTime=", message.code)), "{frame}");
        assert_eq!(leef(&frame)["eventId"], message.id);
    });
}

#[test]
fn a_changed_value_of_a_group_and_a_member_of_a_directory_are_named_and_whole_records_are_not() {
    let of = |kind, field: Option<&str>, before: Option<&str>, after: Option<&str>| {
        let [field, before, after] = [field, before, after].map(|text| text.map(Into::into));
        let change = Change { field, before, after, ..super::changes::change(kind, "Operators") };
        cef(&rendered(Payload::Cef, &message_of_change(change))).1
    };
    let renamed = of(ChangeKind::GroupRenamed, Some("name"), Some("Ops"), Some("Operators"));
    assert_eq!((&*renamed["flexString1"], &*renamed["flexString2"], &*renamed["cs4"]), ("Ops", "Operators", "17"));
    let mut change = super::changes::change(ChangeKind::MembershipAdded, "Operators");
    change.subject.kind = SubjectKind::Group;
    (change.field, change.after) = (Some("directory_members".into()), Some("CN=Bob".into()));
    let member = cef(&rendered(Payload::Cef, &message_of_change(change))).1;
    assert_eq!((&*member["flexString2"], &*member["cs4"], member.get("duser")), ("CN=Bob", "17", None));
    let added = of(ChangeKind::UserAdded, None, None, Some("{\"id\":\"17\"}"));
    assert!(!added.contains_key("flexString2") && !added.contains_key("cs4"));
}

#[test]
fn a_value_that_is_too_long_for_its_cef_key_is_cut_and_marked() {
    let mut finding = finding("bob", "e");
    finding.source = "s".repeat(300).as_str().into();
    let fields = cef(&rendered(Payload::Cef, &message_of(&finding))).1;
    assert_eq!(fields["deviceExternalId"], "s".repeat(252) + "...");
    assert_eq!((&*fields["cfp1"], &*fields["cfp1Label"]), ("1", "truncated"));
}

proptest! {
    #[test]
    fn any_name_is_one_record_and_comes_back_in_cef_and_leef(
        name in "[a-z=|^\\\\\\\\ \\t\\n\\r\\u{0}\\u{85}\\u{2028}é😀]{1,60}", is_datagram in any::<bool>(),
    ) {
        let to = if is_datagram { datagram() } else { stream() };
        let message = message_about(&name, "e");
        let frame = render(&with_payload(Payload::Cef, to.clone()), &sender(), &message, 1);
        prop_assert!(!frame.chars().any(char::is_control));
        prop_assert_eq!(&cef(&frame).1["duser"], &replace_control_characters(&name));
        let frame = render(&with_payload(Payload::Leef, to), &sender(), &message, 1);
        prop_assert!(!frame.chars().any(char::is_control));
        prop_assert_eq!(&leef(&frame)["usrName"], &replace_control_characters(&name).replace('^', "\u{ff3e}"));
    }

    #[test]
    fn a_long_name_leaves_the_size_limit_and_the_ids_as_they_are(name in "\\PC{0,5000}", evidence in "\\PC{0,5000}") {
        let message = message_about(&name, &evidence);
        for to in [datagram(), packet(), stream()] {
            for payload in [Payload::Cef, Payload::Leef, Payload::Ocsf(Ocsf::DEFAULT)] {
                let to = with_payload(payload, to.clone());
                let frame = render(&to, &sender(), &message, u64::MAX);
                prop_assert!(frame.len() <= to.max_frame_octets(), "{} octets", frame.len());
                prop_assert!(frame.contains(&message.id) && frame.contains("finding.stale-login"));
            }
        }
    }
}
