//! Tests of sessions over TLS: trust, names and client certificates.

use super::{Outcome, deliver, events, to, webhook_target};
use crate::syslog::http::HttpDestination;
use crate::syslog::tests::sessions_tls::Pki;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Starts a server that answers one request on each connection, and returns a destination with its address.
fn server(config: ServerConfig, pki: &Pki) -> HttpDestination {
    server_that_refuses("no event", config, pki)
}

/// Starts a server that answers a batch with this text by 400 and a sentence about certificates.
fn server_that_refuses(refused: &'static str, config: ServerConfig, pki: &Pki) -> HttpDestination {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    thread::spawn(move || listener.incoming().flatten().for_each(|socket| answer(refused, &config, socket)));
    let destination = to(format!("https://localhost:{port}/hook"), webhook_target());
    HttpDestination { ca_file: Some(pki.path("ca.pem")), ..destination }
}

/// Reads to the end of a batch, which is the only text with `}]`, and answers. A refused handshake ends the connection.
fn answer(refused: &str, config: &Arc<ServerConfig>, socket: TcpStream) {
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), socket);
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.ends_with("}]") {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => text.push_str(&String::from_utf8_lossy(&buffer[..read])),
            _ => return,
        }
    }
    // The client may be gone.
    let answer: &[u8] = if text.contains(refused) {
        b"HTTP/1.1 400 x\r\nconnection: close\r\ncontent-length: 23\r\n\r\nNo certificate was sent"
    } else {
        b"HTTP/1.1 204 x\r\nconnection: close\r\n\r\n"
    };
    let _ = stream.write_all(answer);
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

fn sent(destination: &HttpDestination) -> Outcome {
    deliver(destination, events(2))
}

#[test]
fn receiver_with_a_trusted_authority_gets_the_events() {
    let pki = Pki::new();
    let outcome = sent(&server(pki.server("localhost", false), &pki));
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
}

#[test]
fn unknown_authority_and_wrong_name_are_refused_at_once_and_name_the_cure() {
    let pki = Pki::new();
    let untrusted = HttpDestination { ca_file: None, ..server(pki.server("localhost", false), &pki) };
    let error = sent(&untrusted).error();
    assert!(error.contains("not trusted") && error.contains("ca_file"), "{error}");
    let error = sent(&server(pki.server("siem.example.com", false), &pki)).error();
    assert!(error.contains("is issued for siem.example.com, not for localhost"), "{error}");
}

#[test]
fn receiver_that_requires_a_client_certificate_gets_it_or_names_the_key() {
    let pki = Pki::new();
    let without = server(pki.server("localhost", true), &pki);
    let error = sent(&without).error();
    assert!(error.contains("the receiver demands a client certificate") && error.contains("client_cert"), "{error}");
    let identity = Some((pki.path("client.pem"), pki.path("client.key")));
    let outcome = sent(&HttpDestination { client_identity: identity, ..without });
    assert!(outcome.result.is_ok(), "{outcome:?}");
}

#[test]
fn answer_about_a_certificate_names_the_key_and_an_event_that_it_may_be_about_holds_back_no_other() {
    let pki = Pki::new();
    let error = sent(&server_that_refuses("id", pki.server_that_asks("localhost"), &pki)).error();
    assert!(error.contains("the receiver demands a client certificate") && error.contains("client_cert"), "{error}");
    let outcome = sent(&server_that_refuses("id0", pki.server_that_asks("localhost"), &pki));
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
    assert_eq!(outcome.dead.len(), 1, "{outcome:?}");
}
