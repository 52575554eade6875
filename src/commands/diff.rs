//! `diff`: what changed between two folders of snapshots, for people, as JSON or as CSV. Needs no configuration.

use super::{failed, print};
use crate::cli::DiffArgs;
use crate::model::{Change, ChangeKind, Inventory};
use crate::report::Shown;
use crate::report::thousands;
use crate::run::Exit;
use crate::snapshot::SnapshotError;
use crate::snapshot::load::Archive;
use crate::state::Advance;
use crate::table::{CsvDialect, Table, Tables};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(super) fn diff(args: &DiffArgs) -> Exit {
    let compared = match compare(args) {
        Ok(compared) => compared,
        Err(error) => return failed(&format!("failed to {error}"), error.hint(), Exit::NothingPublished),
    };
    let changes = &compared.changes;
    if args.json {
        let objects: Vec<Value> = changes.iter().map(object).collect();
        return print(&format!("{:#}\n", Value::Array(objects)));
    }
    if args.csv {
        return print_csv(changes);
    }
    print(&in_words(&compared))
}

/// Both runs, and what came of comparing them.
struct Comparison {
    old: String,
    new: String,
    changes: Vec<Change>,
    /// Every source of either side, and what cannot be said of it.
    sources: BTreeMap<String, &'static str>,
}

fn compare(args: &DiffArgs) -> Result<Comparison, SnapshotError> {
    // Both are looked at before either is read: a wrong name is told at once.
    let (old, new) = (Archive::open(&args.old)?, Archive::open(&args.new)?);
    let (before, run_id) = (old.before()?, new.manifest.run_id.clone());
    let mut advance = Advance::to_state(new.inventory()?, &run_id, new.as_of()?, &before);
    old.feed(&mut advance, false)?;
    let advanced = advance.finish();
    let mut sources: BTreeMap<String, &'static str> = BTreeMap::new();
    for (source_inventory, since) in advanced.inventory.sources.iter().zip(&advanced.since) {
        let said = if since.is_compared { "" } else { BASELINE };
        sources.insert(source_inventory.reading.source.name.to_string(), said);
    }
    for (name, left) in &advanced.left {
        sources.insert(name.to_string(), if left.is_another { ANOTHER } else { ONLY_OLDER });
    }
    Ok(Comparison { old: before.run_id, new: run_id, changes: advanced.changes, sources })
}

const BASELINE: &str = ": not proven complete in the older snapshot: a baseline, no changes";
const ANOTHER: &str = ": begun anew by the newer snapshot, as another product or host or after it had been taken out: a baseline, no changes";
const ONLY_OLDER: &str = ": only in the older snapshot: nothing is said";

/// The columns of the table, and what the event tells beyond them.
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
    let nobody = Inventory::default();
    let tables = Tables { inventory: &nobody, findings: &[], changes, resolved: &[] };
    let mut csv = Vec::new();
    match tables.write_csv(Table::Changes, CsvDialect::Strict, &mut csv) {
        Ok(_) => print(&String::from_utf8_lossy(&csv)),
        Err(error) => failed(&format!("failed to write the changes as CSV: {error}"), None, Exit::NothingPublished),
    }
}

/// Grouped by source and kind. Names from outside could move the cursor: they are made visible.
fn in_words(compared: &Comparison) -> String {
    let Comparison { old, new, changes, sources } = compared;
    let mut text = format!("changes from {old} to {new}: {}\n", thousands(changes.len() as u64));
    for (source, said) in sources {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "\n{}{said}", Shown::name(source));
        let of_source: Vec<&Change> = changes.iter().filter(|change| change.source.as_str() == source).collect();
        if of_source.is_empty() && said.is_empty() {
            text.push_str("  no change\n");
        }
        for kind in ChangeKind::ALL {
            of_kind(&mut text, kind, &of_source);
        }
    }
    text
}

fn of_kind(text: &mut String, kind: ChangeKind, changes: &[&Change]) {
    let of_kind: Vec<&&Change> = changes.iter().filter(|change| change.kind == kind).collect();
    if of_kind.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {} ({})", kind.as_str(), thousands(of_kind.len() as u64));
    for change in of_kind {
        let name = change.subject.name.as_deref().unwrap_or("(no name)");
        let privileged = if change.gains_privilege() { "  PRIVILEGED" } else { "" };
        let (name, id) = (Shown::name(name), Shown::name(&change.subject.id));
        let _ = writeln!(text, "    {name}  id {id}  {}{privileged}", Shown::sentence(&change.in_words()));
    }
}
