//! Ids of accounts, groups and sources, and their sort order.
//!
//! An id is unique within its source only. Numbers sort by value and before all other text, so that lists read
//! naturally and two runs write rows in the same order.

use super::Text;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Text);
        impl $name {
            /// Returns the id as the source wrote it.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        id_type! { @from $name: Text, &str, String, Cow<'_, str> }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&*self.0, f) }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering { compare_ids(&self.0, &other.0) }
        }
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> { Some(self.cmp(other)) }
        }
    };
    (@from $name:ident: $($text:ty),*) => {
        $(impl From<$text> for $name {
            fn from(text: $text) -> Self { Self(text.into()) }
        })*
    };
}

id_type! {
    /// Account id within its source, as text. Usernames change and are never used as ids.
    UserId
}
id_type! {
    /// Group id within its source, as text.
    GroupId
}
id_type! {
    /// Name of a source in the configuration.
    SourceName
}

/// Compares two ids: numbers by value and before all other text, other text by its bytes.
pub fn compare_ids(a: &str, b: &str) -> Ordering {
    // Fast path for the common case: of two numbers without leading zeros, the longer one is greater.
    if is_plain_number(a) && is_plain_number(b) {
        return a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    }
    match (a.parse::<u64>(), b.parse::<u64>()) {
        // "7" and "007" are different ids of the same value; the text breaks the tie.
        (Ok(x), Ok(y)) => x.cmp(&y).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

/// Returns whether the text is a number of at most 19 digits without a leading zero; it then fits into 64 bits.
fn is_plain_number(text: &str) -> bool {
    matches!(text.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.len() < 19 && rest.iter().all(u8::is_ascii_digit))
}
