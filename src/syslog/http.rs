//! Destinations over HTTP whose response is a receipt: Splunk HEC, the bulk API of Elasticsearch, and webhooks.
//!
//! The spool holds each event as a `CloudEvent`, whatever the target. A session joins queued events to requests, and the
//! response decides about each of them: delivered, to be sent again, or dead because the receiver can never accept it.
//! `session` is the only file that waits and sends; everything else is pure.
//!
//! - `event`: event to its queued form, and from there to that of Splunk and Elasticsearch
//! - `hec`, `bulk`, `webhook`: events to a request, and response to its meaning
//! - `reading`: what responses of all targets have in common
//! - `group`: the events of one request and what became of each
//! - `acceptance`: whether refusals are final
//! - `session`: requests, retries and receipts

mod acceptance;
mod bulk;
mod event;
mod group;
mod hec;
mod reading;
mod session;
mod signing;
#[cfg(test)]
mod tests;
mod webhook;

pub(super) use acceptance::Acceptance;
pub(super) use event::render;
pub use reading::Refusal;
pub(super) use session::HttpSession;
pub use signing::SigningKey;

use super::Send;
use event::QueuedEvent;
use reading::{Reading, Reply};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;

/// A configured receiver of events over HTTP.
#[derive(Clone, Debug)]
pub struct HttpDestination {
    /// Address as configured; identifies the destination in log and spool.
    pub url: String,
    /// Product that receives the events, with what it needs.
    pub target: HttpTarget,
    /// Which findings are sent.
    pub send: Send,
    /// PEM file of certificates that are trusted in addition to the system's roots.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the certificate chain and the key for mutual TLS.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// Maximum number of requests per second.
    pub requests_per_second: f64,
}

/// Product that receives events over HTTP (`http.target`).
#[derive(Clone, Debug)]
pub enum HttpTarget {
    /// HTTP Event Collector of Splunk, its endpoint for events.
    SplunkHec {
        /// Token of the collector.
        token: SecretString,
        /// Index of the events; without one, the default of the token.
        index: Option<String>,
    },
    /// Bulk API of Elasticsearch or OpenSearch.
    ElasticBulk {
        /// API key in its encoded form.
        token: SecretString,
        /// Index or data stream of the events.
        index: String,
    },
    /// CloudEvents 1.0 in batches, signed as the Standard Webhooks specification describes.
    Webhook {
        /// Key of the signature.
        signing_key: SigningKey,
    },
}

/// A queued event that this version cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a queued event has a form that this version does not know; deliver it with the version that queued it, or throw it away \
     with `bt-rollcall spool purge`"
)]
pub struct UnreadableEvent;

/// A request without its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HttpRequest {
    url: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// What a request contains besides its events.
#[derive(Clone, Copy, Debug)]
struct RequestContext<'a> {
    /// Id of the channel of this session (Splunk).
    channel: &'a str,
    /// Seconds since 1970-01-01 UTC.
    now: i64,
}

impl HttpDestination {
    /// Returns the settings in force in words, without secrets.
    pub fn in_words(&self) -> String {
        let target = match &self.target {
            HttpTarget::SplunkHec { index: Some(index), .. } => format!("splunk-hec, index {index:?}"),
            HttpTarget::SplunkHec { index: None, .. } => "splunk-hec, the index of the token".to_owned(),
            HttpTarget::ElasticBulk { index, .. } => format!("elastic-bulk, index {index:?}"),
            HttpTarget::Webhook { .. } => "webhook".to_owned(),
        };
        let send = self.send.in_words();
        format!("{target}, {send}, requests_per_second {}", self.requests_per_second)
    }

    /// Returns the secrets, which no message may contain.
    fn secrets(&self) -> Vec<String> {
        let secret = match &self.target {
            HttpTarget::SplunkHec { token, .. } | HttpTarget::ElasticBulk { token, .. } => token.expose_secret(),
            HttpTarget::Webhook { signing_key } => signing_key.text(),
        };
        vec![secret.to_owned()]
    }

    /// Returns the largest number of events in one request.
    fn max_events(&self) -> usize {
        match self.target {
            HttpTarget::SplunkHec { .. } | HttpTarget::ElasticBulk { .. } => 500,
            // Receivers of webhooks are small programs more often.
            HttpTarget::Webhook { .. } => 100,
        }
    }

    /// Returns a queued event as the target gets it. Errors: the spool contains something else.
    pub fn as_sent(&self, queued: &str) -> Result<String, UnreadableEvent> {
        let event = || QueuedEvent::read(queued).ok_or(UnreadableEvent);
        Ok(match &self.target {
            HttpTarget::SplunkHec { index, .. } => event()?.for_hec(index.as_deref()),
            HttpTarget::ElasticBulk { .. } => event()?.for_bulk(),
            HttpTarget::Webhook { .. } => queued.to_owned(),
        })
    }

    /// Returns the request with these queued events.
    fn request(&self, queued: &[&str], context: RequestContext<'_>) -> Result<HttpRequest, UnreadableEvent> {
        let events: Vec<String> = queued.iter().map(|queued| self.as_sent(queued)).collect::<Result<_, _>>()?;
        Ok(match &self.target {
            HttpTarget::SplunkHec { token, .. } => hec::request(&self.url, token, &events, context.channel),
            HttpTarget::ElasticBulk { token, index } => bulk::request(&self.url, token, index, &events),
            HttpTarget::Webhook { signing_key } => webhook::request(&self.url, signing_key, &events, context.now),
        })
    }

    /// Returns what a response says about the queued events of its request.
    fn read(&self, reply: &Reply<'_>, queued: &[&str]) -> Reading {
        match &self.target {
            HttpTarget::SplunkHec { .. } => hec::read(reply, queued.len()),
            HttpTarget::ElasticBulk { .. } => bulk::read(reply, queued, &self.secrets()),
            HttpTarget::Webhook { .. } => webhook::read(reply, queued.len()),
        }
    }
}
