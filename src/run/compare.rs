//! What changed since the base: reads it back, compares, and says what could not be compared. What was read back leaves memory
//! again at once. A base that cannot be read stops no run; it is said.

use super::ending::thousands;
use crate::diff::{self, Compared, Heard, Side, Since, Standing};
use crate::model::Change;
use crate::snapshot::load::Archive;
use crate::snapshot::{Published, SnapshotError, Store};

/// Snapshots that a run compares with, verified once for all who read them.
#[derive(Default)]
pub(super) struct Opened {
    base: Option<(String, Result<Archive, SnapshotError>)>,
    /// The newest after it that can be read: a run that was not proven.
    newest: Option<Archive>,
    /// Newer ones that cannot.
    lost: Vec<SnapshotError>,
}

impl Opened {
    /// That the order of snapshots cannot be told is said by those who remember what stands.
    pub(super) fn of(base: Option<&Published>, store: &Store) -> Self {
        let Some(base) = base else { return Self::default() };
        let mut opened =
            Self { base: Some((base.run_id.clone(), Archive::open(&base.path))), newest: None, lost: Vec::new() };
        let order = store.in_order().unwrap_or_default();
        for run_id in order.iter().rev().take_while(|run_id| **run_id != base.run_id) {
            match Archive::open(&store.dir().join(run_id)) {
                Ok(newest) => {
                    let of = newest.manifest.base.as_ref().map(|base| base.run_id.as_str());
                    opened.newest = (of == Some(&*base.run_id)).then_some(newest);
                    break;
                }
                Err(error) => opened.lost.push(error),
            }
        }
        opened
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
    /// What stands told after this run, where it is no base itself.
    pub(super) heard: Heard,
    /// For people.
    pub(super) warnings: Vec<String>,
}

/// Compares with the base, where there is one, and takes back what was told since and is not so any more.
pub(super) fn since(opened: &Opened, new: Side<'_>, is_complete: bool) -> Sought {
    let lost = |error: &SnapshotError| {
        format!("{}; what that run told and is not so any more is not taken back", with_cure(error))
    };
    let mut warnings: Vec<String> = opened.lost.iter().map(lost).collect();
    let heard = opened.newest.as_ref().map_or_else(|| Ok(Heard::default()), heard_of).unwrap_or_else(|error| {
        warnings.push(lost(&error));
        Heard::default()
    });
    let since = with_base(opened, &heard, new);
    let mut heard = match &since {
        Since::Base { run_id, comparison } => heard.after(comparison, run_id, new.run_id),
        Since::Baseline | Since::Unknown { .. } => heard,
    };
    // A complete one is a base itself: what is told after it is told against it.
    if is_complete {
        warnings.extend(unsettled(&std::mem::take(&mut heard), new.run_id));
    }
    Sought { since, heard, warnings }
}

/// What partial runs told, and what a complete one can neither confirm nor take back.
fn unsettled(heard: &Heard, run_id: &str) -> Option<String> {
    let of_others: Vec<&Change> = heard.events().filter(|event| *event.base_run != *run_id).collect();
    let first = of_others.first()?;
    let (count, kind, id) = (thousands(of_others.len() as u64), first.kind.as_str(), &first.subject.id);
    Some(format!(
        "{count} changes that partial runs told can neither be confirmed nor taken back, because this run is not told what they \
         are about; the first is {kind} of {id} in source {}, told by run {}",
        first.source, first.base_run
    ))
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
    Since::Unknown { run_id: run_id.to_owned(), why: with_cure(error) }
}

fn with_cure(error: &SnapshotError) -> String {
    let cure = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
    format!("failed to {error}{cure}")
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
            let kinds = diff::counts(since.since_base());
            let all: u64 = kinds.iter().map(|(_, count)| count).sum();
            let kinds: Vec<String> =
                kinds.iter().map(|(kind, count)| format!("{} {}", thousands(*count), kind.as_str())).collect();
            let told = match all {
                0 => format!("none since {run_id}"),
                all => format!("{} since {run_id}: {}", thousands(all), kinds.join(", ")),
            };
            match comparison.changes.len() as u64 - all {
                0 => told,
                back => format!("{told}; {} of partial runs taken back", thousands(back)),
            }
        }
    }
}
