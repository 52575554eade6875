//! The lifecycle over small histories, and over 50 random days against an oracle that knows the whole history at once.

use super::*;
use crate::model::{
    Classes, Coverage, Instant, Inventory, LastLogin, ListKind, ListReport, ReportedDate, Severity, SourceIdentity,
    SourceName, SourceReading, SubjectKind, User,
};
use crate::rules::{self, EvaluationOutput, policy::Override, policy::Policy};
use crate::state::{Advance, test_support::SettledRun};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn day(number: i64) -> Instant {
    let first: DateTime<Utc> = "2026-11-01T02:00:00Z".parse().unwrap();
    first + TimeDelta::days(number)
}

/// State of an account on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccountState {
    /// Not in the tenant.
    Absent,
    /// Signed in on the day before.
    Active,
    /// Did not sign in for years.
    Stale,
    /// Disabled.
    Disabled,
    /// The source does not report the last login.
    NotReported,
}

/// How the reading of one day went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayReading {
    Complete,
    /// The list ended before any user was read.
    Broken,
    /// Every user was read, but the list changed meanwhile.
    Drifted,
}

fn user(id: usize, state: AccountState) -> Option<User> {
    let mut user = User::new(id.to_string());
    user.username = Some(format!("user-{id}").into());
    user.enabled = Some(state != AccountState::Disabled);
    user.groups_known = true;
    user.created_at = ReportedDate::At(day(-2000));
    user.last_login = match state {
        AccountState::Absent => return None,
        AccountState::NotReported => LastLogin::NotReported,
        AccountState::Stale => LastLogin::At(day(-1000)),
        AccountState::Active | AccountState::Disabled => LastLogin::At(day(-1)),
    };
    Some(user)
}

fn inventory(states: &[AccountState], reading: DayReading) -> Inventory {
    let mut users: Vec<User> = states.iter().enumerate().filter_map(|(id, state)| user(id, *state)).collect();
    // One account always reports a last login; otherwise the rule would not run.
    users.extend(user(1000, AccountState::Active));
    let coverage = match reading {
        DayReading::Complete => Coverage::Complete { proof: "all".to_owned() },
        DayReading::Broken => {
            users.clear();
            Coverage::Drifted { why: "it broke off".to_owned() }
        }
        DayReading::Drifted => Coverage::Drifted { why: "it moved".to_owned() },
    };
    let identity = SourceIdentity {
        name: SourceName::from("eu"),
        kind: "rest-v3".to_owned(),
        url: "https://bt".to_owned(),
        client_id: "id".to_owned(),
    };
    let list = |kind, coverage| ListReport::of_rows(kind, 0, coverage);
    let groups = list(ListKind::Groups, Coverage::Complete { proof: "none".to_owned() });
    let lists = vec![list(ListKind::Users, coverage), groups];
    Inventory::join(vec![SourceReading { users, lists, ..SourceReading::of(identity) }], &Classes::default())
}

/// A folder of snapshots: the memory between the runs of successive days.
#[derive(Default)]
struct Folder {
    past: KnownFindings,
    kept: Option<SettledRun>,
    policy: Policy,
}

impl Folder {
    /// Runs on one day and returns the findings.
    fn run(&mut self, number: i64, states: &[AccountState], reading: DayReading) -> Vec<Finding> {
        self.update(number, states, reading).findings
    }

    fn update(&mut self, number: i64, states: &[AccountState], reading: DayReading) -> LifecycleUpdate {
        self.read(number, &inventory(states, reading))
    }

    fn read(&mut self, number: i64, reading: &Inventory) -> LifecycleUpdate {
        let run_id = format!("run-{number}");
        let first = || Advance::by_reading(reading.clone(), &run_id, day(number), None).finish();
        let mut advanced =
            self.kept.as_ref().map_or_else(first, |kept| kept.read(reading.clone(), &run_id, day(number)));
        // The oracle does not know that ages restart when an account is enabled again; the tests of the rules cover
        // that.
        let again =
            advanced.inventory.sources.iter_mut().flat_map(|source_inventory| &mut source_inventory.reading.users);
        again.for_each(|user| user.rare.set(|rare| &mut rare.enabled_since, None));
        let inventory = &advanced.inventory;
        let output = rules::evaluate(inventory, &self.policy, day(number));
        let now = CurrentRun { inventory, evaluations: &output.evaluations, gaps: &output.gaps };
        let update = advance(output.findings, &self.past, |_| true, |earlier| now.visibility(earlier));
        let resolved = self.past.resolved_after(&update.findings, day(number), day(-9999), |_| true);
        let unresolved = update.findings.iter().filter(|finding| finding.status.is_unresolved());
        self.past = KnownFindings {
            unresolved: unresolved.map(|finding| (finding.fingerprint, finding.clone())).collect(),
            resolved: resolved.into_iter().map(|record| (record.fingerprint, record)).collect(),
            as_of: Some(day(number)),
        };
        advanced.settle();
        self.kept = Some(SettledRun::of(advanced.inventory, &run_id, day(number)));
        update
    }
}

/// Returns the `status` of the stale-login finding of user 0, if it is listed.
fn status(findings: &[Finding]) -> Option<&'static str> {
    let of = |f: &&Finding| f.rule == Rule::StaleLogin && &*f.subject.id == "0";
    findings.iter().find(of).map(|f| f.status.as_str())
}

/// Returns the status of user 0's finding on every day.
fn statuses(days: &[(AccountState, DayReading)]) -> Vec<Option<&'static str>> {
    let mut folder = Folder::default();
    (0..).zip(days).map(|(number, (state, reading))| status(&folder.run(number, &[*state], *reading))).collect()
}

#[test]
fn a_finding_is_new_then_open_then_resolved_once_and_reopened_when_it_is_found_again() {
    use AccountState::{Active, Stale};
    let states = [Stale, Stale, Active, Active, Stale, Stale];
    let days: Vec<_> = states.into_iter().map(|state| (state, DayReading::Complete)).collect();
    let expected = [Some("new"), Some("open"), Some("resolved"), None, Some("reopened"), Some("open")];
    assert_eq!(statuses(&days), expected);
}

#[test]
fn first_seen_never_changes_and_last_seen_follows_the_evidence() {
    let mut folder = Folder::default();
    folder.run(0, &[AccountState::Stale], DayReading::Complete);
    let unseen = folder.run(1, &[AccountState::NotReported], DayReading::Complete);
    let row = unseen.iter().find(|f| f.rule == Rule::StaleLogin).unwrap();
    assert_eq!((row.status, row.first_seen, row.last_seen), (FindingStatus::Open, day(0), day(0)));
    assert!(row.evidence().contains("\"age_days\":1000"), "the evidence of the day that saw it: {}", row.evidence());
    let seen = folder.run(2, &[AccountState::Stale], DayReading::Complete);
    let row = seen.iter().find(|f| f.rule == Rule::StaleLogin).unwrap();
    assert_eq!((row.status, row.first_seen, row.last_seen), (FindingStatus::Open, day(0), day(2)));
    folder.run(3, &[AccountState::Active], DayReading::Complete);
    let back = folder.run(4, &[AccountState::Stale], DayReading::Complete);
    let row = back.iter().find(|f| f.rule == Rule::StaleLogin).unwrap();
    assert_eq!((row.status, row.first_seen), (FindingStatus::Reopened, day(0)));
}

#[test]
fn a_finding_is_resolved_if_a_complete_list_lacks_the_account_and_stays_open_otherwise() {
    use AccountState::{Absent, Active, Stale};
    use DayReading::{Broken, Complete, Drifted};
    assert_eq!(statuses(&[(Stale, Complete), (Absent, Complete)])[1], Some("resolved"));
    assert_eq!(statuses(&[(Stale, Complete), (Absent, Drifted)])[1], Some("open"));
    assert_eq!(statuses(&[(Stale, Complete), (Stale, Broken)])[1], Some("open"));
    assert_eq!(
        statuses(&[(Stale, Complete), (Active, Drifted)])[1],
        Some("resolved"),
        "the account was read and passed"
    );
    // Found in a run that was not proven complete, resolved in the first one that is.
    assert_eq!(statuses(&[(Stale, Drifted), (Absent, Complete)]), [Some("new"), Some("resolved")]);
    assert_eq!(statuses(&[(Stale, Drifted), (Stale, Complete)]), [Some("new"), Some("open")], "opened once");
}

#[test]
fn disabling_an_account_resolves_its_stale_login_and_an_unreported_login_does_not() {
    use AccountState::{Disabled, NotReported, Stale};
    use DayReading::Complete;
    assert_eq!(statuses(&[(Stale, Complete), (Disabled, Complete)])[1], Some("resolved"));
    assert_eq!(statuses(&[(Stale, Complete), (NotReported, Complete)])[1], Some("open"));
}

/// Returns what a run knows about an API account, by the coverage of its list then and now.
fn visibility_of_api_account(then: Coverage, now: Coverage) -> Visibility {
    let with = |coverage: Coverage| {
        let mut source_reading = inventory(&[], DayReading::Complete).sources.remove(0).reading;
        let list = ListReport { kind: ListKind::ApiAccounts, coverage, ..source_reading.lists[0].clone() };
        source_reading.lists.push(list);
        Inventory::join(vec![source_reading], &Classes::default())
    };
    let advanced = SettledRun::first(with(then), "then", day(0)).read(with(now), "now", day(1));
    let output = rules::evaluate(&advanced.inventory, &Policy::default(), day(1));
    let mut finding = Folder::default().run(0, &[AccountState::Stale], DayReading::Complete).remove(0);
    (finding.rule, finding.subject.id) = (Rule::ServiceWithoutOwner, "api-account:1".into());
    let EvaluationOutput { evaluations, gaps, .. } = &output;
    CurrentRun { inventory: &advanced.inventory, evaluations, gaps }.visibility(&finding)
}

#[test]
fn an_account_counts_as_removed_only_if_its_list_is_proven_complete() {
    let proven = || Coverage::Complete { proof: String::new() };
    let drifted = || Coverage::Drifted { why: String::new() };
    assert_eq!(visibility_of_api_account(proven(), proven()), Visibility::Removed);
    assert_eq!(visibility_of_api_account(drifted(), proven()), Visibility::Removed);
    assert_eq!(visibility_of_api_account(proven(), drifted()), Visibility::Unknown);
    assert_eq!(visibility_of_api_account(proven(), Coverage::NotOffered), Visibility::Unknown, "not read");
    assert_eq!(visibility_of_api_account(drifted(), Coverage::NotOffered), Visibility::Unknown, "not read");
}

#[test]
fn a_list_of_details_that_is_no_longer_needed_keeps_no_finding_open() {
    let mut folder = Folder::default();
    let mut first = inventory(&[AccountState::Stale], DayReading::Complete).sources.remove(0).reading;
    let details = ListReport { kind: ListKind::UserDetails, ..first.lists[0].clone() };
    first.lists.push(details);
    folder.read(0, &Inventory::join(vec![first], &Classes::default()));
    assert_eq!(status(&folder.run(1, &[AccountState::Active], DayReading::Complete)), Some("resolved"));
}

#[test]
fn another_product_under_the_same_name_has_its_own_findings_and_those_of_the_first_are_dropped() {
    let of = |product| Fingerprint::of_finding(&"eu".into(), product, Rule::NoMfa, SubjectKind::User, "3");
    assert_ne!(of("rest-v3"), of("pra"));
    let mut folder = Folder::default();
    folder.run(0, &[AccountState::Stale, AccountState::Stale], DayReading::Complete);
    folder.run(1, &[AccountState::Stale, AccountState::Active], DayReading::Complete);
    assert_eq!(folder.past.forget(&"us".into()), 0);
    let unresolved = folder.past.unresolved.len();
    assert!(unresolved > 0 && !folder.past.resolved.is_empty());
    assert_eq!(folder.past.forget(&"eu".into()), unresolved);
    assert!(folder.past.unresolved.is_empty() && folder.past.resolved.is_empty());
}

#[test]
fn a_finding_about_an_incomplete_list_is_resolved_when_the_next_reading_is_complete() {
    let mut folder = Folder::default();
    let of = |findings: &[Finding]| {
        findings.iter().find(|f| f.rule == Rule::CollectionIncomplete).map(|f| f.status.as_str())
    };
    assert_eq!(of(&folder.run(0, &[AccountState::Active], DayReading::Drifted)), Some("new"));
    assert_eq!(of(&folder.run(1, &[AccountState::Active], DayReading::Drifted)), Some("open"));
    assert_eq!(of(&folder.run(2, &[AccountState::Active], DayReading::Complete)), Some("resolved"));
    assert_eq!(of(&folder.run(3, &[AccountState::Active], DayReading::Complete)), None);
}

#[test]
fn findings_of_a_rule_that_is_switched_off_are_dropped_and_counted() {
    let mut folder = Folder::default();
    folder.run(0, &[AccountState::Stale, AccountState::Stale], DayReading::Complete);
    folder.policy.rules.insert(Rule::StaleLogin, Override::Off);
    let off = folder.update(1, &[AccountState::Stale, AccountState::Stale], DayReading::Complete);
    assert!(status(&off.findings).is_none());
    assert_eq!(off.dropped.into_iter().collect::<Vec<_>>(), [("their rule is switched off", 2)]);
    folder.policy.rules.clear();
    let on = folder.run(2, &[AccountState::Stale, AccountState::Stale], DayReading::Complete);
    assert_eq!(status(&on), Some("reopened"));
}

/// Status, day on which it was first seen, and number of observations; `None` if the finding is not listed.
type ExpectedRow = Option<(&'static str, i64, u64)>;

/// Returns the expected row of every day from the whole history of one account. Written independently of the lifecycle:
/// it has no memory between days.
fn oracle(history: &[(AccountState, DayReading)]) -> Vec<ExpectedRow> {
    let mut rows = Vec::new();
    let (mut first, mut is_unresolved, mut times) = (None, false, 0);
    for (at, (state, reading)) in history.iter().enumerate() {
        let number = i64::try_from(at).unwrap();
        // A list that ended early contained no user.
        let was_read = !matches!(reading, DayReading::Broken);
        let found = *state == AccountState::Stale && was_read;
        let is_resolved = match state {
            AccountState::Active | AccountState::Disabled => was_read,
            AccountState::Absent => *reading == DayReading::Complete,
            AccountState::Stale | AccountState::NotReported => false,
        };
        let word = match (found, is_unresolved, first) {
            (true, true, _) => Some("open"),
            (true, false, Some(_)) => Some("reopened"),
            (true, false, None) => Some("new"),
            (false, true, _) => Some(if is_resolved { "resolved" } else { "open" }),
            (false, false, _) => None,
        };
        if found {
            first = first.or(Some(number));
            times += 1;
        }
        is_unresolved = found || (is_unresolved && !is_resolved);
        rows.push(word.map(|word| (word, first.unwrap_or_default(), times)));
    }
    rows
}

fn account_state() -> impl Strategy<Value = AccountState> {
    use AccountState::{Absent, Active, Disabled, NotReported, Stale};
    prop_oneof![Just(Absent), Just(Active), Just(Stale), Just(Disabled), Just(NotReported)]
}

#[test]
fn a_list_that_was_not_read_does_not_make_a_finding_less_severe() {
    let mut folder = Folder::default();
    let mut found = folder.run(0, &[AccountState::Stale], DayReading::Complete);
    found.retain(|finding| finding.rule == Rule::StaleLogin);
    let [earlier] =
        &mut folder.past.unresolved.values_mut().filter(|f| f.rule == Rule::StaleLogin).collect::<Vec<_>>()[..]
    else {
        panic!("one");
    };
    let now = found[0].severity;
    earlier.severity = Severity::Critical;
    assert!(now < Severity::Critical);
    let severity = |is_complete: bool| {
        let mut found = found.clone();
        keep_severities(&mut found, &folder.past, |_| is_complete);
        let evidence: Value = serde_json::from_str(&found[0].evidence()).unwrap();
        (found[0].severity, evidence["severity_by_this_evidence"].as_str().map(str::to_owned))
    };
    assert_eq!(severity(true), (now, None));
    assert_eq!(severity(false), (Severity::Critical, Some(now.as_str().to_owned())));
}

fn day_reading() -> impl Strategy<Value = DayReading> {
    prop_oneof![6 => Just(DayReading::Complete), 1 => Just(DayReading::Drifted), 1 => Just(DayReading::Broken)]
}

#[test]
fn a_clock_that_was_ahead_once_moves_no_date_of_a_finding_backwards() {
    let mut folder = Folder::default();
    folder.run(100, &[AccountState::Stale], DayReading::Complete);
    folder.run(101, &[AccountState::Stale], DayReading::Complete);
    let earlier = folder.run(50, &[AccountState::Stale], DayReading::Complete);
    let row = earlier.iter().find(|f| f.rule == Rule::StaleLogin).unwrap();
    assert_eq!((row.first_seen, row.last_seen, row.wording.times_seen()), (day(100), day(101), 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn over_50_random_days_the_lifecycle_agrees_with_an_oracle_that_knows_the_whole_history(
        days in prop::collection::vec((prop::collection::vec(account_state(), 6), day_reading()), 50)
    ) {
        let mut folder = Folder::default();
        let mut rows: Vec<Vec<ExpectedRow>> = vec![Vec::new(); 6];
        let mut opened = BTreeSet::new();
        for (number, (states, reading)) in (0..).zip(&days) {
            let findings = folder.run(number, states, *reading);
            for (id, reported) in rows.iter_mut().enumerate() {
                let row = findings.iter().find(|f| f.rule == Rule::StaleLogin && *f.subject.id == *id.to_string());
                reported.push(row.map(|f| (f.status.as_str(), (f.first_seen - day(0)).num_days(), f.wording.times_seen())));
            }
            for finding in &findings {
                prop_assert!(finding.status != FindingStatus::Resolved || *reading != DayReading::Broken);
                // A finding opens only if it was closed, and is resolved only if it was open.
                match finding.status {
                    FindingStatus::New | FindingStatus::Reopened => prop_assert!(opened.insert(finding.fingerprint)),
                    FindingStatus::Resolved => prop_assert!(opened.remove(&finding.fingerprint)),
                    FindingStatus::Open | FindingStatus::Excepted => prop_assert!(opened.contains(&finding.fingerprint)),
                }
            }
            let unresolved: BTreeSet<Fingerprint> =
                findings.iter().filter(|f| f.status.is_unresolved()).map(|f| f.fingerprint).collect();
            prop_assert_eq!(&unresolved, &opened, "no finding disappears");
        }
        for (id, reported) in rows.into_iter().enumerate() {
            let history: Vec<(AccountState, DayReading)> =
                days.iter().map(|(states, reading)| (states[id], *reading)).collect();
            prop_assert_eq!(reported, oracle(&history), "account {}", id);
        }
    }
}
