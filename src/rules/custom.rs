//! Custom rules of the configuration: a CEL expression that is evaluated for every account of every source.
//!
//! True is a finding and false is a pass. If the expression needs data that the source does not report, the result is
//! undetermined, which is never a pass. `config` parses the rules, and [`super::evaluate_after`] evaluates them.

mod expression;
mod probe;
mod strict;
mod values;

pub use expression::{Expression, ExpressionError};

use super::{RuleEvidence, RuleRemark, RuleResult};
use crate::model::{Rule, Severity, User};
use cel::Context;
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::{Map, json};
use std::sync::{Arc, OnceLock};
pub(super) use values::SourceContext;
use values::VARIABLES;

/// A custom rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRule {
    /// Id of the rule, as [`Rule::custom`] returns it.
    pub rule: Rule,
    /// Severity of its findings.
    pub severity: Severity,
    /// Title of the rule and of its findings.
    pub title: String,
    /// Recommended action for a finding.
    pub action: String,
    /// Expression that is true for an account with a finding.
    pub when: Expression,
}

/// All custom rules that are switched on, prepared for evaluation.
pub(super) struct CustomRules<'p> {
    rules: Vec<&'p CustomRule>,
    root: Context<'static, 'static>,
}

impl<'p> CustomRules<'p> {
    pub(super) fn of(rules: impl Iterator<Item = &'p CustomRule>) -> Self {
        let rules: Vec<&CustomRule> = rules.collect();
        let mut root = Context::with_env(Arc::new(strict::environment()));
        for rule in &rules {
            rule.when.prepare(&mut root);
        }
        Self { rules, root }
    }

    pub(super) fn evaluate(&self, source: &SourceContext<'_>, user: &User) -> Vec<(Rule, RuleResult)> {
        // Most configurations have no custom rule, and a scope for every account is costly.
        if self.rules.is_empty() {
            return Vec::new();
        }
        let account = AccountContext { source, user, values: Default::default() };
        let mut context = scope(&self.root);
        context.set_variable_resolver(&account);
        let result = |rule: &&CustomRule| match rule.when.holds(&context) {
            Some(true) => (rule.rule, RuleResult::Found(remark(rule, source, user))),
            Some(false) => (rule.rule, RuleResult::Passed),
            None => (rule.rule, RuleResult::Undetermined),
        };
        self.rules.iter().map(result).collect()
    }
}

/// One account. A variable is computed when a rule first needs it, and kept for the other rules.
struct AccountContext<'a> {
    source: &'a SourceContext<'a>,
    user: &'a User,
    /// Values by the position in [`VARIABLES`].
    values: [OnceLock<Option<Box<dyn Val + 'a>>>; VARIABLES.len()],
}

impl VariableResolver for AccountContext<'_> {
    /// Returns the value of a variable. An unreadable value is missing, so that every expression that needs it is
    /// undetermined.
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let at = VARIABLES.iter().position(|variable| variable.name == name)?;
        let value = self.values[at].get_or_init(|| (VARIABLES[at].of)(self.source, self.user).to_cel());
        value.as_deref().map(CowVal::Borrowed)
    }
}

/// Creates a scope whose values may be borrowed from one account.
fn scope<'r, 'v>(root: &'r Context<'r, 'v>) -> Context<'r, 'v> {
    root.new_inner_scope()
}

fn remark(rule: &CustomRule, source: &SourceContext<'_>, user: &User) -> RuleRemark {
    let (mut values, mut cut) = (Map::new(), Map::new());
    for variable in rule.when.variables().map(|at| &VARIABLES[at]) {
        let datum = (variable.of)(source, user);
        cut.extend(datum.cut().map(|all| (variable.name.to_owned(), json!(all))));
        values.insert(variable.name.to_owned(), datum.to_json());
    }
    let mut evidence = RuleEvidence::default().with("expression", rule.when.text()).with("values", values);
    if !cut.is_empty() {
        evidence.insert("lengths", cut);
    }
    RuleRemark { rule: rule.rule, severity: rule.severity, title: rule.title.clone(), evidence }
}
