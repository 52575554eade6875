//! Texts for failed handshakes.
//!
//! If the verifier refused a certificate, its own text is used. Otherwise the alert of the peer or the violated
//! protocol rule is described. Failures that a later attempt may not meet, such as a reset, are no fault.

use super::certificate::day;
use super::identity::ClientAuth;
use super::{Peer, TlsFault};
use chrono::Utc;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use std::sync::Arc;

/// Describes failures of the TLS sessions with one peer.
#[derive(Clone, Debug)]
pub struct Explainer {
    peer: Peer,
    client_auth: Arc<ClientAuth>,
}

impl Explainer {
    pub(super) fn new(peer: Peer, client_auth: Arc<ClientAuth>) -> Self {
        Self { peer, client_auth }
    }

    /// Returns the fault behind an error of a handshake; `None` if the next handshake may succeed.
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

    /// Returns the fault of a peer that asked for a client certificate, got none, and then ended the session without an
    /// alert.
    pub fn missing_certificate(&self) -> Option<TlsFault> {
        (self.client_auth.was_asked_for() && !self.client_auth.has_identity()).then(|| self.demanded())
    }

    /// Returns the fault of a peer that ended the session without an alert after it received the client certificate.
    pub fn silent_refusal(&self) -> Option<TlsFault> {
        (self.client_auth.was_asked_for() && self.client_auth.has_identity()).then(|| self.refused("without a reason"))
    }

    /// Describes an error that a later attempt may not meet, without internal names.
    pub fn describe_transient(&self, error: &Error) -> String {
        match error {
            Error::AlertReceived(alert) => format!("{} ended the TLS session ({})", self.peer, alert_name(*alert)),
            Error::DecryptError => format!("the encrypted data of {} was damaged on the way", self.peer),
            _ => "the TLS session failed on this machine".to_owned(),
        }
    }

    /// Returns the fault behind an alert of the peer; `None` if a later attempt may succeed.
    fn alert(&self, alert: AlertDescription) -> Option<TlsFault> {
        use AlertDescription as A;
        // After a certificate request, an alert about certificates refers to ours. Otherwise the peer complains about
        // something else.
        if self.client_auth.was_asked_for()
            && let Some(why) = refusal(alert)
        {
            let has_identity = self.client_auth.has_identity();
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
            // A later attempt may succeed: the peer has an internal problem, or it is being stopped.
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
        let facts = self.client_auth.facts();
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
            format!("{} supports only TLS versions before 1.2, which are not safe (RFC 8996)", self.peer),
            format!("enable TLS 1.2 or 1.3 on {}", self.peer),
        )
    }

    fn nothing_in_common(&self) -> TlsFault {
        TlsFault::new(
            format!(
                "{} and this machine have no TLS version or cipher in common; it may support only versions before TLS 1.2, or only old ciphers",
                self.peer
            ),
            format!("enable TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM, on {}; check the host in url", self.peer),
        )
    }

    fn no_tls(&self) -> TlsFault {
        match self.peer {
            Peer::Appliance | Peer::HttpReceiver => TlsFault::new(
                "url starts with https, but the server does not speak TLS on this port",
                "write the port of TLS in url (the usual one is 443), or http:// if it is a port of this host",
            ),
            Peer::Receiver => TlsFault::new(
                "url starts with tls, but the receiver does not speak TLS on this port",
                "check the port, or write tcp:// in url",
            ),
            Peer::RelpReceiver => TlsFault::new(
                "url starts with relp+tls, but the receiver does not speak TLS on this port",
                "check the port, or write relp:// in url",
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

/// Returns why a client certificate was refused, by the alert (RFC 8446 §6.2); `None` for an alert about something
/// else.
fn refusal(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "and reports that it received none (certificate_required)"
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

/// Returns the name of an alert (RFC 8446 §6), or its number if it has no name.
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
