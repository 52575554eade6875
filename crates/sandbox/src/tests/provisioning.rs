//! Writing by SCIM, as scim2-tester does it (`.ci/peer_scim.py`), and what the other interfaces report afterwards.

use super::*;

const USERS: &str = "/scim/v2/Users";
const GROUPS: &str = "/scim/v2/Groups";
const GUIDE: &str = "/api/public/v3/users";

fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

#[test]
fn a_created_user_exists_on_every_interface_and_can_be_replaced_and_deleted() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let new = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "jdoe", "externalId": "e-1",
            "name": {"givenName": "Jane", "familyName": "Doe"}, "password": "S3cur3!", "title": "unknown here", "id": "77",
            "emails": [{"value": "home@example.com", "type": "home"}, {"value": "work@example.com", "primary": true}],
            "groups": [{"value": "1"}], "locale": "en-GB"});
        let (status, made) = client.send(Method::POST, USERS, &new).await;
        assert_eq!(
            (status, &made["id"], &made["meta"]["location"]),
            (StatusCode::CREATED, &json!("11"), &json!("/scim/v2/Users/11"))
        );
        assert_eq!(
            (&made["name"], &made["externalId"], &made["emails"]),
            (&new["name"], &json!("e-1"), &new["emails"])
        );
        assert_eq!((&made["active"], &made["groups"], made.get("title")), (&json!(true), &json!([]), None));
        assert!(!made.to_string().contains("S3cur3"));
        let (_, guides) = client.get(&format!("{GUIDE}/11")).await;
        assert_eq!((&guides["username"], &guides["email_address"]), (&json!("jdoe"), &json!("work@example.com")));
        assert_eq!((&guides["last_login"], &guides["display_name"]), (&Value::Null, &Value::Null));
        let (status, put) =
            client.send(Method::PUT, &format!("{USERS}/11"), &json!({"userName": "jdoe", "displayName": "J"})).await;
        assert_eq!(
            (status, &put["displayName"], put.get("emails"), put.get("externalId")),
            (StatusCode::OK, &json!("J"), None, None)
        );
        assert_eq!(put["name"], json!({"formatted": "J"}));
        assert_eq!(client.send(Method::DELETE, &format!("{USERS}/11"), &Value::Null).await.0, 204);
        assert_eq!(client.send(Method::DELETE, &format!("{USERS}/11"), &Value::Null).await.0, 404);
        assert_eq!(client.get(&format!("{GUIDE}/11")).await.0, 404);
    });
}

#[test]
fn invalid_users_and_taken_names_are_refused() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (status, error) = client.send(Method::POST, USERS, &json!({"userName": "USER1"})).await;
        assert_eq!((status, &error["scimType"]), (StatusCode::CONFLICT, &json!("uniqueness")));
        for bad in [
            json!({}),
            json!({"userName": " "}),
            json!({"userName": "a", "active": "maybe"}),
            json!({"userName": "a", "displayName": 5}),
            json!({"userName": "a", "emails": [{}]}),
        ] {
            let (status, error) = client.send(Method::POST, USERS, &bad).await;
            assert_eq!((status, &error["scimType"]), (StatusCode::BAD_REQUEST, &json!("invalidValue")), "{bad}");
        }
        assert_eq!(client.get(USERS).await.1["totalResults"], 1);
    });
}

#[test]
fn attributes_are_added_replaced_and_removed_by_path() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let change =
            async |operations: Value| client.send(Method::PATCH, &format!("{USERS}/10"), &patch(&operations)).await;
        let (status, user) = change(json!([
            {"op": "replace", "path": "active", "value": false},
            {"op": "add", "path": "name", "value": {"givenName": "Ann"}},
            {"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:locale", "value": "nb-NO"},
            {"op": "add", "path": "emails", "value": [{"value": "other@example.com", "type": "home"}]},
            {"op": "add", "path": "urn:bt-rollcall:sandbox:2.0:User:shoe", "value": 43},
        ]))
        .await;
        let emails = json!([{"value": "x@example.com", "type": "work", "primary": true},
            {"value": "other@example.com", "type": "home"}]);
        assert_eq!((status, &user["emails"], &user["locale"]), (StatusCode::OK, &emails, &json!("nb-NO")));
        assert_eq!(user["name"], json!({"formatted": "X", "givenName": "Ann"}));
        let (_, guides) = client.get(&format!("{GUIDE}/10")).await;
        assert_eq!((&guides["enabled"], &guides["shoe"]), (&json!(false), &json!(43)));
        let (_, user) = change(json!([
            {"op": "replace", "path": "emails", "value": [{"value": "new@example.com"}]},
            {"op": "remove", "path": "displayName"},
            {"op": "remove", "path": "urn:bt-rollcall:sandbox:2.0:User:shoe"},
        ]))
        .await;
        assert_eq!(user["emails"], json!([{"value": "new@example.com"}]));
        let (_, guides) = client.get(&format!("{GUIDE}/10")).await;
        assert_eq!((&guides["email_address"], &guides["display_name"]), (&json!("new@example.com"), &Value::Null));
        assert_eq!(guides.get("shoe"), None);
    });
}

#[test]
fn a_refused_patch_states_the_reason_and_changes_nothing() {
    let sandbox = sandbox(small_world(2), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let before = client.get(&format!("{USERS}/10")).await.1;
        for (operation, kind) in [
            (json!({"op": "remove"}), "noTarget"),
            (json!({"op": "add", "value": {"active": false}}), "noTarget"),
            (json!({"op": "replace", "path": "id", "value": "5"}), "mutability"),
            (json!({"op": "add", "path": "groups", "value": []}), "mutability"),
            (json!({"op": "move", "path": "active"}), "invalidSyntax"),
            (json!({"op": "replace", "path": "active", "value": 5}), "invalidValue"),
            (json!({"op": "remove", "path": "userName"}), "invalidValue"),
            (json!({"op": "replace", "path": "emails[type eq \"home\"].value", "value": "x"}), "invalidPath"),
            (json!({"op": "add", "path": "name.givenName", "value": "x"}), "invalidPath"),
        ] {
            let both = patch(&json!([{"op": "replace", "path": "displayName", "value": "Changed"}, operation]));
            let (status, error) = client.send(Method::PATCH, &format!("{USERS}/10"), &both).await;
            assert_eq!((status, error["scimType"].as_str()), (StatusCode::BAD_REQUEST, Some(kind)), "{both}");
        }
        let taken = patch(&json!([{"op": "replace", "path": "userName", "value": "User2"}]));
        assert_eq!(client.send(Method::PATCH, &format!("{USERS}/10"), &taken).await.0, 409);
        assert_eq!(client.send(Method::PATCH, &format!("{USERS}/10"), &json!({})).await.0, 400);
        assert_eq!(client.send(Method::PATCH, &format!("{USERS}/11"), &taken).await.0, 404);
        assert_eq!(client.get(&format!("{USERS}/10")).await.1, before);
    });
}

#[test]
fn changes_of_members_show_on_every_interface() {
    let sandbox = sandbox(small_world(3), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let new = json!({"displayName": "New", "externalId": "g", "members": [{"value": "10"}]});
        let (status, group) = client.send(Method::POST, GROUPS, &new).await;
        assert_eq!((status, &group["id"], &group["externalId"]), (StatusCode::CREATED, &json!("3"), &json!("g")));
        let change = async |operation: Value| {
            let (status, body) = client.send(Method::PATCH, &format!("{GROUPS}/3"), &patch(&json!([operation]))).await;
            let members = body["members"].as_array().into_iter().flatten();
            (status.as_u16(), members.map(|row| row["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
        };
        let with = |members: &[&str]| (200, members.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
        let added = json!({"op": "add", "path": "members",
            "value": [{"value": "20"}, {"value": "10"}, {"value": "2", "type": "Group"}]});
        assert_eq!(change(added).await, with(&["10", "20", "2"]));
        assert_eq!(client.get(&format!("{GUIDE}/20")).await.1["group_memberships"], json!([2, 3]));
        assert_eq!(sandbox.with_world(|world| world.product_details().nested.clone()), [(3, 2)]);
        let replaced = json!({"op": "replace", "path": "members", "value": [{"value": "30"}]});
        assert_eq!(change(replaced).await, with(&["30"]));
        assert_eq!(change(json!({"op": "add", "path": "members", "value": [{"value": "31"}]})).await.0, 400);
        assert_eq!(client.get(&format!("{GUIDE}/20")).await.1["group_memberships"], json!([2]));
        assert_eq!(change(json!({"op": "remove", "path": "members"})).await, with(&[]));
        let (_, group) = client.send(Method::PUT, &format!("{GROUPS}/2"), &json!({"displayName": "Renamed"})).await;
        assert_eq!((&group["displayName"], &group["members"]), (&json!("Renamed"), &json!([])));
        assert_eq!(client.get("/api/public/v3/groups").await.1["groups"][1]["name"], "Renamed");
    });
}

#[test]
fn a_deleted_group_leaves_no_memberships_and_its_id_is_not_used_again() {
    let sandbox = sandbox(small_world(1), Faults::default());
    sandbox.with_world(|world| {
        world.edit_user(10, |record| drop(record.insert("group_memberships".to_owned(), json!(["2", 1]))))
    });
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        assert_eq!(client.send(Method::DELETE, &format!("{GROUPS}/2"), &Value::Null).await.0, 204);
        assert_eq!(client.send(Method::DELETE, &format!("{GROUPS}/2"), &Value::Null).await.0, 404);
        assert_eq!(client.get(&format!("{GUIDE}/10")).await.1["group_memberships"], json!([1]));
        let (_, group) = client.send(Method::POST, GROUPS, &json!({"displayName": "Next"})).await;
        assert_eq!(group["id"], "3");
        assert_eq!(client.send(Method::POST, GROUPS, &json!({"members": []})).await.0, 400);
    });
}
