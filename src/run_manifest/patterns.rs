//! Counts what the patterns of the configuration match.
//!
//! A misspelt pattern switches off what it is for without any error: `privileged_groups = ["Admnistrators"]` makes nobody privileged. So
//! every pattern is listed with its matches in the manifest and the report, and one that is proven to match nothing is a warning.
//! `run` counts over the known state ([`of_run`]), `check --online` over the pages that it read ([`count`]). Pure.
//! Names and ids are indexed, because a large configuration has thousands of patterns and a source tens of thousands of accounts.

use crate::config::{Config, KnownWords};
use crate::exceptions::{Exception, ExceptionUse};
use crate::model::{Classes, Coverage, Inventory, ListKind, Pattern, SourceInventory};
use crate::rules::policy::Policy;
use crate::snapshot::manifest::PatternEntry;
use crate::source::{Probe, ProbedList};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Most patterns for which a similar name is sought. Each is compared with every name.
const MOST_SOUGHT: usize = 20;

/// Groups and accounts of one source, as far as they are known.
#[derive(Debug, Default)]
pub struct Population<'a> {
    /// Name of the source.
    pub source: &'a str,
    /// Groups, vendors included.
    pub groups: Names<'a>,
    /// Accounts with their usernames.
    pub users: Names<'a>,
    /// Accounts with the names that findings have: the username, or else the display name.
    pub subjects: Names<'a>,
}

/// Ids and names of one kind.
#[derive(Debug, Default)]
pub struct Names<'a> {
    rows: Vec<(&'a str, Option<&'a str>)>,
    complete: bool,
    is_offered: bool,
    /// Number of rows of each name, in lower case.
    by_name: OnceCell<HashMap<String, u64>>,
    by_id: OnceCell<HashMap<&'a str, u64>>,
    words: OnceCell<KnownWords<'a>>,
}

impl<'a> Names<'a> {
    /// Returns the names of rows. `complete` says whether these are all rows of the source.
    pub fn new(rows: impl Iterator<Item = (&'a str, Option<&'a str>)>, complete: bool) -> Self {
        Self { rows: rows.collect(), complete, is_offered: true, ..Self::default() }
    }

    /// Returns the names of a list that the source does not offer. They are neither evidence nor a gap in it.
    fn not_offered() -> Self {
        Self { complete: true, ..Self::default() }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.rows.iter().filter_map(|(_, name)| *name)
    }

    fn matches(&self, pattern: &Pattern) -> u64 {
        match pattern {
            Pattern::Id(id) => self.by_id().get(id.as_str()).copied().unwrap_or(0),
            Pattern::Name(name) => self.by_name().get(&name.to_ascii_lowercase()).copied().unwrap_or(0),
            Pattern::Glob(_) => self.rows.iter().filter(|(id, name)| pattern.matches(id, *name)).count() as u64,
        }
    }

    fn by_id(&self) -> &HashMap<&'a str, u64> {
        self.by_id.get_or_init(|| counted(self.rows.iter().map(|(id, _)| *id)))
    }

    fn by_name(&self) -> &HashMap<String, u64> {
        self.by_name.get_or_init(|| counted(self.names().map(str::to_ascii_lowercase)))
    }

    fn words(&self) -> &KnownWords<'a> {
        self.words.get_or_init(|| KnownWords::new(self.names()))
    }

    fn nearest(&self, word: &str) -> Option<(usize, &'a str)> {
        self.words().nearest(word)
    }
}

fn counted<K: Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, u64> {
    let mut counts = HashMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// What a pattern is matched against.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Groups,
    Users,
    /// Both, and the source itself: subjects of findings.
    Subjects,
}

/// A pattern of the configuration.
struct Configured<'a> {
    key: String,
    pattern: &'a Pattern,
    kind: Kind,
    /// Name of the only source that it is about.
    source: Option<&'a str>,
}

/// Counts the matches over the known state after a run. Only a warning has a similar name.
pub fn of_run(config: &Config, inventory: &Inventory) -> Vec<PatternEntry> {
    of_state(&config.classes, &config.policy, exceptions(config), inventory)
}

/// Counts the matches over a known state. Only a warning has a similar name.
pub fn of_state(
    classes: &Classes,
    policy: &Policy,
    exceptions: &[Exception],
    inventory: &Inventory,
) -> Vec<PatternEntry> {
    let populations: Vec<Population<'_>> = inventory.sources.iter().map(Population::of).collect();
    count_each(&configured(classes, policy, exceptions), &populations, |entry| entry.warning().is_some())
}

/// Counts the matches of every pattern of the configuration. Adds the most similar name to the first entries that `wants_name` selects.
pub fn count(
    config: &Config,
    populations: &[Population<'_>],
    wants_name: impl Fn(&PatternEntry) -> bool,
) -> Vec<PatternEntry> {
    count_each(&configured(&config.classes, &config.policy, exceptions(config)), populations, wants_name)
}

fn count_each(
    patterns: &[Configured<'_>],
    populations: &[Population<'_>],
    wants_name: impl Fn(&PatternEntry) -> bool,
) -> Vec<PatternEntry> {
    let mut entries: Vec<PatternEntry> = patterns.iter().map(|pattern| pattern.count(populations)).collect();
    let wanting = patterns.iter().zip(&mut entries).filter(|(_, entry)| entry.matches == 0 && wants_name(entry));
    for (pattern, entry) in wanting.take(MOST_SOUGHT) {
        entry.nearest = pattern.nearest(populations);
    }
    entries
}

/// Returns the warnings of a run. The exceptions that accept nothing have a warning of their own.
pub fn warnings(entries: &[PatternEntry], uses: &[ExceptionUse]) -> Vec<String> {
    let warned: HashSet<String> = uses.iter().filter(|it| it.is_useless()).map(|it| key_of(&it.exception)).collect();
    entries.iter().filter(|entry| !warned.contains(&entry.key)).filter_map(PatternEntry::warning).collect()
}

fn key_of(exception: &Exception) -> String {
    format!("policy.exceptions, line {}", exception.line)
}

fn exceptions(config: &Config) -> &[Exception] {
    config.exceptions.as_ref().map_or(&[], |file| &file.entries)
}

/// Returns every pattern of the configuration.
fn configured<'a>(classes: &'a Classes, policy: &'a Policy, exceptions: &'a [Exception]) -> Vec<Configured<'a>> {
    let class = |key: &'static str, kind: Kind| {
        move |pattern| Configured { key: format!("policy.{key}"), pattern, kind, source: None }
    };
    let mut found: Vec<Configured<'_>> = Vec::new();
    found.extend(classes.privileged_groups.iter().map(class("privileged_groups", Kind::Groups)));
    found.extend(classes.break_glass.iter().map(class("break_glass", Kind::Users)));
    found.extend(classes.service_accounts.iter().map(class("service_accounts", Kind::Users)));
    found.extend(policy.service_owners.iter().map(|owner| Configured {
        source: owner.source.as_deref(),
        ..class("service_owners", Kind::Users)(&owner.account)
    }));
    found.extend(policy.group_owners.iter().map(|owner| class("group_owners", Kind::Groups)(&owner.group)));
    found.extend(exceptions.iter().map(|entry| Configured {
        key: key_of(entry),
        pattern: &entry.subject,
        kind: Kind::Subjects,
        source: entry.source.as_deref(),
    }));
    found
}

impl Configured<'_> {
    fn count(&self, populations: &[Population<'_>]) -> PatternEntry {
        let lists = || self.lists(populations);
        let mut matches = lists().map(|list| list.matches(self.pattern)).sum();
        if self.kind == Kind::Subjects {
            let is_matched = |it: &&Population<'_>| self.pattern.matches(it.source, Some(it.source));
            matches += self.about(populations).filter(is_matched).count() as u64;
        }
        let (key, pattern) = (self.key.clone(), self.pattern.to_string());
        // Without any list, nothing is proven.
        let complete = lists().any(|list| list.is_offered) && lists().all(|list| list.complete);
        PatternEntry { key, pattern, matches, complete, nearest: None }
    }

    fn about<'p, 'a>(&self, populations: &'p [Population<'a>]) -> impl Iterator<Item = &'p Population<'a>> {
        populations.iter().filter(|it| self.source.is_none_or(|wanted| wanted == it.source))
    }

    fn lists<'p, 'a>(&self, populations: &'p [Population<'a>]) -> impl Iterator<Item = &'p Names<'a>> {
        self.about(populations).flat_map(|it| match self.kind {
            Kind::Groups => vec![&it.groups],
            Kind::Users => vec![&it.users],
            Kind::Subjects => vec![&it.groups, &it.subjects],
        })
    }

    /// Returns the name that a glob almost matches, or else the one that is similar to its letters.
    fn nearest_to_glob(&self, glob: &str, populations: &[Population<'_>]) -> Option<String> {
        let almost = self.lists(populations).filter_map(|list| list.words().nearest_to_glob(glob));
        let letters = glob.replace(['*', '?'], "");
        let similar = || self.lists(populations).filter_map(|list| list.nearest(&letters)).min_by_key(|(n, _)| *n);
        almost.min_by_key(|(distance, _)| *distance).or_else(similar).map(|(_, name)| name.to_owned())
    }

    /// Returns what was probably meant: a glob whose prefix is missing, or the known name that is most similar. Ids have no similar
    /// ones.
    fn nearest(&self, populations: &[Population<'_>]) -> Option<String> {
        let word = match self.pattern {
            Pattern::Id(_) => return None,
            Pattern::Name(name) => {
                let glob = Pattern::Glob(name.clone());
                if name.contains('*') && self.lists(populations).any(|list| list.matches(&glob) > 0) {
                    return Some(glob.to_string());
                }
                name.clone()
            }
            Pattern::Glob(glob) => return self.nearest_to_glob(glob, populations),
        };
        let found = self.lists(populations).filter_map(|list| list.nearest(&word));
        found.min_by_key(|(distance, _)| *distance).map(|(_, name)| name.to_owned())
    }
}

impl<'a> Population<'a> {
    /// Returns the population of a source in the known state.
    fn of(inventory: &'a SourceInventory) -> Self {
        let reading = &inventory.reading;
        let is_read = |kinds: &[ListKind]| {
            // A list that the source does not offer has no row. A source that this run did not read has no list at all.
            let complete = |kind: &ListKind| match reading.coverage(*kind) {
                Coverage::Complete { .. } | Coverage::NotOffered => true,
                Coverage::Drifted { .. } | Coverage::Failed { .. } => false,
            };
            !reading.lists.is_empty() && kinds.iter().all(complete)
        };
        let groups = reading.groups.iter().map(|group| (group.id.as_str(), group.name.as_deref()));
        let users = reading.users.iter();
        let has_all_users = is_read(&USER_LISTS) && !reading.hides_inactive;
        let is_missing = |kind: &ListKind| *reading.coverage(*kind) == Coverage::NotOffered;
        let has_groups = reading.lists.is_empty() || !reading.groups.is_empty();
        let offers_groups = has_groups || !GROUP_LISTS.iter().all(is_missing);
        Self {
            source: reading.source.name.as_str(),
            groups: if offers_groups { Names::new(groups, is_read(&GROUP_LISTS)) } else { Names::not_offered() },
            users: Names::new(users.clone().map(|user| (user.id.as_str(), user.username.as_deref())), has_all_users),
            subjects: Names::new(users.map(|user| (user.id.as_str(), user.name())), has_all_users),
        }
    }
}

/// Returns the population of a source as far as a check read it; an empty one without a probe.
pub fn of_probe<'a>(source: &'a str, probe: Option<&'a Probe>) -> Population<'a> {
    let names = |kinds: &[ListKind]| {
        let lists = || probe.iter().flat_map(|probe| &probe.lists).filter(|list| kinds.contains(&list.kind));
        let rows = lists().flat_map(|list| &list.names).map(|(id, name)| (id.as_str(), name.as_deref()));
        Names::new(rows, lists().count() > 0 && lists().all(ProbedList::is_whole))
    };
    Population { source, groups: names(&GROUP_LISTS), users: names(&USER_LISTS), subjects: names(&USER_LISTS) }
}

/// Lists whose rows are groups.
pub const GROUP_LISTS: [ListKind; 2] = [ListKind::Groups, ListKind::Vendors];
/// Lists whose rows are accounts.
pub const USER_LISTS: [ListKind; 3] = [ListKind::Users, ListKind::VendorUsers, ListKind::ApiAccounts];

#[cfg(test)]
mod tests;
