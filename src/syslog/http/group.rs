//! The events of one request, and what became of each. Pure.

use super::reading::{Fate, Refusal};

/// Maximum length of a request in octets.
pub(super) const MAX_REQUEST: usize = 512 << 10;

/// What is decided about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The receiver has it.
    Delivered,
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
}

impl Group {
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

    /// Notes what became of the events at these positions, and returns what is left to do.
    pub(super) fn note(&mut self, positions: &[usize], fates: Vec<Fate>) -> Undecided {
        let mut undecided = Undecided::default();
        for (at, fate) in positions.iter().zip(fates) {
            match fate {
                Fate::Delivered => self.settle(*at, Settled::Delivered),
                Fate::Dead(refusal) => self.settle(*at, Settled::Dead(refusal)),
                Fate::Later(why) => {
                    undecided.again.push(*at);
                    undecided.reason.get_or_insert(why);
                }
                Fate::Stop(why) => drop(undecided.stop.get_or_insert(why)),
            }
        }
        undecided
    }

    /// Notes what is decided about an event.
    pub(super) fn settle(&mut self, at: usize, settled: Settled) {
        if let Some(place) = self.settled.get_mut(at) {
            *place = Some(settled);
        }
    }

    /// Returns the events before the first one that is not decided, in their order.
    pub(super) fn settled_prefix(&self) -> impl Iterator<Item = (&str, &Settled)> {
        self.events
            .iter()
            .map(String::as_str)
            .zip(&self.settled)
            .map_while(|(event, settled)| Some((event, settled.as_ref()?)))
    }
}
