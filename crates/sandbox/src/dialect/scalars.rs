//! Booleans, numbers and ids in other JSON types.

use crate::record::Record;
use serde_json::{Number, Value, json};

/// Fields that hold an id or a count.
const NUMBERS: [&str; 11] = [
    "id",
    "user_id",
    "security_provider_id",
    "default_policy",
    "fido2_credential_count",
    "UserID",
    "GroupID",
    "total",
    "totalResults",
    "itemsPerPage",
    "startIndex",
];
/// The guide's field of group ids.
const IDS: &str = "group_memberships";

/// Makes every boolean a text, in one of three spellings.
pub(super) fn text_booleans(id: u64, record: &mut Record) {
    for_each_boolean(record, &|flag| match (id % 3, flag) {
        (0, flag) => flag.to_string().into(),
        (1, true) => "True".into(),
        (1, false) => "False".into(),
        (_, true) => "TRUE".into(),
        (_, false) => "FALSE".into(),
    });
}

/// Makes every boolean 1 or 0.
pub(super) fn number_booleans(record: &mut Record) {
    for_each_boolean(record, &|flag| u8::from(flag).into());
}

fn for_each_boolean(record: &mut Record, make: &dyn Fn(bool) -> Value) {
    record.values_mut().for_each(|value| boolean(value, make));
}

fn boolean(value: &mut Value, make: &dyn Fn(bool) -> Value) {
    match value {
        Value::Bool(flag) => *value = make(*flag),
        Value::Array(items) => items.iter_mut().for_each(|item| boolean(item, make)),
        Value::Object(fields) => for_each_boolean(fields, make),
        _ => {}
    }
}

/// Makes ids and counts texts.
pub(super) fn text_numbers(record: &mut Record) {
    for_each_number(record, |number| Some(number.to_string().into()));
}

/// Gives ids and counts a fraction of zero.
pub(super) fn float_integers(record: &mut Record) {
    // Above 2^53 the float would be another number (RFC 8259 §6).
    for_each_number(record, |number| {
        let exact = number.as_u64().filter(|number| *number < 1 << 53)?;
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        Some(json!(exact as f64))
    });
}

fn for_each_number(record: &mut Record, make: impl Fn(&Number) -> Option<Value>) {
    let change = |value: &mut Value| {
        if let Some(made) = value.as_number().and_then(&make) {
            *value = made;
        }
    };
    for (key, value) in record.iter_mut() {
        match value {
            Value::Array(ids) if key == IDS => ids.iter_mut().for_each(change),
            value if NUMBERS.contains(&key.as_str()) => change(value),
            _ => {}
        }
    }
}

/// Writes the guide's group ids as `{"id":1}`, as `{"value":"1"}`, or as a single id without a list.
pub(super) fn object_ids(id: u64, record: &mut Record) {
    let Some(Value::Array(ids)) = record.get_mut(IDS) else { return };
    let made = match (id % 3, ids.as_mut_slice()) {
        (0, ids) => ids.iter().map(|id| json!({"id": id})).collect(),
        (1, ids) => ids.iter().map(|id| json!({"value": text(id)})).collect(),
        (_, [only]) => only.take(),
        _ => return,
    };
    record.insert(IDS.to_owned(), made);
}

fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
