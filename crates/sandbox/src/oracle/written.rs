//! A record as the server writes it, and what a reader can understand of it: `extra` quotes the one, the cells hold the other.

use super::super::dialect::{InterfaceFamily, RecordKind, Scene};
use super::super::world::Record;
use super::{cells, dates};
use serde_json::{Value, json};

/// The character that stands for what is no Unicode.
const REPLACEMENT: char = '\u{fffd}';

/// One record.
pub(super) struct WrittenRecord {
    family: InterfaceFamily,
    record: Record,
    understood: Record,
    odd: Vec<&'static str>,
}

/// The dates of a record that have cells.
const DATES: [&str; 4] = ["last_login", "created_at", "last_authentication", "LastLoginDate"];

impl WrittenRecord {
    /// Takes a record as the surface's shape makes it.
    pub(super) fn of(scene: &Scene<'_>, family: InterfaceFamily, kind: RecordKind, mut record: Record) -> Self {
        scene.content(family, kind, &mut record);
        let odd = scene.odd_field(family, kind, &record);
        let mut understood = record.clone();
        match odd {
            // A date that is a list is a date that cannot be read, not one that is missing.
            Some("created_at") => drop(understood.insert("created_at".to_owned(), json!([]))),
            Some(field) => drop(understood.remove(field)),
            None => {}
        }
        if let Some(name) = scene.broken_name(family, kind, &understood)
            && let Some(Value::String(text)) = understood.get_mut(name)
        {
            text.push(REPLACEMENT);
        }
        scene.wording(family, kind, &mut record);
        let dates = DATES.into_iter().filter(|date| understood.get(*date).is_some_and(dates::is_odd));
        let odd = odd.into_iter().filter(|field| !DATES.contains(field)).chain(dates).collect();
        Self { family, record, understood, odd }
    }

    /// What a reader understands: the fields by their documented names, in their documented types.
    pub(super) fn understood(&self) -> &Record {
        &self.understood
    }

    /// Whether a value has a type that nobody expects.
    pub(super) fn is_odd(&self) -> bool {
        !self.odd.is_empty()
    }

    /// Whether it is the value of this field.
    pub(super) fn is_odd_in(&self, field: &str) -> bool {
        self.odd.contains(&field)
    }

    /// `extra`: what is no cell of its own, and the values that are too odd for theirs, as the server wrote them.
    pub(super) fn extra(&self, known: &[&str]) -> String {
        let same = |a: &str, b: &str| match self.family {
            // RFC 7643 §2.1.
            InterfaceFamily::Scim => a.eq_ignore_ascii_case(b),
            _ => a == b,
        };
        let has_a_cell =
            |key: &&str| known.iter().any(|known| same(known, key)) && !self.odd.iter().any(|odd| same(odd, key));
        let known: Vec<&str> = self.record.keys().map(String::as_str).filter(has_a_cell).collect();
        cells::extra(&self.record, &known)
    }
}
