//! Reading a store: the published snapshots, the newest ones, and their manifests. Changes nothing.
//!
//! A snapshot whose manifest cannot be read is never the newest one, so one damaged manifest does not stop the next
//! run.

use super::error::SnapshotError;

use super::hold;
use super::index::SnapshotIndex;
use super::manifest::{FORMAT_VERSION, Manifest, ManifestHeader};
use super::retention::ListedSnapshot;
use super::{LATEST, LATEST_COMPLETE, MANIFEST, Store, is_run_id, must_be_run_id, names_in};
use crate::digest::sha256_hex;
use serde::de::DeserializeOwned;
use std::fs;
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
    /// Returns the run ids of all published snapshots, complete or partial, sorted by name.
    pub fn snapshots(&self) -> Result<Vec<String>, SnapshotError> {
        let mut names = names_in(self.dir())?;
        names.retain(|name| is_run_id(name) && self.dir().join(name).join(MANIFEST).is_file());
        Ok(names)
    }

    /// Returns the run ids of all published snapshots in the order of publication, the newest last.
    ///
    /// Names come from clocks, which may be wrong. So the order follows the baselines from the newest snapshot back.
    /// Snapshots that the baselines do not reach are first, by name.
    pub fn in_order(&self) -> Result<Vec<String>, SnapshotError> {
        Ok(self.index()?.in_order())
    }

    /// Checks whether a snapshot of this run is published.
    pub fn is_published(&self, run_id: &str) -> bool {
        is_run_id(run_id) && self.dir().join(run_id).join(MANIFEST).is_file()
    }

    /// Returns all published snapshots with their holds and baselines, for [`super::retention::plan`].
    pub fn kept(&self) -> Result<Vec<ListedSnapshot>, SnapshotError> {
        let listed = self.snapshots()?.into_iter().filter_map(|name| ListedSnapshot::named(&name));
        listed.map(|snapshot| self.with_details(snapshot)).collect()
    }

    /// Adds what the folder of a snapshot contains: its hold and its baseline.
    fn with_details(&self, snapshot: ListedSnapshot) -> Result<ListedSnapshot, SnapshotError> {
        let folder = self.dir().join(&snapshot.run_id);
        let header = read_header(&folder).ok().map(|(header, _)| header);
        let is_readable = header.is_some();
        let base = header.and_then(|header| header.base).map(|base| base.run_id);
        Ok(ListedSnapshot { hold: hold::of_folder(&folder)?, base, is_readable, ..snapshot })
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
            if let Ok(published) = self.open(&run_id) {
                return Some(published);
            }
            index.mark_unreadable(&run_id);
        }
        None
    }

    fn index(&self) -> Result<SnapshotIndex, SnapshotError> {
        let header = |run_id: String| {
            let header = read_header(&self.dir().join(&run_id)).ok();
            (run_id, header)
        };
        let snapshots = self.snapshots()?.into_iter().map(header).collect();
        Ok(SnapshotIndex { snapshots, latest: self.linked(LATEST), latest_complete: self.linked(LATEST_COMPLETE) })
    }

    /// Returns the target of a link in the folder.
    pub(super) fn linked(&self, link: &str) -> Option<String> {
        fs::read_link(self.dir().join(link)).ok()?.into_os_string().into_string().ok()
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
    let bytes = fs::read(&path).map_err(SnapshotError::io("read", &path))?;
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
