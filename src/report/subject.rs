//! Groups findings and changes by person across sources. A subject that belongs to no person is a group of its own.

use super::Shown;
use super::facts::Account;
use super::index::Index;
use super::text::counted;
use crate::model::{Change, ChangeKind, Subject, SubjectKind, User, UserKind};
use ahash::AHashMap;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What a row of the report is about: a person with accounts in any number of sources, or one subject of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SubjectKey<'a> {
    /// Number of the person.
    Person(u32),
    /// Source and id of an account without a person, a group or a source.
    Single(SubjectKind, &'a str, &'a str),
}

/// Finds the key of a subject, also of accounts that this run found removed.
pub(super) struct SubjectKeys<'a> {
    index: &'a Index<'a>,
    /// Persons of removed accounts, by source and id. Only the change still has their record.
    removed: AHashMap<(&'a str, &'a str), String>,
    /// Numbers of persons without a listed account.
    unlisted: AHashMap<String, u32>,
}

impl<'a> SubjectKeys<'a> {
    pub(super) fn of(index: &'a Index<'a>) -> Self {
        let removed = index.input.changes.iter().filter(|change| change.kind == ChangeKind::UserRemoved);
        let person = |change: &'a Change| Some((key(change), person_of_record(change.before.as_deref()?)?));
        let removed: AHashMap<_, String> = removed.filter_map(person).collect();
        let mut unlisted = AHashMap::new();
        for person in removed.values().filter(|person| index.facts().person(person).is_none()) {
            // Other persons have the position of an account as their number.
            let next = u32::try_from(index.facts().list.len() + unlisted.len()).unwrap_or(u32::MAX);
            unlisted.entry(person.clone()).or_insert(next);
        }
        Self { index, removed, unlisted }
    }

    pub(super) fn key(&self, source: &'a str, subject: &'a Subject) -> SubjectKey<'a> {
        let is_user = subject.kind == SubjectKind::User;
        self.key_of(source, subject, is_user.then(|| self.index.account(source, &subject.id)).flatten())
    }

    /// Returns the key of a subject; `account` is its account, if it is one that is listed.
    pub(super) fn key_of(&self, source: &'a str, subject: &'a Subject, account: Option<Account<'a>>) -> SubjectKey<'a> {
        let single = SubjectKey::Single(subject.kind, source, &subject.id);
        if subject.kind != SubjectKind::User {
            return single;
        }
        let person = match account {
            Some(account) => account.facts.person,
            None => self.removed.get(&(source, &*subject.id)).and_then(|person| self.number(person)),
        };
        person.map_or(single, SubjectKey::Person)
    }

    /// Returns the number of the person of a removed account.
    fn number(&self, person: &str) -> Option<u32> {
        self.index.facts().person(person).or_else(|| self.unlisted.get(person).copied())
    }

    /// Returns the key of a subject's person, see [`User::person`].
    fn person(&self, source: &str, subject: &Subject) -> String {
        let person = match self.index.user(source, &subject.id) {
            Some((_, user)) => user.person().map(Cow::into_owned),
            None => self.removed.get(&(source, &*subject.id)).cloned(),
        };
        person.unwrap_or_default()
    }
}

fn key(change: &Change) -> (&str, &str) {
    (change.source.as_str(), &change.subject.id)
}

/// Returns the person of an account from the fields that its removal reports.
fn person_of_record(record: &str) -> Option<String> {
    let fields: Value = serde_json::from_str(record).ok()?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let mut user = User::new("");
    user.email_address = text("email_address").map(Into::into);
    user.kind = text("kind").and_then(UserKind::parse)?;
    user.person().map(Cow::into_owned)
}

/// Collects items by key, in the order in which the keys occur first.
pub(super) fn grouped<'a, T>(items: impl Iterator<Item = (SubjectKey<'a>, T)>) -> Vec<(SubjectKey<'a>, Vec<T>)> {
    let mut places: AHashMap<SubjectKey<'a>, usize> = AHashMap::new();
    let mut groups: Vec<(SubjectKey<'a>, Vec<T>)> = Vec::new();
    for (key, item) in items {
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, items)) => items.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    groups
}

/// Names one or two sources; of more, returns the number.
pub(super) fn sources_in_words(sources: &BTreeSet<&str>) -> Shown {
    let names: Vec<&str> = sources.iter().copied().collect();
    match names[..] {
        [only] => Shown::name(only),
        [a, b] => Shown::sentence(&format!("{} and {}", Shown::name(a), Shown::name(b))),
        _ => Shown::name(&counted(names.len() as u64, "source", "sources")),
    }
}

/// Name of a row, and the line below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowName {
    /// Display name of the person; otherwise the name of the subject, or its id.
    pub name: Shown,
    /// E-mail address of the person, or id and source of the subject.
    pub under: Shown,
}

impl RowName {
    /// Returns the name of a row from one of its subjects.
    pub(super) fn of(keys: &SubjectKeys<'_>, key: SubjectKey<'_>, source: &str, subject: &Subject) -> Self {
        let name = subject.name.as_deref().unwrap_or(&subject.id);
        let user = (subject.kind == SubjectKind::User).then(|| keys.index.user(source, &subject.id)).flatten();
        let display = user.and_then(|(_, user)| user.display_name.as_deref());
        let display = display.filter(|display| !display.trim().is_empty());
        match key {
            SubjectKey::Person(_) => {
                let address = keys.person(source, subject);
                Self { name: Shown::name(display.unwrap_or(name)), under: Shown::name(&address) }
            }
            SubjectKey::Single(SubjectKind::Source, ..) => {
                Self { name: Shown::name(name), under: Shown::name("source") }
            }
            SubjectKey::Single(kind, source, id) => {
                let kind = if kind == SubjectKind::Group { "group" } else { "account" };
                let (id, source) = (Shown::name(id), Shown::name(source));
                let under = format!("{kind} id {id} in {source}");
                match display.filter(|display| *display != name) {
                    Some(display) => Self {
                        name: Shown::name(display),
                        under: Shown::sentence(&format!("{}, {under}", Shown::name(name))),
                    },
                    None => Self { name: Shown::name(name), under: Shown::sentence(&under) },
                }
            }
        }
    }
}
