//! Writes rows as Parquet: typed, compressed with zstd, one array for each column. Works for any table.
//!
//! A row group is written column by column, and of a column a few thousand rows are converted at a time. So only one
//! column has a compressor and a dictionary, and memory does not grow with the size of the tenant.

use super::columns::{Column, Get, Shape, Values};
use super::{ParquetMetadata, SCHEMA_VERSION};
use crate::model::GroupId;
use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::Result;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow::array::{ArrayRef, BooleanBuilder, Int64Builder, ListArray, StringArray, TimestampMicrosecondBuilder};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use std::io::Write;
use std::sync::Arc;

/// Number of rows that are converted to arrays at a time.
const BATCH: usize = 4_096;
/// Number of rows in a row group; it bounds the memory of the writer.
const ROW_GROUP: usize = 65_536;
/// Value of `created_by`.
///
/// Readers parse "application version x.y.z" and distrust the statistics of writers that they cannot parse
/// (parquet-format `FileMetaData.created_by`). The value does not depend on the version of the Parquet crate.
const CREATED_BY: &str = concat!("bt-rollcall version ", env!("CARGO_PKG_VERSION"));

/// Writes all rows and the footer, and returns the number of rows.
pub(super) fn write<R: Copy, I: Iterator<Item = R>>(
    mut table: Shape<'_, R, I>,
    about: &ParquetMetadata<'_>,
    out: impl Write + Send,
) -> Result<u64> {
    let schema = Arc::new(Schema::new(table.columns.iter().map(field).collect::<Vec<_>>()));
    let properties = properties(&table.columns, about)?;
    let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?;
    let (mut file, groups) = writer.into_serialized_writer()?;
    let mut rows = Vec::new();
    for number in 0.. {
        rows.clear();
        rows.extend(table.rows.by_ref().take(ROW_GROUP));
        if rows.is_empty() {
            break;
        }
        let mut group = file.next_row_group()?;
        let columns = table.columns.iter().zip(schema.fields());
        for ((column, field), writer) in columns.zip(groups.create_column_writers(number)?) {
            write_column(column, field, &rows, writer)?.append_to_row_group(&mut group)?;
        }
        group.close()?;
    }
    let written = file.close()?.file_metadata().num_rows();
    // A count of rows is never negative.
    Ok(u64::try_from(written).unwrap_or_default())
}

/// Encodes and compresses the cells of a column. Every type of column has one leaf, lists too.
fn write_column<R: Copy>(
    column: &Column<'_, R>,
    field: &Field,
    rows: &[R],
    mut writer: ArrowColumnWriter,
) -> Result<ArrowColumnChunk> {
    for batch in rows.chunks(BATCH) {
        for leaf in compute_leaves(field, &array(column, batch))? {
            writer.write(&leaf)?;
        }
    }
    writer.close()
}

fn field<R>(column: &Column<'_, R>) -> Field {
    Field::new(column.name, data_type(&column.get), column.nullable)
}

fn data_type<R>(get: &Get<'_, R>) -> DataType {
    match get {
        Get::Text(_) | Get::Word(_) | Get::Key(_) | Get::Fingerprint(_) => DataType::Utf8,
        Get::Flag(_) => DataType::Boolean,
        Get::Count(_) => DataType::Int64,
        Get::Instant(_) => instant_type(),
        Get::Ids(_) | Get::Names(_) | Get::Words(_) => DataType::List(Arc::new(element())),
    }
}

fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns the field of a list's elements, with the name that the Parquet format demands (LogicalTypes.md, "Lists").
fn element() -> Field {
    // Arrow would call it `item`.
    Field::new("element", DataType::Utf8, false)
}

fn properties<R>(columns: &[Column<'_, R>], about: &ParquetMetadata<'_>) -> Result<WriterProperties> {
    let pair = |key: &str, value: String| KeyValue::new(format!("bt_rollcall.{key}"), value);
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        // Readers skip row groups by these statistics; statistics for each page would only add size.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        // Dictionaries pay only for columns with repeated values, which are switched on below.
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(vec![
            pair("run_id", about.run_id.to_owned()),
            pair("schema_version", SCHEMA_VERSION.to_string()),
            pair("completeness", about.completeness.as_str().to_owned()),
        ]));
    for column in columns.iter().filter(|c| c.values == Values::Repeat) {
        let path = match column.get {
            Get::Ids(_) | Get::Names(_) | Get::Words(_) => {
                vec![column.name.to_owned(), "list".to_owned(), "element".to_owned()]
            }
            _ => vec![column.name.to_owned()],
        };
        properties = properties.set_column_dictionary_enabled(ColumnPath::new(path), true);
    }
    Ok(properties.build())
}

/// Returns the values of a column for these rows as an array.
fn array<R: Copy>(column: &Column<'_, R>, rows: &[R]) -> ArrayRef {
    match column.get {
        Get::Text(get) | Get::Word(get) => texts(&cells(rows, get)),
        Get::Key(get) => {
            let keys = cells(rows, get);
            texts(&keys.iter().map(Option::as_deref).collect::<Vec<_>>())
        }
        Get::Flag(get) => {
            let mut to = BooleanBuilder::with_capacity(rows.len());
            for row in rows {
                to.append_option(get(*row));
            }
            Arc::new(to.finish())
        }
        Get::Count(get) => {
            let mut to = Int64Builder::with_capacity(rows.len());
            // The conversion never saturates: no tenant has more than i64::MAX members.
            for row in rows {
                to.append_option(get(*row).map(|count| i64::try_from(count).unwrap_or(i64::MAX)));
            }
            Arc::new(to.finish())
        }
        Get::Instant(get) => {
            let mut to = TimestampMicrosecondBuilder::with_capacity(rows.len()).with_data_type(instant_type());
            for row in rows {
                to.append_option(get(*row).map(|at| at.timestamp_micros()));
            }
            Arc::new(to.finish())
        }
        Get::Fingerprint(get) => {
            let letters = cells(rows, |row| get(row).letters());
            texts(&letters.iter().map(|letters| str::from_utf8(letters).ok()).collect::<Vec<_>>())
        }
        Get::Ids(get) => lists(rows.iter().map(|row| get(*row).iter().map(GroupId::as_str))),
        Get::Names(get) => lists(rows.iter().map(|row| get(*row).iter())),
        Get::Words(get) => lists(rows.iter().map(|row| get(*row).iter().copied())),
    }
}

fn cells<R: Copy, T>(rows: &[R], get: impl Fn(R) -> T) -> Vec<T> {
    rows.iter().map(|row| get(*row)).collect()
}

fn texts(cells: &[Option<&str>]) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths(cells.iter().map(|cell| cell.map_or(0, str::len)));
    // The size of the texts is known in advance, so that memory is allocated once.
    let mut values = Vec::with_capacity(cells.iter().flatten().map(|cell| cell.len()).sum());
    cells.iter().flatten().for_each(|cell| values.extend_from_slice(cell.as_bytes()));
    let nulls = cells.iter().any(Option::is_none).then(|| cells.iter().map(Option::is_some).collect());
    Arc::new(StringArray::new(offsets, values.into(), nulls))
}

fn lists<'a>(rows: impl Iterator<Item = impl Iterator<Item = &'a str>>) -> ArrayRef {
    let mut items = Vec::new();
    let lengths = rows.map(|row| {
        let start = items.len();
        items.extend(row.map(Some));
        items.len() - start
    });
    let lengths: Vec<usize> = lengths.collect();
    Arc::new(ListArray::new(Arc::new(element()), OffsetBuffer::from_lengths(lengths), texts(&items), None))
}
