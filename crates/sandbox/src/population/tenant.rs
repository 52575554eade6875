//! What only some surfaces tell of a seeded world: where accounts come from, second factors, administrators, what stands
//! for a directory. Drawn apart from the people, so that these stay as they are.

use super::super::facets::{ExternalMember, Provider, UserDetails};
use super::super::members::named_groups;
use super::super::world::{Record, World};
use super::{PRIVILEGED, text_of, third_parties};
use chrono::{DateTime, Utc};
use fastrand::Rng;

const LOCAL: u64 = 1;
const LDAP: u64 = 2;
const SAML: u64 = 3;

/// (id, type, name); not every tenant has the last one.
const PROVIDERS: [(u64, &str, &str); 4] = [
    (LOCAL, "local", "Local"),
    (LDAP, "ldap", "Head office directory"),
    (SAML, "saml", "Identity provider"),
    (5, "scim", "Provisioning"),
];

/// From this many users on everything awkward is there at least once.
const FULL_HOUSE: usize = 200;
/// Ids of members that are no users begin here.
const FIRST_EXTERNAL: u64 = 2_000_000_000;

/// Everything that every tenant has: whole and of one shape.
pub(super) fn furnish(world: &mut World, seed: u64, as_of: DateTime<Utc>) {
    if world.user_count() == 0 {
        return;
    }
    let providers = PROVIDERS.into_iter().take(if seed.is_multiple_of(2) { 4 } else { 3 });
    world.facets_mut().providers = providers
        .map(|(id, kind, name)| Provider { id, kind: kind.to_owned(), name: name.to_owned(), default_policy: None })
        .collect();
    for id in world.user_ids() {
        introduce(world, id, seed);
    }
    let groups: Vec<u64> = world.groups().map(|(id, _)| id).collect();
    // The developers are operators too.
    world.facets_mut().nested = vec![(groups[2], groups[5])];
    third_parties::invite(world, &mut Rng::with_seed(seed ^ 0x7E), as_of);
}

/// The id of the group of that name.
pub(super) fn named(world: &World, name: &str) -> Option<u64> {
    world.groups().find(|(_, group)| text_of(group, "name") == name).map(|(id, _)| id)
}

/// What some records do not tell, what is not expanded to users, and a member whom nobody knows.
pub(super) fn blur(world: &mut World, seed: u64) {
    let mut rng = Rng::with_seed(seed ^ 0xB1);
    for id in world.user_ids() {
        let mut facts = world.facts(id);
        match rng.u8(..100) {
            0 => facts.two_factor = None,
            1 => facts.passkeys = None,
            2 => facts.admin = None,
            _ => continue,
        }
        world.set_facts(id, facts);
    }
    let groups: Vec<u64> = world.groups().map(|(id, _)| id).collect();
    let (users, last) = (world.user_count(), world.user_ids().last().copied().unwrap_or_default());
    if users == 0 {
        return;
    }
    // Whoever comes from the directory may at least call for help.
    let help_desk = named(world, "Help desk");
    for provider in world.facets_mut().providers.iter_mut().filter(|provider| provider.id == LDAP) {
        provider.default_policy = help_desk;
    }
    let group = ExternalMember {
        id: FIRST_EXTERNAL,
        group: groups[3],
        provider: Some(SAML),
        distinguished_name: None,
        group_name: Some("auditors@example.com".to_owned()),
    };
    let unit = ExternalMember {
        id: FIRST_EXTERNAL + 1,
        group: groups[6],
        provider: Some(LDAP),
        distinguished_name: Some("OU=Third parties,DC=example,DC=com".to_owned()),
        group_name: None,
    };
    let facets = world.facets_mut();
    facets.externals.push(group);
    if users >= FULL_HOUSE {
        facets.externals.push(unit);
        facets.strangers.push((groups[4], last + 1_000_000));
    }
}

/// The facts of one user: the same for the same id and seed.
pub(super) fn introduce(world: &mut World, id: u64, seed: u64) {
    let privileged: Vec<u64> = world.groups().take(PRIVILEGED).map(|(id, _)| id).collect();
    let Some(record) = world.user(id) else { return };
    let facts = facts_of(record, &privileged, &mut Rng::with_seed(seed ^ id.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    world.set_facts(id, facts);
}

fn facts_of(record: &Record, privileged: &[u64], rng: &mut Rng) -> UserDetails {
    let provider = match text_of(record, "account_type").to_lowercase().as_str() {
        "local" => Some(LOCAL),
        "ldap" => Some(LDAP),
        "saml" => Some(SAML),
        _ => None,
    };
    let machine = text_of(record, "username").starts_with("svc-");
    let may_be_admin = named_groups(record).any(|group| privileged.contains(&group));
    // Two of three who are in a privileged group, and a few whom no group explains.
    let admin = !machine && rng.u16(..600) < if may_be_admin { 400 } else { 2 };
    let application = machine && rng.u8(..3) == 0;
    UserDetails {
        provider,
        admin: Some(admin),
        two_factor: Some(!machine && rng.u8(..20) > 0),
        passkeys: Some(if !machine && rng.u8(..5) == 0 { rng.u64(1..4) } else { 0 }),
        quarantined: rng.u8(..200) == 0,
        application,
    }
}
