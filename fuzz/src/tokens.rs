//! Answers of the token endpoint, and bodies with content codings.

use crate::answers::serve;
use crate::sources::{SECRET, client};
use bt_rollcall::event::NoObserver;
use bt_rollcall::wire::{Body, Client, fuzzing};
use std::sync::Arc;

/// Any JSON.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Any(serde_json::Value);

impl Body for Any {}

/// Fetches a token and one document. Sections without the pattern `token` answer the second request.
pub(crate) fn token_answer(data: &[u8]) -> String {
    let sections = [b"### token ", data].concat();
    serve(&sections, |url| async move {
        let client = Client::new(&client(url), Arc::new(NoObserver)).expect("the client is built");
        let answer = client.get::<Any>("/document").await;
        let outcome = match answer {
            Ok(Any(value)) => format!("value {}", value.is_object()),
            Err(error) => error.to_string(),
        };
        assert!(!outcome.contains(SECRET), "no message contains the secret: {outcome}");
        format!("{outcome} {:?}", client.clock_skew_seconds().map(i64::signum))
    })
}

/// Decompresses a body. The first line lists the content codings.
pub(crate) fn bodies(data: &[u8]) -> String {
    const LIMIT: usize = 1 << 20;
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let codings = String::from_utf8_lossy(&data[..end]);
    match fuzzing::decompressed(&codings, data.get(end + 1..).unwrap_or_default(), LIMIT) {
        Ok(size) => {
            assert!(size <= LIMIT.max(data.len()), "the limit of a body holds: {size}");
            format!("{} codings, {} bytes", count(codings.split(',').count()), count(size))
        }
        Err(error) => error.to_string(),
    }
}

/// Returns the magnitude of a number as a word.
fn count(number: usize) -> &'static str {
    ["no", "one", "some", "many", "very many"][number.checked_ilog2().map_or(0, |log| 1 + log as usize / 5).min(4)]
}
