//! The rows of the three tables of a roster, in the order of the files.

use super::cells::{flag, json_list, reported, row, sort_key};
use super::people::{Known, Member, Person, Roster, Who};
use super::{Expect, Row};
use std::collections::HashMap;

pub(super) fn user(expect: &Expect, person: &Person) -> Row {
    row([
        ("source", expect.source.clone()),
        ("id", person.id.clone()),
        ("username", reported(person.username.as_ref())),
        ("display_name", reported(person.display_name.as_ref())),
        ("email_address", reported(person.email.as_ref())),
        ("enabled", flag(person.enabled)),
        ("account_type", reported(person.account_type.as_ref())),
        ("kind", person.kind.as_str().to_owned()),
        ("group_memberships", json_list(&person.groups)),
        ("groups_known", person.groups_known.to_string()),
        ("public_key", reported(person.public_key.as_ref())),
        ("last_login", person.login.cell()),
        ("last_login_status", person.login.status().to_owned()),
        ("created_at", person.created.cell()),
        ("locale", reported(person.locale.as_ref())),
        ("is_admin", flag(person.is_admin)),
        ("mfa", flag(person.mfa)),
        ("expires_at", person.expires.cell()),
        ("extra", person.extra.clone()),
    ])
}

pub(super) fn groups(expect: &Expect, roster: &Roster) -> Vec<Row> {
    // (users, others) by group.
    let mut counts: HashMap<&str, (u64, u64)> = HashMap::new();
    for member in &roster.members {
        let (users, others) = counts.entry(&member.group).or_default();
        match member.who {
            Who::Listed(_) | Who::Nested(..) => *users += 1,
            Who::Directory(_) => *others += 1,
            Who::Missing(_) => {}
        }
    }
    let count = |group: &Known| {
        if roster.unread.contains(&group.id) {
            return (String::new(), String::new());
        }
        let (users, others) = counts.get(group.id.as_str()).copied().unwrap_or_default();
        (users.to_string(), others.to_string())
    };
    roster.groups.iter().map(|known| group(expect, known, count(known))).collect()
}

/// Counts that are unknown are empty.
fn group(expect: &Expect, group: &Known, (users, others): (String, String)) -> Row {
    row([
        ("source", expect.source.clone()),
        ("id", group.id.clone()),
        ("name", reported(group.name.as_ref())),
        ("description", reported(group.description.as_ref())),
        ("privileged", group.privileged.to_string()),
        ("member_count", users),
        ("external_member_count", others),
        ("extra", group.extra.clone()),
    ])
}

/// By group, then by user, then what is no user by its name.
pub(super) fn memberships(expect: &Expect, roster: &Roster) -> Vec<Row> {
    let names: HashMap<&str, &Known> = roster.groups.iter().map(|g| (g.id.as_str(), g)).collect();
    let people: HashMap<&str, &Person> = roster.people.iter().map(|p| (p.id.as_str(), p)).collect();
    let place = |who: &Who| {
        let user = who.user().map(sort_key);
        (user.is_none(), user, who.through().map(str::to_owned))
    };
    let mut members: Vec<&Member> = roster.members.iter().collect();
    members.sort_by_cached_key(|member| (sort_key(&member.group), place(&member.who)));
    let row = |member: &Member| {
        let name = names.get(member.group.as_str()).and_then(|g| g.name.as_ref());
        let username = member.who.user().and_then(|id| people.get(id)).and_then(|person| person.username.as_ref());
        row([
            ("source", expect.source.clone()),
            ("group_id", member.group.clone()),
            ("group_name", reported(name)),
            ("user_id", member.who.user().unwrap_or_default().to_owned()),
            ("username", reported(username)),
            ("via", if member.who.through().is_some() { "directory-group" } else { "direct" }.to_owned()),
            ("external_name", member.who.through().unwrap_or_default().to_owned()),
        ])
    };
    members.into_iter().map(row).collect()
}
