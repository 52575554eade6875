//! Descriptions of unexpected responses, and the values that they must not show.

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

fn described(body: &str) -> String {
    let error = body::json::<Page>(body.as_bytes()).unwrap_err();
    describe::<Page>(body.as_bytes(), &error, &["s3cret".to_owned()])
}

#[test]
fn description_names_path_row_id_and_types_but_no_value() {
    let body = r#"{"users":[{"id":1},{"id":7,"enabled":"hunter2, expected nothing"}]}"#;
    assert_eq!(described(body), "$.users[1].enabled (id 7): expected true or false, found a text");
    assert_eq!(described(r#"{"users":{"a":1}}"#), "$.users: expected a list, found an object");
    assert_eq!(
        described(r#"{"users":[{"UserID":"x-1","id":"hunter2"}]}"#),
        "$.users[0].id (id hunter2): expected a whole number from 0, found a text"
    );
}

#[test]
fn description_names_the_missing_key_and_the_existing_ones() {
    assert_eq!(
        described(r#"{"TotalCount":5,"Data":[]}"#),
        "the key \"users\" is missing; found \"Data\", \"TotalCount\""
    );
    assert_eq!(described("{}"), "the key \"users\" is missing; found an object without keys");
    assert_eq!(
        described(r#"{"users":[{"name":"x","UserID":3}]}"#),
        "$.users[0] (id 3): the key \"id\" is missing; found \"UserID\", \"name\""
    );
    let many: Vec<String> = (0..20).map(|n| format!("\"k{n:02}\":1")).collect();
    assert!(described(&format!("{{{}}}", many.join(","))).ends_with("\"k07\" and 12 more"));
}

#[test]
fn description_names_the_type_found_in_place_of_an_object() {
    assert_eq!(described(r#""maintenance""#), "expected an object, found a text");
    assert_eq!(described("null"), "expected an object, found null");
    assert!(described(r#"[{"id":1}]"#).contains("expected "));
}

#[test]
fn description_of_html_contains_its_title() {
    let page =
        "\n<!DOCTYPE html><html><head><title>\n Log in to\tBeyondTrust </title></head><body>password: x</body></html>";
    assert_eq!(described(page), "HTML with status 200, titled \"Log in to BeyondTrust\"");
    assert_eq!(described("<html>log in</html>"), "HTML with status 200");
    let page = "<html><title>Session deadbeefdeadbeefdead</title></html>";
    assert_eq!(described(page), "HTML with status 200, titled \"Session ***\"");
}

#[test]
fn description_of_other_text_is_a_masked_excerpt() {
    let busy = described("Service busy\r\npassword=hunter2 for s3cret");
    assert!(busy.ends_with("they start with: Service busy\\r\\npassword=*** for ***"), "{busy}");
    assert!(busy.contains("not JSON (expected value at line 1 column 1)"), "{busy}");
    assert!(described("{\"users\":[{\"id\":1}").contains("not JSON (EOF"), "a body that ends too early");
    assert!(described(&"x".repeat(500)).len() < 300);
    assert_eq!(described(""), "an empty body with status 200");
}

#[test]
fn keys_with_control_characters_are_not_shown() {
    assert_eq!(described("{\"\\u001b[31m\":1}"), "the key \"users\" is missing; found a key of 5 characters");
}
