//! The tables of event codes in docs/events.md, and the list of events for QRadar, are those of the program.
//!
//! `UPDATE_DOCS=1` writes them.

use super::markdown::{document, root};
use bt_rollcall::lifecycle::Occasion;
use bt_rollcall::model::Severity;
use bt_rollcall::rules::{RuleDefinition, catalogue};
use bt_rollcall::syslog::OcsfFinding;
use bt_rollcall::syslog::codes::{self, CHANGES, EventCode, FINDING, finding_activity, severity_number};

const EVENTS: &str = "docs/events.md";
const QRADAR: &str = "reports/siem/qradar-events.csv";

/// Compares a text with the one that the program implies, or writes the latter.
pub fn compare_or_write(path: &str, text: &str, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root(path), expected).unwrap();
    } else {
        assert!(text == expected, "{path} is not as the program has it; run the test with UPDATE_DOCS=1");
    }
}

/// Replaces the first table below a heading.
fn with_table(text: &str, heading: &str, rows: &[Vec<String>]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| *line == heading).unwrap_or_else(|| panic!("no heading {heading}"));
    let start = at + lines[at..].iter().position(|line| line.starts_with('|')).unwrap();
    let end = start + lines[start..].iter().position(|line| !line.starts_with('|')).unwrap();
    let row = |cells: &Vec<String>| format!("| {} |", cells.join(" | ")).replace("|  |", "| |");
    let mut table: Vec<String> = rows.iter().map(row).collect();
    table.insert(1, "|---".repeat(rows[0].len()) + "|");
    let kept = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    [kept(&lines[..start]), table, kept(&lines[end..])].concat().join("\n") + "\n"
}

fn cells(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn severity(row: &EventCode) -> String {
    let raised = row.raised.map_or_else(String::new, |(_, when)| format!("; {when}"));
    format!("{}{raised}", row.severity.as_str())
}

fn changes() -> Vec<Vec<String>> {
    let head = cells(&["code", "meaning", "severity", "`event.type`", "`btrollcall.change`"]);
    let row = |row: &EventCode| {
        let types: Vec<String> = row.ecs_types.iter().map(|word| format!("`{word}`")).collect();
        cells(&[&format!("`{}`", row.code), row.meaning, &severity(row), &types.join(", "), row.details])
    };
    std::iter::once(head).chain(CHANGES.iter().map(row)).collect()
}

fn findings() -> Vec<Vec<String>> {
    let head = cells(&["code", "title", "severity"]);
    let row = |rule: &RuleDefinition| cells(&[&format!("`{}`", code_of(rule)), rule.title, rule.severity]);
    std::iter::once(head).chain(catalogue().iter().map(row)).collect()
}

fn runs() -> Vec<Vec<String>> {
    let head = cells(&["code", "meaning", "severity"]);
    let row = |row: &'static EventCode| cells(&[&format!("`{}`", row.code), row.meaning, &severity(row)]);
    std::iter::once(head).chain(codes::runs().map(row)).collect()
}

fn ocsf() -> Vec<Vec<String>> {
    let head = cells(&["code", "class", "activity", "`type_uid`"]);
    let row = |code: &str, (class, activity): (u64, u64)| {
        let name = codes::ocsf_class_name(class);
        let (class_cell, type_uid) = (format!("{name} {class}"), (class * 100 + activity).to_string());
        cells(&[code, &class_cell, &activity.to_string(), &type_uid])
    };
    let of_findings = Occasion::ALL.map(|occasion| {
        let code = format!("`finding.*`, `finding-{}`", occasion.as_str());
        row(&code, (OcsfFinding::IamAnalysis.class(), finding_activity(occasion)))
    });
    let others = CHANGES.iter().chain(codes::runs()).map(|code| row(&format!("`{}`", code.code), code.ocsf));
    std::iter::once(head).chain(of_findings).chain(others).collect()
}

fn code_of(rule: &RuleDefinition) -> String {
    format!("{}{}", FINDING.code, rule.rule.as_str())
}

#[test]
fn tables_of_codes_are_documented_as_the_program_has_them() {
    let text = document(EVENTS).text;
    let tables = [("### Changes", changes()), ("### Findings", findings()), ("### Runs", runs()), ("## OCSF", ocsf())];
    let expected = tables.iter().fold(text.clone(), |text, (heading, rows)| with_table(&text, heading, rows));
    compare_or_write(EVENTS, &text, &expected);
}

/// Returns the severity that the description of a rule names first. The event itself has the one of its finding.
fn usual(rule: &RuleDefinition) -> Severity {
    let mut words = rule.severity.split(|c: char| !c.is_ascii_alphabetic());
    words.find_map(Severity::parse).unwrap_or_else(|| panic!("{}: no severity", rule.rule.as_str()))
}

#[test]
fn events_for_qradar_are_those_of_the_table_of_codes() {
    let mut lines = vec!["event_id,event_name,severity,high_level_category,low_level_category,description".to_owned()];
    let mut add = |row: &EventCode, code: &str, title: &str, severity: Severity, description: &str| {
        let (high, low) = row.qradar;
        let cells = [code, title, &severity_number(severity).to_string(), high, low, description];
        assert!(cells.iter().all(|cell| !cell.contains(['"', '\n'])), "{cells:?}");
        lines
            .push(cells.map(|cell| if cell.contains(',') { format!("\"{cell}\"") } else { cell.to_owned() }).join(","));
    };
    for row in CHANGES.iter().chain(codes::runs()) {
        add(row, row.code, row.title, row.severity, &row.meaning.replace('`', ""));
    }
    for rule in catalogue() {
        add(&FINDING, &code_of(rule), rule.title, usual(rule), rule.why);
    }
    let expected = lines.join("\n") + "\n";
    let text = std::fs::read_to_string(root(QRADAR)).unwrap_or_default();
    compare_or_write(QRADAR, &text, &expected);
}
