//! What connectors share next to decoding: the client with its identity, reports of lists, words for errors, and accounts that
//! only memberships name. Knows no product.

use super::date;
use super::decode::{Id, IdKey, Listed, One};
use super::{Objects, ProbedList, SourceSettings};
use crate::event::{Observer, RunEvent};
use crate::model::{Coverage, Instant, ListKind, ListReport, SourceIdentity, SourceReading};
use crate::wire::page::{End, ListRow, WalkProgress, WalkResult, WalkSettings};
use crate::wire::{Client, WireError, WireErrorKind};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// The client of one source, and whom to tell.
pub(super) struct SourceClient {
    pub(super) client: Client,
    pub(super) identity: SourceIdentity,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) walk: WalkSettings,
}

impl SourceClient {
    /// Sets the client up. Errors: it could not be.
    pub(super) fn new(
        settings: &SourceSettings,
        observer: Arc<dyn Observer>,
        max_passes: u32,
    ) -> Result<Self, WireError> {
        Ok(Self {
            client: Client::new(&settings.client, Arc::clone(&observer))?,
            identity: settings.identity.clone(),
            observer,
            walk: WalkSettings {
                page_size: u64::from(settings.page_size.max(1)),
                concurrency: settings.client.concurrency.max(1),
                max_passes,
            },
        })
    }

    pub(super) fn notify(&self, list: ListKind, progress: &WalkProgress) {
        let source = &self.identity.name;
        self.observer.notify(&match progress {
            WalkProgress::Page { distinct, total } => {
                RunEvent::Progress { source, list, received: *distinct, expected: *total }
            }
            WalkProgress::Drift(why) => RunEvent::Drift { source, list, why },
        });
    }

    /// Logs a warning while the reading goes on.
    pub(super) fn warn(&self, text: &str) {
        self.observer.notify(&RunEvent::Warning { source: Some(&self.identity.name), text });
    }

    pub(super) fn progress(&self, list: ListKind, received: u64, expected: Option<u64>) {
        self.observer.notify(&RunEvent::Progress { source: &self.identity.name, list, received, expected });
    }

    /// Reads users whom only groups name, by id, `most` of them. Returns those who exist, and how many could not be asked for.
    pub(super) async fn strangers<K: IdKey>(&self, path: &str, ids: &BTreeSet<Id>, most: usize) -> (Vec<Listed>, u64) {
        let (mut found, mut unknown) = (Vec::new(), 0);
        for (asked, id) in ids.iter().enumerate() {
            if asked >= most {
                unknown += 1;
                continue;
            }
            let path = format!("{path}/{}", id.in_path());
            match self.client.get::<One<K>>(&path).await {
                Ok(record) if record.row.id.comparable() == id.comparable() => found.push(record.row),
                Err(error) if is_absence(&error) => {}
                Err(error) if is_hopeless(&error) => return (found, unknown + (ids.len() - asked) as u64),
                // A record of somebody else says as little of this one as no record.
                Ok(_) | Err(_) => unknown += 1,
            }
        }
        (found, unknown)
    }
}

/// Returns the rows of a walk, and how it went. Rows without a usable id are left out, and the list is then not complete.
pub(super) fn report<R: ListRow>(
    kind: ListKind,
    query: String,
    requests: u64,
    walked: WalkResult<R, WireError>,
) -> (Vec<R>, ListReport) {
    let (rows, unidentified) = identified(walked.rows);
    let distinct = rows.len() as u64;
    let coverage = match walked.end {
        Ok(_) if unidentified > 0 && distinct == 0 => Coverage::Failed { error: without_id(unidentified) },
        Ok(_) if unidentified > 0 => Coverage::Drifted { why: without_id(unidentified) },
        Ok(End::Proven(proof)) => Coverage::Complete { proof },
        // A source that reports rows and gives none has not given its list: that is no empty list, and no part of one.
        Ok(End::Unproven(why)) if distinct == 0 => Coverage::Failed { error: why },
        Ok(End::Unproven(why)) => Coverage::Drifted { why },
        Err(error) => Coverage::Failed { error: in_words(kind, &error) },
    };
    let report = ListReport {
        kind,
        query,
        expected: total_of(walked.expected, distinct + unidentified),
        received: walked.received,
        distinct,
        pages: walked.pages,
        passes: walked.passes,
        requests,
        coverage,
    };
    (rows, report)
}

/// Returns the rows that have a usable id, and the number of the others.
pub(super) fn identified<R: ListRow>(rows: Vec<R>) -> (Vec<R>, u64) {
    let all = rows.len();
    let rows: Vec<R> = rows.into_iter().filter(ListRow::is_identified).collect();
    let others = all - rows.len();
    (rows, others as u64)
}

/// Words for rows that nobody can identify.
pub(super) fn without_id(rows: u64) -> String {
    if rows == 1 {
        "1 row has no usable id, or one that another row has, and was left out".to_owned()
    } else {
        format!("{rows} rows have no usable id, or one that another row has, and were left out")
    }
}

/// A total below the rows that came is no total of the list.
pub(super) fn total_of(reported: Option<u64>, rows: u64) -> Option<u64> {
    reported.filter(|total| *total >= rows)
}

/// A list of which nothing came, and why.
pub(super) fn empty_report(kind: ListKind, query: String, requests: u64, coverage: Coverage) -> ListReport {
    ListReport { kind, query, expected: None, received: 0, distinct: 0, pages: 0, passes: 1, requests, coverage }
}

pub(super) fn failed(kind: ListKind, query: String, requests: u64, error: &WireError) -> ListReport {
    empty_report(kind, query, requests, Coverage::Failed { error: in_words(kind, error) })
}

/// Returns what one page shows. No rows where the source reports some are a failure, as they are in a run.
pub(super) fn probed(kind: ListKind, page: Result<(u64, Option<u64>), &WireError>) -> ProbedList {
    let page = match page {
        Ok((rows, total)) => missing(rows, total).map_or(Ok((rows, total_of(total, rows))), Err),
        Err(error) => Err(in_words(kind, error)),
    };
    // Of these lists one is read.
    ProbedList { kind, page, objects: is_below(kind).then_some(Objects { tried: 1, of: None }) }
}

/// Returns why a first page without rows is no empty list.
fn missing(rows: u64, total: Option<u64>) -> Option<String> {
    let total = total.filter(|total| rows == 0 && *total > 0)?;
    Some(format!("the source reports a total of {total}, but its first page has no row"))
}

/// Returns one answer as a walk: a whole list, or all that a check reads of one.
pub(super) fn in_one<R>(rows: Vec<R>, total: Option<u64>) -> WalkResult<R, WireError> {
    let received = rows.len() as u64;
    let end = missing(received, total).map_or_else(|| End::Proven(String::new()), End::Unproven);
    WalkResult { received, rows, expected: total, pages: 1, passes: 1, end: Ok(end) }
}

/// The same of the rows themselves. Rows without a usable id are a failure: a run does not prove such a list.
pub(super) fn probed_rows<R: ListRow>(kind: ListKind, page: Result<(&[R], Option<u64>), &WireError>) -> ProbedList {
    let others = page.as_ref().map_or(0, |(rows, _)| rows.iter().filter(|row| !row.is_identified()).count() as u64);
    if others > 0 {
        return ProbedList { page: Err(without_id(others)), ..probed(kind, Ok((others, None))) };
    }
    probed(kind, page.map(|(rows, total)| (rows.len() as u64, total)))
}

/// Returns why a list cannot be read to its end: its second page is the first one again, though more rows were reported.
pub(super) fn repeats<R: ListRow>(first: &[R], second: &[R]) -> Option<String> {
    let same = !first.is_empty() && first.iter().map(ListRow::key).eq(second.iter().map(ListRow::key));
    same.then(|| {
        "the source ignores the offset: its second page is the first one again; a run cannot read the rest".to_owned()
    })
}

/// Pages of a list, by its first one. Without a total: this page and the look behind it, at least.
pub(super) fn pages(total: Option<u64>, first: u64) -> u64 {
    let behind = total.map(|total| total.saturating_sub(first));
    behind.map_or(2, |behind| behind.div_ceil(first.max(1)).saturating_add(1))
}

/// The error with the list that it hit, and what to do.
pub(super) fn in_words(kind: ListKind, error: &WireError) -> String {
    if error.kind == WireErrorKind::Forbidden {
        let what = match kind {
            ListKind::Users | ListKind::UserDetails => "users",
            ListKind::Groups => "groups",
            ListKind::Members => "members of groups",
            ListKind::DirectoryMembers => "the groups of users",
            ListKind::SecurityProviders => "security providers",
            ListKind::Vendors => "vendors",
            ListKind::VendorUsers => "vendor users",
            ListKind::ApiAccounts => "API accounts",
        };
        return format!(
            "the list of {what} is forbidden (403): give the API account the right to view {what}; read only is enough"
        );
    }
    if is_below(kind) && is_absence(error) {
        return format!(
            "{error}, though a list names the object: the API account may lack a right for it, or this version of the product has \
             no such list"
        );
    }
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

/// Returns whether such a list exists once for each object of another.
fn is_below(kind: ListKind) -> bool {
    matches!(kind, ListKind::Members | ListKind::DirectoryMembers | ListKind::VendorUsers | ListKind::UserDetails)
}

/// Returns whether other requests of the same source will meet the error as well: there is no sense in going on.
pub(super) fn is_hopeless(error: &WireError) -> bool {
    !matches!(
        error.kind,
        WireErrorKind::Broken(_)
            | WireErrorKind::Status(_)
            | WireErrorKind::Shape(_)
            | WireErrorKind::TooLarge(_)
            | WireErrorKind::Forbidden
            | WireErrorKind::NotFound
    )
}

/// Returns whether the error says that the object does not exist. It may say so of an object that does: whether it was
/// removed is for the list to say.
pub(super) fn is_absence(error: &WireError) -> bool {
    matches!(error.kind, WireErrorKind::NotFound | WireErrorKind::Status(410))
}

/// Users whom only a membership names that are asked for by id: where many are missing, a few more would not help.
pub(super) const MOST_STRANGERS: usize = 20;

/// Returns the users whom groups name and the list of users does not. `named`: the user of a row, where it is one.
pub(super) fn strangers<'a>(
    members: impl Iterator<Item = &'a Vec<Listed>>,
    users: &[Listed],
    named: impl Fn(&Listed) -> Option<Id>,
) -> BTreeSet<Id> {
    let known: HashSet<&Id> = users.iter().map(|row| &row.id).collect();
    members.flatten().filter_map(named).filter(|id| !known.contains(id)).collect()
}

/// What users whom only groups name mean for the list of users: those who were made after the reading began came later; any other,
/// and any who could not be looked up, show that the list lacks somebody.
pub(super) fn settle_strangers(
    reading: &mut SourceReading,
    found: &[Listed],
    unknown: u64,
    began: Instant,
    created: impl Fn(&Listed) -> Option<Value>,
) {
    // Clocks may differ a little.
    let since = began - TimeDelta::minutes(5);
    let is_new = |row: &&Listed| {
        created(row)
            .and_then(|reported| date::instant(reported.as_str()?))
            .is_some_and(|created| created.value >= since)
    };
    let lacking: Vec<&Listed> = found.iter().filter(|row| !is_new(row)).collect();
    if !found.is_empty() {
        let ids: Vec<String> = found.iter().map(|row| row.id.to_text()).collect();
        reading.warnings.push(format!("only groups named these users, who were then read by id: {}", ids.join(", ")));
    }
    if let Some(why) = lacks(&lacking, unknown)
        && let Some(users) = reading.lists.iter_mut().find(|list| list.kind == ListKind::Users)
        && users.coverage.is_complete()
    {
        users.coverage = Coverage::Drifted { why };
    }
}

/// The list lacks users who are there by their ids; or groups name so many others that nobody can tell. A user whom a group names
/// and who is not there by id is gone: that is the group's trouble, not the list's.
pub(super) fn lacks(found: &[&Listed], unknown: u64) -> Option<String> {
    match (found.first(), unknown) {
        (Some(first), _) => {
            let more = if found.len() == 1 { String::new() } else { format!(" and {} more", found.len() - 1) };
            Some(format!("it lacks users who are there by id: {}{more}", first.id.to_text()))
        }
        (None, 0) => None,
        (None, unknown) => {
            Some(format!("groups name users whom it does not hold, {unknown} of whom were not looked up"))
        }
    }
}
