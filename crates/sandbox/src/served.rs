//! All that a surface serves, as one JSON document: what a client that reads everything must end up with.

use super::faults::Faults;
use super::server::members_of;
use super::shape::{password_safe as safe, scim, sra, with_id};
use super::surface::Surface;
use super::world::{Record, World};
use serde_json::{Map, Value, json};

impl World {
    /// Every list of a surface, by its path; lists that belong to something are objects by its id.
    pub fn served(&mut self, surface: Surface) -> Value {
        match surface {
            Surface::Guide => guide(self),
            Surface::Pra => configuration(self, false),
            Surface::Rs => configuration(self, true),
            Surface::PasswordSafe => password_safe(self),
            Surface::Scim => json!({
                "Users": scim::users(self, &Faults::default(), "/scim/v2", scim::ALL),
                "Groups": scim::groups(self, &Faults::default(), "/scim/v2", scim::ALL),
            }),
        }
    }
}

fn guide(world: &World) -> Value {
    let users: Vec<&Record> = world.users().map(|(_, record)| record).collect();
    let groups: Vec<&Record> = world.groups().map(|(_, record)| record).collect();
    json!({"users": users, "groups": groups})
}

fn configuration(world: &mut World, remote_support: bool) -> Value {
    let policies: Vec<u64> = world.groups().map(|(id, _)| id).collect();
    let members: Map<String, Value> =
        policies.into_iter().map(|id| (id.to_string(), members_of(world, id).into_iter().collect())).collect();
    let facets = world.facets();
    let user = |(id, record)| sra::user(id, record, &world.facts(id), &facets.providers, remote_support);
    let mut lists = json!({
        "user": world.users().map(user).collect::<Value>(),
        "group-policy": world.groups().map(|(id, record)| sra::policy(id, record)).collect::<Value>(),
        "group-policy/member": members,
        "security-provider": facets.providers.iter().map(sra::provider).collect::<Value>(),
        "api-account": all(&facets.api_accounts),
    });
    if !remote_support {
        let people = facets.vendors.iter().map(|vendor| (vendor.id.to_string(), all(&vendor.users)));
        lists["vendor/user"] = Value::Object(people.collect());
        lists["vendor"] = facets.vendors.iter().map(|vendor| with_id(vendor.id, &vendor.record)).collect();
    }
    lists
}

fn password_safe(world: &mut World) -> Value {
    let groups: Vec<u64> = world.groups().map(|(id, _)| id).collect();
    let members: Map<String, Value> = groups
        .into_iter()
        .map(|id| (id.to_string(), safe::users_of_group(world, id).unwrap_or_default().into()))
        .collect();
    json!({"Users": safe::users(world), "UserGroups": safe::groups(world), "UserGroups/Users": members})
}

fn all(rows: &[(u64, Record)]) -> Value {
    rows.iter().map(|(id, record)| with_id(*id, record)).collect()
}
