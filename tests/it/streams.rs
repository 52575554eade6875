//! Tests with a closed or full stdout or stderr: what was done keeps its exit code, and no command ends by a panic.

use super::rig::{AS_OF, Rig, assert_exit, program, stderr};
use std::process::{Command, Output};

/// Executes the program in bash with this redirection. `PIPE` stands for a reader of stdout that closes it at once.
fn redirected(rig: &Rig, args: &[&str], redirection: &str) -> Output {
    let binary = program().get_program().to_owned();
    let script = match redirection {
        "PIPE" => "\"$0\" \"$@\" | head -c 0; exit \"${PIPESTATUS[0]}\"".to_owned(),
        "PIPE 2" => "\"$0\" \"$@\" 2>&1 >/dev/null | head -c 0; exit \"${PIPESTATUS[0]}\"".to_owned(),
        other => format!("exec \"$0\" \"$@\" {other}"),
    };
    let mut command = Command::new("bash");
    command.env_remove("BT_ROLLCALL_CONFIG").args(["-c", &script]).arg(binary).args(args);
    command.env("BT_ROLLCALL_CONFIG", &rig.config).current_dir(rig.folder.path()).output().unwrap()
}

#[test]
fn run_that_published_keeps_its_exit_code_when_its_summary_cannot_be_written() {
    let rig = Rig::seeded(30);
    for redirection in
        [">/dev/full", ">&-", "PIPE", "2>/dev/full", "2>&-", "PIPE 2", ">/dev/full 2>/dev/full", ">&- 2>&-"]
    {
        for flags in [&[][..], &["--json", "-vv"]] {
            let before = rig.snapshots().len();
            let output = redirected(&rig, &[&["run", "--as-of", AS_OF], flags].concat(), redirection);
            assert_exit(&output, 0);
            assert_eq!(rig.snapshots().len(), before + 1, "{redirection}");
            let log = stderr(&output);
            assert!(!log.contains("nothing published") && !log.contains("panicked"), "{log}");
            let says_so = log.contains("stdout: the summary could not be written: No space left on device");
            assert_eq!(says_so, redirection == ">/dev/full", "{redirection}: {log}");
        }
    }
    let findings = redirected(&rig, &["run", "--as-of", AS_OF, "--fail-on", "info", "--json"], ">/dev/full");
    assert_exit(&findings, 10);
}

#[test]
fn commands_whose_result_is_no_text_keep_their_exit_code() {
    let rig = Rig::seeded(30);
    assert_exit(&rig.run(&[]), 0);
    let snapshot = rig.snapshot().to_str().unwrap().to_owned();
    let page = rig.folder.path().join("page.html").to_str().unwrap().to_owned();
    for args in [
        &["verify", &snapshot][..],
        &["verify", "--chain", rig.snapshots_dir().to_str().unwrap()],
        &["check", "--online"],
        &["prune"],
        &["emit"],
        &["report", &snapshot, "--output", &page],
    ] {
        for redirection in [">/dev/full", ">&-", "PIPE", "2>/dev/full", "PIPE 2"] {
            let output = redirected(&rig, args, redirection);
            assert_exit(&output, 0);
            // Without a destination, emit has nothing to print.
            let is_reported = redirection == ">/dev/full" && args != ["emit"];
            assert_eq!(stderr(&output).contains("could not be written"), is_reported, "{args:?}");
        }
    }
}

#[test]
fn commands_whose_result_is_their_text_fail_when_it_cannot_be_written() {
    let rig = Rig::seeded(30);
    assert_exit(&rig.run(&[]), 0);
    let snapshot = rig.snapshot().to_str().unwrap().to_owned();
    for args in [
        &["config", "schema"][..],
        &["config", "show"],
        &["config", "show", "--json"],
        &["completions", "bash"],
        &["man"],
        &["diff", &snapshot, &snapshot],
        &["diff", "--csv", &snapshot, &snapshot],
        &["report", &snapshot],
        &["--help"],
        &["run", "--help"],
        &["--version"],
    ] {
        let full = redirected(&rig, args, ">/dev/full");
        assert_exit(&full, 1);
        let log = stderr(&full);
        assert!(log.contains("stdout: failed to write: No space left on device"), "{args:?}: {log}");
        for redirection in ["PIPE", ">&-", "2>/dev/full", "PIPE 2"] {
            assert_exit(&redirected(&rig, args, redirection), 0);
        }
    }
    // A wrong command line, and a configuration that cannot be read, with nowhere to say so.
    for args in [&["rum"][..], &["run", "--config", "/none"]] {
        for redirection in ["2>/dev/full", "2>&-", "PIPE 2"] {
            assert_exit(&redirected(&rig, args, redirection), 2);
        }
    }
}
