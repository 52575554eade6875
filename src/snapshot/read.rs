//! Reading a store: the published snapshots, the newest ones, and their manifests. Changes nothing.
//!
//! A snapshot whose manifest cannot be read is never the newest one, so one damaged manifest does not stop the next
//! run. It is not absent either: [`Store::survey`] names each one, and retention keeps it.

use super::error::SnapshotError;
use super::hold;
use super::index::SnapshotIndex;
use super::manifest::{FORMAT_VERSION, Manifest, ManifestHeader};
use super::retention::ListedSnapshot;
use super::survey::{self, Survey};
use super::{LATEST, LATEST_COMPLETE, MANIFEST, Store, is_run_id, must_be_run_id, names_in};
use crate::digest::sha256_hex;
use crate::regular_file::{self, MAX_MANIFEST};
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Published snapshot with its manifest.
#[derive(Clone, Debug)]
pub struct Published {
    /// Run id of the snapshot.
    pub run_id: String,
    /// Folder of the snapshot.
    pub path: PathBuf,
    /// Manifest as it was read.
    pub manifest: Manifest,
    /// SHA-256 of `manifest.json` in lower-case hexadecimal.
    pub manifest_sha256: String,
}

impl Store {
    /// Returns the run ids of all published snapshots, complete or partial, readable or not, sorted by name.
    ///
    /// A folder that cannot be opened, and one with files but without a manifest, is a snapshot that is damaged.
    pub fn snapshots(&self) -> Result<Vec<String>, SnapshotError> {
        let mut names = names_in(self.dir())?;
        names.retain(|name| is_run_id(name) && survey::may_be_snapshot(&self.dir().join(name)));
        Ok(names)
    }

    /// Returns what the folder holds: the readable snapshots in the order of publication, and everything that cannot
    /// be read.
    pub fn survey(&self) -> Result<Survey, SnapshotError> {
        let mut index = self.index()?;
        // The index reads only headers, which other damage leaves readable.
        for run_id in index.in_order() {
            match self.open(&run_id) {
                Err(_) if !self.is_published(&run_id) => index.forget(&run_id),
                Err(error) => index.mark_unreadable(&run_id, error),
                Ok(_) => {}
            }
        }
        Ok(Survey::of(self.dir(), index))
    }

    /// Returns the run ids of all published snapshots in the order of publication, the newest last.
    ///
    /// Names come from clocks, which may be wrong. So the order follows the baselines from the newest snapshot back.
    /// Snapshots that the baselines do not reach are first, by name.
    pub fn in_order(&self) -> Result<Vec<String>, SnapshotError> {
        Ok(self.index()?.in_order())
    }

    /// Checks whether a snapshot of this run is published. Its folder gets its name with the publication, so a folder
    /// that cannot be looked at counts.
    pub fn is_published(&self, run_id: &str) -> bool {
        is_run_id(run_id) && !survey::is_absent(&self.dir().join(run_id))
    }

    /// Returns all published snapshots with their holds and baselines, for [`super::retention::plan`].
    pub fn kept(&self) -> Result<Vec<ListedSnapshot>, SnapshotError> {
        let listed = self.snapshots()?.into_iter().filter_map(|name| ListedSnapshot::named(&name));
        let detailed = listed.map(|snapshot| self.with_details(snapshot));
        // A run may remove a snapshot while a plan without the lock lists the folder.
        Ok(detailed.filter(|snapshot| snapshot.is_readable || self.is_published(&snapshot.run_id)).collect())
    }

    /// Adds what the folder of a snapshot contains: its hold and its baseline.
    fn with_details(&self, snapshot: ListedSnapshot) -> ListedSnapshot {
        let folder = self.dir().join(&snapshot.run_id);
        // Whatever the reason is, a snapshot that cannot be read is kept. It must not stop the removal of others either.
        let read = read_manifest(&folder).and_then(|(manifest, _)| Ok((manifest, hold::of_folder(&folder)?)));
        match read {
            Ok((manifest, hold)) => {
                let is_clock_in_doubt = manifest.clock_doubt.is_some();
                ListedSnapshot { hold, base: manifest.base.map(|base| base.run_id), is_clock_in_doubt, ..snapshot }
            }
            Err(_) => ListedSnapshot { is_readable: false, ..snapshot },
        }
    }

    /// Reads the manifest of one snapshot.
    pub fn open(&self, run_id: &str) -> Result<Published, SnapshotError> {
        must_be_run_id(run_id)?;
        let path = self.dir().join(run_id);
        let (manifest, manifest_sha256) = read_manifest(&path)?;
        Ok(Published { run_id: run_id.to_owned(), path, manifest, manifest_sha256 })
    }

    /// Returns the newest snapshot, complete or partial: the target of `latest`.
    ///
    /// Without that link, or if its target cannot be read, it is the last one by name. A run that was killed before it
    /// set the link is found through its baseline.
    pub fn latest(&self) -> Result<Option<Published>, SnapshotError> {
        Ok(self.first_readable(&mut self.index()?, SnapshotIndex::newest))
    }

    /// Returns the newest snapshot in which every configured source was proven complete: the target of
    /// `latest-complete`.
    ///
    /// If that link leads elsewhere, it is the newest complete one in the order of publication.
    pub fn latest_complete(&self) -> Result<Option<Published>, SnapshotError> {
        Ok(self.first_readable(&mut self.index()?, SnapshotIndex::newest_complete))
    }

    /// Returns [`Store::latest`] and [`Store::latest_complete`] after reading the folder once.
    pub fn newest(&self) -> Result<(Option<Published>, Option<Published>), SnapshotError> {
        let mut index = self.index()?;
        let latest = self.first_readable(&mut index, SnapshotIndex::newest);
        Ok((latest, self.first_readable(&mut index, SnapshotIndex::newest_complete)))
    }

    /// Opens the picked snapshot. The index reads only headers, so a whole manifest may still fail; then the next pick
    /// is tried.
    fn first_readable(&self, index: &mut SnapshotIndex, pick: fn(&SnapshotIndex) -> Option<&str>) -> Option<Published> {
        while let Some(run_id) = pick(index).map(str::to_owned) {
            match self.open(&run_id) {
                Ok(published) => return Some(published),
                Err(error) => index.mark_unreadable(&run_id, error),
            }
        }
        None
    }

    pub(super) fn index(&self) -> Result<SnapshotIndex, SnapshotError> {
        let header = |run_id: String| {
            let header = read_header(&self.dir().join(&run_id));
            // Retention may remove a snapshot while a reader without the lock lists the folder.
            (header.is_ok() || self.is_published(&run_id)).then_some((run_id, header))
        };
        let snapshots = self.snapshots()?.into_iter().filter_map(header).collect();
        let (latest, latest_complete) = (self.linked(LATEST)?, self.linked(LATEST_COMPLETE)?);
        Ok(SnapshotIndex { snapshots, latest, latest_complete })
    }

    /// Returns the target of a link in the folder; `None` if there is no link of this name.
    pub(super) fn linked(&self, link: &str) -> Result<Option<String>, SnapshotError> {
        let path = self.dir().join(link);
        match fs::read_link(&path) {
            // readlink(2) reports a file or folder of this name as an invalid argument.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => Ok(None),
            other => other
                .map(|target| Some(target.to_string_lossy().into_owned()))
                .map_err(SnapshotError::io("read the link", &path)),
        }
    }
}

/// Reads the manifest in a folder. Returns it with its SHA-256.
pub(super) fn read_manifest(folder: &Path) -> Result<(Manifest, String), SnapshotError> {
    read(folder)
}

/// Reads only the header of the manifest in a folder. Returns it with the SHA-256 of the whole file.
pub(super) fn read_header(folder: &Path) -> Result<(ManifestHeader, String), SnapshotError> {
    read(folder)
}

fn read<T: DeserializeOwned>(folder: &Path) -> Result<(T, String), SnapshotError> {
    let path = folder.join(MANIFEST);
    let bytes = regular_file::read(&path, MAX_MANIFEST).map_err(SnapshotError::io("read", &path))?;
    let manifest = parse_manifest(&bytes).map_err(|reason| SnapshotError::Manifest { path, reason })?;
    Ok((manifest, sha256_hex(&bytes)))
}

/// Parses a manifest. The format version is checked first, because another version may have other fields.
fn parse_manifest<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    #[derive(serde::Deserialize)]
    struct Version {
        format_version: Option<serde_json::Value>,
    }
    let version: Version = serde_json::from_slice(bytes).map_err(|error| format!("it is not valid JSON: {error}"))?;
    match version.format_version {
        None => Err("it has no format_version, so it is not a manifest of bt-rollcall".to_owned()),
        Some(found) if found != FORMAT_VERSION => Err(format!(
            "it has format version {found}, but this version of bt-rollcall reads format version {FORMAT_VERSION}; use the \
             version of bt-rollcall that wrote it (`tool` in the manifest)"
        )),
        Some(_) => serde_json::from_slice(bytes)
            .map_err(|error| format!("it is not a valid manifest of format version {FORMAT_VERSION}: {error}")),
    }
}
