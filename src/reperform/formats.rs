//! The tables in the formats of a snapshot: which files there are, and CSV against Parquet, cell by cell.

use super::Reperformed;
use super::differences::{CsvText, RowRule, bounded, differences};
use crate::regular_file;
use crate::snapshot::load::Archive;
use crate::table::{CsvDialect, Table, parquet_as_csv};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::io::{self, Write};

/// Compares each table that is present in both formats.
pub(super) fn compare(archive: &Archive, result: &mut Reperformed) {
    for table in Table::ALL {
        let [csv, parquet] = ["csv", "parquet"].map(|format| format!("{}.{format}", table.as_str()));
        if !(is_listed(archive, &csv) && is_listed(archive, &parquet)) {
            continue;
        }
        let write_csv = |out: &mut dyn Write| copy(archive, &csv, out);
        let write_parquet = |out: &mut dyn Write| convert(archive, &parquet, out);
        let found = CsvText { name: &csv, write: &write_csv };
        let expected = CsvText { name: &parquet, write: &write_parquet };
        result.check_readable(differences(&row_rule(archive, key_of(table)), &found, &expected));
    }
    match (has(archive, "csv"), has(archive, "parquet")) {
        (true, true) => {}
        (true, false) => result.skip("CSV against Parquet: not compared: the tables were written as CSV only"),
        (false, _) => result.skip("CSV against Parquet: not compared: the tables were written as Parquet only"),
    }
}

/// Compares run id and completeness in the metadata of each Parquet file with the manifest.
pub(super) fn metadata(archive: &Archive) -> Result<Vec<String>, String> {
    let manifest = &archive.manifest;
    let expected = [("run_id", manifest.run_id.as_str()), ("completeness", manifest.completeness.as_str())];
    let mut problems = Vec::new();
    for file in manifest.files.iter().map(|entry| &entry.path).filter(|path| path.ends_with(".parquet")) {
        let reader = SerializedFileReader::new(open(archive, file)?);
        let reader = reader.map_err(|error| format!("{file}: cannot be read: {error}"))?;
        let pairs = reader.metadata().file_metadata().key_value_metadata();
        for (key, value) in expected {
            let is_it = |pair: &&KeyValue| pair.key == format!("bt_rollcall.{key}");
            let found = pairs.into_iter().flatten().find(is_it).and_then(|pair| pair.value.as_deref());
            if found != Some(value) {
                let found = found.unwrap_or("nothing");
                problems.push(format!("{file}: its metadata has {key} {found:?}, but manifest.json has {value:?}"));
            }
        }
    }
    Ok(bounded(problems, "metadata"))
}

/// Returns how the rows of a table are compared.
pub(super) fn row_rule<'a>(archive: &Archive, key: &'a [&'static str]) -> RowRule<'a> {
    RowRule { key, separator: dialect_of(archive).separator().byte(), columns: None }
}

/// Returns whether the tables for people are present in a format.
pub(super) fn has(archive: &Archive, format: &str) -> bool {
    is_listed(archive, &format!("{}.{format}", Table::Users.as_str()))
}

pub(super) fn is_listed(archive: &Archive, file: &str) -> bool {
    archive.manifest.files.iter().any(|entry| entry.path == file)
}

/// Returns the file that readers of a snapshot use for a table: Parquet if it exists.
pub(super) fn published_file(archive: &Archive, table: Table) -> Option<String> {
    let files = ["parquet", "csv"].map(|format| format!("{}.{format}", table.as_str()));
    files.into_iter().find(|file| is_listed(archive, file))
}

/// Writes a published table as CSV in the dialect of the snapshot.
pub(super) fn write_published(archive: &Archive, table: Table, out: &mut dyn Write) -> Result<(), String> {
    match published_file(archive, table) {
        Some(file) if file.ends_with(".parquet") => convert(archive, &file, out),
        Some(file) => copy(archive, &file, out),
        None => Err(format!("{}: the snapshot does not have this table", table.as_str())),
    }
}

pub(super) fn copy(archive: &Archive, file: &str, out: &mut dyn Write) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("{file}: cannot be read: {error}");
    io::copy(&mut open(archive, file)?, out).map(drop).map_err(unreadable)
}

/// Writes a Parquet file as CSV.
fn convert(archive: &Archive, file: &str, out: &mut dyn Write) -> Result<(), String> {
    let written = parquet_as_csv(open(archive, file)?, dialect_of(archive), out);
    written.map(drop).map_err(|error| format!("{file}: cannot be read: {error}"))
}

fn open(archive: &Archive, file: &str) -> Result<File, String> {
    regular_file::open(&archive.path.join(file)).map_err(|error| format!("{file}: cannot be read: {error}"))
}

/// Returns the dialect of the CSV files.
pub(super) fn dialect_of(archive: &Archive) -> CsvDialect {
    archive.manifest.csv.dialect().unwrap_or_default()
}

/// Returns the columns that identify a row for a reader.
pub(super) fn key_of(table: Table) -> &'static [&'static str] {
    match table {
        Table::Users | Table::Groups => &["source", "id"],
        Table::Memberships => &["source", "group_id", "user_id", "external_name"],
        Table::Findings | Table::Resolved => &["source", "rule", "subject_kind", "subject_id", "fingerprint"],
        Table::Changes => &["source", "kind", "subject_id", "field", "event_id"],
    }
}
