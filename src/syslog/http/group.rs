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
    items: Vec<String>,
    settled: Vec<Option<Settled>>,
    octets: usize,
}

impl Group {
    /// Adds an item, whose request adds so many octets to it. Returns it if the group is full without it. A group takes
    /// at least one item.
    pub(super) fn add(&mut self, item: String, max_events: usize, added: usize) -> Option<String> {
        // Each item is followed by a separator.
        let octets = self.octets + item.len() + added + 1;
        if !self.items.is_empty() && (octets > MAX_REQUEST || self.items.len() >= max_events) {
            return Some(item);
        }
        self.octets = octets;
        self.items.push(item);
        self.settled.push(None);
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the positions of all events.
    pub(super) fn positions(&self) -> Vec<usize> {
        (0..self.items.len()).collect()
    }

    /// Returns the items at these positions.
    pub(super) fn items_at(&self, positions: &[usize]) -> Vec<&str> {
        positions.iter().filter_map(|at| self.items.get(*at).map(String::as_str)).collect()
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
        self.items
            .iter()
            .map(String::as_str)
            .zip(&self.settled)
            .map_while(|(item, settled)| Some((item, settled.as_ref()?)))
    }
}
