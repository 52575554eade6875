//! Tests of dialects, the deviations of real appliances: every connector in every dialect that applies to it.
//!
//! Each reading is compared with what the oracle of the sandbox expects.

use super::rig::as_of;
use super::surface::{SOURCE, agrees, appliance, changes, classes, probe, reading, settings};
use super::truth::{self, ReportedChange, Truth};
use bt_rollcall::model::{Change, Coverage, Inventory, ListKind, SourceReading};
use bt_rollcall::source::{Objects, Probe};
use bt_rollcall_sandbox::{Dialect, Expect, Faults, Sandbox, Surface, World};

/// Returns faults that only change the dialect.
fn with_dialects(dialects: &[Dialect]) -> Faults {
    Faults { dialects: dialects.iter().copied().collect(), ..Faults::default() }
}

fn expect(surface: Surface, dialects: &[Dialect]) -> Expect {
    Expect { surface, dialects: dialects.iter().copied().collect(), ..Expect::usual(SOURCE, as_of()) }
}

/// Reads a surface. Three attempts per request are enough here and keep the tests short.
fn read(sandbox: &Sandbox, surface: Surface) -> SourceReading {
    let mut settings = settings(sandbox, surface);
    settings.client.attempts = 3;
    reading(&settings)
}

fn check(world: &World, surface: Surface, dialects: &[Dialect]) -> Result<(), String> {
    let sandbox = appliance(surface, world.clone(), &with_dialects(dialects));
    let collected = read(&sandbox, surface);
    let reason = collected.reason();
    let expected = sandbox.with_world(|world| world.expected(&expect(surface, dialects)));
    if expected.complete != reason.is_none() {
        return Err(format!("complete: {}, but {reason:?}", expected.complete));
    }
    std::panic::catch_unwind(|| agrees(collected, &expected))
        .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a difference".to_owned()))
}

#[test]
fn every_connector_reads_every_dialect_as_the_oracle_expects() {
    let world = World::seeded(7, 161, as_of());
    let mut wrong = Vec::new();
    for dialect in Dialect::ALL {
        for surface in Surface::ALL.into_iter().filter(|surface| dialect.applies_to(*surface)) {
            if let Err(why) = check(&world, surface, &[dialect]) {
                wrong.push(format!(
                    "{} over {surface:?}: {}",
                    dialect.as_str(),
                    why.chars().take(700).collect::<String>()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Returns a random choice of dialects that apply to a surface.
fn drawn(rng: &mut fastrand::Rng, surface: Surface) -> Vec<Dialect> {
    let all: Vec<Dialect> = Dialect::ALL.into_iter().filter(|dialect| dialect.applies_to(surface)).collect();
    let count = rng.usize(2..5);
    let mut chosen = rng.choose_multiple(all, count);
    chosen.sort_unstable();
    // With these, the total of an empty page is 0, which contradicts EmptyWithTotal.
    if chosen.contains(&Dialect::EmptyWithTotal) {
        chosen.retain(|dialect| !matches!(dialect, Dialect::PageTotals | Dialect::CappedPages));
    }
    chosen
}

#[test]
fn random_combinations_of_dialects_are_read_as_the_oracle_expects() {
    let mut wrong = Vec::new();
    for seed in 0..rounds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let world = World::seeded(seed, rng.usize(1..100), as_of());
        for surface in Surface::ALL {
            let dialects = drawn(&mut rng, surface);
            if let Err(why) = check(&world, surface, &dialects) {
                let names: Vec<&str> = dialects.iter().map(|dialect| dialect.as_str()).collect();
                let why: String = why.chars().take(600).collect();
                wrong.push(format!("seed {seed}, {surface:?}, {}: {why}", names.join(" + ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Returns how many worlds a property test reads: as many as fit into half a minute, or `DIALECT_ROUNDS`.
fn rounds() -> u64 {
    std::env::var("DIALECT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(40)
}

/// Returns why a change did not happen between two states; `None` if it did.
fn untrue(change: &Change, before: &Truth, after: &Truth) -> Option<String> {
    let reported = ReportedChange {
        kind: change.kind.as_str(),
        subject: change.subject.id.as_ref(),
        field: change.field.as_deref().unwrap_or_default(),
        before: change.before.as_deref().unwrap_or_default(),
        after: change.after.as_deref().unwrap_or_default(),
    };
    truth::untrue(reported, before, after)
}

#[test]
fn every_reported_change_really_happened_whatever_could_not_be_read() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for seed in 0..rounds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let first = World::seeded(seed, rng.usize(20..90), as_of());
        let mut second = first.clone();
        (1..4).for_each(|day| second.simulate_day(day, as_of()));
        for surface in Surface::ALL {
            let dialects = [(); 2].map(|()| drawn(&mut rng, surface));
            // These dialects change ids and memberships: two days with and without them are two different tenants.
            let another = [Dialect::GuidIds, Dialect::DirectoryGroups];
            let dialects = dialects.map(|all| all.into_iter().filter(|d| !another.contains(d)).collect::<Vec<_>>());
            let inventories = [(&first, &dialects[0]), (&second, &dialects[1])].map(|(world, dialects)| {
                let sandbox = appliance(surface, world.clone(), &with_dialects(dialects));
                Inventory::join(vec![read(&sandbox, surface)], &classes())
            });
            let [old, new] = &inventories;
            let emitted = changes(old, new);
            let (before, after) = (Truth::of(&first, surface), Truth::of(&second, surface));
            count += emitted.len();
            let untrue = emitted.iter().filter_map(|change| untrue(change, &before, &after));
            wrong.extend(untrue.take(2).map(|why| format!("seed {seed}, {surface:?}, {dialects:?}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 100, "{count} changes");
}

fn is_unproven(coverage: &Coverage) -> bool {
    matches!(coverage, Coverage::Drifted { .. } | Coverage::Failed { .. })
}

/// Reads an appliance in this dialect by a check and by a run. Returns both results and their disagreements.
fn by_check_and_run(world: &World, surface: Surface, dialect: Dialect) -> (Probe, SourceReading, Vec<String>) {
    let sandbox = appliance(surface, world.clone(), &with_dialects(&[dialect]));
    let mut settings = settings(&sandbox, surface);
    settings.client.attempts = 3;
    let (probe, run) = (probe(&settings), reading(&settings));
    let failed = probe.lists.iter().filter(|list| list.page.is_err());
    let only_by_check = failed.filter(|list| run.coverage(list.kind).is_complete());
    let mut wrong: Vec<String> =
        only_by_check.map(|list| format!("check fails {:?}: {:?}", list.kind, list.page)).collect();
    // A check must report every list that a run cannot prove complete.
    for list in run.lists.iter().filter(|list| is_unproven(&list.coverage)) {
        let is_reported = probe.lists.iter().any(|probed| probed.kind == list.kind && probed.page.is_err());
        if !is_reported {
            wrong.push(format!("only a run finds {:?} {:?}", list.kind, list.coverage));
        }
    }
    (probe, run, wrong)
}

#[test]
fn check_and_run_agree_in_every_dialect() {
    let world = World::seeded(7, 61, as_of());
    let mut wrong = Vec::new();
    for dialect in Dialect::ALL {
        for surface in Surface::ALL.into_iter().filter(|surface| dialect.applies_to(*surface)) {
            let (_, _, found) = by_check_and_run(&world, surface, dialect);
            wrong.extend(found.into_iter().map(|why| format!("{} over {surface:?}: {why}", dialect.as_str())));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn check_and_run_name_the_same_group_whose_members_cannot_be_read() {
    // There are more groups than fit on a page, so the check must read further pages of their list.
    let world = World::seeded(7, 1501, as_of());
    let last = world.groups().last().unwrap().0;
    for (surface, noun) in [(Surface::Pra, "policy"), (Surface::Rs, "policy"), (Surface::PasswordSafe, "group")] {
        assert!(Dialect::MembersFailing.applies_to(surface));
        let (probe, run, wrong) = by_check_and_run(&world, surface, Dialect::MembersFailing);
        assert_eq!(wrong, [""; 0], "{surface:?}");
        let members = probe.lists.iter().find(|list| list.kind == ListKind::Members).unwrap();
        let why = members.page.as_ref().unwrap_err();
        assert!(why.contains(&format!("{noun} {last}: GET ")) && why.contains("status 500"), "{surface:?}: {why}");
        assert_eq!(members.objects, Some(Objects { tried: 30, of: Some(30) }), "{surface:?}");
        let coverage = run.coverage(ListKind::Members);
        assert!(is_unproven(coverage) && coverage.words() == why, "{surface:?}: {coverage:?}");
    }
}
