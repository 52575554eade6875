//! Each table's columns, once; rows -> CSV and Parquet into any writer. Pure: the same rows give the same bytes.
//! Knows no disk, clock or hash, and nothing of how the rows came to be.
//!
//! `columns` declares what a table is, `csv` and `parquet` are two readings of that declaration.

use crate::model::{Change, Completeness, Finding, Inventory, Resolved};
use std::io::{self, Write};

mod columns;
mod csv;
mod guard;
mod parquet;
#[cfg(test)]
mod tests;

pub use guard::unguarded;

/// Version of the columns; the Parquet files carry it as `bt_rollcall.schema_version`.
///
/// 1 = first.
pub const SCHEMA_VERSION: u32 = 1;

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

/// All that the tables are made of, sorted as it is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    /// Users, groups, memberships.
    pub inventory: &'a Inventory,
    /// Findings.
    pub findings: &'a [Finding],
    /// Changes since the snapshot before.
    pub changes: &'a [Change],
    /// Findings that are over.
    pub resolved: &'a [Resolved],
}

/// The tables of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// One row a user.
    Users,
    /// One row a group.
    Groups,
    /// One row a (group, member) pair.
    Memberships,
    /// One row a finding.
    Findings,
    /// One row a change since the snapshot before.
    Changes,
    /// One row a finding that is over: what a later run needs of it. In Parquet only, and always.
    Resolved,
}

impl Table {
    /// All, in the order in which they are written.
    pub const ALL: [Self; 6] =
        [Self::Users, Self::Groups, Self::Memberships, Self::Findings, Self::Changes, Self::Resolved];

    /// The names of its columns, in their order.
    pub fn columns(self) -> Vec<&'static str> {
        let (inventory, findings, changes, resolved) = (&Inventory::default(), &[][..], &[][..], &[][..]);
        let none = Tables { inventory, findings, changes, resolved };
        match self {
            Self::Users => columns::users(&none).names(),
            Self::Groups => columns::groups(&none).names(),
            Self::Memberships => columns::memberships(&none).names(),
            Self::Findings => columns::findings(&none).names(),
            Self::Changes => columns::changes(&none).names(),
            Self::Resolved => columns::resolved(&none).names(),
        }
    }

    /// Whether it is for programs: written as Parquet whatever the configuration says, and never as CSV.
    pub fn is_internal(self) -> bool {
        self == Self::Resolved
    }

    /// The file name without its extension.
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

/// What a Parquet file says of itself beside its rows: run fields, the only bytes that differ between equal inventories.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The run that writes it.
    pub run_id: &'a str,
    /// Whether everything was proven complete.
    pub completeness: Completeness,
}

/// What went into a CSV file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsvWritten {
    /// Rows without the header.
    pub rows: u64,
    /// Cells that the formula guard changed.
    pub guarded_cells: u64,
}

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The writer below failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The rows do not fit the declared columns: a defect of this program.
    #[error("encode the rows as Parquet: {0}")]
    Encode(::parquet::errors::ParquetError),
}

impl From<::parquet::errors::ParquetError> for TableError {
    /// Parquet wraps what its writer said; the full disk in it must stay recognisable.
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
    /// Writes one table as CSV.
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

    /// Writes one table as Parquet; gives the number of rows.
    pub fn write_parquet<W: Write + Send>(&self, table: Table, about: &About<'_>, out: W) -> Result<u64, TableError> {
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
