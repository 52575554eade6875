//! SCIM's shapes (RFC 7643 §4): JSON -> model, memberships from users and from groups, groups within groups. Every field is optional
//! until seen. Knows no HTTP.

use crate::model::{
    Group, GroupId, Harvest, LastLogin, ListKind, MembershipConflict, Outside, OutsideMember, User, UserId,
};
use crate::source::record::{Decoding, Id, Listed, Record};
use ahash::AHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who is directly in which group, as groups tell it.
#[derive(Default)]
struct ByGroup {
    /// The list of groups is proven complete.
    whole: bool,
    /// Groups that tell their members, even if there are none.
    tellers: BTreeSet<Id>,
    /// User -> groups.
    of_user: AHashMap<Id, BTreeSet<Id>>,
    /// Child -> parents.
    parents: BTreeMap<Id, BTreeSet<Id>>,
    names: AHashMap<Id, Box<str>>,
}

/// Puts users and groups together.
pub(super) fn fill(
    harvest: &mut Harvest,
    users: Vec<Listed>,
    groups: Vec<Listed>,
    last_login_path: Option<&str>,
    decoding: &Decoding,
) {
    let whole = harvest.coverage(ListKind::Groups).is_complete();
    let mut by_group = ByGroup { whole, ..ByGroup::default() };
    let known: BTreeSet<Id> = groups.iter().map(|group| group.id.clone()).collect();
    for row in groups {
        harvest.groups.push(by_group.take(row, &known));
    }
    for row in users {
        let (user, nested) = user(row, &mut by_group, last_login_path, decoding);
        harvest.outside.extend(nested);
        harvest.users.push(user);
    }
    // Whoever is left is named by a group and not by the list.
    for (id, groups) in by_group.of_user {
        let id = id.to_text();
        harvest.outside.extend(groups.into_iter().map(|group| Outside {
            group_id: GroupId::from(decoding.word(&group.to_text())),
            member: OutsideMember::Missing(UserId::from(id.as_str())),
        }));
    }
}

/// Whom groups name and the list of users does not.
pub(super) fn strangers(users: &[Listed], groups: &[Listed]) -> BTreeSet<Id> {
    let known: BTreeSet<&Id> = groups.iter().map(|group| &group.id).chain(users.iter().map(|user| &user.id)).collect();
    let members = groups.iter().filter_map(|group| group.record.get("members")?.as_array()).flatten();
    let is_user = |member: &&Value| {
        member.get("type").and_then(Value::as_str).is_none_or(|kind| kind.eq_ignore_ascii_case("user"))
    };
    members.filter(is_user).filter_map(value_of).filter(|id| !known.contains(id)).collect()
}

impl ByGroup {
    fn take(&mut self, row: Listed, known: &BTreeSet<Id>) -> Group {
        let mut record = row.record;
        let mut group = Group::new(row.id.to_text());
        group.name = record.take_text("displayName");
        if let Some(name) = &group.name {
            self.names.insert(row.id.clone(), name.clone());
        }
        if let Some(Value::Array(members)) = record.take("members") {
            self.tellers.insert(row.id.clone());
            for member in &members {
                self.member(&row.id, member, known);
            }
        }
        drop((record.take("schemas"), record.take("meta")));
        group.extra = record.into_extra();
        group
    }

    /// RFC 7643 §4.2: `type` is `User` or `Group`, and may be left out; then an id that is a group's means the group.
    fn member(&mut self, group: &Id, member: &Value, known: &BTreeSet<Id>) {
        let Some(id) = value_of(member) else { return };
        let kind = member.get("type").and_then(Value::as_str);
        let by_reference = member.get("$ref").and_then(Value::as_str).is_some_and(|link| link.contains("/Groups/"));
        let is_group = match kind {
            Some(kind) => kind.eq_ignore_ascii_case("group"),
            None => by_reference || (member.get("$ref").is_none() && known.contains(&id)),
        };
        let kept = if is_group { self.parents.entry(id).or_default() } else { self.of_user.entry(id).or_default() };
        kept.insert(group.clone());
    }

    /// The groups above these, each with the one nearest to the user through which it is reached. Circles end by themselves.
    fn above(&self, direct: &BTreeSet<Id>) -> BTreeMap<Id, Id> {
        let mut above = BTreeMap::new();
        // Level by level, so that the way is the shortest; by id within a level.
        let mut ahead: VecDeque<(Id, Id)> = direct.iter().map(|group| (group.clone(), group.clone())).collect();
        while let Some((group, through)) = ahead.pop_front() {
            for parent in self.parents.get(&group).into_iter().flatten() {
                if !direct.contains(parent) && !above.contains_key(parent) {
                    above.insert(parent.clone(), through.clone());
                    ahead.push_back((parent.clone(), through.clone()));
                }
            }
        }
        above
    }
}

fn user(
    row: Listed,
    by_group: &mut ByGroup,
    last_login_path: Option<&str>,
    decoding: &Decoding,
) -> (User, Vec<Outside>) {
    let mut record = row.record;
    let mut user = User::new(row.id.to_text());
    user.last_login = match last_login_path {
        Some(path) => decoding.last_login(record.at(path)),
        None => LastLogin::NotReported,
    };
    let (told, indirect) = memberships_told(&mut record);
    let listed = by_group.of_user.remove(&row.id);
    user.groups_known = told.is_some() || (by_group.whole && !by_group.tellers.is_empty());
    user.conflict = conflict(told.as_ref(), listed.as_ref(), by_group, decoding);
    let direct: BTreeSet<Id> = told.into_iter().flatten().chain(listed.into_iter().flatten()).collect();
    let mut above = by_group.above(&direct);
    // What only the user's record tells, without a way that groups show: the group itself stands for the way.
    for group in indirect.into_iter().filter(|group| !direct.contains(group)) {
        above.entry(group.clone()).or_insert(group);
    }
    let group_id = |id: &Id| GroupId::from(decoding.word(&id.to_text()));
    user.group_memberships =
        direct.iter().chain(above.keys()).map(group_id).collect::<BTreeSet<_>>().into_iter().collect();
    let nested = above.iter().map(|(group, through)| Outside {
        group_id: group_id(group),
        member: OutsideMember::Nested {
            user: user.id.clone(),
            through: by_group.names.get(through).cloned().unwrap_or_else(|| through.to_text().into()),
        },
    });
    let nested = nested.collect();
    plain_fields(&mut user, record, decoding);
    (user, nested)
}

fn plain_fields(user: &mut User, mut record: Record, decoding: &Decoding) {
    user.username = record.take_text("userName");
    let name = record.take("name");
    user.display_name = record.take_text("displayName").or_else(|| full_name(name.as_ref()));
    user.email_address = record.take("emails").as_ref().and_then(email);
    user.enabled = record.take_flag("active");
    user.locale = record.take_text("locale").map(|locale| decoding.word(&locale));
    user.created_at = decoding.date(record.at("/meta/created"));
    drop((record.take("schemas"), record.take("meta")));
    user.extra = std::mem::take(&mut record).into_extra();
}

/// What the user's own record says; RFC 7643 §4.1.2: `groups`, direct ones and, marked so, indirect ones.
fn memberships_told(record: &mut Record) -> (Option<BTreeSet<Id>>, BTreeSet<Id>) {
    let Some(Value::Array(groups)) = record.take("groups") else { return (None, BTreeSet::new()) };
    let is_indirect = |group: &Value| {
        let kind = group.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case("indirect"))
    };
    let of = |indirect: bool| groups.iter().filter(move |group| is_indirect(group) == indirect).filter_map(value_of);
    (Some(of(false).collect()), of(true).collect())
}

/// Where both sides tell of a group, they must say the same.
fn conflict(
    told: Option<&BTreeSet<Id>>,
    listed: Option<&BTreeSet<Id>>,
    by_group: &ByGroup,
    decoding: &Decoding,
) -> Option<Box<MembershipConflict>> {
    let told = told?;
    let empty = BTreeSet::new();
    let listed = listed.unwrap_or(&empty);
    let group_id = |id: &Id| GroupId::from(decoding.word(&id.to_text()));
    let conflict = MembershipConflict {
        only_by_user: told.difference(listed).filter(|id| by_group.tellers.contains(id)).map(group_id).collect(),
        only_by_group: listed.difference(told).map(group_id).collect(),
    };
    (conflict != MembershipConflict::default()).then(|| Box::new(conflict))
}

fn value_of(reference: &Value) -> Option<Id> {
    match reference.get("value")? {
        Value::String(text) if !text.is_empty() => Some(Id::of(text)),
        Value::Number(number) => Some(Id::of(&number.to_string())),
        _ => None,
    }
}

/// RFC 7643 §4.1.1: `formatted`, or what it is made of.
fn full_name(name: Option<&Value>) -> Option<Box<str>> {
    let part = |key: &str| name?.get(key)?.as_str().filter(|text| !text.is_empty());
    if let Some(formatted) = part("formatted") {
        return Some(formatted.into());
    }
    let parts: Vec<&str> = ["givenName", "familyName"].into_iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| parts.join(" ").into())
}

/// RFC 7643 §2.4: the primary one, else the first.
fn email(emails: &Value) -> Option<Box<str>> {
    let emails = emails.as_array()?;
    let is_primary = |email: &&Value| email.get("primary").and_then(Value::as_bool) == Some(true);
    let address = |email: &Value| email.get("value").and_then(Value::as_str).or(email.as_str()).map(Into::into);
    emails.iter().find(is_primary).and_then(address).or_else(|| emails.iter().find_map(address))
}

#[cfg(test)]
mod tests;
