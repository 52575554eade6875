//! Pages that are cut short, totals that count something else, and a list of users that names one of them twice.

use super::Dialect::{self, DoubleUser};
use super::target::InterfaceFamily;
use axum::http::Uri;
use serde_json::Value;
use std::collections::BTreeSet;

/// Maximum number of rows of a page in the dialects that cut pages.
pub(super) const MAX_ROWS: usize = 13;

/// The part of a list that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListWindow {
    /// Whether it begins with the first row.
    pub(super) is_first: bool,
    /// Number of rows asked for, if the request says it.
    pub(super) size: Option<usize>,
}

impl ListWindow {
    /// Reads the parameters of every interface; their names differ.
    pub(crate) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let number = |names: &[&str]| -> Option<usize> {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find_map(|(name, value)| names.contains(&name).then(|| value.parse().ok()).flatten())
        };
        let is_first =
            number(&["offset"]).unwrap_or(0) == 0 && number(&["startIndex", "current_page"]).unwrap_or(1) <= 1;
        Self { is_first, size: number(&["limit", "count", "per_page"]) }
    }
}

/// Returns the offset in the real list of users for an offset in the served one.
pub(crate) fn offset_of_users(dialects: &BTreeSet<Dialect>, offset: usize) -> usize {
    if dialects.contains(&DoubleUser) { offset.saturating_sub(1) } else { offset }
}

/// Inserts a copy of the first user, with another name that sorts after the first one, and keeps the size of the page.
pub(super) fn double_first(family: InterfaceFamily, window: ListWindow, rows: &mut Vec<Value>) {
    let Some(mut copy) = rows.first().cloned().filter(|_| window.is_first) else { return };
    let name = match family {
        InterfaceFamily::Guide | InterfaceFamily::Sra => "username",
        InterfaceFamily::Safe => "UserName",
        InterfaceFamily::Scim => "userName",
    };
    if let Some(Value::String(name)) = copy.get_mut(name) {
        name.push('~');
    }
    let is_full = window.size.is_some_and(|size| rows.len() >= size);
    rows.insert(1, copy);
    rows.truncate(rows.len() - usize::from(is_full && rows.len() > 1));
}
