//! A JSON body: ASCII, and within the size of a frame. Pure.

use super::body::{Body, LONG_TEXTS, SHORT_TEXTS, SHORT_VALUE, cut, replace_control_characters};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::vec::IntoIter;

/// Path of a field. In a list, it names the field of each entry.
pub(super) type Path = &'static [&'static str];

/// What a payload decides about bodies that are too long.
pub(super) struct JsonShape {
    /// Fields that a body loses, in this order.
    pub(super) optional: &'static [Path],
    /// The list of sources. It leaves before texts become unreadable, since a shorter reason is worth less than the sources
    /// that it is about.
    pub(super) sources: Path,
    /// Values of a changed field. Only long ones leave in the order of `optional`, short ones after it: rules compare them.
    pub(super) values: &'static [Path],
    /// Texts that are cut at last, such as names.
    pub(super) texts: &'static [Path],
    /// Fields that leave before names become unreadable: what other fields have too, and addresses. A cut address would be
    /// another one, or none.
    pub(super) last: &'static [Path],
    /// Ids of subjects. They are cut only where nothing else is left: two subjects could have one id then.
    pub(super) ids: &'static [Path],
    /// Flag of a body that lost something.
    pub(super) truncated: Path,
}

/// A JSON body with the steps that make it shorter.
pub(super) struct JsonBody {
    value: Value,
    shape: &'static JsonShape,
    steps: IntoIter<Step>,
}

/// A step that makes a body shorter.
enum Step {
    Remove(Path),
    RemoveLong(Path),
    Cut(&'static [Path], usize),
}

impl JsonBody {
    /// Creates a whole body. `message` is a text that names the subject once more, and leaves after the optional fields.
    pub(super) fn new(body: Map<String, Value>, shape: &'static JsonShape, message: Option<Path>) -> Self {
        let mut value = Value::Object(body);
        // Before the first measurement, because a replaced character is longer.
        each_text(&mut value, &|text| *text = replace_control_characters(text));
        let optional = shape.optional.iter().copied().map(|path| {
            let step = if shape.values.contains(&path) { Step::RemoveLong } else { Step::Remove };
            step(path)
        });
        let values = shape.values.iter().copied().chain(message).map(Step::Remove);
        let last = shape.last.iter().copied().map(Step::Remove);
        let steps = optional.chain(values).chain(LONG_TEXTS.map(|limit| Step::Cut(shape.texts, limit)));
        let steps = steps.chain([Step::Remove(shape.sources)]).chain(last);
        let steps = steps.chain(SHORT_TEXTS.map(|limit| Step::Cut(shape.texts, limit)));
        let ids = LONG_TEXTS.into_iter().chain(SHORT_TEXTS).map(|limit| Step::Cut(shape.ids, limit));
        let steps: Vec<Step> = steps.chain(ids).collect();
        Self { value, shape, steps: steps.into_iter() }
    }
}

impl Body for JsonBody {
    fn text(&self) -> String {
        to_ascii(&self.value)
    }

    fn shrink(&mut self) -> bool {
        let Some(step) = self.steps.next() else { return false };
        set(&mut self.value, self.shape.truncated, Value::Bool(true));
        match step {
            Step::Remove(path) => remove(&mut self.value, path),
            Step::RemoveLong(path) => {
                let is_long = |value: &Value| value.as_str().is_none_or(|text| text.chars().count() > SHORT_VALUE);
                let value = path.iter().try_fold(&self.value, |value, key| value.get(*key));
                if value.is_some_and(is_long) {
                    remove(&mut self.value, path);
                }
            }
            Step::Cut(paths, limit) => {
                for path in paths {
                    at(&mut self.value, path, &|value| each_text(value, &|text| cut(text, limit)));
                }
            }
        }
        true
    }
}

/// Sets a field whose parent is an object. Nothing happens if there is no parent.
fn set(value: &mut Value, path: Path, to: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(value, |value, key| value.get_mut(*key));
    if let Some(Value::Object(parent)) = parent {
        parent.insert((*last).to_owned(), to);
    }
}

fn remove(value: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    at(value, parents, &|parent| {
        let entries = match parent {
            Value::Array(entries) => entries.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.remove(*last);
        }
    });
}

/// Calls a function with the values at a path.
fn at(value: &mut Value, path: &[&str], with: &dyn Fn(&mut Value)) {
    match (value, path) {
        (value, []) => with(value),
        (Value::Array(entries), path) => entries.iter_mut().for_each(|entry| at(entry, path, with)),
        (value, [key, below @ ..]) => {
            if let Some(value) = value.get_mut(*key) {
                at(value, below, with);
            }
        }
    }
}

/// Applies a function to every text in a value, at any depth.
pub(super) fn each_text(value: &mut Value, change: &impl Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(map) => map.values_mut().for_each(|item| each_text(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns compact JSON in ASCII: other characters become `\u` escapes, as surrogate pairs where needed (RFC 8259 §7).
///
/// Only texts can contain other characters, so the escapes are always inside a JSON string.
pub(super) fn to_ascii(value: &Value) -> String {
    let json = value.to_string();
    let mut ascii = String::with_capacity(json.len());
    // A character has at most two UTF-16 units.
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                // Writing into a String cannot fail.
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}
