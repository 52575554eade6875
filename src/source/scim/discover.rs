//! Search for the paths of a SCIM provider, for `check --online`.
//!
//! If the configured paths do not work, a short list of common paths is tried. The paths that work are printed as lines
//! of the configuration. A run never tries paths: it uses only what is configured.

use super::super::SourceSettings;
use super::super::client::is_absence;
use super::super::decode::Envelope;
use super::ListResponse;
use crate::event::NoObserver;
use crate::wire::{Client, Credentials, WireError, WireErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// Base paths that are tried: the default, PRA and RS, and paths of other providers.
pub(in crate::source) const BASE_PATHS: [&str; 5] = ["/scim/v2", "/api/scim/v2", "/scim", "/v2", "/api/v2"];
/// Token paths that are tried: the default of the appliances, Password Safe, Endpoint Privilege Management.
pub(in crate::source) const TOKEN_PATHS: [&str; 3] = ["/oauth2/token", "/scim/oauth/token", "/oauth/connect/token"];

/// Returns the lines of the configuration that work, or a line with the paths that were tried. Empty if `error` does
/// not suggest a wrong path.
pub(super) async fn settings_that_work(settings: &SourceSettings, error: &WireError) -> Vec<String> {
    if !is_absence(error) && !matches!(error.kind, WireErrorKind::Shape(_) | WireErrorKind::Answered(404 | 405 | 410)) {
        return Vec::new();
    }
    for token_path in token_paths(settings) {
        for base_path in BASE_PATHS {
            match try_one(settings, token_path, base_path).await {
                Ok(()) => return lines(settings, token_path, base_path),
                // The token path failed: no other base path can help.
                Err(error) if error.context.starts_with("POST") => break,
                Err(_) => {}
            }
        }
    }
    let tokens = token_paths(settings).into_iter().flatten().collect::<Vec<_>>();
    let with = if tokens.is_empty() { String::new() } else { format!(", with token_path {}", tokens.join(", ")) };
    vec![format!(
        "no list of users was found below {}{with}; ask the provider for base_path and token_path",
        BASE_PATHS.join(", ")
    )]
}

/// Returns the token paths to try, the configured one first. `None` stands for credentials that request no token.
fn token_paths(settings: &SourceSettings) -> Vec<Option<&str>> {
    match &settings.client.account {
        Credentials::Oauth { token_path, .. } => {
            let others = TOKEN_PATHS.into_iter().filter(|path| path != token_path);
            std::iter::once(token_path.as_str()).chain(others).map(Some).collect()
        }
        Credentials::Bearer(_) | Credentials::Key { .. } => vec![None],
    }
}

/// Requests one user with these paths.
async fn try_one(settings: &SourceSettings, token: Option<&str>, base_path: &str) -> Result<(), WireError> {
    let mut client = settings.client.clone();
    if let (Credentials::Oauth { token_path, .. }, Some(path)) = (&mut client.account, token) {
        path.clone_into(token_path);
    }
    // A search: retrying each of up to 20 combinations would take minutes.
    client.attempts = 1;
    client.deadline = client.deadline.min(Duration::from_secs(30));
    let client = Client::new(&client, Arc::new(NoObserver))?;
    let path = format!("{base_path}/Users?startIndex=1&count=1");
    client.get_page::<Envelope<ListResponse>>(&path, 1).await.map(|_| ())
}

/// Returns the lines to paste into the `[[source]]` table: only keys whose values differ from the configured ones.
fn lines(settings: &SourceSettings, token_path: Option<&str>, base_path: &str) -> Vec<String> {
    let configured = match &settings.client.account {
        Credentials::Oauth { token_path, .. } => Some(token_path.as_str()),
        Credentials::Bearer(_) | Credentials::Key { .. } => None,
    };
    let base = (base_path != settings.base_path).then(|| format!("base_path = \"{base_path}\""));
    let token = token_path.filter(|path| Some(*path) != configured).map(|path| format!("token_path = \"{path}\""));
    let found = base.into_iter().chain(token);
    std::iter::once("the provider answers with these lines in its [[source]] table:".to_owned()).chain(found).collect()
}
