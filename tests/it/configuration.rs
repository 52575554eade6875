//! The configuration as an operator meets it: errors with their places, `config`, and patterns that match nothing.

use crate::rig::{Rig, assert_exit, people, private, program, stderr, stdout};
use bt_rollcall_sandbox::Faults;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

const SOURCE: &str = "[[source]]\nname = \"safe\"\nknd = \"pra\"\nurl = \"https://bt.example.com\"\nclient_id = \"abc\"\n\
                      client_secret = { file = \"secret\" }\n";

fn call(arguments: &[&str], folder: &Path) -> Output {
    program().args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn error_of_the_configuration_reads_like_a_compiler_s_and_is_data_in_json() {
    let folder = tempfile::tempdir().unwrap();
    private(&folder.path().join("secret"), "s3cret");
    private(&folder.path().join("c.toml"), SOURCE);
    let refused = call(&["check", "--config", "c.toml"], folder.path());
    assert_exit(&refused, 2);
    let expected = "c.toml:3:1: [[source]] \"safe\": unknown key \"knd\"; did you mean \"kind\"?";
    assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
    let refused = call(&["check", "--config", "c.toml", "--log-format", "json"], folder.path());
    let lines: Vec<Value> = stderr(&refused).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["key"] == "source[safe].knd").unwrap();
    assert_eq!((&line["file"], &line["line"], &line["column"]), (&"c.toml".into(), &3.into(), &1.into()));
    assert_eq!(line["message"], "unknown key; did you mean \"kind\"?");
}

#[test]
fn configuration_of_init_passes_check_and_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    private(&secret, "s3cret");
    let state = folder.path().join("state");
    let (secret, state) = (secret.to_str().unwrap(), state.to_str().unwrap());
    let flags =
        ["--kind", "pra", "--url", "https://bt.example.com/login", "--client-id", "abc", "--secret-file", secret];
    let receiver = ["--syslog", "tls://siem.example.com", "--state-dir", state];
    let arguments = [&["config", "init"][..], &flags, &receiver].concat();
    assert_exit(&call(&arguments, folder.path()), 0);
    let written = folder.path().join("bt-rollcall.toml");
    assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o644);
    let checked = call(&["check"], folder.path());
    assert_exit(&checked, 0);
    assert!(stdout(&checked).contains("valid, 1 source, 1 destination"), "{}", stdout(&checked));
    let again = call(&arguments, folder.path());
    assert_exit(&again, 1);
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
    assert_exit(&call(&[&arguments[..], &["--force"]].concat(), folder.path()), 0);
    let printed = call(&[&arguments[..], &["--output", "-"]].concat(), folder.path());
    assert_eq!(stdout(&printed), fs::read_to_string(&written).unwrap());
    let refused = call(&["config", "init", "--kind", "pra", "--output", "other.toml"], folder.path());
    assert_exit(&refused, 2);
    assert!(stderr(&refused).contains("write --url, --client-id as well"), "{}", stderr(&refused));
}

#[test]
fn init_writes_the_file_that_the_flag_for_all_commands_names_and_words_every_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--kind", "pra", "--url", "https://bt.example.com", "--client-id", "abc"];
    let init = |more: &[&str]| call(&[&["config", "init"][..], &flags, more].concat(), folder.path());
    assert_exit(&init(&["--config", "named.toml"]), 0);
    assert!(folder.path().join("named.toml").exists() && !folder.path().join("bt-rollcall.toml").exists());
    let wrong = init(&["--syslog", "siem", "-o", "x.toml"]);
    assert_exit(&wrong, 2);
    assert!(stderr(&wrong).contains("--syslog: must begin with tls://"), "{}", stderr(&wrong));
    assert!(!folder.path().join("x.toml").exists());
    for (output, words) in [(".", "is a folder; name a file in it"), ("named.toml/a/c.toml", "named.toml is a file;")] {
        let refused = init(&["--output", output]);
        assert_exit(&refused, 1);
        assert!(stderr(&refused).contains(words), "{}", stderr(&refused));
    }
}

/// Root may write everywhere, so tests of root run the program as another user.
#[test]
fn init_names_the_folder_that_it_may_not_write_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let path = folder.path().display();
    for (output, words) in [
        (
            format!("{path}/c.toml"),
            format!("the folder {path} cannot be written by this user; start the command with sudo"),
        ),
        (
            format!("{path}/a/c.toml"),
            format!(
                "the folder {path}/a does not exist, and this user cannot create it; create it with: sudo install -d {path}/a"
            ),
        ),
    ] {
        let mut command = program();
        command.args(["config", "init", "--output", &output]).current_dir("/");
        if stdout(&Command::new("id").arg("-u").output().unwrap()).trim() == "0" {
            command.uid(65534).gid(65534);
        }
        let refused = command.output().unwrap();
        assert_exit(&refused, 1);
        assert!(stderr(&refused).contains(&words), "{}", stderr(&refused));
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn show_prints_values_with_their_origin_and_schema_prints_json() {
    let rig = Rig::new(people(12), Faults::default());
    let shown = rig.call(&["config", "show"]);
    assert_exit(&shown, 0);
    let text = stdout(&shown);
    assert!(text.contains("keep_days = 400  # default") && text.contains("client_secret = { file = \""), "{text}");
    assert!(!text.contains(rig.sandbox.client_secret()));
    let data: Value = serde_json::from_str(&stdout(&rig.call(&["config", "show", "--json"]))).unwrap();
    assert_eq!(data["source"][0]["kind"]["value"], "rest-v3");
    assert!(data["source"][0]["kind"]["line"].is_u64());
    let schema: Value = serde_json::from_str(&stdout(&rig.call(&["config", "schema"]))).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn path_that_a_run_could_not_write_is_refused_by_check() {
    let rig = Rig::new(people(12), Faults::default());
    let text = fs::read_to_string(&rig.config).unwrap();
    let state = text.lines().find(|line| line.starts_with("state_dir = ")).unwrap();
    private(&rig.config, &text.replace(state, "state_dir = \"state\""));
    let refused = rig.call(&["check"]);
    assert_exit(&refused, 2);
    assert!(stderr(&refused).contains(":1:13: state_dir: the path is relative"), "{}", stderr(&refused));
    let file = rig.folder.path().join("file");
    fs::write(&file, "").unwrap();
    private(&rig.config, &text.replace(state, &format!("state_dir = \"{}/state\"", file.display())));
    let impossible = rig.call(&["check"]);
    assert_exit(&impossible, 1);
    let shown = stdout(&impossible);
    assert!(
        shown.contains("BAD ") && shown.contains("bt-rollcall.toml:1: state_dir: ") && shown.contains("is a file"),
        "{shown}"
    );
}

#[test]
fn pattern_that_matches_nothing_is_a_warning_of_run_and_check_and_is_in_the_manifest() {
    let rig = Rig::new(people(60), Faults::default());
    let text = fs::read_to_string(&rig.config).unwrap();
    let groups = text.lines().find(|line| line.starts_with("privileged_groups = ")).unwrap();
    private(&rig.config, &text.replace(groups, "privileged_groups = [\"Admnistrators\", \"Administrators\"]"));
    let warning =
        "policy.privileged_groups: \"Admnistrators\" matches nothing; write \"Administrators\" if that is meant";
    let run = rig.run(&[]);
    assert_exit(&run, 0);
    assert!(stdout(&run).contains(&format!("warning    {warning}")), "{}", stdout(&run));
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(rig.folder.path().join("snapshots/latest/manifest.json")).unwrap())
            .unwrap();
    let pattern = &manifest["patterns"][0];
    assert_eq!(
        (&pattern["matches"], &pattern["complete"], &pattern["nearest"]),
        (&0.into(), &true.into(), &"Administrators".into())
    );
    assert!(manifest["patterns"][1]["matches"].as_u64().unwrap() > 0);
    assert!(manifest["warnings"].to_string().contains("matches nothing"), "{}", manifest["warnings"]);
    assert_eq!(manifest["configuration"]["output"]["keep_days"]["from"], "default");
    let report = fs::read_to_string(rig.folder.path().join("snapshots/latest/report.html")).unwrap();
    assert!(report.contains("Patterns of the configuration") && report.contains("Admnistrators"));
    let summary: Value = serde_json::from_str(&stdout(&rig.run(&["--json"]))).unwrap();
    assert_eq!(summary["patterns"], manifest["patterns"]);
    let checked = rig.call(&["check", "--online"]);
    // The list of groups has no total, so one page is no proof.
    let note = "note  policy.privileged_groups: \"Admnistrators\" matches nothing on the pages that were read; the most similar";
    assert!(stdout(&checked).contains(note), "{}", stdout(&checked));
}
