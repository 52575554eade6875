//! The request log against the manifest: every request that a list needed has a line, and each complete list has the
//! responses that its pages came from.

use super::differences::bounded;
use super::{entries, unreadable};
use crate::model::{Instant, ListReport};
use crate::snapshot::load::Archive;
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) const FILE: &str = "pages.jsonl";

/// One line of `pages.jsonl`. Keys that no request has are refused: the log is evidence.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    source: String,
    start: Instant,
    #[serde(rename = "method")]
    _method: String,
    path: String,
    status: Option<u16>,
    rows: Option<u64>,
    #[serde(rename = "bytes")]
    _bytes: u64,
    #[serde(rename = "sha256")]
    _sha256: Option<Digest>,
    #[serde(rename = "attempt")]
    _attempt: u32,
    #[serde(rename = "milliseconds")]
    _milliseconds: u64,
    error: Option<String>,
}

/// The SHA-256 of a response in lower-case hexadecimal.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Digest;

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) { Ok(Self) } else { Err("sha256 is not a SHA-256") }
    }
}

impl Request {
    fn succeeded(&self) -> bool {
        self.error.is_none() && self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Compares the log with the instants of the run, with the number of requests that the lists of each source needed, and
/// with the pages of each complete list.
///
/// The log also has requests that belong to no list, such as the one that closes a session.
pub(super) fn compare(archive: &Archive) -> Result<Vec<String>, String> {
    let text = archive.text(FILE).map_err(|error| unreadable(&error))?;
    let text = text.ok_or_else(|| format!("{FILE}: the manifest does not list it"))?;
    let mut logged: BTreeMap<String, Vec<Request>> = BTreeMap::new();
    let mut starts = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let request: Request = serde_json::from_str(line).map_err(|error| format!("{FILE}: line {at}: {error}"))?;
        starts.push(request.start);
        logged.entry(request.source.clone()).or_default().push(request);
    }
    let mut problems = entries::instants(&archive.manifest, &starts)?;
    for source in &archive.manifest.sources {
        let (name, requests) = (&source.name, logged.remove(&source.name).unwrap_or_default());
        let needed: u64 = source.lists.iter().map(|list| list.requests).fold(0, u64::saturating_add);
        if (requests.len() as u64) < needed {
            problems
                .push(format!("{FILE}: {} requests of source {name}, but its lists needed {needed}", requests.len()));
        }
        let complete = source.lists.iter().filter(|list| list.coverage.is_complete());
        let missing = complete.filter_map(|list| missing_pages(list, &requests));
        problems.extend(missing.map(|what| format!("{FILE}: source {name}: {what}")));
    }
    let strange = logged.keys().map(|source| format!("{FILE}: source {source:?} is not in the manifest"));
    problems.extend(strange);
    Ok(bounded(problems, FILE))
}

/// Compares a complete list with the responses that it came from.
fn missing_pages(list: &ListReport, requests: &[Request]) -> Option<String> {
    let query = path_of(&list.query);
    let responses = |template: &str| -> Vec<&Request> {
        let of_list = |request: &&Request| request.succeeded() && matches(template, path_of(&request.path));
        requests.iter().filter(of_list).collect()
    };
    let found = responses(query);
    let (kind, count) = (list.kind.as_str(), found.len());
    if list.pages == 0 || list.query.is_empty() {
        return None;
    }
    // The records of a list may be in the list itself, so that not each of them needs a response of its own.
    if let Some(parent) = query.strip_suffix("/{id}") {
        let is_missing = found.is_empty() && responses(parent).is_empty();
        return is_missing.then(|| format!("no successful request for the list {kind} ({query})"));
    }
    let (pages, received) = (list.pages, list.received);
    if (count as u64) < pages {
        return Some(format!("{count} successful requests for the list {kind} ({query}), but it has {pages} pages"));
    }
    let rows = found.iter().try_fold(0_u64, |sum, request| Some(sum.saturating_add(request.rows?)))?;
    (rows < received)
        .then(|| format!("{rows} rows in the responses of the list {kind} ({query}), but it received {received}"))
}

fn path_of(query: &str) -> &str {
    query.split_once('?').map_or(query, |(path, _)| path)
}

/// Returns whether a path is the one of a list, whose path may contain `{id}` in place of an id.
fn matches(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == "{id}" || wanted == found => {}
            _ => return false,
        }
    }
}
