//! The addresses that may be contacted, and the HTTP client for them.
//!
//! The client always verifies TLS, follows no redirect and retries nothing by itself: `retry` decides about retries, so
//! that every request is counted, paced and recorded.

use super::ClientSettings;
use crate::tls::{self, ClientIdentity, Connector, Explainer, Peer, TlsFault};
use rustls::pki_types::CertificateDer;
use std::time::Duration;

/// What the client of one server is built from.
pub(super) struct Connection<'a> {
    pub(super) url: &'a str,
    pub(super) peer: Peer,
    /// Certificates that are trusted in addition to those of the system.
    pub(super) trusted: Vec<CertificateDer<'static>>,
    pub(super) identity: Option<&'a ClientIdentity>,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    /// Number of connections that are kept open for further requests.
    pub(super) idle: usize,
}

/// Builds the HTTP client of a source and the explainer of its TLS failures.
///
/// The error is a message about the address, about `ca_file`, or about a system without trusted certificates.
pub(super) fn build(settings: &ClientSettings) -> Result<(reqwest::Client, Explainer), String> {
    let pem = settings.ca_pem.as_deref();
    let trusted = pem.map(tls::parse_certificates).transpose().map_err(|why| format!("ca_file: {why}"))?;
    client(Connection {
        url: &settings.url,
        peer: Peer::Appliance,
        trusted: trusted.unwrap_or_default(),
        identity: settings.client_identity.as_ref(),
        connect_timeout: settings.connect_timeout,
        read_timeout: settings.read_timeout,
        idle: if settings.close_connections { 0 } else { settings.concurrency.max(1) },
    })
}

/// Builds an HTTP client and the explainer of its TLS failures.
pub(super) fn client(connection: Connection<'_>) -> Result<(reqwest::Client, Explainer), String> {
    let Connection { url, peer, trusted, identity, .. } = connection;
    base_url(url)?;
    let Connector { mut config, explainer } = Connector::new(peer, trusted, identity)?;
    // This client speaks HTTP/1.1 only, so it must not offer h2 (RFC 7301).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("bt-rollcall/", env!("CARGO_PKG_VERSION")))
        // A redirect could send the credentials to another host, and a login page would look like a list.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tls_backend_preconfigured(config)
        .tls_info(true)
        .connect_timeout(connection.connect_timeout)
        .read_timeout(connection.read_timeout)
        .pool_max_idle_per_host(connection.idle);
    // A proxy cannot reach a loopback address of this host.
    if is_loopback_url(url) {
        builder = builder.no_proxy();
    }
    Ok((builder.build().map_err(|e| innermost(&e))?, explainer))
}

/// Returns the fault of a server that completes the handshake without a client certificate and then demands one by
/// HTTP.
///
/// nginx does so with 400 and "No required SSL certificate was sent", IIS with 403.7.
pub(super) fn demand_of_certificate(explainer: &Explainer, status: u16, body: &[u8]) -> Option<TlsFault> {
    let names_it = || String::from_utf8_lossy(body).to_ascii_lowercase().contains("certificate");
    if matches!(status, 400 | 403) && names_it() { explainer.missing_certificate() } else { None }
}

/// Checks the base address of a source and returns it without a trailing slash.
///
/// It must be https, or http to a loopback address, and must contain no user name, query or fragment.
pub fn base_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| {
        // The type of the error is not exported.
        if error.to_string().contains("port") {
            return "has no valid port; write a port from 1 to 65535, or none for 443".to_owned();
        }
        "is not an address with a scheme and a host; write for example https://bt.example.com".to_owned()
    })?;
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err("must begin with https://; http:// is accepted for loopback addresses only".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must be the address alone, without user name, query or fragment".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Checks whether an address can only lead to this host.
pub fn is_loopback_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| is_loopback(&url))
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
