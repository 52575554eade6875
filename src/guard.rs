//! Detects lists that shrank implausibly. `run` sets their sources aside until an operator confirms the change.
//!
//! A right that was taken away looks like a tenant without users: status 200 and an empty list. Without this check, a
//! run would report every account as removed. Each list is compared with the known rows of its own source. Pure.

use crate::model::{
    Coverage, Instant, Inventory, ListKind, ListReport, SourceInventory, SourceName, SourceReading, SourceStatus,
    VENDOR, instant_text, lists_of_user, thousands,
};
use crate::snapshot::manifest::ConfirmedShrink;
use crate::state::{KnownRows, SourceHistory, UnsettledState};
use std::fmt;

#[cfg(test)]
mod tests;

/// A loss of at most this many rows is never suspicious, whatever the percentage. Small tenants change in large steps.
const ALWAYS_FINE: u64 = 25;

/// What happened to a list that an operator confirmed, in a run that is no dry run.
pub const PUBLISHED: &str = "published";

/// Lists that contain accounts, groups or memberships.
const GUARDED: [ListKind; 6] = [
    ListKind::Users,
    ListKind::Groups,
    ListKind::Members,
    ListKind::VendorUsers,
    ListKind::ApiAccounts,
    ListKind::Vendors,
];

/// A list that shrank implausibly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Name of the source.
    pub source: SourceName,
    /// Kind of list.
    pub list: ListKind,
    /// Number of known rows; `None` if the list was never proven complete.
    pub before: Option<u64>,
    /// Number of rows in the reading.
    pub now: u64,
    /// Number of known rows that the reading lacks, even if it has as many new ones.
    pub gone: u64,
    /// The configured limit in percent.
    pub max_shrink_percent: u8,
}

impl Suspect {
    /// Returns the objection without the name of the source.
    pub fn objection(&self) -> String {
        let Self { list, before, max_shrink_percent, .. } = self;
        let (now, gone, words) = (thousands(self.now), thousands(self.gone), list.in_words());
        match before {
            Some(before) if *before > 0 => {
                let percent = self.gone.saturating_mul(100).checked_div(*before).unwrap_or(0);
                let before = thousands(*before);
                format!(
                    "{gone} of {before} known {words} are missing ({percent} %, limit {max_shrink_percent} %); \
                     {now} read"
                )
            }
            _ if *list == ListKind::Groups => "the list of groups is empty, but users are members of groups".to_owned(),
            _ if *list == ListKind::Members => "groups are listed, but none has a member".to_owned(),
            _ => format!("the list of {words} is empty"),
        }
    }
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {}: {}", self.source, self.objection())
    }
}

/// Returns every suspicious list. A list that failed or drifted is not suspicious, because it removes no rows.
pub fn suspects(state: &UnsettledState, max_shrink_percent: u8) -> Vec<Suspect> {
    let sources = state.inventory.sources.iter().zip(&state.since);
    // A failed source is reported as incomplete and removes nothing.
    let read = sources.filter(|(source_inventory, _)| source_inventory.reading.status() != SourceStatus::Failed);
    read.flat_map(|(source_inventory, since)| of_source(source_inventory, since, max_shrink_percent)).collect()
}

fn of_source(source_inventory: &SourceInventory, since: &SourceHistory, max_shrink_percent: u8) -> Vec<Suspect> {
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
            // An appliance that withdraws a list would otherwise remove its accounts without any sign.
            Coverage::NotOffered => known > 0,
            // A drifted list removes nothing. An empty user list is suspicious all the same, since a tenant always has
            // users.
            Coverage::Drifted { .. } => list == ListKind::Users && suspect.is_empty_without_reason(source_inventory),
            Coverage::Failed { .. } => false,
        };
        // Rows of a list that is not offered are still kept at this point, so that none counts as removed yet.
        let gone = if *reading.coverage(list) == Coverage::NotOffered { known } else { suspect.gone };
        (is_suspect && !is_explained(reading, list)).then_some(Suspect { gone, ..suspect })
    };
    GUARDED.into_iter().filter_map(of_list).collect()
}

/// Counts the rows of the reading that belong to a list.
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

/// Returns whether another list explains that this one is empty, so that it is not reported twice.
fn is_explained(reading: &SourceReading, list: ListKind) -> bool {
    match list {
        ListKind::Members => {
            // Members are read group by group. Memberships in users' own records are not a list of members.
            !reading.coverage(ListKind::Groups).is_complete() || *reading.coverage(list) == Coverage::NotOffered
        }
        // If vendors are not offered either, both lists were withdrawn, and both are reported.
        ListKind::VendorUsers => {
            *reading.coverage(list) != Coverage::NotOffered && !reading.coverage(ListKind::Vendors).is_complete()
        }
        _ => false,
    }
}

/// Returns whether the source no longer offers the list.
pub fn is_withdrawn(inventory: &Inventory, suspect: &Suspect) -> bool {
    let mut readings = inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
    readings
        .any(|reading| reading.source.name == suspect.source && *reading.coverage(suspect.list) == Coverage::NotOffered)
}

/// Treats a list that is no longer offered as failed, so that its known rows are kept.
pub fn withdraw(reading: &mut SourceReading, suspect: &Suspect) {
    let Suspect { source, list, .. } = suspect;
    let gone = thousands(suspect.gone);
    let error = format!(
        "no longer offered; {gone} known rows are kept. If they were removed, confirm with --allow-shrink {source}"
    );
    reading.lists.retain(|report| report.kind != *list);
    reading.lists.push(ListReport::unasked(*list, Coverage::Failed { error }));
}

/// Treats a list that is no longer offered as read and empty, because an operator confirmed that its rows were removed.
pub fn confirm_gone(reading: &mut SourceReading, list: ListKind, proof: String) {
    if *reading.coverage(list) == Coverage::NotOffered {
        reading.lists.retain(|report| report.kind != list);
        reading.lists.push(ListReport::unasked(list, Coverage::Complete { proof }));
    }
}

impl Suspect {
    /// End of the note about a list that an operator confirmed.
    pub const CONFIRMED: &str = " because --allow-shrink confirmed it";

    /// Returns the list that an entry of the manifest is about.
    pub fn of_confirmed(entry: &ConfirmedShrink) -> Self {
        Self {
            source: entry.source.as_str().into(),
            list: entry.list,
            before: entry.before,
            now: entry.now,
            gone: entry.gone,
            max_shrink_percent: entry.limit_percent,
        }
    }

    /// Returns the note about a list that an operator confirmed. `effect` says what happened to it.
    pub fn confirmed_note(&self, effect: &str) -> String {
        format!("{self}; {effect}{}", Self::CONFIRMED)
    }

    /// Returns the entry of the manifest that says who confirmed the change, and when.
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

    /// Returns whether the list is empty although it should not be, and no earlier run confirmed that.
    fn is_empty_without_reason(&self, source_inventory: &SourceInventory) -> bool {
        if self.now > 0 || self.before == Some(0) {
            return false;
        }
        let were_some = self.before.is_some();
        match self.list {
            // A tenant always has users, at least the administrator.
            ListKind::Users => true,
            // A tenant may have no groups, unless there were some before or users are members of groups.
            ListKind::Groups => were_some || !source_inventory.memberships.is_empty(),
            // A list that never had rows may be empty; the account that reads is in the list of API accounts.
            ListKind::ApiAccounts | ListKind::Vendors | ListKind::VendorUsers => were_some,
            // If no user of a larger tenant is in any group, a missing right is the likely reason.
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
