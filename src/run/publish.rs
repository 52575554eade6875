//! From judged facts to a published snapshot: tables, report, manifest, spool, rename. Each step is prepared before the
//! first that anybody sees.

use super::describe::{self, Facts};
use super::{Ending, Run, RunError, page, tell};
use crate::clocks::Clocks;
use crate::diff::Heard;
use crate::event::Event;
use crate::exceptions::{Entry, Use};
use crate::report::Context;
use crate::snapshot::manifest::Manifest;
use crate::snapshot::{PagesLog, SnapshotError, Staging, TableChoice};
use crate::syslog::spool::Spool;
use crate::table::Tables;
use chrono::{SubsecRound, Utc};

/// Publishes. On an error nothing is published and the spool holds nothing of this run.
pub(super) fn publish(
    run: &Run<'_>,
    staging: Staging,
    pages: &PagesLog,
    facts: &Facts<'_>,
    spool: &Spool,
    ending: &mut Ending,
) -> Result<(), RunError> {
    let mut manifest = facts.manifest();
    write_files(run, &staging, pages, facts, &mut manifest)?;
    let sealed = staging.seal(&manifest)?;
    let sha256 = sealed.manifest_sha256().to_owned();
    let batch = tell::stage_completed(run, facts, &manifest, &sha256, spool)?;
    run.go_on()?;
    let path = sealed.publish()?;
    run.observer.tell(&Event::Published { path: &path, completeness: manifest.completeness });
    ending.published = true;
    ending.report = run.order.config.output.html.then(|| path.join(page::FILE));
    ending.snapshot = Some(path);
    ending.manifest_sha256 = Some(sha256);
    // From here on nothing may undo the snapshot; what fails is told, and the next run releases the batch.
    if let Err(error) = batch.commit() {
        run.note(ending, format!("failed to {error}; the next run sends these events"));
        ending.destinations.extend(tell::all_waiting(run, &error.to_string()));
    }
    Ok(())
}

fn write_files(
    run: &Run<'_>,
    staging: &Staging,
    pages: &PagesLog,
    facts: &Facts<'_>,
    manifest: &mut Manifest,
) -> Result<(), RunError> {
    let output = &run.order.config.output;
    let tables = Tables { inventory: facts.inventory, findings: facts.findings, changes: facts.since.changes() };
    let choice = TableChoice {
        csv: output.csv,
        parquet: output.parquet,
        dialect: output.dialect,
        completeness: facts.completeness,
    };
    let written = staging.write_tables(&tables, &choice)?;
    if run.order.config.exceptions.is_some() {
        let entries: Vec<Entry> = facts.uses.iter().map(Use::entry).collect();
        let text = serde_json::to_vec_pretty(&entries).unwrap_or_default();
        staging.add(page::EXCEPTIONS, &text, None)?;
    }
    if !facts.clocks.is_empty() {
        staging.add(Clocks::FILE, facts.clocks.to_lines().as_bytes(), Some(facts.clocks.len() as u64))?;
    }
    if !facts.heard.is_empty() {
        let mut file = staging.writer(Heard::FILE)?;
        let path = file.path().to_owned();
        facts.heard.write_lines(&mut file).map_err(SnapshotError::io("write", path))?;
        file.finish(Some(facts.heard.len() as u64));
    }
    let context = page::context(run, facts);
    staging.add(Context::FILE, context.to_json().as_bytes(), None)?;
    pages.finish()?;
    let now = Utc::now().trunc_subsecs(6);
    describe::finish(manifest, staging.files(), written.guarded_cells, now);
    if output.html {
        let html = page::of_run(run, facts, manifest, &context)?;
        staging.add(page::FILE, html.as_bytes(), None)?;
        describe::finish(manifest, staging.files(), written.guarded_cells, now);
    }
    Ok(())
}
