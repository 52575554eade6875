//! Answers as real appliances give them: every connector through every dialect that applies to it, held against the oracle.

use super::rig::as_of;
use super::surface::{SOURCE, agrees, appliance, harvest, settings};
use bt_rollcall::model::Harvest;
use bt_rollcall::sandbox::{Dialect, Expect, Faults, Sandbox, Surface, World};

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
    let rounds = std::env::var("DIALECT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    for seed in 0..rounds {
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

/// Worlds of the property test: as many as fit into half a minute. `DIALECT_ROUNDS` for more.
const ROUNDS: u64 = 40;
