//! What the guide's API tells: users with their memberships, and groups that do not tell their members.

use super::super::dialect::{InterfaceFamily, RecordKind as Of, Scene, has_no_record};
use super::super::world::{Record, World};
use super::Expect;
use super::cells::{ids_of, text};
use super::dates::{Created, Login};
use super::people::{FindingSubjectKind, Known, Person, Roster};
use super::written::WrittenRecord;
use serde_json::Value;
use std::collections::BTreeSet;

const FIELDS: [&str; 11] = [
    "id",
    "username",
    "display_name",
    "email_address",
    "enabled",
    "account_type",
    "group_memberships",
    "public_key",
    "last_login",
    "created_at",
    "locale",
];
/// The fields of a sparse list row.
const SPARSE: [&str; 4] = ["id", "username", "display_name", "enabled"];

pub(super) fn roster(world: &World, expect: &Expect) -> Roster {
    let scene = Scene { dialects: &expect.dialects, world };
    let people: Vec<Person> = world.users().map(|(id, record)| person(&scene, id, record, expect)).collect();
    let listed = world.groups().filter(|_| expect.groups_listed);
    let groups: Vec<Known> = listed.map(|(id, record)| group(&scene, id, record, expect)).collect();
    // Whose record is not there may be in any group.
    let partial = world.user_ids().iter().any(|id| has_no_record(scene.dialects, *id));
    // So may somebody whose memberships cannot be read.
    let in_any = partial || people.iter().any(|person| person.odd_groups);
    let unread = groups.iter().filter(|_| in_any).map(|group| group.id.clone()).collect::<BTreeSet<String>>();
    Roster {
        groups,
        members: people.iter().flat_map(Person::memberships).collect(),
        people,
        members_whole: false,
        unread,
        partial,
        ..Roster::default()
    }
}

fn group(scene: &Scene<'_>, id: u64, record: &Record, expect: &Expect) -> Known {
    let written = WrittenRecord::of(scene, InterfaceFamily::Guide, Of::Group, record.clone());
    let fields = written.understood();
    Known {
        description: text(fields, "description"),
        extra: written.extra(&["id", "name", "description"]),
        odd: written.is_odd(),
        ..Known::new(expect, id.to_string(), text(fields, "name"))
    }
}

fn person(scene: &Scene<'_>, id: u64, record: &Record, expect: &Expect) -> Person {
    let mut record = record.clone();
    if has_no_record(scene.dialects, id) {
        record.retain(|key, _| SPARSE.contains(&key.as_str()));
    }
    let written = WrittenRecord::of(scene, InterfaceFamily::Guide, Of::User, record);
    let fields = written.understood();
    let (id, username) = (id.to_string(), text(fields, "username"));
    let created = Created::read(fields.get("created_at"));
    let groups = fields.get("group_memberships").and_then(Value::as_array).map(|ids| ids_of(ids));
    Person {
        kind: FindingSubjectKind::of(expect, FindingSubjectKind::Person, &id, username.as_deref()),
        username,
        display_name: text(fields, "display_name"),
        email: text(fields, "email_address"),
        enabled: fields.get("enabled").and_then(Value::as_bool),
        account_type: text(fields, "account_type"),
        groups_known: groups.is_some(),
        groups: groups.unwrap_or_default(),
        public_key: text(fields, "public_key"),
        login: Login::read(fields.get("last_login")).of_account(&created),
        created,
        locale: text(fields, "locale"),
        odd: written.is_odd(),
        odd_groups: written.is_odd_in("group_memberships"),
        extra: written.extra(&FIELDS),
        ..Person::new(id)
    }
}
