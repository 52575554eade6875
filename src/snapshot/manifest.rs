//! What a snapshot says of itself: origin, parameters, completeness, hashes, chain. Plain data.
//!
//! Format versions: 1 = first. Fields that came later and that a reader may pass over (absent where there is nothing to say):
//! `counts.statuses`, `confirmed_shrinks`.

use crate::model::{
    Completeness, Coverage, Evaluation, KnownSource, ListKind, ListReport, RuleOutcome, SourceIdentity,
    SourceInventory, SourceStatus,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version that this program writes.
pub const FORMAT_VERSION: u32 = 1;

/// `manifest.json`. Instants are RFC 3339 in UTC with `Z`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// See the module doc.
    pub format_version: u32,
    /// Start in UTC plus a few random characters; also the folder's name.
    pub run_id: String,
    /// What wrote it.
    pub tool: Tool,
    /// Host that ran it.
    pub host: String,
    /// Operating-system user that ran it.
    pub operator: String,
    /// The one instant that every age is computed from.
    pub as_of: String,
    /// Wall clock at the start.
    pub started_at: String,
    /// Wall clock when the tables were written.
    pub finished_at: String,
    /// Whether every list of every configured source was proven complete.
    pub completeness: Completeness,
    /// One entry a source.
    pub sources: Vec<SourceEntry>,
    /// Every threshold and list in force, by configuration key.
    pub policy: BTreeMap<String, PolicyEntry>,
    /// SHA-256 of the configuration file as read.
    pub config_sha256: String,
    /// SHA-256 of the exceptions file as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions_sha256: Option<String>,
    /// The snapshot before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseReference>,
    /// Which rule ran over what, one entry a source and rule.
    pub rules: Vec<RuleEntry>,
    /// Every other file of the snapshot.
    pub files: Vec<FileEntry>,
    /// How much of everything.
    pub counts: Counts,
    /// Cells that the formula guard changed in the CSV files.
    pub guarded_cells: u64,
    /// Whether cells of the CSV files that a spreadsheet would run are guarded.
    pub formula_guard: bool,
    /// For people.
    pub warnings: Vec<String>,
    /// What a guard objected to and somebody confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirmed_shrinks: Vec<ConfirmedShrink>,
}

impl Manifest {
    /// Whether every list of every source was proven complete.
    pub fn is_complete(&self) -> bool {
        self.completeness == Completeness::Complete
    }
}

/// A list that looked too small to be true, and that somebody confirmed with `--allow-shrink`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmedShrink {
    /// Source.
    pub source: String,
    /// Which list.
    pub list: ListKind,
    /// Rows in the base, if the list was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Rows now.
    pub now: u64,
    /// Rows of before that are gone; of users also where others took their places.
    #[serde(default)]
    pub gone: u64,
    /// `max_shrink_percent` in force.
    pub limit_percent: u8,
    /// Operating-system user, and who became that user by sudo.
    pub by: String,
    /// Wall clock when it was accepted.
    pub at: String,
}

/// What a link of the chain needs of a manifest: there are thousands of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ManifestHeader {
    /// Its run.
    pub run_id: String,
    /// Whether everything was proven complete.
    pub completeness: Completeness,
    /// The instant of all ages.
    pub as_of: String,
    /// The snapshot before it.
    #[serde(default)]
    pub base: Option<BaseReference>,
}

/// Name and version of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `bt-rollcall`.
    pub name: String,
    /// Semantic version.
    pub version: String,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// Name from the configuration.
    pub name: String,
    /// `rest-v3`, …
    pub kind: String,
    /// Base address.
    pub url: String,
    /// API account.
    pub client_id: String,
    /// What it came to.
    pub status: SourceStatus,
    /// Why it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How each list was read; none where the source was left out.
    pub lists: Vec<ListReport>,
    /// What is known of it beside its rows.
    #[serde(flatten)]
    pub known: KnownSource,
    /// Server's clock minus ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<i64>,
    /// SHA-256 of the server's certificate, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate_sha256: Option<String>,
}

impl SourceEntry {
    /// Of a source as it stands after a run.
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

    /// Who the source is.
    pub fn identity(&self) -> SourceIdentity {
        SourceIdentity {
            name: self.name.as_str().into(),
            kind: self.kind.clone(),
            url: self.url.clone(),
            client_id: self.client_id.clone(),
        }
    }

    /// How this list was read.
    pub fn list(&self, kind: ListKind) -> Option<&ListReport> {
        self.lists.iter().find(|list| list.kind == kind)
    }

    /// The coverage of a list; `NotOffered` if it was never read.
    pub fn coverage(&self, kind: ListKind) -> &Coverage {
        Coverage::of_list(&self.lists, kind)
    }
}

/// One setting of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyEntry {
    /// The value in force.
    pub value: serde_json::Value,
    /// `default`, `configuration` or a framework's name.
    pub from: String,
}

/// How one rule went over one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleEntry {
    /// Source.
    pub source: String,
    /// Rule id. Text: only the policy knows custom rules.
    pub rule: String,
    /// With what result.
    #[serde(flatten)]
    pub outcome: RuleOutcome,
}

impl RuleEntry {
    /// What is said of one rule over one source.
    pub fn of(evaluation: &Evaluation) -> Self {
        let Evaluation { source, rule, outcome } = evaluation;
        Self { source: source.to_string(), rule: rule.as_str().to_owned(), outcome: outcome.clone() }
    }
}

/// A link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseReference {
    /// Its run.
    pub run_id: String,
    /// SHA-256 of its manifest, hex.
    pub manifest_sha256: String,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the snapshot.
    pub path: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
    /// Rows of a table, lines of `pages.jsonl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// Totals over all sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows of `users`.
    pub users: u64,
    /// Rows of `groups`.
    pub groups: u64,
    /// Rows of `memberships`.
    pub memberships: u64,
    /// Findings that stand (new, open, reopened, excepted) by rule id.
    pub findings: BTreeMap<String, u64>,
    /// All rows of `findings` by status, resolved ones too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<String, u64>,
    /// Changes by kind.
    pub changes: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Rule, SourceIdentity, SourceReading};
    use serde_json::json;

    /// As the first version wrote it: what is written here is read by other programs.
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
        r#"[{"source":"eu","rule":"no-mfa","outcome":"evaluated","subjects":7,"undetermined":2},"#,
        r#"{"source":"eu","rule":"no-mfa","outcome":"undetermined","why":"w"},"#,
        r#"{"source":"eu","rule":"no-mfa","outcome":"off"}]"#
    );

    #[test]
    fn sources_and_rules_are_written_with_the_words_and_keys_of_the_first_version_and_read_back() {
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
        let rules =
            outcomes.map(|outcome| RuleEntry::of(&Evaluation { source: "eu".into(), rule: Rule::NoMfa, outcome }));
        assert_eq!(serde_json::to_string(&rules).unwrap(), RULES);
        assert_eq!(serde_json::from_str::<Vec<RuleEntry>>(RULES).unwrap(), rules);
    }

    #[test]
    fn every_word_is_written_as_it_is_shown() {
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
    fn unknown_word_is_refused() {
        for (known, unknown) in [("\"drifted\"", "\"moving\""), ("\"partial\"", "\"half\""), ("\"members\"", "\"x\"")] {
            let error = serde_json::from_str::<SourceEntry>(&SOURCE.replace(known, unknown)).unwrap_err().to_string();
            assert!(error.contains("unknown variant"), "{error}");
        }
        assert!(serde_json::from_str::<Vec<RuleEntry>>(&RULES.replace("evaluated", "perhaps")).is_err());
    }
}
