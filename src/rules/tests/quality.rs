//! The quality of a reading as a whole.

use super::*;

#[test]
fn an_incomplete_list_becomes_more_severe_with_the_time_since_it_was_last_complete() {
    let found = |days: i64, lists: Vec<ListReport>, rows: u64| {
        let mut source_inventory = joined(SourceReading { lists, ..reading(Vec::new()) }).sources.remove(0);
        let proven_at = as_of() - TimeDelta::days(days);
        source_inventory.known.lists = [(ListKind::Users, Some(proven_at)), (ListKind::Groups, Some(as_of()))].into();
        (source_inventory.known.confirmed_at, source_inventory.known.unconfirmed_rows) = (Some(proven_at), rows);
        let output = evaluate(&Inventory { sources: vec![source_inventory] }, &Policy::default(), as_of());
        let finding = output.findings.into_iter().find(|found| found.rule == Rule::CollectionIncomplete);
        finding.map(|finding| (finding.severity, finding.title(), finding.evidence()))
    };
    let failed = || vec![list(ListKind::Users, Coverage::Failed { error: "no connection".to_owned() })];
    let severity = |days: i64| found(days, failed(), 7).unwrap().0;
    assert_eq!([0, 1].map(severity), [Severity::Medium; 2]);
    assert_eq!([2, 6].map(severity), [Severity::High; 2]);
    assert_eq!([7, 400].map(severity), [Severity::Critical; 2]);
    let (_, title, evidence) = found(3, failed(), 7).unwrap();
    let since = instant(as_of() - TimeDelta::days(3));
    assert_eq!(title, format!("not proven complete: users; last complete: {since}; 7 known rows are unconfirmed"));
    assert!(evidence.contains("\"age_days\":3") && evidence.contains("\"unconfirmed_rows\":7"), "{evidence}");
    // A list that is read for the first time was not incomplete before.
    let anew = vec![list(ListKind::UserDetails, Coverage::Failed { error: "500".to_owned() })];
    let (severity, title, _) = found(1, anew, 0).unwrap();
    assert_eq!((severity, title.contains("last complete: never")), (Severity::Medium, true));
    // A source that single runs skip is not a gap yet.
    assert_eq!(found(1, Vec::new(), 7), None);
    assert!(found(2, Vec::new(), 7).unwrap().1.starts_with("not read in this run; last complete: "));
}

#[test]
fn a_wrong_clock_and_contradicting_counts_are_quality_findings() {
    let mut reading = reading(vec![user("somebody")]);
    reading.clock_skew_seconds = Some(300);
    assert_eq!(evaluate(&joined(reading.clone()), &Policy::default(), as_of()).findings, []);
    reading.clock_skew_seconds = Some(-301);
    reading.lists[0].expected = Some(2);
    reading.lists[0].distinct = 1;
    let output = evaluate(&joined(reading), &Policy::default(), as_of());
    let [finding] = output.findings.as_slice() else { panic!("one finding") };
    let title = &*finding.title();
    let expected = "its clock differs from the clock of this host by -301 s; \
                    row count of users is 1, but the source reports a total of 2";
    assert_eq!(title, expected);
}
