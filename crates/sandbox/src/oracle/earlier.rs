//! What the runs of earlier days have seen, for the expectations of a later one: the oracle's own memory, rebuilt from rows.

use super::{Expected, Row};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// What is remembered. Starts empty: the first run knows of nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Earlier {
    /// The tables of the newest complete run, where there was one.
    base: Option<(Vec<Row>, Vec<Row>)>,
    first_seen: BTreeMap<String, DateTime<Utc>>,
    enabled_again: BTreeMap<String, DateTime<Utc>>,
}

impl Earlier {
    /// Before a run's findings are expected: what it sees of its accounts.
    pub fn notice(&mut self, now: &Expected, as_of: DateTime<Utc>) {
        for row in &now.users {
            let id = &row["id"];
            if row["created_at"].is_empty() && row["last_login"].is_empty() {
                self.first_seen.entry(id.clone()).or_insert(as_of);
            }
            let was_off = self.before(id).is_some_and(|before| before["enabled"] == "false");
            if was_off && row["enabled"] == "true" {
                self.enabled_again.entry(id.clone()).or_insert(as_of);
            }
            let last_login = instant(row);
            let is_over = |again: &DateTime<Utc>| last_login.is_some_and(|login| login >= *again);
            if row["enabled"] == "false" || self.enabled_again.get(id).is_some_and(is_over) {
                self.enabled_again.remove(id);
            }
        }
    }

    /// After a complete run: later ones are compared with it.
    pub fn settle(&mut self, now: Expected) {
        self.base = Some((now.users, now.memberships));
    }

    pub(super) fn first_seen(&self, id: &str) -> Option<DateTime<Utc>> {
        self.first_seen.get(id).copied()
    }

    pub(super) fn enabled_again(&self, id: &str) -> Option<DateTime<Utc>> {
        self.enabled_again.get(id).copied()
    }

    /// Whether this member of the group was not in it; `None` where the base does not tell.
    pub(super) fn came(&self, group: &str, user: &str) -> Option<bool> {
        let (_, memberships) = self.base.as_ref()?;
        let reported = self.before(user).is_none_or(|before| before["groups_known"] == "true");
        let there = |row: &&Row| row["group_id"] == group && row["user_id"] == user;
        reported.then(|| memberships.iter().find(there).is_none())
    }

    /// Whether there is a base whose account did not have this login.
    pub(super) fn is_new_login(&self, user: &str, login: DateTime<Utc>) -> bool {
        let known = |before: &Row| match before["last_login_status"].as_str() {
            "at" => instant(before).is_some_and(|before| before < login),
            status => status == "never",
        };
        self.base.is_some() && self.before(user).is_none_or(known)
    }

    fn before(&self, id: &str) -> Option<&Row> {
        self.base.as_ref()?.0.iter().find(|row| row["id"] == id)
    }
}

fn instant(row: &Row) -> Option<DateTime<Utc>> {
    row["last_login"].parse().ok()
}
