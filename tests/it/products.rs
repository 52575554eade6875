//! Every product's surface, as an operator runs it: what is read, at what cost, and how it ends.

use super::inventory::{finding, same_rows};
use super::rig::{Rig, Row, as_of, assert_exit, private, stderr, stdout};
use bt_rollcall_sandbox::{Expect, ExpectedFinding, ExternalMember, Faults, Surface, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// The four that one appliance shows at once.
const FOUR: [Surface; 4] = [Surface::Guide, Surface::Pra, Surface::PasswordSafe, Surface::Scim];

fn people(count: usize) -> World {
    World::seeded(7, count, as_of())
}

fn of_source(rows: Vec<Row>, source: &str) -> Vec<Row> {
    rows.into_iter().filter(|row| row["source"] == source).collect()
}

/// The rows of one source are what the world holds for its surface.
#[track_caller]
fn compare(rig: &Rig, source: &str, surface: Surface, change: impl FnOnce(&mut Expect)) {
    let mut expect = Expect { surface, ..Expect::usual(source, as_of()) };
    change(&mut expect);
    let expected = rig.sandbox.with_world(|world| world.expected(&expect));
    same_rows("users", &of_source(rig.table("users"), source), &expected.users);
    same_rows("groups", &of_source(rig.table("groups"), source), &expected.groups);
    same_rows("memberships", &of_source(rig.table("memberships"), source), &expected.memberships);
    let found: Vec<ExpectedFinding> = of_source(rig.table("findings"), source).iter().map(finding).collect();
    for (found, expected) in found.iter().zip(&expected.findings) {
        assert_eq!(found, expected, "{source}");
    }
    assert_eq!(found.len(), expected.findings.len(), "{source}");
}

#[test]
fn one_world_read_through_all_its_surfaces_in_one_run_is_as_it_expects_cell_by_cell() {
    let rig = Rig::of(&FOUR, people(1003), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    for surface in FOUR {
        compare(&rig, &format!("sandbox-{}", surface.as_str()), surface, |_| {});
    }
    let warnings = rig.manifest()["warnings"].to_string();
    assert!(warnings.contains("sandbox-password-safe: ") && warnings.contains("UTC was assumed"), "{warnings}");
    let remote_support = Rig::of(&[Surface::Rs], people(403), Faults { rs: true, ..Faults::default() }, None);
    assert_exit(&remote_support.run(&[]), 0);
    compare(&remote_support, "sandbox", Surface::Rs, |_| {});
}

#[test]
fn a_source_that_fails_leaves_the_others_published_and_the_run_partial() {
    let rig = Rig::of(&FOUR, people(303), Faults { forbid_members: true, ..Faults::default() }, None);
    let output = rig.run(&[]);
    assert_exit(&output, 3);
    assert!(stderr(&output).contains("members"), "{}", stderr(&output));
    for surface in [Surface::Guide, Surface::PasswordSafe, Surface::Scim] {
        compare(&rig, &format!("sandbox-{}", surface.as_str()), surface, |_| {});
    }
    let pra = of_source(rig.table("findings"), "sandbox-pra");
    assert!(pra.iter().any(|row| row["rule"] == "collection-incomplete"));
    // The users of vendors are a list of their own, which was read.
    let depends = |row: &&Row| row["rule"] == "empty-group" && !row["subject_id"].starts_with("vendor:");
    assert!(
        !pra.iter().any(|row| row["rule"] == "no-group") && !pra.iter().any(|row| depends(&row)),
        "nothing is argued from absence"
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
fn the_same_person_in_several_products_is_shown_once() {
    let rig = Rig::of(&FOUR, people(61), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    let report = fs::read_to_string(rig.snapshot().join("report.html")).unwrap();
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
fn a_policy_of_2500_members_is_whole() {
    let mut world = World::ordinary(5, 2600, as_of());
    let group = world.groups().next().unwrap().0;
    let ids: Vec<u64> = world.user_ids().into_iter().collect();
    for (place, id) in ids.iter().enumerate() {
        world.edit_user(*id, |record| {
            let groups = if place < 2500 { json!([group]) } else { json!([]) };
            record.insert("group_memberships".to_owned(), groups);
        });
    }
    let rig = Rig::of(&[Surface::Pra], world, Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    compare(&rig, "sandbox", Surface::Pra, |_| {});
    let members = rig.table("memberships").iter().filter(|row| row["group_id"] == group.to_string()).count();
    assert_eq!(members, 2500);
}

/// Puts an organizational unit of the LDAP provider into the first group; returns the group.
fn hold_everybody_of_ldap(world: &mut World) -> u64 {
    let group = world.groups().next().unwrap().0;
    let ldap = world.facets().providers.iter().find(|provider| provider.kind == "ldap").unwrap().id;
    world.facets_mut().externals.push(ExternalMember {
        id: 2_000_000_000,
        group,
        provider: Some(ldap),
        distinguished_name: Some("OU=Everybody,DC=example,DC=com".to_owned()),
        group_name: None,
    });
    group
}

#[test]
fn nobody_who_may_be_in_a_directory_group_is_said_to_be_in_no_group() {
    let mut world = World::ordinary(5, 300, as_of());
    let group = hold_everybody_of_ldap(&mut world);
    let ids: Vec<u64> = world.user_ids().into_iter().collect();
    for id in ids {
        world.edit_user(id, |record| drop(record.insert("group_memberships".to_owned(), json!([]))));
    }
    let rig = Rig::of(&[Surface::Pra], world, Faults::default(), None);
    // Not one user is in a group by name: such a list is confirmed once.
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
fn users_who_a_directory_group_may_hold_are_asked_one_by_one_where_the_configuration_says_so() {
    let mut world = World::ordinary(5, 103, as_of());
    hold_everybody_of_ldap(&mut world);
    let rig = Rig::of(&[Surface::Pra], world, Faults::default(), None);
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
fn a_directory_that_only_looks_up_groups_may_hold_users_of_any_other() {
    let mut world = World::ordinary(5, 103, as_of());
    let group = world.groups().next().unwrap().0;
    // Such a provider is in no list, and no user names it.
    world.facets_mut().externals.push(ExternalMember {
        id: 2_000_000_000,
        group,
        provider: Some(99),
        distinguished_name: Some("CN=Operators,DC=example,DC=com".to_owned()),
        group_name: None,
    });
    let rig = Rig::of(&[Surface::Pra], world, Faults::default(), None);
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
fn whoever_has_a_policy_by_default_is_in_it() {
    let mut world = World::ordinary(5, 103, as_of());
    let group = world.groups().nth(3).unwrap().0;
    for provider in world.facets_mut().providers.iter_mut().filter(|provider| provider.kind == "saml") {
        provider.default_policy = Some(group);
    }
    for vendor in &mut world.facets_mut().vendors {
        vendor.record.insert("default_policy".to_owned(), group.into());
    }
    let rig = Rig::of(&[Surface::Pra], world, Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    compare(&rig, "sandbox", Surface::Pra, |_| {});
    let users = rig.table("users");
    let by_default = users.iter().filter(|row| row["account_type"] == "saml" || row["account_type"] == "vendor");
    assert!(by_default.clone().count() > 20);
    assert!(by_default.clone().all(|row| row["group_memberships"].contains(&format!("\"{group}\""))));
}

/// 120 policies of many sizes over so many users.
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
        world.edit_user(id, |record| drop(record.insert("group_memberships".to_owned(), json!(mine))));
    }
    world
}

/// The fewest requests that show everything: a token and every page once.
fn least(world: &World) -> u64 {
    let pages = |rows: usize| (rows as u64).div_ceil(100).max(1);
    let facets = world.facets();
    let members: u64 = world
        .groups()
        .map(|(group, _)| {
            let has = |value: &Value| value.as_array().is_some_and(|ids| ids.contains(&group.into()));
            pages(world.users().filter(|(_, record)| has(&record["group_memberships"])).count())
        })
        .sum();
    let vendor_users: u64 = facets.vendors.iter().map(|vendor| pages(vendor.users.len())).sum();
    let lists = pages(world.user_count())
        + pages(world.group_count())
        + pages(facets.providers.len())
        + pages(facets.api_accounts.len())
        + pages(facets.vendors.len());
    1 + lists + members + vendor_users
}

#[test]
fn twenty_thousand_users_in_120_policies_cost_hardly_more_requests_than_their_pages_and_keep_all_limits() {
    let world = large(20_000);
    let least = least(&world);
    let limited = Faults { hard_limits: Some((20, 15_000)), ..Faults::default() };
    let rig = Rig::of(&[Surface::Pra], world, limited, None);
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
fn a_check_of_every_policy_keeps_the_pace() {
    let limited = Faults { hard_limits: Some((20, 15_000)), ..Faults::default() };
    let rig = Rig::of(&[Surface::Pra], World::ordinary(3, 1500, as_of()), limited, None);
    rig.edit("requests_per_second = 1000", "requests_per_second = 15");
    let output = rig.call(&["check", "--online"]);
    assert_exit(&output, 0);
    let counters = rig.sandbox.counters();
    assert!(stdout(&output).contains("of each of 30 groups") && counters.requests > 40, "{}", stdout(&output));
    assert_eq!(counters.over_limit, 0);
    assert!(counters.max_per_second <= 20, "{} in a second", counters.max_per_second);
}

#[test]
fn a_run_that_cannot_end_within_the_hour_is_refused_at_its_start_with_the_arithmetic() {
    let rig = Rig::of(&[Surface::Pra], World::ordinary(3, 9000, as_of()), Faults::default(), None);
    rig.set("requests_per_hour = 100");
    let output = rig.run(&[]);
    assert_exit(&output, 1);
    let reported = stderr(&output);
    // 9,000 users are 90 pages, the first of which was read; 180 policies are two pages and at least one page of members each.
    assert!(reported.contains("89 for users + 1 for groups + 180 for members"), "{reported}");
    assert!(
        reported.contains("requests_per_hour allows 100") && reported.contains("raise requests_per_hour"),
        "{reported}"
    );
    assert!(rig.sandbox.counters().requests < 10, "nothing more was asked");
    let before = rig.sandbox.counters().requests;
    let output = rig.call(&["check", "--online"]);
    assert_exit(&output, 1);
    assert!(rig.sandbox.counters().requests - before < 10, "a check reads no members where a run is refused");
    let reported = stdout(&output);
    assert!(reported.contains("a run takes at least") && reported.contains("100 an hour are allowed"), "{reported}");
    assert!(reported.contains("BAD") && reported.contains("requests_per_hour allows 100"), "{reported}");
}

#[test]
fn what_others_have_used_up_of_the_hour_is_heeded_before_it_is_too_late() {
    let used = Faults { hard_limits: Some((1000, 15_000)), hourly_used: 14_900, ..Faults::default() };
    let rig = Rig::of(&[Surface::Pra], World::ordinary(3, 9000, as_of()), used, None);
    let output = rig.run(&[]);
    assert_exit(&output, 1);
    let reported = stderr(&output);
    assert!(reported.contains("of 15000 are left in this hour") && reported.contains("89 for users"), "{reported}");
    assert!(rig.sandbox.counters().requests < 10);
}

#[test]
fn password_safe_can_be_read_with_a_key_in_the_name_of_a_user() {
    let rig = Rig::of(&[Surface::PasswordSafe], people(303), Faults::default(), None);
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
fn a_list_of_users_that_is_cut_short_is_noticed() {
    for cap in [200, 250] {
        let rig =
            Rig::of(&[Surface::PasswordSafe], people(403), Faults { cap_users: Some(cap), ..Faults::default() }, None);
        assert_exit(&rig.run(&[]), 3);
        let list = rig.manifest()["sources"][0]["lists"][0].clone();
        assert_eq!(list["coverage"], "drifted", "{list}");
        let why = list["proof"].as_str().unwrap();
        assert!(
            why.contains("not looked up") || why.contains("there by id") || why.contains("exactly 200 rows"),
            "{why}"
        );
    }
}

#[test]
fn scim_is_read_with_a_token_made_beforehand_below_another_path_and_with_a_last_login_where_one_is_reported() {
    let rig = Rig::of(&[Surface::Scim], people(303), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    let not_evaluated = rig.manifest()["rules"].as_array().unwrap().iter().any(|rule| {
        rule["rule"] == "stale-login"
            && rule["outcome"] == "undetermined"
            && rule["why"].as_str().unwrap().contains("does not report")
    });
    assert!(not_evaluated);
    let report = fs::read_to_string(rig.snapshot().join("report.html")).unwrap();
    assert!(report.contains("last login: not told by") || report.contains("does not report last logins"), "it says so");
    // Nothing is remembered of the reading before.
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
fn owners_of_service_accounts_are_those_of_the_register() {
    let rig = Rig::of(&[Surface::Pra], people(403), Faults::default(), None);
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
