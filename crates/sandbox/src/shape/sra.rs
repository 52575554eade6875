//! The Configuration API's wording (Privileged Remote Access and Remote Support).

use super::super::facets::{ExternalMember, Provider, UserDetails};
use super::super::world::Record;
use super::{carry, unannounced};
use serde_json::Value;

/// Field of the guide -> field here.
const RENAMED: [(&str, &str); 7] = [
    ("username", "username"),
    ("display_name", "public_display_name"),
    ("email_address", "email_address"),
    ("enabled", "enabled"),
    ("created_at", "created_at"),
    ("last_login", "last_authentication"),
    ("locale", "preferred_email_language"),
];

/// A row of `/user`; `remote_support` has a private display name too.
pub(in super::super) fn user(
    id: u64,
    record: &Record,
    facts: &UserDetails,
    providers: &[Provider],
    remote_support: bool,
) -> Record {
    let mut row: Record = unannounced(record).collect();
    row.insert("id".to_owned(), id.into());
    for (key, name) in RENAMED {
        carry(record, key, &mut row, name);
    }
    if remote_support {
        carry(record, "display_name", &mut row, "private_display_name");
    }
    row.insert("two_factor_required".to_owned(), false.into());
    let mut report = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            row.insert(name.to_owned(), value);
        }
    };
    report("security_provider_id", facts.provider.map(Value::from));
    report("two_factor_enabled", facts.two_factor.map(Value::from));
    report("perm_admin", facts.admin.map(Value::from));
    report("fido2_credential_count", facts.passkeys.map(Value::from));
    // Rights and rules about passwords: no secrets, though their names could mean one.
    report("perm_set_passwords", facts.admin.map(Value::from));
    if providers.iter().any(|p| Some(p.id) == facts.provider && p.kind == "local") {
        let expires = if id.is_multiple_of(2) { "2027-01-01T00:00:00Z".into() } else { Value::Null };
        report("failed_logins", Some(0.into()));
        report("password_expiration", Some(expires));
        report("password_reset_next_login", Some(id.is_multiple_of(3).into()));
    }
    row
}

/// A row of `/group-policy`: there is no description.
pub(in super::super) fn policy(id: u64, record: &Record) -> Record {
    let mut row = super::with_id(id, record);
    row.remove("description");
    row
}

/// A row of `/group-policy/{id}/member` that is a user.
pub(in super::super) fn member(id: u64, user: u64, provider: Option<u64>) -> Record {
    let mut row = Record::new();
    row.insert("id".to_owned(), id.into());
    row.insert("user_id".to_owned(), user.into());
    if let Some(provider) = provider {
        row.insert("security_provider_id".to_owned(), provider.into());
    }
    row
}

/// The same for what is not expanded to users.
pub(in super::super) fn external(external: &ExternalMember) -> Record {
    let mut row = Record::new();
    row.insert("id".to_owned(), external.id.into());
    let reported = [
        ("security_provider_id", external.provider.map(Value::from)),
        ("distinguished_name", external.distinguished_name.clone().map(Value::from)),
        ("group_name", external.group_name.clone().map(Value::from)),
    ];
    row.extend(reported.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    row
}

/// `/security-provider/{id}`.
pub(in super::super) fn whole_provider(whole: &Provider) -> Record {
    let mut record = provider(whole);
    record.insert("priority".to_owned(), whole.id.into());
    if let Some(policy) = whole.default_policy {
        record.insert("default_policy".to_owned(), policy.into());
    }
    record
}

/// A row of `/security-provider`.
pub(in super::super) fn provider(provider: &Provider) -> Record {
    let mut row = Record::new();
    row.insert("id".to_owned(), provider.id.into());
    row.insert("type".to_owned(), provider.kind.clone().into());
    row.insert("name".to_owned(), provider.name.clone().into());
    row.insert("enabled".to_owned(), true.into());
    row.insert("user_authentication".to_owned(), true.into());
    row.insert("group_lookup".to_owned(), false.into());
    row
}
