//! Tests of occasions: transitions between two runs, and reminders over many runs.

use super::*;
use crate::model::{Advice, Contact, Fingerprint, SourceName, Subject, SubjectKind};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

fn day(number: i64) -> Instant {
    let first: DateTime<Utc> = "2026-11-01T02:00:00Z".parse().unwrap();
    first + TimeDelta::days(number)
}

fn finding(status: FindingStatus, severity: Severity) -> Finding {
    Finding {
        source: SourceName::from("eu"),
        fingerprint: Fingerprint::of(&["x"]),
        rule: Rule::NoMfa,
        severity,
        status,
        subject: Subject { kind: SubjectKind::User, id: "1".into(), name: None },
        contact: Contact::default(),
        wording: ("t", "{}").into(),
        advice: Advice { action: "a".into(), controls: [].into() }.into(),
        first_seen: day(0),
        last_seen: day(0),
        exception: None,
    }
}

/// Returns a baseline with one finding.
fn known(before: Finding) -> KnownFindings {
    KnownFindings { unresolved: [(before.fingerprint, before)].into_iter().collect(), ..KnownFindings::default() }
}

#[test]
fn a_transition_follows_from_status_severity_and_new_occurrences() {
    use FindingStatus::{Excepted, New, Open, Reopened, Resolved};
    use Severity::{High, Low};
    let after = |before: FindingStatus, now: FindingStatus, severity| {
        let before = finding(before, Low);
        known(before).transition(&finding(now, severity))
    };
    assert_eq!(after(New, Open, Low), None);
    assert_eq!(after(New, Open, High), Some(Occasion::Changed));
    let open_finding = |rule: Rule, evidence: &str| {
        let mut finding = finding(Open, Low);
        (finding.rule, finding.wording) = (rule, ("t", evidence).into());
        finding
    };
    let again = |rule: Rule, before: &str, now: &str| {
        let before = open_finding(rule, before);
        known(before).transition(&open_finding(rule, now))
    };
    let (first, second) = ("{\"last_login\":\"a\",\"times_seen\":1}", "{\"last_login\":\"b\",\"times_seen\":2}");
    assert_eq!(again(Rule::BreakGlassUsed, first, second), Some(Occasion::Changed), "used once more");
    assert_eq!(again(Rule::BreakGlassUsed, first, "{\"last_login\":\"a\",\"times_seen\":2}"), None, "emitted before");
    assert_eq!(again(Rule::StaleLogin, first, second), None, "its evidence changes every day");
    let grown = |base: &str, id: u8| format!("{{\"base_run\":\"{base}\",\"new_members\":[{id}]}}");
    let growth = |before: String, now: String| again(Rule::PrivilegedGrowth, &before, &now);
    assert_eq!(growth(grown("r", 1), grown("s", 1)), Some(Occasion::Changed), "removed and added again");
    assert_eq!(growth(grown("r", 1), grown("r", 2)), Some(Occasion::Changed));
    assert_eq!(growth(grown("r", 1), grown("r", 1)), None, "a partial run emitted it already");
    assert_eq!(after(Open, Excepted, Low), Some(Occasion::Excepted));
    assert_eq!(after(Excepted, Excepted, Low), None);
    assert_eq!(after(Excepted, Excepted, High), Some(Occasion::Changed), "accepted when it was less severe");
    assert_eq!(after(Excepted, Open, Low), Some(Occasion::Reopened));
    assert_eq!(after(Open, Resolved, Low), Some(Occasion::Resolved));
    assert_eq!(KnownFindings::default().transition(&finding(New, Low)), Some(Occasion::Opened));
    assert_eq!(KnownFindings::default().transition(&finding(Reopened, Low)), Some(Occasion::Reopened));
}

#[test]
fn the_earlier_severity_is_known_only_if_it_differs() {
    let before = known(finding(FindingStatus::Open, Severity::Low));
    assert_eq!(before.previous_severity(&finding(FindingStatus::Open, Severity::High)), Some(Severity::Low));
    assert_eq!(before.previous_severity(&finding(FindingStatus::Open, Severity::Low)), None);
    assert_eq!(KnownFindings::default().previous_severity(&finding(FindingStatus::New, Severity::Low)), None);
}

/// Returns an open finding whose identity depends on a number.
fn numbered(number: u64) -> Finding {
    Finding { fingerprint: Fingerprint::of(&[&number.to_string()]), ..finding(FindingStatus::Open, Severity::Low) }
}

fn is_due_between(before: Instant, now: Instant, finding: &Finding, days: u32) -> bool {
    KnownFindings { as_of: Some(before), ..KnownFindings::default() }.is_due(finding, days, now)
}

#[test]
fn reminders_of_seven_thousand_findings_are_spread_evenly_over_a_week() {
    let findings: Vec<Finding> = (0..7000).map(numbered).collect();
    for week in [0, 100] {
        let of_day = |number: i64| {
            let now = day(7 * week + number);
            findings.iter().filter(|finding| is_due_between(now - TimeDelta::days(1), now, finding, 7)).count()
        };
        let days: Vec<usize> = (0..7).map(of_day).collect();
        assert_eq!(days.iter().sum::<usize>(), 7000);
        assert!(days.iter().all(|count| (900..1100).contains(count)), "{days:?}");
    }
}

#[test]
fn a_finding_is_not_reminded_of_when_it_opens_nor_when_it_is_accepted_nor_for_0_days() {
    use FindingStatus::{Excepted, New, Open, Reopened, Resolved};
    for (status, is_due) in [(New, false), (Reopened, false), (Excepted, false), (Resolved, false), (Open, true)] {
        // A whole period has passed, so that the chosen day is certainly in it.
        assert_eq!(is_due_between(day(0), day(7), &finding(status, Severity::Low), 7), is_due, "{status:?}");
    }
    assert!(!is_due_between(day(0), day(7), &finding(Open, Severity::Low), 0));
    assert!(!KnownFindings::default().is_due(&finding(Open, Severity::Low), 7, day(0)), "a first run");
}

proptest! {
    #[test]
    fn over_a_period_of_daily_runs_each_open_finding_is_reminded_of_once(
        number in any::<u64>(), days in 1_u32..60, start in 0_i64..5000,
    ) {
        let finding = numbered(number);
        let due = (start..start + i64::from(days))
            .filter(|number| is_due_between(day(*number - 1), day(*number), &finding, days));
        prop_assert_eq!(due.count(), 1);
    }

    #[test]
    fn a_reminder_whose_day_had_no_run_is_due_in_the_next_run(
        number in any::<u64>(), days in 1_u32..60, gaps in prop::collection::vec(0_i64..40, 1..60),
    ) {
        let finding = numbered(number);
        // On which days a run at each day would remind: found by trying each day alone.
        let is_chosen = |number: i64| is_due_between(day(number - 1), day(number), &finding, days);
        let mut before = 0;
        for gap in gaps {
            let now = before + gap;
            let missed = (before + 1..=now).any(is_chosen);
            prop_assert_eq!(is_due_between(day(before), day(now), &finding, days), missed, "{} to {}", before, now);
            before = now;
        }
    }
}
