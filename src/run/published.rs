//! The publication stage: tables, report, manifest, events and the rename that makes the snapshot visible.
//!
//! Everything is prepared in a hidden folder and in the spool before the first step that a reader can see.

use super::RunError;
use super::context::Run;
use super::notify;
use super::summary::Publication;
use crate::event::RunEvent;
use crate::report_page;
use crate::run_manifest::{self, RunDescription};
use crate::snapshot::manifest::Manifest;
use crate::snapshot::readme::{self, README};
use crate::snapshot::{PagesLog, Staging, TableChoice, inputs};
use crate::syslog::spool::Spool;
use crate::table::Tables;
use chrono::{SubsecRound, Utc};

/// Publishes the snapshot. On an error nothing is published and the spool contains no event of this run.
pub(super) fn publish(
    run: &Run<'_>,
    staging: Staging,
    pages: &PagesLog,
    facts: &RunDescription<'_>,
    spool: &Spool,
) -> Result<Publication, RunError> {
    let mut manifest = facts.manifest();
    write_files(run, &staging, pages, facts, &mut manifest)?;
    let sealed = staging.seal(&manifest)?;
    let sha256 = sealed.manifest_sha256().to_owned();
    // Events name the SHA-256 of the manifest, so they are written after sealing and before the rename.
    let batch = notify::stage_completed(run, facts, &manifest, &sha256, spool)?;
    run.check_stop()?;
    let path = sealed.publish()?;
    run.stop.note_publication();
    run.observer.notify(&RunEvent::Published { path: &path, completeness: manifest.completeness });
    let mut publication = Publication::of(facts);
    publication.report = run.request.config.output.html.then(|| path.join(report_page::FILE));
    publication.snapshot = Some(path);
    publication.manifest_sha256 = Some(sha256);
    // The snapshot is visible and stays. If the events cannot be released now, the next run releases them.
    if let Err(error) = batch.commit() {
        run.warn(format!("failed to {error}; the next run sends these events"));
        publication.unreleased = notify::all_waiting(run, &error.to_string());
    }
    Ok(publication)
}

fn write_files(
    run: &Run<'_>,
    staging: &Staging,
    pages: &PagesLog,
    facts: &RunDescription<'_>,
    manifest: &mut Manifest,
) -> Result<(), RunError> {
    let output = &run.request.config.output;
    let RunDescription { inventory, findings, changes, resolved, .. } = facts;
    let group_owners = &facts.config.policy.group_owners;
    let tables = Tables { inventory, group_owners, findings, changes, resolved };
    let choice = TableChoice {
        csv: output.csv,
        parquet: output.parquet,
        dialect: output.dialect,
        completeness: facts.completeness(),
    };
    let guarded_cells = staging.write_tables(&tables, &choice)?;
    run.check_stop()?;
    if run.request.config.exceptions.is_some() {
        staging.add(report_page::EXCEPTIONS, report_page::exceptions_text(facts.uses).as_bytes(), None)?;
    }
    let inputs = inputs::write(facts.inputs);
    staging.add(inputs::FILE, inputs.as_bytes(), Some(facts.inputs.len() as u64))?;
    pages.finish()?;
    let now = Utc::now().trunc_subsecs(6);
    run_manifest::finish(manifest, staging.files(), guarded_cells, now);
    run.check_stop()?;
    if output.html {
        // The report lists the files before it, so the manifest is completed before it and again after it.
        let html = report_page::render_run(facts, manifest).map_err(RunError::Report)?;
        staging.add(report_page::FILE, html.as_bytes(), None)?;
        run_manifest::finish(manifest, staging.files(), guarded_cells, now);
    }
    // The last file, because it describes all others.
    staging.add(README, readme::text(manifest).as_bytes(), None)?;
    run_manifest::finish(manifest, staging.files(), guarded_cells, now);
    Ok(())
}
