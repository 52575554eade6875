//! The rules: evaluates an inventory under a policy at a point in time and returns findings and outcomes. Pure.
//!
//! `run` calls [`evaluate_after`] with the reading of a run and the changes since the baseline. A submodule holds each
//! family of rules; `catalogue` describes every rule for people.
//!
//! A rule that cannot be evaluated says so ([`RuleOutcome::Undetermined`]), which differs from "no findings". Absence
//! of evidence is never evidence of absence: a rule about a missing group or membership needs the complete list.

mod age;
mod catalogue;
pub mod custom;
mod evidence;
pub mod frameworks;
mod gaps;
mod groups;
mod identity;
mod keys;
mod membership;
pub mod policy;
mod quality;
mod service;
mod since;
mod staleness;
#[cfg(test)]
mod tests;

pub use catalogue::{ControlCoverage, RuleDefinition, advice, advice_of, catalogue, controls_of, coverage, title_of};
pub use gaps::{CUSTOM_RULES, UnknownData};

use crate::internal_error::side_by_side;
use crate::model::instant_text as instant;
use crate::model::{
    Advice, Blocked, Change, Contact, Coverage, Evaluation, Exclusion, Exclusions, Finding, FindingStatus, Fingerprint,
    Instant, Interner, Inventory, LastLogin, ListKind, Rule, RuleOutcome, SET_ASIDE, Severity, SourceIdentity,
    SourceInventory, Subject, SubjectKind, TIMES_SEEN, User, Wording,
};
use crate::state::SourceHistory;
use evidence::RuleEvidence;
use policy::{Override, Policy};
use since::SinceBaseline;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Result of evaluating all rules.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationOutput {
    /// Findings sorted by source, rule id, subject kind and subject id.
    pub findings: Vec<Finding>,
    /// One outcome for each source and rule: sources by name, rules in the order of [`Rule::ALL`], then custom rules.
    pub evaluations: Vec<Evaluation>,
    /// Subjects for which a rule lacked data, one entry for each source in the order of the inventory.
    pub gaps: Vec<UnknownData>,
}

/// Knowledge about the time before a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleHistory<'a> {
    /// Run id of the baseline; `None` in a first run.
    pub base_run: Option<&'a str>,
    /// Changes since the baseline.
    pub changes: &'a [Change],
    /// Knowledge about each source since the baseline, in the order of the inventory.
    pub since: &'a [SourceHistory],
}

/// Evaluates all rules without a baseline, as a first run does.
pub fn evaluate(inventory: &Inventory, policy: &Policy, as_of: Instant) -> EvaluationOutput {
    evaluate_after(RuleHistory::default(), inventory, policy, as_of)
}

/// Evaluates all rules.
pub fn evaluate_after(
    before: RuleHistory<'_>,
    inventory: &Inventory,
    policy: &Policy,
    as_of: Instant,
) -> EvaluationOutput {
    let advice = advice(policy);
    let custom_rules = custom::CustomRules::of(policy.active_custom_rules());
    let mut output = EvaluationOutput { findings: Vec::new(), evaluations: Vec::new(), gaps: Vec::new() };
    for (at, source_inventory) in inventory.sources.iter().enumerate() {
        let since_baseline = SinceBaseline::of(before, at, source_inventory);
        let identities = identity::Identities::of(&source_inventory.reading.users, as_of);
        let context = RuleContext::new(source_inventory, policy, as_of, &advice, &since_baseline, &identities);
        context.evaluate(&custom_rules, &mut output);
    }
    output
}

/// Number of accounts that a thread evaluates at a time.
const SHARE: usize = 2_000;
/// Maximum number of threads.
const THREADS: usize = 4;

/// Data about one source that the rules share, and the results so far.
#[derive(Clone)]
struct RuleContext<'a> {
    source_inventory: &'a SourceInventory,
    policy: &'a Policy,
    as_of: Instant,
    advice: &'a BTreeMap<Rule, Arc<Advice>>,
    /// Whether the group list is proven complete: a group that is missing from it does not exist.
    groups_complete: bool,
    /// Whether the last login of at least one user is reported. If so, a missing one is a gap in the data of that user.
    reports_logins: bool,
    /// Facts that need a comparison of all users.
    identities: &'a identity::Identities<'a>,
    /// What happened since the baseline, or the reason why that is unknown.
    since_baseline: &'a Result<SinceBaseline<'a>, String>,
    /// Custom rules in the order of the configuration.
    custom: Arc<[Rule]>,
    /// Counts by the position of the rule; see [`gaps::place`].
    counts: Vec<RuleCounts>,
    /// Counts of those that are no subjects, by the position of the rule.
    excluded: Vec<Exclusions>,
    gaps: UnknownData,
    findings: Vec<Finding>,
    /// Texts that the findings share.
    shapes: Interner,
}

/// Number of subjects that a rule was evaluated for.
#[derive(Clone, Copy, Default)]
struct RuleCounts {
    subjects: u64,
    undetermined: u64,
}

/// Remark of a rule about a subject, before it becomes a finding.
struct RuleRemark {
    rule: Rule,
    severity: Severity,
    title: String,
    evidence: RuleEvidence,
}

/// Result of a rule for one user.
enum RuleResult {
    /// The rule does not apply to the user, for this reason.
    NotASubject(Exclusion),
    /// The user passed.
    Passed,
    /// The data about the user is insufficient.
    Undetermined,
    /// The rule found something.
    Found(RuleRemark),
}

impl<'a> RuleContext<'a> {
    fn new(
        source_inventory: &'a SourceInventory,
        policy: &'a Policy,
        as_of: Instant,
        advice: &'a BTreeMap<Rule, Arc<Advice>>,
        since_baseline: &'a Result<SinceBaseline<'a>, String>,
        identities: &'a identity::Identities<'a>,
    ) -> Self {
        let custom: Arc<[Rule]> = policy.custom_rules.iter().map(|custom| custom.rule).collect();
        let reports_login = |user: &User| matches!(user.last_login, LastLogin::At(_) | LastLogin::Never { .. });
        Self {
            source_inventory,
            policy,
            as_of,
            advice,
            groups_complete: source_inventory.reading.coverage(ListKind::Groups).is_complete(),
            reports_logins: source_inventory.reading.users.is_empty()
                || source_inventory.reading.users.iter().any(reports_login),
            identities,
            since_baseline,
            counts: vec![RuleCounts::default(); Rule::ALL.len() + custom.len()],
            excluded: vec![Exclusions::new(); Rule::ALL.len() + custom.len()],
            gaps: UnknownData::over(&source_inventory.reading, Arc::clone(&custom)),
            custom,
            findings: Vec::new(),
            shapes: Interner::default(),
        }
    }

    fn evaluate(self, custom_rules: &custom::CustomRules<'_>, into: &mut EvaluationOutput) {
        let mut context = self.with_users(custom_rules);
        // Rules about groups and the source run once, after all users.
        groups::evaluate(&mut context);
        since::evaluate_growth(&mut context);
        quality::evaluate_source(&mut context);
        // Subjects come nearly in the order of their ids, so that the second sort has little to do.
        context.findings.sort_by_cached_key(|finding| (finding.rule.as_str(), finding.subject.kind.as_str()));
        context.findings.sort_by(Finding::in_table_order);
        into.evaluations.extend(Rule::ALL.iter().chain(&*context.custom).map(|rule| context.evaluation(*rule)));
        if into.findings.is_empty() {
            // Most runs have one source, whose findings need not be copied.
            into.findings = context.findings;
        } else {
            into.findings.append(&mut context.findings);
        }
        into.gaps.push(context.gaps);
    }

    /// Evaluates the rules about accounts. Several threads take shares of the accounts in turn.
    fn with_users(self, custom_rules: &custom::CustomRules<'_>) -> Self {
        let source = custom::SourceContext::of(self.source_inventory, self.as_of);
        let users = &self.source_inventory.reading.users;
        let next = AtomicUsize::new(0);
        let results = side_by_side(THREADS.min(users.len().div_ceil(SHARE)), || {
            let mut own = self.clone();
            loop {
                let share = users.iter().enumerate().skip(next.fetch_add(SHARE, Ordering::Relaxed)).take(SHARE);
                if share.len() == 0 {
                    return own;
                }
                for (at, user) in share {
                    own.evaluate_user(at, user);
                    for (rule, result) in custom_rules.evaluate(&source, user) {
                        own.record(at, user, rule, result);
                    }
                }
            }
        });
        results.into_iter().reduce(Self::and).unwrap_or(self)
    }

    /// Adds the results of another context of the same source.
    fn and(mut self, other: Self) -> Self {
        for (counts, more) in self.counts.iter_mut().zip(other.counts) {
            counts.subjects += more.subjects;
            counts.undetermined += more.undetermined;
        }
        for (excluded, more) in self.excluded.iter_mut().zip(other.excluded) {
            for (why, count) in more {
                *excluded.entry(why).or_insert(0) += count;
            }
        }
        self.gaps.add(&other.gaps);
        self.findings.extend(other.findings);
        self
    }

    fn evaluate_user(&mut self, at: usize, user: &User) {
        let results = [
            (Rule::StaleLogin, staleness::stale(self, user)),
            (Rule::NeverLoggedIn, staleness::never(self, user)),
            (Rule::NoGroup, membership::no_group(self, user)),
            (Rule::DisabledInGroup, membership::disabled(self, user)),
            (Rule::DanglingGroup, membership::dangling(self, user)),
            (Rule::SharedEmail, identity::shared_email(self, user)),
            (Rule::LocalOutsideSso, identity::local_outside_sso(self, user)),
            (Rule::NoMfa, identity::no_mfa(self, user)),
            (Rule::DormantWithKey, keys::dormant(self, user)),
            (Rule::ServiceWithoutOwner, service::without_owner(self, user)),
            (Rule::BreakGlassUsed, since::break_glass(self, user)),
            (Rule::DataQuality, quality::of_user(self, user)),
        ];
        for (rule, result) in results {
            self.record(at, user, rule, result);
        }
    }

    fn record(&mut self, at: usize, user: &User, rule: Rule, result: RuleResult) {
        let counts = match result {
            RuleResult::NotASubject(why) => return self.exclude(rule, why, 1),
            RuleResult::Passed => RuleCounts { subjects: 1, undetermined: 0 },
            RuleResult::Undetermined => {
                self.gaps.of_user(at, rule);
                RuleCounts { subjects: 1, undetermined: 1 }
            }
            RuleResult::Found(remark) => {
                self.add_finding_of(remark, subject(user), Contact::of(user));
                RuleCounts { subjects: 1, undetermined: 0 }
            }
        };
        self.count(rule, counts);
    }

    fn count(&mut self, rule: Rule, more: RuleCounts) {
        if let Some(counts) = gaps::place(rule, &self.custom).and_then(|place| self.counts.get_mut(place)) {
            counts.subjects += more.subjects;
            counts.undetermined += more.undetermined;
        }
    }

    /// Counts accounts or groups that the rule does not apply to.
    fn exclude(&mut self, rule: Rule, why: Exclusion, count: u64) {
        if let Some(excluded) = gaps::place(rule, &self.custom).and_then(|place| self.excluded.get_mut(place)) {
            *excluded.entry(why).or_insert(0) += count;
        }
    }

    /// Adds a finding about a group or a source.
    fn add_finding(&mut self, remark: RuleRemark, subject: Subject) {
        self.add_finding_of(remark, subject, Contact::default());
    }

    fn add_finding_of(&mut self, remark: RuleRemark, subject: Subject, contact: Contact) {
        let RuleRemark { rule, severity, title, evidence } = remark;
        // A rule without its data may still remark on single subjects; such a remark could be wrong.
        if self.cannot_evaluate(rule).is_some() {
            return;
        }
        let severity = match self.policy.rules.get(&rule) {
            Some(Override::Off) => return,
            Some(Override::Severity(wanted)) => *wanted,
            None => severity,
        };
        let SourceIdentity { name: source, kind, .. } = &self.source_inventory.reading.source;
        self.findings.push(Finding {
            source: source.clone(),
            fingerprint: Fingerprint::of_finding(source, kind, rule, subject.kind, &subject.id),
            rule,
            severity,
            status: FindingStatus::New,
            subject,
            contact,
            wording: Wording::new(&title, &evidence.with(TIMES_SEEN, 1).into_text(), &mut self.shapes),
            advice: self.advice.get(&rule).cloned().unwrap_or_default(),
            first_seen: self.as_of,
            last_seen: self.as_of,
            exception: None,
        });
    }

    /// Returns why a rule cannot run over this source; `None` if it can.
    fn cannot_evaluate(&self, rule: Rule) -> Option<String> {
        let reading = &self.source_inventory.reading;
        // Member lists show empty groups even without the user list. The other two rules are about the source itself.
        let by_members = reading.coverage(ListKind::Members).is_complete();
        let of_users = match rule {
            Rule::ExceptionExpired | Rule::DataQuality | Rule::CollectionIncomplete => false,
            Rule::EmptyGroup => !by_members,
            _ => true,
        };
        match reading.coverage(ListKind::Users) {
            Coverage::Failed { error } if of_users && error.starts_with(SET_ASIDE) => {
                return Some(format!("the source was {error}"));
            }
            Coverage::Failed { error } if of_users => {
                return Some(format!("reading the list of users failed: {error}"));
            }
            Coverage::NotOffered if of_users && reading.lists.is_empty() => {
                return Some("the source was not read in this run".to_owned());
            }
            Coverage::NotOffered if of_users => return Some("the source returned no list of users".to_owned()),
            _ => {}
        }
        match rule {
            Rule::StaleLogin | Rule::NeverLoggedIn | Rule::BreakGlassUsed if !self.reports_logins => {
                Some(self.why_logins_are_unknown())
            }
            Rule::NoGroup | Rule::DanglingGroup => groups::why_memberships_are_incomplete(self),
            Rule::EmptyGroup => groups::why_emptiness_is_unknown(self),
            Rule::PrivilegedGrowth | Rule::BreakGlassUsed => self.since_baseline.as_ref().err().cloned(),
            Rule::SharedEmail => unreported(self.identities.reports_addresses, "e-mail addresses"),
            Rule::LocalOutsideSso => unreported(self.identities.reports_types, "account types"),
            Rule::NoMfa => unreported(self.identities.reports_mfa, "second factors"),
            Rule::DormantWithKey => unreported(self.identities.reports_keys, "keys"),
            _ => None,
        }
    }

    fn why_logins_are_unknown(&self) -> String {
        let reading = &self.source_inventory.reading;
        if let Coverage::Failed { error } = reading.coverage(ListKind::UserDetails) {
            return format!("no last login is known, because reading the users' own records failed: {error}");
        }
        let unreadable = |user: &User| matches!(user.last_login, LastLogin::Unreadable(_));
        if reading.users.iter().any(unreadable) {
            return "the source reports last logins, but all of them are unreadable".to_owned();
        }
        "the source does not report last logins".to_owned()
    }

    fn evaluation(&self, rule: Rule) -> Evaluation {
        let outcome = if self.policy.rules.get(&rule) == Some(&Override::Off) {
            RuleOutcome::Off
        } else if let Some(why) = self.cannot_evaluate(rule) {
            RuleOutcome::Undetermined { why }
        } else {
            let place = gaps::place(rule, &self.custom);
            let RuleCounts { subjects, undetermined } = place.map(|place| self.counts[place]).unwrap_or_default();
            RuleOutcome::Evaluated { subjects, undetermined }
        };
        let ran = matches!(outcome, RuleOutcome::Evaluated { .. });
        let place = gaps::place(rule, &self.custom).filter(|_| ran);
        let excluded = place.map(|place| self.excluded[place].clone()).unwrap_or_default();
        Evaluation { source: self.source_inventory.reading.source.name.clone(), rule, outcome, excluded }
    }

    /// Returns why an account cannot sign in: disabled or blocked. `None` if it can, or if its state is unknown.
    fn closed(&self, user: &User) -> Option<Exclusion> {
        if user.enabled == Some(false) {
            return Some(Exclusion::Disabled);
        }
        self.blocked(user).map(|_| Exclusion::Blocked)
    }

    /// Returns why an enabled account cannot sign in at the time of the evaluation.
    fn blocked(&self, user: &User) -> Option<Blocked> {
        user.blocked_at(self.as_of)
    }
}

/// Returns the reason why a rule cannot run if no user of the source reports the data that it needs.
fn unreported(reported: bool, what: &str) -> Option<String> {
    (!reported).then(|| format!("the source does not report {what}"))
}

fn subject(user: &User) -> Subject {
    Subject { kind: SubjectKind::User, id: user.id.as_str().into(), name: user.name().map(Into::into) }
}
