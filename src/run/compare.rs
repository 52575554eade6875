//! What changed since the base: reads it back, compares, and says what could not be compared. The base leaves memory again
//! at once. A base that cannot be read stops no run; it is said.

use super::ending::thousands;
use crate::diff::{self, Compared, Side, Since, Standing};
use crate::model::Inventory;
use crate::snapshot::load::Archive;
use crate::snapshot::{Published, SnapshotError};

/// The base, verified: once a run, for all who read it.
pub(super) type Opened = Option<Result<Archive, SnapshotError>>;

pub(super) fn open(base: Option<&Published>) -> Opened {
    base.map(|base| Archive::open(&base.path))
}

/// Compares with the base, where there is one.
pub(super) fn since(base: Option<&Published>, opened: &Opened, inventory: &Inventory, run_id: &str) -> Since {
    let (Some(base), Some(opened)) = (base, opened) else { return Since::Baseline };
    let unread;
    let read = match opened.as_ref().map(Archive::inventory) {
        Ok(Ok(before)) => Ok(before),
        Ok(Err(error)) => {
            unread = error;
            Err(&unread)
        }
        Err(error) => Err(error),
    };
    match read {
        Ok(before) => {
            let (old, new) = (Side { run_id: &base.run_id, inventory: &before }, Side { run_id, inventory });
            Since::Base { run_id: base.run_id.clone(), comparison: diff::between(old, new) }
        }
        Err(error) => {
            let cure = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
            Since::Unknown { run_id: base.run_id.clone(), why: format!("failed to {error}{cure}") }
        }
    }
}

/// What a person should know of it. Sources that are partial or failed, and those that were left out, are told elsewhere.
pub(super) fn notes(since: &Since, omitted: &[String]) -> Vec<String> {
    match since {
        Since::Baseline => Vec::new(),
        Since::Unknown { run_id, why } => {
            vec![format!("changes since {run_id} are not known: {why}")]
        }
        Since::Base { run_id, comparison } => {
            comparison.sources.iter().filter_map(|compared| of_source(compared, run_id, omitted)).collect()
        }
    }
}

fn of_source(compared: &Compared, run_id: &str, omitted: &[String]) -> Option<String> {
    let name = compared.source.as_str();
    match compared.standing {
        Standing::Baseline => Some(format!(
            "source {name} is not in {run_id}, or was of another kind there: its changes are told from the next run on"
        )),
        Standing::Gone if !omitted.iter().any(|left_out| left_out == name) => {
            Some(format!("source {name} is in {run_id} and was not read now: nothing is said of its accounts"))
        }
        _ => None,
    }
}

/// One line for the summary.
pub(super) fn in_words(since: &Since) -> String {
    match since {
        Since::Baseline => "none known: this is the first snapshot, a baseline".to_owned(),
        Since::Unknown { run_id, .. } => format!("not known: the base {run_id} could not be read"),
        Since::Base { run_id, comparison } => {
            let kinds = diff::counts(&comparison.changes);
            let kinds: Vec<String> =
                kinds.iter().map(|(kind, count)| format!("{} {}", thousands(*count), kind.as_str())).collect();
            match comparison.changes.len() as u64 {
                0 => format!("none since {run_id}"),
                all => format!("{} since {run_id}: {}", thousands(all), kinds.join(", ")),
            }
        }
    }
}
