//! Password Safe's shapes: JSON -> model. Every field is optional until seen. Knows no HTTP.

use crate::model::{Blocked, Group, GroupId, Harvest, LastLogin, Outside, OutsideMember, User, UserId, UserKind};
use crate::source::record::{Decoding, Id, Listed, Record};
use ahash::AHashMap;
use serde_json::Value;

/// Puts users, groups and the groups' members together. `whole`: every member of every group is known.
pub(super) fn fill(
    harvest: &mut Harvest,
    users: Vec<Listed>,
    groups: Vec<Listed>,
    members: Vec<(Id, Vec<Listed>)>,
    whole: bool,
    decoding: &Decoding,
) {
    let mut groups_of: AHashMap<Id, Vec<GroupId>> = AHashMap::new();
    for (group, rows) in members {
        let group_id = GroupId::from(decoding.word(&group.to_text()));
        for row in rows {
            groups_of.entry(row.id).or_default().push(group_id.clone());
        }
    }
    for row in users {
        let mut groups = groups_of.remove(&row.id).unwrap_or_default();
        groups.sort_unstable();
        let mut user = user(row, decoding);
        user.groups_known = whole;
        user.group_memberships = groups.into();
        harvest.users.push(user);
    }
    for (id, groups) in groups_of {
        let missing = |group_id| Outside { group_id, member: OutsideMember::Missing(UserId::from(id.to_text())) };
        harvest.outside.extend(groups.into_iter().map(missing));
    }
    harvest.groups.extend(groups.into_iter().map(group));
}

fn user(row: Listed, decoding: &Decoding) -> User {
    let mut record = row.record;
    let mut user = User::new(row.id.to_text());
    user.username = record.take_text("UserName");
    user.display_name = full_name(&mut record);
    user.email_address = record.take_text("EmailAddress");
    user.enabled = record.take_flag("IsActive");
    let kind = record.take_text("UserType");
    let client = record.get("ClientID").is_some_and(|id| *id != Value::Null);
    if client || kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("application")) {
        user.kind = UserKind::Service;
    }
    user.account_type = kind.map(|kind| decoding.word(&kind));
    user.signs_in_by = signs_in_by(&record).map(|way| decoding.word(&way));
    // .NET writes a DateTime without an offset; it is taken as UTC, and counted. Applications do not log in: what stands
    // there all the same stays in `extra`, where it misleads nobody.
    if user.kind != UserKind::Service || record.get("LastLoginDate") == Some(&Value::Null) {
        let login = record.take_last_login("LastLoginDate", decoding);
        user.last_login = if user.kind == UserKind::Service { LastLogin::NotReported } else { login };
    }
    user.blocked = (record.flag("IsQuarantined") == Some(true)).then_some(Blocked::Quarantined);
    user.extra = record.into_extra();
    user
}

/// Users of single sign-on are told by their last login only; both fields stay in `extra`.
fn signs_in_by(record: &Record) -> Option<String> {
    let told = |key: &str| record.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if told("LastLoginSAMLIDPURL").is_some() {
        return Some("SAML".to_owned());
    }
    told("LastLoginAuthenticationType").map(str::to_owned)
}

fn full_name(record: &mut Record) -> Option<Box<str>> {
    let names = [record.take_text("FirstName"), record.take_text("LastName")];
    let names: Vec<&str> = names.iter().flatten().map(AsRef::as_ref).filter(|name: &&str| !name.is_empty()).collect();
    (!names.is_empty()).then(|| names.join(" ").into())
}

fn group(row: Listed) -> Group {
    let mut record = row.record;
    let mut group = Group::new(row.id.to_text());
    group.name = record.take_text("Name");
    group.description = record.take_text("Description");
    // Members of a directory's group come into the list as they sign in.
    let kind = record.get("GroupType").and_then(Value::as_str);
    group.directory = kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("BeyondInsight"));
    group.extra = record.into_extra();
    group
}
