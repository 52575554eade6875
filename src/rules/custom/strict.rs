//! The functions of expressions: those of CEL, and three strict ones that replace CEL's where a value is not reported.
//!
//! In CEL, `null == "local"` and `null in ["a"]` are false. Here both are undetermined. `&&` and `||` are those of CEL:
//! they ignore an undetermined side only if the other side decides the result alone.

use cel::common::functions::Function;
use cel::common::types::{CelBool, CelList, CelNull, CelString, DYN_TYPE, Kind, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{Env, ExecutionError};
use regex::Regex;
use std::any::Any;

/// Replaces `==`, and `!=` after a `!`.
pub(super) const EQUALS: &str = "@equals";
/// Replaces `in`.
pub(super) const IN: &str = "@within";
/// Replaces `matches`.
pub(super) const MATCHES: &str = "@matches";

static PATTERN: Type = Type::new_unspecified_type("pattern");

/// A regular expression that is compiled once instead of for every account.
#[derive(Clone, Debug)]
pub(super) struct CompiledRegex(pub(super) Regex);

impl Val for CompiledRegex {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for CompiledRegex {}

/// Returns the standard functions and the strict ones.
pub(super) fn environment() -> Env {
    let ours: [(&str, Function); 3] = [(EQUALS, equals), (IN, within), (MATCHES, matches)];
    let mut env = Env::stdlib();
    for (name, function) in ours {
        // This fails only for a name that exists already, and no function of CEL begins with `@`. If a function were
        // missing, every expression that needs it would be refused when the configuration is read.
        let _ = env.add_overload(name, name, vec![DYN_TYPE, DYN_TYPE], function);
    }
    env
}

type CelResult<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn equals<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> CelResult<'b, 'v> {
    let [left, right] = two(args)?;
    let (left, right) = (left.as_ref(), right.as_ref());
    if unreported(left) || unreported(right) {
        return Err(not_reported());
    }
    if !comparable(left, right) {
        return Err(no_overload(EQUALS, left, right));
    }
    Ok(flag(left.equals(right)))
}

fn within<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> CelResult<'b, 'v> {
    let [item, list] = two(args)?;
    let (item, list) = (item.as_ref(), list.as_ref());
    if unreported(item) || list.downcast_ref::<CelNull>().is_some() {
        return Err(not_reported());
    }
    let Some(list) = list.downcast_ref::<CelList>().map(CelList::inner) else {
        return Err(no_overload(IN, item, list));
    };
    if list.iter().any(|other| item.equals(other.as_ref())) {
        return Ok(flag(true));
    }
    // The item equals none of the reported texts, but it may equal an unreported one.
    if list.iter().any(|other| unreported(other.as_ref())) {
        return Err(not_reported());
    }
    match list.iter().find(|other| !comparable(item, other.as_ref())) {
        Some(other) => Err(no_overload(IN, item, other.as_ref())),
        None => Ok(flag(false)),
    }
}

fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> CelResult<'b, 'v> {
    let [text, pattern] = two(args)?;
    let (text, pattern) = (text.as_ref(), pattern.as_ref());
    match (text.downcast_ref::<CelString>(), pattern.downcast_ref::<CompiledRegex>()) {
        (Some(text), Some(pattern)) => Ok(flag(pattern.0.is_match(text.inner()))),
        _ if unreported(text) => Err(not_reported()),
        _ => Err(no_overload(MATCHES, text, pattern)),
    }
}

fn two<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<[CowVal<'b, 'v>; 2], ExecutionError> {
    <[_; 2]>::try_from(args).map_err(|args| ExecutionError::invalid_argument_count(2, args.len()))
}

/// Returns whether a value is null, or a list that contains null.
fn unreported(value: &dyn Val) -> bool {
    match value.downcast_ref::<CelList>() {
        Some(list) => list.inner().iter().any(|item| unreported(item.as_ref())),
        None => value.downcast_ref::<CelNull>().is_some(),
    }
}

fn comparable(left: &dyn Val, right: &dyn Val) -> bool {
    let number = |kind: Kind| matches!(kind, Kind::Int | Kind::UInt | Kind::Double);
    let (left, right) = (left.get_type().kind(), right.get_type().kind());
    left == right || (number(left) && number(right))
}

fn flag<'b, 'v>(flag: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(flag))
}

fn not_reported() -> ExecutionError {
    ExecutionError::function_error("null", "not reported")
}

fn no_overload(function: &str, left: &dyn Val, right: &dyn Val) -> ExecutionError {
    let types = [left, right].map(|value| value.get_type().name().to_owned());
    ExecutionError::no_such_overload(function, types.to_vec())
}
