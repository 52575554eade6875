//! What the guide's API tells: users with their memberships, and groups that do not tell their members.

use super::super::world::{Record, World};
use super::Expect;
use super::cells::{extra, ids_of, text};
use super::dates::{Created, Login};
use super::people::{Kind, Known, Person, Roster};
use serde_json::Value;

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

pub(super) fn roster(world: &World, expect: &Expect) -> Roster {
    let people: Vec<Person> = world.users().map(|(id, record)| person(id, record, expect)).collect();
    let listed = world.groups().filter(|_| expect.groups_listed);
    Roster {
        groups: listed.map(|(id, record)| group(id, record, expect)).collect(),
        members: people.iter().flat_map(Person::memberships).collect(),
        people,
        members_whole: false,
    }
}

fn group(id: u64, record: &Record, expect: &Expect) -> Known {
    Known {
        description: text(record, "description"),
        extra: extra(record, &["id", "name", "description"]),
        ..Known::new(expect, id.to_string(), text(record, "name"))
    }
}

fn person(id: u64, record: &Record, expect: &Expect) -> Person {
    let (id, username) = (id.to_string(), text(record, "username"));
    let groups = record.get("group_memberships").and_then(Value::as_array).map(|ids| ids_of(ids));
    Person {
        kind: Kind::of(expect, Kind::Person, &id, username.as_deref()),
        username,
        display_name: text(record, "display_name"),
        email: text(record, "email_address"),
        enabled: record.get("enabled").and_then(Value::as_bool),
        account_type: text(record, "account_type"),
        groups_known: groups.is_some(),
        groups: groups.unwrap_or_default(),
        public_key: text(record, "public_key"),
        login: Login::read(record.get("last_login")),
        created: Created::read(record.get("created_at")),
        locale: text(record, "locale"),
        extra: extra(record, &FIELDS),
        ..Person::new(id)
    }
}
