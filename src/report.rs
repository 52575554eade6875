//! The report for people: a view of one run as plain data, and its rendering as HTML. Called by `page`. Pure: no clock,
//! no disk.
//!
//! [`View::of`] decides what the report contains. Every list is bounded, so the page stays small for a tenant of any
//! size. [`html::render`] decides how it looks. Text from outside enters a view only as [`Shown`].
//!
//! The report repeats what manifest, evaluations and findings contain. It does not know how rules evaluate or sources
//! are read.

use crate::exceptions::{ExceptionUse, Expiry};
use crate::model::{Change, Evaluation, Finding, Instant, Inventory, ListKind, Rule};
use crate::rules;
use crate::rules::policy::{Override, Policy};
use crate::snapshot::manifest::Manifest;
use std::borrow::Cow;

mod accounts;
mod changes;
mod chart;
mod controls;
mod due;
mod excepted;
mod facts;
pub mod html;
mod inactivity;
mod index;
mod method;
mod patterns;
mod people;
mod population;
mod privilege_change;
mod rule_results;
mod settings;
mod status;
mod subject;
mod tasks;
mod text;
mod tiles;
mod top;
mod unchecked;
mod unevaluated;

#[cfg(test)]
mod tests;

pub use accounts::{PrivilegedGroup, PrivilegedGroups, TypeRow};
pub use changes::{ChangeCount, ChangeFact, ChangeRow, Changes};
pub use chart::{Bin, Chart, ChartBar, Grid, Mark};
pub use controls::{ControlRow, FrameworkControls};
pub use excepted::ExceptionRow;
pub use inactivity::Inactivity;
pub use method::{FileRow, ListReading, Method, Parameter, SourceRow};
pub use patterns::PatternRow;
pub use people::{PeopleSection, Person, PersonAccount, PersonInSource};
pub use population::{PopulationCounts, RulePopulation, SourcePopulation};
pub use rule_results::{BarSegment, Gap, RuleStatus, RuleSummary};
pub use status::{CompletenessGrade, ListLine, Population, SourceLine, Status};
pub use subject::RowName;
pub use tasks::{Task, TaskOwner, TaskRule};
pub use text::{Shown, thousands};
pub use tiles::Tile;
pub use top::{FindingVariant, RuleFindings, TopRow};
pub use unchecked::Unchecked;
pub use unevaluated::{RuleGap, SourceGaps};

use index::Index;

/// Title and explanation of a rule, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Rule that the texts are about.
    pub rule: Rule,
    /// Short title for people.
    pub title: Cow<'static, str>,
    /// Why the rule matters, in one sentence.
    pub why: Cow<'static, str>,
    /// What to do about a finding.
    pub action: Cow<'static, str>,
    /// Severities of its findings, in words.
    pub severity: &'static str,
    /// Data that the rule needs, in words.
    pub needs: &'static str,
    /// Control ids of the selected frameworks that the rule is relevant to.
    pub controls: Vec<&'static str>,
    /// Expression of a rule from the configuration; `None` for a built-in rule.
    pub expression: Option<String>,
}

impl RuleInfo {
    /// Returns the built-in rules, then those of the configuration.
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
            needs: entry.needs,
            controls: rules::controls_of(entry.rule, &policy.frameworks).to_vec(),
            expression: None,
        });
        let custom = policy.custom_rules.iter().map(|custom| Self {
            rule: custom.rule,
            title: custom.title.clone().into(),
            why: "This organisation defined this rule in its configuration.".into(),
            action: custom.action.clone().into(),
            severity: severity(custom.rule, custom.severity.as_str()),
            needs: "what its expression uses",
            controls: Vec::new(),
            expression: Some(custom.when.text().to_owned()),
        });
        built_in.chain(custom).collect()
    }
}

/// Everything that a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Manifest of the snapshot; its `files` do not contain the report.
    pub manifest: &'a Manifest,
    /// Accounts and groups.
    pub inventory: &'a Inventory,
    /// Findings of the snapshot, with resolved ones.
    pub findings: &'a [Finding],
    /// Result of each rule in each source.
    pub evaluations: &'a [Evaluation],
    /// Changes since the baseline.
    pub changes: &'a [Change],
    /// Thresholds and selected frameworks.
    pub policy: &'a Policy,
    /// Instant that every age is computed from.
    pub as_of: Instant,
    /// Instants that decide over exceptions.
    pub expiry: Expiry,
    /// The rules in the order of the report.
    pub catalogue: &'a [RuleInfo],
    /// Use of each exception; `None` if no register of exceptions is configured.
    pub exceptions: Option<&'a [ExceptionUse]>,
}

/// The first rows of a list, and the number of rows that are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded<T> {
    /// Rows that are shown.
    pub rows: Vec<T>,
    /// Number of further rows.
    pub more: u64,
}

impl<T> Bounded<T> {
    fn cut(rows: impl IntoIterator<Item = T>, limit: usize) -> Self {
        let mut rows = rows.into_iter();
        let first: Vec<T> = rows.by_ref().take(limit).collect();
        Self { rows: first, more: rows.count() as u64 }
    }

    /// Checks whether the list has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The table files that the report refers to: CSV if the snapshot has it, else Parquet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFiles {
    /// File of the changes.
    pub changes: String,
    /// File of the findings.
    pub findings: String,
    /// File of the groups.
    pub groups: String,
    /// File of the users.
    pub users: String,
}

impl TableFiles {
    fn of(manifest: &Manifest) -> Self {
        let exists = |name: &String| manifest.files.iter().any(|file| file.path == *name);
        let file = |table: &str| {
            let names = [format!("{table}.csv"), format!("{table}.parquet")];
            names.into_iter().find(exists).unwrap_or_else(|| format!("the table of {table}"))
        };
        Self { changes: file("changes"), findings: file("findings"), groups: file("groups"), users: file("users") }
    }
}

/// The content of the report of one run, section by section.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Scope, instant and completeness.
    pub status: Status,
    /// Key figures at the top.
    pub tiles: Vec<Tile>,
    /// Open findings by severity, with the last day to act.
    pub tasks: Vec<Task>,
    /// What could not be evaluated, by source.
    pub unevaluated: Bounded<SourceGaps>,
    /// Patterns of the configuration that are proven to match nothing.
    pub unmatched_patterns: Bounded<PatternRow>,
    /// Sources in which inactivity was not evaluated, with the reason.
    pub without_inactivity: Bounded<Shown>,
    /// Result of each rule, in the order of the catalogue.
    pub rules: Vec<RuleSummary>,
    /// Sources whose list of users is not proven complete. Rules evaluated only the accounts that were read.
    pub unproven_users: Vec<Shown>,
    /// The most severe findings, one row a person.
    pub top: Bounded<TopRow>,
    /// Histogram of days since the last login.
    pub inactivity: Inactivity,
    /// Privileged groups and their members.
    pub groups: PrivilegedGroups,
    /// Changes since the baseline.
    pub changes: Changes,
    /// People with accounts in more than one source; `None` if there is only one source.
    pub people: Option<PeopleSection>,
    /// Accounts by type and source.
    pub types: Bounded<TypeRow>,
    /// Controls of the selected frameworks.
    pub controls: Vec<FrameworkControls>,
    /// Accepted exceptions; `None` if no register of exceptions is configured.
    pub exceptions: Option<Bounded<ExceptionRow>>,
    /// Population of each rule in each source.
    pub populations: Vec<RulePopulation>,
    /// How the run was performed.
    pub method: Method,
    /// Patterns of the configuration and their matches.
    pub patterns: Bounded<PatternRow>,
    /// What was not checked.
    pub unchecked: Bounded<Unchecked>,
    /// Files with the rows that are not shown.
    pub files: TableFiles,
}

impl View {
    /// Builds the view of a run.
    pub fn of(input: &Input<'_>) -> Self {
        let index = Index::of(input);
        let rules = rule_results::results(&index);
        Self {
            status: Status::of(&index),
            tiles: tiles::of(&index),
            tasks: tasks::list(&index),
            unevaluated: unevaluated::by_source(&index),
            unmatched_patterns: patterns::unmatched(input.manifest),
            without_inactivity: unevaluated::of_inactivity(&index),
            unproven_users: status::unproven(&index, ListKind::Users),
            top: top::rows(&index),
            inactivity: Inactivity::of(&index),
            groups: PrivilegedGroups::of(&index),
            changes: Changes::of(&index),
            people: PeopleSection::of(&index),
            types: accounts::types(&index),
            controls: controls::matrix(&index, &rules),
            exceptions: excepted::rows(&index),
            populations: population::list(&index),
            method: Method::of(&index),
            patterns: patterns::rows(input.manifest),
            unchecked: unchecked::list(&index, &rules),
            files: TableFiles::of(input.manifest),
            rules,
        }
    }

    /// Returns the rules with this status.
    pub fn with_status(&self, status: RuleStatus) -> Vec<&RuleSummary> {
        self.rules.iter().filter(|rule| rule.status == status).collect()
    }
}
