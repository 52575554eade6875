//! `diff`: what changed between two folders of snapshots, for people, as JSON or as CSV. Needs no configuration.

use super::{failed, print};
use crate::cli::DiffArgs;
use crate::diff::{self, Comparison, Side, Standing};
use crate::model::{Change, ChangeKind, Inventory, ListKind};
use crate::report::Shown;
use crate::run::{Exit, thousands};
use crate::snapshot::SnapshotError;
use crate::snapshot::load::Archive;
use crate::table::{CsvDialect, Table, Tables};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(super) fn diff(args: &DiffArgs) -> Exit {
    let compared = match compare(args) {
        Ok(compared) => compared,
        Err(error) => return failed(&format!("failed to {error}"), error.hint(), Exit::NothingPublished),
    };
    let changes = &compared.comparison.changes;
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
struct Compared {
    old: String,
    new: String,
    comparison: Comparison,
}

fn compare(args: &DiffArgs) -> Result<Compared, SnapshotError> {
    // Both are looked at before either is read: a wrong name is told at once.
    let (old, new) = (Archive::open(&args.old)?, Archive::open(&args.new)?);
    let (before, after) = (old.inventory()?, new.inventory()?);
    let side = |archive: &Archive| archive.manifest.run_id.clone();
    let (old, new) = (side(&old), side(&new));
    let comparison = diff::between(Side { run_id: &old, inventory: &before }, Side { run_id: &new, inventory: &after });
    Ok(Compared { old, new, comparison })
}

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
    let tables = Tables { inventory: &nobody, findings: &[], changes };
    let mut csv = Vec::new();
    match tables.write_csv(Table::Changes, CsvDialect::Strict, &mut csv) {
        Ok(_) => print(&String::from_utf8_lossy(&csv)),
        Err(error) => failed(&format!("failed to write the changes as CSV: {error}"), None, Exit::NothingPublished),
    }
}

/// Grouped by source and kind. Names from outside could move the cursor: they are made visible.
fn in_words(compared: &Compared) -> String {
    let Compared { old, new, comparison } = compared;
    let mut text = format!("changes from {old} to {new}: {}\n", thousands(comparison.changes.len() as u64));
    for source in &comparison.sources {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "\n{}{}", Shown::name(source.source.as_str()), standing(&source.standing));
        let of_source: Vec<&Change> =
            comparison.changes.iter().filter(|change| change.source == source.source).collect();
        if of_source.is_empty() && matches!(source.standing, Standing::Whole | Standing::InPart(_)) {
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

fn standing(standing: &Standing) -> String {
    match standing {
        Standing::Whole => String::new(),
        Standing::InPart(lists) => format!(
            ": not proven complete on both sides: {}; what is absent there is not told as gone",
            ListKind::names(lists)
        ),
        Standing::Baseline => {
            ": only in the newer snapshot, or of another kind there: a baseline, no changes".to_owned()
        }
        Standing::Gone => ": only in the older snapshot: nothing is said".to_owned(),
        Standing::Failed => ": its list of users failed on one side: nothing is said".to_owned(),
    }
}
