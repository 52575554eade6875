//! Rules of the configuration: an expression over one account, judged for every account of every source. True is a finding,
//! false is fine; what it cannot come to because something is not told is undetermined, and never fine.

mod expression;
mod probe;
mod strict;
mod values;

pub use expression::{Expression, ExpressionError, LONGEST};

use super::policy::{Override, Policy};
use super::{RuleRemark, RuleResult, evidence};
use crate::model::{Rule, Severity, User};
use cel::Context;
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::{Map, Value, json};
use std::sync::{Arc, OnceLock};
pub(super) use values::SourceContext;
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
pub(super) struct CustomRules<'p> {
    rules: Vec<&'p CustomRule>,
    root: Context<'static, 'static>,
}

impl<'p> CustomRules<'p> {
    pub(super) fn of(policy: &'p Policy) -> Self {
        let is_on = |rule: &&CustomRule| policy.rules.get(&rule.rule) != Some(&Override::Off);
        let rules: Vec<&CustomRule> = policy.custom_rules.iter().filter(is_on).collect();
        let mut root = Context::with_env(Arc::new(strict::environment()));
        for rule in &rules {
            rule.when.prepare(&mut root);
        }
        Self { rules, root }
    }

    pub(super) fn look_at(&self, around: &SourceContext<'_>, user: &User) -> Vec<(Rule, RuleResult)> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let account = AccountContext { around, user, values: Default::default() };
        let mut context = scope(&self.root);
        context.set_variable_resolver(&account);
        let look = |rule: &&CustomRule| match rule.when.holds(&context) {
            Some(true) => (rule.rule, RuleResult::RuleRemark(remark(rule, around, user))),
            Some(false) => (rule.rule, RuleResult::Fine),
            None => (rule.rule, RuleResult::Undetermined),
        };
        self.rules.iter().map(look).collect()
    }
}

/// One account, whose variables are looked at when a rule first asks for them, and then kept for the others.
struct AccountContext<'a> {
    around: &'a SourceContext<'a>,
    user: &'a User,
    /// By the place in [`VARIABLES`].
    values: [OnceLock<Option<Box<dyn Val + 'a>>>; VARIABLES.len()],
}

impl VariableResolver for AccountContext<'_> {
    /// One that cannot be read is not there: whatever needs it cannot be told then.
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let at = VARIABLES.iter().position(|variable| variable.name == name)?;
        let value = self.values[at].get_or_init(|| (VARIABLES[at].of)(self.around, self.user).to_cel());
        value.as_deref().map(CowVal::Borrowed)
    }
}

/// A scope whose values may be borrowed from one account.
fn scope<'r, 'v>(root: &'r Context<'r, 'v>) -> Context<'r, 'v> {
    root.new_inner_scope()
}

fn remark(rule: &CustomRule, around: &SourceContext<'_>, user: &User) -> RuleRemark {
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
    RuleRemark { rule: rule.rule, severity: rule.severity, title: rule.title.clone(), evidence }
}
