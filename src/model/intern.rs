//! Shared copies of texts that many rows repeat. Connectors and the loader of snapshots use them to save memory.

use super::{GroupId, SourceName, Text};
use ahash::AHashSet;

/// Maximum length of a text that needs no allocation, in bytes.
const SHORT: usize = size_of::<Text>();

/// A set of texts that are stored once each.
#[derive(Clone, Debug, Default)]
pub struct Interner(AHashSet<Text>);

impl Interner {
    /// Returns the shared copy of a text. A short text needs none.
    pub fn text(&mut self, text: &str) -> Text {
        if text.len() <= SHORT {
            return Text::from(text);
        }
        if let Some(shared) = self.0.get(text) {
            return shared.clone();
        }
        let text = Text::from(text);
        self.0.insert(text.clone());
        text
    }

    /// Returns a group id with shared text.
    pub fn group_id(&mut self, id: &str) -> GroupId {
        self.text(id).into()
    }

    /// Returns the name of a source with shared text.
    pub fn source_name(&mut self, name: &str) -> SourceName {
        self.text(name).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_one_copy() {
        let mut interner = Interner::default();
        let (first, second) =
            (interner.text("a text too long to be inline"), interner.text("a text too long to be inline"));
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_eq!((interner.group_id("12").as_str(), interner.source_name("eu").as_str()), ("12", "eu"));
    }
}
