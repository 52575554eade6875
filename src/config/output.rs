//! Reads `[output]`: the folder of the snapshots, the file formats and the retention.

use super::OutputSettings;
use super::reference::ReferenceContext;
use super::section::Section;
use crate::table::CsvDialect;
use std::path::Path;

/// Reads the table. Returns the defaults where it is absent.
pub(super) fn read(section: Option<Section<'_>>, state_dir: &Path, context: &ReferenceContext<'_>) -> OutputSettings {
    let mut output = OutputSettings {
        dir: state_dir.join("snapshots"),
        csv: true,
        parquet: true,
        dialect: CsvDialect::default(),
        html: true,
        keep_days: 400,
        keep_runs: 10,
    };
    let Some(section) = section else { return output };
    if let Some(dir) = section.text("dir") {
        output.dir = context.path(dir);
    }
    if let Some(tables) = section.texts("tables") {
        (output.csv, output.parquet) = (tables.contains(&"csv"), tables.contains(&"parquet"));
        let words = [("csv", ()), ("parquet", ())];
        for table in &tables {
            section.word("tables", table, &words);
        }
        if tables.is_empty() {
            section.problem("tables", "must not be empty; write [\"csv\", \"parquet\"] or one of the two");
        }
    }
    let dialects = [("strict", CsvDialect::Strict), ("excel", CsvDialect::Excel), ("raw", CsvDialect::Raw)];
    output.dialect = section.one_of("csv", &dialects).unwrap_or_default();
    if let Some(reports) = section.texts("reports") {
        output.html = reports.contains(&"html");
        for report in reports {
            if report == "xlsx" {
                // A documented value of a later version: the message must not claim that it is a typing error.
                section.problem("reports", "\"xlsx\" is not supported by this version; write reports = [\"html\"]");
            } else {
                section.word("reports", report, &[("html", ())]);
            }
        }
    }
    output.keep_days = section.number("keep_days", 1..=36_500, output.keep_days);
    output.keep_runs = section.number("keep_runs", 1..=100_000, output.keep_runs);
    section.reject_unknown_keys();
    output
}
