//! The register of accepted exceptions: what each entry covers, who answers for it and until when.

use super::index::Index;
use super::{Bounded, Shown};
use crate::exceptions::ExceptionUse;

/// Number of rows in the table.
const ROWS: usize = 100;

/// An entry of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionRow {
    /// Public id of the rule.
    pub rule: &'static str,
    /// Subject that the entry names.
    pub subject: Shown,
    /// Source that the entry concerns; `None` for every source.
    pub source: Option<Shown>,
    /// Why the finding is accepted.
    pub reason: Shown,
    /// Person or team that answers for it.
    pub owner: Shown,
    /// Ticket of the decision.
    pub ticket: Option<Shown>,
    /// Last day (UTC) on which the entry holds.
    pub until: String,
    /// State of the entry: `in force`, `unused`, `expired`, …
    pub state: &'static str,
    /// Style class of the state.
    pub class: &'static str,
    /// Symbol next to the state.
    pub symbol: &'static str,
    /// Number of findings that it covers; for an expired entry, those that it covered and that are unresolved.
    pub covers: u64,
    /// Warnings about the entry.
    pub warnings: Vec<Shown>,
}

/// Returns the entries: expired ones first, then those with warnings. `None` if no register is configured.
pub(super) fn rows(index: &Index<'_>) -> Option<Bounded<ExceptionRow>> {
    let mut rows: Vec<ExceptionRow> =
        index.input.exceptions?.iter().map(|exception_use| row(index, exception_use)).collect();
    rows.sort_by_key(|row| (row.state != "expired", row.warnings.is_empty()));
    Some(Bounded::cut(rows, ROWS))
}

fn row(index: &Index<'_>, exception_use: &ExceptionUse) -> ExceptionRow {
    let entry = &exception_use.exception;
    let (class, symbol) = match exception_use.state() {
        "in force" => ("proven", "✓"),
        "expired" => ("failed", "✕"),
        _ => ("unproven", "!"),
    };
    ExceptionRow {
        rule: entry.rule.as_str(),
        subject: Shown::name(&entry.subject.to_string()),
        source: entry.source.as_deref().map(Shown::name),
        reason: Shown::sentence(&entry.reason),
        owner: Shown::name(&entry.owner),
        ticket: entry.ticket.as_deref().map(Shown::name),
        until: entry.until.to_string(),
        state: exception_use.state(),
        class,
        symbol,
        covers: exception_use.covers.len() as u64,
        warnings: exception_use.warnings(index.input.expiry).iter().map(|text| Shown::sentence(text)).collect(),
    }
}
