//! Replays the table of changes on a state, and reads the state from the other tables.

use crate::rig::{Row, rows};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// State that the changes must rebuild: fields by account, names by group, pairs of group and member.
#[derive(Debug, Default, PartialEq)]
pub struct State {
    pub users: BTreeMap<String, BTreeMap<String, String>>,
    pub groups: BTreeMap<String, String>,
    pub pairs: BTreeSet<(String, String)>,
}

const FIELDS: [&str; 9] =
    ["username", "display_name", "email_address", "enabled", "account_type", "kind", "is_admin", "mfa", "expires_at"];

/// Reads the state from the CSV tables of a snapshot. An empty cell is a field without a value.
pub fn state(snapshot: &Path) -> State {
    let table = |name: &str| rows(&snapshot.join(format!("{name}.csv")));
    let key = |row: &Row, id: &str| format!("{}/{}", row["source"], row[id]);
    let fields = |row: &Row| {
        let present = FIELDS.iter().filter(|field| !row[**field].is_empty());
        present.map(|field| ((*field).to_owned(), row[*field].clone())).collect()
    };
    let member = |row: &Row| {
        if row["user_id"].is_empty() { format!("directory {}", row["external_name"]) } else { row["user_id"].clone() }
    };
    State {
        users: table("users").iter().map(|row| (key(row, "id"), fields(row))).collect(),
        groups: table("groups").iter().map(|row| (key(row, "id"), row["name"].clone())).collect(),
        pairs: table("memberships").iter().map(|row| (key(row, "group_id"), member(row))).collect(),
    }
}

fn object(json: &str) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, Value> = serde_json::from_str(json).unwrap();
    // Flags are JSON booleans; everything else is a text.
    let text =
        |value: Value| value.as_bool().map_or_else(|| value.as_str().unwrap().to_owned(), |flag| flag.to_string());
    let fields = fields.into_iter().map(|(field, value)| (field, text(value)));
    fields.filter(|(field, value)| field != "public_key" && !value.is_empty()).collect()
}

fn apply(state: &mut State, row: &Row) {
    let key = |id: &str| format!("{}/{id}", row["source"]);
    let subject = key(&row["subject_id"]);
    let pair = |value: &str| match row["field"].as_str() {
        "group_memberships" => (key(value), row["subject_id"].clone()),
        _ => (subject.clone(), format!("directory {value}")),
    };
    match row["kind"].as_str() {
        "user.added" => assert!(state.users.insert(subject, object(&row["after"])).is_none()),
        "user.removed" => assert!(state.users.remove(&subject).is_some()),
        "group.added" => {
            let name = object(&row["after"]).remove("name").unwrap_or_default();
            assert!(state.groups.insert(subject, name).is_none());
        }
        "group.removed" => assert!(state.groups.remove(&subject).is_some()),
        "group.renamed" => assert_eq!(state.groups.insert(subject, row["after"].clone()), Some(row["before"].clone())),
        "membership.added" => assert!(state.pairs.insert(pair(&row["after"]))),
        "membership.removed" => assert!(state.pairs.remove(&pair(&row["before"])), "{row:?}"),
        _ if row["field"] == "public_key" => {}
        "user.renamed" | "user.changed" | "user.enabled" | "user.disabled" => {
            let fields = state.users.get_mut(&subject).unwrap();
            assert_eq!(fields.remove(&row["field"]).unwrap_or_default(), row["before"]);
            if !row["after"].is_empty() {
                fields.insert(row["field"].clone(), row["after"].clone());
            }
        }
        other => panic!("{other}"),
    }
}

impl State {
    pub fn apply_all(&mut self, rows: &[Row]) {
        for row in rows.iter().filter(|row| row["kind"] != "user.unconfirmed") {
            apply(self, row);
        }
    }
}

pub fn changes(snapshot: &Path) -> Vec<Row> {
    rows(&snapshot.join("changes.csv"))
}

/// Applies the changes of one run after another, each change once.
///
/// A run after a partial one can have the same baseline and then repeats the changes of the partial run.
pub struct Replay {
    pub state: State,
    applied: BTreeSet<Vec<String>>,
}

impl Replay {
    pub fn starting_at(snapshot: &Path) -> Self {
        Self { state: state(snapshot), applied: BTreeSet::new() }
    }

    /// Returns the kinds of all changes so far.
    pub fn kinds(&self) -> BTreeSet<&str> {
        self.applied.iter().map(|change| change[2].as_str()).collect()
    }

    /// Applies the changes of a snapshot.
    pub fn apply(&mut self, snapshot: &Path) {
        for row in changes(snapshot) {
            let key = ["base_run", "source", "kind", "subject_id", "field", "before", "after"];
            if row["kind"] != "user.unconfirmed" && self.applied.insert(key.map(|column| row[column].clone()).to_vec())
            {
                apply(&mut self.state, &row);
            }
        }
    }
}
