//! Arguments of `spool`: show what is queued, give it to another destination, or throw it away.

use crate::model::Instant;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, Subcommand};

/// Help below `spool`.
pub const SPOOL_HELP: &str = "\
Examples:
  bt-rollcall spool list                                 Show what is queued for which destination, and since when
  bt-rollcall spool move tls://old.example.com:6514 tls://new.example.com:6514   Send them to another address
  bt-rollcall spool purge --before 2026-11-01            Show which events would be thrown away
  bt-rollcall spool purge --before 2026-11-01 --yes      Throw them away; the next run.completed says how many

Exit codes:
   0  printed, moved or removed
   1  the spool cannot be read or written
   2  usage or configuration error, or --yes is missing
   6  another run holds the lock";

/// What to do with the spool.
#[derive(Clone, Debug, Subcommand)]
pub enum SpoolCommand {
    /// Print what is queued: run, age, events, bytes and destination
    ///
    /// Changes nothing and takes no lock.
    List(ListArgs),
    /// Send the queued events of one address to another one
    ///
    /// For a receiver whose url was corrected in the configuration: its events are queued under the old url. They are sent as they were
    /// rendered, by the next run or by `bt-rollcall emit`.
    Move(MoveArgs),
    /// Throw away the undelivered events of old runs, damaged files included
    ///
    /// Without --yes, prints what would be removed. The events stay in the snapshots of their runs. The next run.completed reports how
    /// many were thrown away.
    Purge(PurgeArgs),
}

/// Arguments of `spool list`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ListArgs {
    /// Print one JSON array
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `spool move`.
#[derive(Clone, Debug, Args)]
pub struct MoveArgs {
    /// Address that is no longer configured, as `spool list` prints it
    #[arg(value_name = "OLD")]
    pub from: String,
    /// url of a configured destination
    #[arg(value_name = "NEW")]
    pub to: String,
}

/// Arguments of `spool purge`.
#[derive(Clone, Copy, Debug, Args)]
pub struct PurgeArgs {
    /// Remove the events of runs that started before this day (UTC) or instant
    #[arg(long, value_name = "DATE", value_parser = parse_before)]
    pub before: Instant,
    /// Really remove them
    #[arg(long)]
    pub yes: bool,
}

/// Parses a day, which begins at midnight UTC, or an RFC 3339 instant.
fn parse_before(text: &str) -> Result<Instant, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed
        .map(|at| at.with_timezone(&Utc))
        .map_err(|_| "write for example 2026-11-01 or 2026-11-01T02:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc_and_an_instant_has_an_offset() {
        assert_eq!(parse_before("2026-11-01").unwrap().to_rfc3339(), "2026-11-01T00:00:00+00:00");
        assert_eq!(parse_before("2026-11-01T02:00:00+02:00").unwrap().to_rfc3339(), "2026-11-01T00:00:00+00:00");
        for wrong in ["yesterday", "2026-13-01", "2026-11-01T02:00:00"] {
            assert!(parse_before(wrong).is_err(), "{wrong}");
        }
    }
}
