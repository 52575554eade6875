//! The manifest of a run: writes the facts of a run into it, and reads rule outcomes back.
//!
//! `run` fills a [`RunDescription`] and publishes its manifest; the report is rendered from the same description. Pure:
//! the caller passes host, user and times.

pub mod clock;
pub mod patterns;
pub mod policy_entries;
pub mod warnings;

use crate::config::{self, Config};
use crate::exceptions::ExceptionUse;
use crate::guard::Suspect;
use crate::lifecycle::KnownFindings;
use crate::model::instant_text as instant;
use crate::model::{
    Change, Completeness, Evaluation, Finding, Instant, Inventory, Resolved, Rule, SourceInventory, SourceReading,
    SourceStatus,
};
use crate::rules::policy::Policy;
use crate::snapshot::inputs::InputRecord;
use crate::snapshot::manifest::{
    BaseReference, Build, ClockDoubt, ConfirmedShrink, Counts, CsvFormat, FORMAT_VERSION, FileEntry, Manifest,
    PatternEntry, RuleEntry, SourceEntry, StartedBy, Tool,
};
use crate::state;
use crate::table::CsvDialect;
use std::collections::BTreeMap;

/// Host and user that run the program.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Host name.
    pub host: String,
    /// Who started the process, as a text for people.
    pub operator: String,
    /// Who started the process, as data.
    pub started_by: StartedBy,
}

/// Everything that is known of a run before it is published.
pub struct RunDescription<'a> {
    /// Run id, which names the snapshot.
    pub run_id: &'a str,
    /// Configuration of the run.
    pub config: &'a Config,
    /// Host and user of the run.
    pub origin: &'a Origin,
    /// Time that all ages are relative to.
    pub as_of: Instant,
    /// Wall-clock time at the start.
    pub started_at: Instant,
    /// The known state after the run.
    pub inventory: &'a Inventory,
    /// Findings of the run.
    pub findings: &'a [Finding],
    /// Findings of the baseline.
    pub past: &'a KnownFindings,
    /// Records of findings that are resolved.
    pub resolved: &'a [Resolved],
    /// Accepted exceptions and what each of them covers.
    pub uses: &'a [ExceptionUse],
    /// Outcome of every rule over every source.
    pub evaluations: &'a [Evaluation],
    /// Changes since the baseline.
    pub changes: &'a [Change],
    /// What the rules used and no table contains.
    pub inputs: &'a [InputRecord],
    /// The baseline snapshot.
    pub base: Option<BaseReference>,
    /// Latest `as_of` of the baseline and all runs before it.
    pub latest_as_of: Option<Instant>,
    /// Wall-clock time at the start of the baseline's run.
    pub base_started_at: Option<Instant>,
    /// Matches of every pattern of the configuration.
    pub patterns: Vec<PatternEntry>,
    /// Warnings of the run, in addition to those of the sources.
    pub warnings: Vec<String>,
    /// Notes of the run, in addition to those of the sources.
    pub notes: Vec<String>,
    /// Implausibly small lists that nobody confirmed.
    pub suspects: &'a [Suspect],
    /// Implausibly small lists that an operator confirmed.
    pub confirmed_shrinks: Vec<ConfirmedShrink>,
    /// Why the run does not trust the clock of this host; `None` if nothing contradicts it.
    pub clock_doubt: Option<ClockDoubt>,
}

impl RunDescription<'_> {
    /// Returns whether every list of every configured source is proven complete.
    pub fn completeness(&self) -> Completeness {
        let is_complete =
            |source_inventory: &SourceInventory| source_inventory.reading.status() == SourceStatus::Complete;
        Completeness::of(self.inventory.sources.iter().all(is_complete))
    }

    /// Builds the manifest without files; [`finish`] adds them.
    pub fn manifest(&self) -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            run_id: self.run_id.to_owned(),
            tool: Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            build: Build::of_this_program(),
            host: self.origin.host.clone(),
            operator: self.origin.operator.clone(),
            started_by: self.origin.started_by.clone(),
            as_of: instant(self.as_of),
            latest_as_of: self.latest_as_of.filter(|latest| *latest > self.as_of).map(instant),
            started_at: instant(self.started_at),
            // Replaced by `finish`; until then, no time of completion is known.
            finished_at: instant(self.started_at),
            completeness: self.completeness(),
            sources: self.inventory.sources.iter().map(SourceEntry::of).collect(),
            policy: policy_entries::write(&self.config.policy, &self.config.classes),
            config_sha256: self.config.sha256.clone(),
            configuration: config::effective(self.config),
            patterns: self.patterns.clone(),
            exceptions_sha256: self.config.exceptions.as_ref().map(|file| file.sha256.clone()),
            base: self.base.clone(),
            rules: self.evaluations.iter().map(RuleEntry::of).collect(),
            files: Vec::new(),
            counts: self.counts(),
            csv: CsvFormat::of(self.config.output.dialect),
            guarded_cells: 0,
            formula_guard: self.config.output.dialect != CsvDialect::Raw,
            warnings: self.warnings.iter().cloned().chain(self.warnings_of_sources()).collect(),
            notes: self.notes.iter().cloned().chain(self.notes_of_sources()).collect(),
            confirmed_shrinks: self.confirmed_shrinks.clone(),
            clock_doubt: self.clock_doubt.clone(),
        }
    }

    /// Counts rows, findings and changes.
    pub fn counts(&self) -> Counts {
        counts(self.inventory, self.findings, self.changes)
    }

    /// Returns the warnings of the sources, each after the name of its source.
    pub fn warnings_of_sources(&self) -> Vec<String> {
        self.of_sources(|reading| &reading.warnings)
    }

    /// Returns the notes of the sources, each after the name of its source.
    pub fn notes_of_sources(&self) -> Vec<String> {
        self.of_sources(|reading| &reading.notes)
    }

    fn of_sources(&self, texts: fn(&SourceReading) -> &[String]) -> Vec<String> {
        let readings = self.inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
        let named = |reading: &SourceReading, text: &String| format!("{}: {text}", reading.source.name);
        readings.flat_map(|reading| texts(reading).iter().map(move |text| named(reading, text))).collect()
    }
}

/// Counts rows, findings and changes.
pub fn counts(inventory: &Inventory, findings: &[Finding], changes: &[Change]) -> Counts {
    let sources = &inventory.sources;
    let (mut by_rule, mut statuses) = (BTreeMap::new(), BTreeMap::new());
    for finding in findings {
        *statuses.entry(finding.status.as_str().to_owned()).or_insert(0) += 1;
        // A resolved finding is listed once more, but it no longer counts for its rule.
        if finding.status.is_unresolved() {
            *by_rule.entry(finding.rule.as_str().to_owned()).or_insert(0) += 1;
        }
    }
    let changes = state::counts(changes).into_iter().map(|(kind, count)| (kind.as_str().to_owned(), count));
    Counts {
        users: sources.iter().map(|source_inventory| source_inventory.reading.users.len() as u64).sum(),
        groups: sources.iter().map(|source_inventory| source_inventory.reading.groups.len() as u64).sum(),
        memberships: sources.iter().map(|source_inventory| source_inventory.memberships.len() as u64).sum(),
        findings: by_rule,
        statuses,
        changes: changes.collect(),
    }
}

/// Adds the facts that are known last: files, number of guarded cells and the time of completion.
pub fn finish(manifest: &mut Manifest, files: Vec<FileEntry>, guarded_cells: u64, finished_at: Instant) {
    manifest.files = files;
    manifest.guarded_cells = guarded_cells;
    manifest.finished_at = instant(finished_at);
}

/// Reads the outcome of every rule over every source from a manifest. The error says what this version does not know.
pub fn evaluations(manifest: &Manifest, policy: &Policy) -> Result<Vec<Evaluation>, String> {
    let evaluations: Vec<Evaluation> =
        manifest.rules.iter().map(|entry| evaluation(entry, policy)).collect::<Result<_, _>>()?;
    let custom = policy.custom_rules.iter().map(|custom| custom.rule);
    // A missing entry would read as a rule that found nothing.
    for rule in Rule::ALL.into_iter().chain(custom) {
        for SourceEntry { name, .. } in &manifest.sources {
            if !evaluations.iter().any(|evaluation| evaluation.rule == rule && evaluation.source.as_str() == name) {
                let rule = rule.as_str();
                return Err(format!(
                    "rules: no outcome of rule {rule} for source {name:?}; the manifest is incomplete"
                ));
            }
        }
    }
    Ok(evaluations)
}

fn evaluation(entry: &RuleEntry, policy: &Policy) -> Result<Evaluation, String> {
    let RuleEntry { source, rule, outcome, excluded } = entry;
    let unknown = || format!("rules: unknown rule {rule:?} of source {source:?}");
    let rule = policy.rule(rule).ok_or_else(unknown)?;
    Ok(Evaluation { source: source.as_str().into(), rule, outcome: outcome.clone(), excluded: excluded.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exclusion, RuleOutcome};

    #[test]
    fn an_evaluation_is_read_as_written_and_an_unknown_rule_is_refused() {
        let written = Evaluation {
            source: "eu".into(),
            rule: Rule::NoMfa,
            outcome: RuleOutcome::Evaluated { subjects: 1, undetermined: 0 },
            excluded: [(Exclusion::Disabled, 2)].into(),
        };
        let entry = RuleEntry::of(&written);
        assert_eq!(evaluation(&entry, &Policy::default()), Ok(written));
        let strange = RuleEntry { rule: "of-tomorrow".to_owned(), ..entry };
        let error = evaluation(&strange, &Policy::default()).unwrap_err();
        assert!(error.contains("unknown rule \"of-tomorrow\" of source \"eu\""), "{error}");
    }
}
