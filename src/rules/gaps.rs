//! Records the subjects for which a rule lacked data, with one bit for each rule and subject.
//!
//! Such a subject did not pass, so `lifecycle` keeps its earlier findings open.

use crate::model::{Rule, SourceReading};
use std::sync::Arc;

/// Maximum number of custom rules; the built-in rules take the other bits of a word.
pub const CUSTOM_RULES: usize = 32;

/// Gaps in the data of one source. Positions are those of users and groups in the joined inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownData {
    users: Box<[u64]>,
    groups: Box<[u64]>,
    /// Custom rules; their bits follow after those of the built-in rules.
    custom: Arc<[Rule]>,
}

impl UnknownData {
    /// Creates the record without any gap.
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

    /// Adds the gaps that another record of the same source has.
    pub(super) fn add(&mut self, other: &Self) {
        let groups = self.groups.iter_mut().zip(&other.groups);
        for (gaps, more) in self.users.iter_mut().zip(&other.users).chain(groups) {
            *gaps |= more;
        }
    }

    /// Returns whether the rule was evaluated for this user.
    pub fn user_was_evaluated(&self, at: usize, rule: Rule) -> bool {
        self.users.get(at).is_some_and(|gaps| gaps & self.bit(rule) == 0)
    }

    /// Returns whether the rule was evaluated for this group.
    pub fn group_was_evaluated(&self, at: usize, rule: Rule) -> bool {
        self.groups.get(at).is_some_and(|gaps| gaps & self.bit(rule) == 0)
    }

    /// Returns the bit of a rule. For an unknown rule, returns all bits: it was evaluated for nobody.
    fn bit(&self, rule: Rule) -> u64 {
        place(rule, &self.custom).map_or(u64::MAX, |place| 1 << place)
    }
}

const _: () = assert!(Rule::ALL.len() + CUSTOM_RULES <= 64, "a bit for every rule");

/// Returns the position of a rule: built-in rules first, then custom rules.
pub(super) fn place(rule: Rule, custom: &[Rule]) -> Option<usize> {
    let built_in = || Rule::ALL.iter().position(|other| *other == rule);
    match rule {
        Rule::Custom(_) => custom.iter().position(|other| *other == rule).map(|at| Rule::ALL.len() + at),
        _ => built_in(),
    }
}
