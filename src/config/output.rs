//! Reads `[output]`: the folder of the snapshots, the file formats and the retention.

use super::OutputSettings;
use super::paths;
use super::section::Section;
use crate::table::{CsvDialect, Separator};
use serde_json::json;
use std::path::Path;

/// Reads the table. An absent one has the defaults.
pub(super) fn read(section: &Section<'_>, state_dir: &Path) -> OutputSettings {
    let dir = paths::written(section, "dir").unwrap_or_else(|| state_dir.join("snapshots"));
    section.resolved("dir", json!(dir));
    let tables = section.words("tables", &[("csv", Table::Csv), ("parquet", Table::Parquet)], &["csv", "parquet"]);
    if section.is_empty_list("tables") {
        section.problem("tables", "must not be empty; write [\"csv\", \"parquet\"] or one of the two");
    }
    let dialect = dialect(section);
    let html = !section.words("reports", &[("html", ())], &["html"]).is_empty();
    let keep_days = section.number("keep_days", 1..=36_500, 400);
    let keep_runs = section.number("keep_runs", 1..=100_000, 10);
    section.reject_unknown_keys();
    let (csv, parquet) = (tables.contains(&Table::Csv), tables.contains(&Table::Parquet));
    OutputSettings { dir, csv, parquet, dialect, html, keep_days, keep_runs }
}

#[derive(Clone, Copy, PartialEq)]
enum Table {
    Csv,
    Parquet,
}

fn dialect(section: &Section<'_>) -> CsvDialect {
    let excel = CsvDialect::Excel(Separator::default());
    let dialects = [CsvDialect::Strict, excel, CsvDialect::Raw].map(|dialect| (dialect.as_str(), dialect));
    let dialect = section.one_of("csv", &dialects, Some("strict")).unwrap_or_default();
    let separators = Separator::ALL.map(|separator| (separator.as_str(), separator));
    // Only Excel has a choice, so only there is a default shown.
    let default = matches!(dialect, CsvDialect::Excel(_)).then(|| Separator::default().as_str());
    let written = section.has("csv_separator");
    let separator = section.one_of("csv_separator", &separators, default);
    match (dialect, separator) {
        (CsvDialect::Excel(_), Some(separator)) => CsvDialect::Excel(separator),
        (_, _) if written => {
            section.problem("csv_separator", "needs csv = \"excel\"; the other dialects always have commas");
            dialect
        }
        _ => dialect,
    }
}
