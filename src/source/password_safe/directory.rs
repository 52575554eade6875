//! Groups that a directory fills. Reading the members of such a group makes the appliance synchronise it with the directory
//! (vendor's reference of `GET UserGroups/{id}/Users`): a write, slow, and able to change the list that is being read. So their
//! memberships are read by user, for whom no synchronisation is documented, or not at all, or, where the configuration
//! asks for it, by group: each group once, and never again once the request was sent.

use super::super::client::{identified, in_one, is_hopeless, probed_rows, without_id};
use super::super::decode::{Id, JsonRecord, Listed, Records};
use super::super::per_group::{Nouns, PerGroup};
use super::super::{DirectoryGroups, ProbedList};
use super::shapes::{self, AccountClass};
use super::{GroupId, PasswordSafe, ReadingCost, UserId, rows_of};
use crate::model::{ListKind, SourceReading};
use crate::wire::RequestPlan;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const USERS: Nouns = Nouns { rows: "directory groups", one: "user", many: "users" };
const GROUPS: Nouns = Nouns { rows: "members", one: "directory group", many: "directory groups" };

/// Who fills a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupOrigin {
    /// The product itself (`BeyondInsight`).
    LocalGroups,
    /// A directory.
    Directory,
    /// Its type is not reported: anybody may be in it, and reading its members may synchronise it.
    Unknown,
}

/// Returns who fills a group, by `GroupType` in any case of letters. Every type but the product's own is a directory's.
pub(super) fn kind_of(group: &Listed) -> GroupOrigin {
    match group.record.get("GroupType").and_then(Value::as_str).map(str::trim) {
        Some(kind) if kind.eq_ignore_ascii_case("BeyondInsight") => GroupOrigin::LocalGroups,
        Some(kind) if !kind.is_empty() => GroupOrigin::Directory,
        _ => GroupOrigin::Unknown,
    }
}

/// What the appliance synchronised on request, before anything else was read.
#[derive(Default)]
pub(super) struct Synchronised {
    /// Users by group.
    pub(super) members: BTreeMap<Id, Vec<Listed>>,
    tally: Option<(PerGroup, u64)>,
}

/// What is known of the members of directory groups.
#[derive(Default)]
pub(super) struct Directory {
    /// Every group that a directory may fill.
    groups: BTreeSet<Id>,
    /// Users who can be in one of them.
    candidates: BTreeSet<Id>,
    /// Groups by user, of those who were asked.
    pub(super) of_user: BTreeMap<Id, Vec<Id>>,
    /// Users by group, of those that were synchronised.
    pub(super) members: BTreeMap<Id, Vec<Listed>>,
    tally: Option<(PerGroup, DirectoryGroups, u64)>,
    warnings: Vec<String>,
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

    /// Returns whether all members of a group are known. `None`: no directory fills it.
    pub(super) fn knows_group(&self, id: &Id) -> Option<bool> {
        self.groups.contains(id).then(|| match &self.tally {
            Some((_, DirectoryGroups::ByUser, _)) => self.candidates.iter().all(|user| self.of_user.contains_key(user)),
            Some((tally, _, _)) => tally.has_read(id),
            None => false,
        })
    }

    /// Words for the proof of the other groups' members: what it does not cover.
    pub(super) fn unread_note(&self) -> Option<String> {
        (self.tally.is_none() && !self.groups.is_empty())
            .then(|| format!("the members of {} are not read", counted(self.groups.len())))
    }

    /// Adds the report and the warnings.
    pub(super) fn report_on(&self, reading: &mut SourceReading, base: &str) {
        reading.warnings.extend(self.warnings.iter().cloned());
        if let Some((tally, way, requests)) = &self.tally {
            let path = if *way == DirectoryGroups::ByUser { "Users/{id}/UserGroups" } else { "UserGroups/{id}/Users" };
            reading.lists.push(tally.report(format!("{base}/{path}"), *requests));
        }
    }
}

fn counted(groups: usize) -> String {
    if groups == 1 { "1 directory group".to_owned() } else { format!("{groups} directory groups") }
}

/// Words for groups that the configuration leaves out.
fn why_skipped(groups: usize) -> String {
    format!(
        "the members of {} are unknown, because directory_groups = \"skip\"; \"by-user\" reads them with a request a user",
        counted(groups)
    )
}

/// Returns the users who can be in these groups: local and application users are in none that a directory is known to fill.
fn candidates(groups: &[Listed], users: &[&Listed]) -> BTreeSet<Id> {
    let untyped = groups.iter().any(|group| kind_of(group) == GroupOrigin::Unknown);
    let can = |record: &JsonRecord| match shapes::account_of(record) {
        AccountClass::Application => false,
        AccountClass::Local => untyped,
        AccountClass::Other => true,
    };
    users.iter().filter(|user| can(&user.record)).map(|user| user.id.clone()).collect()
}

/// What is known of the groups that no directory fills.
#[derive(Clone, Copy)]
pub(super) struct LocalGroups<'a> {
    pub(super) members: &'a BTreeMap<Id, Vec<Listed>>,
    /// Groups whose members could not be read.
    pub(super) unread: &'a BTreeSet<Id>,
}

/// What was read before the users' own lists of groups.
struct KnownMembers<'a> {
    directory: &'a BTreeSet<Id>,
    /// Members of the groups that no directory fills.
    members: &'a BTreeMap<Id, Vec<Listed>>,
    /// Groups whose members could not be read.
    unread: &'a BTreeSet<Id>,
}

impl KnownMembers<'_> {
    /// Returns how a user's own list of groups contradicts the lists of groups and of members: the user was moved meanwhile, or one
    /// of the two is not whole.
    fn contradiction(&self, user: &Id, groups: &[Listed]) -> Option<String> {
        let plain = groups.iter().map(|row| &row.id).filter(|id| !self.directory.contains(id));
        let denied = |id: &&Id| self.members.get(*id).is_some_and(|rows| !rows.iter().any(|row| row.id == *user));
        for id in plain {
            let is_listed = self.members.contains_key(id) || self.unread.contains(id);
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
    /// Reads what the configuration allows to read of directory groups.
    ///
    /// `inactive`: users of whom no list says that they exist.
    pub(super) async fn directory(
        &self,
        groups: &[Listed],
        listed: &[Listed],
        inactive: &[Listed],
        plain: LocalGroups<'_>,
        synchronised: Synchronised,
    ) -> Directory {
        let users: Vec<&Listed> = listed.iter().chain(inactive).collect();
        let named =
            groups.iter().filter(|group| kind_of(group) != GroupOrigin::LocalGroups).map(|group| group.id.clone());
        let mut directory =
            Directory { groups: named.collect(), candidates: candidates(groups, &users), ..Directory::default() };
        if let Some((tally, requests)) = synchronised.tally {
            directory.warnings.push(format!(
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
            DirectoryGroups::Skip => directory.warnings.push(why_skipped(directory.groups.len())),
            DirectoryGroups::ByUser => self.by_user(&mut directory, inactive, plain).await,
            DirectoryGroups::Sync => {}
        }
        directory
    }

    /// Returns why a request for each of so many users does not fit the time that is left.
    fn beyond_deadline(&self, users: usize, groups: usize) -> Option<String> {
        let users = u32::try_from(users).unwrap_or(u32::MAX);
        let (needed, left) =
            (f64::from(users) / self.requests_per_second, self.source_client.client.time_left().as_secs_f64());
        (needed > left).then(|| {
            format!(
                "the members of {} are unknown: directory_groups = \"by-user\" takes {users} requests, {needed:.0} s at {} a \
                 second, and {left:.0} s of deadline_minutes are left; raise deadline_minutes or requests_per_second",
                counted(groups),
                self.requests_per_second
            )
        })
    }

    async fn by_user(&self, directory: &mut Directory, inactive: &[Listed], plain: LocalGroups<'_>) {
        if let Some(why) = self.beyond_deadline(directory.candidates.len(), directory.groups.len()) {
            directory.warnings.push(why);
            return;
        }
        let before = self.source_client.client.requests();
        let kind = ListKind::DirectoryMembers;
        let mut tally = PerGroup::of(kind, USERS, directory.candidates.iter().cloned()).without_total();
        let groups = directory.groups.clone();
        let known = KnownMembers { directory: &groups, members: plain.members, unread: plain.unread };
        self.groups_of(directory.candidates.clone(), &known, &mut directory.of_user, &mut tally).await;
        if tally.needs_list() {
            let unlisted: Vec<Id> = inactive.iter().map(|row| row.id.clone()).collect();
            tally.settle(self.named_now(unlisted).await.as_ref());
            let absent = tally.absent().into_iter().collect();
            self.groups_of(absent, &known, &mut directory.of_user, &mut tally).await;
        }
        directory.tally = Some((tally, DirectoryGroups::ByUser, self.source_client.client.requests() - before));
    }

    /// Returns the users whom one of two readings names: a list without pages may lack somebody once. `None`: one of them failed.
    async fn named_now(&self, unlisted: Vec<Id>) -> Option<BTreeSet<Id>> {
        let mut named: BTreeSet<Id> = unlisted.into_iter().collect();
        for _ in 0..2 {
            let rows = self.array::<UserId>(&self.users_path(), &mut ReadingCost::default()).await.ok()?;
            named.extend(rows.into_iter().map(|row| row.id));
        }
        Some(named)
    }

    /// Reads the groups of these users; those that a directory fills are kept. What contradicts the lists that were read before
    /// leaves the user unknown.
    async fn groups_of(
        &self,
        users: BTreeSet<Id>,
        known: &KnownMembers<'_>,
        found: &mut BTreeMap<Id, Vec<Id>>,
        tally: &mut PerGroup,
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
                Ok(rows) => {
                    let (mut rows, others) = identified(rows);
                    let doubt = if others > 0 { Some(without_id(others)) } else { known.contradiction(&id, &rows) };
                    rows.retain(|row| known.directory.contains(&row.id));
                    let groups = rows.iter().map(|row| row.id.clone()).collect();
                    tally.take(&id, in_one(rows, None));
                    match doubt {
                        None => drop(found.insert(id, groups)),
                        Some(why) => tally.doubt(&id, why),
                    }
                }
                Err(error) => {
                    if tally.failed(&id, error) {
                        break;
                    }
                }
            }
            self.source_client.progress(ListKind::DirectoryMembers, found.len() as u64, None);
        }
    }

    /// Has the appliance synchronise each directory group, one after the other, and reads its members; nothing where the
    /// configuration does not ask for it.
    pub(super) async fn synchronise(&self) -> Synchronised {
        let mut done = Synchronised::default();
        if self.directory_groups != DirectoryGroups::Sync {
            return done;
        }
        // Where the list fails, it fails again when it is to be proven.
        let groups = self.array::<GroupId>(&self.groups_path(), &mut ReadingCost::default()).await.unwrap_or_default();
        let (groups, _) = identified(groups);
        let wanted: BTreeSet<Id> = groups
            .iter()
            .filter(|group| kind_of(group) != GroupOrigin::LocalGroups)
            .map(|group| group.id.clone())
            .collect();
        if wanted.is_empty() {
            return done;
        }
        let before = self.source_client.client.requests();
        self.source_client
            .warn(&format!("asks the appliance to synchronise {} with the directory", counted(wanted.len())));
        let mut tally = PerGroup::of(ListKind::DirectoryMembers, GROUPS, wanted.iter().cloned()).without_total();
        for id in &wanted {
            let path = self.members_path(id);
            let answer = self.source_client.client.get_once_only::<Records<UserId>>(&path, self.sync_timeout).await;
            match answer.and_then(|rows| rows_of(rows, &path)) {
                Ok(rows) => {
                    let rows = tally.take(id, in_one(rows, None));
                    done.members.insert(id.clone(), rows);
                }
                Err(error) => {
                    // Another group may be one of a directory that answers.
                    let ends = is_hopeless(&error);
                    tally.failed(id, error);
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

    /// Reads the groups of one directory user where a run reads those, and says what a run makes of directory groups.
    pub(super) async fn look_at_directory(
        &self,
        users: &[Listed],
        groups: &[Listed],
        plan: &mut RequestPlan,
    ) -> (Vec<ProbedList>, Vec<String>) {
        let count = groups.iter().filter(|group| kind_of(group) != GroupOrigin::LocalGroups).count();
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
                    "a run has the appliance synchronise {} (directory_groups = \"sync\"); this check does not",
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
                let shown = rows.as_ref().map(|rows| (&rows[..], None));
                (vec![probed_rows(ListKind::DirectoryMembers, shown)], Vec::new())
            }
        }
    }
}
