//! A source that sends far too much, in a process with little memory: it fails alone, and the other source is published.

use super::server::{Server, json, token};
use crate::rig::{Rig, assert_exit, stderr};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

/// Runs with at most this much address space, in KiB.
const ADDRESS_SPACE: u32 = 900_000;

fn run_with_little_memory(rig: &Rig) -> Output {
    let run = rig.command(&["run"]);
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("ulimit -v {ADDRESS_SPACE} && exec \"$0\" \"$@\""));
    limited.arg(run.get_program()).args(run.get_args()).current_dir(rig.folder.path()).output().unwrap()
}

/// Runs with a healthy source and one that answers every list with `body`. Returns the log.
#[track_caller]
fn log_of_a_hostile_source(kind: &str, body: String) -> String {
    let rig = Rig::seeded(30);
    let server = Server::start(move |path, stream| {
        if !token(path, stream) {
            json(stream, &body);
        }
    });
    server.configure(&rig, kind, "");
    let output = run_with_little_memory(&rig);
    assert_exit(&output, 3);
    let sources = rig.manifest()["sources"].clone();
    let status = |name: &str| sources.as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()["status"].clone();
    assert_eq!(status("hostile"), "failed");
    let other = sources.as_array().unwrap().iter().find(|source| source["name"] != "hostile").unwrap();
    assert_eq!(other["status"], "complete");
    assert_eq!(rig.table("users").len(), 30);
    stderr(&output)
}

/// Returns about so many bytes of items, separated by commas.
fn items(bytes: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = item(0);
    for number in 1.. {
        if text.len() >= bytes {
            break;
        }
        // Writing into a String cannot fail.
        let _ = write!(text, ",{}", item(number));
    }
    text
}

#[test]
fn a_page_of_44_megabytes_of_small_rows_fails_its_source_alone() {
    let rows = items(44_000_000, |number| format!("{{\"id\":{number}}}"));
    let log = log_of_a_hostile_source("rest-v3", format!("{{\"users\":[{rows}],\"total\":4000000}}"));
    assert!(log.contains("a request for 100 rows has more than 100000 rows"), "{log}");
}

#[test]
fn a_list_without_pages_has_the_limit_of_max_rows() {
    let rows = items(44_000_000, |number| format!("{{\"UserID\":{number}}}"));
    let log = log_of_a_hostile_source("password-safe", format!("[{rows}]"));
    assert!(log.contains("max_rows"), "{log}");
}

#[test]
fn values_that_are_nested_too_long_or_too_many_fail_their_source_alone() {
    let nested = items(44_000_000, |_| "{\"a\":1}".to_owned());
    for (body, expected) in [
        (format!("{{\"users\":[{{\"id\":1,\"x\":[{nested}]}}],\"total\":1}}"), "of memory"),
        (
            format!("{{\"users\":[],\"total\":0,\"x\":[{}]}}", items(44_000_000, |_| "1".to_owned())),
            "more than 100000 rows",
        ),
        (format!("{{\"users\":[{{\"id\":{}1{}}}]}}", "[".repeat(100_000), "]".repeat(100_000)), "nested too deeply"),
        (format!("{{\"users\":[{{\"id\":1,\"username\":\"{}\"}}],\"total\":1}}", "x".repeat(40_000_000)), "too long"),
        (format!("{{\"users\":[{{\"id\":{}}}],\"total\":1}}", "7".repeat(40_000_000)), "too long"),
    ] {
        let log = log_of_a_hostile_source("rest-v3", body);
        assert!(log.contains(expected), "{expected}: {log}");
    }
}

#[test]
fn a_list_without_end_fails_at_max_rows() {
    let rig = Rig::seeded(30);
    let server = Server::start(|path, stream| {
        if token(path, stream) {
            return;
        }
        let number = |key: &str| -> usize {
            let value = path.split(key).nth(1).and_then(|rest| rest.split('&').next());
            value.and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        let (offset, limit) = (number("offset="), number("limit="));
        let rows: Vec<String> = (offset..offset + limit).map(|id| format!("{{\"id\":{id}}}")).collect();
        json(stream, &format!("{{\"users\":[{}]}}", rows.join(",")));
    });
    server.configure(&rig, "rest-v3", "max_rows = 5000");
    let output = rig.run(&[]);
    assert_exit(&output, 3);
    let log = stderr(&output);
    assert!(log.contains("more than 5000 rows, the value of max_rows; raise max_rows"), "{log}");
    assert_eq!(rig.table("users").len(), 30);
    assert_eq!(rig.manifest()["configuration"]["source"][0]["max_rows"]["value"], 2_000_000);
}

#[test]
fn a_full_stderr_does_not_end_the_run() {
    let rig = Rig::seeded(30);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for args in [&["run"][..], &["run", "--log-format", "json"]] {
        let status = rig.command(args).stdout(Stdio::null()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(0));
    }
}
