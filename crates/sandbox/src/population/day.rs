//! A day in the life of a tenant: people join, leave, log in, come and go in groups, are disabled. For the demo.

use super::super::world::World;
use super::{DAY, PRIVILEGED, text_of, written};
use chrono::{DateTime, Utc};
use fastrand::Rng;
use serde_json::{Value, json};

impl World {
    /// Lets the day before `as_of` pass. The same world, seed and instant give the same next day.
    pub fn live_a_day(&mut self, seed: u64, as_of: DateTime<Utc>) {
        let mut rng = Rng::with_seed(seed);
        let people: Vec<u64> = self.user_ids().into_iter().collect();
        for id in &people {
            self.live(&mut rng, *id, as_of);
        }
        if people.is_empty() {
            return;
        }
        for _ in 0..people.len().div_ceil(250) {
            self.add_newcomer(&mut rng, as_of);
        }
        self.promote(&mut rng, &people);
        if rng.u8(..3) == 0 {
            self.need_an_emergency_account(as_of);
        }
    }

    fn live(&mut self, rng: &mut Rng, id: u64, as_of: DateTime<Utc>) {
        // Of a thousand people two leave, three are disabled, five change groups, five hundred log in, two get another name;
        // and of those who are disabled one in fifty is enabled again.
        match rng.u16(..1000) {
            0..2 => drop(self.remove_user(id)),
            2..5 => drop(self.edit_user(id, |record| drop(record.insert("enabled".to_owned(), false.into())))),
            5..10 => self.join_a_group(rng, id),
            10..510 => self.log_in(rng, id, as_of),
            510..512 => self.rename(id),
            512..532 => self.come_back(id),
            _ => {}
        }
    }

    /// Only those who do so regularly; of the others it stays as it is.
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

    fn come_back(&mut self, id: u64) {
        self.edit_user(id, |record| {
            if record.get("enabled") == Some(&Value::Bool(false)) {
                record.insert("enabled".to_owned(), true.into());
            }
        });
    }

    /// Somebody signs in with the first account that is kept for emergencies.
    fn need_an_emergency_account(&mut self, as_of: DateTime<Utc>) {
        let is_one = |id: &u64| self.user(*id).is_some_and(|r| text_of(r, "username").starts_with("emergency-"));
        let first = self.user_ids().into_iter().find(is_one);
        let at = as_of - chrono::TimeDelta::hours(1);
        first.map(|id| self.edit_user(id, |record| drop(record.insert("last_login".to_owned(), written(at)))));
    }

    /// One more privileged account: what a reviewer wants to see the day after.
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
