//! Verification of one snapshot against its manifest: missing, additional and changed files, row counts, and the link
//! to the baseline.
//!
//! It works offline, changes nothing, and reports every problem. `load` refuses a snapshot that fails here; `walk`
//! verifies all snapshots of a folder.

use super::error::SnapshotError;
use super::hold::{self, HOLD, Hold};
use super::ledger::Ledger;
use super::locate::snapshot_folder;
use super::manifest::{BaseReference, FileEntry, Manifest};
use super::read::read_manifest;
use super::{MANIFEST, is_run_id, names_in};
use crate::digest::hex;
use crate::model::Completeness;
use crate::regular_file;
use crate::table::Separator;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

/// Result for an intact snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Run id of the snapshot.
    pub run_id: String,
    /// Whether every source was proven complete.
    pub completeness: Completeness,
    /// Number of compared files, without the manifest.
    pub files: usize,
    /// SHA-256 of `manifest.json` in lower-case hexadecimal.
    pub manifest_sha256: String,
    /// State of the link to the baseline.
    pub base: BaseLink,
    /// Hold on the snapshot.
    pub hold: Option<Hold>,
}

/// State of the link from a snapshot to its baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseLink {
    /// The snapshot names no baseline.
    First,
    /// The baseline is in the same folder and has the manifest that the snapshot names.
    Intact(String),
    /// The baseline is missing, and the ledger states that retention removed it.
    Pruned {
        /// Run id of the baseline.
        run_id: String,
        /// Time of the removal.
        removed_at: String,
    },
    /// The baseline is missing, and no ledger entry explains why. The snapshot may be a copy, or somebody removed the
    /// baseline.
    Absent(String),
    /// The user of this process may not read the baseline.
    Denied(String),
}

/// Difference between a snapshot and its manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyProblem {
    /// The manifest cannot be read, so nothing else was checked.
    #[error("{0}")]
    Manifest(String),
    /// The folder has the name of another run.
    #[error("the folder is named {folder}, but its manifest belongs to run {run_id}")]
    Renamed {
        /// Name of the folder.
        folder: String,
        /// Run id in the manifest.
        run_id: String,
    },
    /// A listed file does not exist.
    #[error("{0}: missing")]
    Missing(String),
    /// A file is not listed.
    #[error("{0}: not in the manifest")]
    Extra(String),
    /// A listed name is not allowed, or is listed twice.
    #[error("{0}: not a valid name in a manifest, or listed twice")]
    BadName(String),
    /// A listed file is a link, folder or device.
    #[error("{0}: not a regular file")]
    NotAFile(String),
    /// A file has another size.
    #[error("{path}: changed: {found} bytes instead of {expected}")]
    Size {
        /// Name of the file.
        path: String,
        /// Size in the manifest, in bytes.
        expected: u64,
        /// Size on the disk, in bytes.
        found: u64,
    },
    /// A file has the same size but other content.
    #[error("{0}: changed: its SHA-256 differs from the manifest")]
    Hash(String),
    /// A file has the listed content but another number of rows.
    #[error("{path}: {found} rows instead of {expected}")]
    Rows {
        /// Name of the file.
        path: String,
        /// Number of rows in the manifest.
        expected: u64,
        /// Number of rows in the file.
        found: u64,
    },
    /// A file cannot be read.
    #[error("{path}: cannot be read: {why}")]
    Unreadable {
        /// Name of the file.
        path: String,
        /// Error as a text.
        why: String,
    },
    /// The user of this process may not read the manifest, a file or the list of the files, so that nothing is known.
    #[error("{0}: not checked: permission denied")]
    Denied(String),
    /// The link to the baseline is broken.
    #[error("the baseline {run_id} is not the snapshot that this one was compared with: {why}")]
    BaseReference {
        /// Run id of the baseline.
        run_id: String,
        /// Reason as a text.
        why: String,
    },
}

impl VerifyProblem {
    /// Returns whether the manifest itself cannot be read, so that nothing was compared with it.
    pub fn is_of_manifest(&self) -> bool {
        matches!(self, Self::Manifest(_))
    }

    /// Returns whether the user of this process may not read something, which says nothing about the snapshot.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied(_))
    }

    fn unreadable(path: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied(path.to_owned()),
            _ => Self::Unreadable { path: path.to_owned(), why: error.to_string() },
        }
    }

    fn of_manifest(error: &SnapshotError) -> Self {
        if error.is_denied() { Self::Denied(MANIFEST.to_owned()) } else { Self::Manifest(error.to_string()) }
    }

    /// Returns the listed file that has the problem; `None` if the problem concerns more than one listed file.
    pub fn of_file(&self) -> Option<&str> {
        match self {
            Self::Missing(path)
            | Self::NotAFile(path)
            | Self::Hash(path)
            | Self::Size { path, .. }
            | Self::Unreadable { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// Comparison of a folder with its own manifest, without the baseline.
pub(super) struct Checked {
    pub(super) manifest: Manifest,
    pub(super) manifest_sha256: String,
    pub(super) hold: Option<Hold>,
    pub(super) problems: Vec<VerifyProblem>,
}

/// Compares every file of a folder with the manifest in it.
pub(super) fn check(dir: &Path) -> Result<Checked, VerifyProblem> {
    let (manifest, manifest_sha256, mut problems) = compare(dir, |_| true)?;
    let hold = hold::of_folder(dir).unwrap_or_else(|error| {
        let why = error.to_string();
        problems.push(if error.is_denied() {
            VerifyProblem::Denied(HOLD.to_owned())
        } else {
            VerifyProblem::Unreadable { path: HOLD.to_owned(), why }
        });
        None
    });
    Ok(Checked { manifest, manifest_sha256, hold, problems })
}

/// Compares the `wanted` files with the manifest, and the names in the folder with its list.
///
/// Other files may be changed or missing, and the baseline is not checked. Returns the manifest and its SHA-256 in
/// lower-case hexadecimal.
pub(super) fn verify_files(
    dir: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<(Manifest, String), Vec<VerifyProblem>> {
    let (manifest, manifest_sha256, problems) = compare(dir, wanted).map_err(|problem| vec![problem])?;
    if problems.is_empty() { Ok((manifest, manifest_sha256)) } else { Err(problems) }
}

fn compare(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<(Manifest, String, Vec<VerifyProblem>), VerifyProblem> {
    let (manifest, manifest_sha256) = read_manifest(dir).map_err(|e| VerifyProblem::of_manifest(&e))?;
    let mut problems = Vec::new();
    problems.extend(renamed(dir, &manifest));
    let files = manifest.files.iter().filter(|entry| wanted(&entry.path));
    problems.extend(files.filter_map(|entry| check_file(dir, entry).err()));
    problems.extend(unlisted_files(dir, &manifest));
    Ok((manifest, manifest_sha256, problems))
}

/// Compares the folder of a snapshot with its manifest, and checks the link to its baseline.
pub fn verify(dir: &Path) -> Result<Verified, Vec<VerifyProblem>> {
    verify_except(dir, None).map(|(verified, _)| verified)
}

/// Verifies a snapshot like [`verify`], but returns the problems of one file separately instead of failing.
pub(super) fn verify_except(
    dir: &Path,
    file: Option<&str>,
) -> Result<(Verified, Vec<VerifyProblem>), Vec<VerifyProblem>> {
    // The path may be `latest` or `.`. The real path has the name of the run, and its parent contains the baseline.
    let dir = snapshot_folder(dir).map_err(|error| vec![VerifyProblem::Manifest(error.to_string())])?;
    let Checked { manifest, manifest_sha256, hold, problems } = check(&dir).map_err(|problem| vec![problem])?;
    let is_excused = |problem: &VerifyProblem| file.is_some() && problem.of_file() == file;
    let (excused, mut problems): (Vec<VerifyProblem>, Vec<VerifyProblem>) = problems.into_iter().partition(is_excused);
    match check_base(&dir, manifest.base.as_ref()) {
        Ok(base) if problems.is_empty() => {
            let (run_id, completeness, files) = (manifest.run_id, manifest.completeness, manifest.files.len());
            Ok((Verified { run_id, completeness, files, manifest_sha256, base, hold }, excused))
        }
        Ok(_) => Err(problems),
        Err(broken) => {
            problems.push(broken);
            Err(problems)
        }
    }
}

/// Checks the name of the folder. A copy may have any name except the id of another run.
fn renamed(dir: &Path, manifest: &Manifest) -> Option<VerifyProblem> {
    let folder = dir.file_name()?.to_str()?;
    let wrong = is_run_id(folder) && folder != manifest.run_id;
    wrong.then(|| VerifyProblem::Renamed { folder: folder.to_owned(), run_id: manifest.run_id.clone() })
}

/// Returns files that the manifest does not list, and names that it lists twice. A hold is added after the manifest, so
/// it is not listed.
fn unlisted_files(dir: &Path, manifest: &Manifest) -> Vec<VerifyProblem> {
    let times_listed = |name: &str| manifest.files.iter().filter(|f| f.path == name).count();
    let mut problems: Vec<VerifyProblem> = Vec::new();
    match names_in(dir) {
        Ok(names) => {
            let is_extra = |name: &String| name != MANIFEST && name != HOLD && times_listed(name) == 0;
            problems.extend(names.into_iter().filter(is_extra).map(VerifyProblem::Extra));
        }
        Err(error) if error.is_denied() => problems.push(VerifyProblem::Denied("list of files".to_owned())),
        Err(error) => problems.push(VerifyProblem::Manifest(error.to_string())),
    }
    let mut twice: Vec<&str> = manifest.files.iter().map(|f| f.path.as_str()).filter(|p| times_listed(p) > 1).collect();
    twice.dedup();
    problems.extend(twice.into_iter().map(|path| VerifyProblem::BadName(path.to_owned())));
    problems
}

fn check_file(dir: &Path, entry: &FileEntry) -> Result<(), VerifyProblem> {
    let name = || entry.path.clone();
    let unreadable = |e: io::Error| VerifyProblem::unreadable(&entry.path, &e);
    // A manifest from outside must not lead to files outside of its folder.
    if entry.path.is_empty() || entry.path.contains('/') || matches!(entry.path.as_str(), "." | ".." | MANIFEST | HOLD)
    {
        return Err(VerifyProblem::BadName(name()));
    }
    let path = dir.join(&entry.path);
    // Links are not followed: the content behind a link is not part of the snapshot.
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(VerifyProblem::Missing(name())),
        other => other.map_err(unreadable)?,
    };
    if !found.is_file() {
        return Err(VerifyProblem::NotAFile(name()));
    }
    // The size is compared first, because hashing a file that has grown without limit would take long.
    if found.len() != entry.bytes {
        return Err(VerifyProblem::Size { path: name(), expected: entry.bytes, found: found.len() });
    }
    if hash_file(&path).map_err(unreadable)? != entry.sha256 {
        return Err(VerifyProblem::Hash(name()));
    }
    check_rows(&path, entry)
}

fn check_rows(path: &Path, entry: &FileEntry) -> Result<(), VerifyProblem> {
    let Some(expected) = entry.rows else { return Ok(()) };
    let counted = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => csv_rows(path),
        Some("parquet") => parquet_rows(path),
        Some("jsonl") => lines(path),
        _ => return Ok(()),
    };
    match counted {
        Ok(found) if found == expected => Ok(()),
        Ok(found) => Err(VerifyProblem::Rows { path: entry.path.clone(), expected, found }),
        Err(why) => Err(VerifyProblem::unreadable(&entry.path, &why)),
    }
}

pub(super) fn hash_file(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    each_part(path, |part| hash.update(part))?;
    Ok(hex(&hash.finalize()))
}

fn lines(path: &Path) -> io::Result<u64> {
    let mut lines = 0;
    each_part(path, |part| lines += part.iter().map(|b| u64::from(*b == b'\n')).sum::<u64>())?;
    Ok(lines)
}

fn each_part(path: &Path, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = regular_file::open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => take(&buffer[..read]),
        }
    }
}

/// Counts the data rows of a CSV file. A row with a wrong number of cells is an error.
fn csv_rows(path: &Path) -> io::Result<u64> {
    let mut file = BufReader::new(regular_file::open(path)?);
    let mut header = Vec::new();
    file.read_until(b'\n', &mut header)?;
    file.rewind()?;
    let mut reader = csv::ReaderBuilder::new().delimiter(Separator::of_header(&header).byte()).from_reader(file);
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record)? {
        rows += 1;
    }
    Ok(rows)
}

/// Returns the number of rows from the footer of a Parquet file.
fn parquet_rows(path: &Path) -> io::Result<u64> {
    let reader = SerializedFileReader::new(regular_file::open(path)?).map_err(io::Error::other)?;
    u64::try_from(reader.metadata().file_metadata().num_rows()).map_err(io::Error::other)
}

fn check_base(dir: &Path, base: Option<&BaseReference>) -> Result<BaseLink, VerifyProblem> {
    let Some(base) = base else { return Ok(BaseLink::First) };
    let broken = |why: &str| VerifyProblem::BaseReference { run_id: base.run_id.clone(), why: why.to_owned() };
    if !is_run_id(&base.run_id) {
        return Err(broken("it is not a run id"));
    }
    let folder = dir.with_file_name(&base.run_id);
    match hash_file(&folder.join(MANIFEST)) {
        Ok(sha256) if sha256 == base.manifest_sha256 => Ok(BaseLink::Intact(base.run_id.clone())),
        Ok(_) => Err(broken("its manifest has changed")),
        // A folder without a manifest does not exist for any reader.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let ledger = dir.parent().map_or_else(|| Ok(Ledger::default()), Ledger::read);
            let ledger =
                ledger.map_err(|error| broken(&format!("it is missing, and bt-rollcall failed to {error}")))?;
            match ledger.entry(&base.run_id) {
                None => Ok(BaseLink::Absent(base.run_id.clone())),
                Some(removed) if removed.manifest_sha256 == base.manifest_sha256 => {
                    Ok(BaseLink::Pruned { run_id: base.run_id.clone(), removed_at: removed.removed_at.clone() })
                }
                Some(_) => Err(broken("retention removed it, but with another manifest")),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(BaseLink::Denied(base.run_id.clone())),
        Err(error) => Err(broken(&error.to_string())),
    }
}
