//! The five key figures of the first page, each with its change since the baseline.
//!
//! A change that the snapshot does not show is reported as unknown and never as 0.

use super::facts::Account;
use super::index::{Index, is_baseline};
use super::privilege_change::PrivilegeChange;
use super::text::{counted, thousands};
use crate::model::{Finding, FindingStatus, Rule, RuleOutcome, Severity, SourceStatus};
use crate::snapshot::manifest::SourceEntry;

/// A key figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What the figure counts.
    pub label: &'static str,
    /// The number, or the words `unknown`, `not evaluated` or `off`.
    pub value: String,
    /// Whether the value is a number.
    pub is_number: bool,
    /// Explanation below the number.
    pub note: String,
    /// Change since the baseline in words; empty if there is no number.
    pub change: String,
    /// Style class: `plain`, `watch` (a figure to look at) or `alert`.
    pub tone: &'static str,
}

impl Tile {
    fn words(label: &'static str, value: &str, note: String) -> Self {
        Self { label, value: value.to_owned(), is_number: false, note, change: String::new(), tone: "plain" }
    }
}

pub(super) fn of(index: &Index<'_>) -> Vec<Tile> {
    let policy = index.input.policy;
    let (stale, privileged) = (policy.stale_after.days, policy.privileged_stale_after.days);
    let stale_note = if stale == privileged {
        format!("enabled, no login for {stale} days or more")
    } else {
        format!("enabled, no login for {stale} days or more; privileged {privileged}")
    };
    let grace = format!("enabled, created {} days ago or more", policy.never_grace.days);
    vec![
        severe(index),
        found(index, Rule::StaleLogin, "Inactive accounts", stale_note),
        found(index, Rule::NeverLoggedIn, "Accounts never used", grace),
        found(index, Rule::NoGroup, "Accounts in no group", "enabled, without any assigned role".to_owned()),
        privileged_accounts(index),
    ]
}

fn severe(index: &Index<'_>) -> Tile {
    let count = |wanted| index.open().filter(|f| f.severity == wanted).count() as u64;
    let (critical, high) = (count(Severity::Critical), count(Severity::High));
    Tile {
        label: "High and critical findings",
        value: thousands(critical + high),
        is_number: true,
        note: format!("{} critical, {} high", thousands(critical), thousands(high)),
        change: change(index, |f| f.severity >= Severity::High, |source| source.status == SourceStatus::Complete),
        tone: if critical + high > 0 { "alert" } else { "plain" },
    }
}

/// Returns the number of findings of a rule. If no source could be evaluated, the value is a word, because 0 would be a
/// claim.
fn found(index: &Index<'_>, rule: Rule, label: &'static str, note: String) -> Tile {
    let count = index.count(rule);
    if count == 0 && !index.is_evaluated(rule) {
        let off = index.evaluations(rule).any(|v| v.outcome == RuleOutcome::Off);
        return if off {
            Tile::words(label, "off", "switched off in the configuration".to_owned())
        } else {
            Tile::words(label, "not evaluated", why_not(index, rule))
        };
    }
    Tile {
        label,
        value: thousands(count),
        is_number: true,
        note: with_gaps(index, rule, note),
        change: change(index, |f| f.rule == rule, |source| index.is_evaluated_in(rule, &source.name)),
        tone: if count > 0 { "watch" } else { "plain" },
    }
}

/// Returns the reason why no source could be evaluated, if all of them have the same.
fn why_not(index: &Index<'_>, rule: Rule) -> String {
    let sources = || index.input.manifest.sources.iter();
    let mut reasons = sources().filter_map(|source| index.why_unevaluated(rule, &source.name));
    match reasons.next() {
        Some(first) if reasons.all(|other| other == first) => first.into_owned(),
        Some(_) => "for several reasons, which are listed below".to_owned(),
        None => "no source was read".to_owned(),
    }
}

/// Adds the sources and accounts that could not be evaluated.
fn with_gaps(index: &Index<'_>, rule: Rule, note: String) -> String {
    let undetermined =
        |evaluation: &&crate::model::Evaluation| matches!(evaluation.outcome, RuleOutcome::Undetermined { .. });
    let sources = index.evaluations(rule).filter(undetermined).count() as u64;
    let of_sources = (sources > 0).then(|| counted(sources, "source", "sources"));
    let accounts = index.undetermined(rule);
    let of_accounts = (accounts > 0).then(|| counted(accounts, "account", "accounts"));
    let parts: Vec<String> = of_sources.into_iter().chain(of_accounts).collect();
    if parts.is_empty() { note } else { format!("{note}; not evaluated: {}", parts.join(", ")) }
}

/// Returns the change of a number of findings: those that are new and those that are resolved.
///
/// `is_known` says whether the change is fully known for a source.
fn change(index: &Index<'_>, counts: impl Fn(&Finding) -> bool, is_known: impl Fn(&SourceEntry) -> bool) -> String {
    let sources = &index.input.manifest.sources;
    let compared: Vec<&str> = sources.iter().filter(|s| !is_baseline(s)).map(|s| s.name.as_str()).collect();
    let unknown = sources.iter().filter(|source| is_baseline(source) || !is_known(source)).count() as u64;
    let of = |wanted: &[FindingStatus]| {
        let found = index.input.findings.iter().filter(|f| wanted.contains(&f.status) && counts(f));
        found.filter(|f| compared.contains(&f.source.as_str())).count() as u64
    };
    let (new, resolved) = (of(&[FindingStatus::New, FindingStatus::Reopened]), of(&[FindingStatus::Resolved]));
    in_words(index, (new, "new"), (resolved, "resolved"), unknown)
}

fn in_words(index: &Index<'_>, more: (u64, &str), less: (u64, &str), unknown: u64) -> String {
    if index.input.manifest.base.is_none() {
        return "change unknown: first snapshot".to_owned();
    }
    let is_all_unknown = unknown == index.input.manifest.sources.len() as u64;
    let words = match (more.0, less.0) {
        (0, 0) if is_all_unknown => return "change unknown".to_owned(),
        (0, 0) => "no change".to_owned(),
        _ => format!("{} {}, {} {}", thousands(more.0), more.1, thousands(less.0), less.1),
    };
    match unknown {
        0 => words,
        sources => format!("{words}; unknown in {}", counted(sources, "source", "sources")),
    }
}

/// Returns the number of privileged accounts. If that is unknown for all accounts, the value is a word.
fn privileged_accounts(index: &Index<'_>) -> Tile {
    const LABEL: &str = "Privileged accounts";
    let (mut accounts, mut privileged, mut enabled, mut unknown) = (0u64, 0u64, 0u64, 0u64);
    for Account { user, facts, .. } in index.accounts() {
        accounts += 1;
        privileged += u64::from(facts.is_privileged());
        enabled += u64::from(facts.is_privileged() && user.enabled == Some(true));
        unknown += u64::from(facts.privilege.is_none());
    }
    if unknown > 0 && unknown == accounts {
        return Tile::words(LABEL, "unknown", "not reported by any source".to_owned());
    }
    let more = if unknown > 0 { format!("; unknown for {} accounts", thousands(unknown)) } else { String::new() };
    let PrivilegeChange { gained, lost, unknown } = PrivilegeChange::of(index);
    Tile {
        label: LABEL,
        value: thousands(privileged),
        is_number: true,
        note: format!("{} of them enabled{more}", thousands(enabled)),
        change: in_words(index, (gained, "gained"), (lost, "lost"), unknown),
        tone: "plain",
    }
}
