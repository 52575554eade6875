//! What an identity provider does by SCIM, and what the other surfaces say afterwards.

use super::*;

const USERS: &str = "/scim/v2/Users";
const GUIDE: &str = "/api/public/v3/users";

fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

#[test]
fn a_leaver_is_disabled_on_every_surface_however_the_provider_says_it() {
    let sandbox = sandbox(small_world(4), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        // By the RFC; as Entra ID sends it, two ways; as Okta sends it.
        let ways = [
            json!([{"op": "replace", "path": "active", "value": false}]),
            json!([{"op": "Replace", "path": "active", "value": "False"}]),
            json!([{"op": "Add", "value": {"active": "false"}}]),
            json!([{"op": "replace", "value": {"active": false}}]),
        ];
        for (place, way) in ways.iter().enumerate() {
            let id = (place + 1) * 10;
            let (status, user) = guest.send(Method::PATCH, &format!("{USERS}/{id}"), &patch(way)).await;
            assert_eq!((status, &user["active"]), (StatusCode::OK, &json!(false)), "{way}");
            assert_eq!(guest.get(&format!("{GUIDE}/{id}")).await.1["enabled"], false, "{way}");
        }
    });
    assert_eq!(sandbox.counters().writes, 4);
}

#[test]
fn a_user_who_is_created_is_there_and_can_be_replaced_and_deleted() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let new = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "username": "jdoe", "externalId": "e-1",
            "name": {"givenName": "Jane", "familyName": "Doe"}, "password": "S3cur3!", "title": "unknown here", "id": "77",
            "emails": [{"value": "home@example.com", "type": "home"}, {"value": "work@example.com", "primary": true}],
            "groups": [{"value": "1"}], "locale": "en-GB"});
        let (status, made) = guest.send(Method::POST, USERS, &new).await;
        assert_eq!(
            (status, &made["id"], &made["meta"]["location"]),
            (StatusCode::CREATED, &json!("11"), &json!("/scim/v2/Users/11"))
        );
        assert_eq!(
            (&made["displayName"], &made["externalId"], &made["emails"]),
            (&json!("Jane Doe"), &json!("e-1"), &new["emails"])
        );
        assert_eq!((&made["active"], &made["groups"], made.get("title")), (&json!(true), &json!([]), None));
        assert!(!made.to_string().contains("S3cur3"));
        let (_, guides) = guest.get(&format!("{GUIDE}/11")).await;
        assert_eq!((&guides["username"], &guides["email_address"]), (&json!("jdoe"), &json!("work@example.com")));
        assert_eq!((&guides["last_login"], &guides["display_name"]), (&Value::Null, &json!("Jane Doe")));
        let (status, error) = guest.send(Method::POST, USERS, &json!({"userName": "JDOE"})).await;
        assert_eq!((status, &error["scimType"]), (StatusCode::CONFLICT, &json!("uniqueness")));
        for bad in [
            json!({}),
            json!({"userName": " "}),
            json!({"userName": "a", "active": "maybe"}),
            json!({"userName": "a", "emails": [{}]}),
        ] {
            let (status, error) = guest.send(Method::POST, USERS, &bad).await;
            assert_eq!((status, &error["scimType"]), (StatusCode::BAD_REQUEST, &json!("invalidValue")), "{bad}");
        }
        let (status, put) =
            guest.send(Method::PUT, &format!("{USERS}/11"), &json!({"userName": "jdoe", "displayName": "J"})).await;
        assert_eq!(
            (status, &put["displayName"], put.get("emails"), put.get("externalId")),
            (StatusCode::OK, &json!("J"), None, None)
        );
        assert_eq!(put["name"], json!({"formatted": "J"}));
        assert_eq!(guest.send(Method::DELETE, &format!("{USERS}/11"), &Value::Null).await.0, 204);
        assert_eq!(guest.send(Method::DELETE, &format!("{USERS}/11"), &Value::Null).await.0, 404);
        assert_eq!(guest.get(&format!("{GUIDE}/11")).await.0, 404);
    });
    assert_eq!(sandbox.counters().writes, 3);
}

#[test]
fn parts_are_added_replaced_and_removed_by_path() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let change =
            async |operations: Value| guest.send(Method::PATCH, &format!("{USERS}/10"), &patch(&operations)).await;
        let (_, user) = change(json!([
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@example.com"},
            {"op": "add", "path": "name.givenName", "value": "Ann"},
            {"op": "add", "value": {"name.familyName": "Berg", "urn:ietf:params:scim:schemas:core:2.0:User:locale": "nb-NO"}},
            {"op": "add", "path": "emails", "value": [{"value": "other@example.com", "type": "home"}]},
            {"op": "add", "path": "urn:bt-rollcall:sandbox:2.0:User:shoe", "value": 43},
        ])).await;
        let emails = json!([{"value": "new@example.com", "type": "work", "primary": true},
            {"value": "other@example.com", "type": "home"}]);
        assert_eq!((&user["emails"], &user["locale"]), (&emails, &json!("nb-NO")));
        assert_eq!(user["name"], json!({"formatted": "X", "givenName": "Ann", "familyName": "Berg"}));
        assert_eq!(guest.get(&format!("{GUIDE}/10")).await.1["email_address"], "new@example.com");
        assert_eq!(guest.get(&format!("{GUIDE}/10")).await.1["shoe"], 43);
        let (_, user) =
            change(json!([{"op": "add", "path": "emails", "value": {"value": "p@example.com", "primary": true}}]))
                .await;
        assert_eq!((&user["emails"][0]["primary"], &user["emails"][2]["primary"]), (&json!(false), &json!(true)));
        let (_, user) = change(json!([
            {"op": "remove", "path": "emails[value eq \"p@example.com\"]"},
            {"op": "remove", "path": "emails[type eq \"work\"]"},
            {"op": "remove", "path": "displayName"},
            {"op": "remove", "path": "urn:bt-rollcall:sandbox:2.0:User:shoe"},
        ]))
        .await;
        assert_eq!(user["emails"], json!([{"value": "other@example.com", "type": "home"}]));
        let (_, guides) = guest.get(&format!("{GUIDE}/10")).await;
        assert_eq!((&guides["email_address"], &guides["display_name"]), (&json!("other@example.com"), &Value::Null));
        assert_eq!(guides.get("shoe"), None);
    });
}

#[test]
fn a_patch_that_cannot_be_done_says_why_and_changes_nothing() {
    let sandbox = sandbox(small_world(2), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let before = guest.get(&format!("{USERS}/10")).await.1;
        for (operation, kind) in [
            (json!({"op": "remove"}), "noTarget"),
            (json!({"op": "replace", "path": "emails[type eq \"home\"].value", "value": "x"}), "noTarget"),
            (json!({"op": "replace", "path": "id", "value": "5"}), "mutability"),
            (json!({"op": "add", "path": "groups", "value": []}), "mutability"),
            (json!({"op": "move", "path": "active"}), "invalidSyntax"),
            (json!({"op": "replace", "value": 5}), "invalidValue"),
            (json!({"op": "replace", "path": "active", "value": 5}), "invalidValue"),
            (json!({"op": "remove", "path": "userName"}), "invalidValue"),
            (json!({"op": "replace", "path": "emails[type", "value": 5}), "invalidPath"),
            (json!({"op": "replace", "path": "emails[type gt 5]", "value": 5}), "invalidPath"),
        ] {
            let both = patch(&json!([{"op": "replace", "path": "displayName", "value": "Changed"}, operation]));
            let (status, error) = guest.send(Method::PATCH, &format!("{USERS}/10"), &both).await;
            assert_eq!((status, error["scimType"].as_str()), (StatusCode::BAD_REQUEST, Some(kind)), "{both}");
        }
        let taken = patch(&json!([{"op": "replace", "path": "userName", "value": "User2"}]));
        assert_eq!(guest.send(Method::PATCH, &format!("{USERS}/10"), &taken).await.0, 409);
        assert_eq!(guest.send(Method::PATCH, &format!("{USERS}/10"), &json!({})).await.0, 400);
        assert_eq!(guest.send(Method::PATCH, &format!("{USERS}/11"), &taken).await.0, 404);
        assert_eq!(guest.get(&format!("{USERS}/10")).await.1, before);
    });
    assert_eq!(sandbox.counters().writes, 0);
}

#[test]
fn members_join_and_leave_a_group_and_everybody_sees_it() {
    let sandbox = sandbox(small_world(3), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let (status, group) = guest
            .send(
                Method::POST,
                "/scim/v2/Groups",
                &json!({"displayName": "New", "externalId": "g",
            "members": [{"value": "10"}]}),
            )
            .await;
        assert_eq!((status, &group["id"], &group["externalId"]), (StatusCode::CREATED, &json!("3"), &json!("g")));
        let change = async |operations: Value| {
            let (status, body) = guest.send(Method::PATCH, "/scim/v2/Groups/3", &patch(&operations)).await;
            let members =
                body["members"].as_array().into_iter().flatten().map(|row| row["value"].as_str().unwrap().to_owned());
            (status.as_u16(), members.collect::<Vec<_>>())
        };
        let reported = |members: &[&str]| (200, members.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
        let added = json!([{"op": "add", "path": "members", "value": [{"value": "20"}, {"value": "10"}, {"value": "2", "type": "Group"}]}]);
        assert_eq!(change(added).await, reported(&["10", "20", "2"]));
        assert_eq!(guest.get(&format!("{GUIDE}/20")).await.1["group_memberships"], json!([2, 3]));
        assert_eq!(sandbox.with_world(|world| world.facets().nested.clone()), [(3, 2)]);
        // As the RFC has it, and as Entra ID sends it.
        assert_eq!(change(json!([{"op": "remove", "path": "members[value eq \"10\"]"}])).await, reported(&["20", "2"]));
        assert_eq!(
            change(json!([{"op": "Remove", "path": "members", "value": [{"value": "20"}]}])).await,
            reported(&["2"])
        );
        assert_eq!(
            change(json!([{"op": "replace", "path": "members", "value": [{"value": "30"}]}])).await,
            reported(&["30"])
        );
        assert_eq!(change(json!([{"op": "add", "path": "members", "value": [{"value": "31"}]}])).await.0, 400);
        assert_eq!(guest.get(&format!("{GUIDE}/20")).await.1["group_memberships"], json!([2]));
        assert_eq!(change(json!([{"op": "remove", "path": "members"}])).await, reported(&[]));
        let (_, group) = guest.send(Method::PUT, "/scim/v2/Groups/2", &json!({"displayName": "Renamed"})).await;
        assert_eq!((&group["displayName"], &group["members"]), (&json!("Renamed"), &json!([])));
        assert_eq!(guest.get("/api/public/v3/groups").await.1["groups"][1]["name"], "Renamed");
    });
}

#[test]
fn a_group_that_is_deleted_leaves_nobody_behind_and_its_id_is_not_used_again() {
    let sandbox = sandbox(small_world(1), Faults::default());
    sandbox.with_world(|world| {
        world.edit_user(10, |record| drop(record.insert("group_memberships".to_owned(), json!(["2", 1]))))
    });
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        assert_eq!(guest.send(Method::DELETE, "/scim/v2/Groups/2", &Value::Null).await.0, 204);
        assert_eq!(guest.send(Method::DELETE, "/scim/v2/Groups/2", &Value::Null).await.0, 404);
        assert_eq!(guest.get(&format!("{GUIDE}/10")).await.1["group_memberships"], json!([1]));
        let (_, group) = guest.send(Method::POST, "/scim/v2/Groups", &json!({"displayName": "Next"})).await;
        assert_eq!(group["id"], "3");
        assert_eq!(guest.send(Method::POST, "/scim/v2/Groups", &json!({"members": []})).await.0, 400);
    });
}
