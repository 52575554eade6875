//! From the text of an expression to something that can be asked of an account: read, held against what there is to name, made
//! strict about what is not told ([`strict`]), and tried over samples, so that what is wrong with it is known when the
//! configuration is read and not in the night. Pure, and bounded in length, nesting and loops.

use super::probe;
use super::strict::{self, CompiledRegex};
use super::values::{VARIABLES, words_of};
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::common::types::CelBool;
use cel::parser::Parser;
use cel::{Context, ParseError, Value};
use regex::RegexBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Characters of an expression.
pub const LONGEST: usize = 2_000;
/// Brackets within brackets, which the parser counts.
const BRACKETS: u16 = 32;
/// Operators within operators: evaluation goes as deep.
const DEPTH: usize = 64;
/// Loops within loops; the inner one goes over a list that stands in the expression.
const LOOPS: usize = 2;
/// Loops in all.
const ALL_LOOPS: usize = 8;
/// A regular expression's size in memory.
const PATTERN_BYTES: usize = 1 << 20;
/// The parser goes deep before it counts; see the test of hostile expressions.
const STACK: usize = 32 << 20;

/// What may be called beside operators.
const FUNCTIONS: [&str; 11] =
    ["all", "contains", "endsWith", "exists", "exists_one", "filter", "int", "matches", "size", "startsWith", "string"];
/// Those of them that take a name and a condition, and are no calls any more once they are read.
const LOOPING: [&str; 4] = ["all", "exists", "exists_one", "filter"];

/// An expression that was understood.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Understood>);

#[derive(Debug)]
struct Understood {
    text: String,
    strict: IdedExpr,
    variables: BTreeSet<usize>,
    patterns: BTreeMap<String, CompiledRegex>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Expression {}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The word that is wrong, and what could stand there.
    pub instead: Option<(String, Vec<&'static str>)>,
}

impl ExpressionError {
    /// At a character of the text, from 0.
    fn at(text: &str, place: usize, message: impl Into<String>) -> Self {
        let before: String = text.chars().take(place).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self { line, column, message: message.into(), instead: None }
    }
}

impl Expression {
    /// Reads it.
    pub fn read(text: &str) -> Result<Self, ExpressionError> {
        let text = text.trim_end();
        if text.chars().count() > LONGEST {
            let message = format!("is longer than {LONGEST} characters; make several rules of it");
            return Err(ExpressionError::at(text, LONGEST, message));
        }
        if let Some(at) = text.chars().position(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(ExpressionError::at(text, at, "a control character has no place here"));
        }
        // With a stack of its own: how deep the parser goes depends on the text. What it might do beside that ends with it.
        let stopped = || ExpressionError::at(text, 0, "the parser gave up; write it in a simpler way");
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || understand(text));
            thread.map_err(|_| stopped())?.join().map_err(|_| stopped())?
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Places in [`VARIABLES`] of those that it names.
    pub(super) fn variables(&self) -> impl Iterator<Item = usize> {
        self.0.variables.iter().copied()
    }

    /// Binds what the expression needs beside the variables.
    pub(super) fn prepare(&self, root: &mut Context<'_, '_>) {
        for (name, pattern) in &self.0.patterns {
            root.add_variable_as_val(name.as_str(), Box::new(pattern.clone()));
        }
    }

    /// Made strict.
    pub(super) fn tree(&self) -> &IdedExpr {
        &self.0.strict
    }

    /// `None`: it cannot be told.
    pub(super) fn holds(&self, context: &Context<'_, '_>) -> Option<bool> {
        let value = Value::resolve_val(&self.0.strict, context).ok()?;
        value.downcast_ref::<CelBool>().map(|flag| *flag.inner())
    }
}

fn understand(text: &str) -> Result<Expression, ExpressionError> {
    let parsed = Parser::new().max_recursion_depth(BRACKETS).parse_with_source_info(text);
    let (mut strict, places) = parsed.map_err(|errors| not_read(text, &errors.errors))?;
    let mut walk = NameRewriter {
        text,
        places: &places,
        variables: BTreeSet::new(),
        patterns: BTreeMap::new(),
        bound: Vec::new(),
        loops: 0,
    };
    walk.visit(&mut strict, 0)?;
    let NameRewriter { variables, patterns, .. } = walk;
    if variables.is_empty() {
        return Err(ExpressionError::at(text, 0, "names no variable, so that it says the same of every account"));
    }
    let expression = Expression(Arc::new(Understood { text: text.to_owned(), strict, variables, patterns }));
    let flaw = probe::of(&expression);
    flaw.map_or(Ok(expression), |(id, message)| Err(flaw_at(text, &places, id, message)))
}

/// Of several errors the first: the others are often its consequence.
fn not_read(text: &str, errors: &[ParseError]) -> ExpressionError {
    let Some(error) = errors.first() else { return ExpressionError::at(text, 0, "cannot be read") };
    let from_one = |place: isize| usize::try_from(place).unwrap_or(0).max(1);
    let message = error.msg.trim_start_matches("Syntax error: ");
    // The parser names every token that could stand there.
    let message = message.split(" expecting {").next().unwrap_or(message);
    let message = if errors.iter().any(|error| error.msg.contains("Recursion limit")) {
        format!("is nested more than {BRACKETS} deep; make several rules of it")
    } else if text.is_empty() {
        "must not be empty".to_owned()
    } else if message.contains("'<EOF>'") {
        "something is missing at the end".to_owned()
    } else {
        let lines: Vec<&str> = message.lines().map(str::trim).collect();
        lines.join(" ")
    };
    ExpressionError { line: from_one(error.pos.0), column: from_one(error.pos.1), message, instead: None }
}

/// Looks at every name, and puts [`strict`] functions in place of lenient ones.
struct NameRewriter<'a> {
    text: &'a str,
    places: &'a SourceInfo,
    variables: BTreeSet<usize>,
    patterns: BTreeMap<String, CompiledRegex>,
    /// Names that loops give to the items, and to what they gather.
    bound: Vec<String>,
    /// Loops so far.
    loops: usize,
}

impl NameRewriter<'_> {
    fn visit(&mut self, expr: &mut IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        if depth > DEPTH {
            let message = format!("is nested or chained more than {DEPTH} deep; make several rules of it");
            return Err(self.flaw(expr.id, message));
        }
        match &mut expr.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => {
                let name = name.clone();
                self.name(expr.id, &name)
            }
            Expr::List(list) => list.elements.iter_mut().try_for_each(|item| self.visit(item, depth + 1)),
            Expr::Call(_) => self.call(expr, depth),
            Expr::Comprehension(_) => self.comprehension(expr, depth),
            Expr::Select(select) => {
                let message = format!(".{} has no place here: no variable has fields", select.field);
                let mut flaw = self.flaw(expr.id, message);
                if VARIABLES.iter().any(|variable| variable.name == select.field) {
                    flaw.message = format!("write {0} in place of what ends with .{0}", select.field);
                }
                Err(flaw)
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(self.flaw(expr.id, "maps and structures have no place here; for lists write [1, 2]"))
            }
        }
    }

    fn name(&mut self, id: u64, name: &str) -> Result<(), ExpressionError> {
        if self.bound.iter().any(|bound| bound == name) {
            return Ok(());
        }
        if let Some(at) = VARIABLES.iter().position(|variable| variable.name == name) {
            self.variables.insert(at);
            return Ok(());
        }
        let known = VARIABLES.iter().map(|variable| variable.name).collect();
        let flaw = self.flaw(id, format!("there is no variable {name}"));
        Err(ExpressionError { instead: Some((name.to_owned(), known)), ..flaw })
    }

    fn call(&mut self, expr: &mut IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        let id = expr.id;
        let Expr::Call(call) = &mut expr.expr else { return Ok(()) };
        let name = call.func_name.clone();
        let is_operator = name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if !is_operator && !FUNCTIONS.contains(&name.as_str()) {
            let flaw = self.flaw(id, format!("there is no function {name}"));
            return Err(ExpressionError { instead: Some((name, FUNCTIONS.to_vec())), ..flaw });
        }
        if LOOPING.contains(&name.as_str()) {
            let message =
                format!("{name} needs a list, a name and a condition: groups.{name}(group, group == \"Operators\")");
            return Err(self.flaw(id, message));
        }
        if name == "matches" {
            return self.matches(expr, depth);
        }
        let is_null = |arg: &IdedExpr| matches!(arg.expr, Expr::Literal(LiteralValue::Null));
        let asks_for_null = call.args.iter().any(is_null);
        for part in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
            self.visit(part, depth + 1)?;
        }
        if [operators::EQUALS, operators::NOT_EQUALS, operators::IN].contains(&name.as_str()) {
            self.words(&call.args)?;
        }
        match name.as_str() {
            // `x == null` asks whether it is told: CEL's own answer is the right one.
            operators::EQUALS if !asks_for_null => strict::EQUALS.clone_into(&mut call.func_name),
            operators::NOT_EQUALS if !asks_for_null => {
                strict::EQUALS.clone_into(&mut call.func_name);
                let equals = IdedExpr { id, expr: Expr::Call(std::mem::take(call)) };
                let not = operators::LOGICAL_NOT.to_owned();
                expr.expr = Expr::Call(CallExpr { func_name: not, target: None, args: vec![equals] });
            }
            operators::IN => strict::IN.clone_into(&mut call.func_name),
            _ => {}
        }
        Ok(())
    }

    /// What is compared with a variable that is one of a few words must be one of them.
    fn words(&self, sides: &[IdedExpr]) -> Result<(), ExpressionError> {
        let of_variable = |side: &IdedExpr| match &side.expr {
            Expr::Ident(name) => words_of(name).map(|words| (name.clone(), words)),
            _ => None,
        };
        let Some((name, words)) = sides.iter().find_map(of_variable) else { return Ok(()) };
        let items = sides.iter().flat_map(|side| match &side.expr {
            Expr::List(list) => list.elements.as_slice(),
            _ => std::slice::from_ref(side),
        });
        for item in items {
            let Expr::Literal(LiteralValue::String(text)) = &item.expr else { continue };
            if !words.contains(&text.inner()) {
                let message = format!("{name} is never {:?}, but one of {}", text.inner(), words.join(", "));
                let instead = Some((text.inner().to_owned(), words));
                return Err(ExpressionError { instead, ..self.flaw(item.id, message) });
            }
        }
        Ok(())
    }

    /// The pattern must be known now, and becomes a variable of its own.
    fn matches(&mut self, expr: &mut IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        let id = expr.id;
        let Expr::Call(call) = &mut expr.expr else { return Ok(()) };
        let mut parts: Vec<IdedExpr> = call.target.take().map(|target| *target).into_iter().collect();
        parts.append(&mut call.args);
        let [text, pattern] = parts.as_mut_slice() else {
            return Err(self.flaw(id, "matches needs a text and a pattern: username.matches(\"^svc-\")"));
        };
        self.visit(text, depth + 1)?;
        let Expr::Literal(LiteralValue::String(written)) = &pattern.expr else {
            return Err(self.flaw(pattern.id, "the pattern must be written here as a text"));
        };
        let written = written.inner().to_owned();
        let read = RegexBuilder::new(&written).size_limit(PATTERN_BYTES).build();
        let read = read.map_err(|error| {
            let reported = error.to_string();
            let why = reported.lines().last().unwrap_or_default().trim_start_matches("error: ");
            self.flaw(pattern.id, format!("the pattern is not a regular expression: {why}"))
        })?;
        // No name of an expression begins with this letter.
        let name = format!("@{written}");
        pattern.expr = Expr::Ident(name.clone());
        self.patterns.insert(name, CompiledRegex(read));
        expr.expr = Expr::Call(CallExpr { func_name: strict::MATCHES.to_owned(), target: None, args: parts });
        Ok(())
    }

    fn comprehension(&mut self, expr: &mut IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        let id = expr.id;
        let Expr::Comprehension(loops) = &mut expr.expr else { return Ok(()) };
        let ComprehensionExpr { iter_range, iter_var, accu_var, accu_init, loop_cond, loop_step, result, .. } =
            loops.as_mut();
        if VARIABLES.iter().any(|variable| variable.name == iter_var) {
            return Err(self.flaw(id, format!("{iter_var} is a variable already; take another name for the items")));
        }
        // What a loop makes of its items could grow without bound, twofold in each loop of a chain.
        if !gathers_items_alone(accu_init, loop_step, iter_var) {
            return Err(self.flaw(id, "map has no place here: ask of the items themselves, with exists, all or filter"));
        }
        self.loops += 1;
        if self.loops > ALL_LOOPS {
            return Err(self.flaw(id, format!("has more than {ALL_LOOPS} loops; make several rules of it")));
        }
        if !self.bound.is_empty() && !matches!(iter_range.expr, Expr::List(_)) {
            let message = "a loop within a loop goes over a list that stands here: [\"a\", \"b\"].exists(…)";
            return Err(self.flaw(id, message));
        }
        self.visit(iter_range, depth + 1)?;
        self.visit(accu_init, depth + 1)?;
        // Two names a loop.
        if self.bound.len() >= 2 * LOOPS {
            return Err(self.flaw(id, format!("more than {LOOPS} loops stand within each other")));
        }
        self.bound.extend([iter_var.clone(), accu_var.clone()]);
        for part in [loop_cond, loop_step, result] {
            self.visit(part, depth + 1)?;
        }
        self.bound.truncate(self.bound.len() - 2);
        Ok(())
    }

    fn flaw(&self, id: u64, message: impl Into<String>) -> ExpressionError {
        flaw_at(self.text, self.places, id, message)
    }
}

/// Whether a loop that gathers a list gathers nothing but items: `filter` does, `map` makes others of them.
fn gathers_items_alone(accu_init: &IdedExpr, loop_step: &IdedExpr, item: &str) -> bool {
    if !matches!(accu_init.expr, Expr::List(_)) {
        return true;
    }
    let call = |expr: &IdedExpr, name: &str, at: usize| match &expr.expr {
        Expr::Call(call) if call.func_name == name => call.args.get(at).cloned(),
        _ => None,
    };
    let step = call(loop_step, operators::CONDITIONAL, 1).unwrap_or_else(|| loop_step.clone());
    let added = call(&step, operators::ADD, 1);
    added.is_some_and(|added| match &added.expr {
        Expr::List(list) => {
            list.elements.iter().all(|gathered| matches!(&gathered.expr, Expr::Ident(name) if name == item))
        }
        _ => false,
    })
}

fn flaw_at(text: &str, places: &SourceInfo, id: u64, message: impl Into<String>) -> ExpressionError {
    // The parser counts bytes.
    let before = places.offset_for(id).and_then(|(start, _)| text.get(..start as usize)).unwrap_or_default();
    ExpressionError::at(text, before.chars().count(), message)
}
