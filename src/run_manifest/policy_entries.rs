//! The policy of a run as entries of the manifest, by configuration key: writes and reads them. Pure.
//!
//! A snapshot keeps the policy that was in force, so that an auditor can repeat the evaluation and the report can be
//! rendered again.

use crate::model::{Classes, Pattern, Rule, Severity};
use crate::rules::custom::{CustomRule, Expression};
use crate::rules::frameworks;
use crate::rules::policy::{GroupOwner, Override, Policy, ServiceOwner, Threshold};
use crate::snapshot::manifest::PolicyEntry;
use chrono::NaiveDate;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Writes the policy in force, by configuration key. Each entry also says whether it is the default.
pub fn write(policy: &Policy, classes: &Classes) -> BTreeMap<String, PolicyEntry> {
    let days = |threshold: &Threshold| PolicyEntry { value: json!(threshold.days), from: threshold.from.clone() };
    let usual = Policy::default();
    let patterns = |patterns: &[Pattern]| {
        let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        entry(json!(texts), patterns.is_empty())
    };
    let rules: BTreeMap<&str, &str> =
        policy.rules.iter().map(|(rule, wanted)| (rule.as_str(), word(*wanted))).collect();
    let owners: Vec<Value> = policy.service_owners.iter().map(service_owner).collect();
    let group_owners: Vec<Value> = policy.group_owners.iter().map(group_owner).collect();
    let custom: Vec<Value> = policy.custom_rules.iter().map(custom_rule).collect();
    let shrink = policy.max_shrink_percent;
    BTreeMap::from([
        ("stale_after_days".to_owned(), days(&policy.stale_after)),
        ("privileged_stale_after_days".to_owned(), days(&policy.privileged_stale_after)),
        ("never_logged_in_grace_days".to_owned(), days(&policy.never_grace)),
        ("max_shrink_percent".to_owned(), entry(json!(shrink), shrink == usual.max_shrink_percent)),
        ("frameworks".to_owned(), entry(json!(policy.frameworks), policy.frameworks.is_empty())),
        ("privileged_groups".to_owned(), patterns(&classes.privileged_groups)),
        ("break_glass".to_owned(), patterns(&classes.break_glass)),
        ("service_accounts".to_owned(), patterns(&classes.service_accounts)),
        ("rules".to_owned(), entry(json!(rules), rules.is_empty())),
        ("service_owners".to_owned(), entry(json!(owners), owners.is_empty())),
        ("group_owners".to_owned(), entry(json!(group_owners), group_owners.is_empty())),
        ("custom_rules".to_owned(), entry(json!(custom), custom.is_empty())),
    ])
}

fn service_owner(entry: &ServiceOwner) -> Value {
    let mut value = json!({
        "account": entry.account.to_string(),
        "owner": entry.owner,
        "review_by": entry.review_by.to_string(),
    });
    if let Some(source) = &entry.source {
        value["source"] = json!(source);
    }
    value
}

fn group_owner(entry: &GroupOwner) -> Value {
    let mut value = json!({"group": entry.group.to_string(), "owner": entry.owner});
    if let Some(email) = &entry.email {
        value["email"] = json!(email);
    }
    value
}

fn custom_rule(custom: &CustomRule) -> Value {
    json!({
        "id": custom.rule.as_str(),
        "severity": custom.severity.as_str(),
        "title": custom.title,
        "action": custom.action,
        "when": custom.when.text(),
    })
}

fn entry(value: Value, usual: bool) -> PolicyEntry {
    PolicyEntry { value, from: if usual { "default" } else { "configuration" }.to_owned() }
}

fn word(wanted: Override) -> &'static str {
    match wanted {
        Override::Off => "off",
        Override::Severity(severity) => severity.as_str(),
    }
}

/// JSON form of an entry in the register of service accounts.
#[derive(Deserialize)]
struct OwnerEntry {
    account: String,
    owner: String,
    review_by: NaiveDate,
    source: Option<String>,
}

/// JSON form of an entry in the register of group owners.
#[derive(Deserialize)]
struct GroupOwnerEntry {
    group: String,
    owner: String,
    email: Option<String>,
}

/// JSON form of a custom rule.
#[derive(Deserialize)]
struct CustomEntry {
    id: String,
    severity: String,
    title: String,
    action: String,
    when: String,
}

/// Reads the policy that was in force. The error names the key and what this version does not know.
pub fn read(entries: &BTreeMap<String, PolicyEntry>) -> Result<Policy, String> {
    let threshold = |key: &str| {
        let entry = entries.get(key).ok_or_else(|| format!("policy.{key} is missing"))?;
        Ok::<_, String>(Threshold { days: value(entries, key)?, from: entry.from.clone() })
    };
    let custom: Vec<CustomEntry> = value(entries, "custom_rules")?;
    let owners: Vec<OwnerEntry> = value(entries, "service_owners")?;
    let group_owners: Vec<GroupOwnerEntry> = value(entries, "group_owners")?;
    let mut policy = Policy {
        stale_after: threshold("stale_after_days")?,
        privileged_stale_after: threshold("privileged_stale_after_days")?,
        never_grace: threshold("never_logged_in_grace_days")?,
        max_shrink_percent: value(entries, "max_shrink_percent")?,
        frameworks: value(entries, "frameworks")?,
        rules: BTreeMap::new(),
        service_owners: owners.into_iter().map(read_owner).collect::<Result<_, _>>()?,
        group_owners: group_owners.into_iter().map(read_group_owner).collect::<Result<_, _>>()?,
        custom_rules: custom.into_iter().map(read_custom).collect::<Result<_, _>>()?,
    };
    if let Some(strange) = policy.frameworks.iter().find(|id| frameworks::find(id).is_none()) {
        return Err(unknown("policy.frameworks", strange));
    }
    // Overrides may refer to custom rules, so that these are read first.
    let rules: BTreeMap<String, String> = value(entries, "rules")?;
    for (id, word) in rules {
        let rule = policy.rule(&id).ok_or_else(|| unknown("policy.rules", &id))?;
        policy.rules.insert(rule, read_word(&word)?);
    }
    Ok(policy)
}

/// Reads the patterns that classified accounts and groups. The error names the key.
pub fn read_classes(entries: &BTreeMap<String, PolicyEntry>) -> Result<Classes, String> {
    let patterns = |key: &str| -> Result<Vec<Pattern>, String> {
        let texts: Vec<String> = value(entries, key)?;
        texts.iter().map(|text| Pattern::parse(text).map_err(|_| unknown(&format!("policy.{key}"), text))).collect()
    };
    Ok(Classes {
        privileged_groups: patterns("privileged_groups")?,
        break_glass: patterns("break_glass")?,
        service_accounts: patterns("service_accounts")?,
    })
}

fn value<T: DeserializeOwned>(entries: &BTreeMap<String, PolicyEntry>, key: &str) -> Result<T, String> {
    let entry = entries.get(key).ok_or_else(|| format!("policy.{key} is missing"))?;
    serde_json::from_value(entry.value.clone()).map_err(|error| format!("policy.{key}: {error}"))
}

fn unknown(key: &str, what: &str) -> String {
    format!("{key}: unknown value {what:?}")
}

fn read_word(word: &str) -> Result<Override, String> {
    let severity = || Severity::parse(word).map(Override::Severity);
    if word == "off" { Ok(Override::Off) } else { severity().ok_or_else(|| unknown("policy.rules", word)) }
}

fn read_owner(entry: OwnerEntry) -> Result<ServiceOwner, String> {
    let OwnerEntry { account, owner, review_by, source } = entry;
    let account = Pattern::parse(&account).map_err(|_| unknown("policy.service_owners", &account))?;
    Ok(ServiceOwner { account, source, owner, review_by })
}

fn read_group_owner(entry: GroupOwnerEntry) -> Result<GroupOwner, String> {
    let GroupOwnerEntry { group, owner, email } = entry;
    let group = Pattern::parse(&group).map_err(|_| unknown("policy.group_owners", &group))?;
    Ok(GroupOwner { group, owner, email })
}

fn read_custom(entry: CustomEntry) -> Result<CustomRule, String> {
    let CustomEntry { id, severity, title, action, when } = entry;
    let severity = Severity::parse(&severity).ok_or_else(|| unknown("policy.custom_rules", &severity))?;
    let when = Expression::read(&when).map_err(|flaw| format!("policy.custom_rules: {id}: {}", flaw.message))?;
    Ok(CustomRule { rule: Rule::custom(&id), severity, title, action, when })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_keeps_the_register_of_service_accounts_and_where_it_comes_from() {
        let usual = write(&Policy::default(), &Classes::default());
        assert_eq!((&usual["service_owners"].value, usual["service_owners"].from.as_str()), (&json!([]), "default"));
        let owner = |source: Option<&str>| ServiceOwner {
            account: Pattern::Glob("svc-*".to_owned()),
            source: source.map(str::to_owned),
            owner: "backup team".to_owned(),
            review_by: NaiveDate::from_ymd_opt(2027, 3, 31).unwrap(),
        };
        let configured = Policy { service_owners: vec![owner(Some("eu")), owner(None)], ..Policy::default() };
        let kept = &write(&configured, &Classes::default())["service_owners"];
        let entry = json!({"account": "glob:svc-*", "owner": "backup team", "review_by": "2027-03-31"});
        let mut of_one_source = entry.clone();
        of_one_source["source"] = json!("eu");
        assert_eq!((&kept.value, kept.from.as_str()), (&json!([of_one_source, entry]), "configuration"));
    }

    #[test]
    fn a_policy_is_read_as_written() {
        let threshold = |days, from: &str| Threshold { days, from: from.to_owned() };
        let custom = CustomRule {
            rule: Rule::custom("contractor-without-end"),
            severity: Severity::Critical,
            title: "No end".to_owned(),
            action: "Set one.".to_owned(),
            when: Expression::read("enabled && days_until_expiry == null").unwrap(),
        };
        let policy = Policy {
            stale_after: threshold(35, "disa-stig"),
            privileged_stale_after: threshold(7, "configuration"),
            never_grace: threshold(14, "default"),
            max_shrink_percent: 3,
            frameworks: vec!["disa-stig".to_owned(), "sox".to_owned()],
            rules: BTreeMap::from([
                (Rule::NoMfa, Override::Off),
                (Rule::StaleLogin, Override::Severity(Severity::Info)),
                (custom.rule, Override::Severity(Severity::Low)),
            ]),
            service_owners: vec![ServiceOwner {
                account: Pattern::Id("12".to_owned()),
                source: Some("eu".to_owned()),
                owner: "backup team".to_owned(),
                review_by: NaiveDate::from_ymd_opt(2027, 3, 31).unwrap(),
            }],
            group_owners: [Some("it@example.com"), None]
                .map(|email| GroupOwner {
                    group: Pattern::Glob("*admin*".to_owned()),
                    owner: "Head of IT".to_owned(),
                    email: email.map(str::to_owned),
                })
                .into(),
            custom_rules: vec![custom],
        };
        for policy in [policy, Policy::default()] {
            assert_eq!(read(&write(&policy, &Classes::default())), Ok(policy));
        }
    }

    #[test]
    fn a_policy_of_another_version_is_refused_with_the_unknown_key() {
        let whole = write(&Policy::default(), &Classes::default());
        for (key, value, words) in [
            ("rules", json!({"of-tomorrow": "off"}), "policy.rules: unknown value \"of-tomorrow\""),
            ("rules", json!({"no-mfa": "grave"}), "\"grave\""),
            ("frameworks", json!(["sox", "of-tomorrow"]), "policy.frameworks: unknown value \"of-tomorrow\""),
            ("stale_after_days", json!("ninety"), "policy.stale_after_days"),
            (
                "custom_rules",
                json!([{"id": "x-y", "severity": "low", "title": "", "action": "", "when": "a +"}]),
                "x-y",
            ),
        ] {
            let mut entries = whole.clone();
            entries.insert(key.to_owned(), entry(value, false));
            assert!(read(&entries).unwrap_err().contains(words), "{key}");
        }
        let mut entries = whole;
        entries.remove("frameworks");
        assert_eq!(read(&entries), Err("policy.frameworks is missing".to_owned()));
    }
}
