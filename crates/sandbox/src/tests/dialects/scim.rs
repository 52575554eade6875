//! Dialects of SCIM: attribute names, members, ids, lists of groups.

use super::*;

const USERS: &str = "/scim/v2/Users";
const GROUPS: &str = "/scim/v2/Groups";

fn members(page: &Value, id: &str) -> Value {
    page["Resources"].as_array().unwrap().iter().find(|group| group["id"] == id).unwrap()["members"].clone()
}

#[test]
fn attribute_names_change_case_and_extension_names_do_not() {
    let page = served(tenant(), Dialect::LowerCaseKeys, USERS);
    assert_eq!(page["totalresults"], 7);
    let user = &page["resources"][0];
    assert_eq!((&user["username"], &user["meta"]["resourcetype"]), (&json!("anna"), &json!("User")));
    assert_eq!(user["urn:bt-rollcall:sandbox:2.0:User"]["lastlogin"], "2026-11-20T08:00:00Z");
    let page = served(tenant(), Dialect::PascalCaseKeys, GROUPS);
    let group = &page["Resources"][2];
    assert_eq!((&group["DisplayName"], &group["Members"][0]["Value"]), (&json!("Team"), &json!("20")));
}

#[test]
fn members_are_texts_or_numbers_and_an_ambiguous_group_stays_an_object() {
    let mut world = tenant();
    let page = served(world.clone(), Dialect::BareMembers, GROUPS);
    assert_eq!(members(&page, "1"), json!([20, 2]));
    assert_eq!(members(&page, "2"), json!(["10", "30", "40"]));
    world.put_user(2, record(&json!({"username": "two", "group_memberships": [1]})));
    let page = served(world, Dialect::BareMembers, GROUPS);
    let inside = json!({"value": "2", "type": "Group", "$ref": "/scim/v2/Groups/2", "display": "Operators"});
    assert_eq!(members(&page, "1"), json!([2, 20, inside]));
}

#[test]
fn a_list_of_one_object_is_that_object() {
    let user = served(tenant(), Dialect::SingleValues, "/scim/v2/Users/10");
    assert_eq!(user["emails"], json!({"value": "anna@example.com", "type": "work", "primary": true}));
    assert_eq!(user["groups"], json!({"value": "2", "display": "Operators"}));
    let page = served(tenant(), Dialect::SingleValues, GROUPS);
    assert!(members(&page, "2").is_array());
    assert_eq!(members(&page, "4"), json!([]));
}

#[test]
fn members_have_absolute_or_relative_references() {
    let page = served(tenant(), Dialect::RefMembers, GROUPS);
    assert_eq!(members(&page, "1"), json!([{"$ref": "/scim/v2/Users/20"}, {"$ref": "/scim/v2/Groups/2"}]));
    assert_eq!(members(&page, "2")[0], json!({"$ref": "../Users/10"}));
    assert_eq!(members(&page, "3")[0], json!({"$ref": "https://appliance.example.com/scim/v2/Users/20"}));
}

#[test]
fn member_types_are_missing_or_unknown_and_groups_keep_their_reference() {
    let page = served(tenant(), Dialect::ForeignMemberTypes, GROUPS);
    let forms: Vec<(Option<&str>, bool)> = ["1", "2", "3"]
        .iter()
        .flat_map(|id| members(&page, id).as_array().unwrap().clone())
        .map(|row| {
            (
                ["user", "group", "User", "Member"].into_iter().find(|word| row["type"] == *word),
                row.get("$ref").is_some(),
            )
        })
        .collect();
    // Members 20 and 2 of group 1; 10, 30 and 40 of group 2; 20, 30, 50 and 70 of group 3.
    assert_eq!(
        forms,
        [
            (Some("user"), false),
            (Some("group"), true),
            (Some("Member"), false),
            (Some("User"), true),
            (None, true),
            (Some("user"), false),
            (Some("User"), true),
            (Some("Member"), true),
            (Some("User"), true),
        ]
    );
}

#[test]
fn ids_are_guids_and_references_to_them_are_in_upper_case() {
    let sandbox = sandbox_with(tenant(), &[Dialect::GuidIds]);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (_, page) = client.get(USERS).await;
        let anna = page["Resources"][0]["id"].as_str().unwrap();
        assert_eq!(anna, "a5c0ffee-0dad-4bad-8ace-00000000000a");
        let (_, groups) = client.get(GROUPS).await;
        let operators = &groups["Resources"][1];
        assert_eq!(operators["id"], "b6c0ffee-0dad-4bad-8ace-000000000002");
        assert_eq!(operators["members"][0]["value"], anna.to_uppercase());
        let (status, again) = client.get(&format!("{USERS}/{}", anna.to_uppercase())).await;
        assert_eq!((status, &again["id"]), (StatusCode::OK, &json!(anna)));
        assert_eq!(client.get(&format!("{GROUPS}/b6c0ffee-0dad-4bad-8ace-000000000009")).await.0, 404);
    });
    let mut world = tenant();
    world.product_details_mut().unlisted_members = vec![(4, 255)];
    let expected = expected(&world, Surface::Scim, &[Dialect::GuidIds]);
    let (user, group) = ("a5c0ffee-0dad-4bad-8ace-00000000000a", "b6c0ffee-0dad-4bad-8ace-000000000002");
    let first = cells(&expected.users[..1], &["id", "group_memberships"]);
    assert_eq!(first, [[user, r#"["b6c0ffee-0dad-4bad-8ace-000000000001","b6c0ffee-0dad-4bad-8ace-000000000002"]"#]]);
    let direct: Vec<_> = expected.memberships.iter().filter(|row| row["group_id"] == group).collect();
    assert_eq!((direct.len(), direct[0]["user_id"].as_str(), direct[0]["username"].as_str()), (3, user, "anna"));
    let unlisted = expected.memberships.last().unwrap();
    assert_eq!(unlisted["user_id"], "a5c0ffee-0dad-4bad-8ace-0000000000ff");
}

#[test]
fn the_list_of_groups_leaves_out_members_that_single_groups_have() {
    let mut world = tenant();
    world.put_group(7, record(&json!({"name": "Half"})));
    for id in [10, 20, 30] {
        world.edit_user(id, |user| user["group_memberships"].as_array_mut().unwrap().push(7.into()));
    }
    let sandbox = sandbox_with(world, &[Dialect::ShortLists]);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (_, page) = client.get(GROUPS).await;
        let listed = |id: &str| members(&page, id).as_array().unwrap().len();
        assert_eq!(["1", "2", "3", "7"].map(listed), [0, 3, 0, 2]);
        for (id, own) in [("1", 2), ("2", 3), ("3", 4), ("7", 3)] {
            let (_, group) = client.get(&format!("{GROUPS}/{id}")).await;
            assert_eq!(group["members"].as_array().unwrap().len(), own, "{id}");
        }
    });
}

#[test]
fn without_groups_memberships_are_unknown_and_the_source_is_complete() {
    let sandbox = sandbox_with(tenant(), &[Dialect::NoGroups]);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (status, error) = client.get(GROUPS).await;
        assert_eq!((status, &error["status"]), (StatusCode::NOT_IMPLEMENTED, &json!("501")));
        assert!(client.get(USERS).await.1["Resources"][0].get("groups").is_none());
        let (_, types) = client.get("/scim/v2/ResourceTypes").await;
        assert_eq!((&types["totalResults"], &types["Resources"][0]["id"]), (&json!(1), &json!("User")));
    });
    let expected = expected(&tenant(), Surface::Scim, &[Dialect::NoGroups]);
    assert!(expected.groups.is_empty() && expected.memberships.is_empty() && expected.complete);
    assert!(expected.users.iter().all(|row| row["groups_known"] == "false" && row["group_memberships"] == "[]"));
    assert_eq!(found(&expected), [""; 0]);
}
