//! Evidence that a rule collects for a finding.

use serde::Serialize;
use std::borrow::Cow;
use std::ops::Range;

/// A JSON object with sorted keys. Values become text at once, since a run makes evidence by the hundred thousand.
#[derive(Default)]
pub(super) struct RuleEvidence {
    /// Sorted keys with the places of their values in `json`.
    entries: Vec<(Cow<'static, str>, Range<usize>)>,
    json: Vec<u8>,
}

impl RuleEvidence {
    /// Adds a value.
    pub(super) fn with(mut self, key: &'static str, value: impl Serialize) -> Self {
        self.insert(key, value);
        self
    }

    /// Adds a value under a key that is not there yet.
    pub(super) fn insert(&mut self, key: impl Into<Cow<'static, str>>, value: impl Serialize) {
        let (key, start) = (key.into(), self.json.len());
        push_json(&mut self.json, &value);
        let at = self.entries.partition_point(|(other, _)| *other < key);
        self.entries.insert(at, (key, start..self.json.len()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the sorted keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| &**key)
    }

    /// Returns the object without white space.
    pub(super) fn into_text(self) -> String {
        let length = self.keys().map(|key| key.len() + r#","":"#.len()).sum::<usize>() + self.json.len() + "}".len();
        let mut text = Vec::with_capacity(length.max("{}".len()));
        text.push(b'{');
        for (at, (key, place)) in self.entries.into_iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            push_json(&mut text, &key);
            text.push(b':');
            text.extend_from_slice(&self.json[place]);
        }
        text.push(b'}');
        // JSON is UTF-8, so that this never fails.
        String::from_utf8(text).unwrap_or_default()
    }
}

/// Appends JSON. It never fails: the values are texts, numbers and flags, lists of them, and objects with texts as keys.
fn push_json(out: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_whatever_the_order_in_which_they_come() {
        let mut found = RuleEvidence::default().with("count", 2).with("basis", None::<&str>);
        assert_eq!(RuleEvidence::default().into_text(), "{}");
        found.insert("a\"b".to_owned(), ["é\n"]);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a\"b", "basis", "count"]);
        assert_eq!(found.into_text(), r#"{"a\"b":["é\n"],"basis":null,"count":2}"#);
    }
}
