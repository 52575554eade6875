//! The lifecycle over small histories, and over 50 random days against an oracle that sees all of them at once.

use super::*;
use crate::model::{
    Classes, Coverage, Instant, Inventory, LastLogin, ListKind, ListReport, ReportedDate, Severity, SourceIdentity,
    SourceName, SourceReading, Subject, SubjectKind, User,
};
use crate::rules::{self, EvaluationOutput, policy::Override, policy::Policy};
use crate::state::{Advance, memory::SettledRun};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn day(number: i64) -> Instant {
    let first: DateTime<Utc> = "2026-11-01T02:00:00Z".parse().unwrap();
    first + TimeDelta::days(number)
}

/// How an account looks on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Not in the tenant.
    Absent,
    /// Signed in yesterday.
    Active,
    /// Has not signed in for years.
    Stale,
    /// Switched off.
    Disabled,
    /// The source does not tell its last login.
    Untold,
}

/// How one day's reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Complete,
    /// The list broke off before anybody came.
    Broken,
    /// Every user came, but the list moved meanwhile.
    Drifted,
}

fn user(id: usize, look: Look) -> Option<User> {
    let mut user = User::new(id.to_string());
    user.username = Some(format!("user-{id}").into());
    user.enabled = Some(look != Look::Disabled);
    user.groups_known = true;
    user.created_at = ReportedDate::At(day(-2000));
    user.last_login = match look {
        Look::Absent => return None,
        Look::Untold => LastLogin::NotReported,
        Look::Stale => LastLogin::At(day(-1000)),
        Look::Active | Look::Disabled => LastLogin::At(day(-1)),
    };
    Some(user)
}

fn inventory(looks: &[Look], reading: Reading) -> Inventory {
    let mut users: Vec<User> = looks.iter().enumerate().filter_map(|(id, look)| user(id, *look)).collect();
    // Somebody always tells a last login: the rule runs.
    users.extend(user(1000, Look::Active));
    let coverage = match reading {
        Reading::Complete => Coverage::Complete { proof: "all".to_owned() },
        Reading::Broken => {
            users.clear();
            Coverage::Drifted { why: "it broke off".to_owned() }
        }
        Reading::Drifted => Coverage::Drifted { why: "it moved".to_owned() },
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

/// What one snapshot after the other says.
#[derive(Default)]
struct Folder {
    past: KnownFindings,
    kept: Option<SettledRun>,
    policy: Policy,
}

impl Folder {
    /// Lives through one day; gives its rows.
    fn live(&mut self, number: i64, looks: &[Look], reading: Reading) -> Vec<Finding> {
        self.update(number, looks, reading).findings
    }

    fn update(&mut self, number: i64, looks: &[Look], reading: Reading) -> LifecycleUpdate {
        self.read(number, &inventory(looks, reading))
    }

    fn read(&mut self, number: i64, reading: &Inventory) -> LifecycleUpdate {
        let run_id = format!("run-{number}");
        let first = || Advance::by_reading(reading.clone(), &run_id, day(number), None).finish();
        let mut advanced =
            self.kept.as_ref().map_or_else(first, |kept| kept.read(reading.clone(), &run_id, day(number)));
        // That ages begin anew with an account that is enabled again is a matter of the rules.
        let again =
            advanced.inventory.sources.iter_mut().flat_map(|source_inventory| &mut source_inventory.reading.users);
        again.for_each(|user| user.enabled_since = None);
        let inventory = &advanced.inventory;
        let output = rules::evaluate(inventory, &self.policy, day(number));
        let now = CurrentRun { inventory, evaluations: &output.evaluations, gaps: &output.gaps };
        let update = live(output.findings, &self.past, |_| true, |earlier| now.sight(earlier));
        let over = self.past.resolved(&update.findings, day(number), day(-9999), |_| true);
        let standing = update.findings.iter().filter(|finding| finding.status.stands());
        self.past = KnownFindings {
            standing: standing.map(|finding| (finding.fingerprint, finding.clone())).collect(),
            over: over.into_iter().map(|over| (over.fingerprint, over)).collect(),
            as_of: Some(day(number)),
        };
        advanced.settle();
        self.kept = Some(SettledRun::of(advanced.inventory, &run_id, day(number)));
        update
    }
}

/// `status` of the stale-login finding of user 0, if it has a row.
fn status(findings: &[Finding]) -> Option<&'static str> {
    let of = |f: &&Finding| f.rule == Rule::StaleLogin && &*f.subject.id == "0";
    findings.iter().find(of).map(|f| f.status.as_str())
}

/// What is said of user 0, day by day.
fn statuses(days: &[(Look, Reading)]) -> Vec<Option<&'static str>> {
    let mut folder = Folder::default();
    (0..).zip(days).map(|(number, (look, reading))| status(&folder.live(number, &[*look], *reading))).collect()
}

#[test]
fn a_finding_is_new_then_open_then_resolved_once_and_reopened_when_it_comes_back() {
    use Reading::Complete;
    let looks = [Look::Stale, Look::Stale, Look::Active, Look::Active, Look::Stale, Look::Stale];
    let days: Vec<_> = looks.into_iter().map(|look| (look, Complete)).collect();
    let expected = [Some("new"), Some("open"), Some("resolved"), None, Some("reopened"), Some("open")];
    assert_eq!(statuses(&days), expected);
}

#[test]
fn first_seen_stays_and_last_seen_goes_with_the_evidence() {
    let mut folder = Folder::default();
    folder.live(0, &[Look::Stale], Reading::Complete);
    let unseen = folder.live(1, &[Look::Untold], Reading::Complete);
    let row = unseen.iter().find(|f| f.rule == Rule::StaleLogin).unwrap();
    assert_eq!((row.status, row.first_seen, row.last_seen), (FindingStatus::Open, day(0), day(0)));
    assert!(row.evidence.contains("\"age_days\":1000"), "the evidence of the day that saw it: {}", row.evidence);
    let seen = folder.live(2, &[Look::Stale], Reading::Complete);
    let row = seen.iter().find(|f| f.rule == Rule::StaleLogin).unwrap();
    assert_eq!((row.status, row.first_seen, row.last_seen), (FindingStatus::Open, day(0), day(2)));
    folder.live(3, &[Look::Active], Reading::Complete);
    let back = folder.live(4, &[Look::Stale], Reading::Complete);
    let row = back.iter().find(|f| f.rule == Rule::StaleLogin).unwrap();
    assert_eq!((row.status, row.first_seen), (FindingStatus::Reopened, day(0)));
}

#[test]
fn who_is_gone_from_a_complete_list_resolves_and_who_is_missing_from_another_stays_open() {
    use Reading::{Broken, Complete, Drifted};
    assert_eq!(statuses(&[(Look::Stale, Complete), (Look::Absent, Complete)])[1], Some("resolved"));
    assert_eq!(statuses(&[(Look::Stale, Complete), (Look::Absent, Drifted)])[1], Some("open"));
    assert_eq!(statuses(&[(Look::Stale, Complete), (Look::Stale, Broken)])[1], Some("open"));
    assert_eq!(
        statuses(&[(Look::Stale, Complete), (Look::Active, Drifted)])[1],
        Some("resolved"),
        "it was read, and is fine"
    );
    // Found in a run that was not proven, gone in the first that is.
    assert_eq!(statuses(&[(Look::Stale, Drifted), (Look::Absent, Complete)]), [Some("new"), Some("resolved")]);
    assert_eq!(
        statuses(&[(Look::Stale, Drifted), (Look::Stale, Complete)]),
        [Some("new"), Some("open")],
        "opened once"
    );
}

#[test]
fn a_disabled_account_is_seen_to_be_stale_no_more_and_one_that_cannot_be_evaluated_is_not() {
    use Reading::Complete;
    assert_eq!(statuses(&[(Look::Stale, Complete), (Look::Disabled, Complete)])[1], Some("resolved"));
    assert_eq!(statuses(&[(Look::Stale, Complete), (Look::Untold, Complete)])[1], Some("open"));
}

/// What becomes of a finding about an API account, by how the list that brings it was read then and is now.
fn sight_of_api_account(then: Coverage, now: Coverage) -> Visibility {
    let with = |coverage: Coverage| {
        let mut source_reading = inventory(&[], Reading::Complete).sources.remove(0).reading;
        let list = ListReport { kind: ListKind::ApiAccounts, coverage, ..source_reading.lists[0].clone() };
        source_reading.lists.push(list);
        Inventory::join(vec![source_reading], &Classes::default())
    };
    let advanced = SettledRun::first(with(then), "then", day(0)).read(with(now), "now", day(1));
    let output = rules::evaluate(&advanced.inventory, &Policy::default(), day(1));
    let mut finding = Folder::default().live(0, &[Look::Stale], Reading::Complete).remove(0);
    (finding.rule, finding.subject.id) = (Rule::ServiceWithoutOwner, "api-account:1".into());
    let EvaluationOutput { evaluations, gaps, .. } = &output;
    CurrentRun { inventory: &advanced.inventory, evaluations, gaps }.sight(&finding)
}

#[test]
fn an_account_is_gone_only_where_the_list_that_brings_it_is_proven_complete() {
    let proven = || Coverage::Complete { proof: String::new() };
    let drifted = || Coverage::Drifted { why: String::new() };
    assert_eq!(sight_of_api_account(proven(), proven()), Visibility::Gone);
    assert_eq!(sight_of_api_account(drifted(), proven()), Visibility::Gone);
    assert_eq!(sight_of_api_account(proven(), drifted()), Visibility::Unknown);
    assert_eq!(sight_of_api_account(proven(), Coverage::NotOffered), Visibility::Unknown, "nobody looked");
    assert_eq!(sight_of_api_account(drifted(), Coverage::NotOffered), Visibility::Unknown, "nobody looked");
}

#[test]
fn details_that_nobody_needs_any_more_keep_no_finding_open() {
    let mut folder = Folder::default();
    let mut first = inventory(&[Look::Stale], Reading::Complete).sources.remove(0).reading;
    let details = ListReport { kind: ListKind::UserDetails, ..first.lists[0].clone() };
    first.lists.push(details);
    folder.read(0, &Inventory::join(vec![first], &Classes::default()));
    assert_eq!(status(&folder.live(1, &[Look::Active], Reading::Complete)), Some("resolved"));
}

#[test]
fn another_product_under_the_same_name_has_other_findings_and_those_of_the_first_are_forgotten() {
    let of = |product| Fingerprint::of_finding(&"eu".into(), product, Rule::NoMfa, SubjectKind::User, "3");
    assert_ne!(of("rest-v3"), of("pra"));
    let mut folder = Folder::default();
    folder.live(0, &[Look::Stale, Look::Stale], Reading::Complete);
    folder.live(1, &[Look::Stale, Look::Active], Reading::Complete);
    assert_eq!(folder.past.forget(&"us".into()), 0);
    let standing = folder.past.standing.len();
    assert!(standing > 0 && !folder.past.over.is_empty());
    assert_eq!(folder.past.forget(&"eu".into()), standing);
    assert!(folder.past.standing.is_empty() && folder.past.over.is_empty());
}

#[test]
fn an_incomplete_collection_is_over_when_the_next_is_complete() {
    let mut folder = Folder::default();
    let of = |findings: &[Finding]| {
        findings.iter().find(|f| f.rule == Rule::CollectionIncomplete).map(|f| f.status.as_str())
    };
    assert_eq!(of(&folder.live(0, &[Look::Active], Reading::Drifted)), Some("new"));
    assert_eq!(of(&folder.live(1, &[Look::Active], Reading::Drifted)), Some("open"));
    assert_eq!(of(&folder.live(2, &[Look::Active], Reading::Complete)), Some("resolved"));
    assert_eq!(of(&folder.live(3, &[Look::Active], Reading::Complete)), None);
}

#[test]
fn a_rule_that_is_switched_off_sets_its_findings_aside_and_says_how_many() {
    let mut folder = Folder::default();
    folder.live(0, &[Look::Stale, Look::Stale], Reading::Complete);
    folder.policy.rules.insert(Rule::StaleLogin, Override::Off);
    let off = folder.update(1, &[Look::Stale, Look::Stale], Reading::Complete);
    assert!(status(&off.findings).is_none());
    assert_eq!(off.set_aside.into_iter().collect::<Vec<_>>(), [("their rule is switched off", 2)]);
    folder.policy.rules.clear();
    let on = folder.live(2, &[Look::Stale, Look::Stale], Reading::Complete);
    assert_eq!(status(&on), Some("reopened"));
}

/// Lives through a day; whether the finding is told again on it.
fn reminds(folder: &mut Folder, number: i64) -> bool {
    let before = folder.past.clone();
    let findings = folder.live(number, &[Look::Stale], Reading::Complete);
    let finding = findings.iter().find(|f| f.rule == Rule::StaleLogin).unwrap();
    assert!(!before.is_due(finding, 0, day(number)), "0 days: never");
    assert_eq!(before.transition(finding), (number == 0).then_some(Transition::Opened));
    before.is_due(finding, 7, day(number))
}

#[test]
fn an_open_finding_is_reported_again_once_every_so_many_days_whenever_the_runs_are() {
    let mut folder = Folder::default();
    let mut times = Vec::new();
    for number in 0..30 {
        let due = reminds(&mut folder, number);
        times.extend(due.then_some(number));
    }
    assert_eq!(times, [7, 14, 21, 28]);
}

#[test]
fn what_happened_is_reported_by_status_and_severity() {
    use FindingStatus::{Excepted, New, Open, Reopened, Resolved};
    use Severity::{High, Low};
    let finding = |status, severity| Finding {
        source: SourceName::from("eu"),
        fingerprint: Fingerprint::of(&["x"]),
        rule: Rule::NoMfa,
        severity,
        status,
        subject: Subject { kind: SubjectKind::User, id: "1".into(), name: None },
        title: "t".into(),
        evidence: "{}".into(),
        action: "a".into(),
        controls: [].into(),
        first_seen: day(0),
        last_seen: day(0),
        exception: None,
    };
    let after = |before: FindingStatus, now: FindingStatus, severity| {
        let before = finding(before, Low);
        let past = KnownFindings {
            standing: [(before.fingerprint, before)].into_iter().collect(),
            ..KnownFindings::default()
        };
        past.transition(&finding(now, severity))
    };
    assert_eq!(after(New, Open, Low), None);
    assert_eq!(after(New, Open, High), Some(Transition::Changed));
    let reported = |rule: Rule, evidence: &str| {
        let mut finding = finding(Open, Low);
        (finding.rule, finding.evidence) = (rule, evidence.into());
        finding
    };
    let again = |rule: Rule, before: &str, now: &str| {
        let before = reported(rule, before);
        let past = KnownFindings {
            standing: [(before.fingerprint, before)].into_iter().collect(),
            ..KnownFindings::default()
        };
        past.transition(&reported(rule, now))
    };
    let (first, second) = ("{\"last_login\":\"a\",\"times_seen\":1}", "{\"last_login\":\"b\",\"times_seen\":2}");
    assert_eq!(again(Rule::BreakGlassUsed, first, second), Some(Transition::Changed), "used once more");
    assert_eq!(again(Rule::BreakGlassUsed, first, "{\"last_login\":\"a\",\"times_seen\":2}"), None, "told before");
    assert_eq!(again(Rule::StaleLogin, first, second), None, "evidence moves every day");
    let grown = |base: &str, id: u8| format!("{{\"base_run\":\"{base}\",\"new_members\":[{id}]}}");
    let growth = |before: String, now: String| again(Rule::PrivilegedGrowth, &before, &now);
    assert_eq!(growth(grown("r", 1), grown("s", 1)), Some(Transition::Changed), "gone and back");
    assert_eq!(growth(grown("r", 1), grown("r", 2)), Some(Transition::Changed));
    assert_eq!(growth(grown("r", 1), grown("r", 1)), None, "a run that was not proven told it");
    assert_eq!(after(Open, Excepted, Low), Some(Transition::Excepted));
    assert_eq!(after(Excepted, Excepted, High), None);
    assert_eq!(after(Excepted, Open, Low), Some(Transition::Opened));
    assert_eq!(after(Open, Resolved, Low), Some(Transition::Resolved));
    assert_eq!(KnownFindings::default().transition(&finding(New, Low)), Some(Transition::Opened));
    assert_eq!(KnownFindings::default().transition(&finding(Reopened, Low)), Some(Transition::Opened));
}

/// Status, day of the first sight and number of sights; `None` where there is no row.
type ToldRow = Option<(&'static str, i64, u64)>;

/// What every day's row tells, by reading the whole history of one account at once. Written apart from the lifecycle: it
/// knows no memory, only days.
fn oracle(history: &[(Look, Reading)]) -> Vec<ToldRow> {
    let mut rows = Vec::new();
    let (mut first, mut stands, mut times) = (None, false, 0);
    for (at, (look, reading)) in history.iter().enumerate() {
        let number = i64::try_from(at).unwrap();
        // A list that broke off gave nobody.
        let came = !matches!(reading, Reading::Broken);
        let found = *look == Look::Stale && came;
        let over = match look {
            Look::Active | Look::Disabled => came,
            Look::Absent => *reading == Reading::Complete,
            Look::Stale | Look::Untold => false,
        };
        let word = match (found, stands, first) {
            (true, true, _) => Some("open"),
            (true, false, Some(_)) => Some("reopened"),
            (true, false, None) => Some("new"),
            (false, true, _) => Some(if over { "resolved" } else { "open" }),
            (false, false, _) => None,
        };
        if found {
            first = first.or(Some(number));
            times += 1;
        }
        stands = found || (stands && !over);
        rows.push(word.map(|word| (word, first.unwrap_or_default(), times)));
    }
    rows
}

fn look() -> impl Strategy<Value = Look> {
    prop_oneof![Just(Look::Absent), Just(Look::Active), Just(Look::Stale), Just(Look::Disabled), Just(Look::Untold)]
}

#[test]
fn a_finding_is_no_less_grave_for_a_list_that_was_not_read() {
    let mut folder = Folder::default();
    let mut found = folder.live(0, &[Look::Stale], Reading::Complete);
    found.retain(|finding| finding.rule == Rule::StaleLogin);
    let [stood] = &mut folder.past.standing.values_mut().filter(|f| f.rule == Rule::StaleLogin).collect::<Vec<_>>()[..]
    else {
        panic!("one");
    };
    let now = found[0].severity;
    stood.severity = Severity::Critical;
    assert!(now < Severity::Critical);
    let severity = |is_complete: bool| {
        let mut found = found.clone();
        keep_severities(&mut found, &folder.past, |_| is_complete);
        let evidence: Value = serde_json::from_str(&found[0].evidence).unwrap();
        (found[0].severity, evidence["severity_by_this_evidence"].as_str().map(str::to_owned))
    };
    assert_eq!(severity(true), (now, None));
    assert_eq!(severity(false), (Severity::Critical, Some(now.as_str().to_owned())));
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![6 => Just(Reading::Complete), 1 => Just(Reading::Drifted), 1 => Just(Reading::Broken)]
}

#[test]
fn a_clock_that_was_ahead_once_moves_no_instant_of_a_finding_backwards() {
    let mut folder = Folder::default();
    folder.live(100, &[Look::Stale], Reading::Complete);
    folder.live(101, &[Look::Stale], Reading::Complete);
    let earlier = folder.live(50, &[Look::Stale], Reading::Complete);
    let row = earlier.iter().find(|f| f.rule == Rule::StaleLogin).unwrap();
    assert_eq!((row.first_seen, row.last_seen, row.times_seen()), (day(100), day(101), 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn over_50_random_days_the_lifecycle_is_that_of_an_oracle_that_sees_the_whole_history(
        days in prop::collection::vec((prop::collection::vec(look(), 6), reading()), 50)
    ) {
        let mut folder = Folder::default();
        let mut rows: Vec<Vec<ToldRow>> = vec![Vec::new(); 6];
        let mut opened = BTreeSet::new();
        for (number, (looks, reading)) in (0..).zip(&days) {
            let findings = folder.live(number, looks, *reading);
            for (id, reported) in rows.iter_mut().enumerate() {
                let row = findings.iter().find(|f| f.rule == Rule::StaleLogin && *f.subject.id == *id.to_string());
                reported.push(row.map(|f| (f.status.as_str(), (f.first_seen - day(0)).num_days(), f.times_seen())));
            }
            for finding in &findings {
                prop_assert!(finding.status != FindingStatus::Resolved || *reading != Reading::Broken);
                // Opens once and resolves once: what opens was closed, what resolves was open.
                match finding.status {
                    FindingStatus::New | FindingStatus::Reopened => prop_assert!(opened.insert(finding.fingerprint)),
                    FindingStatus::Resolved => prop_assert!(opened.remove(&finding.fingerprint)),
                    FindingStatus::Open | FindingStatus::Excepted => prop_assert!(opened.contains(&finding.fingerprint)),
                }
            }
            let standing: BTreeSet<Fingerprint> =
                findings.iter().filter(|f| f.status.stands()).map(|f| f.fingerprint).collect();
            prop_assert_eq!(&standing, &opened, "nothing vanishes");
        }
        for (id, reported) in rows.into_iter().enumerate() {
            let history: Vec<(Look, Reading)> = days.iter().map(|(looks, reading)| (looks[id], *reading)).collect();
            prop_assert_eq!(reported, oracle(&history), "account {}", id);
        }
    }
}
