//! Whether a snapshot is what its manifest says: files missing, extra or changed, row counts, the chain to the base.
//! Offline; changes nothing; reports every problem, not the first.

use super::file::hex;
use super::hold::{self, HOLD, Hold};
use super::ledger::Ledger;
use super::manifest::{BaseReference, FileEntry, Manifest};
use super::read::read_manifest;
use super::{MANIFEST, is_run_id, names_in};
use crate::model::Completeness;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// An intact snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its run.
    pub run_id: String,
    /// Whether everything was proven complete.
    pub completeness: Completeness,
    /// Files that were compared, the manifest not counted.
    pub files: usize,
    /// SHA-256 of `manifest.json`, lower-case hex.
    pub manifest_sha256: String,
    /// The chain.
    pub base: BaseLink,
    /// Whether somebody wants it to stay.
    pub hold: Option<Hold>,
}

/// How the chain to the base snapshot stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseLink {
    /// This snapshot has no base.
    First,
    /// The base is beside it and has the manifest that this one names.
    Intact(String),
    /// The base is not there, and the ledger beside the snapshot says that retention removed it.
    Pruned {
        /// Its run.
        run_id: String,
        /// When.
        removed_at: String,
    },
    /// The base is not there, and nothing says that retention removed it: as of a copy, or somebody else removed it.
    Absent(String),
}

/// One thing that is not as the manifest says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyProblem {
    /// No manifest that can be understood: nothing else could be checked.
    #[error("{0}")]
    Manifest(String),
    /// The folder bears another run's name.
    #[error("the folder is named {folder}, but its manifest is of run {run_id}")]
    Renamed {
        /// The folder's name.
        folder: String,
        /// The manifest's.
        run_id: String,
    },
    /// Listed, and not there.
    #[error("{0}: missing")]
    Missing(String),
    /// There, and not listed.
    #[error("{0}: not in the manifest")]
    Extra(String),
    /// A name that no snapshot may list, or listed twice.
    #[error("{0}: not a name that a manifest may list, or listed twice")]
    BadName(String),
    /// A link, folder or device where a file belongs.
    #[error("{0}: not a regular file")]
    NotAFile(String),
    /// Another size.
    #[error("{path}: changed: {found} bytes instead of {expected}")]
    Size {
        /// Which file.
        path: String,
        /// By the manifest.
        expected: u64,
        /// On the disk.
        found: u64,
    },
    /// The same size, other bytes.
    #[error("{0}: changed: its SHA-256 is not the manifest's")]
    Hash(String),
    /// The bytes are the manifest's, but not their number of rows.
    #[error("{path}: {found} rows instead of {expected}")]
    Rows {
        /// Which file.
        path: String,
        /// By the manifest.
        expected: u64,
        /// In the file.
        found: u64,
    },
    /// It could not be read.
    #[error("{path}: cannot be read: {why}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What was said.
        why: String,
    },
    /// The chain is broken.
    #[error("the base snapshot {run_id} is not the one that this snapshot was compared with: {why}")]
    BaseReference {
        /// The base's run.
        run_id: String,
        /// In words.
        why: String,
    },
}

impl VerifyProblem {
    /// The file that is listed, where all that is wrong is that one.
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

/// A folder held against its own manifest alone.
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
        problems.push(VerifyProblem::Unreadable { path: HOLD.to_owned(), why: error.to_string() });
        None
    });
    Ok(Checked { manifest, manifest_sha256, hold, problems })
}

/// Compares only the files that are `wanted` with the manifest, and the names in the folder with its list. Files that are not
/// wanted may be changed or missing; the base is not looked for. Returns the manifest and the SHA-256 of the bytes that it was
/// read from, in lower-case hex.
pub(super) fn verify_files(
    dir: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<(Manifest, String), Vec<VerifyProblem>> {
    let (manifest, manifest_sha256, problems) = compare(dir, wanted).map_err(|problem| vec![problem])?;
    if problems.is_empty() { Ok((manifest, manifest_sha256)) } else { Err(problems) }
}

fn compare(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<(Manifest, String, Vec<VerifyProblem>), VerifyProblem> {
    let (manifest, manifest_sha256) = read_manifest(dir).map_err(|e| VerifyProblem::Manifest(e.to_string()))?;
    let mut problems = Vec::new();
    problems.extend(renamed(dir, &manifest));
    let files = manifest.files.iter().filter(|entry| wanted(&entry.path));
    problems.extend(files.filter_map(|entry| check_file(dir, entry).err()));
    problems.extend(strangers(dir, &manifest));
    Ok((manifest, manifest_sha256, problems))
}

/// Compares a snapshot's folder with its manifest, and looks for its base.
pub fn verify(dir: &Path) -> Result<Verified, Vec<VerifyProblem>> {
    verify_but_for(dir, None).map(|(verified, _)| verified)
}

/// The same; what is wrong with this one file is given apart.
pub(super) fn verify_but_for(
    dir: &Path,
    file: Option<&str>,
) -> Result<(Verified, Vec<VerifyProblem>), Vec<VerifyProblem>> {
    // `latest` and `.` lead to a folder with a name and neighbours.
    let dir =
        fs::canonicalize(dir).map_err(|e| vec![VerifyProblem::Manifest(format!("open {}: {e}", dir.display()))])?;
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

/// A copy in a folder of any other name is fine; one under another run's name is not.
fn renamed(dir: &Path, manifest: &Manifest) -> Option<VerifyProblem> {
    let folder = dir.file_name()?.to_str()?;
    let wrong = is_run_id(folder) && folder != manifest.run_id;
    wrong.then(|| VerifyProblem::Renamed { folder: folder.to_owned(), run_id: manifest.run_id.clone() })
}

/// Files that the manifest does not list, or lists wrongly. A hold comes later than the manifest.
fn strangers(dir: &Path, manifest: &Manifest) -> Vec<VerifyProblem> {
    let times_listed = |name: &str| manifest.files.iter().filter(|f| f.path == name).count();
    let mut problems: Vec<VerifyProblem> = Vec::new();
    match names_in(dir) {
        Ok(names) => {
            // Whatever bears the name holds.
            let strange = |name: &String| name != MANIFEST && name != HOLD && times_listed(name) == 0;
            problems.extend(names.into_iter().filter(strange).map(VerifyProblem::Extra));
        }
        Err(error) => problems.push(VerifyProblem::Manifest(error.to_string())),
    }
    let mut twice: Vec<&str> = manifest.files.iter().map(|f| f.path.as_str()).filter(|p| times_listed(p) > 1).collect();
    twice.dedup();
    problems.extend(twice.into_iter().map(|path| VerifyProblem::BadName(path.to_owned())));
    problems
}

fn check_file(dir: &Path, entry: &FileEntry) -> Result<(), VerifyProblem> {
    let name = || entry.path.clone();
    let unreadable = |e: io::Error| VerifyProblem::Unreadable { path: name(), why: e.to_string() };
    if entry.path.is_empty() || entry.path.contains('/') || matches!(entry.path.as_str(), "." | ".." | MANIFEST | HOLD)
    {
        return Err(VerifyProblem::BadName(name()));
    }
    let path = dir.join(&entry.path);
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(VerifyProblem::Missing(name())),
        other => other.map_err(unreadable)?,
    };
    if !found.is_file() {
        return Err(VerifyProblem::NotAFile(name()));
    }
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
        Err(why) => Err(VerifyProblem::Unreadable { path: entry.path.clone(), why: why.to_string() }),
    }
}

fn hash_file(path: &Path) -> io::Result<String> {
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
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => take(&buffer[..read]),
        }
    }
}

/// Data rows; a row with a wrong number of cells is an error.
fn csv_rows(path: &Path) -> io::Result<u64> {
    let mut reader = csv::Reader::from_path(path)?;
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record)? {
        rows += 1;
    }
    Ok(rows)
}

/// As the footer says.
fn parquet_rows(path: &Path) -> io::Result<u64> {
    let reader = SerializedFileReader::new(File::open(path)?).map_err(io::Error::other)?;
    u64::try_from(reader.metadata().file_metadata().num_rows()).map_err(io::Error::other)
}

fn check_base(dir: &Path, base: Option<&BaseReference>) -> Result<BaseLink, VerifyProblem> {
    let Some(base) = base else { return Ok(BaseLink::First) };
    let broken = |why: &str| VerifyProblem::BaseReference { run_id: base.run_id.clone(), why: why.to_owned() };
    if !is_run_id(&base.run_id) {
        return Err(broken("that is not a run id"));
    }
    let folder = dir.with_file_name(&base.run_id);
    match hash_file(&folder.join(MANIFEST)) {
        Ok(sha256) if sha256 == base.manifest_sha256 => Ok(BaseLink::Intact(base.run_id.clone())),
        Ok(_) => Err(broken("its manifest has changed")),
        // A folder without a manifest does not exist for any reader.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let ledger = dir.parent().map_or_else(|| Ok(Ledger::default()), Ledger::read);
            match ledger
                .map_err(|error| broken(&format!("it is not here, and nobody can {error}")))?
                .entry(&base.run_id)
            {
                None => Ok(BaseLink::Absent(base.run_id.clone())),
                Some(gone) if gone.manifest_sha256 == base.manifest_sha256 => {
                    Ok(BaseLink::Pruned { run_id: base.run_id.clone(), removed_at: gone.removed_at.clone() })
                }
                Some(_) => Err(broken("retention removed it, but with another manifest")),
            }
        }
        Err(error) => Err(broken(&error.to_string())),
    }
}
