//! The report for people: a view of one run as plain data, and its rendering. Pure: no clock, no disk.
//!
//! [`View::of`] decides *what* is said and how much of it (every list is bounded, so that the page stays small at any
//! size of tenant); [`html::render`] decides how it looks. Text from outside enters a view only as [`Shown`].
//! Knows nothing of how rules judge or how a source is read: it tells what manifest, verdicts and findings say.

use crate::exceptions::ExceptionUse;
use crate::model::{Change, Evaluation, Finding, Instant, Inventory, ListKind, Rule};
use crate::rules;
use crate::rules::policy::{Override, Policy};
use crate::snapshot::manifest::Manifest;
use std::borrow::Cow;

mod accounts;
mod changes;
mod chart;
mod controls;
mod excepted;
pub mod html;
mod inactivity;
mod index;
mod method;
mod people;
mod rule_results;
mod status;
mod text;
mod tiles;
mod top;
mod unchecked;

#[cfg(test)]
mod tests;

pub use accounts::{PrivilegedGroup, PrivilegedGroups, TypeRow};
pub use changes::{ChangeCount, ChangeRow, Changes};
pub use chart::{Chart, ChartBar, Grid, Mark};
pub use controls::{ControlRow, FrameworkControls};
pub use excepted::ExceptionRow;
pub use inactivity::{Bin, Inactivity};
pub use method::{FileRow, ListReading, Method, Parameter, SourceRow};
pub use people::{PeopleSection, Person, PersonAccount, PersonIn};
pub use rule_results::{BarSegment, Gap, RuleStanding, RuleSummary};
pub use status::{Grade, ListLine, SourceLine, Status};
pub use text::{Shown, thousands};
pub use tiles::Tile;
pub use top::{AgeStart, TopRow};
pub use unchecked::Unchecked;

use index::Index;

/// What a rule is called and means, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Which.
    pub rule: Rule,
    /// Short name for people.
    pub title: Cow<'static, str>,
    /// Why it matters, in one sentence.
    pub why: Cow<'static, str>,
    /// What to do about a finding.
    pub action: Cow<'static, str>,
    /// Its severities in words.
    pub severity: &'static str,
    /// Control ids of the selected frameworks that it is relevant to.
    pub controls: Vec<&'static str>,
    /// The expression of a rule that the configuration makes.
    pub expression: Option<String>,
}

impl RuleInfo {
    /// The built-in rules, then those of the configuration.
    pub fn all(policy: &Policy) -> Vec<Self> {
        let severity = |rule, usual| match policy.rules.get(&rule) {
            Some(Override::Severity(severity)) => severity.as_str(),
            _ => usual,
        };
        let built_in = rules::catalogue().iter().map(|entry| Self {
            rule: entry.rule,
            title: entry.title.into(),
            why: entry.why.into(),
            action: entry.action.into(),
            severity: severity(entry.rule, entry.severity),
            controls: rules::controls_of(entry.rule, &policy.frameworks).to_vec(),
            expression: None,
        });
        let custom = policy.custom_rules.iter().map(|custom| Self {
            rule: custom.rule,
            title: custom.title.clone().into(),
            why: "A rule of this organisation, from its configuration.".into(),
            action: custom.action.clone().into(),
            severity: severity(custom.rule, custom.severity.as_str()),
            controls: Vec::new(),
            expression: Some(custom.when.text().to_owned()),
        });
        built_in.chain(custom).collect()
    }
}

/// All that a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What the snapshot says of itself; its `files` never hold the report.
    pub manifest: &'a Manifest,
    /// Accounts and groups.
    pub inventory: &'a Inventory,
    /// What was found.
    pub findings: &'a [Finding],
    /// What each rule was judged over.
    pub evaluations: &'a [Evaluation],
    /// What changed since the snapshot before.
    pub changes: &'a [Change],
    /// Thresholds.
    pub policy: &'a Policy,
    /// The instant that every age is computed from.
    pub as_of: Instant,
    /// The rules in the order of the report.
    pub catalogue: &'a [RuleInfo],
    /// What each accepted exception did; `None` where no register of them is configured.
    pub exceptions: Option<&'a [ExceptionUse]>,
}

/// A list cut to what fits on a page, and how many rows were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded<T> {
    /// The first rows.
    pub rows: Vec<T>,
    /// How many more there are.
    pub more: u64,
}

impl<T> Bounded<T> {
    fn cut(rows: impl IntoIterator<Item = T>, limit: usize) -> Self {
        let mut rows = rows.into_iter();
        let first: Vec<T> = rows.by_ref().take(limit).collect();
        Self { rows: first, more: rows.count() as u64 }
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The files of the tables that a report refers to, in the format that people open first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFiles {
    /// Changes.
    pub changes: String,
    /// Findings.
    pub findings: String,
    /// Groups.
    pub groups: String,
    /// Users.
    pub users: String,
}

impl TableFiles {
    fn of(manifest: &Manifest) -> Self {
        let is_there = |name: &String| manifest.files.iter().any(|file| file.path == *name);
        let file = |table: &str| {
            let names = [format!("{table}.csv"), format!("{table}.parquet")];
            names.into_iter().find(is_there).unwrap_or_else(|| format!("the table of {table}"))
        };
        Self { changes: file("changes"), findings: file("findings"), groups: file("groups"), users: file("users") }
    }
}

/// What every report of a run shows.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Scope, instant, completeness.
    pub status: Status,
    /// The figures at the top.
    pub tiles: Vec<Tile>,
    /// How each rule went, in the order of the catalogue.
    pub rules: Vec<RuleSummary>,
    /// Sources whose list of users is not proven complete: rules judged only the accounts that came.
    pub unproven_users: Vec<Shown>,
    /// The findings to look at first.
    pub top: Bounded<TopRow>,
    /// Days since the last login.
    pub inactivity: Inactivity,
    /// Privileged groups and their members.
    pub groups: PrivilegedGroups,
    /// What changed since the snapshot before.
    pub changes: Changes,
    /// Who has accounts in more than one source; `None` where there are no two.
    pub people: Option<PeopleSection>,
    /// Accounts by type and source.
    pub types: Bounded<TypeRow>,
    /// The controls of the selected frameworks.
    pub controls: Vec<FrameworkControls>,
    /// Accepted exceptions; `None` where no register of them is configured.
    pub exceptions: Option<Bounded<ExceptionRow>>,
    /// How all of it was made.
    pub method: Method,
    /// What was not checked.
    pub unchecked: Bounded<Unchecked>,
    /// Where the rest of a shortened list stands.
    pub files: TableFiles,
}

impl View {
    /// Projects a run.
    pub fn of(input: &Input<'_>) -> Self {
        let index = Index::of(input);
        let rules = rule_results::results(&index);
        Self {
            status: Status::of(&index),
            tiles: tiles::of(&index),
            unproven_users: status::unproven(&index, ListKind::Users),
            top: top::rows(&index),
            inactivity: Inactivity::of(&index),
            groups: PrivilegedGroups::of(&index),
            changes: Changes::of(&index),
            people: PeopleSection::of(&index),
            types: accounts::types(&index),
            controls: controls::matrix(&index, &rules),
            exceptions: excepted::rows(&index),
            method: Method::of(&index),
            unchecked: unchecked::list(&index, &rules),
            files: TableFiles::of(input.manifest),
            rules,
        }
    }

    /// Rules that came to this standing.
    pub fn standing(&self, standing: RuleStanding) -> Vec<&RuleSummary> {
        self.rules.iter().filter(|rule| rule.standing == standing).collect()
    }
}
