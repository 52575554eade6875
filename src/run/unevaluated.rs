//! The lines `unknown` of the summary: what a run could not evaluate, one line for each source. Pure.
//!
//! A run without findings because nothing could be evaluated must not look like a clean run.

use crate::model::RuleOutcome;
use crate::report::thousands;
use crate::snapshot::manifest::{RuleEntry, SourceEntry};

/// Rules about single accounts, in the order of the lines.
const RULES: [&str; 10] = [
    "stale-login",
    "never-logged-in",
    "no-group",
    "disabled-in-group",
    "dangling-group",
    "local-outside-sso",
    "shared-email",
    "no-mfa",
    "dormant-with-key",
    "service-without-owner",
];

/// Number of rules that a line names.
const NAMED: usize = 4;

/// Returns a line for each source in which a rule could not be evaluated for at least one account.
pub(super) fn lines(sources: &[SourceEntry], rules: &[RuleEntry]) -> Vec<String> {
    sources.iter().filter_map(|source| line(&source.name, rules)).collect()
}

fn line(source: &str, rules: &[RuleEntry]) -> Option<String> {
    let of_source = |rule: &str| rules.iter().find(|entry| entry.source == source && entry.rule == rule);
    let entries: Vec<&RuleEntry> = RULES.iter().filter_map(|rule| of_source(rule)).collect();
    let partly: Vec<String> = entries.iter().filter_map(|entry| accounts(entry)).collect();
    let not_at_all = reasons(&entries);
    let mut parts = Vec::new();
    if !partly.is_empty() {
        parts.push(format!("missing data: {}", some_of(&partly)));
    }
    if !not_at_all.is_empty() {
        parts.push(format!("not evaluated at all: {}", some_of(&not_at_all)));
    }
    (!parts.is_empty()).then(|| format!("{source}: {}", parts.join("; ")))
}

/// Returns `stale-login for all 250 accounts` or `no-group for 3 of 250 accounts`; `None` if no account lacks data.
fn accounts(entry: &RuleEntry) -> Option<String> {
    let RuleOutcome::Evaluated { subjects, undetermined: undetermined @ 1.. } = entry.outcome else { return None };
    let of = if undetermined == subjects {
        format!("all {}", thousands(subjects))
    } else {
        format!("{} of {}", thousands(undetermined), thousands(subjects))
    };
    Some(format!("{} for {of} accounts", entry.rule))
}

/// Groups the rules that did not run by their reason: `stale-login, never-logged-in (the source does not report last
/// logins)`.
fn reasons(entries: &[&RuleEntry]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for entry in entries {
        let RuleOutcome::Undetermined { why } = &entry.outcome else { continue };
        // The details after the colon are in the line of the source already.
        let why = why.split_once(": ").map_or(why.as_str(), |(first, _)| first);
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, rules)) => rules.push(&entry.rule),
            None => reasons.push((why, vec![&entry.rule])),
        }
    }
    reasons.into_iter().map(|(why, rules)| format!("{} ({why})", rules.join(", "))).collect()
}

fn some_of(parts: &[String]) -> String {
    let shown = parts[..parts.len().min(NAMED)].join(", ");
    match parts.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more (see the report)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rule: &str, outcome: RuleOutcome) -> RuleEntry {
        RuleEntry {
            source: "eu".to_owned(),
            rule: rule.to_owned(),
            outcome,
            excluded: std::collections::BTreeMap::default(),
        }
    }

    #[test]
    fn accounts_without_data_are_counted_and_rules_that_did_not_run_are_named_with_the_reason() {
        let evaluated = |undetermined| RuleOutcome::Evaluated { subjects: 250, undetermined };
        let no_logins = RuleOutcome::Undetermined { why: "the source does not report last logins".to_owned() };
        let rules = [
            entry("stale-login", no_logins.clone()),
            entry("never-logged-in", no_logins),
            entry("no-group", evaluated(250)),
            entry("disabled-in-group", evaluated(3)),
            entry("shared-email", evaluated(0)),
            entry("data-quality", evaluated(250)),
        ];
        assert_eq!(
            line("eu", &rules).unwrap(),
            "eu: missing data: no-group for all 250 accounts, disabled-in-group for 3 of 250 accounts; not evaluated \
             at all: stale-login, never-logged-in (the source does not report last logins)"
        );
        assert_eq!(line("us", &rules), None);
        assert_eq!(line("eu", &rules[4..]), None);
    }
}
