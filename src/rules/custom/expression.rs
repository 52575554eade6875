//! Parses and checks expressions when the configuration is read, so that a mistake does not surface in a nightly run.
//!
//! An expression is parsed, its names are checked, and lenient operators are replaced with [`strict`] ones. Then it is
//! tried over samples ([`probe`]). Pure. Length, nesting and loops are bounded, so that no expression can exhaust
//! memory or time.

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

/// Maximum number of characters of an expression.
const MAX_CHARACTERS: usize = 2_000;
/// Maximum depth of brackets, which the parser enforces.
const BRACKETS: u16 = 32;
/// Maximum depth of operators. Evaluation recurses as deep.
const DEPTH: usize = 64;
/// Maximum depth of loops. An inner loop must iterate over a list literal.
const LOOPS: usize = 2;
/// Maximum number of loops in an expression.
const ALL_LOOPS: usize = 8;
/// Maximum size of a compiled regular expression, in bytes.
const PATTERN_BYTES: usize = 1 << 20;
/// Stack size of the parser in bytes. The parser recurses before it counts; see the test of hostile expressions.
const STACK: usize = 32 << 20;

/// Functions that an expression may call, besides operators.
const FUNCTIONS: [&str; 11] =
    ["all", "contains", "endsWith", "exists", "exists_one", "filter", "int", "matches", "size", "startsWith", "string"];
/// The functions that take a name and a condition. The parser replaces correct calls of them with loops.
const LOOPING: [&str; 4] = ["all", "exists", "exists_one", "filter"];

/// A parsed and checked expression.
#[derive(Clone, Debug)]
pub struct Expression(Arc<ParsedExpression>);

#[derive(Debug)]
struct ParsedExpression {
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

/// An error in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The error in words.
    pub message: String,
    /// The wrong word, and the words that are allowed in its place.
    pub instead: Option<(String, Vec<&'static str>)>,
}

impl ExpressionError {
    /// Creates an error at a character of the text, counted from 0.
    fn at(text: &str, place: usize, message: impl Into<String>) -> Self {
        let before: String = text.chars().take(place).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self { line, column, message: message.into(), instead: None }
    }
}

impl Expression {
    /// Parses and checks an expression.
    pub fn read(text: &str) -> Result<Self, ExpressionError> {
        let text = text.trim_end();
        if text.chars().count() > MAX_CHARACTERS {
            let message = format!("is longer than {MAX_CHARACTERS} characters; split it into several rules");
            return Err(ExpressionError::at(text, MAX_CHARACTERS, message));
        }
        if let Some(at) = text.chars().position(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(ExpressionError::at(text, at, "control characters are not allowed"));
        }
        // The recursion depth of the parser depends on the text, so it gets a stack of its own. A panic ends with that
        // thread.
        let stopped = || ExpressionError::at(text, 0, "the parser failed; simplify the expression");
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || understand(text));
            thread.map_err(|_| stopped())?.join().map_err(|_| stopped())?
        })
    }

    /// Returns the text of the expression as configured.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns the positions in [`VARIABLES`] of the variables in the expression.
    pub(super) fn variables(&self) -> impl Iterator<Item = usize> {
        self.0.variables.iter().copied()
    }

    /// Adds the compiled regular expressions to the context.
    pub(super) fn prepare(&self, root: &mut Context<'_, '_>) {
        for (name, pattern) in &self.0.patterns {
            root.add_variable_as_val(name.as_str(), Box::new(pattern.clone()));
        }
    }

    /// Returns the syntax tree with strict operators.
    pub(super) fn tree(&self) -> &IdedExpr {
        &self.0.strict
    }

    /// Evaluates the expression; `None` if the result is undetermined.
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
        return Err(ExpressionError::at(
            text,
            0,
            "contains no variable, so that it has the same result for every account",
        ));
    }
    let expression = Expression(Arc::new(ParsedExpression { text: text.to_owned(), strict, variables, patterns }));
    let flaw = probe::of(&expression);
    flaw.map_or(Ok(expression), |(id, message)| Err(flaw_at(text, &places, id, message)))
}

/// Returns the first syntax error. The others are often its consequence.
fn not_read(text: &str, errors: &[ParseError]) -> ExpressionError {
    let Some(error) = errors.first() else { return ExpressionError::at(text, 0, "cannot be read") };
    let from_one = |place: isize| usize::try_from(place).unwrap_or(0).max(1);
    let message = error.msg.trim_start_matches("Syntax error: ");
    // The parser lists every token that is allowed there, which is too long to help.
    let message = message.split(" expecting {").next().unwrap_or(message);
    let message = if errors.iter().any(|error| error.msg.contains("Recursion limit")) {
        format!("is nested more than {BRACKETS} deep; split it into several rules")
    } else if text.is_empty() {
        "must not be empty".to_owned()
    } else if message.contains("'<EOF>'") {
        "the end of the expression is missing".to_owned()
    } else {
        let lines: Vec<&str> = message.lines().map(str::trim).collect();
        lines.join(" ")
    };
    ExpressionError { line: from_one(error.pos.0), column: from_one(error.pos.1), message, instead: None }
}

/// Checks every name, and replaces lenient functions with [`strict`] ones.
struct NameRewriter<'a> {
    text: &'a str,
    places: &'a SourceInfo,
    variables: BTreeSet<usize>,
    patterns: BTreeMap<String, CompiledRegex>,
    /// Names of loop variables and accumulators in scope.
    bound: Vec<String>,
    /// Number of loops so far.
    loops: usize,
}

impl NameRewriter<'_> {
    fn visit(&mut self, expr: &mut IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        if depth > DEPTH {
            let message = format!("is nested or chained more than {DEPTH} deep; split it into several rules");
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
                let message = format!(".{} is not allowed: no variable has fields", select.field);
                let mut flaw = self.flaw(expr.id, message);
                if VARIABLES.iter().any(|variable| variable.name == select.field) {
                    flaw.message = format!("write {0} instead of the path that ends with .{0}", select.field);
                }
                Err(flaw)
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(self.flaw(expr.id, "maps and structures are not allowed; write lists as [1, 2]"))
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
        let flaw = self.flaw(id, format!("unknown variable {name}"));
        Err(ExpressionError { instead: Some((name.to_owned(), known)), ..flaw })
    }

    fn call(&mut self, expr: &mut IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        let id = expr.id;
        let Expr::Call(call) = &mut expr.expr else { return Ok(()) };
        let name = call.func_name.clone();
        let is_operator = name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if !is_operator && !FUNCTIONS.contains(&name.as_str()) {
            let flaw = self.flaw(id, format!("unknown function {name}"));
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
            // `x == null` asks whether x is reported, which CEL's own operator answers.
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

    /// Checks that a variable with a fixed set of words is compared with one of them only.
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
                let message = format!("{name} must be one of {}, not {:?}", words.join(", "), text.inner());
                let instead = Some((text.inner().to_owned(), words));
                return Err(ExpressionError { instead, ..self.flaw(item.id, message) });
            }
        }
        Ok(())
    }

    /// Compiles the pattern of `matches` and replaces it with a variable of its own.
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
            return Err(self.flaw(pattern.id, "the pattern must be a text in quotes"));
        };
        let written = written.inner().to_owned();
        let read = RegexBuilder::new(&written).size_limit(PATTERN_BYTES).build();
        let read = read.map_err(|error| {
            let message = error.to_string();
            let why = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
            self.flaw(pattern.id, format!("the pattern is not a regular expression: {why}"))
        })?;
        // No name in an expression can contain this character, so the variable cannot collide.
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
            return Err(self.flaw(id, format!("{iter_var} is the name of a variable; use another name for the items")));
        }
        // `map` could double its items in every loop of a chain, and so exhaust memory.
        if !gathers_items_alone(accu_init, loop_step, iter_var) {
            return Err(self.flaw(id, "map is not allowed; test the items with exists, all or filter"));
        }
        self.loops += 1;
        if self.loops > ALL_LOOPS {
            return Err(self.flaw(id, format!("has more than {ALL_LOOPS} loops; split it into several rules")));
        }
        if !self.bound.is_empty() && !matches!(iter_range.expr, Expr::List(_)) {
            let message = "an inner loop must iterate over a list in the expression: [\"a\", \"b\"].exists(…)";
            return Err(self.flaw(id, message));
        }
        self.visit(iter_range, depth + 1)?;
        self.visit(accu_init, depth + 1)?;
        // Every loop binds two names.
        if self.bound.len() >= 2 * LOOPS {
            return Err(self.flaw(id, format!("loops are nested more than {LOOPS} deep")));
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

/// Returns whether a loop that builds a list adds only unchanged items. `filter` does that, `map` does not.
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
    // The parser counts bytes, and errors count characters.
    let before = places.offset_for(id).and_then(|(start, _)| text.get(..start as usize)).unwrap_or_default();
    ExpressionError::at(text, before.chars().count(), message)
}
