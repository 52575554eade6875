//! Writes rows as CSV after RFC 4180: CRLF, a header, and quotes where they are needed. Works for any table.
//!
//! The `csv` crate reads these files in `verify` and in tests, but cannot write them. It cannot quote single fields,
//! and here null is an empty field while an empty text is `""`.

use super::columns::{Get, Shape};
use super::guard::is_guarded;
use super::{CsvDialect, CsvWritten};
use crate::model::{Fingerprint, GroupId, Instant};
use chrono::{DateTime, Datelike, Timelike};
use std::io::{self, Write};

/// Size at which the buffer is written out, in bytes.
const FLUSH_AT: usize = 64 * 1024;

/// Writes the header and all rows.
pub(super) fn write<R: Copy, I: Iterator<Item = R>>(
    table: Shape<'_, R, I>,
    dialect: CsvDialect,
    mut out: impl Write,
) -> io::Result<CsvWritten> {
    let mut line = CsvCells::new(dialect);
    line.header(table.columns.iter().map(|c| c.name));
    let mut rows = 0;
    for row in table.rows {
        for column in &table.columns {
            line.cell(&column.get, row)?;
        }
        line.end_row();
        rows += 1;
        if line.buffer.len() >= FLUSH_AT {
            line.write_to(&mut out)?;
        }
    }
    line.write_to(&mut out)?;
    Ok(CsvWritten { rows, guarded_cells: line.guarded })
}

/// Rows as text, before they are written out.
pub(super) struct CsvCells {
    buffer: Vec<u8>,
    /// JSON of a list before it is quoted.
    scratch: Vec<u8>,
    separator: u8,
    guard: bool,
    guarded: u64,
}

impl CsvCells {
    pub(super) fn new(dialect: CsvDialect) -> Self {
        let mut buffer = Vec::with_capacity(FLUSH_AT * 2);
        if matches!(dialect, CsvDialect::Excel(_)) {
            buffer.extend_from_slice("\u{feff}".as_bytes());
        }
        let (separator, guard) = (dialect.separator().byte(), dialect != CsvDialect::Raw);
        Self { buffer, scratch: Vec::new(), separator, guard, guarded: 0 }
    }

    /// Writes the buffered rows and empties the buffer.
    pub(super) fn write_to(&mut self, mut out: impl Write) -> io::Result<()> {
        out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Returns the number of cells that the guard against formulas changed so far.
    pub(super) fn guarded_cells(&self) -> u64 {
        self.guarded
    }

    pub(super) fn header<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            self.buffer.extend_from_slice(name.as_bytes());
            self.buffer.push(self.separator);
        }
        self.end_row();
    }

    /// Appends a cell and a separator.
    fn cell<R: Copy>(&mut self, get: &Get<'_, R>, row: R) -> io::Result<()> {
        match get {
            Get::Text(get) => self.text(get(row)),
            Get::Key(get) => self.text(get(row).as_deref()),
            Get::Flag(get) => self.flag(get(row)),
            Get::Count(get) => self.count(get(row))?,
            Get::Instant(get) => self.instant(get(row))?,
            Get::Fingerprint(get) => self.fingerprint(get(row))?,
            Get::Ids(get) => self.list(get(row).iter().map(GroupId::as_str))?,
            Get::Names(get) => self.list(get(row).iter())?,
            Get::Words(get) => self.list(get(row).iter().copied())?,
        }
        self.end_cell();
        Ok(())
    }

    /// Ends a cell.
    pub(super) fn end_cell(&mut self) {
        self.buffer.push(self.separator);
    }

    /// Ends a row: replaces the separator after its last cell.
    pub(super) fn end_row(&mut self) {
        self.buffer.pop();
        self.buffer.extend_from_slice(b"\r\n");
    }

    pub(super) fn text(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        let guarded = self.guard && is_guarded(text);
        self.guarded += u64::from(guarded);
        push_field(&mut self.buffer, self.separator, if guarded { "'" } else { "" }, text.as_bytes());
    }

    pub(super) fn flag(&mut self, flag: Option<bool>) {
        let word: &[u8] = match flag {
            Some(true) => b"true",
            Some(false) => b"false",
            None => b"",
        };
        self.buffer.extend_from_slice(word);
    }

    pub(super) fn count(&mut self, count: Option<impl std::fmt::Display>) -> io::Result<()> {
        count.map_or(Ok(()), |count| write!(self.buffer, "{count}"))
    }

    pub(super) fn instant(&mut self, at: Option<Instant>) -> io::Result<()> {
        at.map_or(Ok(()), |at| push_instant(&mut self.buffer, at))
    }

    /// Appends base32, which needs neither quotes nor the guard.
    fn fingerprint(&mut self, fingerprint: Fingerprint) -> io::Result<()> {
        write!(self.buffer, "{fingerprint}")
    }

    /// Appends a JSON array. It begins with `[`, so that spreadsheets do not run it.
    pub(super) fn list<'a>(&mut self, items: impl Iterator<Item = &'a str>) -> io::Result<()> {
        self.scratch.clear();
        self.scratch.push(b'[');
        for item in items {
            if self.scratch.len() > 1 {
                self.scratch.push(b',');
            }
            serde_json::to_writer(&mut self.scratch, item)?;
        }
        self.scratch.push(b']');
        push_field(&mut self.buffer, self.separator, "", &self.scratch);
        Ok(())
    }
}

/// Appends a field with quotes if it contains a quote, separator or line break, and doubles quotes inside (RFC 4180
/// §2.5–2.7).
///
/// An empty text is quoted too, which distinguishes it from null.
fn push_field(out: &mut Vec<u8>, separator: u8, prefix: &str, text: &[u8]) {
    // `fold` looks at every byte, but the compiler vectorises it; `any` would stop early and look at one at a time.
    let is_special = |b: &u8| (*b == separator) | matches!(b, b'"' | b'\r' | b'\n');
    let special = text.iter().fold(false, |seen, b| seen | is_special(b));
    if !text.is_empty() && !special {
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(prefix.as_bytes());
    for part in text.split_inclusive(|b| *b == b'"') {
        out.extend_from_slice(part);
        if part.ends_with(b"\"") {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

/// Appends an instant as [`crate::model::instant_text`] formats it. By hand, because a format string costs ten times as
/// much.
fn push_instant(out: &mut Vec<u8>, at: Instant) -> io::Result<()> {
    // Parquet stores microseconds. Rounding here as well keeps the two files equal.
    let at = DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at);
    let Ok(year @ 0..=9999) = u32::try_from(at.year()) else {
        return write!(out, "{}", at.format("%Y-%m-%dT%H:%M:%S%.fZ"));
    };
    push_digits(out, year, 4);
    for (mark, value) in
        [(b'-', at.month()), (b'-', at.day()), (b'T', at.hour()), (b':', at.minute()), (b':', at.second())]
    {
        out.push(mark);
        push_digits(out, value, 2);
    }
    let micros = at.nanosecond() / 1_000;
    if micros != 0 {
        out.push(b'.');
        push_digits(out, micros, 6);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
    Ok(())
}

fn push_digits(out: &mut Vec<u8>, value: u32, width: usize) {
    let mut digits = [b'0'; 6];
    let mut rest = value;
    for digit in digits[..width].iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    out.extend_from_slice(&digits[..width]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> String {
        let mut cells = CsvCells::new(CsvDialect::Strict);
        cells.text(Some(text));
        String::from_utf8(cells.buffer).unwrap()
    }

    #[test]
    fn only_fields_that_need_quotes_are_quoted() {
        for (text, csv) in [
            ("alice", "alice"),
            ("", "\"\""),
            ("a b ", "a b "),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("\"", "\"\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("a\rb", "\"a\rb\""),
            ("=1,2", "\"'=1,2\""),
            ("=1", "'=1"),
        ] {
            assert_eq!(field(text), csv);
        }
    }

    #[test]
    fn an_instant_has_a_fraction_only_if_it_is_not_zero() {
        for (given, written) in [
            ("2026-11-23T02:00:00Z", "2026-11-23T02:00:00Z"),
            ("2026-11-23T02:00:00.5Z", "2026-11-23T02:00:00.5Z"),
            ("2026-11-23T02:00:00.000001Z", "2026-11-23T02:00:00.000001Z"),
            ("2026-11-23T02:00:00.120Z", "2026-11-23T02:00:00.12Z"),
            ("0033-01-02T03:04:05Z", "0033-01-02T03:04:05Z"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ] {
            let mut out = Vec::new();
            push_instant(&mut out, given.parse().unwrap()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }
}
