//! Webhooks: batches of CloudEvents with the headers of the Standard Webhooks specification. Pure.

use super::reading::{Reading, Refusal, Reply, of_status};
use super::{HttpRequest, SigningKey};
use crate::model::Fingerprint;

/// Returns the request with these events. The same events always have the same `webhook-id`.
pub(super) fn request(url: &str, key: &SigningKey, events: &[String], now: i64) -> HttpRequest {
    let body = format!("[{}]", events.join(","));
    let id = format!("msg_{}", Fingerprint::of(&["w1", &body]));
    let signature = key.sign(&id, now, &body);
    HttpRequest {
        url: url.to_owned(),
        headers: vec![
            ("content-type", "application/cloudevents-batch+json".to_owned()),
            ("webhook-id", id),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", signature),
        ],
        body,
    }
}

/// Returns what a response says about the events of its request. Any 2xx is the receipt; its body means nothing.
pub(super) fn read(reply: &Reply<'_>, count: usize) -> Reading {
    match reply.status {
        200..=299 => Reading::all_delivered(count),
        // Not a stop: the text may quote an event, and then the receiver accepts the others.
        400 if names_the_signature(reply.body) => Reading::BadDataOrSignature(Refusal {
            status: reply.status,
            reason: format!(
                "{}; compare signing_key with the secret of the receiver, synchronise the clocks (NTP), and check that no \
                 proxy removes or refuses headers",
                reply.words
            ),
        }),
        400 | 422 => Reading::BadData(reply.refusal()),
        _ => of_status(reply, "signing_key, and whether the receiver demands another credential"),
    }
}

/// Checks whether the receiver refuses the signature, or a proxy the headers. Many answer 400 then, and not 401.
fn names_the_signature(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    ["signature", "header", "webhook-id", "webhook-timestamp", "timestamp too"].iter().any(|word| text.contains(word))
}
