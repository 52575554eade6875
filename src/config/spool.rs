//! Reads `[spool]`: the limits of the queue of events.

use super::SpoolSettings;
use super::section::Section;

/// Reads the table. An absent one has the defaults.
pub(super) fn read(section: &Section<'_>) -> SpoolSettings {
    let megabytes = section.number("max_mb", 1..=1_048_576, 1_024);
    let max_days = section.number("max_days", 1..=3_650, 30);
    section.reject_unknown_keys();
    SpoolSettings { max_octets: u64::from(megabytes) << 20, max_days }
}
