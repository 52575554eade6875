//! `diff`: prints the changes between two snapshots for people, as JSON or as CSV.
//!
//! It computes the changes as a run does, by advancing the state of the older snapshot to that of the newer one. It needs no
//! configuration and no network.

use super::log_error;
use super::stdout::{Printed, print_product};
use crate::cli::DiffArgs;
use crate::escape::Lines;
use crate::model::{Change, ChangeKind, Inventory};
use crate::report::Shown;
use crate::report::thousands;
use crate::run::Exit;
use crate::snapshot::load::Archive;
use crate::snapshot::{SnapshotError, snapshot_folder};
use crate::state::Advance;
use crate::table::{CsvDialect, Table, Tables};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Executes `diff` and returns its exit code.
pub(super) fn diff(args: &DiffArgs) -> Exit {
    let comparison = match compare(args) {
        Ok(comparison) => comparison,
        Err(error) => return log_error(&format!("failed to {error}"), error.hint(), Exit::NothingPublished),
    };
    let changes = &comparison.changes;
    if args.json {
        let objects: Vec<Value> = changes.iter().map(object).collect();
        return print_product(&Printed::Json(&format!("{:#}", Value::Array(objects))));
    }
    if args.csv {
        return print_csv(changes);
    }
    print_product(&Printed::Lines(&in_words(&comparison)))
}

/// Changes between two snapshots.
struct Comparison {
    /// Run id of the older snapshot.
    old: String,
    /// Run id of the newer snapshot.
    new: String,
    changes: Vec<Change>,
    /// Sources of both snapshots, each with a remark where its changes are not complete; otherwise empty.
    sources: BTreeMap<String, &'static str>,
}

fn compare(args: &DiffArgs) -> Result<Comparison, SnapshotError> {
    let (old, new) = (snapshot_folder(&args.old)?, snapshot_folder(&args.new)?);
    compare_folders(&old, &new).map_err(|error| error.or_removed(&old).or_removed(&new))
}

fn compare_folders(old: &Path, new: &Path) -> Result<Comparison, SnapshotError> {
    // Open both before reading either: a damaged folder is reported at once, even if the other one is large.
    let (old, new) = (Archive::open(old)?, Archive::open(new)?);
    changes_between(&old, &new)
}

fn changes_between(old: &Archive, new: &Archive) -> Result<Comparison, SnapshotError> {
    let (before, run_id) = (old.before()?, new.manifest.run_id.clone());
    let mut advance = Advance::to_state(new.inventory()?, &run_id, new.as_of()?, &before);
    old.feed(&mut advance, false)?;
    let mut advanced = advance.finish();
    // Both sides are settled states, so this only adds the standing of the accounts to the changes.
    advanced.settle();
    let mut sources: BTreeMap<String, &'static str> = BTreeMap::new();
    for (source_inventory, since) in advanced.inventory.sources.iter().zip(&advanced.since) {
        let remark = if since.is_compared { "" } else { BASELINE };
        sources.insert(source_inventory.reading.source.name.to_string(), remark);
    }
    for (name, left) in &advanced.dropped {
        sources.insert(name.to_string(), if left.is_another { RESTARTED } else { ONLY_OLDER });
    }
    Ok(Comparison { old: before.run_id, new: run_id, changes: advanced.changes, sources })
}

const BASELINE: &str = ": not proven complete in the older snapshot, so no changes are shown";
const RESTARTED: &str = ": a different product or host, or removed and added again; no changes are shown";
const ONLY_OLDER: &str = ": only in the older snapshot; not compared";

/// Returns a change as JSON: the columns of the table of changes, and the fields that only events have.
fn object(change: &Change) -> Value {
    let group = change.group.as_ref();
    json!({
        "source": change.source.as_str(),
        "event_id": change.event_id.to_string(),
        "kind": change.kind.as_str(),
        "subject_kind": change.subject.kind.as_str(),
        "subject_id": change.subject.id,
        "subject_name": change.subject.name,
        "field": change.field,
        "before": change.before,
        "after": change.after,
        "base_run": change.base_run,
        "severity": change.severity().as_str(),
        "group": group.map(|group| json!({"id": group.id.as_str(), "name": group.name, "privileged": group.privileged})),
    })
}

fn print_csv(changes: &[Change]) -> Exit {
    let no_inventory = Inventory::default();
    let tables = Tables { inventory: &no_inventory, group_owners: &[], findings: &[], changes, resolved: &[] };
    let mut csv = Vec::new();
    match tables.write_csv(Table::Changes, CsvDialect::Strict, &mut csv) {
        Ok(_) => print_product(&Printed::Format(&String::from_utf8_lossy(&csv))),
        Err(error) => log_error(&format!("failed to write the changes as CSV: {error}"), None, Exit::NothingPublished),
    }
}

/// Returns the changes as text, grouped by source and kind.
fn in_words(comparison: &Comparison) -> Lines {
    let Comparison { old, new, changes, sources } = comparison;
    let mut text = Lines::default();
    text.line(format_args!("changes from {old} to {new}: {}", thousands(changes.len() as u64)));
    for (source, remark) in sources {
        text.line("");
        text.line(format_args!("{}{remark}", Shown::name(source)));
        let of_source: Vec<&Change> = changes.iter().filter(|change| change.source.as_str() == source).collect();
        if of_source.is_empty() && remark.is_empty() {
            text.line("  no change");
        }
        for kind in ChangeKind::ALL {
            write_kind(&mut text, kind, &of_source);
        }
    }
    text
}

fn write_kind(text: &mut Lines, kind: ChangeKind, changes: &[&Change]) {
    let of_kind: Vec<&&Change> = changes.iter().filter(|change| change.kind == kind).collect();
    if of_kind.is_empty() {
        return;
    }
    text.line(format_args!("  {} ({})", kind.as_str(), thousands(of_kind.len() as u64)));
    for change in of_kind {
        // Names come from the appliance. `Shown` shortens them.
        let name = change.subject.name.as_deref().unwrap_or("(no name)");
        let privileged = if change.gains_privilege() { "  PRIVILEGED" } else { "" };
        let (name, id) = (Shown::name(name), Shown::name(&change.subject.id));
        text.line(format_args!("    {name}  id {id}  {}{privileged}", Shown::sentence(&change.in_words())));
    }
}
