//! Answers that are wrong on the wire: cut, reset, slow, badly framed, badly compressed, with absurd headers.

use super::{Answer, Applies, Misbehaviour, Turn};
use crate::hold::hostile::answer::{Ending, Framing};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

const fn at(name: &'static str, make: fn(Turn<'_>) -> Answer) -> Misbehaviour {
    Misbehaviour::new(name, Applies::Always, make)
}

pub(super) const ALL: [Misbehaviour; 24] = [
    at("cut-body", |turn| Answer { sent_percent: 90, ending: Ending::Closed, ..turn.honest }),
    at("cut-header", |turn| Answer { sent_percent: 5, ending: Ending::Closed, ..turn.honest }),
    at("closed-before-the-answer", |turn| Answer { sent_percent: 0, ending: Ending::Closed, ..turn.honest }),
    at("reset-before-the-answer", |turn| Answer { sent_percent: 0, ending: Ending::Reset, ..turn.honest }),
    at("reset-inside-the-answer", |turn| Answer { sent_percent: 70, ending: Ending::Reset, ..turn.honest }),
    at("informational-flood", |turn| Answer { lead: b"HTTP/1.1 100 Continue\r\n\r\n".repeat(5000), ..turn.honest }),
    at("early-hints", |turn| Answer {
        lead: b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_vec(),
        ..turn.honest
    }),
    at("slow-trickle", |turn| Answer { pause: Duration::from_millis(20), ..turn.honest }),
    at("very-slow-trickle", |turn| Answer { pause: Duration::from_secs(4), ..turn.honest }).slow(),
    at("length-too-large", |mut turn| {
        turn.honest.framing = Framing::Raw(format!("Content-Length: {}\r\n", turn.honest.body.len() + 7));
        Answer { ending: Ending::Closed, ..turn.honest }
    }),
    at("length-too-small", |mut turn| {
        // The rest of the body is what the next request on the connection receives.
        turn.honest.framing = Framing::Raw(format!("Content-Length: {}\r\n", turn.honest.body.len() / 2));
        turn.honest
    }),
    at("two-lengths", |mut turn| {
        let length = turn.honest.body.len();
        turn.honest.framing = Framing::Raw(format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length / 2));
        turn.honest
    }),
    at("length-is-text", |mut turn| {
        turn.honest.framing = Framing::Raw("Content-Length: many\r\n".to_owned());
        Answer { ending: Ending::Closed, ..turn.honest }
    }),
    at("chunks-of-garbage", |mut turn| {
        turn.honest.framing = Framing::Raw("Transfer-Encoding: chunked\r\n".to_owned());
        Answer { ending: Ending::Closed, ..turn.honest }
    }),
    at("chunks-without-end", |mut turn| {
        turn.honest.framing = Framing::Raw("Transfer-Encoding: chunked\r\n".to_owned());
        let size = format!("{:x}\r\n", turn.honest.body.len()).into_bytes();
        turn.honest.body = [&size, &turn.honest.body[..], b"\r\n"].concat();
        Answer { ending: Ending::Closed, ..turn.honest }
    }),
    at("chunks-and-a-length", |mut turn| {
        turn.honest.framing = Framing::Raw("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n".to_owned());
        let size = format!("{:x}\r\n", turn.honest.body.len()).into_bytes();
        turn.honest.body = [&size, &turn.honest.body[..], b"\r\n0\r\n\r\n"].concat();
        turn.honest
    }),
    at("gzip-bomb", |_| Answer::json("200 OK", BOMB.clone()).with("Content-Encoding", "gzip")),
    at("plain-body-called-gzip", |turn| turn.honest.with("Content-Encoding", "gzip")),
    at("garbage-called-deflate", |mut turn| {
        turn.honest.body = (0..200).map(|_| turn.rng.u8(..)).collect();
        turn.honest.with("Content-Encoding", "deflate")
    }),
    at("unknown-encoding", |turn| turn.honest.with("Content-Encoding", "compress, br")),
    at("header-of-a-megabyte", |turn| turn.honest.with("X-Padding", "x".repeat(1 << 20))),
    at("thousand-headers", |turn| (0..1000).fold(turn.honest, |answer, n| answer.with(&format!("X-{n}"), "x"))),
    at("flood-of-cookies", |turn| {
        (0..90).fold(turn.honest, |answer, n| answer.with("Set-Cookie", format!("c{n}={}; Path=/", "v".repeat(3000))))
    }),
    at("no-http", |_| Answer {
        lead: b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        ending: Ending::Closed,
        ..Answer::json("", "")
    }),
];

/// 400 MB of zeros, compressed.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b'0'; 1 << 20];
    (0..400).for_each(|_| encoder.write_all(&zeros).unwrap());
    encoder.finish().unwrap()
});
