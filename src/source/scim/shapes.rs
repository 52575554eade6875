//! Mapping of SCIM resources (RFC 7643 §4) to the model. Knows no HTTP.
//!
//! Memberships come from two sides: the `groups` of users and the `members` of groups. Both are merged, differences are
//! reported, and groups within groups are resolved. Every field is optional, and names are compared without case
//! (§2.1).

use super::reference::{ListedIds, MemberReference, ReferenceKind, items};
use crate::model::{
    Group, GroupId, ListKind, MembershipConflict, Outside, OutsideMember, SourceReading, Text, User, UserId,
};
use crate::source::decode::{Decoding, Fields, Id, Listed, get};
use ahash::AHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Groups in the record of a user.
#[derive(Default)]
struct OwnGroups {
    direct: BTreeSet<Id>,
    indirect: BTreeSet<Id>,
    /// Whether some item could not be read.
    is_odd: bool,
}

/// Memberships from both sides while they are merged.
struct MembershipIndex {
    users: ListedIds,
    groups: ListedIds,
    /// Groups in the records of users, by user. A user whose record has no `groups` is absent.
    own: AHashMap<Id, OwnGroups>,
    /// Whether the list of groups is proven complete.
    whole: bool,
    /// Groups that report their members, even if they have none.
    reporting: BTreeSet<Id>,
    /// Groups whose members are not all known.
    unknown: BTreeSet<Id>,
    /// Groups by user, as the groups report it.
    of_user: AHashMap<Id, BTreeSet<Id>>,
    /// Groups that contain a group, by the contained group.
    parents: BTreeMap<Id, BTreeSet<Id>>,
    /// Display names of groups.
    names: AHashMap<Id, Text>,
    /// Number of members that are the id of both a user and a group, where the reference has no type.
    ambiguous: u64,
}

/// Adds users, groups and memberships to the reading. `unread` are the groups whose members could not be read.
pub(super) fn fill(
    reading: &mut SourceReading,
    users: Vec<Listed>,
    groups: Vec<Listed>,
    unread: &BTreeSet<Id>,
    last_login_path: Option<&str>,
    decoding: &Decoding,
) {
    let mut index = MembershipIndex::of(&users, &groups, unread);
    index.whole = reading.coverage(ListKind::Groups).is_complete();
    let mut filled: Vec<(Id, Group)> = groups.into_iter().map(|row| index.add_group(row, decoding)).collect();
    index.propagate_unknown();
    for (id, group) in filled.iter_mut().filter(|_| !index.reporting.is_empty()) {
        group.members_known = Some(!index.unknown.contains(id));
    }
    reading.groups.extend(filled.into_iter().map(|(_, group)| group));
    for row in users {
        let (user, nested) = user(row, &mut index, last_login_path, decoding);
        reading.outside.extend(nested);
        reading.users.push(user);
    }
    index.finish(reading, decoding);
}

/// Returns the ids of members that are neither a listed user nor a listed group, as the groups write them.
pub(super) fn unlisted_users(users: &[Listed], groups: &[Listed]) -> BTreeSet<Id> {
    let (known_users, known_groups) = (ListedIds::of(users), ListedIds::of(groups));
    let members = groups.iter().filter_map(|group| group.record.get_caseless("members")).flat_map(items);
    let references =
        members.filter_map(MemberReference::read).filter(|reference| reference.kind != Some(ReferenceKind::Group));
    let ids = references.map(|reference| reference.id);
    ids.filter(|id| !known_users.has(id) && !known_groups.has(id)).collect()
}

/// Returns the members in the record of a group, in comparable form; `None` if the record has no `members`.
pub(super) fn members_of(group: &Listed) -> Option<BTreeSet<Id>> {
    let members = group.record.get_caseless("members").filter(|members| !members.is_null())?;
    Some(items(members).iter().filter_map(MemberReference::read).map(|reference| reference.id.comparable()).collect())
}

/// Returns whether a member of a group cannot be read.
pub(super) fn has_odd_member(group: &Listed) -> bool {
    let members = group.record.get_caseless("members").map(items).unwrap_or_default();
    members.iter().any(|member| MemberReference::read(member).is_none())
}

/// Reads the groups in the record of a user, direct and indirect ones (RFC 7643 §4.1.2); `None` if the record has no
/// `groups`.
fn own_groups(row: &Listed, groups: &ListedIds) -> Option<OwnGroups> {
    let value = row.record.get_caseless("groups").filter(|value| !value.is_null())?;
    let mut own = OwnGroups::default();
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

impl MembershipIndex {
    /// Starts with the records of users. Members of groups are added by [`Self::add_group`].
    fn of(users: &[Listed], groups: &[Listed], unread: &BTreeSet<Id>) -> Self {
        let group_names = ListedIds::of(groups);
        let own = users.iter().filter_map(|row| Some((row.id.clone(), own_groups(row, &group_names)?))).collect();
        Self {
            users: ListedIds::of(users),
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

    /// Adds a group and its members. Members that cannot be read stay in `extra`.
    fn add_group(&mut self, row: Listed, decoding: &Decoding) -> (Id, Group) {
        let mut row = Fields::of(row, "groups", decoding).caseless();
        let id = row.id.clone();
        let mut group = Group::new(id.to_text());
        group.name = row.text("displayName");
        if let Some(name) = &group.name {
            self.names.insert(id.clone(), name.clone());
        }
        if let Some(members) = row.get("members").filter(|members| !members.is_null()).cloned() {
            self.reporting.insert(id.clone());
            let odd: Vec<Value> =
                items(&members).iter().filter(|member| !self.add_member(&id, member)).cloned().collect();
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

    /// Adds one member; returns false if it cannot be read.
    fn add_member(&mut self, group: &Id, member: &Value) -> bool {
        let Some(reference) = MemberReference::read(member) else { return false };
        let is_group = match reference.kind {
            Some(kind) => kind == ReferenceKind::Group,
            None => self.is_group_meant(group, &reference.id),
        };
        let names = if is_group { &self.groups } else { &self.users };
        let id = names.get(&reference.id).cloned().unwrap_or(reference.id);
        let kept = if is_group { self.parents.entry(id).or_default() } else { self.of_user.entry(id).or_default() };
        kept.insert(group.clone());
        true
    }

    /// Decides whether an id without a type means the group where both a user and a group have it. The record of the
    /// user decides if it reports groups; otherwise the user is meant.
    fn is_group_meant(&mut self, group: &Id, id: &Id) -> bool {
        if !self.groups.has(id) {
            return false;
        }
        let Some(user) = self.users.get(id) else { return true };
        self.ambiguous += 1;
        self.own.get(user).is_some_and(|own| !own.is_odd && !own.direct.contains(group))
    }

    /// Marks groups as unknown that contain a group with unknown members, at any depth.
    fn propagate_unknown(&mut self) {
        let mut ahead: Vec<Id> = self.unknown.iter().cloned().collect();
        while let Some(group) = ahead.pop() {
            for parent in self.parents.get(&group).into_iter().flatten() {
                if self.unknown.insert(parent.clone()) {
                    ahead.push(parent.clone());
                }
            }
        }
    }

    /// Returns the groups that contain these groups, at any depth. Each is mapped to the direct group through which it
    /// is reached. Cycles end, because no group is visited twice.
    fn above(&self, direct: &BTreeSet<Id>) -> BTreeMap<Id, Id> {
        let mut above = BTreeMap::new();
        // Breadth first, so that the path is the shortest one; in the order of ids within a level.
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

    /// Returns whether all groups of a user are known: from the record of the user, or from the members of all groups.
    fn knows_groups(&self, own: Option<&OwnGroups>) -> bool {
        let by_groups = self.whole && !self.reporting.is_empty() && self.unknown.is_empty();
        // An empty list in the record is no evidence if the members of some group are unknown.
        let by_own = |own: &OwnGroups| !own.is_odd && (!own.direct.is_empty() || self.unknown.is_empty());
        by_groups || own.is_some_and(by_own)
    }

    /// Adds members without a listed user, and a warning about ambiguous ids.
    fn finish(self, reading: &mut SourceReading, decoding: &Decoding) {
        for (id, groups) in self.of_user {
            let id = id.to_text();
            reading.outside.extend(groups.into_iter().map(|group| Outside {
                group_id: group_id(&group, decoding),
                member: OutsideMember::Missing(UserId::from(id.as_str())),
            }));
        }
        if self.ambiguous > 0 {
            reading.notes.push(format!(
                "members that match both a user and a group and have no type: {}; the record of the user decided, \
                 otherwise they count as users",
                self.ambiguous
            ));
        }
    }
}

fn group_id(id: &Id, decoding: &Decoding) -> GroupId {
    GroupId::from(decoding.intern(&id.to_text()))
}

/// Builds a user and the memberships that it has only through other groups.
fn user(
    row: Listed,
    index: &mut MembershipIndex,
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
    let own = index.own.remove(&row.id);
    take_groups(&mut row, own.as_ref());
    // Removed, so that only members without a listed user are left for `finish`.
    let listed = index.of_user.remove(&row.id);
    user.groups_known = index.knows_groups(own.as_ref());
    user.rare.set(|rare| &mut rare.conflict, conflict(own.as_ref(), listed.as_ref(), index, decoding));
    let OwnGroups { direct, indirect, .. } = own.unwrap_or_default();
    let direct: BTreeSet<Id> = direct.into_iter().chain(listed.into_iter().flatten()).collect();
    let mut above = index.above(&direct);
    // An indirect membership that only the record of the user reports has no known path: the group itself is named as
    // the path.
    for group in indirect.into_iter().filter(|group| !direct.contains(group)) {
        above.entry(group.clone()).or_insert(group);
    }
    let ids = direct.iter().chain(above.keys()).map(|id| group_id(id, decoding));
    user.group_memberships = ids.collect::<BTreeSet<_>>().into_iter().collect();
    let nested = above.iter().map(|(group, through)| Outside {
        group_id: group_id(group, decoding),
        member: OutsideMember::Nested {
            user: user.id.clone(),
            through: index.names.get(through).cloned().unwrap_or_else(|| through.to_text()),
        },
    });
    let nested = nested.collect();
    plain_fields(&mut user, row, decoding);
    (user, nested)
}

/// Removes `groups`. If some item could not be read, the field stays and is counted.
fn take_groups(row: &mut Fields<'_>, own: Option<&OwnGroups>) {
    if matches!(own, Some(OwnGroups { is_odd: true, .. })) {
        row.odd("groups");
    } else {
        drop(row.take("groups"));
    }
}

/// Takes the fields that need no other record.
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
    user.locale = row.shared_text("locale");
    user.created_at = decoding.date(row.at("/meta/created"));
    drop((row.take("schemas"), row.take("meta")));
    user.has_odd_values = row.has_odd();
    user.extra = row.into_extra();
}

/// Returns the groups that only the user reports or only the group reports; `None` if both sides agree or one side is
/// unknown.
fn conflict(
    own: Option<&OwnGroups>,
    listed: Option<&BTreeSet<Id>>,
    index: &MembershipIndex,
    decoding: &Decoding,
) -> Option<Box<MembershipConflict>> {
    let own = own.filter(|own| !own.is_odd)?;
    let empty = BTreeSet::new();
    let listed = listed.unwrap_or(&empty);
    // A group can only contradict the user if it reports all its members.
    let reports_all = |id: &&Id| index.reporting.contains(*id) && !index.unknown.contains(*id);
    let conflict = MembershipConflict {
        only_by_user: own.direct.difference(listed).filter(reports_all).map(|id| group_id(id, decoding)).collect(),
        only_by_group: listed.difference(&own.direct).map(|id| group_id(id, decoding)).collect(),
    };
    (conflict != MembershipConflict::default()).then(|| Box::new(conflict))
}

/// Returns the full name: `formatted`, or given name and family name (RFC 7643 §4.1.1). Some servers write a text
/// instead of an object.
fn full_name(name: Option<&Value>) -> Option<Text> {
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

/// Returns the primary email address, otherwise the first one (RFC 7643 §2.4).
fn email(emails: &Value) -> Option<Text> {
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
