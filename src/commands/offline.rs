//! `verify`, `prune` and `emit`: the commands that work on snapshots and the spool and contact no source.
//!
//! `verify` needs no configuration. `prune` and `emit` take the lock of a run, so that they never work at the same time as one.

use super::{configuration, counted, log_error, print};
use crate::build_info::{COMMIT, VERSION};
use crate::cli::{Global, PruneArgs, VerifyArgs};
use crate::config::Config;
use crate::escape::printable;
use crate::model::Completeness;
use crate::reperform::{Reperformed, Writer, reperform};
use crate::report_page::FILE;
use crate::run::observers::Log;
use crate::run::{self, DestinationSummary, Exit, Origin, RunError};
use crate::snapshot::retention::RetentionPlan;
use crate::snapshot::{
    self, BaseLink, ChainStep, FolderWalk, SnapshotError, SnapshotState, Store, Verified, VerifyProblem,
};
use crate::syslog::spool::Spool;
use chrono::Utc;
use std::fmt::{Display, Write as _};
use std::path::Path;

const RESTORE: &str =
    "restore the named files from a copy of the folder; the SIEM has the SHA-256 of the manifest of every run";

const COMPARE: &str = "somebody changed files and their hashes in the manifest: compare the SHA-256 of the manifest with the run.completed \
     event in the SIEM, and restore the snapshot from a copy; if both are equal, please report this as a bug of bt-rollcall";

const OTHER_SHAPE: &str = "another version of bt-rollcall may have written it: verify it with the version that `tool` in \
     its manifest names. If the manifest is damaged, restore it from a copy; the SIEM has its SHA-256";

/// Executes `verify` and returns its exit code.
pub(super) fn verify(args: &VerifyArgs) -> Exit {
    if args.chain {
        return match snapshot::walk(&args.dir) {
            Ok(walk) => print_chain(&walk),
            Err(error) => log_snapshot_error(&error),
        };
    }
    if let Err(error) = snapshot::snapshot_folder(&args.dir) {
        return log_snapshot_error(&error);
    }
    let dir = args.dir.display();
    match snapshot::verify(&args.dir) {
        Ok(verified) => print_reperformed(args, &verified, &reperform(&args.dir, &verified)),
        Err(problems) if problems.iter().all(VerifyProblem::is_of_manifest) => {
            log_damage(&args.dir, "cannot be verified", &problems, OTHER_SHAPE)
        }
        Err(problems) => {
            let is_page = |problem: &VerifyProblem| problem.of_file() == Some(FILE);
            let render_again = format!(
                "`bt-rollcall report {dir} --output {dir}/{FILE}` renders it again from the other files, if the same version wrote it"
            );
            let cure = if problems.iter().all(is_page) { &render_again } else { RESTORE };
            log_damage(&args.dir, "does not match its manifest", &problems, cure)
        }
    }
}

/// Logs an error of a folder that is only read. Whoever verifies need not own it, so no command of the job is named.
fn log_snapshot_error(error: &SnapshotError) -> Exit {
    log_error(&format!("failed to {error}"), error.hint(), Exit::NothingPublished)
}

/// Prints the result of a snapshot whose files match the manifest, or logs what contradicts it.
fn print_reperformed(args: &VerifyArgs, verified: &Verified, found: &Reperformed) -> Exit {
    if found.problems.is_empty() {
        return print(&verified_in_words(args, verified, found));
    }
    let checks = counted(found.checks, "check");
    let what = format!("matches its manifest, but its files contradict each other (re-performed {checks})");
    log_damage(&args.dir, &what, &found.problems, &cure(&found.writer))
}

/// Returns what to do about contradictions. Another program than the one that wrote the snapshot may explain them.
fn cure(writer: &Writer) -> String {
    match writer {
        Writer::ThisBuild => COMPARE.to_owned(),
        Writer::OtherBuild(commit) => format!(
            "{COMPARE}. Commit {commit} of this version wrote the snapshot, and this program is commit {COMMIT}: verify it \
             with that build first"
        ),
        Writer::OtherVersion(version) => format!(
            "version {version} wrote the snapshot, and this is {VERSION}, which may evaluate otherwise: verify it with version \
             {version}. If the difference remains, compare the SHA-256 of the manifest with the run.completed event in the SIEM"
        ),
    }
}

/// Prints the chain, and logs each problem as an error. The list is printed even if there are problems.
fn print_chain(walk: &FolderWalk) -> Exit {
    let printed = print(&chain_in_words(walk));
    if walk.problems.is_empty() {
        printed
    } else {
        log_damage(&walk.dir, "is not an intact chain", &walk.problems, RESTORE)
    }
}

fn chain_in_words(walk: &FolderWalk) -> String {
    let mut text = format!("snapshots in {}, newest first\n", walk.dir.display());
    for step in &walk.steps {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {}", step_in_words(step));
    }
    for note in &walk.notes {
        let _ = writeln!(text, "note: {note}");
    }
    if let Some((run_id, sha256)) = walk.head.as_ref().filter(|_| walk.problems.is_empty()) {
        let pruned = walk.steps.iter().filter(|step| step.state == SnapshotState::Pruned).count();
        let held = walk.steps.iter().filter(|step| step.hold.is_some()).count();
        let here = counted(walk.steps.len() - pruned, "snapshot");
        let _ = write!(
            text,
            "intact: {here}, {held} of them held; {pruned} removed by retention\n  head       {run_id}\n  manifest   \
             sha256 {sha256}\n  anchor     compare this hash with btrollcall.run.manifest_sha256 in the run.completed \
             event of that run in the SIEM\n  not done   only files and links were compared; `bt-rollcall verify DIR` performs one snapshot again\n"
        );
    }
    text
}

fn step_in_words(step: &ChainStep) -> String {
    let link = &step.link;
    // A manifest that somebody changed may contain any text, including control characters.
    let shown = |text: &str| printable(text, 40);
    let base =
        link.base.as_ref().map_or_else(|| "no baseline".to_owned(), |base| format!("baseline {}", shown(&base.run_id)));
    let hold = step.hold.as_ref().map_or_else(String::new, |hold| format!("  {hold}"));
    let (run_id, state) = (&link.run_id, step.state.as_str());
    let completeness = link.completeness.map_or("unreadable", Completeness::as_str);
    let as_of = shown(&link.as_of);
    format!("{run_id}  {completeness:<10}  as of {as_of:<20}  {state:<7}  {base}{hold}")
}

/// Executes `prune` and returns its exit code.
pub(super) fn prune(global: &Global, args: PruneArgs) -> Exit {
    let config = match configuration(global) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let store = Store::new(&config.output.dir);
    // A dry run takes no lock: it changes nothing and can be called while a run is active.
    let plan = if args.dry_run {
        run::plan_retention(&store, &config, Utc::now())
    } else {
        let locked = store.lock(&config.state_dir).map_err(RunError::from);
        locked.and_then(|store| run::prune(&store, &config, &Origin::of_this_process(), Utc::now()))
    };
    match plan {
        Ok(plan) => print(&plan_in_words(&plan, args.dry_run)),
        Err(error) => log_run_error(&error),
    }
}

fn plan_in_words(plan: &RetentionPlan, dry_run: bool) -> String {
    let mut text = String::new();
    for (run_id, reason) in &plan.keep {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "keep    {run_id}  {reason}");
    }
    for (run_id, why) in &plan.remove {
        let _ = writeln!(text, "{}  {run_id}  {why}", if dry_run { "remove" } else { "removed" });
    }
    text
}

/// Executes `emit` and returns its exit code.
pub(super) fn emit(global: &Global) -> Exit {
    let config = match configuration(global) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match Store::new(&config.output.dir).lock(&config.state_dir) {
        Ok(store) => drain(&config, &store),
        Err(error) => log_run_error(&error.into()),
    }
}

fn drain(config: &Config, store: &Store) -> Exit {
    let spool = Spool::open(&config.state_dir, &config.output.dir);
    let drained = spool.and_then(|spool| {
        spool.recover(|run_id| store.is_published(run_id))?;
        run::drain(config, &spool, &Log, &|| false)
    });
    let endings = match drained {
        Ok(endings) => endings,
        Err(error) => return log_run_error(&error.into()),
    };
    let mut text = String::new();
    for ending in &endings {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}", ending.in_words());
    }
    let printed = print(&text);
    if endings.iter().any(DestinationSummary::has_waiting) { Exit::Waiting } else { printed }
}

/// Describes a snapshot that passed every check.
fn verified_in_words(args: &VerifyArgs, verified: &Verified, found: &Reperformed) -> String {
    let base = match &verified.base {
        BaseLink::First => "no baseline: this is the first snapshot".to_owned(),
        BaseLink::Intact(run_id) => format!("its baseline {run_id} is unchanged"),
        BaseLink::Pruned { run_id, removed_at } => {
            format!("its baseline {run_id} was removed by retention at {}", printable(removed_at, 40))
        }
        BaseLink::Absent(run_id) => format!("not checked: its baseline {run_id} is absent"),
    };
    let not_done = match found.not_performed.len() {
        0 => String::new(),
        count => format!(", {} not done", counted(count, "check")),
    };
    let hold = verified.hold.as_ref().map_or_else(String::new, |hold| format!("  hold       {hold}\n"));
    let mut text = format!(
        "{}: matches its manifest; re-performed {}{not_done}; compare this SHA-256 with run.completed in your SIEM\n  run        \
         {}, {}\n  files      {}, each matches the manifest\n  manifest   sha256 {}\n  chain      \
         {base}\n{hold}",
        args.dir.display(),
        counted(found.checks, "check"),
        printable(&verified.run_id, 40),
        verified.completeness.as_str(),
        verified.files,
        verified.manifest_sha256
    );
    for what in &found.not_performed {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  not done   {what}");
    }
    text
}

/// Logs each problem and then the cure. `what` continues a sentence that begins with the folder.
fn log_damage(dir: &Path, what: &str, problems: &[impl Display], cure: &str) -> Exit {
    for problem in problems {
        tracing::error!("{}", printable(&problem.to_string(), 2_000));
    }
    let count = counted(problems.len(), "error");
    log_error(&format!("{} {what}: {count}", dir.display()), Some(cure), Exit::NothingPublished)
}

/// Logs an error of a command that needs the folders of a run, and returns its exit code.
fn log_run_error(error: &RunError) -> Exit {
    log_error(&error.message(), error.hint().as_deref(), error.exit())
}
