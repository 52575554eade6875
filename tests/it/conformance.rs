//! What every connector must do, whatever the product: one suite, run over each surface. A new connector is done when it passes.

use super::rig::as_of;
use super::surface::{agrees, appliance, appliance_by, classes, expected, probe, reading, settings};
use bt_rollcall::model::{Coverage, Inventory, ListKind, Rule, SourceReading, SourceStatus};
use bt_rollcall::rules::{self, policy::Policy};
use bt_rollcall::source::SourceSettings;
use bt_rollcall_sandbox::{Faults, Sandbox, Surface, World};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Everything that was read is proven and is what the world holds.
#[track_caller]
fn whole(surface: Surface, sandbox: &Sandbox, collected: SourceReading) {
    assert_eq!(collected.reason(), None, "{surface:?}");
    assert_eq!(collected.status(), SourceStatus::Complete, "{surface:?}");
    agrees(collected, &expected(sandbox, surface));
    assert_eq!(sandbox.counters().sessions_open, 0, "{surface:?}: every session is closed");
}

/// The world read through every surface, with these faults, is whole and exact.
#[track_caller]
fn exact(world: &World, faults: &Faults, change: impl Fn(&mut SourceSettings)) {
    for surface in Surface::ALL {
        let sandbox = appliance(surface, world.clone(), faults);
        let mut settings = settings(&sandbox, surface);
        change(&mut settings);
        whole(surface, &sandbox, reading(&settings));
    }
}

/// The world read through every surface, with these faults, is not called complete; gives each harvest.
#[track_caller]
fn not_complete(world: &World, faults: &Faults, look: impl Fn(Surface, &SourceReading)) {
    for surface in Surface::ALL {
        let sandbox = appliance(surface, world.clone(), faults);
        let collected = reading(&settings(&sandbox, surface));
        assert_ne!(collected.status(), SourceStatus::Complete, "{surface:?}");
        look(surface, &collected);
        assert_eq!(sandbox.counters().sessions_open, 0, "{surface:?}: every session is closed");
    }
}

fn people(count: usize) -> World {
    World::seeded(7, count, as_of())
}

fn as_it_is(_: &mut SourceSettings) {}

#[test]
fn many_pages_of_awkward_people_odd_nulls_and_unknown_fields_are_read_exactly() {
    exact(&people(701), &Faults::default(), as_it_is);
}

#[test]
fn a_server_that_gives_fewer_rows_than_it_is_asked_for_loses_nobody() {
    exact(&people(201), &Faults { page_clamp: Some(7), ..Faults::default() }, as_it_is);
}

#[test]
fn a_server_that_reports_no_totals_is_read_to_the_end() {
    exact(&people(201), &Faults { no_total: true, ..Faults::default() }, as_it_is);
    exact(&people(201), &Faults { no_total: true, no_page_headers: true, ..Faults::default() }, as_it_is);
}

#[test]
fn a_tenant_of_one_page_and_one_of_exactly_so_many_pages_are_read_exactly() {
    for count in [1, 19, 20, 21, 40, 60, 61] {
        exact(&people(count), &Faults::default(), as_it_is);
    }
}

#[test]
fn an_empty_tenant_is_an_empty_list_and_not_an_error() {
    for surface in Surface::ALL {
        let sandbox = appliance(surface, World::empty(), &Faults::default());
        let collected = reading(&settings(&sandbox, surface));
        assert_eq!((collected.status(), collected.users.len()), (SourceStatus::Complete, 0), "{surface:?}");
    }
}

#[test]
fn tokens_and_sessions_that_die_in_the_middle_cost_a_refresh_and_nothing_else() {
    let faults = Faults { token_requests: Some(9), session_requests: Some(5), ..Faults::default() };
    exact(&people(301), &faults, as_it_is);
}

#[test]
fn a_storm_of_429_is_waited_out() {
    exact(&people(301), &Faults { too_many: 0.25, ..Faults::default() }, |settings| settings.client.attempts = 12);
}

#[test]
fn server_errors_resets_truncated_bodies_login_pages_and_empty_bodies_are_passing_faults() {
    for faults in [
        Faults { server_error: 0.1, ..Faults::default() },
        Faults { reset: 0.1, ..Faults::default() },
        Faults { truncate: 0.1, ..Faults::default() },
        Faults { html_200: 0.1, ..Faults::default() },
        Faults { empty_200: 0.1, ..Faults::default() },
        Faults { json_error_200: 0.1, ..Faults::default() },
        Faults::each(0.02),
    ] {
        exact(&people(201), &faults, |settings| settings.client.attempts = 12);
    }
}

#[test]
fn a_slow_server_is_waited_for() {
    let slow = Faults { latency: Some(Duration::from_millis(20)), ..Faults::default() };
    exact(&people(61), &slow, as_it_is);
}

#[test]
fn a_server_that_gives_the_first_page_again_and_again_is_not_called_complete() {
    let repeats = Faults { ignore_offset: true, ..Faults::default() };
    for surface in Surface::ALL.into_iter().filter(|surface| *surface != Surface::PasswordSafe) {
        let sandbox = appliance(surface, people(201), &repeats);
        let collected = reading(&settings(&sandbox, surface));
        assert!(matches!(collected.coverage(ListKind::Users), Coverage::Drifted { .. }), "{surface:?}");
        assert!(sandbox.counters().requests < 200, "{surface:?}: it ends");
    }
}

#[test]
fn a_check_sees_that_a_server_ignores_the_offset() {
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
fn a_server_of_another_kind_fails_the_source() {
    let login_page = Faults { html_200: 1.0, ..Faults::default() };
    not_complete(&people(61), &login_page, |surface, collected| {
        assert_eq!(collected.status(), SourceStatus::Failed, "{surface:?}");
        assert!(collected.reason().unwrap().contains("HTML"), "{surface:?}: {:?}", collected.reason());
    });
}

#[test]
fn an_object_that_reports_an_error_is_no_list() {
    let errors = Faults { json_error_200: 1.0, ..Faults::default() };
    not_complete(&people(61), &errors, |surface, collected| {
        assert_eq!(collected.status(), SourceStatus::Failed, "{surface:?}");
        assert!(collected.reason().unwrap().contains("wrong shape"), "{surface:?}: {:?}", collected.reason());
    });
}

#[test]
fn a_right_that_is_missing_for_one_list_of_the_configuration_api_is_reported_and_nothing_is_made_of_it() {
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
            // Nobody's type is known, so nobody is said to lack a second factor but a vendor's people, who have one of their own.
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
fn a_missing_right_names_the_list_and_the_right() {
    let forbidden = Faults { forbid_users: true, ..Faults::default() };
    not_complete(&people(61), &forbidden, |surface, collected| {
        assert_eq!(collected.status(), SourceStatus::Failed, "{surface:?}");
        let why = collected.reason().unwrap();
        assert!(
            why.contains("list of users is forbidden") && why.contains("right to view users"),
            "{surface:?}: {why}"
        );
    });
    let forbidden = Faults { forbid_groups: true, ..Faults::default() };
    not_complete(&people(61), &forbidden, |surface, collected| {
        assert_eq!(collected.status(), SourceStatus::Partial, "{surface:?}");
        let why = collected.reason().unwrap();
        assert!(
            why.contains("list of groups is forbidden") && why.contains("right to view groups"),
            "{surface:?}: {why}"
        );
    });
}

#[test]
fn a_deadline_ends_the_reading_in_time_and_says_so() {
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
fn people_who_come_and_go_meanwhile_are_never_lost_silently_and_mostly_proven() {
    for surface in Surface::ALL {
        let mut proven = 0;
        for seed in 0..25 {
            let faults = Faults { churn: 0.2, churn_max_changes: Some(12), ..Faults::default() };
            let sandbox = appliance_by(seed, surface, World::seeded(seed, 240, as_of()), &faults);
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
