//! Connectors: decoders and page walks over a server whose answers are the input, and what a run does with the reading.

use crate::answers::serve;
use crate::rules::{as_of, policy};
use bt_rollcall::event::NoObserver;
use bt_rollcall::model::{Inventory, SeenInterval, SourceIdentity, SourceReading};
use bt_rollcall::rules::evaluate;
use bt_rollcall::source::{DirectoryGroups, SourceKind, SourceSettings, build};
use bt_rollcall::table::{CsvDialect, ParquetMetadata, Table, Tables};
use bt_rollcall::wire::{ClientSettings, Credentials, TokenAuth};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Secret of the client, which must not appear in messages.
pub(crate) const SECRET: &str = "secret-of-the-client";
/// Requests in an hour for PRA and Remote Support. Their walks end at the latest when these are used up.
const REQUESTS_PER_HOUR: u32 = 15_000;

pub(crate) fn rest_v3(data: &[u8]) -> String {
    read(SourceKind::RestV3, data)
}

/// Reads Privileged Remote Access, or Remote Support if the input begins with `rs`.
pub(crate) fn sra(data: &[u8]) -> String {
    match data.strip_prefix(b"rs\n") {
        Some(rest) => read(SourceKind::Rs, rest),
        None => read(SourceKind::Pra, data),
    }
}

pub(crate) fn password_safe(data: &[u8]) -> String {
    read(SourceKind::PasswordSafe, data)
}

pub(crate) fn scim(data: &[u8]) -> String {
    read(SourceKind::Scim, data)
}

/// Returns settings of a client that waits as briefly as possible.
pub(crate) fn client(url: String) -> ClientSettings {
    let account = Credentials::Oauth {
        token_path: "/oauth2/token".to_owned(),
        client_id: "client".to_owned(),
        client_secret: SECRET.into(),
        token_auth: TokenAuth::Auto,
    };
    let mut client = ClientSettings::new("s".into(), url, account);
    client.requests_per_second = 1e9;
    client.attempts = 2;
    client.backoff = Duration::from_micros(1);
    client.max_wait = Duration::from_micros(1);
    client.deadline = Duration::from_secs(20);
    client.max_body_bytes = 1 << 20;
    client
}

fn read(kind: SourceKind, data: &[u8]) -> String {
    let reading = serve(data, |url| async move {
        let identity = SourceIdentity {
            name: "s".into(),
            kind: kind.as_str().to_owned(),
            url: url.clone(),
            client_id: "client".to_owned(),
        };
        let mut settings = SourceSettings::new(identity, kind, client(url));
        let is_sra = matches!(kind, SourceKind::Pra | SourceKind::Rs);
        settings.client.requests_per_hour = is_sra.then_some(REQUESTS_PER_HOUR);
        // Small, so that short inputs have several pages. The corpus was recorded with these sizes.
        settings.page_size = if is_sra { 5 } else { 3 };
        settings.last_login_path = Some("/urn:x/lastLogin".to_owned());
        settings.resolve_directory_users = data.len() % 2 == 0;
        settings.directory_groups =
            [DirectoryGroups::ByUser, DirectoryGroups::Skip, DirectoryGroups::Sync][data.len() % 3];
        let source = build(&settings, Arc::new(NoObserver)).expect("the client is built");
        if data.first() == Some(&b'?') {
            let probe = source.probe().await;
            source.sign_out().await;
            return Err(format!("probed {} {}", probe.lists.len(), probe.notes.len()));
        }
        let reading = source.read_all().await;
        source.sign_out().await;
        Ok(reading)
    });
    match reading {
        Ok(reading) => use_reading(reading),
        Err(probed) => probed,
    }
}

/// Does with a reading what a run does: joins it, evaluates the rules and writes the tables.
fn use_reading(mut reading: SourceReading) -> String {
    let lists = reading.lists.iter().map(|list| format!("{:?} {}", list.kind, list.coverage.words()));
    let mut outcome: Vec<String> = lists.collect();
    outcome.push(format!("{} {}", reading.users.len().min(4), reading.groups.len().min(4)));
    outcome.extend(reading.odd_values.iter().map(|odd| odd.field.clone()));
    outcome.extend(reading.notes.iter().chain(&reading.warnings).cloned());
    // The dates of the known state, which a run adds.
    let seen = SeenInterval { first: as_of(), confirmed: as_of() };
    reading.users.iter_mut().for_each(|user| user.seen = Some(seen));
    reading.groups.iter_mut().for_each(|group| group.seen = Some(seen));
    let setup = policy();
    let mut inventory = Inventory::join(vec![reading], &setup.classes);
    inventory.sources.iter_mut().for_each(|source| source.set_seen(0..source.memberships.len(), Some(seen)));
    let output = evaluate(&inventory, &setup.policy, as_of());
    assert!(!outcome.iter().any(|text| text.contains(SECRET)), "no message contains the secret: {outcome:?}");
    outcome.extend(output.findings.iter().take(20).map(|finding| finding.rule.as_str().to_owned()));
    let tables =
        Tables { inventory: &inventory, group_owners: &[], findings: &output.findings, changes: &[], resolved: &[] };
    let about = ParquetMetadata { run_id: "r", completeness: bt_rollcall::model::Completeness::of(true) };
    for table in [Table::Users, Table::Groups, Table::Memberships, Table::Findings] {
        let mut csv = Vec::new();
        tables.write_csv(table, CsvDialect::Strict, &mut csv).expect("a table can be written as CSV");
        tables.write_parquet(table, &about, io::sink()).expect("a table can be written as Parquet");
    }
    outcome.join("; ")
}
