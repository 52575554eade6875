//! What a correct snapshot of a world holds, cell by cell, worked out apart from the program: nothing here is shared with
//! the decoder, the join, the rules or the tables. Only for a source that was read whole (or whose groups were refused).

mod dates;
mod findings;
mod matching;

use super::world::{Record, World};
use chrono::{DateTime, Utc};
use dates::Login;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What the program was told: the parameters of an expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// The source's name in the configuration.
    pub source: String,
    /// The instant that ages are counted from.
    pub as_of: DateTime<Utc>,
    /// `stale_after_days`.
    pub stale_after_days: i64,
    /// `privileged_stale_after_days`.
    pub privileged_stale_after_days: i64,
    /// `never_logged_in_grace_days`.
    pub never_grace_days: i64,
    /// Patterns, as in the configuration.
    pub privileged_groups: Vec<String>,
    /// Patterns, as in the configuration.
    pub break_glass: Vec<String>,
    /// Patterns, as in the configuration.
    pub service_accounts: Vec<String>,
    /// False where the list of groups could not be read.
    pub groups_listed: bool,
    /// Server's clock minus ours.
    pub clock_skew_seconds: i64,
}

impl Expect {
    /// The thresholds that are the defaults, and the patterns of [`super::Sandbox::ready_configuration`].
    pub fn usual(source: &str, as_of: DateTime<Utc>) -> Self {
        let texts = |patterns: &[&str]| patterns.iter().map(|&p| p.to_owned()).collect();
        Self {
            source: source.to_owned(),
            as_of,
            stale_after_days: 90,
            privileged_stale_after_days: 45,
            never_grace_days: 30,
            privileged_groups: texts(&["Administrators", "glob:*admin*"]),
            break_glass: texts(&["glob:emergency-*"]),
            service_accounts: texts(&["glob:svc-*"]),
            groups_listed: true,
            clock_skew_seconds: 0,
        }
    }
}

/// One row of a table: column -> the text of the CSV cell in the `raw` dialect; null is the empty text.
pub type Row = BTreeMap<String, String>;

/// All that a snapshot of one source holds, sorted as its files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The rows of `users`.
    pub users: Vec<Row>,
    /// The rows of `groups`.
    pub groups: Vec<Row>,
    /// The rows of `memberships`.
    pub memberships: Vec<Row>,
    /// The findings, without wording.
    pub findings: Vec<ExpectedFinding>,
}

/// What must be true of a finding, whatever its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFinding {
    /// The rule's public id.
    pub rule: String,
    /// `info` to `critical`.
    pub severity: String,
    /// `user` or `source`.
    pub subject_kind: String,
    /// The user's id, or the source's name.
    pub subject_id: String,
    /// Always `new`.
    pub status: String,
    /// Whole days since the basis, for `stale-login` and `never-logged-in`.
    pub age_days: Option<i64>,
    /// The days that the age is compared with to make it a finding: the stale threshold, or the grace.
    pub threshold_days: Option<i64>,
    /// The basis as the table writes it, for the same two rules.
    pub basis: Option<String>,
    /// The groups that the user is still in (`disabled-in-group`) or that are missing (`dangling-group`), ascending.
    pub group_ids: Vec<String>,
}

impl World {
    /// The oracle.
    pub fn expected(&self, expect: &Expect) -> Expected {
        let groups: Vec<Known> = if expect.groups_listed {
            self.groups().map(|(id, record)| Known::read(id, record, expect)).collect()
        } else {
            Vec::new()
        };
        let people: Vec<Person> = self.users().map(|(id, record)| Person::read(id, record, expect)).collect();
        Expected {
            users: people.iter().map(|p| p.row(expect)).collect(),
            groups: groups.iter().map(|g| g.row(expect, &people)).collect(),
            memberships: membership_rows(expect, &groups, &people),
            findings: findings::of(expect, &groups, &people),
        }
    }
}

/// A group that the list names.
struct Known<'a> {
    id: String,
    record: &'a Record,
    name: Option<String>,
    privileged: bool,
}

impl<'a> Known<'a> {
    fn read(id: u64, record: &'a Record, expect: &Expect) -> Self {
        let (id, name) = (id.to_string(), text(record, "name"));
        let privileged = matching::any(&expect.privileged_groups, &id, name.as_deref());
        Self { id, record, name, privileged }
    }

    fn row(&self, expect: &Expect, people: &[Person]) -> Row {
        let members = people.iter().filter(|p| p.groups.iter().flatten().any(|id| *id == self.id)).count();
        cells([
            ("source", expect.source.clone()),
            ("id", self.id.clone()),
            ("name", self.name.clone().unwrap_or_default()),
            ("description", text(self.record, "description").unwrap_or_default()),
            ("privileged", self.privileged.to_string()),
            ("member_count", members.to_string()),
            ("external_member_count", "0".to_owned()),
            ("extra", extra(self.record, &["id", "name", "description"])),
        ])
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Person,
    Service,
    BreakGlass,
}

/// A user, read.
struct Person<'a> {
    id: String,
    record: &'a Record,
    username: Option<String>,
    enabled: Option<bool>,
    local: bool,
    kind: Kind,
    /// Ascending, each once; `None` where the record does not tell.
    groups: Option<Vec<String>>,
    login: Login,
    created: dates::Created,
}

impl<'a> Person<'a> {
    fn read(id: u64, record: &'a Record, expect: &Expect) -> Self {
        let (id, username) = (id.to_string(), text(record, "username"));
        let kind = if matching::any(&expect.break_glass, &id, username.as_deref()) {
            Kind::BreakGlass
        } else if matching::any(&expect.service_accounts, &id, username.as_deref()) {
            Kind::Service
        } else {
            Kind::Person
        };
        Self {
            id,
            record,
            username,
            enabled: record.get("enabled").and_then(Value::as_bool),
            local: text(record, "account_type").is_some_and(|t| t.to_lowercase() == "local"),
            kind,
            groups: record.get("group_memberships").and_then(Value::as_array).map(|ids| ids_of(ids)),
            login: Login::read(record.get("last_login")),
            created: dates::Created::read(record.get("created_at")),
        }
    }

    fn row(&self, expect: &Expect) -> Row {
        const KNOWN: [&str; 11] = [
            "id",
            "username",
            "display_name",
            "email_address",
            "enabled",
            "account_type",
            "group_memberships",
            "public_key",
            "last_login",
            "created_at",
            "locale",
        ];
        let told = |key| text(self.record, key).unwrap_or_default();
        let kind = match self.kind {
            Kind::Person => "person",
            Kind::Service => "service",
            Kind::BreakGlass => "break-glass",
        };
        cells([
            ("source", expect.source.clone()),
            ("id", self.id.clone()),
            ("username", self.username.clone().unwrap_or_default()),
            ("display_name", told("display_name")),
            ("email_address", told("email_address")),
            ("enabled", self.enabled.map(|e| e.to_string()).unwrap_or_default()),
            ("account_type", told("account_type")),
            ("kind", kind.to_owned()),
            ("group_memberships", json_list(self.groups.as_deref().unwrap_or_default())),
            ("groups_known", self.groups.is_some().to_string()),
            ("public_key", told("public_key")),
            ("last_login", self.login.cell()),
            ("last_login_status", self.login.status().to_owned()),
            ("created_at", self.created.cell()),
            ("locale", told("locale")),
            ("is_admin", String::new()),
            ("mfa", String::new()),
            ("expires_at", String::new()),
            ("extra", extra(self.record, &KNOWN)),
        ])
    }
}

fn membership_rows(expect: &Expect, groups: &[Known], people: &[Person]) -> Vec<Row> {
    let mut pairs: Vec<(&String, &Person)> =
        people.iter().flat_map(|p| p.groups.iter().flatten().map(move |group| (group, p))).collect();
    pairs.sort_by_key(|(group, person)| (sort_key(group), sort_key(&person.id)));
    let row = |(group, person): (&String, &Person)| {
        let name = groups.iter().find(|g| g.id == *group).and_then(|g| g.name.clone());
        cells([
            ("source", expect.source.clone()),
            ("group_id", group.clone()),
            ("group_name", name.unwrap_or_default()),
            ("user_id", person.id.clone()),
            ("username", person.username.clone().unwrap_or_default()),
            ("via", "direct".to_owned()),
            ("external_name", String::new()),
        ])
    };
    pairs.into_iter().map(row).collect()
}

fn cells<const N: usize>(cells: [(&str, String); N]) -> Row {
    cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect()
}

fn text(record: &Record, key: &str) -> Option<String> {
    record.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Numbers by value, before all other text.
fn sort_key(id: &str) -> (u64, String) {
    (id.parse().unwrap_or(u64::MAX), id.to_owned())
}

fn ids_of(ids: &[Value]) -> Vec<String> {
    let as_text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let each_once: BTreeSet<(u64, String)> = ids.iter().map(|id| sort_key(&as_text(id))).collect();
    each_once.into_iter().map(|(_, id)| id).collect()
}

fn json_list(ids: &[String]) -> String {
    Value::from(ids.to_vec()).to_string()
}

/// Fields that nobody announced, without what is secret, as compact JSON with sorted keys; empty where there is none.
fn extra(record: &Record, known: &[&str]) -> String {
    let kept: Map<String, Value> =
        record.iter().filter(|(key, _)| !known.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    let kept = clean(Value::Object(kept));
    if kept.as_object().is_some_and(Map::is_empty) { String::new() } else { kept.to_string() }
}

fn clean(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let secret = |key: &str| {
                let key = key.to_lowercase().replace(['_', '-', ' '], "");
                key.contains("password")
                    || key.contains("secret")
                    || key.contains("token")
                    || key.contains("privatekey")
                    || key.contains("apikey")
                    || key.contains("passphrase")
            };
            // By way of a sorted map, whatever order the JSON library keeps.
            let sorted: BTreeMap<String, Value> =
                fields.into_iter().filter(|(key, _)| !secret(key)).map(|(key, value)| (key, clean(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
        plain => plain,
    }
}
