//! Writes rows as CSV after RFC 4180: CRLF, a header, and quotes where they are needed. Works for any table.
//!
//! The `csv` crate reads these files in `verify` and in tests, but cannot write them. It cannot quote single fields,
//! and here null is an empty field while an empty text is `""`.

use super::columns::{Get, Shape};
use super::guard::is_guarded;
use super::{CsvDialect, CsvWritten};
use crate::model::{GroupId, Instant, push_instant};
use std::io::{self, Write};

/// Size at which the buffer is written out, in bytes.
const FLUSH_AT: usize = 64 * 1024;

/// Number of rows whose texts are looked up together.
const BATCH: usize = 64;

/// Writes the header and all rows.
pub(super) fn write<R: Copy, I: Iterator<Item = R>>(
    mut table: Shape<'_, R, I>,
    dialect: CsvDialect,
    mut out: impl Write,
) -> io::Result<CsvWritten> {
    let mut line = CsvCells::new(dialect);
    line.header(table.columns.iter().map(|c| c.name));
    let mut columns: Vec<_> = table.columns.iter().map(|column| CsvColumn::of(&column.get)).collect();
    let mut batch = Vec::with_capacity(BATCH);
    let mut rows = 0;
    loop {
        batch.clear();
        batch.extend(table.rows.by_ref().take(BATCH));
        if batch.is_empty() {
            line.write_to(&mut out)?;
            return Ok(CsvWritten { rows, guarded_cells: line.guarded });
        }
        for column in &mut columns {
            column.look_up(&batch, &line);
        }
        for (at, row) in batch.iter().enumerate() {
            for column in &mut columns {
                line.cell(column, at, *row)?;
            }
            line.end_row();
            if line.buffer.len() >= FLUSH_AT {
                line.write_to(&mut out)?;
            }
        }
        rows += batch.len() as u64;
    }
}

/// A column with the texts of the rows that are being written.
///
/// The members of a group are far apart in memory. Texts are looked up column by column, because the processor then
/// waits for those of many rows at once, and not for one after the other.
struct CsvColumn<'a, 't, R> {
    get: &'t Get<'a, R>,
    texts: Vec<Option<&'a str>>,
    guards: Vec<bool>,
    last: LastCell<'a>,
}

impl<'a, 't, R: Copy> CsvColumn<'a, 't, R> {
    fn of(get: &'t Get<'a, R>) -> Self {
        Self { get, texts: Vec::new(), guards: Vec::new(), last: LastCell::default() }
    }

    fn look_up(&mut self, rows: &[R], cells: &CsvCells) {
        if let Get::Text(get) = self.get {
            self.texts.clear();
            self.texts.extend(rows.iter().map(|row| get(*row)));
            self.guards.clear();
            self.guards.extend(self.texts.iter().map(|text| text.is_some_and(|text| cells.needs_guard(text))));
        }
    }
}

/// Text of the last cell of a column. In columns such as `confirmed_at` and `controls`, most rows repeat it.
#[derive(Default)]
struct LastCell<'a> {
    at: Option<Instant>,
    words: Option<&'a [&'static str]>,
    text: Vec<u8>,
}

/// Rows as text, before they are written out.
pub(super) struct CsvCells {
    buffer: Vec<u8>,
    /// JSON of an item of a list, if it has escapes.
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
    fn cell<R: Copy>(&mut self, column: &mut CsvColumn<'_, '_, R>, at: usize, row: R) -> io::Result<()> {
        let last = &mut column.last;
        match column.get {
            Get::Text(_) => self.looked_up(column, at),
            Get::Word(get) => self.word(get(row)),
            Get::Key(get) => self.text(get(row).as_deref()),
            Get::Flag(get) => self.flag(get(row)),
            Get::Count(get) => self.count(get(row))?,
            Get::Instant(get) => self.repeated_instant(get(row), last),
            // Base32 needs neither quotes nor the guard.
            Get::Fingerprint(get) => self.buffer.extend_from_slice(&get(row).letters()),
            Get::Ids(get) => self.list(get(row).iter().map(GroupId::as_str))?,
            Get::Names(get) => self.list(get(row).iter())?,
            Get::Words(get) => self.repeated_words(get(row), last)?,
        }
        self.end_cell();
        Ok(())
    }

    fn repeated_instant(&mut self, at: Option<Instant>, last: &mut LastCell<'_>) {
        let Some(instant) = at else { return };
        if last.at != at {
            last.at = at;
            last.text.clear();
            push_instant(&mut last.text, instant);
        }
        self.buffer.extend_from_slice(&last.text);
    }

    /// Appends a list. Rows with equal lists share one, so that the place of the list in memory identifies it.
    fn repeated_words<'a>(&mut self, words: &'a [&'static str], last: &mut LastCell<'a>) -> io::Result<()> {
        if last.words.is_some_and(|last| std::ptr::eq(last, words)) {
            self.buffer.extend_from_slice(&last.text);
            return Ok(());
        }
        let start = self.buffer.len();
        self.list(words.iter().copied())?;
        last.words = Some(words);
        last.text.clear();
        last.text.extend_from_slice(&self.buffer[start..]);
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
        if let Some(text) = text {
            self.guarded_text(text, self.needs_guard(text));
        }
    }

    fn looked_up<R>(&mut self, column: &CsvColumn<'_, '_, R>, at: usize) {
        if let Some(text) = column.texts[at] {
            self.guarded_text(text, column.guards[at]);
        }
    }

    fn needs_guard(&self, text: &str) -> bool {
        self.guard && is_guarded(text)
    }

    fn guarded_text(&mut self, text: &str, guard: bool) {
        self.guarded += u64::from(guard);
        push_field(&mut self.buffer, self.separator, if guard { "'" } else { "" }, text.as_bytes());
    }

    /// Appends a word of this program. It needs neither quotes nor the guard.
    fn word(&mut self, word: Option<&'static str>) {
        let word = word.unwrap_or_default();
        debug_assert!(!needs_quotes(word.as_bytes(), self.separator) && !is_guarded(word), "{word}");
        self.buffer.extend_from_slice(word.as_bytes());
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

    pub(super) fn instant(&mut self, at: Option<Instant>) {
        if let Some(at) = at {
            push_instant(&mut self.buffer, at);
        }
    }

    /// Appends a JSON array. It begins with `[`, so that spreadsheets do not run it.
    pub(super) fn list<'a>(&mut self, items: impl Iterator<Item = &'a str>) -> io::Result<()> {
        let start = self.buffer.len();
        for item in items {
            // The items have quotes, so the cell has them too.
            self.buffer.extend_from_slice(if self.buffer.len() == start { b"\"[" } else { b"," });
            self.item(item)?;
        }
        self.buffer.extend_from_slice(if self.buffer.len() == start { b"[]" } else { b"]\"" });
        Ok(())
    }

    /// Appends a JSON text inside a cell with quotes.
    fn item(&mut self, item: &str) -> io::Result<()> {
        let is_escaped = |b: u8| matches!(b, b'"' | b'\\' | ..b' ');
        if item.bytes().any(is_escaped) {
            self.scratch.clear();
            serde_json::to_writer(&mut self.scratch, item)?;
            push_doubled(&mut self.buffer, &self.scratch);
        } else {
            for part in [b"\"\"", item.as_bytes(), b"\"\""] {
                self.buffer.extend_from_slice(part);
            }
        }
        Ok(())
    }
}

/// Returns whether a field needs quotes, because it contains a separator, a quote or a line break (RFC 4180 §2.5–2.7).
fn needs_quotes(text: &[u8], separator: u8) -> bool {
    // Without an early exit, the comparisons of a block become a few vector instructions.
    let is_special = |b: u8| b == separator || b == b'"' || b == b'\r' || b == b'\n';
    let any = |block: &[u8]| block.iter().fold(false, |any, b| any | is_special(*b));
    let (blocks, rest) = text.as_chunks::<16>();
    let (halves, rest) = rest.as_chunks::<8>();
    blocks.iter().any(|block| any(block)) || halves.iter().any(|half| any(half)) || rest.iter().any(|b| is_special(*b))
}

/// Appends a field with quotes if it needs them, and doubles quotes inside.
///
/// An empty text is quoted too, which distinguishes it from null.
fn push_field(out: &mut Vec<u8>, separator: u8, prefix: &str, text: &[u8]) {
    if !text.is_empty() && !needs_quotes(text, separator) {
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(prefix.as_bytes());
    push_doubled(out, text);
    out.push(b'"');
}

/// Appends a text and doubles its quotes.
fn push_doubled(out: &mut Vec<u8>, text: &[u8]) {
    for part in text.split_inclusive(|b| *b == b'"') {
        out.extend_from_slice(part);
        if part.ends_with(b"\"") {
            out.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::{Values, optional, required};
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
    fn a_special_character_is_found_at_every_place_of_a_field_of_any_length() {
        for (length, special) in (1..40).flat_map(|length| [b',', b'"', b'\r', b'\n'].map(|special| (length, special)))
        {
            let mut text = vec![b'a'; length];
            assert!(!needs_quotes(&text, b','));
            for at in 0..length {
                text[at] = special;
                assert!(needs_quotes(&text, b','), "{length} {at}");
                text[at] = b'a';
            }
        }
        assert!(needs_quotes(b";", b';') && !needs_quotes(b",", b';'));
    }

    #[test]
    fn rows_keep_their_cells_across_batches_and_after_repeated_values() {
        type Row = (usize, &'static [&'static str], Option<Instant>);
        const TEXTS: [Option<&str>; 3] = [Some("=1"), None, Some("a,b")];
        let (lists, instants): ([&[_]; 2], _) = ([&["x"], &[]], ["2026-11-23T02:00:00Z", "2026-11-24T02:00:00Z"]);
        let row =
            |at: usize| (at, lists[at / 2 % 2], (!at.is_multiple_of(5)).then(|| instants[at / 3 % 2].parse().unwrap()));
        let columns = vec![
            optional("text", Values::Vary, Get::Text(|row: Row| TEXTS[row.0 % 3])),
            required("words", Values::Repeat, Get::Words(|row: Row| row.1)),
            optional("instant", Values::Repeat, Get::Instant(|row: Row| row.2)),
        ];
        let mut written = Vec::new();
        let shape = Shape { columns, rows: (0..2 * BATCH + 3).map(row) };
        let result = write(shape, CsvDialect::Strict, &mut written).unwrap();
        let line = |at: usize| {
            let text = ["'=1", "", "\"a,b\""][at % 3];
            let words = ["\"[\"\"x\"\"]\"", "[]"][at / 2 % 2];
            let instant = if at.is_multiple_of(5) { "" } else { instants[at / 3 % 2] };
            format!("{text},{words},{instant}\r\n")
        };
        let expected: String = (0..2 * BATCH + 3).map(line).collect();
        assert_eq!(String::from_utf8(written).unwrap(), format!("text,words,instant\r\n{expected}"));
        assert_eq!((result.rows, result.guarded_cells), (131, 44));
    }

    #[test]
    fn a_list_is_json_whose_quotes_are_doubled() {
        for (items, csv) in [
            (&[][..], "[]"),
            (&["1"], r#""[""1""]""#),
            (&["", "Zoë, =1"], r#""["""",""Zoë, =1""]""#),
            (&["a\"b", "a\\b", "a\nb"], r#""[""a\""b"",""a\\b"",""a\nb""]""#),
        ] {
            let mut cells = CsvCells::new(CsvDialect::Strict);
            cells.list(items.iter().copied()).unwrap();
            assert_eq!(String::from_utf8(cells.buffer).unwrap(), csv);
        }
    }
}
