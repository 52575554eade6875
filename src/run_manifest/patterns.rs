//! Counts what the patterns of the configuration match.
//!
//! A misspelt pattern switches off what it is for without any error: `privileged_groups = ["Admnistrators"]` makes nobody privileged. So
//! every pattern is listed with its matches in the manifest and the report, and one that is proven to match nothing is a warning.
//! `run` counts over the known state ([`of_run`]), `check --online` over the pages that it read ([`count`]). Pure.

use crate::config::{self, Config};
use crate::model::{Coverage, Inventory, ListKind, Pattern, SourceInventory};
use crate::snapshot::manifest::PatternEntry;
use crate::source::{Probe, ProbedList};

/// Groups and accounts of one source, as far as they are known.
#[derive(Clone, Debug, Default)]
pub struct Population {
    /// Name of the source.
    pub source: String,
    /// Groups, vendors included.
    pub groups: Names,
    /// Accounts.
    pub users: Names,
}

/// Ids and names of one kind.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Id and name of each row.
    pub rows: Vec<(String, Option<String>)>,
    /// Whether these are all rows of the source.
    pub complete: bool,
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

/// Counts the matches over the known state after a run.
pub fn of_run(config: &Config, inventory: &Inventory) -> Vec<PatternEntry> {
    let populations: Vec<Population> = inventory.sources.iter().map(Population::of).collect();
    count(config, &populations)
}

/// Counts the matches of every pattern of the configuration.
pub fn count(config: &Config, populations: &[Population]) -> Vec<PatternEntry> {
    configured(config).iter().map(|pattern| pattern.count(populations)).collect()
}

/// Returns every pattern of the configuration.
fn configured(config: &Config) -> Vec<Configured<'_>> {
    let (classes, policy) = (&config.classes, &config.policy);
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
    let exceptions = config.exceptions.iter().flat_map(|file| &file.entries);
    found.extend(exceptions.map(|entry| Configured {
        key: format!("policy.exceptions, line {}", entry.line),
        pattern: &entry.subject,
        kind: Kind::Subjects,
        source: entry.source.as_deref(),
    }));
    found
}

impl Configured<'_> {
    fn count(&self, populations: &[Population]) -> PatternEntry {
        let about: Vec<&Population> =
            populations.iter().filter(|it| self.source.is_none_or(|wanted| wanted == it.source)).collect();
        let lists: Vec<&Names> = about.iter().flat_map(|it| self.lists(it)).collect();
        let rows = || lists.iter().flat_map(|list| &list.rows);
        let mut matches = rows().filter(|(id, name)| self.pattern.matches(id, name.as_deref())).count() as u64;
        if self.kind == Kind::Subjects {
            let is_matched = |it: &&&Population| self.pattern.matches(&it.source, Some(&it.source));
            matches += about.iter().filter(is_matched).count() as u64;
        }
        let nearest = (matches == 0).then(|| self.nearest(rows().filter_map(|(_, name)| name.as_deref()))).flatten();
        PatternEntry {
            key: self.key.clone(),
            pattern: self.pattern.to_string(),
            matches,
            complete: lists.iter().all(|list| list.complete),
            nearest,
        }
    }

    fn lists<'p>(&self, population: &'p Population) -> Vec<&'p Names> {
        match self.kind {
            Kind::Groups => vec![&population.groups],
            Kind::Users => vec![&population.users],
            Kind::Subjects => vec![&population.groups, &population.users],
        }
    }

    /// Returns the known name that is most similar. Ids have no similar ones.
    fn nearest<'n>(&self, names: impl Iterator<Item = &'n str>) -> Option<String> {
        let word = match self.pattern {
            Pattern::Id(_) => return None,
            Pattern::Name(name) => name.clone(),
            Pattern::Glob(glob) => glob.replace(['*', '?'], ""),
        };
        config::nearest(&word, &names.collect::<Vec<_>>()).map(str::to_owned)
    }
}

impl Population {
    /// Returns the population of a source in the known state.
    fn of(inventory: &SourceInventory) -> Self {
        let reading = &inventory.reading;
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let groups = reading.groups.iter().map(|group| (group.id.as_str().to_owned(), text(&group.name)));
        let users = reading.users.iter().map(|user| (user.id.as_str().to_owned(), text(&user.username)));
        let is_read = |kinds: &[ListKind]| {
            // A list that the source does not offer has no row. A source that this run did not read has no list at all.
            let complete = |kind: &ListKind| match reading.coverage(*kind) {
                Coverage::Complete { .. } | Coverage::NotOffered => true,
                Coverage::Drifted { .. } | Coverage::Failed { .. } => false,
            };
            !reading.lists.is_empty() && kinds.iter().all(complete)
        };
        Self {
            source: reading.source.name.to_string(),
            groups: Names { rows: groups.collect(), complete: is_read(&GROUP_LISTS) },
            users: Names { rows: users.collect(), complete: is_read(&USER_LISTS) && !reading.hides_inactive },
        }
    }
}

/// Returns the population of a source as far as a check read it.
pub fn of_probe(source: &str, probe: &Probe) -> Population {
    let names = |kinds: &[ListKind]| {
        let lists = || probe.lists.iter().filter(|list| kinds.contains(&list.kind));
        Names {
            rows: lists().flat_map(|list| list.names.iter().cloned()).collect(),
            complete: lists().count() > 0 && lists().all(ProbedList::is_whole),
        }
    };
    Population { source: source.to_owned(), groups: names(&GROUP_LISTS), users: names(&USER_LISTS) }
}

/// Lists whose rows are groups.
pub const GROUP_LISTS: [ListKind; 2] = [ListKind::Groups, ListKind::Vendors];
/// Lists whose rows are accounts.
pub const USER_LISTS: [ListKind; 3] = [ListKind::Users, ListKind::VendorUsers, ListKind::ApiAccounts];

#[cfg(test)]
mod tests;
