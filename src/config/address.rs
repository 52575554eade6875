//! `url` of a source: scheme, host and port alone. Addresses are pasted out of browsers, mails and other tools' configurations,
//! with the path of a console or of the API behind them: a known one is taken off with a note, any other is refused with the cure.

use super::section::Section;
use super::source::has_base_path;
use crate::source::SourceKind;
use crate::wire::base_url;
use reqwest::Url;

#[cfg(test)]
mod tests;

/// First steps of the paths of consoles: `/login`, `/console` and `/appliance` of PRA and RS, and of BeyondInsight `/WebConsole`,
/// in older versions `/eEye.RetinaCS.Server` (vendor's guides, "log in").
const CONSOLES: [&str; 5] = ["login", "console", "appliance", "webconsole", "eeye.retinacs.server"];

/// Where an API begins, and which kinds read it.
const APIS: [(&str, &[SourceKind]); 5] = [
    ("/BeyondTrust/api/public/v3", &[SourceKind::PasswordSafe]),
    ("/api/public/v3", &[SourceKind::RestV3, SourceKind::PasswordSafe]),
    ("/api/config/v1", &[SourceKind::Pra, SourceKind::Rs]),
    ("/scim/v2", &[SourceKind::Scim]),
    ("/api/scim/v2", &[SourceKind::Scim]),
];

/// Reads `url`; a note says what was taken off.
pub(super) fn read(section: &Section<'_>, kind: SourceKind, base_path: &str) -> Option<String> {
    let text = section.required("url", "\"https://bt.example.com\"")?;
    match understood(text, kind, base_path) {
        Ok((url, note)) => {
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

/// The address alone, and what was taken off it.
fn understood(text: &str, kind: SourceKind, base_path: &str) -> Result<(String, Option<String>), String> {
    let Ok(mut url) = Url::parse(text.trim()) else { return base_url(text).map(|url| (url, None)) };
    let steps: Vec<&str> = url.path().split('/').filter(|step| !step.is_empty()).collect();
    let Some(first) = steps.first() else { return base_url(text.trim()).map(|url| (url, None)) };
    let is_console = CONSOLES.iter().any(|console| first.eq_ignore_ascii_case(console));
    let path = format!("/{}", steps.join("/"));
    url.set_path("");
    if is_console {
        // What a browser shows behind the path is of no use either.
        url.set_query(None);
        url.set_fragment(None);
    }
    let alone = base_url(url.as_str())?;
    let (word, own) = (kind.as_str(), kind.base_path());
    let api = APIS.iter().find(|(api, _)| api.eq_ignore_ascii_case(&path));
    if is_console || api.is_some() && (!has_base_path(kind) || path.eq_ignore_ascii_case(base_path)) {
        let elsewhere = api.is_some_and(|(_, kinds)| !kinds.contains(&kind));
        let elsewhere = if elsewhere { format!("; kind = {word:?} reads below {own}") } else { String::new() };
        return Ok((alone.clone(), Some(format!("the path {path} was taken off; write url = {alone:?}{elsewhere}"))));
    }
    Err(match api {
        Some((_, kinds)) if !kinds.contains(&kind) => format!(
            "holds the path {path}, which belongs to kind = {:?}, not {word:?}; write url = {alone:?} and check kind and base_path \
             (now {base_path:?})",
            kinds.first().map_or("", |kind| kind.as_str())
        ),
        _ if has_base_path(kind) => format!(
            "holds the path {path}, but base_path (now {base_path:?}) says where the API begins; write url = {alone:?} and, if it \
             begins there, base_path = {path:?}"
        ),
        _ => format!(
            "holds the path {path}; write url = {alone:?}: kind = {word:?} always reads below {own} and has no base_path"
        ),
    })
}
