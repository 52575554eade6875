//! Texts below the help of each command: examples and exit codes.

use crate::run::Exit;

/// The step that only a program with the sandbox can take.
const DEMO_STEP: &str = if cfg!(feature = "sandbox") {
    "  bt-rollcall demo              Run the job against a simulated appliance; needs no configuration\n"
} else {
    ""
};

const FIRST_STEPS: &str = "  bt-rollcall config init       Write a first configuration; asks for what it needs
  bt-rollcall check --online    Check the configuration, contact every source, show what a run costs
  bt-rollcall run --dry-run     Read and evaluate everything, but publish and send nothing";

const RUN_EXAMPLES: &str = "\
Examples:
  bt-rollcall run                               Run the job once, as a scheduler does
  bt-rollcall run --dry-run                     Read and evaluate, but publish and send nothing
  bt-rollcall run --fail-on high                Exit with 10 if a finding is high or critical
  bt-rollcall run --allow-shrink appliance-eu   Publish a source that a guard set aside, once
  bt-rollcall run --as-of 2026-11-23T02:00:00Z --output november
                                                Evaluate an earlier instant in another folder";

#[cfg(feature = "sandbox")]
pub(super) const DEMO_HELP: &str = "\
Example:
  bt-rollcall demo --users 300 --dir demo

Exit codes: those of `run`; 0 means that both runs were published and all events were delivered.";

pub(super) const CHECK_HELP: &str = "\
Examples:
  bt-rollcall check             Validate the configuration only; contacts nothing
  bt-rollcall check --online    Also contact every source and every destination

Exit codes:
   0  every check passed
   1  a check failed: see the lines that begin with BAD
   2  usage or configuration error; nothing was contacted";

pub(super) const VERIFY_HELP: &str = "\
Examples:
  bt-rollcall verify /var/lib/bt-rollcall/snapshots/latest
  bt-rollcall verify --chain /var/lib/bt-rollcall/snapshots

The hashes in a manifest find every changed file, but not a forger who corrects the hashes, too. So verify also performs the snapshot
again: counts, CSV against Parquet, findings against the rules, changes against the baseline, the review, the report and README.txt.
It names what it could not perform, for example because retention removed the baseline. A forger who changes every file alike is only
found by the SHA-256 of the manifest, which the SIEM has. 100,000 accounts take a few seconds.

Exit codes:
   0  the files match the manifest, and nothing contradicts them
   1  a file is missing, extra, changed or forged, the chain is broken, or the folder cannot be read or is no snapshot
   2  usage error";

pub(super) const DIFF_HELP: &str = "\
Examples:
  bt-rollcall diff snapshots/20261122T020000Z-1c9e snapshots/latest
  bt-rollcall diff --csv snapshots/20261122T020000Z-1c9e snapshots/latest > changes.csv

Exit codes:
   0  compared, whether or not there are changes
   1  a folder is not an intact snapshot
   2  usage error";

pub(super) const REPORT_HELP: &str = "\
Examples:
  bt-rollcall report snapshots/latest --output report.html
  bt-rollcall report snapshots/latest > report.html

Exit codes:
   0  rendered
   1  the snapshot is not intact, or the page differs from the one that the same version published
   2  usage error, or --output names a place that must not be written";

pub(super) const EMIT_HELP: &str = "\
Examples:
  bt-rollcall emit              Deliver queued events after the receiver was repaired
  bt-rollcall emit --test       Send a test event to each destination, and print what to look for
  bt-rollcall emit --dry-run    Print the queued events as they will be sent

Exit codes:
   0  no event is queued any more; with --test, every destination took the event; with --dry-run, printed
   1  the spool cannot be read or written, or a destination did not take the test event
   2  usage or configuration error; nothing was contacted
   5  events are still queued
   6  another run holds the lock";

pub(super) const PRUNE_HELP: &str = "\
Examples:
  bt-rollcall prune --dry-run   Show which snapshots would be removed, and why
  bt-rollcall prune             Remove them

Exit codes:
   0  done
   1  a snapshot cannot be read or removed
   2  usage or configuration error
   6  another run holds the lock";

#[cfg(feature = "sandbox")]
pub(super) const SANDBOX_HELP: &str = "\
Example:
  bt-rollcall sandbox --users 500 --surface pra
  bt-rollcall run --config bt-rollcall-sandbox/bt-rollcall.toml      (in another terminal)

Exit codes: 0 stopped by a signal, 1 the sandbox could not start, 2 usage error.";

pub(super) const COMPLETIONS_HELP: &str = "\
Example:
  bt-rollcall completions bash > /etc/bash_completion.d/bt-rollcall";

pub(super) const MAN_HELP: &str = "\
Examples:
  bt-rollcall man | man -l -                           Read the main page
  bt-rollcall man --dir /usr/local/share/man/man1      Install a page for each command, such as bt-rollcall-run(1)";

fn exit_codes() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:>2}  {}\n", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}", codes.concat())
}

pub(super) fn after_help() -> String {
    format!("{}\nFirst steps:\n{DEMO_STEP}{FIRST_STEPS}", exit_codes())
}

pub(super) fn run_help() -> String {
    format!("{RUN_EXAMPLES}\n\n{}", exit_codes())
}
