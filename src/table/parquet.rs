//! Rows -> Parquet: typed, zstd, one builder a column, a few thousand rows at a time. Knows no table in particular.

use super::columns::{Column, Get, Shape, Values};
use super::{About, SCHEMA_VERSION};
use crate::model::{Fingerprint, GroupId, Instant};
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

/// Rows that are in the builders at once.
const BATCH: usize = 4_096;
/// Rows of a row group: bounds what the writer holds in memory.
const ROW_GROUP: usize = 65_536;
/// Readers parse "application version x.y.z" and distrust the statistics of writers that they cannot parse
/// (parquet-format `FileMetaData.created_by`). Constant for a version of ours, whatever crate writes below.
const CREATED_BY: &str = concat!("bt-rollcall version ", env!("CARGO_PKG_VERSION"));

/// Writes all rows and the footer; gives the number of rows.
pub(super) fn write<'a, R: Copy, I: Iterator<Item = R>>(
    mut table: Shape<'a, R, I>,
    about: &About<'_>,
    out: impl Write + Send,
) -> Result<u64> {
    let schema = Arc::new(Schema::new(table.columns.iter().map(field).collect::<Vec<_>>()));
    let properties = properties(&table.columns, about)?;
    let mut writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?;
    let mut cells: Vec<Cells<'a, R>> = table.columns.iter().map(Cells::of).collect();
    let mut rows = Vec::with_capacity(BATCH);
    let mut written = 0;
    loop {
        rows.clear();
        rows.extend(table.rows.by_ref().take(BATCH));
        if rows.is_empty() {
            writer.close()?;
            return Ok(written);
        }
        let arrays = cells.iter_mut().map(|c| c.fill(&rows)).collect::<Result<_>>()?;
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), arrays)?)?;
        written += rows.len() as u64;
    }
}

fn field<R>(column: &Column<'_, R>) -> Field {
    Field::new(column.name, data_type(&column.get), column.nullable)
}

fn data_type<R>(get: &Get<'_, R>) -> DataType {
    match get {
        Get::Text(_) | Get::Fingerprint(_) => DataType::Utf8,
        Get::Flag(_) => DataType::Boolean,
        Get::Count(_) => DataType::Int64,
        Get::Instant(_) => instant_type(),
        Get::Ids(_) | Get::Words(_) => DataType::List(Arc::new(element())),
    }
}

fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The name that the Parquet format gives to a list's child (LogicalTypes.md, "Lists"); arrow's own is `item`.
fn element() -> Field {
    Field::new("element", DataType::Utf8, false)
}

fn properties<R>(columns: &[Column<'_, R>], about: &About<'_>) -> Result<WriterProperties> {
    let pair = |key: &str, value: String| KeyValue::new(format!("bt_rollcall.{key}"), value);
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(vec![
            pair("run_id", about.run_id.to_owned()),
            pair("schema_version", SCHEMA_VERSION.to_string()),
            pair("completeness", about.completeness.to_owned()),
        ]));
    for column in columns.iter().filter(|c| c.values == Values::Repeat) {
        let path = match column.get {
            Get::Ids(_) | Get::Words(_) => vec![column.name.to_owned(), "list".to_owned(), "element".to_owned()],
            _ => vec![column.name.to_owned()],
        };
        properties = properties.set_column_dictionary_enabled(ColumnPath::new(path), true);
    }
    Ok(properties.build())
}

/// A getter with the builder that fits it.
enum Cells<'a, R> {
    Text(fn(R) -> Option<&'a str>, StringBuilder),
    Flag(fn(R) -> Option<bool>, BooleanBuilder),
    Count(fn(R) -> u64, Int64Builder),
    Instant(fn(R) -> Option<Instant>, TimestampMicrosecondBuilder),
    Fingerprint(fn(R) -> Fingerprint, StringBuilder),
    Ids(fn(R) -> &'a [GroupId], ListBuilder<StringBuilder>),
    Words(fn(R) -> &'a [&'static str], ListBuilder<StringBuilder>),
}

impl<'a, R: Copy> Cells<'a, R> {
    fn of(column: &Column<'a, R>) -> Self {
        let list = || ListBuilder::new(StringBuilder::new()).with_field(element());
        match column.get {
            Get::Text(get) => Self::Text(get, StringBuilder::new()),
            Get::Flag(get) => Self::Flag(get, BooleanBuilder::new()),
            Get::Count(get) => Self::Count(get, Int64Builder::new()),
            Get::Instant(get) => Self::Instant(get, TimestampMicrosecondBuilder::new().with_data_type(instant_type())),
            Get::Fingerprint(get) => Self::Fingerprint(get, StringBuilder::new()),
            Get::Ids(get) => Self::Ids(get, list()),
            Get::Words(get) => Self::Words(get, list()),
        }
    }

    /// The column of these rows; leaves the builder empty for the next ones.
    fn fill(&mut self, rows: &[R]) -> Result<ArrayRef> {
        Ok(match self {
            Self::Text(get, to) => {
                for row in rows {
                    to.append_option(get(*row));
                }
                Arc::new(to.finish())
            }
            Self::Flag(get, to) => {
                for row in rows {
                    to.append_option(get(*row));
                }
                Arc::new(to.finish())
            }
            Self::Count(get, to) => {
                // No tenant has more than i64::MAX members.
                for row in rows {
                    to.append_value(i64::try_from(get(*row)).unwrap_or(i64::MAX));
                }
                Arc::new(to.finish())
            }
            Self::Instant(get, to) => {
                for row in rows {
                    to.append_option(get(*row).map(|at| at.timestamp_micros()));
                }
                Arc::new(to.finish())
            }
            Self::Fingerprint(get, to) => {
                for row in rows {
                    write!(to, "{}", get(*row)).map_err(|e| ::parquet::errors::ParquetError::External(Box::new(e)))?;
                    // What was written into the builder becomes a value with the next append.
                    to.append_value("");
                }
                Arc::new(to.finish())
            }
            Self::Ids(get, to) => {
                for row in rows {
                    append_list(to, get(*row).iter().map(GroupId::as_str));
                }
                Arc::new(to.finish())
            }
            Self::Words(get, to) => {
                for row in rows {
                    append_list(to, get(*row).iter().copied());
                }
                Arc::new(to.finish())
            }
        })
    }
}

fn append_list<'a>(to: &mut ListBuilder<StringBuilder>, items: impl Iterator<Item = &'a str>) {
    items.for_each(|item| to.values().append_value(item));
    to.append(true);
}
