//! What every stage of one run needs: the request, the observer, the instants, the warnings and the notes.
//!
//! The stages are methods of [`Run`] in files of their own. This module knows no stage.

use super::error::CollectError;
use super::observers::Observers;
use super::{Origin, RunError, RunRequest};
use crate::event::{Observer, RunEvent};
use crate::model::Instant;
use crate::run::stop::Stop;
use crate::snapshot::{self, PagesLog};
use chrono::{SubsecRound, Utc};
use std::cell::RefCell;
use std::sync::Arc;

/// A run in progress.
#[expect(clippy::struct_field_names, reason = "run_id is the word for it everywhere")]
pub(super) struct Run<'a> {
    pub(super) request: &'a RunRequest<'a>,
    pub(super) observer: &'a Arc<dyn Observer>,
    pub(super) stop: &'a Stop,
    pub(super) origin: Origin,
    pub(super) run_id: String,
    /// Wall clock at the start, in UTC, with microseconds.
    pub(super) started_at: Instant,
    /// Instant that every age is computed from, in whole seconds by default.
    pub(super) as_of: Instant,
    /// What an operator has to act on. Stages add to it through a shared reference.
    pub(super) warnings: RefCell<Vec<String>>,
    /// Facts that need no action.
    pub(super) notes: RefCell<Vec<String>>,
}

impl<'a> Run<'a> {
    /// Starts the clock and draws a run id. Touches nothing outside this process.
    pub(super) fn new(request: &'a RunRequest<'a>, observer: &'a Arc<dyn Observer>, stop: &'a Stop) -> Self {
        let started_at = Utc::now().trunc_subsecs(6);
        let as_of = request.as_of.unwrap_or(started_at.trunc_subsecs(0));
        let run_id = snapshot::run_id(started_at, fastrand::u16(..0xf000));
        let (warnings, notes) = (RefCell::default(), RefCell::default());
        let origin = Origin::of_this_process();
        Self { request, observer, stop, origin, run_id, started_at, as_of, warnings, notes }
    }

    /// Returns [`CollectError::Stopped`] if a signal asked the run to stop. Stages call it where nothing is published
    /// yet.
    pub(super) fn check_stop(&self) -> Result<(), RunError> {
        self.stop.requested_by().map_or(Ok(()), |signal| Err(CollectError::Stopped(signal).into()))
    }

    /// Adds a warning that an operator has to act on.
    pub(super) fn warn(&self, text: String) {
        self.observer.notify(&RunEvent::Warning { source: None, text: &text });
        self.warnings.borrow_mut().push(text);
    }

    /// Adds a warning for readers of the snapshot. The operator asked for what it says, so the log has it as a note.
    pub(super) fn warn_quietly(&self, text: String) {
        self.observer.notify(&RunEvent::Note { source: None, text: &text });
        self.warnings.borrow_mut().push(text);
    }

    /// Adds a fact that needs no action.
    pub(super) fn add_note(&self, text: String) {
        self.observer.notify(&RunEvent::Note { source: None, text: &text });
        self.notes.borrow_mut().push(text);
    }

    /// Returns an observer that also writes requests to `pages.jsonl`.
    pub(super) fn observer_with(&self, pages: &Arc<PagesLog>) -> Arc<dyn Observer> {
        Arc::new(Observers(vec![Arc::clone(self.observer), Arc::clone(pages) as Arc<dyn Observer>]))
    }
}
