//! OCSF: class, type and ids of every event, and what the schema refuses.

use super::super::message::About;
use super::super::ocsf::fields;
use super::fields::every_event;
use super::*;

#[test]
fn every_event_has_the_class_and_activity_of_the_document() {
    let document = include_str!("../../../docs/events.md");
    let section = document.split("## OCSF").nth(1).unwrap().split("\n## ").next().unwrap();
    every_event(|message| {
        let fields = fields(message, Ocsf::DEFAULT);
        let number = |key: &str| fields[key].as_u64().unwrap();
        let (class, activity) = (number("class_uid"), number("activity_id"));
        assert_eq!(number("type_uid"), class * 100 + activity);
        assert_eq!(number("category_uid"), class / 1000);
        assert_eq!(fields["metadata"]["uid"], message.id);
        assert_eq!(fields["metadata"]["event_code"], *message.code);
        // In milliseconds, as the schema wants it.
        assert_eq!(fields["time"], now().timestamp_millis());
        let start = match message.about {
            About::Finding(_) => format!("| `finding.*`, `{}` |", super::super::summary::action(message)),
            _ => format!("| `{}` |", message.code),
        };
        let end = format!(" {class} | {activity} | {} |", class * 100 + activity);
        let row = section.lines().find(|row| row.starts_with(&start)).unwrap_or_else(|| panic!("{start}"));
        assert!(row.ends_with(&end), "{row}");
    });
}

#[test]
fn a_finding_names_its_account_source_and_last_login() {
    let mut finding = finding("leila.hansen", "e");
    finding.wording = ("t", r#"{"age_days":100,"basis":"2026-08-15T02:00:00Z","basis_kind":"last_login"}"#).into();
    let body = |finding: &Finding, class| {
        Value::Object(fields(&message_of(finding), Ocsf { finding: class, ..Ocsf::DEFAULT }))
    };
    let iam = body(&finding, OcsfFinding::IamAnalysis);
    assert_eq!(iam["type_uid"], 200_801);
    assert_eq!(iam["finding_info"]["uid"], finding.fingerprint.to_string());
    assert_eq!((&iam["user"]["uid"], &iam["user"]["type_id"]), (&"17".into(), &2.into()), "a privileged account");
    assert_eq!(iam["applications"][0]["name"], finding.source.as_str());
    assert_eq!(iam["identity_activity_metrics"]["last_authentication_time"], 1_786_759_200_000_i64);
    let detection = body(&finding, OcsfFinding::Detection);
    assert_eq!(detection["type_uid"], 200_401);
    assert_eq!(detection["resources"][0]["uid"], "17");
    assert!(detection.get("user").is_none(), "the class has no such field");
}

#[test]
fn an_address_that_the_schema_refuses_is_kept_apart_from_its_fields() {
    for (email, is_kept) in [
        ("leila@example.com", true),
        ("o'neil+x@sub.example.com", true),
        ("zoë@example.com", false),
        ("leila", false),
        ("@example.com", false),
        ("leila@host", false),
        ("a@b@example.com", false),
        ("leila@example.", false),
        ("leila@.com", false),
    ] {
        let finding = finding("leila", "e");
        let sent = FindingFacts { account: Some(account(email, "Leila")), ..opened(&finding) };
        let mut change = super::changes::change(crate::model::ChangeKind::UserAdded, "leila");
        change.account = Some(Box::new(account(email, "Leila")));
        for message in [message_with(&sent), message_of_change(change)] {
            let fields = fields(&message, Ocsf::DEFAULT);
            let [known, unmapped] =
                [&fields["user"]["email_addr"], &fields["unmapped"]["btrollcall"]["account"]["email"]];
            let expected = if is_kept { [Value::from(email), Value::Null] } else { [Value::Null, Value::from(email)] };
            assert_eq!([known, unmapped], expected.each_ref());
        }
    }
}

#[test]
fn an_event_names_its_version_and_has_only_the_types_of_it() {
    let mut service = account("svc@example.com", "Backup");
    (service.privileged, service.kind) = (Some(false), crate::model::UserKind::Service);
    for (version, name, type_id) in [
        (OcsfVersion::V1_4, "1.4.0", 99),
        (OcsfVersion::V1_5, "1.5.0", 99),
        (OcsfVersion::V1_6, "1.6.0", 4),
        (OcsfVersion::V1_7, "1.7.0", 4),
        (OcsfVersion::V1_8, "1.8.0", 4),
    ] {
        for (kind, path) in
            [(crate::model::ChangeKind::UserAdded, "/user"), (crate::model::ChangeKind::UserRenamed, "/entity/user")]
        {
            let mut change = super::changes::change(kind, "svc-backup");
            change.account = Some(Box::new(service.clone()));
            let fields = Value::Object(fields(&message_of_change(change), Ocsf { version, ..Ocsf::DEFAULT }));
            assert_eq!(fields["metadata"]["version"], name);
            let user = fields.pointer(path).unwrap();
            assert_eq!(user["type_id"], type_id, "{name}");
            // The number for other types needs a name.
            assert_eq!(user.get("type"), (type_id == 99).then(|| Value::from("Service")).as_ref(), "{name}");
        }
    }
}

#[test]
fn a_shortened_event_is_flagged_where_its_version_allows() {
    let mut change = super::changes::change(crate::model::ChangeKind::UserAdded, "leila");
    change.account = Some(Box::new(account("leila@example.com", &"Leila ".repeat(200))));
    let message = message_of_change(change);
    let [known, own] = ["/metadata/is_truncated", "/unmapped/btrollcall/truncated"];
    for (version, flagged, other) in [(OcsfVersion::V1_5, own, known), (OcsfVersion::V1_6, known, own)] {
        let payload = Payload::Ocsf(Ocsf { version, ..Ocsf::DEFAULT });
        let body = body(&render(&SyslogDestination { payload, ..packet() }, &sender(), &message, 1));
        assert_eq!(body.pointer(flagged), Some(&true.into()), "{body}");
        assert_eq!(body.pointer(other), None, "{body}");
    }
}
