//! Tests of the first page: who was looked at, five numbers with their change, what to do by when, what was not evaluated.

use super::behaviour::{set_outcome, world_with};
use super::products::{account, changed, product};
use super::sample::{World, as_of};
use super::tenant::reading;
use crate::model::{FindingStatus, LastLogin, Rule, RuleOutcome, Severity, SourceReading, User, UserKind};
use crate::report::{Tile, View};
use chrono::Duration;

fn tile(view: &View, label: &str) -> Tile {
    view.tiles.iter().find(|tile| tile.label == label).cloned().expect("a tile")
}

#[test]
fn a_person_is_counted_once_over_all_products_and_accounts_without_an_address_are_counted_apart() {
    let here = vec![
        account("1", "ada", " Ada@Example.com"),
        account("2", "ben", "ben@example.com"),
        changed(account("3", "nobody", ""), |user| user.email_address = None),
    ];
    let there = vec![
        account("9", "ada.l", "ada@example.com"),
        changed(account("8", "svc-robot", "robot@example.com"), |user| user.kind = UserKind::Service),
    ];
    let world = World::of(vec![product("pra", "pra", here), product("vault", "password-safe", there)]);
    let population = world.view().status.population;
    assert_eq!((population.persons, population.accounts, population.sources), (2, 5, 2));
    assert_eq!((population.unmatched, population.impersonal), (1, 1));
    let page = world.page();
    assert!(page.contains("<b>2 persons</b> with 5 accounts (5 enabled) in 2 sources"));
    assert!(page.contains("1 account of people could not be matched to a person, because it has no e-mail address"));
}

#[test]
fn an_instant_more_than_an_hour_from_the_start_is_in_the_headline() {
    assert!(!World::complete().page().contains("data read at"));
    let world = world_with(|world| world.manifest.started_at = "2026-11-23T03:00:01Z".to_owned());
    let headline = "</time>, data read at 23 November 2026, 03:00:01 UTC";
    let page = world.page();
    assert!(page.contains("evaluated as of <time") && page.contains(headline));
    let within = world_with(|world| world.manifest.started_at = "2026-11-23T03:00:00Z".to_owned());
    assert!(!within.page().contains("data read at"));
}

#[test]
fn five_numbers_show_what_is_new_and_resolved_since_the_baseline() {
    let view = World::complete().view();
    let labels: Vec<&str> = view.tiles.iter().map(|tile| tile.label).collect();
    assert_eq!(
        labels,
        [
            "High and critical findings",
            "Inactive accounts",
            "Accounts never used",
            "Accounts in no group",
            "Privileged accounts"
        ]
    );
    let world = world_with(|world| {
        for finding in &mut world.findings {
            finding.status = FindingStatus::Open;
        }
        let mut stale = world.findings.iter_mut().filter(|finding| finding.rule == Rule::StaleLogin);
        stale.next().unwrap().status = FindingStatus::New;
        stale.next().unwrap().status = FindingStatus::Reopened;
        stale.next().unwrap().status = FindingStatus::Resolved;
    });
    let view = world.view();
    assert_eq!(tile(&view, "Inactive accounts").change, "2 new, 1 resolved");
    assert_eq!(tile(&view, "Accounts never used").change, "no change");
}

#[test]
fn a_change_that_is_not_known_is_never_zero() {
    let first = World::of(vec![reading("appliance-eu", 60, 7)]).view();
    assert!(first.tiles.iter().all(|tile| tile.change == "change unknown: first snapshot"), "{:?}", first.tiles);
    let partly = world_with(|world| {
        world.manifest.sources[1].known.is_compared = false;
        world.findings.retain(|finding| finding.source.as_str() == "appliance-eu");
        world.findings.iter_mut().for_each(|finding| finding.status = FindingStatus::Open);
    });
    assert_eq!(tile(&partly.view(), "Inactive accounts").change, "no change; unknown in 1 source");
    let unread = world_with(|world| {
        for source in &mut world.manifest.sources {
            source.known.is_compared = false;
        }
        world.changes.clear();
    });
    assert!(unread.view().tiles.iter().all(|tile| tile.change == "change unknown"));
}

/// Returns a source with an administrator, a member of a privileged group, and a person without privilege.
fn privileged(groups: [&str; 3]) -> SourceReading {
    let user = |id: &str, group: &str| {
        changed(account(id, id, &format!("{id}@example.com")), |user| user.group_memberships = [group.into()].into())
    };
    product("pra", "pra", vec![user("1", groups[0]), user("2", groups[1]), user("3", groups[2])])
}

#[test]
fn privileged_accounts_show_how_many_gained_and_lost_privilege() {
    // Group 1 is privileged and group 4 is not.
    let world = World::after(vec![privileged(["1", "1", "4"])], vec![privileged(["1", "4", "1"])]);
    let privileged = tile(&world.view(), "Privileged accounts");
    assert_eq!((privileged.value.as_str(), privileged.change.as_str()), ("2", "1 gained, 1 lost"));
    let moved = |user: &mut User| user.group_memberships = ["1".into(), "3".into()].into();
    let mut more = self::privileged(["1", "1", "4"]);
    moved(&mut more.users[0]);
    let world = World::after(vec![self::privileged(["1", "1", "4"])], vec![more]);
    let unchanged = tile(&world.view(), "Privileged accounts").change;
    assert_eq!(unchanged, "no change", "a second privileged group does not make an account privileged again");
}

#[test]
fn the_loss_of_privilege_is_unknown_if_a_group_was_removed() {
    let before = privileged(["1", "1", "4"]);
    let mut now = privileged(["1", "4", "4"]);
    now.groups.retain(|group| group.id.as_str() != "3");
    let moved = changed(before.users[2].clone(), |user| user.group_memberships = ["3".into()].into());
    let before = SourceReading { users: vec![before.users[0].clone(), before.users[1].clone(), moved], ..before };
    let world = World::after(vec![before], vec![now]);
    assert_eq!(tile(&world.view(), "Privileged accounts").change, "0 gained, 1 lost; unknown in 1 source");
}

#[test]
fn tasks_have_a_day_an_owner_and_the_number_of_findings_that_are_past_due() {
    let mut eu = reading("appliance-eu", 4, 7);
    for (user, group) in eu.users.iter_mut().zip(["1", "7", "4", "4"]) {
        (user.username, user.enabled, user.kind) = (None, Some(true), UserKind::Person);
        (user.account_type, user.group_memberships) = (Some("LDAP".into()), [group.into()].into());
        user.last_login = LastLogin::At(as_of() - Duration::days(500));
    }
    let mut world = World::of(vec![eu]);
    world.findings.retain(|finding| finding.rule == Rule::StaleLogin);
    for finding in &mut world.findings {
        finding.status = FindingStatus::Open;
        finding.first_seen = as_of() - Duration::days(30);
    }
    let tasks = world.view().tasks;
    let severities: Vec<_> = tasks.iter().map(|task| (task.severity, task.due.as_deref(), task.findings)).collect();
    assert_eq!(severities, [("high", Some("30 November 2026"), 1), ("medium", Some("23 December 2026"), 3)]);
    assert_eq!((tasks[0].overdue, tasks[1].overdue), (1, 0), "30 days are not more than 30 days");
    let owners: Vec<_> = tasks[1].owners.rows.iter().map(|owner| (owner.name.as_str(), owner.findings)).collect();
    assert_eq!((owners, tasks[1].unowned), (vec![("Service desk", 1)], 2));
    let page = world.page();
    assert!(page.contains("no owner configured: 2") && page.contains("identity@example.com"));
    assert!(page.contains("high 7 days, medium 30 days after the report"));
}

#[test]
fn each_reason_is_listed_once_for_a_source_with_the_rules_that_it_concerns() {
    let why = || RuleOutcome::Undetermined { why: "the source does not report last logins".to_owned() };
    let world = world_with(|world| {
        set_outcome(world, Rule::StaleLogin, &why());
        set_outcome(world, Rule::NeverLoggedIn, &why());
        set_outcome(world, Rule::NoGroup, &RuleOutcome::Evaluated { subjects: 300, undetermined: 3 });
    });
    let view = world.view();
    let eu = &view.unevaluated.rows[0];
    let reason = eu.reasons.iter().find(|reason| reason.why.as_str().contains("last logins")).unwrap();
    assert_eq!(reason.rules, "Inactive accounts; Accounts never used");
    assert!(eu.partly.contains("Enabled accounts in no group (3 of 300)"), "{}", eu.partly);
    let page = world.page();
    let first = page.split("<section id=\"unevaluated\">").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(first.matches("the source does not report last logins").count(), 2, "once for each of two sources");
    let groups = page.split("<section id=\"groups\">").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(groups.contains("appliance-eu: not evaluated, because the source does not report last logins"));
}

#[test]
fn every_severity_but_info_has_a_day_to_act() {
    let days: Vec<Option<u16>> = Severity::ALL.into_iter().map(Severity::days_to_act).collect();
    assert_eq!(days, [None, Some(90), Some(30), Some(7), Some(1)]);
}
