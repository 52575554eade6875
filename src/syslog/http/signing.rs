//! The signature of webhooks (Standard Webhooks specification 1.0.0, symmetric signatures).

use crate::digest::hmac_sha256;
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// Beginning of the text of a key.
const PREFIX: &str = "whsec_";
/// Length of a key in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;
/// Base64 with or without its padding, because receivers print keys in both forms.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Key of a signature. Its text is `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, Debug)]
pub struct SigningKey(SecretString);

impl SigningKey {
    /// Parses the text of a key. The error is a message with the cure and without any part of the key.
    pub fn parse(secret: SecretString) -> Result<Self, String> {
        let cure = "make one with: echo whsec_$(openssl rand -base64 32)";
        let text = secret.expose_secret();
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            return Err(format!("must be {PREFIX} followed by base64; copy it from the receiver, or {cure}"));
        };
        match decoded(encoded).map(|key| key.len()) {
            None => Err(format!("what follows {PREFIX} is not base64; copy it from the receiver again, or {cure}")),
            Some(length) if !LENGTH.contains(&length) => {
                let (least, most) = (LENGTH.start(), LENGTH.end());
                Err(format!("has {length} bytes, and a key has {least} to {most} (Standard Webhooks); {cure}"))
            }
            Some(_) => Ok(Self(secret)),
        }
    }

    /// Returns a key that signs nothing usable, where no secret may be read.
    pub fn unread() -> Self {
        Self(SecretString::from(PREFIX))
    }

    /// Returns the text of the key.
    pub(super) fn text(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns the signature of a body: `v1,` and the HMAC-SHA-256 of `id.timestamp.body` in base64.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let key = decoded(self.text().trim_start_matches(PREFIX)).unwrap_or_default();
        let signed = format!("{id}.{timestamp}.{body}");
        format!("v1,{}", STANDARD.encode(hmac_sha256(&key, signed.as_bytes())))
    }
}

fn decoded(encoded: &str) -> Option<Zeroizing<Vec<u8>>> {
    BASE64.decode(encoded).ok().map(Zeroizing::new)
}
