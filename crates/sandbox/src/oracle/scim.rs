//! SCIM as the oracle reads it: users and groups that both report memberships, and nested groups.

use super::Expect;
use super::cells::{sort_key, text};
use super::dates::{Created, Login, is_odd};
use super::inventory::{AccountKind, ExpectedAccount, ExpectedGroup, ExpectedInventory, ExpectedMembership, MemberRef};
use super::written::WrittenRecord;
use crate::dialect::{Dialect, DialectContext, InterfaceFamily, RecordKind, folded};
use crate::record::Record;
use crate::shape::scim as shape;
use crate::world::World;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An id in the order of the tables.
type SortedId = (u64, String);

pub(super) fn inventory(world: &World, expect: &Expect) -> ExpectedInventory {
    let faults = &expect.scim_faults;
    let context = DialectContext { dialects: &expect.dialects, world };
    let written = |kind: RecordKind, resources: Vec<Value>| -> Vec<WrittenRecord> {
        let records = resources.into_iter().filter_map(|resource| resource.as_object().cloned());
        records.map(|record| WrittenRecord::of(&context, InterfaceFamily::Scim, kind, record)).collect()
    };
    let users = written(RecordKind::User, shape::users(world, faults, "/scim/v2", shape::ALL));
    let listed = expect.groups_listed && !context.has(Dialect::NoGroups);
    let groups = if listed { shape::groups(world, faults, "/scim/v2", shape::ALL) } else { Vec::new() };
    let groups = written(RecordKind::Group, groups);
    let sides = MembershipSides::read(&users, &groups);
    let accounts: Vec<ExpectedAccount> = users.iter().map(|user| account(user, expect, &sides)).collect();
    let groups: Vec<ExpectedGroup> = groups.iter().map(|written| group(written, expect)).collect();
    // Where no group reports members, a user who reports no groups may be in any of them.
    let in_any = sides.group_reports.is_empty() && accounts.iter().any(|account| !account.groups_known);
    ExpectedInventory {
        unread: groups.iter().filter(|_| in_any).map(|group| group.id.clone()).collect(),
        members: accounts
            .iter()
            .flat_map(|account| sides.rows(account))
            .chain(sides.unlisted_members(&accounts))
            .collect(),
        accounts,
        groups,
        ..ExpectedInventory::default()
    }
}

fn account(written: &WrittenRecord, expect: &Expect, sides: &MembershipSides) -> ExpectedAccount {
    const REPORTED: [&str; 10] =
        ["schemas", "id", "userName", "displayName", "name", "emails", "active", "groups", "meta", "locale"];
    let served = written.understood();
    let (id, username) = (text(served, "id").unwrap_or_default(), text(served, "userName"));
    let part = |object: &str, key: &str| served.get(object).and_then(|object| object.get(key));
    let formatted = part("name", "formatted").and_then(Value::as_str).map(str::to_owned);
    let login = part("urn:bt-rollcall:sandbox:2.0:User", "lastLogin").filter(|_| expect.last_login_path);
    let created = part("meta", "created");
    let odd_date = login.is_some_and(is_odd) || created.is_some_and(is_odd);
    let created = Created::read(created);
    let key = sort_key(&id);
    let groups: BTreeSet<SortedId> = sides.direct(&key).union(&sides.indirect(&key)).cloned().collect();
    ExpectedAccount {
        kind: AccountKind::of(expect, AccountKind::Person, &id, username.as_deref()),
        username,
        display_name: text(served, "displayName").or(formatted),
        email: served.get("emails").and_then(Value::as_array).and_then(|emails| email(emails)),
        enabled: served.get("active").and_then(Value::as_bool),
        groups: groups.into_iter().map(|(_, id)| id).collect(),
        groups_known: sides.user_reports.contains_key(&key) || !sides.group_reports.is_empty(),
        login: Login::read(login).of_account(&created),
        created,
        locale: text(served, "locale"),
        disagrees: sides.disagrees(&key),
        odd: written.is_odd() || odd_date,
        extra: written.extra(&REPORTED),
        ..ExpectedAccount::new(id)
    }
}

fn email(emails: &[Value]) -> Option<String> {
    let primary = emails.iter().find(|email| email["primary"] == true).or(emails.first());
    primary.and_then(|email| email["value"].as_str()).map(str::to_owned)
}

fn group(written: &WrittenRecord, expect: &Expect) -> ExpectedGroup {
    let served = written.understood();
    let id = text(served, "id").unwrap_or_default();
    ExpectedGroup {
        extra: written.extra(&["schemas", "id", "displayName", "members", "meta"]),
        ..ExpectedGroup::new(expect, id, text(served, "displayName"))
    }
}

/// The memberships by both sides.
struct MembershipSides {
    /// User -> the groups that the user names. Absent if the user has no `groups`.
    user_reports: BTreeMap<SortedId, BTreeSet<SortedId>>,
    /// Group -> the users that the group names. Absent if the group has no `members`.
    group_reports: BTreeMap<SortedId, BTreeSet<SortedId>>,
    /// User -> the groups that name the user.
    named_by: BTreeMap<SortedId, BTreeSet<SortedId>>,
    /// Group -> the groups of which it is a member.
    parents: BTreeMap<SortedId, BTreeSet<SortedId>>,
    names: BTreeMap<SortedId, String>,
}

impl MembershipSides {
    fn read(users: &[WrittenRecord], groups: &[WrittenRecord]) -> Self {
        let id = |value: &Value| value.as_str().map(|id| sort_key(&folded(id))).unwrap_or_default();
        let own = |record: &Record| record.get("id").map(&id).unwrap_or_default();
        let values = |rows: &[&Value]| rows.iter().map(|row| id(&row["value"])).collect::<BTreeSet<SortedId>>();
        let mut sides = Self {
            user_reports: BTreeMap::new(),
            group_reports: BTreeMap::new(),
            named_by: BTreeMap::new(),
            parents: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for user in users.iter().map(WrittenRecord::understood) {
            if let Some(rows) = user.get("groups").and_then(Value::as_array) {
                sides.user_reports.insert(own(user), values(&rows.iter().collect::<Vec<_>>()));
            }
        }
        for group in groups.iter().map(WrittenRecord::understood) {
            sides.names.extend(text(group, "displayName").map(|name| (own(group), name)));
            let Some(rows) = group.get("members").and_then(Value::as_array) else { continue };
            let (inside, users): (Vec<&Value>, Vec<&Value>) = rows.iter().partition(|row| row["type"] == "Group");
            for child in values(&inside) {
                sides.parents.entry(child).or_default().insert(own(group));
            }
            for user in values(&users) {
                sides.named_by.entry(user).or_default().insert(own(group));
            }
            sides.group_reports.insert(own(group), values(&users));
        }
        sides
    }

    /// Returns the groups of which a user is a direct member, by either side.
    fn direct(&self, user: &SortedId) -> BTreeSet<SortedId> {
        let sides = [self.user_reports.get(user), self.named_by.get(user)];
        sides.into_iter().flatten().flatten().cloned().collect()
    }

    /// Returns the groups around a group: its parents, their parents, and so on.
    fn ancestors(&self, group: &SortedId) -> BTreeSet<SortedId> {
        let mut found = BTreeSet::new();
        let mut next = vec![group];
        while let Some(group) = next.pop() {
            next.extend(self.parents.get(group).into_iter().flatten().filter(|parent| found.insert((*parent).clone())));
        }
        found
    }

    /// Returns the groups that a user is in only through another group.
    fn indirect(&self, user: &SortedId) -> BTreeSet<SortedId> {
        let direct = self.direct(user);
        let ancestors: BTreeSet<SortedId> = direct.iter().flat_map(|group| self.ancestors(group)).collect();
        &ancestors - &direct
    }

    /// Returns whether the two sides disagree about a user. Only groups that report members can be compared.
    fn disagrees(&self, user: &SortedId) -> bool {
        let Some(names) = self.user_reports.get(user) else { return false };
        let comparable: BTreeSet<&SortedId> =
            names.iter().filter(|group| self.group_reports.contains_key(*group)).collect();
        comparable != self.named_by.get(user).into_iter().flatten().collect()
    }

    fn rows(&self, account: &ExpectedAccount) -> Vec<ExpectedMembership> {
        let user = sort_key(&account.id);
        let direct = self.direct(&user);
        let row = |group: &SortedId, member: MemberRef| ExpectedMembership { group: group.1.clone(), member };
        let mut rows: Vec<ExpectedMembership> =
            direct.iter().map(|group| row(group, MemberRef::Listed(account.id.clone()))).collect();
        for group in self.indirect(&user) {
            // Ascending order makes the choice unique: the group with the smallest id.
            let through = direct.iter().find(|inside| self.ancestors(inside).contains(&group));
            let name = through.map(|inside| self.names.get(inside).unwrap_or(&inside.1).clone()).unwrap_or_default();
            rows.push(row(&group, MemberRef::Nested(account.id.clone(), name)));
        }
        rows
    }

    /// Returns the members who are not in the list of users.
    fn unlisted_members(&self, accounts: &[ExpectedAccount]) -> Vec<ExpectedMembership> {
        let known: BTreeSet<SortedId> = accounts.iter().map(|account| sort_key(&account.id)).collect();
        let missing = |(group, users): (&SortedId, &BTreeSet<SortedId>)| {
            let group = group.1.clone();
            let users: Vec<SortedId> = users.difference(&known).cloned().collect();
            users
                .into_iter()
                .map(move |(_, id)| ExpectedMembership { group: group.clone(), member: MemberRef::Missing(id) })
        };
        self.group_reports.iter().flat_map(missing).collect()
    }
}
