//! The tables of a snapshot: declares their columns and writes their rows as CSV and Parquet.
//!
//! `snapshot` passes a writer for each file. `columns` declares every table once, and `csv` and `parquet` both follow
//! that declaration. Pure: the same rows give the same bytes. This module knows no disk, clock or hash.

use crate::model::{Change, Completeness, Finding, GroupOwner, Inventory, Resolved};
use std::io::{self, Write};

mod columns;
mod copy;
mod csv;
pub mod dictionary;
mod guard;
mod parquet;
mod review;
#[cfg(test)]
mod tests;

pub use copy::parquet_as_csv;
pub use guard::unguarded;

use dictionary::ColumnText;
use review::Facts;

/// Name of the file with the population of an access review.
pub const REVIEW: &str = "review.csv";

/// Version of the columns. Parquet files carry it as `bt_rollcall.schema_version`. Version 1 is the first.
pub const SCHEMA_VERSION: u32 = 1;

/// Dialect of the CSV files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CsvDialect {
    /// RFC 4180, with the guard against formulas.
    #[default]
    Strict,
    /// `Strict` with a byte order mark, which Excel needs to recognise UTF-8, and with the separator of its language.
    Excel(Separator),
    /// `Strict` without the guard against formulas.
    Raw,
}

impl CsvDialect {
    /// Returns the word for the dialect in the configuration and in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Excel(_) => "excel",
            Self::Raw => "raw",
        }
    }

    /// Returns the character between two cells.
    pub fn separator(self) -> Separator {
        match self {
            Self::Excel(separator) => separator,
            Self::Strict | Self::Raw => Separator::Comma,
        }
    }

    /// Parses the words of the dialect and of its separator; `None` for a pair that does not exist.
    pub fn parse(dialect: &str, separator: &str) -> Option<Self> {
        let excel = Separator::ALL.map(Self::Excel);
        let mut all = [Self::Strict, Self::Raw].into_iter().chain(excel);
        all.find(|known| known.as_str() == dialect && known.separator().as_str() == separator)
    }
}

/// Character between two cells of a CSV file.
///
/// Excel splits a file that is opened with a double click at the list separator of Windows, which is a semicolon where
/// the decimal separator is a comma. A first line `sep=;` would set it too, but Excel then ignores the byte order mark
/// and shows letters such as "é" wrongly (<https://stackoverflow.com/questions/20395699>). So the file has no such line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Separator {
    /// The comma of RFC 4180.
    #[default]
    Comma,
    /// The semicolon.
    Semicolon,
}

impl Separator {
    /// Every separator.
    pub const ALL: [Self; 2] = [Self::Comma, Self::Semicolon];

    /// Returns the word for the separator in the configuration and in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
        }
    }

    /// Returns the separator of a file with this header row. No column name contains a separator.
    pub fn of_header(header: &[u8]) -> Self {
        if header.contains(&Self::Semicolon.byte()) { Self::Semicolon } else { Self::Comma }
    }

    /// Returns the character.
    pub fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
        }
    }
}

/// Rows of all tables, sorted as they are to be written.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    /// Users, groups and memberships.
    pub inventory: &'a Inventory,
    /// Owners of groups, as the policy names them.
    pub group_owners: &'a [GroupOwner],
    /// Findings in table order.
    pub findings: &'a [Finding],
    /// Changes since the baseline.
    pub changes: &'a [Change],
    /// Records of resolved findings.
    pub resolved: &'a [Resolved],
}

/// A table of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// One row for each user.
    Users,
    /// One row for each group.
    Groups,
    /// One row for each (group, member) pair.
    Memberships,
    /// One row for each finding.
    Findings,
    /// One row for each change since the baseline.
    Changes,
    /// One row for each resolved finding, with the data that later runs need. Always written, as Parquet only.
    Resolved,
}

impl Table {
    /// Every table, in the order in which they are written.
    pub const ALL: [Self; 6] =
        [Self::Users, Self::Groups, Self::Memberships, Self::Findings, Self::Changes, Self::Resolved];

    /// Returns the names of the table's columns in order.
    pub fn columns(self) -> Vec<&'static str> {
        self.schema().into_iter().map(|column| column.name).collect()
    }

    /// Returns the columns of the table in order, with their types.
    pub fn schema(self) -> Vec<ColumnType> {
        let inventory = &Inventory::default();
        let none = Tables { inventory, group_owners: &[], findings: &[], changes: &[], resolved: &[] };
        match self {
            Self::Users => columns::users(&none).schema(),
            Self::Groups => columns::groups(&none).schema(),
            Self::Memberships => columns::memberships(&none).schema(),
            Self::Findings => columns::findings(&none).schema(),
            Self::Changes => columns::changes(&none).schema(),
            Self::Resolved => columns::resolved(&none).schema(),
        }
    }

    /// Returns what the columns of the table mean, in the same order.
    pub fn dictionary(self) -> &'static [ColumnText] {
        match self {
            Self::Users => dictionary::USERS,
            Self::Groups => dictionary::GROUPS,
            Self::Memberships => dictionary::MEMBERSHIPS,
            Self::Findings => dictionary::FINDINGS,
            Self::Changes => dictionary::CHANGES,
            Self::Resolved => dictionary::RESOLVED,
        }
    }

    /// Returns whether only programs read the table. Such a table is always written as Parquet and never as CSV.
    pub fn is_internal(self) -> bool {
        self == Self::Resolved
    }

    /// Returns the file name without its extension.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Memberships => "memberships",
            Self::Findings => "findings",
            Self::Changes => "changes",
            Self::Resolved => "resolved",
        }
    }
}

/// Name and type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// Name in the header and in the schema.
    pub name: &'static str,
    /// Type in the words of the data dictionary: `utf8`, `bool`, `int64`, `timestamp`, `list<utf8>`.
    pub kind: &'static str,
    /// Whether a cell may be null.
    pub nullable: bool,
}

/// Returns the columns of `review.csv` in order, with their types.
pub fn review_schema() -> Vec<ColumnType> {
    let inventory = &Inventory::default();
    let none = Tables { inventory, group_owners: &[], findings: &[], changes: &[], resolved: &[] };
    review::shape(&Facts::of(&none)).schema()
}

/// Metadata of a Parquet file. Files with equal rows differ only in these bytes.
#[derive(Clone, Copy, Debug)]
pub struct ParquetMetadata<'a> {
    /// Id of the run that writes the file.
    pub run_id: &'a str,
    /// Whether every list is proven complete.
    pub completeness: Completeness,
}

/// Statistics about a written CSV file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsvWritten {
    /// Number of rows without the header.
    pub rows: u64,
    /// Number of cells that the guard against formulas changed.
    pub guarded_cells: u64,
}

/// An error while writing a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The underlying writer failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The rows do not fit the declared columns, which is a defect of this program.
    #[error("encode the rows as Parquet: {0}")]
    Encode(::parquet::errors::ParquetError),
}

impl From<::parquet::errors::ParquetError> for TableError {
    /// Unwraps an I/O error inside a Parquet error, so that callers recognise a full disk.
    fn from(error: ::parquet::errors::ParquetError) -> Self {
        match error {
            ::parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(io) => Self::Io(*io),
                Err(other) => Self::Encode(::parquet::errors::ParquetError::External(other)),
            },
            other => Self::Encode(other),
        }
    }
}

impl Tables<'_> {
    /// Writes `review.csv`: the population of an access review, with empty columns for the decisions.
    pub fn write_review<W: Write>(&self, dialect: CsvDialect, out: W) -> Result<CsvWritten, TableError> {
        Ok(csv::write(review::shape(&Facts::of(self)), dialect, out)?)
    }

    /// Writes a table as CSV.
    pub fn write_csv<W: Write>(&self, table: Table, dialect: CsvDialect, out: W) -> Result<CsvWritten, TableError> {
        let written = match table {
            Table::Users => csv::write(columns::users(self), dialect, out),
            Table::Groups => csv::write(columns::groups(self), dialect, out),
            Table::Memberships => csv::write(columns::memberships(self), dialect, out),
            Table::Findings => csv::write(columns::findings(self), dialect, out),
            Table::Changes => csv::write(columns::changes(self), dialect, out),
            Table::Resolved => csv::write(columns::resolved(self), dialect, out),
        };
        Ok(written?)
    }

    /// Writes a table as Parquet and returns the number of rows.
    pub fn write_parquet<W: Write + Send>(
        &self,
        table: Table,
        about: &ParquetMetadata<'_>,
        out: W,
    ) -> Result<u64, TableError> {
        let written = match table {
            Table::Users => parquet::write(columns::users(self), about, out),
            Table::Groups => parquet::write(columns::groups(self), about, out),
            Table::Memberships => parquet::write(columns::memberships(self), about, out),
            Table::Findings => parquet::write(columns::findings(self), about, out),
            Table::Changes => parquet::write(columns::changes(self), about, out),
            Table::Resolved => parquet::write(columns::resolved(self), about, out),
        };
        Ok(written?)
    }
}
