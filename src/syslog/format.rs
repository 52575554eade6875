//! Renders one event to a frame: header and body, within the size limit of the destination.
//!
//! The header is RFC 5424 by default, and RFC 3164 for local sockets and older receivers. The framing of streams is
//! added in `stream`. Pure: clock, host and process id are arguments.

use super::message::{About, Message};
use super::{Payload, Protocol, SyslogDestination, Transport};
use super::{body, ecs};
use crate::model::Severity;
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
    pub message: &'a Message<'a>,
    /// Body without control characters.
    pub body: &'a str,
    /// Number of the event in its run, from 1. A SIEM can detect gaps (`sequenceId`, RFC 5424 §7.3.1).
    pub sequence: u64,
}

/// The formatter for one destination.
struct HeaderFormatter<'a> {
    sender: &'a Sender,
    facility: u8,
    protocol: Protocol,
    enterprise_number: Option<u32>,
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
        let at = ecs::timestamp(content.message.facts.now);
        let host = token(&self.sender.host, 255);
        let (pid, code, sequence) = (self.sender.pid, token(&content.message.code, 32), content.sequence);
        let version = env!("CARGO_PKG_VERSION");
        let body = content.body;
        // The SD-IDs registered with IANA (§7), then our own. No value contains a character that needs escaping (§6.3.3).
        let own = self.enterprise_number.map(|number| own_element(number, content.message)).unwrap_or_default();
        format!(
            "<{priority}>1 {at} {host} {APP} {pid} {code} [timeQuality tzKnown=\"1\"][origin software=\"bt-rollcall\" \
             swVersion=\"{version}\"][meta sequenceId=\"{sequence}\"]{own} {body}"
        )
    }

    /// Renders RFC 3164 §4.1. The time is UTC, and the body contains it with its zone. Local sockets expect no host.
    fn rfc3164(&self, priority: u8, content: &MessageContent<'_>) -> String {
        let at = content.message.facts.now.format("%b %e %H:%M:%S");
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

/// Returns the SD-ELEMENT `btrollcall@NUMBER` (RFC 5424 §6.3.2). A parameter that does not apply to the event is left out.
///
/// Its parameters have the values of `event.id`, the fingerprint and status of the finding, the run, `event.sequence`
/// and `event.code`. Their meaning must not change in later versions (§6.3.4).
fn own_element(number: u32, message: &Message<'_>) -> String {
    let finding = match message.about {
        About::Finding(sent) => Some(sent.finding),
        _ => None,
    };
    let parameters = [
        ("id", Some(message.id.clone())),
        ("finding", finding.map(|finding| finding.fingerprint.to_string())),
        ("state", finding.map(|finding| finding.status.as_str().to_owned())),
        ("run", Some(message.facts.run_id.clone())),
        ("seq", message.sequence.map(|sequence| sequence.to_string())),
        ("code", Some(message.code.to_string())),
    ];
    let mut element = format!("[{APP}@{number}");
    for (name, value) in parameters {
        // All of these consist of such characters. Text of users is never in structured data.
        let is_safe = |value: &String| value.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if let Some(value) = value.filter(is_safe) {
            element.extend([" ", name, "=\"", &value, "\""]);
        }
    }
    element.push(']');
    element
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

/// Renders one frame without control characters: a whole body in the payload of the destination, and at most
/// [`SyslogDestination::max_frame_octets`] octets.
///
/// An event that is too long loses optional fields as a whole, in a fixed order. Then it loses the line for people if
/// another field names the account or group. Texts are shortened only if a name, a reason or an id is still too long.
/// A body that lost something is marked as truncated.
pub fn render(destination: &SyslogDestination, sender: &Sender, message: &Message<'_>, sequence: u64) -> String {
    let limit = destination.max_frame_octets();
    let with_number = |enterprise_number| {
        let header = HeaderFormatter {
            sender,
            facility: destination.facility,
            protocol: destination.protocol,
            enterprise_number,
            is_local: matches!(destination.transport, Transport::Unix(_)),
        };
        shortened(&header, destination.payload, message, sequence, limit)
    };
    let frame = with_number(destination.enterprise_number);
    // The body has all of our own element, so the element gives way where both do not fit.
    if frame.len() > limit && destination.enterprise_number.is_some() { with_number(None) } else { frame }
}

/// Renders a frame of at most `limit` octets, or the shortest one if none is so short.
fn shortened(
    header: &HeaderFormatter<'_>,
    payload: Payload,
    message: &Message<'_>,
    sequence: u64,
    limit: usize,
) -> String {
    let mut body = body::of(payload, message);
    loop {
        let frame = frame(header, message, &body.text(), sequence);
        if frame.len() <= limit || !body.shrink() {
            return frame;
        }
    }
}

fn frame(header: &HeaderFormatter<'_>, message: &Message<'_>, body: &str, sequence: u64) -> String {
    let mut frame = Vec::with_capacity(body.len() + 256);
    let content = MessageContent { message, body, sequence };
    // Writing into a Vec cannot fail.
    let _ = header.format(&mut frame, syslog_severity(message.severity), content);
    // Header and body are UTF-8, so this cannot fail.
    String::from_utf8(frame).unwrap_or_default()
}
