//! Writing a snapshot: it is staged in a hidden folder, sealed by its manifest, and published by one rename.
//!
//! A kill at any moment leaves either nothing that a reader sees, or a whole snapshot. Nothing here knows locks or
//! retention; [`LockedStore::stage`](super::LockedStore::stage) starts it.

use super::error::SnapshotError;
use super::file::{HashingFile, Register, create_new};
use super::manifest::{FileEntry, Manifest};
use super::pages::{PAGES, PagesLog};
use super::{LATEST, LATEST_COMPLETE, MANIFEST, STAGING, create_folder, sync_folder};
use crate::digest::sha256_hex;
use crate::internal_error::side_by_side;
use crate::model::Completeness;
use crate::table::{CsvDialect, ParquetMetadata, REVIEW, Table, Tables};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Formats of the tables.
#[derive(Clone, Copy, Debug)]
pub struct TableChoice {
    /// Whether to write CSV.
    pub csv: bool,
    /// Whether to write Parquet.
    pub parquet: bool,
    /// Dialect of the CSV files.
    pub dialect: CsvDialect,
    /// Completeness of the snapshot, for the metadata of the Parquet files.
    pub completeness: Completeness,
}

/// Maximum number of files that are written at a time. A Parquet file keeps a row group in memory.
const WRITERS: usize = 2;

/// A file of rows.
#[derive(Clone, Copy)]
enum TableFile {
    Review,
    Csv(Table),
    Parquet(Table),
}

/// Returns the files to write. The longest are the first, so that all writers end at nearly the same time.
fn files(choice: TableChoice) -> Vec<TableFile> {
    let mut files = vec![TableFile::Review];
    for table in Table::ALL {
        // The next run reads the internal tables, so they are written whatever formats are configured.
        if choice.parquet || table.is_internal() {
            files.push(TableFile::Parquet(table));
        }
        if choice.csv && !table.is_internal() {
            files.push(TableFile::Csv(table));
        }
    }
    files
}

/// Snapshot that is being written in a hidden folder. Dropping it removes the folder.
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
        Ok(Self { run_id: run_id.to_owned(), folder: Hidden { path, renamed: false }, register: Arc::default() })
    }

    /// Starts a file of the snapshot. `name` is a plain file name. [`HashingFile::finish`] completes the file.
    pub fn writer(&self, name: &str) -> Result<HashingFile, SnapshotError> {
        HashingFile::create(&self.folder.path, name, &self.register)
    }

    /// Writes a whole file.
    pub fn add(&self, name: &str, content: &[u8], rows: Option<u64>) -> Result<(), SnapshotError> {
        let mut file = self.writer(name)?;
        file.write_all(content).map_err(SnapshotError::io("write", self.folder.path.join(name)))?;
        file.finish(rows);
        Ok(())
    }

    /// Starts `pages.jsonl`. [`PagesLog::finish`] completes it.
    pub fn pages_log(&self) -> Result<PagesLog, SnapshotError> {
        Ok(PagesLog::new(self.writer(PAGES)?))
    }

    /// Writes every table in the chosen formats, and `review.csv`. Returns the number of CSV cells that the formula guard changed.
    ///
    /// The files are written side by side. After an error no other file is begun.
    pub fn write_tables(&self, tables: &Tables<'_>, choice: &TableChoice) -> Result<u64, SnapshotError> {
        let files = Mutex::new(files(*choice).into_iter());
        let next = || files.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let mut guarded_cells = 0;
            while let Some(file) = next() {
                guarded_cells += self.write_table(tables, file, *choice).inspect_err(|_| while next().is_some() {})?;
            }
            Ok(guarded_cells)
        };
        side_by_side(WRITERS, work).into_iter().sum()
    }

    fn write_table(&self, tables: &Tables<'_>, file: TableFile, choice: TableChoice) -> Result<u64, SnapshotError> {
        match file {
            TableFile::Review => self.write_review(tables, choice.dialect),
            TableFile::Csv(table) => self.write_csv(tables, table, choice.dialect),
            TableFile::Parquet(table) => self.write_parquet(tables, table, choice.completeness).map(|()| 0),
        }
    }

    /// Writes the population of an access review. It is for people, so it is CSV whatever formats are configured.
    fn write_review(&self, tables: &Tables<'_>, dialect: CsvDialect) -> Result<u64, SnapshotError> {
        let mut file = self.writer(REVIEW)?;
        let path = file.path().to_owned();
        let written = tables.write_review(dialect, &mut file).map_err(SnapshotError::table(path))?;
        file.finish(Some(written.rows));
        Ok(written.guarded_cells)
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
        let about = ParquetMetadata { run_id: &self.run_id, completeness };
        let rows = tables.write_parquet(table, &about, &mut file).map_err(SnapshotError::table(path))?;
        file.finish(Some(rows));
        Ok(())
    }

    /// Returns the completed files by name, as the manifest must list them.
    pub fn files(&self) -> Vec<FileEntry> {
        self.register.files().values().flatten().map(|written| written.entry.clone()).collect()
    }

    /// Writes the manifest, which must list exactly [`Staging::files`], and flushes everything to the disk.
    ///
    /// Errors: [`SnapshotError::Unsealable`] if the manifest does not match the folder.
    pub fn seal(self, manifest: &Manifest) -> Result<Sealed, SnapshotError> {
        self.check_manifest(manifest)?;
        let path = self.folder.path.join(MANIFEST);
        let mut json = serde_json::to_vec_pretty(manifest).map_err(|e| SnapshotError::io("write", &path)(e.into()))?;
        json.push(b'\n');
        // The manifest is flushed last: if it is on the disk, every file that it lists is, too.
        for written in self.register.files().values().flatten() {
            let path = self.folder.path.join(&written.entry.path);
            written.file.sync_all().map_err(SnapshotError::io("flush to the disk", path))?;
        }
        let mut file = create_new(&path)?;
        file.write_all(&json).map_err(SnapshotError::io("write", &path))?;
        file.sync_all().map_err(SnapshotError::io("flush to the disk", &path))?;
        sync_folder(&self.folder.path)?;
        let complete = manifest.is_complete();
        let manifest_sha256 = sha256_hex(&json);
        Ok(Sealed { run_id: self.run_id, folder: self.folder, complete, manifest_sha256 })
    }

    fn check_manifest(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        let refuse = |why: String| Err(SnapshotError::Unsealable { path: self.folder.path.clone(), why });
        if manifest.run_id != self.run_id {
            return refuse(format!("the manifest belongs to run {}", manifest.run_id));
        }
        if let Some((name, _)) = self.register.files().iter().find(|(_, written)| written.is_none()) {
            return refuse(format!("{name} is not finished"));
        }
        if manifest.files != self.files() {
            return refuse("the manifest does not list the files in the folder".to_owned());
        }
        Ok(())
    }
}

/// Complete snapshot that is not published yet. Dropping it removes the folder.
#[derive(Debug)]
pub struct Sealed {
    run_id: String,
    folder: Hidden,
    complete: bool,
    manifest_sha256: String,
}

impl Sealed {
    /// Returns the SHA-256 of `manifest.json` in lower-case hexadecimal.
    pub fn manifest_sha256(&self) -> &str {
        &self.manifest_sha256
    }

    /// Publishes the snapshot by one rename, then points `latest` to it, and `latest-complete` if it is complete.
    ///
    /// Returns the folder. After an error nothing is published: the rename and the links are reverted.
    pub fn publish(mut self) -> Result<PathBuf, SnapshotError> {
        // The folder was created inside the store, so it has a parent.
        let store = self.folder.path.parent().unwrap_or(Path::new(".")).to_owned();
        let target = store.join(&self.run_id);
        // The links are created before the rename, because this is the last step that needs space on the disk.
        let mut links = StagedLinks::create(&store, &self.run_id, self.complete)?;
        fs::rename(&self.folder.path, &target).map_err(SnapshotError::io("publish", &target))?;
        if let Err(error) = sync_folder(&store).and_then(|()| links.place()) {
            // If reverting fails, too, a complete and valid snapshot remains published, which harms no reader.
            links.revert();
            let _ = fs::rename(&target, &self.folder.path);
            return Err(error);
        }
        self.folder.renamed = true;
        Ok(target)
    }
}

/// Points one link to a published snapshot.
pub(super) fn place_link(store: &Path, link: &'static str, run_id: &str) -> Result<(), SnapshotError> {
    StagedLink::create(store, link, run_id)?.place()?;
    sync_folder(store)
}

/// Links to a snapshot that is about to be published, under hidden names.
struct StagedLinks {
    store: PathBuf,
    links: Vec<StagedLink>,
}

impl StagedLinks {
    /// Creates the links. A file in the place of either link is an error, even if this snapshot does not need that
    /// link: otherwise the first complete run would fail.
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

    fn revert(&self) {
        self.links.iter().for_each(StagedLink::revert);
    }
}

/// Link under a hidden name.
struct StagedLink {
    hidden: Hidden,
    path: PathBuf,
    /// Target of the link that is replaced.
    before: Option<PathBuf>,
}

impl StagedLink {
    fn create(store: &Path, name: &str, run_id: &str) -> Result<Self, SnapshotError> {
        let path = store.join(name);
        must_be_link(&path)?;
        // The name starts with `LINK_STAGED`, so the next run removes what a kill leaves.
        let staged = store.join(format!(".{name}-{run_id}"));
        symlink(run_id, &staged).map_err(SnapshotError::io("create the link", &staged))?;
        let before = match fs::read_link(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other.map_err(SnapshotError::io("read the link", &path))?),
        };
        Ok(Self { hidden: Hidden { path: staged, renamed: false }, path, before })
    }

    fn place(&mut self) -> Result<(), SnapshotError> {
        fs::rename(&self.hidden.path, &self.path).map_err(SnapshotError::io("replace the link", &self.path))?;
        self.hidden.renamed = true;
        Ok(())
    }

    /// Restores the replaced link. Errors are ignored, because readers do not need the links.
    fn revert(&self) {
        if self.hidden.renamed {
            let _ = match &self.before {
                Some(before) => {
                    symlink(before, &self.hidden.path).and_then(|()| fs::rename(&self.hidden.path, &self.path))
                }
                None => fs::remove_file(&self.path),
            };
        }
    }
}

/// Checks that a path is a link or does not exist.
pub(super) fn must_be_link(path: &Path) -> Result<(), SnapshotError> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_symlink() => Err(SnapshotError::LinkInTheWay { path: path.to_owned() }),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SnapshotError::io("look at", path)(error)),
        _ => Ok(()),
    }
}

/// Hidden folder or link. Dropping it removes it, unless it was renamed.
#[derive(Debug)]
struct Hidden {
    path: PathBuf,
    renamed: bool,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if !self.renamed {
            // If this fails, the next run removes it; readers never see it.
            let _ = fs::remove_file(&self.path).or_else(|_| fs::remove_dir_all(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::names_in;
    use super::*;

    #[test]
    fn links_are_restored_if_one_of_them_cannot_be_placed() {
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
            links.revert();
            drop(links);
            assert_eq!(fs::read_link(&latest).ok().as_deref(), before.map(Path::new));
            assert_eq!(names_in(store).unwrap().len(), 1 + usize::from(before.is_some()), "nothing hidden is left");
        }
    }
}
