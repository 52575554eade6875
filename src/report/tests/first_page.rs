//! Tests of the first page: who was looked at, five numbers with their change, what to do by when, what was not evaluated.

use super::behaviour::{set_outcome, world_with};
use super::products::{account, changed, product};
use super::sample::{World, as_of};
use super::tenant::reading;
use crate::model::{
    Coverage, Finding, FindingStatus, LastLogin, Rule, RuleOutcome, SET_ASIDE, Severity, SourceReading, SubjectKind,
    User, UserKind,
};
use crate::report::{Tile, View};
use crate::snapshot::manifest::PatternEntry;
use chrono::Duration;
use serde_json::json;

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
fn people_in_several_products_are_people_of_the_first_page() {
    let emergency = || changed(account("3", "e", "e@example.com"), |user| user.kind = UserKind::BreakGlass);
    let users = || vec![account("1", "ada", "ada@example.com"), emergency()];
    let view = World::of(vec![product("pra", "pra", users()), product("rs", "rs", users())]).view();
    assert_eq!(view.status.population.persons, 1);
    let summary = view.people.expect("two sources").summary;
    assert!(summary.starts_with("1 person has accounts in more than one of the 2 sources"), "{summary}");
}

#[test]
fn findings_on_groups_and_sources_are_not_counted_as_findings_on_accounts() {
    let mut world = World::of(vec![reading("appliance-eu", 60, 7)]);
    let of = |kind: SubjectKind, count: usize| {
        let finding = world.findings[0].clone();
        (0..count).map(move |_| {
            let mut finding = finding.clone();
            (finding.subject.kind, finding.severity) = (kind, Severity::Low);
            finding
        })
    };
    let users: Vec<Finding> = of(SubjectKind::User, 3).collect();
    let (group, source): (Vec<_>, Vec<_>) = (of(SubjectKind::Group, 1).collect(), of(SubjectKind::Source, 1).collect());
    let mut lead = |findings: &[&[Finding]]| {
        world.findings = findings.concat();
        world.view().status.lead
    };
    assert_eq!(lead(&[&users]), "3 findings on 1 account; 0 are high or critical.");
    let all = "5 findings: 3 on 1 account, 2 on groups and sources; 0 are high or critical.";
    assert_eq!(lead(&[&users, &group, &source]), all);
    assert_eq!(lead(&[&users, &group]), "4 findings: 3 on 1 account, 1 on groups; 0 are high or critical.");
    assert_eq!(lead(&[&source]), "1 finding on sources; 0 are high or critical.");
}

#[test]
fn a_source_that_a_guard_set_aside_is_not_described_as_unread() {
    let mut eu = reading("appliance-eu", 60, 7);
    for list in &mut eu.lists {
        let error = format!("{SET_ASIDE}: 60 of 60 known users are missing (100 %, limit 20 %); 0 read");
        (list.coverage, list.distinct, list.expected) = (Coverage::Failed { error }, 0, Some(0));
    }
    let world = World::after(vec![reading("appliance-eu", 60, 7)], vec![eu]);
    let view = world.view();
    assert!(view.status.meaning.starts_with("At least one source was set aside"), "{}", view.status.meaning);
    let problems = &view.status.sources.rows[0].problems;
    assert_eq!((problems.len(), problems[0].count.as_str()), (1, "set aside by a guard"));
    assert_eq!(problems[0].words.as_str(), "60 of 60 known users are missing (100 %, limit 20 %); 0 read");
    assert!(view.changes.limits.rows[0].as_str().starts_with("appliance-eu: set aside by a guard."));
    let page = world.page();
    assert!(!page.contains("could not be read") && !page.contains("not fully read"));
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
    let severities: Vec<_> = tasks.iter().map(|task| (task.severity, task.next.as_deref(), task.findings)).collect();
    assert_eq!(severities, [("high", None, 1), ("medium", Some("23 November 2026"), 3)]);
    assert_eq!((tasks[0].overdue, tasks[1].overdue), (1, 0), "the 30th day is not over");
    let owners: Vec<_> = tasks[1].owners.rows.iter().map(|owner| (owner.name.as_str(), owner.findings)).collect();
    assert_eq!((owners, tasks[1].unowned), (vec![("Service desk", 1)], 2));
    let page = world.page();
    assert!(page.contains("no owner configured: 2") && page.contains("identity@example.com"));
    assert!(page.contains("high 7 days, medium 30 days. The table shows the next") && page.contains("all past due"));
}

#[test]
fn the_last_day_to_act_does_not_move_when_a_later_run_finds_the_same() {
    let mut world = World::of(vec![reading("appliance-eu", 60, 7)]);
    world.findings.retain(|finding| finding.severity == Severity::High);
    let next = |world: &World| world.view().tasks[0].next.clone();
    assert_eq!(next(&world).as_deref(), Some("30 November 2026"));
    for finding in &mut world.findings {
        (finding.status, finding.first_seen) = (FindingStatus::Open, as_of() - Duration::days(3));
    }
    world.findings[0].first_seen = as_of() - Duration::days(5);
    world.findings[1].first_seen = as_of() - Duration::days(8);
    assert_eq!(next(&world).as_deref(), Some("25 November 2026"), "the earliest day that is not over");
    assert_eq!(world.view().tasks[0].overdue, 1);
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

#[test]
fn patterns_that_are_proven_to_match_nothing_are_on_the_first_page() {
    let entry = |matches: u64, complete: bool| PatternEntry {
        key: "policy.privileged_groups".to_owned(),
        pattern: "admnistrators".to_owned(),
        matches,
        complete,
        nearest: Some("Administrators".to_owned()).filter(|_| complete),
    };
    let line = "Patterns of the configuration that match nothing: ";
    assert!(!world_with(|world| world.manifest.patterns = vec![entry(1, true), entry(0, false)]).page().contains(line));
    let world = world_with(|world| world.manifest.patterns = vec![entry(0, true); 5]);
    let unmatched = world.view().unmatched_patterns;
    assert_eq!((unmatched.rows.len(), unmatched.more), (3, 2));
    let page = world.page();
    let first = page.split("<section id=\"unevaluated\">").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(first.contains(line) && first.contains("(the most similar name is <bdi>Administrators</bdi>)"));
    assert!(first.contains("and 2 more. They have no effect"));
}

#[test]
fn paper_says_where_the_tables_are_that_a_reader_of_the_screen_opens() {
    let world = world_with(|world| {
        world.policy.frameworks.clear();
        world.manifest.configuration = json!({ "output": { "value": "/srv", "from": "configuration", "line": 7 } });
    });
    let page = world.page();
    let all = "<span class=\"paper\">The tables are in <code>report.html</code>.</span>";
    let one = "<span class=\"paper\"> (the table is in <code>report.html</code>)</span></summary>";
    assert!(page.contains(all) && page.contains(one));
    assert!(page.contains(".paper { display: none; }") && page.contains(".paper { display: inline; }"));
}
