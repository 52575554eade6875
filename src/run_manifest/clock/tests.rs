//! Which clocks contradict each other, and what waits then.

use super::*;
use crate::model::{SourceIdentity, SourceInventory, SourceReading};

const RUN: &str = "20261123T020000Z-0001";
const NOW: &str = "2026-11-24T02:00:00Z";

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn inventory(skews: &[i64]) -> Inventory {
    let source = |(number, skew): (usize, &i64)| {
        let name = format!("source-{number}").as_str().into();
        let identity = SourceIdentity { name, kind: String::new(), url: String::new(), client_id: String::new() };
        let reading = SourceReading { clock_skew_seconds: Some(*skew), ..SourceReading::of(identity) };
        SourceInventory::join(reading, &crate::model::Classes::default())
    };
    Inventory { sources: skews.iter().enumerate().map(source).collect() }
}

fn dates<'a>(run_id: &'a str, started_at: &'a str, as_of: &'a str) -> SnapshotDates<'a> {
    SnapshotDates { run_id, started_at, as_of, clock_doubt: None }
}

fn yesterday() -> SnapshotDates<'static> {
    dates(RUN, "2026-11-23T02:00:00Z", "2026-11-23T02:00:00Z")
}

fn doubts(skews: &[i64], baseline: SnapshotDates<'_>) -> Vec<String> {
    doubt(at(NOW), at(NOW), &inventory(skews), Some(baseline)).map(|doubt| doubt.reasons).unwrap_or_default()
}

#[test]
fn one_source_that_differs_by_more_than_a_day_in_either_direction_is_a_contradiction() {
    assert_eq!(doubts(&[0, 86_400, -86_400], yesterday()), [""; 0]);
    let behind = doubts(&[0, -86_400_000], yesterday());
    let words = "the clock of source source-1 was 1,000 days behind the clock of this host (2026-11-24T02:00:00Z)";
    assert_eq!(behind, [words]);
    assert!(doubts(&[86_401], yesterday())[0].contains("was 1 day ahead of the clock of this host"));
}

#[test]
fn newest_snapshot_in_the_future_is_a_contradiction_by_each_of_its_dates() {
    let future = "2026-11-24T02:05:01Z";
    for newest in [dates("20261124T020501Z-0001", NOW, NOW), dates(RUN, future, NOW), dates(RUN, NOW, future)] {
        let reasons = doubts(&[], newest);
        let words = format!("is of {future}, after the clock of this host ({NOW})");
        assert!(reasons.len() == 1 && reasons[0].ends_with(&words), "{reasons:?}");
        assert_eq!(doubts_of_folder(newest, at(NOW)), reasons);
    }
    assert_eq!(doubts(&[], dates(RUN, "2026-11-24T02:05:00Z", NOW)), [""; 0]);
}

#[test]
fn instant_that_somebody_asked_for_is_no_error_of_a_clock() {
    let ahead = dates(RUN, "2026-11-23T02:00:00Z", "2027-11-23T02:00:00Z");
    assert_eq!(doubt(at(NOW), at("2027-11-24T02:00:00Z"), &inventory(&[]), Some(ahead)), None);
    assert_eq!(doubts(&[], ahead).len(), 1, "a run at its own time is before the newest one");
}

#[test]
fn exceptions_end_by_the_last_instant_without_a_contradiction() {
    let ends_by = |as_of: &str, baseline: Option<SnapshotDates<'_>>| {
        doubt(at(NOW), at(as_of), &inventory(&[-86_400_000]), baseline).unwrap().exceptions_as_of
    };
    assert_eq!(ends_by(NOW, Some(yesterday())), "2026-11-23T02:00:00Z");
    let earlier = ClockDoubt { reasons: Vec::new(), exceptions_as_of: "2026-11-01T00:00:00Z".to_owned() };
    let in_doubt = SnapshotDates { clock_doubt: Some(&earlier), ..yesterday() };
    assert_eq!(ends_by(NOW, Some(in_doubt)), "2026-11-01T00:00:00Z", "the second run with a wrong clock waits as well");
    assert_eq!(ends_by(NOW, None), "2024-02-28T02:00:00Z", "the earliest clock");
    assert_eq!(ends_by("2026-11-20T00:00:00Z", None), "2026-11-20T00:00:00Z", "somebody asked for it");
}

#[test]
fn contradiction_in_the_newest_run_stops_retention_until_the_next_run() {
    let doubt = ClockDoubt { reasons: vec!["a differs".to_owned()], exceptions_as_of: NOW.to_owned() };
    let newest = SnapshotDates { clock_doubt: Some(&doubt), ..yesterday() };
    assert_eq!(doubts_of_folder(newest, at(NOW)), [format!("in the run of the newest snapshot {RUN}, a differs")]);
    assert_eq!(doubts_of_folder(yesterday(), at(NOW)), [""; 0]);
}

#[test]
fn records_of_resolved_findings_are_dropped_by_no_clock_in_doubt_and_by_no_instant_in_the_future() {
    let (now, doubt) = (at(NOW), ClockDoubt { reasons: Vec::new(), exceptions_as_of: NOW.to_owned() });
    assert_eq!(records_since(now, now, None, 10), at("2026-11-14T02:00:00Z"));
    assert_eq!(records_since(at("2030-01-01T00:00:00Z"), now, None, 10), at("2026-11-14T02:00:00Z"));
    assert_eq!(records_since(now, now, Some(&doubt), 10), Instant::MIN_UTC);
}
