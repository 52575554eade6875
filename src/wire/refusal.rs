//! Who refused a request: the appliance for want of a right, its API registration for the address that we come from, an account
//! that needs a second factor, or something between us and the appliance; and where it is sent instead. Pure.

use super::excerpt::excerpt;
use super::{HttpResponse, WireErrorKind, body, shape};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, SERVER, VIA};

#[cfg(test)]
mod tests;

/// Password Safe: the source address is not one of those that the API registration allows. The body begins with this number.
const ADDRESS_REFUSED: &str = "4031";
/// Password Safe: the header of a 401 that asks for a second factor at `Auth/SignAppin`.
const SECOND_FACTOR: &str = "www-authenticate-2fa";
/// Names of firewalls and proxies, and words of their pages.
const BETWEEN: [&str; 18] = [
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
/// Characters of a header that are shown.
const HEADER: usize = 60;

/// What a 401 means.
pub(super) fn unauthorized(headers: &HeaderMap) -> WireErrorKind {
    if headers.contains_key(SECOND_FACTOR) { WireErrorKind::SecondFactor } else { WireErrorKind::Unauthorized }
}

/// What a 403 means. The API answers in JSON or with a line of text; a page, or a text that names a firewall, is not its own.
pub(super) fn forbidden(answer: &HttpResponse, own: &[String]) -> WireErrorKind {
    let text = body::repaired(&answer.body);
    let code = text.trim_start().trim_start_matches('"').strip_prefix(ADDRESS_REFUSED);
    if code.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())) {
        return WireErrorKind::AddressRefused;
    }
    let is_html = shape::is_html(&text) || has_html_type(&answer.headers) && !text.trim().is_empty();
    if is_html {
        let page = format!("403 with an HTML page{}", shape::titled(&text, own));
        return WireErrorKind::Firewall(format!("{page}{}", signs(&answer.headers, own)));
    }
    let lower = text.to_lowercase();
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    match BETWEEN.iter().find(|name| lower.contains(**name)) {
        Some(name) if !is_json => {
            WireErrorKind::Firewall(format!("403 with a text that names {name:?}{}", signs(&answer.headers, own)))
        }
        _ => WireErrorKind::Forbidden,
    }
}

/// Where a redirect leads, without the query, which may hold a token (RFC 9110 §10.2.2). It is not followed.
pub(super) fn redirected(answer: &HttpResponse, instead_of: &str, own: &[String]) -> String {
    let target = answer.headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let target = target.as_deref().and_then(|target| target.split(['?', '#', ';']).next()).filter(|to| !to.is_empty());
    // Step by step: a whole path would look like a token.
    let steps = target.map(|target| target.split('/').map(|step| excerpt(step, HEADER, own)).collect::<Vec<_>>());
    let target = steps.map_or_else(String::new, |steps| format!(" to {}", steps.join("/")));
    format!("a redirect ({}){target} instead of {instead_of}", answer.status.as_u16())
}

fn has_html_type(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Who says that it answered: `Server` (RFC 9110 §10.2.4) and `Via` (§7.6.3).
fn signs(headers: &HeaderMap, own: &[String]) -> String {
    let sign = |name: &reqwest::header::HeaderName, title: &str| {
        let value = headers.get(name)?;
        Some(format!("; {title}: {}", excerpt(&String::from_utf8_lossy(value.as_bytes()), HEADER, own)))
    };
    [sign(&SERVER, "Server"), sign(&VIA, "Via")].into_iter().flatten().collect()
}
