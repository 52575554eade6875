//! Finds the table that a key belongs to when it is written into another one.
//!
//! `section` asks for a hint about each unknown key. The keys of all tables come from [`SCHEMA`], which a test compares with the parser.
//! Those of the exceptions file, which has no schema, are listed here.

use super::SCHEMA;
use super::similar::nearest;
use crate::model::Rule;
use serde_json::Value as Json;
use std::sync::LazyLock;

/// Table of the exceptions file.
const EXCEPTION: &str = "[[exception]]";
/// Keys of that table.
const KEYS_OF_EXCEPTIONS: [&str; 7] = ["rule", "subject", "source", "reason", "owner", "ticket", "until"];

/// Where an unknown key was found.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    /// Heading of its table, such as `[output]`; empty for the beginning of the file.
    pub(super) table: &'a str,
    /// Whether the file is that of the exceptions.
    pub(super) in_exceptions: bool,
    /// Whether its value is a table or a list of tables.
    pub(super) is_table: bool,
}

/// A key of the configuration or of the exceptions file.
struct KnownKey {
    key: String,
    /// Heading of the table that it is in; empty for the beginning of the file.
    table: String,
    /// Heading of the table that it names; `None` for a value.
    heading: Option<String>,
    of_exceptions: bool,
}

static KEYS: LazyLock<Vec<KnownKey>> = LazyLock::new(|| {
    let root: Json = serde_json::from_str(SCHEMA).unwrap_or_default();
    let mut keys = Vec::new();
    collect(&root, &root, "", "", &mut keys);
    let of_exceptions = |key: &str, table: &str, heading: Option<&str>| KnownKey {
        key: key.to_owned(),
        table: table.to_owned(),
        heading: heading.map(str::to_owned),
        of_exceptions: true,
    };
    keys.push(of_exceptions("exception", "", Some(EXCEPTION)));
    keys.extend(KEYS_OF_EXCEPTIONS.iter().map(|key| of_exceptions(key, EXCEPTION, None)));
    keys
});

/// Adds the keys of a table and of those below it.
fn collect(root: &Json, table: &Json, path: &str, heading: &str, keys: &mut Vec<KnownKey>) {
    for (key, part) in table["properties"].as_object().into_iter().flatten() {
        let list =
            part["anyOf"][0]["$ref"].as_str().and_then(|reference| root.pointer(reference.trim_start_matches('#')));
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let own = if list.is_some() { format!("[[{path}]]") } else { format!("[{path}]") };
        let below = list.unwrap_or(part);
        let is_table = below["type"] == "object";
        if is_table {
            collect(root, below, &path, &own, keys);
        }
        let heading_of_table = is_table.then_some(own);
        keys.push(KnownKey {
            key: key.clone(),
            table: heading.to_owned(),
            heading: heading_of_table,
            of_exceptions: false,
        });
    }
}

/// Words of other programs, by the heading of the table that they are written into, with what this program has for it.
const OTHER_WORDS: [(&str, &[&str], &str); 16] = [
    ("[[source]]", &["verify", "verify_ssl", "verify_tls", "insecure", "skip_verify", "tls_verify"], NO_SWITCH),
    (
        "[[source]]",
        &["host", "hostname", "server", "address", "port", "base_url", "endpoint"],
        "write url = \"https://bt.example.com\"",
    ),
    (
        "[[source]]",
        &["password", "secret", "secret_file", "client_secret_file"],
        "write client_secret = { file = \"/path\" }",
    ),
    ("[[source]]", &["user", "username", "login"], "write client_id, or run_as with api_key"),
    ("[[source]]", &["timeout", "timeout_seconds"], "deadline_minutes limits the time of a source"),
    ("[[source]]", &["type", "product", "api"], "write kind"),
    (
        "[[syslog]]",
        &["host", "hostname", "server", "address", "port", "transport"],
        "write url = \"tls://siem.example.com:6514\"",
    ),
    ("[[syslog]]", &["verify", "verify_ssl", "verify_tls", "insecure", "skip_verify", "tls_verify"], NO_SWITCH),
    ("[[syslog]]", &["format"], "write payload, protocol or profile"),
    ("[[exception]]", &["from", "since", "start"], "an exception holds at once and has a last day only, until"),
    ("[[exception]]", &["expires", "expiry", "end", "to", "valid_until"], "write until"),
    (
        "[[http]]",
        &["host", "hostname", "server", "address", "port", "endpoint", "uri"],
        "write url = \"https://splunk.example.com:8088\"",
    ),
    ("[[http]]", &["verify", "verify_ssl", "verify_tls", "insecure", "skip_verify", "tls_verify"], NO_SWITCH),
    ("[[http]]", &["api_key"], "write token = { file = \"/path\" }"),
    ("[[http]]", &["secret"], "write signing_key = { file = \"/path\" }"),
    ("[[http]]", &["type", "kind"], "write target"),
];
const NO_SWITCH: &str = "certificates are always verified; name that of the issuer in ca_file";

/// Returns the hint about a key that other programs have.
pub(super) fn of_other_programs(key: &str, found: Found<'_>) -> Option<String> {
    let is_it = |(table, words, _): &&(&str, &[&str], &str)| *table == found.table && words.contains(&key);
    OTHER_WORDS.iter().find(is_it).map(|(.., hint)| format!("; {hint}"))
}

/// Returns the hint about an unknown key that another table has: where it belongs. A table is no value, and a value no table.
pub(super) fn exact(key: &str, found: Found<'_>) -> Option<String> {
    let is_same_sort = |known: &&KnownKey| known.heading.is_some() == found.is_table;
    let known: Vec<&KnownKey> = others(key, found).filter(is_same_sort).collect();
    if !known.is_empty() {
        return Some(format!("; {}", belongs(&known, found)));
    }
    let is_rule = Rule::parse(key).is_some() && !found.is_table && found.table != "[policy.rules]";
    is_rule.then(|| "; it is the id of a rule and belongs to [policy.rules]".to_owned())
}

/// Returns the hint about an unknown key that another table has as a table, or as a value, or that is similar to a key of another table.
pub(super) fn probable(key: &str, found: Found<'_>) -> Option<String> {
    let known: Vec<&KnownKey> = others(key, found).collect();
    if known.is_empty() { similar(key, found) } else { Some(format!("; {}", belongs(&known, found))) }
}

/// Returns the keys with this name of other tables.
fn others<'k>(key: &'k str, found: Found<'k>) -> impl Iterator<Item = &'static KnownKey> + use<'k> {
    let is_elsewhere =
        move |known: &&KnownKey| known.table != found.table || known.of_exceptions != found.in_exceptions;
    KEYS.iter().filter(move |known| known.key == key).filter(is_elsewhere)
}

fn similar(key: &str, found: Found<'_>) -> Option<String> {
    let fitting = || KEYS.iter().filter(|known| known.heading.is_some() == found.is_table);
    let names: Vec<&str> = fitting().map(|known| known.key.as_str()).collect();
    let name = nearest(key, &names)?;
    let meant: Vec<&KnownKey> = fitting().filter(|known| known.key == name).collect();
    Some(format!("; did you mean {name:?}? {}", belongs(&meant, found).replacen("it", "It", 1)))
}

/// Returns where a key belongs, as a sentence that begins with `it`.
fn belongs(known: &[&KnownKey], found: Found<'_>) -> String {
    // The file at hand is the more probable one.
    let here: Vec<&KnownKey> =
        known.iter().filter(|known| known.of_exceptions == found.in_exceptions).copied().collect();
    let is_here = !here.is_empty();
    let known = if is_here { &here } else { known };
    let file = match (is_here, found.in_exceptions) {
        (true, _) => "",
        (false, true) => " of the configuration file",
        (false, false) => " of the file that policy.exceptions names",
    };
    let mut places: Vec<&str> = known.iter().map(|known| known.place()).collect();
    places.dedup();
    if places == [""] {
        let what = if file.is_empty() { "to no table: write it above the first heading" } else { "to the beginning" };
        return format!("it belongs {what}{file}");
    }
    places.retain(|place| !place.is_empty());
    let places = places.join(" or ");
    if known.iter().any(|known| known.heading.is_some()) {
        format!("its heading is {places}{file}")
    } else {
        format!("it belongs to {places}{file}")
    }
}

impl KnownKey {
    fn place(&self) -> &str {
        self.heading.as_deref().unwrap_or(&self.table)
    }
}
