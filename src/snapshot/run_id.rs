//! The name of a run: its start in UTC plus four random hexadecimal digits, so that names sort by time. Pure.

use crate::model::Instant;
use chrono::NaiveDateTime;

const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// `20261123T020000Z-7f3a`.
pub fn run_id(now: Instant, random: u16) -> String {
    format!("{}-{random:04x}", now.format(STAMP))
}

/// Whether a name is a run id, as [`run_id`] makes them.
pub fn is_run_id(name: &str) -> bool {
    started_at(name).is_some()
}

/// The start that a run id tells, to the second; `None` where the name is no run id.
pub fn started_at(run_id: &str) -> Option<Instant> {
    let (stamp, random) = run_id.split_once('-')?;
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    // chrono takes signs, spaces and short years; a name has none of them.
    let digits = |(at, b): (usize, u8)| match at {
        8 => b == b'T',
        15 => b == b'Z',
        _ => b.is_ascii_digit(),
    };
    let shaped = stamp.len() == 16
        && random.len() == 4
        && stamp.bytes().enumerate().all(digits)
        && random.bytes().all(hexadecimal);
    if !shaped {
        return None;
    }
    NaiveDateTime::parse_from_str(stamp, STAMP).ok().map(|at| at.and_utc())
}

/// The same run's id, but after every one that is there: two runs of one second must sort by time too.
pub(super) fn after(run_id: String, existing: &[String]) -> String {
    let Some((second, newest)) = existing.iter().max().and_then(|newest| newest.rsplit_once('-')) else {
        return run_id;
    };
    let follows = |suffix: &str| u32::from_str_radix(suffix, 16).ok().map(|n| format!("{second}-{:04x}", n + 1));
    match run_id.rsplit_once('-') {
        Some((same, suffix)) if same == second && suffix <= newest => follows(newest).unwrap_or(run_id),
        _ => run_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_reports_its_start() {
        let now: Instant = "2026-11-23T02:00:00.9Z".parse().unwrap();
        assert_eq!(run_id(now, 0x7f3a), "20261123T020000Z-7f3a");
        assert_eq!(run_id(now, 10), "20261123T020000Z-000a");
        assert_eq!(started_at("20261123T020000Z-000a"), Some("2026-11-23T02:00:00Z".parse().unwrap()));
    }

    #[test]
    fn other_names_are_no_run_ids() {
        for name in [
            "",
            "latest",
            ".staging-20261123T020000Z-7f3a",
            "20261123T020000Z",
            "20261123T020000Z-7F3A",
            "20261123T020000Z-7f3a1",
            "20261123T020000Z-7f3",
            "20261323T020000Z-7f3a",
            "+0261123T020000Z-7f3a",
            "20261123 020000Z-7f3a",
            "20261123T020000Z-7f3a/..",
            "../20261123T02000Z-7f3a",
        ] {
            assert!(!is_run_id(name), "{name}");
        }
    }

    #[test]
    fn two_runs_of_one_second_sort_by_time() {
        let there = ["20261123T020000Z-7f3a".to_owned()];
        let after = |run_id: &str| after(run_id.to_owned(), &there);
        assert_eq!(after("20261123T020000Z-0001"), "20261123T020000Z-7f3b");
        assert_eq!(after("20261123T020000Z-7f3a"), "20261123T020000Z-7f3b");
        assert_eq!(after("20261123T020000Z-8000"), "20261123T020000Z-8000");
        assert_eq!(after("20261123T020001Z-0001"), "20261123T020001Z-0001");
    }
}
