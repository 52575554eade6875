//! Hints for paths that were not found. They name the configuration keys that move the path.
//!
//! The keys differ by kind of source, so the hint is made from [`PathKeys`] and takes the place of the general one in
//! [`WireErrorKind::hint`]. Pure.

use super::{PathKeys, WireErrorKind};

/// Returns the hint for a path that was not found; `None` for any other error, or if no key moves the path.
///
/// `sign_in` is true for the token request and for the request that opens a session.
pub(super) fn hint(kind: &WireErrorKind, path: &str, keys: &PathKeys, sign_in: bool) -> Option<String> {
    match kind {
        WireErrorKind::NotFound | WireErrorKind::Answered(404) if sign_in => Some(sign_in_hint(path, keys)),
        WireErrorKind::NotFound => {
            let base = keys.base_path.as_ref()?;
            Some(format!(
                "check url and base_path: base_path (now {base:?}) is the part of the path between url and the lists of this API"
            ))
        }
        _ => None,
    }
}

fn sign_in_hint(path: &str, keys: &PathKeys) -> String {
    match keys {
        PathKeys { token_path: true, .. } => format!(
            "set token_path (now {path:?}) to the path of the token endpoint of this product, and check url and kind"
        ),
        PathKeys { base_path: Some(base), .. } => {
            format!("check url, kind and base_path (now {base:?}); this path begins with base_path")
        }
        _ => format!("check url and kind; this kind always signs in at {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(base_path: Option<&str>, token_path: bool) -> PathKeys {
        PathKeys { base_path: base_path.map(str::to_owned), token_path }
    }

    #[test]
    fn hints_name_only_keys_that_the_kind_of_source_has() {
        let list = |keys| hint(&WireErrorKind::NotFound, "/scim/v2/Users", &keys, false);
        assert!(list(keys(Some("/scim/v2"), true)).unwrap().contains("base_path (now \"/scim/v2\") is"));
        assert_eq!(list(keys(None, false)), None);
        let token = |keys| hint(&WireErrorKind::Answered(404), "/oauth2/token", &keys, true).unwrap();
        assert!(token(keys(Some("/scim/v2"), true)).starts_with("set token_path (now \"/oauth2/token\")"));
        assert!(token(keys(Some("/BeyondTrust/api/public/v3"), false)).contains("base_path"));
        assert!(!token(keys(None, false)).contains("_path"));
        assert_eq!(hint(&WireErrorKind::Answered(500), "/t", &keys(None, true), true), None);
    }
}
