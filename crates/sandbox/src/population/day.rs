//! A day in a tenant: people join, leave, log in, change groups, and are disabled or enabled. For the demo and for
//! tests of changes.

use super::{DAY, PRIVILEGED, text_of, written};
use crate::world::World;
use chrono::{DateTime, Utc};
use fastrand::Rng;
use serde_json::{Value, json};

impl World {
    /// Applies the changes of the day before `as_of`. The same world, seed and instant give the same changes.
    pub fn simulate_day(&mut self, seed: u64, as_of: DateTime<Utc>) {
        let mut rng = Rng::with_seed(seed);
        let people: Vec<u64> = self.user_ids().into_iter().collect();
        for id in &people {
            self.change_user(&mut rng, *id, as_of);
        }
        if people.is_empty() {
            return;
        }
        for _ in 0..people.len().div_ceil(250) {
            self.add_newcomer(&mut rng, as_of);
        }
        self.promote(&mut rng, &people);
        if rng.u8(..3) == 0 {
            self.use_emergency_account(as_of);
        }
    }

    fn change_user(&mut self, rng: &mut Rng, id: u64, as_of: DateTime<Utc>) {
        // Of 1,000 people 2 leave, 3 are disabled, 5 change groups, 500 log in, and 2 get another name. Another 20 are
        // enabled again if they were disabled.
        match rng.u16(..1000) {
            0..2 => drop(self.remove_user(id)),
            2..5 => drop(self.edit_user(id, |record| drop(record.insert("enabled".to_owned(), false.into())))),
            5..10 => self.join_a_group(rng, id),
            10..510 => self.log_in(rng, id, as_of),
            510..512 => self.rename(id),
            512..532 => self.enable_again(id),
            _ => {}
        }
    }

    /// Logs a user in, if the user is enabled and has logged in within 60 days. Stale accounts stay stale.
    fn log_in(&mut self, rng: &mut Rng, id: u64, as_of: DateTime<Utc>) {
        let recently = |at: DateTime<Utc>| (0..60 * DAY).contains(&(as_of - at).num_seconds());
        let regular = self.user(id).is_some_and(|record| {
            record.get("enabled") == Some(&Value::Bool(true))
                && text_of(record, "last_login").parse::<DateTime<Utc>>().is_ok_and(recently)
        });
        if regular {
            let at = as_of - chrono::TimeDelta::seconds(rng.i64(60..DAY));
            self.edit_user(id, |record| drop(record.insert("last_login".to_owned(), written(at))));
        }
    }

    fn join_a_group(&mut self, rng: &mut Rng, id: u64) {
        let groups: Vec<u64> = self.groups().skip(PRIVILEGED).map(|(id, _)| id).collect();
        if let Some(group) = rng.choice(groups) {
            self.edit_user(id, |record| drop(record.insert("group_memberships".to_owned(), json!([group]))));
        }
    }

    fn rename(&mut self, id: u64) {
        self.edit_user(id, |record| {
            let name = text_of(record, "username");
            if !name.is_empty() {
                record.insert("username".to_owned(), format!("{name}.{id}").into());
            }
        });
    }

    fn enable_again(&mut self, id: u64) {
        self.edit_user(id, |record| {
            if record.get("enabled") == Some(&Value::Bool(false)) {
                record.insert("enabled".to_owned(), true.into());
            }
        });
    }

    /// Logs in with the first emergency account, which the rule `break-glass-used` reports.
    fn use_emergency_account(&mut self, as_of: DateTime<Utc>) {
        let is_one = |id: &u64| self.user(*id).is_some_and(|r| text_of(r, "username").starts_with("emergency-"));
        let first = self.user_ids().into_iter().find(is_one);
        let at = as_of - chrono::TimeDelta::hours(1);
        first.map(|id| self.edit_user(id, |record| drop(record.insert("last_login".to_owned(), written(at)))));
    }

    /// Adds an account to the first privileged group, so that a reviewer sees a new privileged account the day after.
    fn promote(&mut self, rng: &mut Rng, people: &[u64]) {
        let Some((group, _)) = self.groups().next() else { return };
        let Some(id) = rng.choice(people) else { return };
        self.edit_user(*id, |record| {
            let memberships = record.entry("group_memberships").or_insert_with(|| json!([]));
            if let Value::Array(ids) = memberships
                && !ids.contains(&group.into())
            {
                ids.push(group.into());
            }
        });
    }
}
