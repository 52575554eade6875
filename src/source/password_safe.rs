//! Connector for `password-safe`: the public API of BeyondInsight and Password Safe.
//! Knows its paths, its session and the order of reading; the shapes are in `shapes`. Reads only; what makes the appliance
//! synchronise a group with its directory is in `directory`, and happens only where the configuration asks for it.
//!
//! Its lists are bare arrays of everything: no pages, no totals. What proves them is that they are read again at the end and name
//! the same ids, that memberships name nobody else, and that none has a size at which servers like to cut (`evidence`).

mod directory;
mod evidence;
mod probe;
mod shapes;

use super::client::{
    MOST_STRANGERS, SourceClient, empty_report, failed, identified, in_one, in_words, lacks, strangers, without_id,
};
use super::decode::{Decoding, Id, IdKey, JsonRecord, Listed, Records};
use super::per_group::{Nouns, PerGroup};
use super::{DirectoryGroups, ProbeFuture, ReadingFuture, SignOutFuture, Source, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, ListKind, ListReport, SourceReading};
use crate::wire::page::WalkProgress;
use crate::wire::{SessionPaths, WireError};
use directory::{Directory, GroupOrigin, LocalGroups, Synchronised, kind_of};
use futures_util::stream::{self, StreamExt};
use shapes::PasswordSafeTenant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Readings of everything before the lists are said to be not proven.
const MAX_PASSES: u64 = 6;
/// Users found by id where the list of users leaves out inactive ones and says so of none.
const MOST_INACTIVE: usize = 5_000;

/// The id of a user.
struct UserId;

impl IdKey for UserId {
    const KEY: &'static str = "UserID";
}

/// The id of a user group.
struct GroupId;

impl IdKey for GroupId {
    const KEY: &'static str = "GroupID";
}

const GROUPS: Nouns = Nouns { rows: "members", one: "group", many: "groups" };

/// Reads one appliance.
pub(super) struct PasswordSafe {
    source_client: SourceClient,
    base: String,
    directory_groups: DirectoryGroups,
    sync_timeout: Duration,
    requests_per_second: f64,
}

/// The lists that are read again at the end.
#[derive(Default)]
struct RereadLists {
    users: Vec<Listed>,
    groups: Vec<Listed>,
    /// Rows without a usable id, which were left out.
    unidentified: (u64, u64),
}

/// How often a list was read, and what it cost.
#[derive(Clone, Copy, Default)]
struct ReadingCost {
    readings: u64,
    received: u64,
    requests: u64,
}

/// What reading again and again came to.
struct RepeatedReading {
    lists: RereadLists,
    found: NestedReading,
    users: ReadingCost,
    groups: ReadingCost,
    passes: u64,
    /// Of the users, and of the groups.
    coverage: (Coverage, Coverage),
}

/// What was read below the lists.
struct NestedReading {
    members: BTreeMap<Id, Vec<Listed>>,
    plain: PerGroup,
    requests: u64,
    /// Ids of the list without inactive users, where the state of some user is not reported.
    active: Option<BTreeSet<Id>>,
    /// No row reports its state: an older version, which may leave inactive users out of its list.
    is_older: bool,
    /// Users whom the lists lack and who exist by id: inactive ones of a version that leaves them out.
    inactive: Vec<Listed>,
}

/// Which list broke off, and what came before.
struct InterruptedList {
    kind: ListKind,
    error: WireError,
    lists: RereadLists,
    efforts: (ReadingCost, ReadingCost),
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
        if settings.directory_groups == DirectoryGroups::Sync {
            settings.client.read_timeout = settings.client.read_timeout.max(settings.directory_sync_timeout);
        }
        let max_passes = u32::try_from(MAX_PASSES).unwrap_or(u32::MAX);
        Ok(Self {
            source_client: SourceClient::new(&settings, observer, max_passes)?,
            base,
            directory_groups: settings.directory_groups,
            sync_timeout: settings.directory_sync_timeout,
            requests_per_second: settings.client.requests_per_second,
        })
    }

    /// Inactive users are left out unless they are asked for.
    fn users_path(&self) -> String {
        format!("{}/Users?includeInactive=true", self.base)
    }

    fn active_users_path(&self) -> String {
        format!("{}/Users", self.base)
    }

    fn groups_path(&self) -> String {
        format!("{}/UserGroups", self.base)
    }

    fn members_path(&self, group: &Id) -> String {
        format!("{}/UserGroups/{}/Users", self.base, group.in_path())
    }

    async fn read(&self) -> SourceReading {
        let decoding = Decoding::default();
        let mut source_reading = SourceReading::of(self.source_client.identity.clone());
        // What a synchronisation adds must be in the lists that are proven after it.
        let synchronised = self.synchronise().await;
        match self.prove(&synchronised).await {
            Ok(reading) => self.proven(&mut source_reading, reading, synchronised, &decoding).await,
            Err(broken) => self.broken(&mut source_reading, *broken, &decoding),
        }
        source_reading.clock_skew_seconds = self.source_client.client.clock_skew_seconds();
        source_reading.tls_certificate_sha256 = self.source_client.client.tls_certificate_sha256();
        decoding.finish(&mut source_reading, self.source_client.client.replaced_characters());
        source_reading
    }

    async fn proven(
        &self,
        source_reading: &mut SourceReading,
        reading: RepeatedReading,
        synchronised: Synchronised,
        decoding: &Decoding,
    ) {
        let RepeatedReading { lists, found, users, groups, passes, coverage } = reading;
        let NestedReading { members, mut plain, requests, active, is_older, inactive } = found;
        warn_of_states(source_reading, &lists.users, active.as_ref().filter(|_| is_older), &inactive);
        let groups_whole = coverage.1.is_complete();
        source_reading.lists.push(self.report(ListKind::Users, (users, passes), lists.users.len(), coverage.0));
        source_reading.lists.push(self.report(ListKind::Groups, (groups, passes), lists.groups.len(), coverage.1));
        let unread = plain.unknown();
        let own = LocalGroups { members: &members, unread: &unread };
        let directory = self.directory(&lists.groups, &lists.users, &inactive, own, synchronised).await;
        directory.unread_note().into_iter().for_each(|note| plain.note(note));
        let report = plain.report(format!("{}/UserGroups/{{id}}/Users", self.base), requests);
        let plain_whole = report.coverage.is_complete() && groups_whole;
        source_reading.lists.push(report);
        directory.report_on(source_reading, &self.base);
        let tenant = PasswordSafeTenant {
            users: lists.users,
            inactive,
            groups: lists.groups,
            members,
            active,
            unread,
            plain_whole,
        };
        tenant.fill(source_reading, &directory, decoding);
    }

    /// What came is kept. Without users the groups say nothing.
    fn broken(&self, source_reading: &mut SourceReading, broken: InterruptedList, decoding: &Decoding) {
        let InterruptedList { kind, error, lists, efforts } = broken;
        if kind == ListKind::Groups {
            let once = Coverage::Drifted { why: "it was read only once, since another list failed".to_owned() };
            source_reading.lists.push(self.report(ListKind::Users, (efforts.0, 1), lists.users.len(), once));
            source_reading.lists.push(failed(kind, self.groups_path(), efforts.1.requests, &error));
        } else {
            source_reading.lists.push(failed(kind, self.users_path(), efforts.0.requests, &error));
        }
        let unread = lists.groups.iter().map(|group| group.id.clone()).collect();
        let tenant =
            PasswordSafeTenant { users: lists.users, groups: lists.groups, unread, ..PasswordSafeTenant::default() };
        tenant.fill(source_reading, &Directory::default(), decoding);
    }

    fn report(&self, kind: ListKind, effort: (ReadingCost, u64), rows: usize, coverage: Coverage) -> ListReport {
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
    async fn prove(&self, synchronised: &Synchronised) -> Result<RepeatedReading, Box<InterruptedList>> {
        let mut efforts = (ReadingCost::default(), ReadingCost::default());
        let mut before = self.lists(&mut efforts).await?;
        let mut passes = 1;
        loop {
            let (active, state_doubt) = self.active(&before.users, &mut efforts.0).await;
            let mut found = self.members(&before.groups, active).await;
            found.is_older = found.active.is_some() && !before.users.iter().any(reports_state);
            let after = match self.lists(&mut efforts).await {
                Ok(after) => after,
                Err(broken) => return Ok(once(before, found, efforts, passes, &broken.error)),
            };
            self.settle(&mut found, &after).await;
            let (users_moved, groups_moved) =
                (ids(&before.users) != ids(&after.users), ids(&before.groups) != ids(&after.groups));
            let (lacking, unknown, gone) = self.strangers(&mut found, synchronised, &after.users).await;
            let settled = !users_moved && !groups_moved && lacking.is_empty() && unknown == 0;
            if settled || found.plain.is_hopeless() || passes >= MAX_PASSES {
                let moved = |moved: bool| moved.then(|| format!("its ids still changed after {passes} readings"));
                let users =
                    moved(users_moved).or_else(|| lacks(&lacking.iter().collect::<Vec<_>>(), unknown)).or(state_doubt);
                let coverage = evidence::coverage(&after, &found, (users, moved(groups_moved)), gone);
                let (users, groups) = efforts;
                return Ok(RepeatedReading { lists: after, found, users, groups, passes, coverage });
            }
            let why = "users or groups were added or removed while they were read";
            self.source_client.notify(ListKind::Users, &WalkProgress::Drift(why.to_owned()));
            passes += 1;
            before = after;
        }
    }

    /// Reads users and groups, once.
    async fn lists(&self, efforts: &mut (ReadingCost, ReadingCost)) -> Result<RereadLists, Box<InterruptedList>> {
        let mut lists = RereadLists::default();
        match self.array::<UserId>(&self.users_path(), &mut efforts.0).await {
            Ok(users) => (lists.users, lists.unidentified.0) = identified(users),
            Err(error) => {
                return Err(Box::new(InterruptedList { kind: ListKind::Users, error, lists, efforts: *efforts }));
            }
        }
        self.source_client.progress(ListKind::Users, lists.users.len() as u64, None);
        match self.array::<GroupId>(&self.groups_path(), &mut efforts.1).await {
            Ok(groups) => (lists.groups, lists.unidentified.1) = identified(groups),
            Err(error) => {
                return Err(Box::new(InterruptedList { kind: ListKind::Groups, error, lists, efforts: *efforts }));
            }
        }
        self.source_client.progress(ListKind::Groups, lists.groups.len() as u64, None);
        Ok(lists)
    }

    /// Reads the list without inactive users, where a row does not report its state: older versions lack `IsActive`.
    /// Returns its ids, and why it cannot be used.
    async fn active(&self, users: &[Listed], effort: &mut ReadingCost) -> (Option<BTreeSet<Id>>, Option<String>) {
        if users.iter().all(reports_state) {
            return (None, None);
        }
        let doubt = |why: String| (None, Some(format!("the states of its users are unknown: {why}")));
        let active = match self.array::<UserId>(&self.active_users_path(), effort).await {
            Ok(rows) => rows.into_iter().map(|row| row.id).collect::<BTreeSet<Id>>(),
            Err(error) => return doubt(in_words(ListKind::Users, &error)),
        };
        let known: BTreeSet<&Id> = ids(users);
        if active.is_empty() {
            return doubt("the list without includeInactive is empty".to_owned());
        }
        match active.iter().filter(|id| !known.contains(id)).count() {
            0 => (Some(active), None),
            more => doubt(format!("the list without includeInactive has {more} users whom the list with it lacks")),
        }
    }

    async fn array<K: IdKey>(&self, path: &str, effort: &mut ReadingCost) -> Result<Vec<Listed>, WireError> {
        let before = self.source_client.client.requests();
        let answer = self.source_client.client.get::<Records<K>>(path).await;
        effort.requests += self.source_client.client.requests() - before;
        let rows = rows_of(answer?, path)?;
        effort.readings += 1;
        effort.received += rows.len() as u64;
        Ok(rows)
    }

    /// Reads the users of every group that no directory fills.
    async fn members(&self, groups: &[Listed], active: Option<BTreeSet<Id>>) -> NestedReading {
        let before = self.source_client.client.requests();
        let plain =
            groups.iter().filter(|group| kind_of(group) == GroupOrigin::LocalGroups).map(|group| group.id.clone());
        let wanted: Vec<Id> = plain.collect();
        let mut tally = PerGroup::of(ListKind::Members, GROUPS, wanted.clone()).without_total();
        let mut members = BTreeMap::new();
        self.members_of(wanted, &mut members, &mut tally).await;
        let requests = self.source_client.client.requests() - before;
        NestedReading { members, plain: tally, requests, active, is_older: false, inactive: Vec::new() }
    }

    /// Reads these groups' users.
    async fn members_of(&self, wanted: Vec<Id>, found: &mut BTreeMap<Id, Vec<Listed>>, tally: &mut PerGroup) {
        let mut answers = stream::iter(wanted)
            .map(|id| async move {
                let rows = self.array::<UserId>(&self.members_path(&id), &mut ReadingCost::default()).await;
                (id, rows)
            })
            .buffer_unordered(self.source_client.walk.concurrency);
        while let Some((id, rows)) = answers.next().await {
            match rows {
                Ok(rows) => {
                    let rows = tally.take(&id, in_one(rows, None));
                    found.insert(id, rows);
                }
                Err(error) => {
                    if tally.failed(&id, error) {
                        break;
                    }
                }
            }
            self.source_client.progress(ListKind::Members, tally.distinct(), None);
        }
    }

    /// Holds groups whose members could not be read against the list that was read after them.
    async fn settle(&self, found: &mut NestedReading, after: &RereadLists) {
        if let Some((group, why)) = evidence::cut_short(&found.members, after.users.len()) {
            found.plain.doubt(&group, why);
        }
        if !found.plain.needs_list() {
            return;
        }
        let before = self.source_client.client.requests();
        let named = after.groups.iter().map(|group| group.id.clone()).collect();
        self.settle_members(Some(&named), &mut found.members, &mut found.plain).await;
        found.requests += self.source_client.client.requests() - before;
    }

    /// Takes what the list of groups names now, and asks once more for the members that were said not to exist.
    async fn settle_members(
        &self,
        named: Option<&BTreeSet<Id>>,
        members: &mut BTreeMap<Id, Vec<Listed>>,
        tally: &mut PerGroup,
    ) {
        tally.settle(named);
        let absent = tally.absent();
        self.members_of(absent, members, tally).await;
    }

    /// Looks up the users whom only members name. Returns those whom the list lacks, how many could not be asked for, and how many
    /// do not exist. Where the list does not report states, it may be that of a version without inactive users: those found
    /// by id are inactive, and the list lacks nobody.
    async fn strangers(
        &self,
        found: &mut NestedReading,
        synchronised: &Synchronised,
        users: &[Listed],
    ) -> (Vec<Listed>, u64, usize) {
        let members = found.members.values().chain(synchronised.members.values());
        let missing = strangers(members, users, |row| Some(row.id.clone()));
        let most = if found.is_older { MOST_INACTIVE } else { MOST_STRANGERS };
        let (there, unknown) = self.source_client.strangers::<UserId>(&self.active_users_path(), &missing, most).await;
        let gone = missing.len().saturating_sub(there.len() + usize::try_from(unknown).unwrap_or(usize::MAX));
        if found.is_older {
            found.inactive = there;
            return (Vec::new(), unknown, gone);
        }
        (there, unknown, gone)
    }
}

fn reports_state(row: &Listed) -> bool {
    row.record.get("IsActive").is_some()
}

/// Returns the rows of a bare array, each id once. Errors: it is no list.
fn rows_of<K: IdKey>(answer: Records<K>, path: &str) -> Result<Vec<Listed>, WireError> {
    let mut seen = BTreeSet::new();
    let mut rows = answer.listed(path, None)?;
    let all = rows.len();
    rows.retain(|row| seen.insert(row.id.clone()));
    if rows.is_empty() || rows.len() == all {
        return Ok(rows);
    }
    // The rows exist, but a list that holds one twice proves nothing: one more row without an id says so.
    rows.push(Listed::of(JsonRecord::default(), "", false));
    Ok(rows)
}

/// The second reading broke off: what the first gave is kept, and not proven.
fn once(
    lists: RereadLists,
    found: NestedReading,
    (users, groups): (ReadingCost, ReadingCost),
    passes: u64,
    error: &WireError,
) -> RepeatedReading {
    let why = format!("it was read only once: {}", in_words(ListKind::Users, error));
    let coverage = (Coverage::Drifted { why: why.clone() }, Coverage::Drifted { why });
    RepeatedReading { lists, found, users, groups, passes, coverage }
}

/// Says how states were found that the records do not report.
fn warn_of_states(
    source_reading: &mut SourceReading,
    users: &[Listed],
    active: Option<&BTreeSet<Id>>,
    inactive: &[Listed],
) {
    let Some(active) = active else { return };
    let changes_nothing = users.iter().all(|row| active.contains(&row.id));
    source_reading.hides_inactive = changes_nothing;
    if !inactive.is_empty() {
        source_reading.warnings.push(format!(
            "this version does not report IsActive and ignores includeInactive: {} users were found only by id and count as \
             inactive; inactive users in no group are not in the list",
            inactive.len()
        ));
    } else if changes_nothing {
        source_reading.warnings.push(
            "this version does not report IsActive, and includeInactive changed nothing: every listed user counts as active, and \
             a user who leaves the list may be inactive or removed"
                .to_owned(),
        );
    }
}

fn ids(rows: &[Listed]) -> BTreeSet<&Id> {
    rows.iter().map(|row| &row.id).collect()
}

impl Source for PasswordSafe {
    fn read_all(&self) -> ReadingFuture<'_> {
        Box::pin(self.read())
    }

    fn probe(&self) -> ProbeFuture<'_> {
        Box::pin(self.look())
    }

    fn leave(&self) -> SignOutFuture<'_> {
        Box::pin(self.source_client.client.leave())
    }
}
