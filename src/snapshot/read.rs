//! What readers of a store see: published snapshots, the newest ones, manifests. Changes nothing.

use super::error::SnapshotError;
use super::file::sha256_of;
use super::hold;
use super::index::SnapshotIndex;
use super::manifest::{FORMAT_VERSION, Manifest, ManifestHeader};
use super::retention::ListedSnapshot;
use super::{LATEST, LATEST_COMPLETE, MANIFEST, Store, is_run_id, must_be_run_id, names_in};
use serde::de::DeserializeOwned;
use std::fs;
use std::path::{Path, PathBuf};

/// A snapshot with its manifest as read.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its run.
    pub run_id: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// SHA-256 of `manifest.json`, lower-case hex.
    pub manifest_sha256: String,
}

impl Store {
    /// Run ids of all published snapshots, ascending by time; partial ones too.
    pub fn snapshots(&self) -> Result<Vec<String>, SnapshotError> {
        let mut names = names_in(self.dir())?;
        names.retain(|name| is_run_id(name) && self.dir().join(name).join(MANIFEST).is_file());
        Ok(names)
    }

    /// Returns the same in the order of publication, the newest last. Names come from clocks, which may have been wrong: the
    /// order follows the bases from the newest back. What they do not reach stands first, by name.
    pub fn in_order(&self) -> Result<Vec<String>, SnapshotError> {
        Ok(self.line()?.in_order())
    }

    /// Whether readers see a snapshot of this run.
    pub fn is_published(&self, run_id: &str) -> bool {
        is_run_id(run_id) && self.dir().join(run_id).join(MANIFEST).is_file()
    }

    /// The same for [`super::retention::plan`].
    pub fn kept(&self) -> Result<Vec<ListedSnapshot>, SnapshotError> {
        let kept = self.snapshots()?.into_iter().filter_map(|name| ListedSnapshot::named(&name));
        kept.map(|kept| self.with_ties(kept)).collect()
    }

    /// With what its folder says: who holds it, and its base.
    fn with_ties(&self, kept: ListedSnapshot) -> Result<ListedSnapshot, SnapshotError> {
        let folder = self.dir().join(&kept.run_id);
        let header = read_header(&folder).ok().map(|(header, _)| header);
        let is_readable = header.is_some();
        let base = header.and_then(|header| header.base).map(|base| base.run_id);
        Ok(ListedSnapshot { hold: hold::of_folder(&folder)?, base, is_readable, ..kept })
    }

    /// Opens one snapshot.
    pub fn open(&self, run_id: &str) -> Result<Published, SnapshotError> {
        must_be_run_id(run_id)?;
        let path = self.dir().join(run_id);
        let (manifest, manifest_sha256) = read_manifest(&path)?;
        Ok(Published { run_id: run_id.to_owned(), path, manifest, manifest_sha256 })
    }

    /// Returns the newest snapshot, complete or not: the target of `latest`. Where that link is gone or leads to nothing that
    /// can be read, the last one by name. Where a kill came before the link, the snapshot that follows by its base.
    pub fn latest(&self) -> Result<Option<Published>, SnapshotError> {
        Ok(self.first_readable(&mut self.line()?, SnapshotIndex::newest))
    }

    /// Returns the newest snapshot in which every configured source was proven complete: the target of `latest-complete`. Where
    /// that link does not lead there, the newest complete one in the order of publication.
    pub fn latest_complete(&self) -> Result<Option<Published>, SnapshotError> {
        Ok(self.first_readable(&mut self.line()?, SnapshotIndex::newest_complete))
    }

    /// Returns [`Store::latest`] and [`Store::latest_complete`] after reading the folder once.
    pub fn newest(&self) -> Result<(Option<Published>, Option<Published>), SnapshotError> {
        let mut line = self.line()?;
        let latest = self.first_readable(&mut line, SnapshotIndex::newest);
        Ok((latest, self.first_readable(&mut line, SnapshotIndex::newest_complete)))
    }

    fn first_readable(&self, line: &mut SnapshotIndex, pick: fn(&SnapshotIndex) -> Option<&str>) -> Option<Published> {
        while let Some(run_id) = pick(line).map(str::to_owned) {
            if let Ok(published) = self.open(&run_id) {
                return Some(published);
            }
            line.pass_over(&run_id);
        }
        None
    }

    fn line(&self) -> Result<SnapshotIndex, SnapshotError> {
        let header = |run_id: String| {
            let header = read_header(&self.dir().join(&run_id)).ok();
            (run_id, header)
        };
        let snapshots = self.snapshots()?.into_iter().map(header).collect();
        Ok(SnapshotIndex { snapshots, latest: self.linked(LATEST), latest_complete: self.linked(LATEST_COMPLETE) })
    }

    /// What a link in the folder names.
    pub(super) fn linked(&self, link: &str) -> Option<String> {
        fs::read_link(self.dir().join(link)).ok()?.into_os_string().into_string().ok()
    }
}

/// The manifest of a snapshot's folder, and its SHA-256.
pub(super) fn read_manifest(folder: &Path) -> Result<(Manifest, String), SnapshotError> {
    read(folder)
}

/// The little of it that the chain and retention need.
pub(super) fn read_header(folder: &Path) -> Result<(ManifestHeader, String), SnapshotError> {
    read(folder)
}

fn read<T: DeserializeOwned>(folder: &Path) -> Result<(T, String), SnapshotError> {
    let path = folder.join(MANIFEST);
    let bytes = fs::read(&path).map_err(SnapshotError::io("read", &path))?;
    let manifest = parse_manifest(&bytes).map_err(|reason| SnapshotError::Manifest { path, reason })?;
    Ok((manifest, sha256_of(&bytes)))
}

/// Looks at the version first: a newer manifest may have another shape altogether.
fn parse_manifest<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    #[derive(serde::Deserialize)]
    struct Version {
        format_version: u32,
    }
    let version: Version = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if version.format_version > FORMAT_VERSION {
        let found = version.format_version;
        return Err(format!(
            "it has format version {found}, and this program knows up to {FORMAT_VERSION}; use a newer one"
        ));
    }
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}
