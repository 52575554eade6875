//! Entry point of `fuzz/` into the comparison of CSV tables.

use super::differences::{CsvText, RowRule, differences};
use std::io::Write;

/// Compares two tables of users. Returns what differs, or why one of them cannot be read.
pub fn csv(found: &[u8], expected: &[u8], separator: u8) -> Result<Vec<String>, String> {
    let rule = RowRule { key: &["source", "id"], separator, columns: None };
    let write = |text: &[u8], out: &mut dyn Write| out.write_all(text).map_err(|error| error.to_string());
    let (left, right) = (|out: &mut dyn Write| write(found, out), |out: &mut dyn Write| write(expected, out));
    let found = CsvText { name: "found", write: &left };
    differences(&rule, &found, &CsvText { name: "expected", write: &right })
}
