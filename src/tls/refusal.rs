//! Describes a refused certificate: which certificate of the chain, what is wrong with it, and the cure.

use super::certificate::{CertificateFacts, day, printable};
use super::{Peer, TlsFault};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, Error};

/// Maximum number of names that are listed before "and N more".
const MAX_NAMES: usize = 8;

/// Certificates that the server sent, and the name that was requested.
pub(super) struct ServerChain {
    peer: Peer,
    /// Certificate of the server; `None` if it cannot be read.
    end_entity: Option<CertificateFacts>,
    intermediates: Vec<CertificateFacts>,
    /// Host name or address that was requested.
    asked: String,
    /// Current time, in seconds since 1970 (UTC).
    now: i64,
}

impl ServerChain {
    pub(super) fn new(
        peer: Peer,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: i64,
    ) -> Self {
        let intermediates = intermediates.iter().filter_map(|der| CertificateFacts::read(der)).collect();
        let asked = printable(&name.to_str());
        Self { peer, end_entity: CertificateFacts::read(end_entity), intermediates, asked, now }
    }

    /// Returns the certificate of the server; `None` if it cannot be read.
    pub(super) fn end_entity(&self) -> Option<&CertificateFacts> {
        self.end_entity.as_ref()
    }

    /// Describes a refusal. `trusted` are the certificates of `ca_file`.
    pub(super) fn explain(&self, error: &Error, trusted: &[CertificateDer<'_>]) -> TlsFault {
        let Some(facts) = &self.end_entity else { return self.malformed() };
        let Error::InvalidCertificate(cause) = error else { return self.constrained() };
        #[expect(deprecated, reason = "a verifier of another platform may still give it")]
        match cause {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => self.expired(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => self.not_yet_valid(),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => self.other_names(),
            CertificateError::UnknownIssuer => self.unknown_issuer(facts),
            CertificateError::Revoked => self.revoked(),
            CertificateError::BadSignature => self.bad_signature(facts, trusted),
            CertificateError::UnsupportedSignatureAlgorithm
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => self.unsupported_signature(),
            CertificateError::UnhandledCriticalExtension => self.unknown_extension(),
            // The verifier of the platform hides the purpose behind `Other`, and rustls the rules about authorities.
            _ => self.by_facts(facts, cause),
        }
    }

    /// Describes what the certificate itself shows, if the verifier gives no specific reason.
    fn by_facts(&self, facts: &CertificateFacts, cause: &CertificateError) -> TlsFault {
        if !facts.is_v3 {
            return self.other_version();
        }
        if facts.ca == Some(true) {
            return if facts.is_self_issued() { self.self_signed(facts) } else { self.authority(facts) };
        }
        if !facts.may_serve {
            return self.wrong_purpose(facts);
        }
        if let Some(authority) = self.intermediates.iter().find(|sent| !sent.may_serve) {
            return self.wrong_purpose_of_authority(authority);
        }
        if matches!(cause, CertificateError::BadEncoding) { self.malformed() } else { self.constrained() }
    }

    fn fault(&self, what: &str, cure: impl Into<String>) -> TlsFault {
        TlsFault::new(format!("{}'s certificate {what}", self.peer), cure)
    }

    pub(super) fn expired(&self) -> TlsFault {
        let over = |facts: &&CertificateFacts| self.now > facts.not_after;
        if let Some(facts) = self.end_entity.as_ref().filter(over) {
            let cure = format!("install a new certificate on {}", self.peer);
            return self.fault(&format!("expired on {}", day(facts.not_after)), cure);
        }
        let cure = format!("install the current certificates of its authorities on {}", self.peer);
        match self.intermediates.iter().find(over) {
            Some(facts) => self.authority_fault(facts, &format!("expired on {}", day(facts.not_after)), cure),
            None => self.fault("is not valid: its validity ends before it begins", cure),
        }
    }

    pub(super) fn not_yet_valid(&self) -> TlsFault {
        let early = |facts: &&CertificateFacts| self.now < facts.not_before;
        let today = day(self.now);
        let cure = format!(
            "correct the clock of this machine if it is wrong, or install a certificate on {} that is valid already",
            self.peer
        );
        let what = |facts: &CertificateFacts| {
            format!(
                "is not valid before {}, and today is {today}: it was issued for later, or this machine's clock is wrong",
                day(facts.not_before)
            )
        };
        match (self.end_entity.as_ref().filter(early), self.intermediates.iter().find(early)) {
            (Some(facts), _) => self.fault(&what(facts), cure),
            (None, Some(facts)) => self.authority_fault(facts, &what(facts), cure),
            (None, None) => self.fault("is not valid yet", cure),
        }
    }

    fn authority_fault(&self, facts: &CertificateFacts, what: &str, cure: String) -> TlsFault {
        TlsFault::new(
            format!("the intermediate certificate \"{}\", which {} sent, {what}", facts.subject, self.peer),
            cure,
        )
    }

    /// Describes a certificate without the requested name. Only subjectAltName counts, never the common name (RFC 9525
    /// §6.3).
    pub(super) fn other_names(&self) -> TlsFault {
        let asked = &self.asked;
        let names = self.end_entity.as_ref().map_or(&[][..], |facts| &facts.names);
        if names.is_empty() {
            let subject = self.end_entity.as_ref().map_or("", |facts| &facts.subject);
            return self.fault(
                &format!("has no name: it has no subjectAltName, and its subject ({subject}) does not count"),
                format!("install a certificate with the subjectAltName {asked} on {}", self.peer),
            );
        }
        let others = match names.len().saturating_sub(MAX_NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let listed = names[..names.len().min(MAX_NAMES)].join(", ");
        self.fault(
            &format!("is issued for {listed}{others}, not for {asked}"),
            format!("write a name of the certificate in url, or install a certificate for {asked} on {}", self.peer),
        )
    }

    /// Follows the certificates that were sent, up to the one whose issuer is missing.
    fn unknown_issuer<'a>(&'a self, facts: &'a CertificateFacts) -> TlsFault {
        if facts.is_self_issued() {
            return self.self_signed(facts);
        }
        let mut last = facts;
        for _ in 0..self.intermediates.len() {
            match self.intermediates.iter().find(|sent| sent.is_named_by(last)) {
                Some(issuer) if !last.is_self_issued() => last = issuer,
                _ => break,
            }
        }
        let issuer = &last.issuer;
        if std::ptr::eq(last, facts) {
            return self.fault(
                &format!("was issued by \"{issuer}\", which is not trusted, and no intermediate certificate of that name was sent"),
                format!(
                    "put the certificate of that issuer into a PEM file and name it in ca_file; or, if it is an intermediate authority, \
                     install its certificate on {} next to its own, so that both are sent",
                    self.peer
                ),
            );
        }
        self.fault(
            &format!("was issued by a chain that ends at \"{issuer}\", which is not trusted"),
            "put the certificate of that issuer into a PEM file and name it in ca_file",
        )
    }

    fn self_signed(&self, facts: &CertificateFacts) -> TlsFault {
        self.fault(
            &format!("is self-signed ({}) and not trusted", facts.subject),
            "put this certificate itself into a PEM file and name it in ca_file",
        )
    }

    fn authority(&self, facts: &CertificateFacts) -> TlsFault {
        self.fault(
            &format!(
                "is that of an authority (CA:TRUE), issued by \"{}\", and must not be used by a server",
                facts.issuer
            ),
            format!("install a server certificate on {}, or put this certificate itself into ca_file", self.peer),
        )
    }

    pub(super) fn wrong_purpose(&self, facts: &CertificateFacts) -> TlsFault {
        let purposes = facts.purposes.as_deref().unwrap_or_default().join(", ");
        let purposes = if purposes.is_empty() { "nothing" } else { &purposes };
        self.fault(
            &format!("is issued for the purpose {purposes}, not for a server (serverAuth)"),
            format!("install a certificate with the extended key usage serverAuth on {}", self.peer),
        )
    }

    fn wrong_purpose_of_authority(&self, authority: &CertificateFacts) -> TlsFault {
        let what = "must not issue certificates for servers (no serverAuth)";
        let cure = format!("install a certificate of another authority on {}", self.peer);
        self.authority_fault(authority, what, cure)
    }

    fn revoked(&self) -> TlsFault {
        self.fault("is revoked by its authority", format!("install a new certificate on {}", self.peer))
    }

    /// Describes a wrong signature: a trusted certificate has the name of the issuer, but another key signed.
    fn bad_signature(&self, facts: &CertificateFacts, trusted: &[CertificateDer<'_>]) -> TlsFault {
        let replaced =
            trusted.iter().filter_map(|der| CertificateFacts::read(der)).any(|known| known.has_subject_of(facts));
        if facts.is_self_issued() && replaced {
            return self.fault(
                &format!(
                    "differs from the one in ca_file, although both have the subject {}: it was replaced",
                    facts.subject
                ),
                "compare the new certificate with the one on the server itself, then put it into ca_file",
            );
        }
        self.fault(
            &format!("is not signed by the trusted certificate of its issuer \"{}\"", facts.issuer),
            "if that issuer was renewed, put its current certificate into ca_file; if not, check which server answers at this address",
        )
    }

    fn unsupported_signature(&self) -> TlsFault {
        self.fault(
            "or one of its issuers is signed in a way that is not accepted (such as SHA-1 or a short RSA key)",
            format!("install a certificate on {} that is signed with SHA-256 or better and an RSA key of 2048 bits or more, or ECDSA", self.peer),
        )
    }

    fn unknown_extension(&self) -> TlsFault {
        self.fault(
            "or one of its issuers has a critical extension that is not understood",
            format!("install a certificate without it on {}", self.peer),
        )
    }

    fn other_version(&self) -> TlsFault {
        self.fault(
            "has an old version of X.509 without extensions; only version 3 can contain names",
            format!("install a certificate of version 3 with the subjectAltName {} on {}", self.asked, self.peer),
        )
    }

    pub(super) fn malformed(&self) -> TlsFault {
        self.fault(
            "cannot be read: it is not a valid X.509 certificate",
            format!("install another one on {}", self.peer),
        )
    }

    fn constrained(&self) -> TlsFault {
        self.fault(
            "is not allowed by its authorities (a limit on names, on the length of the chain, or on who may issue)",
            format!(
                "ask the authority for a certificate that it may issue for {}, and install it on {}",
                self.asked, self.peer
            ),
        )
    }
}

/// Sizes of RSA keys whose signatures ring verifies, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Describes a handshake that is not signed by the key of the certificate, or whose signature cannot be verified.
pub(super) fn unproven_key(peer: Peer, end_entity: &CertificateDer<'_>) -> TlsFault {
    let rsa_bits = CertificateFacts::read(end_entity).and_then(|facts| facts.rsa_bits);
    if let Some(bits) = rsa_bits.filter(|bits| !RSA_BITS.contains(bits)) {
        return TlsFault::new(
            format!("{peer}'s certificate has an RSA key of {bits} bits, which is not accepted"),
            format!("install a certificate on {peer} with an RSA key of 2048 to 8192 bits, or ECDSA P-256 or P-384"),
        );
    }
    TlsFault::new(
        format!("{peer} does not prove that it has the key of its certificate"),
        format!("install the certificate and its key on {peer} again, and check which server answers at this address"),
    )
}
