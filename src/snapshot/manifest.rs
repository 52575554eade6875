//! The manifest of a snapshot: origin, parameters, completeness, hashes and the reference to the baseline. Plain data.
//!
//! `run` fills it, `staging` writes it, and everything that reads a snapshot starts with it. Other programs read it,
//! too, so keys and words never change within a format version.
//!
//! Format version 1 is the first. `counts.statuses` and `confirmed_shrinks` were added to it later; they are omitted
//! when they are empty.

use crate::build_info;
use crate::model::{
    Completeness, Coverage, Evaluation, Exclusions, KnownSource, ListKind, ListReport, RuleOutcome, SourceIdentity,
    SourceInventory, SourceStatus,
};
use crate::table::CsvDialect;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Format version that this program writes.
pub const FORMAT_VERSION: u32 = 1;

/// Content of `manifest.json`. Instants are RFC 3339 in UTC with `Z`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version of the manifest; see the module documentation.
    pub format_version: u32,
    /// Start of the run in UTC plus four random digits; also the name of the folder.
    pub run_id: String,
    /// Program that wrote the snapshot.
    pub tool: Tool,
    /// Build of that program.
    pub build: Build,
    /// Name of the host on which the program ran.
    pub host: String,
    /// Who started the run, as a text for people; see [`StartedBy::in_words`].
    pub operator: String,
    /// Who started the run, as data.
    pub started_by: StartedBy,
    /// Instant that every age is computed from.
    pub as_of: String,
    /// Latest `as_of` of all earlier runs, if it is later than the one of this run: a clock was ahead. Dates of rows and
    /// findings never move backwards, so they may have this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_as_of: Option<String>,
    /// Wall-clock time at which the run started.
    pub started_at: String,
    /// Wall-clock time at which the tables were written.
    pub finished_at: String,
    /// Whether every list of every configured source was proven complete.
    pub completeness: Completeness,
    /// One entry per source.
    pub sources: Vec<SourceEntry>,
    /// Every threshold and list in force, by configuration key.
    pub policy: BTreeMap<String, PolicyEntry>,
    /// SHA-256 of the configuration file as it was read.
    pub config_sha256: String,
    /// Every setting in force with its origin. Secrets are named by their reference only.
    #[serde(default)]
    pub configuration: serde_json::Value,
    /// Every pattern of the configuration with the number of its matches.
    #[serde(default)]
    pub patterns: Vec<PatternEntry>,
    /// SHA-256 of the exceptions file as it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions_sha256: Option<String>,
    /// Baseline: the previous snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseReference>,
    /// Result of every rule, one entry per source and rule.
    pub rules: Vec<RuleEntry>,
    /// Every other file of the snapshot.
    pub files: Vec<FileEntry>,
    /// Totals over all sources.
    pub counts: Counts,
    /// Form of the CSV files.
    pub csv: CsvFormat,
    /// Number of cells in the CSV files that the formula guard changed.
    pub guarded_cells: u64,
    /// Whether the formula guard was on: it guards cells that a spreadsheet would run.
    pub formula_guard: bool,
    /// What a person has to act on.
    pub warnings: Vec<String>,
    /// Facts that need no action: constant facts of the products, and what the run did about a configured setting.
    pub notes: Vec<String>,
    /// Shrunken lists that a guard refused and a person confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirmed_shrinks: Vec<ConfirmedShrink>,
    /// Why the run did not trust the clock of its host. Steps that cannot be undone then wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_doubt: Option<ClockDoubt>,
}

/// Facts that contradict the clock of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDoubt {
    /// Contradictions, for people.
    pub reasons: Vec<String>,
    /// Instant by which exceptions end, because `as_of` may be wrong: that of the last run without a contradiction.
    pub exceptions_as_of: String,
}

impl ClockDoubt {
    /// Returns the warning of the run, with its cure.
    pub fn warning(&self) -> String {
        format!(
            "the clocks contradict each other, so no snapshot is pruned, no exception expires and no record of a resolved \
             finding is dropped: {}; correct the wrong clock (NTP), then run again",
            self.reasons.join("; ")
        )
    }
}

/// Form of the CSV files of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvFormat {
    /// Dialect: `strict`, `excel` or `raw`.
    pub dialect: String,
    /// Separator between cells: `comma` or `semicolon`.
    pub separator: String,
}

impl CsvFormat {
    /// Describes a dialect.
    pub fn of(dialect: CsvDialect) -> Self {
        Self { dialect: dialect.as_str().to_owned(), separator: dialect.separator().as_str().to_owned() }
    }

    /// Returns the dialect; `None` if this version does not know it.
    pub fn dialect(&self) -> Option<CsvDialect> {
        CsvDialect::parse(&self.dialect, &self.separator)
    }
}

impl Manifest {
    /// Checks whether every list of every source was proven complete.
    pub fn is_complete(&self) -> bool {
        self.completeness == Completeness::Complete
    }
}

/// How many groups or accounts a pattern of the configuration matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatternEntry {
    /// Key of the configuration, such as `policy.privileged_groups`.
    pub key: String,
    /// The pattern as it is written.
    pub pattern: String,
    /// Number of known groups or accounts that it matches.
    pub matches: u64,
    /// Whether every list that it is matched against was read completely. If not, 0 matches prove nothing.
    pub complete: bool,
    /// Where nothing matches: the known name that is most similar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

impl PatternEntry {
    /// Returns the warning for a pattern that is proven to match nothing, with its cure.
    pub fn warning(&self) -> Option<String> {
        let Self { key, pattern, .. } = self;
        let cure = match &self.nearest {
            // A name in place of a glob would match less than was meant.
            Some(name) if pattern.starts_with("glob:") => {
                format!("the most similar name is {name:?}; correct or remove the pattern")
            }
            Some(name) => format!("write {name:?} if that is meant, else remove it"),
            None => "correct or remove it".to_owned(),
        };
        (self.matches == 0 && self.complete).then(|| format!("{key}: {pattern:?} matches nothing; {cure}"))
    }
}

/// List that shrank beyond the limit and that a person confirmed with `--allow-shrink`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmedShrink {
    /// Name of the source.
    pub source: String,
    /// Kind of the list.
    pub list: ListKind,
    /// Number of rows in the baseline; `None` if the baseline does not have the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Number of rows in this run.
    pub now: u64,
    /// Number of rows of the baseline that are missing in this run. New rows do not reduce it.
    #[serde(default)]
    pub gone: u64,
    /// Value of `max_shrink_percent` in force.
    pub limit_percent: u8,
    /// Operating-system user, with the original user if sudo was used.
    pub by: String,
    /// Wall-clock time of the confirmation.
    pub at: String,
}

/// The part of a manifest that the chain and retention need. A folder may contain thousands of snapshots, so their
/// whole manifests are not kept in memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ManifestHeader {
    /// Run id of the snapshot.
    pub run_id: String,
    /// Whether every source was proven complete.
    pub completeness: Completeness,
    /// Instant that every age is computed from.
    pub as_of: String,
    /// Baseline: the previous snapshot.
    #[serde(default)]
    pub base: Option<BaseReference>,
}

/// Name and version of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Name of the program: `bt-rollcall`.
    pub name: String,
    /// Semantic version of the program.
    pub version: String,
}

/// Build of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Semantic version of the program.
    pub version: String,
    /// Commit of the source; `unknown` for a debug build or without a repository.
    pub commit: String,
    /// Compiler, as `rustc --version` names it.
    pub compiler: String,
}

impl Build {
    /// Returns the build of this program.
    pub fn of_this_program() -> Self {
        Self {
            version: build_info::VERSION.to_owned(),
            commit: build_info::COMMIT.to_owned(),
            compiler: build_info::COMPILER.to_owned(),
        }
    }
}

/// Who or what started a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedBy {
    /// Operating-system user of the process.
    pub user: String,
    /// User who became that user with sudo(8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_user: Option<String>,
    /// Service of systemd that contains the process: `bt-rollcall.service`, `cron.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd_unit: Option<String>,
}

impl StartedBy {
    /// Returns the text for people: `root` or `root (sudo: alice; unit: bt-rollcall.service)`.
    pub fn in_words(&self) -> String {
        let Self { user, sudo_user, systemd_unit } = self;
        let details = [("sudo", sudo_user), ("unit", systemd_unit)];
        let details: Vec<String> =
            details.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}: {value}"))).collect();
        if details.is_empty() { user.clone() } else { format!("{user} ({})", details.join("; ")) }
    }
}

/// Entry of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// Name from the configuration.
    pub name: String,
    /// Kind of the source, for example `rest-v3`.
    pub kind: String,
    /// Base address from the configuration.
    pub url: String,
    /// Id of the API account.
    pub client_id: String,
    /// Whether the source was read completely, partly or not at all.
    pub status: SourceStatus,
    /// Reason why the source is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Report of each list; empty if the run did not read the source.
    pub lists: Vec<ListReport>,
    /// What is known about the source in addition to its rows.
    #[serde(flatten)]
    pub known: KnownSource,
    /// Clock of the server minus the clock of this host, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<i64>,
    /// SHA-256 of the server's certificate in lower-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate_sha256: Option<String>,
}

impl SourceEntry {
    /// Creates the entry of a source from its state after a run.
    pub fn of(source_inventory: &SourceInventory) -> Self {
        let reading = &source_inventory.reading;
        Self {
            name: reading.source.name.to_string(),
            kind: reading.source.kind.clone(),
            url: reading.source.url.clone(),
            client_id: reading.source.client_id.clone(),
            status: reading.status(),
            reason: reading.reason(),
            lists: reading.lists.clone(),
            known: source_inventory.known.clone(),
            clock_skew_seconds: reading.clock_skew_seconds,
            tls_certificate_sha256: reading.tls_certificate_sha256.clone(),
        }
    }

    /// Returns the identity of the source.
    pub fn identity(&self) -> SourceIdentity {
        SourceIdentity {
            name: self.name.as_str().into(),
            kind: self.kind.clone(),
            url: self.url.clone(),
            client_id: self.client_id.clone(),
        }
    }

    /// Returns the report of a list; `None` if the run did not read it.
    pub fn list(&self, kind: ListKind) -> Option<&ListReport> {
        self.lists.iter().find(|list| list.kind == kind)
    }

    /// Returns the coverage of a list; `NotOffered` if the run did not read it.
    pub fn coverage(&self, kind: ListKind) -> &Coverage {
        Coverage::of_list(&self.lists, kind)
    }
}

/// Setting of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyEntry {
    /// Value in force.
    pub value: serde_json::Value,
    /// Origin of the value: `default`, `configuration` or the name of a framework.
    pub from: String,
}

/// Result of one rule for one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleEntry {
    /// Name of the source.
    pub source: String,
    /// Rule id. It is a text, because only the policy knows custom rules.
    pub rule: String,
    /// Outcome of the rule.
    #[serde(flatten)]
    pub outcome: RuleOutcome,
    /// Number of accounts or groups of the source that the rule does not apply to, by reason.
    #[serde(default, skip_serializing_if = "Exclusions::is_empty")]
    pub excluded: Exclusions,
}

impl RuleEntry {
    /// Creates the entry of one evaluation.
    pub fn of(evaluation: &Evaluation) -> Self {
        let Evaluation { source, rule, outcome, excluded } = evaluation;
        Self {
            source: source.to_string(),
            rule: rule.as_str().to_owned(),
            outcome: outcome.clone(),
            excluded: excluded.clone(),
        }
    }
}

/// Reference to the baseline: a link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseReference {
    /// Run id of the baseline.
    pub run_id: String,
    /// SHA-256 of its manifest in lower-case hexadecimal.
    pub manifest_sha256: String,
}

/// Entry of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path relative to the folder of the snapshot.
    pub path: String,
    /// SHA-256 of the file in lower-case hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Number of rows of a table, or of lines of `pages.jsonl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// Totals over all sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Number of rows of `users`.
    pub users: u64,
    /// Number of rows of `groups`.
    pub groups: u64,
    /// Number of rows of `memberships`.
    pub memberships: u64,
    /// Number of current findings (new, open, reopened, excepted) by rule id.
    pub findings: BTreeMap<String, u64>,
    /// Number of rows of `findings` by status, including resolved ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<String, u64>,
    /// Number of changes by kind.
    pub changes: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exclusion, Rule, SourceIdentity, SourceReading};
    use serde_json::json;

    /// JSON of the first version. Other programs read it, so it must not change.
    const SOURCE: &str = concat!(
        r#"{"name":"eu","kind":"pra","url":"u","client_id":"c","status":"partial","reason":"groups: moved; members: 403","#,
        r#""lists":[{"kind":"users","query":"q","coverage":"complete","expected":2,"received":2,"distinct":2,"pages":1,"#,
        r#""passes":1,"requests":1,"proof":"total 2"},{"kind":"groups","query":"","coverage":"drifted","received":2,"#,
        r#""distinct":2,"pages":1,"passes":1,"requests":1,"proof":"moved"},{"kind":"members","query":"","#,
        r#""coverage":"failed","received":2,"distinct":2,"pages":1,"passes":1,"requests":1,"proof":"403"},"#,
        r#"{"kind":"api-accounts","query":"","coverage":"not-offered","received":2,"distinct":2,"pages":1,"passes":1,"#,
        r#""requests":1,"proof":"the source does not offer this list"}],"compared":false,"unconfirmed_rows":0}"#
    );
    const RULES: &str = concat!(
        r#"[{"source":"eu","rule":"no-mfa","outcome":"evaluated","subjects":7,"undetermined":2,"#,
        r#""excluded":{"disabled":3,"service-account":1}},"#,
        r#"{"source":"eu","rule":"no-mfa","outcome":"undetermined","why":"w"},"#,
        r#"{"source":"eu","rule":"no-mfa","outcome":"off"}]"#
    );

    #[test]
    fn sources_and_rules_keep_the_keys_and_words_of_the_first_version() {
        let identity = SourceIdentity {
            name: "eu".into(),
            kind: "pra".to_owned(),
            url: "u".to_owned(),
            client_id: "c".to_owned(),
        };
        let list = |kind, coverage| ListReport::of_rows(kind, 2, coverage);
        let users = list(ListKind::Users, Coverage::Complete { proof: "total 2".to_owned() });
        let lists = vec![
            ListReport { query: "q".to_owned(), expected: Some(2), ..users },
            list(ListKind::Groups, Coverage::Drifted { why: "moved".to_owned() }),
            list(ListKind::Members, Coverage::Failed { error: "403".to_owned() }),
            list(ListKind::ApiAccounts, Coverage::NotOffered),
        ];
        let source =
            SourceEntry::of(&SourceInventory::restore(SourceReading { lists, ..SourceReading::of(identity) }, false));
        assert_eq!(serde_json::to_string(&source).unwrap(), SOURCE);
        assert_eq!(serde_json::from_str::<SourceEntry>(SOURCE).unwrap(), source);

        let outcomes = [
            RuleOutcome::Evaluated { subjects: 7, undetermined: 2 },
            RuleOutcome::Undetermined { why: "w".to_owned() },
            RuleOutcome::Off,
        ];
        let counted = Exclusions::from([(Exclusion::ServiceAccount, 1), (Exclusion::Disabled, 3)]);
        let rules = outcomes.map(|outcome| {
            let excluded =
                if matches!(outcome, RuleOutcome::Evaluated { .. }) { counted.clone() } else { Exclusions::new() };
            RuleEntry::of(&Evaluation { source: "eu".into(), rule: Rule::NoMfa, outcome, excluded })
        });
        assert_eq!(serde_json::to_string(&rules).unwrap(), RULES);
        assert_eq!(serde_json::from_str::<Vec<RuleEntry>>(RULES).unwrap(), rules);
    }

    #[test]
    fn words_in_json_are_the_words_shown_to_people() {
        for kind in ListKind::ALL {
            assert_eq!(json!(kind), kind.as_str());
        }
        for status in [SourceStatus::Complete, SourceStatus::Partial, SourceStatus::Failed] {
            assert_eq!(json!(status), status.as_str());
        }
        for completeness in [Completeness::Complete, Completeness::Partial] {
            assert_eq!(json!(completeness), completeness.as_str());
        }
    }

    #[test]
    fn unknown_words_are_an_error() {
        for (known, unknown) in [("\"drifted\"", "\"moving\""), ("\"partial\"", "\"half\""), ("\"members\"", "\"x\"")] {
            let error = serde_json::from_str::<SourceEntry>(&SOURCE.replace(known, unknown)).unwrap_err().to_string();
            assert!(error.contains("unknown variant"), "{error}");
        }
        assert!(serde_json::from_str::<Vec<RuleEntry>>(&RULES.replace("evaluated", "perhaps")).is_err());
    }
}
