//! Reported fields that have no column of their own, without secrets.
//!
//! A product may add fields at any time, so unknown fields must be filtered before they reach a table. [`Extra`] is the
//! only type that carries them, and both of its constructors drop secrets at every depth. Decoders and tables use it.

use super::secret_name::is_secret;
use serde_json::{Map, Value};
use std::ops::Deref;

/// Fields without a column of their own: a JSON object as compact text, keys sorted, secrets removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra(Box<str>);

impl Extra {
    /// Keeps these fields without secrets; `None` if nothing is left.
    pub fn of(fields: Map<String, Value>) -> Option<Self> {
        let fields = drop_secrets(fields);
        (!fields.is_empty()).then(|| Self(Value::Object(fields).to_string().into_boxed_str()))
    }
    /// Parses the `extra` column of a snapshot and drops secrets again; `None` if it is no object or nothing is left.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().and_then(Self::of)
    }
}

impl Deref for Extra {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// Returns whether a value below a secret's name may be the secret itself.
///
/// That is every text except a date or a boolean in words. Rights (`perm_set_passwords`), dates
/// (`password_expiration`), numbers and null are not secrets.
fn hides_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => !(text.trim().is_empty() || is_flag(text) || is_date(text)),
        _ => false,
    }
}

fn is_flag(text: &str) -> bool {
    ["true", "false", "never", "none"].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// Returns whether a text is an ISO 8601 date without further words, or a date of ASP.NET (`/Date(1763625600000)/`).
fn is_date(text: &str) -> bool {
    let text = text.trim();
    let day = text.as_bytes().get(..10).unwrap_or_default();
    let begins = day.len() == 10
        && day
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() });
    let rest_is_time =
        || text.len() <= 40 && text.bytes().skip(10).all(|b| b.is_ascii_digit() || b"TtZz:.,+- ".contains(&b));
    let asp_net = || {
        let digits = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/"));
        digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit() || b"+-".contains(&b)))
    };
    (begins && rest_is_time()) || asp_net()
}

/// Returns the fields without secrets at any depth.
fn drop_secrets(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().filter_map(|(key, value)| kept(key, value)).collect()
}

/// Returns whether a text has the form of a credential, whatever its field name: an `Authorization` header, a password
/// hash (crypt(3), Argon2, LDAP), or a URL that contains a token.
pub fn is_credential(value: &Value) -> bool {
    const STARTS: [&str; 11] =
        ["Bearer ", "Basic ", "PS-Auth ", "$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$argon2", "{SSHA"];
    let text = value.as_str().unwrap_or_default();
    // Every text of every row is tested, and few of them begin like this or have such a character.
    let may_start = text.starts_with(['B', 'P', '$', '{']);
    (may_start && STARTS.iter().any(|start| text.starts_with(start)))
        || (text.contains('=') && (text.contains("access_token=") || text.contains("client_secret=")))
}

fn kept(key: String, value: Value) -> Option<(String, Value)> {
    if is_credential(&value) {
        return None;
    }
    // Below a secret's name, numbers and dates are kept: reviewers need the age of a password.
    let value = if is_secret(&key) { without_texts(value)? } else { without_secrets(value) };
    Some((key, value))
}

/// Returns the value without any field that holds a secret, at any depth.
pub fn without_secrets(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(drop_secrets(fields)),
        Value::Array(items) => {
            // Items of an array have no names, so only their form can give them away.
            let kept = items.into_iter().filter(|item| !is_credential(item));
            Value::Array(kept.map(without_secrets).collect())
        }
        other => other,
    }
}

/// Returns a value below a secret's name without its texts, since any of them may be the secret. `None` if nothing is
/// left.
pub fn without_texts(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            let kept: Map<String, Value> =
                fields.into_iter().filter_map(|(key, value)| Some((key, without_texts(value)?))).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<Value> = items.into_iter().filter_map(without_texts).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        text if hides_secret(&text) => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn of(value: Value) -> Option<Extra> {
        let Value::Object(fields) = value else { panic!("an object") };
        Extra::of(fields)
    }

    #[test]
    fn fields_named_like_a_secret_are_dropped_however_they_are_spelled_and_however_deep_they_are() {
        let extra = of(json!({
            "ClientSecret": "x", "client-secret": "x", "Pass Phrase": "x", "api_key": "x", "refreshToken": "x",
            "publicKeyType": "rsa", "credentials": ["x", {"value": "x"}], "a": [{"b": {"Private-Key": "x", "c": 1}}],
        }));
        assert_eq!(extra.as_deref(), Some(r#"{"a":[{"b":{"c":1}}],"publicKeyType":"rsa"}"#));
        assert_eq!(
            of(json!({"password_hash": "x", "pinCode": "1234", "auth": {"header": "x"}})),
            None,
            "nothing is left"
        );
    }

    #[test]
    fn credentials_are_dropped_by_their_form_whatever_their_names() {
        let extra = of(json!({
            "sso": {"value": "Bearer abcdefgh"}, "check": "$2b$12$canary", "link": "https://h/x?access_token=canary",
            "list": ["{SSHA512}canary", "kept"], "title": "Basics of bearers",
        }));
        assert_eq!(extra.as_deref(), Some(r#"{"list":["kept"],"sso":{},"title":"Basics of bearers"}"#));
    }

    #[test]
    fn rights_numbers_dates_and_null_stay_whatever_their_name() {
        let rights = json!({
            "fido2_credential_count": 2, "password_age_days": 7, "password_expiration": "2027-01-01T00:00:00Z",
            "password_last_set": "/Date(1763625600000)/", "password_reset_next_login": true, "perm_set_passwords": "True",
            "secret_rotation": null, "token_rights": {"read": true},
        });
        assert_eq!(of(rights.clone()).as_deref(), Some(rights.to_string().as_str()));
        assert_eq!(of(json!({"password": "2027-01-01T00:00:00Z or so", "pwd": "12345678"})), None);
    }

    proptest! {
        #[test]
        fn no_field_of_a_secret_s_name_survives_wherever_it_hides(
            before in "[a-zA-Z_ -]{0,8}", after in "[a-zA-Z_ -]{0,8}", depth in 0usize..5, word in 0usize..6,
        ) {
            let word = ["pass_word", "SECRET", "toKen", "private-key", "Api Key", "pwd"][word];
            let mut value = json!({format!("{before}{word}{after}"): "canary", "kept": 1});
            for level in 0..depth {
                value = if level % 2 == 0 { json!([value, 1]) } else { json!({"inner": value}) };
            }
            let extra = of(json!({"outer": value})).unwrap();
            prop_assert!(!extra.contains("canary"), "{}", &*extra);
            prop_assert!(extra.contains("kept"));
        }
    }
}
