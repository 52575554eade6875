//! People across products: who has accounts in more than one source, by the e-mail address. An account that one product
//! closed and another left open is what no product's own console shows.

use super::index::Index;
use super::text::counted;
use super::{Bounded, Shown, status};
use crate::model::{Blocked, ListKind, Rule, SourceInventory, User, UserKind};
use ahash::AHashMap;
use std::borrow::Cow;
use std::cmp::Reverse;

/// People that are shown.
const PEOPLE: usize = 25;
/// Sources that a person's row shows.
const SOURCES: usize = 6;
/// Accounts of one source that a person's row shows.
const ACCOUNTS: usize = 3;

/// One account of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonAccount {
    /// Username; its id where it has none.
    pub username: Shown,
    /// As the source words it.
    pub account_type: Option<Shown>,
    /// `enabled`, `disabled`, `expired`, `quarantined`, `not approved` or `state not told`.
    pub state: &'static str,
    /// Whether nobody can sign in with it.
    pub closed: bool,
    /// Known to be privileged.
    pub privileged: bool,
    /// With a stale-login finding.
    pub stale: bool,
}

/// A person's accounts in one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonIn {
    /// Source.
    pub source: Shown,
    /// The accounts, those that are open first.
    pub accounts: Bounded<PersonAccount>,
}

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Name for people; the username where there is none.
    pub name: Shown,
    /// The address that the accounts share.
    pub address: Shown,
    /// Closed in one source and open in another.
    pub split: bool,
    /// By source.
    pub sources: Bounded<PersonIn>,
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleSection {
    /// Closed here and open there first, then privileged, then by address.
    pub people: Bounded<Person>,
    /// All of it in one sentence.
    pub summary: String,
    /// Sources whose list of users is not proven complete.
    pub unproven: Vec<Shown>,
}

impl PeopleSection {
    /// `None` where there are no two sources to compare.
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
        return format!("No e-mail address occurs in more than one of the {sources}; service accounts were left out.");
    }
    let (has, disabled) = if people == 1 { ("has", "is") } else { ("have", "are") };
    let who = match splits {
        0 => "none of them is disabled or blocked in one and enabled in another".to_owned(),
        1 if people == 1 => format!("this one {disabled} disabled or blocked in one and enabled in another"),
        _ => format!("{} disabled or blocked in one and enabled in another", counted(splits, "is", "are")),
    };
    format!("{} {has} accounts in more than one of the {sources}; {who}.", counted(people, "person", "people"))
}

/// The accounts of one address in more than one source, in the order of sources and ids.
struct Accounts<'a> {
    address: Cow<'a, str>,
    accounts: Vec<(&'a SourceInventory, &'a User)>,
}

/// Where an address was seen first, and whether it was seen in another source too.
struct FirstUse {
    source_inventory: usize,
    elsewhere: bool,
}

fn gather(sources: &[SourceInventory]) -> Vec<Accounts<'_>> {
    let mut seen: AHashMap<Cow<'_, str>, FirstUse> = AHashMap::new();
    for (at, _, _, address) in addressed(sources) {
        seen.entry(address)
            .and_modify(|seen| seen.elsewhere |= seen.source_inventory != at)
            .or_insert(FirstUse { source_inventory: at, elsewhere: false });
    }
    seen.retain(|_, seen| seen.elsewhere);
    let mut people: AHashMap<Cow<'_, str>, Vec<(&SourceInventory, &User)>> = AHashMap::with_capacity(seen.len());
    for (_, source_inventory, user, address) in addressed(sources).filter(|(.., address)| seen.contains_key(address)) {
        people.entry(address).or_default().push((source_inventory, user));
    }
    people.into_iter().map(|(address, accounts)| Accounts { address, accounts }).collect()
}

/// Every account of somebody with an address.
fn addressed(sources: &[SourceInventory]) -> impl Iterator<Item = (usize, &SourceInventory, &User, Cow<'_, str>)> {
    let users = sources.iter().enumerate().flat_map(|(at, source_inventory)| {
        source_inventory.reading.users.iter().map(move |user| (at, source_inventory, user))
    });
    let people = users.filter(|(.., user)| user.kind != UserKind::Service);
    people
        .filter_map(|(at, source_inventory, user)| user.address().map(|address| (at, source_inventory, user, address)))
}

/// Whether somebody can sign in with an account. Ordered: the most open first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SignInState {
    Open,
    NotTold,
    Closed,
}

fn door(index: &Index<'_>, user: &User) -> SignInState {
    match (user.enabled, index.blocked(user)) {
        (Some(false), _) | (_, Some(_)) => SignInState::Closed,
        (Some(true), None) => SignInState::Open,
        (None, None) => SignInState::NotTold,
    }
}

impl<'a> Accounts<'a> {
    /// The accounts by source. They come in the order of sources.
    fn by_source(&self) -> impl Iterator<Item = &[(&'a SourceInventory, &'a User)]> {
        self.accounts.chunk_by(|a, b| std::ptr::eq(a.0, b.0))
    }

    /// Some source has closed every account of the person, and another has one open.
    fn is_split(&self, index: &Index<'_>) -> bool {
        let best = |of_source: &[(&SourceInventory, &User)]| of_source.iter().map(|(_, user)| door(index, user)).min();
        let has = |wanted: SignInState| self.by_source().any(|of_source| best(of_source) == Some(wanted));
        has(SignInState::Closed) && has(SignInState::Open)
    }

    /// Accounts of one source that call their owners by different names.
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
        // Several accounts of one source with names of their own are several people, or a mailbox of a team.
        let name = if self.is_shared() { &*self.address } else { name };
        Person {
            name: Shown::name(name),
            address: Shown::name(&self.address),
            split: self.is_split(index),
            sources: Bounded::cut(self.by_source().map(|of_source| person_in(index, of_source)), SOURCES),
        }
    }
}

fn person_in(index: &Index<'_>, accounts: &[(&SourceInventory, &User)]) -> PersonIn {
    let mut accounts = accounts.to_vec();
    accounts.sort_by_key(|(_, user)| door(index, user));
    PersonIn {
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
            (None, None) => "state not told",
        },
        closed: door(index, user) == SignInState::Closed,
        privileged: source_inventory.is_privileged(user),
        stale: index.has(Rule::StaleLogin, source_inventory, user),
    }
}
