//! From judged facts to a published snapshot: tables, report, manifest, spool, rename. Each step is prepared before the
//! first that anybody sees.

use super::ending::Accepted;
use super::{Run, RunError, notify};
use crate::describe::{self, RunDescription};
use crate::event::RunEvent;
use crate::exceptions::{ExceptionRecord, ExceptionUse};
use crate::page;
use crate::snapshot::manifest::Manifest;
use crate::snapshot::{PagesLog, Staging, TableChoice};
use crate::syslog::spool::Spool;
use crate::table::Tables;
use chrono::{SubsecRound, Utc};

/// Publishes. On an error nothing is published and the spool holds nothing of this run.
pub(super) fn publish(
    run: &Run<'_>,
    staging: Staging,
    pages: &PagesLog,
    facts: &RunDescription<'_>,
    spool: &Spool,
) -> Result<Accepted, RunError> {
    let mut manifest = facts.manifest();
    write_files(run, &staging, pages, facts, &mut manifest)?;
    let sealed = staging.seal(&manifest)?;
    let sha256 = sealed.manifest_sha256().to_owned();
    let batch = notify::stage_completed(run, facts, &manifest, &sha256, spool)?;
    run.go_on()?;
    let path = sealed.publish()?;
    run.observer.notify(&RunEvent::Published { path: &path, completeness: manifest.completeness });
    let mut accepted = Accepted::of(facts);
    accepted.report = run.order.config.output.html.then(|| path.join(page::FILE));
    accepted.snapshot = Some(path);
    accepted.manifest_sha256 = Some(sha256);
    // From here on nothing may undo the snapshot; what fails is said, and the next run releases the batch.
    if let Err(error) = batch.commit() {
        run.note(format!("failed to {error}; the next run sends these events"));
        accepted.unreleased = notify::all_waiting(run, &error.to_string());
    }
    Ok(accepted)
}

fn write_files(
    run: &Run<'_>,
    staging: &Staging,
    pages: &PagesLog,
    facts: &RunDescription<'_>,
    manifest: &mut Manifest,
) -> Result<(), RunError> {
    let output = &run.order.config.output;
    let RunDescription { inventory, findings, changes, resolved, .. } = facts;
    let tables = Tables { inventory, findings, changes, resolved };
    let choice = TableChoice {
        csv: output.csv,
        parquet: output.parquet,
        dialect: output.dialect,
        completeness: facts.completeness(),
    };
    let written = staging.write_tables(&tables, &choice)?;
    if run.order.config.exceptions.is_some() {
        let entries: Vec<ExceptionRecord> = facts.uses.iter().map(ExceptionUse::entry).collect();
        let text = serde_json::to_vec_pretty(&entries).unwrap_or_default();
        staging.add(page::EXCEPTIONS, &text, None)?;
    }
    pages.finish()?;
    let now = Utc::now().trunc_subsecs(6);
    describe::finish(manifest, staging.files(), written.guarded_cells, now);
    if output.html {
        let html = page::of_run(facts, manifest).map_err(RunError::Report)?;
        staging.add(page::FILE, html.as_bytes(), None)?;
        describe::finish(manifest, staging.files(), written.guarded_cells, now);
    }
    Ok(())
}
