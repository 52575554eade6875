//! Guards against taking an empty or shrunken list for the truth: a right that was taken away looks like a tenant without users (200
//! and an empty list). Each source is held against its own known rows. Pure.

use crate::model::{
    Coverage, Instant, Inventory, ListKind, ListReport, SourceInventory, SourceName, SourceReading, SourceStatus,
    VENDOR, instant_text, lists_of_user,
};
use crate::snapshot::manifest::ConfirmedShrink;
use crate::state::{KnownRows, Since, UnsettledState};
use std::fmt;

#[cfg(test)]
mod tests;

/// Shrinking by no more rows than this is never suspicious, whatever the percentage: small tenants move in big steps.
const ALWAYS_FINE: u64 = 25;

/// Lists whose rows are accounts, groups or memberships.
const GUARDED: [ListKind; 6] = [
    ListKind::Users,
    ListKind::Groups,
    ListKind::Members,
    ListKind::VendorUsers,
    ListKind::ApiAccounts,
    ListKind::Vendors,
];

/// A list of a source that looks too small to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Which source.
    pub source: SourceName,
    /// Users, groups, members, …
    pub list: ListKind,
    /// Known rows; `None` where the list was never proven complete.
    pub before: Option<u64>,
    /// KnownRows now.
    pub now: u64,
    /// Known rows that are not there any more, also where others took their places.
    pub gone: u64,
    /// The limit that it broke.
    pub max_shrink_percent: u8,
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, list, before, now, gone, max_shrink_percent } = self;
        let list = list.as_str();
        match before {
            Some(before) if *before > 0 => {
                let percent = gone.saturating_mul(100).checked_div(*before).unwrap_or(0);
                write!(
                    f,
                    "source {source} has {now} {list}, {before} are known: {gone} gone ({percent} %, limit {max_shrink_percent} %)"
                )
            }
            _ if self.list == ListKind::Groups => {
                write!(f, "source {source} lists no group, but its users name groups")
            }
            _ if self.list == ListKind::Members => {
                write!(f, "source {source} lists groups, but not one member of any")
            }
            _ => write!(f, "source {source} came back empty"),
        }
    }
}

/// Every suspicious list. One that failed or drifted removes nothing, and is reported by itself.
pub fn suspects(state: &UnsettledState, max_shrink_percent: u8) -> Vec<Suspect> {
    let sources = state.inventory.sources.iter().zip(&state.since);
    let read = sources.filter(|(source_inventory, _)| source_inventory.reading.status() != SourceStatus::Failed);
    read.flat_map(|(source_inventory, since)| of_source(source_inventory, since, max_shrink_percent)).collect()
}

fn of_source(source_inventory: &SourceInventory, since: &Since, max_shrink_percent: u8) -> Vec<Suspect> {
    let reading = &source_inventory.reading;
    let of_list = |list: ListKind| {
        let KnownRows { known, gone } = since.rows.get(&list).copied().unwrap_or_default();
        let was_proven = since.lists.contains(&list);
        let suspect = Suspect {
            source: reading.source.name.clone(),
            list,
            before: (was_proven || known > 0).then_some(known),
            now: rows(source_inventory, list),
            gone,
            max_shrink_percent,
        };
        let is_suspect = match reading.coverage(list) {
            Coverage::Complete { .. } => suspect.shrank() || suspect.is_empty_without_reason(source_inventory),
            // A route that is missing takes accounts away without a word.
            Coverage::NotOffered => known > 0,
            // A list that may have more rows removes none; but where there are no users at all, something is wrong.
            Coverage::Drifted { .. } => list == ListKind::Users && suspect.is_empty_without_reason(source_inventory),
            Coverage::Failed { .. } => false,
        };
        let gone = if *reading.coverage(list) == Coverage::NotOffered { known } else { suspect.gone };
        (is_suspect && !is_explained(reading, list)).then_some(Suspect { gone, ..suspect })
    };
    GUARDED.into_iter().filter_map(of_list).collect()
}

/// KnownRows of the reading that this list brings.
fn rows(source_inventory: &SourceInventory, list: ListKind) -> u64 {
    let reading = &source_inventory.reading;
    let offers = |kind: ListKind| *reading.coverage(kind) != Coverage::NotOffered;
    let is_of_vendor = |id: &str| id.starts_with(VENDOR) && offers(ListKind::Vendors);
    let count = match list {
        ListKind::Members => source_inventory.memberships.len(),
        ListKind::Groups => reading.groups.iter().filter(|group| !is_of_vendor(group.id.as_str())).count(),
        ListKind::Vendors => reading.groups.iter().filter(|group| is_of_vendor(group.id.as_str())).count(),
        _ => {
            let is_of_list = |id: &str| lists_of_user(id, offers).last() == Some(&list);
            reading.users.iter().filter(|user| is_of_list(user.id.as_str())).count()
        }
    };
    count as u64
}

/// Without groups there are no members to be read, and that is reported by itself. Memberships that the users' own records bring are
/// no list of members.
fn is_explained(reading: &SourceReading, list: ListKind) -> bool {
    match list {
        ListKind::Members => {
            !reading.coverage(ListKind::Groups).is_complete() || *reading.coverage(list) == Coverage::NotOffered
        }
        // Where neither is offered, both are withdrawn.
        ListKind::VendorUsers => {
            *reading.coverage(list) != Coverage::NotOffered && !reading.coverage(ListKind::Vendors).is_complete()
        }
        _ => false,
    }
}

/// Whether the source does not offer the list any more.
pub fn is_withdrawn(inventory: &Inventory, suspect: &Suspect) -> bool {
    let mut readings = inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
    readings
        .any(|reading| reading.source.name == suspect.source && *reading.coverage(suspect.list) == Coverage::NotOffered)
}

/// Takes a list that is not offered any more as one that failed: what is known of it stays as it was.
pub fn withdraw(reading: &mut SourceReading, suspect: &Suspect) {
    let Suspect { source, list, gone, .. } = suspect;
    let error = format!(
        "no longer offered; {gone} known rows stay as they were until --allow-shrink {source} confirms that they are gone"
    );
    reading.lists.retain(|report| report.kind != *list);
    reading.lists.push(ListReport::unasked(*list, Coverage::Failed { error }));
}

/// Takes a list that is not offered any more as read and empty: somebody confirmed that its rows are gone.
pub fn confirm_gone(reading: &mut SourceReading, list: ListKind, proof: String) {
    if *reading.coverage(list) == Coverage::NotOffered {
        reading.lists.retain(|report| report.kind != list);
        reading.lists.push(ListReport::unasked(list, Coverage::Complete { proof }));
    }
}

impl Suspect {
    /// For the manifest: who said, and when, that it is true.
    pub fn confirmed(&self, by: &str, at: Instant) -> ConfirmedShrink {
        ConfirmedShrink {
            source: self.source.to_string(),
            list: self.list,
            before: self.before,
            now: self.now,
            gone: self.gone,
            limit_percent: self.max_shrink_percent,
            by: by.to_owned(),
            at: instant_text(at),
        }
    }

    /// There is nothing where there should be something, and nobody has confirmed that before.
    fn is_empty_without_reason(&self, source_inventory: &SourceInventory) -> bool {
        if self.now > 0 || self.before == Some(0) {
            return false;
        }
        let were_some = self.before.is_some();
        match self.list {
            // A tenant always has users.
            ListKind::Users => true,
            // Groups there need not be, unless there were some or users name them.
            ListKind::Groups => were_some || !source_inventory.memberships.is_empty(),
            // The account that reads is one of them.
            ListKind::ApiAccounts | ListKind::Vendors | ListKind::VendorUsers => were_some,
            // Where nobody is in any group, a right is missing more likely than not.
            ListKind::Members => {
                were_some
                    || (!source_inventory.reading.groups.is_empty()
                        && source_inventory.reading.users.len() as u64 > ALWAYS_FINE)
            }
            _ => false,
        }
    }

    fn shrank(&self) -> bool {
        let before = self.before.unwrap_or(0);
        self.gone > ALWAYS_FINE && self.gone.saturating_mul(100) > before.saturating_mul(self.max_shrink_percent.into())
    }
}
