//! What is counted while the records of one source are decoded: dates without a time zone and values that could not be
//! read. Also shares texts that many records repeat.

use crate::model::{Interner, LastLogin, OddValue, ReportedDate, SourceReading, Text, User, instant_text, thousands};
use crate::source::date::{self, Parsed, Raw};
use ahash::AHashSet;
use chrono::TimeDelta;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Counters and shared texts of one source in one run.
#[derive(Default)]
pub(in crate::source) struct Decoding {
    texts: RefCell<Interner>,
    without_offset: Cell<u64>,
    /// Ids of the rows with an unreadable value, by list and field. A set, because pages overlap and a row may be read
    /// twice.
    odd: RefCell<BTreeMap<FieldKey, AHashSet<Text>>>,
}

/// Name of a list, and of one of its fields.
type FieldKey = (&'static str, Box<str>);

impl Decoding {
    /// Returns the shared copy of a text that many records repeat.
    pub(in crate::source) fn intern(&self, text: &str) -> Text {
        self.texts.borrow_mut().text(text)
    }

    /// Counts an unreadable value of the row `id`.
    pub(in crate::source) fn odd(&self, list: &'static str, field: &str, id: &str) {
        self.odd.borrow_mut().entry((list, field.into())).or_default().insert(id.into());
    }

    /// Returns the counts of unreadable values by field. The example is the first id in text order, so that it does not
    /// change by chance.
    pub(in crate::source) fn odd_values(&self) -> Vec<OddValue> {
        let odd = self.odd.borrow();
        let value = |((list, field), ids): (&FieldKey, &AHashSet<Text>)| OddValue {
            field: format!("{list}.{field}"),
            count: ids.len() as u64,
            example: ids.iter().min().cloned().unwrap_or_default(),
        };
        odd.iter().map(value).collect()
    }

    /// Reads a last login from JSON; `None` means that the key is absent.
    pub(in crate::source) fn last_login(&self, value: Option<&Value>) -> LastLogin {
        with_raw(value, |raw| self.counted(date::last_login(raw)))
    }

    /// Reads any other date from JSON; `None` means that the key is absent.
    pub(in crate::source) fn date(&self, value: Option<&Value>) -> ReportedDate {
        with_raw(value, |raw| self.counted(date::reported(raw)))
    }

    /// Counts the date if UTC was assumed, and returns its value.
    fn counted<T>(&self, parsed: Parsed<T>) -> T {
        self.without_offset.set(self.without_offset.get() + u64::from(parsed.assumed_utc));
        parsed.value
    }

    /// Adds the counts to the reading, and checks the last logins. `replaced` is the number of characters replaced by
    /// U+FFFD.
    pub(in crate::source) fn finish(&self, reading: &mut SourceReading, replaced: u64) {
        match self.without_offset.get() {
            0 => {}
            1 => reading.notes.push("1 date has no time zone; UTC was assumed".to_owned()),
            n => reading.notes.push(format!("{} dates have no time zone; UTC was assumed", thousands(n))),
        }
        reading.odd_values.extend(self.odd_values());
        if replaced > 0 {
            let example = reading.users.iter().find(|user| has_replaced(user)).map(|user| user.id.as_str().into());
            let field = "invalid characters".to_owned();
            reading.odd_values.push(OddValue { field, count: replaced, example: example.unwrap_or_default() });
            reading.notes.push(format!(
                "{} characters were replaced by U+FFFD: they were invalid UTF-8 or half of a surrogate pair",
                thousands(replaced)
            ));
        }
        // Not earlier: the two dates of a user may come from different answers, the list and the record.
        reading.users.iter_mut().for_each(check_login);
    }
}

/// Returns whether a text of the user contains a replaced character.
fn has_replaced(user: &User) -> bool {
    let texts = [&user.username, &user.display_name, &user.email_address];
    texts.into_iter().flatten().any(|text| text.contains(char::REPLACEMENT_CHARACTER))
}

/// Marks a login as unreadable if it is more than a day before the creation of the account. The day allows for
/// differing clocks and zones.
fn check_login(user: &mut User) {
    if let (LastLogin::At(login), ReportedDate::At(created)) = (&user.last_login, &user.created_at)
        && *created - *login > TimeDelta::days(1)
    {
        user.last_login = LastLogin::Unreadable(instant_text(*login).into());
    }
}

/// Passes a JSON value to the date parser, with the digits of a number as written.
fn with_raw<T>(value: Option<&Value>, read: impl FnOnce(Raw<'_>) -> T) -> T {
    match value {
        None => read(Raw::Absent),
        Some(Value::Null) => read(Raw::Null),
        Some(Value::String(text)) => read(Raw::Text(text)),
        Some(Value::Number(number)) => read(Raw::Number(&number.to_string())),
        Some(other) => read(Raw::Other(&other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_more_than_a_day_before_the_creation_of_the_account_is_unreadable() {
        for (login, readable) in [
            ("2025-11-20T08:00:00Z", true),
            ("2025-11-19T08:00:00Z", true),
            ("2025-11-19T07:59:59Z", false),
            ("2001-01-01T00:00:00Z", false),
        ] {
            let mut user = User::new("1");
            user.created_at = ReportedDate::At("2025-11-20T08:00:00Z".parse().unwrap());
            user.last_login = LastLogin::At(login.parse().unwrap());
            check_login(&mut user);
            assert_eq!(user.last_login.at().is_some(), readable, "{login}");
        }
    }

    #[test]
    fn the_greatest_and_the_smallest_instant_are_compared_without_an_overflow() {
        use crate::model::Instant;
        for (login, created) in [(Instant::MAX_UTC, Instant::MIN_UTC), (Instant::MIN_UTC, Instant::MAX_UTC)] {
            let mut user = User::new("1");
            (user.created_at, user.last_login) = (ReportedDate::At(created), LastLogin::At(login));
            check_login(&mut user);
            assert_eq!(user.last_login.at().is_some(), login > created);
        }
    }
}
