//! The policy in force: thresholds with their origin, overrides and registers. Plain data.
//!
//! `config` creates it; rules, report and manifest read it.

use super::custom::CustomRule;
use crate::model::{Pattern, Rule, Severity, SourceName, User};
use chrono::NaiveDate;
use std::collections::BTreeMap;

pub use crate::model::GroupOwner;

/// A number of days and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Whole days of 86,400 s.
    pub days: u32,
    /// Origin: `default`, `configuration`, or the id of a framework.
    pub from: String,
}

/// Setting of the configuration for one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// The rule is not evaluated.
    Off,
    /// All findings of the rule have this severity.
    Severity(Severity),
}

/// An entry in the register of service accounts: the owner of an account, and the day of the next review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOwner {
    /// Pattern for the id or username of the account.
    pub account: Pattern,
    /// Name of the source; `None` for every source.
    pub source: Option<String>,
    /// Person or team that is responsible.
    pub owner: String,
    /// Last day (UTC) on which the entry applies.
    pub review_by: NaiveDate,
}

impl ServiceOwner {
    /// Returns whether the entry is about this account.
    pub fn names(&self, source: &SourceName, user: &User) -> bool {
        self.source.as_deref().is_none_or(|wanted| wanted == source.as_str())
            && self.account.matches(user.id.as_str(), user.username.as_deref())
    }
}

/// Everything besides the inventory that the evaluation depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Value of `stale_after_days`.
    pub stale_after: Threshold,
    /// Value of `privileged_stale_after_days`.
    pub privileged_stale_after: Threshold,
    /// Value of `never_logged_in_grace_days`.
    pub never_grace: Threshold,
    /// Value of `max_shrink_percent`, from 0 to 100.
    pub max_shrink_percent: u8,
    /// Ids of the selected frameworks. If empty, findings name the controls of every framework.
    pub frameworks: Vec<String>,
    /// Settings of `[policy.rules]`.
    pub rules: BTreeMap<Rule, Override>,
    /// Entries of `[[policy.service_owners]]`, in the order of the file.
    pub service_owners: Vec<ServiceOwner>,
    /// Entries of `[[policy.group_owners]]`, in the order of the file.
    pub group_owners: Vec<GroupOwner>,
    /// Entries of `[[policy.custom_rules]]`, in the order of the file.
    pub custom_rules: Vec<CustomRule>,
}

impl Policy {
    /// Returns the definition of a custom rule.
    pub fn custom_rule(&self, rule: Rule) -> Option<&CustomRule> {
        self.custom_rules.iter().find(|custom| custom.rule == rule)
    }

    /// Returns the custom rules that are not switched off.
    pub(super) fn active_custom_rules(&self) -> impl Iterator<Item = &CustomRule> {
        self.custom_rules.iter().filter(|custom| self.rules.get(&custom.rule) != Some(&Override::Off))
    }

    /// Returns the built-in or custom rule with this id.
    pub fn rule(&self, id: &str) -> Option<Rule> {
        let custom = || self.custom_rules.iter().map(|custom| custom.rule).find(|rule| rule.as_str() == id);
        Rule::parse(id).or_else(custom)
    }
}

impl Default for Policy {
    fn default() -> Self {
        let by_default = |days| Threshold { days, from: "default".to_owned() };
        Self {
            stale_after: by_default(90),
            privileged_stale_after: by_default(45),
            never_grace: by_default(30),
            max_shrink_percent: 20,
            frameworks: Vec::new(),
            rules: BTreeMap::new(),
            service_owners: Vec::new(),
            group_owners: Vec::new(),
            custom_rules: Vec::new(),
        }
    }
}
