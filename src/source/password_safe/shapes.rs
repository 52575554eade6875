//! Mapping of Password Safe's JSON to the model. Every field is optional. Knows no HTTP.

use super::Listed;
use super::classify::{GroupOrigin, inferred, is_application, origin_of, reports_domain, signs_in_by};
use super::directory::Directory;
use crate::model::{
    Blocked, Group, GroupId, LastLogin, Outside, OutsideMember, SourceReading, Text, User, UserId, UserKind,
};
use crate::source::decode::{Decoding, Fields, Id};
use ahash::AHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of all lists, before they are combined.
#[derive(Default)]
pub(super) struct PasswordSafeTenant {
    pub(super) users: Vec<Listed>,
    /// Users found by id, because the list of this version leaves out inactive users.
    pub(super) inactive: Vec<Listed>,
    pub(super) groups: Vec<Listed>,
    /// Members of the groups that the product itself fills.
    pub(super) members: BTreeMap<Id, Vec<Listed>>,
    /// Ids of the active users; `None` if the records report the state.
    pub(super) active: Option<BTreeSet<Id>>,
    /// Groups that the product itself fills and whose members are not all known.
    pub(super) unread: BTreeSet<Id>,
    /// Whether all groups are known, and all members of those that the product itself fills.
    pub(super) local_complete: bool,
}

impl PasswordSafeTenant {
    /// Combines users, groups and members into the reading.
    pub(super) fn fill(self, reading: &mut SourceReading, directory: &Directory, decoding: &Decoding) {
        let mut groups_of = self.memberships(directory, decoding);
        let reports_domains = self.users.iter().chain(&self.inactive).any(|row| reports_domain(&row.record));
        let listed = self.users.into_iter().map(|row| (row, true));
        for (row, is_listed) in listed.chain(self.inactive.into_iter().map(|row| (row, false))) {
            let mut groups = groups_of.remove(&row.id).unwrap_or_default();
            groups.sort_unstable();
            groups.dedup();
            let known = self.local_complete && directory.knows_user(&row.id);
            let derived = self.active.as_ref().map(|active| is_listed && active.contains(&row.id));
            let mut user = user(row, derived, reports_domains, decoding);
            user.groups_known = known;
            user.group_memberships = groups.into();
            reading.users.push(user);
        }
        for (id, groups) in groups_of {
            let missing = |group_id| Outside { group_id, member: OutsideMember::Missing(UserId::from(id.to_text())) };
            reading.outside.extend(groups.into_iter().map(missing));
        }
        for row in self.groups {
            let known = directory.knows_group(&row.id).unwrap_or_else(|| !self.unread.contains(&row.id));
            reading.groups.push(group(row, known, decoding));
        }
    }

    /// Returns the groups of each user, including users who are not listed.
    fn memberships(&self, directory: &Directory, decoding: &Decoding) -> AHashMap<Id, Vec<GroupId>> {
        let mut groups_of: AHashMap<Id, Vec<GroupId>> = AHashMap::new();
        let group_id = |group: &Id| GroupId::from(decoding.intern(&group.to_text()));
        for (group, rows) in self.members.iter().chain(&directory.members) {
            for row in rows {
                groups_of.entry(row.id.clone()).or_default().push(group_id(group));
            }
        }
        for (user, groups) in &directory.of_user {
            groups_of.entry(user.clone()).or_default().extend(groups.iter().map(group_id));
        }
        groups_of.retain(|_, groups| !groups.is_empty());
        groups_of
    }
}

/// Builds a user. `derived`: whether the account is active, according to the lists with and without inactive users.
fn user(row: Listed, derived: Option<bool>, reports_domains: bool, decoding: &Decoding) -> User {
    let (application, way) = (is_application(&row.record), signs_in_by(&row.record));
    let inferred = inferred(&row.record, reports_domains);
    let mut row = Fields::of(row, "users", decoding);
    let mut user = User::new(row.id.to_text());
    user.username = row.text("UserName");
    user.display_name = full_name(&mut row);
    user.email_address = row.text("EmailAddress");
    let is_reported = row.get("IsActive").is_some();
    // An unreadable `IsActive` stays unknown: the derived state is only for versions that do not report it.
    user.enabled = row.flag("IsActive").or_else(|| derived.filter(|_| !is_reported));
    let has_type = row.get("UserType").is_some();
    user.account_type = row.shared_text("UserType");
    if application {
        user.kind = UserKind::Service;
        user.account_type = user.account_type.or_else(|| (!has_type).then(|| decoding.intern("application")));
    }
    user.rare.set(|rare| &mut rare.signs_in_by, way.map(|way| decoding.intern(&way)));
    user.inferred = inferred.filter(|_| user.account_type.is_none());
    // .NET writes a DateTime without a time zone: UTC is assumed and counted. Applications do not log in: a date that
    // is reported anyway stays in `extra`.
    if user.kind != UserKind::Service || row.get("LastLoginDate").is_some_and(Value::is_null) {
        let login = row.last_login("LastLoginDate");
        user.last_login = if user.kind == UserKind::Service { LastLogin::NotReported } else { login };
    }
    user.blocked = (row.peek_flag("IsQuarantined") == Some(true)).then_some(Blocked::Quarantined);
    user.has_odd_values = row.has_odd();
    user.extra = row.into_extra();
    user
}

fn full_name(row: &mut Fields<'_>) -> Option<Text> {
    let names = [row.text("FirstName"), row.text("LastName")];
    let names: Vec<&str> = names.iter().flatten().map(AsRef::as_ref).filter(|name: &&str| !name.is_empty()).collect();
    (!names.is_empty()).then(|| names.join(" ").into())
}

fn group(row: Listed, members_known: bool, decoding: &Decoding) -> Group {
    let directory = origin_of(&row) == GroupOrigin::Directory;
    let mut row = Fields::of(row, "groups", decoding);
    let mut group = Group::new(row.id.to_text());
    group.name = row.text("Name");
    group.description = row.text("Description");
    // The appliance lists members of a directory group only after they sign in: an empty directory group may have
    // members.
    group.directory = directory;
    group.members_known = Some(members_known);
    group.extra = row.into_extra();
    group
}
