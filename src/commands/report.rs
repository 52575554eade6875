//! `report`: the page of a published snapshot, rendered from that snapshot again. Needs no configuration and no network. Changes
//! no snapshot: in one, it only puts back the page that the manifest lists.

use super::{failed, print};
use crate::cli::ReportArgs;
use crate::page::{FILE, of_snapshot};
use crate::run::Exit;
use crate::snapshot::load::Archive;
use crate::snapshot::manifest::Manifest;
use crate::snapshot::{Readers, SnapshotError, is_store, put_back, replace_file, sha256_of};
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

pub(super) fn report(args: &ReportArgs) -> Exit {
    let place = match PageTarget::of(args) {
        Ok(place) => place,
        Err((what, cure)) => return failed(&what, Some(&cure), Exit::Usage),
    };
    let (archive, page) = match render(&args.dir) {
        Ok(rendered) => rendered,
        Err(error) => return failed(&format!("failed to {error}"), error.hint(), Exit::NothingPublished),
    };
    let likeness = PageMatch::of(&archive.manifest, &page);
    let compared = likeness.notify(&archive.manifest);
    let written = place.write(&archive, &page, likeness);
    if written == Exit::Complete { compared } else { written }
}

/// What was read is what was verified: it is looked at again at the end.
fn render(dir: &Path) -> Result<(Archive, String), SnapshotError> {
    let (archive, odd) = Archive::open_but_for(dir, Some(FILE))?;
    for problem in odd {
        tracing::warn!("{problem}; it is rendered from the other files, each of which is as its manifest says");
    }
    let page = of_snapshot(&archive)?;
    let (again, _) = Archive::open_but_for(&archive.path, Some(FILE))?;
    if again.manifest_sha256 != archive.manifest_sha256 {
        let why = "it changed while it was read".to_owned();
        return Err(SnapshotError::NotIntact { path: archive.path, why });
    }
    Ok((archive, page))
}

/// How the page stands to the one that was published.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PageMatch {
    Same,
    Different,
    NonePublished,
}

impl PageMatch {
    fn of(manifest: &Manifest, page: &str) -> Self {
        match manifest.files.iter().find(|file| file.path == FILE) {
            Some(published) if published.sha256 == sha256_of(page.as_bytes()) => Self::Same,
            Some(_) => Self::Different,
            None => Self::NonePublished,
        }
    }

    /// A page that is not what the same version rendered is no success.
    fn notify(self, manifest: &Manifest) -> Exit {
        let Manifest { run_id, tool, .. } = manifest;
        let (then, now) = (&tool.version, env!("CARGO_PKG_VERSION"));
        match self {
            Self::Same => tracing::info!("{run_id}: the same bytes as the {FILE} that was published"),
            Self::NonePublished => tracing::info!("{run_id}: no {FILE} was published with it to compare with"),
            Self::Different if then != now => tracing::warn!(
                "{run_id}: not the same bytes as the {FILE} that was published: version {then} rendered that one, this is {now}"
            ),
            Self::Different => {
                let what = format!("{run_id}: not the same bytes as the {FILE} that the same version published");
                let cure = "compare both pages; if no file was made by hand, this is a defect of bt-rollcall: please report it";
                return failed(&what, Some(cure), Exit::NothingPublished);
            }
        }
        Exit::Complete
    }
}

/// Where the page goes.
enum PageTarget {
    Stdout,
    File(PathBuf),
    /// Back into its snapshot.
    Own(PathBuf),
}

impl PageTarget {
    /// Looked at before anything is rendered; the error is what is wrong, and what to do.
    fn of(args: &ReportArgs) -> Result<Self, (String, String)> {
        let dir = args.dir.display();
        let Some(path) = &args.output else {
            let cure = || format!("name a file for it: bt-rollcall report {dir} --output report.html");
            let shown = io::stdout().is_terminal();
            return if shown {
                Err(("the page is HTML, and stdout is a terminal".to_owned(), cure()))
            } else {
                Ok(Self::Stdout)
            };
        };
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let no = |why: &str, cure: &str| Err((format!("{}: {why}", path.display()), cure.to_owned()));
        let there = fs::symlink_metadata(path);
        let is_folder = path.is_dir() && there.as_ref().is_ok_and(|there| !there.is_symlink());
        if is_folder || path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return no(
                "that is a folder",
                "name a file with --output; a folder of that name has to be moved away first",
            );
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Ok(folder) = fs::canonicalize(folder) else {
            return no("its folder is not there", "make the folder first");
        };
        let is_own = fs::canonicalize(&args.dir).is_ok_and(|dir| dir == folder) && path.ends_with(FILE);
        if is_own {
            return Ok(Self::Own(path.clone()));
        }
        if there.is_ok_and(|there| !there.is_file()) {
            return no("there is something else than a file", "name a file with --output; - is stdout");
        }
        if is_store(&folder) {
            return no("only runs write into a folder of snapshots", "name a file elsewhere");
        }
        if folder.join("manifest.json").is_file() {
            return no(IN_A_SNAPSHOT, "name a file elsewhere");
        }
        Ok(Self::File(path.clone()))
    }

    fn write(&self, archive: &Archive, page: &str, likeness: PageMatch) -> Exit {
        let (path, written) = match self {
            Self::Stdout => return print(page),
            Self::File(path) => (path, replace_file(path, page.as_bytes(), Readers::Owner)),
            Self::Own(path) if likeness == PageMatch::Same => {
                let is_there = fs::read(path).is_ok_and(|there| there == page.as_bytes());
                (path, if is_there { Ok(()) } else { put_back(&archive.path, FILE, page.as_bytes()) })
            }
            Self::Own(path) => {
                let what =
                    format!("{}: {IN_A_SNAPSHOT}; this page is not the one that its manifest lists", path.display());
                return failed(&what, Some("name a file elsewhere"), Exit::Usage);
            }
        };
        let cure = "name with --output a file in a folder that you may write in";
        match written {
            Ok(()) => print(&format!("report     {}\n", path.display())),
            Err(error) => failed(&format!("failed to {error}"), Some(cure), Exit::NothingPublished),
        }
    }
}

const IN_A_SNAPSHOT: &str = "it is in a published snapshot, which never changes";
