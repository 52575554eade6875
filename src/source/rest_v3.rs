//! Connector for `rest-v3`: the REST API of the BeyondTrust User Management API Guide, `/api/public/v3`. Reads only.
//!
//! Knows the paths and the order of reading: users, the record of each user that the list shows only in part, then
//! groups. The mapping of JSON to the model is in `shapes`, and page walks are in `wire::page`.

mod shapes;

use super::client::{
    SourceClient, error_text, is_absence, is_source_wide, pages, probed, probed_rows, read_window, repeats, report,
};
use super::decode::{Decoding, Envelope, Id, JsonRecord, ListShape, PlainId, RecordById};
use super::{Probe, ProbeFuture, ReadingFuture, Source, SourceKind, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, Group, ListKind, ListReport, SourceReading, Text, User};
use crate::wire::page::{End, ListRow, Page, Window, walk};
use crate::wire::{Body, RequestPlan, WireError, WireErrorKind};
use futures_util::stream::{self, StreamExt};
use shapes::{GroupsPage, GroupsShape, ListedUser, UsersPage, UsersShape};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

const USERS: &str = "/api/public/v3/users";
const GROUPS: &str = "/api/public/v3/groups";

/// Maximum number of repair rounds before a list counts as not proven.
const MAX_PASSES: u32 = 12;
/// Number of failed records after which the remaining records are not requested.
const MAX_FAILED_DETAILS: usize = 20;

/// Connector of one appliance.
pub(super) struct RestV3 {
    source_client: SourceClient,
}

impl RestV3 {
    /// Builds the connector. Errors: the HTTP client could not be built.
    pub(super) fn new(settings: &SourceSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        SourceClient::new(settings, observer, MAX_PASSES).map(|source_client| Self { source_client })
    }

    async fn read(&self) -> SourceReading {
        let decoding = Decoding::default();
        let mut lists = Vec::new();
        let (listed, users_report) = self.users(&decoding).await;
        let failed = matches!(users_report.coverage, Coverage::Failed { .. });
        lists.push(users_report);
        let (users, details) = if failed { (strip(listed), None) } else { self.hydrate(listed, &decoding).await };
        lists.extend(details);
        // If the list of users failed, groups have nobody to refer to, and a source that is down is not asked again.
        let groups = if failed {
            Vec::new()
        } else {
            let (mut groups, report) = self.groups(&decoding).await;
            lists.push(report);
            // A user with unreadable groups may be in any group, so that no member list is known.
            if decoding.odd_values().iter().any(|odd| odd.field == "users.group_memberships") {
                for group in &mut groups {
                    group.members_known = Some(false);
                }
            }
            groups
        };
        let reading = SourceReading { users, groups, lists, ..SourceReading::of(self.source_client.identity.clone()) };
        self.source_client.finish(reading, &decoding)
    }

    /// Reads the first page of each list, and estimates the requests of a run.
    async fn probe_lists(&self) -> Probe {
        let decoding = Decoding::default();
        let (mut plan, mut counted) = (RequestPlan::default(), true);
        plan.add("a token", 1);
        let users = self.first_page::<UsersPage>(USERS).await;
        let users = users.map(|page| (page.total, shapes::users(page.rows, &decoding)));
        let shown = users.as_ref().map(|(total, rows)| (&rows[..], *total));
        let mut lists = vec![probed_rows(ListKind::Users, shown)];
        let text = |text: &Option<Text>| text.as_deref().map(str::to_owned);
        if let Ok((_, rows)) = &users {
            lists[0].names = rows.iter().map(|row| (row.id.to_text().to_string(), text(&row.user.username))).collect();
        }
        if let (Some(hint), Err(why)) = (other_kinds(users.as_ref().err()), &mut lists[0].page) {
            *why = format!("{why}; {hint}");
        }
        if let Ok((total, rows)) = &users {
            if let Some(second) = self.second(*total, rows.len() as u64, &decoding).await {
                lists[0].page = repeats(rows, &second).map_or(lists[0].page.clone(), Err);
            }
            plan.add("users", pages(*total, rows.len() as u64));
            if let Some(row) = rows.iter().find(|row| row.sparse && row.is_identified()) {
                plan.add("users by id", total.unwrap_or(0));
                counted &= total.is_some();
                let record = self.detail(&row.id, &decoding).await;
                lists.push(probed(ListKind::UserDetails, record.as_ref().map(|_| (1, None))));
            }
            let groups = self.first_page::<GroupsPage>(GROUPS).await;
            let groups = groups.map(|page| (page.total, shapes::groups(page.rows, &decoding)));
            let shown = groups.as_ref().map(|(total, rows)| (&rows[..], *total));
            if let Ok((total, rows)) = &groups {
                plan.add("groups", pages(*total, rows.len() as u64));
            }
            counted &= groups.is_ok();
            let mut listed = probed_rows(ListKind::Groups, shown);
            if let Ok((_, rows)) = &groups {
                listed.names =
                    rows.iter().map(|row| (row.group.id.as_str().to_owned(), text(&row.group.name))).collect();
            }
            lists.push(listed);
        }
        let plan = Some(plan).filter(|_| counted && lists.iter().all(|list| list.page.is_ok()));
        Probe { clock_skew_seconds: self.source_client.client.clock_skew_seconds(), plan, ..Probe::of(lists) }
    }

    /// Reads the second page of the list of users, if the source reports more rows than the first page has.
    async fn second(&self, total: Option<u64>, rows: u64, decoding: &Decoding) -> Option<Vec<ListedUser>> {
        total.filter(|total| *total > rows && rows > 0)?;
        let window = Window { offset: rows, limit: self.source_client.walk.page_size };
        let page: UsersPage = self.page(USERS, window).await.ok()?;
        Some(shapes::users(page.rows, decoding))
    }

    /// Reads the list of users.
    async fn users(&self, decoding: &Decoding) -> (Vec<ListedUser>, ListReport) {
        self.list::<UsersShape, _>(ListKind::Users, USERS, |rows| shapes::users(rows, decoding)).await
    }

    /// Reads the list of groups.
    async fn groups(&self, decoding: &Decoding) -> (Vec<Group>, ListReport) {
        let rows = |rows| shapes::groups(rows, decoding);
        let (rows, report) = self.list::<GroupsShape, _>(ListKind::Groups, GROUPS, rows).await;
        (rows.into_iter().map(|row| row.group).collect(), report)
    }

    /// Reads a list by a page walk. `rows` maps the rows of one page.
    async fn list<S: ListShape, R: ListRow>(
        &self,
        kind: ListKind,
        base: &str,
        rows: impl Fn(Vec<JsonRecord>) -> Vec<R>,
    ) -> (Vec<R>, ListReport) {
        let before = self.source_client.client.requests();
        let fetch = |window: Window| self.mapped_page::<S, R>(base, window, &rows);
        let walked = walk(self.source_client.walk, fetch, |p| self.source_client.notify(kind, &p)).await;
        let hint = other_kinds(walked.end.as_ref().err());
        let (rows, report) = report(kind, self.query(base), self.source_client.client.requests() - before, walked);
        (rows, with_hint(report, hint))
    }

    /// Reads one window and maps its rows.
    async fn mapped_page<S: ListShape, R>(
        &self,
        base: &str,
        window: Window,
        rows: impl Fn(Vec<JsonRecord>) -> Vec<R>,
    ) -> Result<Page<R>, WireError> {
        let page: Envelope<S> = self.page(base, window).await?;
        Ok(Page { total: page.total, rows: rows(page.rows) })
    }

    /// Reads one window.
    async fn page<T: Body>(&self, base: &str, window: Window) -> Result<T, WireError> {
        let read =
            |window: Window| async move { self.source_client.client.get_page(&path(base, window), window.limit).await };
        read_window(window, self.source_client.walk.page_size, read).await
    }

    /// Reads the first page of a list.
    async fn first_page<T: Body>(&self, base: &str) -> Result<T, WireError> {
        self.source_client.client.get_page(&self.query(base), self.source_client.walk.page_size).await
    }

    /// Returns the path of the first page, for the report of the list.
    fn query(&self, base: &str) -> String {
        path(base, Window { offset: 0, limit: self.source_client.walk.page_size })
    }

    /// Reads the record of every user who is listed only in part. Returns no report if there is no such user.
    async fn hydrate(&self, listed: Vec<ListedUser>, decoding: &Decoding) -> (Vec<User>, Option<ListReport>) {
        let sparse: Vec<(usize, Id)> = listed
            .iter()
            .enumerate()
            .filter(|(_, row)| row.sparse)
            .map(|(place, row)| (place, row.id.clone()))
            .collect();
        if sparse.is_empty() {
            return (strip(listed), None);
        }
        let before = self.source_client.client.requests();
        let mut rows = listed;
        let mut tally = Details { wanted: sparse.len() as u64, ..Details::default() };
        let missing = self.complete(&mut rows, sparse, decoding, &mut tally).await;
        let missing = self.still_listed(&mut rows, missing, decoding, &mut tally).await;
        tally.denied = missing.len() as u64;
        (strip(rows), Some(tally.report(self.source_client.client.requests() - before)))
    }

    /// Requests once more the records that answered "not found", and removes users who are no longer listed.
    ///
    /// Returns the users who are listed but whose records still do not exist. A missing record alone does not mean a
    /// removed user.
    async fn still_listed(
        &self,
        rows: &mut Vec<ListedUser>,
        missing: Vec<(usize, Id)>,
        decoding: &Decoding,
        tally: &mut Details,
    ) -> Vec<(usize, Id)> {
        // After another failure the list fails in any case, so that further requests would be wasted.
        if missing.is_empty() || !tally.errors.is_empty() {
            return missing;
        }
        let removed: HashSet<usize> = match self.listed_now().await {
            Some(named) => missing.iter().filter(|(_, id)| !named.contains(id)).map(|(place, _)| *place).collect(),
            None => HashSet::new(),
        };
        let again = missing.into_iter().filter(|(place, _)| !removed.contains(place)).collect();
        let denied = self.complete(rows, again, decoding, tally).await;
        tally.removed = removed.len() as u64;
        let mut place = 0..;
        rows.retain(|_| place.next().is_none_or(|place| !removed.contains(&place)));
        denied
    }

    /// Returns the ids in the list of users as it is now; `None` if the list is not proven complete.
    async fn listed_now(&self) -> Option<BTreeSet<Id>> {
        let decoding = Decoding::default();
        let rows = |rows| shapes::users(rows, &decoding);
        let fetch = |window: Window| self.mapped_page::<UsersShape, _>(USERS, window, rows);
        let walked = walk(self.source_client.walk, fetch, |_| {}).await;
        let proven = matches!(walked.end, Ok(End::Proven(_)));
        proven.then(|| walked.rows.into_iter().map(|row| row.id).collect())
    }

    /// Reads records into their rows. Returns the users whose records do not exist.
    async fn complete(
        &self,
        rows: &mut [ListedUser],
        wanted: Vec<(usize, Id)>,
        decoding: &Decoding,
        tally: &mut Details,
    ) -> Vec<(usize, Id)> {
        let mut missing = Vec::new();
        let mut answers = stream::iter(wanted)
            .map(|(place, id)| async move {
                let answer = self.detail(&id, decoding).await;
                (place, id, answer)
            })
            .buffer_unordered(self.source_client.walk.concurrency);
        while let Some((place, id, answer)) = answers.next().await {
            match answer {
                Ok(record) => {
                    rows[place].complete(record);
                    tally.read += 1;
                }
                Err(error) if is_absence(&error) => missing.push((place, id)),
                Err(error) => {
                    if tally.add_failure(error) {
                        break;
                    }
                }
            }
            let received = tally.read + missing.len() as u64;
            self.source_client.progress(ListKind::UserDetails, received, Some(tally.wanted));
        }
        missing
    }

    /// Reads the record of one user. Errors: the record has another id.
    async fn detail(&self, id: &Id, decoding: &Decoding) -> Result<ListedUser, WireError> {
        let path = format!("{USERS}/{}", id.in_path());
        let record: RecordById<PlainId> = self.source_client.client.get(&path).await?;
        let row = shapes::user(record.row, decoding);
        if row.id == *id {
            Ok(row)
        } else {
            let kind = WireErrorKind::Shape("the record has another id than the one requested".to_owned());
            Err(WireError::new(format!("GET {path}"), kind))
        }
    }
}

impl Source for RestV3 {
    fn read_all(&self) -> ReadingFuture<'_> {
        Box::pin(self.read())
    }

    fn probe(&self) -> ProbeFuture<'_> {
        Box::pin(self.probe_lists())
    }
}

/// Decodes one page of the list of users in the same way as a run. Errors: invalid JSON, or not a page of users.
pub fn users_of_page(json: &[u8]) -> Result<Vec<User>, serde_json::Error> {
    let page: UsersPage = serde_json::from_slice(json)?;
    Ok(strip(shapes::users(page.rows, &Decoding::default())))
}

/// Returns a hint at the other kinds of sources if a list is not found: the appliance may serve another interface.
fn other_kinds(error: Option<&WireError>) -> Option<String> {
    let others = [SourceKind::Pra, SourceKind::Rs, SourceKind::PasswordSafe, SourceKind::Scim];
    let others = others.map(|kind| format!("kind = \"{}\" ({})", kind.as_str(), kind.base_path()));
    error.filter(|error| is_absence(error)).map(|_| {
        format!(
            "rest-v3 is the interface of the BeyondTrust User Management API Guide; other interfaces need another kind: {}",
            others.join(", ")
        )
    })
}

/// Appends a hint to the error of a failed list.
fn with_hint(mut report: ListReport, hint: Option<String>) -> ListReport {
    if let (Coverage::Failed { error }, Some(hint)) = (&mut report.coverage, hint) {
        *error = format!("{error}; {hint}");
    }
    report
}

/// Returns the path of a window.
fn path(base: &str, window: Window) -> String {
    format!("{base}?offset={}&limit={}", window.offset, window.limit)
}

/// Drops what only the connector needs.
fn strip(rows: Vec<ListedUser>) -> Vec<User> {
    rows.into_iter().map(|row| row.user).collect()
}

/// Outcome of reading records of users by id.
#[derive(Default)]
struct Details {
    wanted: u64,
    read: u64,
    /// Number of users who are no longer listed.
    removed: u64,
    /// Number of records that do not exist although the list has their users.
    denied: u64,
    errors: Vec<WireError>,
}

impl Details {
    /// Records a failure. Returns whether the remaining records should not be requested.
    fn add_failure(&mut self, error: WireError) -> bool {
        let ends = is_source_wide(&error);
        self.errors.push(error);
        ends || self.errors.len() > MAX_FAILED_DETAILS
    }

    fn coverage(&self) -> Coverage {
        let Self { wanted, read, removed, denied, errors } = self;
        if let Some(error) = errors.first() {
            let error = error_text(ListKind::UserDetails, error);
            return Coverage::Failed {
                error: format!("{} of {wanted} records not read; the first: {error}", wanted - read),
            };
        }
        if *denied > 0 {
            return Coverage::Failed {
                error: format!("{denied} of {wanted} records answered 404, but the list of users contains them"),
            };
        }
        let removed = match removed {
            0 => String::new(),
            removed => format!(", {removed} removed meanwhile (the list no longer names them)"),
        };
        Coverage::Complete { proof: format!("{read} of {wanted} records read by id{removed}") }
    }

    fn report(self, requests: u64) -> ListReport {
        ListReport {
            kind: ListKind::UserDetails,
            query: format!("{USERS}/{{id}}"),
            expected: Some(self.wanted - self.removed),
            received: self.read,
            distinct: self.read,
            pages: 0,
            passes: 1,
            requests,
            coverage: self.coverage(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_not_found_fails_the_list_unless_the_user_was_removed() {
        let details = |removed, denied| Details {
            wanted: 100,
            read: 100 - removed - denied,
            removed,
            denied,
            errors: Vec::new(),
        };
        assert_eq!(details(0, 0).coverage().words(), "100 of 100 records read by id");
        assert!(details(40, 0).coverage().is_complete());
        let Coverage::Failed { error } = details(0, 1).coverage() else { panic!("denied") };
        assert!(error.contains("1 of 100 records answered 404, but the list of users contains them"), "{error}");
    }

    #[test]
    fn a_record_that_cannot_be_read_fails_the_list_even_if_others_were_removed() {
        let mut tally = Details { wanted: 10, read: 8, removed: 1, ..Details::default() };
        let error = WireError::new("GET /x".to_owned(), WireErrorKind::Status(500));
        assert!(!tally.add_failure(error));
        assert!(matches!(tally.coverage(), Coverage::Failed { .. }));
    }
}
