//! Rows over several runs: their first and last run, values that were not read, and sources that are removed or
//! replaced.

use super::*;

fn drifted() -> Coverage {
    Coverage::Drifted { why: String::new() }
}

fn failed() -> Coverage {
    Coverage::Failed { error: String::new() }
}

fn with_users(coverage: Coverage, users: Vec<User>) -> Inventory {
    let mut source_reading = source(users, vec![]);
    source_reading.lists[0].coverage = coverage;
    one(source_reading)
}

/// Reads one source once a day. Returns the kinds of each day's changes, and the last state.
fn days(readings: Vec<Inventory>) -> (Vec<Vec<&'static str>>, SettledRun) {
    let mut readings = readings.into_iter();
    let mut kept = SettledRun::first(readings.next().unwrap(), "run-0", day(0));
    let mut changes = Vec::new();
    for (reading, number) in readings.zip(1..) {
        let run_id = format!("run-{number}");
        let mut advanced = kept.read(reading, &run_id, day(number));
        changes.push(advanced.changes.iter().map(|change| change.kind.as_str()).collect());
        advanced.settle();
        kept = SettledRun::of(advanced.inventory, &run_id, day(number));
    }
    (changes, kept)
}

/// Returns the id and the first and last day of every user.
fn seen_days(kept: &SettledRun) -> Vec<(&str, i64, i64)> {
    let number = |at: Instant| (at - day(0)).num_days();
    let users = kept.state.sources[0].reading.users.iter();
    users
        .map(|user| (user.id.as_str(), user.seen.unwrap()))
        .map(|(id, seen)| (id, number(seen.first), number(seen.confirmed)))
        .collect()
}

fn two() -> Vec<User> {
    vec![User::new("1"), User::new("2")]
}

#[test]
fn a_row_records_the_first_and_the_last_run_that_read_it() {
    let later = || [two(), vec![User::new("3")]].concat();
    let (changes, kept) = days(vec![
        with_users(proven(), two()),
        with_users(proven(), later()),
        with_users(drifted(), vec![User::new("1")]),
        with_users(failed(), vec![User::new("1")]),
    ]);
    assert_eq!(seen_days(&kept), [("1", 0, 2), ("2", 0, 1), ("3", 1, 1)]);
    assert_eq!(changes, [vec!["user.added"], vec!["user.unconfirmed", "user.unconfirmed"], vec![]]);
    let known = &kept.state.sources[0].known;
    let users = (known.proven_at(ListKind::Users), known.confirmed_at, known.baseline_at, known.unconfirmed_rows);
    assert_eq!(users, (Some(day(1)), Some(day(1)), Some(day(0)), 3));
}

#[test]
fn an_account_missing_from_a_drifted_list_is_reported_once_while_the_list_drifts() {
    let missing = || with_users(drifted(), vec![User::new("1")]);
    let (changes, _) =
        days(vec![with_users(proven(), two()), missing(), missing(), missing(), with_users(proven(), two())]);
    assert_eq!(changes, [vec!["user.unconfirmed"], vec![], vec![], vec![]]);
    let (changes, kept) =
        days(vec![with_users(proven(), two()), missing(), with_users(proven(), vec![User::new("1")])]);
    assert_eq!((changes[1].clone(), seen_days(&kept).len()), (vec!["user.removed"], 1));
}

#[test]
fn a_missing_account_is_reported_after_an_outage_and_only_once_for_two_runs_at_the_same_time() {
    let missing = || with_users(drifted(), vec![User::new("1")]);
    let (changes, kept) = days(vec![with_users(proven(), two()), with_users(failed(), vec![]), missing(), missing()]);
    assert_eq!(changes, [vec![], vec!["user.unconfirmed"], vec![]]);
    assert_eq!(kept.state.sources[0].reading.users[1].rare.unconfirmed_since, Some(day(2)));
    let first = SettledRun::first(with_users(proven(), two()), "0", day(0));
    let mut again = first.read(missing(), "1", day(0));
    again.settle();
    let kept = SettledRun::of(again.inventory, "1", day(0));
    assert_eq!((again.changes.len(), kept.read(missing(), "2", day(0)).changes.len()), (1, 0));
}

#[test]
fn a_record_that_is_read_for_the_first_time_changes_no_field() {
    let reading = |coverage: Coverage, new: User| {
        let mut source_reading =
            source(vec![User { last_login: LastLogin::At(day(-9)), ..User::new("1") }, new], vec![]);
        source_reading.lists.push(list(ListKind::UserDetails, coverage));
        one(source_reading)
    };
    let unread = || User::new("2");
    let read = |email: &str| User {
        last_login: LastLogin::At(day(-1)),
        email_address: Some(email.into()),
        groups_known: true,
        group_memberships: Box::new(["7".into()]),
        ..User::new("2")
    };
    let mut first = source(vec![User { last_login: LastLogin::At(day(-9)), ..User::new("1") }], vec![]);
    first.lists.push(list(ListKind::UserDetails, proven()));
    let (changes, kept) = days(vec![
        one(first),
        reading(failed(), unread()),
        reading(proven(), read("a@b")),
        reading(proven(), read("c@d")),
    ]);
    // The new account had no group before; whether its address is new is unknown.
    assert_eq!(changes, [vec!["user.added"], vec!["membership.added"], vec!["user.changed"]]);
    assert_eq!(kept.state.sources[0].reading.users[1].groups_confirmed, Some(day(3)));
}

#[test]
fn a_user_missing_from_the_user_list_but_named_by_a_group_stays_in_the_group() {
    let reading = |coverage: Coverage, is_listed: bool| {
        let member = || User { group_memberships: Box::new(["7".into()]), groups_known: true, ..User::new("1") };
        let mut source_reading = source(is_listed.then(member).into_iter().collect(), vec![Group::new("7")]);
        source_reading.lists[0].coverage = coverage;
        source_reading.lists.push(list(ListKind::Members, proven()));
        if !is_listed {
            source_reading.outside = vec![Outside { group_id: "7".into(), member: OutsideMember::Missing("1".into()) }];
        }
        one(source_reading)
    };
    let (changes, kept) = days(vec![reading(proven(), true), reading(drifted(), false)]);
    assert_eq!(changes, [vec!["user.unconfirmed"]]);
    let source_inventory = &kept.state.sources[0];
    assert_eq!(*source_inventory.reading.users[0].group_memberships, ["7".into()]);
    assert_eq!((source_inventory.reading.outside.len(), source_inventory.memberships.len()), (0, 1));
    assert_eq!(
        source_inventory.seen(&source_inventory.memberships[0]),
        Some(SeenInterval { first: day(0), confirmed: day(1) })
    );
}

#[test]
fn a_hidden_account_that_becomes_visible_is_not_added_even_after_a_day_without_a_reading() {
    let reading = |coverage: Coverage, hides: bool, users: Vec<User>| {
        let mut source_reading = source(users, vec![Group::new("7")]);
        source_reading.lists[0].coverage = coverage;
        source_reading.lists.push(list(ListKind::Members, proven()));
        source_reading.hides_inactive = hides;
        one(source_reading)
    };
    let hidden = || User { group_memberships: Box::new(["7".into()]), groups_known: true, ..User::new("2") };
    let (changes, _) = days(vec![
        reading(proven(), true, vec![User::new("1")]),
        reading(failed(), false, vec![]),
        reading(proven(), false, vec![User::new("1"), hidden()]),
    ]);
    assert_eq!(changes, [vec![""; 0], vec![""; 0]]);
}

#[test]
fn memberships_in_users_own_records_do_not_depend_on_the_group_list() {
    let reading = |coverage: Coverage, groups: &[&str]| {
        let memberships = groups.iter().map(|id| (*id).into()).collect();
        let user = User { group_memberships: memberships, groups_known: true, ..User::new("1") };
        let mut source_reading = source(vec![user], vec![Group::new("7"), Group::new("8")]);
        source_reading.lists[1].coverage = coverage;
        one(source_reading)
    };
    let (changes, _) = days(vec![reading(failed(), &["7"]), reading(proven(), &["8"]), reading(proven(), &["7", "8"])]);
    assert_eq!(changes, [vec!["membership.added", "membership.removed"], vec!["membership.added"]]);
}

#[test]
fn the_first_complete_reading_of_a_list_is_its_baseline() {
    let (changes, kept) = days(vec![
        with_users(drifted(), vec![User::new("1"), User::new("9")]),
        with_users(failed(), vec![]),
        with_users(proven(), two()),
        with_users(proven(), vec![User::new("1"), User::new("2"), User::new("3")]),
    ]);
    assert_eq!(changes, [vec![], vec![], vec!["user.added"]]);
    assert_eq!(seen_days(&kept), [("1", 0, 3), ("2", 2, 3), ("3", 3, 3)]);
}

#[test]
fn an_unread_value_keeps_its_last_known_value_and_a_later_change_is_still_emitted() {
    let user = |enabled: Option<bool>, odd: bool, email: Option<&str>| User {
        enabled,
        has_odd_values: odd,
        email_address: email.map(Text::from),
        ..User::new("1")
    };
    let reading = |user: User| with_users(proven(), vec![user]);
    let (changes, kept) = days(vec![
        reading(user(Some(true), false, Some("a"))),
        reading(user(None, true, None)),
        reading(user(Some(false), false, Some("a"))),
        reading(user(Some(false), false, None)),
    ]);
    assert_eq!(changes, [vec![], vec!["user.disabled"], vec!["user.changed"]]);
    let user = &kept.state.sources[0].reading.users[0];
    assert_eq!((user.enabled, &user.email_address), (Some(false), &None));
}

#[test]
fn an_account_or_group_with_an_unread_name_keeps_its_classification() {
    let classes = Classes {
        break_glass: vec![Pattern::parse("glob:emergency-*").unwrap()],
        privileged_groups: vec![Pattern::parse("Admins").unwrap()],
        ..Classes::default()
    };
    let reading = |name: Option<&str>, login: LastLogin| {
        let user = User {
            username: name.map(|_| "emergency-1".into()),
            is_admin: name.map(|_| true),
            has_odd_values: name.is_none(),
            last_login: login,
            ..User::new("1")
        };
        let group = Group { name: name.map(Text::from), ..Group::new("7") };
        Inventory::join(vec![source(vec![user], vec![group])], &classes)
    };
    let never = || LastLogin::Never { sentinel: None };
    let kept = SettledRun::first(reading(Some("Admins"), never()), "0", day(0));
    let mut odd = kept.read(reading(None, LastLogin::Unreadable("soon".into())), "1", day(1));
    assert_eq!(odd.changes, []);
    let source_inventory = &odd.inventory.sources[0];
    let user = &source_inventory.reading.users[0];
    assert_eq!((user.kind, user.is_admin, user.name()), (UserKind::BreakGlass, Some(true), Some("emergency-1")));
    assert!(source_inventory.reading.groups[0].privileged && odd.since[0].logins.len() == 1);
    assert_eq!(user.last_login, LastLogin::Unreadable("soon".into()), "rules use the login as it was read");
    odd.settle();
    assert_eq!(odd.inventory.sources[0].reading.users[0].last_login, never());
}

#[test]
fn failed_details_leave_login_creation_and_memberships_unchanged() {
    let at = || day(-9);
    let full = || User {
        last_login: LastLogin::At(at()),
        created_at: ReportedDate::At(at()),
        group_memberships: Box::new(["1".into()]),
        groups_known: true,
        ..User::new("1")
    };
    let reading = |user: User, coverage: Coverage| {
        let mut source_reading = source(vec![user], vec![Group::new("1")]);
        source_reading.lists.push(list(ListKind::UserDetails, coverage));
        one(source_reading)
    };
    let (changes, kept) = days(vec![reading(full(), proven()), reading(User::new("1"), failed())]);
    assert_eq!(changes, [Vec::<&str>::new()]);
    let source_inventory = &kept.state.sources[0];
    let user = &source_inventory.reading.users[0];
    assert_eq!((&user.last_login, &user.created_at), (&LastLogin::At(at()), &ReportedDate::At(at())));
    assert_eq!(
        (user.seen.unwrap().confirmed, user.groups_known, &*user.group_memberships),
        (day(1), false, &["1".into()][..])
    );
    let seen = source_inventory.memberships.iter().map(|it| source_inventory.seen(it).unwrap().confirmed);
    assert_eq!(seen.collect::<Vec<_>>(), [day(0)]);
}

#[test]
fn unreadable_members_of_one_group_are_kept_while_other_groups_are_updated() {
    let reading = |known: bool, members: &[(&str, &str)]| {
        let mut groups = vec![Group::new("1"), Group::new("2")];
        (groups[0].members_known, groups[1].members_known) = (Some(known), Some(true));
        let of = |id: &str| members.iter().filter(|(user, _)| *user == id).map(|(_, group)| (*group).into()).collect();
        let user = |id: &str| User { group_memberships: of(id), groups_known: known, ..User::new(id) };
        let mut source_reading = source(vec![user("1"), user("2")], groups);
        source_reading.lists.push(list(ListKind::Members, if known { proven() } else { failed() }));
        one(source_reading)
    };
    let (changes, kept) = days(vec![
        reading(true, &[("1", "1"), ("2", "2")]),
        reading(false, &[("1", "2")]),
        reading(true, &[("1", "1"), ("2", "1"), ("1", "2")]),
    ]);
    let second = vec!["membership.added", "membership.removed"];
    assert_eq!(changes, [second, vec!["membership.added"]]);
    let number = |at: Instant| (at - day(0)).num_days();
    let intervals = kept.state.sources[0].memberships.iter().map(|it| kept.state.sources[0].seen(it).unwrap());
    assert_eq!(
        intervals.map(|seen| (number(seen.first), number(seen.confirmed))).collect::<Vec<_>>(),
        [(0, 2), (2, 2), (1, 2)]
    );
}

#[test]
fn an_enabled_account_keeps_the_date_of_that_change_until_it_signs_in_or_is_disabled() {
    let reading = |enabled: bool, last_login: Option<i64>| {
        let last_login = last_login.map_or(LastLogin::Never { sentinel: None }, |number| LastLogin::At(day(number)));
        with_users(proven(), vec![User { enabled: Some(enabled), last_login, ..User::new("1") }])
    };
    let since = |readings: Vec<Inventory>| days(readings).1.state.sources[0].reading.users[0].rare.enabled_since;
    let off = || reading(false, None);
    assert_eq!(since(vec![reading(true, None), reading(true, None)]), None);
    assert_eq!(since(vec![off(), reading(true, None)]), Some(day(1)));
    assert_eq!(since(vec![off(), reading(true, None), reading(true, None)]), Some(day(1)));
    assert_eq!(since(vec![off(), reading(true, Some(-3)), with_users(failed(), vec![])]), Some(day(1)));
    assert_eq!(since(vec![off(), reading(true, None), reading(true, Some(2))]), None);
    assert_eq!(since(vec![off(), reading(true, None), off()]), None);
}

#[test]
fn a_source_that_is_no_longer_configured_is_dropped_and_one_with_another_kind_or_host_starts_anew() {
    let named = |name: &str, kind: &str, url: &str, users: Vec<User>| {
        let mut source_reading = source(users, vec![Group::new("1")]);
        (source_reading.source.name, source_reading.source.kind, source_reading.source.url) =
            (name.into(), kind.to_owned(), url.to_owned());
        source_reading
    };
    let eu = |kind: &str, url: &str, users| one(named("eu", kind, url, users));
    let before = SettledRun::first(eu("pra", "https://a:443/x", two()), "run-0", day(0));
    let dropped = |reading: Inventory| {
        let advanced = before.read(reading, "run-1", day(1));
        assert_eq!(advanced.changes, []);
        let known = advanced.inventory.sources[0].known.first_seen;
        (advanced.dropped.into_values().map(|dropped| (dropped.is_another, dropped.rows)).collect::<Vec<_>>(), known)
    };
    let gone = one(named("us", "pra", "https://a", vec![]));
    assert_eq!(dropped(gone), (vec![(false, 3)], Some(day(1))));
    assert_eq!(dropped(eu("rs", "https://a", vec![User::new("7")])), (vec![(true, 3)], Some(day(1))));
    assert_eq!(dropped(eu("pra", "https://b", vec![User::new("7")])), (vec![(true, 3)], Some(day(1))));
    assert_eq!(dropped(eu("pra", "https://A:8443", two())), (vec![], Some(day(0))), "the same host with another port");
}

#[test]
fn times_do_not_move_backwards_after_a_clock_that_was_ahead() {
    let reading = || with_users(proven(), two());
    let ahead = SettledRun::first(reading(), "ahead", day(400));
    let mut advanced = ahead.read(with_users(proven(), [two(), vec![User::new("3")]].concat()), "now", day(1));
    advanced.settle();
    let kept = SettledRun::of(advanced.inventory, "now", day(1));
    assert_eq!(seen_days(&kept), [("1", 400, 400), ("2", 400, 400), ("3", 1, 1)]);
    let known = &kept.state.sources[0].known;
    assert_eq!((known.confirmed_at, known.first_seen), (Some(day(400)), Some(day(400))));
}
