//! The patterns of the configuration and what each of them matches.

use super::{Bounded, Shown};
use crate::snapshot::manifest::{Manifest, PatternEntry};

/// Number of rows in the table.
const ROWS: usize = 100;
/// Number of patterns without a match that the first page names.
const UNMATCHED: usize = 3;

/// A pattern of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternRow {
    /// Key of the configuration.
    pub key: Shown,
    /// The pattern as it is compared.
    pub pattern: Shown,
    /// Number of groups or accounts that it matches.
    pub matches: u64,
    /// What no match means; empty where something matches.
    pub remark: &'static str,
    /// The name that is most similar, at the end of the remark.
    pub nearest: Option<Shown>,
}

/// Returns the patterns in the order of the configuration. Those without a match are first.
pub(super) fn rows(manifest: &Manifest) -> Bounded<PatternRow> {
    sorted(&manifest.patterns)
}

/// Returns the patterns that are proven to match nothing, in the order of the configuration.
pub(super) fn unmatched(manifest: &Manifest) -> Bounded<PatternRow> {
    let is_unmatched = |entry: &&PatternEntry| entry.matches == 0 && entry.complete;
    Bounded::cut(manifest.patterns.iter().filter(is_unmatched).map(row), UNMATCHED)
}

fn sorted(entries: &[PatternEntry]) -> Bounded<PatternRow> {
    let mut entries: Vec<&PatternEntry> = entries.iter().collect();
    entries.sort_by_key(|entry| entry.matches > 0);
    Bounded::cut(entries.into_iter().map(row), ROWS)
}

fn row(entry: &PatternEntry) -> PatternRow {
    let remark = match (entry.matches, entry.complete, &entry.nearest) {
        (1.., ..) => "",
        (0, false, _) => "not all lists were read, so it may match more",
        (0, true, None) => "nothing matches",
        (0, true, Some(_)) => "nothing matches; the most similar name is",
    };
    PatternRow {
        key: Shown::name(&entry.key),
        pattern: Shown::name(&entry.pattern),
        matches: entry.matches,
        remark,
        nearest: entry.nearest.as_deref().filter(|_| entry.complete).map(Shown::name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(matches: u64, complete: bool, nearest: Option<&str>) -> PatternEntry {
        let (key, nearest) = ("policy.privileged_groups".to_owned(), nearest.map(str::to_owned));
        PatternEntry { key, pattern: "admnistrators".to_owned(), matches, complete, nearest }
    }

    #[test]
    fn pattern_without_a_match_is_first_and_names_the_most_similar_name() {
        let entries = [entry(2, true, None), entry(0, true, Some("Administrators")), entry(0, false, Some("x"))];
        let rows: Vec<PatternRow> = sorted(&entries).rows;
        let remarks: Vec<(u64, &str, Option<&str>)> =
            rows.iter().map(|row| (row.matches, row.remark, row.nearest.as_ref().map(Shown::as_str))).collect();
        assert_eq!(
            remarks,
            [
                (0, "nothing matches; the most similar name is", Some("Administrators")),
                (0, "not all lists were read, so it may match more", None),
                (2, "", None),
            ]
        );
    }
}
