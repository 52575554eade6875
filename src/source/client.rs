//! What all connectors share: the HTTP client of one source, list reports, texts for errors, and lookups of unlisted
//! users.
//!
//! An *unlisted user* is one that a group names as a member and that the list of users lacks. Such a user was created
//! while the run read, was deleted, or shows that the list of users is not complete. Knows no product.

use super::date;
use super::decode::{Decoding, Id, IdKey, Listed, RecordById};
use super::{Objects, ProbedList, SourceSettings};
use crate::event::{Observer, RunEvent};
use crate::model::{Coverage, Instant, ListKind, ListReport, SourceIdentity, SourceReading, Text};
use crate::wire::page::{
    End, ListRow, PageError, WalkProgress, WalkResult, WalkSettings, Window, distinct, repetition,
};
use crate::wire::{Client, WireError, WireErrorKind};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// HTTP client of one source, with the observer of the run and the limits of its page walks.
pub(super) struct SourceClient {
    pub(super) client: Client,
    pub(super) identity: SourceIdentity,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) walk: WalkSettings,
}

impl SourceClient {
    /// Builds the client. Errors: the TLS settings or the credentials cannot be used.
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

    /// Forwards the progress of a page walk to the observer.
    pub(super) fn notify(&self, list: ListKind, progress: &WalkProgress) {
        let source = &self.identity.name;
        self.observer.notify(&match progress {
            WalkProgress::Page { distinct, total } => {
                RunEvent::Progress { source, list, received: *distinct, expected: *total }
            }
            WalkProgress::Drift(why) => RunEvent::Drift { source, list, why },
        });
    }

    /// Logs a note while reading continues.
    pub(super) fn note(&self, text: &str) {
        self.observer.notify(&RunEvent::Note { source: Some(&self.identity.name), text });
    }

    /// Reports the progress of a list that is not read by a page walk.
    pub(super) fn progress(&self, list: ListKind, received: u64, expected: Option<u64>) {
        self.observer.notify(&RunEvent::Progress { source: &self.identity.name, list, received, expected });
    }

    /// Adds what the connection and the decoding showed: clock skew, certificate of the appliance, and unreadable
    /// values.
    pub(super) fn finish(&self, mut reading: SourceReading, decoding: &Decoding) -> SourceReading {
        reading.clock_skew_seconds = self.client.clock_skew_seconds();
        reading.tls_certificate_sha256 = self.client.tls_certificate_sha256();
        decoding.finish(&mut reading, self.client.replaced_characters());
        reading
    }

    /// Reads unlisted users by id, at most `most` of them. Returns the users found, and the number that remains
    /// unknown.
    pub(super) async fn read_unlisted_users<K: IdKey>(
        &self,
        path: &str,
        ids: &BTreeSet<Id>,
        most: usize,
    ) -> (Vec<Listed>, u64) {
        let (mut found, mut unknown) = (Vec::new(), 0);
        for (asked, id) in ids.iter().enumerate() {
            // Bounds the requests: where many users are missing, more lookups would not change the result.
            if asked >= most {
                unknown += 1;
                continue;
            }
            let path = format!("{path}/{}", id.in_path());
            match self.client.get::<RecordById<K>>(&path).await {
                Ok(record) if record.row.id.comparable() == id.comparable() => found.push(record.row),
                Err(error) if is_absence(&error) => {}
                Err(error) if is_source_wide(&error) => return (found, unknown + (ids.len() - asked) as u64),
                // A record with another id proves nothing about this user, just like a failed request.
                Ok(_) | Err(_) => unknown += 1,
            }
        }
        (found, unknown)
    }
}

/// Reads one window of a list with `read`. If the server refuses a window larger than a page, reads one page of it
/// instead.
///
/// Page walks ask for slightly more than a page, so that consecutive pages overlap. RFC 7644 §3.4.2.4 lets a server
/// return fewer rows than requested, but some servers answer such a request with an error.
pub(super) async fn read_window<T, A>(
    window: Window,
    page_size: u64,
    read: impl Fn(Window) -> A,
) -> Result<T, WireError>
where
    A: Future<Output = Result<T, WireError>>,
{
    let answer = read(window).await;
    if window.limit > page_size && answer.as_ref().is_err_and(refuses_query) {
        return read(Window { limit: page_size, ..window }).await;
    }
    answer
}

/// Returns whether the server refused the query of a request: a window that is too large, or an unsupported order.
pub(super) fn refuses_query(error: &WireError) -> bool {
    matches!(error.kind, WireErrorKind::Status(400 | 416 | 422 | 501))
}

impl PageError for WireError {
    fn is_no_page(&self) -> bool {
        matches!(self.kind, WireErrorKind::NotFound | WireErrorKind::Status(400 | 416 | 422))
    }
}

/// Returns the rows of a walk and the report of the list. Rows without a usable id are left out, and the list is then
/// not complete.
pub(super) fn report<R: ListRow>(
    kind: ListKind,
    query: String,
    requests: u64,
    walked: WalkResult<R, WireError>,
) -> (Vec<R>, ListReport) {
    let (rows, unidentified) = identified(walked.rows);
    let distinct = rows.len() as u64;
    let coverage = match walked.end {
        // Before the proof: a list that lost rows is not complete, even if all its pages were read.
        Ok(_) if unidentified > 0 && distinct == 0 => Coverage::Failed { error: without_id(unidentified) },
        Ok(_) if unidentified > 0 => Coverage::Drifted { why: without_id(unidentified) },
        Ok(End::Proven(proof)) => Coverage::Complete { proof },
        // A total above 0 without any row is no empty list and no part of the list: the list failed.
        Ok(End::Unproven(why)) if distinct == 0 => Coverage::Failed { error: why },
        Ok(End::Unproven(why)) => Coverage::Drifted { why },
        Err(error) => Coverage::Failed { error: error_text(kind, &error) },
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

/// Splits off rows without a usable id. Returns the other rows, and the number left out.
pub(super) fn identified<R: ListRow>(mut rows: Vec<R>) -> (Vec<R>, u64) {
    let all = rows.len();
    rows.retain(ListRow::is_identified);
    let others = all - rows.len();
    (rows, others as u64)
}

/// Returns the text for rows without a usable id.
pub(super) fn without_id(rows: u64) -> String {
    if rows == 1 {
        "1 row was left out: its id is missing or unreadable".to_owned()
    } else {
        format!("{rows} rows were left out: their ids are missing or unreadable")
    }
}

/// Returns the reported total, unless it is smaller than the number of rows read: such a total does not count this
/// list.
pub(super) fn total_of(reported: Option<u64>, rows: u64) -> Option<u64> {
    reported.filter(|total| *total >= rows)
}

/// Returns the report of a list without rows.
pub(super) fn empty_report(kind: ListKind, query: String, requests: u64, coverage: Coverage) -> ListReport {
    ListReport { kind, query, expected: None, received: 0, distinct: 0, pages: 0, passes: 1, requests, coverage }
}

/// Returns the report of a list that failed before its first row.
pub(super) fn failed(kind: ListKind, query: String, requests: u64, error: &WireError) -> ListReport {
    empty_report(kind, query, requests, Coverage::Failed { error: error_text(kind, error) })
}

/// Returns the probe result of one page. A page without rows is a failure if the source reports a total above 0, as in
/// a run.
pub(super) fn probed(kind: ListKind, page: Result<(u64, Option<u64>), &WireError>) -> ProbedList {
    let page = match page {
        Ok((rows, total)) => missing(rows, total).map_or(Ok((rows, total)), Err),
        Err(error) => Err(error_text(kind, error)),
    };
    // Only one of these lists was read, and nobody knows yet how many objects there are.
    ProbedList { kind, page, objects: is_below(kind).then_some(Objects { tried: 1, of: None }), names: Vec::new() }
}

/// Returns why a first page without rows does not mean an empty list.
fn missing(rows: u64, total: Option<u64>) -> Option<String> {
    let total = total.filter(|total| rows == 0 && *total > 0)?;
    Some(format!("the source reports a total of {total}, but its first page has no row"))
}

/// Wraps the rows of a single answer as a finished page walk. An answer that names an id twice is not proven.
pub(super) fn single_answer<R: ListRow>(rows: Vec<R>, total: Option<u64>) -> WalkResult<R, WireError> {
    let received = rows.len() as u64;
    let (rows, repetition) = distinct(rows);
    let end = repetition.or(missing(received, total)).map_or_else(|| End::Proven(String::new()), End::Unproven);
    WalkResult { received, rows, expected: total, pages: 1, passes: 1, end: Ok(end) }
}

/// Returns the probe result of these rows. Rows without a usable id, and ids that occur twice, are a failure: a run does
/// not prove such a list.
pub(super) fn probed_rows<R: ListRow>(kind: ListKind, page: Result<(&[R], Option<u64>), &WireError>) -> ProbedList {
    if let Ok((rows, _)) = &page {
        let others = rows.iter().filter(|row| !row.is_identified()).count() as u64;
        let why = (others > 0).then(|| without_id(others)).or_else(|| repetition(rows));
        if let Some(why) = why {
            return ProbedList { page: Err(why), ..probed(kind, Ok((rows.len() as u64, None))) };
        }
    }
    probed(kind, page.map(|(rows, total)| (rows.len() as u64, total)))
}

/// Returns an error text if the second page repeats the first one, so that the rest of the list cannot be read.
pub(super) fn repeats<R: ListRow>(first: &[R], second: &[R]) -> Option<String> {
    let same = !first.is_empty() && first.iter().map(ListRow::key).eq(second.iter().map(ListRow::key));
    same.then(|| {
        "the source ignores the offset: its second page is the first one again; a run cannot read the rest".to_owned()
    })
}

/// Returns the number of requests for a list of which the first page has `first` rows. Without a total above these: this
/// page and one behind it.
pub(super) fn pages(total: Option<u64>, first: u64) -> u64 {
    match total.map(|total| total.saturating_sub(first)) {
        Some(0) if first == 0 => 1,
        None | Some(0) => 2,
        Some(behind) => behind.div_ceil(first.max(1)).saturating_add(1),
    }
}

/// Returns the text of an error for the report of a list, with its cure.
pub(super) fn error_text(kind: ListKind, error: &WireError) -> String {
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

/// Returns whether such a list exists once for each object of another list.
fn is_below(kind: ListKind) -> bool {
    matches!(kind, ListKind::Members | ListKind::DirectoryMembers | ListKind::VendorUsers | ListKind::UserDetails)
}

/// Returns whether every further request to this source will fail in the same way, so that reading stops.
pub(super) fn is_source_wide(error: &WireError) -> bool {
    // These errors concern one request. All others, such as a refused token, concern every request of the source.
    !matches!(
        error.kind,
        WireErrorKind::Broken(_)
            | WireErrorKind::Status(_)
            | WireErrorKind::Shape(_)
            | WireErrorKind::TooLarge(_)
            | WireErrorKind::Excess(_)
            | WireErrorKind::Forbidden
            | WireErrorKind::NotFound
    )
}

/// Returns whether the server answers that an object does not exist (404, 410).
///
/// The answer alone does not prove a removal: a missing right can look the same. The list of objects decides.
pub(super) fn is_absence(error: &WireError) -> bool {
    matches!(error.kind, WireErrorKind::NotFound | WireErrorKind::Status(410))
}

/// Maximum number of unlisted users that are looked up by id. Where more are missing, further lookups would not change
/// the result.
pub(super) const MAX_UNLISTED_LOOKUPS: usize = 20;

/// Returns the ids of unlisted users. `named` returns the id of the user that a membership row names, if it names a
/// user.
pub(super) fn unlisted_users<'a>(
    members: impl Iterator<Item = &'a Vec<Listed>>,
    users: &[Listed],
    named: impl Fn(&Listed) -> Option<Id>,
) -> BTreeSet<Id> {
    let known: HashSet<&Id> = users.iter().map(|row| &row.id).collect();
    members.flatten().filter_map(named).filter(|id| !known.contains(id)).collect()
}

/// Applies the lookup of unlisted users to the coverage of the list of users.
///
/// A user created after reading began (`began`) is a newcomer and proves nothing. Any other user found, and any user
/// who could not be looked up, shows that the list of users may lack rows.
pub(super) fn apply_unlisted_users(
    reading: &mut SourceReading,
    found: &[Listed],
    unknown: u64,
    began: Instant,
    created: impl Fn(&Listed) -> Option<Value>,
) {
    // The server creates the timestamp: five minutes allow for clocks that differ.
    let since = began - TimeDelta::minutes(5);
    let is_new = |row: &&Listed| {
        created(row)
            .and_then(|reported| date::instant(reported.as_str()?))
            .is_some_and(|created| created.value >= since)
    };
    let lacking: Vec<&Listed> = found.iter().filter(|row| !is_new(row)).collect();
    if !found.is_empty() {
        let ids: Vec<Text> = found.iter().map(|row| row.id.to_text()).collect();
        reading.notes.push(format!(
            "these users are members of groups but missing from the list of users; they were read by id: {}",
            ids.join(", ")
        ));
    }
    if let Some(why) = why_lacking(&lacking, unknown)
        && let Some(users) = reading.lists.iter_mut().find(|list| list.kind == ListKind::Users)
        && users.coverage.is_complete()
    {
        users.coverage = Coverage::Drifted { why };
    }
}

/// Returns why the list of users is not complete: users exist by id who are not listed, or some could not be looked up.
///
/// A member who does not exist by id is a deleted user. That is a finding about the group, not about the list.
pub(super) fn why_lacking(found: &[&Listed], unknown: u64) -> Option<String> {
    match (found.first(), unknown) {
        (Some(first), _) => {
            let more = if found.len() == 1 { String::new() } else { format!(" and {} more", found.len() - 1) };
            Some(format!("the list of users lacks users that exist: {}{more}", first.id.to_text()))
        }
        (None, 0) => None,
        (None, unknown) => {
            Some(format!("groups contain users who are not in the list; {unknown} of them were not looked up"))
        }
    }
}
