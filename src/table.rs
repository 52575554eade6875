//! Each table's columns, once; rows -> CSV and Parquet into any writer. Pure.

/// Dialect of the CSV tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CsvDialect {
    /// RFC 4180 with the formula guard.
    #[default]
    Strict,
    /// Strict with a byte order mark.
    Excel,
    /// Strict without the formula guard.
    Raw,
}
