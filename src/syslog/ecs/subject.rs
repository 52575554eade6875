//! Fields about the subject of an event: the account with its standing, and the source that it belongs to. Pure.

use super::super::facts::{RunFacts, SourceFacts};
use super::super::summary;
use super::insert_own;
use crate::model::{AccountStanding, Contact, Subject};
use crate::source::SourceKind;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Returns a class as a word. Some rule engines cannot compare booleans, and a word can also be `unknown`.
fn sensitivity(privileged: Option<bool>) -> &'static str {
    match privileged {
        Some(true) => "privileged",
        Some(false) => "ordinary",
        None => "unknown",
    }
}

/// Returns whether an account or a group is privileged, as a word and, if known, as `privileged`.
pub(super) fn class(privileged: Option<bool>) -> Value {
    let mut class = json!({ "sensitivity": sensitivity(privileged) });
    if let Some(privileged) = privileged {
        class["privileged"] = json!(privileged);
    }
    class
}

/// Returns `group`. A group that is not listed has only its id.
pub(super) fn group(id: &str, name: Option<&str>) -> Value {
    let mut group = json!({ "id": id });
    if let Some(name) = name {
        group["name"] = json!(name);
    }
    group
}

/// Adds `user`, `related.user` and `btrollcall.account`. What is unknown has no field.
pub(super) fn insert_account(
    body: &mut Map<String, Value>,
    source: &str,
    subject: &Subject,
    contact: Option<&Contact>,
    account: Option<&AccountStanding>,
) {
    let name = summary::name(subject);
    let mut user = json!({ "id": subject.id, "name": name });
    let mut related = vec![name];
    let mut standing = class(account.and_then(|account| account.privileged));
    standing["source"] = json!(source);
    if let Some(AccountStanding { kind, enabled, .. }) = account {
        standing["kind"] = json!(kind.as_str());
        if let Some(enabled) = enabled {
            standing["enabled"] = json!(enabled);
        }
    }
    if let Some(Contact { display_name, email }) = contact {
        if let Some(email) = reported(email.as_deref()) {
            user["email"] = json!(email);
            related.push(email);
        }
        if let Some(full_name) = reported(display_name.as_deref()) {
            user["full_name"] = json!(full_name);
        }
    }
    related.dedup();
    body.insert("related".to_owned(), json!({ "user": related }));
    body.insert("user".to_owned(), user);
    insert_own(body, "account", standing);
}

fn reported(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

/// Adds `observer`, the source as the system that was observed, and `btrollcall.source`.
///
/// Several products serve some interfaces. Their name is unknown, so the event has only the kind of the source.
pub(super) fn insert_source(body: &mut Map<String, Value>, facts: &RunFacts, source: &str) {
    let found = facts.sources.iter().find(|facts| facts.name == source);
    let kind = found.and_then(|source| SourceKind::parse(&source.kind));
    let mut observer = json!({ "name": source, "type": "pam" });
    let named = [("vendor", kind.and_then(SourceKind::vendor)), ("product", kind.and_then(SourceKind::product))];
    for (key, text) in named.into_iter().filter_map(|(key, text)| Some((key, text?))) {
        observer[key] = json!(text);
    }
    if let Some(SourceFacts { kind, host, .. }) = found {
        // ECS has a field of its own for addresses.
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => observer["ip"] = json!([address.to_string()]),
            Err(_) => observer["hostname"] = json!(host.to_ascii_lowercase()),
        }
        insert_own(body, "source", json!({ "name": source, "kind": kind }));
    }
    body.insert("observer".to_owned(), observer);
}
