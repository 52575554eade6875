//! Reads the credentials of a source: an OAuth client, a bearer token, or an API key with a user, depending on the kind.
//!
//! `source` calls [`read`]. Secrets are references (see `reference`). Keys that cannot be combined are reported here.

use super::reference::{self, ReferenceContext};
use super::section::Section;
use crate::source::SourceKind;
use crate::wire::{Credentials, TokenAuth};
use secrecy::{ExposeSecret, SecretString};

/// Name of the account for the manifest, and its credentials.
pub(super) type ParsedAccount = Option<(String, Credentials)>;

/// Reads the credentials of a source of this kind.
pub(super) fn read(
    section: &Section<'_>,
    kind: SourceKind,
    base_path: &str,
    context: &ReferenceContext<'_>,
) -> ParsedAccount {
    match kind {
        SourceKind::PasswordSafe if section.has("api_key") => key(section, context),
        SourceKind::PasswordSafe => {
            reject(section, ["run_as", "run_as_password"], "requires api_key; add api_key or remove this key");
            oauth(section, format!("{base_path}/Auth/Connect/Token"), context)
        }
        SourceKind::Scim if section.has("token") => {
            reject(
                section,
                ["client_id", "client_secret", "token_auth", "token_path"],
                "cannot be combined with token; remove one of the two",
            );
            let token = header_value(section, "token", reference::secret(section, "token", context)?)?;
            Some(("static token".to_owned(), Credentials::Bearer(token)))
        }
        SourceKind::Scim => {
            let token_path = section.path_of_url("token_path", "/oauth2/token");
            oauth(section, token_path, context)
        }
        SourceKind::RestV3 | SourceKind::Pra | SourceKind::Rs => oauth(section, "/oauth2/token".to_owned(), context),
    }
}

fn oauth(section: &Section<'_>, token_path: String, context: &ReferenceContext<'_>) -> ParsedAccount {
    let client_id = reference::plain(section, "client_id", context);
    let secret = reference::secret(section, "client_secret", context);
    let methods = [("auto", TokenAuth::Auto), ("basic", TokenAuth::Basic), ("form", TokenAuth::Form)];
    let token_auth = section.one_of("token_auth", &methods, Some("auto")).unwrap_or_default();
    let client_id = client_id?;
    Some((client_id.clone(), Credentials::Oauth { token_path, client_id, client_secret: secret?, token_auth }))
}

/// Reads the key of an API registration, which acts as a user of Password Safe.
fn key(section: &Section<'_>, context: &ReferenceContext<'_>) -> ParsedAccount {
    let key = reference::secret(section, "api_key", context);
    let run_as = reference::plain(section, "run_as", context);
    let password = if section.has("run_as_password") {
        Some(reference::secret(section, "run_as_password", context)?)
    } else {
        None
    };
    reject(
        section,
        ["client_id", "client_secret", "token_auth"],
        "cannot be combined with api_key; remove one of the two",
    );
    let key = header_value(section, "api_key", key?)?;
    let run_as = run_as?;
    Some((run_as.clone(), Credentials::Key { key, run_as, password }))
}

/// Reports keys that cannot be combined with others of the table. Reading them makes them known keys.
fn reject<const N: usize>(section: &Section<'_>, keys: [&'static str; N], why: &str) {
    for key in keys {
        if section.value(key).is_some() {
            section.problem(key, why);
        }
    }
}

/// Checks that a secret fits into an HTTP header: visible ASCII characters and spaces (RFC 9110 §5.5).
pub(super) fn header_value(section: &Section<'_>, key: &str, secret: SecretString) -> Option<SecretString> {
    if secret.expose_secret().bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Some(secret);
    }
    section.problem(key, "contains characters that are not allowed in an HTTP header; check that it is the right file");
    None
}
