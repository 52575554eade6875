//! Tests of each product as an operator runs it: the data that is read, the requests that it costs, and the result.

use super::inventory::{same_findings, same_rows};
use super::rig::{Rig, Row, SURFACES, as_of, assert_exit, people, private, set_field, stderr, stdout};
use bt_rollcall_sandbox::{Expect, ExternalMember, Faults, Surface, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

fn of_source(rows: Vec<Row>, source: &str) -> Vec<Row> {
    rows.into_iter().filter(|row| row["source"] == source).collect()
}

/// Compares the rows of one source with what the oracle expects for its surface.
#[track_caller]
fn compare(rig: &Rig, source: &str, surface: Surface, change: impl FnOnce(&mut Expect)) {
    let mut expect = Expect { surface, ..Expect::usual(source, as_of()) };
    change(&mut expect);
    let expected = rig.sandbox.with_world(|world| world.expected(&expect));
    same_rows("users", &of_source(rig.table("users"), source), &expected.users);
    same_rows("groups", &of_source(rig.table("groups"), source), &expected.groups);
    same_rows("memberships", &of_source(rig.table("memberships"), source), &expected.memberships);
    same_findings(&of_source(rig.table("findings"), source), &expected.findings);
}

#[test]
fn every_surface_of_one_appliance_is_read_as_the_oracle_expects_cell_by_cell() {
    let rig = Rig::with_surfaces(&SURFACES, people(1003), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    for surface in SURFACES {
        compare(&rig, &format!("sandbox-{}", surface.as_str()), surface, |_| {});
    }
    let remote_support =
        Rig::with_surfaces(&[Surface::Rs], people(403), Faults { rs: true, ..Faults::default() }, None);
    assert_exit(&remote_support.run(&[]), 0);
    compare(&remote_support, "sandbox", Surface::Rs, |_| {});
}

#[test]
fn source_with_a_failed_list_makes_the_run_partial_and_the_others_are_published() {
    let rig = Rig::with_surfaces(&SURFACES, people(303), Faults { forbid_members: true, ..Faults::default() }, None);
    let output = rig.run(&[]);
    assert_exit(&output, 3);
    assert!(stderr(&output).contains("members"), "{}", stderr(&output));
    for surface in [Surface::Guide, Surface::PasswordSafe, Surface::Scim] {
        compare(&rig, &format!("sandbox-{}", surface.as_str()), surface, |_| {});
    }
    let pra = of_source(rig.table("findings"), "sandbox-pra");
    assert!(pra.iter().any(|row| row["rule"] == "collection-incomplete"));
    // The users of vendors are in a list of their own, which was read.
    let depends = |row: &&Row| row["rule"] == "empty-group" && !row["subject_id"].starts_with("vendor:");
    assert!(
        !pra.iter().any(|row| row["rule"] == "no-group") && !pra.iter().any(|row| depends(&row)),
        "no finding from the absence of a row"
    );
    let known = of_source(rig.table("users"), "sandbox-pra");
    assert!(
        known
            .iter()
            .filter(|row| row["account_type"] != "vendor" && row["account_type"] != "api-account")
            .all(|row| row["groups_known"] == "false")
    );
}

#[test]
fn same_person_in_several_products_is_shown_once() {
    let rig = Rig::with_surfaces(&SURFACES, people(61), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    let report = rig.report();
    assert!(report.contains("People across products"));
    let emails: Vec<String> = rig
        .table("users")
        .iter()
        .filter(|row| row["source"] == "sandbox-pra")
        .map(|row| row["email_address"].trim().to_lowercase())
        .filter(|email| email.contains('@') && report.contains(email.as_str()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert!(emails.len() >= 10, "{emails:?}");
}

#[test]
fn policy_with_2500_members_is_read_completely() {
    let mut world = World::ordinary(5, 2600, as_of());
    let group = world.groups().next().unwrap().0;
    let ids: Vec<u64> = world.user_ids().into_iter().collect();
    for (place, id) in ids.iter().enumerate() {
        let groups = if place < 2500 { json!([group]) } else { json!([]) };
        set_field(&mut world, *id, "group_memberships", groups);
    }
    let rig = Rig::with_surfaces(&[Surface::Pra], world, Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    compare(&rig, "sandbox", Surface::Pra, |_| {});
    let members = rig.table("memberships").iter().filter(|row| row["group_id"] == group.to_string()).count();
    assert_eq!(members, 2500);
}

/// Adds an organizational unit of the LDAP provider to the first group and returns the group.
fn add_ldap_unit(world: &mut World) -> u64 {
    let group = world.groups().next().unwrap().0;
    let ldap = world.product_details().providers.iter().find(|provider| provider.kind == "ldap").unwrap().id;
    world.product_details_mut().externals.push(ExternalMember {
        id: 2_000_000_000,
        group,
        provider: Some(ldap),
        distinguished_name: Some("OU=Everybody,DC=example,DC=com".to_owned()),
        group_name: None,
    });
    group
}

#[test]
fn user_who_may_be_in_a_directory_group_is_not_reported_as_being_in_no_group() {
    let mut world = World::ordinary(5, 300, as_of());
    let group = add_ldap_unit(&mut world);
    let ids: Vec<u64> = world.user_ids().into_iter().collect();
    for id in ids {
        set_field(&mut world, id, "group_memberships", json!([]));
    }
    let rig = Rig::with_surfaces(&[Surface::Pra], world, Faults::default(), None);
    // No user is in a group by name, so the list of members has no rows; the run confirms that once.
    assert_exit(&rig.run(&[]), 0);
    compare(&rig, "sandbox", Surface::Pra, |_| {});
    let users = rig.table("users");
    let type_of = |id: &str| users.iter().find(|row| row["id"] == id).unwrap()["account_type"].clone();
    let lost: Vec<Row> = rig.table("findings").into_iter().filter(|row| row["rule"] == "no-group").collect();
    assert!(lost.iter().any(|row| type_of(&row["subject_id"]) == "local"), "those of other providers are known");
    assert!(lost.iter().all(|row| type_of(&row["subject_id"]) != "ldap"), "those of this one are not");
    let external = rig.table("memberships").into_iter().find(|row| row["via"] == "directory-group").unwrap();
    assert_eq!(external["external_name"], "OU=Everybody,DC=example,DC=com");
    assert_eq!((external["user_id"].as_str(), external["group_id"].clone()), ("", group.to_string()));
}

#[test]
fn resolve_directory_users_reads_each_user_who_may_be_in_a_directory_group() {
    let mut world = World::ordinary(5, 103, as_of());
    add_ldap_unit(&mut world);
    let rig = Rig::with_surfaces(&[Surface::Pra], world, Faults::default(), None);
    let unknown = |rig: &Rig| rig.table("users").iter().filter(|row| row["groups_known"] == "false").count() as u64;
    assert_exit(&rig.run(&[]), 0);
    let (asked, maybe) = (rig.sandbox.counters().details, unknown(&rig));
    assert!(maybe > 10 && asked < maybe, "{asked} records asked for, {maybe} users unknown");
    rig.set("resolve_directory_users = true");
    let plan = stdout(&rig.call(&["check", "--online"]));
    assert!(plan.contains("for policies of directory users") || plan.contains("directory-members"), "{plan}");
    let before = rig.sandbox.counters().details;
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(unknown(&rig), 0);
    assert_eq!(rig.sandbox.counters().details - before - asked, maybe, "one request a user");
}

#[test]
fn groups_of_all_directory_users_are_unknown_when_a_policy_names_an_unlisted_provider() {
    let mut world = World::ordinary(5, 103, as_of());
    let group = world.groups().next().unwrap().0;
    // A provider that only looks up groups is in no list, and no user refers to it.
    world.product_details_mut().externals.push(ExternalMember {
        id: 2_000_000_000,
        group,
        provider: Some(99),
        distinguished_name: Some("CN=Operators,DC=example,DC=com".to_owned()),
        group_name: None,
    });
    let rig = Rig::with_surfaces(&[Surface::Pra], world, Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    compare(&rig, "sandbox", Surface::Pra, |_| {});
    let known: BTreeSet<String> = rig
        .table("users")
        .iter()
        .filter(|row| row["groups_known"] == "true")
        .map(|row| row["account_type"].clone())
        .collect();
    assert_eq!(known, ["api-account", "local", "vendor"].map(str::to_owned).into());
}

#[test]
fn users_with_a_default_policy_are_its_members() {
    let mut world = World::ordinary(5, 103, as_of());
    let group = world.groups().nth(3).unwrap().0;
    for provider in world.product_details_mut().providers.iter_mut().filter(|provider| provider.kind == "saml") {
        provider.default_policy = Some(group);
    }
    for vendor in &mut world.product_details_mut().vendors {
        vendor.record.insert("default_policy".to_owned(), group.into());
    }
    let rig = Rig::with_surfaces(&[Surface::Pra], world, Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    compare(&rig, "sandbox", Surface::Pra, |_| {});
    let users = rig.table("users");
    let by_default = users.iter().filter(|row| row["account_type"] == "saml" || row["account_type"] == "vendor");
    assert!(by_default.clone().count() > 20);
    assert!(by_default.clone().all(|row| row["group_memberships"].contains(&format!("\"{group}\""))));
}

/// Returns a world with this many users in 120 policies of different sizes.
fn large(users: usize) -> World {
    let mut world = World::ordinary(3, users, as_of());
    let groups: Vec<u64> = world.groups().map(|(id, _)| id).collect();
    for group in &groups[120..] {
        world.remove_group(*group);
    }
    for (place, id) in world.user_ids().into_iter().enumerate() {
        let mut mine = vec![groups[place % 120], groups[(place * place / 7) % 120], groups[(place / 90) % 120]];
        mine.sort_unstable();
        mine.dedup();
        set_field(&mut world, id, "group_memberships", json!(mine));
    }
    world
}

/// Returns the smallest number of requests that can read everything: a token, and every page once.
fn least(world: &World) -> u64 {
    let pages = |rows: usize| (rows as u64).div_ceil(100).max(1);
    let details = world.product_details();
    let members: u64 = world
        .groups()
        .map(|(group, _)| {
            let has = |value: &Value| value.as_array().is_some_and(|ids| ids.contains(&group.into()));
            pages(world.users().filter(|(_, record)| has(&record["group_memberships"])).count())
        })
        .sum();
    let vendor_users: u64 = details.vendors.iter().map(|vendor| pages(vendor.users.len())).sum();
    let lists = pages(world.user_count())
        + pages(world.group_count())
        + pages(details.providers.len())
        + pages(details.api_accounts.len())
        + pages(details.vendors.len());
    1 + lists + members + vendor_users
}

#[test]
fn twenty_thousand_users_in_120_policies_cost_few_extra_requests_and_keep_all_limits() {
    let world = large(20_000);
    let least = least(&world);
    let limited = Faults { hard_limits: Some((20, 15_000)), ..Faults::default() };
    let rig = Rig::with_surfaces(&[Surface::Pra], world, limited, None);
    rig.edit("requests_per_second = 1000", "requests_per_second = 15");
    assert_exit(&rig.run(&[]), 0);
    let counters = rig.sandbox.counters();
    assert!(counters.requests * 100 <= least * 103, "{} requests, {least} at least", counters.requests);
    assert_eq!(counters.over_limit, 0);
    assert!(counters.max_per_second <= 20, "{} in a second", counters.max_per_second);
    assert_eq!(
        rig.table("users").iter().filter(|row| row["kind"] != "vendor" && row["account_type"] != "api-account").count(),
        20_000
    );
}

#[test]
fn check_of_every_policy_keeps_the_rate_limit() {
    let limited = Faults { hard_limits: Some((20, 15_000)), ..Faults::default() };
    let rig = Rig::with_surfaces(&[Surface::Pra], World::ordinary(3, 1500, as_of()), limited, None);
    rig.edit("requests_per_second = 1000", "requests_per_second = 15");
    let output = rig.call(&["check", "--online"]);
    assert_exit(&output, 0);
    let counters = rig.sandbox.counters();
    assert!(stdout(&output).contains("of each of 30 groups") && counters.requests > 40, "{}", stdout(&output));
    assert_eq!(counters.over_limit, 0);
    assert!(counters.max_per_second <= 20, "{} in a second", counters.max_per_second);
}

#[test]
fn run_that_cannot_finish_within_its_limits_is_refused_at_its_start_with_the_arithmetic() {
    let rig = Rig::with_surfaces(&[Surface::Pra], World::ordinary(3, 9000, as_of()), Faults::default(), None);
    rig.set("requests_per_hour = 100");
    let output = rig.run(&[]);
    assert_exit(&output, 1);
    let log = stderr(&output);
    // 9,000 users are 90 pages, of which the first was read. 180 policies are two pages, and each has at least one page of members.
    assert!(log.contains("89 for users + 1 for groups + 180 for members"), "{log}");
    assert!(log.contains("requests_per_hour allows 100") && log.contains("raise requests_per_hour"), "{log}");
    assert!(rig.sandbox.counters().requests < 10, "nothing more was asked");
    let before = rig.sandbox.counters().requests;
    let output = rig.call(&["check", "--online"]);
    assert_exit(&output, 1);
    assert!(rig.sandbox.counters().requests - before < 10, "a check reads no members where a run is refused");
    let printed = stdout(&output);
    assert!(
        printed.contains("a run takes at least") && printed.contains("per second; requests_per_hour allows 100"),
        "{printed}"
    );
    assert!(printed.contains("BAD") && printed.contains("requests_per_hour allows 100"), "{printed}");
}

#[test]
fn run_is_refused_when_others_have_used_the_hourly_limit() {
    let used = Faults { hard_limits: Some((1000, 15_000)), hourly_used: 14_900, ..Faults::default() };
    let rig = Rig::with_surfaces(&[Surface::Pra], World::ordinary(3, 9000, as_of()), used, None);
    let output = rig.run(&[]);
    assert_exit(&output, 1);
    let log = stderr(&output);
    assert!(log.contains("of 15000 are left in this hour") && log.contains("89 for users"), "{log}");
    assert!(rig.sandbox.counters().requests < 10);
}

#[test]
fn password_safe_can_be_read_with_an_api_key_and_a_user() {
    let rig = Rig::with_surfaces(&[Surface::PasswordSafe], people(303), Faults::default(), None);
    private(&rig.folder.path().join("key"), rig.sandbox.api_key());
    let config = fs::read_to_string(&rig.config).unwrap();
    let account = config.lines().filter(|line| line.starts_with("client_")).collect::<Vec<_>>().join("\n");
    rig.edit(&account, &format!("api_key = {{ file = \"key\" }}\nrun_as = '{}'", rig.sandbox.run_as()));
    assert_exit(&rig.run(&[]), 0);
    compare(&rig, "sandbox", Surface::PasswordSafe, |_| {});
    assert_eq!(rig.manifest()["sources"][0]["client_id"], rig.sandbox.run_as());
    assert_eq!(rig.sandbox.counters().sessions_open, 0);
}

#[test]
fn truncated_list_of_users_is_not_proven_complete() {
    for cap in [200, 250] {
        let rig = Rig::with_surfaces(
            &[Surface::PasswordSafe],
            people(403),
            Faults { cap_users: Some(cap), ..Faults::default() },
            None,
        );
        assert_exit(&rig.run(&[]), 3);
        let list = rig.manifest()["sources"][0]["lists"][0].clone();
        assert_eq!(list["coverage"], "drifted", "{list}");
        let why = list["proof"].as_str().unwrap();
        assert!(
            why.contains("not looked up")
                || why.contains("the list of users lacks users that exist")
                || why.contains("exactly 200 rows"),
            "{why}"
        );
    }
}

#[test]
fn scim_can_be_read_with_a_token_another_base_path_and_a_path_of_the_last_login() {
    let rig = Rig::with_surfaces(&[Surface::Scim], people(303), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    let not_evaluated = rig.manifest()["rules"].as_array().unwrap().iter().any(|rule| {
        rule["rule"] == "stale-login"
            && rule["outcome"] == "undetermined"
            && rule["why"].as_str().unwrap().contains("does not report")
    });
    assert!(not_evaluated);
    let report = rig.report();
    assert!(report.contains("last login: not reported by") || report.contains("does not report last logins"));
    // Without the old snapshot, this run has no baseline.
    fs::remove_dir_all(rig.snapshots_dir()).unwrap();
    private(&rig.folder.path().join("token"), &rig.sandbox.tokens()[0]);
    let config = fs::read_to_string(&rig.config).unwrap();
    let account = config.lines().filter(|line| line.starts_with("client_")).collect::<Vec<_>>().join("\n");
    rig.edit(&account, "token = { file = \"token\" }\nbase_path = \"/api/scim/v2\"");
    rig.set("last_login_path = \"/urn:bt-rollcall:sandbox:2.0:User/lastLogin\"");
    assert_exit(&rig.run(&[]), 0);
    compare(&rig, "sandbox", Surface::Scim, |expect| expect.last_login_path = true);
    assert!(rig.table("findings").iter().any(|row| row["rule"] == "stale-login"));
}

#[test]
fn service_owners_of_the_configuration_are_applied() {
    let rig = Rig::with_surfaces(&[Surface::Pra], people(403), Faults::default(), None);
    rig.append(
        "[[policy.service_owners]]\naccount = \"glob:svc-b*\"\nowner = \"storage team\"\nreview_by = 2027-03-31\n\n\
         [[policy.service_owners]]\naccount = \"glob:svc-s*\"\nowner = \"nobody any more\"\nreview_by = 2026-11-22\n",
    );
    assert_exit(&rig.run(&[]), 0);
    let register = [("glob:svc-b*", "2027-03-31"), ("glob:svc-s*", "2026-11-22")];
    compare(&rig, "sandbox", Surface::Pra, |expect| {
        expect.service_owners = register.map(|(account, until)| (account.to_owned(), until.to_owned())).to_vec();
    });
}
