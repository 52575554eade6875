//! The thresholds in force and where each came from. Plain data; the configuration makes it, rules and report read it.

use super::custom::CustomRule;
use crate::model::{Pattern, Rule, Severity, SourceName, User};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// A number of days and who set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Whole days of 86,400 s.
    pub days: u32,
    /// `default`, `configuration`, or a framework's name.
    pub from: String,
}

/// What the configuration says of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// Not judged.
    Off,
    /// Always this severity.
    Severity(Severity),
}

/// An entry of the register of service accounts: who answers for an account, and until when somebody looks at it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOwner {
    /// Which account, by id or username.
    pub account: Pattern,
    /// Of which source; of any where it is `None`.
    pub source: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// The last day (UTC) on which the entry holds.
    pub review_by: NaiveDate,
}

impl ServiceOwner {
    /// Whether it is about this account.
    pub fn names(&self, source: &SourceName, user: &User) -> bool {
        self.source.as_deref().is_none_or(|wanted| wanted == source.as_str())
            && self.account.matches(user.id.as_str(), user.username.as_deref())
    }
}

/// All that judging needs to know beside the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `stale_after_days`.
    pub stale_after: Threshold,
    /// `privileged_stale_after_days`.
    pub privileged_stale_after: Threshold,
    /// `never_logged_in_grace_days`.
    pub never_grace: Threshold,
    /// `max_shrink_percent`, 0 to 100.
    pub max_shrink_percent: u8,
    /// Selected frameworks by id; empty = the controls of every framework are named.
    pub frameworks: Vec<String>,
    /// `[policy.rules]`.
    pub rules: BTreeMap<Rule, Override>,
    /// `[[policy.service_owners]]`, in the order of the file.
    pub service_owners: Vec<ServiceOwner>,
    /// `[[policy.custom_rules]]`, in the order of the file.
    pub custom_rules: Vec<CustomRule>,
}

impl Policy {
    /// The rule of the configuration with this id.
    pub fn custom_rule(&self, rule: Rule) -> Option<&CustomRule> {
        self.custom_rules.iter().find(|custom| custom.rule == rule)
    }

    /// The rule with this id, built in or of the configuration.
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
            custom_rules: Vec::new(),
        }
    }
}
