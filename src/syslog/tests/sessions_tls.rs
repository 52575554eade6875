//! TLS sessions: trust is never skipped, and every refusal names the key or the place of its cure.

use super::destination;
use super::sessions::deliver;
use crate::syslog::{Destination, Proof, Protocol, Transport};
use crate::tls::tests::pki::{Made, ca, expired};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tempfile::TempDir;

/// An authority, a certificate by it for the receiver, and one for us.
struct Pki {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let pki = Self { folder: tempfile::tempdir().unwrap(), authority };
        fs::write(pki.path("ca.pem"), pki.authority.pem()).unwrap();
        let (certificate, key) = pki.issue("bt-rollcall");
        fs::write(pki.path("client.pem"), certificate.pem()).unwrap();
        fs::write(pki.path("client.key"), key.serialize_pem()).unwrap();
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap(), key)
    }

    /// A receiver of one session whose certificate is for `name`.
    fn receiver(&self, name: &str, wants_ours: bool) -> (u16, JoinHandle<String>) {
        let (certificate, key) = self.issue(name);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if wants_ours {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(self.authority.der().to_vec())).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        serve(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}

/// A receiver of one session; what it read.
fn serve(config: ServerConfig) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let mut text = String::new();
        // A refused handshake ends the session; what arrived until then is what counts.
        let _ = stream.read_to_string(&mut text);
        stream.conn.send_close_notify();
        let _ = stream.conn.complete_io(&mut stream.sock);
        text
    });
    (port, served)
}

fn to(port: u16, ca_file: Option<&Path>) -> Destination {
    let mut destination = destination(Transport::Tls("localhost".to_owned(), port), Protocol::Rfc5424);
    destination.ca_file = ca_file.map(Path::to_owned);
    destination
}

fn said(destination: &Destination) -> String {
    deliver(destination, &["one".to_owned()]).unwrap_err().to_string()
}

#[test]
fn a_receiver_whose_authority_is_named_gets_the_batch() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("localhost", false);
    deliver(&to(port, Some(&pki.path("ca.pem"))), &["one".to_owned(), "two".to_owned()]).unwrap();
    assert_eq!(served.join().unwrap(), "3 one3 two");
}

#[test]
fn an_unknown_authority_is_refused_and_points_to_ca_file() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("localhost", false);
    let error = said(&to(port, None));
    assert_eq!(served.join().unwrap(), "", "nothing was sent");
    assert!(error.contains("not trusted") && error.contains("ca_file"), "{error}");
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("siem.example.com", false);
    let error = said(&to(port, Some(&pki.path("ca.pem"))));
    assert_eq!(served.join().unwrap(), "");
    assert!(error.contains("the receiver's certificate is issued for siem.example.com, not for localhost"), "{error}");
    assert!(error.contains("write a name of the certificate in url"), "{error}");
}

#[test]
fn a_receiver_that_wants_our_certificate_gets_it() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("localhost", true);
    let mut mutual = to(port, Some(&pki.path("ca.pem")));
    mutual.client_identity = Some((pki.path("client.pem"), pki.path("client.key")));
    deliver(&mutual, &["one".to_owned()]).unwrap();
    assert_eq!(served.join().unwrap(), "3 one");
}

#[test]
fn a_receiver_that_wants_a_certificate_which_we_do_not_have_is_said_before_anything_counts() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("localhost", true);
    let error = said(&to(port, Some(&pki.path("ca.pem"))));
    assert_eq!(served.join().unwrap(), "");
    assert!(error.contains("client_cert"), "{error}");
}

/// A destination whose `ca_file` is this certificate, which the receiver shows.
fn showing(made: &Made, folder: &TempDir) -> (Destination, JoinHandle<String>) {
    let ca_file = folder.path().join("receiver.pem");
    fs::write(&ca_file, &made.pem).unwrap();
    let (port, served) = serve(made.config());
    (to(port, Some(&ca_file)), served)
}

// E4: `openssl req -x509` sets CA:TRUE.
#[test]
fn a_receiver_s_self_signed_certificate_is_trusted_by_itself_for_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let (destination, served) = showing(&Made::self_signed(ca("siem", &["localhost"])), &folder);
    deliver(&destination, &["one".to_owned()]).unwrap();
    assert_eq!(served.join().unwrap(), "3 one");
    let (destination, served) = showing(&Made::self_signed(ca("siem", &["siem.example.com"])), &folder);
    let error = said(&destination);
    assert_eq!(served.join().unwrap(), "");
    assert!(error.contains("is issued for siem.example.com, not for localhost"), "{error}");
}

// E5.
#[test]
fn an_expired_certificate_of_a_receiver_names_the_day_and_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let (destination, served) = showing(&Made::self_signed(expired(ca("siem", &["localhost"]))), &folder);
    let error = said(&destination);
    assert_eq!(served.join().unwrap(), "", "nothing was sent");
    assert_eq!(error, "the receiver's certificate expired on 2024-10-01; install a new certificate on the receiver");
}

#[test]
fn a_receiver_that_never_closes_its_side_is_believed_where_the_proof_is_sent() {
    let own = Made::self_signed(ca("siem", &["localhost"]));
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("receiver.pem");
    fs::write(&ca_file, &own.pem).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut sent = to(listener.local_addr().unwrap().port(), Some(&ca_file));
    sent.proof = Proof::Sent;
    let config = Arc::new(own.config());
    let served = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        // Still open: the connection goes with the thread's result.
        (text, stream)
    });
    deliver(&sent, &["one".to_owned(), "two".to_owned()]).unwrap();
    assert_eq!(served.join().unwrap().0, "3 one3 two");
}

#[test]
fn a_receiver_that_speaks_no_tls_is_said() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut octets = [0; 512];
        let read = socket.read(&mut octets).unwrap();
        std::io::Write::write_all(&mut socket, b"220 plain text here\r\n").unwrap();
        read
    });
    let error = said(&to(port, None));
    assert!(served.join().unwrap() > 0);
    assert!(error.contains("does not speak TLS"), "{error}");
}

#[test]
fn files_that_are_no_certificate_or_key_are_named() {
    let pki = Pki::new();
    let empty = pki.path("empty.pem");
    fs::write(&empty, "").unwrap();
    let mut mutual = to(1, Some(&pki.path("ca.pem")));
    mutual.client_identity = Some((pki.path("client.pem"), empty.clone()));
    assert!(said(&mutual).contains("empty.pem"));
    assert!(said(&to(1, Some(&empty))).contains("holds no PEM certificate"));
    let missing = to(1, Some(&pki.path("missing.pem")));
    assert!(said(&missing).contains("missing.pem"));
}
