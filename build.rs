//! Embeds the commit and the compiler, for `--version` and for the manifest of each snapshot.
//!
//! A packager without a repository sets `BT_ROLLCALL_COMMIT`. Otherwise a release build asks git for the commit of the
//! checkout. Debug builds are made from a tree that is being edited, so their commit would say nothing: it is `unknown`.

use std::path::{Path, PathBuf};
use std::process::Command;

const COMMIT: &str = "BT_ROLLCALL_COMMIT";
const UNKNOWN: &str = "unknown";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={COMMIT}");
    let named = std::env::var(COMMIT).ok().filter(|commit| !commit.trim().is_empty());
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = named.or_else(|| is_release.then(commit_of_checkout).flatten());
    println!("cargo:rustc-env={COMMIT}={}", one_line(commit));
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    println!("cargo:rustc-env=BT_ROLLCALL_COMPILER={}", one_line(output(Command::new(rustc).arg("--version"))));
}

/// Returns the commit of the repository whose root is this package; `None` without one, as in an unpacked archive.
fn commit_of_checkout() -> Option<String> {
    let root = std::env::var("CARGO_MANIFEST_DIR").map(PathBuf::from).ok()?;
    let git = |arguments: &[&str]| output(Command::new("git").arg("-C").arg(&root).args(arguments));
    // An archive that was unpacked inside another repository must not get the commit of that one.
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    // Only these files change with a new commit. In a worktree, git itself knows where they are.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let named = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref());
    let paths = named.filter_map(|name| git(&["rev-parse", "--git-path", name])).map(|path| root.join(path));
    paths.filter(|path| path.is_file()).for_each(|path| watch(&path));
    let commit = git(&["rev-parse", "HEAD"])?;
    // Cargo runs this script again only for the files above, so that the commit of a release must come from a clean build.
    let is_modified = git(&["status", "--porcelain", "--untracked-files=no"]).is_some();
    Some(if is_modified { format!("{commit}-modified") } else { commit })
}

/// Cargo runs the script again if this file changes. A file that does not exist would make it run every time.
fn watch(path: &Path) {
    println!("cargo:rerun-if-changed={}", path.display());
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn one_line(text: Option<String>) -> String {
    text.and_then(|text| text.lines().next().map(|line| line.trim().to_owned())).unwrap_or_else(|| UNKNOWN.to_owned())
}
