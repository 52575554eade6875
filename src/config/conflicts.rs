//! Finds paths that cannot work together: a file that is read and written, or folders of which one would disturb the other.
//!
//! `config` calls [`check`] when all tables are read. Symbolic links are followed, so that two names of one place are found.

use super::problem::TablePath;
use super::section::Section;
use serde_json::Value as Json;
use std::path::{Component, Path, PathBuf};

/// Keys whose value is the path of a file that is read.
const INPUT_KEYS: [&str; 3] = ["ca_file", "client_cert", "exceptions"];

/// The paths that the program writes to.
pub(super) struct WrittenPaths<'a> {
    pub(super) state_dir: &'a Path,
    pub(super) output_dir: &'a Path,
    pub(super) metrics_file: Option<&'a Path>,
}

/// A file that is read, and what it is in words.
pub(super) struct InputFile {
    words: String,
    path: PathBuf,
}

impl InputFile {
    /// Returns the file that a setting names, if it names one.
    pub(super) fn of_setting(table: &TablePath, key: &str, value: &Json) -> Option<Self> {
        let text = value.get("file").or_else(|| INPUT_KEYS.contains(&key).then_some(value))?.as_str()?;
        let heading = table.heading();
        Some(Self { words: format!("{key} of {heading}"), path: real(Path::new(text)) })
    }

    /// Returns the configuration file itself.
    pub(super) fn configuration(path: &Path) -> Self {
        Self { words: "the configuration file".to_owned(), path: real(path) }
    }
}

/// Adds a problem for each written path that is in conflict with another one.
pub(super) fn check(root: &Section<'_>, output: &Section<'_>, written: &WrittenPaths<'_>, inputs: &[InputFile]) {
    let (state, snapshots) = (real(written.state_dir), real(written.output_dir));
    let of_state = |why: String| root.problem("state_dir", why);
    // Without `dir`, the folder of the snapshots follows from that of the state.
    let of_snapshots = |why: String| if output.has("dir") { output.problem("dir", why) } else { of_state(why) };
    if let Some(why) = folders(&state, &snapshots) {
        of_snapshots(why);
    }
    let metrics = written.metrics_file.map(real);
    if let Some(why) = metrics.and_then(|metrics| metrics_file(&metrics, &state, &snapshots, inputs)) {
        root.problem("metrics_file", why);
    }
    for InputFile { words, path } in inputs {
        let shown = path.display();
        if path.starts_with(&snapshots) {
            let folder = snapshots.display();
            of_snapshots(format!("{words} is in output.dir ({folder}): {shown}; move the file elsewhere"));
        } else if is_of_state(path, &state) {
            of_state(format!("{words} is in the spool or the lock of state_dir: {shown}; move the file elsewhere"));
        }
    }
}

/// Checks whether a path is one that the program itself makes in the folder of the state.
fn is_of_state(path: &Path, state: &Path) -> bool {
    ["spool", "lock"].iter().any(|name| path.starts_with(state.join(name)))
}

/// Returns why the folders of the state and of the snapshots cannot be used together.
fn folders(state: &Path, snapshots: &Path) -> Option<String> {
    let (shown, example) = (snapshots.display(), state.join("snapshots"));
    let cure = format!("name another folder for the snapshots, such as {}", example.display());
    if state == snapshots {
        return Some(format!("state_dir and output.dir are the same folder, {shown}; {cure}"));
    }
    if is_of_state(snapshots, state) {
        return Some(format!("{shown} is in the spool or the lock of state_dir; {cure}"));
    }
    state.starts_with(snapshots).then(|| {
        format!(
            "state_dir ({}) is in output.dir ({shown}), so copies of the snapshots would contain queued events; name a folder \
             outside of it",
            state.display()
        )
    })
}

/// Returns why the metrics cannot be written to this file.
fn metrics_file(metrics: &Path, state: &Path, snapshots: &Path, inputs: &[InputFile]) -> Option<String> {
    let cure = "name a file of its own, such as \"/var/lib/node-exporter/bt-rollcall.prom\"";
    if let Some(input) = inputs.iter().find(|input| input.path == metrics) {
        return Some(format!("{} is {}, too, and would be overwritten; {cure}", metrics.display(), input.words));
    }
    let what = if metrics.starts_with(snapshots) {
        "in output.dir, the folder of the snapshots"
    } else if is_of_state(metrics, state) {
        "in the spool or the lock of state_dir"
    } else if metrics == state {
        "the folder state_dir"
    } else {
        return None;
    };
    Some(format!("{} is {what}; {cure}", metrics.display()))
}

/// Returns a path without links, as far as it exists, and without `.` and `..`.
pub(super) fn real(path: &Path) -> PathBuf {
    let resolved = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let (part, mut real) = resolved.unwrap_or((Path::new(""), PathBuf::new()));
    for component in path.strip_prefix(part).unwrap_or(path).components() {
        match component {
            Component::ParentDir => {
                real.pop();
            }
            Component::CurDir => {}
            other => real.push(other),
        }
    }
    real
}
