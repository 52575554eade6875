//! Who must be found, by which rule, how grave: the rules of the catalogue, once more, a person at a time.

use super::dates::{self, Created, Login};
use super::{Expect, ExpectedFinding, Kind, Known, Person, sort_key};
use chrono::{DateTime, TimeDelta, Utc};

/// Beyond this a date or a clock is wrong, not imprecise.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// All findings, sorted by rule, kind of subject, subject.
pub(super) fn of(expect: &Expect, groups: &[Known], people: &[Person]) -> Vec<ExpectedFinding> {
    let judge =
        Judge { expect, groups, logins_told: people.iter().any(|p| matches!(p.login, Login::At(_) | Login::Never(_))) };
    let mut found: Vec<ExpectedFinding> = people.iter().flat_map(|p| judge.everything(p)).collect();
    found.extend(judge.source());
    found.sort_by_key(|f| (f.rule.clone(), f.subject_kind.clone(), sort_key(&f.subject_id)));
    found
}

struct Judge<'a> {
    expect: &'a Expect,
    groups: &'a [Known<'a>],
    /// Some user's last login is told, so that one without is unknown and not simply out of scope.
    logins_told: bool,
}

impl Judge<'_> {
    fn everything(&self, person: &Person) -> Vec<ExpectedFinding> {
        [
            self.stale(person),
            self.never(person),
            self.no_group(person),
            self.disabled_in_group(person),
            self.dangling(person),
            self.data_quality(person),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn stale(&self, person: &Person) -> Option<ExpectedFinding> {
        let Login::At(login) = person.login else { return None };
        let (age, threshold) = (self.age(login), self.stale_threshold(person));
        if !in_use(person) || age < threshold {
            return None;
        }
        let severity = if self.privileged(person) || person.local { "high" } else { "medium" };
        Some(aged(finding("stale-login", severity, person), age, threshold, login))
    }

    fn never(&self, person: &Person) -> Option<ExpectedFinding> {
        let (Login::Never(_), Created::At(created)) = (&person.login, &person.created) else { return None };
        let (age, grace) = (self.age(*created), self.expect.never_grace_days);
        if !in_use(person) || age < grace {
            return None;
        }
        let severity = if age >= self.stale_threshold(person) { "medium" } else { "low" };
        Some(aged(finding("never-logged-in", severity, person), age, grace, *created))
    }

    fn no_group(&self, person: &Person) -> Option<ExpectedFinding> {
        let groups = person.groups.as_ref()?;
        let lost = person.enabled == Some(true) && self.expect.groups_listed && groups.iter().all(|g| !self.exists(g));
        lost.then(|| finding("no-group", "medium", person))
    }

    fn disabled_in_group(&self, person: &Person) -> Option<ExpectedFinding> {
        if person.enabled != Some(false) {
            return None;
        }
        // Without the list of groups, no membership is known to lead nowhere.
        let left = |id: &&String| self.exists(id) || !self.expect.groups_listed;
        let group_ids: Vec<String> = person.groups.iter().flatten().filter(left).cloned().collect();
        let severity = if self.privileged(person) { "medium" } else { "low" };
        (!group_ids.is_empty()).then(|| ExpectedFinding { group_ids, ..finding("disabled-in-group", severity, person) })
    }

    fn dangling(&self, person: &Person) -> Option<ExpectedFinding> {
        if !self.expect.groups_listed {
            return None;
        }
        let group_ids: Vec<String> = person.groups.iter().flatten().filter(|id| !self.exists(id)).cloned().collect();
        (!group_ids.is_empty()).then(|| ExpectedFinding { group_ids, ..finding("dangling-group", "low", person) })
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
            Login::Never(_) => !matches!(person.created, Created::At(_)),
            Login::NotReported => self.logins_told,
            Login::Unreadable => true,
        };
        (login_wrong || created_wrong || (in_use(person) && no_basis)).then(|| finding("data-quality", "info", person))
    }

    fn source(&self) -> Vec<ExpectedFinding> {
        let mut found = Vec::new();
        if self.expect.clock_skew_seconds.abs() > 300 {
            found.push(about("data-quality", "info", "source", &self.expect.source));
        }
        if !self.expect.groups_listed {
            found.push(about("collection-incomplete", "high", "source", &self.expect.source));
        }
        found
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
        let hidden = match &person.groups {
            None => true,
            Some(groups) => !self.expect.groups_listed && !groups.is_empty(),
        };
        hidden && !self.expect.privileged_groups.is_empty()
    }

    fn exists(&self, id: &str) -> bool {
        self.groups.iter().any(|g| g.id == id)
    }

    fn privileged(&self, person: &Person) -> bool {
        person.groups.iter().flatten().any(|id| self.groups.iter().any(|g| g.privileged && g.id == *id))
    }
}

/// Enabled and somebody's: staleness applies. This API tells no end of validity.
fn in_use(person: &Person) -> bool {
    person.enabled == Some(true) && person.kind != Kind::Service
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
    }
}

fn aged(finding: ExpectedFinding, age: i64, threshold: i64, basis: DateTime<Utc>) -> ExpectedFinding {
    let basis = Some(dates::cell(basis));
    ExpectedFinding { age_days: Some(age), threshold_days: Some(threshold), basis, ..finding }
}
