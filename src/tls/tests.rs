//! Tests with handshakes in memory against real rustls servers: which certificates are trusted, and the text of every
//! refusal.

mod clients;
mod files;
pub(crate) mod pki;
mod sessions;
mod trust;

use super::{Connector, Peer};
use pki::TestCertificate;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::Arc;

/// Moves data between both ends until neither has more to send. Errors: the first error of the client.
fn exchange(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    loop {
        let mut octets = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut octets).unwrap();
        }
        let asked = octets.len();
        server.read_tls(&mut octets.as_slice()).unwrap();
        // The following loop delivers the alert that this error became to the client.
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

/// Runs a handshake with a server and sends data. Errors: the text of the fault, with its cure.
fn handshake(connector: &Connector, server: ServerConfig, name: &str) -> Result<(), String> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(connector.config.clone()), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    exchange(&mut client, &mut server).map_err(|error| fault_text(connector, &error))?;
    // Data shows that both ends agree on the keys.
    client.writer().write_all(b"ping").unwrap();
    exchange(&mut client, &mut server).map_err(|error| fault_text(connector, &error))?;
    let mut octets = [0; 4];
    server.reader().read_exact(&mut octets).unwrap();
    Ok(())
}

/// Returns the text of an error, and checks that it contains no internal names.
fn fault_text(connector: &Connector, error: &rustls::Error) -> String {
    let text = connector.explainer.fault(error).expect("a fault that stays").in_full();
    for debug in ["{", "(\"", "Error", "Context", "Some(", "OtherError", "AlertReceived"] {
        assert!(!text.contains(debug), "{debug} is an internal name: {text}");
    }
    text
}

/// Builds a connector with these certificates in `ca_file`.
fn connector_trusting(trusted: &[&CertificateDer<'static>]) -> Connector {
    Connector::new(Peer::Appliance, trusted.iter().map(|der| (*der).clone()).collect(), None).unwrap()
}

/// Runs a handshake between a client that trusts these certificates and a server.
fn outcome(trusted: &[&CertificateDer<'static>], server: &TestCertificate, name: &str) -> Result<(), String> {
    handshake(&connector_trusting(trusted), server.config(), name)
}
