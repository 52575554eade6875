//! Identities within a source and their order: numbers by value before all other text.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name($inner);
        impl $name {
            /// The id as the source wrote it.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl<T: Into<$inner>> From<T> for $name {
            fn from(text: T) -> Self { Self(text.into()) }
        }
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
}

id_type! {
    /// A user's id within its source, as text. A username is never a key: it changes.
    UserId(Box<str>)
}
id_type! {
    /// A group's id within its source, as text; shared, because every member repeats it.
    GroupId(Arc<str>)
}
id_type! {
    /// The name that the configuration gives to a source.
    SourceName(Arc<str>)
}

/// Numbers by value and before all other text; other text by its bytes.
pub fn compare_ids(a: &str, b: &str) -> Ordering {
    // The common case, without reading any number: of two without leading zeros, the longer is the greater.
    if is_plain_number(a) && is_plain_number(b) {
        return a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    }
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(x), Ok(y)) => x.cmp(&y).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

/// Digits that fit into 64 bits, without a leading zero.
fn is_plain_number(text: &str) -> bool {
    matches!(text.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.len() < 19 && rest.iter().all(u8::is_ascii_digit))
}
