//! The body of events in the Common Event Format (CEF), version 0, as the CEF implementation standard of ArcSight defines
//! it. Pure.
//!
//! `CEF:0|Vendor|Product|Version|Signature|Name|Severity|key=value key=value`

use super::body::replace_control_characters;
use super::codes::severity_number;
use super::flat::{FlatBody, Key, PRODUCT, VENDOR, Values};
use super::message::Message;
use super::summary;

/// Returns the body of an event.
pub(super) fn body(message: &Message<'_>) -> FlatBody {
    let version = env!("CARGO_PKG_VERSION");
    let (code, severity) = (in_header(&message.code), severity_number(message.severity));
    let title = in_header(&summary::title(message));
    FlatBody::new(
        format!("CEF:0|{VENDOR}|{PRODUCT}|{version}|{code}|{title}|{severity}|"),
        Values::of(message).within_limits(),
        write,
    )
}

fn write(header: &str, values: &[(Key, String)]) -> String {
    let fields = values.iter().filter_map(|(key, value)| Some(field(key.cef?, *key, value)));
    header.to_owned() + &fields.collect::<Vec<_>>().join(" ")
}

/// Returns `key=value`, with a label before the value of a custom field.
fn field(cef: &str, key: Key, value: &str) -> String {
    let value = in_extension(value);
    match key.label {
        Some(label) => format!("{cef}Label={label} {cef}={value}"),
        None => format!("{cef}={value}"),
    }
}

/// Escapes a text of the header: `\` and `|`.
fn in_header(text: &str) -> String {
    replace_control_characters(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// Escapes a value: `\` and `=`. A value has no line breaks here, and `|` needs no escape.
fn in_extension(text: &str) -> String {
    text.replace('\\', "\\\\").replace('=', "\\=")
}
