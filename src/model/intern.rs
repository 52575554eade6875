//! Shared copies of texts that many rows repeat. Connectors and the loader of snapshots use them to save memory.

use super::{GroupId, SourceName};
use ahash::AHashSet;
use std::sync::Arc;

/// A set of texts that are stored once each.
#[derive(Debug, Default)]
pub struct Interner(AHashSet<Arc<str>>);

impl Interner {
    /// Returns the shared copy of a text.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = text.into();
        self.0.insert(Arc::clone(&shared));
        shared
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
        let first = interner.text("local");
        assert!(Arc::ptr_eq(&first, &interner.text(&["lo", "cal"].concat())));
        assert_eq!((interner.group_id("12").as_str(), interner.source_name("eu").as_str()), ("12", "eu"));
    }
}
