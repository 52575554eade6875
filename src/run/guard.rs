//! Guards against publishing an empty or shrunken list as the truth: a right that was taken away looks like a tenant
//! without users (200 and an empty list). Pure.

use crate::model::{Inventory, ListKind, SourceStatus};
use crate::snapshot::manifest::Manifest;
use std::fmt;

/// Shrinking by fewer users than this is never suspicious, whatever the percentage: small tenants move in big steps.
const ALWAYS_FINE: u64 = 25;

/// A source whose list of users looks too small to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its name.
    pub source: String,
    /// Users in the newest complete snapshot, if it was there.
    pub before: Option<u64>,
    /// Users now.
    pub now: u64,
    /// The limit that it broke.
    pub max_shrink_percent: u8,
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, before, now, max_shrink_percent } = self;
        match before {
            Some(before) => {
                let gone = before.saturating_sub(*now);
                let percent = gone.saturating_mul(100).checked_div(*before).unwrap_or(0);
                write!(
                    f,
                    "source {source} has {now} users, {before} in the last complete snapshot: {gone} gone ({percent} %, \
                     limit {max_shrink_percent} %)"
                )
            }
            None => write!(f, "source {source} came back empty"),
        }
    }
}

/// Every suspicious source. A failed one is no suspect: its failure is told by itself.
pub(super) fn suspects(inventory: &Inventory, base: Option<&Manifest>, max_shrink_percent: u8) -> Vec<Suspect> {
    let rolls = inventory.rolls.iter().map(|roll| &roll.harvest).filter(|h| h.status() != SourceStatus::Failed);
    rolls
        .filter_map(|harvest| {
            let source = harvest.source.name.to_string();
            let before = base.and_then(|base| users_before(base, &source));
            let now = harvest.users.len() as u64;
            let suspect = Suspect { source, before, now, max_shrink_percent };
            suspect.is_suspicious().then_some(suspect)
        })
        .collect()
}

impl Suspect {
    fn is_suspicious(&self) -> bool {
        let before = self.before.unwrap_or(0);
        let gone = before.saturating_sub(self.now);
        let shrank =
            gone > ALWAYS_FINE && gone.saturating_mul(100) > before.saturating_mul(self.max_shrink_percent.into());
        let emptied = self.now == 0 && self.before != Some(0);
        shrank || emptied
    }
}

fn users_before(base: &Manifest, source: &str) -> Option<u64> {
    let entry = base.sources.iter().find(|entry| entry.name == source)?;
    entry.lists.iter().find(|list| list.kind == ListKind::Users.as_str()).map(|list| list.distinct)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspicious(before: Option<u64>, now: u64, max_shrink_percent: u8) -> bool {
        Suspect { source: "s".to_owned(), before, now, max_shrink_percent }.is_suspicious()
    }

    #[test]
    fn an_empty_source_is_suspicious_unless_it_was_empty_before() {
        assert!(suspicious(None, 0, 20) && suspicious(Some(3), 0, 20));
        assert!(!suspicious(Some(0), 0, 20));
    }

    #[test]
    fn a_shrunken_source_is_suspicious_beyond_the_percentage_and_25_users() {
        assert!(!suspicious(Some(1000), 800, 20), "exactly the limit");
        assert!(suspicious(Some(1000), 799, 20));
        assert!(!suspicious(Some(50), 25, 20), "only 25 gone");
        assert!(suspicious(Some(50), 24, 20));
        assert!(!suspicious(Some(1000), 1, 100));
        assert!(!suspicious(Some(10), 2000, 0));
    }

    #[test]
    fn the_message_says_how_much_is_gone() {
        let suspect = Suspect { source: "eu".to_owned(), before: Some(1000), now: 700, max_shrink_percent: 20 };
        assert!(suspect.to_string().contains("300 gone (30 %, limit 20 %)"));
    }
}
