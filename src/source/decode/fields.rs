//! One row on its way into the model, field by field.
//!
//! Connectors *take* the fields they know; a field that was read is removed. Fields that nobody takes, and values that
//! cannot be read, remain and become `extra` ([`Fields::into_extra`]). `peek` methods read a field and leave it in
//! place.

use super::value::{self, Lenient};
use super::{Decoding, Id, JsonRecord, Listed};
use crate::model::{Extra, LastLogin, ReportedDate, Text};
use serde_json::{Map, Value};
use std::cell::Cell;

/// Row of a list while its fields are taken.
pub(in crate::source) struct Fields<'a> {
    pub(in crate::source) id: Id,
    record: JsonRecord,
    list: &'static str,
    caseless: bool,
    notes: &'a Decoding,
    has_odd: Cell<bool>,
}

impl<'a> Fields<'a> {
    /// Starts with a row. `list` is the name of the list in the counts of unreadable values, such as `users`.
    pub(in crate::source) fn of(row: Listed, list: &'static str, notes: &'a Decoding) -> Self {
        Self { id: row.id, record: row.record, list, caseless: false, notes, has_odd: Cell::new(false) }
    }

    /// Compares names without case from now on, as SCIM requires (RFC 7643 §2.1).
    pub(in crate::source) fn caseless(mut self) -> Self {
        self.caseless = true;
        self
    }

    /// Returns a field without reading or removing it.
    pub(in crate::source) fn get(&self, key: &str) -> Option<&Value> {
        self.record.position_of(key, self.caseless).map(|at| &self.record.0[at].1)
    }

    /// Removes and returns a field without reading it.
    pub(in crate::source) fn take(&mut self, key: &str) -> Option<Value> {
        self.record.position_of(key, self.caseless).map(|at| self.record.0.swap_remove(at).1)
    }

    /// Replaces a field by the part of it that could not be read. That part stays in `extra` and is counted.
    pub(in crate::source) fn keep_odd(&mut self, key: &str, value: Value) {
        if let Some(at) = self.record.position_of(key, self.caseless) {
            self.record.0[at].1 = value;
            self.odd(key);
        }
    }

    /// Counts a value that could not be read.
    pub(in crate::source) fn odd(&self, key: &str) {
        self.has_odd.set(true);
        self.notes.odd(self.list, key, &self.id.to_text());
    }

    /// Returns whether any value of this row could not be read so far.
    pub(in crate::source) fn has_odd(&self) -> bool {
        self.has_odd.get()
    }

    /// Removes a field and returns its value. Null is removed, too; a value of an unexpected type stays and is counted.
    fn read<T>(&mut self, key: &str, read: impl Fn(&Value) -> Lenient<T>) -> Option<T> {
        let at = self.record.position_of(key, self.caseless)?;
        match read(&self.record.0[at].1) {
            Lenient::Read(value) => {
                self.record.0.swap_remove(at);
                Some(value)
            }
            Lenient::Null => {
                self.record.0.swap_remove(at);
                None
            }
            Lenient::Odd => {
                self.odd(key);
                None
            }
        }
    }

    /// Returns the value of a field and leaves the field in place.
    fn peek<T>(&self, key: &str, read: impl Fn(&Value) -> Lenient<T>) -> Option<T> {
        match read(self.get(key)?) {
            Lenient::Read(value) => Some(value),
            Lenient::Null => None,
            Lenient::Odd => {
                self.odd(key);
                None
            }
        }
    }

    /// Takes a text.
    pub(in crate::source) fn text(&mut self, key: &str) -> Option<Text> {
        // Almost all values are texts, which are copied once.
        let at = self.record.position_of(key, self.caseless)?;
        if self.record.0[at].1.is_string() {
            let Value::String(text) = self.record.0.swap_remove(at).1 else { return None };
            return Some(text.into());
        }
        self.read(key, value::text)
    }

    /// Takes a text that many rows share, such as a locale. Equal texts share one allocation.
    pub(in crate::source) fn shared_text(&mut self, key: &str) -> Option<Text> {
        self.text(key).map(|text| self.notes.intern(&text))
    }

    /// Takes a boolean.
    pub(in crate::source) fn flag(&mut self, key: &str) -> Option<bool> {
        self.read(key, value::flag)
    }

    /// Returns a boolean and leaves the field in place.
    pub(in crate::source) fn peek_flag(&self, key: &str) -> Option<bool> {
        self.peek(key, value::flag)
    }

    /// Returns a whole number and leaves the field in place.
    pub(in crate::source) fn peek_count(&self, key: &str) -> Option<u64> {
        self.peek(key, value::count)
    }

    /// Takes a list of ids. Returns the ids, and whether all of them are known.
    ///
    /// They are not all known if the field is absent or null, or if an item is no id. In the last case the field stays
    /// in `extra`.
    pub(in crate::source) fn ids(&mut self, key: &str) -> (Vec<Id>, bool) {
        let at = self.record.position_of(key, self.caseless);
        match at.map(|at| value::ids(&self.record.0[at].1)) {
            None => (Vec::new(), false),
            Some(Lenient::Null) => {
                drop(self.take(key));
                (Vec::new(), false)
            }
            Some(Lenient::Odd) => {
                self.odd(key);
                (Vec::new(), false)
            }
            Some(Lenient::Read(found)) if found.odd == 0 => {
                drop(self.take(key));
                (found.ids, true)
            }
            Some(Lenient::Read(found)) => {
                self.odd(key);
                (found.ids, false)
            }
        }
    }

    /// Takes a last login. An unreadable text is part of the result, not of the counts.
    pub(in crate::source) fn last_login(&mut self, key: &str) -> LastLogin {
        let at = self.record.position_of(key, self.caseless);
        let read = self.notes.last_login(at.map(|at| &self.record.0[at].1));
        self.take_date(key, at);
        read
    }

    /// Takes any other date. An unreadable text is part of the result, not of the counts.
    pub(in crate::source) fn date(&mut self, key: &str) -> ReportedDate {
        let at = self.record.position_of(key, self.caseless);
        let read = self.notes.date(at.map(|at| &self.record.0[at].1));
        self.take_date(key, at);
        read
    }

    /// Takes a date for which no `data-quality` finding of the account exists: an unreadable text stays in `extra` and
    /// is counted.
    pub(in crate::source) fn other_date(&mut self, key: &str) -> ReportedDate {
        let read = self.notes.date(self.get(key));
        if matches!(read, ReportedDate::Unreadable(_)) {
            self.odd(key);
        } else {
            drop(self.take(key));
        }
        read
    }

    /// Removes a date at this index. A value whose type cannot be a date stays and is counted.
    fn take_date(&mut self, key: &str, at: Option<usize>) {
        let Some(at) = at else { return };
        if matches!(self.record.0[at].1, Value::Bool(_) | Value::Array(_) | Value::Object(_)) {
            self.odd(key);
        } else {
            self.record.0.swap_remove(at);
        }
    }

    /// Returns the value at a JSON Pointer (RFC 6901) and leaves it in place. `None` for the empty pointer, which means
    /// the whole row.
    pub(in crate::source) fn at(&self, pointer: &str) -> Option<&Value> {
        // RFC 6901 §4: `~1` must be replaced before `~0`, so that `~01` becomes `~1` and not `/`.
        let mut path = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        let mut value = self.get(&path.next()?)?;
        for step in path {
            value = match value {
                Value::Object(_) if self.caseless => value::get(value, &step)?,
                Value::Object(fields) => fields.get(&step)?,
                Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// Returns the remaining fields as the `extra` column; `None` if there are none.
    pub(in crate::source) fn into_extra(self) -> Option<Extra> {
        if self.record.0.is_empty() {
            return None;
        }
        let fields: Map<String, Value> =
            self.record.0.into_iter().map(|(name, value)| (name.as_ref().to_owned(), value)).collect();
        Extra::of(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<'a>(json: &str, notes: &'a Decoding) -> Fields<'a> {
        Fields::of(Listed::of(serde_json::from_str(json).unwrap(), "id", false), "users", notes)
    }

    #[test]
    fn a_value_of_another_type_is_null_stays_in_extra_and_is_counted_once_per_row() {
        let notes = Decoding::default();
        for _ in 0..2 {
            let mut row = fields(r#"{"id":17,"enabled":"maybe","locale":{"code":"en"},"name":7,"gone":null}"#, &notes);
            assert_eq!((row.flag("enabled"), row.text("locale"), row.flag("gone")), (None, None, None));
            assert_eq!(row.text("name").as_deref(), Some("7"));
            assert_eq!(row.into_extra().as_deref(), Some(r#"{"enabled":"maybe","locale":{"code":"en"}}"#));
        }
        let odd: Vec<_> = notes.odd_values().into_iter().map(|odd| (odd.field, odd.count, odd.example)).collect();
        let expected = [("users.enabled", 1, "17"), ("users.locale", 1, "17")];
        assert_eq!(odd, expected.map(|(field, count, id)| (field.into(), count, id.into())));
    }

    #[test]
    fn a_list_with_an_item_that_is_no_id_is_not_fully_known_and_stays_in_extra() {
        let notes = Decoding::default();
        let mut row = fields(r#"{"id":1,"a":[1,true],"b":[2],"c":null,"d":"1,2"}"#, &notes);
        let numbers = |ids: Vec<Id>| ids.iter().map(|id| id.to_text().to_string()).collect::<Vec<_>>();
        let read = ["a", "b", "c", "d", "e"].map(|key| row.ids(key));
        let read = read.map(|(ids, known)| (numbers(ids), known));
        assert_eq!(read[0], (vec!["1".to_owned()], false));
        assert_eq!(read[1], (vec!["2".to_owned()], true));
        assert_eq!(read[2..], [(vec![], false), (vec![], false), (vec![], false)]);
        assert_eq!(row.into_extra().as_deref(), Some(r#"{"a":[1,true],"d":"1,2"}"#));
    }

    #[test]
    fn a_pointer_follows_names_with_slashes_and_colons() {
        let notes = Decoding::default();
        let row = fields(r#"{"id":1,"urn:x:2.0:User":{"a/b":{"last~Login":"now"}},"list":[1,2]}"#, &notes);
        assert_eq!(row.at("/urn:x:2.0:User/a~1b/last~0Login"), Some(&Value::from("now")));
        assert_eq!(row.at("/list/1"), Some(&Value::from(2)));
        assert_eq!((row.at("/list/x"), row.at("/nowhere"), row.at("")), (None, None, None));
        assert_eq!(row.caseless().at("/URN:X:2.0:user/A~1B/LAST~0LOGIN"), Some(&Value::from("now")));
    }

    #[test]
    fn names_are_compared_without_case_only_on_request() {
        let notes = Decoding::default();
        let mut row = fields(r#"{"id":1,"UserName":"a"}"#, &notes);
        assert_eq!(row.text("userName"), None);
        assert_eq!(row.caseless().text("userName").as_deref(), Some("a"));
    }
}
