//! A tenant that changes while it is read: users come and go, and join groups.

use super::super::faults::{Faults, hits};
use super::super::tally::lock;
use super::super::world::Record;
use super::Appliance;
use serde_json::{Value, json};

/// Perhaps some users go or come, now.
pub(super) fn users(appliance: &Appliance, faults: &Faults) {
    let mut rng = lock(&appliance.rng);
    if !hits(&mut rng, faults.churn) {
        return;
    }
    let mut world = lock(&appliance.world);
    for _ in 0..rng.u8(1..=3) {
        if is_over(appliance, faults) {
            return;
        }
        let leaver = if rng.bool() { world.id_at(rng.usize(..world.user_count().max(1))) } else { None };
        if let Some(id) = leaver {
            world.remove_user(id);
        } else {
            world.add_newcomer(&mut rng, appliance.now());
        }
        appliance.tally.count(|c| c.churned += 1);
    }
}

/// Perhaps somebody joins this group, or leaves it, now.
pub(super) fn members(appliance: &Appliance, faults: &Faults, group: u64) {
    let mut rng = lock(&appliance.rng);
    if !hits(&mut rng, faults.churn) || is_over(appliance, faults) {
        return;
    }
    let mut world = lock(&appliance.world);
    let somebody = world.id_at(rng.usize(..world.user_count().max(1)));
    if somebody.is_some_and(|id| world.edit_user(id, |record| toggle(record, group))) {
        appliance.tally.count(|c| c.churned += 1);
    }
}

fn is_over(appliance: &Appliance, faults: &Faults) -> bool {
    faults.churn_max_changes.is_some_and(|most| appliance.tally.snapshot().churned >= most)
}

fn toggle(record: &mut Record, group: u64) {
    let group = Value::from(group);
    match record.entry("group_memberships").or_insert(Value::Null) {
        Value::Array(ids) if ids.contains(&group) => ids.retain(|id| *id != group),
        Value::Array(ids) => ids.push(group),
        other => *other = json!([group]),
    }
}
