//! Which findings exceptions accept, and what happens when they end.

use super::*;
use crate::model::{Contact, Subject, SubjectKind};
use chrono::{DateTime, TimeDelta, Utc};

fn at(text: &str) -> Instant {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}

fn finding(rule: Rule, id: &str, name: &str, severity: Severity) -> Finding {
    let source = SourceName::from("eu");
    Finding {
        fingerprint: Fingerprint::of_finding(&source, "rest-v3", rule, SubjectKind::User, id),
        source,
        rule,
        severity,
        status: FindingStatus::New,
        subject: Subject { kind: SubjectKind::User, id: id.into(), name: Some(name.into()) },
        contact: Contact::default(),
        wording: ("t", "{}").into(),
        advice: Advice { action: "a".into(), controls: [].into() }.into(),
        first_seen: at("2026-11-01T00:00:00Z"),
        last_seen: at("2026-11-01T00:00:00Z"),
        exception: None,
    }
}

fn exception(line: usize, rule: Rule, subject: &str, until: &str) -> Exception {
    Exception {
        line,
        rule,
        subject: Pattern::parse(subject).unwrap(),
        source: None,
        reason: "backup robot".to_owned(),
        owner: "platform team".to_owned(),
        ticket: Some("CHG-1".to_owned()),
        until: until.parse().unwrap(),
    }
}

#[test]
fn an_exception_accepts_findings_of_its_rule_subject_and_source_only() {
    let mut findings = vec![
        finding(Rule::StaleLogin, "1", "svc-a", Severity::High),
        finding(Rule::NoMfa, "1", "svc-a", Severity::High),
        finding(Rule::StaleLogin, "2", "mia", Severity::High),
    ];
    let other = Exception { source: Some("us".to_owned()), ..exception(9, Rule::StaleLogin, "mia", "2027-01-01") };
    let entries = [exception(1, Rule::StaleLogin, "glob:svc-*", "2027-01-01"), other];
    let applied = apply(&mut findings, &entries, &Policy::default(), at("2026-11-23T02:00:00Z"));
    let words = findings.iter().map(|f| f.status.as_str()).collect::<Vec<_>>();
    assert_eq!(words, ["excepted", "new", "new"]);
    let reported = findings[0].exception.as_deref();
    assert_eq!(reported, Some("backup robot (owner platform team, until 2027-01-01, ticket CHG-1)"));
    assert_eq!((applied.uses[0].state(), applied.uses[1].state()), ("in force", "unused"));
    assert!(applied.expired.is_empty());
    assert!(applied.uses[1].warnings(at("2026-11-23T02:00:00Z"))[0].contains("covers no finding"));
}

#[test]
fn an_exception_applies_until_the_end_of_its_last_day_and_is_then_a_finding() {
    let entries = [exception(3, Rule::NeverLoggedIn, "id:7", "2026-11-23")];
    let evaluated = |as_of: &str| {
        let mut findings = vec![finding(Rule::NeverLoggedIn, "7", "robot", Severity::Low)];
        let applied = apply(&mut findings, &entries, &Policy::default(), at(as_of));
        (findings.remove(0), applied)
    };
    let (covered, last) = evaluated("2026-11-23T23:59:59Z");
    assert_eq!(covered.status, FindingStatus::Excepted);
    assert!(last.expired.is_empty());
    let (open_again, expired_uses) = evaluated("2026-11-24T00:00:00Z");
    assert_eq!((open_again.status, open_again.exception), (FindingStatus::New, None));
    let [expired] = expired_uses.expired.try_into().unwrap();
    assert_eq!((expired.rule, expired.severity), (Rule::ExceptionExpired, Severity::Medium), "at least medium");
    assert!(expired.evidence().contains("\"covered_rule\":\"never-logged-in\""), "{}", expired.evidence());
    assert_ne!(expired.fingerprint, open_again.fingerprint);
    assert_eq!(expired_uses.uses[0].state(), "expired");
}

#[test]
fn a_renewed_exception_is_not_expired_and_a_critical_finding_stays_critical() {
    let as_of = at("2026-11-24T00:00:00Z");
    let old = exception(1, Rule::NoMfa, "id:7", "2026-11-01");
    let mut findings = vec![finding(Rule::NoMfa, "7", "robot", Severity::Critical)];
    let applied = apply(&mut findings.clone(), std::slice::from_ref(&old), &Policy::default(), as_of);
    assert_eq!(applied.expired[0].severity, Severity::Critical);
    let off = Policy { rules: [(Rule::ExceptionExpired, Override::Off)].into(), ..Policy::default() };
    assert!(apply(&mut findings.clone(), std::slice::from_ref(&old), &off, as_of).expired.is_empty());
    let entries = [old, exception(5, Rule::NoMfa, "robot", "2027-11-01")];
    let applied = apply(&mut findings, &entries, &Policy::default(), as_of);
    assert!(applied.expired.is_empty() && findings[0].status == FindingStatus::Excepted);
    assert!(applied.uses[0].warnings(as_of)[0].contains("covers no finding and has expired; remove it"));
}

#[test]
fn of_two_applicable_exceptions_the_first_counts_and_the_other_overlaps() {
    let as_of = at("2026-11-24T00:00:00Z");
    let mut findings = vec![finding(Rule::NoMfa, "7", "robot", Severity::High)];
    let entries =
        [exception(1, Rule::NoMfa, "id:7", "2027-01-01"), exception(8, Rule::NoMfa, "glob:rob*", "2027-02-01")];
    let applied = apply(&mut findings, &entries, &Policy::default(), as_of);
    assert_eq!((applied.uses[0].covers.len(), applied.uses[1].covers.len()), (1, 0));
    let warnings = applied.uses[1].warnings(as_of);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("line 8") && warnings[0].contains("overlaps with the one in line 1"), "{warnings:?}");
}

#[test]
fn a_resolved_finding_is_not_accepted() {
    let mut findings = vec![finding(Rule::NoMfa, "7", "robot", Severity::High)];
    findings[0].status = FindingStatus::Resolved;
    let entries = [exception(1, Rule::NoMfa, "id:7", "2027-01-01")];
    apply(&mut findings, &entries, &Policy::default(), at("2026-11-24T00:00:00Z"));
    assert_eq!(findings[0].status, FindingStatus::Resolved);
}

#[test]
fn a_warning_starts_fourteen_days_before_the_end() {
    let findings = vec![finding(Rule::NoMfa, "7", "robot", Severity::High)];
    let entries = [exception(1, Rule::NoMfa, "id:7", "2026-12-31")];
    let warnings = |days: i64| {
        let as_of = at("2026-12-31T23:00:00Z") - TimeDelta::days(days);
        apply(&mut findings.clone(), &entries, &Policy::default(), as_of).uses[0].warnings(as_of).join("; ")
    };
    assert_eq!(warnings(15), "");
    assert!(warnings(14).contains("ends in 14 days, on 2026-12-31"));
    assert!(warnings(1).contains("ends tomorrow, on 2026-12-31") && warnings(0).contains("ends today"));
}
