//! JSON form of a [`ListReport`] in the manifest, where the coverage is split into the keys `coverage` and `proof`.
//! Plain data.

use super::{Coverage, ListKind, ListReport};
use serde::{Deserialize, Serialize};

/// JSON object of a [`ListReport`]. The order of the fields is the order of the keys.
#[derive(Serialize, Deserialize)]
pub(super) struct ListReportJson {
    kind: ListKind,
    query: String,
    coverage: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<u64>,
    received: u64,
    distinct: u64,
    pages: u64,
    passes: u64,
    requests: u64,
    /// The proof, or the reason why there is none.
    proof: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Complete,
    Drifted,
    Failed,
    NotOffered,
}

impl From<ListReport> for ListReportJson {
    fn from(list: ListReport) -> Self {
        let ListReport { kind, query, expected, received, distinct, pages, passes, requests, coverage } = list;
        let proof = coverage.words().to_owned();
        let coverage = match coverage {
            Coverage::Complete { .. } => Word::Complete,
            Coverage::Drifted { .. } => Word::Drifted,
            Coverage::Failed { .. } => Word::Failed,
            Coverage::NotOffered => Word::NotOffered,
        };
        Self { kind, query, coverage, expected, received, distinct, pages, passes, requests, proof }
    }
}

impl From<ListReportJson> for ListReport {
    fn from(row: ListReportJson) -> Self {
        let ListReportJson { kind, query, coverage, expected, received, distinct, pages, passes, requests, proof } =
            row;
        let coverage = match coverage {
            Word::Complete => Coverage::Complete { proof },
            Word::Drifted => Coverage::Drifted { why: proof },
            Word::Failed => Coverage::Failed { error: proof },
            Word::NotOffered => Coverage::NotOffered,
        };
        Self { kind, query, expected, received, distinct, pages, passes, requests, coverage }
    }
}
