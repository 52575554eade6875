//! Fields of accounts and groups: which of them are emitted when they change, and how unread fields keep their last
//! known value.
//!
//! Logins are never emitted, because they change every day.

use crate::model::{Group, LastLogin, User, instant_text};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A field that is emitted when it changes.
struct ComparedField {
    /// Name of the column.
    name: &'static str,
    /// Returns the value as text; `None` if the source does not report it.
    text: fn(&User) -> Option<String>,
    /// Checks whether two accounts have the same value, without formatting it.
    same: fn(&User, &User) -> bool,
    /// Copies the value from the first account to the second.
    copy: fn(&User, &mut User),
    /// Whether the field is a state or a right. If a source stops reporting it, it is unknown rather than cleared.
    is_state: bool,
}

/// The emitted fields, in the order of their names.
#[rustfmt::skip]
const FIELDS: [ComparedField; 10] = [
    ComparedField { name: "account_type",  is_state: true,  text: |user| user.account_type.as_deref().map(str::to_owned),
            same: |a, b| a.account_type == b.account_type,
            copy: |from, to| { to.account_type.clone_from(&from.account_type); to.inferred = from.inferred; } },
    ComparedField { name: "display_name",  is_state: false, text: |user| user.display_name.as_deref().map(str::to_owned),
            same: |a, b| a.display_name == b.display_name,
            copy: |from, to| to.display_name.clone_from(&from.display_name) },
    ComparedField { name: "email_address", is_state: false, text: |user| user.email_address.as_deref().map(str::to_owned),
            same: |a, b| a.email_address == b.email_address,
            copy: |from, to| to.email_address.clone_from(&from.email_address) },
    ComparedField { name: "enabled",       is_state: true,  text: |user| user.enabled.map(|flag| flag.to_string()),
            same: |a, b| a.enabled == b.enabled,
            copy: |from, to| to.enabled = from.enabled },
    ComparedField { name: "expires_at",    is_state: false, text: |user| user.expires_at.at().map(instant_text),
            // Two unreadable dates may differ in text, but neither is a date that could be emitted.
            same: |a, b| a.expires_at.at() == b.expires_at.at(),
            copy: |from, to| to.expires_at.clone_from(&from.expires_at) },
    ComparedField { name: "is_admin",      is_state: true,  text: |user| user.is_admin.map(|flag| flag.to_string()),
            same: |a, b| a.is_admin == b.is_admin,
            copy: |from, to| to.is_admin = from.is_admin },
    ComparedField { name: "kind",          is_state: false, text: |user| Some(user.kind.as_str().to_owned()),
            same: |a, b| a.kind == b.kind,
            copy: |from, to| to.kind = from.kind },
    ComparedField { name: "mfa",           is_state: true,  text: |user| user.mfa.map(|flag| flag.to_string()),
            same: |a, b| a.mfa == b.mfa,
            copy: |from, to| to.mfa = from.mfa },
    ComparedField { name: "public_key",    is_state: false, text: |user| user.public_key.as_deref().map(key_fingerprint),
            same: |a, b| a.public_key == b.public_key,
            copy: |from, to| to.public_key.clone_from(&from.public_key) },
    ComparedField { name: "username",      is_state: false, text: |user| user.username.as_deref().map(str::to_owned),
            same: |a, b| a.username == b.username,
            copy: |from, to| to.username.clone_from(&from.username) },
];

/// Last known values that an account keeps: a bit for each entry of [`FIELDS`], and two for fields that are never
/// emitted.
pub(super) struct Carried {
    before: User,
    fields: u32,
}

/// Bit for the fields that are never emitted, except dates.
const UNREPORTED: u32 = 1 << FIELDS.len();
/// Bit for the dates of the last login and of the creation.
const DATES: u32 = UNREPORTED << 1;
/// Fields by which rules classify an account. Rules use their last known values.
const CLASSES: [&str; 3] = ["is_admin", "kind", "username"];

/// Fields that are `true` or `false`.
const FLAGS: [&str; 3] = ["enabled", "is_admin", "mfa"];

/// Value of a field before and after a change.
pub(super) struct Difference {
    pub(super) field: &'static str,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// Comparison of two readings of one account.
pub(super) struct FieldComparison {
    /// Fields that changed.
    pub(super) changed: Vec<Difference>,
    carried: u32,
}

/// Whether a missing value proves that there is none.
#[derive(Clone, Copy)]
pub(super) struct Trust {
    /// Whether every field had been read before.
    pub(super) before: bool,
    /// Whether every field was read now.
    pub(super) now: bool,
}

impl FieldComparison {
    /// Compares two readings of an account. A value that was not read is unknown, which is no change.
    pub(super) fn of(before: &User, after: &User, trust: Trust) -> Self {
        let reads_all = trust.now && !after.has_odd_values;
        let mut compared = Self { changed: Vec::new(), carried: 0 };
        // The configured patterns classify an account by its name, so an account whose name was not read keeps its
        // kind.
        let keeps_kind = !reads_all && after.username.is_none() && before.username.is_some();
        // Most accounts are unchanged since the previous run; skipping them saves formatting every field.
        if !FIELDS.iter().all(|field| (field.same)(before, after)) {
            for (at, field) in FIELDS.iter().enumerate() {
                let (old, new) = ((field.text)(before), (field.text)(after));
                match (&old, &new) {
                    // The order of the arms matters: unread values are kept before differences are reported.
                    _ if old == new => {}
                    _ if keeps_kind && field.name == "kind" => compared.carried |= 1 << at,
                    (Some(_), None) if field.is_state || !reads_all => compared.carried |= 1 << at,
                    // The value was unknown before, so it did not change.
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

    /// Returns the fields to keep from the known account; `None` if there are none.
    pub(super) fn carried_from(&self, before: &User) -> Option<u32> {
        let is_unreported = self.carried == UNREPORTED;
        (self.carried != 0 && !(is_unreported && has_nothing_unreported(before))).then_some(self.carried)
    }
}

impl Carried {
    pub(super) fn of(before: User, fields: u32) -> Self {
        Self { before, fields }
    }

    /// Copies the last known values by which rules classify the account.
    pub(super) fn apply_classes(&self, user: &mut User) {
        let is_class = |at: usize, field: &ComparedField| self.fields & (1 << at) != 0 && CLASSES.contains(&field.name);
        for (_, field) in FIELDS.iter().enumerate().filter(|(at, field)| is_class(*at, field)) {
            (field.copy)(&self.before, user);
        }
    }

    /// Returns the names of the columns that [`Self::apply`] changes.
    pub(super) fn columns(&self, user: &User) -> Vec<&'static str> {
        let mut settled = user.clone();
        self.apply(&mut settled);
        let emitted = FIELDS.iter().filter(|field| !(field.same)(user, &settled)).map(|field| field.name);
        let others = [
            ("inferred_type", user.inferred != settled.inferred),
            ("locale", user.locale != settled.locale),
            ("signs_in_by", user.rare.signs_in_by != settled.rare.signs_in_by),
            ("blocked", user.blocked != settled.blocked),
            ("extra", user.extra != settled.extra),
            ("last_login", user.last_login != settled.last_login),
            ("created_at", user.created_at != settled.created_at),
        ];
        emitted.chain(others.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name)).collect()
    }

    /// Copies the last known values of all unread fields.
    pub(super) fn apply(&self, user: &mut User) {
        for (_, field) in FIELDS.iter().enumerate().filter(|(at, _)| self.fields & (1 << at) != 0) {
            (field.copy)(&self.before, user);
        }
        if self.fields & DATES != 0 {
            apply_dates(&self.before, user);
        }
        if self.fields & UNREPORTED != 0 {
            apply_unreported(&self.before, user);
        }
    }
}

fn has_nothing_unreported(user: &User) -> bool {
    user.inferred.is_none()
        && user.locale.is_none()
        && user.rare.signs_in_by.is_none()
        && user.blocked.is_none()
        && user.extra.is_none()
}

fn is_known(last_login: &LastLogin) -> bool {
    matches!(last_login, LastLogin::At(_) | LastLogin::Never { .. })
}

/// Returns whether a date that was known is missing or unreadable now.
fn loses_a_date(before: &User, after: &User) -> bool {
    let loses_creation = before.created_at.at().is_some() && after.created_at.at().is_none();
    loses_creation || (is_known(&before.last_login) && !is_known(&after.last_login))
}

fn apply_dates(before: &User, user: &mut User) {
    if is_known(&before.last_login) && !is_known(&user.last_login) {
        user.last_login.clone_from(&before.last_login);
    }
    if before.created_at.at().is_some() && user.created_at.at().is_none() {
        user.created_at.clone_from(&before.created_at);
    }
}

/// Copies the other fields that are never emitted.
fn apply_unreported(before: &User, user: &mut User) {
    // A reported type replaces an inferred one.
    if user.account_type.is_none() {
        user.inferred = user.inferred.or(before.inferred);
    }
    user.locale = user.locale.take().or_else(|| before.locale.clone());
    user.rare
        .set(|rare| &mut rare.signs_in_by, user.rare.signs_in_by.clone().or_else(|| before.rare.signs_in_by.clone()));
    user.blocked = user.blocked.or(before.blocked);
    user.extra = user.extra.take().or_else(|| before.extra.clone());
}

/// Returns whether a group has another name than before. False if one of the names is unknown.
pub(super) fn is_renamed(before: &Group, after: &Group) -> bool {
    before.name.is_some() && after.name.is_some() && before.name != after.name
}

/// Returns a JSON object of the emitted fields that have a value. Flags are JSON booleans.
pub(super) fn of_user(user: &User) -> String {
    object(FIELDS.iter().filter_map(|field| Some((field.name, (field.text)(user)?))))
}

/// Returns a JSON object with the group's name, if it has one.
pub(super) fn of_group(group: &Group) -> String {
    object(group.name.iter().map(|name| ("name", name.to_string())))
}

fn object(fields: impl Iterator<Item = (&'static str, String)>) -> String {
    let value = |name, text: String| if FLAGS.contains(&name) { Value::Bool(text == "true") } else { text.into() };
    let fields: Map<String, Value> = fields.map(|(name, text)| (name.to_owned(), value(name, text))).collect();
    Value::Object(fields).to_string()
}

/// Returns the fingerprint of a key as `ssh-keygen -l` prints it (RFC 4253 §6.6: over its blob), so that a reviewer can
/// compare. For any other text, returns a hash of the text.
pub(super) fn key_fingerprint(key: &str) -> String {
    // The comment after the blob is no part of the key, so that a new comment is no change.
    let blob = key.split_ascii_whitespace().nth(1).and_then(|blob| BASE64_STANDARD.decode(blob).ok());
    match blob {
        Some(blob) => format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(blob))),
        None => format!("sha256-of-text:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(key))),
    }
}
