//! Lists and tables of the documents are those of the program: rules, events, exit codes, commands, metrics, messages.

use super::links::sources;
use super::markdown::{Document, code, document, root};
use crate::rig::{Rig, as_of, assert_exit};
use bt_rollcall::cli::Cli;
use bt_rollcall::lifecycle::Occasion;
use bt_rollcall::model::{ChangeKind, ListKind, Severity, UserKind};
use bt_rollcall::rules::{catalogue, controls_of, frameworks};
use bt_rollcall::run::Exit;
use bt_rollcall::source::SourceKind;
use bt_rollcall::syslog::Destination;
use bt_rollcall::syslog::codes;
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
    let codes = first_codes(&events, "Findings").into_iter().filter(|code| code.starts_with("finding."));
    let rules = catalogue().iter().map(|rule| format!("finding.{}", rule.rule.as_str()));
    assert_eq!(codes.collect::<Vec<_>>(), rules.collect::<Vec<_>>());
    let runs = first_codes(&events, "Runs").into_iter().filter(|code| code.starts_with("run."));
    assert_eq!(runs.collect::<Vec<_>>(), codes::runs().map(|row| row.code));
    assert_eq!(first_codes(&events, "Severities"), Severity::ALL.map(Severity::as_str));
}

#[test]
fn every_action_product_and_kind_of_account_in_events_is_documented_and_no_other() {
    let events = document("docs/events.md");
    let rows = events.rows_below("Findings");
    let actions = rows.iter().filter(|row| row.columns[0] == "`event.action`");
    let actions: Vec<&str> = actions.flat_map(|row| code(&row.cells[0])).collect();
    assert_eq!(actions, Occasion::ALL.map(|occasion| format!("finding-{}", occasion.as_str())));
    let values = |heading: &str, field: &str| -> BTreeSet<String> {
        let rows = events.rows_below(heading);
        let row = rows.iter().find(|row| code(&row.cells[0]).contains(&field)).expect(field);
        code(&row.cells[1]).into_iter().map(str::to_owned).collect()
    };
    let named = SourceKind::ALL.iter().flat_map(|kind| [kind.product(), kind.vendor()]).flatten();
    assert_eq!(values("Fields of every event", "observer.product"), named.map(str::to_owned).collect());
    let kinds = UserKind::ALL.map(|kind| kind.as_str().to_owned());
    assert_eq!(values("The standing of an account", "btrollcall.account.kind"), BTreeSet::from(kinds));
}

#[test]
fn every_command_and_flag_is_documented_and_no_other() {
    let mut command = Cli::command();
    command.build();
    let operations = document("docs/operations.md");
    let rows = operations.rows_below("Commands");
    // `diff OLD NEW` is the command `diff`, `config init` is the command `init` of `config`.
    let name = |shown: &str| -> String {
        let words = shown.split(' ').take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        words.collect::<Vec<_>>().join(" ")
    };
    let names: Vec<String> = rows.iter().map(|row| name(code(&row.cells[0])[0])).collect();
    let flags = |command: &clap::Command, global: bool| -> BTreeSet<String> {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set() && arg.is_global_set() == global);
        shown.filter_map(|arg| arg.get_long().map(|long| format!("--{long}"))).collect()
    };
    let below = |command: &'_ clap::Command| -> Vec<clap::Command> {
        command.get_subcommands().filter(|sub| sub.get_name() != "help").cloned().collect()
    };
    let mut commands: Vec<(String, clap::Command)> = Vec::new();
    for sub in below(&command) {
        let name = sub.get_name().to_owned();
        match below(&sub) {
            nested if nested.is_empty() => commands.push((name, sub)),
            nested => commands.extend(nested.into_iter().map(|it| (format!("{name} {}", it.get_name()), it))),
        }
    }
    let known: BTreeSet<&String> = commands.iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>(), known);
    for (name, sub) in &commands {
        let row = rows.iter().zip(&names).find(|(_, shown)| *shown == name).unwrap().0;
        let documented: BTreeSet<String> = code(&row.cells[2]).into_iter().map(str::to_owned).collect();
        let own = flags(sub, false).into_iter().filter(|flag| !["--help", "--version"].contains(&flag.as_str()));
        assert_eq!(documented, own.collect(), "{name}");
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
    let file = rig.folder.path().join("metrics.prom");
    rig.edit("[output]\n", &format!("metrics_file = \"{}\"\n[output]\n", file.display()));
    assert_exit(&rig.run(&[]), 0);
    let files = ["metrics.prom", "metrics-attempt.prom"].map(|name| rig.folder.path().join(name));
    let metrics = files.map(|file| std::fs::read_to_string(file).unwrap()).concat();
    let known = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let documented = first_codes(&document("docs/monitoring.md"), "Metrics");
    let known: BTreeSet<&str> = known.collect();
    assert_eq!(documented.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
    // A misspelled name would be an alert that never fires.
    let expressions = Regex::new(r"(?m)^ *expr: .*").unwrap();
    let name = Regex::new("bt_rollcall_[a-z_]+").unwrap();
    let rules = alert_rules();
    let named: Vec<&str> =
        expressions.find_iter(&rules).flat_map(|e| name.find_iter(e.as_str())).map(|m| m.as_str()).collect();
    assert!(!named.is_empty() && named.iter().all(|name| known.contains(name)), "{named:?}");
}

fn alert_rules() -> String {
    std::fs::read_to_string(root("reports/prometheus/bt-rollcall.rules.yml")).unwrap()
}

#[test]
fn every_sample_alert_is_documented_and_no_other() {
    let alert = Regex::new(r"(?m)^ *- alert: (\S+)$").unwrap();
    let rules = alert_rules();
    let known: Vec<&str> = alert.captures_iter(&rules).map(|found| found.extract::<1>().1[0]).collect();
    assert_eq!(first_codes(&document("docs/monitoring.md"), "Alerts"), known);
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
        let Destination::Syslog(destination) = &config.destinations[0] else { panic!("{profile}") };
        let [protocol, framing, payload] = [1, 2, 3].map(|cell| plain(code(&row.cells[cell])[0].to_owned()));
        assert!(plain(format!("{:?}", destination.payload)).starts_with(&payload), "{profile}");
        let facility = if code(&row.cells[4])[0] == "local4" { 20 } else { 13 };
        assert_eq!(destination.facility, facility, "{profile}");
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
