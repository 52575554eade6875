//! From judged facts to a published snapshot: tables, report, manifest, spool, rename. Each step is prepared before the
//! first that anybody sees.

use super::describe::{self, Facts};
use super::{Ending, Run, RunError, tell};
use crate::event::Event;
use crate::exceptions::Use;
use crate::report;
use crate::rules;
use crate::rules::policy::{Override, Policy};
use crate::snapshot::manifest::Manifest;
use crate::snapshot::{PagesLog, Staging, TableChoice};
use crate::syslog::spool::Spool;
use crate::table::{CsvDialect, Tables};
use chrono::{SubsecRound, Utc};

const REPORT: &str = "report.html";
/// The accepted exceptions and what each covers; only where a register of them is configured.
const EXCEPTIONS: &str = "exceptions.json";

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
    run.observer.tell(&Event::Published { path: &path, completeness: &manifest.completeness });
    ending.published = true;
    ending.report = run.order.config.output.html.then(|| path.join(REPORT));
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
        completeness: facts.completeness(),
    };
    let written = staging.write_tables(&tables, &choice)?;
    if run.order.config.exceptions.is_some() {
        let entries: Vec<serde_json::Value> = facts.uses.iter().map(Use::to_json).collect();
        let text = serde_json::to_vec_pretty(&entries).unwrap_or_default();
        staging.add(EXCEPTIONS, &text, None)?;
    }
    pages.finish()?;
    let now = Utc::now().trunc_subsecs(6);
    describe::finish(manifest, staging.files(), written.guarded_cells, now);
    if output.html {
        let html = render_report(run, facts, manifest)?;
        staging.add(REPORT, html.as_bytes(), None)?;
        describe::finish(manifest, staging.files(), written.guarded_cells, now);
    }
    Ok(())
}

fn render_report(run: &Run<'_>, facts: &Facts<'_>, manifest: &Manifest) -> Result<String, RunError> {
    let policy = &run.order.config.policy;
    let catalogue = catalogue(policy);
    let view = report::View::of(&report::Input {
        manifest,
        inventory: facts.inventory,
        findings: facts.findings,
        verdicts: facts.verdicts,
        since: facts.since,
        policy,
        as_of: facts.as_of,
        catalogue: &catalogue,
        exceptions: run.order.config.exceptions.is_some().then_some(facts.uses),
        omitted: &facts.omitted,
        formula_guard: run.order.config.output.dialect != CsvDialect::Raw,
    });
    report::html::render(&view).map_err(|error| RunError::Report(error.to_string()))
}

/// The built-in rules, then those of the configuration.
fn catalogue(policy: &Policy) -> Vec<report::RuleInfo> {
    let severity = |rule, usual| match policy.rules.get(&rule) {
        Some(Override::Severity(severity)) => severity.as_str(),
        _ => usual,
    };
    let built_in = rules::catalogue().iter().map(|entry| report::RuleInfo {
        rule: entry.rule,
        title: entry.title.into(),
        why: entry.why.into(),
        action: entry.action.into(),
        severity: severity(entry.rule, entry.severity),
        controls: rules::controls_of(entry.rule, &policy.frameworks).to_vec(),
        expression: None,
    });
    let custom = policy.custom_rules.iter().map(|custom| report::RuleInfo {
        rule: custom.rule,
        title: custom.title.clone().into(),
        why: "A rule of this organisation, from its configuration.".into(),
        action: custom.action.clone().into(),
        severity: severity(custom.rule, custom.severity.as_str()),
        controls: Vec::new(),
        expression: Some(custom.when.text().to_owned()),
    });
    built_in.chain(custom).collect()
}
