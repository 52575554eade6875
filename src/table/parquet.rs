//! Writes rows as Parquet: typed, compressed with zstd, one array for each column. Works for any table.
//!
//! A few thousand rows are converted at a time, so that memory does not grow with the size of the tenant.

use super::columns::{Column, Get, Shape, Values};
use super::{ParquetMetadata, SCHEMA_VERSION};
use crate::model::GroupId;
use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::Result;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use std::fmt::Write as _;
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
    let mut writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?;
    let mut rows = Vec::with_capacity(BATCH);
    let mut written = 0;
    loop {
        rows.clear();
        rows.extend(table.rows.by_ref().take(BATCH));
        if rows.is_empty() {
            writer.close()?;
            return Ok(written);
        }
        let arrays = table.columns.iter().map(|column| array(column, &rows)).collect::<Result<_>>()?;
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), arrays)?)?;
        written += rows.len() as u64;
    }
}

fn field<R>(column: &Column<'_, R>) -> Field {
    Field::new(column.name, data_type(&column.get), column.nullable)
}

fn data_type<R>(get: &Get<'_, R>) -> DataType {
    match get {
        Get::Text(_) | Get::Key(_) | Get::Fingerprint(_) => DataType::Utf8,
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
fn array<R: Copy>(column: &Column<'_, R>, rows: &[R]) -> Result<ArrayRef> {
    Ok(match column.get {
        Get::Text(get) => {
            // The size of the texts is known in advance, so that the builder allocates once.
            let bytes = rows.iter().filter_map(|row| get(*row)).map(str::len).sum();
            let mut to = StringBuilder::with_capacity(rows.len(), bytes);
            for row in rows {
                to.append_option(get(*row));
            }
            Arc::new(to.finish())
        }
        Get::Key(get) => {
            let mut to = StringBuilder::with_capacity(rows.len(), rows.len() * 24);
            for row in rows {
                to.append_option(get(*row));
            }
            Arc::new(to.finish())
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
            let mut to = StringBuilder::with_capacity(rows.len(), rows.len() * 26);
            for row in rows {
                write!(to, "{}", get(*row)).map_err(|e| ::parquet::errors::ParquetError::External(Box::new(e)))?;
                // `write!` fills the pending value of the builder; `append_value` completes it.
                to.append_value("");
            }
            Arc::new(to.finish())
        }
        Get::Ids(get) => lists(rows.iter().map(|row| get(*row).iter().map(GroupId::as_str))),
        Get::Names(get) => lists(rows.iter().map(|row| get(*row).iter())),
        Get::Words(get) => lists(rows.iter().map(|row| get(*row).iter().copied())),
    })
}

fn lists<'a>(rows: impl Iterator<Item = impl Iterator<Item = &'a str>>) -> ArrayRef {
    let mut to = ListBuilder::new(StringBuilder::new()).with_field(element());
    for items in rows {
        items.for_each(|item| to.values().append_value(item));
        to.append(true);
    }
    Arc::new(to.finish())
}
