//! The body of an event in the payload of a destination. A body that is too long for a frame loses optional parts. Pure.

use super::message::Message;
use super::{Payload, cef, ecs, leef, ocsf};
use crate::escape;

/// A body that can become shorter.
pub(super) trait Body {
    /// Returns the text of the body, without control characters.
    fn text(&self) -> String;

    /// Removes the next optional part, and marks the body as truncated. Returns false if nothing is left to remove.
    fn shrink(&mut self) -> bool;
}

/// Returns the whole body of an event.
pub(super) fn of(payload: Payload, message: &Message<'_>) -> Box<dyn Body> {
    match payload {
        Payload::Ecs => Box::new(ecs::body(message)),
        Payload::Ocsf(settings) => Box::new(ocsf::body(message, settings)),
        Payload::Cef => Box::new(cef::body(message)),
        Payload::Leef => Box::new(leef::body(message)),
    }
}

/// Lengths to which long texts are cut one after the other, in characters.
///
/// A character has at most 12 octets (a pair of `\u` escapes), so a text of 8 characters has at most 96.
pub(super) const LONG_TEXTS: [usize; 3] = [512, 256, 128];
/// See [`LONG_TEXTS`].
pub(super) const SHORT_TEXTS: [usize; 5] = [64, 48, 32, 16, 8];

/// Longest value of a changed field that is kept as long as possible, in characters. Records as JSON are longer.
pub(super) const SHORT_VALUE: usize = 64;

/// Cuts a text to `limit` characters.
pub(super) fn cut(text: &mut String, limit: usize) {
    if let Some((at, _)) = text.char_indices().nth(limit) {
        text.truncate(at);
        text.push_str("...");
    }
}

/// Replaces characters at which a receiver could cut, or that it could interpret or hide.
///
/// C0 controls and DEL become control pictures (U+2400 + n). C1 controls, line and paragraph separators become U+FFFD.
pub(super) fn replace_control_characters(text: &str) -> String {
    let replaced = |c: char| match c {
        '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        other => escape::control_picture(other).unwrap_or(other),
    };
    text.chars().map(replaced).collect()
}
