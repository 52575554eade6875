//! Groups that a directory fills, and the ways to read their members.
//!
//! Reading the members of such a group makes the appliance synchronise it with the directory (vendor's reference of
//! `GET UserGroups/{id}/Users`). That is a write, it is slow, and it can change the list that is being read. So
//! memberships are read by user, for which no synchronisation is documented, or not at all. Only with `directory_groups
//! = "sync"` are they read by group, each once, and never repeated after the request was sent.

use super::super::child_lists::{ChildLists, Nouns};
use super::super::client::{is_source_wide, single_answer};
use super::super::decode::{Id, JsonRecord, Listed, Records};
use super::super::{DirectoryGroups, ProbedList};
use super::classify::{AccountClass, GroupOrigin, account_of, origin_of};
use super::probe::probed_array;
use super::{BareArray, GroupId, PasswordSafe, ReadingCost, UserId, add_members};
use crate::model::{ListKind, SourceReading};
use crate::wire::RequestPlan;
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};

const USERS: Nouns = Nouns { rows: "directory groups", one: "user", many: "users" };
const DIRECTORY_GROUPS: Nouns = Nouns { rows: "members", one: "directory group", many: "directory groups" };

/// Returns the groups that a directory fills or may fill.
fn directory_groups(groups: &[Listed]) -> impl Iterator<Item = &Listed> {
    groups.iter().filter(|group| origin_of(group) != GroupOrigin::Local)
}

/// Members of directory groups that the appliance synchronised before anything else was read.
#[derive(Default)]
pub(super) struct Synchronised {
    /// Members by group.
    pub(super) members: BTreeMap<Id, Vec<Listed>>,
    tally: Option<(ChildLists, u64)>,
}

/// Members of directory groups, as far as they are known.
#[derive(Default)]
pub(super) struct Directory {
    /// Groups that a directory fills or may fill.
    groups: BTreeSet<Id>,
    /// Users who can be in one of these groups.
    candidates: BTreeSet<Id>,
    /// Groups by user, for the users whose groups were requested.
    pub(super) of_user: BTreeMap<Id, Vec<Id>>,
    /// Members by group, for the groups that were synchronised.
    pub(super) members: BTreeMap<Id, Vec<Listed>>,
    tally: Option<(ChildLists, DirectoryGroups, u64)>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

impl Directory {
    /// Returns whether all directory groups of a user are known.
    pub(super) fn knows_user(&self, id: &Id) -> bool {
        match &self.tally {
            _ if self.groups.is_empty() || !self.candidates.contains(id) => true,
            Some((_, DirectoryGroups::ByUser, _)) => self.of_user.contains_key(id),
            Some((tally, _, _)) => self.groups.iter().all(|group| tally.has_read(group)),
            None => false,
        }
    }

    /// Returns whether all members of a group are known; `None` if no directory fills it.
    pub(super) fn knows_group(&self, id: &Id) -> Option<bool> {
        self.groups.contains(id).then(|| match &self.tally {
            Some((_, DirectoryGroups::ByUser, _)) => self.candidates.iter().all(|user| self.of_user.contains_key(user)),
            Some((tally, _, _)) => tally.has_read(id),
            None => false,
        })
    }

    /// Returns a remark for the proof of the other groups: it does not cover directory groups.
    pub(super) fn unread_note(&self) -> Option<String> {
        (self.tally.is_none() && !self.groups.is_empty())
            .then(|| format!("the members of {} are not read", counted(self.groups.len())))
    }

    /// Adds the list report, the warnings and the notes to the reading.
    pub(super) fn report_on(&self, reading: &mut SourceReading, base: &str) {
        reading.warnings.extend(self.warnings.iter().cloned());
        reading.notes.extend(self.notes.iter().cloned());
        if let Some((tally, way, requests)) = &self.tally {
            let path = if *way == DirectoryGroups::ByUser { "Users/{id}/UserGroups" } else { "UserGroups/{id}/Users" };
            reading.lists.push(tally.report(format!("{base}/{path}"), *requests));
        }
    }
}

/// Returns a count of directory groups in words.
fn counted(groups: usize) -> String {
    if groups == 1 { "1 directory group".to_owned() } else { format!("{groups} directory groups") }
}

/// Returns the warning for groups that the configuration leaves out.
fn why_skipped(groups: usize) -> String {
    format!(
        "the members of {} are unknown, because directory_groups = \"skip\"; \"by-user\" reads them with one request per user",
        counted(groups)
    )
}

/// Returns the users who can be in one of these groups. Application users cannot. Local users can only be in a group
/// without a type.
fn candidates(groups: &[Listed], users: &[&Listed]) -> BTreeSet<Id> {
    let untyped = groups.iter().any(|group| origin_of(group) == GroupOrigin::Unknown);
    let can = |record: &JsonRecord| match account_of(record) {
        AccountClass::Application => false,
        AccountClass::Local => untyped,
        AccountClass::Other => true,
    };
    users.iter().filter(|user| can(&user.record)).map(|user| user.id.clone()).collect()
}

/// Members of the groups that the product itself fills.
#[derive(Clone, Copy)]
pub(super) struct LocalGroups<'a> {
    pub(super) members: &'a BTreeMap<Id, Vec<Listed>>,
    /// Groups whose members are not all known.
    pub(super) unread: &'a BTreeSet<Id>,
}

/// Lists that were read before the groups of single users, to compare these with.
struct KnownMembers<'a> {
    /// Groups that a directory fills or may fill.
    directory: &'a BTreeSet<Id>,
    local: LocalGroups<'a>,
}

impl KnownMembers<'_> {
    /// Returns how the groups of a user contradict the lists of groups and members. Either the user was moved while the
    /// run read, or one of the lists is not complete.
    fn contradiction(&self, user: &Id, groups: &[Listed]) -> Option<String> {
        let local = groups.iter().map(|row| &row.id).filter(|id| !self.directory.contains(id));
        let denied = |id: &&Id| self.local.members.get(*id).is_some_and(|rows| !rows.iter().any(|row| row.id == *user));
        for id in local {
            let is_listed = self.local.members.contains_key(id) || self.local.unread.contains(id);
            if !is_listed {
                return Some(format!("group {} is not in the list of groups", id.to_text()));
            }
            if denied(&id) {
                return Some(format!("the members of group {} do not name the user", id.to_text()));
            }
        }
        None
    }
}

impl PasswordSafe {
    /// Reads the members of directory groups in the configured way. `inactive` are users who exist but are not listed.
    pub(super) async fn directory(
        &self,
        groups: &[Listed],
        listed: &[Listed],
        inactive: &[Listed],
        local: LocalGroups<'_>,
        synchronised: Synchronised,
    ) -> Directory {
        let users: Vec<&Listed> = listed.iter().chain(inactive).collect();
        let named = directory_groups(groups).map(|group| group.id.clone());
        let mut directory =
            Directory { groups: named.collect(), candidates: candidates(groups, &users), ..Directory::default() };
        if let Some((tally, requests)) = synchronised.tally {
            directory.notes.push(format!(
                "the appliance was asked to synchronise {} with the directory (directory_groups = \"sync\")",
                counted(tally.tried())
            ));
            directory.tally = Some((tally, DirectoryGroups::Sync, requests));
        }
        directory.members = synchronised.members;
        if directory.groups.is_empty() {
            return directory;
        }
        match self.directory_groups {
            DirectoryGroups::Skip => directory.notes.push(why_skipped(directory.groups.len())),
            DirectoryGroups::ByUser => self.by_user(&mut directory, inactive, local).await,
            // Synchronised before the lists were read.
            DirectoryGroups::Sync => {}
        }
        directory
    }

    /// Returns why one request for each of these users does not fit into the remaining time; `None` if it fits.
    fn beyond_deadline(&self, users: usize, groups: usize) -> Option<String> {
        let users = u32::try_from(users).unwrap_or(u32::MAX);
        let (needed, left) =
            (f64::from(users) / self.requests_per_second, self.source_client.client.time_left().as_secs_f64());
        (needed > left).then(|| {
            format!(
                "the members of {} are unknown: directory_groups = \"by-user\" needs {users} requests, {needed:.0} s at {} per \
                 second, but only {left:.0} s of deadline_minutes are left; raise deadline_minutes or requests_per_second",
                counted(groups),
                self.requests_per_second
            )
        })
    }

    /// Reads the groups of each user who can be in a directory group.
    async fn by_user(&self, directory: &mut Directory, inactive: &[Listed], local: LocalGroups<'_>) {
        if let Some(why) = self.beyond_deadline(directory.candidates.len(), directory.groups.len()) {
            directory.warnings.push(why);
            return;
        }
        let before = self.source_client.client.requests();
        let kind = ListKind::DirectoryMembers;
        let mut tally = ChildLists::of(kind, USERS, directory.candidates.iter().cloned()).without_total();
        let groups = directory.groups.clone();
        let known = KnownMembers { directory: &groups, local };
        self.groups_of(directory.candidates.clone(), &known, &mut directory.of_user, &mut tally).await;
        if tally.needs_list() {
            let unlisted: Vec<Id> = inactive.iter().map(|row| row.id.clone()).collect();
            tally.remove_unlisted(self.listed_now(unlisted).await.as_ref());
            let absent = tally.absent().into_iter().collect();
            self.groups_of(absent, &known, &mut directory.of_user, &mut tally).await;
        }
        directory.tally = Some((tally, DirectoryGroups::ByUser, self.source_client.client.requests() - before));
    }

    /// Returns the users named by at least one of two readings, since a list without pages may miss a row once. `None`
    /// if a reading failed.
    async fn listed_now(&self, unlisted: Vec<Id>) -> Option<BTreeSet<Id>> {
        let mut named: BTreeSet<Id> = unlisted.into_iter().collect();
        for _ in 0..2 {
            let rows = self.array::<UserId>(&self.users_path(), &mut ReadingCost::default()).await.ok()?;
            named.extend(rows.rows.into_iter().map(|row| row.id));
        }
        Some(named)
    }

    /// Reads the groups of these users and keeps the directory groups. A user whose groups contradict the lists stays
    /// unknown.
    async fn groups_of(
        &self,
        users: BTreeSet<Id>,
        known: &KnownMembers<'_>,
        found: &mut BTreeMap<Id, Vec<Id>>,
        tally: &mut ChildLists,
    ) {
        let mut answers = stream::iter(users)
            .map(|id| async move {
                let path = format!("{}/Users/{}/UserGroups", self.base, id.in_path());
                let rows = self.array::<GroupId>(&path, &mut ReadingCost::default()).await;
                (id, rows)
            })
            .buffer_unordered(self.source_client.walk.concurrency);
        while let Some((id, rows)) = answers.next().await {
            match rows {
                Ok(BareArray { mut rows, doubt }) => {
                    let doubt = doubt.or_else(|| known.contradiction(&id, &rows));
                    rows.retain(|row| known.directory.contains(&row.id));
                    let groups = rows.iter().map(|row| row.id.clone()).collect();
                    tally.add(&id, single_answer(rows, None));
                    match doubt {
                        None => drop(found.insert(id, groups)),
                        Some(why) => tally.mark_unproven(&id, why),
                    }
                }
                Err(error) => {
                    if tally.add_failure(&id, error) {
                        break;
                    }
                }
            }
            self.source_client.progress(ListKind::DirectoryMembers, found.len() as u64, None);
        }
    }

    /// Makes the appliance synchronise each directory group, one after the other, and reads the members. Does nothing
    /// unless the configuration asks for it.
    pub(super) async fn synchronise(&self) -> Synchronised {
        let mut done = Synchronised::default();
        if self.directory_groups != DirectoryGroups::Sync {
            return done;
        }
        // If this list fails, it also fails when it is proven later, and is reported there.
        let groups = self.array::<GroupId>(&self.groups_path(), &mut ReadingCost::default()).await;
        let groups = groups.map(|array| array.rows).unwrap_or_default();
        let wanted: BTreeSet<Id> = directory_groups(&groups).map(|group| group.id.clone()).collect();
        if wanted.is_empty() {
            return done;
        }
        let before = self.source_client.client.requests();
        self.source_client
            .note(&format!("the appliance is asked to synchronise {} with the directory", counted(wanted.len())));
        let mut tally =
            ChildLists::of(ListKind::DirectoryMembers, DIRECTORY_GROUPS, wanted.iter().cloned()).without_total();
        for id in &wanted {
            let path = self.members_path(id);
            // A repeated request would start another synchronisation.
            let answer = self.source_client.client.get_without_retry::<Records<UserId>>(&path, self.sync_timeout).await;
            match answer.and_then(|rows| rows.listed(&path, None)) {
                Ok(rows) => {
                    done.members.insert(id.clone(), add_members(&mut tally, id, BareArray::of(rows)));
                }
                Err(error) => {
                    // Groups can belong to different directories: the others may still answer.
                    let ends = is_source_wide(&error);
                    tally.add_failure(id, error);
                    if ends {
                        break;
                    }
                }
            }
            self.source_client.progress(ListKind::DirectoryMembers, done.members.len() as u64, None);
        }
        done.tally = Some((tally, self.source_client.client.requests() - before));
        done
    }

    /// Reads the groups of one directory user if a run reads those, and returns remarks on what a run does with
    /// directory groups.
    pub(super) async fn probe_directory(
        &self,
        users: &[Listed],
        groups: &[Listed],
        plan: &mut RequestPlan,
    ) -> (Vec<ProbedList>, Vec<String>) {
        let count = directory_groups(groups).count();
        if count == 0 {
            return (Vec::new(), Vec::new());
        }
        let users: Vec<&Listed> = users.iter().collect();
        let candidates = candidates(groups, &users);
        match self.directory_groups {
            DirectoryGroups::Skip => (Vec::new(), vec![why_skipped(count)]),
            DirectoryGroups::Sync => {
                plan.add("directory groups to synchronise", count as u64);
                let text = format!(
                    "a run makes the appliance synchronise {} (directory_groups = \"sync\"); this check does not",
                    counted(count)
                );
                (Vec::new(), vec![text])
            }
            DirectoryGroups::ByUser => {
                if let Some(why) = self.beyond_deadline(candidates.len(), count) {
                    return (Vec::new(), vec![why]);
                }
                plan.add("groups of directory users", candidates.len() as u64);
                let Some(id) = candidates.first() else { return (Vec::new(), Vec::new()) };
                let path = format!("{}/Users/{}/UserGroups", self.base, id.in_path());
                let rows = self.array::<GroupId>(&path, &mut ReadingCost::default()).await;
                (vec![probed_array(ListKind::DirectoryMembers, rows.as_ref())], Vec::new())
            }
        }
    }
}
