//! Answers as real appliances give them: every connector through every dialect that applies to it, held against the oracle.

use super::rig::as_of;
use super::surface::{SOURCE, agrees, appliance, classes, harvest, probe, settings};
use bt_rollcall::diff::{Side, between};
use bt_rollcall::model::{Change, ChangeKind, Coverage, Harvest, Inventory, ListKind};
use bt_rollcall::sandbox::{Dialect, Expect, Faults, Sandbox, Surface, World};
use std::collections::BTreeSet;

fn spoken(dialects: &[Dialect]) -> Faults {
    Faults { dialects: dialects.iter().copied().collect(), ..Faults::default() }
}

fn expect(surface: Surface, dialects: &[Dialect]) -> Expect {
    Expect { surface, dialects: dialects.iter().copied().collect(), ..Expect::usual(SOURCE, as_of()) }
}

/// Reads the world through a surface in these dialects.
fn read(sandbox: &Sandbox, surface: Surface) -> Harvest {
    let mut settings = settings(sandbox, surface);
    settings.client.attempts = 3;
    harvest(&settings)
}

fn check(world: &World, surface: Surface, dialects: &[Dialect]) -> Result<(), String> {
    let sandbox = appliance(surface, world.clone(), &spoken(dialects));
    let harvested = read(&sandbox, surface);
    let reason = harvested.reason();
    let expected = sandbox.with_world(|world| world.expected(&expect(surface, dialects)));
    if expected.complete != reason.is_none() {
        return Err(format!("complete: {}, but {reason:?}", expected.complete));
    }
    std::panic::catch_unwind(|| agrees(harvested, &expected))
        .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a difference".to_owned()))
}

#[test]
fn every_connector_reads_every_dialect_that_applies_to_it_as_the_oracle_says() {
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

/// Some dialects that apply to a surface, drawn at random.
fn drawn(rng: &mut fastrand::Rng, surface: Surface) -> Vec<Dialect> {
    let all: Vec<Dialect> = Dialect::ALL.into_iter().filter(|dialect| dialect.applies_to(surface)).collect();
    let count = rng.usize(2..5);
    let mut chosen = rng.choose_multiple(all, count);
    chosen.sort_unstable();
    // A total of the page alone says that an empty list is one.
    if chosen.contains(&Dialect::EmptyWithTotal) {
        chosen.retain(|dialect| *dialect != Dialect::PageTotals);
    }
    chosen
}

#[test]
fn random_dialects_over_random_worlds_are_read_as_the_oracle_says() {
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

/// Ids of a table's rows, or pairs of a group and a member.
fn truth(world: &World, surface: Surface) -> Truth {
    let expected = world.expected(&Expect { surface, ..Expect::usual(SOURCE, as_of()) });
    let ids = |rows: &[super::rig::Row]| rows.iter().map(|row| row["id"].clone()).collect();
    let pairs = expected.memberships.iter().filter(|row| !row["user_id"].is_empty());
    Truth {
        users: ids(&expected.users),
        groups: ids(&expected.groups),
        pairs: pairs.map(|row| (row["group_id"].clone(), row["user_id"].clone())).collect(),
    }
}

struct Truth {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
    pairs: BTreeSet<(String, String)>,
}

/// Why a change is not true of these two days; `None`: it is.
fn untrue(change: &Change, before: &Truth, after: &Truth) -> Option<String> {
    let subject = change.subject.id.to_string();
    let pair = |group: &Option<Box<str>>| (group.as_deref().unwrap_or_default().to_owned(), subject.clone());
    let holds = match change.kind {
        ChangeKind::UserRemoved => before.users.contains(&subject) && !after.users.contains(&subject),
        ChangeKind::UserAdded => !before.users.contains(&subject) && after.users.contains(&subject),
        ChangeKind::GroupRemoved => before.groups.contains(&subject) && !after.groups.contains(&subject),
        ChangeKind::GroupAdded => !before.groups.contains(&subject) && after.groups.contains(&subject),
        ChangeKind::MembershipRemoved if change.field.as_deref() == Some("group_memberships") => {
            before.pairs.contains(&pair(&change.before)) && !after.pairs.contains(&pair(&change.before))
        }
        ChangeKind::MembershipAdded if change.field.as_deref() == Some("group_memberships") => {
            !before.pairs.contains(&pair(&change.after)) && after.pairs.contains(&pair(&change.after))
        }
        _ => true,
    };
    (!holds).then(|| format!("{:?} of {subject}: {:?} -> {:?}", change.kind, change.before, change.after))
}

#[test]
fn no_change_is_reported_that_did_not_happen_whatever_could_not_be_read() {
    let (mut wrong, mut changes) = (Vec::new(), 0);
    for seed in 0..rounds() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let first = World::seeded(seed, rng.usize(20..90), as_of());
        let mut second = first.clone();
        (1..4).for_each(|day| second.live_a_day(day, as_of()));
        for surface in Surface::ALL {
            let dialects = [(); 2].map(|()| drawn(&mut rng, surface));
            // Other ids and other memberships are another tenant.
            let another = [Dialect::GuidIds, Dialect::DirectoryGroups];
            let dialects = dialects.map(|all| all.into_iter().filter(|d| !another.contains(d)).collect::<Vec<_>>());
            let inventories = [(&first, &dialects[0]), (&second, &dialects[1])].map(|(world, dialects)| {
                let sandbox = appliance(surface, world.clone(), &spoken(dialects));
                Inventory::join(vec![read(&sandbox, surface)], &classes())
            });
            let [old, new] = &inventories;
            let compared = between(Side { run_id: "1", inventory: old }, Side { run_id: "2", inventory: new });
            let (before, after) = (truth(&first, surface), truth(&second, surface));
            changes += compared.changes.len();
            let lies = compared.changes.iter().filter_map(|change| untrue(change, &before, &after));
            wrong.extend(lies.take(2).map(|lie| format!("seed {seed}, {surface:?}, {dialects:?}: {lie}")));
        }
    }
    assert!(wrong.is_empty(), "{} of {changes} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(changes > 100, "{changes} changes");
}

fn is_unproven(coverage: &Coverage) -> bool {
    matches!(coverage, Coverage::Drifted { .. } | Coverage::Failed { .. })
}

#[test]
fn check_and_run_agree_in_every_dialect() {
    let world = World::seeded(7, 61, as_of());
    let mut wrong = Vec::new();
    for dialect in Dialect::ALL {
        for surface in Surface::ALL.into_iter().filter(|surface| dialect.applies_to(*surface)) {
            let sandbox = appliance(surface, world.clone(), &spoken(&[dialect]));
            let mut settings = settings(&sandbox, surface);
            settings.client.attempts = 3;
            let probe = probe(&settings);
            let run = harvest(&settings);
            for list in &probe.lists {
                let coverage = run.coverage(list.kind);
                if list.page.is_err() && coverage.is_complete() {
                    wrong.push(format!(
                        "{} over {surface:?}: check fails {:?}: {:?}",
                        dialect.as_str(),
                        list.kind,
                        list.page
                    ));
                }
            }
            // What a run does not prove, a check says, as an error or as a note. One group of many whose members fail is beyond it:
            // it reads the members of one group.
            let is_bad = probe.lists.iter().any(|list| list.page.is_err()) || !probe.notes.is_empty();
            for list in run.lists.iter().filter(|list| is_unproven(&list.coverage)) {
                let is_beyond = dialect.as_str() == "members-failing" && list.kind == ListKind::Members;
                if !is_bad && !is_beyond {
                    wrong.push(format!(
                        "{} over {surface:?}: only a run finds {:?} {:?}",
                        dialect.as_str(),
                        list.kind,
                        list.coverage
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
