//! SCIM's shapes (RFC 7643 §4): JSON -> model, memberships from users and from groups, groups within groups. Every field is optional
//! until seen, and names are compared without case (§2.1). Knows no HTTP.

use super::reference::{MemberReference, Names, ReferenceKind, items};
use crate::model::{Group, GroupId, ListKind, MembershipConflict, Outside, OutsideMember, SourceReading, User, UserId};
use crate::source::decode::{Decoding, Fields, Id, Listed, get};
use ahash::AHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a user's own record says of its groups.
#[derive(Default)]
struct Own {
    direct: BTreeSet<Id>,
    indirect: BTreeSet<Id>,
    /// Some item could not be understood.
    is_odd: bool,
}

/// Who is directly in which group, as groups report it.
struct ByGroup {
    users: Names,
    groups: Names,
    /// By user, where the user's own record reports groups at all.
    own: AHashMap<Id, Own>,
    /// The list of groups is proven complete.
    whole: bool,
    /// Groups that report their members, even if there are none.
    reporting: BTreeSet<Id>,
    /// Groups whose members are not all known.
    unknown: BTreeSet<Id>,
    /// User -> groups.
    of_user: AHashMap<Id, BTreeSet<Id>>,
    /// Child -> parents.
    parents: BTreeMap<Id, BTreeSet<Id>>,
    names: AHashMap<Id, Box<str>>,
    /// Values that are both a user's and a group's id, and that nothing in the reference tells apart.
    ambiguous: u64,
}

/// Puts users and groups together. `unread`: groups whose members could not be read.
pub(super) fn fill(
    reading: &mut SourceReading,
    users: Vec<Listed>,
    groups: Vec<Listed>,
    unread: &BTreeSet<Id>,
    last_login_path: Option<&str>,
    decoding: &Decoding,
) {
    let mut by_group = ByGroup::of(&users, &groups, unread);
    by_group.whole = reading.coverage(ListKind::Groups).is_complete();
    let mut filled: Vec<(Id, Group)> = groups.into_iter().map(|row| by_group.take(row, decoding)).collect();
    by_group.spread_unknown();
    for (id, group) in filled.iter_mut().filter(|_| !by_group.reporting.is_empty()) {
        group.members_known = Some(!by_group.unknown.contains(id));
    }
    reading.groups.extend(filled.into_iter().map(|(_, group)| group));
    for row in users {
        let (user, nested) = user(row, &mut by_group, last_login_path, decoding);
        reading.outside.extend(nested);
        reading.users.push(user);
    }
    by_group.finish(reading, decoding);
}

/// Returns the users whom groups name and the list of users does not hold, as the groups write them.
pub(super) fn strangers(users: &[Listed], groups: &[Listed]) -> BTreeSet<Id> {
    let (known_users, known_groups) = (Names::of(users), Names::of(groups));
    let members = groups.iter().filter_map(|group| group.record.get_caseless("members")).flat_map(items);
    let references =
        members.filter_map(MemberReference::read).filter(|reference| reference.kind != Some(ReferenceKind::Group));
    let ids = references.map(|reference| reference.id);
    ids.filter(|id| !known_users.has(id) && !known_groups.has(id)).collect()
}

/// Returns the members that a record of a group reports, in comparable form; `None`: it reports none at all.
pub(super) fn members_of(group: &Listed) -> Option<BTreeSet<Id>> {
    let members = group.record.get_caseless("members").filter(|members| !members.is_null())?;
    Some(items(members).iter().filter_map(MemberReference::read).map(|reference| reference.id.comparable()).collect())
}

/// Returns whether a member of a group cannot be understood.
pub(super) fn has_odd_member(group: &Listed) -> bool {
    let members = group.record.get_caseless("members").map(items).unwrap_or_default();
    members.iter().any(|member| MemberReference::read(member).is_none())
}

/// Reads the groups of a user's own record; RFC 7643 §4.1.2: direct ones and, marked so, indirect ones.
fn own_groups(row: &Listed, groups: &Names) -> Option<Own> {
    let value = row.record.get_caseless("groups").filter(|value| !value.is_null())?;
    let mut own = Own::default();
    for item in items(value) {
        let Some(reference) = MemberReference::read(item) else {
            own.is_odd = true;
            continue;
        };
        let id = groups.get(&reference.id).cloned().unwrap_or(reference.id);
        if reference.is_indirect {
            own.indirect.insert(id)
        } else {
            own.direct.insert(id)
        };
    }
    Some(own)
}

impl ByGroup {
    fn of(users: &[Listed], groups: &[Listed], unread: &BTreeSet<Id>) -> Self {
        let group_names = Names::of(groups);
        let own = users.iter().filter_map(|row| Some((row.id.clone(), own_groups(row, &group_names)?))).collect();
        Self {
            users: Names::of(users),
            groups: group_names,
            own,
            whole: false,
            reporting: BTreeSet::new(),
            unknown: unread.clone(),
            of_user: AHashMap::new(),
            parents: BTreeMap::new(),
            names: AHashMap::new(),
            ambiguous: 0,
        }
    }

    fn take(&mut self, row: Listed, decoding: &Decoding) -> (Id, Group) {
        let mut row = Fields::of(row, "groups", decoding).caseless();
        let id = row.id.clone();
        let mut group = Group::new(id.to_text());
        group.name = row.text("displayName");
        if let Some(name) = &group.name {
            self.names.insert(id.clone(), name.clone());
        }
        if let Some(members) = row.get("members").filter(|members| !members.is_null()).cloned() {
            self.reporting.insert(id.clone());
            let odd: Vec<Value> = items(&members).iter().filter(|member| !self.member(&id, member)).cloned().collect();
            if odd.is_empty() {
                drop(row.take("members"));
            } else {
                self.unknown.insert(id.clone());
                row.keep_odd("members", Value::Array(odd));
            }
        }
        drop((row.take("schemas"), row.take("meta")));
        group.extra = row.into_extra();
        (id, group)
    }

    /// Takes one member; false where it cannot be understood.
    fn member(&mut self, group: &Id, member: &Value) -> bool {
        let Some(reference) = MemberReference::read(member) else { return false };
        let is_group = match reference.kind {
            Some(kind) => kind == ReferenceKind::Group,
            None => self.means_group(group, &reference.id),
        };
        let names = if is_group { &self.groups } else { &self.users };
        let id = names.get(&reference.id).cloned().unwrap_or(reference.id);
        let kept = if is_group { self.parents.entry(id).or_default() } else { self.of_user.entry(id).or_default() };
        kept.insert(group.clone());
        true
    }

    /// A value alone that is a user's and a group's id is decided by the user's own record, where that reports groups; else it
    /// is the user.
    fn means_group(&mut self, group: &Id, id: &Id) -> bool {
        if !self.groups.has(id) {
            return false;
        }
        let Some(user) = self.users.get(id) else { return true };
        self.ambiguous += 1;
        self.own.get(user).is_some_and(|own| !own.is_odd && !own.direct.contains(group))
    }

    /// What is not known of a group is not known of those that hold it either.
    fn spread_unknown(&mut self) {
        let mut ahead: Vec<Id> = self.unknown.iter().cloned().collect();
        while let Some(group) = ahead.pop() {
            for parent in self.parents.get(&group).into_iter().flatten() {
                if self.unknown.insert(parent.clone()) {
                    ahead.push(parent.clone());
                }
            }
        }
    }

    /// Returns the groups above these, each with the one nearest to the user through which it is reached. Circles end by
    /// themselves.
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

    /// Returns whether all groups of a user are known: by its own record, or by all groups together.
    fn knows(&self, own: Option<&Own>) -> bool {
        let by_groups = self.whole && !self.reporting.is_empty() && self.unknown.is_empty();
        // An empty list is no evidence where the members of some group are unknown.
        let by_own = |own: &Own| !own.is_odd && (!own.direct.is_empty() || self.unknown.is_empty());
        by_groups || own.is_some_and(by_own)
    }

    /// Adds whoever is named by a group and not by the list, and what was ambiguous.
    fn finish(self, reading: &mut SourceReading, decoding: &Decoding) {
        for (id, groups) in self.of_user {
            let id = id.to_text();
            reading.outside.extend(groups.into_iter().map(|group| Outside {
                group_id: group_id(&group, decoding),
                member: OutsideMember::Missing(UserId::from(id.as_str())),
            }));
        }
        if self.ambiguous > 0 {
            reading.warnings.push(format!(
                "{} members of groups are the id of a user and of a group alike, without a type: the users' own groups decided, \
                 or the user was assumed",
                self.ambiguous
            ));
        }
    }
}

fn group_id(id: &Id, decoding: &Decoding) -> GroupId {
    GroupId::from(decoding.word(&id.to_text()))
}

fn user(
    row: Listed,
    by_group: &mut ByGroup,
    last_login_path: Option<&str>,
    decoding: &Decoding,
) -> (User, Vec<Outside>) {
    let mut row = Fields::of(row, "users", decoding).caseless();
    let mut user = User::new(row.id.to_text());
    if let Some(path) = last_login_path {
        user.last_login = decoding.last_login(row.at(path));
        if matches!(row.at(path), Some(Value::Bool(_) | Value::Array(_) | Value::Object(_))) {
            row.odd(path);
        }
    }
    let own = by_group.own.remove(&row.id);
    take_groups(&mut row, own.as_ref());
    let listed = by_group.of_user.remove(&row.id);
    user.groups_known = by_group.knows(own.as_ref());
    user.conflict = conflict(own.as_ref(), listed.as_ref(), by_group, decoding);
    let Own { direct, indirect, .. } = own.unwrap_or_default();
    let direct: BTreeSet<Id> = direct.into_iter().chain(listed.into_iter().flatten()).collect();
    let mut above = by_group.above(&direct);
    // What only the user's record reports, without a way that groups show: the group itself stands in for the way.
    for group in indirect.into_iter().filter(|group| !direct.contains(group)) {
        above.entry(group.clone()).or_insert(group);
    }
    let ids = direct.iter().chain(above.keys()).map(|id| group_id(id, decoding));
    user.group_memberships = ids.collect::<BTreeSet<_>>().into_iter().collect();
    let nested = above.iter().map(|(group, through)| Outside {
        group_id: group_id(group, decoding),
        member: OutsideMember::Nested {
            user: user.id.clone(),
            through: by_group.names.get(through).cloned().unwrap_or_else(|| through.to_text().into()),
        },
    });
    let nested = nested.collect();
    plain_fields(&mut user, row, decoding);
    (user, nested)
}

/// Removes the field of groups; what could not be understood of it stays.
fn take_groups(row: &mut Fields<'_>, own: Option<&Own>) {
    if matches!(own, Some(Own { is_odd: true, .. })) {
        row.odd("groups");
    } else {
        drop(row.take("groups"));
    }
}

fn plain_fields(user: &mut User, mut row: Fields<'_>, decoding: &Decoding) {
    user.username = row.text("userName");
    let name = row.take("name");
    user.display_name = row.text("displayName").or_else(|| full_name(name.as_ref()));
    user.email_address = row.get("emails").and_then(email);
    if user.email_address.is_none() && row.get("emails").is_some_and(|emails| !items(emails).is_empty()) {
        row.odd("emails");
    } else {
        drop(row.take("emails"));
    }
    user.enabled = row.flag("active");
    user.locale = row.word("locale");
    user.created_at = decoding.date(row.at("/meta/created"));
    drop((row.take("schemas"), row.take("meta")));
    user.has_odd_values = row.has_odd();
    user.extra = row.into_extra();
}

/// Where both sides report a group, they must say the same.
fn conflict(
    own: Option<&Own>,
    listed: Option<&BTreeSet<Id>>,
    by_group: &ByGroup,
    decoding: &Decoding,
) -> Option<Box<MembershipConflict>> {
    let own = own.filter(|own| !own.is_odd)?;
    let empty = BTreeSet::new();
    let listed = listed.unwrap_or(&empty);
    let says_all = |id: &&Id| by_group.reporting.contains(*id) && !by_group.unknown.contains(*id);
    let conflict = MembershipConflict {
        only_by_user: own.direct.difference(listed).filter(says_all).map(|id| group_id(id, decoding)).collect(),
        only_by_group: listed.difference(&own.direct).map(|id| group_id(id, decoding)).collect(),
    };
    (conflict != MembershipConflict::default()).then(|| Box::new(conflict))
}

/// RFC 7643 §4.1.1: `formatted`, or what it is made of. Some servers write a text in its place.
fn full_name(name: Option<&Value>) -> Option<Box<str>> {
    let name = name?;
    if let Some(text) = name.as_str().filter(|text| !text.is_empty()) {
        return Some(text.into());
    }
    let part = |key: &str| get(name, key)?.as_str().filter(|text| !text.is_empty());
    if let Some(formatted) = part("formatted") {
        return Some(formatted.into());
    }
    let parts: Vec<&str> = ["givenName", "familyName"].into_iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| parts.join(" ").into())
}

/// RFC 7643 §2.4: the primary one, else the first.
fn email(emails: &Value) -> Option<Box<str>> {
    let emails = items(emails);
    let is_primary = |email: &&Value| {
        let primary = get(email, "primary");
        primary.is_some_and(|flag| {
            flag.as_bool() == Some(true) || flag.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
        })
    };
    let address = |email: &Value| get(email, "value").and_then(Value::as_str).or(email.as_str()).map(Into::into);
    emails.iter().find(is_primary).and_then(address).or_else(|| emails.iter().find_map(address))
}

#[cfg(test)]
mod tests;
