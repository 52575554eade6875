//! What Password Safe tells: users without their memberships, and groups with theirs. No creation, no second factor.

use super::super::members::named_groups;
use super::super::shape::password_safe as shape;
use super::super::world::{Record, World};
use super::Expect;
use super::cells::{extra, text};
use super::dates::{Created, Login};
use super::people::{Kind, Known, Member, Person, Roster, Who};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn roster(world: &World, expect: &Expect) -> Roster {
    let listed: BTreeSet<u64> = world.groups().map(|(id, _)| id).filter(|_| expect.groups_listed).collect();
    let users = world.users().zip(shape::users(world));
    let people: Vec<Person> = users
        .map(|((id, record), served)| {
            let groups: BTreeSet<u64> = named_groups(record).filter(|id| listed.contains(id)).collect();
            Person {
                groups: groups.iter().map(u64::to_string).collect(),
                groups_known: expect.groups_listed,
                ..person(id, served.as_object().unwrap_or(&Record::new()), expect)
            }
        })
        .collect();
    let groups = shape::groups(world);
    let groups = groups.iter().filter_map(Value::as_object).filter(|_| expect.groups_listed);
    let strangers = world.facets().strangers.iter().filter(|(group, _)| listed.contains(group));
    let missing = strangers.map(|(group, id)| Member { group: group.to_string(), who: Who::Missing(id.to_string()) });
    Roster {
        groups: groups.map(|served| group(served, expect)).collect(),
        members: people.iter().flat_map(Person::memberships).chain(missing).collect(),
        people,
        members_whole: expect.groups_listed,
    }
}

fn person(id: u64, served: &Record, expect: &Expect) -> Person {
    const TOLD: [&str; 8] =
        ["UserID", "UserName", "FirstName", "LastName", "EmailAddress", "IsActive", "LastLoginDate", "UserType"];
    let (id, username, account_type) = (id.to_string(), text(served, "UserName"), text(served, "UserType"));
    let application = account_type.as_deref() == Some("Application") || served.contains_key("ClientID");
    let said = if application { Kind::Service } else { Kind::Person };
    Person {
        kind: Kind::of(expect, said, &id, username.as_deref()),
        username,
        display_name: joined(text(served, "FirstName"), text(served, "LastName")),
        email: text(served, "EmailAddress"),
        enabled: served.get("IsActive").and_then(Value::as_bool),
        account_type,
        signs_in_by: text(served, "LastLoginSAMLIDPURL")
            .map(|_| "saml".to_owned())
            .or_else(|| text(served, "LastLoginAuthenticationType")),
        login: if application { Login::NotReported } else { Login::read(served.get("LastLoginDate")) },
        created: Created::Not,
        barred: served.get("IsQuarantined") == Some(&Value::Bool(true)),
        extra: extra(served, &TOLD),
        ..Person::new(id)
    }
}

fn joined(first: Option<String>, last: Option<String>) -> Option<String> {
    let parts: Vec<String> = [first, last].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn group(served: &Record, expect: &Expect) -> Known {
    let id = served.get("GroupID").map(Value::to_string).unwrap_or_default();
    Known {
        description: text(served, "Description"),
        extra: extra(served, &["GroupID", "Name", "Description"]),
        ..Known::new(expect, id, text(served, "Name"))
    }
}
