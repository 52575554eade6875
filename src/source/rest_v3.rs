//! Connector for `rest-v3`: the REST API of the user management guide, `/api/public/v3`.
//! Knows its paths and the order of reading; the shapes are in `decode`, the paging in `wire::page`.
//! Reads only.

mod decode;

use super::lists::{Desk, in_words, is_hopeless, pages, probed, report, too_many_gone};
use super::{Harvesting, Probe, Probing, Source, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, Group, Harvest, ListKind, ListReport, User};
use crate::wire::page::{Page, Window, walk};
use crate::wire::{Body, Plan, WireError, WireErrorKind};
use decode::{Decoder, GroupsPage, Id, ListedGroup, ListedUser, UserRecord, UsersPage};
use futures_util::stream::{self, StreamExt};
use std::collections::HashSet;
use std::sync::Arc;

const USERS: &str = "/api/public/v3/users";
const GROUPS: &str = "/api/public/v3/groups";

/// Rounds of repair before a list is said to be not proven.
const MAX_PASSES: u32 = 12;
/// Records by id that may fail before the rest is left alone.
const MAX_FAILED_DETAILS: usize = 20;

/// Reads one appliance.
pub struct RestV3 {
    desk: Desk,
}

impl RestV3 {
    /// Makes the connector. Errors: the client could not be set up.
    pub fn new(settings: &SourceSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        Desk::new(settings, observer, MAX_PASSES).map(|desk| Self { desk })
    }

    async fn read(&self) -> Harvest {
        let decoder = Decoder::default();
        let mut lists = Vec::new();
        let (listed, users_report) = self.users(&decoder).await;
        let failed = matches!(users_report.coverage, Coverage::Failed { .. });
        lists.push(users_report);
        let (users, details) = if failed { (strip(listed), None) } else { self.hydrate(listed, &decoder).await };
        lists.extend(details);
        // Without users the groups say nothing; a source that is down is not asked again.
        let groups = if failed {
            Vec::new()
        } else {
            let (groups, report) = self.groups(&decoder).await;
            lists.push(report);
            groups
        };
        Harvest {
            users,
            groups,
            lists,
            clock_skew_seconds: self.desk.client.clock_skew_seconds(),
            tls_certificate_sha256: self.desk.client.tls_certificate_sha256(),
            warnings: decoder.warnings(),
            ..Harvest::of(self.desk.identity.clone())
        }
    }

    /// One page of each list, and what a run would cost by what they show.
    async fn look(&self) -> Probe {
        let decoder = Decoder::default();
        let (mut plan, mut counted) = (Plan::default(), true);
        plan.add("a token", 1);
        let users = self.desk.client.get::<UsersPage>(&self.query(USERS)).await;
        let users = users.map(|page| (page.total(), decoder.users(page)));
        let shown = users.as_ref().map(|(total, rows)| (rows.len() as u64, *total));
        let mut lists = vec![probed(ListKind::Users, shown)];
        if let Ok((total, rows)) = &users {
            plan.add("users", pages(*total, rows.len() as u64));
            if rows.iter().any(|row| row.sparse) {
                plan.add("users by id", total.unwrap_or(0));
                counted &= total.is_some();
            }
            let groups = self.desk.client.get::<GroupsPage>(&self.query(GROUPS)).await;
            let groups = groups.map(|page| (page.total(), decoder.groups(page)));
            let shown = groups.as_ref().map(|(total, rows)| (rows.len() as u64, *total));
            if let Ok((total, rows)) = &groups {
                plan.add("groups", pages(*total, rows.len() as u64));
            }
            counted &= groups.is_ok();
            lists.push(probed(ListKind::Groups, shown));
        }
        let plan = Some(plan).filter(|_| counted && users.is_ok());
        Probe { lists, clock_skew_seconds: self.desk.client.clock_skew_seconds(), plan, beyond_limits: None }
    }

    async fn users(&self, decoder: &Decoder) -> (Vec<ListedUser>, ListReport) {
        let before = self.desk.client.requests();
        let fetch = |window: Window| async move {
            let page: UsersPage = self.page(USERS, window).await?;
            Ok::<_, WireError>(Page { total: page.total(), rows: decoder.users(page) })
        };
        let walked = walk(self.desk.walk, fetch, |p| self.desk.tell(ListKind::Users, &p)).await;
        report(ListKind::Users, self.query(USERS), self.desk.client.requests() - before, walked)
    }

    async fn groups(&self, decoder: &Decoder) -> (Vec<Group>, ListReport) {
        let before = self.desk.client.requests();
        let fetch = |window: Window| async move {
            let page: GroupsPage = self.page(GROUPS, window).await?;
            Ok::<_, WireError>(Page { total: page.total(), rows: decoder.groups(page) })
        };
        let walked = walk(self.desk.walk, fetch, |p| self.desk.tell(ListKind::Groups, &p)).await;
        let (rows, report): (Vec<ListedGroup>, _) =
            report(ListKind::Groups, self.query(GROUPS), self.desk.client.requests() - before, walked);
        (rows.into_iter().map(|row| row.group).collect(), report)
    }

    /// One window. A server that refuses more rows than a page, instead of giving fewer, is asked for a page.
    async fn page<T: Body>(&self, base: &str, window: Window) -> Result<T, WireError> {
        let answer = self.desk.client.get(&path(base, window)).await;
        let too_many = window.limit > self.desk.walk.page_size
            && answer.as_ref().is_err_and(|error| matches!(error.kind, WireErrorKind::Status(400 | 416 | 422)));
        if !too_many {
            return answer;
        }
        self.desk.client.get(&path(base, Window { limit: self.desk.walk.page_size, ..window })).await
    }

    fn query(&self, base: &str) -> String {
        path(base, Window { offset: 0, limit: self.desk.walk.page_size })
    }

    /// Reads the whole record of every user whom the list gave only in part. No report where there was none.
    async fn hydrate(&self, listed: Vec<ListedUser>, decoder: &Decoder) -> (Vec<User>, Option<ListReport>) {
        let sparse: Vec<(usize, Id)> = listed
            .iter()
            .enumerate()
            .filter(|(_, row)| row.sparse)
            .map(|(place, row)| (place, row.id.clone()))
            .collect();
        if sparse.is_empty() {
            return (strip(listed), None);
        }
        let before = self.desk.client.requests();
        let mut rows = listed;
        let mut tally = Details { wanted: sparse.len() as u64, ..Details::default() };
        let missing = self.complete(&mut rows, sparse, decoder, &mut tally).await;
        // A record that the list has just named and that is not found may be a passing fault: asked once more, after all others.
        let missing = if tally.errors.is_empty() {
            self.complete(&mut rows, missing, decoder, &mut tally).await
        } else {
            missing
        };
        tally.removed = missing.len() as u64;
        if !tally.too_many_removed() {
            let removed: HashSet<usize> = missing.into_iter().map(|(place, _)| place).collect();
            let mut place = 0..;
            rows.retain(|_| place.next().is_none_or(|place| !removed.contains(&place)));
        }
        (strip(rows), Some(tally.report(self.desk.client.requests() - before)))
    }

    /// Reads these records into their rows; gives those that were not found (404).
    async fn complete(
        &self,
        rows: &mut [ListedUser],
        wanted: Vec<(usize, Id)>,
        decoder: &Decoder,
        tally: &mut Details,
    ) -> Vec<(usize, Id)> {
        let mut missing = Vec::new();
        let mut answers = stream::iter(wanted)
            .map(|(place, id)| async move {
                let answer = self.detail(&id, decoder).await;
                (place, id, answer)
            })
            .buffer_unordered(self.desk.walk.concurrency);
        while let Some((place, id, answer)) = answers.next().await {
            match answer {
                Ok(record) => {
                    rows[place].complete(record);
                    tally.read += 1;
                }
                Err(error) if error.kind == WireErrorKind::NotFound => missing.push((place, id)),
                Err(error) => {
                    if tally.failed(error) {
                        break;
                    }
                }
            }
            let received = tally.read + missing.len() as u64;
            self.desk.progress(ListKind::UserDetails, received, Some(tally.wanted));
        }
        missing
    }

    async fn detail(&self, id: &Id, decoder: &Decoder) -> Result<ListedUser, WireError> {
        let path = format!("{USERS}/{}", id.in_path());
        let record: UserRecord = self.desk.client.get(&path).await?;
        let row = decoder.user(record);
        if row.id == *id {
            Ok(row)
        } else {
            let kind = WireErrorKind::Shape("the record carries another id than the one asked for".to_owned());
            Err(WireError::new(format!("GET {path}"), kind))
        }
    }
}

impl Source for RestV3 {
    fn harvest(&self) -> Harvesting<'_> {
        Box::pin(self.read())
    }

    fn probe(&self) -> Probing<'_> {
        Box::pin(self.look())
    }
}

/// Decodes one page of the list of users, as a harvest does. Errors: not JSON, or not such a page.
pub fn users_of_page(json: &[u8]) -> Result<Vec<User>, serde_json::Error> {
    Ok(strip(Decoder::default().users(serde_json::from_slice(json)?)))
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
    removed: u64,
    errors: Vec<WireError>,
}

impl Details {
    /// Notes a failure; true when there is no sense in going on.
    fn failed(&mut self, error: WireError) -> bool {
        let hopeless = is_hopeless(&error);
        self.errors.push(error);
        hopeless || self.errors.len() > MAX_FAILED_DETAILS
    }

    fn too_many_removed(&self) -> bool {
        too_many_gone(self.removed, self.wanted)
    }

    fn coverage(&self) -> Coverage {
        let Self { wanted, read, removed, errors } = self;
        if let Some(error) = errors.first() {
            return Coverage::Failed {
                error: format!(
                    "{} of {wanted} records could not be read by id; the first: {}",
                    wanted - read - removed,
                    in_words(ListKind::UserDetails, error)
                ),
            };
        }
        if self.too_many_removed() {
            return Coverage::Drifted {
                why: format!(
                    "{removed} of {wanted} records that the list names were not found by id (404), each asked twice; \
                     they are kept as the list told them"
                ),
            };
        }
        let proof = match removed {
            0 => format!("{wanted} of {wanted} records read by id"),
            // They did not exist during the whole walk.
            _ => format!("{read} of {wanted} records read by id, {removed} removed meanwhile (404, asked twice)"),
        };
        Coverage::Complete { proof }
    }

    fn report(self, requests: u64) -> ListReport {
        ListReport {
            kind: ListKind::UserDetails,
            query: format!("{USERS}/{{id}}"),
            expected: Some(if self.too_many_removed() { self.wanted } else { self.wanted - self.removed }),
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

    fn details(wanted: u64, removed: u64) -> Details {
        Details { wanted, read: wanted - removed, removed, errors: Vec::new() }
    }

    #[test]
    fn a_few_records_that_are_not_found_were_removed_and_many_mean_that_something_is_wrong() {
        assert!(details(100, 0).coverage().is_complete());
        assert!(details(10, 5).coverage().is_complete(), "a handful may go at any time");
        assert!(details(1000, 20).coverage().is_complete());
        let Coverage::Drifted { why } = details(1000, 21).coverage() else { panic!("one in fifty is too many") };
        assert!(why.contains("21 of 1000 records") && why.contains("404"), "{why}");
    }

    #[test]
    fn a_record_that_could_not_be_read_fails_the_list_whatever_else_was_found() {
        let mut tally = details(10, 1);
        let error = WireError::new("GET /x".to_owned(), WireErrorKind::Status(500));
        assert!(!tally.failed(error));
        assert!(matches!(tally.coverage(), Coverage::Failed { .. }));
    }
}
