//! `report`: the page of a published snapshot, rendered from that snapshot again. Needs no configuration and no network. Changes
//! no snapshot: in one, it only puts back the page that the manifest lists.

use super::{failed, print};
use crate::cli::ReportArgs;
use crate::run::Exit;
use crate::run::page::{FILE, of_snapshot};
use crate::snapshot::load::Archive;
use crate::snapshot::manifest::Manifest;
use crate::snapshot::{Readers, SnapshotError, replace_file, sha256_of};
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

pub(super) fn report(args: &ReportArgs) -> Exit {
    let to = args.output.as_deref().filter(|path| *path != Path::new("-"));
    if args.output.is_none() && io::stdout().is_terminal() {
        let cure = format!("name a file for it: bt-rollcall report {} --output report.html", args.dir.display());
        return failed("the page is HTML, and stdout is a terminal", Some(&cure), Exit::Usage);
    }
    let (archive, page) = match render(&args.dir) {
        Ok(rendered) => rendered,
        Err(error) => return failed(&format!("failed to {error}"), error.hint(), Exit::NothingPublished),
    };
    let likeness = Likeness::of(&archive.manifest, &page);
    likeness.tell(&archive.manifest);
    match to {
        None => print(&page),
        Some(to) => write(&archive, &page, likeness, to),
    }
}

fn render(dir: &Path) -> Result<(Archive, String), SnapshotError> {
    let (archive, odd) = Archive::open_but_for(dir, Some(FILE))?;
    for problem in odd {
        tracing::warn!("{problem}; it is rendered from the other files, each of which is as its manifest says");
    }
    let page = of_snapshot(&archive)?;
    Ok((archive, page))
}

/// How the page stands to the one that was published.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    Different,
    NonePublished,
}

impl Likeness {
    fn of(manifest: &Manifest, page: &str) -> Self {
        match manifest.files.iter().find(|file| file.path == FILE) {
            Some(published) if published.sha256 == sha256_of(page.as_bytes()) => Self::Same,
            Some(_) => Self::Different,
            None => Self::NonePublished,
        }
    }

    fn tell(self, manifest: &Manifest) {
        let run = &manifest.run_id;
        match self {
            Self::Same => tracing::info!("{run}: the same bytes as the {FILE} that was published"),
            Self::NonePublished => tracing::info!("{run}: no {FILE} was published with it to compare with"),
            Self::Different => tracing::warn!(
                "{run}: not the same bytes as the {FILE} that was published, which {} {} rendered; this is {}",
                manifest.tool.name,
                manifest.tool.version,
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
}

fn write(archive: &Archive, page: &str, likeness: Likeness, to: &Path) -> Exit {
    if let Some(snapshot) = snapshot_around(to) {
        let is_its_own = snapshot == archive.path && to.file_name().is_some_and(|name| name == FILE);
        if !is_its_own || likeness != Likeness::Same {
            let what = format!("{} is in a published snapshot, which never changes", to.display());
            return failed(&what, Some("name a file elsewhere"), Exit::Usage);
        }
    }
    match replace_file(to, page.as_bytes(), Readers::Owner) {
        Ok(()) => print(&format!("report     {}\n", to.display())),
        Err(error) => failed(&format!("failed to {error}"), error.hint(), Exit::NothingPublished),
    }
}

/// The snapshot in whose folder this path is.
fn snapshot_around(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).ok()?;
    folder.join("manifest.json").is_file().then_some(folder)
}
