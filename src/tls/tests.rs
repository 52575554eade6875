//! Handshakes in memory with real rustls servers: what is trusted, and how every refusal reads.

mod clients;
mod files;
pub(crate) mod pki;
mod sessions;
mod trust;

use super::{Connector, Peer};
use pki::Made;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::Arc;

/// Lets both ends talk until nothing is left to say; the client's first error.
fn talk(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    loop {
        let mut octets = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut octets).unwrap();
        }
        let asked = octets.len();
        server.read_tls(&mut octets.as_slice()).unwrap();
        // The server's error becomes an alert to the client.
        let _ = server.process_new_packets();
        let mut octets = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut octets).unwrap();
        }
        if octets.is_empty() && asked == 0 {
            return Ok(());
        }
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
}

/// Shakes hands with a server; the words and the cure where that fails.
fn shake(connector: &Connector, server: ServerConfig, name: &str) -> Result<(), String> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(connector.config.clone()), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    talk(&mut client, &mut server).map_err(|error| words(connector, &error))?;
    // Both have the other's key: data arrives.
    client.writer().write_all(b"ping").unwrap();
    talk(&mut client, &mut server).map_err(|error| words(connector, &error))?;
    let mut octets = [0; 4];
    server.reader().read_exact(&mut octets).unwrap();
    Ok(())
}

/// The text of an error, which must be for people.
fn words(connector: &Connector, error: &rustls::Error) -> String {
    let text = connector.explainer.fault(error).expect("a fault that stays").in_full();
    for debug in ["{", "(\"", "Error", "Context", "Some(", "OtherError", "AlertReceived"] {
        assert!(!text.contains(debug), "{debug} is no word for people: {text}");
    }
    text
}

fn trusting(trusted: &[&CertificateDer<'static>]) -> Connector {
    Connector::new(Peer::Appliance, trusted.iter().map(|der| (*der).clone()).collect(), None).unwrap()
}

/// How a client that trusts these certificates ends with this server.
fn said(trusted: &[&CertificateDer<'static>], server: &Made, name: &str) -> Result<(), String> {
    shake(&trusting(trusted), server.config(), name)
}
