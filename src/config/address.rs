//! Reads `url` and `base_path` of a source.
//!
//! People paste addresses from browsers, mails and other tools, often with the path of a console or of the API. A known path is removed
//! with a note. Any other path is a problem whose text says what to write. `source` calls [`read`] and [`base_path`].

use super::host;
use super::section::Section;
use crate::source::SourceKind;
use crate::wire::base_url;
use reqwest::Url;

#[cfg(test)]
mod tests;

/// First segments of the paths of consoles (vendor's guides, "log in").
///
/// PRA and RS have `/login`, `/console` and `/appliance`; BeyondInsight has `/WebConsole`, in older versions `/eEye.RetinaCS.Server`.
const CONSOLES: [&str; 5] = ["login", "console", "appliance", "webconsole", "eeye.retinacs.server"];

/// Paths at which an API begins, and the kinds of source that read it.
const APIS: [(&str, &[SourceKind]); 5] = [
    ("/BeyondTrust/api/public/v3", &[SourceKind::PasswordSafe]),
    ("/api/public/v3", &[SourceKind::RestV3, SourceKind::PasswordSafe]),
    ("/api/config/v1", &[SourceKind::Pra, SourceKind::Rs]),
    ("/scim/v2", &[SourceKind::Scim]),
    ("/api/scim/v2", &[SourceKind::Scim]),
];

/// Checks whether sources of this kind have the key `base_path`.
pub(super) fn has_base_path(kind: SourceKind) -> bool {
    matches!(kind, SourceKind::PasswordSafe | SourceKind::Scim)
}

/// Reads `base_path`, or returns the default of the kind.
pub(super) fn base_path(section: &Section<'_>, kind: SourceKind) -> String {
    let default = kind.base_path();
    if !has_base_path(kind) {
        return default.to_owned();
    }
    section.path_of_url("base_path", default)
}

/// Reads `url`. Adds a note where a path was removed.
pub(super) fn read(section: &Section<'_>, kind: SourceKind, base_path: &str) -> Option<String> {
    let text = section.required("url", "\"https://bt.example.com\"")?;
    match without_path(text, kind, base_path) {
        Ok((url, note)) => {
            section.resolved("url", serde_json::json!(url));
            if let Some(note) = note {
                section.note("url", note);
            }
            Some(url)
        }
        Err(why) => {
            section.problem("url", why);
            None
        }
    }
}

/// Returns a pasted address without its path; `None` where it is refused.
pub(super) fn alone(url: &str, kind: &str) -> Option<String> {
    let kind = super::source::kind(kind)?;
    without_path(url, kind, kind.base_path()).ok().map(|(url, _)| url)
}

/// Returns why the host or the port of an address cannot be that of a server.
pub(super) fn why_not_a_server(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    if url.port() == Some(0) {
        return Some("has no valid port; write a port from 1 to 65535, or none for 443".to_owned());
    }
    if host.starts_with('[') { None } else { host::why_not_a_host(host) }
}

/// Returns the address without its path, and a note about a path that was removed.
fn without_path(text: &str, kind: SourceKind, base_path: &str) -> Result<(String, Option<String>), String> {
    let Ok(mut url) = Url::parse(text.trim()) else {
        let is_bare = text.matches(':').count() > 2 && !text.contains(['[', '@']);
        let brackets = "an IPv6 address must be in brackets, such as https://[2001:db8::1]";
        return if is_bare { Err(brackets.to_owned()) } else { base_url(text).map(|url| (url, None)) };
    };
    why_not_a_server(&url).map_or(Ok(()), Err)?;
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let Some(first) = segments.first() else { return base_url(text.trim()).map(|url| (url, None)) };
    let is_console = CONSOLES.iter().any(|console| first.eq_ignore_ascii_case(console));
    let path = format!("/{}", segments.join("/"));
    url.set_path("");
    if is_console {
        // Query and fragment of a console's address belong to the page that the browser showed.
        url.set_query(None);
        url.set_fragment(None);
    }
    let address = base_url(url.as_str())?;
    let (word, own) = (kind.as_str(), kind.base_path());
    let api = APIS.iter().find(|(api, _)| api.eq_ignore_ascii_case(&path));
    if is_console || api.is_some() && (!has_base_path(kind) || path.eq_ignore_ascii_case(base_path)) {
        let foreign = api.is_some_and(|(_, kinds)| !kinds.contains(&kind));
        let foreign = if foreign { format!("; kind = {word:?} reads below {own}") } else { String::new() };
        let note = format!("the path {path} was removed; write url = {address:?}{foreign}");
        return Ok((address, Some(note)));
    }
    Err(match api {
        Some((_, kinds)) if !kinds.contains(&kind) => format!(
            "contains the path {path}, which belongs to kind = {:?}, not {word:?}; write url = {address:?} and check kind and \
             base_path (now {base_path:?})",
            kinds.first().map_or("", |kind| kind.as_str())
        ),
        _ if has_base_path(kind) => format!(
            "contains the path {path}, but base_path (now {base_path:?}) is where the API begins; write url = {address:?} and, if \
             the API begins there, base_path = {path:?}"
        ),
        _ => format!(
            "contains the path {path}; write url = {address:?}: kind = {word:?} always reads below {own} and has no base_path"
        ),
    })
}
