//! The settings that the configuration file or a flag set, from the configuration in force that the manifest contains.

use super::method::{Parameter, in_words};
use super::{Bounded, Shown};
use serde_json::Value;

/// Number of rows in the table.
const ROWS: usize = 100;

/// Returns every setting that is not the default, in the order of the manifest. Thresholds and patterns have tables of
/// their own, but an auditor finds the line of the file only here.
pub(super) fn rows(configuration: &Value) -> Bounded<Parameter> {
    let mut rows = Vec::new();
    collect(configuration, "", &mut rows);
    Bounded::cut(rows, ROWS)
}

fn collect(value: &Value, key: &str, rows: &mut Vec<Parameter>) {
    match value {
        Value::Object(fields) => match fields.get("from").and_then(Value::as_str) {
            Some("default") => {}
            Some(from) if fields.contains_key("value") => {
                rows.push(setting(key, &fields["value"], from, fields.get("line")));
            }
            _ => {
                for (name, value) in fields {
                    let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                    collect(value, &key, rows);
                }
            }
        },
        Value::Array(items) => {
            for (number, item) in (1u64..).zip(items) {
                collect(item, &format!("{key}[{number}]"), rows);
            }
        }
        _ => {}
    }
}

fn setting(key: &str, value: &Value, from: &str, line: Option<&Value>) -> Parameter {
    let from = line.and_then(Value::as_u64).map_or_else(|| from.to_owned(), |line| format!("{from}, line {line}"));
    Parameter { key: Shown::name(key), value: Shown::sentence(&in_words(value)), from: Shown::name(&from) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_that_are_not_the_default_are_listed_with_their_line() {
        let configuration = json!({
            "file": "/etc/bt-rollcall.toml",
            "output": { "csv": { "value": "strict", "from": "default" } },
            "source": [{ "token": { "value": { "file": "/run/secret" }, "from": "configuration", "line": 7 } }],
        });
        let rows = rows(&configuration).rows;
        let shown: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.value.as_str(), row.from.as_str())).collect();
        assert_eq!(shown, [("source[1].token", "file = /run/secret", "configuration, line 7")]);
    }
}
