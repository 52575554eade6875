//! Reads `[policy]`: frameworks, thresholds, classes of groups and accounts, and settings of rules.
//!
//! The sub-tables have files of their own: `custom` (custom rules), `owners` (owners of service accounts and of groups) and `exceptions`.

use super::characters;
use super::custom;
use super::effective::CONFIGURATION;
use super::exceptions::ExceptionsFile;
use super::owners;
use super::reference::{self, ReferenceContext};
use super::section::Section;
use super::similar::not_one_of;
use crate::file_error::unreadable;
use crate::model::{Classes, Pattern, Rule, Severity};
use crate::regular_file::{self, MAX_TEXT};
use crate::rules::frameworks::{self, Framework};
use crate::rules::policy::{Override, Policy, Threshold};
use serde_json::json;
use std::collections::BTreeMap;
use toml::de::DeValue;

/// Thresholds and rules, classes of groups and accounts, accepted exceptions.
type ParsedPolicy = (Policy, Classes, Option<ExceptionsFile>);

/// Thresholds in days: up to ten years.
const DAYS: std::ops::RangeInclusive<u32> = 1..=3650;

/// Example of the path of the exceptions file.
const EXCEPTIONS_FILE: &str = "/etc/bt-rollcall/exceptions.toml";

/// Reads the table. An absent one has the defaults. `sources` are the names of the `[[source]]` tables.
pub(super) fn read(section: &Section<'_>, sources: &[&str], context: &ReferenceContext<'_>) -> ParsedPolicy {
    let mut policy = Policy::default();
    let frameworks = selected_frameworks(section);
    let stale = section.optional_number("stale_after_days", DAYS);
    let privileged = section.optional_number("privileged_stale_after_days", DAYS);
    match frameworks::thresholds(&frameworks, stale, privileged) {
        Ok((stale, privileged)) => {
            threshold(section, "stale_after_days", &stale);
            threshold(section, "privileged_stale_after_days", &privileged);
            policy.stale_after = stale;
            policy.privileged_stale_after = privileged;
        }
        Err(why) => section.problem("frameworks", why),
    }
    policy.frameworks = frameworks.iter().map(|framework| framework.id.to_owned()).collect();
    if let Some(days) = section.optional_number("never_logged_in_grace_days", 0..=3650) {
        policy.never_grace = Threshold { days, from: CONFIGURATION.to_owned() };
    }
    threshold(section, "never_logged_in_grace_days", &policy.never_grace);
    let percent = section.number("max_shrink_percent", 0..=100, u32::from(policy.max_shrink_percent));
    policy.max_shrink_percent = u8::try_from(percent).unwrap_or(100);
    // Exceptions and `[policy.rules]` may name custom rules, so these are read first.
    let custom = custom::read(section);
    let exceptions = exceptions(section, sources, &custom, context);
    policy.rules = overrides(&section.section("rules"), &custom);
    policy.custom_rules = custom.rules;
    policy.service_owners = owners::of_accounts(&section.sections("service_owners", "account"), sources);
    policy.group_owners = owners::of_groups(&section.sections("group_owners", "group"));
    let classes = Classes {
        privileged_groups: patterns(section, "privileged_groups"),
        break_glass: patterns(section, "break_glass"),
        service_accounts: patterns(section, "service_accounts"),
    };
    section.reject_unknown_keys();
    (policy, classes, exceptions)
}

/// Reads the file of accepted exceptions. Its problems have their place in that file.
fn exceptions(
    section: &Section<'_>,
    sources: &[&str],
    custom: &custom::ParsedRules,
    context: &ReferenceContext<'_>,
) -> Option<ExceptionsFile> {
    if let Some(what) = section.kind_of_table("exceptions") {
        section.problem(
            "exceptions",
            format!("must be the path of a file, such as {EXCEPTIONS_FILE:?}, not {what}; write each exception into that file as [[exception]]"),
        );
        return None;
    }
    let path = reference::input_path(section, "exceptions", context)?;
    let bytes = regular_file::read(&path, MAX_TEXT);
    let bytes = bytes.map_err(|error| section.problem("exceptions", unreadable(&path, &error))).ok()?;
    let text = characters::decoded(&path, bytes);
    let read = text.and_then(|text| ExceptionsFile::parse(path, &text, sources, custom));
    read.map_err(|found| found.into_iter().for_each(|problem| section.collected().problem(problem))).ok()
}

fn selected_frameworks(section: &Section<'_>) -> Vec<&'static Framework> {
    let known: Vec<&str> = frameworks::all().iter().map(|framework| framework.id).collect();
    let mut found: Vec<&'static Framework> = Vec::new();
    for (id, offset) in section.texts("frameworks", &[]) {
        match frameworks::find(id) {
            Some(framework) if found.iter().all(|other| other.id != framework.id) => found.push(framework),
            // Written twice: selected once.
            Some(_) => {}
            None => section.problem_at(offset, "frameworks", not_one_of(id, &known)),
        }
    }
    found
}

fn patterns(section: &Section<'_>, key: &'static str) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for (text, offset) in section.texts(key, &[]) {
        match Pattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(why) => section.problem_at(offset, key, why),
        }
    }
    patterns
}

/// Records a threshold in force with its origin: the file, a framework or the default.
fn threshold(section: &Section<'_>, key: &str, threshold: &Threshold) {
    section.in_force(key, json!(threshold.days), &threshold.from);
}

fn overrides(section: &Section<'_>, custom: &custom::ParsedRules) -> BTreeMap<Rule, Override> {
    let mut overrides = BTreeMap::new();
    for (id, value) in section.entries() {
        let Some(rule) = custom.find(id) else {
            section.unknown("rule", id, &custom.known());
            continue;
        };
        if let Some(wanted) = severity_or_off(section, id, value) {
            overrides.insert(rule, wanted);
        }
    }
    overrides
}

/// Values of `[policy.rules]`.
const OVERRIDES: [&str; 6] = ["off", "info", "low", "medium", "high", "critical"];

fn severity_or_off(section: &Section<'_>, id: &str, value: &DeValue<'_>) -> Option<Override> {
    let Some(text) = value.as_str() else {
        section.problem(id, format!("must be one of {}, as a text", OVERRIDES.join(", ")));
        return None;
    };
    section.in_force(id, json!(text), CONFIGURATION);
    let read = if text == "off" { Some(Override::Off) } else { Severity::parse(text).map(Override::Severity) };
    if read.is_none() {
        section.problem(id, not_one_of(text, &OVERRIDES));
    }
    read
}
