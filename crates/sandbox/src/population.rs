//! Users and groups of a seeded world: people, service and emergency accounts, like those of a real tenant.
//!
//! The same seed, number of users and instant give the same world. Unusual records are in `unusual`, the changes of a
//! day in `day`, and what only some interfaces report in `tenant` and `third_parties`.

mod day;
mod tenant;
mod third_parties;
mod unusual;

use crate::record::Record;
use crate::world::World;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};
use std::collections::HashMap;

const FIRST: [&str; 40] = [
    "Ada", "Amir", "Anna", "Ben", "Carla", "Chen", "Dana", "David", "Elena", "Emeka", "Eva", "Farid", "Grace", "Hana",
    "Hugo", "Ines", "Ivan", "Jana", "João", "Kamal", "Karin", "Lars", "Leila", "Linh", "Marco", "María", "Mei",
    "Nadia", "Noah", "Olga", "Omar", "Petra", "Priya", "Rosa", "Sam", "Søren", "Tomás", "Uma", "Yusuf", "Zoë",
];
const LAST: [&str; 40] = [
    "Abbott", "Almeida", "Andersen", "Bauer", "Berg", "Costa", "Dubois", "Eriksen", "Ferrari", "Fischer", "García",
    "Gupta", "Haddad", "Hansen", "Hoffmann", "Ivanova", "Jensen", "Kaya", "Keller", "Kim", "Kowalski", "Larsen", "Lee",
    "López", "Martin", "Meyer", "Moreau", "Nguyen", "Novak", "Okafor", "Olsen", "Patel", "Rossi", "Sato", "Schmidt",
    "Silva", "Singh", "Tanaka", "Weber", "Yilmaz",
];
const TEAMS: [&str; 10] =
    ["Finance", "Payroll", "Network", "Windows", "Linux", "Database", "Factory", "Warehouse", "Support", "Cloud"];
const PLACES: [&str; 8] = ["Lisbon", "Oslo", "Leeds", "Graz", "Porto", "Lyon", "Delft", "Turku"];
const LOCALES: [&str; 6] = ["en-US", "en-GB", "de-DE", "fr-FR", "pt-PT", "nb-NO"];
const SERVICES: [&str; 6] = ["svc-backup", "svc-scan", "svc-deploy", "svc-cmdb", "svc-monitor", "svc-report"];

/// Names and descriptions of the first groups. The first two are privileged, by the patterns of
/// [`crate::Expect::usual`].
const FIRST_GROUPS: [(&str, &str); 8] = [
    ("Administrators", "Full control of the appliance"),
    ("Vault admins", "Manage credentials in the vault"),
    ("Operators", "Daily operation"),
    ("Auditors", "Read reports and recordings"),
    ("Help desk", "Support sessions with employees"),
    ("Developers", "Jump to build machines"),
    ("Vendors", "Third parties, under contract"),
    ("-Contractors, \"external\"", "Leave when the project ends\nowner: HR"),
];
const PRIVILEGED: usize = 2;

const DAY: i64 = 86_400;

impl World {
    /// Returns a world with this number of users, unusual ones among them. From 200 users on, each kind of unusual
    /// record occurs at least once. Ages are counted back from `as_of`, in whole seconds.
    pub fn seeded(seed: u64, users: usize, as_of: DateTime<Utc>) -> Self {
        let mut world = Self::of_people(seed, users, as_of);
        unusual::add(&mut world, &mut Rng::with_seed(seed ^ 0xA3), as_of);
        tenant::add_details(&mut world, seed, as_of);
        tenant::make_incomplete(&mut world, seed);
        world
    }

    /// Returns a world without unusual records: every record is complete, and all have the same fields.
    pub fn ordinary(seed: u64, users: usize, as_of: DateTime<Utc>) -> Self {
        let mut world = Self::of_people(seed, users, as_of);
        tenant::add_details(&mut world, seed, as_of);
        world
    }

    fn of_people(seed: u64, users: usize, as_of: DateTime<Utc>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut world = Self::empty();
        let groups = add_groups(&mut world, &mut rng, users);
        let mut people = PeopleGenerator { rng, as_of, groups, names: HashMap::new() };
        let mut id = 1;
        for place in 0..users {
            // Ids have gaps, small ones and a few large ones, as after years of deletions.
            id += if people.rng.u8(..20) == 0 { people.rng.u64(5..60) } else { people.rng.u64(1..4) };
            let record = people.record_at(place, users);
            world.put_user(id, record);
        }
        world
    }

    /// Adds a user who joins now, for churn and for the changes of a day.
    pub(super) fn add_newcomer(&mut self, rng: &mut Rng, now: DateTime<Utc>) {
        let record = self.newcomer(rng, now);
        let id = self.add_user(record);
        tenant::set_random_details(self, id, id);
    }

    fn newcomer(&self, rng: &mut Rng, now: DateTime<Utc>) -> Record {
        let groups = self.groups().map(|(id, _)| id).collect();
        let mut people = PeopleGenerator { rng: rng.fork(), as_of: now, groups, names: HashMap::new() };
        let mut record = people.person();
        // The number makes the username unique: two users of the same name may join.
        let name = format!("{}.{}", text_of(&record, "username"), self.user_count() + rng.usize(..1 << 40));
        record.insert("username".to_owned(), name.into());
        record.insert("created_at".to_owned(), written(now));
        record.insert("last_login".to_owned(), Value::Null);
        record
    }
}

fn add_groups(world: &mut World, rng: &mut Rng, users: usize) -> Vec<u64> {
    let count = (users / 50).max(FIRST_GROUPS.len());
    let mut id = 2;
    let mut ids = Vec::with_capacity(count);
    for place in 0..count {
        id += rng.u64(1..6);
        ids.push(id);
        let (name, description) = match FIRST_GROUPS.get(place) {
            Some((name, description)) => ((*name).to_owned(), (*description).to_owned()),
            None => (
                format!("{} {} {place}", TEAMS[rng.usize(..TEAMS.len())], PLACES[rng.usize(..PLACES.len())]),
                "Access to the team's machines".to_owned(),
            ),
        };
        world.put_group(id, object(json!({"name": name, "description": description})));
    }
    ids
}

/// Generates one record after the other.
struct PeopleGenerator {
    rng: Rng,
    as_of: DateTime<Utc>,
    groups: Vec<u64>,
    names: HashMap<String, u32>,
}

impl PeopleGenerator {
    /// Returns the record at an index: a few emergency accounts first, then a service account at every 33rd, else a
    /// person.
    fn record_at(&mut self, place: usize, users: usize) -> Record {
        if users >= 20 && place < (users / 1000).max(2) {
            self.emergency_account(place)
        } else if place % 33 == 7 {
            self.service_account()
        } else {
            self.person()
        }
    }

    fn person(&mut self) -> Record {
        let (first, last) = (FIRST[self.rng.usize(..FIRST.len())], LAST[self.rng.usize(..LAST.len())]);
        let username = self.unused_name(&format!("{first}.{last}").to_lowercase());
        let privileged = self.rng.u8(..100) < 3;
        // Of 100 people 8 are stale, 7 are disabled (half of them still in their groups), and 1 has no group.
        let outcome = self.rng.u8(..100);
        let recent = if privileged { 40 } else { 60 };
        // A privileged account is stale after 45 days already, so its recent logins are at most 40 days old.
        let age = if outcome < 8 { self.seconds(90, 900) } else { self.seconds(0, recent) };
        let disabled = (8..15).contains(&outcome);
        let groups = if outcome == 15 || (disabled && outcome.is_multiple_of(2)) {
            Vec::new()
        } else {
            self.memberships(privileged)
        };
        let account_type = ["SAML", "LDAP", "local"][self.rng.choice([0, 0, 0, 0, 1, 1, 1, 2]).unwrap_or(0)];
        object(json!({
            "username": username,
            "display_name": format!("{first} {last}"),
            "email_address": format!("{username}@example.com"),
            "enabled": !disabled,
            "account_type": account_type,
            "group_memberships": groups,
            "public_key": (self.rng.u8(..10) == 0).then(|| self.ssh_key(&username)),
            "last_login": written(self.as_of - TimeDelta::seconds(age)),
            "created_at": written(self.as_of - TimeDelta::seconds(age + self.seconds(1, 2000))),
            "locale": self.rng.choice(LOCALES),
        }))
    }

    fn service_account(&mut self) -> Record {
        let base = SERVICES[self.rng.usize(..SERVICES.len())];
        let username = self.unused_name(base);
        let age = self.seconds(100, 2000);
        let last_login = if self.rng.bool() { Value::Null } else { written(self.as_of - TimeDelta::seconds(age / 2)) };
        object(json!({
            "username": username,
            "display_name": format!("Service account {username}"),
            "email_address": null,
            "enabled": true,
            "account_type": "local",
            "group_memberships": self.memberships(false),
            "public_key": self.ssh_key(&username),
            "last_login": last_login,
            "created_at": written(self.as_of - TimeDelta::seconds(age)),
            "locale": null,
        }))
    }

    fn emergency_account(&mut self, place: usize) -> Record {
        let age = self.seconds(200, 2000);
        object(json!({
            "username": format!("emergency-{}", place + 1),
            "display_name": format!("Emergency access {}", place + 1),
            "email_address": "security@example.com",
            "enabled": true,
            "account_type": "local",
            "group_memberships": self.memberships(true),
            "public_key": null,
            "last_login": null,
            "created_at": written(self.as_of - TimeDelta::seconds(age)),
            "locale": "en-US",
        }))
    }

    fn unused_name(&mut self, base: &str) -> String {
        let times = self.names.entry(base.to_owned()).or_insert(0);
        *times += 1;
        if *times == 1 { base.to_owned() } else { format!("{base}{times}") }
    }

    /// Returns one to four groups, one of them privileged if asked for.
    fn memberships(&mut self, privileged: bool) -> Vec<u64> {
        let mut ids: Vec<u64> = Vec::new();
        if privileged {
            ids.extend(self.groups.get(self.rng.usize(..PRIVILEGED)));
        }
        let rest = self.groups.get(PRIVILEGED..).unwrap_or_default();
        ids.extend((0..self.rng.usize(1..4)).filter_map(|_| self.rng.choice(rest)));
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn seconds(&mut self, from_days: i64, to_days: i64) -> i64 {
        self.rng.i64(from_days * DAY..to_days * DAY)
    }

    fn ssh_key(&mut self, owner: &str) -> String {
        let body: String = (0..43).map(|_| self.rng.alphanumeric()).collect();
        format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{body} {owner}@laptop")
    }
}

/// Returns an instant as the guide writes it: RFC 3339 in whole seconds, UTC.
fn written(at: DateTime<Utc>) -> Value {
    at.to_rfc3339_opts(SecondsFormat::Secs, true).into()
}

fn object(value: Value) -> Record {
    match value {
        Value::Object(record) => record,
        _ => Record::new(),
    }
}

fn text_of<'a>(record: &'a Record, key: &str) -> &'a str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}
