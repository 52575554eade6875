//! The promise: a user who existed during the whole walk is in the snapshot, or the list does not say complete.

use super::rig::as_of;
use bt_rollcall::event::{NoObserver, Observer};
use bt_rollcall::model::{Coverage, ListKind, SourceIdentity, SourceName};
use bt_rollcall::source::{self, SourceKind, SourceSettings};
use bt_rollcall::wire::ClientSettings;
use bt_rollcall_sandbox::{Faults, Sandbox, SandboxOptions, World};
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::sync::Arc;

const SEEDS: u64 = 100;

fn settings(sandbox: &Sandbox) -> SourceSettings {
    let name = SourceName::from("churning");
    let secret = SecretString::from(sandbox.client_secret().to_owned());
    let mut client = ClientSettings::new(name.clone(), sandbox.url(), sandbox.client_id(), secret);
    client.requests_per_second = 1e6;
    let identity = SourceIdentity {
        name,
        kind: "rest-v3".to_owned(),
        url: sandbox.url().to_owned(),
        client_id: sandbox.client_id().to_owned(),
    };
    SourceSettings { page_size: 20, ..SourceSettings::new(identity, SourceKind::RestV3, client) }
}

/// (the list says complete, users who stayed and are missing).
fn walk(seed: u64) -> (bool, usize) {
    let faults = Faults { churn: 0.25, churn_max_changes: Some(40), ..Faults::default() };
    let world = World::seeded(seed, 500, as_of());
    let sandbox =
        Sandbox::start(SandboxOptions { world, faults, tls: false, seed, ..SandboxOptions::default() }).unwrap();
    sandbox.with_world(World::mark);
    let nobody: Arc<dyn Observer> = Arc::new(NoObserver);
    let source = source::build(&settings(&sandbox), nobody).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reading = runtime.block_on(source.read_all());
    let stayed = sandbox.with_world(|world| world.stayed());
    let read: BTreeSet<u64> = reading.users.iter().map(|user| user.id.as_str().parse().unwrap()).collect();
    let complete = matches!(reading.coverage(ListKind::Users), Coverage::Complete { .. });
    (complete, stayed.difference(&read).count())
}

#[test]
fn a_hundred_churning_tenants_lose_nobody_silently_and_nine_in_ten_are_proven() {
    let mut proven = 0;
    for seed in 0..SEEDS {
        let (complete, missing) = walk(seed);
        assert!(!complete || missing == 0, "seed {seed}: called complete, {missing} users are missing");
        proven += u64::from(complete);
    }
    assert!(proven * 10 >= SEEDS * 9, "{proven} of {SEEDS} proven complete");
}
