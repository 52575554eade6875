//! `report`: renders the page of a published snapshot again, from the other files of that snapshot.
//!
//! It needs no configuration and no network. The only file that it writes into a snapshot is that snapshot's own `report.html`. It
//! does so only if the page has the bytes that the manifest lists, so a snapshot never changes.

use super::log_error;
use super::stdout::{Printed, print_product, print_summary};
use crate::cli::ReportArgs;
use crate::digest::sha256_hex;
use crate::escape::{Lines, shell_word};
use crate::regular_file::{self, MAX_DOCUMENT};
use crate::report_page::{FILE, render_snapshot};
use crate::run::Exit;
use crate::snapshot::load::Archive;
use crate::snapshot::manifest::Manifest;
use crate::snapshot::{Readers, SnapshotError, is_store, replace_file, restore_file, snapshot_folder};
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// Executes `report` and returns its exit code.
pub(super) fn report(args: &ReportArgs) -> Exit {
    let target = match PageTarget::of(args) {
        Ok(target) => target,
        Err((what, cure)) => return log_error(&what, Some(&cure), Exit::Usage),
    };
    let (archive, page) = match render(&args.dir) {
        Ok(rendered) => rendered,
        Err(error) => return log_error(&format!("failed to {error}"), error.hint(), Exit::NothingPublished),
    };
    let page_match = PageMatch::of(&archive.manifest, &page);
    let compared = page_match.log(&archive.manifest);
    let written = target.write(&archive, &page, page_match);
    if written == Exit::Complete { compared } else { written }
}

/// Renders the page of a snapshot. The snapshot is verified before and after, so that the page shows one state of it.
fn render(dir: &Path) -> Result<(Archive, String), SnapshotError> {
    // The real path: `latest` may point to another snapshot before the end.
    let folder = snapshot_folder(dir)?;
    render_folder(&folder).map_err(|error| error.or_removed(&folder))
}

fn render_folder(folder: &Path) -> Result<(Archive, String), SnapshotError> {
    let (archive, page_problems) = Archive::open_except(folder, Some(FILE))?;
    for problem in page_problems {
        tracing::warn!("{problem}; rendering from the other files, which match the manifest");
    }
    let page = render_snapshot(&archive)?;
    let (again, _) = Archive::open_except(&archive.path, Some(FILE))?;
    if again.manifest_sha256 != archive.manifest_sha256 {
        let why = "the snapshot changed while it was read".to_owned();
        return Err(SnapshotError::NotIntact { path: archive.path, why });
    }
    Ok((archive, page))
}

/// Result of comparing a rendered page with the published one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PageMatch {
    Same,
    Different,
    NonePublished,
}

impl PageMatch {
    fn of(manifest: &Manifest, page: &str) -> Self {
        match manifest.files.iter().find(|file| file.path == FILE) {
            Some(published) if published.sha256 == sha256_hex(page.as_bytes()) => Self::Same,
            Some(_) => Self::Different,
            None => Self::NonePublished,
        }
    }

    /// Logs the result and returns the exit code.
    ///
    /// Only a difference within one version is an error: another version may render a page differently.
    fn log(self, manifest: &Manifest) -> Exit {
        let Manifest { run_id, tool, .. } = manifest;
        let (then, now) = (&tool.version, env!("CARGO_PKG_VERSION"));
        match self {
            Self::Same => tracing::info!("{run_id}: the page is identical to the published {FILE}"),
            Self::NonePublished => tracing::info!("{run_id}: not compared: the snapshot was published without {FILE}"),
            Self::Different if then != now => tracing::warn!(
                "{run_id}: the page differs from the published {FILE}: version {then} rendered that one, this is version {now}"
            ),
            Self::Different => {
                let what = format!("{run_id}: the page differs from the {FILE} that the same version published");
                let cure =
                    "compare both pages; if nobody edited the snapshot, please report this as a bug of bt-rollcall";
                return log_error(&what, Some(cure), Exit::NothingPublished);
            }
        }
        Exit::Complete
    }
}

/// Place that the page is written to.
enum PageTarget {
    Stdout,
    /// A file outside the folder of snapshots.
    File(PathBuf),
    /// The `report.html` of the snapshot itself.
    Own(PathBuf),
}

impl PageTarget {
    /// Chooses the target and checks that it may be written. The error is the problem and its cure.
    ///
    /// This happens before the snapshot is read, which can take a while, so that a wrong path is reported at once.
    fn of(args: &ReportArgs) -> Result<Self, (String, String)> {
        let Some(path) = &args.output else {
            // Nobody reads HTML on a terminal. The default is meant for a pipe or a redirection.
            return if io::stdout().is_terminal() {
                let cure =
                    format!("write it to a file: bt-rollcall report {} --output report.html", shell_word(&args.dir));
                Err(("the page is HTML and stdout is a terminal".to_owned(), cure))
            } else {
                Ok(Self::Stdout)
            };
        };
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let refuse = |why: &str, cure: &str| Err((format!("{}: {why}", path.display()), cure.to_owned()));
        let metadata = fs::symlink_metadata(path);
        let is_folder = path.is_dir() && metadata.as_ref().is_ok_and(|metadata| !metadata.is_symlink());
        if is_folder || path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return refuse("this is a folder", "name a file with --output; move away a folder that has the same name");
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Ok(folder) = fs::canonicalize(folder) else {
            return refuse("its folder does not exist", "create the folder first");
        };
        let is_own = fs::canonicalize(&args.dir).is_ok_and(|dir| dir == folder) && path.ends_with(FILE);
        if is_own {
            return Ok(Self::Own(path.clone()));
        }
        // Replacing a link or a device would write to, or remove, something that the operator did not name.
        if metadata.is_ok_and(|metadata| !metadata.is_file()) {
            return refuse("this is not a regular file", "name a file with --output; - is stdout");
        }
        if is_store(&folder) {
            return refuse("only runs write into a folder of snapshots", ELSEWHERE);
        }
        if fs::symlink_metadata(folder.join("manifest.json")).is_ok() {
            return refuse(IN_A_SNAPSHOT, ELSEWHERE);
        }
        Ok(Self::File(path.clone()))
    }

    fn write(&self, archive: &Archive, page: &str, page_match: PageMatch) -> Exit {
        let (path, written) = match self {
            Self::Stdout => return print_product(&Printed::Format(page)),
            Self::File(path) => (path, replace_file(path, page.as_bytes(), Readers::Owner)),
            Self::Own(path) if page_match == PageMatch::Same => {
                let is_present = regular_file::read(path, MAX_DOCUMENT).is_ok_and(|present| present == page.as_bytes());
                (path, if is_present { Ok(()) } else { restore_file(&archive.path, FILE, page.as_bytes()) })
            }
            Self::Own(path) => {
                let what = format!("{}: {IN_A_SNAPSHOT}; its manifest lists another page", path.display());
                return log_error(&what, Some(ELSEWHERE), Exit::Usage);
            }
        };
        let cure = "name with --output a file in a folder that you may write to";
        match written {
            Ok(()) => {
                let mut lines = Lines::default();
                lines.line(format_args!("report     {}", path.display()));
                print_summary(&Printed::Lines(&lines));
                Exit::Complete
            }
            Err(error) => log_error(&format!("failed to {error}"), Some(cure), Exit::NothingPublished),
        }
    }
}

const IN_A_SNAPSHOT: &str = "this is inside a published snapshot, which never changes";
const ELSEWHERE: &str = "name a file in another folder with --output";
