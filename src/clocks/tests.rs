//! Clocks of single accounts over a few runs, with people named by what becomes of them.

use super::*;
use crate::diff::{self, Side};
use crate::model::{Classes, Coverage, Harvest, LastLogin, ListKind, ListReport, SourceIdentity, Told};
use chrono::TimeDelta;

fn day(number: i64) -> Instant {
    let first: Instant = "2026-11-01T02:00:00Z".parse().unwrap();
    first + TimeDelta::days(number)
}

/// Enabled, never used, and nobody tells when it was made.
fn untold(id: &str) -> User {
    User { enabled: Some(true), last_login: LastLogin::Never { sentinel: None }, groups_known: true, ..User::new(id) }
}

fn with(user: User, change: impl FnOnce(&mut User)) -> User {
    let mut user = user;
    change(&mut user);
    user
}

fn disabled(id: &str) -> User {
    with(untold(id), |user| {
        user.enabled = Some(false);
        user.created_at = Told::At(day(-900));
    })
}

fn enabled(id: &str) -> User {
    with(disabled(id), |user| user.enabled = Some(true))
}

fn inventory(users: Vec<User>, is_proven: bool) -> Inventory {
    let coverage = if is_proven {
        Coverage::Complete { proof: "all".to_owned() }
    } else {
        Coverage::Drifted { why: "it moved".to_owned() }
    };
    let list = |kind, coverage| ListReport::of_rows(kind, 0, coverage);
    let lists =
        vec![list(ListKind::Users, coverage), list(ListKind::Groups, Coverage::Complete { proof: "none".to_owned() })];
    let identity =
        SourceIdentity { name: "eu".into(), kind: "rest-v3".to_owned(), url: String::new(), client_id: String::new() };
    Inventory::join(vec![Harvest { users, lists, ..Harvest::of(identity) }], &Classes::default())
}

/// Runs over days: each compares with the last proven one.
#[derive(Default)]
struct Tenant {
    clocks: Clocks,
    base: Inventory,
}

impl Tenant {
    fn live(&mut self, number: i64, users: Vec<User>, is_proven: bool) -> &Clocks {
        let now = inventory(users, is_proven);
        let (old, new) = (Side { run_id: "old", inventory: &self.base }, Side { run_id: "new", inventory: &now });
        let changes = diff::between(old, new).changes;
        self.clocks = self.clocks.after(&now, &changes, day(number), |_| true);
        assert_eq!(Clocks::read(&self.clocks.to_lines()).as_ref(), Ok(&self.clocks), "it is read as it is written");
        if is_proven {
            self.base = now;
        }
        &self.clocks
    }

    fn of(&self, id: &str) -> (Option<Instant>, Option<Instant>) {
        let Clock { first_seen, enabled_again } =
            self.clocks.of_source(&"eu".into()).and_then(|of| of.get(&id.into())).copied().unwrap_or_default();
        (first_seen, enabled_again)
    }
}

#[test]
fn an_account_that_tells_no_date_is_known_since_the_first_run_that_saw_it() {
    let mut tenant = Tenant::default();
    tenant.live(0, vec![untold("untold")], true);
    tenant.live(1, vec![untold("untold"), untold("newcomer")], true);
    tenant.live(2, vec![untold("untold"), untold("newcomer")], true);
    assert_eq!((tenant.of("untold").0, tenant.of("newcomer").0), (Some(day(0)), Some(day(1))));
    // A login that is told for a while, as when a server's detail is lost, does not make it younger.
    let used = with(untold("untold"), |user| user.last_login = LastLogin::At(day(2)));
    tenant.live(3, vec![used, untold("newcomer")], true);
    tenant.live(4, vec![untold("untold")], true);
    assert_eq!((tenant.of("untold").0, tenant.of("newcomer").0), (Some(day(0)), None), "who is gone is forgotten");
    let made = with(untold("untold"), |user| user.created_at = Told::At(day(-900)));
    assert!(tenant.live(5, vec![made], true).is_empty(), "a creation that is told needs no clock");
}

#[test]
fn a_list_that_may_lack_rows_forgets_nobody() {
    let mut tenant = Tenant::default();
    tenant.live(0, vec![untold("untold")], true);
    tenant.live(1, vec![], false);
    assert_eq!(tenant.of("untold").0, Some(day(0)));
    tenant.live(2, vec![untold("untold")], true);
    assert_eq!(tenant.of("untold").0, Some(day(0)));
}

#[test]
fn the_clock_of_an_account_that_is_enabled_again_runs_from_the_run_that_saw_it_until_a_login() {
    let mut tenant = Tenant::default();
    tenant.live(0, vec![disabled("back"), enabled("always")], true);
    tenant.live(1, vec![enabled("back"), enabled("always")], true);
    assert_eq!((tenant.of("back").1, tenant.of("always").1), (Some(day(1)), None));
    tenant.live(2, vec![enabled("back")], true);
    assert_eq!(tenant.of("back").1, Some(day(1)), "it stays");
    let used = with(enabled("back"), |user| user.last_login = LastLogin::At(day(2)));
    assert!(tenant.live(3, vec![used], true).is_empty(), "its own login counts from now on");
}

#[test]
fn an_account_that_is_disabled_again_and_back_once_more_starts_anew() {
    let mut tenant = Tenant::default();
    tenant.live(0, vec![disabled("back")], true);
    tenant.live(1, vec![enabled("back")], true);
    tenant.live(2, vec![disabled("back")], true);
    assert_eq!(tenant.of("back").1, None);
    tenant.live(3, vec![enabled("back")], true);
    assert_eq!(tenant.of("back").1, Some(day(3)));
}

#[test]
fn what_a_run_that_was_not_proven_saw_first_is_not_seen_anew_by_the_next() {
    let mut tenant = Tenant::default();
    tenant.live(0, vec![disabled("back")], true);
    tenant.live(1, vec![enabled("back")], false);
    tenant.live(2, vec![enabled("back")], true);
    assert_eq!(tenant.of("back").1, Some(day(1)));
}

#[test]
fn a_source_that_is_not_configured_any_more_is_forgotten_and_one_that_was_not_read_is_not() {
    let mut tenant = Tenant::default();
    let clocks = tenant.live(0, vec![untold("untold")], true).clone();
    let nothing = Inventory::default();
    assert_eq!(clocks.after(&nothing, &[], day(1), |_| true), clocks);
    assert!(clocks.after(&nothing, &[], day(1), |_| false).is_empty());
}

#[test]
fn a_line_that_is_none_is_named() {
    let error = Clocks::read("{\"source\":\"eu\",\"id\":\"1\"}\n{\"source\":1}\n").unwrap_err();
    assert!(error.starts_with("line 2: "), "{error}");
}
