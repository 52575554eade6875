//! The queued form of an event: a `CloudEvent` whose `data` is the ECS body. Pure.
//!
//! The form is the same for every target, and the envelope of Splunk or Elasticsearch is built when the event is sent. So
//! queued events follow a corrected target, address or index, and a repeated request still has the same bytes.

use crate::model::{Subject, SubjectKind};
use crate::syslog::body::{Body, replace_control_characters};
use crate::syslog::ecs;
use crate::syslog::format::Sender;
use crate::syslog::json::to_ascii;
use crate::syslog::message::{About, Message};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt::Write as _;

/// Source type of the events in Splunk.
const SOURCE_TYPE: &str = "bt-rollcall:json";
/// Maximum length of a queued event in octets. Splunk cuts events at 10,000 octets by default (`TRUNCATE`), and the
/// envelopes of Splunk and Elasticsearch are shorter than that of CloudEvents.
const MAX_OCTETS: usize = 8_000;

/// Longest subject in octets. Those of every known product are much shorter.
const MAX_SUBJECT: usize = 256;

/// A queued event, read again.
#[derive(Debug, Deserialize)]
pub(super) struct QueuedEvent<'q> {
    /// Id of the event.
    pub(super) id: String,
    time: DateTime<Utc>,
    host: String,
    /// The ECS body as it was rendered.
    #[serde(borrow)]
    pub(super) data: &'q RawValue,
}

/// Renders an event in the JSON format of CloudEvents 1.0, as one line of ASCII.
///
/// An event that is too long loses the same parts as in a syslog frame. `host` is an extension attribute.
pub(in crate::syslog) fn render(sender: &Sender, message: &Message<'_>) -> String {
    let mut body = ecs::body(message);
    // An optional attribute. The body has the id, too, and can shorten it.
    let subject = subject(message).filter(|subject| subject.len() <= MAX_SUBJECT);
    loop {
        let event = cloud_event(sender, message, subject.as_deref(), &body.text());
        if event.len() <= MAX_OCTETS || !body.shrink() {
            return event;
        }
    }
}

fn cloud_event(sender: &Sender, message: &Message<'_>, subject: Option<&str>, body: &str) -> String {
    let subject = subject.map_or_else(String::new, |subject| format!("\"subject\":{},", quoted(subject)));
    format!(
        "{{\"specversion\":\"1.0\",\"id\":{},\"source\":{},\"type\":{},\"time\":{},{subject}\"host\":{},\
         \"datacontenttype\":\"application/json\",\"data\":{body}}}",
        quoted(&message.id),
        quoted(&format!("/bt-rollcall/{}", in_path(&sender.host))),
        quoted(&format!("bt-rollcall.{}", message.code)),
        quoted(&ecs::timestamp(message.facts.now)),
        quoted(&sender.host),
    )
}

impl<'q> QueuedEvent<'q> {
    /// Reads a queued event; `None` if it has another form.
    pub(super) fn read(queued: &'q str) -> Option<Self> {
        serde_json::from_str(queued).ok()
    }

    /// Returns an event of the endpoint `/services/collector/event` of Splunk.
    pub(super) fn for_hec(&self, index: Option<&str>) -> String {
        let index = index.map_or_else(String::new, |index| format!("\"index\":{},", quoted(index)));
        let milliseconds = self.time.timestamp_millis();
        let (seconds, fraction) = (milliseconds.div_euclid(1_000), milliseconds.rem_euclid(1_000));
        let (host, source_type) = (quoted(&self.host), quoted(SOURCE_TYPE));
        format!(
            "{{{index}\"time\":{seconds}.{fraction:03},\"host\":{host},\"source\":\"bt-rollcall\",\
             \"sourcetype\":{source_type},\"event\":{}}}",
            self.data
        )
    }

    /// Returns the two lines of a `create` action. The id of the event is that of the document, so it cannot exist twice.
    pub(super) fn for_bulk(&self) -> String {
        format!("{{\"create\":{{\"_id\":{}}}}}\n{}", quoted(&self.id), self.data)
    }
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
fn quoted(text: &str) -> String {
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
