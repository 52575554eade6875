//! What shows to an appliance that we may read: by its kind, an API account, a token, or a key with a user. Secrets come by
//! reference only.

use super::reference::{self, ReferenceContext};
use super::section::Section;
use crate::source::SourceKind;
use crate::wire::{Credentials, TokenAuth};
use secrecy::{ExposeSecret, SecretString};

/// How the account is called in the manifest, and what shows it.
pub(super) type ParsedAccount = Option<(String, Credentials)>;

pub(super) fn read(
    section: &Section<'_>,
    kind: SourceKind,
    base_path: &str,
    around: &ReferenceContext<'_>,
) -> ParsedAccount {
    match kind {
        SourceKind::PasswordSafe if section.has("api_key") => key(section, around),
        SourceKind::PasswordSafe => {
            without(section, ["run_as", "run_as_password"], "needs api_key beside it");
            oauth(section, format!("{base_path}/Auth/Connect/Token"), around)
        }
        SourceKind::Scim if section.has("token") => {
            without(
                section,
                ["client_id", "client_secret", "token_auth", "token_path"],
                "goes not together with token; remove one of the two",
            );
            let token = sendable(section, "token", reference::secret(section, "token", around)?)?;
            Some(("static token".to_owned(), Credentials::Bearer(token)))
        }
        SourceKind::Scim => {
            let token_path = section.path_of_url("token_path").unwrap_or_else(|| "/oauth2/token".to_owned());
            oauth(section, token_path, around)
        }
        SourceKind::RestV3 | SourceKind::Pra | SourceKind::Rs => oauth(section, "/oauth2/token".to_owned(), around),
    }
}

fn oauth(section: &Section<'_>, token_path: String, around: &ReferenceContext<'_>) -> ParsedAccount {
    let client_id = reference::plain(section, "client_id", around);
    let secret = reference::secret(section, "client_secret", around);
    let ways = [("auto", TokenAuth::Auto), ("basic", TokenAuth::Basic), ("form", TokenAuth::Form)];
    let token_auth = section.one_of("token_auth", &ways).unwrap_or_default();
    let client_id = client_id?;
    Some((client_id.clone(), Credentials::Oauth { token_path, client_id, client_secret: secret?, token_auth }))
}

/// An API registration with a key reads in the name of a user.
fn key(section: &Section<'_>, around: &ReferenceContext<'_>) -> ParsedAccount {
    let key = reference::secret(section, "api_key", around);
    let run_as = reference::plain(section, "run_as", around);
    let password = if section.has("run_as_password") {
        Some(reference::secret(section, "run_as_password", around)?)
    } else {
        None
    };
    without(
        section,
        ["client_id", "client_secret", "token_auth"],
        "goes not together with api_key; remove one of the two",
    );
    let key = sendable(section, "api_key", key?)?;
    let run_as = run_as?;
    Some((run_as.clone(), Credentials::Key { key, run_as, password }))
}

/// Complains about keys that mean nothing beside others that are there.
fn without<const N: usize>(section: &Section<'_>, keys: [&'static str; N], why: &str) {
    for key in keys {
        if section.value(key).is_some() {
            section.problem(key, why);
        }
    }
}

/// RFC 9110 §5.5: a header holds visible ASCII characters and spaces.
fn sendable(section: &Section<'_>, key: &str, secret: SecretString) -> Option<SecretString> {
    if secret.expose_secret().bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Some(secret);
    }
    section.problem(key, "holds characters that no request can carry; is it the right file?");
    None
}
