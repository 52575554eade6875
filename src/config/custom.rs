//! `[[policy.custom_rules]]`: rules that the organisation makes itself. An expression that cannot be used is refused with its
//! line and column, and the place is shown.

use super::section::{Section, did_you_mean};
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
/// `finding.` and the id are a syslog MSGID, which has at most 32 characters (RFC 5424 §6.2.7).
const ID: std::ops::RangeInclusive<usize> = 3..=24;
/// Characters of a title and of an action.
const TITLE: usize = 120;
const ACTION: usize = 500;
/// Characters of the shown line on either side of the place.
const AROUND: usize = 45;

/// What `[[policy.custom_rules]]` says, those with mistakes left out, and every id that can be read: whoever names one of these
/// elsewhere makes no second mistake.
#[derive(Default)]
pub(super) struct ParsedRules {
    pub(super) rules: Vec<CustomRule>,
    pub(super) ids: Vec<Rule>,
}

impl ParsedRules {
    /// The rule of that id, built in or of the configuration.
    pub(super) fn find(&self, id: &str) -> Option<Rule> {
        Rule::parse(id).or_else(|| self.ids.iter().copied().find(|rule| rule.as_str() == id))
    }

    /// Every id that there is.
    pub(super) fn known(&self) -> Vec<&'static str> {
        Rule::ALL.iter().chain(&self.ids).map(|rule| rule.as_str()).collect()
    }
}

pub(super) fn read(policy: &Section<'_>) -> ParsedRules {
    let sections = policy.sections("custom_rules");
    if sections.len() > CUSTOM_RULES {
        let text = format!("has {} rules; there is room for {CUSTOM_RULES}: join some of them with ||", sections.len());
        policy.problem("custom_rules", text);
    }
    let mut read = ParsedRules::default();
    for section in sections {
        one(section, &mut read);
    }
    read.rules.truncate(CUSTOM_RULES);
    read
}

/// All keys are looked at before anything is given up, so that every problem is told.
fn one(section: Section<'_>, read: &mut ParsedRules) {
    let id = section.required("id", "\"contractor-without-end\"").and_then(|id| self::id(&section, id, read));
    let severity =
        section.required("severity", "\"medium\"").and_then(|text| section.word("severity", text, &SEVERITIES));
    let title = section.required("title", "\"Contractors without an end date\"");
    let title = title.and_then(|text| sentence(&section, "title", text, TITLE));
    let action = section.required("action", "\"Ask the sponsor until when the account is needed.\"");
    let action = action.and_then(|text| sentence(&section, "action", text, ACTION));
    let when = section.required("when", "'enabled && \"Contractors\" in groups'");
    let when =
        when.and_then(|text| Expression::read(text).map_err(|flaw| section.problem("when", shown(text, &flaw))).ok());
    section.end();
    if let (Some(rule), Some(severity), Some(title), Some(action), Some(when)) = (id, severity, title, action, when) {
        read.rules.push(CustomRule { rule, severity, title, action, when });
    }
}

fn id(section: &Section<'_>, id: &str, read: &mut ParsedRules) -> Option<Rule> {
    let plain = id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !plain || !ID.contains(&id.len()) || id.starts_with('-') || id.ends_with('-') {
        let (least, most) = (ID.start(), ID.end());
        section.problem(
            "id",
            format!("must be {least} to {most} characters of a-z, 0-9 and - (not first or last), such as \"contractor-without-end\", not {id:?}"),
        );
        return None;
    }
    if Rule::parse(id).is_some() {
        section.problem("id", format!("{id:?} is the id of a built-in rule; take another one"));
        return None;
    }
    if read.find(id).is_some() {
        section.problem("id", format!("{id:?} is the id of a custom rule above; take another one"));
        return None;
    }
    let rule = Rule::custom(id);
    read.ids.push(rule);
    Some(rule)
}

/// One line of text, not too long for a table.
fn sentence(section: &Section<'_>, key: &str, text: &str, most: usize) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= most && !text.contains(char::is_control);
    if !fits {
        section.problem(key, format!("must be one line of at most {most} characters"));
    }
    fits.then(|| text.to_owned())
}

/// What is wrong, and below it the line with a mark under the place.
fn shown(text: &str, flaw: &ExpressionError) -> String {
    let hint = flaw.instead.as_ref().map_or_else(String::new, |(word, known)| did_you_mean(word, known));
    let line: Vec<char> = text.lines().nth(flaw.line - 1).unwrap_or_default().chars().collect();
    let place = (flaw.column - 1).min(line.len());
    let start = place.saturating_sub(AROUND);
    let piece: String =
        line.iter().skip(start).take(2 * AROUND).map(|c| if c.is_control() { ' ' } else { *c }).collect();
    let mark = " ".repeat(place - start);
    format!("line {}, column {}: {}{hint}\n      {piece}\n      {mark}^", flaw.line, flaw.column, flaw.message)
}
