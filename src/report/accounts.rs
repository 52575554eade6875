//! Privileged groups with their members, and accounts by type and source.

use super::facts::Account;
use super::index::Index;
use super::index::is_baseline;
use super::{Bounded, Shown, status};
use crate::model::{Change, ChangeKind, Group, ListKind, Rule, SourceInventory, SourceStatus};
use std::collections::BTreeMap;

/// Number of privileged groups that are shown.
const GROUPS: usize = 25;
/// Number of account types that are shown.
const TYPES: usize = 30;

/// A privileged group, or the administrators of a source by their own record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivilegedGroup {
    /// Name of the source.
    pub source: Shown,
    /// Name of the group; its id if it has no name.
    pub name: Shown,
    /// Id of the group; `None` for the administrators by their own record.
    pub id: Option<Shown>,
    /// Owner that `policy.group_owners` names; `None` if it names none.
    pub owner: Option<Shown>,
    /// Number of known members.
    pub members: u64,
    /// Whether there may be members that are not known.
    pub members_unknown: bool,
    /// Number of directory groups in the group. Their members are not known.
    pub external: u64,
    /// Members gained since the baseline; `None` if that is not known of the source.
    pub gained: Option<u64>,
    /// Number of members that are enabled and not blocked.
    pub enabled: u64,
    /// Number of members with a `stale-login` finding; `None` if the rule was not evaluated in the source.
    pub stale: Option<u64>,
    /// Number of members with a `never-logged-in` finding; `None` if the rule was not evaluated in the source.
    pub never: Option<u64>,
    /// Number of members that are disabled or blocked.
    pub disabled: u64,
}

/// The section "Privileged groups".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivilegedGroups {
    /// Groups, those with the most inactive members first.
    pub groups: Bounded<PrivilegedGroup>,
    /// Sources whose list of groups is not proven complete.
    pub unproven: Vec<Shown>,
}

/// Accounts of one type in one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeRow {
    /// Name of the source.
    pub source: Shown,
    /// Type in the words of the source; `None` if it is not reported.
    pub kind: Option<Shown>,
    /// Number of accounts.
    pub accounts: u64,
    /// Number of accounts that are enabled and not blocked.
    pub enabled: u64,
    /// Number of accounts that are disabled or blocked.
    pub disabled: u64,
    /// Number of accounts that are known to be privileged.
    pub privileged: u64,
    /// Number of accounts with a `stale-login` finding; `None` if the rule was not evaluated in the source.
    pub stale: Option<u64>,
    /// Number of accounts with a `never-logged-in` finding; `None` if the rule was not evaluated in the source.
    pub never: Option<u64>,
}

impl PrivilegedGroups {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let sources = &index.input.inventory.sources;
        let mut groups: Vec<PrivilegedGroup> =
            sources.iter().flat_map(|source_inventory| of_source_inventory(index, source_inventory)).collect();
        groups.sort_by_key(|group| std::cmp::Reverse((group.stale, group.members)));
        Self { groups: Bounded::cut(groups, GROUPS), unproven: status::unproven(index, ListKind::Groups) }
    }
}

fn of_source_inventory(index: &Index<'_>, source_inventory: &SourceInventory) -> Vec<PrivilegedGroup> {
    // Keyed by the position of the group, because memberships refer to groups by position.
    let mut groups: BTreeMap<usize, PrivilegedGroup> = (0..)
        .zip(&source_inventory.reading.groups)
        .filter(|(_, group)| group.privileged)
        .map(|(at, group)| (at, empty(index, source_inventory, group)))
        .collect();
    let name = source_inventory.reading.source.name.as_str();
    for membership in &source_inventory.memberships {
        let Some(row) = membership.group().and_then(|at| groups.get_mut(&at)) else { continue };
        let user = source_inventory.member(membership);
        if let Some(account) = user.and_then(|user| index.account(name, user.id.as_str())) {
            add(index, row, &account);
        }
    }
    let mut rows: Vec<PrivilegedGroup> = groups.into_values().collect();
    rows.extend(administrators(index, source_inventory));
    rows
}

fn empty(index: &Index<'_>, source_inventory: &SourceInventory, group: &Group) -> PrivilegedGroup {
    PrivilegedGroup {
        source: Shown::name(source_inventory.reading.source.name.as_str()),
        name: Shown::name(group.name.as_deref().unwrap_or(group.id.as_str())),
        id: Some(Shown::name(group.id.as_str())),
        owner: index.owner_of(source_inventory, &group.id).map(|owner| Shown::name(&owner.owner)),
        external: group.external_member_count.unwrap_or(0),
        members_unknown: group.member_count.is_none(),
        gained: gained(index, source_inventory, |change| {
            change.kind == ChangeKind::MembershipAdded && change.group.as_ref().is_some_and(|of| of.id == group.id)
        }),
        stale: zero_if_evaluated(index, Rule::StaleLogin, source_inventory),
        never: zero_if_evaluated(index, Rule::NeverLoggedIn, source_inventory),
        ..PrivilegedGroup::default()
    }
}

/// Returns the administrators by their own record as a row; `None` if there are none.
fn administrators(index: &Index<'_>, source_inventory: &SourceInventory) -> Option<PrivilegedGroup> {
    let mut row = PrivilegedGroup {
        source: Shown::name(source_inventory.reading.source.name.as_str()),
        name: Shown::name("Administrators by their own record"),
        gained: gained(index, source_inventory, |change| change.kind == ChangeKind::UserChanged),
        stale: zero_if_evaluated(index, Rule::StaleLogin, source_inventory),
        never: zero_if_evaluated(index, Rule::NeverLoggedIn, source_inventory),
        ..PrivilegedGroup::default()
    };
    let of_source = index.accounts().filter(|account| std::ptr::eq(account.source_inventory, source_inventory));
    for account in of_source.filter(|account| account.user.is_admin == Some(true)) {
        add(index, &mut row, &account);
    }
    (row.members > 0).then_some(row)
}

/// Returns the number of gains of privilege since the baseline; `None` if it is not known.
fn gained(index: &Index<'_>, source_inventory: &SourceInventory, counts: impl Fn(&Change) -> bool) -> Option<u64> {
    let name = &source_inventory.reading.source.name;
    let gains = index.input.changes.iter().filter(|change| change.source == *name && change.gains_privilege());
    let gained = gains.filter(|change| counts(change)).count() as u64;
    // If a list is not proven complete, there may be gains that were not read, so 0 would be a claim.
    let entry = index.source(name.as_str());
    let is_complete = entry.is_some_and(|entry| entry.status == SourceStatus::Complete && !is_baseline(entry));
    (gained > 0 || is_complete).then_some(gained)
}

fn add(index: &Index<'_>, row: &mut PrivilegedGroup, Account { user, facts, .. }: &Account<'_>) {
    let is_closed = user.enabled == Some(false) || index.blocked(user).is_some();
    row.members += 1;
    row.enabled += u64::from(user.enabled == Some(true) && !is_closed);
    row.disabled += u64::from(is_closed);
    count(&mut row.stale, facts.is_stale);
    count(&mut row.never, facts.is_unused);
}

/// Returns 0 if the rule was evaluated in the source, and otherwise `None`, because 0 would be a claim.
fn zero_if_evaluated(index: &Index<'_>, rule: Rule, source_inventory: &SourceInventory) -> Option<u64> {
    index.is_evaluated_in(rule, source_inventory.reading.source.name.as_str()).then_some(0)
}

fn count(counted: &mut Option<u64>, one_more: bool) {
    if let Some(counted) = counted {
        *counted += u64::from(one_more);
    }
}

/// Returns the accounts by source and type.
pub(super) fn types(index: &Index<'_>) -> Bounded<TypeRow> {
    let mut rows: BTreeMap<(&str, Option<&str>), TypeRow> = BTreeMap::new();
    for Account { source_inventory, user, facts } in index.accounts() {
        let key = (source_inventory.reading.source.name.as_str(), user.account_type.as_deref());
        let row = rows.entry(key).or_insert_with(|| TypeRow {
            source: Shown::name(key.0),
            kind: key.1.map(Shown::name),
            stale: zero_if_evaluated(index, Rule::StaleLogin, source_inventory),
            never: zero_if_evaluated(index, Rule::NeverLoggedIn, source_inventory),
            ..TypeRow::default()
        });
        row.accounts += 1;
        let is_closed = user.enabled == Some(false) || index.blocked(user).is_some();
        row.enabled += u64::from(user.enabled == Some(true) && !is_closed);
        row.disabled += u64::from(is_closed);
        row.privileged += u64::from(facts.is_privileged());
        count(&mut row.stale, facts.is_stale);
        count(&mut row.never, facts.is_unused);
    }
    Bounded::cut(rows.into_values(), TYPES)
}
