//! Tests of the log: what each level shows, and how lines look in the journal of systemd.

use super::rig::{Rig, SURFACES, assert_exit, people, stderr};
use bt_rollcall_sandbox::{Faults, Surface};
use std::fs;
use std::os::unix::fs::MetadataExt;

fn appliances() -> [Rig; 2] {
    let rs = Faults { rs: true, ..Faults::default() };
    [
        Rig::with_surfaces(&SURFACES, people(1003), Faults::default(), None),
        Rig::with_surfaces(&[Surface::Rs], people(403), rs, None),
    ]
}

#[test]
fn quiet_runs_of_healthy_appliances_write_nothing_to_stderr() {
    for rig in appliances() {
        for day in [0, 1] {
            let output = rig.run_on_day(day, &["-q"]);
            assert_exit(&output, 0);
            assert_eq!(stderr(&output), "");
            assert_eq!(rig.warnings(), [""; 0]);
        }
    }
}

#[test]
fn constant_facts_of_a_product_are_notes_of_the_manifest_and_of_verbose_runs_only() {
    let fact = "1,513 dates have no time zone; UTC was assumed";
    let rig = Rig::with_surfaces(&[Surface::PasswordSafe], people(1603), Faults::default(), None);
    assert!(!stderr(&rig.run(&[])).contains("time zone"));
    let notes = rig.manifest()["notes"].to_string();
    assert!(notes.contains(fact), "{notes}");
    assert!(rig.report().contains(fact), "the report shows notes");
    let log = stderr(&rig.run(&["-v"]));
    assert!(log.contains(&format!("note: {fact}")), "{log}");
}

/// Runs the program with stderr in a file that `JOURNAL_STREAM` names, as systemd does, and returns the lines.
fn journal_of(rig: &Rig, args: &[&str], is_stderr: bool) -> Vec<String> {
    let path = rig.folder.path().join("journal");
    let file = fs::File::create(&path).unwrap();
    let stat = file.metadata().unwrap();
    let inode = stat.ino() + u64::from(!is_stderr);
    let mut command = rig.command(args);
    command.env("JOURNAL_STREAM", format!("{}:{inode}", stat.dev())).stderr(file).output().unwrap();
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn lines_in_the_journal_have_a_priority_and_neither_time_nor_colour() {
    let rig = Rig::seeded(50);
    let lines = journal_of(&rig, &["run", "-v", "--color", "always"], true);
    assert!(lines.iter().any(|line| line.starts_with("<6>source started source=sandbox")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("<7>request ")), "{lines:#?}");
    rig.set("page_sice = 100");
    let broken = journal_of(&rig, &["run"], true);
    assert!(broken.iter().all(|line| line.starts_with("<3>")) && !broken.is_empty(), "{broken:#?}");
    let mistyped = journal_of(&rig, &["run", "--bogus"], true);
    assert!(mistyped.iter().all(|line| line.starts_with("<3>")), "{mistyped:#?}");
    assert!(mistyped[0].contains("unexpected argument '--bogus'"), "{mistyped:#?}");
    // A time of its own would follow the priority. The id of a run has a time, too.
    let is_timed = |line: &str| line[3..].starts_with(|c: char| c.is_ascii_digit());
    assert!(lines.iter().chain(&broken).all(|line| !line.contains('\u{1b}') && !is_timed(line)), "{lines:#?}");
}

#[test]
fn warning_stands_once_in_the_journal_where_both_streams_are_it() {
    let rig = Rig::seeded(50);
    rig.edit("privileged_groups = [", "privileged_groups = [\"nobody-has-this-name\", ");
    let path = rig.folder.path().join("journal");
    for quiet in ["-q", "-qq"] {
        let file = fs::File::create(&path).unwrap();
        let stat = file.metadata().unwrap();
        let mut command = rig.command(&["run", quiet]);
        command.env("JOURNAL_STREAM", format!("{}:{}", stat.dev(), stat.ino()));
        let status = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        assert_eq!(status.code(), Some(0));
        let text = fs::read_to_string(&path).unwrap();
        // A run that logs errors only has its warnings in the summary.
        assert_eq!(text.matches("\"nobody-has-this-name\" matches nothing").count(), 1, "{text}");
        assert!(text.contains(": published, complete"), "{text}");
    }
}

#[test]
fn wrong_command_line_is_one_json_object_wherever_it_is_wrong() {
    let rig = Rig::seeded(50);
    for args in
        [&["--log-format", "json"][..], &["run", "--as-of", "x", "--log-format=json"], &["--log-format", "json", "no"]]
    {
        let output = super::rig::program().args(args).current_dir(rig.folder.path()).output().unwrap();
        assert_exit(&output, 2);
        let line: serde_json::Value = serde_json::from_str(&stderr(&output)).unwrap();
        assert_eq!(line["level"], "ERROR", "{line}");
    }
}

#[test]
fn inherited_journal_variable_changes_no_line_of_another_stderr() {
    let rig = Rig::seeded(50);
    let lines = journal_of(&rig, &["run"], false);
    assert!(lines.iter().all(|line| !line.starts_with('<')) && lines[0].contains(" INFO "), "{lines:#?}");
}

#[test]
fn json_log_is_one_object_a_line_in_the_journal_too() {
    let rig = Rig::seeded(50);
    let lines = journal_of(&rig, &["run", "--log-format", "json"], true);
    let mistyped = journal_of(&rig, &["run", "--log-format", "json", "--bogus"], true);
    assert_eq!(mistyped.len(), 1, "{mistyped:#?}");
    assert!(!lines.is_empty());
    let is_object = |line: &String| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|it| it.is_object());
    assert!(lines.iter().chain(&mistyped).all(is_object), "{lines:#?} {mistyped:#?}");
}

#[test]
fn verbose_check_logs_each_request_as_run_does() {
    let rig = Rig::seeded(50);
    for args in [["check", "--online", "-v"], ["check", "--online", "-vv"]] {
        let log = stderr(&rig.call(&args));
        for part in [
            "method=\"POST\" path=\"/oauth2/token\" status=200",
            "method=\"GET\" path=\"/api/public/v3/users",
            "milliseconds=",
        ] {
            assert!(log.contains(part), "{part}: {log}");
        }
    }
    assert!(!stderr(&rig.call(&["check", "--online"])).contains("request"));
}
