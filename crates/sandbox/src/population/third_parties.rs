//! Vendors and their people, and the accounts that programs use, of a seeded world.

use super::super::facets::Vendor;
use super::super::world::{CANARY, Record, World};
use super::{DAY, FIRST, LAST, object, tenant, written};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};

/// (id, name, whether anybody is there).
const VENDORS: [(u64, &str, bool); 3] =
    [(3, "Acme Air Conditioning", true), (4, "Borealis Lifts & \"Hoists\"", true), (9, "Contoso Cold Stores", false)];
/// An account that a program uses.
struct Program {
    name: &'static str,
    enabled: bool,
    command: &'static str,
    rights: &'static [&'static str],
    addresses: Option<&'static str>,
}

const PROGRAMS: [Program; 6] = [
    program("CMDB sync", "deny", &["perm_configuration"], Some("192.0.2.0/24")),
    program("Session archive", "read_only", &["perm_reporting_support", "perm_reporting_vault"], Some("198.51.100.7")),
    program("Provisioning", "deny", &["perm_scim"], Some("203.0.113.0/28")),
    program("Night shift", "full_access", &[], Some("192.0.2.9\n192.0.2.10")),
    program("Dashboard", "read_only", &["perm_reporting_license"], None),
    Program {
        enabled: false,
        ..program("Old tickets", "full_access", &["perm_backup", "perm_vault_backup"], Some(""))
    },
];

const fn program(
    name: &'static str,
    command: &'static str,
    rights: &'static [&'static str],
    addresses: Option<&'static str>,
) -> Program {
    Program { name, enabled: true, command, rights, addresses }
}

/// What an API account can be allowed beside commands.
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

pub(super) fn invite(world: &mut World, rng: &mut Rng, as_of: DateTime<Utc>) {
    let people = 4 + world.user_count() / 200;
    let mut next = 101;
    let policy = tenant::named(world, "Vendors");
    let mut vendors = Vec::new();
    for (id, name, inhabited) in VENDORS {
        let mut users = Vec::new();
        for place in 0..if inhabited { people } else { 0 } {
            users.push((next, technician(rng, next, place, as_of)));
            next += rng.u64(1..4);
        }
        vendors.push(Vendor { id, record: vendor(name, policy), users });
    }
    // One of the first vendor's people works for the second one too.
    let freelance = vendors[0].users[0].clone();
    vendors[1].users.insert(0, freelance);
    let facets = world.facets_mut();
    facets.vendors = vendors;
    facets.api_accounts =
        (0..).zip(&PROGRAMS).map(|(place, program)| (2 + 3 * place, api_account(place, program))).collect();
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

/// The first is somebody in order; then one not approved, one expired, one whose time is over though nobody says so; and again.
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

fn api_account(place: u64, program: &Program) -> Record {
    let mut record = object(json!({
        "name": program.name,
        "enabled": program.enabled,
        "client_id": format!("{place:08x}c0ffee"),
        "client_secret": CANARY,
        "comments": "",
        "failed_login_attempts": 0,
        "perm_command": program.command,
    }));
    record.extend(RIGHTS.iter().map(|right| ((*right).to_owned(), program.rights.contains(right).into())));
    record.extend(program.addresses.map(|addresses| ("ip_addresses".to_owned(), addresses.into())));
    record
}
