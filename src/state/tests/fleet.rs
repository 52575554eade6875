//! Four sources over 40 days. Their lists drift or fail; sources are skipped, removed, added, or replaced by another
//! product.
//!
//! Every event is true and emitted once, the events rebuild the state, and a list that is complete equals the real one.

use super::truth::{ALL_READ, Visibility, World, is_true, joined, reading_of, world};
use super::*;

const SOURCES: [(&str, bool); 4] = [("a", false), ("b", true), ("c", false), ("d", true)];

/// One source on one day.
#[derive(Clone, Debug)]
struct Day {
    /// Index of the world that exists on this day.
    world: usize,
    /// 0: not configured. 1: skipped by the run. 2: another product under the same name. Other: read.
    how: u8,
    codes: Vec<u8>,
    lost: Vec<bool>,
}

fn one_day() -> impl Strategy<Value = Day> {
    let code = prop_oneof![8 => Just(0_u8), 1 => Just(2), 1 => Just(3)];
    let how = prop_oneof![1 => Just(0_u8), 2 => Just(1), 1 => Just(2), 20 => Just(3)];
    (0..3_usize, how, proptest::collection::vec(code, 8), proptest::collection::vec(any::<bool>(), 5))
        .prop_map(|(world, how, codes, lost)| Day { world, how, codes, lost })
}

fn as_source(mut source_reading: SourceReading, name: &str, is_another: bool) -> SourceReading {
    source_reading.source.name = name.into();
    source_reading.source.kind = if is_another { "another" } else { "k" }.to_owned();
    source_reading
}

/// Returns the readings of a day and the truth.
fn reading(worlds: &[Vec<World>], days: &[Day]) -> (Inventory, Inventory) {
    let (mut read, mut truth) = (Vec::new(), Vec::new());
    for (((name, by_groups), worlds), Day { world, how, codes, lost }) in SOURCES.iter().zip(worlds).zip(days) {
        let complete = as_source(reading_of(&worlds[*world], *by_groups, ALL_READ), name, *how == 2);
        let seen = reading_of(&worlds[*world], *by_groups, Visibility { codes, lost, at: 0 });
        match how {
            0 => continue,
            1 => read.push(SourceReading::of(complete.source.clone())),
            _ => read.push(as_source(seen, name, *how == 2)),
        }
        truth.push(complete);
    }
    (joined(read), joined(truth))
}

/// Keeps only the sources about which everything was known before.
fn only_sources(mut state: Replayed, sources: &BTreeSet<String>) -> Replayed {
    let is_of = |key: &str| sources.contains(key.split('/').next().unwrap());
    state.users.retain(|key, _| is_of(key));
    state.groups.retain(|key, _| is_of(key));
    state.pairs.retain(|(key, _)| is_of(key));
    state
}

/// Returns the users, as (source, id), whose groups were never known. Their first known memberships are not emitted as
/// new.
fn users_with_unknown_groups(state: &Inventory) -> BTreeSet<(String, String)> {
    let of = |source_inventory: &SourceInventory| {
        let source = source_inventory.reading.source.name.to_string();
        let users = source_inventory.reading.users.iter().filter(|user| user.groups_confirmed.is_none());
        users.map(|user| (source.clone(), user.id.to_string())).collect::<Vec<_>>()
    };
    state.sources.iter().flat_map(of).collect()
}

fn member_of((group, member): &(String, String)) -> (String, String) {
    (group.split('/').next().unwrap().to_owned(), member.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn over_40_days_every_event_is_true_and_unique_and_the_events_rebuild_the_state(
        by_records in proptest::collection::vec(proptest::collection::vec(world(false), 3), 2),
        by_groups in proptest::collection::vec(proptest::collection::vec(world(true), 3), 2),
        days in proptest::collection::vec(proptest::collection::vec(one_day(), 4), 40),
    ) {
        let worlds = [&by_records[0], &by_groups[0], &by_records[1], &by_groups[1]].map(Clone::clone);
        let (first, _) = reading(&worlds, &days[0]);
        let mut kept = SettledRun::first(first, "run-0", day(0));
        let (mut received, mut ids) = (replayed(&kept.state), BTreeSet::new());
        for (number, of_day) in (1..).zip(&days[1..]) {
            let run_id = format!("run-{number}");
            let (read, truth) = reading(&worlds, of_day);
            let is_true_now = replayed(&truth);
            let mut advanced = kept.read(read, &run_id, day(number));
            let emitted = advanced.inventory.sources.iter().zip(&advanced.since).filter(|(_, since)| since.has_baseline);
            let never_known = users_with_unknown_groups(&kept.state);
            let emitted: BTreeSet<String> = emitted.map(|(source_inventory, _)| source_inventory.reading.source.name.to_string()).collect();
            for change in &advanced.changes {
                prop_assert!(is_true(change, &is_true_now), "{}: not true: {:?}", run_id, change);
                prop_assert!(ids.insert(change.event_id), "emitted twice: {:?}", change);
                if emitted.contains(change.source.as_str()) {
                    apply(&mut received, change);
                }
            }
            advanced.settle();
            let state = replayed(&advanced.inventory);
            learn(&mut received, &state);
            let learnt = state.pairs.iter().filter(|pair| never_known.contains(&member_of(pair)));
            received.pairs.extend(learnt.cloned());
            prop_assert_eq!(only_sources(received, &emitted), only_sources(state.clone(), &emitted), "{}", run_id);
            for (source_inventory, actual) in advanced.inventory.sources.iter().zip(&truth.sources) {
                let ids = |source_inventory: &SourceInventory, prefix: &str| -> Vec<UserId> {
                    let users = source_inventory.reading.users.iter().filter(|user| user.id.as_str().starts_with(prefix));
                    users.map(|user| user.id.clone()).collect()
                };
                for (list, prefix) in [(ListKind::Users, ""), (ListKind::ApiAccounts, "api-account:")] {
                    let is_plain = list != ListKind::Users || source_inventory.reading.coverage(ListKind::Members) == &Coverage::NotOffered;
                    if is_plain && source_inventory.reading.coverage(list).is_complete() {
                        prop_assert_eq!(ids(source_inventory, prefix), ids(actual, prefix), "{}: {:?}", run_id, list);
                    }
                }
            }
            received = state;
            kept = SettledRun::of(advanced.inventory, &run_id, day(number));
        }
    }
}
