//! Tests of what an event says about its account, its rule and its source.

use super::super::facts::{SourceFacts, SourceRows, SuspectFacts};
use super::*;
use crate::model::{Change, ChangeKind, SourceStatus};
use serde_json::json;

pub(super) fn source(kind: &str, host: &str) -> SourceFacts {
    SourceFacts {
        name: "eu".to_owned(),
        kind: kind.to_owned(),
        host: host.to_owned(),
        status: SourceStatus::Complete,
        reason: None,
        rows: Some(SourceRows { accounts: 3, groups: 2, memberships: 4 }),
        confirmed_at: Some("2026-11-23T02:00:00Z".to_owned()),
        unconfirmed_since: None,
        unconfirmed_rows: 0,
    }
}

fn with_source(source: SourceFacts) -> RunFacts {
    RunFacts { sources: vec![source], ..facts() }
}

fn of_account(account: Option<AccountStanding>) -> Value {
    let contact = Contact { email: Some("last@example.com".into()), display_name: None };
    let finding = Finding { contact, ..finding("bob", "e") };
    Value::Object(ecs::fields(&message_with(&FindingFacts { account, ..opened(&finding) })))
}

#[test]
fn an_event_about_an_account_has_its_standing_its_address_and_its_full_name() {
    let body = of_account(Some(account("Bob@example.com", "Bob Hill")));
    let expected = json!({
        "sensitivity": "privileged", "privileged": true, "kind": "break-glass", "enabled": false, "source": "eu",
    });
    assert_eq!(body["btrollcall"]["account"], expected);
    let user = json!({ "id": "17", "name": "bob", "email": "Bob@example.com", "full_name": "Bob Hill" });
    assert_eq!(body["user"], user);
    assert_eq!(body["related"]["user"], json!(["bob", "Bob@example.com"]));
    assert_eq!(body["event"]["type"], json!(["info", "user", "admin"]));
}

#[test]
fn what_is_unknown_of_an_account_has_no_field_and_the_sensitivity_unknown() {
    let unknown = AccountStanding { enabled: None, privileged: None, contact: Contact::default(), ..account("", "") };
    let body = of_account(Some(unknown));
    let expected = json!({ "sensitivity": "unknown", "kind": "break-glass", "source": "eu" });
    assert_eq!(body["btrollcall"]["account"], expected);
    assert_eq!(body["user"], json!({ "id": "17", "name": "bob" }));
    let no_record = of_account(None);
    assert_eq!(no_record["user"], json!({ "id": "17", "name": "bob", "email": "last@example.com" }), "of the finding");
    assert_eq!(no_record["btrollcall"]["account"], json!({ "sensitivity": "unknown", "source": "eu" }));
    let ordinary = of_account(Some(AccountStanding { privileged: Some(false), ..account("", "") }));
    assert_eq!(ordinary["btrollcall"]["account"]["sensitivity"], "ordinary");
    assert_eq!(ordinary["btrollcall"]["account"]["privileged"], false);
    assert_eq!(ordinary["event"]["type"], json!(["info", "user"]));
}

#[test]
fn a_change_of_an_account_has_the_same_standing_as_a_finding() {
    for kind in [ChangeKind::UserDisabled, ChangeKind::MembershipAdded, ChangeKind::UserRemoved] {
        let account = Some(Box::new(account("bob@example.com", "Bob Hill")));
        let changes = [Change { account, ..super::changes::change(kind, "bob") }];
        let body = ecs::fields(&of_published(&facts(), &changes, &[], &[], &completed()).next().unwrap());
        let finding = of_account(Some(super::account("bob@example.com", "Bob Hill")));
        assert_eq!(body["btrollcall"]["account"], finding["btrollcall"]["account"], "{}", kind.as_str());
        assert_eq!(body["user"], finding["user"]);
        assert!(body["message"].as_str().unwrap().starts_with(&format!("{}: bob in eu: ", kind.as_str())));
    }
}

#[test]
fn a_privileged_account_that_is_enabled_again_is_high_and_any_other_is_low() {
    for (privileged, severity) in [(Some(true), 8), (Some(false), 3), (None, 3)] {
        let account = Some(Box::new(AccountStanding { privileged, ..account("", "") }));
        let change = Change { account, ..super::changes::change(ChangeKind::UserEnabled, "bob") };
        assert_eq!(ecs::fields(&message_of_change(change))["event"]["severity"], severity, "{privileged:?}");
    }
}

#[test]
fn an_account_that_is_added_as_privileged_or_becomes_an_administrator_is_high() {
    let severity = |change: Change| of_published(&facts(), &[change], &[], &[], &completed()).next().unwrap().severity;
    for (privileged, expected) in [(Some(true), Severity::High), (Some(false), Severity::Low), (None, Severity::Low)] {
        let account = Some(Box::new(AccountStanding { privileged, ..account("", "") }));
        let added = Change { account, ..super::changes::change(ChangeKind::UserAdded, "bob") };
        assert_eq!(severity(added), expected, "{privileged:?}");
    }
    for (field, after, expected) in
        [("is_admin", "true", Severity::High), ("is_admin", "false", Severity::Info), ("mfa", "true", Severity::Info)]
    {
        let changed = super::changes::change(ChangeKind::UserChanged, "bob");
        let changed = Change { field: Some(field.into()), after: Some(after.into()), ..changed };
        assert_eq!(severity(changed), expected, "{field} {after}");
    }
}

#[test]
fn the_action_and_the_message_say_why_a_finding_is_sent() {
    let finding = finding("bob", "e");
    for occasion in Occasion::ALL {
        let body = ecs::fields(&message_with(&FindingFacts { occasion, ..opened(&finding) }));
        let word = occasion.as_str();
        assert_eq!(body["event"]["action"], format!("finding-{word}"));
        assert_eq!(body["message"], format!("stale-login {word}: bob in eu: no login for 100 days"));
        assert_eq!(body["rule"], json!({ "id": "stale-login", "name": "Inactive accounts", "ruleset": "btrollcall" }));
        assert!(body["btrollcall"]["finding"]["previous_severity"].is_null());
    }
    let more_severe =
        FindingFacts { occasion: Occasion::Changed, previous_severity: Some(Severity::Medium), ..opened(&finding) };
    let body = ecs::fields(&message_with(&more_severe));
    assert_eq!(body["btrollcall"]["finding"]["previous_severity"], "medium");
    assert_eq!(body["btrollcall"]["finding"]["severity"], "high");
    assert_eq!(body["message"], "stale-login changed from medium to high: bob in eu: no login for 100 days");
}

#[test]
fn the_source_is_the_observer_with_host_vendor_and_product_by_their_names() {
    let finding = finding("bob", "e");
    let observer = |kind: &str, host: &str| {
        let facts = with_source(source(kind, host));
        let body = ecs::fields(&of_published(&facts, &[], &[opened(&finding)], &[], &completed()).next().unwrap());
        assert_eq!(body["btrollcall"]["source"], json!({ "name": "eu", "kind": kind }));
        body["observer"].clone()
    };
    let pam = |product: &str| {
        json!({
            "name": "eu", "type": "pam", "vendor": "BeyondTrust", "product": product, "hostname": "bt.example.com",
        })
    };
    assert_eq!(observer("pra", "BT.example.com"), pam("Privileged Remote Access"));
    assert_eq!(observer("rs", "bt.example.com"), pam("Remote Support"));
    assert_eq!(observer("password-safe", "bt.example.com"), pam("Password Safe"));
    let unnamed = json!({ "name": "eu", "type": "pam", "vendor": "BeyondTrust", "ip": ["10.0.0.7"] });
    assert_eq!(observer("rest-v3", "10.0.0.7"), unnamed);
    assert_eq!(observer("scim", "[2001:db8::1]"), json!({ "name": "eu", "type": "pam", "ip": ["2001:db8::1"] }));
}

#[test]
fn the_host_is_the_one_that_runs_the_program_by_full_name_and_by_its_first_label() {
    let facts = RunFacts { host: "Audit01.Example.com".to_owned(), ..facts() };
    let host = ecs::fields(&of_failed(&facts, "x"))["host"].clone();
    assert_eq!(host, json!({ "name": "audit01.example.com", "hostname": "audit01" }));
}

/// Returns the body of `run.completed` of a run with one source.
fn run_completed(facts: &RunFacts, completeness: Completeness) -> Value {
    let completed = Completed { completeness, ..completed() };
    Value::Object(ecs::fields(&of_published(facts, &[], &[], &[], &completed).last().unwrap()))
}

#[test]
fn a_partial_run_has_an_unknown_outcome_and_the_status_reason_and_counts_of_each_source() {
    let failed = SourceFacts {
        status: SourceStatus::Partial,
        reason: Some("groups: answered 403".to_owned()),
        ..source("pra", "bt.example.com")
    };
    let body = run_completed(&with_source(failed), Completeness::Partial);
    assert_eq!(body["event"]["outcome"], "unknown");
    assert_eq!(body["event"]["reason"], "eu: groups: answered 403");
    assert!(body["message"].as_str().unwrap().ends_with("; not complete: eu: groups: answered 403"));
    let expected = json!([{
        "name": "eu", "kind": "pra", "status": "partial", "reason": "groups: answered 403",
        "accounts": 3, "groups": 2, "memberships": 4, "confirmed_at": "2026-11-23T02:00:00Z", "unconfirmed_rows": 0,
    }]);
    assert_eq!(body["btrollcall"]["run"]["sources"], expected);
    let whole = run_completed(&with_source(source("pra", "bt.example.com")), Completeness::Complete);
    assert_eq!((&whole["event"]["outcome"], &whole["event"]["reason"]), (&json!("success"), &Value::Null));
    assert_eq!(whole["btrollcall"]["run"]["baseline"], true);
}

#[test]
fn a_run_that_evaluates_its_data_as_of_another_time_says_both_times() {
    let now = with_source(source("pra", "bt.example.com"));
    let body = run_completed(&now, Completeness::Complete);
    assert_eq!(body["btrollcall"]["run"]["evaluated_apart"], false);
    assert!(!body["message"].as_str().unwrap().contains("as of"));
    let apart = RunFacts { as_of: "2026-10-01T00:00:00Z".parse().unwrap(), ..now };
    let body = run_completed(&apart, Completeness::Complete);
    let said = "; evaluated as of 2026-10-01T00:00:00Z, data read at 2026-11-23T02:00:00.123Z";
    assert!(body["message"].as_str().unwrap().ends_with(said), "{}", body["message"]);
    let run = &body["btrollcall"]["run"];
    assert_eq!(run["evaluated_apart"], true);
    assert_eq!(
        (&run["as_of"], &run["started_at"]),
        (&json!("2026-10-01T00:00:00.000Z"), &json!("2026-11-23T02:00:00.123Z"))
    );
}

pub(super) fn suspect() -> SuspectFacts {
    SuspectFacts {
        source: "eu".to_owned(),
        list: "users",
        before: Some(100),
        now: 40,
        gone: 60,
        limit_percent: 20,
        reason: "source eu: 60 of 100 known users are missing".to_owned(),
    }
}

#[test]
fn a_suspicious_list_has_its_source_counts_and_limit_as_fields() {
    let facts = with_source(source("pra", "bt.example.com"));
    let body = ecs::fields(&super::super::message::of_suspect(&facts, &suspect()));
    let expected =
        json!({ "source": "eu", "list": "users", "before": 100, "after": 40, "gone": 60, "limit_percent": 20 });
    assert_eq!(body["btrollcall"]["run"]["suspect"], expected);
    assert_eq!((&body["event"]["outcome"], &body["observer"]["name"]), (&json!("failure"), &json!("eu")));
}

#[test]
fn an_event_that_is_too_long_keeps_the_standing_of_its_account() {
    let finding = finding("bob", &"e".repeat(900));
    let sent = FindingFacts { account: Some(account("bob@example.com", "Bob Hill")), ..opened(&finding) };
    let whole = body(&render(&stream(), &sender(), &message_with(&sent), 1));
    let kept = body(&render(&datagram(), &sender(), &message_with(&sent), 1));
    assert_eq!(kept["btrollcall"]["truncated"], true);
    assert_eq!(kept["btrollcall"]["account"], whole["btrollcall"]["account"]);
    assert_eq!(kept["user"], whole["user"], "evidence and repeated fields are lost first");
    assert_eq!(kept["event"]["action"], "finding-opened");
}

#[test]
fn an_account_with_long_names_keeps_its_standing_and_its_address_in_a_datagram() {
    let name = "n".repeat(30);
    let full = account(&format!("{name}@example.com"), &name);
    let finding = Finding { source: SourceName::from("s".repeat(30).as_str()), ..finding(&name, &"e".repeat(900)) };
    let sent = FindingFacts { account: Some(full.clone()), ..opened(&finding) };
    let change = Change {
        account: Some(Box::new(full)),
        source: finding.source.clone(),
        ..super::changes::change(ChangeKind::MembershipAdded, &name)
    };
    for message in [message_with(&sent), message_of_change(change)] {
        let whole = Value::Object(ecs::fields(&message));
        for destination in [datagram(), packet()] {
            let kept = body(&render(&destination, &sender(), &message, 1));
            assert_eq!(kept["btrollcall"]["truncated"], true);
            assert_eq!(kept["btrollcall"]["account"], whole["btrollcall"]["account"]);
            assert_eq!(kept["user"]["email"], whole["user"]["email"]);
        }
    }
}

#[test]
fn a_partial_run_that_is_too_long_keeps_name_and_status_of_each_source() {
    let failed = |name: &str| SourceFacts {
        name: name.to_owned(),
        status: SourceStatus::Failed,
        reason: Some("users: answered 503. ".repeat(40)),
        ..source("pra", "bt.example.com")
    };
    let names: Vec<String> = (1..=4).map(|number| format!("appliance-{number}")).collect();
    let facts = RunFacts { sources: names.iter().map(|name| failed(name)).collect(), ..facts() };
    let completed = Completed { completeness: Completeness::Partial, ..completed() };
    let partial = of_published(&facts, &[], &[], &[], &completed).last().unwrap();
    let reason = "all failed. ".repeat(90);
    for message in [partial, of_failed(&facts, &reason)] {
        for destination in [datagram(), packet()] {
            let kept = body(&render(&destination, &sender(), &message, 1));
            let expected: Vec<Value> = names.iter().map(|name| json!({ "name": name, "status": "failed" })).collect();
            assert_eq!(kept["btrollcall"]["run"]["sources"], json!(expected), "{}", message.code);
            assert!(kept["message"].as_str().unwrap().starts_with(&*message.code));
        }
    }
}

#[test]
fn run_completed_counts_in_words() {
    let completed =
        Completed { changes: BTreeMap::from([("user.added".to_owned(), 1)]), accounts: 408, groups: 0, ..completed() };
    let body = ecs::fields(&of_published(&facts(), &[], &[], &[], &completed).last().unwrap());
    let expected = "run.completed: complete: 408 accounts, 0 groups, 1 change, 1 finding, 1 event";
    assert_eq!(body["message"], expected);
}
