//! Title and evidence of a finding, in few bytes.
//!
//! The texts of a rule's findings differ mostly in digits: of ages, dates and ids. A [`Wording`] therefore shares the
//! texts without their digits among findings, and holds only the digits itself.

use super::{Interner, Text};
use serde_json::{Map, Value};
use std::num::NonZero;

/// Key in the evidence for the number of instants at which a finding was found. `rules` writes 1, `lifecycle` counts.
pub const TIMES_SEEN: &str = "times_seen";

/// Title and evidence of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    /// The title, then the evidence without the number of instants. Every digit is replaced by a zero.
    shape: Text,
    /// The replaced digits in order.
    digits: Text,
    /// Length of the title.
    title_end: u32,
    /// Place of the number of instants in the shape; `None` if the evidence does not name it.
    count_at: Option<NonZero<u32>>,
    /// Number of instants at which the finding was found; 1 if the evidence does not name it.
    times_seen: u64,
}

impl Wording {
    /// Stores a title, and evidence as a JSON object. All wordings of one interner share equal texts.
    pub fn new(title: &str, evidence: &str, shapes: &mut Interner) -> Self {
        let (before, times_seen, after) = split_at_times_seen(evidence).unwrap_or((evidence, 1, ""));
        let is_counted = before.len() < evidence.len();
        let mut shape = [title, before, after].concat().into_bytes();
        let mut digits = String::new();
        for byte in shape.iter_mut().filter(|byte| byte.is_ascii_digit()) {
            digits.push(char::from(*byte));
            *byte = b'0';
        }
        Self {
            // Only digits were replaced, so that this is valid UTF-8.
            shape: shapes.text(str::from_utf8(&shape).unwrap_or_default()),
            digits: digits.as_str().into(),
            title_end: place(title.len()),
            count_at: NonZero::new(place(title.len() + before.len())).filter(|_| is_counted),
            times_seen,
        }
    }

    /// Returns the title.
    pub fn title(&self) -> String {
        filled(&self.shape[..self.title_end as usize], self.digits.bytes())
    }

    /// Returns the evidence.
    pub fn evidence(&self) -> String {
        let (title, evidence) = self.shape.split_at(self.title_end as usize);
        let mut evidence = filled(evidence, self.digits.bytes().skip(title.matches('0').count()));
        if let Some(at) = self.count_at {
            evidence.insert_str((at.get() - self.title_end) as usize, &self.times_seen.to_string());
        }
        evidence
    }

    /// Returns the number of instants at which the finding was found, as the evidence says; 1 if it does not say so.
    pub fn times_seen(&self) -> u64 {
        self.times_seen
    }

    /// Sets the number of instants at which the finding was found.
    pub fn set_times_seen(&mut self, times: u64) {
        match self.count_at {
            Some(_) => self.times_seen = times,
            None => self.add_evidence(TIMES_SEEN, times.into()),
        }
    }

    /// Adds a value to the evidence.
    pub fn add_evidence(&mut self, key: &str, value: Value) {
        // Rules always write an object, so that the fallback is never used.
        let mut evidence: Map<String, Value> = serde_json::from_str(&self.evidence()).unwrap_or_default();
        evidence.insert(key.to_owned(), value);
        *self = Self::new(&self.title(), &Value::Object(evidence).to_string(), &mut Interner::default());
    }
}

impl From<(&str, &str)> for Wording {
    /// Stores a title and evidence that share nothing with others.
    fn from((title, evidence): (&str, &str)) -> Self {
        Self::new(title, evidence, &mut Interner::default())
    }
}

/// Returns the text of a shape with its digits.
fn filled(shape: &str, digits: impl Iterator<Item = u8>) -> String {
    let mut text = shape.as_bytes().to_vec();
    let zeros = text.iter_mut().filter(|byte| **byte == b'0');
    zeros.zip(digits).for_each(|(zero, digit)| *zero = digit);
    // Only digits were replaced, so that this is valid UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

/// Returns a place as a wording stores it. No text is longer than 4 GiB.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Splits evidence into the text before the number of instants, the number, and the text after it. `None` if it is
/// missing or not as `rules` writes it.
///
/// Nothing needs to be parsed: quotes inside of texts are escaped, so that they never look like the key, and no rule has
/// a key with that name in a nested object.
fn split_at_times_seen(evidence: &str) -> Option<(&str, u64, &str)> {
    const KEY: &str = "\"times_seen\":";
    let start = evidence.find(KEY)? + KEY.len();
    let digits = evidence[start..].bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = evidence[start..].split_at(digits);
    let times: u64 = number.parse().ok()?;
    (times.to_string() == number).then_some((&evidence[..start], times, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn evidence_without_a_readable_count_means_that_the_finding_was_seen_once() {
        for (evidence, times) in [("{}", 1), ("", 1), ("{\"times_seen\":\"x\"}", 1), ("{\"a\":{},\"times_seen\":7}", 7)]
        {
            assert_eq!(Wording::from(("", evidence)).times_seen(), times, "{evidence}");
        }
    }

    #[test]
    fn a_count_is_replaced_only_where_it_is_a_key() {
        let mut wording =
            Wording::from(("seen 19 times", r#"{"a":"\"times_seen\":5","b":["times_seen"],"times_seen":19,"z":1}"#));
        wording.set_times_seen(120);
        assert_eq!(wording.evidence(), r#"{"a":"\"times_seen\":5","b":["times_seen"],"times_seen":120,"z":1}"#);
        assert_eq!((wording.times_seen(), wording.title().as_str()), (120, "seen 19 times"));
    }

    #[test]
    fn a_missing_count_is_added_in_the_order_of_keys() {
        let mut wording = Wording::from(("", r#"{"a":10,"z":2}"#));
        wording.set_times_seen(3);
        assert_eq!((wording.evidence().as_str(), wording.times_seen()), (r#"{"a":10,"times_seen":3,"z":2}"#, 3));
    }

    #[test]
    fn findings_that_differ_in_digits_only_share_their_texts() {
        let mut shapes = Interner::default();
        let mut of = |age: u32, times: u32| {
            let evidence = format!("{{\"age_days\":{age},\"times_seen\":{times}}}");
            Wording::new(&format!("no login for {age} days"), &evidence, &mut shapes)
        };
        let (first, second) = (of(466, 1), of(907, 12));
        assert_eq!(first.shape.as_ptr(), second.shape.as_ptr());
        assert_eq!(
            (second.title().as_str(), second.evidence().as_str()),
            ("no login for 907 days", r#"{"age_days":907,"times_seen":12}"#)
        );
        assert_eq!(size_of::<Wording>(), 48);
    }

    proptest! {
        #[test]
        fn every_text_is_returned_as_it_was(
            title in "[0-9a-zé]{0,40}",
            evidence in "[0-9]{0,3}.{0,40}",
            count in "(\"times_seen\":[0-9]{0,22})?",
            after in ".{0,20}",
        ) {
            let evidence = evidence + &count + &after;
            let wording = Wording::from((title.as_str(), evidence.as_str()));
            prop_assert_eq!((wording.title(), wording.evidence()), (title, evidence));
        }
    }
}
