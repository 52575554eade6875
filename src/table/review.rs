//! The rows of `review.csv`: the population of an access review, one row for each (group, member) pair.
//!
//! A reviewer opens the file in a spreadsheet, so that a row repeats what a decision needs: the group with its owner,
//! the account, its last sign-in and its findings. The last four columns are empty; the reviewer fills them in. The rows
//! follow from the inventory, the findings and the policy alone.

use super::Tables;
use super::columns::{Column, Get, MembershipRow, Shape, Values, name_of, optional, required};
use crate::model::{
    Finding, Fingerprint, FingerprintParts, GroupId, GroupOwner, Member, MemberIdentity, Membership, Pair,
    SourceInventory, SubjectKind, User,
};
use ahash::AHashMap;

/// Facts that many rows share, computed once.
pub(super) struct Facts<'a> {
    tables: Tables<'a>,
    /// Rules with an unresolved finding about an account, by source, in the order of the inventory.
    findings: Vec<RulesByAccount<'a>>,
    /// Owner of every group, by source and group, in the order of the inventory.
    owners: Vec<Vec<Option<&'a GroupOwner>>>,
    /// Beginning of the key of every account in a group, by source and group, in the order of the inventory.
    keys: Vec<Vec<FingerprintParts>>,
}

/// Part of a row's key that says that the member is an account.
const USER: &str = "user";

impl<'a> Facts<'a> {
    pub(super) fn of(tables: &Tables<'a>) -> Self {
        let Tables { inventory, group_owners, findings, .. } = *tables;
        let owners = |source: &SourceInventory| GroupOwner::of_groups(group_owners, &source.reading.groups);
        let keys = |source: &SourceInventory| {
            source.reading.groups.iter().map(|group| key_of_group(source, &group.id).with(USER)).collect()
        };
        Self {
            tables: *tables,
            findings: inventory.sources.iter().map(|source| RulesByAccount::of(source, findings)).collect(),
            owners: inventory.sources.iter().map(owners).collect(),
            keys: inventory.sources.iter().map(keys).collect(),
        }
    }
}

/// Ids of the rules with an unresolved finding about each account of a source.
///
/// Few combinations of rules exist, so that an account has the number of a list.
struct RulesByAccount<'a> {
    /// Sorted ids. The first list is empty.
    lists: Vec<Vec<&'static str>>,
    /// Number of the list, by position of the user.
    of_user: Vec<u32>,
    /// Number of the list, by id, of accounts that are not listed.
    of_missing: AHashMap<&'a str, u32>,
}

impl<'a> RulesByAccount<'a> {
    fn of(source_inventory: &SourceInventory, findings: &'a [Finding]) -> Self {
        let users = source_inventory.reading.users.len();
        let mut all = Self { lists: vec![Vec::new()], of_user: vec![0; users], of_missing: AHashMap::new() };
        let mut longer: AHashMap<(u32, &str), u32> = AHashMap::new();
        let mut place = 0;
        let is_listed = |finding: &&Finding| {
            finding.source == source_inventory.reading.source.name
                && finding.status.is_unresolved()
                && finding.subject.kind == SubjectKind::User
        };
        // Findings are sorted by rule, then by id, so that the search goes on from the last user.
        for finding in findings.iter().filter(is_listed) {
            let id = &*finding.subject.id;
            let found = source_inventory.seek_user(place, id);
            place = found.unwrap_or_else(|next| next);
            let list = match found {
                Ok(at) => &mut all.of_user[at],
                Err(_) => all.of_missing.entry(id).or_insert(0),
            };
            let rule = finding.rule.as_str();
            if !all.lists[*list as usize].contains(&rule) {
                *list = *longer.entry((*list, rule)).or_insert_with(|| {
                    let mut rules = all.lists[*list as usize].clone();
                    rules.push(rule);
                    rules.sort_unstable();
                    all.lists.push(rules);
                    u32::try_from(all.lists.len() - 1).unwrap_or(0)
                });
            }
        }
        all
    }

    fn of_member(&self, membership: MembershipRow<'_>) -> &[&'static str] {
        let list = match membership.source_inventory.place_of_member(membership.it) {
            Member::User(at) | Member::Nested(at, _) => self.of_user.get(at as usize),
            Member::Outside(_) => membership.user_id().and_then(|id| self.of_id(membership.source_inventory, id)),
        };
        list.and_then(|list| self.lists.get(*list as usize)).map_or(&[], Vec::as_slice)
    }

    fn of_id(&self, source_inventory: &SourceInventory, id: &str) -> Option<&u32> {
        match source_inventory.seek_user(0, id) {
            Ok(at) => self.of_user.get(at),
            Err(_) => self.of_missing.get(id),
        }
    }
}

/// Returns the parts that begin the key of a membership, up to its group.
fn key_of_group(source_inventory: &SourceInventory, group: &GroupId) -> FingerprintParts {
    let source = &source_inventory.reading.source;
    // "r1" is the version of this scheme. The product is included as in the fingerprints of findings.
    let parts = ["r1", source.name.as_str(), &source.kind, group.as_str()];
    parts.iter().fold(FingerprintParts::default(), |all, part| all.with(part))
}

/// A row of the review. It is a few references.
#[derive(Clone, Copy)]
pub(super) struct ReviewRow<'a> {
    membership: MembershipRow<'a>,
    owner: Option<&'a str>,
    findings: &'a [&'static str],
    /// Beginning of the key of every account in the group, if the group is listed.
    key_of_users: Option<&'a FingerprintParts>,
}

impl<'a> ReviewRow<'a> {
    fn new(facts: &'a Facts<'_>, source: usize, membership: MembershipRow<'a>) -> Self {
        let at = membership.it.group();
        let owner = at.and_then(|at| facts.owners[source].get(at).copied().flatten()).map(|entry| entry.owner.as_str());
        let key_of_users = at.and_then(|at| facts.keys[source].get(at));
        Self { membership, owner, findings: facts.findings[source].of_member(membership), key_of_users }
    }

    /// Returns the identity of the row over runs. Names and dates are no part of it; of a member that exists in a
    /// directory only, the name is the id.
    fn key(self) -> Fingerprint {
        let MembershipRow { source_inventory, it, .. } = self.membership;
        let Pair { group, member } = source_inventory.pair(it);
        let key = match (member, self.key_of_users) {
            (MemberIdentity::User(id), Some(key)) => key.clone().with(id.as_str()),
            (MemberIdentity::User(id), None) => key_of_group(source_inventory, group).with(USER).with(id.as_str()),
            (MemberIdentity::Directory(name), _) => key_of_group(source_inventory, group).with("directory").with(name),
        };
        key.fingerprint()
    }

    fn user(self) -> Option<&'a User> {
        self.membership.user
    }

    /// Returns the name for people. A member that exists in a directory only has its name there.
    fn display_name(self) -> Option<&'a str> {
        match self.membership.user_id() {
            Some(_) => self.user().and_then(|user| user.display_name.as_deref()),
            None => self.membership.by_way_of(),
        }
    }
}

/// Returns the columns and rows, in the order of `memberships`.
#[rustfmt::skip]
pub(super) fn shape<'a>(facts: &'a Facts<'_>) -> Shape<'a, ReviewRow<'a>, impl Iterator<Item = ReviewRow<'a>>> {
    use Get::{Flag, Fingerprint, Instant, Key, Text, Word, Words};
    use Values::{Repeat, Vary};
    let columns: Vec<Column<'a, ReviewRow<'a>>> = vec![
        required("row_key",          Vary,   Fingerprint(ReviewRow::key)),
        required("source",           Repeat, Text(|r| Some(name_of(r.membership.source_inventory)))),
        required("group_id",         Repeat, Text(|r| Some(r.membership.group_id()))),
        optional("group_name",       Repeat, Text(|r| r.membership.group.and_then(|g| g.name.as_deref()))),
        optional("group_owner",      Repeat, Text(|r| r.owner)),
        optional("group_privileged", Vary,   Flag(|r| r.membership.group.map(|g| g.privileged))),
        optional("user_id",          Vary,   Text(|r| r.membership.user_id())),
        optional("username",         Vary,   Text(|r| r.user().and_then(|u| u.username.as_deref()))),
        optional("display_name",     Vary,   Text(ReviewRow::display_name)),
        optional("email_address",    Vary,   Text(|r| r.user().and_then(|u| u.email_address.as_deref()))),
        optional("person",           Vary,   Key(|r| r.user().and_then(User::person))),
        optional("kind",             Repeat, Word(|r| r.user().map(|u| u.kind.as_str()))),
        optional("enabled",          Vary,   Flag(|r| r.user().and_then(|u| u.enabled))),
        optional("last_login",       Vary,   Instant(|r| r.user().and_then(|u| u.last_login.at()))),
        required("findings",         Repeat, Words(|r| r.findings)),
        required("confirmed_at",     Repeat, Instant(|r| r.membership.seen().map(|seen| seen.confirmed))),
        optional("decision",         Repeat, Text(|_| None)),
        optional("decided_by",       Repeat, Text(|_| None)),
        optional("decided_on",       Repeat, Text(|_| None)),
        optional("comment",          Repeat, Text(|_| None)),
    ];
    let of = move |(source, source_inventory): (usize, &'a SourceInventory)| {
        let row = move |it: &'a Membership| ReviewRow::new(facts, source, MembershipRow::of(source_inventory, it));
        source_inventory.memberships.iter().map(row)
    };
    Shape { columns, rows: facts.tables.inventory.sources.iter().enumerate().flat_map(of) }
}
