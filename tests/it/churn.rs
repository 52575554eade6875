//! The guarantee of completeness, tested with users that are added and removed while their list is read.
//!
//! A user who exists during the whole walk is in the reading, or the list is not proven complete.

use super::rig::as_of;
use super::surface::{appliance_with_seed, reading, settings};
use bt_rollcall::model::{Coverage, ListKind};
use bt_rollcall_sandbox::{Faults, Surface, World};
use std::collections::BTreeSet;

const SEEDS: u64 = 100;

/// Reads a list of users that changes during the walk.
///
/// Returns whether the list was proven complete, and how many of the users who existed all the time are missing.
fn walk(seed: u64) -> (bool, usize) {
    let faults = Faults { churn: 0.25, churn_max_changes: Some(40), ..Faults::default() };
    let sandbox = appliance_with_seed(seed, Surface::Guide, World::seeded(seed, 500, as_of()), &faults);
    sandbox.mark();
    let reading = reading(&settings(&sandbox, Surface::Guide));
    let stayed = sandbox.stayed();
    let read: BTreeSet<u64> = reading.users.iter().map(|user| user.id.as_str().parse().unwrap()).collect();
    let complete = matches!(reading.coverage(ListKind::Users), Coverage::Complete { .. });
    (complete, stayed.difference(&read).count())
}

#[test]
fn no_user_is_lost_without_notice_from_a_changing_list_and_nine_in_ten_lists_are_proven() {
    let mut proven = 0;
    for seed in 0..SEEDS {
        let (complete, missing) = walk(seed);
        assert!(!complete || missing == 0, "seed {seed}: proven complete, but {missing} users are missing");
        proven += u64::from(complete);
    }
    assert!(proven * 10 >= SEEDS * 9, "{proven} of {SEEDS} proven complete");
}
