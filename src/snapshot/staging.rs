//! A snapshot on its way: staged in a hidden folder, sealed by its manifest, published by one rename.
//! A kill at any moment leaves either nothing that a reader sees or a whole snapshot. Knows no lock and no retention.

use super::error::SnapshotError;
use super::file::{HashingFile, Register, create_new, sha256_of};
use super::manifest::{FileEntry, Manifest};
use super::pages::{PAGES, PagesLog};
use super::{LATEST, LATEST_COMPLETE, MANIFEST, STAGING, create_folder, sync_folder};
use crate::model::Completeness;
use crate::table::{About, CsvDialect, Table, Tables};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which tables to write and how.
#[derive(Clone, Copy, Debug)]
pub struct TableChoice {
    /// Write CSV.
    pub csv: bool,
    /// Write Parquet.
    pub parquet: bool,
    /// Dialect of the CSV files.
    pub dialect: CsvDialect,
    /// For the Parquet metadata.
    pub completeness: Completeness,
}

/// What writing the tables came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TablesWritten {
    /// Cells that the formula guard changed in the CSV files.
    pub guarded_cells: u64,
}

/// A snapshot that is being written: invisible, and gone when this is dropped.
#[derive(Debug)]
pub struct Staging {
    run_id: String,
    folder: Hidden,
    register: Arc<Register>,
}

impl Staging {
    pub(super) fn create(store: &Path, run_id: &str) -> Result<Self, SnapshotError> {
        let path = store.join(format!("{STAGING}{run_id}"));
        create_folder(&path, false)?;
        Ok(Self { run_id: run_id.to_owned(), folder: Hidden { path, gone: false }, register: Arc::default() })
    }

    /// Begins a file of the snapshot; [`HashingFile::finish`] ends it. `name` is a plain file name.
    pub fn writer(&self, name: &str) -> Result<HashingFile, SnapshotError> {
        HashingFile::create(&self.folder.path, name, &self.register)
    }

    /// Adds a whole file.
    pub fn add(&self, name: &str, content: &[u8], rows: Option<u64>) -> Result<(), SnapshotError> {
        let mut file = self.writer(name)?;
        file.write_all(content).map_err(SnapshotError::io("write", self.folder.path.join(name)))?;
        file.finish(rows);
        Ok(())
    }

    /// Begins `pages.jsonl`; [`PagesLog::finish`] ends it.
    pub fn pages_log(&self) -> Result<PagesLog, SnapshotError> {
        Ok(PagesLog::new(self.writer(PAGES)?))
    }

    /// Writes every table in the chosen formats.
    pub fn write_tables(&self, tables: &Tables<'_>, choice: &TableChoice) -> Result<TablesWritten, SnapshotError> {
        let mut written = TablesWritten::default();
        for table in Table::ALL {
            if choice.csv && !table.is_internal() {
                written.guarded_cells += self.write_csv(tables, table, choice.dialect)?;
            }
            if choice.parquet || table.is_internal() {
                self.write_parquet(tables, table, choice.completeness)?;
            }
        }
        Ok(written)
    }

    fn write_csv(&self, tables: &Tables<'_>, table: Table, dialect: CsvDialect) -> Result<u64, SnapshotError> {
        let mut file = self.writer(&format!("{}.csv", table.as_str()))?;
        let path = file.path().to_owned();
        let written = tables.write_csv(table, dialect, &mut file).map_err(SnapshotError::table(path))?;
        file.finish(Some(written.rows));
        Ok(written.guarded_cells)
    }

    fn write_parquet(
        &self,
        tables: &Tables<'_>,
        table: Table,
        completeness: Completeness,
    ) -> Result<(), SnapshotError> {
        let mut file = self.writer(&format!("{}.parquet", table.as_str()))?;
        let path = file.path().to_owned();
        let about = About { run_id: &self.run_id, completeness };
        let rows = tables.write_parquet(table, &about, &mut file).map_err(SnapshotError::table(path))?;
        file.finish(Some(rows));
        Ok(())
    }

    /// The finished files, by name, as the manifest lists them.
    pub fn files(&self) -> Vec<FileEntry> {
        self.register.files().values().flatten().map(|written| written.entry.clone()).collect()
    }

    /// Writes the manifest, which must list exactly [`Staging::files`], and brings everything to the disk.
    pub fn seal(self, manifest: &Manifest) -> Result<Sealed, SnapshotError> {
        self.agree(manifest)?;
        let path = self.folder.path.join(MANIFEST);
        let mut json = serde_json::to_vec_pretty(manifest).map_err(|e| SnapshotError::io("write", &path)(e.into()))?;
        json.push(b'\n');
        for written in self.register.files().values().flatten() {
            let path = self.folder.path.join(&written.entry.path);
            written.file.sync_all().map_err(SnapshotError::io("bring to the disk", path))?;
        }
        let mut file = create_new(&path)?;
        file.write_all(&json).map_err(SnapshotError::io("write", &path))?;
        file.sync_all().map_err(SnapshotError::io("bring to the disk", &path))?;
        sync_folder(&self.folder.path)?;
        let complete = manifest.is_complete();
        let manifest_sha256 = sha256_of(&json);
        Ok(Sealed { run_id: self.run_id, folder: self.folder, complete, manifest_sha256 })
    }

    fn agree(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        let refuse = |why: String| Err(SnapshotError::Unsealable { path: self.folder.path.clone(), why });
        if manifest.run_id != self.run_id {
            return refuse(format!("the manifest is of run {}", manifest.run_id));
        }
        if let Some((name, _)) = self.register.files().iter().find(|(_, written)| written.is_none()) {
            return refuse(format!("{name} is not finished"));
        }
        if manifest.files != self.files() {
            return refuse("the manifest does not list the files that are there".to_owned());
        }
        Ok(())
    }
}

/// A whole snapshot that nobody sees yet; gone when this is dropped.
#[derive(Debug)]
pub struct Sealed {
    run_id: String,
    folder: Hidden,
    complete: bool,
    manifest_sha256: String,
}

impl Sealed {
    /// SHA-256 of `manifest.json`, lower-case hex.
    pub fn manifest_sha256(&self) -> &str {
        &self.manifest_sha256
    }

    /// Makes the snapshot visible by one rename, then points `latest` to it, and `latest-complete` if it is complete. Returns
    /// its folder. On an error nothing is published: what was renamed already is taken back.
    pub fn publish(mut self) -> Result<PathBuf, SnapshotError> {
        // The folder was made inside the store, so it has a parent.
        let store = self.folder.path.parent().unwrap_or(Path::new(".")).to_owned();
        let target = store.join(&self.run_id);
        // All that needs space is done before anything is visible.
        let mut links = StagedLinks::create(&store, &self.run_id, self.complete)?;
        fs::rename(&self.folder.path, &target).map_err(SnapshotError::io("publish", &target))?;
        if let Err(error) = sync_folder(&store).and_then(|()| links.place()) {
            // As far as it goes: where even this fails, a whole and valid snapshot stays.
            links.take_back();
            let _ = fs::rename(&target, &self.folder.path);
            return Err(error);
        }
        self.folder.gone = true;
        Ok(target)
    }
}

/// Points one link to a published snapshot.
pub(super) fn place_link(store: &Path, link: &'static str, run_id: &str) -> Result<(), SnapshotError> {
    StagedLink::create(store, link, run_id)?.place()?;
    sync_folder(store)
}

/// The links to a snapshot that is about to be published, under hidden names.
struct StagedLinks {
    store: PathBuf,
    links: Vec<StagedLink>,
}

impl StagedLinks {
    /// Whatever is in the way of either link is refused, whether this snapshot needs both or not.
    fn create(store: &Path, run_id: &str, complete: bool) -> Result<Self, SnapshotError> {
        must_be_link(&store.join(LATEST_COMPLETE))?;
        let names = [Some(LATEST), complete.then_some(LATEST_COMPLETE)];
        let links: Result<_, _> =
            names.into_iter().flatten().map(|name| StagedLink::create(store, name, run_id)).collect();
        Ok(Self { store: store.to_owned(), links: links? })
    }

    fn place(&mut self) -> Result<(), SnapshotError> {
        self.links.iter_mut().try_for_each(StagedLink::place)?;
        sync_folder(&self.store)
    }

    fn take_back(&self) {
        self.links.iter().for_each(StagedLink::take_back);
    }
}

/// A link under a hidden name.
struct StagedLink {
    hidden: Hidden,
    path: PathBuf,
    /// Target of the link that it replaces.
    before: Option<PathBuf>,
}

impl StagedLink {
    fn create(store: &Path, name: &str, run_id: &str) -> Result<Self, SnapshotError> {
        let path = store.join(name);
        must_be_link(&path)?;
        // Begins as `LINK_STAGED`: the next run cleans what a kill leaves.
        let staged = store.join(format!(".{name}-{run_id}"));
        symlink(run_id, &staged).map_err(SnapshotError::io("create the link", &staged))?;
        let before = fs::read_link(&path).ok();
        Ok(Self { hidden: Hidden { path: staged, gone: false }, path, before })
    }

    fn place(&mut self) -> Result<(), SnapshotError> {
        fs::rename(&self.hidden.path, &self.path).map_err(SnapshotError::io("replace the link", &self.path))?;
        self.hidden.gone = true;
        Ok(())
    }

    /// Restores the link that was replaced, as far as it goes: readers do without a link that leads nowhere.
    fn take_back(&self) {
        if self.hidden.gone {
            let _ = match &self.before {
                Some(before) => {
                    symlink(before, &self.hidden.path).and_then(|()| fs::rename(&self.hidden.path, &self.path))
                }
                None => fs::remove_file(&self.path),
            };
        }
    }
}

/// Refuses a file or folder that stands where a link belongs.
pub(super) fn must_be_link(path: &Path) -> Result<(), SnapshotError> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_symlink() => Err(SnapshotError::LinkInTheWay { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// A hidden folder or link that is removed unless it was renamed.
#[derive(Debug)]
struct Hidden {
    path: PathBuf,
    gone: bool,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if !self.gone {
            // What cannot be removed now stays invisible, and the next run cleans it.
            let _ = fs::remove_file(&self.path).or_else(|_| fs::remove_dir_all(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::names_in;
    use super::*;

    #[test]
    fn links_lead_where_they_led_before_when_one_of_them_cannot_be_placed() {
        for before in [None, Some("20261122T020000Z-0001")] {
            let folder = tempfile::tempdir().unwrap();
            let store = folder.path();
            let latest = store.join(LATEST);
            if let Some(before) = before {
                symlink(before, &latest).unwrap();
            }
            let mut links = StagedLinks::create(store, "20261123T020000Z-0002", true).unwrap();
            fs::create_dir(store.join(LATEST_COMPLETE)).unwrap();
            assert!(links.place().is_err());
            assert_eq!(fs::read_link(&latest).unwrap(), Path::new("20261123T020000Z-0002"));
            links.take_back();
            drop(links);
            assert_eq!(fs::read_link(&latest).ok().as_deref(), before.map(Path::new));
            assert_eq!(names_in(store).unwrap().len(), 1 + usize::from(before.is_some()), "nothing hidden is left");
        }
    }
}
