//! The variables of expressions: name, type, and value for an account.
//!
//! A value that is not reported is null. A date that is reported but unreadable is neither null nor a number.

use super::super::age::age_days;
use crate::model::{Blocked, Instant, ReportedDate, SourceInventory, User, UserKind};
use cel::common::types::{CelBool, CelInt, CelList, CelNull, CelString};
use cel::common::value::Val;
use serde_json::{Value, json};

/// Maximum number of texts of a list in evidence. Spreadsheets limit the size of a cell (32,767 characters in Excel).
pub(super) const SHOWN: usize = 100;

/// Type of a variable whose value is not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VariableType {
    Flag,
    Number,
    Text,
    Texts,
}

/// Value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VariableValue<'a> {
    Flag(bool),
    Number(i64),
    Text(&'a str),
    Texts(Vec<&'a str>),
    /// Not reported.
    Null,
    /// Reported but unreadable. Every expression that needs it is undetermined.
    Unreadable(&'a str),
}

/// A variable of expressions.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) kind: VariableType,
    pub(super) of: for<'a> fn(&SourceContext<'a>, &'a User) -> VariableValue<'a>,
}

/// Facts about a source that the variables of its accounts share.
pub(in super::super) struct SourceContext<'a> {
    source_inventory: &'a SourceInventory,
    as_of: Instant,
    /// Whether the group list and the member lists, if the source offers them, are proven complete. If so, a membership
    /// that is not reported does not exist, and a group without a name has none.
    groups_complete: bool,
    /// Whether an account of the source has a key. If so, an account without a reported key has none.
    reports_keys: bool,
    /// Whether an account of the source has an expiry date or is blocked. If so, an account without one never expires.
    reports_expiry: bool,
}

impl<'a> SourceContext<'a> {
    pub(in super::super) fn of(source_inventory: &'a SourceInventory, as_of: Instant) -> Self {
        Self {
            source_inventory,
            as_of,
            groups_complete: source_inventory.reading.memberships_complete(),
            reports_keys: source_inventory.reading.users.iter().any(|user| user.public_key.is_some()),
            reports_expiry: source_inventory
                .reading
                .users
                .iter()
                .any(|user| user.expires_at != ReportedDate::NotReported || user.blocked.is_some()),
        }
    }

    /// Returns the names of the account's groups, with ids for groups without a name.
    fn groups(&self, user: &'a User) -> VariableValue<'a> {
        if !(user.groups_known && self.groups_complete) {
            return VariableValue::Null;
        }
        let name = |id| self.source_inventory.group(id).and_then(|group| group.name.as_deref());
        VariableValue::Texts(user.group_memberships.iter().map(|id| name(id).unwrap_or(id.as_str())).collect())
    }

    fn group_ids(&self, user: &'a User) -> VariableValue<'a> {
        if !(user.groups_known && self.groups_complete) {
            return VariableValue::Null;
        }
        VariableValue::Texts(user.group_memberships.iter().map(crate::model::GroupId::as_str).collect())
    }

    fn has_public_key(&self, user: &User) -> Option<bool> {
        user.public_key.as_deref().map(|key| !key.is_empty()).or(self.reports_keys.then_some(false))
    }

    /// Returns whether the account has expired, whatever else blocks it. An unreadable expiry date may have passed.
    fn expired(&self, user: &'a User) -> VariableValue<'a> {
        match &user.expires_at {
            _ if user.blocked == Some(Blocked::Expired) => VariableValue::Flag(true),
            ReportedDate::At(end) => VariableValue::Flag(*end <= self.as_of),
            ReportedDate::Unreadable(written) => VariableValue::Unreadable(written),
            ReportedDate::NotReported if self.reports_expiry => VariableValue::Flag(false),
            ReportedDate::NotReported => VariableValue::Null,
        }
    }

    fn blocked(&self, user: &'a User) -> VariableValue<'a> {
        if user.blocked_at(self.as_of).is_some() { VariableValue::Flag(true) } else { self.expired(user) }
    }

    /// Returns the whole days of 86,400 s until an instant; negative after it.
    fn days_until(&self, end: Instant) -> i64 {
        (end - self.as_of).num_seconds().div_euclid(86_400)
    }
}

/// Every variable, in the order of the documentation. Dates appear only as ages, which a reader of the evidence can
/// recompute.
pub(super) const VARIABLES: [Variable; 26] = [
    variable("source", VariableType::Text, |source, _| {
        VariableValue::Text(source.source_inventory.reading.source.name.as_str())
    }),
    variable("source_kind", VariableType::Text, |source, _| {
        VariableValue::Text(&source.source_inventory.reading.source.kind)
    }),
    variable("id", VariableType::Text, |_, user| VariableValue::Text(user.id.as_str())),
    variable("username", VariableType::Text, |_, user| text(user.username.as_deref())),
    variable("display_name", VariableType::Text, |_, user| text(user.display_name.as_deref())),
    variable("email_address", VariableType::Text, |_, user| text(user.email_address.as_deref())),
    variable("enabled", VariableType::Flag, |_, user| flag(user.enabled)),
    variable("account_type", VariableType::Text, |_, user| text(user.account_type.as_deref())),
    variable("kind", VariableType::Text, |_, user| VariableValue::Text(user.kind.as_str())),
    variable("is_local", VariableType::Flag, |_, user| flag(user.local())),
    variable("is_sso", VariableType::Flag, |_, user| flag(is_sso(user))),
    variable("is_admin", VariableType::Flag, |_, user| flag(user.is_admin)),
    variable("is_privileged", VariableType::Flag, |source, user| flag(source.source_inventory.privilege(user))),
    variable("mfa", VariableType::Flag, |_, user| flag(user.mfa)),
    variable("groups", VariableType::Texts, |source, user| source.groups(user)),
    variable("group_ids", VariableType::Texts, |source, user| source.group_ids(user)),
    variable("groups_known", VariableType::Flag, |_, user| VariableValue::Flag(user.groups_known)),
    variable("days_since_login", VariableType::Number, |source, user| {
        user.last_login.at().map_or(VariableValue::Null, |at| VariableValue::Number(age_days(source.as_of, at).into()))
    }),
    variable("last_login_status", VariableType::Text, |_, user| VariableValue::Text(user.last_login.status())),
    variable("days_since_created", VariableType::Number, |source, user| {
        days(&user.created_at, |at| age_days(source.as_of, at).into())
    }),
    variable("days_until_expiry", VariableType::Number, |source, user| {
        days(&user.expires_at, |at| source.days_until(at))
    }),
    variable("expired", VariableType::Flag, |source, user| source.expired(user)),
    variable("blocked", VariableType::Flag, |source, user| source.blocked(user)),
    variable("has_public_key", VariableType::Flag, |source, user| flag(source.has_public_key(user))),
    variable("passkeys", VariableType::Number, |_, user| {
        user.rare
            .passkeys
            .map_or(VariableValue::Null, |count| VariableValue::Number(i64::try_from(count).unwrap_or(i64::MAX)))
    }),
    variable("locale", VariableType::Text, |_, user| text(user.locale.as_deref())),
];

/// Returns the possible words of a variable that has a fixed set of them. Another word in an expression is a typing
/// error that would make the rule find nothing.
pub(super) fn words_of(name: &str) -> Option<Vec<&'static str>> {
    match name {
        "kind" => Some(UserKind::ALL.iter().map(|kind| kind.as_str()).collect()),
        "last_login_status" => Some(vec!["at", "never", "not-reported", "unreadable"]),
        "source_kind" => Some(vec!["rest-v3", "pra", "rs", "password-safe", "scim"]),
        _ => None,
    }
}

const fn variable(
    name: &'static str,
    kind: VariableType,
    of: for<'a> fn(&SourceContext<'a>, &'a User) -> VariableValue<'a>,
) -> Variable {
    Variable { name, kind, of }
}

/// Returns whether the account signs in through an identity provider; `None` if its type is unknown.
fn is_sso(user: &User) -> Option<bool> {
    if user.is_sso() { Some(true) } else { user.is_typed().then_some(false) }
}

fn flag<'a>(reported: Option<bool>) -> VariableValue<'a> {
    reported.map_or(VariableValue::Null, VariableValue::Flag)
}

fn text(reported: Option<&str>) -> VariableValue<'_> {
    reported.map_or(VariableValue::Null, VariableValue::Text)
}

fn days(reported: &ReportedDate, count: impl Fn(Instant) -> i64) -> VariableValue<'_> {
    match reported {
        ReportedDate::At(at) => VariableValue::Number(count(*at)),
        ReportedDate::NotReported => VariableValue::Null,
        ReportedDate::Unreadable(written) => VariableValue::Unreadable(written),
    }
}

impl<'a> VariableValue<'a> {
    /// Returns the value for an expression; `None` if it is unreadable.
    pub(super) fn to_cel(&self) -> Option<Box<dyn Val + 'a>> {
        Some(match self {
            Self::Flag(flag) => Box::new(CelBool::from(*flag)),
            Self::Number(number) => Box::new(CelInt::from(*number)),
            Self::Text(text) => Box::new(CelString::from(*text)),
            Self::Texts(texts) => {
                let boxed = |text: &&'a str| Box::new(CelString::from(*text)) as Box<dyn Val + 'a>;
                Box::new(CelList::from(texts.iter().map(boxed).collect::<Vec<_>>()))
            }
            Self::Null => Box::new(CelNull),
            Self::Unreadable(_) => return None,
        })
    }

    /// Returns the value for evidence.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Flag(flag) => json!(flag),
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Texts(texts) => json!(texts.iter().take(SHOWN).collect::<Vec<_>>()),
            Self::Null => Value::Null,
            Self::Unreadable(written) => json!({ "unreadable": written }),
        }
    }

    /// Returns the number of texts if evidence does not show all of them.
    pub(super) fn cut(&self) -> Option<usize> {
        match self {
            Self::Texts(texts) if texts.len() > SHOWN => Some(texts.len()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::VARIABLES;

    #[test]
    fn every_variable_is_documented_and_in_the_example_configuration() {
        let document = include_str!("../../../docs/custom-rules.md");
        let example = include_str!("../../../cron/config.example.toml");
        for variable in &VARIABLES {
            assert!(document.contains(&format!("`{}`", variable.name)), "docs/custom-rules.md: {}", variable.name);
            let words =
                |line: &str| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|w| w == variable.name);
            assert!(example.lines().filter(|line| line.starts_with('#')).any(words), "the example: {}", variable.name);
        }
    }
}
