//! What readers of a store see: published snapshots, the latest complete one, manifests. Changes nothing.

use super::error::SnapshotError;
use super::file::sha256_of;
use super::hold;
use super::manifest::{FORMAT_VERSION, Header, Manifest};
use super::retention::Kept;
use super::{LATEST, MANIFEST, Store, is_run_id, must_be_run_id, names_in};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
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

    /// The same in the order of publication, the newest last. Names are made of clocks, which may have been wrong: complete ones
    /// follow the links from the last back to the first that is there, and a partial one stands behind its base. What no link
    /// reaches stands before, by name.
    pub fn in_order(&self) -> Result<Vec<String>, SnapshotError> {
        let names = self.snapshots()?;
        let base_of = |name: &String| {
            let base = read_header(&self.dir().join(name)).ok().and_then(|(header, _)| header.base);
            base.map(|base| base.run_id)
        };
        let mut bases: BTreeMap<String, Option<String>> = names.iter().map(|n| (n.clone(), base_of(n))).collect();
        let mut chain = Vec::new();
        let mut next = self.published_last()?.map(|last| last.run_id);
        while let Some((run_id, base)) = next.take().and_then(|run_id| bases.remove_entry(&run_id)) {
            chain.push(run_id);
            next = base;
        }
        let (mut order, mut behind): (Vec<String>, BTreeMap<String, Vec<String>>) = (Vec::new(), BTreeMap::new());
        for (name, base) in bases {
            match base.filter(|base| chain.contains(base)) {
                Some(base) => behind.entry(base).or_default().push(name),
                None => order.push(name),
            }
        }
        for run_id in chain.into_iter().rev() {
            let partial = behind.remove(&run_id).unwrap_or_default();
            order.push(run_id);
            order.extend(partial);
        }
        Ok(order)
    }

    /// Whether readers see a snapshot of this run.
    pub fn is_published(&self, run_id: &str) -> bool {
        is_run_id(run_id) && self.dir().join(run_id).join(MANIFEST).is_file()
    }

    /// The same for [`super::retention::plan`].
    pub fn kept(&self) -> Result<Vec<Kept>, SnapshotError> {
        let kept = self.snapshots()?.into_iter().filter_map(|name| Kept::named(&name));
        kept.map(|kept| self.with_ties(kept)).collect()
    }

    /// With what its folder says: who holds it, and its base.
    fn with_ties(&self, kept: Kept) -> Result<Kept, SnapshotError> {
        let folder = self.dir().join(&kept.run_id);
        let header = read_header(&folder).ok().map(|(header, _)| header);
        let is_readable = header.is_some();
        let base = header.and_then(|header| header.base).map(|base| base.run_id);
        Ok(Kept { hold: hold::of_folder(&folder)?, base, is_readable, ..kept })
    }

    /// Opens one snapshot.
    pub fn open(&self, run_id: &str) -> Result<Published, SnapshotError> {
        must_be_run_id(run_id)?;
        let path = self.dir().join(run_id);
        let (manifest, manifest_sha256) = read_manifest(&path)?;
        Ok(Published { run_id: run_id.to_owned(), path, manifest, manifest_sha256 })
    }

    /// The complete snapshot that was published last: the one that `latest` names. Where that link is gone or leads nowhere,
    /// the last by name; names are made of clocks, which may have been wrong.
    pub fn latest(&self) -> Result<Option<Published>, SnapshotError> {
        let linked =
            fs::read_link(self.dir().join(LATEST)).ok().and_then(|target| target.into_os_string().into_string().ok());
        if let Some(found) = linked.and_then(|name| self.complete(&name)) {
            return Ok(Some(found));
        }
        Ok(self.snapshots()?.iter().rev().find_map(|name| self.complete(name)))
    }

    /// The same, also where a kill came between publishing and linking: such a snapshot names the linked one as its base.
    pub(super) fn published_last(&self) -> Result<Option<Published>, SnapshotError> {
        let Some(mut last) = self.latest()? else { return Ok(None) };
        let mut others: Vec<Published> = self.snapshots()?.iter().filter_map(|name| self.complete(name)).collect();
        let follows = |one: &Published, last: &Published| {
            one.manifest.base.as_ref().is_some_and(|base| base.manifest_sha256 == last.manifest_sha256)
        };
        while let Some(at) = others.iter().rposition(|other| follows(other, &last)) {
            last = others.swap_remove(at);
        }
        Ok(Some(last))
    }

    fn complete(&self, name: &str) -> Option<Published> {
        self.open(name).ok().filter(|published| published.manifest.is_complete())
    }
}

/// The manifest of a snapshot's folder, and its SHA-256.
pub(super) fn read_manifest(folder: &Path) -> Result<(Manifest, String), SnapshotError> {
    read(folder)
}

/// The little of it that the chain and retention need.
pub(super) fn read_header(folder: &Path) -> Result<(Header, String), SnapshotError> {
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
