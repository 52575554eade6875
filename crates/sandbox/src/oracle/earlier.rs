//! What earlier runs have seen: the oracle's own state, rebuilt from the rows of its earlier expectations. The program
//! keeps such a state on disk; later findings depend on both.

use super::{Expected, Row};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// The state after earlier runs. It starts empty: the first run knows no baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Earlier {
    /// The `users` and `memberships` rows of the newest complete run; this is the baseline.
    baseline: Option<(Vec<Row>, Vec<Row>)>,
    first_seen: BTreeMap<String, DateTime<Utc>>,
    enabled_again: BTreeMap<String, DateTime<Utc>>,
}

impl Earlier {
    /// Records what a run sees of its accounts. Call it before the findings of this run are expected.
    pub fn observe(&mut self, now: &Expected, as_of: DateTime<Utc>) {
        for row in &now.users {
            let id = &row["id"];
            if row["created_at"].is_empty() && row["last_login"].is_empty() {
                self.first_seen.entry(id.clone()).or_insert(as_of);
            }
            let was_disabled = self.before(id).is_some_and(|before| before["enabled"] == "false");
            if was_disabled && row["enabled"] == "true" {
                self.enabled_again.entry(id.clone()).or_insert(as_of);
            }
            let last_login = instant(row);
            let has_logged_in = |again: &DateTime<Utc>| last_login.is_some_and(|login| login >= *again);
            if row["enabled"] == "false" || self.enabled_again.get(id).is_some_and(has_logged_in) {
                self.enabled_again.remove(id);
            }
        }
    }

    /// Makes a complete run the baseline of later ones. Call it after the run.
    pub fn set_baseline(&mut self, now: Expected) {
        self.baseline = Some((now.users, now.memberships));
    }

    /// Returns when an account without dates was first seen.
    pub(super) fn first_seen(&self, id: &str) -> Option<DateTime<Utc>> {
        self.first_seen.get(id).copied()
    }

    /// Returns when an account was enabled again, unless it has logged in since.
    pub(super) fn enabled_again(&self, id: &str) -> Option<DateTime<Utc>> {
        self.enabled_again.get(id).copied()
    }

    /// Returns whether a member of a group is new since the baseline; `None` if the baseline does not know the user's
    /// groups.
    pub(super) fn is_new_member(&self, group: &str, user: &str) -> Option<bool> {
        let (_, memberships) = self.baseline.as_ref()?;
        let is_known = self.before(user).is_none_or(|before| before["groups_known"] == "true");
        let is_same = |row: &&Row| row["group_id"] == group && row["user_id"] == user;
        is_known.then(|| memberships.iter().find(is_same).is_none())
    }

    /// Returns whether a login is newer than that in the baseline. A login that the baseline could not read proves
    /// nothing.
    pub(super) fn is_new_login(&self, user: &str, login: DateTime<Utc>) -> bool {
        let is_older = |before: &Row| match before["last_login_status"].as_str() {
            "at" => instant(before).is_some_and(|before| before < login),
            status => status == "never",
        };
        self.baseline.is_some() && self.before(user).is_none_or(is_older)
    }

    fn before(&self, id: &str) -> Option<&Row> {
        self.baseline.as_ref()?.0.iter().find(|row| row["id"] == id)
    }
}

fn instant(row: &Row) -> Option<DateTime<Utc>> {
    row["last_login"].parse().ok()
}
