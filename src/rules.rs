//! Judging: inventory + policy + instant -> findings and verdicts. Pure.
//!
//! A rule that cannot be judged says so ([`RuleOutcome::Undetermined`]); it never reads as "no findings". Absence of evidence is
//! never evidence of absence: rules that argue from a missing group or membership need the whole list.

mod catalogue;
pub mod custom;
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

pub use catalogue::{ControlCoverage, RuleDefinition, action_of, catalogue, controls_of, coverage, entry};
pub use gaps::{CUSTOM_RULES, UnknownData};

use crate::model::instant_text as instant;
use crate::model::{
    Blocked, Change, Coverage, Evaluation, Finding, FindingStatus, Fingerprint, Instant, Inventory, LastLogin,
    ListKind, Rule, RuleOutcome, Severity, SourceIdentity, SourceInventory, Subject, SubjectKind, User,
};
use crate::state::Since;
use policy::{Override, Policy};
use serde_json::{Map, Value};
use since::SinceBaseline;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that came of judging.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationOutput {
    /// Sorted by (source, rule id, subject kind, subject id).
    pub findings: Vec<Finding>,
    /// One a source and rule: sources by name, rules in the order of [`Rule::ALL`], then those of the configuration.
    pub evaluations: Vec<Evaluation>,
    /// For which subjects which rule could not be judged; one entry a source, in the order of the inventory.
    pub gaps: Vec<UnknownData>,
}

/// What is known of the time before a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleHistory<'a> {
    /// The run before.
    pub base_run: Option<&'a str>,
    /// What changed since then.
    pub changes: &'a [Change],
    /// The same of each source; one entry a roll.
    pub since: &'a [Since],
}

/// Judges everything, as a first run does: nothing is known of the time before.
pub fn evaluate(inventory: &Inventory, policy: &Policy, as_of: Instant) -> EvaluationOutput {
    evaluate_after(RuleHistory::default(), inventory, policy, as_of)
}

/// Judges everything.
pub fn evaluate_after(
    before: RuleHistory<'_>,
    inventory: &Inventory,
    policy: &Policy,
    as_of: Instant,
) -> EvaluationOutput {
    let controls: BTreeMap<Rule, Arc<[&'static str]>> =
        Rule::ALL.into_iter().map(|rule| (rule, controls_of(rule, &policy.frameworks))).collect();
    let panel = custom::CustomRules::of(policy);
    let mut output = EvaluationOutput { findings: Vec::new(), evaluations: Vec::new(), gaps: Vec::new() };
    for (at, source_inventory) in inventory.sources.iter().enumerate() {
        let happened = SinceBaseline::of(before, at, source_inventory);
        RuleContext::new(source_inventory, policy, as_of, happened, &controls).evaluate(&panel, &mut output);
    }
    output
}

/// What is known of one source before any of its users is looked at.
struct RuleContext<'a> {
    source_inventory: &'a SourceInventory,
    policy: &'a Policy,
    as_of: Instant,
    controls: &'a BTreeMap<Rule, Arc<[&'static str]>>,
    /// The list of groups is whole: a group that is not in it does not exist.
    groups_whole: bool,
    /// Some user's last login is told: one that is not told is then a gap, not a habit of the source.
    reports_logins: bool,
    /// What the users tell taken together.
    identities: identity::Identities<'a>,
    /// What happened since the run before, or why that is not known.
    happened: Result<SinceBaseline<'a>, String>,
    /// The rules of the configuration.
    custom: Arc<[Rule]>,
    /// By the place of the rule, as [`gaps::place`] tells it.
    tally: Vec<RuleCounts>,
    gaps: UnknownData,
    findings: Vec<Finding>,
}

/// Over how many subjects a rule ran.
#[derive(Clone, Copy, Default)]
struct RuleCounts {
    subjects: u64,
    undetermined: u64,
}

/// What a rule says of a subject, before it becomes a finding.
struct RuleRemark {
    rule: Rule,
    severity: Severity,
    title: String,
    evidence: Map<String, Value>,
}

/// What a rule makes of one user.
enum RuleResult {
    /// The rule is not about such users.
    NotASubject,
    /// Fine.
    Fine,
    /// The data does not suffice.
    Undetermined,
    /// A finding.
    RuleRemark(RuleRemark),
}

impl<'a> RuleContext<'a> {
    fn new(
        source_inventory: &'a SourceInventory,
        policy: &'a Policy,
        as_of: Instant,
        happened: Result<SinceBaseline<'a>, String>,
        controls: &'a BTreeMap<Rule, Arc<[&'static str]>>,
    ) -> Self {
        let custom: Arc<[Rule]> = policy.custom_rules.iter().map(|custom| custom.rule).collect();
        let reported = |user: &User| matches!(user.last_login, LastLogin::At(_) | LastLogin::Never { .. });
        Self {
            source_inventory,
            policy,
            as_of,
            controls,
            groups_whole: source_inventory.reading.coverage(ListKind::Groups).is_complete(),
            reports_logins: source_inventory.reading.users.is_empty()
                || source_inventory.reading.users.iter().any(reported),
            identities: identity::Identities::of(&source_inventory.reading.users, as_of),
            happened,
            tally: vec![RuleCounts::default(); Rule::ALL.len() + custom.len()],
            gaps: UnknownData::over(&source_inventory.reading, Arc::clone(&custom)),
            custom,
            findings: Vec::new(),
        }
    }

    fn evaluate(mut self, panel: &custom::CustomRules<'_>, into: &mut EvaluationOutput) {
        let around = custom::SourceContext::of(self.source_inventory, self.as_of);
        for (at, user) in self.source_inventory.reading.users.iter().enumerate() {
            self.look_at(at, user);
            for (rule, look) in panel.look_at(&around, user) {
                self.note(at, user, rule, look);
            }
        }
        groups::look_at(&mut self);
        since::growth(&mut self);
        quality::of_source(&mut self);
        self.findings.sort_by_cached_key(|finding| {
            (
                finding.rule.as_str(),
                finding.subject.kind.as_str(),
                crate::model::UserId::from(finding.subject.id.clone()),
            )
        });
        into.evaluations.extend(Rule::ALL.iter().chain(&*self.custom).map(|rule| self.evaluation(*rule)));
        into.findings.append(&mut self.findings);
        into.gaps.push(self.gaps);
    }

    fn look_at(&mut self, at: usize, user: &User) {
        let looks = [
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
        for (rule, look) in looks {
            self.note(at, user, rule, look);
        }
    }

    fn note(&mut self, at: usize, user: &User, rule: Rule, look: RuleResult) {
        let tally = match look {
            RuleResult::NotASubject => return,
            RuleResult::Fine => RuleCounts { subjects: 1, undetermined: 0 },
            RuleResult::Undetermined => {
                self.gaps.of_user(at, rule);
                RuleCounts { subjects: 1, undetermined: 1 }
            }
            RuleResult::RuleRemark(remark) => {
                self.find(remark, subject(user));
                RuleCounts { subjects: 1, undetermined: 0 }
            }
        };
        self.count(rule, tally);
    }

    fn count(&mut self, rule: Rule, more: RuleCounts) {
        if let Some(tally) = gaps::place(rule, &self.custom).and_then(|place| self.tally.get_mut(place)) {
            tally.subjects += more.subjects;
            tally.undetermined += more.undetermined;
        }
    }

    fn find(&mut self, remark: RuleRemark, subject: Subject) {
        let RuleRemark { rule, severity, title, evidence } = remark;
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
            title: title.into(),
            evidence: Value::Object(evidence).to_string().into(),
            action: action_of(rule, self.policy),
            controls: self.controls.get(&rule).cloned().unwrap_or_default(),
            first_seen: self.as_of,
            last_seen: self.as_of,
            exception: None,
        });
    }

    /// Why a rule cannot run over this source at all.
    fn cannot_evaluate(&self, rule: Rule) -> Option<String> {
        let reading = &self.source_inventory.reading;
        let by_members = reading.coverage(ListKind::Members).is_complete();
        let of_users = match rule {
            Rule::ExceptionExpired | Rule::DataQuality | Rule::CollectionIncomplete => false,
            Rule::EmptyGroup => !by_members,
            _ => true,
        };
        match reading.coverage(ListKind::Users) {
            Coverage::Failed { error } if of_users => return Some(format!("the list of users failed: {error}")),
            Coverage::NotOffered if of_users && reading.lists.is_empty() => {
                return Some("the source was not read".to_owned());
            }
            Coverage::NotOffered if of_users => return Some("the source gave no list of users".to_owned()),
            _ => {}
        }
        match rule {
            Rule::StaleLogin | Rule::NeverLoggedIn | Rule::BreakGlassUsed if !self.reports_logins => {
                Some(self.why_no_logins())
            }
            Rule::NoGroup | Rule::DanglingGroup => groups::why_not_whole(self),
            Rule::EmptyGroup => groups::why_not_empty(self),
            Rule::PrivilegedGrowth | Rule::BreakGlassUsed => self.happened.as_ref().err().cloned(),
            Rule::SharedEmail => unreported(self.identities.reports_addresses, "e-mail addresses"),
            Rule::LocalOutsideSso => unreported(self.identities.reports_types, "account types"),
            Rule::NoMfa => unreported(self.identities.reports_mfa, "second factors"),
            Rule::DormantWithKey => unreported(self.identities.reports_keys, "a key of any account"),
            _ => None,
        }
    }

    fn why_no_logins(&self) -> String {
        let reading = &self.source_inventory.reading;
        if let Coverage::Failed { error } = reading.coverage(ListKind::UserDetails) {
            return format!("no last login came: the users' own records could not be read: {error}");
        }
        let unreadable = |user: &User| matches!(user.last_login, LastLogin::Unreadable(_));
        if reading.users.iter().any(unreadable) {
            return "the source tells last logins, but none of them can be read".to_owned();
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
            let RuleCounts { subjects, undetermined } = place.map(|place| self.tally[place]).unwrap_or_default();
            RuleOutcome::Evaluated { subjects, undetermined }
        };
        Evaluation { source: self.source_inventory.reading.source.name.clone(), rule, outcome }
    }

    /// What keeps an account from signing in at the instant of judging, beside `enabled`.
    fn blocked(&self, user: &User) -> Option<Blocked> {
        user.blocked_at(self.as_of)
    }
}

/// Why a rule cannot run over a source of which no user tells what it looks at.
fn unreported(reported: bool, what: &str) -> Option<String> {
    (!reported).then(|| format!("the source does not report {what}"))
}

fn subject(user: &User) -> Subject {
    Subject { kind: SubjectKind::User, id: user.id.as_str().into(), name: user.name().map(Into::into) }
}

/// A JSON object; its keys come out sorted (the map is a tree).
fn evidence<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
