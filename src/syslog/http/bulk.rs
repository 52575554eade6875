//! The bulk API of Elasticsearch and OpenSearch: requests, and the result of each item. Pure.
//!
//! The action is `create`, which data streams demand. A document that exists already is answered with 409, so an event
//! that is sent twice is stored once. A data stream with a failure store (Elasticsearch 8.19 and 9.1) answers 201 for a
//! document that it refuses, and gives it another id there.

use super::HttpRequest;
use super::event::{QueuedEvent, in_path};
use super::reading::{Fate, Reading, Refusal, Reply, is_temporary, no_receipt, of_status};
use crate::wire::excerpt;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// What to check where the cluster refuses the credential.
const CREDENTIAL: &str = "token, and that its API key is valid and has the right create_doc on the index";

/// Response to a bulk request.
#[derive(Deserialize)]
struct BulkResponse {
    items: Vec<BulkItem>,
}

/// Result of one action.
#[derive(Deserialize)]
struct BulkItem {
    create: ItemResult,
}

#[derive(Deserialize)]
struct ItemResult {
    #[serde(rename = "_id")]
    id: Option<String>,
    status: u16,
    #[serde(default)]
    error: Value,
    /// What the failure store of a data stream had to do with the document. Only `used` says more than the status.
    #[serde(default)]
    failure_store: Value,
}

/// Returns the request with these events, one action and one document for each.
pub(super) fn request(url: &str, token: &SecretString, index: &str, events: &[String]) -> HttpRequest {
    HttpRequest {
        url: format!("{url}/{}/_bulk", in_path(index)),
        headers: vec![
            ("authorization", format!("ApiKey {}", token.expose_secret())),
            ("content-type", "application/x-ndjson".to_owned()),
        ],
        // The last line ends with a line feed, too.
        body: events.join("\n") + "\n",
    }
}

/// Returns what a response says about the queued events of its request. `secrets` are our own, which a reason may echo.
pub(super) fn read(reply: &Reply<'_>, queued: &[&str], secrets: &[String]) -> Reading {
    match reply.status {
        200..=299 => of_items(reply, queued, secrets),
        // The cluster names what it cannot parse. A proxy does not answer in this form.
        400 | 422 if is_error_of_elasticsearch(reply.body) => Reading::BadData(reply.refusal()),
        _ => of_status(reply, CREDENTIAL),
    }
}

fn is_error_of_elasticsearch(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|value| value["error"]["type"].is_string())
}

fn of_items(reply: &Reply<'_>, queued: &[&str], secrets: &[String]) -> Reading {
    let response: Result<BulkResponse, _> = serde_json::from_slice(reply.body);
    let Ok(BulkResponse { items: results }) = response else { return no_receipt(reply, "response of a bulk API") };
    let sent: Vec<Option<String>> =
        queued.iter().map(|queued| QueuedEvent::read(queued).map(|event| event.id)).collect();
    if results.len() != sent.len() || are_results_of_others(&sent, &results) {
        let (sent, got) = (sent.len(), results.len());
        let text = format!("the receiver named {got} results for {sent} events, or those of other events");
        return Reading::Later(format!("{text}; look into its log"), reply.retry_after);
    }
    let fates = sent.iter().zip(&results).map(|(id, result)| fate(id.as_deref(), &result.create, secrets));
    Reading::Each(fates.collect())
}

/// Checks whether a result names another event of the request.
///
/// The results have the order of the request. An id that no event of the request has is no contradiction: an ingest
/// pipeline or a failure store may give a document another one.
fn are_results_of_others(sent: &[Option<String>], results: &[BulkItem]) -> bool {
    let ids: BTreeSet<&str> = sent.iter().flatten().map(String::as_str).collect();
    let is_other = |(id, result): (&Option<String>, &BulkItem)| {
        let named = result.create.id.as_deref();
        named != id.as_deref() && named.is_some_and(|named| ids.contains(named))
    };
    sent.iter().zip(results).any(is_other)
}

/// Returns what to change where the cluster refuses an item for a reason that is not its data.
fn setting_of(result: &ItemResult, secrets: &[String]) -> Option<String> {
    let text = |name: &str| result.error[name].as_str().unwrap_or_default();
    let (kind, reason) = (text("type"), text("reason").to_ascii_lowercase());
    let cure = match (kind, result.status) {
        ("index_closed_exception", _) => "open the index, or correct index",
        ("cluster_block_exception", _) => "remove the block of the index or of the cluster",
        ("validation_exception", _) => "raise the limit of the cluster that the reason names, or remove old indices",
        // The reasons of other kinds quote values of the event, which may contain any word.
        ("illegal_argument_exception" | "resource_not_found_exception", _) if reason.starts_with("pipeline ") => {
            "create the ingest pipeline, or correct the pipeline in the settings of the index"
        }
        (kind, status)
            if matches!(status, 401 | 403) || kind.contains("security") || kind.contains("authorization") =>
        {
            "give the API key in token the right create_doc on the index"
        }
        (_, 404) => "create the index or data stream, or correct index",
        _ => return None,
    };
    Some(format!("the receiver answered {} for an event; {cure}", in_words(result, secrets)))
}

/// Returns what became of the event with this id.
fn fate(id: Option<&str>, result: &ItemResult, secrets: &[String]) -> Fate {
    let is_renamed = result.id.is_some() && result.id.as_deref() != id;
    match result.status {
        200 | 201 if result.failure_store == "used" => Fate::Dead(Refusal {
            status: result.status,
            reason:
                "stored in the failure store of the data stream, because it was refused; its error.message says why"
                    .to_owned(),
        }),
        409 if is_renamed => {
            let why = "an ingest pipeline gave the event an id that another document has";
            Fate::Dead(Refusal { status: 409, reason: format!("{}; {why}", in_words(result, secrets)) })
        }
        // 409: a document with this id exists, so an earlier request has stored the event.
        200 | 201 | 409 => Fate::Delivered,
        status if is_temporary(status) => {
            Fate::Later(format!("the receiver answered {} for an event", in_words(result, secrets)))
        }
        400..=499 => match setting_of(result, secrets) {
            Some(cure) => Fate::Stop(cure),
            None => Fate::Dead(Refusal { status: result.status, reason: in_words(result, secrets) }),
        },
        _ => Fate::Stop(format!(
            "the receiver answered {} for an event, which is no receipt; check url, and whether a proxy answers in place of \
             the receiver",
            in_words(result, secrets)
        )),
    }
}

/// Returns status, type and reason of an item, with secrets masked.
fn in_words(result: &ItemResult, secrets: &[String]) -> String {
    let error = &result.error;
    let (kind, reason) = (error["type"].as_str().unwrap_or("no reason"), error["reason"].as_str().unwrap_or_default());
    let cause = error["caused_by"]["reason"].as_str().unwrap_or_default();
    let text = [kind, reason, cause].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    format!("{}: {}", result.status, excerpt(&text, 240, secrets))
}
