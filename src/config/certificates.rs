//! `ca_file`, `client_cert` and `client_key`: the keys for TLS that sources and syslog destinations share.

use super::reference::{self, ReferenceContext};
use super::section::Section;
use crate::tls::{self, ClientIdentity};
use std::path::PathBuf;

/// Reads the path of a PEM file in which every certificate can be read.
pub(super) fn ca_file(section: &Section<'_>, around: &ReferenceContext<'_>) -> Option<PathBuf> {
    certificates(section, "ca_file", around)
}

fn certificates(section: &Section<'_>, key: &'static str, around: &ReferenceContext<'_>) -> Option<PathBuf> {
    let path = around.path(section.text(key)?);
    match tls::read_certificates(&path) {
        Ok(_) => Some(path),
        Err(why) => {
            section.problem(key, why);
            None
        }
    }
}

/// A client certificate, where it is and what it is.
pub(super) struct ClientCertificate {
    /// Paths of the certificate and its key.
    pub(super) files: (PathBuf, PathBuf),
    /// Both, read.
    pub(super) identity: ClientIdentity,
}

/// Reads `client_cert` and `client_key`: both or neither, and they belong together.
pub(super) fn client(section: &Section<'_>, around: &ReferenceContext<'_>) -> Option<ClientCertificate> {
    let certificate = certificates(section, "client_cert", around);
    let key = reference::private_file(section, "client_key", around);
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
            // The text begins with the key that it is about.
            let (key, why) = why.split_once(": ").unwrap_or(("client_cert", &why));
            section.problem(key, why);
            None
        }
    }
}
