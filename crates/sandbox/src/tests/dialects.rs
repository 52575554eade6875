//! Every dialect: the responses, seen from outside, and the oracle's expectation, with results worked out by hand.

mod lists;
mod safe;
mod scim;
mod values;
mod wording;

use super::password_safe::SafeClient;
use super::*;
use crate::details::UserDetails;
use crate::dialect::Loss;
use crate::{Dialect, Expect, Expected, ExternalMember, Provider, Surface, Vendor};
use reqwest::header::HeaderMap;
use std::collections::BTreeSet;

const SAFE: &str = "/BeyondTrust/api/public/v3";

fn faults(dialects: &[Dialect]) -> Faults {
    Faults { dialects: dialects.iter().copied().collect(), ..Faults::default() }
}

fn sandbox_with(world: World, dialects: &[Dialect]) -> Sandbox {
    sandbox(world, faults(dialects))
}

fn expect(surface: Surface, dialects: &[Dialect]) -> Expect {
    Expect { surface, dialects: dialects.iter().copied().collect(), ..Expect::usual("eu", as_of()) }
}

/// Returns what the oracle expects of a world.
fn expected(world: &World, surface: Surface, dialects: &[Dialect]) -> Expected {
    world.expected(&expect(surface, dialects))
}

/// Returns status, headers and body, unparsed.
async fn raw(request: RequestBuilder) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, response.bytes().await.unwrap().to_vec())
}

/// Returns the JSON of a path of the guide, the Configuration API or SCIM, in one dialect.
fn served(world: World, dialect: Dialect, path: &str) -> Value {
    let sandbox = sandbox_with(world, &[dialect]);
    block_on(async {
        let (status, body) = ApiClient::of(&sandbox).await.get(path).await;
        assert_eq!(status, 200, "{body}");
        body
    })
}

/// Returns the JSON of a path of Password Safe, in one dialect.
fn served_by_safe(world: World, dialect: Dialect, path: &str) -> Value {
    let sandbox = sandbox_with(world, &[dialect]);
    block_on(async {
        let mut safe_client = SafeClient::with_key(&sandbox);
        safe_client.sign_in().await;
        let (status, body) = safe_client.get(path).await;
        assert_eq!(status, 200, "{body}");
        body
    })
}

fn paths(surface: Surface) -> &'static [&'static str] {
    match surface {
        Surface::Guide => &["users", "users?offset=9", "users/30", "groups", "groups?offset=9"],
        Surface::Pra | Surface::Rs => &[
            "user",
            "user?current_page=9",
            "user/30",
            "group-policy",
            "group-policy/1/member",
            "group-policy/2/member",
            "group-policy/4/member",
            "vendor",
            "vendor/1/user",
        ],
        Surface::PasswordSafe => &[
            "Users",
            "Users?includeInactive=true",
            "Users/30",
            "UserGroups",
            "UserGroups/1/Users",
            "UserGroups/2/Users",
            "UserGroups/3/Users",
            "UserGroups/4/Users",
            "Users/30/UserGroups",
            "Users/40/UserGroups",
        ],
        Surface::Scim => &["Users", "Users?startIndex=99", "Users/30", "Groups", "Groups/2", "Groups/3"],
    }
}

/// The responses to a list of requests: status, body, total by header.
type Answers = Vec<(u16, Vec<u8>, String)>;

fn crawl(world: &World, surface: Surface, dialects: &[Dialect]) -> Answers {
    crawl_each(world, surface, &[dialects.to_vec()]).remove(0)
}

/// Returns every response of an interface for each of these sets of dialects. Tokens and sessions are taken without
/// dialects.
///
/// A body that is JSON is normalised, because the order of its keys does not matter.
fn crawl_each(world: &World, surface: Surface, sets: &[Vec<Dialect>]) -> Vec<Answers> {
    let sandbox = sandbox(world.clone(), Faults::default());
    block_on(async {
        let (client, mut safe_client) = (ApiClient::of(&sandbox).await, SafeClient::with_key(&sandbox));
        safe_client.sign_in().await;
        let mut crawled = Vec::new();
        for dialects in sets {
            sandbox.set_faults(Faults { rs: surface == Surface::Rs, ..faults(dialects) });
            let mut answers = Vec::new();
            for path in paths(surface) {
                let request = match surface {
                    Surface::Guide => client.request(Method::GET, &format!("/api/public/v3/{path}")),
                    Surface::Pra | Surface::Rs => client.request(Method::GET, &format!("/api/config/v1/{path}")),
                    Surface::PasswordSafe => safe_client.request(Method::GET, &format!("{SAFE}/{path}")),
                    Surface::Scim => client.request(Method::GET, &format!("/scim/v2/{path}")),
                };
                let (status, headers, body) = raw(request).await;
                let total = headers.get("x-bt-pagination-total").and_then(|total| total.to_str().ok());
                let json = serde_json::from_slice::<Value>(&body).map(|json| json.to_string().into_bytes());
                answers.push((status.as_u16(), json.unwrap_or(body), total.unwrap_or_default().to_owned()));
            }
            crawled.push(answers);
        }
        crawled
    })
}

/// Returns a tenant with groups 1 (Administrators, with group 2 inside), 2 (Operators), 3 (Team) and 4 (Nobody's).
///
/// The users: 10 `anna` local in 2; 20 `ben` from a directory in 1 and 3; 30 `carl` by SAML in 2 and 3; 40 `dora`
/// local, disabled, in 2; 50 `emil` from a directory, disabled, in 3; 60 `finn` local, never signed in, in no group; 70
/// `gwen`, an application, in 3.
fn tenant() -> World {
    let mut world = small_world(0);
    world.put_group(3, record(&json!({"name": "Team", "description": "all of it"})));
    world.put_group(4, record(&json!({"name": "Nobody's", "description": null})));
    let people = [
        ("anna", "local", true, json!([2])),
        ("ben", "LDAP", true, json!([1, 3])),
        ("carl", "SAML", true, json!([2, 3])),
        ("dora", "local", false, json!([2])),
        ("emil", "LDAP", false, json!([3])),
        ("finn", "local", true, json!([])),
        ("gwen", "local", true, json!([3])),
    ];
    for (place, (name, kind, enabled, groups)) in (1..).zip(people) {
        let login = if name == "finn" { Value::Null } else { json!("2026-11-20T08:00:00Z") };
        let user = json!({"username": name, "display_name": format!("{name} Berg"), "enabled": enabled, "account_type": kind,
            "email_address": format!("{name}@example.com"), "group_memberships": groups, "public_key": null,
            "last_login": login, "created_at": "2026-11-01T00:00:00Z", "locale": "en"});
        world.put_user(place * 10, record(&user));
        let provider = match kind {
            "local" => 1,
            "LDAP" => 2,
            _ => 3,
        };
        let two_factor = Some(true);
        let details =
            UserDetails { provider: Some(provider), two_factor, application: name == "gwen", ..UserDetails::default() };
        world.set_user_details(place * 10, details);
    }
    let product = world.product_details_mut();
    product.nested = vec![(1, 2)];
    product.providers = [(1, "local"), (2, "ldap"), (3, "saml")]
        .map(|(id, kind)| Provider { id, kind: kind.to_owned(), name: kind.to_uppercase(), default_policy: None })
        .to_vec();
    let technician = json!({"username": "tina", "enabled": true, "last_authenticated_date": "2026-11-20T08:00:00Z"});
    product.vendors =
        vec![Vendor { id: 1, record: record(&json!({"name": "Acme"})), users: vec![(101, record(&technician))] }];
    world
}

#[test]
fn names_are_unique_and_the_catalogue_has_the_order_of_the_variants() {
    let names: BTreeSet<&str> = Dialect::ALL.iter().map(|dialect| dialect.as_str()).collect();
    assert_eq!(names.len(), Dialect::ALL.len());
    for (place, dialect) in Dialect::ALL.into_iter().enumerate() {
        assert_eq!(dialect as usize, place, "{dialect:?}");
        assert_eq!(Dialect::parse(dialect.as_str()), Some(dialect));
        let words: String = format!("{dialect:?}")
            .chars()
            .flat_map(|c| [if c.is_uppercase() { "-" } else { "" }.to_owned(), c.to_lowercase().to_string()])
            .collect();
        assert_eq!(words.trim_start_matches('-'), dialect.as_str());
        assert!(!dialect.description().is_empty());
    }
    assert_eq!(Dialect::parse("klingon"), None);
}

#[test]
fn a_dialect_changes_responses_of_exactly_the_interfaces_that_it_applies_to() {
    let dialects = Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::RawBasic);
    let sets: Vec<Vec<Dialect>> = std::iter::once(Vec::new()).chain(dialects.map(|dialect| vec![dialect])).collect();
    for surface in Surface::ALL {
        // The third world has more users than a page of a dialect that cuts pages.
        let worlds = [tenant(), World::empty(), World::seeded(7, 30, as_of())];
        let [full, empty, large] = worlds.map(|world| crawl_each(&world, surface, &sets));
        for (place, set) in sets.iter().enumerate().skip(1) {
            let changed = [&full, &empty, &large].into_iter().any(|crawled| crawled[place] != crawled[0]);
            assert_eq!(changed, set[0].applies_to(surface), "{} on {surface:?}", set[0].as_str());
        }
    }
}

#[test]
fn dialects_without_loss_change_no_cell_except_extra() {
    let plain = |row: &crate::Row| {
        let mut row = row.clone();
        row.remove("extra");
        row
    };
    let world = World::seeded(3, 250, as_of());
    for surface in Surface::ALL {
        let usual = expected(&world, surface, &[]);
        let worded = |dialect: &Dialect| dialect.loss() == Loss::Nothing && *dialect != Dialect::GuidIds;
        for dialect in Dialect::ALL.into_iter().filter(worded) {
            let changed = expected(&world, surface, &[dialect]);
            let name = dialect.as_str();
            assert!(changed.users.iter().map(plain).eq(usual.users.iter().map(plain)), "{name} on {surface:?}");
            assert!(changed.groups.iter().map(plain).eq(usual.groups.iter().map(plain)), "{name} on {surface:?}");
            assert_eq!(changed.memberships, usual.memberships, "{name} on {surface:?}");
            assert_eq!(changed.findings, usual.findings, "{name} on {surface:?}");
            assert!(changed.complete, "{name} on {surface:?}");
        }
    }
}

#[test]
fn all_dialects_at_once_can_be_served_and_expected() {
    let world = World::seeded(3, 250, as_of());
    for surface in Surface::ALL {
        assert_eq!(crawl(&world, surface, &Dialect::ALL).len(), paths(surface).len());
        assert!(!expected(&world, surface, &Dialect::ALL).complete);
        let mild: Vec<Dialect> = Dialect::ALL.into_iter().filter(|dialect| dialect.loss() != Loss::Lists).collect();
        assert!(!expected(&world, surface, &mild).users.is_empty());
    }
}

#[test]
fn extra_quotes_what_the_server_wrote() {
    let mut world = tenant();
    world.edit_user(10, |user| drop(user.insert("is_vip".to_owned(), true.into())));
    let extra = |surface: Surface, dialects: &[Dialect]| expected(&world, surface, dialects).users[0]["extra"].clone();
    assert_eq!(extra(Surface::Guide, &[]), r#"{"is_vip":true}"#);
    assert_eq!(extra(Surface::Guide, &[Dialect::TextBooleans]), r#"{"is_vip":"True"}"#);
    assert_eq!(extra(Surface::Guide, &[Dialect::NumberBooleans]), r#"{"is_vip":1}"#);
    assert_eq!(
        extra(Surface::Scim, &[Dialect::PascalCaseKeys]),
        r#"{"urn:bt-rollcall:sandbox:2.0:User":{"Is_vip":true,"LastLogin":"2026-11-20T08:00:00Z"}}"#
    );
}
