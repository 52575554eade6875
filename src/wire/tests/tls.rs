//! TLS to an appliance through the whole client: which certificates are trusted, which handshakes are retried, and the
//! error messages.

use super::*;
use crate::tls::ClientIdentity;
use crate::tls::tests::pki::{HttpsServer, TestCertificate, ca, expired, https, params};
use rustls::version::{TLS12, TLS13};

use std::io::Read;
use std::sync::atomic::Ordering;

/// A token, and the answer to any other request.
const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 71\r\nConnection: close\r\n\r\n\
                    {\"access_token\":\"t0ken\",\"token_type\":\"Bearer\",\"expires_in\":3600,\"ok\":7} ";
/// Response of nginx to a client without a certificate.
const NGINX: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 61\r\nConnection: close\r\n\r\n\
                     <html><h1>No required SSL certificate was sent</h1></html>   ";

fn to(port: u16, ca: Option<&TestCertificate>) -> ClientSettings {
    let mut settings = client("http://127.0.0.1:1").settings;
    settings.url = format!("https://localhost:{port}");
    settings.ca_pem = ca.map(|made| made.pem.clone().into_bytes());
    settings
}

fn ask(settings: &ClientSettings) -> (Result<Answered, WireError>, Client) {
    let client = Client::new(settings, Arc::new(NoObserver)).unwrap();
    (get(&client), client)
}

/// Returns error and hint in one line, and the error.
fn failure(settings: &ClientSettings) -> (String, WireError) {
    let error = ask(settings).0.unwrap_err();
    (error.hint().map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}")), error)
}

fn connections(server: &HttpsServer) -> usize {
    server.connections.load(Ordering::SeqCst)
}

#[test]
fn a_self_signed_certificate_in_ca_file_is_trusted_for_its_names_and_its_hash_is_kept() {
    let own = TestCertificate::self_signed(ca("bt", &["localhost"]));
    let server = https(own.config(), FINE);
    let (answer, client) = ask(&to(server.port, Some(&own)));
    assert_eq!(answer.unwrap(), Answered { ok: 7 });
    assert_eq!(client.tls_certificate_sha256(), Some(sha256_hex(&own.der)));

    let mut by_address = to(server.port, Some(&own));
    by_address.url = format!("https://127.0.0.1:{}", server.port);
    let (text, error) = failure(&by_address);
    assert!(text.contains("the appliance's certificate is issued for localhost, not for 127.0.0.1"), "{text}");
    assert_eq!(error.kind.disposition(), Disposition::GiveUp);
}

#[test]
fn an_expired_certificate_is_not_retried_and_the_error_names_the_day() {
    let own = TestCertificate::self_signed(expired(ca("bt", &["localhost"])));
    let server = https(own.config(), FINE);
    let client = Client::new(&to(server.port, Some(&own)), Arc::new(NoObserver)).unwrap();
    let error = get(&client).unwrap_err();
    let expected = format!("localhost:{}: the appliance's certificate expired on 2024-10-01", server.port);
    assert_eq!(error.kind.to_string(), expected);
    assert_eq!(error.hint().unwrap(), "install a new certificate on the appliance");
    assert_eq!(connections(&server), 1, "no retry");
    assert_eq!(get(&client).unwrap_err().kind, error.kind);
    assert_eq!(connections(&server), 1, "other lists share the failure of the token request");
}

#[test]
fn a_missing_client_certificate_is_reported_without_a_retry_in_both_tls_versions() {
    let own = TestCertificate::self_signed(ca("bt", &["localhost"]));
    let clients = TestCertificate::self_signed(ca("Clients", &[]));
    for version in [&TLS12, &TLS13] {
        let server = https(own.demanding(&clients, &[version]), FINE);
        let (text, _) = failure(&to(server.port, Some(&own)));
        assert!(text.contains("the appliance demands a client certificate, and none is configured"), "{text}");
        assert!(text.contains("client_cert") && text.contains("client_key"), "{text}");
        assert_eq!(connections(&server), 1);
    }
}

#[test]
fn a_client_certificate_is_accepted_and_one_of_another_authority_is_refused() {
    let own = TestCertificate::self_signed(ca("bt", &["localhost"]));
    let clients = TestCertificate::self_signed(ca("Clients", &[]));
    let folder = tempfile::tempdir().unwrap();
    let identity = |made: &TestCertificate| {
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("c.key"));
        std::fs::write(&certificate, &made.pem).unwrap();
        std::fs::write(&key, made.key_pem()).unwrap();
        Some(ClientIdentity::read(&certificate, &key).unwrap())
    };
    let server = https(own.demanding(&clients, &[&TLS13]), FINE);
    let mut settings = to(server.port, Some(&own));
    settings.client_identity = identity(&clients.issues(params("rollcall", &["rollcall"])));
    assert_eq!(ask(&settings).0.unwrap(), Answered { ok: 7 });
    settings.client_identity = identity(&TestCertificate::self_signed(params("stranger", &["stranger"])));
    let (text, error) = failure(&settings);
    assert!(text.contains("the appliance refused the client certificate (CN=stranger"), "{text}");
    assert_eq!(error.kind.disposition(), Disposition::GiveUp);
}

/// nginx completes the handshake and answers 400. The same response without a request in the handshake means something
/// else.
#[test]
fn a_demand_for_a_certificate_in_the_response_counts_only_after_one_in_the_handshake() {
    use rustls::server::WebPkiClientVerifier;
    let own = TestCertificate::self_signed(ca("bt", &["localhost"]));
    let clients = TestCertificate::self_signed(ca("Clients", &[]));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let optional = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated();
    let server = https(own.asking(optional.build().unwrap()), NGINX);
    let (text, _) = failure(&to(server.port, Some(&own)));
    assert!(text.contains("demands a client certificate"), "{text}");
    let server = https(own.config(), NGINX);
    let (text, _) = failure(&to(server.port, Some(&own)));
    assert!(!text.contains("client certificate"), "{text}");
}

/// Starts a server that answers every connection with these bytes. Returns its port and the number of connections.
fn raw_server(octets: &'static [u8]) -> (u16, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            // The client's first message is read in full; otherwise closing would reset the connection.
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(octets);
        }
    });
    (port, count)
}

#[test]
fn a_server_without_tls_or_with_an_old_version_is_not_retried() {
    for (octets, words) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "url starts with https, but the server does not speak TLS on this port",
        ),
        (&[21, 3, 1, 0, 2, 2, 70][..], "supports only TLS versions before 1.2"),
    ] {
        let (port, count) = raw_server(octets);
        let (text, _) = failure(&to(port, None));
        assert!(text.contains(words), "{text}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{words}");
    }
}

#[test]
fn a_connection_that_breaks_during_the_handshake_is_retried() {
    for octets in [&b""[..], &[21, 3, 3, 0, 2, 2, 80]] {
        let (port, count) = raw_server(octets);
        let settings = to(port, None);
        let (text, error) = failure(&settings);
        assert!(
            text.contains(": the server closed the connection during the TLS handshake")
                || text.contains("internal_error"),
            "{text}"
        );
        assert_eq!(error.kind.disposition(), Disposition::Retry);
        assert_eq!(count.load(Ordering::SeqCst), settings.attempts as usize);
    }
}

#[test]
fn a_damaged_entry_of_ca_file_is_an_error_before_any_connection() {
    let own = TestCertificate::self_signed(ca("bt", &["localhost"]));
    let mut settings = to(1, Some(&own));
    settings.ca_pem = Some(format!("{}{}", own.pem, own.pem.replace("MII", "!!!")).into_bytes());
    let error = Client::new(&settings, Arc::new(NoObserver)).err().unwrap();
    assert!(error.to_string().contains("ca_file: certificate 2 of 2 cannot be read"), "{error}");
}
