//! Reads `[[policy.custom_rules]]`: rules that an organisation writes itself, each an expression over one account.
//!
//! `policy` calls [`read`]. `rules::custom` compiles the expressions; this file shows where an invalid one is wrong, with its
//! place in the file and a mark below it.

use super::section::Section;
use super::similar::did_you_mean;
use crate::model::{Rule, Severity};
use crate::rules::CUSTOM_RULES;
use crate::rules::custom::{CustomRule, Expression, ExpressionError};

const SEVERITIES: [(&str, Severity); 5] = [
    ("info", Severity::Info),
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];
/// Length of an id. `finding.` and the id form a syslog MSGID, which has at most 32 characters (RFC 5424 §6.2.7).
const ID_LENGTH: std::ops::RangeInclusive<usize> = 3..=24;
/// Most characters of a title.
const TITLE_LENGTH: usize = 120;
/// Most characters of an action.
const ACTION_LENGTH: usize = 500;
/// Characters of a line that are shown on either side of a marked place.
const SHOWN_AROUND: usize = 45;

/// The valid custom rules, and the ids of all custom rules.
///
/// A rule with another problem is still known by id, so a reference to it adds no second problem.
#[derive(Default)]
pub(super) struct ParsedRules {
    pub(super) rules: Vec<CustomRule>,
    pub(super) ids: Vec<Rule>,
}

impl ParsedRules {
    /// Returns the built-in or custom rule with this id.
    pub(super) fn find(&self, id: &str) -> Option<Rule> {
        Rule::parse(id).or_else(|| self.ids.iter().copied().find(|rule| rule.as_str() == id))
    }

    /// Returns the ids of all built-in and custom rules.
    pub(super) fn known(&self) -> Vec<&'static str> {
        Rule::ALL.iter().chain(&self.ids).map(|rule| rule.as_str()).collect()
    }
}

/// Reads all custom rules.
pub(super) fn read(policy: &Section<'_>) -> ParsedRules {
    let sections = policy.sections("custom_rules", "id");
    if sections.len() > CUSTOM_RULES {
        let text =
            format!("has {} rules, at most {CUSTOM_RULES} are allowed; join some of them with ||", sections.len());
        policy.problem("custom_rules", text);
    }
    let mut parsed = ParsedRules::default();
    for section in sections {
        read_rule(&section, &mut parsed);
    }
    parsed.rules.truncate(CUSTOM_RULES);
    parsed
}

/// Reads one rule. It reads all keys before it returns, so that every problem is reported.
fn read_rule(section: &Section<'_>, parsed: &mut ParsedRules) {
    let id = section.required("id", "\"contractor-without-end\"").and_then(|id| new_id(section, id, parsed));
    let severity = section.required_word("severity", &SEVERITIES);
    let title = section.required("title", "\"Contractors without an end date\"");
    let title = title.and_then(|text| one_line(section, "title", text, TITLE_LENGTH));
    let action = section.required("action", "\"Ask the sponsor until when the account is needed.\"");
    let action = action.and_then(|text| one_line(section, "action", text, ACTION_LENGTH));
    let when = section.required("when", "'enabled && \"Contractors\" in groups'");
    let when = when.and_then(|text| Expression::read(text).map_err(|error| invalid(section, text, &error)).ok());
    section.reject_unknown_keys();
    if let (Some(rule), Some(severity), Some(title), Some(action), Some(when)) = (id, severity, title, action, when) {
        parsed.rules.push(CustomRule { rule, severity, title, action, when });
    }
}

/// Checks the id of a custom rule and registers it.
fn new_id(section: &Section<'_>, id: &str, parsed: &mut ParsedRules) -> Option<Rule> {
    let plain = id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !plain || !ID_LENGTH.contains(&id.len()) || id.starts_with('-') || id.ends_with('-') {
        let (least, most) = (ID_LENGTH.start(), ID_LENGTH.end());
        section.problem(
            "id",
            format!("must be {least} to {most} characters of a-z, 0-9 and - (not first or last), such as \"contractor-without-end\", not {id:?}"),
        );
        return None;
    }
    if Rule::parse(id).is_some() {
        section.problem("id", format!("{id:?} is the id of a built-in rule; choose another id"));
        return None;
    }
    if parsed.find(id).is_some() {
        section.problem("id", format!("{id:?} is the id of a custom rule above; choose another id"));
        return None;
    }
    let rule = Rule::custom(id);
    parsed.ids.push(rule);
    Some(rule)
}

/// Checks that a text is one line and short enough for the cell of a table.
fn one_line(section: &Section<'_>, key: &str, text: &str, most: usize) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= most && !text.contains(char::is_control);
    if !fits {
        section.problem(key, format!("must be one line of at most {most} characters"));
    }
    fits.then(|| text.to_owned())
}

/// Adds the problem of an expression, at the place of the file where the expression is wrong.
fn invalid(section: &Section<'_>, text: &str, error: &ExpressionError) {
    let line = text.split('\n').nth(error.line - 1).unwrap_or_default();
    let before: usize = text.split('\n').take(error.line - 1).map(|line| line.len() + 1).sum();
    let column: usize = line.chars().take(error.column - 1).map(char::len_utf8).sum();
    let offset = section.offset_in("when", text, before + column);
    // Written with escapes: the place is that of the whole text.
    let place =
        if offset.is_some() { String::new() } else { format!("line {}, column {}: ", error.line, error.column) };
    let hint = error.instead.as_ref().map_or_else(String::new, |(word, known)| did_you_mean(word, known));
    section.marked(offset, "when", format!("{place}{}{hint}", error.message), with_mark(line, error));
}

/// Returns the line of the expression, and a mark under the place of the error.
fn with_mark(line: &str, error: &ExpressionError) -> [String; 2] {
    let line: Vec<char> = line.chars().collect();
    let place = (error.column - 1).min(line.len());
    let start = place.saturating_sub(SHOWN_AROUND);
    // A control character would move the mark away from its place.
    let piece: String =
        line.iter().skip(start).take(2 * SHOWN_AROUND).map(|c| if c.is_control() { ' ' } else { *c }).collect();
    let mark = " ".repeat(place - start);
    // The name of the key shows that the text is the file's, and not ours.
    [format!("  when | {piece}"), format!("         {mark}^")]
}
