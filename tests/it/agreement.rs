//! What is written down for people and what the program does are the same.

use super::rig::{assert_exit, stdout};
use bt_rollcall::run::Exit;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root(file)).unwrap()
}

fn program(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bt-rollcall")).args(args).env_remove("BT_ROLLCALL_CONFIG").output().unwrap()
}

#[test]
fn readme_help_and_code_report_the_same_exit_codes() {
    let readme = text("README.md");
    let rows: Vec<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter(|row| row.starts_with(|c: char| c.is_ascii_digit()))
        .map(|row| row.trim_end_matches(" |").replace(" | ", " ").replace('`', ""))
        .collect();
    let codes: Vec<String> = Exit::ALL.iter().map(|exit| format!("{} {}", exit.code(), exit.meaning())).collect();
    assert_eq!(rows, codes);
    let precedence = Exit::PRECEDENCE.map(|exit| exit.code().to_string()).join(", ");
    assert!(readme.contains(&format!("the first of {precedence} is returned")), "{precedence}");
    let help = stdout(&program(&["--help"]));
    for exit in Exit::ALL {
        let line = format!("  {:>2}  {}", exit.code(), exit.meaning());
        assert!(help.contains(&line), "{line:?} is not in\n{help}");
    }
}

#[test]
fn the_service_calls_success_what_its_own_comment_and_the_exit_codes_call_so() {
    let service = text("cron/bt-rollcall.service");
    let success = service.lines().find_map(|line| line.strip_prefix("SuccessExitStatus=")).unwrap();
    let success: Vec<u8> = success.split_whitespace().map(|code| code.parse().unwrap()).collect();
    let good = [Exit::Complete, Exit::Waiting, Exit::Findings].map(Exit::code);
    assert_eq!([&[0], success.as_slice()].concat(), good);
    // The comment names every other code as one that fails the unit.
    let comment: String = service.lines().filter_map(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ");
    let failing = comment.split("These fail the unit").nth(1).unwrap();
    for exit in Exit::ALL.iter().filter(|exit| !good.contains(&exit.code())) {
        assert!(failing.contains(&format!(" {} ", exit.code())), "{exit:?} is not explained");
    }
}

#[test]
fn the_example_configuration_is_accepted_as_it_stands_but_for_the_secret_that_systemd_hands_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("client_secret"), "s3cret").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"))
        .args(["check", "--config"])
        .arg(root("cron/config.example.toml"))
        .env("CREDENTIALS_DIRECTORY", folder.path())
        .output()
        .unwrap();
    assert_exit(&output, 0);
    assert_exit(&program(&["check", "--config", root("cron/config.example.toml").to_str().unwrap()]), 2);
}

#[test]
fn the_sources_that_the_example_shows_as_comments_are_right_but_for_their_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let example = text("cron/config.example.toml");
    let shown = example.split("# [[source]]").skip(1).map(|block| block.split("\n\n").next().unwrap());
    let mut config = String::from("state_dir = \"state\"\n");
    for block in shown {
        config.push_str("[[source]]\n");
        for line in block.lines().filter_map(|line| line.strip_prefix("# ")) {
            config.extend([line, "\n"]);
        }
    }
    assert!(
        ["pra", "password-safe", "scim"].iter().all(|kind| config.contains(&format!("kind = \"{kind}\""))),
        "{config}"
    );
    let path = folder.path().join("shown.toml");
    std::fs::write(&path, config).unwrap();
    let output = program(&["check", "--config", path.to_str().unwrap()]);
    assert_exit(&output, 2);
    let problems = String::from_utf8_lossy(&output.stderr).into_owned();
    let reported: Vec<&str> = problems.lines().filter(|line| line.contains("key=\"source[")).collect();
    assert_eq!(reported.len(), 3, "{problems}");
    assert!(reported.iter().all(|line| line.contains("cannot read") && line.contains("-secret")), "{problems}");
}

#[test]
fn every_file_that_the_readme_points_to_is_there() {
    let readme = text("README.md");
    let links: Vec<&str> = readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 3);
    for link in links.into_iter().filter(|link| !link.starts_with('#')) {
        assert!(root(link).exists(), "{link}");
    }
}

#[test]
fn the_demo_needs_nothing_and_everything_it_sends_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let output = program(&["demo", "--users", "123", "--dir", dir.to_str().unwrap()]);
    assert_exit(&output, 0);
    let said = stdout(&output);
    let events = said.lines().find(|line| line.starts_with("events")).unwrap();
    let counts: Vec<&str> =
        events.split_whitespace().filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(counts[0], counts[1], "{events}");
    let report = said.lines().find_map(|line| line.strip_prefix("report")).unwrap();
    assert!(Path::new(report.split_whitespace().next().unwrap()).is_file());
    let snapshots = dir.join("snapshots");
    let latest = snapshots.join("latest");
    assert_exit(&program(&["verify", latest.to_str().unwrap()]), 0);
    // Somebody's files are never written among.
    assert_exit(&program(&["demo", "--dir", folder.path().to_str().unwrap()]), 1);
}
