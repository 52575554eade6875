//! Cost of each stage of a run, in nanoseconds an account. Criterion compares with the last time, so that a change sees
//! what it costs.
//!
//! `cargo bench --bench stages`, or `cargo bench --bench stages -- csv` for one stage.

use bt_rollcall::lifecycle::{self, KnownFindings, Visibility};
use bt_rollcall::model::{
    Classes, Completeness, Coverage, Group, Instant, Inventory, ListKind, ListReport, Pattern, Rule, SeenInterval,
    Severity, SourceIdentity, SourceReading, User,
};
use bt_rollcall::report_page::render_snapshot;
use bt_rollcall::rules;
use bt_rollcall::rules::custom::{CustomRule, Expression};
use bt_rollcall::rules::policy::Policy;
use bt_rollcall::snapshot::load::Archive;
use bt_rollcall::source::rest_v3::users_of_page;
use bt_rollcall::table::{CsvDialect, ParquetMetadata, Table, Tables};
use bt_rollcall_sandbox::World;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use std::hint::black_box;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

const USERS: u32 = 20_000;
const PAGE: usize = 100;

fn as_of() -> Instant {
    "2026-11-23T02:00:00Z".parse().expect("an instant")
}

/// Returns the pages of the list of users in the same JSON as an appliance.
fn pages(world: &World) -> Vec<Vec<u8>> {
    let records: Vec<_> = world.users().map(|(_, record)| record).collect();
    let page = |users: &[_]| json!({ "users": users, "total": records.len() }).to_string().into_bytes();
    records.chunks(PAGE).map(page).collect()
}

/// Decodes the pages in the same way as the `rest-v3` connector.
fn decode(pages: &[Vec<u8>]) -> Vec<User> {
    pages.iter().flat_map(|page| users_of_page(page).expect("a page")).collect()
}

/// Builds a complete reading of the simulated tenant.
fn reading(world: &World, users: Vec<User>) -> SourceReading {
    let list = |kind, rows: usize| ListReport {
        kind,
        query: String::new(),
        expected: Some(rows as u64),
        received: rows as u64,
        distinct: rows as u64,
        pages: 1,
        passes: 1,
        requests: 1,
        coverage: Coverage::Complete { proof: String::new() },
    };
    let group = |(id, record): (u64, &serde_json::Map<String, serde_json::Value>)| {
        let mut group = Group::new(id.to_string());
        group.name = record.get("name").and_then(|name| name.as_str()).map(Into::into);
        group
    };
    let groups: Vec<Group> = world.groups().map(group).collect();
    SourceReading {
        source: SourceIdentity {
            name: "bench".into(),
            kind: "rest-v3".to_owned(),
            url: "https://localhost".to_owned(),
            client_id: "bench".to_owned(),
        },
        lists: vec![list(ListKind::Users, users.len()), list(ListKind::Groups, groups.len())],
        users,
        groups,
        outside: Vec::new(),
        clock_skew_seconds: None,
        tls_certificate_sha256: None,
        hides_inactive: false,
        odd_values: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
    }
}

/// Notes on every row that this run read it, without which no table is written.
fn note_seen(inventory: &mut Inventory) {
    let seen = Some(SeenInterval { first: as_of(), confirmed: as_of() });
    for source in &mut inventory.sources {
        source.reading.users.iter_mut().for_each(|user| user.seen = seen);
        source.reading.groups.iter_mut().for_each(|group| group.seen = seen);
        source.set_seen(0..source.memberships.len(), seen);
    }
}

/// Returns patterns as a configuration would contain them.
fn classes() -> Classes {
    let pattern = |text: &str| vec![Pattern::parse(text).expect("a pattern")];
    Classes {
        privileged_groups: pattern("glob:*admin*"),
        break_glass: pattern("glob:emergency-*"),
        service_accounts: pattern("glob:svc-*"),
    }
}

/// Returns custom rules of the kind that organisations write.
fn custom_rules(count: usize) -> Vec<CustomRule> {
    let all = [
        "enabled && \"Contractors\" in groups && days_until_expiry == null",
        "enabled && is_privileged && (days_since_login >= 30 || last_login_status == \"never\")",
        "enabled && username.matches(\"(?i)^(tmp|test)[-_]\") && days_since_created > 14",
        "enabled && kind == \"person\" && !email_address.endsWith(\"@example.com\")",
        "is_admin && groups.exists(group, group.startsWith(\"ext-\") || group.contains(\"vendor\"))",
    ];
    let rule = |(at, when): (usize, &&str)| CustomRule {
        rule: Rule::custom(&format!("own-{at}")),
        severity: Severity::Medium,
        title: "Own".to_owned(),
        action: "Look.".to_owned(),
        when: Expression::read(when).expect("an expression"),
    };
    all.iter().take(count).enumerate().map(rule).collect()
}

/// Time on the clock, printed for one account.
struct AnAccount(WallTime);

impl Measurement for AnAccount {
    type Intermediate = <WallTime as Measurement>::Intermediate;
    type Value = <WallTime as Measurement>::Value;

    fn start(&self) -> Self::Intermediate {
        self.0.start()
    }
    fn end(&self, started: Self::Intermediate) -> Self::Value {
        self.0.end(started)
    }
    fn add(&self, one: &Self::Value, other: &Self::Value) -> Self::Value {
        self.0.add(one, other)
    }
    fn zero(&self) -> Self::Value {
        self.0.zero()
    }
    fn to_f64(&self, value: &Self::Value) -> f64 {
        self.0.to_f64(value)
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        &NanosecondsAnAccount
    }
}

struct NanosecondsAnAccount;

impl ValueFormatter for NanosecondsAnAccount {
    fn scale_values(&self, _: f64, nanoseconds: &mut [f64]) -> &'static str {
        for value in nanoseconds {
            *value /= f64::from(USERS);
        }
        "ns an account"
    }
    fn scale_throughputs(&self, typical: f64, _: &Throughput, values: &mut [f64]) -> &'static str {
        self.scale_values(typical, values)
    }
    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "ns"
    }
}

/// Measures every stage with the same users.
fn stages(criterion: &mut Criterion<AnAccount>) {
    let users = usize::try_from(USERS).expect("a small number");
    let world = World::seeded(1, users, as_of());
    let pages = pages(&world);
    let reading = reading(&world, decode(&pages));
    let (classes, policy) = (classes(), Policy::default());
    let mut inventory = Inventory::join(vec![reading.clone()], &classes);
    note_seen(&mut inventory);
    let findings = rules::evaluate(&inventory, &policy, as_of()).findings;
    let tables = Tables { inventory: &inventory, group_owners: &[], findings: &findings, changes: &[], resolved: &[] };
    let about = ParquetMetadata { run_id: "20261123T020000Z-0000", completeness: Completeness::Complete };

    let mut group = criterion.benchmark_group("stage");
    group.sample_size(20);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    group.bench_function("decode", |b| b.iter(|| decode(black_box(&pages))));
    group.bench_function("join", |b| {
        let input = || vec![reading.clone()];
        b.iter_batched(input, |readings| Inventory::join(readings, &classes), BatchSize::PerIteration);
    });
    group.bench_function("evaluate", |b| b.iter(|| rules::evaluate(black_box(&inventory), &policy, as_of())));
    group.bench_function("follow findings", |b| {
        let past = KnownFindings::default();
        let follow = |found| lifecycle::advance(found, &past, |_| true, |_| Visibility::Unknown);
        b.iter_batched(|| findings.clone(), follow, BatchSize::PerIteration);
    });
    for count in [1, 5] {
        let policy = Policy { custom_rules: custom_rules(count), ..Policy::default() };
        group.bench_function(format!("evaluate, {count} custom"), |b| {
            b.iter(|| rules::evaluate(black_box(&inventory), &policy, as_of()));
        });
    }
    group.bench_function("write csv", |b| {
        b.iter(|| {
            for table in Table::ALL {
                tables.write_csv(table, CsvDialect::Strict, io::sink()).expect("a sink takes everything");
            }
        });
    });
    group.bench_function("write review", |b| {
        b.iter(|| tables.write_review(CsvDialect::Strict, io::sink()).expect("a sink takes everything"));
    });
    group.bench_function("write parquet", |b| {
        b.iter(|| {
            for table in Table::ALL {
                tables.write_parquet(table, &about, io::sink()).expect("a sink takes everything");
            }
        });
    });
    group.finish();
}

/// Measures what a run with a base and `report` do with a snapshot.
fn snapshots(criterion: &mut Criterion<AnAccount>) {
    let folder = tempfile::tempdir().expect("a folder");
    // The demo has four sources, so that the snapshot has about as many accounts. A list of Password Safe with a round
    // number of rows could be cut.
    let users = (USERS / 4 - 1).to_string();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"));
    demo.args(["demo", "--users", &users, "--dir"]).arg(folder.path());
    demo.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("a demo");
    let snapshot = folder.path().join("snapshots/latest");

    let mut group = criterion.benchmark_group("snapshot");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    group.bench_function("verify", |b| b.iter(|| Archive::open(&snapshot).expect("a snapshot")));
    let archive = Archive::open(&snapshot).expect("a snapshot");
    group.bench_function("read accounts", |b| b.iter(|| archive.inventory().expect("accounts")));
    group.bench_function("read all and render the report", |b| b.iter(|| render_snapshot(&archive).expect("a report")));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(AnAccount(WallTime));
    targets = stages, snapshots
}
criterion_main!(benches);
