//! The item of an event: its ECS body in the envelope of the target. Pure.
//!
//! An item has no index. The request adds it, so that queued events follow a corrected setting.

use super::HttpTarget;
use crate::model::{Subject, SubjectKind};
use crate::syslog::body::{Body, replace_control_characters};
use crate::syslog::ecs;
use crate::syslog::format::Sender;
use crate::syslog::json::to_ascii;
use crate::syslog::message::{About, Message};
use serde_json::Value;
use std::fmt::Write as _;

/// Source type of the events in Splunk.
const SOURCE_TYPE: &str = "bt-rollcall:json";
/// Maximum length of an item for Splunk, in octets. Splunk cuts events at 10,000 octets by default (`TRUNCATE`).
const MAX_HEC_ITEM: usize = 8_000;
/// Maximum length of any other item, in octets. Receivers of CloudEvents accept at least 64 KiB (CloudEvents 1.0, "Size
/// Limits"), and as a JSON string in the spool an item is at most twice as long.
const MAX_ITEM: usize = 32_000;

/// Renders the item of an event: ASCII without control characters but the line feed of the bulk API.
///
/// An event that is too long loses the same parts as in a syslog frame.
pub(super) fn render(target: &HttpTarget, sender: &Sender, message: &Message<'_>) -> String {
    let limit = match target {
        HttpTarget::SplunkHec { .. } => MAX_HEC_ITEM,
        HttpTarget::ElasticBulk { .. } | HttpTarget::Webhook { .. } => MAX_ITEM,
    };
    let mut body = ecs::body(message);
    loop {
        let item = envelope(target, sender, message, &body.text());
        if item.len() <= limit || !body.shrink() {
            return item;
        }
    }
}

fn envelope(target: &HttpTarget, sender: &Sender, message: &Message<'_>, body: &str) -> String {
    match target {
        HttpTarget::SplunkHec { .. } => hec(sender, message, body),
        HttpTarget::ElasticBulk { .. } => bulk(message, body),
        HttpTarget::Webhook { .. } => cloud_event(sender, message, body),
    }
}

/// Returns an event of the endpoint `/services/collector/event`.
fn hec(sender: &Sender, message: &Message<'_>, body: &str) -> String {
    let milliseconds = message.facts.now.timestamp_millis();
    let (seconds, fraction) = (milliseconds.div_euclid(1_000), milliseconds.rem_euclid(1_000));
    let (host, source_type) = (quoted(&sender.host), quoted(SOURCE_TYPE));
    format!(
        "{{\"time\":{seconds}.{fraction:03},\"host\":{host},\"source\":\"bt-rollcall\",\"sourcetype\":{source_type},\
         \"event\":{body}}}"
    )
}

/// Returns the two lines of a `create` action. The id of the event is that of the document, so it cannot exist twice.
fn bulk(message: &Message<'_>, body: &str) -> String {
    format!("{{\"create\":{{\"_id\":{}}}}}\n{body}", quoted(&message.id))
}

/// Returns an event in the JSON format of CloudEvents 1.0.
fn cloud_event(sender: &Sender, message: &Message<'_>, body: &str) -> String {
    let subject = subject(message).map_or_else(String::new, |subject| format!("\"subject\":{},", quoted(&subject)));
    format!(
        "{{\"specversion\":\"1.0\",\"id\":{},\"source\":{},\"type\":{},\"time\":{},{subject}\
         \"datacontenttype\":\"application/json\",\"data\":{body}}}",
        quoted(&message.id),
        quoted(&format!("/bt-rollcall/{}", in_path(&sender.host))),
        quoted(&format!("bt-rollcall.{}", message.code)),
        quoted(&ecs::timestamp(message.facts.now)),
    )
}

/// Returns what an event is about within its source, such as `appliance-eu/user/42`; `None` for events about a run.
fn subject(message: &Message<'_>) -> Option<String> {
    let of = |source: &str, subject: &Subject| match subject.kind {
        SubjectKind::User | SubjectKind::Group => format!("{source}/{}/{}", subject.kind.as_str(), subject.id),
        SubjectKind::Source => source.to_owned(),
    };
    match message.about {
        About::Change(change) => Some(of(change.source.as_str(), &change.subject)),
        About::Finding(sent) => Some(of(sent.finding.source.as_str(), &sent.finding.subject)),
        About::Suspect(suspect) => Some(format!("{}/{}", suspect.source, suspect.list)),
        About::Completed(..) | About::Failed(_) | About::Test => None,
    }
}

/// Returns a JSON string in ASCII.
pub(super) fn quoted(text: &str) -> String {
    to_ascii(&Value::from(replace_control_characters(text)))
}

/// Returns a text as a segment of a URI path: everything but unreserved characters is percent-encoded (RFC 3986 §2).
pub(super) fn in_path(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}
