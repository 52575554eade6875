//! Tests of queued events, signatures, and sessions with servers of many kinds on loopback.

mod bulk;
mod events;
mod hec;
mod server;
mod sessions;
mod signing;
mod tls;
mod webhook;

use super::acceptance::Acceptance;
use super::session::HttpSession;
use super::{HttpDestination, HttpTarget, Refusal, SigningKey};
use crate::syslog::Send;
use crate::syslog::session::{DeliveryError, Timing};
use crate::syslog::tests::sessions::timing;
use secrecy::SecretString;

/// The example key of the Standard Webhooks specification.
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN: &str = "9ae1bd8c-6e1b-44ad-9e4b-9f2d9c1b7a55";

fn hec_target() -> HttpTarget {
    HttpTarget::SplunkHec { token: SecretString::from(TOKEN), index: Some("audit".to_owned()) }
}

fn bulk_target() -> HttpTarget {
    HttpTarget::ElasticBulk { token: SecretString::from(TOKEN), index: "btrollcall".to_owned() }
}

fn webhook_target() -> HttpTarget {
    HttpTarget::Webhook { signing_key: SigningKey::parse(SecretString::from(KEY)).unwrap() }
}

fn to(url: String, target: HttpTarget) -> HttpDestination {
    let send = Send::All;
    HttpDestination { url, target, send, ca_file: None, client_identity: None, requests_per_second: 10_000.0 }
}

/// Returns events as they are in the spool.
fn events(count: usize) -> Vec<String> {
    (0..count).map(|n| event_with(n, &format!("{{\"n\":{n}}}"))).collect()
}

fn event_with(n: usize, data: &str) -> String {
    format!("{{\"id\":\"id{n}\",\"time\":\"2026-11-23T02:00:00.123Z\",\"host\":\"h\",\"data\":{data}}}")
}

/// Returns an event of [`events`] as Splunk gets it.
fn hec_event(n: usize) -> String {
    format!(
        "{{\"index\":\"audit\",\"time\":1795399200.123,\"host\":\"h\",\"source\":\"bt-rollcall\",\
         \"sourcetype\":\"bt-rollcall:json\",\"event\":{{\"n\":{n}}}}}"
    )
}

/// What a session left behind.
#[derive(Debug)]
struct Outcome {
    /// Number of events whose fate was recorded, dead ones included.
    decided: usize,
    /// Dead events with the refusal of each.
    dead: Vec<(String, Refusal)>,
    result: Result<(), DeliveryError>,
}

impl Outcome {
    fn error(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }
}

fn deliver(destination: &HttpDestination, events: Vec<String>) -> Outcome {
    deliver_within(destination, events, &timing(), &|| false)
}

fn deliver_within(
    destination: &HttpDestination,
    events: Vec<String>,
    timing: &Timing,
    is_stopped: &dyn Fn() -> bool,
) -> Outcome {
    let (mut decided, mut dead) = (0, Vec::new());
    let session = HttpSession { destination, events: events.into_iter().map(Ok), timing, is_stopped };
    let result = session.run(&mut Acceptance::default(), &mut |events| {
        decided += events.len();
        dead.extend(events.iter().filter_map(|(event, refusal)| Some(((*event).to_owned(), (*refusal)?.clone()))));
        Ok(())
    });
    Outcome { decided, dead, result }
}
