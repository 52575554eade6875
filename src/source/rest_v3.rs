//! Connector for `rest-v3`: the REST API of the user management guide, `/api/public/v3`.
//! Knows its paths and the order of reading; the shapes are in `shapes`, the paging in `wire::page`.
//! Reads only.

mod shapes;

use super::client::{SourceClient, in_words, is_absence, is_hopeless, pages, probed, probed_rows, repeats, report};
use super::decode::{Decoding, Id, One, PlainId};
use super::{Probe, ProbeFuture, ReadingFuture, Source, SourceKind, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, Group, ListKind, ListReport, SourceReading, User};
use crate::wire::page::{End, ListRow, Page, Window, walk};
use crate::wire::{Body, RequestPlan, WireError, WireErrorKind};
use futures_util::stream::{self, StreamExt};
use shapes::{GroupsPage, ListedGroup, ListedUser, UsersPage};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

const USERS: &str = "/api/public/v3/users";
const GROUPS: &str = "/api/public/v3/groups";

/// Rounds of repair before a list is said to be not proven.
const MAX_PASSES: u32 = 12;
/// Records by id that may fail before the rest is left alone.
const MAX_FAILED_DETAILS: usize = 20;

/// Reads one appliance.
pub struct RestV3 {
    source_client: SourceClient,
}

impl RestV3 {
    /// Makes the connector. Errors: the client could not be set up.
    pub fn new(settings: &SourceSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
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
        // Without users the groups say nothing; a source that is down is not asked again.
        let groups = if failed {
            Vec::new()
        } else {
            let (mut groups, report) = self.groups(&decoding).await;
            lists.push(report);
            // Whoever is in groups that cannot be read may be in any.
            if decoding.odd_values().iter().any(|odd| odd.field == "users.group_memberships") {
                for group in &mut groups {
                    group.members_known = Some(false);
                }
            }
            groups
        };
        let mut reading = SourceReading {
            users,
            groups,
            lists,
            clock_skew_seconds: self.source_client.client.clock_skew_seconds(),
            tls_certificate_sha256: self.source_client.client.tls_certificate_sha256(),
            ..SourceReading::of(self.source_client.identity.clone())
        };
        decoding.finish(&mut reading, self.source_client.client.replaced_characters());
        reading
    }

    /// One page of each list, and what a run would cost by what they show.
    async fn look(&self) -> Probe {
        let decoding = Decoding::default();
        let (mut plan, mut counted) = (RequestPlan::default(), true);
        plan.add("a token", 1);
        let users = self.source_client.client.get::<UsersPage>(&self.query(USERS)).await;
        let users = users.map(|page| (page.total, shapes::users(page.rows, &decoding)));
        let shown = users.as_ref().map(|(total, rows)| (&rows[..], *total));
        let mut lists = vec![probed_rows(ListKind::Users, shown)];
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
            let groups = self.source_client.client.get::<GroupsPage>(&self.query(GROUPS)).await;
            let groups = groups.map(|page| (page.total, shapes::groups(page.rows, &decoding)));
            let shown = groups.as_ref().map(|(total, rows)| (&rows[..], *total));
            if let Ok((total, rows)) = &groups {
                plan.add("groups", pages(*total, rows.len() as u64));
            }
            counted &= groups.is_ok();
            lists.push(probed_rows(ListKind::Groups, shown));
        }
        let plan = Some(plan).filter(|_| counted && lists.iter().all(|list| list.page.is_ok()));
        Probe { clock_skew_seconds: self.source_client.client.clock_skew_seconds(), plan, ..Probe::of(lists) }
    }

    /// Reads the page behind the first one of the list of users, where the source reports more rows.
    async fn second(&self, total: Option<u64>, rows: u64, decoding: &Decoding) -> Option<Vec<ListedUser>> {
        total.filter(|total| *total > rows && rows > 0)?;
        let window = Window { offset: rows, limit: self.source_client.walk.page_size };
        let page: UsersPage = self.page(USERS, window).await.ok()?;
        Some(shapes::users(page.rows, decoding))
    }

    async fn users(&self, decoding: &Decoding) -> (Vec<ListedUser>, ListReport) {
        let before = self.source_client.client.requests();
        let fetch = |window: Window| async move {
            let page: UsersPage = self.page(USERS, window).await?;
            Ok::<_, WireError>(Page { total: page.total, rows: shapes::users(page.rows, decoding) })
        };
        let walked = walk(self.source_client.walk, fetch, |p| self.source_client.notify(ListKind::Users, &p)).await;
        let hint = other_kinds(walked.end.as_ref().err());
        let (rows, report) =
            report(ListKind::Users, self.query(USERS), self.source_client.client.requests() - before, walked);
        (rows, with_hint(report, hint))
    }

    async fn groups(&self, decoding: &Decoding) -> (Vec<Group>, ListReport) {
        let before = self.source_client.client.requests();
        let fetch = |window: Window| async move {
            let page: GroupsPage = self.page(GROUPS, window).await?;
            Ok::<_, WireError>(Page { total: page.total, rows: shapes::groups(page.rows, decoding) })
        };
        let walked = walk(self.source_client.walk, fetch, |p| self.source_client.notify(ListKind::Groups, &p)).await;
        let hint = other_kinds(walked.end.as_ref().err());
        let (rows, report): (Vec<ListedGroup>, _) =
            report(ListKind::Groups, self.query(GROUPS), self.source_client.client.requests() - before, walked);
        (rows.into_iter().map(|row| row.group).collect(), with_hint(report, hint))
    }

    /// One window. A server that refuses more rows than a page, instead of giving fewer, is asked for a page.
    async fn page<T: Body>(&self, base: &str, window: Window) -> Result<T, WireError> {
        let answer = self.source_client.client.get(&path(base, window)).await;
        let too_many = window.limit > self.source_client.walk.page_size
            && answer.as_ref().is_err_and(|error| matches!(error.kind, WireErrorKind::Status(400 | 416 | 422)));
        if !too_many {
            return answer;
        }
        self.source_client.client.get(&path(base, Window { limit: self.source_client.walk.page_size, ..window })).await
    }

    fn query(&self, base: &str) -> String {
        path(base, Window { offset: 0, limit: self.source_client.walk.page_size })
    }

    /// Reads the whole record of every user whom the list gave only in part. No report where there was none.
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

    /// Removes the users whom the list, read again, no longer names, and asks once more for the records of the others. Returns
    /// those that are denied all the same: a record that does not exist does not mean that its user is gone.
    async fn still_listed(
        &self,
        rows: &mut Vec<ListedUser>,
        missing: Vec<(usize, Id)>,
        decoding: &Decoding,
        tally: &mut Details,
    ) -> Vec<(usize, Id)> {
        if missing.is_empty() || !tally.errors.is_empty() {
            return missing;
        }
        let removed: HashSet<usize> = match self.named_now().await {
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

    /// Returns the ids that the list of users names now, where it can be read to its proof.
    async fn named_now(&self) -> Option<BTreeSet<Id>> {
        let decoding = Decoding::default();
        let fetch = |window: Window| {
            let decoding = &decoding;
            async move {
                let page: UsersPage = self.page(USERS, window).await?;
                Ok::<_, WireError>(Page { total: page.total, rows: shapes::users(page.rows, decoding) })
            }
        };
        let walked = walk(self.source_client.walk, fetch, |_| {}).await;
        let proven = matches!(walked.end, Ok(End::Proven(_)));
        proven.then(|| walked.rows.into_iter().map(|row| row.id).collect())
    }

    /// Reads these records into their rows; returns those that are said not to exist.
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
                    if tally.failed(error) {
                        break;
                    }
                }
            }
            let received = tally.read + missing.len() as u64;
            self.source_client.progress(ListKind::UserDetails, received, Some(tally.wanted));
        }
        missing
    }

    async fn detail(&self, id: &Id, decoding: &Decoding) -> Result<ListedUser, WireError> {
        let path = format!("{USERS}/{}", id.in_path());
        let record: One<PlainId> = self.source_client.client.get(&path).await?;
        let row = shapes::user(record.row, decoding);
        if row.id == *id {
            Ok(row)
        } else {
            let kind = WireErrorKind::Shape("the record carries another id than the one asked for".to_owned());
            Err(WireError::new(format!("GET {path}"), kind))
        }
    }
}

impl Source for RestV3 {
    fn read_all(&self) -> ReadingFuture<'_> {
        Box::pin(self.read())
    }

    fn probe(&self) -> ProbeFuture<'_> {
        Box::pin(self.look())
    }
}

/// Decodes one page of the list of users, as a harvest does. Errors: not JSON, or not such a page.
pub fn users_of_page(json: &[u8]) -> Result<Vec<User>, serde_json::Error> {
    let page: UsersPage = serde_json::from_slice(json)?;
    Ok(strip(shapes::users(page.rows, &Decoding::default())))
}

/// Where a list of the guide is not found, the appliance may serve another interface.
fn other_kinds(error: Option<&WireError>) -> Option<String> {
    let others = [SourceKind::Pra, SourceKind::Rs, SourceKind::PasswordSafe, SourceKind::Scim];
    let others = others.map(|kind| format!("kind = \"{}\" ({})", kind.as_str(), kind.base_path()));
    error.filter(|error| is_absence(error)).map(|_| {
        format!(
            "rest-v3 is the interface of the user management guide; the products serve others: {}",
            others.join(", ")
        )
    })
}

fn with_hint(mut report: ListReport, hint: Option<String>) -> ListReport {
    if let (Coverage::Failed { error }, Some(hint)) = (&mut report.coverage, hint) {
        *error = format!("{error}; {hint}");
    }
    report
}

fn path(base: &str, window: Window) -> String {
    format!("{base}?offset={}&limit={}", window.offset, window.limit)
}

fn strip(rows: Vec<ListedUser>) -> Vec<User> {
    rows.into_iter().map(|row| row.user).collect()
}

/// How reading records by id went.
#[derive(Default)]
struct Details {
    wanted: u64,
    read: u64,
    /// Users whom the list no longer names.
    removed: u64,
    /// Records that are said not to exist though the list names their users.
    denied: u64,
    errors: Vec<WireError>,
}

impl Details {
    /// Notes a failure; returns whether there is no sense in going on.
    fn failed(&mut self, error: WireError) -> bool {
        let hopeless = is_hopeless(&error);
        self.errors.push(error);
        hopeless || self.errors.len() > MAX_FAILED_DETAILS
    }

    fn coverage(&self) -> Coverage {
        let Self { wanted, read, removed, denied, errors } = self;
        if let Some(error) = errors.first() {
            let error = in_words(ListKind::UserDetails, error);
            return Coverage::Failed {
                error: format!("{} of {wanted} records not read; the first: {error}", wanted - read),
            };
        }
        if *denied > 0 {
            return Coverage::Failed {
                error: format!("{denied} of {wanted} records answered 404 though the list of users names them"),
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
    fn a_record_that_is_denied_fails_the_list_and_a_removed_user_does_not() {
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
        assert!(error.contains("1 of 100 records answered 404 though the list of users names them"), "{error}");
    }

    #[test]
    fn a_record_that_could_not_be_read_fails_the_list_whatever_else_was_found() {
        let mut tally = Details { wanted: 10, read: 8, removed: 1, ..Details::default() };
        let error = WireError::new("GET /x".to_owned(), WireErrorKind::Status(500));
        assert!(!tally.failed(error));
        assert!(matches!(tally.coverage(), Coverage::Failed { .. }));
    }
}
