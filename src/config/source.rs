//! Reads `[[source]]`: which appliances a run reads, by which interface, and within which limits.
//!
//! The order of the keys below is free, but all of them are read before the first `?`: every problem of a table is reported at once.

use super::account;
use super::address;
use super::certificates;
use super::reference::ReferenceContext;
use super::section::Section;
use crate::file_error::unreadable;
use crate::model::{Pattern, SourceIdentity, SourceName};
use crate::regular_file::{self, MAX_PEM};
use crate::source::{DirectoryGroups, SourceKind, SourceSettings};
use crate::wire::{ClientSettings, PathKeys, is_loopback_url};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Reads all sources. At least one is required.
pub(super) fn read(
    sections: Vec<Section<'_>>,
    root: &Section<'_>,
    privileged_groups: &[Pattern],
    context: &ReferenceContext<'_>,
) -> Vec<SourceSettings> {
    if sections.is_empty() {
        root.problem("source", "is missing; add a [[source]] table with name, kind and url for each appliance");
    }
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for section in sections {
        if let Some(settings) = read_source(&section, privileged_groups, context) {
            // Rows, findings and history are keyed by this name.
            if !names.insert(settings.identity.name.to_string()) {
                section.problem("name", "two sources have this name; give each its own name");
            }
            sources.push(settings);
        }
    }
    sources
}

/// Reads one source.
fn read_source(
    section: &Section<'_>,
    privileged_groups: &[Pattern],
    context: &ReferenceContext<'_>,
) -> Option<SourceSettings> {
    let name = name(section);
    let kind = section.required_word("kind", &KINDS);
    // Without a valid kind the table is refused; its other keys are checked as those of rest-v3.
    let assumed = kind.unwrap_or(SourceKind::RestV3);
    let base_path = address::base_path(section, assumed);
    let url = address::read(section, assumed, &base_path);
    let account = account::read(section, assumed, &base_path, context);
    let last_login_path = last_login_path(section, assumed);
    let directory = directory(section, assumed);
    let resolve_directory_users = is_config_api(assumed) && section.flag("resolve_directory_users", false);
    let ca_file = certificates::ca_file(section, context);
    let client_certificate = certificates::client(section, context);
    // The Configuration API accepts page sizes from 5 to 100 only.
    let rows = if is_config_api(assumed) { 5..=100 } else { 2..=1000 };
    let page_size = section.number("page_size", rows, 100);
    let concurrency = section.number("concurrency", 1..=32, 4);
    let requests_per_second = requests_per_second(section, assumed, url.as_deref(), concurrency);
    let requests_per_hour = requests_per_hour(section, assumed);
    let deadline_minutes = section.number("deadline_minutes", 1..=1440, 60);
    let max_rows = section.number("max_rows", 1000..=100_000_000, 2_000_000);
    let ca_pem = ca_file.and_then(|path| {
        regular_file::read(&path, MAX_PEM).map_err(|error| section.problem("ca_file", unreadable(&path, &error))).ok()
    });
    // After all getters: a key of this kind was read by now, so only keys of other kinds are left.
    for (key, kinds) in KEYS_OF_SOME_KINDS {
        section.only_for(key, kinds, assumed.as_str());
    }
    section.reject_unknown_keys();
    let (name, kind, url, (client_id, account)) = (name?, kind?, url?, account?);
    let mut client = ClientSettings::new(name.clone(), url.clone(), account);
    client.path_keys = PathKeys {
        base_path: address::has_base_path(kind).then(|| base_path.clone()),
        token_path: kind == SourceKind::Scim,
    };
    client.ca_pem = ca_pem;
    client.client_identity = client_certificate.map(|read| read.identity);
    client.concurrency = concurrency as usize;
    client.requests_per_second = requests_per_second;
    client.requests_per_hour = requests_per_hour;
    client.max_rows = max_rows.into();
    client.deadline = Duration::from_secs(60 * u64::from(deadline_minutes));
    let identity = SourceIdentity { name, kind: kind.as_str().to_owned(), url, client_id };
    Some(SourceSettings {
        page_size,
        base_path,
        last_login_path,
        resolve_directory_users,
        directory_groups: directory.0,
        directory_sync_timeout: directory.1,
        privileged_groups: privileged_groups.to_vec(),
        ..SourceSettings::new(identity, kind, client)
    })
}

/// Reads how members of directory groups are read, and how long the synchronisation of one group may take.
fn directory(section: &Section<'_>, kind: SourceKind) -> (DirectoryGroups, Duration) {
    if kind != SourceKind::PasswordSafe {
        return (DirectoryGroups::default(), Duration::ZERO);
    }
    let modes =
        [DirectoryGroups::ByUser, DirectoryGroups::Skip, DirectoryGroups::Sync].map(|mode| (mode.as_str(), mode));
    let seconds = section.number("directory_sync_timeout_seconds", 1..=3600, 300);
    let mode = section.one_of("directory_groups", &modes, Some("by-user")).unwrap_or_default();
    (mode, Duration::from_secs(u64::from(seconds)))
}

const KINDS: [(&str, SourceKind); 5] = [
    ("rest-v3", SourceKind::RestV3),
    ("pra", SourceKind::Pra),
    ("rs", SourceKind::Rs),
    ("password-safe", SourceKind::PasswordSafe),
    ("scim", SourceKind::Scim),
];

/// Returns the kind with this word.
pub(super) fn kind(word: &str) -> Option<SourceKind> {
    KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
}

/// Keys that only some kinds have, with the names of these kinds.
const KEYS_OF_SOME_KINDS: [(&str, &str); 11] = [
    ("base_path", "password-safe and scim"),
    ("api_key", "password-safe"),
    ("run_as", "password-safe"),
    ("run_as_password", "password-safe"),
    ("token", "scim"),
    ("token_path", "scim"),
    ("last_login_path", "scim"),
    ("requests_per_hour", "pra and rs"),
    ("resolve_directory_users", "pra and rs"),
    ("directory_groups", "password-safe"),
    ("directory_sync_timeout_seconds", "password-safe"),
];

fn is_config_api(kind: SourceKind) -> bool {
    matches!(kind, SourceKind::Pra | SourceKind::Rs)
}

/// The vendor's limit for one API account of the Configuration API, in requests per second.
const MOST_PER_SECOND: f64 = 20.0;
/// The same limit in requests per hour.
const MOST_PER_HOUR: u32 = 15_000;

/// Reads `requests_per_second`, reduced so that the vendor's limit holds even where requests arrive in bursts.
fn requests_per_second(section: &Section<'_>, kind: SourceKind, url: Option<&str>, concurrency: u32) -> f64 {
    // An appliance on a loopback address is simulated and has no such limit.
    let limited = is_config_api(kind) && url.is_none_or(|url| !is_loopback_url(url));
    let wanted = section.rate("requests_per_second", if limited { MOST_PER_SECOND } else { 10_000.0 }, 15.0);
    // Requests that are sent evenly do not arrive evenly. All concurrent requests may arrive at the same time, and a window of one
    // second may contain one request more at its end.
    let burst = f64::from(concurrency) + 1.0;
    let most = (MOST_PER_SECOND - burst).max(1.0);
    if !limited || wanted <= most {
        return wanted;
    }
    section.in_force("requests_per_second", json!(most), "limit of the vendor");
    most
}

fn requests_per_hour(section: &Section<'_>, kind: SourceKind) -> Option<u32> {
    is_config_api(kind).then(|| section.number("requests_per_hour", 1..=1_000_000, MOST_PER_HOUR))
}

/// Reads `last_login_path`, a JSON Pointer. It begins with a slash (RFC 6901 §3).
fn last_login_path(section: &Section<'_>, kind: SourceKind) -> Option<String> {
    if kind != SourceKind::Scim {
        return None;
    }
    let text = section.text("last_login_path")?;
    if !text.starts_with('/') {
        section.problem(
            "last_login_path",
            "must be a JSON Pointer (RFC 6901) into the user, such as \"/urn:example:2.0:User/lastLogin\"",
        );
        return None;
    }
    Some(text.to_owned())
}

fn name(section: &Section<'_>) -> Option<SourceName> {
    let name = section.required("name", "\"appliance-eu\"")?;
    // The name is part of log lines, columns and metric labels, so it is limited to characters that need no quoting there.
    let plain = name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !plain {
        section.problem("name", "must be at most 64 letters, digits, dots, dashes and underscores");
        return None;
    }
    Some(SourceName::from(name))
}
