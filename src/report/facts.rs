//! Facts about every account that several parts of the view need, computed in one pass.

use crate::model::{ByHash, Inventory, SourceInventory, User};

/// An account with facts about it.
#[derive(Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) source_inventory: &'a SourceInventory,
    pub(super) user: &'a User,
    pub(super) facts: AccountFacts,
}

/// What several parts of the view need to know about an account.
#[derive(Clone, Copy)]
pub(super) struct AccountFacts {
    /// Whether the account is privileged; `None` if unknown.
    pub(super) privilege: Option<bool>,
    /// Number of its person: the position of the person's first account. `None` if it belongs to no person.
    pub(super) person: Option<u32>,
    /// Whether it has an unresolved finding of the rule `stale-login`.
    pub(super) is_stale: bool,
    /// Whether it has an unresolved finding of the rule `never-logged-in`.
    pub(super) is_unused: bool,
}

impl AccountFacts {
    pub(super) fn is_privileged(self) -> bool {
        self.privilege == Some(true)
    }
}

/// Facts about all accounts, in the order of the inventory.
pub(super) struct AllFacts<'a> {
    pub(super) list: Vec<AccountFacts>,
    inventory: &'a Inventory,
    by_person: ByHash,
    /// Number of persons.
    pub(super) persons: u64,
}

impl<'a> AllFacts<'a> {
    /// Collects the facts that do not follow from findings.
    pub(super) fn of(inventory: &'a Inventory) -> Self {
        let of_user = |source_inventory: &SourceInventory, user| AccountFacts {
            privilege: source_inventory.privilege(user),
            person: None,
            is_stale: false,
            is_unused: false,
        };
        let list = users(inventory).map(|(source_inventory, user)| of_user(source_inventory, user)).collect();
        let persons = users(inventory).zip(0u32..).filter_map(|((_, user), at)| Some((at, user.person()?)));
        let mut all = Self { list, inventory, by_person: ByHash::of(persons), persons: 0 };
        all.number_persons();
        all
    }

    fn number_persons(&mut self) {
        let person = |at| user_at(self.inventory, at).and_then(|(_, user)| user.person());
        for list in self.by_person.lists() {
            for at in list.clone() {
                // Different persons may have the same hash.
                let first = list.clone().find(|first| *first == at || person(*first) == person(at)).unwrap_or(at);
                self.list[at as usize].person = Some(first);
                self.persons += u64::from(first == at);
            }
        }
    }

    /// Returns the account at a position.
    pub(super) fn account(&self, at: u32) -> Option<Account<'a>> {
        let (source_inventory, user) = user_at(self.inventory, at)?;
        Some(Account { source_inventory, user, facts: *self.list.get(at as usize)? })
    }

    /// Returns the number of a person; `None` if no account of it is listed.
    pub(super) fn person(&self, person: &str) -> Option<u32> {
        let person_of = |at: u32| user_at(self.inventory, at).and_then(|(_, user)| user.person());
        self.by_person.list_of(person).find(|at| person_of(*at).as_deref() == Some(person))
    }
}

/// Returns every user with its source.
pub(super) fn users(inventory: &Inventory) -> impl Iterator<Item = (&SourceInventory, &User)> {
    inventory
        .sources
        .iter()
        .flat_map(|source_inventory| source_inventory.reading.users.iter().map(move |user| (source_inventory, user)))
}

/// Returns the user at a position in the order of the inventory, with its source.
fn user_at(inventory: &Inventory, at: u32) -> Option<(&SourceInventory, &User)> {
    let mut at = at as usize;
    for source_inventory in &inventory.sources {
        let users = &source_inventory.reading.users;
        match users.get(at) {
            Some(user) => return Some((source_inventory, user)),
            None => at -= users.len(),
        }
    }
    None
}
