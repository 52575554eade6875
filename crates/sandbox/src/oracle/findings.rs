//! Who must be found, by which rule, how grave: the rules of the catalogue, once more, a person at a time.

mod accounts;
mod groups;

use super::super::dialect::Dialect;
use super::cells::sort_key;
use super::dates::{self, Created, Login};
use super::people::{FindingSubjectKind, Person, Roster};
use super::{Expect, ExpectedFinding};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;

/// Beyond this a date or a clock is wrong, not imprecise.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// All findings, sorted by rule, kind of subject, subject.
pub(super) fn of(expect: &Expect, roster: &Roster) -> Vec<ExpectedFinding> {
    let evaluate = OracleContext::new(expect, roster);
    let mut found: Vec<ExpectedFinding> = roster.people.iter().flat_map(|p| evaluate.everything(p)).collect();
    found.extend(evaluate.empty_groups());
    found.extend(evaluate.grown_groups());
    found.extend(evaluate.groups_with_strangers());
    found.extend(evaluate.source());
    found.sort_by_cached_key(|f| (f.rule.clone(), f.subject_kind.clone(), sort_key(&f.subject_id)));
    found
}

/// What is known of the source before any person is looked at.
struct OracleContext<'a> {
    expect: &'a Expect,
    roster: &'a Roster,
    /// Id of a listed group -> whether it is privileged.
    groups: HashMap<&'a str, bool>,
    /// Some user's last login is told, so that one without is unknown and not simply out of scope.
    logins_reported: bool,
    /// Somebody signs in by way of an identity provider.
    has_sso: bool,
    /// Normalised address -> number of enabled accounts that have it.
    addresses: HashMap<String, usize>,
}

impl<'a> OracleContext<'a> {
    fn new(expect: &'a Expect, roster: &'a Roster) -> Self {
        let mut addresses = HashMap::new();
        let open = roster.people.iter().filter(|person| !is_blocked(person, expect.as_of));
        for address in open.filter_map(accounts::address_in_use) {
            *addresses.entry(address).or_default() += 1;
        }
        Self {
            expect,
            roster,
            groups: roster.groups.iter().map(|g| (g.id.as_str(), g.privileged)).collect(),
            logins_reported: roster.people.iter().any(|p| matches!(p.login, Login::At(_) | Login::Never(_))),
            has_sso: roster.people.iter().any(Person::is_sso),
            addresses,
        }
    }

    fn everything(&self, person: &Person) -> Vec<ExpectedFinding> {
        [
            self.stale(person),
            self.never(person),
            self.no_group(person),
            self.disabled_in_group(person),
            self.dangling(person),
            self.data_quality(person),
            self.shared_email(person),
            self.local_outside_sso(person),
            self.no_mfa(person),
            self.dormant_with_key(person),
            self.service_without_owner(person),
            self.break_glass_used(person),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn stale(&self, person: &Person) -> Option<ExpectedFinding> {
        let Login::At(login) = person.login else { return None };
        let basis = self.or_enabled_again(person, login);
        let (age, threshold) = (self.age(basis), self.stale_threshold(person));
        if !self.in_use(person) || age < threshold {
            return None;
        }
        let severity = if self.privileged(person) || person.is_local() { "high" } else { "medium" };
        Some(aged(finding("stale-login", severity, person), age, threshold, basis))
    }

    fn never(&self, person: &Person) -> Option<ExpectedFinding> {
        let Login::Never(_) = person.login else { return None };
        let basis = self.or_enabled_again(person, self.beginning(person)?);
        let (age, grace) = (self.age(basis), self.expect.never_grace_days);
        if !self.in_use(person) || age < grace {
            return None;
        }
        let severity = if age >= self.stale_threshold(person) { "medium" } else { "low" };
        Some(aged(finding("never-logged-in", severity, person), age, grace, basis))
    }

    /// When an account began to be there: as it tells, or as an earlier run saw.
    fn beginning(&self, person: &Person) -> Option<DateTime<Utc>> {
        match person.created {
            Created::At(created) => Some(created),
            _ => self.expect.earlier.first_seen(&person.id).filter(|seen| *seen < self.expect.as_of),
        }
    }

    fn or_enabled_again(&self, person: &Person, basis: DateTime<Utc>) -> DateTime<Utc> {
        self.expect.earlier.enabled_again(&person.id).map_or(basis, |again| again.max(basis))
    }

    /// An emergency account with a login that the base does not have.
    fn break_glass_used(&self, person: &Person) -> Option<ExpectedFinding> {
        let Login::At(login) = person.login else { return None };
        let used = person.kind == FindingSubjectKind::BreakGlass && self.expect.earlier.is_new_login(&person.id, login);
        used.then(|| finding("break-glass-used", "high", person))
    }

    fn data_quality(&self, person: &Person) -> Option<ExpectedFinding> {
        let future = |at: DateTime<Utc>| at - self.expect.as_of > TOLERANCE;
        let login_wrong = match person.login {
            Login::At(at) => future(at),
            Login::Never(sentinel) => sentinel,
            Login::NotReported => false,
            Login::Unreadable => true,
        };
        let created_wrong = match person.created {
            Created::At(at) => future(at),
            Created::Not => false,
            Created::Unreadable => true,
        };
        let no_basis = match person.login {
            Login::At(_) => false,
            Login::Never(_) => self.beginning(person).is_none(),
            // What stands in records that were not read may be known all the same.
            Login::NotReported => self.logins_reported && !self.lacks_records(),
            Login::Unreadable => true,
        };
        let wrong = login_wrong || created_wrong || person.at_odds || (self.in_use(person) && no_basis);
        wrong.then(|| finding("data-quality", "info", person))
    }

    fn lacks_records(&self) -> bool {
        self.roster.partial && self.expect.dialects.contains(&Dialect::RecordsNotFound)
    }

    fn source(&self) -> Vec<ExpectedFinding> {
        let mut found = Vec::new();
        let broken = self.expect.dialects.contains(&Dialect::BrokenText) && self.shows_replaced_text();
        let odd = broken || self.roster.people.iter().any(|p| p.odd) || self.roster.groups.iter().any(|g| g.odd);
        if self.expect.clock_skew_seconds.abs() > 300 || odd {
            found.push(about("data-quality", "info", "source", &self.expect.source));
        }
        if !self.expect.groups_listed || self.roster.partial {
            found.push(about("collection-incomplete", "medium", "source", &self.expect.source));
        }
        found
    }

    fn shows_replaced_text(&self) -> bool {
        let names = self.roster.people.iter().flat_map(|p| [&p.display_name, &p.username]).flatten();
        names.chain(self.roster.groups.iter().filter_map(|g| g.name.as_ref())).any(|name| name.contains('\u{fffd}'))
    }

    /// Whole days; a basis in the future is age 0.
    fn age(&self, basis: DateTime<Utc>) -> i64 {
        (self.expect.as_of - basis).num_days().max(0)
    }

    /// Where nobody can say whether a person is privileged, only what is beyond both is beyond it.
    fn stale_threshold(&self, person: &Person) -> i64 {
        let (all, privileged) = (self.expect.stale_after_days, self.expect.privileged_stale_after_days);
        if self.privileged(person) {
            privileged
        } else if self.perhaps_privileged(person) {
            all.max(privileged)
        } else {
            all
        }
    }

    fn perhaps_privileged(&self, person: &Person) -> bool {
        let hidden = !person.groups_known || (!self.expect.groups_listed && !person.groups.is_empty());
        hidden && !self.expect.privileged_groups.is_empty()
    }

    fn exists(&self, id: &str) -> bool {
        self.groups.contains_key(id)
    }

    /// An administrator by its own record, or a member of a privileged group.
    fn privileged(&self, person: &Person) -> bool {
        person.is_admin == Some(true) || self.in_a_privileged_group(person)
    }

    fn in_a_privileged_group(&self, person: &Person) -> bool {
        person.groups.iter().any(|id| self.groups.get(id.as_str()) == Some(&true))
    }

    /// Cannot sign in though enabled: told so, or past the end of its validity.
    fn blocked(&self, person: &Person) -> bool {
        is_blocked(person, self.expect.as_of)
    }

    /// Enabled and able to sign in.
    fn open(&self, person: &Person) -> bool {
        person.enabled == Some(true) && !self.blocked(person)
    }

    /// Enabled, able to sign in, and somebody's: staleness applies.
    fn in_use(&self, person: &Person) -> bool {
        person.enabled == Some(true) && person.kind != FindingSubjectKind::Service && !self.blocked(person)
    }
}

fn is_blocked(person: &Person, as_of: DateTime<Utc>) -> bool {
    person.barred || matches!(person.expires, Created::At(end) if end <= as_of)
}

fn finding(rule: &str, severity: &str, person: &Person) -> ExpectedFinding {
    about(rule, severity, "user", &person.id)
}

fn about(rule: &str, severity: &str, kind: &str, id: &str) -> ExpectedFinding {
    ExpectedFinding {
        rule: rule.to_owned(),
        severity: severity.to_owned(),
        subject_kind: kind.to_owned(),
        subject_id: id.to_owned(),
        status: "new".to_owned(),
        age_days: None,
        threshold_days: None,
        basis: None,
        group_ids: Vec::new(),
        user_ids: Vec::new(),
    }
}

fn aged(finding: ExpectedFinding, age: i64, threshold: i64, basis: DateTime<Utc>) -> ExpectedFinding {
    let basis = Some(dates::cell(basis));
    ExpectedFinding { age_days: Some(age), threshold_days: Some(threshold), basis, ..finding }
}
