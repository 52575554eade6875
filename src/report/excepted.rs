//! Accepted exceptions: who answers for what, until when, and whether the entry did anything.

use super::index::Index;
use super::{Bounded, Shown};
use crate::exceptions::ExceptionUse;

/// Rows of the table.
const ROWS: usize = 100;

/// One entry of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionRow {
    /// Public id of the rule.
    pub rule: &'static str,
    /// Whom it names.
    pub subject: Shown,
    /// Of which source; of every one where it is `None`.
    pub source: Option<Shown>,
    /// Why.
    pub reason: Shown,
    /// Who answers for it.
    pub owner: Shown,
    /// Where it was decided.
    pub ticket: Option<Shown>,
    /// Its last day.
    pub until: String,
    /// `in force`, `unused`, `expired`, …
    pub state: &'static str,
    /// The name of the state's style.
    pub class: &'static str,
    /// What stands beside the state.
    pub symbol: &'static str,
    /// Findings that it covers, or covered and that stand.
    pub covers: u64,
    /// What somebody should do about the entry.
    pub warnings: Vec<Shown>,
}

/// Those first that need somebody.
pub(super) fn rows(index: &Index<'_>) -> Option<Bounded<ExceptionRow>> {
    let mut rows: Vec<ExceptionRow> = index.input.exceptions?.iter().map(|it| row(index, it)).collect();
    rows.sort_by_key(|row| (row.state != "expired", row.warnings.is_empty()));
    Some(Bounded::cut(rows, ROWS))
}

fn row(index: &Index<'_>, it: &ExceptionUse) -> ExceptionRow {
    let entry = &it.exception;
    let (class, symbol) = match it.state() {
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
        state: it.state(),
        class,
        symbol,
        covers: it.covers.len() as u64,
        warnings: it.warnings(index.input.as_of).iter().map(|text| Shown::sentence(text)).collect(),
    }
}
