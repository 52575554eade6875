//! What is said of answers of another shape, and what is not.

use super::*;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only read by serde")]
struct Page {
    users: Vec<ListRow>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only read by serde")]
struct ListRow {
    id: u64,
    enabled: Option<bool>,
}

fn said(body: &str) -> String {
    let error = body::json::<Page>(body.as_bytes()).unwrap_err();
    in_words::<Page>(body.as_bytes(), &error, &["s3cret".to_owned()])
}

#[test]
fn the_path_the_row_and_both_types_are_named_and_no_value() {
    let body = r#"{"users":[{"id":1},{"id":7,"enabled":"hunter2, expected nothing"}]}"#;
    assert_eq!(said(body), "$.users[1].enabled (id 7): expected true or false, found a text");
    assert_eq!(said(r#"{"users":{"a":1}}"#), "$.users: expected a list, found an object");
    assert_eq!(
        said(r#"{"users":[{"UserID":"x-1","id":"hunter2"}]}"#),
        "$.users[0].id (id hunter2): expected a whole number from 0, found a text"
    );
}

#[test]
fn the_key_that_is_missing_and_those_that_are_there_are_named() {
    assert_eq!(said(r#"{"TotalCount":5,"Data":[]}"#), "$: expected key \"users\", found \"Data\", \"TotalCount\"");
    assert_eq!(said("{}"), "$: expected key \"users\", found an object without keys");
    assert_eq!(
        said(r#"{"users":[{"name":"x","UserID":3}]}"#),
        "$.users[0] (id 3): expected key \"id\", found \"UserID\", \"name\""
    );
    let many: Vec<String> = (0..20).map(|n| format!("\"k{n:02}\":1")).collect();
    assert!(said(&format!("{{{}}}", many.join(","))).ends_with("\"k07\" and 12 more"));
}

#[test]
fn a_list_or_a_text_in_the_place_of_an_object_is_named() {
    assert_eq!(said(r#""maintenance""#), "$: expected an object, found a text");
    assert_eq!(said("null"), "$: expected an object, found null");
    assert!(said(r#"[{"id":1}]"#).starts_with('$'));
}

#[test]
fn html_is_named_with_its_title() {
    let page =
        "\n<!DOCTYPE html><html><head><title>\n Log in to\tBeyondTrust </title></head><body>password: x</body></html>";
    assert_eq!(said(page), "HTML with status 200, titled \"Log in to BeyondTrust\"");
    assert_eq!(said("<html>log in</html>"), "HTML with status 200");
    let page = "<html><title>Session deadbeefdeadbeefdead</title></html>";
    assert_eq!(said(page), "HTML with status 200, titled \"Session ***\"");
}

#[test]
fn what_is_no_json_is_shown_at_its_beginning_without_secrets() {
    let said_ = said("Service busy\r\npassword=hunter2 for s3cret");
    assert!(said_.ends_with("they begin: Service busy\\r\\npassword=*** for ***"), "{said_}");
    assert!(said_.contains("no JSON (expected value at line 1 column 1)"), "{said_}");
    assert!(said("{\"users\":[{\"id\":1}").contains("no JSON (EOF"), "a body that ends too early");
    assert!(said(&"x".repeat(500)).len() < 300);
    assert_eq!(said(""), "an empty body with status 200");
}

#[test]
fn control_characters_in_keys_do_not_reach_a_terminal() {
    assert_eq!(said("{\"\\u001b[31m\":1}"), "$: expected key \"users\", found a key of 5 characters");
}
