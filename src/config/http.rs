//! Reads `[[http]]`: the destinations of events whose response is a receipt.
//!
//! The order of the keys below is free, but all of them are read before the first `?`: every problem of a table is reported at once.

use super::account::header_value;
use super::address::why_not_a_server;
use super::certificates;
use super::reference::{self, ReferenceContext};
use super::section::Section;
use super::syslog::findings_to_send;
use crate::syslog::http::{HttpDestination, HttpTarget, SigningKey};
use crate::wire::base_url;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// Word of a target, before its other keys are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    SplunkHec,
    ElasticBulk,
    Webhook,
}

const TARGETS: [(&str, Word); 3] =
    [("splunk-hec", Word::SplunkHec), ("elastic-bulk", Word::ElasticBulk), ("webhook", Word::Webhook)];

/// Paths that are appended to `url`, longest first. People paste them with the address.
const HEC_PATHS: [&str; 5] = [
    "/services/collector/event/1.0",
    "/services/collector/event",
    "/services/collector/raw",
    "/services/collector/health",
    "/services/collector",
];
/// See [`HEC_PATHS`].
const BULK_PATHS: [&str; 1] = ["/_bulk"];

/// Reads all destinations. There may be none.
pub(super) fn read(sections: Vec<Section<'_>>, context: &ReferenceContext<'_>) -> Vec<HttpDestination> {
    let mut destinations: Vec<HttpDestination> = Vec::new();
    for section in sections {
        if let Some(destination) = read_destination(&section, context) {
            // The spool keeps the events of a destination under its URL.
            if destinations.iter().any(|other| other.url == destination.url) {
                section.problem("url", "two [[http]] tables have this url; remove one of them");
            }
            destinations.push(destination);
        }
    }
    destinations
}

fn read_destination(section: &Section<'_>, context: &ReferenceContext<'_>) -> Option<HttpDestination> {
    let word = section.required_word("target", &TARGETS);
    check_profile(section, word);
    // Without a valid target the table is refused; its other keys are checked as those of a webhook.
    let assumed = word.unwrap_or(Word::Webhook);
    let url = url(section, assumed);
    let target = target(section, assumed, context);
    let send = findings_to_send(section);
    let requests_per_second = section.rate("requests_per_second", 10_000.0, 15.0);
    reject_certificates_without_tls(section, url.as_deref());
    let ca_file = certificates::ca_file(section, context);
    let client_identity = certificates::client(section, context).map(|read| read.files);
    section.reject_unknown_keys();
    word?;
    Some(HttpDestination { url: url?, target: target?, send, ca_file, client_identity, requests_per_second })
}

/// Reads `profile`. A target has one form only, so a profile can only repeat its name.
fn check_profile(section: &Section<'_>, target: Option<Word>) {
    let profile = section.one_of("profile", &TARGETS, None);
    if profile.is_some() && target.is_some() && profile != target {
        section.problem("profile", "names another target; write the name of the target, or remove it");
    }
}

/// Reads the keys that depend on the target.
fn target(section: &Section<'_>, word: Word, context: &ReferenceContext<'_>) -> Option<HttpTarget> {
    match word {
        Word::SplunkHec => {
            reject(section, "signing_key", "target = \"webhook\"");
            let (token, index) = (token(section, context), index(section));
            // A wrong index is a problem of its own.
            Some(HttpTarget::SplunkHec { token: token?, index })
        }
        Word::ElasticBulk => {
            reject(section, "signing_key", "target = \"webhook\"");
            let token = token(section, context).filter(|token| is_encoded(section, token, context));
            if !section.has("index") {
                section.problem("index", "is missing; write for example index = \"btrollcall\"");
            }
            Some(HttpTarget::ElasticBulk { index: index(section)?, token: token? })
        }
        Word::Webhook => {
            reject(section, "token", "target = \"splunk-hec\" and \"elastic-bulk\"; a webhook has signing_key");
            reject(section, "index", "target = \"splunk-hec\" and \"elastic-bulk\"");
            Some(HttpTarget::Webhook { signing_key: signing_key(section, context)? })
        }
    }
}

/// Reports a key of other targets. A key without an effect would be taken for one with it.
fn reject(section: &Section<'_>, key: &'static str, targets: &str) {
    if section.value(key).is_some() {
        section.problem(key, format!("is a key of {targets}; remove it"));
    }
}

fn token(section: &Section<'_>, context: &ReferenceContext<'_>) -> Option<SecretString> {
    let token = header_value(section, "token", reference::secret(section, "token", context)?)?;
    if context.reads_secrets && token.expose_secret().contains(' ') {
        section.problem("token", "contains a blank; store the token alone, without Splunk or ApiKey before it");
        return None;
    }
    Some(token)
}

/// Checks that an API key is not the pair that it consists of.
fn is_encoded(section: &Section<'_>, token: &SecretString, context: &ReferenceContext<'_>) -> bool {
    let is_pair = context.reads_secrets && token.expose_secret().contains(':');
    if is_pair {
        section.problem(
            "token",
            "is an id and a key, not the encoded API key; store the value of \"encoded\" that Elasticsearch returned when \
             the key was created",
        );
    }
    !is_pair
}

fn signing_key(section: &Section<'_>, context: &ReferenceContext<'_>) -> Option<SigningKey> {
    let secret = reference::secret(section, "signing_key", context)?;
    if !context.reads_secrets {
        return Some(SigningKey::unread());
    }
    SigningKey::parse(secret).map_err(|why| section.problem("signing_key", why)).ok()
}

/// Reads the name of an index, as both products allow it.
fn index(section: &Section<'_>) -> Option<String> {
    let name = section.text("index")?;
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.len() > 80 || !name.chars().all(is_allowed) || name.starts_with(['-', '_', '.']) {
        section.problem(
            "index",
            "must be at most 80 lower-case letters, digits, dashes, underscores and dots, and begin with a letter or digit",
        );
        return None;
    }
    Some(name.to_owned())
}

/// Reads `url`. Adds a note where a path was removed that is appended anyway.
fn url(section: &Section<'_>, target: Word) -> Option<String> {
    let example = match target {
        Word::SplunkHec => "\"https://splunk.example.com:8088\"",
        Word::ElasticBulk => "\"https://elastic.example.com:9200\"",
        Word::Webhook => "\"https://soar.example.com/hooks/btrollcall\"",
    };
    let text = section.required("url", example)?.trim();
    match address(text, target) {
        Ok((url, removed)) => {
            section.resolved("url", json!(url));
            if let Some(path) = removed {
                section
                    .note("url", format!("the path {path} was removed, because it is appended; write url = {url:?}"));
            }
            Some(url)
        }
        Err(why) => {
            section.problem("url", why);
            None
        }
    }
}

/// Returns the address in its normal form, and the path that was removed from its end.
fn address(text: &str, target: Word) -> Result<(String, Option<&'static str>), String> {
    let base = base_url(text)?;
    let url = Url::parse(text).map_err(|_| "is not an address".to_owned())?;
    why_not_a_server(&url).map_or(Ok(()), Err)?;
    let paths: &[&'static str] = match target {
        // Used as it is: a slash at the end may matter.
        Word::Webhook => return Ok((url.into(), None)),
        Word::SplunkHec => &HEC_PATHS,
        Word::ElasticBulk => &BULK_PATHS,
    };
    let found = paths.iter().find_map(|path| Some((base.strip_suffix(path)?.to_owned(), Some(*path))));
    Ok(found.unwrap_or((base, None)))
}

fn reject_certificates_without_tls(section: &Section<'_>, url: Option<&str>) {
    let is_plain = url.is_some_and(|url| url.starts_with("http:"));
    for key in ["ca_file", "client_cert", "client_key"].into_iter().filter(|key| is_plain && section.has(key)) {
        section.problem(key, "is a key of https:// destinations; write https:// in url, or remove it");
    }
}
