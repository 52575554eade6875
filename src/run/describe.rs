//! Puts the facts of a run into the manifest. Pure.

use crate::clocks::Clocks;
use crate::config::Config;
use crate::diff::{self, Since};
use crate::exceptions::Use;
use crate::lifecycle::Past;
use crate::model::instant_text as instant;
use crate::model::{Classes, Finding, Instant, Inventory, Outcome, Pattern, SourceStatus, Verdict};
use crate::rules::custom::CustomRule;
use crate::rules::policy::{Override, Policy, ServiceOwner, Threshold};
use crate::snapshot::Published;
use crate::snapshot::manifest::{
    Base, ConfirmedShrink, Counts, FORMAT_VERSION, FileEntry, Manifest, PolicyEntry, RuleEntry, SourceEntry, Tool,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where and by whom the program runs.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Host name.
    pub host: String,
    /// Operating-system user.
    pub operator: String,
    /// The same, and who became that user by sudo.
    pub person: String,
}

/// All that a manifest is made of.
pub(super) struct Facts<'a> {
    /// The run.
    pub run_id: &'a str,
    /// Its configuration.
    pub config: &'a Config,
    /// Where it ran.
    pub origin: &'a Origin,
    /// The instant of all ages.
    pub as_of: Instant,
    /// Wall clock at the start.
    pub started_at: Instant,
    /// What came.
    pub inventory: &'a Inventory,
    /// What was found.
    pub findings: &'a [Finding],
    /// What stood before.
    pub past: &'a Past,
    /// From when ages count where accounts do not tell.
    pub clocks: &'a Clocks,
    /// What each accepted exception did.
    pub uses: &'a [Use],
    /// What was judged.
    pub verdicts: &'a [Verdict],
    /// What changed.
    pub since: &'a Since,
    /// The newest complete snapshot before this one.
    pub base: Option<&'a Published>,
    /// Configured sources that were left out by `--source`.
    pub omitted: Vec<String>,
    /// For people, beside what the sources said.
    pub warnings: Vec<String>,
    /// What a guard objected to and somebody confirmed.
    pub confirmed_shrinks: Vec<ConfirmedShrink>,
}

impl Facts<'_> {
    /// `complete` or `partial`.
    pub(super) fn completeness(&self) -> &'static str {
        let complete = self.inventory.rolls.iter().all(|roll| roll.harvest.status() == SourceStatus::Complete);
        if complete && self.omitted.is_empty() { "complete" } else { "partial" }
    }

    /// The manifest without files; see [`finish`].
    pub(super) fn manifest(&self) -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            run_id: self.run_id.to_owned(),
            tool: Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            host: self.origin.host.clone(),
            operator: self.origin.operator.clone(),
            as_of: instant(self.as_of),
            started_at: instant(self.started_at),
            finished_at: instant(self.started_at),
            completeness: self.completeness().to_owned(),
            sources: self.inventory.rolls.iter().map(|roll| SourceEntry::of(&roll.harvest)).collect(),
            policy: policy(&self.config.policy, &self.config.classes),
            config_sha256: self.config.sha256.clone(),
            exceptions_sha256: self.config.exceptions.as_ref().map(|file| file.sha256.clone()),
            base: self
                .base
                .map(|base| Base { run_id: base.run_id.clone(), manifest_sha256: base.manifest_sha256.clone() }),
            rules: self.verdicts.iter().map(rule_entry).collect(),
            files: Vec::new(),
            counts: self.counts(),
            guarded_cells: 0,
            warnings: self.all_warnings(),
            confirmed_shrinks: self.confirmed_shrinks.clone(),
        }
    }

    fn counts(&self) -> Counts {
        let rolls = &self.inventory.rolls;
        let (mut findings, mut statuses) = (BTreeMap::new(), BTreeMap::new());
        for finding in self.findings {
            *statuses.entry(finding.status.as_str().to_owned()).or_insert(0) += 1;
            if finding.status.stands() {
                *findings.entry(finding.rule.as_str().to_owned()).or_insert(0) += 1;
            }
        }
        let changes =
            diff::counts(self.since.changes()).into_iter().map(|(kind, count)| (kind.as_str().to_owned(), count));
        Counts {
            users: rolls.iter().map(|roll| roll.harvest.users.len() as u64).sum(),
            groups: rolls.iter().map(|roll| roll.harvest.groups.len() as u64).sum(),
            memberships: rolls.iter().map(|roll| roll.memberships.len() as u64).sum(),
            findings,
            statuses,
            changes: changes.collect(),
        }
    }

    fn all_warnings(&self) -> Vec<String> {
        let of_sources = self.inventory.rolls.iter().flat_map(|roll| {
            let name = &roll.harvest.source.name;
            roll.harvest.warnings.iter().map(move |warning| format!("{name}: {warning}"))
        });
        self.warnings.iter().cloned().chain(of_sources).collect()
    }
}

/// Adds what is known last.
pub(super) fn finish(manifest: &mut Manifest, files: Vec<FileEntry>, guarded_cells: u64, finished_at: Instant) {
    manifest.files = files;
    manifest.guarded_cells = guarded_cells;
    manifest.finished_at = instant(finished_at);
}

fn rule_entry(verdict: &Verdict) -> RuleEntry {
    let mut entry = RuleEntry {
        source: verdict.source.to_string(),
        rule: verdict.rule.as_str().to_owned(),
        outcome: "off".to_owned(),
        subjects: None,
        undetermined: None,
        why: None,
    };
    match &verdict.outcome {
        Outcome::Judged { subjects, undetermined } => {
            "judged".clone_into(&mut entry.outcome);
            entry.subjects = Some(*subjects);
            entry.undetermined = Some(*undetermined);
        }
        Outcome::Undetermined { why } => {
            "undetermined".clone_into(&mut entry.outcome);
            entry.why = Some(why.clone());
        }
        Outcome::Off => {}
    }
    entry
}

fn policy(policy: &Policy, classes: &Classes) -> BTreeMap<String, PolicyEntry> {
    let days = |threshold: &Threshold| PolicyEntry { value: json!(threshold.days), from: threshold.from.clone() };
    let usual = Policy::default();
    let patterns = |patterns: &[Pattern]| {
        let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        entry(json!(texts), patterns.is_empty())
    };
    let rules: BTreeMap<&str, &str> =
        policy.rules.iter().map(|(rule, wanted)| (rule.as_str(), word(*wanted))).collect();
    let owners: Vec<Value> = policy.service_owners.iter().map(service_owner).collect();
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
        ("custom_rules".to_owned(), entry(json!(custom), custom.is_empty())),
    ])
}

fn service_owner(entry: &ServiceOwner) -> Value {
    let mut told = json!({
        "account": entry.account.to_string(),
        "owner": entry.owner,
        "review_by": entry.review_by.to_string(),
    });
    if let Some(source) = &entry.source {
        told["source"] = json!(source);
    }
    told
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

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    #[test]
    fn the_manifest_keeps_the_register_of_service_accounts_and_who_set_it() {
        let usual = policy(&Policy::default(), &Classes::default());
        assert_eq!((&usual["service_owners"].value, usual["service_owners"].from.as_str()), (&json!([]), "default"));
        let owner = |source: Option<&str>| ServiceOwner {
            account: Pattern::Glob("svc-*".to_owned()),
            source: source.map(str::to_owned),
            owner: "backup team".to_owned(),
            review_by: NaiveDate::from_ymd_opt(2027, 3, 31).unwrap(),
        };
        let configured = Policy { service_owners: vec![owner(Some("eu")), owner(None)], ..Policy::default() };
        let kept = &policy(&configured, &Classes::default())["service_owners"];
        let entry = json!({"account": "glob:svc-*", "owner": "backup team", "review_by": "2027-03-31"});
        let mut of_one_source = entry.clone();
        of_one_source["source"] = json!("eu");
        assert_eq!((&kept.value, kept.from.as_str()), (&json!([of_one_source, entry]), "configuration"));
    }
}
