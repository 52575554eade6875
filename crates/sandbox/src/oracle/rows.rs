//! The rows of the three tables, in the order of the files.

use super::cells::{flag, json_list, row, sort_key, text_or_empty};
use super::inventory::{AccountKind, ExpectedAccount, ExpectedGroup, ExpectedInventory, ExpectedMembership, MemberRef};
use super::{Expect, Row};
use std::collections::{HashMap, HashSet};

/// Returns the rows of `users`, in the order of the inventory.
pub(super) fn users(expect: &Expect, inventory: &ExpectedInventory) -> Vec<Row> {
    let groups = groups_by_id(inventory);
    inventory.accounts.iter().map(|account| user(expect, account, &groups)).collect()
}

fn groups_by_id(inventory: &ExpectedInventory) -> HashMap<&str, &ExpectedGroup> {
    inventory.groups.iter().map(|group| (group.id.as_str(), group)).collect()
}

/// Returns whether the account is privileged; `None` if a group that is not known may make it so.
fn privilege(expect: &Expect, account: &ExpectedAccount, groups: &HashMap<&str, &ExpectedGroup>) -> Option<bool> {
    let listed = |id: &String| groups.get(id.as_str());
    if account.is_admin == Some(true) || account.groups.iter().filter_map(listed).any(|group| group.privileged) {
        return Some(true);
    }
    let hidden = !account.groups_known || (!expect.groups_listed && !account.groups.is_empty());
    if hidden && !expect.privileged_groups.is_empty() { None } else { Some(false) }
}

/// Returns the names of the groups of an account. The id stands for a group without a name.
fn group_names(account: &ExpectedAccount, groups: &HashMap<&str, &ExpectedGroup>) -> Vec<String> {
    let name =
        |id: &String| groups.get(id.as_str()).and_then(|group| group.name.clone()).filter(|name| !name.is_empty());
    account.groups.iter().map(|id| name(id).unwrap_or_else(|| id.clone())).collect()
}

/// Returns the key of the person: the address in lower case. Accounts of programs and emergency accounts have none.
fn person(account: &ExpectedAccount) -> String {
    let is_person = matches!(account.kind, AccountKind::Person | AccountKind::Vendor);
    let address = account.email.as_ref().filter(|_| is_person);
    address.map(|address| address.trim().to_lowercase()).unwrap_or_default()
}

fn user(expect: &Expect, account: &ExpectedAccount, groups: &HashMap<&str, &ExpectedGroup>) -> Row {
    row([
        ("source", expect.source.clone()),
        ("id", account.id.clone()),
        ("username", text_or_empty(account.username.as_ref())),
        ("display_name", text_or_empty(account.display_name.as_ref())),
        ("email_address", text_or_empty(account.email.as_ref())),
        ("enabled", flag(account.enabled)),
        ("account_type", text_or_empty(account.account_type.as_ref())),
        ("kind", account.kind.as_str().to_owned()),
        ("group_memberships", json_list(&account.groups)),
        ("groups_known", account.groups_known.to_string()),
        ("public_key", text_or_empty(account.public_key.as_ref())),
        ("last_login", account.login.cell()),
        ("last_login_status", account.login.status().to_owned()),
        ("created_at", account.created.cell()),
        ("locale", text_or_empty(account.locale.as_ref())),
        ("is_admin", flag(account.is_admin)),
        ("mfa", flag(account.mfa)),
        ("expires_at", account.expires.cell()),
        ("is_privileged", flag(privilege(expect, account, groups))),
        ("group_names", json_list(&group_names(account, groups))),
        ("person", person(account)),
        ("extra", account.extra.clone()),
    ])
}

pub(super) fn groups(expect: &Expect, inventory: &ExpectedInventory) -> Vec<Row> {
    // Number of users and of other members, by group.
    let mut counts: HashMap<&str, (u64, u64)> = HashMap::new();
    // Groups with a member who may be a user.
    let mut uncounted: HashSet<&str> = HashSet::new();
    for member in &inventory.members {
        let (users, others) = counts.entry(&member.group).or_default();
        match member.member {
            MemberRef::Listed(_) | MemberRef::Nested(..) => *users += 1,
            MemberRef::Directory(_) => *others += 1,
            MemberRef::Missing(_) if inventory.doubts_users => drop(uncounted.insert(&member.group)),
            MemberRef::Missing(_) => {}
        }
    }
    let count = |group: &ExpectedGroup| {
        if inventory.unread.contains(&group.id) {
            return (String::new(), String::new());
        }
        let (users, others) = counts.get(group.id.as_str()).copied().unwrap_or_default();
        let users = if uncounted.contains(group.id.as_str()) { String::new() } else { users.to_string() };
        (users, others.to_string())
    };
    inventory.groups.iter().map(|known| group(expect, known, count(known))).collect()
}

/// Returns a row of `groups`. Unknown counts are empty.
fn group(expect: &Expect, group: &ExpectedGroup, (users, others): (String, String)) -> Row {
    row([
        ("source", expect.source.clone()),
        ("id", group.id.clone()),
        ("name", text_or_empty(group.name.as_ref())),
        ("description", text_or_empty(group.description.as_ref())),
        ("privileged", group.privileged.to_string()),
        ("member_count", users),
        ("external_member_count", others),
        ("extra", group.extra.clone()),
    ])
}

/// Returns the rows of `memberships`: by group, then by user, then members that are no users, by name.
pub(super) fn memberships(expect: &Expect, inventory: &ExpectedInventory) -> Vec<Row> {
    let names = groups_by_id(inventory);
    let accounts: HashMap<&str, &ExpectedAccount> = inventory.accounts.iter().map(|p| (p.id.as_str(), p)).collect();
    let order = |member: &MemberRef| {
        let user = member.user().map(sort_key);
        (user.is_none(), user, member.through().map(str::to_owned))
    };
    let mut members: Vec<&ExpectedMembership> = inventory.members.iter().collect();
    members.sort_by_cached_key(|member| (sort_key(&member.group), order(&member.member)));
    let row = |member: &ExpectedMembership| {
        let name = names.get(member.group.as_str()).and_then(|g| g.name.as_ref());
        let account = member.member.user().and_then(|id| accounts.get(id));
        row([
            ("source", expect.source.clone()),
            ("group_id", member.group.clone()),
            ("group_name", text_or_empty(name)),
            ("user_id", member.member.user().unwrap_or_default().to_owned()),
            ("username", text_or_empty(account.and_then(|account| account.username.as_ref()))),
            ("via", if member.member.through().is_some() { "directory-group" } else { "direct" }.to_owned()),
            ("external_name", member.member.through().unwrap_or_default().to_owned()),
            ("email_address", text_or_empty(account.and_then(|account| account.email.as_ref()))),
            ("enabled", flag(account.and_then(|account| account.enabled))),
            ("last_login", account.map(|account| account.login.cell()).unwrap_or_default()),
        ])
    };
    members.into_iter().map(row).collect()
}
