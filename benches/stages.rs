//! Cost of each stage per user: decode, join, evaluate, write. The "thrpt" lines show users per second.
//!
//! `cargo bench --bench stages`

use bt_rollcall::model::{
    Classes, Completeness, Coverage, Group, Instant, Inventory, ListKind, ListReport, Pattern, Rule, Severity,
    SourceIdentity, SourceReading, User,
};
use bt_rollcall::rules;
use bt_rollcall::rules::custom::{CustomRule, Expression};
use bt_rollcall::rules::policy::Policy;
use bt_rollcall::source::rest_v3::users_of_page;
use bt_rollcall::table::{CsvDialect, ParquetMetadata, Table, Tables};
use bt_rollcall_sandbox::World;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use std::hint::black_box;
use std::io;
use std::time::Duration;

const USERS: u64 = 20_000;
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

/// Measures every stage with the same users.
fn stages(criterion: &mut Criterion) {
    let users = usize::try_from(USERS).expect("a small number");
    let world = World::seeded(1, users, as_of());
    let pages = pages(&world);
    let reading = reading(&world, decode(&pages));
    let (classes, policy) = (classes(), Policy::default());
    let inventory = Inventory::join(vec![reading.clone()], &classes);
    let findings = rules::evaluate(&inventory, &policy, as_of()).findings;
    let tables = Tables { inventory: &inventory, group_owners: &[], findings: &findings, changes: &[], resolved: &[] };
    let about = ParquetMetadata { run_id: "20261123T020000Z-0000", completeness: Completeness::Complete };

    let mut group = criterion.benchmark_group("user");
    group.throughput(Throughput::Elements(USERS)).sample_size(20);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    group.bench_function("decode", |b| b.iter(|| decode(black_box(&pages))));
    group.bench_function("join", |b| {
        let input = || vec![reading.clone()];
        b.iter_batched(input, |readings| Inventory::join(readings, &classes), BatchSize::PerIteration);
    });
    group.bench_function("evaluate", |b| b.iter(|| rules::evaluate(black_box(&inventory), &policy, as_of())));
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
    group.bench_function("write parquet", |b| {
        b.iter(|| {
            for table in Table::ALL {
                tables.write_parquet(table, &about, io::sink()).expect("a sink takes everything");
            }
        });
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
