//! Tests of values of unexpected types and of broken texts: they affect one value and never the list.

use super::Tenant;
use super::server::Reply;
use super::world::{
    GUIDE, SAFE, SCIM, all, config_api, config_list, config_user, guide, guide_list, guide_user, safe, safe_list,
    safe_user, scim, scim_list, scim_user,
};
use serde_json::{Value, json};
use std::io::Write as _;

#[test]
fn byte_order_mark_before_any_response_is_ignored() {
    for tenant in all() {
        tenant.server.change(|reply| reply.mapped(|body| [b"\xef\xbb\xbf", &body[..]].concat()));
        tenant.first(0);
        tenant.check(0);
    }
}

#[test]
fn deflate_responses_are_read_with_and_without_the_zlib_header() {
    for raw in [true, false] {
        let packed = move |body: Vec<u8>| -> Vec<u8> {
            if raw {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&body).unwrap();
                encoder.finish().unwrap()
            } else {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&body).unwrap();
                encoder.finish().unwrap()
            }
        };
        for tenant in [guide(), scim(), safe()] {
            tenant.server.change(move |reply| reply.mapped(packed).with("Content-Encoding: deflate"));
            tenant.first(0);
        }
    }
}

/// Returns a tenant with one user whose field has this value, for each interface that has the field under one of these names.
fn with_field(names: [Option<&str>; 4], value: &Value) -> Vec<Tenant> {
    let set = |mut user: Value, name: &str| {
        user[name] = value.clone();
        json!([user])
    };
    let mut tenants = Vec::new();
    if let Some(name) = names[0] {
        let tenant = guide();
        guide_list(&tenant.server, "users", &set(guide_user(1, "ann", &[1]), name));
        tenants.push(tenant);
    }
    if let Some(name) = names[1] {
        let tenant = config_api("rs");
        config_list(&tenant.server, "/user", &set(config_user(1, "ann"), name));
        config_list(&tenant.server, "/group-policy/2/member", &json!([]));
        config_list(&tenant.server, "/group-policy/3/member", &json!([]));
        tenants.push(tenant);
    }
    if let Some(name) = names[2] {
        let tenant = safe();
        safe_list(&tenant.server, "/Users", &set(safe_user(1, "ann"), name));
        safe_list(&tenant.server, "/UserGroups/2/Users", &json!([]));
        tenants.push(tenant);
    }
    if let Some(name) = names[3] {
        let tenant = scim();
        scim_list(&tenant.server, "/Users", &set(scim_user("1", "ann"), name));
        tenants.push(tenant);
    }
    tenants
}

const ENABLED: [Option<&str>; 4] = [Some("enabled"), Some("enabled"), Some("IsActive"), Some("active")];

#[test]
fn booleans_are_read_from_words_in_any_case_and_from_1_and_0() {
    for (written, read) in [
        (json!("true"), "true"),
        (json!("True"), "true"),
        (json!(1), "true"),
        (json!("1"), "true"),
        (json!(1.0), "true"),
        (json!("False"), "false"),
        (json!("FALSE"), "false"),
        (json!(0), "false"),
        (json!(" false "), "false"),
    ] {
        for tenant in with_field(ENABLED, &written) {
            tenant.first(0);
            assert_eq!(tenant.user("1")["enabled"], read, "{written}: {}", tenant.manifest()["sources"][0]["kind"]);
            assert_eq!(tenant.quality(), Value::Null, "{written}");
        }
    }
}

#[test]
fn invalid_boolean_is_unknown_kept_in_extra_and_counted() {
    for written in [json!("yes"), json!(2), json!([true]), json!({"value": true}), json!("")] {
        for (tenant, name) in with_field(ENABLED, &written).into_iter().zip(ENABLED) {
            let name = name.unwrap();
            tenant.first(0);
            let user = tenant.user("1");
            assert_eq!(user["enabled"], "", "{written}");
            assert!(user["extra"].contains(&format!("\"{name}\":{written}")), "{written}: {}", user["extra"]);
            let expected = json!({"count": 1, "example": "1"});
            assert_eq!(tenant.quality()["unreadable_values"][format!("users.{name}")], expected, "{written}");
            assert!(!tenant.found("disabled-in-group").contains(&"1".to_owned()));
        }
    }
}

#[test]
fn value_of_another_type_affects_only_that_value() {
    let tenant = guide();
    let mut odd = guide_user(2, "ben", &[2]);
    odd["locale"] = json!({"code": "en"});
    guide_list(&tenant.server, "users", &json!([guide_user(1, "ann", &[1]), odd, guide_user(3, "cid", &[1, 2])]));
    tenant.first(0);
    assert_eq!(tenant.column("users", "locale"), ["en", "", "en"]);
    assert_eq!(tenant.column("users", "extra"), ["", r#"{"locale":{"code":"en"}}"#, ""]);
    let expected = json!({"users.locale": {"count": 1, "example": "2"}});
    assert_eq!(tenant.quality()["unreadable_values"], expected);
    assert_eq!(tenant.memberships(), ["1:1", "1:3", "2:2", "2:3"]);
    assert_eq!(tenant.found("data-quality"), ["s"], "the source's own finding, and none of a user");
}

#[test]
fn texts_are_read_from_numbers_and_other_types_are_kept_in_extra() {
    let names = [Some("username"), Some("username"), Some("UserName"), Some("userName")];
    for tenant in with_field(names, &json!(12345)) {
        tenant.first(0);
        assert_eq!(tenant.user("1")["username"], "12345");
    }
    for written in [json!(["ann"]), json!({"x": 1}), json!(true)] {
        for tenant in with_field(names, &written) {
            tenant.first(0);
            let user = tenant.user("1");
            assert_eq!(user["username"], "", "{written}");
            assert!(user["extra"].contains(&written.to_string()), "{written}: {}", user["extra"]);
            assert_eq!(tenant.coverage("users"), "complete");
        }
    }
}

#[test]
fn memberships_of_rest_v3_are_read_from_texts_objects_and_single_values() {
    for written in
        [json!(["1"]), json!([{"id":1}]), json!([{"value":"1"}]), json!({"id":1}), json!(1), json!("1"), json!([1.0])]
    {
        let tenant = with_field([Some("group_memberships"), None, None, None], &written).remove(0);
        tenant.first(0);
        assert_eq!(tenant.memberships(), ["1:1"], "{written}");
        assert_eq!(tenant.user("1")["groups_known"], "true", "{written}");
    }
    for written in [json!("1,2"), json!([1, true]), json!([1, null]), json!(true), Value::Null, json!([[1]])] {
        let tenant = with_field([Some("group_memberships"), None, None, None], &written).remove(0);
        tenant.run_at(super::FIRST);
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.user("1")["groups_known"], "false", "{written}");
    }
}

#[test]
fn lone_surrogates_and_invalid_utf8_are_replaced_and_counted() {
    for (name, expected) in [
        (&b"User \\ud83d"[..], "User \u{fffd}"),
        (&b"M\xfcller"[..], "M\u{fffd}ller"),
        (&b"\\udc00x"[..], "\u{fffd}x"),
        (&b"\\ud83d\\u0041"[..], "\u{fffd}A"),
        (&b"\\ud83d\\ude00"[..], "\u{1f600}"),
    ] {
        let tenant = guide();
        let users = json!([guide_user(1, "ann", &[1]), guide_user(2, "NAME", &[1])]).to_string();
        let body = format!(r#"{{"total":2,"users":{users}}}"#);
        let (before, after) = body.split_once("\"display_name\":\"NAME\"").unwrap();
        let body = [before.as_bytes(), b"\"display_name\":\"", name, b"\"", after.as_bytes()].concat();
        tenant.server.answer(&format!("GET {GUIDE}/users"), move |request| match request.number("offset") {
            Some(0) => Reply::ok(body.clone()),
            _ => Reply::ok(r#"{"total":2,"users":[]}"#),
        });
        tenant.first(0);
        assert_eq!(tenant.user("2")["display_name"], expected);
        let replaced = expected.matches('\u{fffd}').count();
        let counted = &tenant.quality()["unreadable_values"]["invalid characters"]["count"];
        assert_eq!(counted.as_u64().unwrap_or(0), replaced as u64, "{expected}: {counted}");
        assert_eq!(tenant.user("1")["display_name"], "ann");
    }
}

#[test]
fn email_addresses_of_scim_are_read_from_lists_objects_and_texts() {
    for (written, read) in [
        (json!([{"value":"a@x"}]), "a@x"),
        (json!({"value":"a@x"}), "a@x"),
        (json!(["a@x"]), "a@x"),
        (json!("a@x"), "a@x"),
        (json!([{"value":"b@x"},{"value":"a@x","primary":true}]), "a@x"),
        (json!([{"value":"b@x"},{"Value":"a@x","Primary":"True"}]), "a@x"),
        (json!([{"value":null},{"value":"a@x"}]), "a@x"),
        (json!([]), ""),
        (Value::Null, ""),
        (json!([{"x":1}]), ""),
        (json!(7), ""),
    ] {
        let tenant = with_field([None, None, None, Some("emails")], &written).remove(0);
        tenant.first(0);
        assert_eq!(tenant.user("1")["email_address"], read, "{written}");
        let is_odd = written == json!([{"x":1}]) || written == json!(7);
        assert_eq!(tenant.quality().is_null(), !is_odd, "{written}");
    }
}

#[test]
fn fields_with_secret_sounding_names_are_kept_unless_they_contain_secrets() {
    let kept = json!({
        "perm_set_passwords": true, "password_expiration": "2027-01-01T00:00:00Z", "password_reset_next_login": true,
        "perm_edit_api_key": false, "password_age_days": 12, "token": null, "secret_questions": 0,
        "password_changed": "/Date(1763625600000)/", "perm_vault_secrets": "True", "deep": {"password_expires": "2027-01-01"},
    });
    let dropped = json!({
        "password": "hunter2hunter2", "client_secret": "canary-1", "api_key": "canary-2",
        "deep_secrets": {"token": "canary-3", "list": [{"password": "canary-4"}]}, "private_key": ["canary-5"],
    });
    for mut user in [guide_user(1, "ann", &[1]), config_user(1, "ann")] {
        let fields = kept.as_object().unwrap().iter().chain(dropped.as_object().unwrap());
        fields.for_each(|(name, value)| user[name] = value.clone());
        let tenant = if user.get("group_memberships").is_some() { guide() } else { config_api("rs") };
        if user.get("group_memberships").is_some() {
            guide_list(&tenant.server, "users", &json!([user]));
        } else {
            config_list(&tenant.server, "/user", &json!([user, config_user(2, "ben"), config_user(3, "cid")]));
        }
        tenant.first(0);
        let extra: Value = serde_json::from_str(&tenant.user("1")["extra"]).unwrap();
        for (name, value) in kept.as_object().unwrap() {
            assert_eq!(&extra[name], value, "{name}: {extra}");
        }
        let text = std::fs::read_to_string(tenant.snapshot().join("users.csv")).unwrap();
        assert!(!text.contains("canary") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn unexpected_values_in_groups_and_members_do_not_fail_a_list() {
    let tenant = guide();
    guide_list(&tenant.server, "groups", &json!([{"id":1,"name":["x"],"description":7},{"id":"2","name":true}]));
    tenant.first(0);
    assert_eq!(tenant.column("groups", "name"), ["", ""]);
    assert_eq!(tenant.column("groups", "description"), ["7", ""]);
    assert_eq!(tenant.quality()["unreadable_values"]["groups.name"], json!({"count": 2, "example": "1"}));
    let tenant = safe();
    let groups = json!([
        {"GroupID":"1","Name":"Administrators","GroupType":"beyondinsight"},
        {"GroupID":2.0,"Name":{"x":1},"GroupType":"BeyondInsight"},
    ]);
    safe_list(&tenant.server, "/UserGroups", &groups);
    safe_list(&tenant.server, "/UserGroups/1/Users", &json!([{"UserID":"1"}]));
    safe_list(&tenant.server, "/UserGroups/2/Users", &json!([{"UserID":2.0},{"UserID":{"id":3}}]));
    tenant.first(0);
    assert_eq!(tenant.memberships(), ["1:1", "2:2", "2:3"]);
    assert_eq!(tenant.server.count(&format!("GET {SAFE}/Users/*")), 0);
    let tenant = scim();
    tenant
        .server
        .on(&format!("GET {SCIM}/ServiceProviderConfig"), Reply::ok(r#"{"filter":{"maxResults":"2.0"},"sort":7}"#));
    tenant.first(0);
}

#[test]
fn members_of_a_group_are_not_counted_when_memberships_of_a_user_are_unknown() {
    let tenant = guide();
    let mut odd = guide_user(2, "ben", &[]);
    odd["group_memberships"] = json!("1,2");
    guide_list(&tenant.server, "users", &json!([guide_user(1, "ann", &[1]), odd]));
    tenant.first(0);
    tenant.concludes_nothing_from_absence();
    assert_eq!(tenant.group("2")["member_count"], "", "Ben may be in it");
}
