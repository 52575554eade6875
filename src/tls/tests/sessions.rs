//! Servers that end a handshake for reasons of their own, octet by octet.

use super::{trusting, words};
use crate::tls::{Connector, Peer};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::sync::Arc;

/// The client's error when a server answers its first message with these octets.
fn answered(connector: &Connector, octets: &[u8]) -> rustls::Error {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(connector.config.clone()), name).unwrap();
    client.write_tls(&mut Vec::new()).unwrap();
    client.read_tls(&mut &octets[..]).unwrap();
    client.process_new_packets().unwrap_err()
}

fn said(octets: &[u8]) -> String {
    let connector = trusting(&[]);
    words(&connector, &answered(&connector, octets))
}

/// RFC 8446 §5.1, §6: a fatal alert in a record of its own.
fn alert(version: u8, code: u8) -> [u8; 7] {
    [21, 3, version, 0, 2, 2, code]
}

/// RFC 4346 §7.4.1.3: a `ServerHello` of TLS 1.0 or 1.1 without extensions.
fn old_hello(version: u8) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]);
    // No session id; TLS_RSA_WITH_AES_128_CBC_SHA; no compression.
    hello.extend([0, 0, 0x2f, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, version, 0, length + 4, 2, 0, 0, length];
    record.extend(hello);
    record
}

#[test]
fn an_old_protocol_is_named_whether_the_server_refuses_or_answers_in_it() {
    for octets in [alert(1, 70).to_vec(), alert(3, 70).to_vec(), old_hello(1), old_hello(2)] {
        let text = said(&octets);
        assert_eq!(
            text,
            "the appliance speaks only versions of TLS before 1.2, which are not safe (RFC 8996); enable TLS 1.2 or 1.3 on the appliance"
        );
    }
}

#[test]
fn a_server_without_a_common_cipher_is_reported_apart_from_a_certificate() {
    for code in [40, 71] {
        let text = said(&alert(3, code));
        assert!(text.contains("no TLS version or cipher in common") && !text.contains("certificate"), "{text}");
    }
}

#[test]
fn a_server_that_speaks_no_tls_is_said() {
    for octets in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"220 mail.example.com ESMTP\r\n", b"SSH-2.0-OpenSSH_9.9\r\n"]
    {
        let text = said(octets);
        assert!(text.starts_with("url says https, but the server does not speak TLS on this port"), "{text}");
    }
}

#[test]
fn a_receiver_that_speaks_no_tls_points_to_tcp() {
    let connector = Connector::new(Peer::Receiver, Vec::new(), None).unwrap();
    let text = words(&connector, &answered(&connector, b"220 plain text here\r\n"));
    assert!(text.contains("does not speak TLS on this port") && text.contains("write tcp:// in url"), "{text}");
}

#[test]
fn a_demand_that_is_an_alert_alone_is_understood() {
    assert!(said(&alert(3, 116)).contains("demands a client certificate"));
}

#[test]
fn every_other_alert_has_its_name() {
    assert!(said(&alert(3, 112)).contains("does not know the host name"));
    assert!(said(&alert(3, 49)).contains("access_denied"));
    assert!(said(&alert(3, 200)).contains("alert 200"));
}

#[test]
fn what_may_pass_is_no_fault() {
    let connector = trusting(&[]);
    for (code, name) in [(80, "internal_error"), (90, "user_canceled")] {
        let error = answered(&connector, &alert(3, code));
        assert_eq!(connector.explainer.fault(&error), None);
        assert!(connector.explainer.passing(&error).contains(name), "{name}");
    }
}
