//! The HTTP Event Collector of Splunk: requests, receipts and acknowledgements of indexers. Pure.
//!
//! Endpoints and codes are those of the Splunk documentation, "HTTP Event Collector REST API endpoints" and "Troubleshoot
//! HTTP Event Collector".

use super::HttpRequest;
use super::reading::{Reading, Reply, no_receipt, of_status};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What to check where the collector refuses the credential.
const CREDENTIAL: &str = "token, and that it is enabled in Splunk";

/// Response of the collector.
#[derive(Deserialize)]
struct Receipt {
    code: u64,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

/// Response to the question which requests are indexed.
#[derive(Deserialize)]
struct Acknowledgements {
    acks: BTreeMap<String, bool>,
}

/// Returns the request with these events. The collector reads JSON objects one after the other.
pub(super) fn request(url: &str, token: &SecretString, events: &[String], channel: &str) -> HttpRequest {
    HttpRequest {
        url: format!("{url}/services/collector/event"),
        headers: headers(token, channel),
        body: events.join("\n"),
    }
}

/// Returns the request that asks which of these requests are indexed.
pub(super) fn ack_request(url: &str, token: &SecretString, channel: &str, ack_ids: &BTreeSet<u64>) -> HttpRequest {
    let ids: Vec<String> = ack_ids.iter().map(u64::to_string).collect();
    HttpRequest {
        url: format!("{url}/services/collector/ack?channel={channel}"),
        headers: headers(token, channel),
        body: format!("{{\"acks\":[{}]}}", ids.join(",")),
    }
}

fn headers(token: &SecretString, channel: &str) -> Vec<(&'static str, String)> {
    vec![
        ("authorization", format!("Splunk {}", token.expose_secret())),
        ("content-type", "application/json".to_owned()),
        // A token with acknowledgements demands a channel; any other token ignores it.
        ("x-splunk-request-channel", channel.to_owned()),
    ]
}

/// Returns what a response says about the events of its request.
pub(super) fn read(reply: &Reply<'_>, count: usize) -> Reading {
    let receipt: Option<Receipt> = serde_json::from_slice(reply.body).ok();
    let stop = |cure: &str| Reading::Stop(format!("the receiver answered {}; {cure}", reply.words));
    match (reply.status, receipt) {
        (200, Some(Receipt { code: 0, ack_id: Some(ack_id) })) => Reading::Pending(ack_id),
        (200, Some(Receipt { code: 0, ack_id: None })) => Reading::all_delivered(count),
        (200..=299, _) => no_receipt(reply, "receipt of a Splunk HTTP Event Collector"),
        (400, Some(Receipt { code: 7, .. })) => {
            stop("create the index in Splunk and allow it for the token, or correct index")
        }
        (400, Some(Receipt { code: 10 | 11, .. })) => stop("look into the log of Splunk for the cause"),
        // No data, invalid data, no event, an empty event, and fields that cannot be indexed.
        (400, Some(Receipt { code: 5 | 6 | 12 | 13 | 15, .. })) | (422, _) => Reading::BadData(reply.refusal()),
        (401 | 403, Some(Receipt { code: 1, .. })) => stop("enable the token in Splunk, or write another one in token"),
        _ => of_status(reply, CREDENTIAL),
    }
}

/// Returns which of the requests are indexed. The error is the reading of a response that does not say so.
pub(super) fn read_ack(reply: &Reply<'_>, ack_ids: &BTreeSet<u64>) -> Result<BTreeSet<u64>, Reading> {
    if !reply.is_success() {
        return Err(of_status(reply, CREDENTIAL));
    }
    let found: Result<Acknowledgements, _> = serde_json::from_slice(reply.body);
    let found = found.map_err(|_| no_receipt(reply, "acknowledgement of a Splunk HTTP Event Collector"))?;
    let is_indexed = |id: &u64| found.acks.get(&id.to_string()).copied().unwrap_or(false);
    Ok(ack_ids.iter().copied().filter(is_indexed).collect())
}
