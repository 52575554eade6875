//! The vendors of a seeded world with their users, and the API accounts.

use super::{DAY, FIRST, LAST, object, tenant, written};
use crate::details::Vendor;
use crate::record::Record;
use crate::world::{CANARY, World};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};

/// Vendors: (id, name, whether it has users).
const VENDORS: [(u64, &str, bool); 3] =
    [(3, "Acme Air Conditioning", true), (4, "Borealis Lifts & \"Hoists\"", true), (9, "Contoso Cold Stores", false)];
/// An API account to be made.
struct ApiAccountSeed {
    name: &'static str,
    enabled: bool,
    command: &'static str,
    rights: &'static [&'static str],
    addresses: Option<&'static str>,
}

const API_ACCOUNTS: [ApiAccountSeed; 6] = [
    seed("CMDB sync", "deny", &["perm_configuration"], Some("192.0.2.0/24")),
    seed("Session archive", "read_only", &["perm_reporting_support", "perm_reporting_vault"], Some("198.51.100.7")),
    seed("Provisioning", "deny", &["perm_scim"], Some("203.0.113.0/28")),
    seed("Night shift", "full_access", &[], Some("192.0.2.9\n192.0.2.10")),
    seed("Dashboard", "read_only", &["perm_reporting_license"], None),
    ApiAccountSeed {
        enabled: false,
        ..seed("Old tickets", "full_access", &["perm_backup", "perm_vault_backup"], Some(""))
    },
];

const fn seed(
    name: &'static str,
    command: &'static str,
    rights: &'static [&'static str],
    addresses: Option<&'static str>,
) -> ApiAccountSeed {
    ApiAccountSeed { name, enabled: true, command, rights, addresses }
}

/// The rights of an API account, other than those to run commands.
const RIGHTS: [&str; 11] = [
    "perm_reporting_support",
    "perm_reporting_license",
    "perm_reporting_vault",
    "perm_reporting_jump_item",
    "perm_reporting_syslog",
    "perm_configuration",
    "perm_configuration_vault_account",
    "perm_scim",
    "perm_backup",
    "perm_vault_backup",
    "perm_ecm",
];

pub(super) fn add(world: &mut World, rng: &mut Rng, as_of: DateTime<Utc>) {
    let people = 4 + world.user_count() / 200;
    let mut next = 101;
    let policy = tenant::group_named(world, "Vendors");
    let mut vendors = Vec::new();
    for (id, name, has_users) in VENDORS {
        let mut users = Vec::new();
        for place in 0..if has_users { people } else { 0 } {
            users.push((next, technician(rng, next, place, as_of)));
            next += rng.u64(1..4);
        }
        vendors.push(Vendor { id, record: vendor(name, policy), users });
    }
    // One person works for two vendors, and must be counted once.
    let freelance = vendors[0].users[0].clone();
    vendors[1].users.insert(0, freelance);
    let product = world.product_details_mut();
    product.vendors = vendors;
    product.api_accounts =
        (0..).zip(&API_ACCOUNTS).map(|(place, seed)| (2 + 3 * place, api_account(place, seed))).collect();
}

fn vendor(name: &str, policy: Option<u64>) -> Record {
    object(json!({
        "name": name,
        "default_policy": policy,
        "account_expiration": 30,
        "deletion_days_after_expiration": null,
        "user_approval_enabled": true,
        "network_restrictions": {"allowed": ["192.0.2.0/24"]},
        "registration_token": CANARY,
    }))
}

/// Returns a vendor user. By index: the second is not approved, the third is expired, the fourth is past its expiration
/// without being marked as expired; all others are in order.
fn technician(rng: &mut Rng, id: u64, place: usize, as_of: DateTime<Utc>) -> Record {
    let (first, last) = (FIRST[rng.usize(..FIRST.len())], LAST[rng.usize(..LAST.len())]);
    let username = format!("{first}.{last}.{id}").to_lowercase();
    let days_left = match place {
        2 | 3 => -rng.i64(1..60),
        _ => rng.i64(1..30),
    };
    let login = if rng.u8(..4) == 0 { Value::Null } else { written(as_of - TimeDelta::seconds(rng.i64(0..150 * DAY))) };
    object(json!({
        "username": username,
        "public_display_name": format!("{first} {last}"),
        "email_address": format!("{username}@vendor.example"),
        "enabled": rng.u8(..12) > 0,
        "account_expiration": written(as_of + TimeDelta::days(days_left)),
        "is_expired": place == 2,
        "is_approved": place != 1,
        "last_authenticated_date": login,
        "vendor_administrator": place == 0,
        "two_factor_enabled": rng.u8(..3) > 0,
        "fido2_credential_count": u8::from(rng.u8(..6) == 0),
        "preferred_email_language": "en-us",
        "password_expiration": null,
        "password_reset_next_login": false,
        "password": CANARY,
    }))
}

fn api_account(place: u64, seed: &ApiAccountSeed) -> Record {
    let mut record = object(json!({
        "name": seed.name,
        "enabled": seed.enabled,
        "client_id": format!("{place:08x}c0ffee"),
        "client_secret": CANARY,
        "comments": "",
        "failed_login_attempts": 0,
        "perm_command": seed.command,
    }));
    record.extend(RIGHTS.iter().map(|right| ((*right).to_owned(), seed.rights.contains(right).into())));
    record.extend(seed.addresses.map(|addresses| ("ip_addresses".to_owned(), addresses.into())));
    record
}
