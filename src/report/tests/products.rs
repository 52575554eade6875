//! Tests of people with accounts in several products, and of fields that a product does not report.

use super::sample::{World, as_of};
use super::tenant::reading;
use crate::model::{
    Blocked, LastLogin, ListKind, Outside, OutsideMember, ReportedDate, Rule, SourceReading, User, UserKind,
};
use crate::report::{PeopleSection, RuleStatus, Shown};
use chrono::Duration;

/// Returns a complete source of one product with these users.
pub(super) fn product(name: &str, kind: &str, users: Vec<User>) -> SourceReading {
    let mut product = reading(name, users.len() as u64, 7);
    product.source.kind = kind.to_owned();
    product.users = users;
    product
}

pub(super) fn account(id: &str, username: &str, address: &str) -> User {
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

pub(super) fn changed(mut user: User, change: impl FnOnce(&mut User)) -> User {
    change(&mut user);
    user
}

fn people(readings: Vec<SourceReading>) -> PeopleSection {
    World::of(readings).view().people.expect("two sources")
}

/// Returns a line for each person: `address: source/username/state,…; …`.
fn lines(people: &PeopleSection) -> Vec<String> {
    let of_source = |place: &crate::report::PersonInSource| {
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
fn accounts_with_the_same_address_in_two_products_are_one_row() {
    let ada = account("1", "ada", " Ada@Example.com");
    let people = people(vec![
        product("pra", "pra", vec![ada, account("2", "only-here", "b@example.com")]),
        product("vault", "password-safe", vec![account("9", "ada.l", "ada@example.com")]),
    ]);
    assert_eq!(lines(&people), ["ada@example.com: pra/ada/enabled; vault/ada.l/enabled"]);
    let expected = "1 person has accounts in more than one of the 2 sources. \
                    None of them is disabled or blocked in one and active in another.";
    assert_eq!(people.summary, expected);
    assert_eq!(people.people.rows[0].name.as_str(), "ada", "the username if there is no display name");
}

#[test]
fn people_who_are_disabled_in_one_product_and_active_in_another_are_listed_first_then_privileged_ones() {
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
        "eve cannot sign in to either"
    );
    assert!(
        people.summary.starts_with("5 people have accounts in more than one of the 2 sources. 2 of them are disabled")
    );
    assert_eq!(lines(&people)[1], "dan@example.com: pra/dan/enabled; vault/dan/quarantined");
    assert_eq!(lines(&people)[4], "eve@example.com: pra/eve/disabled; vault/eve/expired");
}

#[test]
fn several_accounts_in_one_product_are_one_cell_and_do_not_count_as_two_products() {
    let disabled = |id: &str, name: &str| changed(account(id, name, "a@example.com"), |u| u.enabled = Some(false));
    let pair = || vec![disabled("1", "old"), account("2", "new", "a@example.com")];
    assert!(people(vec![product("pra", "pra", pair()), product("rs", "rs", Vec::new())]).people.is_empty());
    let both = vec![product("pra", "pra", pair()), product("rs", "rs", vec![account("7", "a", "A@example.com")])];
    let people = people(both);
    assert_eq!(lines(&people), ["a@example.com: pra/new/enabled,pra/old/disabled; rs/a/enabled"]);
    assert!(!people.people.rows[0].split, "the person can sign in to the first product with the other account");
}

#[test]
fn service_accounts_and_accounts_without_an_address_are_not_compared() {
    let service = |id: &str| changed(account(id, "robot", "team@example.com"), |u| u.kind = UserKind::Service);
    let nameless = || account("3", "x", "  ");
    let world = World::of(vec![
        product("pra", "pra", vec![service("1"), nameless()]),
        product("rs", "rs", vec![service("2"), nameless()]),
    ]);
    assert!(world.view().people.expect("two sources").people.is_empty());
    let page = world.page();
    assert!(page.contains("No e-mail address occurs in more than one of the 2 sources"));
    assert!(page.contains("No person was recognised."));
}

#[test]
fn a_report_of_one_source_has_no_section_about_people() {
    let world = World::of(vec![reading("appliance-eu", 20, 7)]);
    assert_eq!(world.view().people, None);
    assert!(!world.page().contains("People across products"));
}

#[test]
fn eight_people_are_shown_and_the_file_with_the_others_is_named() {
    let all = |source: &str| {
        let users = (1..=40).map(|n| account(&n.to_string(), &format!("{source}{n}"), &format!("p{n:02}@example.com")));
        product(source, "pra", users.collect())
    };
    let world = World::of(vec![all("pra"), all("rs")]);
    let people = world.view().people.expect("two sources");
    assert_eq!((people.people.rows.len(), people.people.more), (8, 32));
    assert!(world.page().contains("and 32 more in <code>users.csv</code>, by <code>email_address</code>"));
}

#[test]
fn an_incomplete_list_of_users_adds_a_note_about_further_accounts() {
    let page = World::partial().page();
    assert!(page.contains("people may have further accounts there"));
}

#[test]
fn a_person_with_very_many_sources_and_accounts_is_one_short_row() {
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

/// Returns a directory as SCIM reports it: without last login, type, administrator flag and second factor.
fn directory() -> SourceReading {
    let mut directory = reading("directory", 30, 5);
    directory.source.kind = "scim".to_owned();
    for user in &mut directory.users {
        user.last_login = LastLogin::NotReported;
        user.account_type = None;
    }
    directory
}

/// Returns an appliance whose groups contain directory groups.
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
    // The list of members of every policy was read.
    appliance.groups.iter_mut().for_each(|group| group.members_known = Some(true));
    appliance
}

fn unchecked(world: &World) -> Vec<String> {
    world.view().unchecked.rows.iter().map(|item| format!("{}: {}", item.what, item.why)).collect()
}

#[test]
fn a_source_that_reports_no_last_login_is_listed_as_not_evaluated_for_inactivity() {
    let world = World::of(vec![appliance(), directory()]);
    let items = unchecked(&world);
    let expected = "The last login: not reported by directory: inactivity was not evaluated there";
    assert!(items.iter().any(|line| line.starts_with(expected)), "{items:#?}");
    let stale = world.view().rules.into_iter().find(|rule| rule.id == "stale-login").expect("a result");
    assert_eq!(stale.status, RuleStatus::Findings);
    assert!(stale.gaps.rows.iter().any(|gap| gap.why.as_str() == "the source does not report last logins"));
}

#[test]
fn groups_and_types_of_a_source_without_last_logins_show_no_number_of_inactive_accounts() {
    let view = World::of(vec![appliance(), directory()]).view();
    let groups = view.groups.groups.rows.iter();
    assert!(groups.clone().all(|row| row.stale.is_some() == (row.source.as_str() == "appliance")));
    assert!(groups.clone().any(|row| row.source.as_str() == "directory"));
    assert!(view.types.rows.iter().all(|row| row.never.is_some() == (row.source.as_str() == "appliance")));
}

#[test]
fn directory_groups_with_unknown_members_are_counted_with_the_rules_that_they_limit() {
    let world = World::of(vec![appliance(), directory()]);
    let items = unchecked(&world);
    let line = items.iter().find(|line| line.starts_with("appliance: the members of")).expect("an item");
    assert!(
        line.starts_with(
            "appliance: the members of 3 directory groups in 2 groups: the source does not report who is in"
        )
    );
    assert!(line.contains("40 accounts may be among them") && line.contains("no-group"), "{line}");
    assert!(!items.iter().any(|line| line.starts_with("The group memberships of")), "it is one item: {items:#?}");
    assert!(world.page().contains("and 2 directory groups whose members are not known<"));
}

#[test]
fn fields_missing_for_service_accounts_are_no_gap_and_each_source_is_named_on_its_own() {
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
    let items = unchecked(&World::of(vec![appliance, directory()]));
    for field in ["last login", "second factor", "administrator flag"] {
        assert!(
            items.iter().any(|line| line.starts_with(&format!("The {field}: not reported by directory:"))),
            "{items:#?}"
        );
    }
    assert!(!items.iter().any(|line| line.starts_with("The last login of")), "{items:#?}");
}

#[test]
fn a_rule_about_groups_shows_how_many_groups_were_evaluated() {
    let mut whole = reading("appliance-eu", 60, 7);
    whole.lists.push(super::tenant::list(ListKind::Members, None, 90, ("complete", "every group's list was read")));
    let view = World::of(vec![whole]).view();
    let evaluated = |rule: Rule| view.rules.iter().find(|r| r.id == rule.as_str()).map(|r| r.evaluated.clone());
    assert_eq!(evaluated(Rule::EmptyGroup).as_deref(), Some("14 of 14 groups were evaluated"));
    assert_eq!(evaluated(Rule::DanglingGroup).as_deref(), Some("74 of 74 accounts and groups were evaluated"));
}

#[test]
fn markup_in_a_name_is_escaped_in_the_section_about_people() {
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
fn a_rule_that_many_sources_cannot_evaluate_for_one_reason_names_the_reason_once() {
    let without_logins = |n: u64| {
        let mut source = directory();
        source.source.name = format!("directory-{n:02}").as_str().into();
        source
    };
    let view = World::of((0..12).map(without_logins).collect()).view();
    let stale = view.rules.iter().find(|rule| rule.id == "stale-login").unwrap();
    let named = "directory-00, directory-01, directory-02, directory-03, directory-04 and 7 more";
    let reasons: Vec<&str> = stale.reasons.rows.iter().map(Shown::as_str).collect();
    assert_eq!(reasons, [format!("{named}: not evaluated, because the source does not report last logins")]);
}
