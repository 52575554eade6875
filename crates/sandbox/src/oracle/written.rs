//! A record as the server writes it, and as a reader understands it. `extra` quotes the first, the other cells hold the
//! second.

use super::{cells, dates};
use crate::dialect::{DialectContext, InterfaceFamily, RecordKind};
use crate::record::Record;
use serde_json::{Value, json};

/// Character that replaces bytes and surrogates that are not Unicode (U+FFFD).
const REPLACEMENT: char = '\u{fffd}';

/// A record in both forms.
pub(super) struct WrittenRecord {
    family: InterfaceFamily,
    record: Record,
    understood: Record,
    odd: Vec<&'static str>,
}

/// Fields of dates that have cells.
const DATES: [&str; 4] = ["last_login", "created_at", "last_authentication", "LastLoginDate"];

impl WrittenRecord {
    /// Applies the dialects to a record in the words of its interface.
    pub(super) fn of(
        context: &DialectContext<'_>,
        family: InterfaceFamily,
        kind: RecordKind,
        mut record: Record,
    ) -> Self {
        context.content(family, kind, &mut record);
        let odd = context.odd_field(family, kind, &record);
        let mut understood = record.clone();
        match odd {
            // A date that is a list is unreadable, not missing.
            Some("created_at") => drop(understood.insert("created_at".to_owned(), json!([]))),
            Some(field) => drop(understood.remove(field)),
            None => {}
        }
        if let Some(name) = context.broken_name(family, kind, &understood)
            && let Some(Value::String(text)) = understood.get_mut(name)
        {
            text.push(REPLACEMENT);
        }
        context.wording(family, kind, &mut record);
        let dates = DATES.into_iter().filter(|date| understood.get(*date).is_some_and(dates::is_odd));
        let odd = odd.into_iter().filter(|field| !DATES.contains(field)).chain(dates).collect();
        Self { family, record, understood, odd }
    }

    /// Returns the record as a reader understands it: documented names, and values of documented types.
    pub(super) fn understood(&self) -> &Record {
        &self.understood
    }

    /// Returns whether a value has an unexpected type.
    pub(super) fn is_odd(&self) -> bool {
        !self.odd.is_empty()
    }

    /// Returns whether the value of this field has an unexpected type.
    pub(super) fn is_odd_in(&self, field: &str) -> bool {
        self.odd.contains(&field)
    }

    /// Returns the `extra` cell: fields without a cell of their own, and values of unexpected types, as the server
    /// wrote them.
    pub(super) fn extra(&self, known: &[&str]) -> String {
        let same = |a: &str, b: &str| match self.family {
            // Attribute names ignore case (RFC 7643 §2.1).
            InterfaceFamily::Scim => a.eq_ignore_ascii_case(b),
            _ => a == b,
        };
        let has_a_cell =
            |key: &&str| known.iter().any(|known| same(known, key)) && !self.odd.iter().any(|odd| same(odd, key));
        let known: Vec<&str> = self.record.keys().map(String::as_str).filter(has_a_cell).collect();
        cells::extra(&self.record, &known)
    }
}
