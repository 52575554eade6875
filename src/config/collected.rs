//! What reading a configuration collects besides its values: problems, notes, and the settings in force.

use super::conflicts::InputFile;
use super::effective::Setting;
use super::problem::{ConfigProblem, TablePath};
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Problems, notes and settings that were found so far.
///
/// The cells let all sections share one collector while each section reads its own table.
#[derive(Debug, Default)]
pub(super) struct Collected {
    problems: RefCell<Vec<ConfigProblem>>,
    notes: RefCell<Vec<String>>,
    settings: RefCell<Vec<Setting>>,
    /// Whether settings are dropped.
    drops_settings: bool,
    /// Positions in `settings`.
    positions: RefCell<HashMap<(TablePath, String), usize>>,
    /// Table, key and what was read: its type, its limits, its words. Tests compare them with the documentation and the schema.
    #[cfg(test)]
    pub(super) facts: RefCell<std::collections::BTreeSet<(String, String, String)>>,
}

impl Collected {
    /// Returns a collector for a file that contains no settings, only data.
    pub(super) fn without_settings() -> Self {
        Self { drops_settings: true, ..Self::default() }
    }

    pub(super) fn keeps_settings(&self) -> bool {
        !self.drops_settings
    }

    pub(super) fn problem(&self, problem: ConfigProblem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn note(&self, note: &ConfigProblem) {
        self.notes.borrow_mut().push(note.to_string());
    }

    /// Records a setting. Replaces what was recorded for the same key.
    pub(super) fn setting(&self, setting: Setting) {
        let mut settings = self.settings.borrow_mut();
        let mut positions = self.positions.borrow_mut();
        match positions.entry((setting.path.clone(), setting.key.clone())) {
            Entry::Occupied(known) => settings[*known.get()] = setting,
            Entry::Vacant(new) => {
                new.insert(settings.len());
                settings.push(setting);
            }
        }
    }

    /// Returns the files that the settings name and that are read.
    pub(super) fn input_files(&self) -> Vec<InputFile> {
        let settings = self.settings.borrow();
        settings.iter().filter_map(|it| InputFile::of_setting(&it.path, &it.key, &it.value)).collect()
    }

    #[cfg(test)]
    pub(super) fn fact(&self, path: &TablePath, key: &str, fact: String) {
        self.facts.borrow_mut().insert((path.keys(), key.to_owned(), fact));
    }

    /// Returns notes and settings, or the problems in the order of their places.
    pub(super) fn finish(self) -> Result<(Vec<String>, Vec<Setting>), Vec<ConfigProblem>> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok((self.notes.into_inner(), self.settings.into_inner()));
        }
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        Err(problems)
    }
}
