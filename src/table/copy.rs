//! Writes the rows of a Parquet file as CSV, in the same bytes that [`super::Tables::write_csv`] gives for those rows.
//!
//! `reperform` compares both formats with it. It follows the columns of the file and knows no table, so that a cell
//! that differs in one format only is always found.

use super::csv::CsvCells;
use super::{CsvDialect, CsvWritten, TableError};
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::ChunkReader;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::DataType;
use chrono::DateTime;
use std::io::Write;

/// Number of rows that are decoded together.
const BATCH: usize = 4_096;

/// Writes every row of a Parquet file as CSV.
pub fn parquet_as_csv(
    parquet: impl ChunkReader + 'static,
    dialect: CsvDialect,
    mut out: impl Write,
) -> Result<CsvWritten, TableError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(parquet)?;
    let mut cells = CsvCells::new(dialect);
    cells.header(builder.schema().fields().iter().map(|field| field.name().as_str()));
    let mut rows = 0;
    for batch in builder.with_batch_size(BATCH).build()? {
        let batch = batch.map_err(|error| ParquetError::ArrowError(error.to_string()))?;
        write_batch(&batch, &mut cells)?;
        rows += batch.num_rows() as u64;
        cells.write_to(&mut out)?;
    }
    cells.write_to(&mut out)?;
    Ok(CsvWritten { rows, guarded_cells: cells.guarded_cells() })
}

/// One column of a batch.
enum BatchColumn<'a> {
    Text(&'a StringArray),
    Flag(&'a BooleanArray),
    Count(&'a Int64Array),
    Instant(&'a TimestampMicrosecondArray),
    Texts(&'a ListArray),
}

fn write_batch(batch: &RecordBatch, cells: &mut CsvCells) -> Result<(), TableError> {
    let columns: Vec<BatchColumn<'_>> = batch.columns().iter().map(column).collect::<Result<_, _>>()?;
    for row in 0..batch.num_rows() {
        for column in &columns {
            write_cell(column, row, cells)?;
        }
        cells.end_row();
    }
    Ok(())
}

fn column(array: &ArrayRef) -> Result<BatchColumn<'_>, ParquetError> {
    let any = array.as_any();
    match array.data_type() {
        DataType::Utf8 => any.downcast_ref().map(BatchColumn::Text),
        DataType::Boolean => any.downcast_ref().map(BatchColumn::Flag),
        DataType::Int64 => any.downcast_ref().map(BatchColumn::Count),
        DataType::Timestamp(..) => any.downcast_ref().map(BatchColumn::Instant),
        DataType::List(_) => any.downcast_ref().map(BatchColumn::Texts),
        _ => None,
    }
    .ok_or_else(|| ParquetError::General(format!("a column has the unsupported type {}", array.data_type())))
}

fn write_cell(column: &BatchColumn<'_>, row: usize, cells: &mut CsvCells) -> Result<(), TableError> {
    match column {
        BatchColumn::Text(texts) => cells.text(texts.is_valid(row).then(|| texts.value(row))),
        BatchColumn::Flag(flags) => cells.flag(flags.is_valid(row).then(|| flags.value(row))),
        BatchColumn::Count(counts) => cells.count(counts.is_valid(row).then(|| counts.value(row)))?,
        BatchColumn::Instant(instants) => {
            let micros = instants.is_valid(row).then(|| instants.value(row));
            cells.instant(micros.and_then(DateTime::from_timestamp_micros));
        }
        BatchColumn::Texts(lists) => {
            let items = lists.value(row);
            let texts = items.as_string_opt::<i32>();
            let texts = texts.ok_or_else(|| ParquetError::General("a list of something but texts".to_owned()))?;
            cells.list(texts.iter().flatten())?;
        }
    }
    cells.end_cell();
    Ok(())
}
