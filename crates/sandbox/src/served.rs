//! Everything that an interface serves, as one JSON document. A client that reads every list must end up with exactly
//! this. `bt-rollcall sandbox --world` writes it for the clients of other people in `.ci/peer_*.py`.

use crate::faults::Faults;
use crate::record::Record;
use crate::server::members_of;
use crate::shape::{password_safe as safe, scim, sra, with_id};
use crate::surface::Surface;
use crate::world::World;
use serde_json::{Value, json};

impl World {
    /// Returns every list of an interface, by its path. Lists below a record are objects, keyed by the id of that
    /// record.
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
    let members: Record =
        policies.into_iter().map(|id| (id.to_string(), members_of(world, id).into_iter().collect())).collect();
    let product = world.product_details();
    let user = |(id, record)| sra::user(id, record, &world.user_details(id), &product.providers, remote_support);
    let mut lists = json!({
        "user": world.users().map(user).collect::<Value>(),
        "group-policy": world.groups().map(|(id, record)| sra::policy(id, record)).collect::<Value>(),
        "group-policy/member": members,
        "security-provider": product.providers.iter().map(sra::provider).collect::<Value>(),
        "api-account": all(&product.api_accounts),
    });
    if !remote_support {
        let people = product.vendors.iter().map(|vendor| (vendor.id.to_string(), all(&vendor.users)));
        lists["vendor/user"] = Value::Object(people.collect());
        lists["vendor"] = product.vendors.iter().map(|vendor| with_id(vendor.id, &vendor.record)).collect();
    }
    lists
}

fn password_safe(world: &mut World) -> Value {
    let groups: Vec<u64> = world.groups().map(|(id, _)| id).collect();
    let members: Record = groups
        .into_iter()
        .map(|id| (id.to_string(), safe::users_of_group(world, id).unwrap_or_default().into()))
        .collect();
    json!({"Users": safe::users(world), "UserGroups": safe::groups(world), "UserGroups/Users": members})
}

fn all(rows: &[(u64, Record)]) -> Value {
    rows.iter().map(|(id, record)| with_id(*id, record)).collect()
}
