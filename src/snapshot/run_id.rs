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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_tells_its_start() {
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
}
