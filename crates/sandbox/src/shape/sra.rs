//! The guide's records in the words of the Configuration API (Privileged Remote Access and Remote Support). Knows no
//! HTTP.

use super::{copy_field, undocumented};
use crate::details::{ExternalMember, Provider, UserDetails};
use crate::record::Record;
use serde_json::Value;

/// Field of the guide -> field of this API.
const RENAMED: [(&str, &str); 7] = [
    ("username", "username"),
    ("display_name", "public_display_name"),
    ("email_address", "email_address"),
    ("enabled", "enabled"),
    ("created_at", "created_at"),
    ("last_login", "last_authentication"),
    ("locale", "preferred_email_language"),
];

/// Returns a row of `/user`. Remote Support has a private display name as well.
pub(crate) fn user(
    id: u64,
    record: &Record,
    details: &UserDetails,
    providers: &[Provider],
    remote_support: bool,
) -> Record {
    let mut row: Record = undocumented(record).collect();
    row.insert("id".to_owned(), id.into());
    for (key, name) in RENAMED {
        copy_field(record, key, &mut row, name);
    }
    if remote_support {
        copy_field(record, "display_name", &mut row, "private_display_name");
    }
    row.insert("two_factor_required".to_owned(), false.into());
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            row.insert(name.to_owned(), value);
        }
    };
    set("security_provider_id", details.provider.map(Value::from));
    set("two_factor_enabled", details.two_factor.map(Value::from));
    set("perm_admin", details.admin.map(Value::from));
    set("fido2_credential_count", details.passkeys.map(Value::from));
    // Rights and rules about passwords. They are no secrets, although their names look like it, so `extra` must keep
    // them.
    set("perm_set_passwords", details.admin.map(Value::from));
    if providers.iter().any(|p| Some(p.id) == details.provider && p.kind == "local") {
        let expires = if id.is_multiple_of(2) { "2027-01-01T00:00:00Z".into() } else { Value::Null };
        set("failed_logins", Some(0.into()));
        set("password_expiration", Some(expires));
        set("password_reset_next_login", Some(id.is_multiple_of(3).into()));
    }
    row
}

/// Returns a row of `/group-policy`. This API has no description.
pub(crate) fn policy(id: u64, record: &Record) -> Record {
    let mut row = super::with_id(id, record);
    row.remove("description");
    row
}

/// Returns a row of `/group-policy/{id}/member` for a user.
pub(crate) fn member(id: u64, user: u64, provider: Option<u64>) -> Record {
    let mut row = Record::new();
    row.insert("id".to_owned(), id.into());
    row.insert("user_id".to_owned(), user.into());
    if let Some(provider) = provider {
        row.insert("security_provider_id".to_owned(), provider.into());
    }
    row
}

/// Returns a row of `/group-policy/{id}/member` for a member that is not expanded to users.
pub(crate) fn external(external: &ExternalMember) -> Record {
    let mut row = Record::new();
    row.insert("id".to_owned(), external.id.into());
    let fields = [
        ("security_provider_id", external.provider.map(Value::from)),
        ("distinguished_name", external.distinguished_name.clone().map(Value::from)),
        ("group_name", external.group_name.clone().map(Value::from)),
    ];
    row.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    row
}

/// Returns `/security-provider/{id}`.
pub(crate) fn single_provider(row: &Provider) -> Record {
    let mut record = provider(row);
    record.insert("priority".to_owned(), row.id.into());
    if let Some(policy) = row.default_policy {
        record.insert("default_policy".to_owned(), policy.into());
    }
    record
}

/// Returns a row of `/security-provider`.
pub(crate) fn provider(provider: &Provider) -> Record {
    let mut row = Record::new();
    row.insert("id".to_owned(), provider.id.into());
    row.insert("type".to_owned(), provider.kind.clone().into());
    row.insert("name".to_owned(), provider.name.clone().into());
    row.insert("enabled".to_owned(), true.into());
    row.insert("user_authentication".to_owned(), true.into());
    row.insert("group_lookup".to_owned(), false.into());
    row
}
