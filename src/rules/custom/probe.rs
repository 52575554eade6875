//! Tries an expression over samples when the configuration is read, to find type errors such as `enabled + 1`.
//!
//! A type error is a mistake whatever the data of an account. Every part is evaluated on its own, because `&&` skips
//! its right side if the left side is false.

use super::expression::Expression;
use super::strict;
use super::values::{VARIABLES, VariableType, VariableValue};
use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, operators};
use cel::common::types::{CelBool, CelList, CelNull};
use cel::common::value::Val;
use cel::{Context, Env, ExecutionError, Value};
use std::sync::Arc;

/// Id of the wrong part, and the mistake in words.
type Mistake = (u64, String);
type Sample = fn(VariableType) -> VariableValue<'static>;

/// Two samples in which every variable is reported.
const REPORTED: [Sample; 2] = [
    |kind| match kind {
        VariableType::Flag => VariableValue::Flag(true),
        VariableType::Number => VariableValue::Number(100),
        VariableType::Text => VariableValue::Text("1"),
        VariableType::Texts => VariableValue::Texts(vec!["1", "two"]),
    },
    |kind| match kind {
        VariableType::Flag => VariableValue::Flag(false),
        VariableType::Number => VariableValue::Number(0),
        VariableType::Text => VariableValue::Text("local"),
        VariableType::Texts => VariableValue::Texts(vec!["Operators"]),
    },
];

/// Returns the mistake in an expression; `None` if there is none.
pub(super) fn of(expression: &Expression) -> Option<Mistake> {
    let env = Arc::new(strict::environment());
    let reported =
        REPORTED.into_iter().find_map(|sample| part(expression.tree(), &context(expression, &env, sample), true).err());
    reported.or_else(|| nothing_reported(expression, &context(expression, &env, |_| VariableValue::Null)))
}

fn context(expression: &Expression, env: &Arc<Env>, sample: Sample) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(env));
    expression.prepare(&mut context);
    for variable in expression.variables().map(|at| &VARIABLES[at]) {
        if let Some(value) = sample(variable.kind).to_cel() {
            context.add_variable_as_val(variable.name, value);
        }
    }
    context
}

/// Checks the result if nothing is reported. Undetermined is right then; a value other than true or false is a mistake.
fn nothing_reported(expression: &Expression, context: &Context<'_, '_>) -> Option<Mistake> {
    let tree = expression.tree();
    let value = Value::resolve_val(tree, context).ok()?;
    let value = Some(value).filter(|value| !is_flag(value.as_ref()) && value.downcast_ref::<CelNull>().is_none())?;
    Some((tree.id, must_be_flag(value.as_ref())))
}

fn part(expr: &IdedExpr, context: &Context<'_, '_>, wants_flag: bool) -> Result<(), Mistake> {
    match &expr.expr {
        Expr::Call(call) => {
            let parts = call.target.as_deref().into_iter().chain(&call.args).enumerate();
            for (at, inner) in parts {
                part(inner, context, inner_wants_flag(&call.func_name, at, wants_flag))?;
            }
        }
        Expr::List(list) => list.elements.iter().try_for_each(|item| part(item, context, false))?,
        Expr::Comprehension(loops) => in_loop(loops, context)?,
        _ => {}
    }
    let mistake = match Value::resolve_val(expr, context) {
        Ok(value) if wants_flag && !is_flag(value.as_ref()) => Some(must_be_flag(value.as_ref())),
        Ok(_) => None,
        Err(error) => in_words(&error),
    };
    mistake.map_or(Ok(()), |message| Err((expr.id, message)))
}

fn inner_wants_flag(function: &str, at: usize, wants_flag: bool) -> bool {
    match function {
        operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => true,
        operators::CONDITIONAL => at == 0 || wants_flag,
        _ => false,
    }
}

/// Tries the body of a loop with the first item of the list, if the list has one.
fn in_loop(loops: &ComprehensionExpr, context: &Context<'_, '_>) -> Result<(), Mistake> {
    part(&loops.iter_range, context, false)?;
    let Ok(range) = Value::resolve_val(&loops.iter_range, context) else { return Ok(()) };
    let Some(list) = range.downcast_ref::<CelList>() else {
        let message = format!("must be a list, not {}", word(range.get_type().name()));
        return Err((loops.iter_range.id, message));
    };
    let first = list.inner().first();
    let gathered = Value::resolve_val(&loops.accu_init, context);
    let (Some(first), Ok(gathered)) = (first, gathered) else { return Ok(()) };
    let mut inner = context.new_inner_scope();
    inner.add_variable_as_val(loops.iter_var.as_str(), first.clone_as_boxed());
    inner.add_variable_as_val(loops.accu_var.as_str(), gathered.into_owned());
    part(&loops.loop_step, &inner, false)
}

fn is_flag(value: &dyn Val) -> bool {
    value.downcast_ref::<CelBool>().is_some()
}

fn must_be_flag(value: &dyn Val) -> String {
    format!("must be true or false, not {}", word(value.get_type().name()))
}

/// Returns the mistake in words; `None` if the error depends on values (a division by 0, a text that is no number).
fn in_words(error: &ExecutionError) -> Option<String> {
    Some(match error {
        ExecutionError::NoSuchOverload(error) => {
            let types: Vec<&str> = error.argument_types().iter().map(|name| word(name)).collect();
            format!("{} cannot be applied to {}", operator(error.function()), types.join(" and "))
        }
        ExecutionError::UnsupportedBinaryOperator(function, left, right) => {
            let (left, right) = (left.type_of().to_string(), right.type_of().to_string());
            format!("{} cannot be applied to {} and {}", operator(function), word(&left), word(&right))
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            let (left, right) = (left.type_of().to_string(), right.type_of().to_string());
            format!("{} cannot be compared with {}", word(&left), word(&right))
        }
        ExecutionError::UnexpectedType { got, want } => format!("must be {}, not {}", word(want), word(got)),
        ExecutionError::UndeclaredReference(name) => format!("{name} cannot be used in this way"),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("needs {expected} arguments, not {actual}")
        }
        ExecutionError::UnsupportedIndex(index, of) => {
            let (index, of) = (index.type_of().to_string(), of.type_of().to_string());
            format!("{} cannot be taken from {}", word(&index), word(&of))
        }
        ExecutionError::UnsupportedTargetType { .. }
        | ExecutionError::NotSupportedAsMethod { .. }
        | ExecutionError::UnsupportedKeyType(_)
        | ExecutionError::MissingArgumentOrTarget
        | ExecutionError::NoSuchKey(_) => error.to_string(),
        _ => return None,
    })
}

/// Returns the words for a type of CEL.
fn word(name: &str) -> &str {
    match name {
        "bool" => "true or false",
        "int" | "uint" | "double" | "float" => "a number",
        "string" => "a text",
        "list" => "a list",
        "null" | "null_type" => "null",
        other => other,
    }
}

/// Returns an operator as it is written in an expression.
fn operator(function: &str) -> &str {
    match function {
        strict::EQUALS => "==",
        strict::IN => "in",
        strict::MATCHES => "matches",
        operators::INDEX => "[]",
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        other => other.trim_matches('_'),
    }
}
