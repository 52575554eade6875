//! Header + body -> one frame, without the framing of streams. RFC 5424 by default, RFC 3164 for local sockets and receivers
//! that know nothing newer. Pure: clock, host and process are arguments.

use super::ecs::{self, SPARE};
use super::message::Message;
use super::{Destination, Protocol, Transport};
use crate::model::Severity;
use serde_json::{Map, Value};
use std::io::Write;
use syslog::LogFormat;

/// APP-NAME and TAG: letters only, because RFC 3164 §4.1.3 ends a TAG at the first other character.
const APP: &str = "btrollcall";

/// Who sends.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Host name, fully qualified where known.
    pub host: String,
    /// Process id.
    pub pid: u32,
}

/// What stands between PRI and the end: the crate's severity is given beside it.
pub struct MessageContent<'a> {
    /// The event.
    pub message: &'a Message,
    /// The body as it goes out.
    pub body: &'a str,
    /// Counts from 1 in a run: gaps are visible to a SIEM (RFC 5424 §7.3.1).
    pub sequence: u64,
}

/// The formatters for one destination.
struct HeaderFormatter<'a> {
    sender: &'a Sender,
    facility: u8,
    protocol: Protocol,
    local: bool,
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
        // One write is one datagram.
        out.write_all(frame.as_bytes())?;
        Ok(())
    }
}

impl HeaderFormatter<'_> {
    /// RFC 5424 §6: PRI VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP SD SP MSG.
    fn rfc5424(&self, priority: u8, content: &MessageContent<'_>) -> String {
        let at = ecs::timestamp(content.message.at);
        let host = token(&self.sender.host, 255);
        let (pid, code, sequence) = (self.sender.pid, token(&content.message.code, 32), content.sequence);
        let version = env!("CARGO_PKG_VERSION");
        let body = content.body;
        // §7: only SD-IDs registered with IANA; every value here is of a safe alphabet.
        format!(
            "<{priority}>1 {at} {host} {APP} {pid} {code} [timeQuality tzKnown=\"1\"][origin software=\"bt-rollcall\" \
             swVersion=\"{version}\"][meta sequenceId=\"{sequence}\"] {body}"
        )
    }

    /// RFC 3164 §4.1, with the time in UTC: the body carries it with its zone. Local sockets want no host.
    fn rfc3164(&self, priority: u8, content: &MessageContent<'_>) -> String {
        let at = content.message.at.format("%b %e %H:%M:%S");
        let pid = self.sender.pid;
        let body = content.body;
        if self.local {
            return format!("<{priority}>{at} {APP}[{pid}]: {body}");
        }
        // §4.1.2: the host without its domain; a label has at most 63 octets (RFC 1035 §2.3.4).
        let host = token(self.sender.host.split('.').next().unwrap_or_default(), 63);
        format!("<{priority}>{at} {host} {APP}[{pid}]: {body}")
    }
}

/// A header field: printable ASCII without spaces, `-` where nothing is left (RFC 5424 §6, NILVALUE).
fn token(text: &str, most: usize) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

/// The severities of RFC 5424 §6.2.1, table 2.
fn syslog_severity(severity: Severity) -> syslog::Severity {
    match severity {
        Severity::Info => syslog::Severity::LOG_INFO,
        Severity::Low => syslog::Severity::LOG_NOTICE,
        Severity::Medium => syslog::Severity::LOG_WARNING,
        Severity::High => syslog::Severity::LOG_ERR,
        Severity::Critical => syslog::Severity::LOG_CRIT,
    }
}

/// Renders one frame: at most [`Destination::most_octets`], ASCII, no control character, whole JSON. An event that does not fit loses
/// optional fields in the order of `SPARE`, each as a whole; then its message, where the account or group is named elsewhere. Only
/// what is still too long, because a name, a reason or an id is, has its texts shortened, which `btrollcall.truncated` says.
pub fn render(destination: &Destination, sender: &Sender, message: &Message, sequence: u64) -> String {
    let header = HeaderFormatter {
        sender,
        facility: destination.facility,
        protocol: destination.protocol,
        local: matches!(destination.transport, Transport::Unix(_)),
    };
    let most = destination.most_octets();
    let mut body = Value::Object(message.body.clone());
    ecs::each_text(&mut body, &|text| *text = ecs::visible(text));
    let mut steps = shrinking(&body);
    loop {
        let frame = frame(&header, message, &body, sequence);
        if frame.len() <= most {
            return frame;
        }
        let Some(step) = steps.next() else { return frame };
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
    String::from_utf8(frame).unwrap_or_default()
}

/// One way to make a body smaller.
enum Shrink {
    LeaveOut(&'static [&'static str]),
    Shorten(usize),
}

/// First what is spare, then the message that repeats names, then ever shorter texts. 24 characters are 288 octets at the very most
/// (12 each, in pairs).
fn shrinking(body: &Value) -> impl Iterator<Item = Shrink> + use<> {
    let spare = SPARE.iter().map(|path| Shrink::LeaveOut(path));
    let names_its_subject = body.get("user").or_else(|| body.get("group")).is_some();
    let message = names_its_subject.then_some(Shrink::LeaveOut(&["message"]));
    spare.chain(message).chain([512, 256, 128, 64, 48, 32, 16, 8].map(Shrink::Shorten))
}

impl Shrink {
    fn apply(&self, body: &mut Value) {
        match self {
            Self::LeaveOut(path) => leave_out(body, path),
            Self::Shorten(most) => shorten(body, *most),
        }
    }
}

fn leave_out(body: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(body, |value, key| value.get_mut(*key));
    if let Some(map) = parent.and_then(Value::as_object_mut) {
        map.remove(*last);
    }
}

/// Ids and codes are shorter than any limit but the last ones and are spared by name.
fn shorten(body: &mut Value, most: usize) {
    let Some(map) = body.as_object_mut() else { return };
    for key in ["message", "user", "group", "observer", "host"] {
        if let Some(value) = map.get_mut(key) {
            ecs::each_text(value, &|text| cut(text, most));
        }
    }
    let ours = map.get_mut("btrollcall").and_then(Value::as_object_mut);
    for value in ours.into_iter().flat_map(Map::values_mut) {
        leave_out(value, &["evidence"]);
        if let Some(subject) = value.get_mut("subject") {
            ecs::each_text(subject, &|text| cut(text, most));
        }
    }
    if let Some(reason) = map.get_mut("event").and_then(|event| event.get_mut("reason")) {
        ecs::each_text(reason, &|text| cut(text, most));
    }
}

fn cut(text: &mut String, most: usize) {
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
        text.push_str("...");
    }
}

fn mark_truncated(body: &mut Value) {
    if let Some(ours) = body.get_mut("btrollcall").and_then(Value::as_object_mut) {
        ours.insert("truncated".to_owned(), Value::from("true"));
    }
}
