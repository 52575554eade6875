//! Tests that names, ids, paths, arguments and texts of servers cannot forge a line of any output that people read.

use super::Tenant;
use super::server::Reply;
use super::world::{SCIM, scim, scim_groups, scim_list, scim_user};
use crate::rig::{assert_exit, private, program, published, stderr, stdout};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A text that would forge lines and styles: after each character that may end a line follows a forged one.
const HOSTILE: &str = "x\nforged: published, complete\rforged\u{1b}[2J\u{1b}[31mforged\u{202e}\u{2028}forged\u{2029}forged\
                       \u{85}forged\u{200b}\u{e0041}\u{9b}31m\u{b}forged\u{c}forged\n<0>forged";

/// Asserts that every character is visible, and that no line begins with forged text.
#[track_caller]
fn is_visible(what: &str, text: &str) {
    for c in text.chars().filter(|c| *c != '\n') {
        let is_hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}');
        assert!(!is_hidden, "{what}: {c:?} in:\n{text}");
    }
    for line in text.lines() {
        let words = line.trim_start_matches(|c: char| !c.is_alphabetic());
        assert!(!words.starts_with("forged"), "{what}: {line}\n{text}");
    }
}

#[track_caller]
fn both_are_visible(what: &str, output: &Output) {
    is_visible(&format!("stdout of {what}"), &stdout(output));
    is_visible(&format!("stderr of {what}"), &stderr(output));
}

/// A tenant with hostile records, whose configuration, state and snapshots are below a folder with a hostile name.
struct Hostile {
    tenant: Tenant,
    dir: PathBuf,
    config: PathBuf,
}

impl Hostile {
    fn new() -> Self {
        let tenant = scim();
        let text = fs::read_to_string(tenant.path("bt-rollcall.toml")).unwrap();
        let dir = tenant.path(HOSTILE);
        fs::create_dir(&dir).unwrap();
        let quoted = |path: &Path| toml::Value::from(path.to_str().unwrap()).to_string();
        let text = text
            .replace(&format!("\"{}\"", tenant.path("state").display()), &quoted(&dir.join("state")))
            .replace(&format!("\"{}\"", tenant.path("snapshots").display()), &quoted(&dir.join("snapshots")))
            .replace("[\"csv\"]", "[\"csv\", \"parquet\"]")
            .replace("[\"Administrators\"]", &format!("[\"Administrators\", {}]", toml::Value::from(HOSTILE)));
        let config = dir.join("c.toml");
        private(&config, &text);
        private(&dir.join("secret"), "s3cret");
        Self { tenant, dir, config }
    }

    fn serve(&self, more: &str) {
        let (id, group) = (format!("{HOSTILE}{more}"), format!("g{HOSTILE}"));
        let users = json!([scim_user("1", "ann"), scim_user(&id, HOSTILE), scim_user("2", HOSTILE)]);
        scim_list(&self.tenant.server, "/Users", &users);
        let groups = json!([
            {"id":"g1","displayName":"Administrators","members":[{"value":"1"},{"value":id}]},
            {"id":group,"displayName":HOSTILE,"members":[{"value":"2"},{"value":format!("gone{HOSTILE}")}]},
        ]);
        scim_groups(&self.tenant.server, &groups);
    }

    fn call(&self, args: &[&str]) -> Output {
        let mut command = program();
        command.args(args).arg("--config").arg(&self.config).current_dir(&self.dir).output().unwrap()
    }

    fn snapshots(&self) -> Vec<String> {
        published(&self.dir.join("snapshots")).iter().map(|path| path.to_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn hostile_names_paths_and_errors_forge_no_line_in_any_command() {
    let hostile = Hostile::new();
    hostile.serve("");
    let run = |as_of: &str, more: &[&str]| hostile.call(&[&["run", "--as-of", as_of][..], more].concat());
    let first = run(super::FIRST, &["-vv"]);
    assert!(matches!(first.status.code(), Some(0 | 3)), "{}", stderr(&first));
    both_are_visible("run -vv", &first);
    // Other ids are other accounts: removed and added. The text of a failure comes from the server.
    hostile.serve("2");
    hostile
        .tenant
        .server
        .on(&format!("GET {SCIM}/Groups?"), Reply::of(400, format!("{{\"detail\":{}}}", json!(HOSTILE))));
    for flags in [&["--dry-run"][..], &["--json"], &["--log-format", "json"], &["-v"]] {
        let output = run(super::SECOND, flags);
        assert!(matches!(output.status.code(), Some(3 | 4)), "{}", stderr(&output));
        both_are_visible(&format!("run {flags:?}"), &output);
    }
    hostile.serve("3");
    both_are_visible("run", &run(super::THIRD, &["--allow-shrink", "s"]));
    let snapshots = hostile.snapshots();
    let (old, new) = (snapshots[0].as_str(), snapshots.last().unwrap().as_str());
    let page = hostile.dir.join("page.html");
    let dir = hostile.dir.join("snapshots");
    let calls: [&[&str]; 14] = [
        &["verify", new],
        &["verify", "--chain", dir.to_str().unwrap()],
        &["verify", dir.to_str().unwrap()],
        &["diff", old, new],
        &["diff", "--json", old, new],
        &["report", new, "--output", page.to_str().unwrap()],
        &["check"],
        &["check", "--online"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["prune", "--dry-run"],
        &["emit"],
        &["verify", HOSTILE],
        &["run", "--source", HOSTILE],
    ];
    for call in calls {
        both_are_visible(&format!("{:?}", &call[..2.min(call.len())]), &hostile.call(call));
    }
    is_visible("README.txt", &fs::read_to_string(Path::new(new).join("README.txt")).unwrap());
    // A damaged snapshot, and a hold with a reason of several lines.
    fs::write(Path::new(new).join("HOLD"), HOSTILE).unwrap();
    both_are_visible("verify with a hold", &hostile.call(&["verify", new]));
    fs::write(Path::new(new).join(HOSTILE), "").unwrap();
    fs::write(Path::new(new).join("users.csv"), HOSTILE).unwrap();
    let damaged = hostile.call(&["verify", new]);
    assert_exit(&damaged, 1);
    both_are_visible("verify of a damaged snapshot", &damaged);
}

#[test]
fn what_config_show_prints_is_toml_with_the_same_values() {
    let hostile = Hostile::new();
    let shown = hostile.call(&["config", "show"]);
    assert_exit(&shown, 0);
    let table: toml::Table = toml::from_str(&stdout(&shown)).unwrap();
    assert_eq!(table["state_dir"].as_str(), hostile.dir.join("state").to_str());
    assert_eq!(table["policy"]["privileged_groups"][1].as_str(), Some(HOSTILE));
}

#[test]
fn colours_are_ours_alone() {
    let hostile = Hostile::new();
    hostile.serve("");
    let output = hostile.call(&["run", "--as-of", super::FIRST, "-vv", "--color", "always"]);
    let log = stderr(&output);
    assert!(log.contains("\u{1b}[32m INFO\u{1b}[0m") && log.contains("\u{1b}[3msource\u{1b}[0m"), "{log}");
    assert!(!log.contains("\u{1b}[31mforged") && !log.contains("\u{1b}[2J"), "{log}");
    let styles = ["0", "1", "2", "3", "31", "32", "33", "34", "35"].map(|style| format!("\u{1b}[{style}m"));
    let plain = styles.iter().fold(log, |text, style| text.replace(style, ""));
    is_visible("coloured log", &plain);
}

#[test]
fn arguments_and_the_path_of_the_configuration_forge_no_line() {
    for args in [
        &["run", "--as-of", HOSTILE][..],
        &["run", HOSTILE],
        &[HOSTILE],
        &["run", &format!("--{HOSTILE}")],
        &["check", "--config", HOSTILE],
        &["run", "--log-format", "json", "--as-of", HOSTILE],
    ] {
        let output = program().args(args).output().unwrap();
        assert_exit(&output, 2);
        both_are_visible(&format!("{:?}", &args[..1]), &output);
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    let escaped = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\U{:08x}", u32::from(c)) };
    let quoted = format!("\"{}\"", HOSTILE.chars().map(escaped).collect::<String>());
    let lines = [
        format!("{quoted} = 1"),
        format!("[[source]]\nname = {quoted}\nkind = {quoted}\nurl = {quoted}\nclient_id = {quoted}"),
        format!("[policy]\nframeworks = [{quoted}]\n[policy.rules]\n{quoted} = {quoted}"),
        format!("[[policy.custom_rules]]\nid = {quoted}\ntitle = {quoted}\nwhen = {quoted}"),
    ];
    private(&config, &lines.join("\n"));
    let output = program().args(["check", "--config"]).arg(&config).output().unwrap();
    assert_exit(&output, 2);
    both_are_visible("check of a hostile configuration", &output);
    assert!(stderr(&output).lines().count() > 5, "{}", stderr(&output));
}
