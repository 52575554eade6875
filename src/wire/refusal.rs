//! Interpretation of 401, 403 and redirects.
//!
//! A refusal may have four causes, and each has its own remedy: a missing right of the account, an address that the API
//! registration does not allow, a demand for a second factor, and a firewall or proxy. Pure.

use super::excerpt::excerpt;
use super::{HttpResponse, WireErrorKind, body, shape};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, SERVER, VIA};

#[cfg(test)]
mod tests;

/// Start of the body with which Password Safe refuses a source address that the API registration does not allow.
const ADDRESS_REFUSED: &str = "4031";
/// Header of Password Safe in a 401 that asks for a second factor at `Auth/SignAppin`.
const SECOND_FACTOR: &str = "www-authenticate-2fa";
/// Names of firewalls and proxies, and phrases of their pages.
const INTERMEDIARIES: [&str; 18] = [
    "firewall",
    "proxy",
    "squid",
    "zscaler",
    "bluecoat",
    "blue coat",
    "fortigate",
    "fortiweb",
    "fortiguard",
    "forcepoint",
    "netskope",
    "cloudflare",
    "akamai",
    "incapsula",
    "imperva",
    "mod_security",
    "big-ip",
    "the requested url was rejected",
];
/// Maximum length of a header value in a message, in characters.
const MAX_HEADER: usize = 60;

/// Returns the cause of a 401.
pub(super) fn unauthorized(headers: &HeaderMap) -> WireErrorKind {
    if headers.contains_key(SECOND_FACTOR) { WireErrorKind::SecondFactor } else { WireErrorKind::Unauthorized }
}

/// Returns the cause of a 403. The API answers in JSON or with a line of text. An HTML page, or a text that names a
/// firewall, comes from an intermediary.
pub(super) fn forbidden(response: &HttpResponse, secrets: &[String]) -> WireErrorKind {
    let text = body::repaired(&response.body);
    let code = text.trim_start().trim_start_matches('"').strip_prefix(ADDRESS_REFUSED);
    if code.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())) {
        return WireErrorKind::AddressRefused;
    }
    let is_html = shape::is_html(&text) || has_html_type(&response.headers) && !text.trim().is_empty();
    if is_html {
        let page = format!("403 with an HTML page{}", shape::titled(&text, secrets));
        return WireErrorKind::Firewall(format!("{page}{}", server_headers(&response.headers, secrets)));
    }
    let lower = text.to_lowercase();
    // A JSON body comes from the API, even if its message mentions a proxy or firewall.
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    match INTERMEDIARIES.iter().find(|name| lower.contains(**name)) {
        Some(name) if !is_json => {
            let headers = server_headers(&response.headers, secrets);
            WireErrorKind::Firewall(format!("403 with a text that names {name:?}{headers}"))
        }
        _ => WireErrorKind::Forbidden,
    }
}

/// Describes a redirect (RFC 9110 §10.2.2), which is never followed. The query of the target is left out, because it
/// may contain a token.
pub(super) fn redirected(response: &HttpResponse, instead_of: &str, secrets: &[String]) -> String {
    let target = response.headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let target = target.as_deref().and_then(|target| target.split(['?', '#', ';']).next()).filter(|to| !to.is_empty());
    // Segment by segment, because a whole path looks like a token and would be masked.
    let segments =
        target.map(|target| target.split('/').map(|part| excerpt(part, MAX_HEADER, secrets)).collect::<Vec<_>>());
    let target = segments.map_or_else(String::new, |segments| format!(" to {}", segments.join("/")));
    format!("a redirect ({}){target} instead of {instead_of}", response.status.as_u16())
}

fn has_html_type(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Returns the headers that show which server answered: `Server` (RFC 9110 §10.2.4) and `Via` (§7.6.3).
fn server_headers(headers: &HeaderMap, secrets: &[String]) -> String {
    let shown = |name: &reqwest::header::HeaderName, title: &str| {
        let value = headers.get(name)?;
        Some(format!("; {title}: {}", excerpt(&String::from_utf8_lossy(value.as_bytes()), MAX_HEADER, secrets)))
    };
    [shown(&SERVER, "Server"), shown(&VIA, "Via")].into_iter().flatten().collect()
}
