//! The conformance suite: what every connector must do, whatever the product.
//!
//! Each test runs over every surface of the sandbox. A new connector is finished when it passes all of them.

use super::rig::{as_of, people};
use super::surface::{agrees, appliance, appliance_with_seed, classes, expected, probe, reading, settings};
use bt_rollcall::model::{Coverage, Inventory, ListKind, Rule, SourceReading, SourceStatus};
use bt_rollcall::rules::{self, policy::Policy};
use bt_rollcall::source::SourceSettings;
use bt_rollcall_sandbox::{Faults, Sandbox, Surface, World};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Asserts that everything was read, is proven complete, and is what the oracle expects.
#[track_caller]
fn assert_complete(surface: Surface, sandbox: &Sandbox, collected: SourceReading) {
    assert_eq!(collected.reason(), None, "{surface:?}");
    assert_eq!(collected.status(), SourceStatus::Complete, "{surface:?}");
    agrees(collected, &expected(sandbox, surface));
    assert_eq!(sandbox.counters().sessions_open, 0, "{surface:?}: every session is closed");
}

/// Reads the world through every surface with these faults, and asserts that the result is complete and exact.
#[track_caller]
fn assert_exact(world: &World, faults: &Faults, change: impl Fn(&mut SourceSettings)) {
    for surface in Surface::ALL {
        let sandbox = appliance(surface, world.clone(), faults);
        let mut settings = settings(&sandbox, surface);
        change(&mut settings);
        assert_complete(surface, &sandbox, reading(&settings));
    }
}

/// Reads the world through every surface with these faults, and asserts that no reading is complete. Calls `inspect` with each.
#[track_caller]
fn assert_not_complete(world: &World, faults: &Faults, inspect: impl Fn(Surface, &SourceReading)) {
    for surface in Surface::ALL {
        let sandbox = appliance(surface, world.clone(), faults);
        let collected = reading(&settings(&sandbox, surface));
        assert_ne!(collected.status(), SourceStatus::Complete, "{surface:?}");
        inspect(surface, &collected);
        assert_eq!(sandbox.counters().sessions_open, 0, "{surface:?}: every session is closed");
    }
}

fn unchanged(_: &mut SourceSettings) {}

#[test]
fn many_pages_with_unusual_names_nulls_and_unknown_fields_are_read_exactly() {
    assert_exact(&people(701), &Faults::default(), unchanged);
}

#[test]
fn no_user_is_lost_when_the_server_returns_fewer_rows_than_requested() {
    assert_exact(&people(201), &Faults { page_clamp: Some(7), ..Faults::default() }, unchanged);
}

#[test]
fn lists_without_totals_are_read_completely() {
    assert_exact(&people(201), &Faults { no_total: true, ..Faults::default() }, unchanged);
    assert_exact(&people(201), &Faults { no_total: true, no_page_headers: true, ..Faults::default() }, unchanged);
}

#[test]
fn lists_that_fill_their_last_page_exactly_are_read_exactly() {
    for count in [1, 19, 20, 21, 40, 60, 61] {
        assert_exact(&people(count), &Faults::default(), unchanged);
    }
}

#[test]
fn empty_tenant_is_a_complete_empty_list_and_not_an_error() {
    for surface in Surface::ALL {
        let sandbox = appliance(surface, World::empty(), &Faults::default());
        let collected = reading(&settings(&sandbox, surface));
        assert_eq!((collected.status(), collected.users.len()), (SourceStatus::Complete, 0), "{surface:?}");
    }
}

#[test]
fn tokens_and_sessions_that_expire_during_a_run_are_renewed_without_loss() {
    let faults = Faults { token_requests: Some(9), session_requests: Some(5), ..Faults::default() };
    assert_exact(&people(301), &faults, unchanged);
}

#[test]
fn frequent_429_responses_are_retried_until_they_succeed() {
    assert_exact(&people(301), &Faults { too_many: 0.25, ..Faults::default() }, |settings| {
        settings.client.attempts = 12;
    });
}

#[test]
fn server_errors_resets_and_broken_bodies_are_retried_until_they_succeed() {
    for faults in [
        Faults { server_error: 0.1, ..Faults::default() },
        Faults { reset: 0.1, ..Faults::default() },
        Faults { truncate: 0.1, ..Faults::default() },
        Faults { html_200: 0.1, ..Faults::default() },
        Faults { empty_200: 0.1, ..Faults::default() },
        Faults { json_error_200: 0.1, ..Faults::default() },
        Faults::each(0.02),
    ] {
        assert_exact(&people(201), &faults, |settings| settings.client.attempts = 12);
    }
}

#[test]
fn slow_server_is_read_exactly() {
    let slow = Faults { latency: Some(Duration::from_millis(20)), ..Faults::default() };
    assert_exact(&people(61), &slow, unchanged);
}

#[test]
fn list_is_not_complete_when_the_server_repeats_its_first_page() {
    let repeats = Faults { ignore_offset: true, ..Faults::default() };
    for surface in Surface::ALL.into_iter().filter(|surface| *surface != Surface::PasswordSafe) {
        let sandbox = appliance(surface, people(201), &repeats);
        let collected = reading(&settings(&sandbox, surface));
        assert!(matches!(collected.coverage(ListKind::Users), Coverage::Drifted { .. }), "{surface:?}");
        assert!(sandbox.counters().requests < 200, "{surface:?}: it ends");
    }
}

#[test]
fn check_reports_a_server_that_ignores_the_offset() {
    let repeats = Faults { ignore_offset: true, ..Faults::default() };
    for surface in [Surface::Guide, Surface::Scim] {
        let sandbox = appliance(surface, people(201), &repeats);
        let probe = probe(&settings(&sandbox, surface));
        let why = probe.lists[0].page.clone().unwrap_err();
        assert!(why.contains("ignores the offset"), "{surface:?}: {why}");
        assert_eq!(probe.plan, None, "{surface:?}: no plan for what cannot be read");
    }
}

#[test]
fn source_fails_when_another_kind_of_server_answers() {
    let login_page = Faults { html_200: 1.0, ..Faults::default() };
    assert_not_complete(&people(61), &login_page, |surface, collected| {
        assert_eq!(collected.status(), SourceStatus::Failed, "{surface:?}");
        assert!(collected.reason().unwrap().contains("HTML"), "{surface:?}: {:?}", collected.reason());
    });
}

#[test]
fn error_object_is_not_read_as_an_empty_list() {
    let errors = Faults { json_error_200: 1.0, ..Faults::default() };
    assert_not_complete(&people(61), &errors, |surface, collected| {
        assert_eq!(collected.status(), SourceStatus::Failed, "{surface:?}");
        assert!(collected.reason().unwrap().contains("unexpected response"), "{surface:?}: {:?}", collected.reason());
    });
}

#[test]
fn missing_right_for_one_list_makes_the_source_partial_and_causes_no_findings_from_absence() {
    let world = people(201);
    for (faults, list) in [
        (Faults { forbid_providers: true, ..Faults::default() }, ListKind::SecurityProviders),
        (Faults { forbid_api_accounts: true, ..Faults::default() }, ListKind::ApiAccounts),
        (Faults { forbid_vendor_users: true, ..Faults::default() }, ListKind::VendorUsers),
        (Faults { forbid_members: true, ..Faults::default() }, ListKind::Members),
    ] {
        let sandbox = appliance(Surface::Pra, world.clone(), &faults);
        let collected = reading(&settings(&sandbox, Surface::Pra));
        assert_eq!(collected.status(), SourceStatus::Partial, "{list:?}");
        let why = collected.reason().unwrap();
        assert!(why.contains(list.as_str()) && why.contains("forbidden (403)"), "{list:?}: {why}");
        let inventory = Inventory::join(vec![collected], &classes());
        let output = rules::evaluate(&inventory, &Policy::default(), as_of());
        let found = |rule: Rule| output.findings.iter().filter(|finding| finding.rule == rule).count();
        match list {
            // Account types come from the providers. Only users of vendors have one without them, so only they can lack a second
            // factor.
            ListKind::SecurityProviders => {
                let users = inventory.sources[0].reading.users.iter();
                let typed = users.filter(|user| user.account_type.is_some()).map(|user| user.id.clone());
                let typed: BTreeSet<_> = typed.collect();
                assert!(
                    output
                        .findings
                        .iter()
                        .filter(|f| f.rule == Rule::NoMfa)
                        .all(|f| typed.contains(&(*f.subject.id).into()))
                );
            }
            ListKind::VendorUsers => {
                let empty = output.findings.iter().filter(|f| f.rule == Rule::EmptyGroup);
                assert!(empty.clone().all(|f| !f.subject.id.starts_with("vendor:")), "{:?}", empty.collect::<Vec<_>>());
            }
            ListKind::Members => {
                let empty = output.findings.iter().filter(|f| f.rule == Rule::EmptyGroup);
                assert_eq!(found(Rule::NoGroup), 0);
                assert!(empty.clone().all(|f| f.subject.id.starts_with("vendor:")), "{:?}", empty.collect::<Vec<_>>());
            }
            _ => {}
        }
    }
}

#[test]
fn missing_right_is_reported_with_the_list_and_the_right() {
    let forbidden = Faults { forbid_users: true, ..Faults::default() };
    assert_not_complete(&people(61), &forbidden, |surface, collected| {
        assert_eq!(collected.status(), SourceStatus::Failed, "{surface:?}");
        let why = collected.reason().unwrap();
        assert!(
            why.contains("list of users is forbidden") && why.contains("right to view users"),
            "{surface:?}: {why}"
        );
    });
    let forbidden = Faults { forbid_groups: true, ..Faults::default() };
    assert_not_complete(&people(61), &forbidden, |surface, collected| {
        assert_eq!(collected.status(), SourceStatus::Partial, "{surface:?}");
        let why = collected.reason().unwrap();
        assert!(
            why.contains("list of groups is forbidden") && why.contains("right to view groups"),
            "{surface:?}: {why}"
        );
    });
}

#[test]
fn deadline_ends_the_reading_in_time_and_is_named() {
    let slow = Faults { latency: Some(Duration::from_secs(30)), ..Faults::default() };
    for surface in Surface::ALL {
        let sandbox = appliance(surface, people(61), &Faults::default());
        let mut settings = settings(&sandbox, surface);
        settings.client.deadline = Duration::from_millis(300);
        sandbox.set_faults(Faults { rs: surface == Surface::Rs, ..slow.clone() });
        let started = Instant::now();
        let collected = reading(&settings);
        assert_eq!(collected.status(), SourceStatus::Failed, "{surface:?}");
        assert!(collected.reason().unwrap().contains("deadline"), "{surface:?}: {:?}", collected.reason());
        assert!(started.elapsed() < Duration::from_secs(25), "{surface:?}");
    }
}

#[test]
fn no_user_is_lost_without_notice_from_a_changing_list_of_any_surface() {
    for surface in Surface::ALL {
        let mut proven = 0;
        for seed in 0..25 {
            let faults = Faults { churn: 0.2, churn_max_changes: Some(12), ..Faults::default() };
            let sandbox = appliance_with_seed(seed, surface, World::seeded(seed, 240, as_of()), &faults);
            sandbox.mark();
            let collected = reading(&settings(&sandbox, surface));
            let read: BTreeSet<u64> = collected.users.iter().filter_map(|user| user.id.as_str().parse().ok()).collect();
            let lost = sandbox.stayed().difference(&read).count();
            let complete = collected.coverage(ListKind::Users).is_complete();
            assert!(!complete || lost == 0, "{surface:?}, seed {seed}: {lost} users are missing");
            proven += u32::from(complete);
        }
        assert!(proven >= 20, "{surface:?}: {proven} of 25 proven complete");
    }
}
