//! Rows of a table file, Parquet or CSV, with access to cells by column name. Nothing here knows a particular table.
//!
//! CSV has a reader of its own, because the `csv` crate cannot distinguish null (an empty field) from an empty text
//! (`""`).

use super::super::error::SnapshotError;
use super::super::survey::is_absent;
use crate::model::{Instant, Text};
use crate::regular_file;
use crate::table::{Separator, Table, unguarded};
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use chrono::{DateTime, Datelike};
use std::borrow::Cow;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

/// Number of Parquet rows that are decoded together.
const BATCH: usize = 4_096;

/// Returns the instant if a run can have it. Days are added to such instants, so the ends of the calendar are refused.
///
/// Dates that a source reports are not limited: nothing is added to them, and some products send a far year for "never".
pub(super) fn of_a_run(at: Instant) -> Option<Instant> {
    (1..=9_999).contains(&at.year()).then_some(at)
}

/// One row. Cells are read by the name of their column.
pub(super) struct TableRow<'a> {
    columns: &'a [&'static str],
    cells: BatchCells<'a>,
}

enum BatchCells<'a> {
    Csv { record: &'a CsvRecord, places: &'a [usize], guarded: bool },
    Parquet { columns: &'a [BatchColumn], row: usize },
}

/// One column of a batch.
enum BatchColumn {
    Text(StringArray),
    Flag(BooleanArray),
    Count(Int64Array),
    Instant(TimestampMicrosecondArray),
    List(ListArray),
}

impl<'a> TableRow<'a> {
    fn place(&self, column: &str) -> Result<usize, String> {
        let found = self.columns.iter().position(|known| *known == column);
        found.ok_or_else(|| format!("column {column} was not read"))
    }

    /// Checks whether this column was read.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains(&column)
    }

    /// Returns a text; `None` for null.
    pub(super) fn text(&self, column: &str) -> Result<Option<Cow<'a, str>>, String> {
        let at = self.place(column)?;
        match &self.cells {
            BatchCells::Csv { record, places, guarded } => {
                let cell = record.cell(places[at])?;
                Ok(cell.map(|cell| Cow::Borrowed(if *guarded { unguarded(cell) } else { cell })))
            }
            BatchCells::Parquet { columns, row } => match &columns[at] {
                BatchColumn::Text(texts) => Ok(texts.is_valid(*row).then(|| Cow::Borrowed(texts.value(*row)))),
                _ => Err(format!("column {column} is not a text column")),
            },
        }
    }

    /// Returns a text; null is an error.
    pub(super) fn needed(&self, column: &str) -> Result<Cow<'a, str>, String> {
        self.text(column)?.ok_or_else(|| format!("{column} is empty"))
    }

    /// Returns a text as an owned copy; `None` for null.
    pub(super) fn owned(&self, column: &str) -> Result<Option<Text>, String> {
        Ok(self.text(column)?.map(Text::from))
    }

    /// Returns a flag; `None` for null, which means unknown.
    pub(super) fn flag(&self, column: &str) -> Result<Option<bool>, String> {
        let at = self.place(column)?;
        match &self.cells {
            BatchCells::Csv { record, places, .. } => match record.cell(places[at])? {
                None => Ok(None),
                Some("true") => Ok(Some(true)),
                Some("false") => Ok(Some(false)),
                Some(other) => Err(format!("{column} is {other:?}, neither true nor false")),
            },
            BatchCells::Parquet { columns, row } => match &columns[at] {
                BatchColumn::Flag(flags) => Ok(flags.is_valid(*row).then(|| flags.value(*row))),
                _ => Err(format!("column {column} is not a flag column")),
            },
        }
    }

    /// Returns a count; `None` for null, which means unknown.
    pub(super) fn count(&self, column: &str) -> Result<Option<u64>, String> {
        let at = self.place(column)?;
        match &self.cells {
            BatchCells::Csv { record, places, .. } => {
                let Some(text) = record.cell(places[at])? else { return Ok(None) };
                text.parse().map(Some).map_err(|_| format!("{column} is {text:?}, not a count"))
            }
            BatchCells::Parquet { columns, row } => match &columns[at] {
                BatchColumn::Count(counts) if counts.is_valid(*row) => {
                    let count = counts.value(*row);
                    u64::try_from(count).map(Some).map_err(|_| format!("{column} is {count}, not a count"))
                }
                BatchColumn::Count(_) => Ok(None),
                _ => Err(format!("column {column} is not a number column")),
            },
        }
    }

    /// Returns an instant in UTC; `None` for null.
    pub(super) fn instant(&self, column: &str) -> Result<Option<Instant>, String> {
        let at = self.place(column)?;
        match &self.cells {
            BatchCells::Csv { record, places, .. } => {
                let Some(text) = record.cell(places[at])? else { return Ok(None) };
                // `parse` accepts more than RFC 3339: some products report years with five digits for "never".
                let read: Result<Instant, _> = text.parse();
                read.map(Some).map_err(|_| format!("{column} is {text:?}, not an instant"))
            }
            BatchCells::Parquet { columns, row } => match &columns[at] {
                BatchColumn::Instant(instants) if instants.is_valid(*row) => {
                    let micros = instants.value(*row);
                    let at = DateTime::from_timestamp_micros(micros);
                    at.map(Some).ok_or_else(|| format!("{column} is {micros}, not an instant"))
                }
                BatchColumn::Instant(_) => Ok(None),
                _ => Err(format!("column {column} is not a time column")),
            },
        }
    }

    /// Returns the instant of a run in UTC; null is an error, and so is an instant that no run can have.
    pub(super) fn needed_instant(&self, column: &str) -> Result<Instant, String> {
        let at = self.instant(column)?.ok_or_else(|| format!("{column} is empty"))?;
        of_a_run(at).ok_or_else(|| format!("{column} is {at}, not a possible instant of a run"))
    }

    /// Passes each item of a list to `take`.
    pub(super) fn each_item(&self, column: &str, mut take: impl FnMut(&str)) -> Result<(), String> {
        let at = self.place(column)?;
        match &self.cells {
            BatchCells::Csv { record, places, .. } => {
                let Some(json) = record.cell(places[at])? else { return Ok(()) };
                let items: Vec<Cow<'_, str>> =
                    serde_json::from_str(json).map_err(|e| format!("{column} is not a JSON array of texts: {e}"))?;
                for item in &items {
                    take(item);
                }
                Ok(())
            }
            BatchCells::Parquet { columns, row } => match &columns[at] {
                BatchColumn::List(lists) => each_in(lists, *row, &mut take),
                _ => Err(format!("column {column} is not a list column")),
            },
        }
    }
}

fn each_in(lists: &ListArray, row: usize, take: &mut impl FnMut(&str)) -> Result<(), String> {
    let items = lists.values().as_any().downcast_ref::<StringArray>().ok_or("a list of something but texts")?;
    let place = |offset: i32| usize::try_from(offset).map_err(|e| e.to_string());
    let offsets = lists.value_offsets();
    (place(offsets[row])?..place(offsets[row + 1])?).for_each(|at| take(items.value(at)));
    Ok(())
}

/// Passes every row of a table to `take`, from Parquet if the file exists, otherwise from CSV.
///
/// `guarded` means that CSV cells may start with the apostrophe of the formula guard, which is removed.
pub(super) fn each_row(
    folder: &Path,
    table: Table,
    columns: &[&'static str],
    guarded: bool,
    mut take: impl FnMut(&TableRow<'_>) -> Result<(), String>,
) -> Result<(), SnapshotError> {
    let parquet = folder.join(format!("{}.parquet", table.as_str()));
    let csv = folder.join(format!("{}.csv", table.as_str()));
    let (path, read) = if !is_absent(&parquet) {
        let read = from_parquet(&parquet, columns, &mut take);
        (parquet, read)
    } else if !is_absent(&csv) {
        let read = from_csv(&csv, columns, guarded, &mut take);
        (csv, read)
    } else {
        return Err(SnapshotError::NoTable { path: folder.to_owned(), table: table.as_str() });
    };
    read.map_err(|reason| SnapshotError::Unsupported { path, reason })
}

fn from_parquet(
    path: &Path,
    columns: &[&'static str],
    take: &mut impl FnMut(&TableRow<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let file = regular_file::open(path).map_err(|e| e.to_string())?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
    let wanted = columns.iter().map(|column| builder.schema().index_of(column));
    let wanted: Vec<usize> = wanted.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let batches = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(|e| e.to_string())?;
    let mut before = 0;
    for batch in batches {
        let batch = batch.map_err(|e| e.to_string())?;
        let arrays: Vec<BatchColumn> = columns.iter().map(|name| column(&batch, name)).collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = BatchCells::Parquet { columns: &arrays, row };
            take(&TableRow { columns, cells }).map_err(|why| format!("row {}: {why}", before + row + 1))?;
        }
        before += batch.num_rows();
    }
    Ok(())
}

fn column(batch: &RecordBatch, name: &str) -> Result<BatchColumn, String> {
    let array: &ArrayRef = batch.column_by_name(name).ok_or_else(|| format!("column {name} is missing"))?;
    let any = array.as_any();
    if let Some(texts) = any.downcast_ref::<StringArray>() {
        return Ok(BatchColumn::Text(texts.clone()));
    }
    if let Some(flags) = any.downcast_ref::<BooleanArray>() {
        return Ok(BatchColumn::Flag(flags.clone()));
    }
    if let Some(counts) = any.downcast_ref::<Int64Array>() {
        return Ok(BatchColumn::Count(counts.clone()));
    }
    if let Some(instants) = any.downcast_ref::<TimestampMicrosecondArray>() {
        return Ok(BatchColumn::Instant(instants.clone()));
    }
    if let Some(lists) = any.downcast_ref::<ListArray>() {
        return Ok(BatchColumn::List(lists.clone()));
    }
    Err(format!("column {name} has the unsupported type {}", array.data_type()))
}

fn from_csv(
    path: &Path,
    columns: &[&'static str],
    guarded: bool,
    take: &mut impl FnMut(&TableRow<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let file = regular_file::open(path).map_err(|e| e.to_string())?;
    let mut input = BufReader::with_capacity(64 * 1024, file);
    let mut record = CsvRecord::default();
    record.read(&mut input)?;
    let header: Vec<String> = (0..record.cells.len())
        .map(|at| Ok(record.cell(at)?.unwrap_or_default().trim_start_matches('\u{feff}').to_owned()))
        .collect::<Result<_, String>>()?;
    let place = |name: &&str| header.iter().position(|found| found == name).ok_or(format!("column {name} is missing"));
    let places: Vec<usize> = columns.iter().map(place).collect::<Result<_, _>>()?;
    let mut row = 0_u64;
    while record.read(&mut input)? {
        row += 1;
        let cells = BatchCells::Csv { record: &record, places: &places, guarded };
        let whole = if record.cells.len() == header.len() { Ok(()) } else { Err("a cell is missing".to_owned()) };
        whole.and_then(|()| take(&TableRow { columns, cells })).map_err(|why| format!("row {row}: {why}"))?;
    }
    Ok(())
}

/// One record of RFC 4180. The buffers are reused, so reading allocates nothing per record.
#[derive(Default)]
struct CsvRecord {
    line: Vec<u8>,
    text: Vec<u8>,
    cells: Vec<(Range<usize>, bool)>,
    /// Separator of the file; `None` until the header is read.
    separator: Option<u8>,
}

impl CsvRecord {
    /// Reads the next record. Returns false at the end of the file.
    fn read(&mut self, input: &mut impl BufRead) -> Result<bool, String> {
        self.line.clear();
        // A line break within quotes belongs to the cell, so lines are appended while the number of quotes is odd.
        while self.line.is_empty() || !quotes(&self.line).is_multiple_of(2) {
            let read = input.read_until(b'\n', &mut self.line).map_err(|e: io::Error| e.to_string())?;
            if read == 0 && self.line.is_empty() {
                return Ok(false);
            }
            if read == 0 {
                return Err("the last quote is not closed".to_owned());
            }
        }
        self.split();
        Ok(true)
    }

    fn split(&mut self) {
        self.text.clear();
        self.cells.clear();
        // The first record is the header.
        let separator = *self.separator.get_or_insert_with(|| Separator::of_header(&self.line).byte());
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
        loop {
            let from = self.text.len();
            let quoted = rest.first() == Some(&b'"');
            if quoted {
                rest = unquote(&rest[1..], &mut self.text);
            }
            let end = rest.iter().position(|b| *b == separator).unwrap_or(rest.len());
            self.text.extend_from_slice(&rest[..end]);
            self.cells.push((from..self.text.len(), quoted));
            match rest.get(end + 1..) {
                Some(more) if end < rest.len() => rest = more,
                _ => return,
            }
        }
    }

    /// Returns a cell; `None` for null, which is an empty field without quotes.
    fn cell(&self, at: usize) -> Result<Option<&str>, String> {
        let (range, quoted) = self.cells.get(at).ok_or("a cell is missing")?;
        if range.is_empty() && !quoted {
            return Ok(None);
        }
        std::str::from_utf8(&self.text[range.clone()]).map(Some).map_err(|_| "a cell is not UTF-8".to_owned())
    }
}

/// Counts the quotes. The compiler vectorises this fold; a search that stops at each quote would be slower.
fn quotes(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |count, byte| count + usize::from(*byte == b'"'))
}

/// Copies a cell up to its closing quote; two quotes stand for one. Returns the rest of the line.
fn unquote<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    while let Some(quote) = rest.iter().position(|b| *b == b'"') {
        text.extend_from_slice(&rest[..quote]);
        rest = &rest[quote + 1..];
        if rest.first() != Some(&b'"') {
            return rest;
        }
        text.push(b'"');
        rest = &rest[1..];
    }
    text.extend_from_slice(rest);
    &[]
}
