//! Differences between two versions of a table, both as CSV: named by row and column, and bounded in number. Pure.

use ahash::AHashMap;
use csv::ByteRecord;
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// Number of differences of one comparison that are named.
const NAMED: usize = 10;

/// A table that can be written as CSV. It is written once to compare it, and again only to name the differences.
pub(super) struct CsvText<'a> {
    /// File or origin, as the subject of a sentence.
    pub(super) name: &'a str,
    /// Writes the table.
    pub(super) write: &'a dyn Fn(&mut dyn Write) -> Result<(), String>,
}

/// What identifies a row, and which columns are compared.
pub(super) struct RowRule<'a> {
    /// Columns whose values identify a row.
    pub(super) key: &'a [&'static str],
    /// Character between two cells.
    pub(super) separator: u8,
    /// Columns that are compared, next to the key; `None`: the whole files, byte by byte.
    pub(super) columns: Option<&'a [&'static str]>,
}

/// Returns what is wrong in `found` if `expected` is right; nothing if both are equal.
pub(super) fn differences(
    rule: &RowRule<'_>,
    found: &CsvText<'_>,
    expected: &CsvText<'_>,
) -> Result<Vec<String>, String> {
    if digest(found)? == digest(expected)? {
        return Ok(Vec::new());
    }
    let (have, want) = (LabelledRows::of(found, rule)?, LabelledRows::of(expected, rule)?);
    if rule.columns.is_none() && have.columns != want.columns {
        return Ok(vec![format!("{}: its columns differ from those of {}", found.name, expected.name)]);
    }
    let mut all = Vec::new();
    for (label, row) in &have.rows {
        let Some(other) = want.row(label) else {
            all.push(format!("{}: additional row ({label}): {} does not have it", found.name, expected.name));
            continue;
        };
        let is_compared = |column: &str| rule.columns.is_none_or(|columns| columns.contains(&column));
        let cells = cells(&have.columns, row, &want.columns, other).filter(|cell| is_compared(cell.column));
        all.extend(cells.map(|cell| cell.in_words(found, label, expected)));
    }
    for (label, _) in want.rows.iter().filter(|(label, _)| have.row(label).is_none()) {
        all.push(format!("{}: missing row ({label}): {} has it", found.name, expected.name));
    }
    if all.is_empty() && rule.columns.is_none() {
        let bytes = "other bytes (order of the rows, quotes, line ends, or an empty text instead of no value)";
        all.push(format!("{}: the same rows and values as {}, but {bytes}", found.name, expected.name));
    }
    Ok(bounded(all, found.name))
}

/// Limits the number of texts, and says how many were left out.
pub(super) fn bounded(mut all: Vec<String>, name: &str) -> Vec<String> {
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    if more > 0 {
        all.push(format!("{name}: {more} more differences"));
    }
    all
}

fn digest(text: &CsvText<'_>) -> Result<[u8; 32], String> {
    struct Hashing(Sha256);
    impl Write for Hashing {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0.update(buffer);
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hashing = Hashing(Sha256::new());
    (text.write)(&mut hashing)?;
    Ok(hashing.0.finalize().into())
}

/// Rows with a label that identifies each, in the order of the file.
struct LabelledRows {
    columns: Vec<String>,
    rows: Vec<(String, ByteRecord)>,
    by_label: AHashMap<String, usize>,
}

impl LabelledRows {
    fn of(text: &CsvText<'_>, rule: &RowRule<'_>) -> Result<Self, String> {
        let mut bytes = Vec::new();
        (text.write)(&mut bytes)?;
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).delimiter(rule.separator).from_reader(bytes.as_slice());
        let unreadable = |error: csv::Error| format!("{}: cannot be read: {error}", text.name);
        let header = reader.byte_headers().map_err(unreadable)?.clone();
        let columns: Vec<String> = header.iter().map(shown).collect();
        let mut found = Self { columns, rows: Vec::new(), by_label: AHashMap::new() };
        for record in reader.byte_records() {
            let record = record.map_err(unreadable)?;
            let cell =
                |name: &str| found.columns.iter().position(|column| column == name).and_then(|at| record.get(at));
            let parts = rule.key.iter().filter_map(|name| Some((name, cell(name).filter(|cell| !cell.is_empty())?)));
            let label: Vec<String> = parts.map(|(name, cell)| format!("{name} {}", shown(cell))).collect();
            let mut label = label.join(", ");
            // A row that is listed twice is an additional row.
            if found.by_label.contains_key(&label) {
                label.push_str(", again");
            }
            found.by_label.insert(label.clone(), found.rows.len());
            found.rows.push((label, record));
        }
        Ok(found)
    }

    fn row(&self, label: &str) -> Option<&ByteRecord> {
        self.by_label.get(label).map(|at| &self.rows[*at].1)
    }
}

/// Cell that differs.
struct Cell<'a> {
    column: &'a str,
    found: String,
    expected: String,
}

impl Cell<'_> {
    fn in_words(&self, found: &CsvText<'_>, label: &str, expected: &CsvText<'_>) -> String {
        let Self { column, found: have, expected: want } = self;
        format!("{}: {column} is {have:?} ({label}), but {} has {want:?}", found.name, expected.name)
    }
}

/// Returns the cells of the columns that both rows have and that differ.
fn cells<'a>(
    columns: &'a [String],
    row: &'a ByteRecord,
    other_columns: &'a [String],
    other: &'a ByteRecord,
) -> impl Iterator<Item = Cell<'a>> {
    columns.iter().enumerate().filter_map(|(at, column)| {
        let other_at = other_columns.iter().position(|other| other == column)?;
        let (found, expected) = (row.get(at).unwrap_or_default(), other.get(other_at).unwrap_or_default());
        let same = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
        (found != expected).then(|| Cell {
            column,
            found: shown_from(found, same),
            expected: shown_from(expected, same),
        })
    })
}

/// Returns a cell from shortly before the byte at which it differs from another one.
fn shown_from(cell: &[u8], differs_at: usize) -> String {
    const BEFORE: usize = 40;
    if differs_at <= 2 * BEFORE {
        return shown(cell);
    }
    // A cut character is shown as U+FFFD.
    format!("…{}", shown(&cell[differs_at - BEFORE..]))
}

/// Returns a cell as a text of bounded length without control characters.
fn shown(cell: &[u8]) -> String {
    crate::escape::printable(&String::from_utf8_lossy(cell), 120)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(found: &str, expected: &str) -> Vec<String> {
        let write = |text: &str| {
            let text = text.to_owned();
            move |out: &mut dyn Write| out.write_all(text.as_bytes()).map_err(|error| error.to_string())
        };
        let (a, b) = (write(found), write(expected));
        let rule = RowRule { key: &["source", "id"], separator: b',', columns: None };
        let found = CsvText { name: "users.csv", write: &a };
        differences(&rule, &found, &CsvText { name: "users.parquet", write: &b }).unwrap()
    }

    const TABLE: &str = "source,id,name\r\neu,1,Ada\r\neu,2,\r\nus,1,Bob\r\n";

    #[test]
    fn equal_tables_have_no_difference() {
        assert_eq!(compare(TABLE, TABLE), [""; 0]);
    }

    #[test]
    fn a_difference_names_the_file_the_row_the_column_and_both_values() {
        let changed = TABLE.replace("Ada", "Eve");
        assert_eq!(
            compare(&changed, TABLE),
            ["users.csv: name is \"Eve\" (source eu, id 1), but users.parquet has \"Ada\""]
        );
        let removed = TABLE.replace("us,1,Bob\r\n", "");
        assert_eq!(compare(&removed, TABLE), ["users.csv: missing row (source us, id 1): users.parquet has it"]);
        let twice = TABLE.replace("us,1,Bob\r\n", "us,1,Bob\r\nus,1,Bob\r\n");
        assert_eq!(
            compare(&twice, TABLE),
            ["users.csv: additional row (source us, id 1, again): users.parquet does not have it"]
        );
    }

    #[test]
    fn a_long_cell_is_shown_from_shortly_before_the_difference() {
        let row = |end: &str| format!("source,id,name\r\neu,1,{}{end}\r\n", "x".repeat(200));
        let expected = format!("name is \"…{0}A\" (source eu, id 1), but users.parquet has \"…{0}B\"", "x".repeat(40));
        assert!(compare(&row("A"), &row("B"))[0].ends_with(&expected));
    }

    #[test]
    fn other_bytes_with_the_same_values_are_a_difference_too() {
        let swapped = "source,id,name\r\neu,2,\r\neu,1,Ada\r\nus,1,Bob\r\n";
        assert!(compare(swapped, TABLE)[0].contains("other bytes"));
        assert!(compare(&TABLE.replace("eu,2,", "eu,2,\"\""), TABLE)[0].contains("other bytes"));
        assert!(compare(&TABLE.replace("name", "nom"), TABLE)[0].contains("columns differ"));
    }

    #[test]
    fn only_the_first_differences_are_named() {
        let many = (0..30).map(|id| format!("eu,{id},x\r\n")).collect::<Vec<_>>().concat();
        let found = compare(&format!("source,id,name\r\n{many}"), "source,id,name\r\n");
        assert_eq!((found.len(), found[10].as_str()), (11, "users.csv: 20 more differences"));
    }

    #[test]
    fn with_named_columns_only_these_and_the_rows_are_compared_wherever_the_columns_are() {
        let write = |text: &'static str| {
            move |out: &mut dyn Write| out.write_all(text.as_bytes()).map_err(|error| error.to_string())
        };
        let named = |found: &'static str, expected: &'static str| {
            let (a, b) = (write(found), write(expected));
            let rule = RowRule { key: &["id"], separator: b',', columns: Some(&["severity"]) };
            let found = CsvText { name: "findings.csv", write: &a };
            differences(&rule, &found, &CsvText { name: "the new evaluation", write: &b }).unwrap()
        };
        let written = "id,title,severity\r\n1,Old words,high\r\n";
        assert_eq!(named(written, "id,severity,title,new\r\n1,high,New words,x\r\n"), [""; 0]);
        let other = named(written, "id,severity\r\n1,low\r\n2,low\r\n");
        assert!(
            other[0].contains("severity is \"high\" (id 1)") && other[1].contains("missing row (id 2)"),
            "{other:?}"
        );
    }
}
