//! Details of a seeded world that only some interfaces report: the origin of accounts, second factors, administrators,
//! and external members. They are drawn from generators of their own, so that the users do not change with them.

use super::{PRIVILEGED, text_of, third_parties};
use crate::details::{ExternalMember, Provider, UserDetails};
use crate::members::named_groups;
use crate::record::Record;
use crate::world::World;
use chrono::{DateTime, Utc};
use fastrand::Rng;

const LOCAL: u64 = 1;
const LDAP: u64 = 2;
const SAML: u64 = 3;

/// Security providers: (id, type, name). Not every tenant has the last one.
const PROVIDERS: [(u64, &str, &str); 4] = [
    (LOCAL, "local", "Local"),
    (LDAP, "ldap", "Head office directory"),
    (SAML, "saml", "Identity provider"),
    (5, "scim", "Provisioning"),
];

/// Number of users from which every kind of unusual detail occurs.
const FULL_SIZE: usize = 200;
/// First id of external members. It is above all ids of users.
const FIRST_EXTERNAL: u64 = 2_000_000_000;

/// Adds what every tenant has, with complete records.
pub(super) fn add_details(world: &mut World, seed: u64, as_of: DateTime<Utc>) {
    if world.user_count() == 0 {
        return;
    }
    let providers = PROVIDERS.into_iter().take(if seed.is_multiple_of(2) { 4 } else { 3 });
    world.product_details_mut().providers = providers
        .map(|(id, kind, name)| Provider { id, kind: kind.to_owned(), name: name.to_owned(), default_policy: None })
        .collect();
    for id in world.user_ids() {
        set_random_details(world, id, seed);
    }
    let groups: Vec<u64> = world.groups().map(|(id, _)| id).collect();
    // The developers are operators too.
    world.product_details_mut().nested = vec![(groups[2], groups[5])];
    third_parties::add(world, &mut Rng::with_seed(seed ^ 0x7E), as_of);
}

/// Returns the id of the group with this name.
pub(super) fn group_named(world: &World, name: &str) -> Option<u64> {
    world.groups().find(|(_, group)| text_of(group, "name") == name).map(|(id, _)| id)
}

/// Removes details of some users, and adds external and unlisted members.
pub(super) fn make_incomplete(world: &mut World, seed: u64) {
    let mut rng = Rng::with_seed(seed ^ 0xB1);
    for id in world.user_ids() {
        let mut details = world.user_details(id);
        match rng.u8(..100) {
            0 => details.two_factor = None,
            1 => details.passkeys = None,
            2 => details.admin = None,
            _ => continue,
        }
        world.set_user_details(id, details);
    }
    let groups: Vec<u64> = world.groups().map(|(id, _)| id).collect();
    let (users, last) = (world.user_count(), world.user_ids().last().copied().unwrap_or_default());
    if users == 0 {
        return;
    }
    // A default policy of a provider makes all its users members; the group must not be a privileged one.
    let support_group = group_named(world, "Help desk");
    for provider in world.product_details_mut().providers.iter_mut().filter(|provider| provider.id == LDAP) {
        provider.default_policy = support_group;
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
    let product = world.product_details_mut();
    product.externals.push(group);
    if users >= FULL_SIZE {
        product.externals.push(unit);
        product.unlisted_members.push((groups[4], last + 1_000_000));
    }
}

/// Sets the details of a user. The same id and seed give the same details.
pub(super) fn set_random_details(world: &mut World, id: u64, seed: u64) {
    let privileged: Vec<u64> = world.groups().take(PRIVILEGED).map(|(id, _)| id).collect();
    let Some(record) = world.user(id) else { return };
    let details = details_of(record, &privileged, &mut Rng::with_seed(seed ^ id.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    world.set_user_details(id, details);
}

fn details_of(record: &Record, privileged: &[u64], rng: &mut Rng) -> UserDetails {
    let provider = match text_of(record, "account_type").to_lowercase().as_str() {
        "local" => Some(LOCAL),
        "ldap" => Some(LDAP),
        "saml" => Some(SAML),
        _ => None,
    };
    let machine = text_of(record, "username").starts_with("svc-");
    let may_be_admin = named_groups(record).any(|group| privileged.contains(&group));
    // Two of three members of privileged groups are administrators, and so are a few others, for no reason that their
    // groups show.
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
