//! Finds folders of the configuration that a run could not write to, without creating anything.

use crate::config::Config;
use crate::regular_file::NotRegular;
use crate::run::answer_to_denial;
use rustix::fs::{Access, access};
use std::fs;
use std::path::Path;

/// Returns a problem for each path that a run could not write to, with its place in the configuration and the cure.
pub(super) fn impossible(config: &Config) -> Vec<String> {
    let folders = [("", "state_dir", Some(config.state_dir.as_path())), ("output", "dir", Some(&config.output.dir))];
    let folders = folders.into_iter().filter_map(|(table, key, path)| {
        let why = why_not_a_folder(path?)?;
        Some(format!("{}: {why}", config.place_of(table, key)))
    });
    let metrics = config.metrics_file.as_deref().and_then(why_not_a_file);
    let metrics = metrics.map(|why| format!("{}: {why}", config.place_of("", "metrics_file")));
    folders.chain(metrics).collect()
}

/// Returns why a folder cannot be created or written. Its nearest ancestor that exists decides.
fn why_not_a_folder(path: &Path) -> Option<String> {
    let existing = path.ancestors().find(|ancestor| fs::metadata(ancestor).is_ok())?;
    let (shown, found) = (path.display(), existing.display());
    if !existing.is_dir() {
        return Some(format!("{shown} cannot be a folder, because {found} is a file; name another folder"));
    }
    (!is_writable(existing)).then(|| format!("{found} cannot be written; {}", answer_to_denial(path)))
}

fn is_writable(folder: &Path) -> bool {
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Returns why a file cannot be written. Its folder belongs to another program, so a run does not create it.
fn why_not_a_file(path: &Path) -> Option<String> {
    let shown = path.display();
    if path.is_dir() {
        return Some(format!("{shown} is a folder; name a file in it, such as {shown}/bt-rollcall.prom"));
    }
    if let Some(other) = fs::symlink_metadata(path).ok().and_then(|found| NotRegular::of(found.file_type())) {
        return Some(format!("{shown} {other}; name a regular file"));
    }
    let folder = path.parent()?;
    if !folder.exists() {
        return Some(format!("the folder {} does not exist; create it", folder.display()));
    }
    (!is_writable(folder)).then(|| {
        let shown = folder.display();
        format!(
            "{shown} cannot be written by this user; let it write there, for example through the group of the folder; \
                 a unit needs ReadWritePaths={shown}, too"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_below_a_file_is_impossible_and_one_that_can_be_created_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let why = why_not_a_folder(&file.join("a/b")).unwrap();
        assert!(why.contains("file/a/b cannot be a folder") && why.contains("file is a file"), "{why}");
        assert_eq!(why_not_a_folder(&folder.path().join("a/b")), None);
        assert!(!folder.path().join("a").exists(), "nothing is created");
    }

    #[test]
    fn metrics_file_needs_a_folder_that_exists_and_is_none_itself() {
        let folder = tempfile::tempdir().unwrap();
        assert!(why_not_a_file(folder.path()).unwrap().contains("is a folder"));
        assert!(why_not_a_file(&folder.path().join("none/x.prom")).unwrap().contains("does not exist; create it"));
        assert_eq!(why_not_a_file(&folder.path().join("x.prom")), None);
    }
}
