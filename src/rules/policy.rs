//! The thresholds in force and where each came from. Plain data; the configuration makes it, rules and report read it.

use crate::model::{Rule, Severity};
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
        }
    }
}
