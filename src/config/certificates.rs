//! Reads `ca_file`, `client_cert` and `client_key`, the TLS keys that sources and syslog destinations have in common.
//!
//! The PEM files are parsed when the configuration is read, so that an unusable file stops a run before it contacts anything.

use super::reference::{self, ReferenceContext};
use super::section::Section;
use crate::tls::{self, ClientIdentity};
use std::path::PathBuf;

/// Reads `ca_file`: the path of a PEM file. Every certificate in it must be readable.
pub(super) fn ca_file(section: &Section<'_>, context: &ReferenceContext<'_>) -> Option<PathBuf> {
    certificates(section, "ca_file", context)
}

fn certificates(section: &Section<'_>, key: &'static str, context: &ReferenceContext<'_>) -> Option<PathBuf> {
    let path = reference::input_path(section, key, context)?;
    match tls::read_certificates(&path) {
        Ok(_) => Some(path),
        Err(why) => {
            section.problem(key, why);
            None
        }
    }
}

/// A client certificate with its private key.
pub(super) struct ClientCertificate {
    /// Paths of the certificate and its key.
    pub(super) files: (PathBuf, PathBuf),
    /// Contents of both files, ready for TLS.
    pub(super) identity: ClientIdentity,
}

/// Reads `client_cert` and `client_key`. Both or neither must be present, and the key must belong to the certificate.
pub(super) fn client(section: &Section<'_>, context: &ReferenceContext<'_>) -> Option<ClientCertificate> {
    let certificate = certificates(section, "client_cert", context);
    let key = reference::private_file(section, "client_key", context);
    match (section.has("client_cert"), section.has("client_key")) {
        (true, false) => section.problem(
            "client_key",
            "is missing: client_cert needs its key; write client_key = { file = \"/path\" } or { credential = \"name\" }",
        ),
        (false, true) => section.problem(
            "client_cert",
            "is missing: client_key needs its certificate; write client_cert = \"/path\" to a PEM file",
        ),
        _ => {}
    }
    let files = certificate.zip(key)?;
    match ClientIdentity::read(&files.0, &files.1) {
        Ok(identity) => Some(ClientCertificate { files, identity }),
        Err(why) => {
            // The text of the error begins with the key that it concerns.
            let (key, why) = why.split_once(": ").unwrap_or(("client_cert", &why));
            section.problem(key, why);
            None
        }
    }
}
