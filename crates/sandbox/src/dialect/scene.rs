//! One record after the other, as the dialects write it: first what it holds ([`Scene::content`]), then how it is
//! worded ([`Scene::wording`]).

use super::super::world::{Record, World};
use super::Dialect::{
    self, BareMembers, BrokenText, FloatIntegers, ForeignDates, ForeignMemberTypes, GuidIds, LowerCaseKeys, NoGroups,
    NumberBooleans, ObjectIds, OddValues, PascalCaseKeys, RefMembers, SilentNever, SingleValues, TextBooleans,
    TextNumbers,
};
use super::place::{InterfaceFamily, RecordKind};
use super::{dates, guid, odd, safe, scalars, scim};
use serde_json::Value;
use std::collections::BTreeSet;

/// The dialects in use, and the world that is served.
pub(crate) struct Scene<'a> {
    pub(crate) dialects: &'a BTreeSet<Dialect>,
    pub(crate) world: &'a World,
}

impl Scene<'_> {
    pub(crate) fn has(&self, dialect: Dialect) -> bool {
        self.dialects.contains(&dialect)
    }

    /// Changes what a record holds: fields that this version does not have, other ids, other groups.
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

    /// Returns the field that [`Scene::wording`] gives an unexpected type.
    pub(crate) fn odd_field(&self, family: InterfaceFamily, kind: RecordKind, record: &Record) -> Option<&'static str> {
        if self.has(OddValues) { odd::field(family, kind, number(family, record), record) } else { None }
    }

    /// Returns the name that [`Scene::wording`] breaks, of a record without its odd field.
    pub(crate) fn broken_name(
        &self,
        family: InterfaceFamily,
        kind: RecordKind,
        record: &Record,
    ) -> Option<&'static str> {
        if self.has(BrokenText) { odd::broken_name(family, kind, number(family, record), record) } else { None }
    }

    /// Words a record otherwise.
    pub(crate) fn wording(&self, family: InterfaceFamily, kind: RecordKind, record: &mut Record) {
        let id = number(family, record);
        if let Some(field) = self.odd_field(family, kind, record) {
            odd::spoil(field, record);
        }
        if let Some(name) = self.broken_name(family, kind, record) {
            odd::mark(name, id, record);
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

    /// Ids and counts, of a record or of the envelope of a list.
    pub(super) fn numbers(&self, record: &mut Record) {
        if self.has(TextNumbers) {
            scalars::text_numbers(record);
        }
        if self.has(FloatIntegers) {
            scalars::float_integers(record);
        }
    }

    /// SCIM's names of attributes, of anything.
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

/// Returns the id of a record; 0 where it has none.
fn number(family: InterfaceFamily, record: &Record) -> u64 {
    let found = match family {
        InterfaceFamily::Safe => record.get("UserID").or_else(|| record.get("GroupID")).and_then(Value::as_u64),
        InterfaceFamily::Scim => scim::number(record),
        InterfaceFamily::Guide | InterfaceFamily::Sra => record.get("id").and_then(Value::as_u64),
    };
    found.unwrap_or_default()
}
