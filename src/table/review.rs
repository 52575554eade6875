//! The rows of `review.csv`: the population of an access review, one row for each (group, member) pair.
//!
//! A reviewer opens the file in a spreadsheet, so that a row repeats what a decision needs: the group with its owner,
//! the account, its last sign-in and its findings. The last four columns are empty; the reviewer fills them in. The rows
//! follow from the inventory, the findings and the policy alone.

use super::Tables;
use super::columns::{Column, Get, MembershipRow, Shape, Values, name_of, optional, required};
use crate::model::{Finding, Fingerprint, GroupOwner, MemberIdentity, Membership, SourceInventory, SubjectKind, User};
use ahash::AHashMap;
use std::collections::BTreeSet;

/// Facts that many rows share, computed once.
pub(super) struct Facts<'a> {
    tables: Tables<'a>,
    /// Ids of the rules with an unresolved finding, sorted, by source and account.
    findings: AHashMap<(&'a str, &'a str), Vec<&'static str>>,
    /// Owner of every group, by source and group, in the order of the inventory.
    owners: Vec<Vec<Option<&'a GroupOwner>>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(tables: &Tables<'a>) -> Self {
        let Tables { inventory, group_owners, findings, .. } = *tables;
        let of_source = |source: &SourceInventory| GroupOwner::of_groups(group_owners, &source.reading.groups);
        let owners = inventory.sources.iter().map(of_source).collect();
        Self { tables: *tables, findings: rules_by_account(findings), owners }
    }
}

fn rules_by_account(findings: &[Finding]) -> AHashMap<(&str, &str), Vec<&'static str>> {
    let mut rules: AHashMap<(&str, &str), BTreeSet<&'static str>> = AHashMap::new();
    let is_listed = |finding: &&Finding| finding.status.is_unresolved() && finding.subject.kind == SubjectKind::User;
    for finding in findings.iter().filter(is_listed) {
        let account = (finding.source.as_str(), &*finding.subject.id);
        rules.entry(account).or_default().insert(finding.rule.as_str());
    }
    rules.into_iter().map(|(account, rules)| (account, rules.into_iter().collect())).collect()
}

/// A row of the review. It is a few references.
#[derive(Clone, Copy)]
pub(super) struct ReviewRow<'a> {
    membership: MembershipRow<'a>,
    owner: Option<&'a str>,
    findings: &'a [&'static str],
}

impl<'a> ReviewRow<'a> {
    fn new(facts: &'a Facts<'_>, source: usize, membership: MembershipRow<'a>) -> Self {
        let at = membership.it.group.map(|at| at as usize);
        let owner = at.and_then(|at| facts.owners[source].get(at).copied().flatten()).map(|entry| entry.owner.as_str());
        let account = membership.user_id().map(|id| (name_of(membership.source_inventory), id));
        let findings = account.and_then(|account| facts.findings.get(&account));
        Self { membership, owner, findings: findings.map_or(&[], Vec::as_slice) }
    }

    /// Returns the identity of the row over runs. Names and dates are no part of it; of a member that exists in a
    /// directory only, the name is the id.
    fn key(self) -> Fingerprint {
        let MembershipRow { source_inventory, it } = self.membership;
        let (kind, member) = match source_inventory.pair(it).member {
            MemberIdentity::User(id) => ("user", id.as_str()),
            MemberIdentity::Directory(name) => ("directory", name),
        };
        let source = &source_inventory.reading.source;
        // "r1" is the version of this scheme. The product is included as in the fingerprints of findings.
        Fingerprint::of(&["r1", source.name.as_str(), &source.kind, it.group_id.as_str(), kind, member])
    }

    fn user(self) -> Option<&'a User> {
        self.membership.user()
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
    use Get::{Flag, Fingerprint, Instant, Key, Text, Words};
    use Values::{Repeat, Vary};
    let columns: Vec<Column<'a, ReviewRow<'a>>> = vec![
        required("row_key",          Vary,   Fingerprint(ReviewRow::key)),
        required("source",           Repeat, Text(|r| Some(name_of(r.membership.source_inventory)))),
        required("group_id",         Repeat, Text(|r| Some(r.membership.it.group_id.as_str()))),
        optional("group_name",       Repeat, Text(|r| r.membership.group().and_then(|g| g.name.as_deref()))),
        optional("group_owner",      Repeat, Text(|r| r.owner)),
        optional("group_privileged", Vary,   Flag(|r| r.membership.group().map(|g| g.privileged))),
        optional("user_id",          Vary,   Text(|r| r.membership.user_id())),
        optional("username",         Vary,   Text(|r| r.user().and_then(|u| u.username.as_deref()))),
        optional("display_name",     Vary,   Text(ReviewRow::display_name)),
        optional("email_address",    Vary,   Text(|r| r.user().and_then(|u| u.email_address.as_deref()))),
        optional("person",           Vary,   Key(|r| r.user().and_then(User::person))),
        optional("kind",             Repeat, Text(|r| r.user().map(|u| u.kind.as_str()))),
        optional("enabled",          Vary,   Flag(|r| r.user().and_then(|u| u.enabled))),
        optional("last_login",       Vary,   Instant(|r| r.user().and_then(|u| u.last_login.at()))),
        required("findings",         Repeat, Words(|r| r.findings)),
        required("confirmed_at",     Repeat, Instant(|r| r.membership.it.seen.map(|seen| seen.confirmed))),
        optional("decision",         Repeat, Text(|_| None)),
        optional("decided_by",       Repeat, Text(|_| None)),
        optional("decided_on",       Repeat, Text(|_| None)),
        optional("comment",          Repeat, Text(|_| None)),
    ];
    let of = move |(source, source_inventory): (usize, &'a SourceInventory)| {
        let row = move |it: &'a Membership| ReviewRow::new(facts, source, MembershipRow { source_inventory, it });
        source_inventory.memberships.iter().map(row)
    };
    Shape { columns, rows: facts.tables.inventory.sources.iter().enumerate().flat_map(of) }
}
