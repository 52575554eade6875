//! Rules of the configuration: an expression over one account, judged for every account of every source. True is a finding,
//! false is fine; what it cannot come to because something is not told is undetermined, and never fine.

mod expression;
mod probe;
mod strict;
mod values;

pub use expression::{Expression, Flaw, LONGEST};

use super::policy::{Override, Policy};
use super::{Look, Remark, evidence};
use crate::model::{Rule, Severity, User};
use cel::Context;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
pub(super) use values::Surroundings;
use values::VARIABLES;

/// A rule that the configuration makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRule {
    /// Its id, as [`Rule::custom`] makes it.
    pub rule: Rule,
    /// How grave its findings are.
    pub severity: Severity,
    /// What its findings say; its name for people.
    pub title: String,
    /// What to do about a finding.
    pub action: String,
    /// When an account is one.
    pub when: Expression,
}

/// All rules of the configuration that are not switched off, ready to be asked of one account after another.
pub(super) struct Panel<'p> {
    rules: Vec<&'p CustomRule>,
    /// Places in [`VARIABLES`] of those that some rule names: no other is looked at.
    variables: BTreeSet<usize>,
    root: Context<'static, 'static>,
}

impl<'p> Panel<'p> {
    pub(super) fn of(policy: &'p Policy) -> Self {
        let is_on = |rule: &&CustomRule| policy.rules.get(&rule.rule) != Some(&Override::Off);
        let rules: Vec<&CustomRule> = policy.custom_rules.iter().filter(is_on).collect();
        let mut root = Context::with_env(Arc::new(strict::environment()));
        for rule in &rules {
            rule.when.prepare(&mut root);
        }
        let variables = rules.iter().flat_map(|rule| rule.when.variables()).collect();
        Self { rules, variables, root }
    }

    pub(super) fn look_at(&self, around: &Surroundings<'_>, user: &User) -> Vec<(Rule, Look)> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let mut context = scope(&self.root);
        for variable in self.variables.iter().map(|at| &VARIABLES[*at]) {
            // One that cannot be read is not bound: whatever needs it cannot be told then.
            if let Some(value) = (variable.of)(around, user).to_cel() {
                context.add_variable_as_val(variable.name, value);
            }
        }
        let look = |rule: &&CustomRule| match rule.when.holds(&context) {
            Some(true) => (rule.rule, Look::Remark(remark(rule, around, user))),
            Some(false) => (rule.rule, Look::Fine),
            None => (rule.rule, Look::Undetermined),
        };
        self.rules.iter().map(look).collect()
    }
}

/// A scope whose values may be borrowed from one account.
fn scope<'r, 'v>(root: &'r Context<'r, 'v>) -> Context<'r, 'v> {
    root.new_inner_scope()
}

fn remark(rule: &CustomRule, around: &Surroundings<'_>, user: &User) -> Remark {
    let (mut values, mut cut) = (Map::new(), Map::new());
    for variable in rule.when.variables().map(|at| &VARIABLES[at]) {
        let datum = (variable.of)(around, user);
        cut.extend(datum.cut().map(|all| (variable.name.to_owned(), json!(all))));
        values.insert(variable.name.to_owned(), datum.to_json());
    }
    let mut evidence = evidence([("expression", json!(rule.when.text())), ("values", Value::Object(values))]);
    if !cut.is_empty() {
        evidence.insert("lengths".to_owned(), Value::Object(cut));
    }
    Remark { rule: rule.rule, severity: rule.severity, title: rule.title.clone(), evidence }
}
