//! Renders one event to a frame: header and body, within the size limit of the destination.
//!
//! The header is RFC 5424 by default, and RFC 3164 for local sockets and older receivers. The framing of streams is
//! added in `stream`. Pure: clock, host and process id are arguments.

use super::ecs::{self, OPTIONAL_FIELDS};
use super::message::Message;
use super::{Destination, Protocol, Transport};
use crate::model::Severity;
use serde_json::{Map, Value};
use std::io::Write;
use syslog::LogFormat;

/// APP-NAME and TAG. Letters only, because a TAG ends at the first other character (RFC 3164 §4.1.3).
const APP: &str = "btrollcall";

/// The sender in the header of messages.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Host name, fully qualified if known.
    pub host: String,
    /// Id of the sending process.
    pub pid: u32,
}

/// The content of a message without its severity, which the `syslog` crate passes separately.
pub struct MessageContent<'a> {
    /// Event, for the time and MSGID of the header.
    pub message: &'a Message,
    /// JSON body in ASCII.
    pub body: &'a str,
    /// Number of the event in its run, from 1. A SIEM can detect gaps (`sequenceId`, RFC 5424 §7.3.1).
    pub sequence: u64,
}

/// The formatter for one destination.
struct HeaderFormatter<'a> {
    sender: &'a Sender,
    facility: u8,
    protocol: Protocol,
    is_local: bool,
}

impl LogFormat<MessageContent<'_>> for HeaderFormatter<'_> {
    fn format<W: Write>(
        &self,
        out: &mut W,
        severity: syslog::Severity,
        content: MessageContent<'_>,
    ) -> syslog::Result<()> {
        // RFC 5424 §6.2.1: facility * 8 + severity.
        let priority = self.facility * 8 + severity as u8;
        let frame = match self.protocol {
            Protocol::Rfc5424 => self.rfc5424(priority, &content),
            Protocol::Rfc3164 => self.rfc3164(priority, &content),
        };
        // A single write, because one write is one datagram.
        out.write_all(frame.as_bytes())?;
        Ok(())
    }
}

impl HeaderFormatter<'_> {
    /// Renders RFC 5424 §6: PRI VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP SD SP MSG.
    fn rfc5424(&self, priority: u8, content: &MessageContent<'_>) -> String {
        let at = ecs::timestamp(content.message.at);
        let host = token(&self.sender.host, 255);
        let (pid, code, sequence) = (self.sender.pid, token(&content.message.code, 32), content.sequence);
        let version = env!("CARGO_PKG_VERSION");
        let body = content.body;
        // Only SD-IDs registered with IANA (§7). No value contains a character that needs escaping (§6.3.3).
        format!(
            "<{priority}>1 {at} {host} {APP} {pid} {code} [timeQuality tzKnown=\"1\"][origin software=\"bt-rollcall\" \
             swVersion=\"{version}\"][meta sequenceId=\"{sequence}\"] {body}"
        )
    }

    /// Renders RFC 3164 §4.1. The time is UTC, and the body contains it with its zone. Local sockets expect no host.
    fn rfc3164(&self, priority: u8, content: &MessageContent<'_>) -> String {
        let at = content.message.at.format("%b %e %H:%M:%S");
        let pid = self.sender.pid;
        let body = content.body;
        if self.is_local {
            return format!("<{priority}>{at} {APP}[{pid}]: {body}");
        }
        // The host without its domain (§4.1.2). A label has at most 63 octets (RFC 1035 §2.3.4).
        let host = token(self.sender.host.split('.').next().unwrap_or_default(), 63);
        format!("<{priority}>{at} {host} {APP}[{pid}]: {body}")
    }
}

/// Returns a header field: printable ASCII without spaces, and `-` (NILVALUE, RFC 5424 §6) if nothing remains.
fn token(text: &str, limit: usize) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(limit).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

/// Returns the severity of RFC 5424 §6.2.1, table 2.
fn syslog_severity(severity: Severity) -> syslog::Severity {
    match severity {
        Severity::Info => syslog::Severity::LOG_INFO,
        Severity::Low => syslog::Severity::LOG_NOTICE,
        Severity::Medium => syslog::Severity::LOG_WARNING,
        Severity::High => syslog::Severity::LOG_ERR,
        Severity::Critical => syslog::Severity::LOG_CRIT,
    }
}

/// Renders one frame: ASCII without control characters, whole JSON, at most [`Destination::max_frame_octets`] octets.
///
/// An event that is too long loses optional fields as a whole, in the order of `OPTIONAL_FIELDS`. Then it loses
/// `message` if another field names the account or group. Texts are shortened only if a name, a reason or an id is
/// still too long. Names and status of all sources of a run leave before texts become unreadable. In all of these
/// cases the body contains `btrollcall.truncated`.
pub fn render(destination: &Destination, sender: &Sender, message: &Message, sequence: u64) -> String {
    let header = HeaderFormatter {
        sender,
        facility: destination.facility,
        protocol: destination.protocol,
        is_local: matches!(destination.transport, Transport::Unix(_)),
    };
    let limit = destination.max_frame_octets();
    let mut body = Value::Object(message.body.clone());
    // Before the first measurement, because a replaced character is longer.
    ecs::each_text(&mut body, &|text| *text = ecs::replace_control_characters(text));
    let mut steps = shrinking(&body);
    loop {
        let frame = frame(&header, message, &body, sequence);
        if frame.len() <= limit {
            return frame;
        }
        let Some(step) = steps.next() else { return frame };
        // The marker is set before the frame is measured again, because it needs octets too.
        mark_truncated(&mut body);
        step.apply(&mut body);
    }
}

fn frame(header: &HeaderFormatter<'_>, message: &Message, body: &Value, sequence: u64) -> String {
    let body = ecs::to_ascii(body);
    let mut frame = Vec::with_capacity(body.len() + 256);
    let content = MessageContent { message, body: &body, sequence };
    // Writing into a Vec cannot fail.
    let _ = header.format(&mut frame, syslog_severity(message.severity), content);
    // The frame is ASCII, so this cannot fail.
    String::from_utf8(frame).unwrap_or_default()
}

/// A step that makes a body smaller.
enum Shrink {
    /// Removes the field with this path.
    Remove(&'static [&'static str]),
    /// Cuts texts to this number of characters.
    Shorten(usize),
}

/// Returns the steps in order: optional fields, then the message that repeats a name, then shorter and shorter texts.
/// The list of sources leaves between them, since a shorter reason is worth less than the sources that it is about.
///
/// A character has at most 12 octets (a pair of `\u` escapes), so a text of 8 characters has at most 96.
fn shrinking(body: &Value) -> impl Iterator<Item = Shrink> + use<> {
    let optional = OPTIONAL_FIELDS.iter().map(|path| Shrink::Remove(path));
    let names_its_subject = body.get("user").or_else(|| body.get("group")).is_some();
    let message = names_its_subject.then_some(Shrink::Remove(&["message"]));
    let sources = Shrink::Remove(&["btrollcall", "run", "sources"]);
    let long = [512, 256, 128].map(Shrink::Shorten);
    optional.chain(message).chain(long).chain([sources]).chain([64, 48, 32, 16, 8].map(Shrink::Shorten))
}

impl Shrink {
    fn apply(&self, body: &mut Value) {
        match self {
            Self::Remove(path) => remove(body, path),
            Self::Shorten(limit) => shorten(body, *limit),
        }
    }
}

fn remove(body: &mut Value, path: &[&str]) {
    match (body, path) {
        (Value::Array(items), _) => items.iter_mut().for_each(|item| remove(item, path)),
        (Value::Object(map), [last]) => drop(map.remove(*last)),
        (Value::Object(map), [key, below @ ..]) => {
            if let Some(value) = map.get_mut(*key) {
                remove(value, below);
            }
        }
        _ => {}
    }
}

/// Cuts names and reasons to `limit` characters and removes evidence. Ids and codes of an event are never cut.
fn shorten(body: &mut Value, limit: usize) {
    let Some(map) = body.as_object_mut() else { return };
    for key in ["message", "user", "group", "observer", "host"] {
        if let Some(value) = map.get_mut(key) {
            ecs::each_text(value, &|text| cut(text, limit));
        }
    }
    let own_fields = map.get_mut("btrollcall").and_then(Value::as_object_mut);
    for value in own_fields.into_iter().flat_map(Map::values_mut) {
        // Evidence may contain texts of any length, and the tables have it in full.
        remove(value, &["evidence"]);
        if let Some(subject) = value.get_mut("subject") {
            ecs::each_text(subject, &|text| cut(text, limit));
        }
    }
    if let Some(reason) = map.get_mut("event").and_then(|event| event.get_mut("reason")) {
        ecs::each_text(reason, &|text| cut(text, limit));
    }
}

fn cut(text: &mut String, limit: usize) {
    if let Some((at, _)) = text.char_indices().nth(limit) {
        text.truncate(at);
        text.push_str("...");
    }
}

fn mark_truncated(body: &mut Value) {
    if let Some(own_fields) = body.get_mut("btrollcall").and_then(Value::as_object_mut) {
        own_fields.insert("truncated".to_owned(), Value::Bool(true));
    }
}
