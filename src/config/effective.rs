//! The configuration in force: each setting with its value and its origin.
//!
//! Reading a table records its settings (`section`). [`effective`] returns them as data, for the manifest and for `config show --json`;
//! [`in_words`] returns them as TOML with the origin of each in a comment. A secret appears as its reference only. Pure.

use super::Config;
use super::problem::{TablePath, quoted};
use crate::escape::{self, Lines};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// Origin of a setting that the configuration file contains.
pub(super) const CONFIGURATION: &str = "configuration";
/// Origin of a setting that nothing else sets.
pub(super) const DEFAULT: &str = "default";

/// The key whose value is a date. TOML writes it without quotes.
const DATE_KEY: &str = "review_by";

/// One setting: its key, the value in force and its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Table of the key.
    pub(super) path: TablePath,
    /// Name of the key.
    pub(super) key: String,
    /// Value in force; null where nothing is set.
    pub(super) value: Json,
    /// `configuration`, `default`, a flag, or the name of what else set the value, such as a framework.
    pub(super) from: String,
    /// Line of the configuration file, counted from 1.
    pub(super) line: Option<usize>,
}

/// Returns the configuration in force as a JSON object with the shape of the file.
///
/// Each setting is an object: `value` in force, its origin `from`, and the `line` of the file where it was written there.
pub fn effective(config: &Config) -> Json {
    let mut root = json!({ "file": config.path });
    for setting in &config.settings {
        let mut leaf = json!({ "value": setting.value, "from": setting.from });
        if let Some(line) = setting.line {
            leaf["line"] = json!(line);
        }
        table(&mut root, &setting.path)[&setting.key] = leaf;
    }
    root
}

/// Returns the object of a table. Creates it, and those above it, where they are absent.
fn table<'r>(root: &'r mut Json, path: &TablePath) -> &'r mut Json {
    path.0.iter().fold(root, |above, segment| {
        // Indexing creates an absent entry as null, and the next index makes an object of it.
        let entry = &mut above[&segment.key];
        let Some((number, _)) = segment.item else { return entry };
        let mut items = entry.as_array_mut().map(std::mem::take).unwrap_or_default();
        items.resize(items.len().max(number), Json::Null);
        *entry = Json::Array(items);
        &mut entry[number - 1]
    })
}

/// Replaces the settings that `--output` overrides.
pub(super) fn redirect(config: &mut Config) {
    let (state_dir, dir) = (json!(config.state_dir), json!(config.output.dir));
    config.settings.retain(|setting| !matches!(setting.path.keys().as_str(), "syslog" | "http"));
    for setting in &mut config.settings {
        setting.value = match (setting.path.keys().as_str(), setting.key.as_str()) {
            ("", "state_dir") => state_dir.clone(),
            ("", "metrics_file") => Json::Null,
            ("output", "dir") => dir.clone(),
            _ => continue,
        };
        (setting.from, setting.line) = ("--output".to_owned(), None);
    }
}

/// Returns the configuration in force as TOML, with the origin of each setting in a comment.
pub fn in_words(config: &Config) -> Lines {
    let mut text = Lines::default();
    text.line(format_args!("# {}", config.path.display()));
    // The keys of the whole file stand before its first table.
    let mut tables = tables(&config.settings);
    tables.sort_by_key(|(path, _)| !path.0.is_empty());
    for (path, settings) in tables {
        if let Some(last) = path.0.last() {
            text.line("");
            text.line(if last.item.is_some() { format!("[[{}]]", path.keys()) } else { format!("[{}]", path.keys()) });
        }
        for setting in settings {
            text.line(line(setting));
        }
    }
    text
}

/// Returns each table with its settings, in the order in which the tables were read.
fn tables(settings: &[Setting]) -> Vec<(&TablePath, Vec<&Setting>)> {
    let mut positions = HashMap::new();
    let mut tables: Vec<(&TablePath, Vec<&Setting>)> = Vec::new();
    for setting in settings {
        let position = *positions.entry(&setting.path).or_insert(tables.len());
        match tables.get_mut(position) {
            Some((_, settings)) => settings.push(setting),
            None => tables.push((&setting.path, vec![setting])),
        }
    }
    tables
}

fn line(setting: &Setting) -> String {
    let key = quoted(&setting.key);
    match &setting.value {
        Json::Null => format!("# {key} is not set"),
        Json::String(day) if setting.key == DATE_KEY => format!("{key} = {day}  # {}", origin(setting)),
        value => format!("{key} = {}  # {}", toml_value(value), origin(setting)),
    }
}

fn origin(setting: &Setting) -> String {
    setting.line.map_or_else(|| setting.from.clone(), |line| format!("line {line}"))
}

/// Returns a value in the notation of TOML, on one line.
pub(super) fn toml_value(value: &Json) -> String {
    match value {
        Json::String(text) => escape::toml(text),
        Json::Array(items) => format!("[{}]", items.iter().map(toml_value).collect::<Vec<_>>().join(", ")),
        Json::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{} = {}", quoted(key), toml_value(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}
