//! People with accounts in several products, and what single products do not tell.

use super::sample::{World, as_of};
use super::tenant::reading;
use crate::model::{
    Blocked, LastLogin, ListKind, Outside, OutsideMember, ReportedDate, Rule, SourceReading, User, UserKind,
};
use crate::report::{PeopleSection, RuleStanding};
use chrono::Duration;

/// A source of one product with these users and nothing odd.
fn product(name: &str, kind: &str, users: Vec<User>) -> SourceReading {
    let mut product = reading(name, users.len() as u64, 7);
    product.source.kind = kind.to_owned();
    product.users = users;
    product
}

fn account(id: &str, username: &str, address: &str) -> User {
    let mut user = User::new(id);
    user.username = Some(username.into());
    user.email_address = Some(address.into());
    user.account_type = Some("LDAP".into());
    user.enabled = Some(true);
    user.groups_known = true;
    user.group_memberships = Box::new(["4".into()]);
    user.last_login = LastLogin::At(as_of() - Duration::days(1));
    user.created_at = ReportedDate::At(as_of() - Duration::days(500));
    user
}

fn changed(mut user: User, change: impl FnOnce(&mut User)) -> User {
    change(&mut user);
    user
}

fn people(readings: Vec<SourceReading>) -> PeopleSection {
    World::of(readings).view().people.expect("two sources")
}

/// `address: source/username/state,…; …`
fn lines(people: &PeopleSection) -> Vec<String> {
    let of_source = |place: &crate::report::PersonIn| {
        let accounts: Vec<String> =
            place.accounts.rows.iter().map(|a| format!("{}/{}/{}", place.source, a.username, a.state)).collect();
        accounts.join(",")
    };
    let line = |person: &crate::report::Person| {
        let sources: Vec<String> = person.sources.rows.iter().map(of_source).collect();
        format!("{}: {}", person.address, sources.join("; "))
    };
    people.people.rows.iter().map(line).collect()
}

#[test]
fn a_person_with_accounts_in_two_products_stands_in_one_row_by_the_address() {
    let ada = account("1", "ada", " Ada@Example.com");
    let people = people(vec![
        product("pra", "pra", vec![ada, account("2", "only-here", "b@example.com")]),
        product("vault", "password-safe", vec![account("9", "ada.l", "ada@example.com")]),
    ]);
    assert_eq!(lines(&people), ["ada@example.com: pra/ada/enabled; vault/ada.l/enabled"]);
    let expected = "1 person has accounts in more than one of the 2 sources; \
                    none of them is disabled or blocked in one and enabled in another.";
    assert_eq!(people.summary, expected);
    assert_eq!(people.people.rows[0].name.as_str(), "ada", "the username where there is no name for people");
}

#[test]
fn who_is_closed_in_one_product_and_open_in_another_comes_first_then_the_privileged() {
    let here = vec![
        account("1", "ann", "ann@example.com"),
        changed(account("2", "bob", "bob@example.com"), |u| u.is_admin = Some(true)),
        changed(account("3", "cyd", "cyd@example.com"), |u| u.enabled = Some(false)),
        account("4", "dan", "dan@example.com"),
        changed(account("5", "eve", "eve@example.com"), |u| u.enabled = Some(false)),
    ];
    let there = vec![
        account("1", "ann", "ann@example.com"),
        account("2", "bob", "bob@example.com"),
        account("3", "cyd", "cyd@example.com"),
        changed(account("4", "dan", "dan@example.com"), |u| u.blocked = Some(Blocked::Quarantined)),
        changed(account("5", "eve", "eve@example.com"), |u| u.expires_at = ReportedDate::At(as_of())),
    ];
    let people = people(vec![product("pra", "pra", here), product("vault", "password-safe", there)]);
    let order: Vec<&str> = people.people.rows.iter().map(|person| person.address.as_str()).collect();
    assert_eq!(
        order,
        ["cyd@example.com", "dan@example.com", "bob@example.com", "ann@example.com", "eve@example.com"],
        "eve is closed in both"
    );
    assert!(people.summary.starts_with("5 people have accounts in more than one of the 2 sources; 2 are disabled"));
    assert_eq!(lines(&people)[1], "dan@example.com: pra/dan/enabled; vault/dan/quarantined");
    assert_eq!(lines(&people)[4], "eve@example.com: pra/eve/disabled; vault/eve/expired");
}

#[test]
fn several_accounts_of_one_product_stand_in_one_cell_and_do_not_make_a_person_of_two_products() {
    let disabled = |id: &str, name: &str| changed(account(id, name, "a@example.com"), |u| u.enabled = Some(false));
    let pair = || vec![disabled("1", "old"), account("2", "new", "a@example.com")];
    assert!(people(vec![product("pra", "pra", pair()), product("rs", "rs", Vec::new())]).people.is_empty());
    let both = vec![product("pra", "pra", pair()), product("rs", "rs", vec![account("7", "a", "A@example.com")])];
    let people = people(both);
    assert_eq!(lines(&people), ["a@example.com: pra/new/enabled,pra/old/disabled; rs/a/enabled"]);
    assert!(!people.people.rows[0].split, "the first product lets the person in by the other account");
}

#[test]
fn services_are_nobody_and_accounts_without_an_address_are_not_compared() {
    let service = |id: &str| changed(account(id, "robot", "team@example.com"), |u| u.kind = UserKind::Service);
    let nameless = || account("3", "x", "  ");
    let world = World::of(vec![
        product("pra", "pra", vec![service("1"), nameless()]),
        product("rs", "rs", vec![service("2"), nameless()]),
    ]);
    assert!(world.view().people.expect("two sources").people.is_empty());
    let page = world.page();
    assert!(page.contains("No e-mail address occurs in more than one of the 2 sources"));
    assert!(page.contains("There is nobody to compare."));
}

#[test]
fn one_source_alone_has_no_such_section() {
    let world = World::of(vec![reading("appliance-eu", 20, 7)]);
    assert_eq!(world.view().people, None);
    assert!(!world.page().contains("People across products"));
}

#[test]
fn twenty_five_people_are_shown_and_the_rest_is_counted_with_its_place() {
    let all = |source: &str| {
        let users = (1..=40).map(|n| account(&n.to_string(), &format!("{source}{n}"), &format!("p{n:02}@example.com")));
        product(source, "pra", users.collect())
    };
    let world = World::of(vec![all("pra"), all("rs")]);
    let people = world.view().people.expect("two sources");
    assert_eq!((people.people.rows.len(), people.people.more), (25, 15));
    assert!(world.page().contains("and 15 more in <code>users.csv</code>, by <code>email_address</code>"));
}

#[test]
fn a_list_of_users_that_is_not_proven_leaves_room_for_further_accounts() {
    let page = World::partial().page();
    assert!(page.contains("people may have further accounts there"));
}

#[test]
fn a_person_of_very_many_sources_and_accounts_stays_one_short_row() {
    let crowd = |n: u64| {
        let users = (0..200).map(|id| account(&id.to_string(), &"𝕏".repeat(200), "all@example.com")).collect();
        product(&format!("source-{n:03}"), "pra", users)
    };
    let world = World::of((0..60).map(crowd).collect());
    let people = world.view().people.expect("many sources");
    let row = &people.people.rows[0];
    assert_eq!((row.sources.rows.len(), row.sources.more), (6, 54));
    assert_eq!((row.sources.rows[0].accounts.rows.len(), row.sources.rows[0].accounts.more), (3, 197));
    assert!(world.page().len() < 300_000);
}

/// A directory as SCIM tells it: no last login, no type, no administrator, no second factor.
fn directory() -> SourceReading {
    let mut directory = reading("directory", 30, 5);
    directory.source.kind = "scim".to_owned();
    for user in &mut directory.users {
        user.last_login = LastLogin::NotReported;
        user.account_type = None;
    }
    directory
}

/// An appliance of which some groups hold directory groups.
fn appliance() -> SourceReading {
    let mut appliance = reading("appliance", 60, 7);
    appliance.source.kind = "pra".to_owned();
    let directory =
        |group: &str, name: &str| Outside { group_id: group.into(), member: OutsideMember::Directory(name.into()) };
    appliance.outside = vec![directory("1", "cn=admins"), directory("1", "cn=more"), directory("5", "cn=staff")];
    for user in appliance.users.iter_mut().skip(20) {
        user.groups_known = false;
        user.mfa = Some(true);
    }
    // Every policy's own list of members was read.
    appliance.groups.iter_mut().for_each(|group| group.members_known = Some(true));
    appliance
}

fn unchecked(world: &World) -> Vec<String> {
    world.view().unchecked.rows.iter().map(|item| format!("{}: {}", item.what, item.why)).collect()
}

#[test]
fn a_source_that_reports_no_last_login_is_named_as_one_whose_staleness_was_not_evaluated() {
    let world = World::of(vec![appliance(), directory()]);
    let said = unchecked(&world);
    let expected = "The last login: not told by directory: staleness was not judged there at all";
    assert!(said.iter().any(|line| line.starts_with(expected)), "{said:#?}");
    let stale = world.view().rules.into_iter().find(|rule| rule.id == "stale-login").expect("a result");
    assert_eq!(stale.standing, RuleStanding::Findings);
    assert!(stale.gaps.rows.iter().any(|gap| gap.why.as_str() == "the source does not report last logins"));
}

#[test]
fn where_one_product_reports_no_last_login_its_groups_and_types_show_no_number_of_stale_accounts() {
    let view = World::of(vec![appliance(), directory()]).view();
    let groups = view.groups.groups.rows.iter();
    assert!(groups.clone().all(|row| row.stale.is_some() == (row.source.as_str() == "appliance")));
    assert!(groups.clone().any(|row| row.source.as_str() == "directory"));
    assert!(view.types.rows.iter().all(|row| row.never.is_some() == (row.source.as_str() == "appliance")));
}

#[test]
fn directory_groups_whose_members_are_not_known_are_counted_with_the_rules_that_they_limit() {
    let world = World::of(vec![appliance(), directory()]);
    let said = unchecked(&world);
    let line = said.iter().find(|line| line.starts_with("appliance: the members of")).expect("an item");
    assert!(
        line.starts_with("appliance: the members of 3 directory groups in 2 groups: the source does not expand them")
    );
    assert!(line.contains("40 accounts may be among them") && line.contains("no-group"), "{line}");
    assert!(!said.iter().any(|line| line.starts_with("The group memberships of")), "told once: {said:#?}");
    assert!(world.page().contains("and 2 directory groups whose members are not known here"));
}

#[test]
fn what_is_not_reported_of_services_is_no_gap_and_what_one_product_reports_is_not_said_of_another() {
    let mut appliance = appliance();
    for user in &mut appliance.users {
        user.is_admin = Some(false);
        user.mfa = Some(true);
    }
    let robot = changed(User::new("api-account:1"), |u| {
        u.kind = UserKind::Service;
        u.enabled = Some(true);
        u.groups_known = true;
    });
    appliance.users.push(robot);
    let said = unchecked(&World::of(vec![appliance, directory()]));
    for field in ["last login", "second factor", "administrator flag"] {
        assert!(said.iter().any(|line| line.starts_with(&format!("The {field}: not told by directory:"))), "{said:#?}");
    }
    assert!(!said.iter().any(|line| line.starts_with("The last login of")), "{said:#?}");
}

#[test]
fn a_rule_about_groups_says_how_many_groups_it_ran_over() {
    let mut whole = reading("appliance-eu", 60, 7);
    whole.lists.push(super::tenant::list(ListKind::Members, None, 90, ("complete", "every group's list was read")));
    let view = World::of(vec![whole]).view();
    let ran = |rule: Rule| view.rules.iter().find(|r| r.id == rule.as_str()).map(|r| r.ran.clone());
    assert_eq!(ran(Rule::EmptyGroup).as_deref(), Some("the rule ran over 14 of 14 groups"));
    assert_eq!(ran(Rule::DanglingGroup).as_deref(), Some("the rule ran over 74 of 74 accounts and groups"));
}

#[test]
fn a_hostile_name_stays_text_among_people_too() {
    let hostile = || {
        let mut all = vec![account("1", "</td><script>x</script>", "\u{202e}<b>@example.com")];
        all[0].display_name = Some("<img src=x>".into());
        all
    };
    let page = World::of(vec![product("a", "pra", hostile()), product("b", "rs", hostile())]).page();
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'));
    assert!(page.contains("[U+202E]&#60;b&#62;@example.com"));
}

#[test]
fn a_rule_that_many_sources_leave_open_for_one_reason_is_one_item_and_none_is_left_unsaid() {
    let silent = |n: u64| {
        let mut source = directory();
        source.source.name = format!("directory-{n:02}").as_str().into();
        source
    };
    let said = unchecked(&World::of((0..12).map(silent).collect()));
    let of_rule: Vec<&String> = said.iter().filter(|line| line.contains("(stale-login)")).collect();
    let named = "directory-00, directory-01, directory-02, directory-03, directory-04 and 5 more";
    assert_eq!(
        of_rule[0],
        &format!("Inactive accounts (stale-login) in {named}: the source does not report last logins")
    );
    assert_eq!(
        of_rule[1],
        "Inactive accounts (stale-login) in 2 more sources: why stands in manifest.json, under rules"
    );
}
