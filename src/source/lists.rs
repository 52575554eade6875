//! What connectors share beside decoding: the client with who it reads for, reports of lists, words for errors, and the tally of
//! lists that exist once a group. Knows no product.

use super::date;
use super::record::{Id, Listed, Record, listed};
use super::{ProbedList, SourceSettings};
use crate::event::{Event, Observer};
use crate::model::{Coverage, Harvest, Instant, ListKind, ListReport, SourceIdentity};
use crate::wire::page::{End, Progress, Row, WalkSettings, Walked};
use crate::wire::{Client, WireError, WireErrorKind};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// The client of one source, and whom to tell.
pub(super) struct Desk {
    pub(super) client: Client,
    pub(super) identity: SourceIdentity,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) walk: WalkSettings,
}

impl Desk {
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

    pub(super) fn tell(&self, list: ListKind, progress: &Progress) {
        let source = &self.identity.name;
        self.observer.tell(&match progress {
            Progress::Page { distinct, total } => {
                Event::Progress { source, list, received: *distinct, expected: *total }
            }
            Progress::Drift(why) => Event::Drift { source, list, why },
        });
    }

    pub(super) fn progress(&self, list: ListKind, received: u64, expected: Option<u64>) {
        self.observer.tell(&Event::Progress { source: &self.identity.name, list, received, expected });
    }

    /// Users whom only groups name, by their own records: those who are there, and how many could not be asked for. No more are asked
    /// for than a few: where many are missing, a few more words would not help.
    pub(super) async fn strangers(&self, path: &str, id_key: &str, ids: &BTreeSet<Id>) -> (Vec<Listed>, u64) {
        let (mut found, mut unknown) = (Vec::new(), 0);
        for (asked, id) in ids.iter().enumerate() {
            if asked >= MOST_STRANGERS {
                unknown += 1;
                continue;
            }
            let path = format!("{path}/{}", id.in_path());
            let answer = self.client.get::<Record>(&path).await;
            match answer.and_then(|record| listed(vec![record], id_key, &path)) {
                Ok(rows) => found.extend(rows.into_iter().filter(|row| row.id == *id)),
                Err(error) if error.kind == WireErrorKind::NotFound => {}
                Err(error) if is_hopeless(&error) => return (found, unknown + (ids.len() - asked) as u64),
                Err(_) => unknown += 1,
            }
        }
        (found, unknown)
    }
}

/// The rows of a walk, and how it went.
pub(super) fn report<R: Row>(
    kind: ListKind,
    query: String,
    requests: u64,
    walked: Walked<R, WireError>,
) -> (Vec<R>, ListReport) {
    let coverage = match walked.end {
        Ok(End::Proven(proof)) => Coverage::Complete { proof },
        Ok(End::Unproven(why)) => Coverage::Drifted { why },
        Err(error) => Coverage::Failed { error: in_words(kind, &error) },
    };
    let report = ListReport {
        kind,
        query,
        expected: walked.expected,
        received: walked.received,
        distinct: walked.rows.len() as u64,
        pages: walked.pages,
        passes: walked.passes,
        requests,
        coverage,
    };
    (walked.rows, report)
}

/// A list of which nothing came, and why.
pub(super) fn empty_report(kind: ListKind, query: String, requests: u64, coverage: Coverage) -> ListReport {
    ListReport { kind, query, expected: None, received: 0, distinct: 0, pages: 0, passes: 1, requests, coverage }
}

pub(super) fn failed(kind: ListKind, query: String, requests: u64, error: &WireError) -> ListReport {
    empty_report(kind, query, requests, Coverage::Failed { error: in_words(kind, error) })
}

pub(super) fn probed(kind: ListKind, page: Result<(u64, Option<u64>), &WireError>) -> ProbedList {
    ProbedList { kind, page: page.map_err(|error| in_words(kind, error)) }
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
            ListKind::SecurityProviders => "security providers",
            ListKind::Vendors => "vendors",
            ListKind::VendorUsers => "vendor users",
            ListKind::ApiAccounts => "API accounts",
        };
        return format!(
            "the list of {what} is forbidden (403): give the API account the right to view {what}; read only is enough"
        );
    }
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

/// An error that other requests of the same sort will meet as well: there is no sense in going on.
pub(super) fn is_hopeless(error: &WireError) -> bool {
    !matches!(
        error.kind,
        WireErrorKind::Broken(_)
            | WireErrorKind::Status(_)
            | WireErrorKind::Shape(_)
            | WireErrorKind::TooLarge(_)
            | WireErrorKind::NotFound
    )
}

/// Users whom only a membership names that are asked for by id.
const MOST_STRANGERS: usize = 20;

/// Whom groups name and the list of users does not. `named`: the user of a row, where it is one.
pub(super) fn strangers(
    members: &[(Id, Vec<Listed>)],
    users: &[Listed],
    named: impl Fn(&Listed) -> Option<Id>,
) -> BTreeSet<Id> {
    let known: HashSet<&Id> = users.iter().map(|row| &row.id).collect();
    members.iter().flat_map(|(_, rows)| rows).filter_map(named).filter(|id| !known.contains(id)).collect()
}

/// What users whom only groups name mean for the list of users: those who were made after the reading began came later; any other,
/// and any who could not be looked up, show that the list lacks somebody.
pub(super) fn settle_strangers(
    harvest: &mut Harvest,
    found: &[Listed],
    unknown: u64,
    began: Instant,
    created: impl Fn(&Listed) -> Option<Value>,
) {
    // Clocks may differ a little.
    let since = began - TimeDelta::minutes(5);
    let is_new = |row: &&Listed| {
        created(row).and_then(|told| date::instant(told.as_str()?)).is_some_and(|created| created.value >= since)
    };
    let lacking: Vec<&Listed> = found.iter().filter(|row| !is_new(row)).collect();
    if !found.is_empty() {
        let ids: Vec<String> = found.iter().map(|row| row.id.to_text()).collect();
        harvest.warnings.push(format!("only groups named these users, who were then read by id: {}", ids.join(", ")));
    }
    if let Some(why) = lacks(&lacking, unknown)
        && let Some(users) = harvest.lists.iter_mut().find(|list| list.kind == ListKind::Users)
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

/// More records than this, and than one in fifty, that are not found: no deletions, but a right or a route that is missing.
const ALWAYS_FINE: u64 = 5;

/// Whether so many of so many can have been removed meanwhile.
pub(super) fn too_many_gone(gone: u64, of: u64) -> bool {
    gone > ALWAYS_FINE && gone * 50 > of
}

/// How reading one list a group went, over all groups.
#[derive(Default)]
pub(super) struct PerGroup {
    /// Groups whose list was to be read.
    pub(super) wanted: u64,
    /// Groups that were not there any more.
    pub(super) gone: u64,
    /// The sum of the totals.
    pub(super) expected: Option<u64>,
    pub(super) received: u64,
    pub(super) distinct: u64,
    pub(super) pages: u64,
    pub(super) passes: u64,
    read: u64,
    failed: Option<String>,
    /// Why nothing was read at all.
    refused: Option<String>,
    unproven: Vec<(String, String)>,
}

impl PerGroup {
    pub(super) fn of(wanted: usize) -> Self {
        Self { wanted: wanted as u64, expected: Some(0), passes: 1, ..Self::default() }
    }

    /// Takes one group's list; gives its rows.
    pub(super) fn take<R: Row>(&mut self, kind: ListKind, group: &str, walked: Walked<R, WireError>) -> Vec<R> {
        self.expected = self.expected.zip(walked.expected).map(|(sum, more)| sum.saturating_add(more));
        self.received += walked.received;
        self.distinct += walked.rows.len() as u64;
        self.pages += walked.pages;
        self.passes = self.passes.max(walked.passes);
        match walked.end {
            Ok(End::Proven(_)) => self.read += 1,
            Ok(End::Unproven(why)) => self.unproven.push((group.to_owned(), why)),
            Err(error) => self.fail(kind, group, &error),
        }
        walked.rows
    }

    pub(super) fn fail(&mut self, kind: ListKind, group: &str, error: &WireError) {
        self.failed.get_or_insert_with(|| format!("group {group}: {}", in_words(kind, error)));
    }

    /// A list that came whole by its own word, and may not be.
    pub(super) fn doubt(&mut self, group: &str, why: String) {
        self.unproven.push((group.to_owned(), why));
    }

    pub(super) fn fail_whole(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    pub(super) fn report(self, kind: ListKind, query: String, requests: u64) -> ListReport {
        let coverage = self.coverage();
        ListReport {
            kind,
            query,
            expected: self.expected,
            received: self.received,
            distinct: self.distinct,
            pages: self.pages,
            passes: self.passes,
            requests,
            coverage,
        }
    }

    fn coverage(&self) -> Coverage {
        let Self { wanted, read, gone, pages, .. } = self;
        if let Some(error) = &self.refused {
            return Coverage::Failed { error: error.clone() };
        }
        if let Some(error) = &self.failed {
            let missing = wanted.saturating_sub(*read);
            return Coverage::Failed {
                error: format!("{missing} of {wanted} groups were not read; the first: {error}"),
            };
        }
        if let Some((group, why)) = self.unproven.first() {
            let count = self.unproven.len();
            return Coverage::Drifted {
                why: format!("{count} of {wanted} groups are not proven complete; the first: group {group}: {why}"),
            };
        }
        if too_many_gone(*gone, *wanted) {
            let why = format!("{gone} of {wanted} groups that the list names were not found (404), each asked twice");
            return Coverage::Drifted { why };
        }
        let removed = if *gone == 0 { String::new() } else { format!(", {gone} removed meanwhile (404)") };
        Coverage::Complete {
            proof: format!("{read} of {wanted} groups read to their end over {pages} answers{removed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_group_that_is_not_proven_leaves_the_whole_list_unproven_and_one_that_failed_fails_it() {
        let mut tally = PerGroup { read: 9, ..PerGroup::of(10) };
        tally.unproven.push(("Operators".to_owned(), "it moved".to_owned()));
        let Coverage::Drifted { why } = tally.coverage() else { panic!("drifted") };
        assert_eq!(why, "1 of 10 groups are not proven complete; the first: group Operators: it moved");
        let error = WireError::new("GET /x".to_owned(), WireErrorKind::Status(500));
        tally.fail(ListKind::Members, "Auditors", &error);
        let Coverage::Failed { error } = tally.coverage() else { panic!("failed") };
        assert_eq!(error, "1 of 10 groups were not read; the first: group Auditors: GET /x: status 500");
    }

    #[test]
    fn a_few_groups_may_go_meanwhile_and_many_mean_that_something_is_wrong() {
        let gone = |gone, wanted: u64| PerGroup {
            gone,
            read: wanted - gone,
            ..PerGroup::of(usize::try_from(wanted).unwrap())
        };
        assert!(gone(5, 10).coverage().is_complete() && gone(20, 1000).coverage().is_complete());
        assert!(matches!(gone(21, 1000).coverage(), Coverage::Drifted { .. }));
    }
}
