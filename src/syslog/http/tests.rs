//! Tests of items, signatures, and sessions with servers of many kinds on loopback.

mod bulk;
mod hec;
mod items;
mod server;
mod sessions;
mod signing;
mod tls;
mod webhook;

use super::session::{Acceptance, HttpSession};
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

/// Returns items as they are in the spool, in the form of the bulk API or of the others.
fn items(target: &HttpTarget, count: usize) -> Vec<String> {
    let item = |n: usize| match target {
        HttpTarget::ElasticBulk { .. } => {
            format!("{{\"create\":{{\"_id\":\"id{n}\"}}}}\n{{\"n\":{n}}}")
        }
        _ => format!("{{\"n\":{n}}}"),
    };
    (0..count).map(item).collect()
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

fn deliver(destination: &HttpDestination, items: Vec<String>) -> Outcome {
    deliver_within(destination, items, &timing(), &|| false)
}

fn deliver_within(
    destination: &HttpDestination,
    items: Vec<String>,
    timing: &Timing,
    is_stopped: &dyn Fn() -> bool,
) -> Outcome {
    let (mut decided, mut dead) = (0, Vec::new());
    let session = HttpSession { destination, items: items.into_iter().map(Ok), timing, is_stopped };
    let result = session.run(&mut Acceptance::default(), &mut |events| {
        decided += events.len();
        dead.extend(events.iter().filter_map(|(item, refusal)| Some(((*item).to_owned(), (*refusal)?.clone()))));
        Ok(())
    });
    Outcome { decided, dead, result }
}
