//! Edits one record by the dialects: first its content ([`DialectContext::content`]), then its wording
//! ([`DialectContext::wording`]).
//!
//! The server applies both. The oracle calls them separately: cells follow the content, `extra` quotes the wording.

use super::Dialect::{
    self, BareMembers, BrokenText, FloatIntegers, ForeignDates, ForeignMemberTypes, GuidIds, LowerCaseKeys, NoGroups,
    NumberBooleans, ObjectIds, OddValues, PascalCaseKeys, RefMembers, SilentNever, SingleValues, TextBooleans,
    TextNumbers,
};
use super::target::{InterfaceFamily, RecordKind};
use super::{dates, guid, safe, scalars, scim, unexpected};
use crate::record::Record;
use crate::world::World;
use serde_json::Value;
use std::collections::BTreeSet;

/// The dialects in use, and the world that is served.
pub(crate) struct DialectContext<'a> {
    pub(crate) dialects: &'a BTreeSet<Dialect>,
    pub(crate) world: &'a World,
}

impl DialectContext<'_> {
    /// Returns whether a dialect is in use.
    pub(crate) fn has(&self, dialect: Dialect) -> bool {
        self.dialects.contains(&dialect)
    }

    /// Changes the content of a record: fields that this version lacks, other ids, other groups.
    pub(crate) fn content(&self, family: InterfaceFamily, kind: RecordKind, record: &mut Record) {
        let id = number(family, record);
        match (family, kind) {
            (InterfaceFamily::Safe, RecordKind::User) => safe::user(self, id, record),
            (InterfaceFamily::Safe, RecordKind::Group) => safe::group(self, id, record),
            (InterfaceFamily::Sra, RecordKind::User) if self.has(SilentNever) => {
                record.retain(|key, value| key != "last_authentication" || !value.is_null());
            }
            (InterfaceFamily::Scim, RecordKind::User) if self.has(NoGroups) => drop(record.remove("groups")),
            _ => {}
        }
        if family == InterfaceFamily::Scim && self.has(GuidIds) {
            guid::rewrite(kind, record);
        }
    }

    /// Returns the field to which [`DialectContext::wording`] gives an unexpected type.
    pub(crate) fn odd_field(&self, family: InterfaceFamily, kind: RecordKind, record: &Record) -> Option<&'static str> {
        if self.has(OddValues) { unexpected::field(family, kind, number(family, record), record) } else { None }
    }

    /// Returns the name that [`DialectContext::wording`] breaks. The record must not have its odd field any more.
    pub(crate) fn broken_name(
        &self,
        family: InterfaceFamily,
        kind: RecordKind,
        record: &Record,
    ) -> Option<&'static str> {
        if self.has(BrokenText) { unexpected::broken_name(family, kind, number(family, record), record) } else { None }
    }

    /// Changes the wording of a record: types, notations and names of its fields.
    pub(crate) fn wording(&self, family: InterfaceFamily, kind: RecordKind, record: &mut Record) {
        let id = number(family, record);
        if let Some(field) = self.odd_field(family, kind, record) {
            unexpected::spoil(field, record);
        }
        if let Some(name) = self.broken_name(family, kind, record) {
            unexpected::mark(name, id, record);
        }
        if self.has(ForeignDates) {
            dates::rewrite(family, id, record);
        }
        if family == InterfaceFamily::Scim {
            self.members(id, record);
        }
        if self.has(TextBooleans) {
            scalars::text_booleans(id, record);
        }
        if self.has(NumberBooleans) {
            scalars::number_booleans(record);
        }
        self.numbers(record);
        if family == InterfaceFamily::Guide && self.has(ObjectIds) {
            scalars::object_ids(id, record);
        }
        if family == InterfaceFamily::Scim {
            *record = self.renamed(Value::Object(std::mem::take(record))).as_object().cloned().unwrap_or_default();
        }
    }

    /// Changes the form of members and other references.
    fn members(&self, id: u64, resource: &mut Record) {
        if self.has(BareMembers) {
            scim::bare_members(self.world, id, resource);
        }
        if self.has(ForeignMemberTypes) {
            scim::foreign_types(resource);
        }
        if self.has(RefMembers) {
            scim::references(id, resource);
        }
        if self.has(SingleValues) {
            scim::single_values(resource);
        }
    }

    /// Changes ids and counts of a record, or of the envelope of a list.
    pub(super) fn numbers(&self, record: &mut Record) {
        if self.has(TextNumbers) {
            scalars::text_numbers(record);
        }
        if self.has(FloatIntegers) {
            scalars::float_integers(record);
        }
    }

    /// Changes the case of SCIM attribute names, at any depth.
    pub(super) fn renamed(&self, mut value: Value) -> Value {
        if self.has(LowerCaseKeys) {
            value = scim::rename(value, str::to_lowercase);
        }
        if self.has(PascalCaseKeys) {
            value = scim::rename(value, scim::pascal);
        }
        value
    }
}

/// Returns the id of a record; 0 if it has none.
fn number(family: InterfaceFamily, record: &Record) -> u64 {
    let found = match family {
        InterfaceFamily::Safe => record.get("UserID").or_else(|| record.get("GroupID")).and_then(Value::as_u64),
        InterfaceFamily::Scim => scim::number(record),
        InterfaceFamily::Guide | InterfaceFamily::Sra => record.get("id").and_then(Value::as_u64),
    };
    found.unwrap_or_default()
}
