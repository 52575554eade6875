//! A tenant that changes while it is read: users are created and deleted, and join and leave groups.

use super::Appliance;
use crate::counters::lock;
use crate::faults::{Faults, occurs};
use crate::members::{add_group, named_groups, remove_group};
use crate::record::Record;

/// Draws whether users are created or deleted now, and does it.
pub(super) fn users(appliance: &Appliance, faults: &Faults) {
    let mut rng = lock(&appliance.rng);
    if !occurs(&mut rng, faults.churn) {
        return;
    }
    let mut world = lock(&appliance.world);
    for _ in 0..rng.u8(1..=3) {
        if is_exhausted(appliance, faults) {
            return;
        }
        let leaver = if rng.bool() { world.id_at(rng.usize(..world.user_count().max(1))) } else { None };
        if let Some(id) = leaver {
            world.remove_user(id);
        } else {
            world.add_newcomer(&mut rng, appliance.now());
        }
        appliance.counters.count(|c| c.churned += 1);
    }
}

/// Draws whether a user joins or leaves this group now, and does it.
pub(super) fn members(appliance: &Appliance, faults: &Faults, group: u64) {
    let mut rng = lock(&appliance.rng);
    if !occurs(&mut rng, faults.churn) || is_exhausted(appliance, faults) {
        return;
    }
    let mut world = lock(&appliance.world);
    let user = world.id_at(rng.usize(..world.user_count().max(1)));
    if user.is_some_and(|id| world.edit_user(id, |record| toggle(record, group))) {
        appliance.counters.count(|c| c.churned += 1);
    }
}

fn is_exhausted(appliance: &Appliance, faults: &Faults) -> bool {
    faults.churn_max_changes.is_some_and(|most| appliance.counters.snapshot().churned >= most)
}

fn toggle(record: &mut Record, group: u64) {
    if named_groups(record).any(|named| named == group) {
        remove_group(record, group);
    } else {
        add_group(record, group);
    }
}
