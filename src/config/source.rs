//! `[[source]]`: which appliances to read and how.

use super::account;
use super::address;
use super::certificates;
use super::reference::ReferenceContext;
use super::section::Section;
use crate::model::{Pattern, SourceIdentity, SourceName};
use crate::source::{DirectoryGroups, SourceKind, SourceSettings};
use crate::wire::{ClientSettings, PathKeys, is_loopback_url};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Reads every source; at least one is needed.
pub(super) fn read(
    sections: Vec<Section<'_>>,
    root: &Section<'_>,
    privileged_groups: &[Pattern],
    around: &ReferenceContext<'_>,
) -> Vec<SourceSettings> {
    if sections.is_empty() {
        root.problem("source", "there is none; describe each appliance in a [[source]] table with name, kind and url");
    }
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for section in sections {
        let path = section.path_of("name");
        let problems = section.problems();
        if let Some(settings) = one(section, privileged_groups, around) {
            if !names.insert(settings.identity.name.to_string()) {
                problems.add(path, format!("{} is the name of two sources; names must differ", settings.identity.name));
            }
            sources.push(settings);
        }
    }
    sources
}

/// All keys are looked at before anything is given up, so that every problem is told.
fn one(section: Section<'_>, privileged_groups: &[Pattern], around: &ReferenceContext<'_>) -> Option<SourceSettings> {
    let name = name(&section);
    let kind = section.required("kind", "\"rest-v3\"").and_then(|text| section.word("kind", text, &KINDS));
    // Without a kind, the keys of the most usual one are looked at.
    let usual = kind.unwrap_or(SourceKind::RestV3);
    let base_path = base_path(&section, usual);
    let url = address::read(&section, usual, &base_path);
    let account = account::read(&section, usual, &base_path, around);
    let last_login_path = last_login_path(&section, usual);
    let directory = directory(&section, usual);
    let resolve_directory_users = is_config_api(usual) && section.flag("resolve_directory_users", false);
    let ca_file = certificates::ca_file(&section, around);
    let client_certificate = certificates::client(&section, around);
    // The Configuration API takes no others.
    let rows = if is_config_api(usual) { 5..=100 } else { 2..=1000 };
    let page_size = section.number("page_size", rows, 100);
    let concurrency = section.number("concurrency", 1..=32, 4);
    let requests_per_second = pace(&section, usual, url.as_deref(), concurrency);
    let requests_per_hour = per_hour(&section, usual);
    let deadline_minutes = section.number("deadline_minutes", 1..=1440, 60);
    let ca_pem = ca_file.and_then(|path| {
        let unreadable = |why| section.problem("ca_file", format!("cannot read {}: {why}", path.display()));
        fs::read(&path).map_err(unreadable).ok()
    });
    for (key, kinds) in OTHERS {
        section.only_for(key, kinds, usual.as_str());
    }
    section.end();
    let (name, kind, url, (client_id, account)) = (name?, kind?, url?, account?);
    let mut client = ClientSettings::with(name.clone(), url.clone(), account);
    client.path_keys =
        PathKeys { base_path: has_base_path(kind).then(|| base_path.clone()), token_path: kind == SourceKind::Scim };
    client.ca_pem = ca_pem;
    client.client_identity = client_certificate.map(|read| read.identity);
    client.concurrency = concurrency as usize;
    client.requests_per_second = requests_per_second;
    client.requests_per_hour = requests_per_hour;
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

/// How members of directory groups are read, and how long one of them may take to synchronise.
fn directory(section: &Section<'_>, kind: SourceKind) -> (DirectoryGroups, Duration) {
    if kind != SourceKind::PasswordSafe {
        return (DirectoryGroups::default(), Duration::ZERO);
    }
    let ways = [DirectoryGroups::ByUser, DirectoryGroups::Skip, DirectoryGroups::Sync].map(|way| (way.as_str(), way));
    let seconds = section.number("directory_sync_timeout_seconds", 1..=3600, 300);
    let way = section.one_of("directory_groups", &ways).unwrap_or_default();
    (way, Duration::from_secs(u64::from(seconds)))
}

const KINDS: [(&str, SourceKind); 5] = [
    ("rest-v3", SourceKind::RestV3),
    ("pra", SourceKind::Pra),
    ("rs", SourceKind::Rs),
    ("password-safe", SourceKind::PasswordSafe),
    ("scim", SourceKind::Scim),
];

/// Keys that mean something to some kinds only.
const OTHERS: [(&str, &str); 11] = [
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

/// The vendor's limits for one API account of the Configuration API: 20 requests a second, 15,000 an hour.
const MOST_PER_SECOND: f64 = 20.0;
const MOST_PER_HOUR: u32 = 15_000;

/// A simulated appliance on this machine has no limit but those that it is given.
fn pace(section: &Section<'_>, kind: SourceKind, url: Option<&str>, concurrency: u32) -> f64 {
    let limited = is_config_api(kind) && url.is_none_or(|url| !is_loopback_url(url));
    let wanted = section.rate("requests_per_second", if limited { MOST_PER_SECOND } else { 1000.0 }, 15.0);
    // Requests that leave evenly do not arrive evenly: those that are under way at once may all arrive at once, and a second
    // sees one more at each of its ends.
    let at_once = f64::from(concurrency) + 1.0;
    if limited { wanted.min((MOST_PER_SECOND - at_once).max(1.0)) } else { wanted }
}

fn per_hour(section: &Section<'_>, kind: SourceKind) -> Option<u32> {
    is_config_api(kind).then(|| section.number("requests_per_hour", 1..=1_000_000, MOST_PER_HOUR))
}

/// Whether the kind has the key `base_path`.
pub(super) fn has_base_path(kind: SourceKind) -> bool {
    matches!(kind, SourceKind::PasswordSafe | SourceKind::Scim)
}

fn base_path(section: &Section<'_>, kind: SourceKind) -> String {
    let usual = kind.base_path();
    if !has_base_path(kind) {
        return usual.to_owned();
    }
    section.path_of_url("base_path").unwrap_or_else(|| usual.to_owned())
}

/// RFC 6901 §3: a JSON Pointer begins with a slash.
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
    let plain = name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !plain {
        section.problem("name", "must be at most 64 letters, digits, dots, dashes and underscores");
        return None;
    }
    Some(SourceName::from(name))
}
