//! The meaning of responses: what became of the events of a request. Pure.

use std::time::Duration;

/// A response for interpretation.
#[derive(Clone, Debug)]
pub(super) struct Reply<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    /// The response in words, with secrets masked: `403: Invalid token`.
    pub(super) words: String,
    /// How long the receiver asks to wait before the next request.
    pub(super) retry_after: Option<Duration>,
}

impl Reply<'_> {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns why the receiver refuses an event.
    pub(super) fn refusal(&self) -> Refusal {
        Refusal { status: self.status, reason: self.words.clone() }
    }
}

/// Why a receiver can never accept an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status of the event or of its request.
    pub status: u16,
    /// Reason that the receiver gave, cleaned and shortened.
    pub reason: String,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The receiver has it.
    Delivered,
    /// The receiver is busy; the reason.
    Later(String),
    /// The receiver can never accept it.
    Dead(Refusal),
    /// A setting must be changed first; the reason and the cure.
    Stop(String),
}

/// What a response says about the events of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The receiver decided about each event, in the order of the request.
    Each(Vec<Fate>),
    /// The receiver took all events, and confirms them later under this number (Splunk).
    Pending(u64),
    /// The request is too large. A smaller one may pass.
    TooLarge(Refusal),
    /// The data of at least one event is refused. Smaller requests show which one.
    BadData(Refusal),
    /// As `BadData`, or the receiver refuses our signature: the text does not decide.
    BadDataOrSignature(Refusal),
    /// Another attempt may succeed; the reason, and how long the receiver asks to wait.
    Later(String, Option<Duration>),
    /// No request can succeed before a setting is changed; the reason and the cure.
    Stop(String),
}

impl Reading {
    /// Returns the reading in which every one of `count` events is delivered.
    pub(super) fn all_delivered(count: usize) -> Self {
        Self::Each(vec![Fate::Delivered; count])
    }
}

/// Checks whether a status is temporary (RFC 9110 §15.5.9 and §15.6, RFC 8470 §5.2, RFC 6585 §4).
pub(super) fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// Interprets a status that is the same for every target. `credential` is what to check about our credential.
pub(super) fn of_status(reply: &Reply<'_>, credential: &str) -> Reading {
    let words = &reply.words;
    let stop = |cure: String| Reading::Stop(format!("the receiver answered {words}; {cure}"));
    match reply.status {
        status if is_temporary(status) => {
            let cure = "look into the log of the receiver if this lasts";
            Reading::Later(format!("the receiver answered {words}; {cure}"), reply.retry_after)
        }
        413 => Reading::TooLarge(reply.refusal()),
        401 | 403 => stop(format!("check {credential}")),
        407 => stop("give the proxy its credentials in HTTPS_PROXY".to_owned()),
        300..=399 => {
            stop("redirects are not followed, because the credentials would go elsewhere; correct url".to_owned())
        }
        404 | 405 => stop("nothing accepts events at this path; check url".to_owned()),
        410 => stop("the receiver does not want events any more; correct url, or remove this destination".to_owned()),
        _ => stop("check url, and whether a proxy answers in place of the receiver".to_owned()),
    }
}

/// Returns the reading of a response with a good status and a body that is no receipt.
pub(super) fn no_receipt(reply: &Reply<'_>, receipt: &str) -> Reading {
    Reading::Stop(format!(
        "the receiver answered {}, which is no {receipt}; check url, and whether a proxy answers in place of the receiver",
        reply.words
    ))
}
