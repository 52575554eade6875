//! Keeps secrets in the memory of this process out of core dumps.

use rustix::io;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps of this process, and that other processes of its user read its memory (ptrace(2)).
///
/// The limit alone is not enough: a handler in `/proc/sys/kernel/core_pattern` gets a dump whatever the limit is (core(5)).
pub fn forbid() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}
