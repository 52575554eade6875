//! What changed since the base: reads it back, compares, and says what could not be compared. What was read back leaves memory
//! again at once. A base that cannot be read stops no run; it is said.

use super::ending::thousands;
use crate::diff::{self, Compared, Heard, Side, Since, Standing};
use crate::snapshot::load::Archive;
use crate::snapshot::{Published, SnapshotError, Store};

/// Snapshots that a run compares with, verified once for all who read them.
#[derive(Default)]
pub(super) struct Opened {
    base: Option<(String, Result<Archive, SnapshotError>)>,
    /// The newest of all, where it is not the base: a run that was not proven.
    newest: Option<Archive>,
}

impl Opened {
    pub(super) fn of(base: Option<&Published>, store: &Store) -> Self {
        let Some(base) = base else { return Self::default() };
        let newest = store.in_order().ok().and_then(|all| all.last().cloned()).filter(|newest| *newest != base.run_id);
        let newest = newest.and_then(|newest| Archive::open(&store.dir().join(newest)).ok());
        let is_after_base = |newest: &Archive| newest.manifest.base.as_ref().is_some_and(|of| of.run_id == base.run_id);
        Self { base: Some((base.run_id.clone(), Archive::open(&base.path))), newest: newest.filter(is_after_base) }
    }

    /// The one of this run, if it was opened.
    pub(super) fn of_run(&self, run_id: &str) -> Option<&Archive> {
        let base = self.base.as_ref().and_then(|(_, base)| base.as_ref().ok());
        base.into_iter().chain(&self.newest).find(|archive| archive.manifest.run_id == run_id)
    }
}

/// What came of comparing.
pub(super) struct Sought {
    pub(super) since: Since,
    /// What stands told after this run, of runs that are no base.
    pub(super) heard: Heard,
    /// For people.
    pub(super) warnings: Vec<String>,
}

/// Compares with the base, where there is one, and takes back what was told since and is not so any more.
pub(super) fn since(opened: &Opened, new: Side<'_>) -> Sought {
    let mut warnings = Vec::new();
    let heard = opened.newest.as_ref().map_or_else(|| Ok(Heard::default()), heard_of).unwrap_or_else(|error| {
        warnings
            .push(format!("failed to {error}; what was told since the base and is not so any more is not taken back"));
        Heard::default()
    });
    let since = with_base(opened, &heard, new);
    let heard = match &since {
        Since::Base { run_id, comparison } => heard.after(comparison, run_id, new.run_id),
        Since::Baseline | Since::Unknown { .. } => heard,
    };
    Sought { since, heard, warnings }
}

fn heard_of(archive: &Archive) -> Result<Heard, SnapshotError> {
    let heard = archive.text(Heard::FILE)?.map_or_else(|| Ok(Heard::default()), |text| Heard::read(&text));
    heard.map_err(|reason| SnapshotError::Strange { path: archive.path.join(Heard::FILE), reason })
}

fn with_base(opened: &Opened, heard: &Heard, new: Side<'_>) -> Since {
    let Some((run_id, base)) = &opened.base else { return Since::Baseline };
    let compared = |archive: &Archive| {
        let inventory = archive.inventory()?;
        let old = Side { run_id, inventory: &inventory };
        let mut comparison = diff::between(old, new);
        diff::take_back(&mut comparison, old, new, heard);
        Ok::<_, SnapshotError>(comparison)
    };
    match base.as_ref().map(compared) {
        Ok(Ok(comparison)) => Since::Base { run_id: run_id.clone(), comparison },
        Ok(Err(error)) => unknown(run_id, &error),
        Err(error) => unknown(run_id, error),
    }
}

fn unknown(run_id: &str, error: &SnapshotError) -> Since {
    let cure = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
    Since::Unknown { run_id: run_id.to_owned(), why: format!("failed to {error}{cure}") }
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
        Since::Baseline => "none known: no complete snapshot before this one, a baseline".to_owned(),
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
