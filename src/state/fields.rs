//! The fields of accounts and groups: which are emitted when they change, and which keep their last known value where a reading does
//! not give one. Logins are never emitted: they change every day.

use crate::model::{Group, LastLogin, User, instant_text};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A field that is emitted when it changes.
struct ComparedField {
    /// Its column.
    name: &'static str,
    /// As text; `None` where the source does not report it.
    text: fn(&User) -> Option<String>,
    /// Takes the value of the first account.
    copy: fn(&User, &mut User),
    /// A state or a right: a source that does not report it has not changed it.
    is_state: bool,
}

/// In the order of their names.
#[rustfmt::skip]
const FIELDS: [ComparedField; 10] = [
    ComparedField { name: "account_type",  is_state: true,  text: |user| user.account_type.as_deref().map(str::to_owned),
            copy: |from, to| { to.account_type.clone_from(&from.account_type); to.inferred = from.inferred; } },
    ComparedField { name: "display_name",  is_state: false, text: |user| user.display_name.as_deref().map(str::to_owned),
            copy: |from, to| to.display_name.clone_from(&from.display_name) },
    ComparedField { name: "email_address", is_state: false, text: |user| user.email_address.as_deref().map(str::to_owned),
            copy: |from, to| to.email_address.clone_from(&from.email_address) },
    ComparedField { name: "enabled",       is_state: true,  text: |user| user.enabled.map(|flag| flag.to_string()),
            copy: |from, to| to.enabled = from.enabled },
    ComparedField { name: "expires_at",    is_state: false, text: |user| user.expires_at.at().map(instant_text),
            copy: |from, to| to.expires_at.clone_from(&from.expires_at) },
    ComparedField { name: "is_admin",      is_state: true,  text: |user| user.is_admin.map(|flag| flag.to_string()),
            copy: |from, to| to.is_admin = from.is_admin },
    ComparedField { name: "kind",          is_state: false, text: |user| Some(user.kind.as_str().to_owned()),
            copy: |from, to| to.kind = from.kind },
    ComparedField { name: "mfa",           is_state: true,  text: |user| user.mfa.map(|flag| flag.to_string()),
            copy: |from, to| to.mfa = from.mfa },
    ComparedField { name: "public_key",    is_state: false, text: |user| user.public_key.as_deref().map(key_print),
            copy: |from, to| to.public_key.clone_from(&from.public_key) },
    ComparedField { name: "username",      is_state: false, text: |user| user.username.as_deref().map(str::to_owned),
            copy: |from, to| to.username.clone_from(&from.username) },
];

/// What an account keeps of its last known values: one bit a field of [`FIELDS`], and one for those that are never emitted.
pub(super) struct Carried {
    before: User,
    fields: u32,
}

const UNREPORTED: u32 = 1 << FIELDS.len();
/// Login and creation.
const DATES: u32 = UNREPORTED << 1;
/// What rules class an account by: they look at it as it was known last.
const CLASSES: [&str; 3] = ["is_admin", "kind", "username"];

/// A field before and after.
pub(super) struct Difference {
    pub(super) field: &'static str,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// Two readings of one account, compared.
pub(super) struct FieldComparison {
    /// What changed.
    pub(super) changed: Vec<Difference>,
    carried: u32,
}

/// How far the absence of a value can be relied on.
#[derive(Clone, Copy)]
pub(super) struct Trust {
    /// Every field was read before.
    pub(super) before: bool,
    /// Every field was read now.
    pub(super) now: bool,
}

impl FieldComparison {
    /// Compares. A value that was not read is unknown: nothing became of it.
    pub(super) fn of(before: &User, after: &User, trust: Trust) -> Self {
        let reads_all = trust.now && !after.has_odd_values;
        let mut compared = Self { changed: Vec::new(), carried: 0 };
        // Patterns class an account by its name: one whose name was not read is what it was.
        let keeps_kind = !reads_all && after.username.is_none() && before.username.is_some();
        // Nearly every account is the same as yesterday: only one that is not is put into words.
        if !same(before, after) {
            for (at, field) in FIELDS.iter().enumerate() {
                let (old, new) = ((field.text)(before), (field.text)(after));
                match (&old, &new) {
                    _ if old == new => {}
                    _ if keeps_kind && field.name == "kind" => compared.carried |= 1 << at,
                    (Some(_), None) if field.is_state || !reads_all => compared.carried |= 1 << at,
                    (None, Some(_)) if field.is_state || !trust.before => {}
                    _ => compared.changed.push(Difference { field: field.name, before: old, after: new }),
                }
            }
        }
        if !reads_all {
            compared.carried |= UNREPORTED;
        }
        if loses_a_date(before, after) {
            compared.carried |= DATES;
        }
        compared
    }

    /// The fields that are to be carried from the known account; `None` where there is nothing to carry.
    pub(super) fn carried_from(&self, before: &User) -> Option<u32> {
        let is_unreported = self.carried == UNREPORTED;
        (self.carried != 0 && !(is_unreported && has_nothing_unreported(before))).then_some(self.carried)
    }
}

impl Carried {
    pub(super) fn of(before: User, fields: u32) -> Self {
        Self { before, fields }
    }

    /// Gives the account what it is classed by.
    pub(super) fn put_classes_on(&self, user: &mut User) {
        let is_class = |at: usize, field: &ComparedField| self.fields & (1 << at) != 0 && CLASSES.contains(&field.name);
        for (_, field) in FIELDS.iter().enumerate().filter(|(at, field)| is_class(*at, field)) {
            (field.copy)(&self.before, user);
        }
    }

    /// Gives the account its last known values.
    pub(super) fn put_on(&self, user: &mut User) {
        for (_, field) in FIELDS.iter().enumerate().filter(|(at, _)| self.fields & (1 << at) != 0) {
            (field.copy)(&self.before, user);
        }
        if self.fields & DATES != 0 {
            dates(&self.before, user);
        }
        if self.fields & UNREPORTED != 0 {
            unreported(&self.before, user);
        }
    }
}

fn has_nothing_unreported(user: &User) -> bool {
    user.inferred.is_none()
        && user.locale.is_none()
        && user.signs_in_by.is_none()
        && user.blocked.is_none()
        && user.extra.is_none()
}

fn is_known(last_login: &LastLogin) -> bool {
    matches!(last_login, LastLogin::At(_) | LastLogin::Never { .. })
}

/// Whether a date was known that is missing or unreadable now.
fn loses_a_date(before: &User, after: &User) -> bool {
    let loses_creation = before.created_at.at().is_some() && after.created_at.at().is_none();
    loses_creation || (is_known(&before.last_login) && !is_known(&after.last_login))
}

fn dates(before: &User, user: &mut User) {
    if is_known(&before.last_login) && !is_known(&user.last_login) {
        user.last_login.clone_from(&before.last_login);
    }
    if before.created_at.at().is_some() && user.created_at.at().is_none() {
        user.created_at.clone_from(&before.created_at);
    }
}

/// Other fields that are never emitted.
fn unreported(before: &User, user: &mut User) {
    if user.account_type.is_none() {
        user.inferred = user.inferred.or(before.inferred);
    }
    user.locale = user.locale.take().or_else(|| before.locale.clone());
    user.signs_in_by = user.signs_in_by.take().or_else(|| before.signs_in_by.clone());
    user.blocked = user.blocked.or(before.blocked);
    user.extra = user.extra.take().or_else(|| before.extra.clone());
}

/// Whether a group has another name; both are known.
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

/// A JSON object of those fields that have a value.
pub(super) fn of_user(user: &User) -> String {
    object(FIELDS.iter().filter_map(|field| Some((field.name, (field.text)(user)?))))
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
