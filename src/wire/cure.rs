//! Cures that name the keys by which the configuration can move a path. Pure.

use super::{PathKeys, WireErrorKind};

/// What to do where nothing answers at a path: `sign_in` for the token request and the one that opens a session, else a list's
/// or a record's.
pub(super) fn of(kind: &WireErrorKind, path: &str, keys: &PathKeys, sign_in: bool) -> Option<String> {
    match kind {
        WireErrorKind::NotFound | WireErrorKind::Answered(404) if sign_in => Some(of_sign_in(path, keys)),
        WireErrorKind::NotFound => {
            let base = keys.base_path.as_ref()?;
            Some(format!(
                "check url and base_path: base_path (now {base:?}) is the part of the path behind url at which the API of this \
                 product begins"
            ))
        }
        _ => None,
    }
}

fn of_sign_in(path: &str, keys: &PathKeys) -> String {
    match keys {
        PathKeys { token_path: true, .. } => format!(
            "set token_path (now {path:?}) to the path of the token endpoint of this product, and check that url and kind are \
             those of the appliance"
        ),
        PathKeys { base_path: Some(base), .. } => {
            format!("check url, kind and base_path (now {base:?}): this path begins with base_path")
        }
        _ => format!("check url and kind: this kind always signs in at {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(base_path: Option<&str>, token_path: bool) -> PathKeys {
        PathKeys { base_path: base_path.map(str::to_owned), token_path }
    }

    #[test]
    fn only_keys_that_the_kind_has_are_named() {
        let list = |keys| of(&WireErrorKind::NotFound, "/scim/v2/Users", &keys, false);
        assert!(list(keys(Some("/scim/v2"), true)).unwrap().contains("base_path (now \"/scim/v2\") is"));
        assert_eq!(list(keys(None, false)), None);
        let token = |keys| of(&WireErrorKind::Answered(404), "/oauth2/token", &keys, true).unwrap();
        assert!(token(keys(Some("/scim/v2"), true)).starts_with("set token_path (now \"/oauth2/token\")"));
        assert!(token(keys(Some("/BeyondTrust/api/public/v3"), false)).contains("base_path"));
        assert!(!token(keys(None, false)).contains("_path"));
        assert_eq!(of(&WireErrorKind::Answered(500), "/t", &keys(None, true), true), None);
    }
}
