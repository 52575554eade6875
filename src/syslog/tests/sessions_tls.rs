//! Tests of TLS sessions: certificates are always verified, and every refusal names the key or place of the cure.

use super::destination;
use super::relp::Peer;
use super::sessions::deliver;
use crate::syslog::session::DeliveryError;
use crate::syslog::{Proof, Protocol, SyslogDestination, Transport};
use crate::tls::tests::pki::{TestCertificate, ca, expired};
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

/// What a server wants of a client.
enum Client {
    /// A certificate, or none.
    Asked,
    /// A certificate.
    Required,
}

/// A certificate authority and the certificate and key of the client.
pub(in crate::syslog) struct Pki {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    pub(in crate::syslog) fn new() -> Self {
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

    pub(in crate::syslog) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap(), key)
    }

    /// Starts a receiver of one session with a certificate for `name`. It can require a certificate of the client.
    fn receiver(&self, name: &str, requires_client_certificate: bool) -> (u16, JoinHandle<String>) {
        serve(self.server(name, requires_client_certificate))
    }

    /// Starts a RELP receiver of one session. The thread returns the events that it acknowledged.
    pub(super) fn relp_receiver(&self, requires_client_certificate: bool) -> (u16, JoinHandle<Vec<String>>) {
        let config = Arc::new(self.server("localhost", requires_client_certificate));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = move || {
            let mut socket = listener.accept().unwrap().0;
            let mut connection = ServerConnection::new(config).unwrap();
            match connection.complete_io(&mut socket) {
                Ok(_) => Peer::new(StreamOwned::new(connection, socket)).acknowledge_all(),
                Err(_) => Vec::new(),
            }
        };
        (port, thread::spawn(serve))
    }

    /// Returns the settings of a server with a certificate for `name`. It can require a certificate of the client.
    pub(in crate::syslog) fn server(&self, name: &str, requires_client_certificate: bool) -> ServerConfig {
        let client = requires_client_certificate.then_some(Client::Required);
        self.server_with(name, client)
    }

    /// Returns the settings of a server that accepts clients with and without a certificate, as nginx does before it answers
    /// those without one by HTTP.
    pub(in crate::syslog) fn server_that_asks(&self, name: &str) -> ServerConfig {
        self.server_with(name, Some(Client::Asked))
    }

    fn server_with(&self, name: &str, client: Option<Client>) -> ServerConfig {
        let (certificate, key) = self.issue(name);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if let Some(client) = client {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(self.authority.der().to_vec())).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match client {
                Client::Asked => verifier.allow_unauthenticated(),
                Client::Required => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }
}

/// Starts a receiver of one session. The thread returns what it read.
fn serve(config: ServerConfig) -> (u16, JoinHandle<String>) {
    serve_and_close(config, true)
}

/// Starts a receiver of one session. It can close with a `close_notify`, or without one as rsyslog does.
fn serve_and_close(config: ServerConfig, with_notify: bool) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let mut text = String::new();
        // A refused handshake ends the session; the result is what arrived before it.
        let _ = stream.read_to_string(&mut text);
        if with_notify {
            stream.conn.send_close_notify();
            let _ = stream.conn.complete_io(&mut stream.sock);
        }
        text
    });
    (port, served)
}

fn to(port: u16, ca_file: Option<&Path>) -> SyslogDestination {
    let mut destination = destination(Transport::Tls("localhost".to_owned(), port), Protocol::Rfc5424);
    destination.ca_file = ca_file.map(Path::to_owned);
    destination
}

fn error_of(destination: &SyslogDestination) -> String {
    deliver(destination, &["one".to_owned()]).unwrap_err().to_string()
}

#[test]
fn a_receiver_with_a_trusted_authority_gets_the_batch() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("localhost", false);
    deliver(&to(port, Some(&pki.path("ca.pem"))), &["one".to_owned(), "two".to_owned()]).unwrap();
    assert_eq!(served.join().unwrap(), "3 one3 two");
}

#[test]
fn an_unknown_authority_is_refused_and_the_error_names_ca_file() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("localhost", false);
    let error = error_of(&to(port, None));
    assert_eq!(served.join().unwrap(), "", "nothing was sent");
    assert!(error.contains("not trusted") && error.contains("ca_file"), "{error}");
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("siem.example.com", false);
    let error = error_of(&to(port, Some(&pki.path("ca.pem"))));
    assert_eq!(served.join().unwrap(), "");
    assert!(error.contains("the receiver's certificate is issued for siem.example.com, not for localhost"), "{error}");
    assert!(error.contains("write a name of the certificate in url"), "{error}");
}

#[test]
fn a_receiver_that_requires_a_client_certificate_gets_it() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("localhost", true);
    let mut mutual = to(port, Some(&pki.path("ca.pem")));
    mutual.client_identity = Some((pki.path("client.pem"), pki.path("client.key")));
    deliver(&mutual, &["one".to_owned()]).unwrap();
    assert_eq!(served.join().unwrap(), "3 one");
}

#[test]
fn a_missing_client_certificate_is_an_error_before_any_event_counts_as_delivered() {
    let pki = Pki::new();
    let (port, served) = pki.receiver("localhost", true);
    let error = error_of(&to(port, Some(&pki.path("ca.pem"))));
    assert_eq!(served.join().unwrap(), "");
    assert!(error.contains("client_cert"), "{error}");
}

/// Returns a destination with this certificate as `ca_file`, and a receiver that presents it.
fn presenting(made: &TestCertificate, folder: &TempDir) -> (SyslogDestination, JoinHandle<String>) {
    let ca_file = folder.path().join("receiver.pem");
    fs::write(&ca_file, &made.pem).unwrap();
    let (port, served) = serve(made.config());
    (to(port, Some(&ca_file)), served)
}

// `openssl req -x509` sets CA:TRUE on a self-signed certificate.
#[test]
fn a_self_signed_certificate_in_ca_file_is_trusted_for_its_own_names_only() {
    let folder = tempfile::tempdir().unwrap();
    let (destination, served) = presenting(&TestCertificate::self_signed(ca("siem", &["localhost"])), &folder);
    deliver(&destination, &["one".to_owned()]).unwrap();
    assert_eq!(served.join().unwrap(), "3 one");
    let (destination, served) = presenting(&TestCertificate::self_signed(ca("siem", &["siem.example.com"])), &folder);
    let error = error_of(&destination);
    assert_eq!(served.join().unwrap(), "");
    assert!(error.contains("is issued for siem.example.com, not for localhost"), "{error}");
}

#[test]
fn an_expired_certificate_of_a_receiver_is_an_error_with_the_day_and_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let (destination, served) = presenting(&TestCertificate::self_signed(expired(ca("siem", &["localhost"]))), &folder);
    let error = error_of(&destination);
    assert_eq!(served.join().unwrap(), "", "nothing was sent");
    assert_eq!(error, "the receiver's certificate expired on 2024-10-01; install a new certificate on the receiver");
}

#[test]
fn a_receiver_that_never_closes_its_side_is_accepted_with_the_proof_sent() {
    let own = TestCertificate::self_signed(ca("siem", &["localhost"]));
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
        // The connection stays open as part of the result of the thread.
        (text, stream)
    });
    deliver(&sent, &["one".to_owned(), "two".to_owned()]).unwrap();
    assert_eq!(served.join().unwrap().0, "3 one3 two");
}

/// Delivers one event to a receiver that read all of it and then closed in one of two ways.
fn closing(with_notify: bool, proof: Proof) -> Result<(), DeliveryError> {
    let pki = Pki::new();
    let (port, served) = serve_and_close(pki.server("localhost", false), with_notify);
    let mut destination = to(port, Some(&pki.path("ca.pem")));
    destination.proof = proof;
    let delivered = deliver(&destination, &["one".to_owned()]);
    assert_eq!(served.join().unwrap(), "3 one");
    delivered
}

#[test]
fn a_close_without_close_notify_is_a_proof_unless_the_destination_requires_one() {
    closing(true, Proof::CloseNotify).unwrap();
    closing(false, Proof::Close).unwrap();
    let error = closing(false, Proof::CloseNotify).unwrap_err();
    assert!(matches!(error, DeliveryError::NoCloseNotify), "{error}");
    let text = error.to_string();
    assert!(text.contains("delivery_proof = \"close-notify\" requires") && text.contains("relp+tls://"), "{text}");
}

#[test]
fn a_receiver_without_tls_is_an_error() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut octets = [0; 512];
        let read = socket.read(&mut octets).unwrap();
        std::io::Write::write_all(&mut socket, b"220 plain text here\r\n").unwrap();
        read
    });
    let error = error_of(&to(port, None));
    assert!(served.join().unwrap() > 0);
    assert!(error.contains("does not speak TLS"), "{error}");
}

#[test]
fn files_without_a_certificate_are_named_in_the_error() {
    let pki = Pki::new();
    let empty = pki.path("empty.pem");
    fs::write(&empty, "").unwrap();
    let mut mutual = to(1, Some(&pki.path("ca.pem")));
    mutual.client_identity = Some((pki.path("client.pem"), empty.clone()));
    assert!(error_of(&mutual).contains("empty.pem"));
    assert!(error_of(&to(1, Some(&empty))).contains("holds no PEM certificate"));
    let missing = to(1, Some(&pki.path("missing.pem")));
    assert!(error_of(&missing).contains("missing.pem"));
}
