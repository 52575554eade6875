//! A snapshot on its way: staged in a hidden folder, sealed by its manifest, published by one rename.
//! A kill at any moment leaves either nothing that a reader sees or a whole snapshot. Knows no lock and no retention.

use super::error::SnapshotError;
use super::file::{HashingFile, Register, create_new, sha256_of};
use super::manifest::{FileEntry, Manifest};
use super::pages::{PAGES, PagesLog};
use super::{LATEST, LATEST_STAGED, MANIFEST, STAGING, create_folder, sync_folder};
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
            if choice.csv {
                written.guarded_cells += self.write_csv(tables, table, choice.dialect)?;
            }
            if choice.parquet {
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

    /// Makes the snapshot visible by one rename and, if it is complete, points `latest` to it. Gives its folder.
    /// On an error nothing is published: a rename that was done already is taken back.
    pub fn publish(mut self) -> Result<PathBuf, SnapshotError> {
        // The folder was made inside the store, so it has a parent.
        let store = self.folder.path.parent().unwrap_or(Path::new(".")).to_owned();
        let target = store.join(&self.run_id);
        // All that needs space is done before anything is visible.
        let link = self.complete.then(|| StagedLink::create(&store, &self.run_id)).transpose()?;
        fs::rename(&self.folder.path, &target).map_err(SnapshotError::io("publish", &target))?;
        let settled = sync_folder(&store).and_then(|()| link.map_or(Ok(()), |link| link.publish(&store)));
        if let Err(error) = settled {
            // As far as it goes: where even this fails, a whole and valid snapshot stays.
            let _ = fs::rename(&target, &self.folder.path);
            return Err(error);
        }
        self.folder.gone = true;
        Ok(target)
    }
}

/// Points `latest` to a published snapshot.
pub(super) fn link_latest(store: &Path, run_id: &str) -> Result<(), SnapshotError> {
    StagedLink::create(store, run_id)?.publish(store)
}

/// The next `latest` under a hidden name.
struct StagedLink(Hidden);

impl StagedLink {
    fn create(store: &Path, run_id: &str) -> Result<Self, SnapshotError> {
        let latest = store.join(LATEST);
        if fs::symlink_metadata(&latest).is_ok_and(|there| !there.is_symlink()) {
            return Err(SnapshotError::LatestInTheWay { path: latest });
        }
        let path = store.join(format!("{LATEST_STAGED}{run_id}"));
        symlink(run_id, &path).map_err(SnapshotError::io("create the link", &path))?;
        Ok(Self(Hidden { path, gone: false }))
    }

    fn publish(mut self, store: &Path) -> Result<(), SnapshotError> {
        let latest = store.join(LATEST);
        fs::rename(&self.0.path, &latest).map_err(SnapshotError::io("replace the link", &latest))?;
        self.0.gone = true;
        sync_folder(store)
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
