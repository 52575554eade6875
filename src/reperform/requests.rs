//! The request log against the manifest: every request that a list needed has a line.

use super::{entries, unreadable};
use crate::model::Instant;
use crate::snapshot::load::Archive;
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) const FILE: &str = "pages.jsonl";

/// What is needed of one line of `pages.jsonl`.
#[derive(Deserialize)]
struct Request {
    source: String,
    start: Instant,
}

/// Compares the log with the instants of the run, and, for each source, the number of lines with the number of requests that its lists needed.
///
/// The log also has requests that belong to no list, such as the one that closes a session.
pub(super) fn compare(archive: &Archive) -> Result<Vec<String>, String> {
    let text = archive.text(FILE).map_err(|error| unreadable(&error))?;
    let text = text.ok_or_else(|| format!("{FILE}: the manifest does not list it"))?;
    let mut logged: BTreeMap<String, u64> = BTreeMap::new();
    let mut starts = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let request: Request = serde_json::from_str(line).map_err(|error| format!("{FILE}: line {at}: {error}"))?;
        starts.push(request.start);
        *logged.entry(request.source).or_default() += 1;
    }
    let mut problems = entries::instants(&archive.manifest, &starts)?;
    for source in &archive.manifest.sources {
        let lines = logged.remove(&source.name).unwrap_or_default();
        let requests: u64 = source.lists.iter().map(|list| list.requests).sum();
        if lines < requests {
            let name = &source.name;
            problems.push(format!("{FILE}: {lines} requests of source {name}, but its lists needed {requests}"));
        }
    }
    let strange = logged.keys().map(|source| format!("{FILE}: source {source:?} is not in the manifest"));
    problems.extend(strange);
    Ok(problems)
}
