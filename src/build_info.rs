//! The build of this program: version, commit and compiler. `build.rs` embeds the last two.

/// Semantic version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit of the source, in the words of the version control; `unknown` for a debug build or without a repository.
pub const COMMIT: &str = env!("BT_ROLLCALL_COMMIT");
/// Commit of a build for which none is known.
pub const UNKNOWN: &str = "unknown";
/// Compiler, as `rustc --version` names it.
pub const COMPILER: &str = env!("BT_ROLLCALL_COMPILER");
/// Text that `--version` prints after the name of the program.
pub const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit   ",
    env!("BT_ROLLCALL_COMMIT"),
    "\ncompiler ",
    env!("BT_ROLLCALL_COMPILER")
);
