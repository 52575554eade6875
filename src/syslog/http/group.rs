//! The events of one request, and what became of each. Pure.

use super::reading::{Fate, Refusal};
use std::collections::BTreeSet;

/// Maximum length of a request in octets.
pub(super) const MAX_REQUEST: usize = 512 << 10;

/// What is decided about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The receiver has it.
    Delivered,
    /// The receiver took it, and confirms it later under this number.
    Unconfirmed(u64),
    /// The receiver refuses it. Whether it refuses everything is not known yet.
    Refused(Refusal),
    /// The receiver can never accept it.
    Dead(Refusal),
}

/// Events of a request that are not decided.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    /// Positions of those that must be sent again.
    pub(super) again: Vec<usize>,
    /// Why the first of them must be sent again.
    pub(super) reason: Option<String>,
    /// What to change before an event can pass.
    pub(super) stop: Option<String>,
}

/// Consecutive events of a batch that one request contains.
#[derive(Debug, Default)]
pub(super) struct Group {
    events: Vec<String>,
    settled: Vec<Option<Settled>>,
    octets: usize,
    /// Whether refusals are final: the receiver has accepted an event of the group, or others after an earlier refusal.
    is_final: bool,
}

impl Group {
    /// Returns an empty group. `is_final` says that the receiver has refused its events before.
    pub(super) fn new(is_final: bool) -> Self {
        Self { is_final, ..Self::default() }
    }

    /// Adds a queued event. Returns it if the group is full without it. A group takes at least one event.
    pub(super) fn add(&mut self, event: String, max_events: usize) -> Option<String> {
        // Each event is followed by a separator. What is sent of it is never longer.
        let octets = self.octets + event.len() + 1;
        if !self.events.is_empty() && (octets > MAX_REQUEST || self.events.len() >= max_events) {
            return Some(event);
        }
        self.octets = octets;
        self.events.push(event);
        self.settled.push(None);
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns the positions of all events.
    pub(super) fn positions(&self) -> Vec<usize> {
        (0..self.events.len()).collect()
    }

    /// Returns the events at these positions.
    pub(super) fn events_at(&self, positions: &[usize]) -> Vec<&str> {
        positions.iter().filter_map(|at| self.events.get(*at).map(String::as_str)).collect()
    }

    /// Returns the last event if nothing is known about it.
    pub(super) fn last_undecided(mut self) -> Option<String> {
        if self.settled.last() == Some(&None) { self.events.pop() } else { None }
    }

    /// Checks whether a refusal is final at once.
    pub(super) fn is_final(&self) -> bool {
        self.is_final
    }

    /// Notes what became of the events at these positions, and returns what is left to do.
    pub(super) fn note(&mut self, positions: &[usize], fates: Vec<Fate>) -> Undecided {
        if fates.contains(&Fate::Delivered) {
            self.make_final();
        }
        let mut undecided = Undecided::default();
        for (at, fate) in positions.iter().zip(fates) {
            match fate {
                Fate::Delivered => self.settle(*at, Settled::Delivered),
                Fate::Dead(refusal) => self.refuse(*at, refusal, self.is_final),
                Fate::Later(why) => {
                    undecided.again.push(*at);
                    undecided.reason.get_or_insert(why);
                }
                Fate::Stop(why) => drop(undecided.stop.get_or_insert(why)),
            }
        }
        undecided
    }

    /// Notes that the receiver has accepted an event after the refusals so far.
    pub(super) fn make_final(&mut self) {
        self.is_final = true;
        for settled in self.settled.iter_mut().flatten() {
            if let Settled::Refused(refusal) = settled {
                *settled = Settled::Dead(refusal.clone());
            }
        }
    }

    /// Notes that the receiver took the events at these positions, and confirms them later under a number.
    pub(super) fn note_pending(&mut self, positions: &[usize], ack_id: u64) {
        self.make_final();
        for at in positions {
            self.settle(*at, Settled::Unconfirmed(ack_id));
        }
    }

    /// Notes which numbers the receiver has confirmed.
    pub(super) fn confirm(&mut self, ack_ids: &BTreeSet<u64>) {
        for settled in self.settled.iter_mut().flatten() {
            if matches!(settled, Settled::Unconfirmed(id) if ack_ids.contains(id)) {
                *settled = Settled::Delivered;
            }
        }
    }

    /// Notes that the receiver refuses an event.
    pub(super) fn refuse(&mut self, at: usize, refusal: Refusal, is_final: bool) {
        self.settle(at, if is_final { Settled::Dead(refusal) } else { Settled::Refused(refusal) });
    }

    fn settle(&mut self, at: usize, settled: Settled) {
        if let Some(place) = self.settled.get_mut(at) {
            *place = Some(settled);
        }
    }

    /// Removes and returns the events before the first one that is not decided, each with the refusal of a dead one.
    pub(super) fn take_decided(&mut self) -> Vec<(String, Option<Refusal>)> {
        let is_decided = |settled: &&Option<Settled>| matches!(settled, Some(Settled::Delivered | Settled::Dead(_)));
        let count = self.settled.iter().take_while(is_decided).count();
        let refusals = self.settled.drain(..count).map(|settled| match settled {
            Some(Settled::Dead(refusal)) => Some(refusal),
            _ => None,
        });
        self.events.drain(..count).zip(refusals).collect()
    }
}
