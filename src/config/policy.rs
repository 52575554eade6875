//! Reads `[policy]`: frameworks, thresholds, classes of groups and accounts, and settings of rules.
//!
//! The sub-tables have files of their own: `custom` (custom rules), `owners` (owners of service accounts and of groups) and `exceptions`.

use super::custom;
use super::exceptions::ExceptionsFile;
use super::owners;
use super::reference::ReferenceContext;
use super::section::{Section, did_you_mean, not_one_of};
use crate::model::{Classes, Pattern, Rule, Severity};
use crate::rules::frameworks::{self, Framework};
use crate::rules::policy::{Override, Policy, Threshold};
use std::collections::BTreeMap;
use toml::Value;

/// Thresholds and rules, classes of groups and accounts, accepted exceptions.
type ParsedPolicy = (Policy, Classes, Option<ExceptionsFile>);

/// Thresholds in days: up to ten years.
const DAYS: std::ops::RangeInclusive<u32> = 1..=3650;

/// Reads the table. Returns the defaults where it is absent. `sources` are the names of the `[[source]]` tables.
pub(super) fn read(section: Option<Section<'_>>, sources: &[&str], context: &ReferenceContext<'_>) -> ParsedPolicy {
    let Some(section) = section else { return (Policy::default(), Classes::default(), None) };
    let mut policy = Policy::default();
    let frameworks = selected_frameworks(&section);
    let stale = section.optional_number("stale_after_days", DAYS);
    let privileged = section.optional_number("privileged_stale_after_days", DAYS);
    match frameworks::thresholds(&frameworks, stale, privileged) {
        Ok((stale, privileged)) => {
            policy.stale_after = stale;
            policy.privileged_stale_after = privileged;
        }
        Err(why) => section.problem("frameworks", why),
    }
    policy.frameworks = frameworks.iter().map(|framework| framework.id.to_owned()).collect();
    if let Some(days) = section.optional_number("never_logged_in_grace_days", 0..=3650) {
        policy.never_grace = Threshold { days, from: "configuration".to_owned() };
    }
    let percent = section.number("max_shrink_percent", 0..=100, u32::from(policy.max_shrink_percent));
    policy.max_shrink_percent = u8::try_from(percent).unwrap_or(100);
    // Exceptions and `[policy.rules]` may name custom rules, so these are read first.
    let custom = custom::read(&section);
    let exceptions = exceptions(&section, sources, &custom, context);
    policy.rules = section.section("rules").map(|rules| overrides(&rules, &custom)).unwrap_or_default();
    policy.custom_rules = custom.rules;
    policy.service_owners = owners::of_accounts(section.sections("service_owners"), sources);
    policy.group_owners = owners::of_groups(section.sections("group_owners"));
    let classes = Classes {
        privileged_groups: patterns(&section, "privileged_groups"),
        break_glass: patterns(&section, "break_glass"),
        service_accounts: patterns(&section, "service_accounts"),
    };
    section.reject_unknown_keys();
    (policy, classes, exceptions)
}

/// Reads the file of accepted exceptions. Its problems carry their own key: the path and the line.
fn exceptions(
    section: &Section<'_>,
    sources: &[&str],
    custom: &custom::ParsedRules,
    context: &ReferenceContext<'_>,
) -> Option<ExceptionsFile> {
    let path = context.path(section.text("exceptions")?);
    let read = ExceptionsFile::read(path, sources, custom);
    read.map_err(|found| found.into_iter().for_each(|problem| section.problems().add(problem.key, problem.text))).ok()
}

fn selected_frameworks(section: &Section<'_>) -> Vec<&'static Framework> {
    let known: Vec<&str> = frameworks::all().iter().map(|framework| framework.id).collect();
    let mut found: Vec<&'static Framework> = Vec::new();
    for id in section.texts("frameworks").unwrap_or_default() {
        match frameworks::find(id) {
            Some(framework) if found.iter().all(|other| other.id != framework.id) => found.push(framework),
            // Written twice: selected once.
            Some(_) => {}
            None => section.problem("frameworks", not_one_of(id, &known)),
        }
    }
    found
}

fn patterns(section: &Section<'_>, key: &'static str) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for text in section.texts(key).unwrap_or_default() {
        match Pattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(why) => section.problem(key, why),
        }
    }
    patterns
}

fn overrides(section: &Section<'_>, custom: &custom::ParsedRules) -> BTreeMap<Rule, Override> {
    let mut overrides = BTreeMap::new();
    for (id, value) in section.entries() {
        let Some(wanted) = severity_or_off(section, id, value) else { continue };
        match custom.find(id) {
            Some(rule) => {
                overrides.insert(rule, wanted);
            }
            None => unknown_rule(section, id, custom),
        }
    }
    overrides
}

fn severity_or_off(section: &Section<'_>, id: &str, value: &Value) -> Option<Override> {
    let read = value.as_str().and_then(|text| match text {
        "off" => Some(Override::Off),
        severity => Severity::parse(severity).map(Override::Severity),
    });
    if read.is_none() {
        section.problem(id, "must be \"off\" or a severity: info, low, medium, high, critical");
    }
    read
}

fn unknown_rule(section: &Section<'_>, id: &str, custom: &custom::ParsedRules) {
    let known: Vec<&str> = custom.known();
    section.problem(id, format!("unknown rule{}", did_you_mean(id, &known)));
}
