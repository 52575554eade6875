//! What shows to an appliance that we may read: by its kind, an API account, a token, or a key with a user. Secrets come by
//! reference only.

use super::reference::{self, Surroundings};
use super::section::Section;
use crate::source::SourceKind;
use crate::wire::{Account, TokenAuth};

/// How the account is called in the manifest, and what shows it.
pub(super) type Read = Option<(String, Account)>;

pub(super) fn read(section: &Section<'_>, kind: SourceKind, base_path: &str, around: &Surroundings<'_>) -> Read {
    match kind {
        SourceKind::PasswordSafe if section.has("api_key") => key(section, around),
        SourceKind::PasswordSafe => oauth(section, format!("{base_path}/Auth/Connect/Token"), around),
        SourceKind::Scim if section.has("token") => {
            let token = reference::secret(section, "token", around)?;
            Some(("static token".to_owned(), Account::Bearer(token)))
        }
        SourceKind::Scim => {
            let token_path = section.path_of_url("token_path").unwrap_or_else(|| "/oauth2/token".to_owned());
            oauth(section, token_path, around)
        }
        SourceKind::RestV3 | SourceKind::Pra | SourceKind::Rs => oauth(section, "/oauth2/token".to_owned(), around),
    }
}

fn oauth(section: &Section<'_>, token_path: String, around: &Surroundings<'_>) -> Read {
    let client_id = reference::plain(section, "client_id", around);
    let secret = reference::secret(section, "client_secret", around);
    let ways = [("auto", TokenAuth::Auto), ("basic", TokenAuth::Basic), ("form", TokenAuth::Form)];
    let token_auth = section.one_of("token_auth", &ways).unwrap_or_default();
    let client_id = client_id?;
    Some((client_id.clone(), Account::Oauth { token_path, client_id, client_secret: secret?, token_auth }))
}

/// An API registration with a key reads in the name of a user.
fn key(section: &Section<'_>, around: &Surroundings<'_>) -> Read {
    let key = reference::secret(section, "api_key", around);
    let run_as = reference::plain(section, "run_as", around);
    let password = if section.has("run_as_password") {
        Some(reference::secret(section, "run_as_password", around)?)
    } else {
        None
    };
    for other in ["client_id", "client_secret", "token_auth"] {
        if section.has(other) {
            section.problem(other, "goes not together with api_key; remove one of the two");
        }
    }
    section.value("client_id");
    section.value("client_secret");
    section.value("token_auth");
    let run_as = run_as?;
    Some((run_as.clone(), Account::Key { key: key?, run_as, password }))
}
