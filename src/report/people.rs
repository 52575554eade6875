//! The section "People across products": people with accounts in more than one source, matched by e-mail address.
//!
//! It shows what the console of a single product cannot: an account that is disabled in one product and active in
//! another.

use super::index::Index;
use super::text::counted;
use super::{Bounded, Shown, status};
use crate::model::{Blocked, ListKind, SourceInventory, User};
use ahash::AHashMap;
use std::borrow::Cow;
use std::cmp::Reverse;

/// Number of people that are shown.
const PEOPLE: usize = 8;
/// Number of sources in the row of a person.
const SOURCES: usize = 6;
/// Number of accounts of one source in the row of a person.
const ACCOUNTS: usize = 3;

/// An account of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonAccount {
    /// Username; its id if it has no username.
    pub username: Shown,
    /// Type in the words of the source.
    pub account_type: Option<Shown>,
    /// State: `enabled`, `disabled`, `expired`, `quarantined`, `not approved` or `state unknown`.
    pub state: &'static str,
    /// Whether nobody can sign in with the account.
    pub closed: bool,
    /// Whether the account is known to be privileged.
    pub privileged: bool,
    /// Whether the account has a `stale-login` finding.
    pub stale: bool,
}

/// The accounts of a person in one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonInSource {
    /// Name of the source.
    pub source: Shown,
    /// Accounts, active ones first.
    pub accounts: Bounded<PersonAccount>,
}

/// A person with accounts in several sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Display name; the username if there is none.
    pub name: Shown,
    /// E-mail address that the accounts share.
    pub address: Shown,
    /// Whether the person is locked out of one source and active in another.
    pub split: bool,
    /// Accounts by source.
    pub sources: Bounded<PersonInSource>,
}

/// The whole section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleSection {
    /// People: disabled in one source and active in another first, then privileged, then by address.
    pub people: Bounded<Person>,
    /// The result in one sentence.
    pub summary: String,
    /// Sources whose list of users is not proven complete.
    pub unproven: Vec<Shown>,
}

impl PeopleSection {
    /// Returns the section; `None` if there are no two sources to compare.
    pub(super) fn of(index: &Index<'_>) -> Option<Self> {
        let sources = &index.input.inventory.sources;
        if sources.len() < 2 {
            return None;
        }
        let mut people: Vec<Accounts<'_>> = gather(sources);
        let split = |person: &Accounts<'_>| person.is_split(index);
        let privileged = |person: &Accounts<'_>| {
            person.accounts.iter().any(|(source_inventory, user)| source_inventory.is_privileged(user))
        };
        let splits = people.iter().filter(|person| split(person)).count() as u64;
        people
            .sort_by_cached_key(|person| (Reverse(split(person)), Reverse(privileged(person)), person.address.clone()));
        let count = people.len() as u64;
        Some(Self {
            summary: summary(count, sources.len() as u64, splits),
            people: Bounded {
                rows: people.iter().take(PEOPLE).map(|person| person.row(index)).collect(),
                more: count.saturating_sub(PEOPLE as u64),
            },
            unproven: status::unproven(index, ListKind::Users),
        })
    }
}

fn summary(people: u64, sources: u64, splits: u64) -> String {
    let sources = counted(sources, "source", "sources");
    if people == 0 {
        return format!(
            "No e-mail address occurs in more than one of the {sources}. Service and break-glass accounts are not compared."
        );
    }
    let has = if people == 1 { "has" } else { "have" };
    let who = match splits {
        0 => "None of them is disabled or blocked in one and active in another".to_owned(),
        1 if people == 1 => "This person is disabled or blocked in one and active in another".to_owned(),
        _ => {
            format!("{} disabled or blocked in one and active in another", counted(splits, "of them is", "of them are"))
        }
    };
    format!("{} {has} accounts in more than one of the {sources}. {who}.", counted(people, "person", "people"))
}

/// The accounts of one address in several sources, in the order of sources and ids.
struct Accounts<'a> {
    address: Cow<'a, str>,
    accounts: Vec<(&'a SourceInventory, &'a User)>,
}

/// The first source in which an address occurs, and whether it occurs in another one.
struct FirstUse {
    source: usize,
    is_elsewhere: bool,
}

/// Returns the accounts of every address that occurs in more than one source.
///
/// Two passes: the first finds the addresses, so that the second keeps only their accounts in memory.
fn gather(sources: &[SourceInventory]) -> Vec<Accounts<'_>> {
    let mut seen: AHashMap<Cow<'_, str>, FirstUse> = AHashMap::new();
    for (at, _, _, address) in addressed(sources) {
        seen.entry(address)
            .and_modify(|seen| seen.is_elsewhere |= seen.source != at)
            .or_insert(FirstUse { source: at, is_elsewhere: false });
    }
    seen.retain(|_, seen| seen.is_elsewhere);
    let mut people: AHashMap<Cow<'_, str>, Vec<(&SourceInventory, &User)>> = AHashMap::with_capacity(seen.len());
    for (_, source_inventory, user, address) in addressed(sources).filter(|(.., address)| seen.contains_key(address)) {
        people.entry(address).or_default().push((source_inventory, user));
    }
    people.into_iter().map(|(address, accounts)| Accounts { address, accounts }).collect()
}

/// Returns every account that belongs to a person, with the key of the person.
fn addressed(sources: &[SourceInventory]) -> impl Iterator<Item = (usize, &SourceInventory, &User, Cow<'_, str>)> {
    let users = sources.iter().enumerate().flat_map(|(at, source_inventory)| {
        source_inventory.reading.users.iter().map(move |user| (at, source_inventory, user))
    });
    users.filter_map(|(at, source_inventory, user)| user.person().map(|person| (at, source_inventory, user, person)))
}

/// Whether somebody can sign in with an account. Ordered from active to closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SignInState {
    Active,
    Unknown,
    Closed,
}

fn sign_in_state(index: &Index<'_>, user: &User) -> SignInState {
    match (user.enabled, index.blocked(user)) {
        (Some(false), _) | (_, Some(_)) => SignInState::Closed,
        (Some(true), None) => SignInState::Active,
        (None, None) => SignInState::Unknown,
    }
}

impl<'a> Accounts<'a> {
    /// Returns the accounts by source, in the order of sources.
    fn by_source(&self) -> impl Iterator<Item = &[(&'a SourceInventory, &'a User)]> {
        self.accounts.chunk_by(|a, b| std::ptr::eq(a.0, b.0))
    }

    /// Checks whether every account is closed in one source, and an account is active in another.
    fn is_split(&self, index: &Index<'_>) -> bool {
        let best = |of_source: &[(&SourceInventory, &User)]| {
            of_source.iter().map(|(_, user)| sign_in_state(index, user)).min()
        };
        let has = |wanted: SignInState| self.by_source().any(|of_source| best(of_source) == Some(wanted));
        has(SignInState::Closed) && has(SignInState::Active)
    }

    /// Checks whether accounts of one source have different display names: several people, or the mailbox of a team.
    fn is_shared(&self) -> bool {
        self.by_source().any(|of_source| {
            let mut names = of_source.iter().filter_map(|(_, user)| user.display_name.as_deref());
            let first = names.next();
            names.any(|name| Some(name) != first)
        })
    }

    fn row(&self, index: &Index<'_>) -> Person {
        let named = |name: fn(&User) -> Option<&str>| self.accounts.iter().find_map(|(_, user)| name(user));
        let name = named(|user| user.display_name.as_deref().filter(|name| !name.trim().is_empty()));
        let name = name.or_else(|| named(|user| user.username.as_deref())).unwrap_or(&self.address);
        // A shared address must not be shown under the name of one of its people.
        let name = if self.is_shared() { &*self.address } else { name };
        Person {
            name: Shown::name(name),
            address: Shown::name(&self.address),
            split: self.is_split(index),
            sources: Bounded::cut(self.by_source().map(|of_source| person_in(index, of_source)), SOURCES),
        }
    }
}

fn person_in(index: &Index<'_>, accounts: &[(&SourceInventory, &User)]) -> PersonInSource {
    let mut accounts = accounts.to_vec();
    // Active accounts first: the row shows only a few, and these decide whether the person can sign in.
    accounts.sort_by_key(|(_, user)| sign_in_state(index, user));
    PersonInSource {
        source: Shown::name(
            accounts.first().map_or("", |(source_inventory, _)| source_inventory.reading.source.name.as_str()),
        ),
        accounts: Bounded::cut(
            accounts.into_iter().map(|(source_inventory, user)| account(index, source_inventory, user)),
            ACCOUNTS,
        ),
    }
}

fn account(index: &Index<'_>, source_inventory: &SourceInventory, user: &User) -> PersonAccount {
    PersonAccount {
        username: Shown::name(user.username.as_deref().unwrap_or(user.id.as_str())),
        account_type: user.account_type.as_deref().map(Shown::name),
        state: match (user.enabled, index.blocked(user)) {
            (Some(false), _) => "disabled",
            (_, Some(blocked)) => Blocked::as_str(blocked),
            (Some(true), None) => "enabled",
            (None, None) => "state unknown",
        },
        closed: sign_in_state(index, user) == SignInState::Closed,
        privileged: source_inventory.is_privileged(user),
        stale: index
            .account(source_inventory.reading.source.name.as_str(), user.id.as_str())
            .is_some_and(|account| account.facts.is_stale),
    }
}
