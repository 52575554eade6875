//! Connector for `password-safe`: the public API of BeyondInsight and Password Safe. Reads only.
//!
//! Knows the paths, the session and the order of reading. The mapping to the model is in `shapes`. Requests that make
//! the appliance synchronise a group with its directory are in `directory`, and are made only where the configuration
//! asks for it.
//!
//! The lists are bare arrays: no pages, no totals. A second reading at the end must have the same ids, and all members
//! must be in the list of users. A size at which servers usually cut is suspicious (`evidence`).

mod classify;
mod directory;
mod evidence;
mod probe;
mod shapes;

use super::child_lists::{ChildLists, GROUP_MEMBERS};
use super::client::{
    MAX_UNLISTED_LOOKUPS, SourceClient, empty_report, error_text, failed, identified, single_answer, unlisted_users,
    why_lacking, without_id,
};
use super::decode::{Decoding, Id, IdKey, Listed, Records};
use super::{DirectoryGroups, ProbeFuture, ReadingFuture, SignOutFuture, Source, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, ListKind, ListReport, SourceReading};
use crate::wire::page::{WalkProgress, distinct};
use crate::wire::{SessionPaths, WireError};
use classify::{GroupOrigin, origin_of};
use directory::{Directory, LocalGroups, Synchronised};
use futures_util::stream::{self, StreamExt};
use shapes::PasswordSafeTenant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Maximum number of readings of users, groups and members before the lists count as not proven.
const MAX_PASSES: u64 = 6;
/// Maximum number of users looked up by id where the list of users omits inactive ones and reports no states.
const MAX_INACTIVE_LOOKUPS: usize = 5_000;

/// Id of a user, in the field `UserID`.
struct UserId;

impl IdKey for UserId {
    const KEY: &'static str = "UserID";
}

/// Id of a user group, in the field `GroupID`.
struct GroupId;

impl IdKey for GroupId {
    const KEY: &'static str = "GroupID";
}

/// Connector of one appliance.
pub(super) struct PasswordSafe {
    source_client: SourceClient,
    base: String,
    directory_groups: DirectoryGroups,
    sync_timeout: Duration,
    requests_per_second: f64,
}

/// Users and groups of one reading.
#[derive(Default)]
struct RereadLists {
    users: Vec<Listed>,
    groups: Vec<Listed>,
    /// Why the users and the groups are not proven: rows without a usable id, or an id that is listed twice.
    doubts: (Option<String>, Option<String>),
}

/// A bare array: each id once, and why the list is not proven.
struct BareArray {
    rows: Vec<Listed>,
    doubt: Option<String>,
}

impl BareArray {
    /// Separates rows without a usable id, and keeps one row of each id.
    fn of(rows: Vec<Listed>) -> Self {
        let (rows, others) = identified(rows);
        let (rows, repetition) = distinct(rows);
        Self { rows, doubt: (others > 0).then(|| without_id(others)).or(repetition) }
    }
}

/// Number of readings of one list, with rows and requests.
#[derive(Clone, Copy, Default)]
struct ReadingCost {
    readings: u64,
    received: u64,
    requests: u64,
}

/// Result of reading the lists until two readings agree.
struct RepeatedReading {
    lists: RereadLists,
    found: MembersReading,
    users: ReadingCost,
    groups: ReadingCost,
    passes: u64,
    /// Coverage of the users and of the groups.
    coverage: (Coverage, Coverage),
}

/// Members of groups, and the states of users, as read between the two readings of the lists.
struct MembersReading {
    members: BTreeMap<Id, Vec<Listed>>,
    /// Members of the groups that the product itself fills.
    local: ChildLists,
    requests: u64,
    /// Ids in the list without inactive users; `None` if every user reports its state.
    active: Option<BTreeSet<Id>>,
    /// Whether no user reports its state: an older version, whose list may omit inactive users.
    is_older: bool,
    /// Users who exist by id but are not listed: inactive users of such an older version.
    inactive: Vec<Listed>,
}

/// Failure of one list, with what was read before it.
struct InterruptedList {
    kind: ListKind,
    error: WireError,
    lists: RereadLists,
    costs: (ReadingCost, ReadingCost),
}

impl PasswordSafe {
    /// Builds the connector. Errors: the HTTP client could not be built.
    pub(super) fn new(settings: &SourceSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        let mut settings = settings.clone();
        let base = settings.base_path.clone();
        // The lists have no pages: all rows come in one answer, so that the usual limit is too low.
        settings.client.max_body_bytes = 512 << 20;
        settings.client.response_limit = Duration::from_secs(900);
        settings.client.session =
            Some(SessionPaths { sign_in: format!("{base}/Auth/SignAppIn"), sign_out: format!("{base}/Auth/Signout") });
        if settings.directory_groups == DirectoryGroups::Sync {
            // The answer arrives only when the synchronisation has ended: the read timeout must not be shorter.
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

    /// Returns the path of the list of all users. Without the parameter, inactive users are left out.
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
        // First, so that users who are added by a synchronisation are in the lists that are proven afterwards.
        let synchronised = self.synchronise().await;
        match self.prove(&synchronised).await {
            Ok(reading) => self.assemble(&mut source_reading, reading, synchronised, &decoding).await,
            Err(broken) => self.interrupted(&mut source_reading, *broken, &decoding),
        }
        self.source_client.finish(source_reading, &decoding)
    }

    /// Builds the reading from lists that were fully read.
    async fn assemble(
        &self,
        source_reading: &mut SourceReading,
        reading: RepeatedReading,
        synchronised: Synchronised,
        decoding: &Decoding,
    ) {
        let RepeatedReading { lists, found, users, groups, passes, coverage } = reading;
        let MembersReading { members, mut local, requests, active, is_older, inactive } = found;
        warn_of_states(source_reading, &lists.users, active.as_ref().filter(|_| is_older), &inactive);
        let groups_whole = coverage.1.is_complete();
        source_reading.lists.push(self.report(ListKind::Users, (users, passes), lists.users.len(), coverage.0));
        source_reading.lists.push(self.report(ListKind::Groups, (groups, passes), lists.groups.len(), coverage.1));
        let unread = local.unknown();
        let own = LocalGroups { members: &members, unread: &unread };
        let directory = self.directory(&lists.groups, &lists.users, &inactive, own, synchronised).await;
        directory.unread_note().into_iter().for_each(|note| local.note(note));
        let report = local.report(format!("{}/UserGroups/{{id}}/Users", self.base), requests);
        let local_complete = report.coverage.is_complete() && groups_whole;
        source_reading.lists.push(report);
        directory.report_on(source_reading, &self.base);
        let tenant = PasswordSafeTenant {
            users: lists.users,
            inactive,
            groups: lists.groups,
            members,
            active,
            unread,
            local_complete,
        };
        tenant.fill(source_reading, &directory, decoding);
    }

    /// Builds the reading after a list failed. The rows read before are kept; without users, groups have nobody to
    /// refer to.
    fn interrupted(&self, source_reading: &mut SourceReading, broken: InterruptedList, decoding: &Decoding) {
        let InterruptedList { kind, error, lists, costs } = broken;
        if kind == ListKind::Groups {
            let once = Coverage::Drifted { why: "the list was read only once, because another list failed".to_owned() };
            source_reading.lists.push(self.report(ListKind::Users, (costs.0, 1), lists.users.len(), once));
            source_reading.lists.push(failed(kind, self.groups_path(), costs.1.requests, &error));
        } else {
            source_reading.lists.push(failed(kind, self.users_path(), costs.0.requests, &error));
        }
        let unread = lists.groups.iter().map(|group| group.id.clone()).collect();
        let tenant =
            PasswordSafeTenant { users: lists.users, groups: lists.groups, unread, ..PasswordSafeTenant::default() };
        tenant.fill(source_reading, &Directory::default(), decoding);
    }

    /// Returns the report of users or groups, with the cost of all readings.
    fn report(&self, kind: ListKind, cost: (ReadingCost, u64), rows: usize, coverage: Coverage) -> ListReport {
        let (cost, passes) = cost;
        let query = if kind == ListKind::Users { self.users_path() } else { self.groups_path() };
        ListReport {
            received: cost.received,
            distinct: rows as u64,
            pages: cost.readings,
            passes,
            ..empty_report(kind, query, cost.requests, coverage)
        }
    }

    /// Reads users, groups and members, then users and groups again, until two consecutive readings agree.
    async fn prove(&self, synchronised: &Synchronised) -> Result<RepeatedReading, Box<InterruptedList>> {
        let mut costs = (ReadingCost::default(), ReadingCost::default());
        let mut before = self.lists(&mut costs).await?;
        let mut passes = 1;
        loop {
            let (active, state_doubt) = self.active(&before.users, &mut costs.0).await;
            let mut found = self.members(&before.groups, active).await;
            found.is_older = found.active.is_some() && !before.users.iter().any(reports_state);
            let after = match self.lists(&mut costs).await {
                Ok(after) => after,
                Err(broken) => return Ok(read_once(before, found, costs, passes, &broken.error)),
            };
            self.confirm_removals(&mut found, &after).await;
            let (users_moved, groups_moved) =
                (ids(&before.users) != ids(&after.users), ids(&before.groups) != ids(&after.groups));
            let (lacking, unknown, gone) = self.find_unlisted_users(&mut found, synchronised, &after.users).await;
            let settled = !users_moved && !groups_moved && lacking.is_empty() && unknown == 0;
            // Another reading cannot help after a failure that concerns every request.
            if settled || found.local.has_source_wide_failure() || passes >= MAX_PASSES {
                let moved =
                    |moved: bool| moved.then(|| format!("the ids in the list still changed after {passes} readings"));
                let lacking = why_lacking(&lacking.iter().collect::<Vec<_>>(), unknown);
                let users = moved(users_moved).or(lacking).or(state_doubt);
                let coverage = evidence::coverage(&after, &found, (users, moved(groups_moved)), gone);
                let (users, groups) = costs;
                return Ok(RepeatedReading { lists: after, found, users, groups, passes, coverage });
            }
            let why = "users or groups were added or removed while they were read";
            self.source_client.notify(ListKind::Users, &WalkProgress::Drift(why.to_owned()));
            passes += 1;
            // The second reading of this round is the first one of the next round.
            before = after;
        }
    }

    /// Reads users and groups once.
    async fn lists(&self, costs: &mut (ReadingCost, ReadingCost)) -> Result<RereadLists, Box<InterruptedList>> {
        let mut lists = RereadLists::default();
        match self.array::<UserId>(&self.users_path(), &mut costs.0).await {
            Ok(BareArray { rows, doubt }) => (lists.users, lists.doubts.0) = (rows, doubt),
            Err(error) => {
                return Err(Box::new(InterruptedList { kind: ListKind::Users, error, lists, costs: *costs }));
            }
        }
        self.source_client.progress(ListKind::Users, lists.users.len() as u64, None);
        match self.array::<GroupId>(&self.groups_path(), &mut costs.1).await {
            Ok(BareArray { rows, doubt }) => (lists.groups, lists.doubts.1) = (rows, doubt),
            Err(error) => {
                return Err(Box::new(InterruptedList { kind: ListKind::Groups, error, lists, costs: *costs }));
            }
        }
        self.source_client.progress(ListKind::Groups, lists.groups.len() as u64, None);
        Ok(lists)
    }

    /// Reads the list without inactive users if some user does not report its state: older versions lack `IsActive`.
    ///
    /// Returns the ids of this list, and why it cannot be used.
    async fn active(&self, users: &[Listed], cost: &mut ReadingCost) -> (Option<BTreeSet<Id>>, Option<String>) {
        if users.iter().all(reports_state) {
            return (None, None);
        }
        let doubt = |why: String| (None, Some(format!("the states of users are unknown: {why}")));
        let active = match self.array::<UserId>(&self.active_users_path(), cost).await {
            Ok(array) => array.rows.into_iter().map(|row| row.id).collect::<BTreeSet<Id>>(),
            Err(error) => return doubt(error_text(ListKind::Users, &error)),
        };
        let known: BTreeSet<&Id> = ids(users);
        if active.is_empty() {
            return doubt("the list without includeInactive is empty".to_owned());
        }
        // The list with inactive users should contain the other one. If it does not, neither list shows who is active.
        match active.iter().filter(|id| !known.contains(id)).count() {
            0 => (Some(active), None),
            more => doubt(format!("the list without includeInactive has {more} users who are not in the list with it")),
        }
    }

    /// Reads a bare array and adds what it cost.
    async fn array<K: IdKey>(&self, path: &str, cost: &mut ReadingCost) -> Result<BareArray, WireError> {
        let before = self.source_client.client.requests();
        let answer = self.source_client.client.get::<Records<K>>(path).await;
        // Before `?`, because failed requests count, too.
        cost.requests += self.source_client.client.requests() - before;
        let rows = answer?.listed(path, None)?;
        cost.readings += 1;
        cost.received += rows.len() as u64;
        Ok(BareArray::of(rows))
    }

    /// Reads the members of every group that the product itself fills.
    async fn members(&self, groups: &[Listed], active: Option<BTreeSet<Id>>) -> MembersReading {
        let before = self.source_client.client.requests();
        let local = groups.iter().filter(|group| origin_of(group) == GroupOrigin::Local).map(|group| group.id.clone());
        let wanted: Vec<Id> = local.collect();
        let mut tally = ChildLists::of(ListKind::Members, GROUP_MEMBERS, wanted.clone()).without_total();
        let mut members = BTreeMap::new();
        self.members_of(wanted, &mut members, &mut tally).await;
        let requests = self.source_client.client.requests() - before;
        MembersReading { members, local: tally, requests, active, is_older: false, inactive: Vec::new() }
    }

    /// Reads the members of these groups.
    async fn members_of(&self, wanted: Vec<Id>, found: &mut BTreeMap<Id, Vec<Listed>>, tally: &mut ChildLists) {
        let mut answers = stream::iter(wanted)
            .map(|id| async move {
                let rows = self.array::<UserId>(&self.members_path(&id), &mut ReadingCost::default()).await;
                (id, rows)
            })
            .buffer_unordered(self.source_client.walk.concurrency);
        while let Some((id, rows)) = answers.next().await {
            match rows {
                Ok(array) => drop(found.insert(id.clone(), add_members(tally, &id, array))),
                Err(error) => {
                    if tally.add_failure(&id, error) {
                        break;
                    }
                }
            }
            self.source_client.progress(ListKind::Members, tally.distinct(), None);
        }
    }

    /// Decides which groups with failed members were removed, from the list that was read after them.
    async fn confirm_removals(&self, found: &mut MembersReading, after: &RereadLists) {
        if let Some((group, why)) = evidence::cut_short(&found.members, after.users.len()) {
            found.local.mark_unproven(&group, why);
        }
        if !found.local.needs_list() {
            return;
        }
        let before = self.source_client.client.requests();
        // A group without a usable id may be any of the groups.
        let named = after.doubts.1.is_none().then(|| after.groups.iter().map(|group| group.id.clone()).collect());
        self.retry_absent(named.as_ref(), &mut found.members, &mut found.local).await;
        found.requests += self.source_client.client.requests() - before;
    }

    /// Drops failures of groups that are no longer listed, and requests once more the members that answered "not
    /// found". `named` are the ids listed now; `None` if the list could not be read.
    async fn retry_absent(
        &self,
        named: Option<&BTreeSet<Id>>,
        members: &mut BTreeMap<Id, Vec<Listed>>,
        tally: &mut ChildLists,
    ) {
        tally.remove_unlisted(named);
        let absent = tally.absent();
        self.members_of(absent, members, tally).await;
    }

    /// Looks up members who are not in the list of users.
    ///
    /// Returns the users who are missing from the list, how many could not be looked up, and how many do not exist. If
    /// no user reports its state, the list may be that of an older version without inactive users: then those found
    /// count as inactive, and the list lacks nobody.
    async fn find_unlisted_users(
        &self,
        found: &mut MembersReading,
        synchronised: &Synchronised,
        users: &[Listed],
    ) -> (Vec<Listed>, u64, usize) {
        let members = found.members.values().chain(synchronised.members.values());
        let missing = unlisted_users(members, users, |row| Some(row.id.clone()));
        let most = if found.is_older { MAX_INACTIVE_LOOKUPS } else { MAX_UNLISTED_LOOKUPS };
        let path = self.active_users_path();
        let (existing, unknown) = self.source_client.read_unlisted_users::<UserId>(&path, &missing, most).await;
        let gone = missing.len().saturating_sub(existing.len() + usize::try_from(unknown).unwrap_or(usize::MAX));
        if found.is_older {
            found.inactive = existing;
            return (Vec::new(), unknown, gone);
        }
        (existing, unknown, gone)
    }
}

/// Returns whether the row of a user says whether the user is active.
fn reports_state(row: &Listed) -> bool {
    row.record.get("IsActive").is_some()
}

/// Records the members of a group, and returns them.
fn add_members(tally: &mut ChildLists, group: &Id, array: BareArray) -> Vec<Listed> {
    let rows = tally.add(group, single_answer(array.rows, None));
    if let Some(why) = array.doubt {
        tally.mark_unproven(group, why);
    }
    rows
}

/// Returns the first reading as it is, not proven, because the second one failed.
fn read_once(
    lists: RereadLists,
    found: MembersReading,
    (users, groups): (ReadingCost, ReadingCost),
    passes: u64,
    error: &WireError,
) -> RepeatedReading {
    let why = format!("the list was read only once: {}", error_text(ListKind::Users, error));
    let coverage = (Coverage::Drifted { why: why.clone() }, Coverage::Drifted { why });
    RepeatedReading { lists, found, users, groups, passes, coverage }
}

/// Warns if the states of users were derived from two lists, because the records do not report them.
fn warn_of_states(
    source_reading: &mut SourceReading,
    users: &[Listed],
    active: Option<&BTreeSet<Id>>,
    inactive: &[Listed],
) {
    let Some(active) = active else { return };
    // Without inactive users in the list, a missing user may be inactive or removed: the next run must not report a
    // removal.
    let changes_nothing = users.iter().all(|row| active.contains(&row.id));
    source_reading.hides_inactive = changes_nothing;
    if !inactive.is_empty() {
        source_reading.notes.push(format!(
            "this version does not report IsActive and ignores includeInactive: {} users were found only by id and count as \
             inactive; inactive users in no group are not reported",
            inactive.len()
        ));
    } else if changes_nothing {
        source_reading.notes.push(
            "this version does not report IsActive, and includeInactive changes nothing: every listed user counts as active, and \
             a user who is missing later may be inactive or removed"
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
        Box::pin(self.probe_lists())
    }

    fn sign_out(&self) -> SignOutFuture<'_> {
        Box::pin(self.source_client.client.close_session())
    }
}
