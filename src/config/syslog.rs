//! Reads `[[syslog]]`: the destinations of events, and the format and transport of each.
//!
//! A profile sets the defaults for a named receiver; a key that is written wins over the profile.

use super::certificates;
use super::effective::DEFAULT;
use super::host;
use super::reference::ReferenceContext;
use super::section::Section;
use super::similar::not_one_of;
use crate::report::thousands;
use crate::syslog::{
    Destination, Framing, Ocsf, OcsfFinding, OcsfVersion, Payload, Proof, Protocol, Send, SyslogDestination, Transport,
};
use serde_json::json;
use std::ops::RangeInclusive;
use std::path::PathBuf;

const PROTOCOLS: [(&str, Protocol); 2] = [("rfc5424", Protocol::Rfc5424), ("rfc3164", Protocol::Rfc3164)];
const PAYLOADS: [(&str, Payload); 4] =
    [("ecs", Payload::Ecs), ("ocsf", Payload::Ocsf(Ocsf::DEFAULT)), ("cef", Payload::Cef), ("leef", Payload::Leef)];
const OCSF_FINDINGS: [(&str, OcsfFinding); 2] =
    [("iam-analysis", OcsfFinding::IamAnalysis), ("detection", OcsfFinding::Detection)];
const OCSF_VERSIONS: [OcsfVersion; 5] =
    [OcsfVersion::V1_8, OcsfVersion::V1_7, OcsfVersion::V1_6, OcsfVersion::V1_5, OcsfVersion::V1_4];
const FRAMINGS: [(&str, Framing); 2] = [("octet-counting", Framing::OctetCounting), ("newline", Framing::Newline)];

const PROOFS: [(&str, Proof); 3] =
    [("close", Proof::Close), ("close-notify", Proof::CloseNotify), ("sent", Proof::Sent)];

/// Defaults for a named receiver.
struct Profile {
    name: &'static str,
    protocol: Protocol,
    framing: Framing,
    payload: Payload,
    facility: &'static str,
}

/// Returns a profile with JSON bodies and the usual facility.
const fn profile(name: &'static str, protocol: Protocol, framing: Framing) -> Profile {
    Profile { name, protocol, framing, payload: Payload::Ecs, facility: "audit" }
}

/// Profiles of the receivers that this version supports. The first one is the default.
const PROFILES: [Profile; 11] = [
    profile("generic-5425", Protocol::Rfc5424, Framing::OctetCounting),
    // RELP has frames of its own, so this profile sets no framing.
    profile("rsyslog-relp", Protocol::Rfc5424, Framing::OctetCounting),
    profile("syslog-ng", Protocol::Rfc5424, Framing::OctetCounting),
    profile("syslog-ng-network", Protocol::Rfc5424, Framing::Newline),
    profile("sc4s", Protocol::Rfc5424, Framing::Newline),
    profile("elastic", Protocol::Rfc5424, Framing::Newline),
    profile("wazuh4", Protocol::Rfc3164, Framing::Newline),
    Profile { payload: Payload::Cef, ..profile("splunk-sc4s-cef", Protocol::Rfc5424, Framing::Newline) },
    // A facility of its own: the agent must not collect the events a second time as plain syslog.
    Profile {
        payload: Payload::Cef,
        facility: "local4",
        ..profile("sentinel-cef", Protocol::Rfc5424, Framing::OctetCounting)
    },
    Profile {
        payload: Payload::Ocsf(Ocsf::DEFAULT),
        ..profile("ocsf-lake", Protocol::Rfc5424, Framing::OctetCounting)
    },
    Profile { payload: Payload::Leef, ..profile("qradar-leef", Protocol::Rfc3164, Framing::Newline) },
];

/// Facilities by the names that syslog daemons use, with their codes (RFC 5424 §6.2.1, table 1).
const FACILITIES: [(&str, u8); 24] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("ntp", 12),
    ("audit", 13),
    ("alert", 14),
    ("clock", 15),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// Reads all destinations. There may be none.
pub(super) fn read(sections: Vec<Section<'_>>, context: &ReferenceContext<'_>) -> Vec<SyslogDestination> {
    let mut destinations: Vec<SyslogDestination> = Vec::new();
    for section in sections {
        if let Some(destination) = read_destination(&section, context) {
            // The spool keeps the events of a destination under its URL.
            // One receiver under two of them, such as with and without its port, would get every event twice.
            if destinations.iter().any(|other| other.transport == destination.transport) {
                section.problem("url", "two [[syslog]] tables have this url; remove one of them");
            }
            destinations.push(destination);
        }
    }
    destinations
}

/// Returns the settings in force of a destination in words, without secrets.
pub fn destination_in_words(destination: &Destination) -> String {
    let to = match destination {
        Destination::Http(http) => return http.in_words(),
        Destination::Syslog(syslog) => syslog,
    };
    let mut words = vec![
        format!("protocol {}", word(&PROTOCOLS, to.protocol)),
        match to.payload {
            Payload::Ocsf(Ocsf { finding, version }) => format!(
                "payload ocsf, ocsf_finding {}, ocsf_version {}",
                word(&OCSF_FINDINGS, finding),
                version.as_str()
            ),
            payload => format!("payload {}", word(&PAYLOADS, payload)),
        },
        format!("facility {}", word(&FACILITIES, to.facility)),
        to.send.in_words(),
    ];
    if to.transport.is_datagram() {
        words.push(format!("events_per_second {}", to.events_per_second));
    } else if !to.transport.is_relp() {
        words.push(format!("framing {}", word(&FRAMINGS, to.framing)));
        words.push(format!("delivery_proof {}", word(&PROOFS, to.proof)));
    }
    words.extend(to.enterprise_number.map(|number| format!("enterprise_number {number}")));
    words.push(format!("at most {} octets an event", thousands(to.max_frame_octets() as u64)));
    words.join(", ")
}

/// Returns the word for a meaning.
fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], meaning: T) -> &'static str {
    words.iter().find(|(_, other)| *other == meaning).map_or("", |(word, _)| word)
}

/// Reads one destination. It reads all keys before it returns, so that every problem is reported.
fn read_destination(section: &Section<'_>, context: &ReferenceContext<'_>) -> Option<SyslogDestination> {
    let url = section.required("url", "\"tls://siem.example.com:6514\"");
    let transport = url.and_then(|url| transport(url).map_err(|why| section.problem("url", why)).ok());
    let profile = profile_of(section);
    let local = matches!(transport, Some(Transport::Unix(_)));
    // Most receivers read RFC 3164 on a local socket; RFC 5424 would lose MSGID and structured data there.
    let default = if local { Protocol::Rfc3164 } else { profile.protocol };
    let protocol = by_profile(section, "protocol", &PROTOCOLS, default);
    let enterprise_number = enterprise_number(section, protocol);
    let framing = framing(section, transport.as_ref(), profile);
    let payload = payload(section, profile);
    let default = FACILITIES.iter().find(|(name, _)| *name == profile.facility).map_or(13, |(_, code)| *code);
    let facility = by_profile(section, "facility", &FACILITIES, default);
    let send = findings_to_send(section);
    let events_per_second = section.number("events_per_second", 1..=100_000, 500);
    let udp_max = udp_max(section, transport.as_ref(), protocol);
    let proof = proof(section, transport.as_ref());
    reject_keys_of_other_transports(section, transport.as_ref());
    let ca_file = certificates::ca_file(section, context);
    let client_identity = certificates::client(section, context).map(|read| read.files);
    section.reject_unknown_keys();
    let (url, transport) = (url?.to_owned(), transport?);
    Some(SyslogDestination {
        url,
        transport,
        protocol,
        payload,
        framing,
        facility,
        enterprise_number,
        ca_file,
        client_identity,
        proof,
        events_per_second,
        udp_max,
        send,
    })
}

/// Reads `send` and `remind_days`.
pub(super) fn findings_to_send(section: &Section<'_>) -> Send {
    let remind_days = section.number("remind_days", 0..=3650, 7);
    let transitions = Send::Transitions { remind_days };
    let sends = [("transitions", transitions), ("all", Send::All)];
    section.one_of("send", &sends, Some("transitions")).unwrap_or(transitions)
}

fn profile_of(section: &Section<'_>) -> &'static Profile {
    let default = &PROFILES[0];
    let words: Vec<(&str, &'static Profile)> = PROFILES.iter().map(|profile| (profile.name, profile)).collect();
    section.one_of("profile", &words, Some(default.name)).unwrap_or(default)
}

/// Reads a key whose default comes from the profile.
fn by_profile<T: Copy + PartialEq>(section: &Section<'_>, key: &'static str, words: &[(&str, T)], default: T) -> T {
    let written = section.one_of(key, words, None);
    if !section.has(key) {
        let word = words.iter().find(|(_, meaning)| *meaning == default).map(|(word, _)| *word);
        section.in_force(key, json!(word), if section.has("profile") { "profile" } else { DEFAULT });
    }
    written.unwrap_or(default)
}

/// Reads `payload`, and `ocsf_finding` and `ocsf_version`, which belong to one of them.
fn payload(section: &Section<'_>, profile: &Profile) -> Payload {
    let payload = by_profile(section, "payload", &PAYLOADS, profile.payload);
    let is_ocsf = matches!(payload, Payload::Ocsf(_));
    let finding = section.one_of("ocsf_finding", &OCSF_FINDINGS, is_ocsf.then_some("iam-analysis"));
    let versions = OCSF_VERSIONS.map(|version| (version.as_str(), version));
    let version = section.one_of("ocsf_version", &versions, is_ocsf.then_some(Ocsf::DEFAULT.version.as_str()));
    for key in ["ocsf_finding", "ocsf_version"] {
        if section.has(key) && !is_ocsf {
            section.problem(key, "is a key of payload = \"ocsf\"; write that, or remove the key");
        }
    }
    let (Some(finding), Some(version), true) = (finding, version, is_ocsf) else { return payload };
    if finding == OcsfFinding::IamAnalysis && !version.has_additions_of_1_6() {
        section.problem(
            "ocsf_version",
            format!(
                "{} has no IAM Analysis Finding, which exists since 1.6.0; write ocsf_finding = \"detection\", or a later \
                 version",
                version.as_str()
            ),
        );
    }
    Payload::Ocsf(Ocsf { finding, version })
}

/// Reads `enterprise_number`, a number of the IANA registry. Only RFC 5424 has the structured data that contains it.
fn enterprise_number(section: &Section<'_>, protocol: Protocol) -> Option<u32> {
    let number = section.optional_number("enterprise_number", 1..=u32::MAX);
    if number == Some(DOCUMENTATION_NUMBER) {
        section.problem(
            "enterprise_number",
            "is the number for documentation (RFC 5612), which belongs to nobody; write the private enterprise number of \
             your organization, or remove it",
        );
    }
    if section.has("enterprise_number") && protocol != Protocol::Rfc5424 {
        section.problem("enterprise_number", "is a key of protocol = \"rfc5424\"; write that, or remove the key");
    }
    number
}

/// Reads `framing`, which only TCP and TLS have.
fn framing(section: &Section<'_>, transport: Option<&Transport>, profile: &Profile) -> Framing {
    match transport {
        Some(transport) if transport.is_relp() => section.one_of("framing", &FRAMINGS, None).unwrap_or(profile.framing),
        _ => by_profile(section, "framing", &FRAMINGS, profile.framing),
    }
}

/// Reads `udp_max`, which only UDP has: a stream has no packets, and a local socket has a limit of its own.
fn udp_max(section: &Section<'_>, transport: Option<&Transport>, protocol: Protocol) -> Option<u32> {
    let written = section.optional_number("udp_max", UDP_MAX);
    match transport {
        Some(Transport::Udp(..)) if !section.has("udp_max") => {
            let default = if protocol == Protocol::Rfc3164 { 1_024 } else { 1_180 };
            section.in_force("udp_max", json!(default), DEFAULT);
        }
        Some(Transport::Udp(..)) | None => {}
        Some(_) if section.has("udp_max") => {
            section.problem("udp_max", "is a key of udp:// destinations; write udp:// in url, or remove it");
        }
        Some(_) => {}
    }
    written
}

/// Reads `delivery_proof`. A datagram has no session, and RELP has acknowledgements, so their transports do not have this
/// key.
fn proof(section: &Section<'_>, transport: Option<&Transport>) -> Proof {
    let is_datagram = transport.is_some_and(Transport::is_datagram);
    let is_relp = transport.is_some_and(Transport::is_relp);
    let wanted = section.one_of("delivery_proof", &PROOFS, (!is_datagram && !is_relp).then_some("close"));
    if section.has("delivery_proof") && is_datagram {
        section.problem(
            "delivery_proof",
            "is a key of tls:// and tcp:// destinations; the delivery of datagrams cannot be proven; remove it",
        );
    }
    if section.has("delivery_proof") && is_relp {
        section.problem(
            "delivery_proof",
            "is a key of tls:// and tcp:// destinations; a RELP receiver acknowledges each event; remove it",
        );
    }
    if wanted == Some(Proof::CloseNotify) && matches!(transport, Some(Transport::Tcp(..))) {
        section.problem(
            "delivery_proof",
            "must be close or sent for tcp://, which has no close_notify; write tls:// in url, or close",
        );
    }
    wanted.unwrap_or(Proof::Close)
}

/// Keys that only some transports use. A key without an effect would be taken for one with it.
fn reject_keys_of_other_transports(section: &Section<'_>, transport: Option<&Transport>) {
    let Some(transport) = transport else { return };
    let scheme = if transport.is_relp() { "relp+tls" } else { "tls" };
    for key in ["ca_file", "client_cert", "client_key"] {
        if section.has(key) && !transport.is_tls() {
            section.problem(
                key,
                format!("is a key of tls:// and relp+tls:// destinations; write {scheme}:// in url, or remove it"),
            );
        }
    }
    if section.has("framing") && transport.is_relp() {
        section.problem(
            "framing",
            "is a key of tls:// and tcp:// destinations; a RELP frame contains its length; remove it",
        );
    }
    if section.has("framing") && transport.is_datagram() {
        section.problem(
            "framing",
            "is a key of tls:// and tcp:// destinations; a datagram has an end of its own; remove it",
        );
    }
}

/// Parses the URL of a destination.
fn transport(url: &str) -> Result<Transport, String> {
    let (scheme, rest) =
        url.split_once("://").ok_or("must begin with tls://, relp+tls://, relp://, tcp://, udp:// or unix://")?;
    match scheme {
        "unix" if rest.starts_with('/') => Ok(Transport::Unix(PathBuf::from(rest))),
        "unix" => Err("must name an absolute path, such as unix:///dev/log".to_owned()),
        "tls" => host_and_port(rest, 6514).map(|(host, port)| Transport::Tls(host, port)),
        "tcp" => host_and_port(rest, 601).map(|(host, port)| Transport::Tcp(host, port)),
        "udp" => host_and_port(rest, 514).map(|(host, port)| Transport::Udp(host, port)),
        "relp" => host_and_port(rest, RELP_PORT).map(|(host, port)| Transport::Relp(host, port)),
        "relp+tls" => host_and_port(rest, RELP_PORT).map(|(host, port)| Transport::RelpTls(host, port)),
        "relps" | "relp-tls" | "tls+relp" => Err(format!("{scheme} is not a transport; write relp+tls://")),
        "ssl" | "syslog+tls" | "syslog-tls" => Err(format!("{scheme} is not a transport; write tls://")),
        other => Err(not_one_of(other, &["tls", "relp+tls", "relp", "tcp", "udp", "unix"])),
    }
}

/// Private enterprise number for documentation (RFC 5612 §2).
const DOCUMENTATION_NUMBER: u32 = 32_473;

/// Limits of `udp_max`: the default, because shorter events would lose their ids, and the largest payload over IPv4.
const UDP_MAX: RangeInclusive<u32> = 1_180..=65_507;

/// Default port of RELP. None is registered; this one is used in the documentation of rsyslog.
const RELP_PORT: u16 = 2514;

/// Parses host and port.
///
/// The default ports are those of RFC 5425 §4.1 (6514, TLS), RFC 6587 §3.1 (601, TCP) and RFC 5426 §3.3 (514, UDP).
fn host_and_port(text: &str, default: u16) -> Result<(String, u16), String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.is_empty() || text.contains(['/', '@', '?', '#']) {
        return Err("must name a host and no user, path or query, such as tls://siem.example.com:6514".to_owned());
    }
    let (host, port) = host::split(text)?;
    Ok((host.to_owned(), port.unwrap_or(default)))
}
