//! Puts the facts of a run into the manifest. Pure.

pub mod parameters;

use crate::config::Config;
use crate::exceptions::ExceptionUse;
use crate::guard::Suspect;
use crate::lifecycle::KnownFindings;
use crate::model::instant_text as instant;
use crate::model::{
    Change, Completeness, Evaluation, Finding, Instant, Inventory, Resolved, Rule, SourceInventory, SourceStatus,
};
use crate::rules::policy::Policy;
use crate::snapshot::manifest::{
    BaseReference, ConfirmedShrink, Counts, FORMAT_VERSION, FileEntry, Manifest, RuleEntry, SourceEntry, Tool,
};
use crate::state;
use crate::table::CsvDialect;
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

/// All that is known of a run before it is published.
pub struct RunDescription<'a> {
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
    /// The state after it.
    pub inventory: &'a Inventory,
    /// What was found.
    pub findings: &'a [Finding],
    /// What stood before.
    pub past: &'a KnownFindings,
    /// What is kept of findings that are over.
    pub resolved: &'a [Resolved],
    /// What each accepted exception did.
    pub uses: &'a [ExceptionUse],
    /// What was evaluated.
    pub evaluations: &'a [Evaluation],
    /// What changed.
    pub changes: &'a [Change],
    /// The snapshot before this one.
    pub base: Option<BaseReference>,
    /// When its run began.
    pub base_started_at: Option<Instant>,
    /// For people, beside what the sources said.
    pub warnings: Vec<String>,
    /// What a guard objected to and nobody confirmed.
    pub suspects: &'a [Suspect],
    /// What a guard objected to and somebody confirmed.
    pub confirmed_shrinks: Vec<ConfirmedShrink>,
}

impl RunDescription<'_> {
    /// Whether every list of every configured source was proven complete.
    pub fn completeness(&self) -> Completeness {
        let is_whole = |source_inventory: &SourceInventory| source_inventory.reading.status() == SourceStatus::Complete;
        if self.inventory.sources.iter().all(is_whole) { Completeness::Complete } else { Completeness::Partial }
    }

    /// The manifest without files; see [`finish`].
    pub fn manifest(&self) -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            run_id: self.run_id.to_owned(),
            tool: Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            host: self.origin.host.clone(),
            operator: self.origin.operator.clone(),
            as_of: instant(self.as_of),
            started_at: instant(self.started_at),
            finished_at: instant(self.started_at),
            completeness: self.completeness(),
            sources: self.inventory.sources.iter().map(SourceEntry::of).collect(),
            policy: parameters::write(&self.config.policy, &self.config.classes),
            config_sha256: self.config.sha256.clone(),
            exceptions_sha256: self.config.exceptions.as_ref().map(|file| file.sha256.clone()),
            base: self.base.clone(),
            rules: self.evaluations.iter().map(RuleEntry::of).collect(),
            files: Vec::new(),
            counts: self.counts(),
            guarded_cells: 0,
            formula_guard: self.config.output.dialect != CsvDialect::Raw,
            warnings: self.warnings.iter().cloned().chain(self.warnings_of_sources()).collect(),
            confirmed_shrinks: self.confirmed_shrinks.clone(),
        }
    }

    /// Totals.
    pub fn counts(&self) -> Counts {
        let sources = &self.inventory.sources;
        let (mut findings, mut statuses) = (BTreeMap::new(), BTreeMap::new());
        for finding in self.findings {
            *statuses.entry(finding.status.as_str().to_owned()).or_insert(0) += 1;
            if finding.status.stands() {
                *findings.entry(finding.rule.as_str().to_owned()).or_insert(0) += 1;
            }
        }
        let changes = state::counts(self.changes).into_iter().map(|(kind, count)| (kind.as_str().to_owned(), count));
        Counts {
            users: sources.iter().map(|source_inventory| source_inventory.reading.users.len() as u64).sum(),
            groups: sources.iter().map(|source_inventory| source_inventory.reading.groups.len() as u64).sum(),
            memberships: sources.iter().map(|source_inventory| source_inventory.memberships.len() as u64).sum(),
            findings,
            statuses,
            changes: changes.collect(),
        }
    }

    /// What the sources said, for people.
    pub fn warnings_of_sources(&self) -> Vec<String> {
        let of_sources = self.inventory.sources.iter().flat_map(|source_inventory| {
            let name = &source_inventory.reading.source.name;
            source_inventory.reading.warnings.iter().map(move |warning| format!("{name}: {warning}"))
        });
        of_sources.collect()
    }
}

/// Adds what is known last.
pub fn finish(manifest: &mut Manifest, files: Vec<FileEntry>, guarded_cells: u64, finished_at: Instant) {
    manifest.files = files;
    manifest.guarded_cells = guarded_cells;
    manifest.finished_at = instant(finished_at);
}

/// The verdicts that a manifest tells, one a source and rule; the error says what this version does not understand.
pub fn evaluations(manifest: &Manifest, policy: &Policy) -> Result<Vec<Evaluation>, String> {
    let reported: Vec<Evaluation> =
        manifest.rules.iter().map(|entry| evaluation(entry, policy)).collect::<Result<_, _>>()?;
    let custom = policy.custom_rules.iter().map(|custom| custom.rule);
    // A rule of which nothing is told would read as one that had nothing to judge.
    for rule in Rule::ALL.into_iter().chain(custom) {
        for SourceEntry { name, .. } in &manifest.sources {
            if !reported.iter().any(|evaluation| evaluation.rule == rule && evaluation.source.as_str() == name) {
                return Err(format!("rules: nothing is told of {} over source {name:?}", rule.as_str()));
            }
        }
    }
    Ok(reported)
}

fn evaluation(entry: &RuleEntry, policy: &Policy) -> Result<Evaluation, String> {
    let RuleEntry { source, rule, outcome } = entry;
    let unknown = || format!("rules: {rule:?} of source {source:?} is nothing that this version knows");
    let rule = policy.rule(rule).ok_or_else(unknown)?;
    Ok(Evaluation { source: source.as_str().into(), rule, outcome: outcome.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_evaluation_is_read_as_it_was_written_and_one_of_another_version_is_refused() {
        let written = Evaluation { source: "eu".into(), rule: Rule::NoMfa, outcome: crate::model::RuleOutcome::Off };
        let entry = RuleEntry::of(&written);
        assert_eq!(evaluation(&entry, &Policy::default()), Ok(written));
        let strange = RuleEntry { rule: "of-tomorrow".to_owned(), ..entry };
        assert!(evaluation(&strange, &Policy::default()).unwrap_err().contains("nothing that this version knows"));
    }
}
