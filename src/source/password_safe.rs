//! Connector for `password-safe`: the public API of BeyondInsight and Password Safe.
//! Knows its paths, its session and the order of reading; the shapes are in `decode`. Reads only.
//!
//! Its lists are bare arrays of everything: no pages, no totals. What proves them is that they are read again at the end and name
//! the same ids, that memberships name nobody else, and that none has a size at which servers like to cut.

mod decode;

use super::lists::{Desk, PerGroup, empty_report, failed, in_words, is_hopeless, lacks, probed, strangers};
use super::record::{Decoding, Id, Listed, Records, listed};
use super::{Harvesting, Leaving, Probe, Probing, Source, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, Harvest, ListKind, ListReport};
use crate::wire::page::{End, Walked};
use crate::wire::{Plan, SessionPaths, WireError, WireErrorKind};
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Readings of everything before the lists are said to be not proven.
const MAX_PASSES: u32 = 6;

/// Reads one appliance.
pub(super) struct PasswordSafe {
    desk: Desk,
    base: String,
}

/// The two lists that are read twice.
#[derive(Default)]
struct Lists {
    users: Vec<Listed>,
    groups: Vec<Listed>,
}

/// How often a list was read, and what it cost.
#[derive(Clone, Copy, Default)]
struct Effort {
    readings: u64,
    received: u64,
    requests: u64,
}

/// What reading again and again came to.
struct Reading {
    lists: Lists,
    members: Vec<(Id, Vec<Listed>)>,
    report: ListReport,
    users: Effort,
    groups: Effort,
    passes: u64,
    /// Of the users, and of the groups.
    coverage: (Coverage, Coverage),
}

/// Which list broke off, and what had come.
struct Broken {
    kind: ListKind,
    error: WireError,
    lists: Lists,
    efforts: (Effort, Effort),
}

impl PasswordSafe {
    /// Makes the connector. Errors: the client could not be set up.
    pub(super) fn new(settings: &SourceSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        let mut settings = settings.clone();
        let base = settings.base_path.clone();
        // Everything in one answer.
        settings.client.max_body_bytes = 512 << 20;
        settings.client.session =
            Some(SessionPaths { sign_in: format!("{base}/Auth/SignAppIn"), sign_out: format!("{base}/Auth/Signout") });
        Ok(Self { desk: Desk::new(&settings, observer, MAX_PASSES)?, base })
    }

    /// Inactive users are left out unless they are asked for.
    fn users_path(&self) -> String {
        format!("{}/Users?includeInactive=true", self.base)
    }

    fn groups_path(&self) -> String {
        format!("{}/UserGroups", self.base)
    }

    async fn read(&self) -> Harvest {
        let decoding = Decoding::default();
        let mut harvest = Harvest::of(self.desk.identity.clone());
        match self.prove().await {
            Ok(reading) => self.proven(&mut harvest, reading, &decoding),
            Err(broken) => self.broken(&mut harvest, *broken, &decoding),
        }
        harvest.clock_skew_seconds = self.desk.client.clock_skew_seconds();
        harvest.tls_certificate_sha256 = self.desk.client.tls_certificate_sha256();
        harvest.warnings.extend(decoding.warnings());
        harvest
    }

    fn proven(&self, harvest: &mut Harvest, reading: Reading, decoding: &Decoding) {
        let Reading { lists, members, report, users, groups, passes, coverage } = reading;
        let whole = report.coverage.is_complete() && coverage.1.is_complete();
        harvest.lists.push(self.report(ListKind::Users, (users, passes), lists.users.len(), coverage.0));
        harvest.lists.push(self.report(ListKind::Groups, (groups, passes), lists.groups.len(), coverage.1));
        harvest.lists.push(report);
        decode::fill(harvest, lists.users, lists.groups, members, whole, decoding);
    }

    /// What came is kept. Without users the groups say nothing.
    fn broken(&self, harvest: &mut Harvest, broken: Broken, decoding: &Decoding) {
        let Broken { kind, error, lists, efforts } = broken;
        if kind == ListKind::Groups {
            let once = Coverage::Drifted { why: "it was read only once, since another list failed".to_owned() };
            harvest.lists.push(self.report(ListKind::Users, (efforts.0, 1), lists.users.len(), once));
            harvest.lists.push(failed(kind, self.groups_path(), efforts.1.requests, &error));
        } else {
            harvest.lists.push(failed(kind, self.users_path(), efforts.0.requests, &error));
        }
        decode::fill(harvest, lists.users, lists.groups, Vec::new(), false, decoding);
    }

    fn report(&self, kind: ListKind, effort: (Effort, u64), rows: usize, coverage: Coverage) -> ListReport {
        let (effort, passes) = effort;
        let query = if kind == ListKind::Users { self.users_path() } else { self.groups_path() };
        ListReport {
            received: effort.received,
            distinct: rows as u64,
            pages: effort.readings,
            passes,
            ..empty_report(kind, query, effort.requests, coverage)
        }
    }

    /// Reads users, groups, members, and users and groups again, until both readings agree.
    async fn prove(&self) -> Result<Reading, Box<Broken>> {
        let mut efforts = (Effort::default(), Effort::default());
        let mut before = self.lists(&mut efforts).await?;
        let mut passes = 1;
        loop {
            let (members, report) = self.members(&before.groups).await;
            let after = match self.lists(&mut efforts).await {
                Ok(after) => after,
                Err(broken) => return Ok(once(before, members, report, efforts, passes, &broken.error)),
            };
            let (users_moved, groups_moved) =
                (ids(&before.users) != ids(&after.users), ids(&before.groups) != ids(&after.groups));
            let named = |row: &Listed| Some(row.id.clone());
            let missing = strangers(&members, &after.users, named);
            let (found, unknown) = self.desk.strangers(&format!("{}/Users", self.base), "UserID", &missing).await;
            let settled = !users_moved && !groups_moved && found.is_empty() && unknown == 0;
            let hopeless = matches!(report.coverage, Coverage::Failed { .. });
            if settled || hopeless || passes >= u64::from(MAX_PASSES) {
                let moved = |moved: bool| moved.then(|| format!("its ids still changed after {passes} readings"));
                let users = moved(users_moved).or_else(|| lacks(&found.iter().collect::<Vec<_>>(), unknown));
                let others = match missing.len() - found.len() {
                    0 => "; memberships name no other".to_owned(),
                    gone => format!("; {gone} more whom memberships name are not there by id either (404)"),
                };
                let coverage =
                    (coverage(&after.users, users, &others), coverage(&after.groups, moved(groups_moved), ""));
                let (users_effort, groups_effort) = efforts;
                return Ok(Reading {
                    lists: after,
                    members,
                    report,
                    users: users_effort,
                    groups: groups_effort,
                    passes,
                    coverage,
                });
            }
            let why = "users or groups came or went while they were read";
            self.desk.tell(ListKind::Users, &crate::wire::page::Progress::Drift(why.to_owned()));
            passes += 1;
            before = after;
        }
    }

    /// Users and groups, once.
    async fn lists(&self, efforts: &mut (Effort, Effort)) -> Result<Lists, Box<Broken>> {
        let mut lists = Lists::default();
        let users = self.array(&self.users_path(), "UserID", &mut efforts.0).await;
        match users {
            Ok(users) => lists.users = users,
            Err(error) => return Err(Box::new(Broken { kind: ListKind::Users, error, lists, efforts: *efforts })),
        }
        self.desk.progress(ListKind::Users, lists.users.len() as u64, None);
        match self.array(&self.groups_path(), "GroupID", &mut efforts.1).await {
            Ok(groups) => lists.groups = groups,
            Err(error) => return Err(Box::new(Broken { kind: ListKind::Groups, error, lists, efforts: *efforts })),
        }
        self.desk.progress(ListKind::Groups, lists.groups.len() as u64, None);
        Ok(lists)
    }

    async fn array(&self, path: &str, id: &str, effort: &mut Effort) -> Result<Vec<Listed>, WireError> {
        let before = self.desk.client.requests();
        let answer = self.desk.client.get::<Records>(path).await;
        effort.requests += self.desk.client.requests() - before;
        let rows = listed(answer?.0, id, path)?;
        effort.readings += 1;
        effort.received += rows.len() as u64;
        if ids(&rows).len() < rows.len() {
            let kind = WireErrorKind::Shape("the list holds one id twice".to_owned());
            return Err(WireError::new(format!("GET {path}"), kind));
        }
        Ok(rows)
    }

    /// The users of every group.
    async fn members(&self, groups: &[Listed]) -> (Vec<(Id, Vec<Listed>)>, ListReport) {
        let kind = ListKind::Members;
        let before = self.desk.client.requests();
        let mut tally = PerGroup::of(groups.len());
        // Bare arrays tell no totals.
        tally.expected = None;
        let wanted: Vec<Id> = groups.iter().map(|group| group.id.clone()).collect();
        let mut found = Vec::new();
        let missing = self.members_of(wanted, &mut found, &mut tally).await;
        // A group that the list has just named and that is not found may be a passing fault: asked once more, after all others.
        let gone = self.members_of(missing, &mut found, &mut tally).await;
        tally.gone = gone.len() as u64;
        if let Some((group, why)) = cut_short(&found) {
            tally.doubt(&group, why);
        }
        let query = format!("{}/UserGroups/{{id}}/Users", self.base);
        (found, tally.report(kind, query, self.desk.client.requests() - before))
    }

    /// Reads these groups' users; gives the groups that were not found (404).
    async fn members_of(&self, wanted: Vec<Id>, found: &mut Vec<(Id, Vec<Listed>)>, tally: &mut PerGroup) -> Vec<Id> {
        let kind = ListKind::Members;
        let mut missing = Vec::new();
        let mut answers = stream::iter(wanted)
            .map(|id| async move {
                let path = format!("{}/UserGroups/{}/Users", self.base, id.in_path());
                let rows = self.array(&path, "UserID", &mut Effort::default()).await;
                (id, rows)
            })
            .buffer_unordered(self.desk.walk.concurrency);
        while let Some((id, rows)) = answers.next().await {
            let name = id.to_text();
            match rows {
                Ok(rows) => {
                    let rows = tally.take(kind, &name, in_one(rows));
                    found.push((id, rows));
                }
                Err(error) if error.kind == WireErrorKind::NotFound => missing.push(id),
                Err(error) => {
                    tally.fail(kind, &name, &error);
                    if is_hopeless(&error) {
                        break;
                    }
                }
            }
            self.desk.progress(kind, tally.distinct, None);
        }
        missing
    }

    /// One reading of each list; the members are counted, not read.
    async fn look(&self) -> Probe {
        let mut effort = Effort::default();
        let users = self.array(&self.users_path(), "UserID", &mut effort).await;
        let mut lists = vec![probed(ListKind::Users, users.as_ref().map(|rows| (rows.len() as u64, None)))];
        let mut plan = Plan::default();
        plan.add("a token, signing in and signing out", 3);
        plan.add("users", 2);
        if users.is_ok() {
            let groups = self.array(&self.groups_path(), "GroupID", &mut effort).await;
            lists.push(probed(ListKind::Groups, groups.as_ref().map(|rows| (rows.len() as u64, None))));
            plan.add("groups", 2);
            plan.add("members", groups.map_or(0, |groups| groups.len() as u64));
        }
        let whole = lists.iter().all(|list| list.page.is_ok());
        let skew = self.desk.client.clock_skew_seconds();
        Probe { lists, clock_skew_seconds: skew, plan: whole.then_some(plan), beyond_limits: None }
    }
}

/// The second reading broke off: what the first gave is kept, and not proven.
fn once(
    lists: Lists,
    members: Vec<(Id, Vec<Listed>)>,
    report: ListReport,
    (users, groups): (Effort, Effort),
    passes: u64,
    error: &WireError,
) -> Reading {
    let why = format!("it was read only once: {}", in_words(ListKind::Users, error));
    let coverage = (Coverage::Drifted { why: why.clone() }, Coverage::Drifted { why });
    Reading { lists, members, report, users, groups, passes, coverage }
}

/// Proven by two readings, unless there is a doubt.
fn coverage(rows: &[Listed], doubt: Option<String>, more: &str) -> Coverage {
    if let Some(why) = doubt.or_else(|| is_round(rows.len())) {
        return Coverage::Drifted { why };
    }
    Coverage::Complete { proof: format!("{} rows, the same ids when read again at the end{more}", rows.len()) }
}

/// A whole list in one answer.
fn in_one(rows: Vec<Listed>) -> Walked<Listed, WireError> {
    let end = Ok(End::Proven(String::new()));
    Walked { received: rows.len() as u64, rows, expected: None, pages: 1, passes: 1, end }
}

/// The group whose list may be cut short: the longest one, where it ends at a round number. A longer list shows that nothing is
/// cut there.
fn cut_short(members: &[(Id, Vec<Listed>)]) -> Option<(String, String)> {
    let (group, rows) = members.iter().max_by_key(|(_, rows)| rows.len())?;
    is_round(rows.len()).map(|why| (group.to_text(), why))
}

/// A bare array that ends at a round number, and no total to hold against it (F22 of the traps that other tools fell into).
fn is_round(rows: usize) -> Option<String> {
    (rows >= 100 && rows.is_multiple_of(100))
        .then(|| format!("exactly {rows} rows and no total: it looks as if the list were cut there"))
}

fn ids(rows: &[Listed]) -> BTreeSet<&Id> {
    rows.iter().map(|row| &row.id).collect()
}

impl Source for PasswordSafe {
    fn harvest(&self) -> Harvesting<'_> {
        Box::pin(self.read())
    }

    fn probe(&self) -> Probing<'_> {
        Box::pin(self.look())
    }

    fn leave(&self) -> Leaving<'_> {
        Box::pin(self.desk.client.leave())
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Record;
    use super::*;

    fn rows(ids: &[u64]) -> Vec<Listed> {
        ids.iter().map(|id| Listed { id: Id::Number(*id), record: Record::default() }).collect()
    }

    #[test]
    fn a_bare_list_that_ends_at_a_round_number_is_not_called_complete() {
        assert!(is_round(100).is_some() && is_round(1000).is_some());
        assert!(is_round(0).is_none() && is_round(10).is_none() && is_round(150).is_none() && is_round(101).is_none());
    }

    #[test]
    fn a_list_that_lacks_somebody_who_is_there_is_not_proven() {
        let members = vec![(Id::Number(1), rows(&[1, 2])), (Id::Number(2), rows(&[2, 9, 8]))];
        let missing = strangers(&members, &rows(&[1, 2, 3]), |row| Some(row.id.clone()));
        assert_eq!(missing, [Id::Number(8), Id::Number(9)].into());
        assert_eq!(
            lacks(&rows(&[8, 9]).iter().collect::<Vec<_>>(), 0).as_deref(),
            Some("it lacks users who are there by id: 8 and 1 more")
        );
        assert!(lacks(&[], 3).unwrap().contains("3 of whom were not looked up"));
        assert_eq!(lacks(&[], 0), None);
    }

    #[test]
    fn a_round_number_of_members_is_no_cut_where_another_group_has_more() {
        let sized = |sizes: &[u64]| -> Vec<(Id, Vec<Listed>)> {
            sizes.iter().map(|size| (Id::Number(*size), rows(&(1..=*size).collect::<Vec<_>>()))).collect()
        };
        assert_eq!(cut_short(&sized(&[3, 100, 101])), None);
        assert_eq!(cut_short(&sized(&[3, 99])), None);
        let (group, why) = cut_short(&sized(&[3, 100, 50])).unwrap();
        assert!(group == "100" && why.contains("exactly 100 rows"), "{why}");
    }
}
