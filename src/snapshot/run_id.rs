//! Run ids: the start of a run in UTC plus four random hexadecimal digits, so that names sort by time. Pure.

use crate::model::Instant;
use chrono::NaiveDateTime;

const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// Builds the id of a run that starts now, for example `20261123T020000Z-7f3a`.
pub fn run_id(now: Instant, random: u16) -> String {
    format!("{}-{random:04x}", now.format(STAMP))
}

/// Checks whether a name is a run id in the form of [`run_id`].
pub fn is_run_id(name: &str) -> bool {
    started_at(name).is_some()
}

/// Returns the start of a run from its id, with a resolution of one second; `None` if the name is not a run id.
pub fn started_at(run_id: &str) -> Option<Instant> {
    let (stamp, random) = run_id.split_once('-')?;
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    // chrono accepts signs, spaces and short years, so the form is checked before.
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

/// Returns the run id, changed if necessary so that it sorts after all existing ones of the same second.
pub(super) fn after<'a>(run_id: String, existing: impl Iterator<Item = &'a str>) -> String {
    let Some((second, suffix)) = run_id.rsplit_once('-') else { return run_id };
    let of_this_second = |name: &'a str| name.strip_prefix(second)?.strip_prefix('-');
    let newest = existing.filter(|name| is_run_id(name)).filter_map(of_this_second).max();
    // The random digits stay if they sort after the newest ones; otherwise the next number is used.
    let next = newest.filter(|newest| suffix <= *newest).and_then(|newest| u32::from_str_radix(newest, 16).ok());
    next.map_or_else(|| run_id.clone(), |newest| format!("{second}-{:04x}", newest + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_contains_the_start_of_the_run() {
        let now: Instant = "2026-11-23T02:00:00.9Z".parse().unwrap();
        assert_eq!(run_id(now, 0x7f3a), "20261123T020000Z-7f3a");
        assert_eq!(run_id(now, 10), "20261123T020000Z-000a");
        assert_eq!(started_at("20261123T020000Z-000a"), Some("2026-11-23T02:00:00Z".parse().unwrap()));
    }

    #[test]
    fn names_in_any_other_form_are_not_run_ids() {
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
    fn run_ids_of_the_same_second_sort_by_time() {
        let there = ["20261123T020000Z-7f3a", "20261124T020000Z-0002", "20261123T020000Z-other"];
        let after = |run_id: &str| after(run_id.to_owned(), there.into_iter());
        assert_eq!(after("20261123T020000Z-0001"), "20261123T020000Z-7f3b");
        assert_eq!(after("20261123T020000Z-7f3a"), "20261123T020000Z-7f3b");
        assert_eq!(after("20261123T020000Z-8000"), "20261123T020000Z-8000");
        assert_eq!(after("20261123T020001Z-0001"), "20261123T020001Z-0001");
    }
}
