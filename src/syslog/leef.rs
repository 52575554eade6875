//! The body of events in the Log Event Extended Format (LEEF), version 2.0, as IBM's LEEF guide for QRadar defines it.
//! Pure.
//!
//! `LEEF:2.0|Vendor|Product|Version|EventID|^|key=value^key=value`

use super::body::replace_control_characters;
use super::flat::{FlatBody, Key, PRODUCT, VENDOR, Values};
use super::message::Message;

/// Character between two fields. The default, a tab, becomes `#011` when rsyslog forwards it.
const DELIMITER: char = '^';

/// Returns the body of an event.
pub(super) fn body(message: &Message<'_>) -> FlatBody {
    let version = env!("CARGO_PKG_VERSION");
    // The format has no escapes.
    let code = replace_control_characters(&message.code).replace('|', "/");
    FlatBody::new(format!("LEEF:2.0|{VENDOR}|{PRODUCT}|{version}|{code}|{DELIMITER}|"), Values::of(message), write)
}

fn write(header: &str, values: &[(Key, String)]) -> String {
    // A delimiter inside a value is replaced by the full-width character that looks the same (U+FF3E).
    let field = |(key, value): &(Key, String)| Some(format!("{}={}", key.leef?, value.replace(DELIMITER, "\u{ff3e}")));
    header.to_owned() + &values.iter().filter_map(field).collect::<Vec<_>>().join("^")
}
