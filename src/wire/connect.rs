//! Which addresses may be contacted, and the HTTP client that does it: TLS always verified, no redirects, no retries of its own.

use super::ClientSettings;
use crate::tls::{self, Connector, Explainer, Peer, TlsFault};

/// Returns the HTTP client and what explains its TLS failures. Errors, in words: the address, `ca_file`, or no trusted
/// certificates at all.
pub(super) fn build(settings: &ClientSettings) -> Result<(reqwest::Client, Explainer), String> {
    base_url(&settings.url)?;
    let Connector { mut config, explainer } = connector(settings)?;
    // RFC 7301: HTTP/1.1 is all that this client speaks.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("bt-rollcall/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tls_backend_preconfigured(config)
        .tls_info(true)
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .pool_max_idle_per_host(if settings.close_connections { 0 } else { settings.concurrency.max(1) });
    if is_loopback_url(&settings.url) {
        builder = builder.no_proxy();
    }
    Ok((builder.build().map_err(|e| innermost(&e))?, explainer))
}

fn connector(settings: &ClientSettings) -> Result<Connector, String> {
    let pem = settings.ca_pem.as_deref();
    let trusted = pem.map(tls::certificates).transpose().map_err(|why| format!("ca_file: {why}"))?.unwrap_or_default();
    Connector::new(Peer::Appliance, trusted, settings.client_identity.as_ref())
}

/// Returns the fault of a server that let the handshake pass without a client certificate and then answers that it wants one, as
/// nginx (400, "No required SSL certificate was sent") and IIS (403.7) do.
pub(super) fn demand_of_certificate(explainer: &Explainer, status: u16, body: &[u8]) -> Option<TlsFault> {
    let names_it = || String::from_utf8_lossy(body).to_ascii_lowercase().contains("certificate");
    if matches!(status, 400 | 403) && names_it() { explainer.demand() } else { None }
}

/// Checks a source's base address and gives it without a slash at the end: https, or plain http to loopback;
/// no account, query or fragment in it.
pub fn base_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|e| format!("{e}; write for example https://bt.example.com"))?;
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err("plain http is accepted for loopback addresses only; use https".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must be the address alone, without account, query or fragment".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether an address leads nowhere but to this machine.
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
