//! Test certificates of many kinds, and servers that present them.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Certificate with its key, and the certificates that a server sends after it.
pub(crate) struct TestCertificate {
    params: CertificateParams,
    key: KeyPair,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
    chain: Vec<CertificateDer<'static>>,
}

/// Returns parameters with this common name and these subjectAltNames.
pub(crate) fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// Returns parameters as `openssl req -x509` uses them.
pub(crate) fn ca(common_name: &str, names: &[&str]) -> CertificateParams {
    let mut params = params(common_name, names);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

pub(crate) fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2024, 10, 1);
    params
}

pub(crate) fn of_the_future(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2190, 1, 31);
    params
}

pub(crate) fn for_clients(mut params: CertificateParams) -> CertificateParams {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

impl TestCertificate {
    pub(crate) fn self_signed(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        Self { params, key, der: made.der().clone(), pem: made.pem(), chain: Vec::new() }
    }

    /// Issues a certificate.
    pub(crate) fn issues(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        Self { params, key, der: made.der().clone(), pem: made.pem(), chain: Vec::new() }
    }

    /// Makes the server send these certificates after its own.
    pub(crate) fn sent_with(mut self, chain: &[&Self]) -> Self {
        self.chain = chain.iter().map(|made| made.der.clone()).collect();
        self
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()))
    }

    fn sent(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(self.der.clone()).chain(self.chain.iter().cloned()).collect()
    }

    /// Returns the configuration of a server with this certificate.
    pub(crate) fn config(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_no_client_auth().with_single_cert(self.sent(), self.key_der()).unwrap()
    }

    /// Returns the configuration of a server that demands a client certificate issued by `clients` and supports these
    /// versions.
    pub(crate) fn demanding(&self, clients: &Self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(clients.der.clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        builder.with_client_cert_verifier(verifier).with_single_cert(self.sent(), self.key_der()).unwrap()
    }

    /// Returns the configuration of a server that asks for a client certificate.
    pub(crate) fn asking(&self, verifier: Arc<dyn ClientCertVerifier>) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_client_cert_verifier(verifier).with_single_cert(self.sent(), self.key_der()).unwrap()
    }

    /// Returns the configuration of a server that presents this certificate but has the key of another one.
    pub(crate) fn stolen_by(&self, thief: &Self) -> ServerConfig {
        #[derive(Debug)]
        struct Fixed(Arc<rustls::sign::CertifiedKey>);
        impl rustls::server::ResolvesServerCert for Fixed {
            fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
                Some(Arc::clone(&self.0))
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(thief.key_der()).unwrap();
        let shown = Fixed(Arc::new(rustls::sign::CertifiedKey::new(self.sent(), key)));
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_no_client_auth().with_cert_resolver(Arc::new(shown))
    }
}

/// HTTPS server on loopback that answers every request in the same way. It runs until the process of the test ends.
pub(crate) struct HttpsServer {
    pub(crate) port: u16,
    /// Number of TCP connections so far.
    pub(crate) connections: Arc<AtomicUsize>,
}

/// Starts the server. `answer` is a whole HTTP response.
pub(crate) fn https(config: ServerConfig, answer: &'static str) -> HttpsServer {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let (counted, config) = (Arc::clone(&connections), Arc::new(config));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, socket.unwrap());
            // One read is one request here. A refused handshake is an error that the client reports.
            if stream.read(&mut [0; 8192]).is_ok_and(|octets| octets > 0) {
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
            }
            let _ = stream.conn.complete_io(&mut stream.sock);
        }
    });
    HttpsServer { port, connections }
}
