//! Dialects whose lists fail: lists below an object that stays listed, or whole lists.

use super::*;

fn counts(expected: &Expected) -> Vec<Vec<&str>> {
    cells(&expected.groups, &["id", "member_count", "external_member_count"])
}

fn of_groups(expected: &Expected) -> Vec<Vec<&str>> {
    cells(&expected.memberships, &["group_id", "user_id"])
}

/// Returns the statuses of the member lists of groups 1 to 4, by the Configuration API and by Password Safe, and the
/// first body.
fn statuses(dialect: Dialect) -> ([u16; 4], [u16; 4], String) {
    let sandbox = sandbox_with(tenant(), &[dialect]);
    block_on(async {
        let (client, mut safe_client) = (ApiClient::of(&sandbox).await, SafeClient::with_key(&sandbox));
        safe_client.sign_in().await;
        let (mut pra, mut safe, mut text) = ([0; 4], [0; 4], String::new());
        for place in 0..4 {
            let id = place + 1;
            let path = format!("/api/config/v1/group-policy/{id}/member");
            let (status, _, body) = raw(client.request(Method::GET, &path)).await;
            pra[place] = status.as_u16();
            if place == 0 {
                text = String::from_utf8(body).unwrap();
            }
            let request = safe_client.request(Method::GET, &format!("{SAFE}/UserGroups/{id}/Users"));
            safe[place] = raw(request).await.0.as_u16();
        }
        (pra, safe, text)
    })
}

#[test]
fn member_lists_fail_while_their_groups_stay_listed() {
    use Dialect::{FirstMembersNotFound, MembersFailing, MembersForbidden, MembersGone, MembersNotFound};
    for (dialect, wanted) in [
        (MembersNotFound, [404; 4]),
        (FirstMembersNotFound, [404, 200, 200, 200]),
        (MembersGone, [410; 4]),
        (MembersForbidden, [200, 403, 200, 403]),
        (MembersFailing, [200, 200, 200, 500]),
    ] {
        let (pra, safe, text) = statuses(dialect);
        assert_eq!((pra, safe), (wanted, wanted), "{dialect:?}");
        match dialect {
            MembersNotFound => assert_eq!(text, r#"{"message":"Not Found"}"#),
            FirstMembersNotFound => assert!(text.starts_with("<!DOCTYPE html>")),
            _ => {}
        }
        assert_eq!(served(tenant(), dialect, "/api/config/v1/group-policy").as_array().unwrap().len(), 4);
    }
}

#[test]
fn nothing_is_concluded_from_members_that_were_not_read() {
    for surface in [Surface::Pra, Surface::Rs, Surface::PasswordSafe] {
        let expected = expected(&tenant(), surface, &[Dialect::MembersNotFound]);
        assert_eq!(counts(&expected)[..4], ["1", "2", "3", "4"].map(|id| vec![id, "", ""]), "{surface:?}");
        assert!(expected.memberships.iter().all(|row| row["group_id"] == "vendor:1"), "{surface:?}");
        let users = expected.users.iter().filter(|row| !row["id"].contains(':'));
        assert!(users.clone().count() == 7 && users.clone().all(|row| row["groups_known"] == "false"), "{surface:?}");
        let lines = found(&expected);
        assert!(lines.contains(&"collection-incomplete medium source eu".to_owned()), "{lines:?}");
        assert!(
            lines.iter().all(|line| !line.starts_with("no-group") && !line.starts_with("empty-group")),
            "{lines:?}"
        );
        assert!(!expected.complete);
    }
}

#[test]
fn one_unread_group_leaves_the_other_groups_known() {
    let first = expected(&tenant(), Surface::PasswordSafe, &[Dialect::FirstMembersNotFound]);
    assert_eq!(counts(&first), [["1", "", ""], ["2", "3", "0"], ["3", "4", "0"], ["4", "0", "0"]]);
    assert_eq!(of_groups(&first)[..3], [["2", "10"], ["2", "30"], ["2", "40"]]);
    // Group 4 is empty by its own list. No account is without a group: finn may be in the first one.
    let lines = found(&first);
    assert!(lines.contains(&"empty-group info group 4".to_owned()), "{lines:?}");
    assert!(lines.iter().all(|line| !line.starts_with("no-group")), "{lines:?}");
    let even = expected(&tenant(), Surface::Pra, &[Dialect::MembersForbidden]);
    assert_eq!(counts(&even)[..4], [["1", "1", "0"], ["2", "", ""], ["3", "4", "0"], ["4", "", ""]]);
    let last = expected(&tenant(), Surface::Pra, &[Dialect::MembersFailing]);
    assert_eq!(counts(&last)[..4], [["1", "1", "0"], ["2", "3", "0"], ["3", "4", "0"], ["4", "", ""]]);
    assert_eq!(expected(&tenant(), Surface::Pra, &[Dialect::MembersGone]).users[0]["groups_known"], "false");
}

#[test]
fn external_members_of_an_unread_group_are_unknown() {
    let mut world = tenant();
    let external = |group| ExternalMember {
        id: 900 + group,
        group,
        provider: Some(2),
        distinguished_name: Some("OU=Sales".to_owned()),
        group_name: None,
    };
    world.product_details_mut().externals = vec![external(1), external(2)];
    let expected = expected(&world, Surface::Pra, &[Dialect::FirstMembersNotFound]);
    assert_eq!(counts(&expected)[..2], [["1", "", ""], ["2", "3", "1"]]);
    let external: Vec<_> = expected.memberships.iter().filter(|row| row["external_name"] == "OU=Sales").collect();
    assert_eq!((external.len(), external[0]["group_id"].as_str()), (1, "2"));
}

#[test]
fn vendor_users_are_unknown_if_their_lists_are_not_found() {
    let sandbox = sandbox_with(tenant(), &[Dialect::VendorUsersNotFound]);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        assert_eq!(client.get("/api/config/v1/vendor").await.1.as_array().unwrap().len(), 1);
        assert_eq!(client.get("/api/config/v1/vendor/1/user").await.0, 404);
    });
    let expected = expected(&tenant(), Surface::Pra, &[Dialect::VendorUsersNotFound]);
    assert_eq!(counts(&expected)[4], ["vendor:1", "", ""]);
    assert!(expected.users.iter().all(|row| !row["id"].starts_with("vendor-user:")));
    assert_eq!(expected.users[0]["groups_known"], "true", "vendors hold their own people only");
    assert!(!expected.complete);
    assert!(!found(&expected).contains(&"empty-group info group vendor:1".to_owned()));
}

#[test]
fn a_user_without_a_record_keeps_the_fields_of_the_list() {
    let sandbox = sandbox_with(tenant(), &[Dialect::RecordsNotFound]);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (_, page) = client.get("/api/public/v3/users").await;
        assert_eq!(
            page["users"][2],
            json!({"id": 30, "username": "carl", "display_name": "carl Berg", "enabled": true})
        );
        assert_eq!(client.get("/api/public/v3/users/30").await.0, 404);
        assert_eq!(client.get("/api/public/v3/users/10").await.1["locale"], "en");
        let mut safe_client = SafeClient::with_key(&sandbox);
        safe_client.sign_in().await;
        assert_eq!(safe_client.get("Users/30/UserGroups").await.0, 404);
        assert_eq!(safe_client.get("Users/60").await.0, 404);
        assert_eq!(safe_client.get("Users/10/UserGroups").await.0, 200);
    });
    let expected = expected(&tenant(), Surface::Guide, &[Dialect::RecordsNotFound]);
    let columns = ["id", "username", "enabled", "groups_known", "last_login_status", "locale"];
    assert_eq!(
        cells(&expected.users[1..3], &columns),
        [["20", "ben", "true", "true", "at", "en"], ["30", "carl", "true", "false", "not-reported", ""]]
    );
    assert_eq!(counts(&expected)[1], ["2", "", ""], "carl may be in any group");
    assert_eq!(of_groups(&expected).len(), 6);
    assert!(!expected.complete);
}

#[test]
fn lists_with_wrong_keys_or_missing_rows_fail_the_source() {
    let users = served(tenant(), Dialect::WrongKeys, "/api/public/v3/users");
    assert_eq!((users["Data"].as_array().map(Vec::len), &users["TotalCount"]), (Some(7), &json!(7)));
    let page = served(tenant(), Dialect::WrongKeys, "/scim/v2/Users");
    assert_eq!((page["Items"].as_array().map(Vec::len), &page["totalResults"]), (Some(7), &json!(7)));
    let empty = |path: &str| served(tenant(), Dialect::EmptyWithTotal, path);
    assert_eq!(empty("/api/public/v3/users"), json!({"users": [], "total": 7}));
    assert_eq!(empty("/api/public/v3/groups"), json!({"groups": [], "total": 4}));
    let page = empty("/scim/v2/Groups");
    assert_eq!((page.get("Resources"), &page["totalResults"]), (None, &json!(4)));
    let answers = crawl(&tenant(), Surface::Pra, &[Dialect::EmptyWithTotal]);
    assert_eq!((answers[0].1.as_slice(), answers[0].2.as_str()), (b"[]".as_slice(), "7"));
    for (surface, dialect) in [
        (Surface::Guide, Dialect::WrongKeys),
        (Surface::Scim, Dialect::WrongKeys),
        (Surface::Guide, Dialect::EmptyWithTotal),
        (Surface::Rs, Dialect::EmptyWithTotal),
    ] {
        let failed = expected(&tenant(), surface, &[dialect]);
        assert!(failed.users.is_empty() && failed.groups.is_empty() && !failed.complete);
        assert_eq!(found(&failed), ["collection-incomplete medium source eu"]);
        let mut world = World::empty();
        world.put_group(1, record(&json!({"name": "Alone"})));
        assert!(!expected(&world, surface, &[dialect]).complete, "the groups fail alone");
    }
    assert!(expected(&World::empty(), Surface::Scim, &[Dialect::WrongKeys]).complete);
    assert!(!expected(&World::empty(), Surface::Guide, &[Dialect::WrongKeys]).complete);
}
