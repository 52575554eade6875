//! The SCIM interface, path by path: lists, filters, attributes, discovery.

use super::*;
use crate::details::UserDetails;

const USERS: &str = "/scim/v2/Users";
const MORE: &str = "urn:bt-rollcall:sandbox:2.0:User";

fn ids(page: &Value) -> Vec<&str> {
    page["Resources"].as_array().into_iter().flatten().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn errors_are_scim_errors_and_a_valid_token_is_required() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let response = plain_client().get(format!("{}{USERS}", sandbox.url())).send().await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::UNAUTHORIZED, &"application/scim+json".parse().unwrap())
        );
        assert!(response.headers().contains_key("www-authenticate"));
        let client = ApiClient::of(&sandbox).await;
        let error = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404",
            "detail": "resource not found"});
        assert_eq!(client.get("/scim/v2/Users/11").await, (StatusCode::NOT_FOUND, error.clone()));
        assert_eq!(client.get("/scim/v2/Groups/x").await.1, error);
        assert_eq!(client.get("/scim/v2/Nothing").await.0, 404);
        for (method, path, status) in [
            (Method::DELETE, "Users", 405),
            (Method::POST, "ServiceProviderConfig", 405),
            (Method::POST, ".search", 501),
            (Method::POST, "Users/.search", 501),
            (Method::GET, "Me", 501),
        ] {
            let (found, body) = client.send(method, &format!("/scim/v2/{path}"), &json!({})).await;
            assert_eq!((found.as_u16(), &body["status"]), (status, &json!(status.to_string())), "{path}");
        }
    });
}

#[test]
fn pages_start_at_start_index_and_empty_pages_have_no_resources() {
    let sandbox = sandbox(small_world(250), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (status, page) = client.get(USERS).await;
        assert_eq!((status, &page["totalResults"], &page["startIndex"]), (StatusCode::OK, &json!(250), &json!(1)));
        assert_eq!((&page["itemsPerPage"], ids(&page).len()), (&json!(100), 100));
        assert_eq!(ids(&client.get(&format!("{USERS}?count=1000")).await.1).len(), 200);
        assert_eq!(ids(&client.get(&format!("{USERS}?startIndex=249&count=5")).await.1), ["2490", "2500"]);
        assert_eq!(ids(&client.get(&format!("{USERS}?STARTINDEX=-3&count=1")).await.1), ["10"]);
        for empty in ["count=0", "count=-1", "startIndex=251"] {
            let (_, page) = client.get(&format!("{USERS}?{empty}")).await;
            assert!(page.get("Resources").is_none(), "{empty}");
            assert_eq!((&page["itemsPerPage"], &page["totalResults"]), (&json!(0), &json!(250)));
        }
        assert_eq!(client.get(&format!("{USERS}?count=x")).await.1["scimType"], "invalidValue");
        let (_, groups) = client.get("/api/scim/v2/Groups?startIndex=2").await;
        assert_eq!((ids(&groups), &groups["totalResults"]), (vec!["2"], &json!(2)));
        assert_eq!(groups["Resources"][0]["meta"]["location"], "/api/scim/v2/Groups/2");
    });
    assert_eq!(sandbox.counters().scim_pages, 8);
}

#[test]
fn filters_ignore_case_and_refuse_unsupported_expressions() {
    let sandbox = sandbox(small_world(12), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let patch = json!({"Operations": [{"op": "add", "path": "externalId", "value": "aB"}]});
        client.send(Method::PATCH, "/scim/v2/Users/30", &patch).await;
        for (filter, found) in [
            ("userName%20eq%20%22USER3%22", vec!["30"]),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName%20EQ%20%22user3%22", vec!["30"]),
            ("externalId%20eq%20%22aB%22", vec!["30"]),
            ("externalId%20eq%20%22ab%22", vec![]),
            ("displayName%20eq%20%22x%22%20and%20userName%20eq%20%22user12%22", vec!["120"]),
            ("emails.value%20eq%20%22x@example.com%22%20and%20id%20eq%20%2220%22", vec!["20"]),
            ("active%20eq%20false", vec![]),
        ] {
            let (_, page) = client.get(&format!("{USERS}?filter={filter}")).await;
            assert_eq!((ids(&page), &page["totalResults"]), (found.clone(), &json!(found.len())), "{filter}");
        }
        let (_, page) = client.get(&format!("{USERS}?filter=active%20eq%20true&startIndex=11")).await;
        assert_eq!((ids(&page), &page["totalResults"]), (vec!["110", "120"], &json!(12)));
        for bad in
            ["userName", "userName%20co%20%22a%22", "userName%20eq%20x", "id%20eq%20%221%22%20or%20id%20eq%20%222%22"]
        {
            let (status, error) = client.get(&format!("{USERS}?filter={bad}")).await;
            assert_eq!((status, &error["scimType"]), (StatusCode::BAD_REQUEST, &json!("invalidFilter")), "{bad}");
        }
        assert_eq!(ids(&client.get("/scim/v2/Groups?filter=displayName%20eq%20%22operators%22").await.1), ["2"]);
    });
}

#[test]
fn users_and_groups_are_scim_resources() {
    let mut world = small_world(0);
    world.put_group(3, record(&json!({"name": "Inside", "description": null, "level": 3})));
    world.product_details_mut().nested = vec![(2, 3)];
    world.product_details_mut().unlisted_members = vec![(2, 99)];
    let user = json!({"username": "anna", "display_name": "Anna Berg", "email_address": "anna@example.com", "enabled": true,
        "account_type": "local", "group_memberships": ["2", 2, 7, 3], "public_key": "ssh-ed25519 A", "locale": "en",
        "last_login": null, "created_at": "soon", "shoe": 43});
    world.put_user(5, record(&user));
    world.put_user(6, record(&json!({"username": "x", "group_memberships": null, "email_address": null})));
    let sandbox = sandbox(world, Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let core = "urn:ietf:params:scim:schemas:core:2.0:User";
        let expected = json!({"schemas": [core, MORE], "id": "5", "userName": "anna", "displayName": "Anna Berg",
            "name": {"formatted": "Anna Berg"}, "active": true, "locale": "en",
            "emails": [{"value": "anna@example.com", "type": "work", "primary": true}],
            "groups": [{"value": "2", "display": "Operators"}, {"value": "3", "display": "Inside"}],
            "meta": {"resourceType": "User", "created": "soon", "location": "/scim/v2/Users/5"},
            MORE: {"shoe": 43, "lastLogin": null}});
        assert_eq!(client.get("/scim/v2/Users/5").await, (StatusCode::OK, expected));
        let expected = json!({"schemas": [core], "id": "6", "userName": "x",
            "meta": {"resourceType": "User", "location": "/scim/v2/Users/6"}});
        assert_eq!(client.get("/scim/v2/Users/6").await.1, expected);
        let members = json!([
            {"value": "5", "type": "User", "display": "Anna Berg", "$ref": "/scim/v2/Users/5"},
            {"value": "99", "type": "User", "$ref": "/scim/v2/Users/99"},
            {"value": "3", "type": "Group", "display": "Inside", "$ref": "/scim/v2/Groups/3"}]);
        assert_eq!(client.get("/scim/v2/Groups/2").await.1["members"], members);
        let (_, group) = client.get("/scim/v2/Groups/3").await;
        assert_eq!(group["urn:bt-rollcall:sandbox:2.0:Group"], json!({"level": 3}));
        let (_, group) = client.get("/scim/v2/Groups/1").await;
        assert_eq!(
            (&group["urn:bt-rollcall:sandbox:2.0:Group"], &group["members"]),
            (&json!({"description": "all"}), &json!([]))
        );
    });
}

#[test]
fn only_requested_attributes_are_returned() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let (_, user) = client
            .get("/scim/v2/Users/10?attributes=USERNAME,emails.value,urn:bt-rollcall:sandbox:2.0:User:lastLogin")
            .await;
        assert_eq!(keys(&user), ["emails", "id", "schemas", MORE, "userName"]);
        assert_eq!(user["emails"], json!([{"value": "x@example.com"}]));
        let (_, page) = client.get(&format!("{USERS}?excludedAttributes=id,meta.created,groups,emails,{MORE}")).await;
        let user = &page["Resources"][0];
        assert_eq!(keys(user), ["active", "displayName", "id", "locale", "meta", "name", "schemas", "userName"]);
        assert!(user["meta"].get("created").is_none());
    });
}

#[test]
fn discovery_announces_what_the_interface_supports() {
    let sandbox = sandbox(small_world(0), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (_, config) = client.get("/scim/v2/ServiceProviderConfig").await;
        assert_eq!((&config["patch"]["supported"], &config["filter"]["maxResults"]), (&json!(true), &json!(200)));
        assert_eq!((&config["bulk"]["supported"], &config["sort"]["supported"]), (&json!(false), &json!(false)));
        let (_, types) = client.get("/scim/v2/ResourceTypes").await;
        assert_eq!(ids(&types), ["User", "Group"]);
        let (_, kind) = client.get("/api/scim/v2/ResourceTypes/Group").await;
        assert_eq!(kind["meta"]["location"], "/api/scim/v2/ResourceTypes/Group");
        for schema in [kind["schema"].as_str().unwrap(), kind["schemaExtensions"][0]["schema"].as_str().unwrap(), MORE]
        {
            assert_eq!(client.get(&format!("/scim/v2/Schemas/{schema}")).await.1["id"], schema);
        }
        assert_eq!(client.get("/scim/v2/Schemas/none").await.0, 404);
        assert_eq!(ids(&client.get("/scim/v2/Schemas").await.1).len(), 4);
    });
}

#[test]
fn faults_hide_a_side_of_memberships_clamp_pages_and_forbid_lists() {
    let mut world = small_world(3);
    world.set_user_details(10, UserDetails::default());
    let sandbox = sandbox(world, Faults { scim_disagree: Some((20, 2)), ..Faults::default() });
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let members = |group: &Value| {
            group["members"].as_array().map(|rows| rows.iter().map(|row| row["value"].clone()).collect::<Vec<_>>())
        };
        assert_eq!(members(&client.get("/scim/v2/Groups/2").await.1), Some(vec![json!("10"), json!("30")]));
        assert_eq!(client.get("/scim/v2/Users/20").await.1["groups"][0]["value"], "2");
        sandbox.set_faults(Faults { scim_groups_only: true, ..Faults::default() });
        assert_eq!(members(&client.get("/scim/v2/Groups/2").await.1), None);
        sandbox.set_faults(Faults {
            scim_members_only: true,
            no_total: true,
            page_clamp: Some(2),
            ..Faults::default()
        });
        let (_, page) = client.get(USERS).await;
        assert_eq!((ids(&page), page.get("totalResults")), (vec!["10", "20"], None));
        assert!(page["Resources"][0].get("groups").is_none());
        sandbox.set_faults(Faults { ignore_offset: true, ..Faults::default() });
        assert_eq!(ids(&client.get(&format!("{USERS}?startIndex=3&count=1")).await.1), ["10"]);
        sandbox.set_faults(Faults { empty_users: true, ..Faults::default() });
        let (_, page) = client.get(USERS).await;
        assert_eq!((&page["totalResults"], page.get("Resources")), (&json!(0), None));
        sandbox.set_faults(Faults { forbid_users: true, forbid_groups: true, ..Faults::default() });
        for path in [USERS, "/scim/v2/Users/10", "/scim/v2/Groups", "/scim/v2/Groups/2"] {
            assert_eq!(client.get(path).await.0, 403, "{path}");
        }
        sandbox.set_faults(Faults { churn: 1.0, ..Faults::default() });
        client.get(USERS).await;
        assert!(sandbox.counters().churned > 0);
    });
}
