//! Tests of rows by person: findings and changes of one person in several products are one row.

use super::products::{account, changed, product};
use super::sample::{World, as_of};
use crate::model::{FindingStatus, LastLogin, Rule, SourceReading, SubjectKind, User, UserKind};
use crate::report::Shown;
use chrono::Duration;

fn stale(id: &str, name: &str, address: &str) -> User {
    changed(account(id, name, address), |user| user.last_login = LastLogin::At(as_of() - Duration::days(200)))
}

/// Returns a world of these sources in which every finding is about an account.
fn accounts_of(sources: Vec<SourceReading>) -> World {
    let mut world = World::of(sources);
    world.findings.retain(|finding| finding.subject.kind == SubjectKind::User);
    world
}

fn names(all: &[Shown]) -> Vec<&str> {
    all.iter().map(Shown::as_str).collect()
}

#[test]
fn findings_of_a_person_in_three_products_are_one_row_with_the_products() {
    let products = [("pra", "1"), ("rs", "2"), ("vault", "3")]
        .map(|(source, id)| product(source, "pra", vec![stale(id, "ada", "Ada@example.com")]));
    let world = accounts_of(products.into());
    let top = world.view().top;
    assert_eq!((top.rows.len(), top.more), (1, 0));
    let row = &top.rows[0];
    assert_eq!((row.name.name.as_str(), row.name.under.as_str()), ("ada", "ada@example.com"));
    assert_eq!(row.findings.rows.len(), 1, "one entry for the rule");
    let variants = &row.findings.rows[0].variants;
    assert_eq!((variants.rows.len(), variants.rows[0].sources.as_str()), (1, "3 sources"));
    assert_eq!(names(&row.accounts.rows), ["ada in pra, rs, vault"]);
    assert!(world.page().contains("in <bdi>3 sources</bdi>"));
}

#[test]
fn findings_of_a_rule_are_merged_only_if_severity_history_and_fact_are_equal() {
    let administrator = changed(stale("1", "ada", "ada@example.com"), |user| user.is_admin = Some(true));
    let mut world = accounts_of(vec![
        product("pra", "pra", vec![administrator]),
        product("rs", "rs", vec![stale("2", "ada", "ada@example.com")]),
        product("vault", "pra", vec![stale("3", "ada", "ada@example.com")]),
    ]);
    world.findings.retain(|finding| finding.rule == Rule::StaleLogin);
    let last = world.findings.iter_mut().find(|finding| finding.source.as_str() == "vault").unwrap();
    (last.status, last.first_seen) = (FindingStatus::Open, as_of() - Duration::days(40));
    let row = world.view().top.rows.remove(0);
    let variants = &row.findings.rows[0].variants.rows;
    let said: Vec<_> = variants.iter().map(|v| (v.severity, v.history.as_str(), v.sources.as_str())).collect();
    let since = "open since 2026-10-14, past due";
    assert_eq!(said, [("high", "new", "pra"), ("medium", "new", "rs"), ("medium", since, "vault")]);
    assert_ne!(variants[0].fact, variants[1].fact, "the thresholds differ");
    assert_eq!(names(&row.tags), ["privileged in pra"]);
    assert_eq!((row.due.as_deref(), row.is_past_due), (Some("2026-11-30"), false), "that of the most severe finding");
}

#[test]
fn variants_that_a_row_does_not_show_are_counted_as_findings() {
    let of = |days| changed(stale("1", "ada", "ada@example.com"), |u| u.last_login = LastLogin::At(as_of() - days));
    let sources = (0..5).map(|n| product(&format!("s{n}"), "pra", vec![of(Duration::days(200 + n))]));
    let world = accounts_of(sources.collect());
    let row = world.view().top.rows.remove(0);
    assert_eq!((row.findings.rows[0].variants.rows.len(), row.findings.rows[0].variants.more), (3, 2));
    assert!(world.page().contains("and 2 more findings of this rule"));
}

#[test]
fn accounts_without_a_person_have_rows_of_their_own() {
    let source = |name: &str| {
        let emergency = changed(stale("4", "emergency-1", "team@example.com"), |user| {
            (user.kind, user.display_name) = (UserKind::BreakGlass, Some("Emergency One".into()));
        });
        let nameless = changed(stale("5", "anyone", ""), |user| user.email_address = None);
        product(name, "pra", vec![emergency, nameless])
    };
    let top = accounts_of(vec![source("pra"), source("rs")]).view().top;
    let rows: Vec<_> = top.rows.iter().map(|row| (row.name.name.as_str(), row.name.under.as_str())).collect();
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert!(rows.contains(&("Emergency One", "emergency-1, account id 4 in pra")), "{rows:?}");
    assert!(rows.contains(&("anyone", "account id 5 in rs")), "{rows:?}");
}

#[test]
fn twenty_people_are_listed_and_the_others_counted() {
    let everybody = |source: &str| {
        let users = (0..40).map(|n| stale(&n.to_string(), &format!("p{n}"), &format!("p{n}@example.com")));
        product(source, "pra", users.collect())
    };
    let world = accounts_of(vec![everybody("pra"), everybody("rs")]);
    let top = world.view().top;
    assert_eq!((top.rows.len(), top.more), (20, 20));
    assert!(world.page().contains("and 20 more people, accounts and groups in <code>findings.csv</code>"));
}

/// Returns a product in which the groups have ids of their own.
fn numbered(name: &str, shift: u64, users: Vec<User>) -> SourceReading {
    let mut source = product(name, "pra", users);
    for (number, group) in (1u64..).zip(&mut source.groups) {
        group.id = (shift + number).to_string().into();
    }
    source
}

#[test]
fn one_promotion_in_three_products_is_one_line_with_its_products() {
    let products = |promoted: bool| {
        let of = |(name, shift): (&str, u64)| {
            let group = shift + if promoted { 1 } else { 4 };
            let ada = changed(account("7", "ada", "ada@example.com"), |user| {
                user.group_memberships = [group.to_string().into()].into();
            });
            numbered(name, shift, vec![ada])
        };
        [("pra", 0), ("rs", 100), ("vault", 200)].map(of).into()
    };
    let changes = World::after(products(false), products(true)).view().changes;
    assert_eq!((changes.rows.rows.len(), changes.rows.more), (1, 0), "{:?}", changes.rows);
    let row = &changes.rows.rows[0];
    assert!(row.privileged && row.severity == "high" && row.name.under.as_str() == "ada@example.com");
    let facts: Vec<_> = row.facts.rows.iter().map(|fact| (fact.fact.as_str(), fact.sources.as_str())).collect();
    assert_eq!(facts[0], ("added to privileged group \"Administrators\"", "3 sources"));
    assert_eq!(facts[1], ("removed from group \"Network Operations\"", "3 sources"));
}

#[test]
fn a_person_who_left_every_product_is_one_row() {
    let with = |users: fn() -> Vec<User>| vec![product("pra", "pra", users()), product("rs", "rs", users())];
    let everybody = || vec![account("1", "ada", "ada@example.com"), account("2", "ben", "Ben@example.com ")];
    let changes = World::after(with(everybody), with(|| vec![account("1", "ada", "ada@example.com")])).view().changes;
    assert_eq!(changes.rows.rows.len(), 1, "{:?}", changes.rows);
    let row = &changes.rows.rows[0];
    assert_eq!((row.name.name.as_str(), row.name.under.as_str()), ("ben", "ben@example.com"));
    assert!(row.facts.rows.iter().all(|fact| fact.sources.as_str() == "pra and rs"), "{:?}", row.facts);
}
