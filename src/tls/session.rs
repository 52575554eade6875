//! Explains a failed handshake: the verifier's own words where a certificate was refused, else what the peer's alert or its protocol
//! means. What may pass (a reset, an internal error of the peer) is no fault.

use super::certificate::day;
use super::identity::Presented;
use super::{Peer, TlsFault};
use chrono::Utc;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use std::sync::Arc;

/// Explains failures of one peer's sessions.
#[derive(Clone, Debug)]
pub struct Explainer {
    peer: Peer,
    presented: Arc<Presented>,
}

impl Explainer {
    pub(super) fn new(peer: Peer, presented: Arc<Presented>) -> Self {
        Self { peer, presented }
    }

    /// Explains an error of a handshake. `None` where the next handshake may well succeed.
    pub fn fault(&self, error: &Error) -> Option<TlsFault> {
        Some(match error {
            Error::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<TlsFault>() {
                Some(fault) => fault.clone(),
                None => self.unusable(),
            },
            Error::InvalidCertificate(_) => self.unusable(),
            Error::NoCertificatesPresented => self.violation("sends no certificate"),
            Error::AlertReceived(alert) => return self.alert(*alert),
            Error::PeerIncompatible(why) => self.incompatible(why),
            Error::InvalidMessage(_) | Error::PeerSentOversizedRecord => self.no_tls(),
            Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerMisbehaved(_) => self.violation("violates the rules of TLS"),
            Error::NoApplicationProtocol => self.violation("does not speak HTTP/1.1 over TLS"),
            _ => return None,
        })
    }

    /// Returns the fault of a peer that asked for a client certificate, got none and then gave up without an alert.
    pub fn demand(&self) -> Option<TlsFault> {
        (self.presented.was_asked_for() && !self.presented.has_identity()).then(|| self.demanded())
    }

    /// Returns the fault of a peer that ended the session without an alert after it saw our client certificate.
    pub fn silent_refusal(&self) -> Option<TlsFault> {
        (self.presented.was_asked_for() && self.presented.has_identity()).then(|| self.refused("without a reason"))
    }

    /// Describes an error that may pass, without internals.
    pub fn passing(&self, error: &Error) -> String {
        match error {
            Error::AlertReceived(alert) => format!("{} ended the TLS session ({})", self.peer, alert_name(*alert)),
            Error::DecryptError => format!("the encrypted data of {} was damaged on the way", self.peer),
            _ => "the TLS session failed on this machine".to_owned(),
        }
    }

    fn alert(&self, alert: AlertDescription) -> Option<TlsFault> {
        use AlertDescription as A;
        if self.presented.was_asked_for()
            && let Some(why) = refusal(alert)
        {
            let has_identity = self.presented.has_identity();
            return Some(if has_identity { self.refused(why) } else { self.demanded() });
        }
        Some(match alert {
            A::CertificateRequired | A::NoCertificate => self.demanded(),
            A::ProtocolVersion | A::InappropriateFallback => self.old_protocol(),
            A::HandshakeFailure | A::InsufficientSecurity => self.nothing_in_common(),
            A::UnrecognisedName => TlsFault::new(
                format!("{} does not know the host name that was asked for (unrecognized_name)", self.peer),
                "check the host in url",
            ),
            // These may pass: the peer is out of order, or it is being stopped.
            A::InternalError | A::CloseNotify | A::UserCanceled => return None,
            other => TlsFault::new(
                format!("{} refused the TLS handshake ({})", self.peer, alert_name(other)),
                format!("check the host and the port in url, and the TLS settings and the log of {}", self.peer),
            ),
        })
    }

    fn incompatible(&self, why: &PeerIncompatible) -> TlsFault {
        match why {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled => self.old_protocol(),
            _ => self.nothing_in_common(),
        }
    }

    fn demanded(&self) -> TlsFault {
        TlsFault::new(
            format!("{} demands a client certificate, and none is configured", self.peer),
            "name one in client_cert, with its key in client_key",
        )
    }

    fn refused(&self, why: &str) -> TlsFault {
        let facts = self.presented.facts();
        let now = Utc::now().timestamp();
        let expired = facts.as_ref().filter(|facts| now > facts.not_after);
        let expired = expired.map_or_else(String::new, |facts| format!("; it expired on {}", day(facts.not_after)));
        let subject =
            facts.map_or_else(String::new, |facts| format!(" ({}, issued by {})", facts.subject, facts.issuer));
        TlsFault::new(
            format!("{} refused the client certificate{subject} {why}{expired}", self.peer),
            format!("name a certificate in client_cert whose issuer {} trusts and that is valid", self.peer),
        )
    }

    fn old_protocol(&self) -> TlsFault {
        TlsFault::new(
            format!("{} speaks only versions of TLS before 1.2, which are not safe (RFC 8996)", self.peer),
            format!("enable TLS 1.2 or 1.3 on {}", self.peer),
        )
    }

    fn nothing_in_common(&self) -> TlsFault {
        TlsFault::new(
            format!(
                "{} found no TLS version or cipher in common; it may speak only versions before TLS 1.2, or only old ciphers",
                self.peer
            ),
            format!("enable TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM, on {}; check the host in url", self.peer),
        )
    }

    fn no_tls(&self) -> TlsFault {
        match self.peer {
            Peer::Appliance => TlsFault::new(
                "url says https, but the server does not speak TLS on this port",
                "check the port in url; the usual one is 443",
            ),
            Peer::Receiver => TlsFault::new(
                "url says tls, but the receiver does not speak TLS on this port",
                "check the port, or write tcp:// in url",
            ),
        }
    }

    fn violation(&self, what: &str) -> TlsFault {
        TlsFault::new(
            format!("{} {what}", self.peer),
            "check the host and the port in url, and whether a proxy or firewall is in between",
        )
    }

    fn unusable(&self) -> TlsFault {
        TlsFault::new(
            format!("{}'s certificate cannot be used", self.peer),
            format!("install another certificate on {}", self.peer),
        )
    }
}

/// Why a client certificate was refused, by the alert (RFC 8446 §6.2); `None` where an alert says nothing about it.
fn refusal(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "and sees none (certificate_required)"
        }
        AlertDescription::BadCertificate => "as not correct (bad_certificate)",
        AlertDescription::UnsupportedCertificate => "as one of the wrong kind or purpose (unsupported_certificate)",
        AlertDescription::CertificateRevoked => "as revoked (certificate_revoked)",
        AlertDescription::CertificateExpired => "as expired (certificate_expired)",
        AlertDescription::CertificateUnknown => "for a reason of its own (certificate_unknown)",
        AlertDescription::UnknownCA => "because it does not know its issuer (unknown_ca)",
        AlertDescription::AccessDenied => "because it has no access (access_denied)",
        AlertDescription::DecryptError => "because its signature is wrong (decrypt_error)",
        AlertDescription::HandshakeFailure => "without a reason (handshake_failure)",
        _ => return None,
    })
}

/// The names of RFC 8446 §6; a number where there is none.
fn alert_name(alert: AlertDescription) -> String {
    const NAMES: [(u8, &str); 25] = [
        (0, "close_notify"),
        (10, "unexpected_message"),
        (20, "bad_record_mac"),
        (22, "record_overflow"),
        (40, "handshake_failure"),
        (42, "bad_certificate"),
        (43, "unsupported_certificate"),
        (44, "certificate_revoked"),
        (45, "certificate_expired"),
        (46, "certificate_unknown"),
        (47, "illegal_parameter"),
        (48, "unknown_ca"),
        (49, "access_denied"),
        (50, "decode_error"),
        (51, "decrypt_error"),
        (70, "protocol_version"),
        (71, "insufficient_security"),
        (80, "internal_error"),
        (86, "inappropriate_fallback"),
        (90, "user_canceled"),
        (109, "missing_extension"),
        (110, "unsupported_extension"),
        (112, "unrecognized_name"),
        (116, "certificate_required"),
        (120, "no_application_protocol"),
    ];
    let code = u8::from(alert);
    let name = NAMES.iter().find(|(number, _)| *number == code);
    name.map_or_else(|| format!("alert {code}"), |(_, name)| format!("alert {name}"))
}
