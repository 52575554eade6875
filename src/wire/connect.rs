//! Which addresses may be contacted, and the HTTP client that does it: TLS always verified, no redirects, no retries of its own.

use super::ClientSettings;
use reqwest::Certificate;

/// The HTTP client. Errors, in words: the address, the CA bundle, or no trusted certificates at all.
pub(super) fn build(settings: &ClientSettings) -> Result<reqwest::Client, String> {
    // Another part of the process may have installed it already: the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    base_url(&settings.url)?;
    let loopback = is_loopback_url(&settings.url);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("bt-rollcall/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tls_info(true)
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .pool_max_idle_per_host(if settings.close_connections { 0 } else { settings.concurrency.max(1) });
    if loopback {
        builder = builder.no_proxy();
    }
    if let Some(pem) = &settings.ca_pem {
        let certificates = Certificate::from_pem_bundle(pem).map_err(|e| format!("ca_file: {}", innermost(&e)))?;
        if certificates.is_empty() {
            return Err("ca_file holds no PEM certificate; it must begin with -----BEGIN CERTIFICATE-----".to_owned());
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|e| innermost(&e))
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
