//! What a source gave beyond the columns, without anything secret: the one way in which a field that nobody announced can
//! come into a table. [`Extra`] can only be made by [`Extra::of`], and that drops secrets at any depth.

use serde_json::{Map, Value};
use std::ops::Deref;

/// Fields without a column of their own: a JSON object as compact text, keys sorted, secrets removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra(Box<str>);

impl Extra {
    /// Of these fields; `None` where nothing is left.
    pub fn of(fields: Map<String, Value>) -> Option<Self> {
        let fields = drop_secrets(fields);
        (!fields.is_empty()).then(|| Self(Value::Object(fields).to_string().into_boxed_str()))
    }
}

impl Deref for Extra {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// Whether a field's name says that its value must not be stored. However it is spelled: `private_key`, `privateKey`,
/// `Private-Key`, `ClientSecret`. A public key is none.
pub fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 18] = [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "privatekey",
        "apikey",
        "accesskey",
        "credential",
        "otpseed",
        "sharedkey",
        "signingkey",
        "encryptionkey",
        "passcode",
        "recoverycode",
        "backupcode",
        "sessionid",
    ];
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    // How many passkeys somebody has is no secret; it says who has one.
    name != "fido2credentialcount" && WORDS.iter().any(|word| name.contains(word))
}

/// The fields whose names are not those of secrets, cleaned in the same way.
pub fn drop_secrets(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().filter(|(key, _)| !is_secret(key)).map(|(key, value)| (key, without_secrets(value))).collect()
}

/// The value without any field named like a secret, at any depth.
pub fn without_secrets(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(drop_secrets(fields)),
        Value::Array(items) => Value::Array(items.into_iter().map(without_secrets).collect()),
        other => other,
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
            "publicKeyType": "rsa", "fido2_credential_count": 2, "credentials": [1], "a": [{"b": {"Private-Key": "x", "c": 1}}],
        }));
        assert_eq!(extra.as_deref(), Some(r#"{"a":[{"b":{"c":1}}],"fido2_credential_count":2,"publicKeyType":"rsa"}"#));
        assert_eq!(of(json!({"password_hash": "x"})), None, "nothing is left");
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
