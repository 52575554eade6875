//! Fuzzing targets: one function for everything in the program that reads what others wrote.
//!
//! A target gets arbitrary bytes. It panics only where the program is wrong, and returns a short text about what
//! happened. [`mutate`] keeps an input if this text is new. The entry points in `fuzz_targets/` pass the bytes of
//! libFuzzer on, which measures the coverage itself.

mod answers;
mod configuration;
mod dates;
mod files;
pub mod mutate;
mod rules;
mod sources;
mod tokens;
mod walks;

use std::env;
use std::path::{Path, PathBuf};

/// Function of a target. Returns a short text about what happened.
pub type Run = fn(&[u8]) -> String;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the target, and of its folders.
    pub name: &'static str,
    /// Its function.
    pub run: Run,
    /// Longest input in bytes.
    pub longest: usize,
}

const fn target(name: &'static str, run: Run, longest: usize) -> Target {
    Target { name, run, longest }
}

/// All targets, in the order of the file names in `fuzz_targets/`.
pub const TARGETS: [Target; 14] = [
    target("bodies", tokens::bodies, 4 << 10),
    target("cel", rules::cel, 1 << 10),
    target("configuration", configuration::configuration, 8 << 10),
    target("csv", files::csv, 8 << 10),
    target("dates", dates::dates, 256),
    target("exceptions", configuration::exceptions, 4 << 10),
    target("manifest", files::manifest, 16 << 10),
    target("password_safe", sources::password_safe, 16 << 10),
    target("rest_v3", sources::rest_v3, 16 << 10),
    target("scim", sources::scim, 16 << 10),
    target("spool", files::spool, 4 << 10),
    target("sra", sources::sra, 16 << 10),
    target("token_answer", tokens::token_answer, 2 << 10),
    target("walks", walks::walks, 512),
];

/// Returns the target with this name.
pub fn named(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Runs a target with an input, for `fuzz_targets/`. Longer inputs are cut.
///
/// # Panics
///
/// Panics if no target has this name, or if the input shows a fault.
pub fn run(name: &str, data: &[u8]) {
    let target = named(name).expect("the target exists");
    (target.run)(&data[..data.len().min(target.longest)]);
}

/// Returns a folder for temporary files: in memory where the system has one, because each input writes files.
pub fn memory_folder() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm.to_owned() } else { env::temp_dir() }
}
