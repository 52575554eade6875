//! The variables of an expression: what each is called, of which type it is, and what it comes to for one account. What is not
//! told is null; a date that was told and cannot be read is neither null nor a number. Knows no expression.

use super::super::staleness::age_days;
use crate::model::{Blocked, Instant, ReportedDate, SourceInventory, User, UserKind};
use cel::common::types::{CelBool, CelInt, CelList, CelNull, CelString};
use cel::common::value::Val;
use serde_json::{Value, json};

/// Texts of one list that evidence shows: a cell must not outgrow what spreadsheets take.
pub(super) const SHOWN: usize = 100;

/// Of which type a variable is, where it is not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VariableType {
    Flag,
    Number,
    Text,
    Texts,
}

/// What a variable comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VariableValue<'a> {
    Flag(bool),
    Number(i64),
    Text(&'a str),
    Texts(Vec<&'a str>),
    /// Not told.
    Null,
    /// Told, and not to be read: what an expression says of it cannot be judged.
    Unreadable(&'a str),
}

/// One variable.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) kind: VariableType,
    pub(super) of: for<'a> fn(&SourceContext<'a>, &'a User) -> VariableValue<'a>,
}

/// What is known of a source before any of its users is looked at.
pub(in super::super) struct SourceContext<'a> {
    source_inventory: &'a SourceInventory,
    as_of: Instant,
    /// The list of groups and, where groups list their members, those lists are whole: a membership that is not told is none,
    /// and a group without a name has none.
    groups_whole: bool,
    /// Some account of the source has a key: one without a key is then told to have none.
    reports_keys: bool,
    /// Some account of the source has an end or is blocked: one without is then told to have none.
    reports_ends: bool,
}

impl<'a> SourceContext<'a> {
    pub(in super::super) fn of(source_inventory: &'a SourceInventory, as_of: Instant) -> Self {
        Self {
            source_inventory,
            as_of,
            groups_whole: source_inventory.reading.memberships_whole(),
            reports_keys: source_inventory.reading.users.iter().any(|user| user.public_key.is_some()),
            reports_ends: source_inventory
                .reading
                .users
                .iter()
                .any(|user| user.expires_at != ReportedDate::Not || user.blocked.is_some()),
        }
    }

    /// Names of the account's groups; the id of one that has no name.
    fn groups(&self, user: &'a User) -> VariableValue<'a> {
        if !(user.groups_known && self.groups_whole) {
            return VariableValue::Null;
        }
        let name = |id| self.source_inventory.group(id).and_then(|group| group.name.as_deref());
        VariableValue::Texts(user.group_memberships.iter().map(|id| name(id).unwrap_or(id.as_str())).collect())
    }

    fn group_ids(&self, user: &'a User) -> VariableValue<'a> {
        if !(user.groups_known && self.groups_whole) {
            return VariableValue::Null;
        }
        VariableValue::Texts(user.group_memberships.iter().map(crate::model::GroupId::as_str).collect())
    }

    fn has_public_key(&self, user: &User) -> Option<bool> {
        user.public_key.as_deref().map(|key| !key.is_empty()).or(self.reports_keys.then_some(false))
    }

    /// Past its end, whatever else keeps it from signing in. An end that was told and cannot be read may have passed.
    fn expired(&self, user: &'a User) -> VariableValue<'a> {
        match &user.expires_at {
            _ if user.blocked == Some(Blocked::Expired) => VariableValue::Flag(true),
            ReportedDate::At(end) => VariableValue::Flag(*end <= self.as_of),
            ReportedDate::Unreadable(written) => VariableValue::Unreadable(written),
            ReportedDate::Not if self.reports_ends => VariableValue::Flag(false),
            ReportedDate::Not => VariableValue::Null,
        }
    }

    fn blocked(&self, user: &'a User) -> VariableValue<'a> {
        if user.blocked_at(self.as_of).is_some() { VariableValue::Flag(true) } else { self.expired(user) }
    }

    /// Whole days of 86,400 s from one instant to another; below 0 where it has passed.
    fn days_until(&self, end: Instant) -> i64 {
        (end - self.as_of).num_seconds().div_euclid(86_400)
    }
}

/// In the order of the documentation. Instants come as ages only, so that whoever has the evidence can recompute them.
pub(super) const VARIABLES: [Variable; 26] = [
    variable("source", VariableType::Text, |around, _| {
        VariableValue::Text(around.source_inventory.reading.source.name.as_str())
    }),
    variable("source_kind", VariableType::Text, |around, _| {
        VariableValue::Text(&around.source_inventory.reading.source.kind)
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
    variable("is_privileged", VariableType::Flag, |around, user| flag(around.source_inventory.privilege(user))),
    variable("mfa", VariableType::Flag, |_, user| flag(user.mfa)),
    variable("groups", VariableType::Texts, |around, user| around.groups(user)),
    variable("group_ids", VariableType::Texts, |around, user| around.group_ids(user)),
    variable("groups_known", VariableType::Flag, |_, user| VariableValue::Flag(user.groups_known)),
    variable("days_since_login", VariableType::Number, |around, user| {
        user.last_login.at().map_or(VariableValue::Null, |at| VariableValue::Number(age_days(around.as_of, at).into()))
    }),
    variable("last_login_status", VariableType::Text, |_, user| VariableValue::Text(user.last_login.status())),
    variable("days_since_created", VariableType::Number, |around, user| {
        days(&user.created_at, |at| age_days(around.as_of, at).into())
    }),
    variable("days_until_expiry", VariableType::Number, |around, user| {
        days(&user.expires_at, |at| around.days_until(at))
    }),
    variable("expired", VariableType::Flag, |around, user| around.expired(user)),
    variable("blocked", VariableType::Flag, |around, user| around.blocked(user)),
    variable("has_public_key", VariableType::Flag, |around, user| flag(around.has_public_key(user))),
    variable("passkeys", VariableType::Number, |_, user| {
        user.passkeys
            .map_or(VariableValue::Null, |count| VariableValue::Number(i64::try_from(count).unwrap_or(i64::MAX)))
    }),
    variable("locale", VariableType::Text, |_, user| text(user.locale.as_deref())),
];

/// Every word that a variable can be, where it is one of a few: another one in its place is a slip that would make the rule
/// silent.
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

/// The account's type or what it signed in by says so, or its type says otherwise.
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
        ReportedDate::Not => VariableValue::Null,
        ReportedDate::Unreadable(written) => VariableValue::Unreadable(written),
    }
}

impl<'a> VariableValue<'a> {
    /// As expressions see it; `None` where they cannot.
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

    /// As evidence shows it.
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

    /// How many texts there are, where evidence does not show all of them.
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
    fn every_variable_stands_in_the_readme_and_in_the_example_of_a_configuration() {
        let (readme, example) = (include_str!("../../../README.md"), include_str!("../../../cron/config.example.toml"));
        for variable in &VARIABLES {
            assert!(readme.contains(&format!("`{}`", variable.name)), "README.md: {}", variable.name);
            let words =
                |line: &str| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|w| w == variable.name);
            assert!(example.lines().filter(|line| line.starts_with('#')).any(words), "the example: {}", variable.name);
        }
    }
}
