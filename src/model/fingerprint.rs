//! Identities that stay the same over runs: of findings, changes and events. Plain data.

use super::{Rule, SourceName, SubjectKind};
use sha2::{Digest, Sha256};
use std::fmt;

/// A 128-bit identity that is the same in every run, printed as 26 characters of lower-case base32 (RFC 4648 §6,
/// without padding).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Computes the identity of a finding from its source, product, rule and subject.
    ///
    /// The product is included because ids of another product mean other accounts. Wording, names, dates and counts are
    /// excluded, because they change while the finding stays the same.
    pub fn of_finding(
        source: &SourceName,
        product: &str,
        rule: Rule,
        subject_kind: SubjectKind,
        subject_id: &str,
    ) -> Self {
        // "f1" is the version of this scheme; another scheme must not produce equal identities.
        Self::of(&["f1", source.as_str(), product, rule.as_str(), subject_kind.as_str(), subject_id])
    }

    /// Computes an identity of several parts: the first 128 bits of the SHA-256 over each part's length (64 bits,
    /// big-endian) and bytes.
    pub fn of(parts: &[&str]) -> Self {
        parts.iter().fold(FingerprintParts::default(), |all, part| all.with(part)).fingerprint()
    }

    /// Returns a number below `slots` that is as likely as any other; 0 if there are no slots.
    pub fn slot(self, slots: u32) -> u32 {
        let number = u128::from_be_bytes(self.0).checked_rem(slots.into()).unwrap_or(0);
        // The remainder is below a u32.
        u32::try_from(number).unwrap_or(0)
    }

    /// Returns the text that [`fmt::Display`] writes, as ASCII.
    pub fn letters(self) -> [u8; 26] {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut bits = u128::from_be_bytes(self.0);
        // 26 letters hold 130 bits: the last one carries 3 bits and two zeros.
        [(); 26].map(|()| {
            let letter = ALPHABET[usize::try_from(bits >> 123).unwrap_or(0)];
            bits <<= 5;
            letter
        })
    }

    /// Parses the text that [`fmt::Display`] writes; `None` for all other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bits: u128 = 0;
        for (at, letter) in text.bytes().enumerate() {
            let value = match letter {
                b'a'..=b'z' => letter - b'a',
                b'2'..=b'7' => letter - b'2' + 26,
                _ => return None,
            };
            // 26 characters hold 130 bits: the last one carries only 3 bits of the identity.
            bits = if at == 25 { (bits << 3) | u128::from(value >> 2) } else { (bits << 5) | u128::from(value) };
        }
        let read = Self(bits.to_be_bytes());
        // The comparison refuses a last character whose two spare bits are set.
        (text.len() == 26 && read.to_string() == text).then_some(read)
    }
}

/// Parts of an identity. Identities that begin with the same parts are computed from clones.
#[derive(Clone, Default)]
pub struct FingerprintParts(Sha256);

impl FingerprintParts {
    /// Adds a part.
    #[must_use]
    pub fn with(mut self, part: &str) -> Self {
        // The length keeps ("ab", "c") different from ("a", "bc").
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part.as_bytes());
        self
    }

    /// Returns the identity of the parts; see [`Fingerprint::of`].
    pub fn fingerprint(self) -> Fingerprint {
        let mut first = [0; 16];
        first.copy_from_slice(&self.0.finalize()[..16]);
        Fingerprint(first)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.letters()).unwrap_or_default())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_that_a_fingerprint_writes_is_parsed_as_one() {
        for part in ["", "a", "b", "finding"] {
            let fingerprint = Fingerprint::of(&[part]);
            assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        }
        for text in ["", "a", "aaaaaaaaaaaaaaaaaaaaaaaaab", "AAAAAAAAAAAAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaaaaaaaaaaaaa"]
        {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn identities_with_the_same_first_parts_are_computed_from_a_clone() {
        let long = "a part that is longer than one block of the hash function, which has 64 bytes";
        let first = FingerprintParts::default().with(long).with("b");
        for last in ["", "c", "d"] {
            assert_eq!(first.clone().with(last).fingerprint(), Fingerprint::of(&[long, "b", last]));
        }
    }
}
