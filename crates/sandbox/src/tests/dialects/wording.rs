//! Dialects that only change the wording: booleans, numbers, ids, dates, bytes, empty lists, tokens.

use super::*;

const USERS: &str = "/api/public/v3/users";

fn column(rows: &Value, key: &str) -> Vec<Value> {
    rows.as_array().unwrap().iter().map(|row| row[key].clone()).collect()
}

#[test]
fn booleans_are_texts_in_three_spellings_or_numbers() {
    let users = served(tenant(), Dialect::TextBooleans, USERS);
    assert_eq!(
        column(&users["users"], "enabled"),
        ["True", "TRUE", "true", "False", "FALSE", "true", "True"].map(Value::from)
    );
    let users = served(tenant(), Dialect::NumberBooleans, "/scim/v2/Users");
    assert_eq!(column(&users["Resources"], "active"), [1, 1, 1, 0, 0, 1, 1].map(Value::from));
    assert_eq!(users["Resources"][0]["emails"][0]["primary"], 1);
}

#[test]
fn ids_and_totals_are_texts_or_floats() {
    let users = served(tenant(), Dialect::TextNumbers, USERS);
    assert_eq!((&users["total"], &users["users"][1]["id"]), (&json!("7"), &json!("20")));
    assert_eq!(users["users"][1]["group_memberships"], json!(["1", "3"]));
    let page = served(tenant(), Dialect::FloatIntegers, "/scim/v2/Users");
    assert_eq!(page["totalResults"].to_string(), "7.0");
    let members = served(tenant(), Dialect::FloatIntegers, "/api/config/v1/group-policy/1/member");
    assert_eq!(members[0]["user_id"].to_string(), "20.0");
    let groups = served_by_safe(tenant(), Dialect::TextNumbers, "UserGroups");
    assert_eq!(groups[0]["GroupID"], "1");
}

#[test]
fn group_ids_are_objects_or_a_single_id() {
    let users = served(tenant(), Dialect::ObjectIds, USERS);
    let groups = column(&users["users"], "group_memberships");
    // The id of the record decides: 10 and 40 have a value, 20 has too many for a single id, 30 has ids.
    assert_eq!(
        groups[..4],
        [json!([{"value": "2"}]), json!([1, 3]), json!([{"id": 2}, {"id": 3}]), json!([{"value": "2"}])]
    );
    assert_eq!(groups[4], 3);
}

#[test]
fn every_json_response_starts_with_a_byte_order_mark() {
    let sandbox = sandbox(tenant(), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        sandbox.set_faults(faults(&[Dialect::ByteOrderMark]));
        let token = ask_token(&sandbox, &client.http).await.bytes().await.unwrap();
        let (_, _, users) = raw(client.request(Method::GET, USERS)).await;
        let (status, _, error) = raw(client.request(Method::GET, &format!("{USERS}/11"))).await;
        assert_eq!(status, 404);
        for body in [&token[..], &users, &error] {
            assert_eq!(&body[..4], b"\xef\xbb\xbf{");
        }
    });
}

#[test]
fn every_response_is_deflated_without_being_asked() {
    let sandbox = sandbox(tenant(), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        sandbox.set_faults(faults(&[Dialect::Deflate]));
        let (_, headers, body) = raw(client.request(Method::GET, &format!("{USERS}/10"))).await;
        assert_eq!(headers["content-encoding"], "deflate");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::ZlibDecoder::new(&body[..]), &mut text).unwrap();
        assert!(text.contains("anna"), "{text}");
    });
}

#[test]
fn an_empty_list_has_no_content_or_is_null() {
    let sandbox = sandbox_with(tenant(), &[Dialect::NoContent]);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        for path in
            [&format!("{USERS}?offset=9"), "/api/config/v1/group-policy/4/member", "/scim/v2/Users?startIndex=9"]
        {
            let (status, _, body) = raw(client.request(Method::GET, path)).await;
            assert_eq!((status, body.len()), (StatusCode::NO_CONTENT, 0), "{path}");
        }
        assert_eq!(client.ids(USERS).await.len(), 7);
    });
    let empty = |path: &str| served(World::empty(), Dialect::NullLists, path);
    assert_eq!(empty(USERS), json!({"users": null, "total": 0}));
    assert_eq!(empty("/api/public/v3/groups"), json!({"groups": null, "total": 0}));
    let page = empty("/scim/v2/Groups");
    assert_eq!((page.get("Resources"), &page["totalResults"]), (Some(&Value::Null), &json!(0)));
    let beyond = served(tenant(), Dialect::NullLists, &format!("{USERS}?offset=9"));
    assert_eq!(beyond, json!({"users": [], "total": 7}), "not where the list has rows");
}

#[test]
fn dates_have_six_notations_and_other_texts_stay() {
    let mut world = tenant();
    let logins = [
        (11, "2025-11-20T08:00:00Z"),
        (12, "2025-11-20T08:00:00Z"),
        (13, "2025-11-20T08:00:00Z"),
        (14, "2025-11-20T08:00:00Z"),
        (15, "2025-11-20T08:00:00Z"),
        (16, "2025-11-20T08:00:00Z"),
        (18, "2025-11-20T08:00:00.25Z"),
        (24, "1970-01-01T00:00:00Z"),
        (25, "yesterday"),
        (26, "1999-01-01T00:00:00Z"),
    ];
    for (id, login) in logins {
        world.put_user(id, record(&json!({"username": format!("u{id}"), "last_login": login})));
    }
    let users = served(world, Dialect::ForeignDates, USERS);
    let login =
        |id: u64| users["users"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap()["last_login"].clone();
    assert_eq!(
        [12, 13, 14, 15, 16, 11].map(login),
        [
            json!("/Date(1763625600000)/"),
            json!(1_763_625_600),
            json!(1_763_625_600_000_u64),
            json!("2025-11-20T08:00:00.0000000"),
            json!("2025-11-20T08:00:00+0000"),
            json!("2025-11-20 08:00:00.000"),
        ]
    );
    // Epoch numbers have no fraction here.
    assert_eq!(login(18), "2025-11-20T08:00:00.2500000");
    assert_eq!([24, 25, 26].map(login), ["1970-01-01T00:00:00Z", "yesterday", "1999-01-01T00:00:00Z"].map(Value::from));
    assert_eq!(login(60), Value::Null);
    let user = served(tenant(), Dialect::ForeignDates, "/scim/v2/Users/10");
    assert_eq!(user["meta"]["created"], "2026-11-01T00:00:00+0000");
}

#[test]
fn totals_count_the_rows_of_the_page() {
    let page = served(tenant(), Dialect::PageTotals, &format!("{USERS}?limit=3&offset=6"));
    assert_eq!((&page["total"], column(&page["users"], "id")), (&json!(1), vec![json!(70)]));
    let page = served(tenant(), Dialect::PageTotals, "/scim/v2/Users?count=2");
    assert_eq!(page["totalResults"], 2);
    let answers = crawl(&tenant(), Surface::Pra, &[Dialect::PageTotals]);
    assert_eq!([&answers[0].2, &answers[1].2], ["7", "0"], "the second page asked for is beyond the end");
}

#[test]
fn only_the_raw_secret_in_http_basic_is_accepted() {
    let sandbox = sandbox_with(tenant(), &[Dialect::RawBasic]);
    block_on(async {
        let http = plain_client();
        assert_eq!(ask_token(&sandbox, &http).await.status(), 200);
        let post = || {
            let request = http.post(format!("{}/oauth2/token", sandbox.url()));
            request.header("content-type", "application/x-www-form-urlencoded")
        };
        let encoded = "sandbox+canary-must-not-leak%2B%2F%3D%26%25";
        let basic = post().basic_auth("rollcall", Some(encoded)).body("grant_type=client_credentials");
        assert_eq!(basic.send().await.unwrap().status(), 401);
        let form = format!("grant_type=client_credentials&client_id=rollcall&client_secret={encoded}");
        assert_eq!(post().body(form).send().await.unwrap().status(), 401);
        // Password Safe takes the account from the form only, in every dialect.
        assert_eq!(SafeClient::with_token(&sandbox).await.sign_in().await.0, 200);
    });
}

#[test]
fn the_first_eight_requests_get_429_without_retry_after() {
    let sandbox = sandbox_with(tenant(), &[Dialect::EightBusy]);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        for _ in 0..8 {
            let (status, headers, _) = raw(client.request(Method::GET, USERS)).await;
            assert_eq!((status, headers.get("retry-after")), (StatusCode::TOO_MANY_REQUESTS, None));
        }
        assert_eq!(client.get(USERS).await.0, 200);
    });
    assert_eq!(sandbox.counters().too_many, 8);
}
