//! Lists and tables of the documents are those of the program: rules, events, exit codes, commands, metrics, messages.

use super::links::sources;
use super::markdown::{Document, code, document, root};
use crate::rig::{Rig, as_of, assert_exit};
use bt_rollcall::cli::Cli;
use bt_rollcall::model::{ChangeKind, ListKind, Severity};
use bt_rollcall::rules::{catalogue, controls_of, frameworks};
use bt_rollcall::run::Exit;
use clap::CommandFactory;
use regex::Regex;
use std::collections::BTreeSet;

/// Returns the texts in backticks in the first cells below a heading.
fn first_codes(document: &Document, heading: &str) -> Vec<String> {
    let rows = document.rows_below(heading);
    rows.iter().flat_map(|row| code(&row.cells[0]).into_iter().map(str::to_owned)).collect()
}

#[test]
fn operations_explain_every_exit_code() {
    let rows = document("docs/operations.md").rows_below("Exit codes");
    let documented: Vec<(String, String)> =
        rows.iter().map(|row| (row.cells[0].clone(), row.cells[1].replace('`', ""))).collect();
    let known = Exit::ALL.map(|exit| (exit.code().to_string(), exit.meaning().to_owned()));
    assert_eq!(documented, known);
    let precedence = Exit::PRECEDENCE.map(|exit| exit.code().to_string()).join(", ");
    assert!(document("docs/operations.md").text.contains(&format!("the first of {precedence} is returned")));
}

/// Titles, severities, needs and controls are those of the catalogue. `UPDATE_DOCS=1` writes them.
#[test]
fn rules_are_documented_as_the_catalogue_has_them() {
    let path = "docs/rules.md";
    let text = document(path).text;
    let mut updated: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut headings = Vec::new();
    for rule in catalogue() {
        let id = rule.rule.as_str();
        let start = updated.iter().position(|line| *line == format!("### {id}"));
        let start = start.unwrap_or_else(|| panic!("{path}: no heading {id}"));
        headings.push(start);
        let summary = format!("| [`{id}`]");
        let summary = updated.iter().position(|line| line.starts_with(&summary)).unwrap_or_else(|| panic!("{id}"));
        updated[summary] = format!("| [`{id}`](#{id}) | {} | {} |", rule.title, rule.severity);
        let controls = controls_of(rule.rule, &[]).join(", ");
        let controls = if controls.is_empty() { "none" } else { &controls };
        for (name, value) in [("needs", rule.needs), ("controls", controls)] {
            let line = updated[start..].iter().position(|line| line.starts_with(&format!("| {name} |"))).unwrap();
            updated[start + line] = format!("| {name} | {value} |");
        }
    }
    assert!(headings.is_sorted(), "{path}: the rules have another order");
    let updated = updated.join("\n") + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root(path), &updated).unwrap();
    } else {
        assert_eq!(text, updated, "{path} differs; run the test with UPDATE_DOCS=1");
    }
    let documented = text.lines().filter(|line| line.starts_with("| [`")).count();
    assert_eq!(documented, catalogue().len(), "{path} has a rule that does not exist");
}

#[test]
fn frameworks_have_the_documented_numbers() {
    let rows = document("docs/rules.md").rows_below("Frameworks");
    let documented: Vec<Vec<String>> = rows.into_iter().map(|row| row.cells).collect();
    let number = |number: Option<u32>| number.map_or_else(|| "–".to_owned(), |number| number.to_string());
    let known: Vec<Vec<String>> = frameworks::all()
        .iter()
        .map(|preset| {
            let stale = [preset.stale_days, preset.privileged_stale_days];
            let review = [preset.review_months, preset.privileged_review_months];
            let numbers = stale.into_iter().chain(review).map(number);
            std::iter::once(format!("`{}`", preset.id)).chain(numbers).collect()
        })
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn every_event_code_is_documented_and_no_other() {
    let events = document("docs/events.md");
    assert_eq!(first_codes(&events, "Changes"), ChangeKind::ALL.map(ChangeKind::as_str));
    let rows = events.rows_below("Findings");
    let codes = rows.iter().flat_map(|row| row.cells.iter().flat_map(|cell| code(cell)));
    let head = |row: &super::markdown::TableRow| row.columns[0] == "code";
    assert!(rows.iter().any(head));
    let documented: BTreeSet<&str> = codes.filter(|code| code.starts_with("finding.")).collect();
    let rules: Vec<String> = catalogue().iter().map(|rule| format!("finding.{}", rule.rule.as_str())).collect();
    assert_eq!(documented, rules.iter().map(String::as_str).collect());
    let run_code = Regex::new(r#""(run\.[a-z]+)""#).unwrap();
    let mut of_runs: Vec<String> = Vec::new();
    for file in sources().iter().filter(|file| file.starts_with(root("src/syslog"))) {
        let text = std::fs::read_to_string(file).unwrap();
        of_runs.extend(run_code.captures_iter(&text).map(|found| found[1].to_owned()));
    }
    let of_runs: BTreeSet<String> = of_runs.into_iter().collect();
    assert_eq!(first_codes(&events, "Runs").into_iter().collect::<BTreeSet<_>>(), of_runs);
    assert_eq!(first_codes(&events, "Severities"), Severity::ALL.map(Severity::as_str));
}

#[test]
fn every_command_and_flag_is_documented_and_no_other() {
    let mut command = Cli::command();
    command.build();
    let operations = document("docs/operations.md");
    let rows = operations.rows_below("Commands");
    let names: Vec<&str> = rows.iter().map(|row| code(&row.cells[0])[0].split(' ').next().unwrap()).collect();
    let flags = |command: &clap::Command, global: bool| -> BTreeSet<String> {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set() && arg.is_global_set() == global);
        shown.filter_map(|arg| arg.get_long().map(|long| format!("--{long}"))).collect()
    };
    let commands: Vec<&clap::Command> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
    let known: BTreeSet<&str> = commands.iter().map(|sub| sub.get_name()).collect();
    assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), known);
    for sub in commands {
        let row = rows.iter().zip(&names).find(|(_, name)| **name == sub.get_name()).unwrap().0;
        let documented: BTreeSet<String> = code(&row.cells[2]).into_iter().map(str::to_owned).collect();
        let own = flags(sub, false).into_iter().filter(|flag| !["--help", "--version"].contains(&flag.as_str()));
        assert_eq!(documented, own.collect(), "{}", sub.get_name());
    }
    for flag in flags(&command, true).iter().map(String::as_str).chain(["--help", "--version"]) {
        assert!(operations.text.contains(flag), "{flag}");
    }
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let world = bt_rollcall_sandbox::World::seeded(1, 53, as_of());
    let receiver = crate::receiver::Receiver::start();
    let rig = Rig::with_syslog(world, bt_rollcall_sandbox::Faults::default(), Some(&receiver.url()));
    rig.edit("[output]\n", "metrics_file = \"metrics.prom\"\n[output]\n");
    assert_exit(&rig.run(&[]), 0);
    let metrics = std::fs::read_to_string(rig.folder.path().join("metrics.prom")).unwrap();
    let known = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let documented = first_codes(&document("docs/operations.md"), "Metrics");
    assert_eq!(documented.iter().map(String::as_str).collect::<BTreeSet<_>>(), known.collect());
}

#[test]
fn quoted_messages_are_messages_of_the_program() {
    let is_program = |file: &&std::path::PathBuf| !file.to_str().unwrap().contains("/tests");
    let code_of_program: String =
        sources().iter().filter(is_program).map(|file| std::fs::read_to_string(file).unwrap()).collect();
    // A long message is broken in the code.
    let joined = Regex::new(r"\\\n\s*").unwrap().replace_all(&code_of_program, "").into_owned();
    for (path, heading) in [("docs/operations.md", "Troubleshooting"), ("docs/siem/README.md", "Problems")] {
        for message in first_codes(&document(path), heading) {
            assert!(joined.contains(&message), "{path}: no message contains {message:?}");
        }
    }
}

#[test]
fn every_list_of_a_source_is_documented() {
    let text = document("docs/completeness.md").text;
    for kind in ListKind::ALL {
        assert!(text.contains(&format!("`{}`", kind.as_str())), "{}", kind.as_str());
    }
}

#[test]
fn traps_are_numbered_and_name_the_tests_that_show_them() {
    let rows = document("docs/products.md").rows_below("Traps");
    let numbers: Vec<String> = rows.iter().map(|row| row.cells[0].clone()).collect();
    assert_eq!(numbers, (1..=23).map(|number| format!("F{number}")).collect::<Vec<_>>());
    for row in rows {
        let file = code(&row.cells[3])[0].to_owned();
        let text = std::fs::read_to_string(root(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains("#[test]") || text.contains("#[tokio::test"), "{}: {file} has no test", row.cells[0]);
    }
}

#[test]
fn profiles_of_receivers_set_what_the_document_says() {
    for row in document("docs/siem/README.md").rows_below("Profiles") {
        let profile = code(&row.cells[0])[0];
        let text = format!("[[syslog]]\nurl = \"tls://siem.example.com\"\nprofile = {profile:?}\n");
        let config = super::blocks::load(&super::blocks::completed(&text)).unwrap();
        let plain = |value: String| value.to_lowercase().replace('-', "");
        let destination = &config.destinations[0];
        let [protocol, framing] = [1, 2].map(|cell| plain(code(&row.cells[cell])[0].to_owned()));
        assert_eq!(plain(format!("{:?}", destination.protocol)), protocol, "{profile}");
        assert_eq!(plain(format!("{:?}", destination.framing)), framing, "{profile}");
    }
}

#[test]
fn sections_of_the_report_have_the_documented_names() {
    let report = std::fs::read_to_string(root("reports/sample.html")).unwrap();
    for row in document("docs/review.md").rows_below("Section by section").into_iter().skip(1) {
        let name = &row.cells[0];
        assert!(report.contains(&format!(">{name}")), "the report has no section {name:?}");
    }
}
