//! For which subjects the data did not suffice, rule by rule: such a subject is not "fine", and what was open of it stays so.
//! One bit a rule and subject.

use crate::model::{Rule, SourceReading};
use std::sync::Arc;

/// So many rules of the configuration leave room for those that are built in.
pub const CUSTOM_RULES: usize = 32;

/// Of one source. Places are those of users and groups in the joined inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownData {
    users: Box<[u64]>,
    groups: Box<[u64]>,
    /// The rules of the configuration; their bits come after those of the built-in ones.
    custom: Arc<[Rule]>,
}

impl UnknownData {
    /// None so far.
    pub(super) fn over(reading: &SourceReading, custom: Arc<[Rule]>) -> Self {
        let none = |subjects: usize| vec![0; subjects].into_boxed_slice();
        Self { users: none(reading.users.len()), groups: none(reading.groups.len()), custom }
    }

    pub(super) fn of_user(&mut self, at: usize, rule: Rule) {
        self.users[at] |= self.bit(rule);
    }

    pub(super) fn of_group(&mut self, at: usize, rule: Rule) {
        self.groups[at] |= self.bit(rule);
    }

    /// Whether the rule was judged for this user.
    pub fn user_was_evaluated(&self, at: usize, rule: Rule) -> bool {
        self.users.get(at).is_some_and(|gaps| gaps & self.bit(rule) == 0)
    }

    /// Whether the rule was judged for this group.
    pub fn group_was_evaluated(&self, at: usize, rule: Rule) -> bool {
        self.groups.get(at).is_some_and(|gaps| gaps & self.bit(rule) == 0)
    }

    /// Every bit where there is no such rule: it was judged for nobody.
    fn bit(&self, rule: Rule) -> u64 {
        place(rule, &self.custom).map_or(u64::MAX, |place| 1 << place)
    }
}

const _: () = assert!(Rule::ALL.len() + CUSTOM_RULES <= 64, "a bit for every rule");

/// Where a rule stands among all: the built-in ones, then those of the configuration.
pub(super) fn place(rule: Rule, custom: &[Rule]) -> Option<usize> {
    let built_in = || Rule::ALL.iter().position(|other| *other == rule);
    match rule {
        Rule::Custom(_) => custom.iter().position(|other| *other == rule).map(|at| Rule::ALL.len() + at),
        _ => built_in(),
    }
}
