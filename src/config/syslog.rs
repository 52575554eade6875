//! `[syslog]`: where events go and in which form. A profile presets every knob for a named receiver; a knob set by hand wins.

use super::certificates;
use super::reference::ReferenceContext;
use super::section::Section;
use crate::syslog::{Destination, Framing, Proof, Protocol, Send, Transport};
use std::path::PathBuf;

/// What a profile sets.
struct Profile {
    name: &'static str,
    protocol: Protocol,
    framing: Framing,
}

const fn profile(name: &'static str, protocol: Protocol, framing: Framing) -> Profile {
    Profile { name, protocol, framing }
}

/// Receivers whose needs this version can meet.
const PROFILES: [Profile; 5] = [
    profile("generic-5425", Protocol::Rfc5424, Framing::OctetCounting),
    profile("syslog-ng-network", Protocol::Rfc5424, Framing::Newline),
    profile("sc4s", Protocol::Rfc5424, Framing::Newline),
    profile("elastic", Protocol::Rfc5424, Framing::Newline),
    profile("wazuh4", Protocol::Rfc3164, Framing::Newline),
];
/// Receivers that want a payload or a transport of a later version.
const LATER_PROFILES: [&str; 5] = ["rsyslog-relp", "splunk-sc4s-cef", "sentinel-cef", "qradar-leef", "ocsf-lake"];

/// RFC 5424 §6.2.1, table 1, by the names that syslog daemons use.
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

/// Reads every destination; there may be none.
pub(super) fn read(sections: Vec<Section<'_>>, around: &ReferenceContext<'_>) -> Vec<Destination> {
    let mut destinations: Vec<Destination> = Vec::new();
    for section in sections {
        let (path, problems) = (section.path_of("url"), section.problems());
        if let Some(destination) = one(section, around) {
            if destinations.iter().any(|other| other.url == destination.url) {
                problems.add(path, format!("{} is named twice; each event goes there once", destination.url));
            }
            destinations.push(destination);
        }
    }
    destinations
}

fn one(section: Section<'_>, around: &ReferenceContext<'_>) -> Option<Destination> {
    let url = section.required("url", "\"tls://siem.example.com:6514\"");
    let transport = url.and_then(|url| transport(url).map_err(|why| section.problem("url", why)).ok());
    let profile = preset(&section);
    let local = matches!(transport, Some(Transport::Unix(_)));
    // RFC 5424 on a local socket loses MSGID and structured data in the usual receivers: they read RFC 3164 there.
    let usual = if local { Protocol::Rfc3164 } else { profile.protocol };
    let protocols = [("rfc5424", Protocol::Rfc5424), ("rfc3164", Protocol::Rfc3164)];
    let protocol = section.one_of("protocol", &protocols).unwrap_or(usual);
    let framings = [("octet-counting", Framing::OctetCounting), ("newline", Framing::Newline)];
    let framing = section.one_of("framing", &framings).unwrap_or(profile.framing);
    payload(&section);
    let facility = section.one_of("facility", &FACILITIES).unwrap_or(13);
    let remind_days = section.number("remind_days", 0..=3650, 7);
    let transitions = Send::Transitions { remind_days };
    let send = section.one_of("send", &[("transitions", transitions), ("all", Send::All)]).unwrap_or(transitions);
    let events_per_second = section.number("events_per_second", 1..=100_000, 500);
    let proof = proof(&section, transport.as_ref());
    let ca_file = certificates::ca_file(&section, around);
    let client_identity = certificates::client(&section, around).map(|read| read.files);
    section.end();
    let (url, transport) = (url?.to_owned(), transport?);
    Some(Destination {
        url,
        transport,
        protocol,
        framing,
        facility,
        ca_file,
        client_identity,
        proof,
        events_per_second,
        send,
    })
}

fn preset(section: &Section<'_>) -> &'static Profile {
    let usual = &PROFILES[0];
    let Some(name) = section.text("profile") else { return usual };
    if LATER_PROFILES.contains(&name) {
        section.problem("profile", format!("{name:?} needs a payload or transport that is not in this version"));
        return usual;
    }
    let words: Vec<(&str, &'static Profile)> = PROFILES.iter().map(|profile| (profile.name, profile)).collect();
    section.word("profile", name, &words).unwrap_or(usual)
}

fn payload(section: &Section<'_>) {
    match section.text("payload") {
        Some(later @ ("ocsf" | "cef" | "leef")) => {
            section.problem("payload", format!("{later:?} is not in this version; write payload = \"ecs\""));
        }
        Some(other) => {
            section.word("payload", other, &[("ecs", ())]);
        }
        None => {}
    }
}

/// Datagrams have no session whose end could prove anything.
fn proof(section: &Section<'_>, transport: Option<&Transport>) -> Proof {
    let words = [("close", Proof::Close), ("sent", Proof::Sent)];
    let wanted = section.one_of("delivery_proof", &words);
    if section.has("delivery_proof") && transport.is_some_and(Transport::is_datagram) {
        section.problem(
            "delivery_proof",
            "is a key of tls:// and tcp://; nothing proves that a datagram arrives; remove it",
        );
    }
    wanted.unwrap_or(Proof::Close)
}

fn transport(url: &str) -> Result<Transport, String> {
    let (scheme, rest) = url.split_once("://").ok_or("must begin with tls://, tcp://, udp:// or unix://")?;
    match scheme {
        "unix" if rest.starts_with('/') => Ok(Transport::Unix(PathBuf::from(rest))),
        "unix" => Err("must name an absolute path, such as unix:///dev/log".to_owned()),
        "tls" => host_and_port(rest, 6514).map(|(host, port)| Transport::Tls(host, port)),
        "tcp" => host_and_port(rest, 601).map(|(host, port)| Transport::Tcp(host, port)),
        "udp" => host_and_port(rest, 514).map(|(host, port)| Transport::Udp(host, port)),
        "relp" | "relp+tls" => Err(format!("{scheme} is not in this version; write tls://")),
        other => Err(format!("{other:?} is none of tls, tcp, udp, unix")),
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`. Ports by default: RFC 5425 §4.1, RFC 6587 §3.1 (601), RFC 5426 §3.3.
fn host_and_port(text: &str, default: u16) -> Result<(String, u16), String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("an IPv6 address stands in brackets: [2001:db8::1]:6514")?;
            (host, after.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() || host.contains(['/', '@', '?', '#']) {
        return Err("must name a host, such as tls://siem.example.com:6514".to_owned());
    }
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| format!("{port:?} is no port")))?;
    Ok((host.to_owned(), port))
}
