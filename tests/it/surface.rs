//! Helpers that read one surface of a simulated appliance with its connector, inside the test process.
//!
//! They compare the result with the oracle of the sandbox cell by cell. `conformance`, `dialects` and `churn` use them.

use super::inventory::{same_findings, same_rows};
use super::rig::{Row, as_of, rows_of};
use bt_rollcall::event::{NoObserver, Observer};
use bt_rollcall::model::{
    Change, Classes, Finding, Inventory, OutsideMember, Pattern, SourceIdentity, SourceName, SourceReading,
};
use bt_rollcall::rules::{self, policy::Policy};
use bt_rollcall::source::{self, Probe, SourceKind, SourceSettings};
use bt_rollcall::state::{Advance, KnownMembership, PreviousState};
use bt_rollcall::table::{CsvDialect, Table, Tables};
use bt_rollcall::wire::{ClientSettings, Credentials, TokenAuth};
use bt_rollcall_sandbox::{Expect, Expected, Faults, Sandbox, SandboxOptions, Surface, World};
use chrono::TimeDelta;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

pub const SOURCE: &str = "sandbox";

/// Returns the kind of source that reads a surface.
pub fn kind(surface: Surface) -> SourceKind {
    match surface {
        Surface::Guide => SourceKind::RestV3,
        Surface::Pra => SourceKind::Pra,
        Surface::Rs => SourceKind::Rs,
        Surface::PasswordSafe => SourceKind::PasswordSafe,
        Surface::Scim => SourceKind::Scim,
    }
}

/// Starts an appliance of the product that the surface belongs to.
pub fn appliance(surface: Surface, world: World, faults: &Faults) -> Sandbox {
    appliance_with_seed(1, surface, world, faults)
}

/// Starts an appliance whose random faults depend on `seed`.
pub fn appliance_with_seed(seed: u64, surface: Surface, world: World, faults: &Faults) -> Sandbox {
    let faults = Faults { rs: surface == Surface::Rs, ..faults.clone() };
    Sandbox::start(SandboxOptions { world, faults, seed, ..SandboxOptions::default() }).unwrap()
}

/// Returns settings that read an appliance as fast as it answers, with short waits before retries.
pub fn settings(sandbox: &Sandbox, surface: Surface) -> SourceSettings {
    let (name, kind) = (SourceName::from(SOURCE), kind(surface));
    let base_path = kind.base_path().to_owned();
    let token_path = if kind == SourceKind::PasswordSafe {
        format!("{base_path}/Auth/Connect/Token")
    } else {
        "/oauth2/token".to_owned()
    };
    let account = Credentials::Oauth {
        token_path,
        client_id: sandbox.client_id().to_owned(),
        client_secret: SecretString::from(sandbox.client_secret().to_owned()),
        token_auth: TokenAuth::Auto,
    };
    let mut client = ClientSettings::new(name.clone(), sandbox.url(), account);
    client.requests_per_second = 1e6;
    client.backoff = Duration::from_millis(2);
    client.max_wait = Duration::from_millis(20);
    let identity = SourceIdentity {
        name,
        kind: kind.as_str().to_owned(),
        url: sandbox.url().to_owned(),
        client_id: sandbox.client_id().to_owned(),
    };
    let privileged_groups = classes().privileged_groups;
    SourceSettings { page_size: 20, base_path, privileged_groups, ..SourceSettings::new(identity, kind, client) }
}

/// Reads the source once and closes its session.
pub fn reading(settings: &SourceSettings) -> SourceReading {
    let observer: Arc<dyn Observer> = Arc::new(NoObserver);
    let source = source::build(settings, observer).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let reading = source.read_all().await;
        source.sign_out().await;
        reading
    })
}

/// Probes the source as `check --online` does, and closes its session.
pub fn probe(settings: &SourceSettings) -> Probe {
    let observer: Arc<dyn Observer> = Arc::new(NoObserver);
    let source = source::build(settings, observer).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let probe = source.probe().await;
        source.sign_out().await;
        probe
    })
}

/// Returns the patterns of groups and accounts that the oracle uses by default.
pub fn classes() -> Classes {
    let usual = Expect::usual(SOURCE, as_of());
    let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    Classes {
        privileged_groups: patterns(&usual.privileged_groups),
        break_glass: patterns(&usual.break_glass),
        service_accounts: patterns(&usual.service_accounts),
    }
}

/// Returns what a correct snapshot contains.
pub fn expected(sandbox: &Sandbox, surface: Surface) -> Expected {
    sandbox.with_world(|world| world.expected(&Expect { surface, ..Expect::usual(SOURCE, as_of()) }))
}

/// Returns the rows of a table as they are written to CSV.
pub fn table(inventory: &Inventory, findings: &[Finding], table: Table) -> Vec<Row> {
    let mut csv = Vec::new();
    Tables { inventory, group_owners: &[], findings, changes: &[], resolved: &[] }
        .write_csv(table, CsvDialect::Raw, &mut csv)
        .unwrap();
    rows_of(csv.as_slice())
}

/// Compares a reading with the oracle.
#[track_caller]
pub fn agrees(reading: SourceReading, expected: &Expected) {
    let inventory = Inventory::join(vec![reading], &classes());
    let findings = rules::evaluate(&inventory, &Policy::default(), as_of()).findings;
    same_rows("users", &table(&inventory, &findings, Table::Users), &expected.users);
    same_rows("groups", &table(&inventory, &findings, Table::Groups), &expected.groups);
    same_rows("memberships", &table(&inventory, &findings, Table::Memberships), &expected.memberships);
    same_findings(&table(&inventory, &findings, Table::Findings), &expected.findings);
}

/// Returns the changes that a run emits whose baseline is `old` and which reads `new`.
pub fn changes(old: &Inventory, new: &Inventory) -> Vec<Change> {
    let mut first = Advance::by_reading(old.clone(), "1", as_of(), None).finish();
    first.settle();
    let first_sources = &first.inventory.sources;
    let sources = first_sources
        .iter()
        .map(|source_inventory| (source_inventory.reading.source.clone(), source_inventory.known.clone()))
        .collect();
    let before = PreviousState { run_id: "1".to_owned(), as_of: as_of(), sources };
    let mut advance = Advance::by_reading(new.clone(), "2", as_of() + TimeDelta::days(1), Some(&before));
    let each =
        || first_sources.iter().map(|source_inventory| (source_inventory, &source_inventory.reading.source.name));
    for (source_inventory, name) in each() {
        source_inventory.reading.users.iter().for_each(|user| advance.user(name, user.clone()));
    }
    for (source_inventory, name) in each() {
        source_inventory.reading.groups.iter().for_each(|group| advance.group(name, group.clone()));
    }
    for (source_inventory, name) in each() {
        for membership in &source_inventory.memberships {
            let listed = source_inventory.member(membership).map(|user| OutsideMember::Missing(user.id.clone()));
            let member = source_inventory.outside_member(membership).cloned().or(listed).unwrap();
            let (group, seen) =
                (source_inventory.group_id(membership).clone(), source_inventory.seen(membership).unwrap());
            advance.membership(name, KnownMembership { group, member, seen });
        }
    }
    advance.finish().changes
}
