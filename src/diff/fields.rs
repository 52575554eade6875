//! The fields of accounts and groups that matter to a review, as texts. Logins are none: they change every day.

use crate::model::{Group, User, instant_text};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A field's column and its text; `None` where the source does not report it.
type Field = (&'static str, fn(&User) -> Option<String>);

/// In the order of their names.
const FIELDS: [Field; 10] = [
    ("account_type", |user| user.account_type.as_deref().map(str::to_owned)),
    ("display_name", |user| user.display_name.as_deref().map(str::to_owned)),
    ("email_address", |user| user.email_address.as_deref().map(str::to_owned)),
    ("enabled", |user| user.enabled.map(|flag| flag.to_string())),
    ("expires_at", |user| user.expires_at.at().map(instant_text)),
    ("is_admin", |user| user.is_admin.map(|flag| flag.to_string())),
    ("kind", |user| Some(user.kind.as_str().to_owned())),
    ("mfa", |user| user.mfa.map(|flag| flag.to_string())),
    ("public_key", |user| user.public_key.as_deref().map(key_print)),
    ("username", |user| user.username.as_deref().map(str::to_owned)),
];

/// A field before and after.
pub(super) struct Told {
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// The fields in which two tellings of one account differ.
pub(super) fn changed(before: &User, after: &User) -> impl Iterator<Item = (&'static str, Told)> {
    // Nearly every account is the same as yesterday: only one that is not is put into words.
    let fields = if same(before, after) { &[][..] } else { &FIELDS[..] };
    fields.iter().filter_map(|(name, text)| {
        let told = Told { before: text(before), after: text(after) };
        (told.before != told.after).then_some((*name, told))
    })
}

/// Returns whether the value of a field is unknown, so that it has changed neither to nothing nor from it: a state or a right that is
/// not reported, a field of a record with values that could not be read, or of a source that did not read every field (`is_whole`
/// is false).
pub(super) fn is_unknown(field: &str, user: &User, is_whole: bool) -> bool {
    let is_state = matches!(field, "enabled" | "account_type" | "is_admin" | "mfa");
    (is_state || user.has_odd_values || !is_whole) && text(user, field).is_none()
}

/// Returns whether a group has another name; both are known.
pub(super) fn is_renamed(before: &Group, after: &Group) -> bool {
    before.name.is_some() && after.name.is_some() && before.name != after.name
}

fn same(a: &User, b: &User) -> bool {
    a.account_type == b.account_type
        && a.display_name == b.display_name
        && a.email_address == b.email_address
        && a.enabled == b.enabled
        && a.expires_at.at() == b.expires_at.at()
        && a.is_admin == b.is_admin
        && a.kind == b.kind
        && a.mfa == b.mfa
        && a.public_key == b.public_key
        && a.username == b.username
}

/// One field's text, by its name.
pub(super) fn text(user: &User, field: &str) -> Option<String> {
    let (_, text) = FIELDS.iter().find(|(name, _)| *name == field)?;
    text(user)
}

/// A JSON object of what is told of these fields.
pub(super) fn of_user(user: &User) -> String {
    object(FIELDS.iter().filter_map(|(name, text)| Some((*name, text(user)?))))
}

/// The same of a group.
pub(super) fn of_group(group: &Group) -> String {
    object(group.name.iter().map(|name| ("name", name.to_string())))
}

fn object(fields: impl Iterator<Item = (&'static str, String)>) -> String {
    let fields: Map<String, Value> = fields.map(|(name, text)| (name.to_owned(), Value::String(text))).collect();
    Value::Object(fields).to_string()
}

/// What `ssh-keygen -l` prints of a key (RFC 4253 §6.6: its blob), so that a reviewer can compare; of any other text, the hash
/// of the text.
pub(super) fn key_print(key: &str) -> String {
    let blob = key.split_ascii_whitespace().nth(1).and_then(|blob| BASE64_STANDARD.decode(blob).ok());
    match blob {
        Some(blob) => format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(blob))),
        None => format!("sha256-of-text:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(key))),
    }
}
