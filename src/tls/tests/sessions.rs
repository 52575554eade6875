//! Tests with servers that end a handshake for reasons of their own, byte by byte.

use super::{connector_trusting, fault_text};
use crate::tls::{Connector, Peer};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::sync::Arc;

/// Returns the error of the client if a server answers its first message with these bytes.
fn error_after(connector: &Connector, octets: &[u8]) -> rustls::Error {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(connector.config.clone()), name).unwrap();
    client.write_tls(&mut Vec::new()).unwrap();
    client.read_tls(&mut &octets[..]).unwrap();
    client.process_new_packets().unwrap_err()
}

fn fault_after(octets: &[u8]) -> String {
    let connector = connector_trusting(&[]);
    fault_text(&connector, &error_after(&connector, octets))
}

/// Builds a fatal alert in a record of its own (RFC 8446 §5.1, §6).
fn alert(version: u8, code: u8) -> [u8; 7] {
    [21, 3, version, 0, 2, 2, code]
}

/// Builds a `ServerHello` of TLS 1.0 or 1.1 without extensions (RFC 4346 §7.4.1.3).
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
fn an_old_protocol_is_named_if_the_server_refuses_or_answers_with_it() {
    for octets in [alert(1, 70).to_vec(), alert(3, 70).to_vec(), old_hello(1), old_hello(2)] {
        let text = fault_after(&octets);
        assert_eq!(
            text,
            "the appliance supports only TLS versions before 1.2, which are not safe (RFC 8996); enable TLS 1.2 or 1.3 on the appliance"
        );
    }
}

#[test]
fn a_missing_common_cipher_is_not_reported_as_a_certificate_problem() {
    for code in [40, 71] {
        let text = fault_after(&alert(3, code));
        assert!(text.contains("no TLS version or cipher in common") && !text.contains("certificate"), "{text}");
    }
}

#[test]
fn a_server_without_tls_is_reported() {
    for octets in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"220 mail.example.com ESMTP\r\n", b"SSH-2.0-OpenSSH_9.9\r\n"]
    {
        let text = fault_after(octets);
        assert!(text.starts_with("url starts with https, but the server does not speak TLS on this port"), "{text}");
    }
}

#[test]
fn a_receiver_without_tls_is_reported_with_tcp_as_the_cure() {
    let connector = Connector::new(Peer::Receiver, Vec::new(), None).unwrap();
    let text = fault_text(&connector, &error_after(&connector, b"220 plain text here\r\n"));
    assert!(text.contains("does not speak TLS on this port") && text.contains("write tcp:// in url"), "{text}");
}

#[test]
fn a_certificate_required_alert_alone_is_reported_as_a_missing_client_certificate() {
    assert!(fault_after(&alert(3, 116)).contains("demands a client certificate"));
}

#[test]
fn every_other_alert_is_reported_with_its_name() {
    assert!(fault_after(&alert(3, 112)).contains("does not know the host name"));
    assert!(fault_after(&alert(3, 49)).contains("access_denied"));
    assert!(fault_after(&alert(3, 200)).contains("alert 200"));
}

#[test]
fn an_error_that_a_later_attempt_may_not_meet_is_no_fault() {
    let connector = connector_trusting(&[]);
    for (code, name) in [(80, "internal_error"), (90, "user_canceled")] {
        let error = error_after(&connector, &alert(3, code));
        assert_eq!(connector.explainer.fault(&error), None);
        assert!(connector.explainer.describe_transient(&error).contains(name), "{name}");
    }
}
