//! Forges snapshots: changes rows in both formats, and makes every hash and size in the manifest right again.

use crate::rig::{read_json, sha256};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// Edits the manifest.
pub fn edit_json(snapshot: &Path, edit: impl Fn(&mut Value)) {
    let path = snapshot.join("manifest.json");
    let mut manifest = read_json(&path);
    edit(&mut manifest);
    fs::write(path, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
}

/// Makes hash, size and number of rows of every file in the manifest right.
pub fn rehash(snapshot: &Path) {
    edit_json(snapshot, |manifest| {
        for file in manifest["files"].as_array_mut().unwrap() {
            let path = snapshot.join(file["path"].as_str().unwrap());
            let bytes = fs::read(&path).unwrap();
            (file["sha256"], file["bytes"]) = (json!(sha256(&bytes)), json!(bytes.len()));
            if let Some(rows) = rows(&path, &bytes) {
                file["rows"] = json!(rows);
            }
        }
    });
}

/// Counts the rows of a file that has rows and can be read.
fn rows(path: &Path, bytes: &[u8]) -> Option<u64> {
    match path.extension()?.to_str()? {
        "csv" => csv::Reader::from_reader(bytes)
            .byte_records()
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .map(|rows| rows.len() as u64),
        "jsonl" => Some(bytes.split(|byte| *byte == b'\n').count() as u64 - 1),
        "parquet" => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).ok()?;
            reader.metadata().file_metadata().num_rows().try_into().ok()
        }
        _ => None,
    }
}

/// Removes the row with this cell from a table in both formats.
pub fn drop_row(snapshot: &Path, table: &str, column: &str, value: &str) {
    edit_parquet(snapshot, table, |batch| {
        let at = place(batch, column, value);
        let rest = batch.num_rows() - at - 1;
        vec![batch.slice(0, at), batch.slice(at + 1, rest)]
    });
    let header = header(snapshot, table);
    let at = header.iter().position(|name| name == column).unwrap();
    edit_csv(snapshot, table, |row| row[at] != *value);
}

/// Sets one text cell of the row with the cell `value` in a table, in both formats.
pub fn set_cell(snapshot: &Path, table: &str, column: &str, value: &str, target: &str, text: &str) {
    edit_parquet(snapshot, table, |batch| {
        let (row, at) = (place(batch, column, value), batch.schema().index_of(target).unwrap());
        let cells = texts(batch, target);
        let cells: StringArray = (0..cells.len())
            .map(|place| if place == row { Some(text) } else { cells.is_valid(place).then(|| cells.value(place)) })
            .collect();
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns[at] = Arc::new(cells);
        vec![RecordBatch::try_new(batch.schema(), columns).unwrap()]
    });
    let header = header(snapshot, table);
    let place = |name: &str| header.iter().position(|found| found == name).unwrap();
    let (key, target) = (place(column), place(target));
    let path = snapshot.join(format!("{table}.csv"));
    let content = fs::read_to_string(&path).unwrap();
    let old = csv::Reader::from_reader(content.as_bytes())
        .records()
        .map(Result::unwrap)
        .find(|row| row[key] == *value)
        .unwrap();
    // The cells of this row need no quotes before the target, so that the line can be edited as text.
    let line = content.lines().find(|line| line.contains(&old[key]) && line.contains(&old[target])).unwrap();
    let edited = match line.strip_suffix(&format!(",{}", &old[target])) {
        Some(cells) if target + 1 == old.len() => format!("{cells},{text}"),
        _ => line.replacen(&format!(",{},", &old[target]), &format!(",{text},"), 1),
    };
    assert_ne!(line, edited);
    fs::write(&path, content.replacen(line, &edited, 1)).unwrap();
}

/// Changes the instant (microseconds) in a column of the first row of a table, in the Parquet file only.
pub fn set_instant(snapshot: &Path, table: &str, column: &str, edit: impl Fn(i64) -> i64) {
    edit_parquet(snapshot, table, |batch| {
        let at = batch.schema().index_of(column).unwrap();
        let cells: &TimestampMicrosecondArray = batch.column(at).as_any().downcast_ref().unwrap();
        let instants: TimestampMicrosecondArray = (0..cells.len())
            .map(|row| Some(if row == 0 { edit(cells.value(row)) } else { cells.value(row) }))
            .collect();
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns[at] = Arc::new(instants.with_data_type(cells.data_type().clone()));
        vec![RecordBatch::try_new(batch.schema(), columns).unwrap()]
    });
}

/// Keeps the rows of a CSV file that satisfy `keep`. The bytes of the other rows stay as they are.
pub fn edit_csv(snapshot: &Path, table: &str, keep: impl Fn(&csv::StringRecord) -> bool) {
    let path = snapshot.join(format!("{table}.csv"));
    let content = fs::read_to_string(&path).unwrap();
    let mut reader = csv::Reader::from_reader(content.as_bytes());
    let mut dropped = Vec::new();
    for record in reader.records().map(Result::unwrap).collect::<Vec<_>>() {
        if !keep(&record) {
            dropped.push(usize::try_from(record.position().unwrap().byte()).unwrap());
        }
    }
    let starts: Vec<usize> = csv::Reader::from_reader(content.as_bytes())
        .records()
        .map(|record| usize::try_from(record.unwrap().position().unwrap().byte()).unwrap())
        .chain([content.len()])
        .collect();
    let mut kept = content[..starts[0]].to_owned();
    for pair in starts.windows(2).filter(|pair| !dropped.contains(&pair[0])) {
        kept.push_str(&content[pair[0]..pair[1]]);
    }
    assert_ne!(kept, content);
    fs::write(&path, kept).unwrap();
}

fn header(snapshot: &Path, table: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_path(snapshot.join(format!("{table}.csv"))).unwrap();
    reader.headers().unwrap().iter().map(str::to_owned).collect()
}

/// Rewrites a Parquet file whose rows are one batch.
fn edit_parquet(snapshot: &Path, table: &str, edit: impl Fn(&RecordBatch) -> Vec<RecordBatch>) {
    let path = snapshot.join(format!("{table}.parquet"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let (schema, rows) = (builder.schema().clone(), builder.metadata().file_metadata().num_rows());
    let mut batches = builder.with_batch_size(usize::try_from(rows).unwrap()).build().unwrap();
    let batch = batches.next().unwrap().unwrap();
    assert!(batches.next().is_none());
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema, None).unwrap();
    for batch in edit(&batch) {
        writer.write(&batch).unwrap();
    }
    writer.close().unwrap();
}

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> &'a StringArray {
    let array = batch.column_by_name(column).unwrap();
    assert_eq!(*array.data_type(), DataType::Utf8);
    array.as_any().downcast_ref().unwrap()
}

fn place(batch: &RecordBatch, column: &str, value: &str) -> usize {
    let cells = texts(batch, column);
    (0..cells.len()).find(|at| cells.value(*at) == value).unwrap()
}
