//! Tests that documents and deployment files agree with the program: README, help, `cron/`, and the demo.

use super::rig::{assert_exit, private, program, stdout};
use bt_rollcall::run::Exit;
use std::path::{Path, PathBuf};
use std::process::Output;

fn root(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root(file)).unwrap()
}

fn call(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

#[test]
fn readme_help_and_code_list_the_same_exit_codes() {
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
    let help = stdout(&call(&["--help"]));
    for exit in Exit::ALL {
        let line = format!("  {:>2}  {}", exit.code(), exit.meaning());
        assert!(help.contains(&line), "{line:?} is not in\n{help}");
    }
}

#[test]
fn successful_exit_codes_of_the_service_agree_with_its_comment_and_the_code() {
    let service = text("cron/bt-rollcall.service");
    let success = service.lines().find_map(|line| line.strip_prefix("SuccessExitStatus=")).unwrap();
    let success: Vec<u8> = success.split_whitespace().map(|code| code.parse().unwrap()).collect();
    let good = [Exit::Complete, Exit::Findings].map(Exit::code);
    assert_eq!([&[0], success.as_slice()].concat(), good);
    // The comment must list every other code as one that fails the unit.
    let comment: String = service.lines().filter_map(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ");
    let failing = comment.split("These fail the unit").nth(1).unwrap();
    for exit in Exit::ALL.iter().filter(|exit| !good.contains(&exit.code())) {
        assert!(failing.contains(&format!(" {} ", exit.code())), "{exit:?} is not explained");
    }
}

#[test]
fn example_configuration_is_valid_with_a_systemd_credential_and_invalid_without() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("client_secret"), "s3cret").unwrap();
    // A copy: the checkout may belong to another user, or have been made with a umask that lets a group write.
    let example = folder.path().join("config.toml");
    private(&example, &text("cron/config.example.toml"));
    let output = program()
        .args(["check", "--config"])
        .arg(&example)
        .env("CREDENTIALS_DIRECTORY", folder.path())
        .output()
        .unwrap();
    assert_exit(&output, 0);
    assert_exit(&call(&["check", "--config", example.to_str().unwrap()]), 2);
}

#[test]
fn sources_in_comments_of_the_example_configuration_lack_only_their_secrets() {
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
    private(&path, &config);
    let output = call(&["check", "--config", path.to_str().unwrap()]);
    assert_exit(&output, 2);
    let problems = String::from_utf8_lossy(&output.stderr).into_owned();
    let of_sources: Vec<&str> = problems.lines().filter(|line| line.contains(": [[source]] \"")).collect();
    assert_eq!(of_sources.len(), 3, "{problems}");
    assert!(of_sources.iter().all(|line| line.contains("does not exist") && line.contains("-secret")), "{problems}");
}

#[test]
fn every_file_that_the_readme_links_to_exists() {
    let readme = text("README.md");
    let links: Vec<&str> = readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 3);
    for link in links.into_iter().filter(|link| !link.starts_with('#')) {
        assert!(root(link).exists(), "{link}");
    }
}

#[test]
fn demo_runs_without_a_configuration_and_every_event_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let output = call(&["demo", "--users", "123", "--dir", dir.to_str().unwrap()]);
    assert_exit(&output, 0);
    let summary = stdout(&output);
    let events = summary.lines().find(|line| line.starts_with("events")).unwrap();
    let counts: Vec<&str> =
        events.split_whitespace().filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(counts[0], counts[1], "{events}");
    let report = summary.lines().find_map(|line| line.strip_prefix("report")).unwrap();
    assert!(Path::new(report.split_whitespace().next().unwrap()).is_file());
    let snapshots = dir.join("snapshots");
    let latest = snapshots.join("latest");
    assert_exit(&call(&["verify", latest.to_str().unwrap()]), 0);
    // The demo writes nothing into a folder that is not empty.
    assert_exit(&call(&["demo", "--dir", folder.path().to_str().unwrap()]), 1);
}
