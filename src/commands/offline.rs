//! `verify` and `prune`: the commands that work on snapshots and contact nobody.
//!
//! `verify` needs no configuration. `prune` takes the lock of a run, so that it never works at the same time as one.

use super::stdout::{Printed, print_summary};
use super::{configuration, counted, log_error, log_run_error};
use crate::build_info::{COMMIT, VERSION};
use crate::cli::{Global, PruneArgs, VerifyArgs};
use crate::escape::{Lines, printable, shell_word};
use crate::model::Completeness;
use crate::reperform::{Reperformed, Writer, reperform};
use crate::report_page::FILE;
use crate::run::{self, Exit, Origin, RunError};
use crate::snapshot::retention::RetentionPlan;
use crate::snapshot::{
    self, BaseLink, ChainStep, FolderWalk, SnapshotError, SnapshotState, Store, Verified, VerifyProblem,
};
use chrono::Utc;
use std::fmt::Display;
use std::path::Path;

const RESTORE: &str =
    "restore the named files from a copy of the folder; the SIEM has the SHA-256 of the manifest of every run";

const READ_AS_OWNER: &str = "run the command as the user that owns the folder, or as root";

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
    // The real path: `latest` may point to another snapshot before the end.
    let folder = match snapshot::snapshot_folder(&args.dir) {
        Ok(folder) => folder,
        Err(error) => return log_snapshot_error(&error),
    };
    let checked = snapshot::verify(&folder).map(|verified| (reperform(&folder, &verified), verified));
    // Retention may have removed the snapshot meanwhile. What is missing then was no damage.
    match (checked, snapshot::removed(&folder)) {
        (Ok((found, verified)), removed) if removed.is_none() || found.problems.is_empty() => {
            print_reperformed(args, &verified, &found)
        }
        (_, Some(removed)) => log_snapshot_error(&removed),
        (Err(problems), None) => log_problems(args, &problems),
        (Ok((found, verified)), None) => print_reperformed(args, &verified, &found),
    }
}

/// Logs how a snapshot differs from its manifest.
fn log_problems(args: &VerifyArgs, problems: &[VerifyProblem]) -> Exit {
    match problems {
        problems if problems.iter().all(VerifyProblem::is_denied) => {
            log_damage(&args.dir, "cannot be read by this user", problems, READ_AS_OWNER)
        }
        problems if problems.iter().all(VerifyProblem::is_of_manifest) => {
            log_damage(&args.dir, "cannot be verified", problems, OTHER_SHAPE)
        }
        problems => {
            let is_page = |problem: &VerifyProblem| problem.of_file() == Some(FILE);
            let render_again = format!(
                "`bt-rollcall report {} --output {}` renders it again from the other files, if the same version wrote it",
                shell_word(&args.dir),
                shell_word(&args.dir.join(FILE))
            );
            let cure = if problems.iter().all(is_page) { &render_again } else { RESTORE };
            log_damage(&args.dir, "does not match its manifest", problems, cure)
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
        print_summary(&Printed::Lines(&verified_in_words(args, verified, found)));
        return Exit::Complete;
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
    print_summary(&Printed::Lines(&chain_in_words(walk)));
    let denied = walk.problems.iter().filter(|problem| problem.is_denied()).count();
    match walk.problems.len() {
        0 => Exit::Complete,
        all if all == denied => log_damage(&walk.dir, "cannot be read by this user", &walk.problems, READ_AS_OWNER),
        _ if denied == 0 => log_damage(&walk.dir, "is not an intact chain", &walk.problems, RESTORE),
        _ => {
            let cure = format!("{READ_AS_OWNER}; then {RESTORE}");
            log_damage(&walk.dir, "is not an intact chain", &walk.problems, &cure)
        }
    }
}

fn chain_in_words(walk: &FolderWalk) -> Lines {
    let mut text = Lines::default();
    text.line(format_args!("snapshots in {}, newest first", walk.dir.display()));
    for step in &walk.steps {
        text.line(format_args!("  {}", step_in_words(step)));
    }
    for note in &walk.notes {
        text.line(format_args!("note: {note}"));
    }
    if let Some((run_id, sha256)) = walk.head.as_ref().filter(|_| walk.problems.is_empty()) {
        let pruned = walk.steps.iter().filter(|step| step.state == SnapshotState::Pruned).count();
        let held = walk.steps.iter().filter(|step| step.hold.is_some()).count();
        let here = counted(walk.steps.len() - pruned, "snapshot");
        text.line(format_args!("intact: {here}, {held} of them held; {pruned} removed by retention"));
        text.line(format_args!("  head       {run_id}"));
        text.line(format_args!("  manifest   sha256 {sha256}"));
        text.line(
            "  anchor     compare this hash with btrollcall.run.manifest_sha256 in the run.completed event of that run in \
             the SIEM",
        );
        text.line(
            "  not done   only files and links were compared; `bt-rollcall verify DIR` performs one snapshot again",
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
    match run::unreadable(&store) {
        Ok(warnings) => warnings.iter().for_each(|warning| tracing::warn!("{warning}")),
        Err(error) => return log_run_error(&error),
    }
    // A dry run takes no lock: it changes nothing and can be called while a run is active.
    let plan = if args.dry_run {
        run::plan_retention(&store, &config, Utc::now())
    } else {
        let locked = store.lock(&config.state_dir).map_err(RunError::from);
        locked.and_then(|store| run::prune(&store, &config, &Origin::of_this_process(), Utc::now()))
    };
    match plan {
        Ok(plan) => {
            if let Some(warning) = run::retention_warning(&plan, &config) {
                tracing::warn!("{warning}");
            }
            print_summary(&Printed::Lines(&plan_in_words(&plan, args.dry_run)));
            Exit::Complete
        }
        Err(error) => log_run_error(&error),
    }
}

fn plan_in_words(plan: &RetentionPlan, dry_run: bool) -> Lines {
    let mut text = Lines::default();
    for (run_id, reason) in &plan.keep {
        text.line(format_args!("keep    {run_id}  {reason}"));
    }
    for (run_id, why) in &plan.remove {
        text.line(format_args!("{}  {run_id}  {why}", if dry_run { "remove" } else { "removed" }));
    }
    text
}

/// Describes a snapshot that passed every check.
fn verified_in_words(args: &VerifyArgs, verified: &Verified, found: &Reperformed) -> Lines {
    let base = match &verified.base {
        BaseLink::First => "no baseline: this is the first snapshot".to_owned(),
        BaseLink::Intact(run_id) => format!("its baseline {run_id} is unchanged"),
        BaseLink::Pruned { run_id, removed_at } => {
            format!("its baseline {run_id} was removed by retention at {}", printable(removed_at, 40))
        }
        BaseLink::Absent(run_id) => format!("not checked: its baseline {run_id} is absent"),
        BaseLink::Denied(run_id) => format!("not checked: permission to read its baseline {run_id} is denied"),
    };
    let not_done = match found.not_performed.len() {
        0 => String::new(),
        count => format!(", {} not done", counted(count, "check")),
    };
    let (dir, checks) = (args.dir.display(), counted(found.checks, "check"));
    let (run_id, completeness) = (printable(&verified.run_id, 40), verified.completeness.as_str());
    let mut text = Lines::default();
    text.line(format_args!(
        "{dir}: matches its manifest; re-performed {checks}{not_done}; compare this SHA-256 with run.completed in your SIEM"
    ));
    text.line(format_args!("  run        {run_id}, {completeness}"));
    text.line(format_args!("  files      {}, each matches the manifest", verified.files));
    text.line(format_args!("  manifest   sha256 {}", verified.manifest_sha256));
    text.line(format_args!("  chain      {base}"));
    if let Some(hold) = &verified.hold {
        text.line(format_args!("  hold       {hold}"));
    }
    for what in &found.not_performed {
        text.line(format_args!("  not done   {what}"));
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
