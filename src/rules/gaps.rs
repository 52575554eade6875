//! For which subjects the data did not suffice, rule by rule: such a subject is not "fine", and what was open of it stays so.
//! One bit a rule and subject.

use crate::model::{Harvest, Rule};

/// Of one source. Places are those of users and groups in the joined inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gaps {
    users: Box<[u32]>,
    groups: Box<[u32]>,
}

impl Gaps {
    /// None so far.
    pub(super) fn over(harvest: &Harvest) -> Self {
        let none = |subjects: usize| vec![0; subjects].into_boxed_slice();
        Self { users: none(harvest.users.len()), groups: none(harvest.groups.len()) }
    }

    pub(super) fn of_user(&mut self, at: usize, rule: Rule) {
        self.users[at] |= bit(rule);
    }

    pub(super) fn of_group(&mut self, at: usize, rule: Rule) {
        self.groups[at] |= bit(rule);
    }

    /// Whether the rule was judged for this user.
    pub fn user_was_judged(&self, at: usize, rule: Rule) -> bool {
        self.users.get(at).is_some_and(|gaps| gaps & bit(rule) == 0)
    }

    /// Whether the rule was judged for this group.
    pub fn group_was_judged(&self, at: usize, rule: Rule) -> bool {
        self.groups.get(at).is_some_and(|gaps| gaps & bit(rule) == 0)
    }
}

const _: () = assert!(Rule::ALL.len() <= 32, "a bit for every rule");

fn bit(rule: Rule) -> u32 {
    1 << rule as u32
}
