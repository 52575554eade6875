//! From when an account's age counts where the account itself does not tell: since when it has been seen, and since when it
//! is enabled again. Pure: what the newest snapshot remembers and what a run sees become what that run's snapshot remembers.
//! Knows no disk; each snapshot carries its clocks as a file of lines, so that nothing is lost with the state folder.

use crate::model::{Change, ChangeKind, Instant, Inventory, SourceName, SourceStatus, User, UserId};
use ahash::AHashSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// What is remembered of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The instant of the first run that saw it, of an account that told neither its creation nor a login then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Instant>,
    /// The instant of the run that saw it enabled where the base had it disabled; until it signs in or is disabled again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled_again: Option<Instant>,
}

/// Every clock, by source and account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks(BTreeMap<SourceName, BTreeMap<UserId, Clock>>);

/// A line of the snapshot's file.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    source: std::borrow::Cow<'a, str>,
    id: std::borrow::Cow<'a, str>,
    #[serde(flatten)]
    clock: Clock,
}

impl Clocks {
    /// The name of the snapshot's file.
    pub const FILE: &'static str = "clocks.jsonl";

    /// What is remembered of a source's accounts.
    pub fn of_source(&self, source: &SourceName) -> Option<&BTreeMap<UserId, Clock>> {
        self.0.get(source)
    }

    /// Accounts of which something is remembered.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets a source's accounts.
    pub fn forget(&mut self, source: &SourceName) {
        self.0.remove(source);
    }

    /// How they stand after a run that saw this. `is_configured`: what is remembered of any other source is forgotten.
    #[must_use]
    pub fn after(
        &self,
        inventory: &Inventory,
        changes: &[Change],
        as_of: Instant,
        is_configured: impl Fn(&SourceName) -> bool,
    ) -> Self {
        let back: AHashSet<(&str, &str)> = changes
            .iter()
            .filter(|change| change.kind == ChangeKind::UserEnabled)
            .map(|change| (change.source.as_str(), &*change.subject.id))
            .collect();
        let mut next = self.clone();
        next.0.retain(|source, _| is_configured(source));
        for roll in &inventory.rolls {
            let source = &roll.harvest.source.name;
            let before = self.0.get(source);
            // Whoever is not in a list that may lack rows is not gone.
            let keeps = roll.harvest.status() != SourceStatus::Complete;
            let clocks = next.0.entry(source.clone()).or_default();
            clocks.retain(|_, _| keeps);
            for user in &roll.harvest.users {
                let remembered = before.and_then(|clocks| clocks.get(&user.id)).copied().unwrap_or_default();
                let is_back = !back.is_empty() && back.contains(&(source.as_str(), user.id.as_str()));
                match after(user, remembered, is_back, as_of) {
                    nothing if nothing == Clock::default() => drop(clocks.remove(&user.id)),
                    clock => drop(clocks.insert(user.id.clone(), clock)),
                }
            }
        }
        next.0.retain(|_, clocks| !clocks.is_empty());
        next
    }

    /// One JSON object a line, by source and id.
    pub fn to_lines(&self) -> String {
        let mut text = String::new();
        for (source, clocks) in &self.0 {
            for (id, clock) in clocks {
                let line = Line { source: source.as_str().into(), id: id.as_str().into(), clock: *clock };
                // A struct of texts and instants is always JSON.
                text += &serde_json::to_string(&line).unwrap_or_default();
                text.push('\n');
            }
        }
        text
    }

    /// Reads what [`Clocks::to_lines`] writes. Errors: the number of the line, from 1, and what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut clocks = Self::default();
        for (line, number) in text.lines().zip(1..) {
            let Line { source, id, clock } =
                serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
            clocks.0.entry(SourceName::from(&*source)).or_default().insert(UserId::from(&*id), clock);
        }
        Ok(clocks)
    }
}

/// One account's clock after a run.
fn after(user: &User, before: Clock, is_back: bool, as_of: Instant) -> Clock {
    let first_seen = match before.first_seen {
        _ if user.created_at.at().is_some() => None,
        Some(earlier) => Some(earlier.min(as_of)),
        None => user.last_login.at().is_none().then_some(as_of),
    };
    // What a run that was not proven saw first counts: the next one is compared with the same base, and sees it again.
    let enabled_again = before.enabled_again.or_else(|| is_back.then_some(as_of));
    let counts = |since: &Instant| {
        user.enabled != Some(false) && user.last_login.at().is_none_or(|last_login| last_login < *since)
    };
    Clock { first_seen, enabled_again: enabled_again.filter(counts) }
}
