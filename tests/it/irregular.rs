//! Tests of files that are no regular files or far too large: refused at once by every command, and never waited for.

use super::rig::{Rig, as_of, assert_exit, private, stderr};
use bt_rollcall_sandbox::{Faults, World};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn rig() -> Rig {
    Rig::with_syslog(World::seeded(4, 40, as_of()), Faults::default(), None)
}

/// Executes the program and fails where it takes longer than 60 s.
fn call(rig: &Rig, args: &[&str]) -> Output {
    let command = rig.command(args);
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(command.get_program()).args(command.get_args()).current_dir(rig.folder.path());
    let output = limited.env_remove("BT_ROLLCALL_CONFIG").stdin(Stdio::null()).output().unwrap();
    assert_ne!(output.status.code(), Some(124), "{args:?} waits");
    output
}

/// Moves a file away and puts a pipe in its place.
fn replace_by_pipe(path: &Path) {
    let _ = fs::rename(path, path.with_extension("kept"));
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn restore(path: &Path) {
    fs::remove_file(path).unwrap();
    let _ = fs::rename(path.with_extension("kept"), path);
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, why: &str) {
    assert_exit(output, code);
    assert!(stderr(output).contains(why), "{why}:\n{}", stderr(output));
}

const CONFIGURED: [&[&str]; 4] = [&["run"], &["check"], &["emit"], &["prune"]];

#[test]
fn a_pipe_in_the_place_of_a_file_of_the_configuration_is_a_configuration_error() {
    let rig = rig();
    let at = |name: &str| rig.folder.path().join(name);
    for name in ["ca.pem", "exceptions.toml"] {
        fs::write(at(name), "").unwrap();
    }
    rig.set("ca_file = \"ca.pem\"");
    rig.edit("[policy]\n", "[policy]\nexceptions = \"exceptions.toml\"\n");
    for path in [rig.config.clone(), at("sandbox-secret"), at("ca.pem"), at("exceptions.toml")] {
        replace_by_pipe(&path);
        for args in CONFIGURED {
            assert_refused(&call(&rig, args), 2, &format!("{} is a pipe; name a regular file", path.display()));
        }
        restore(&path);
    }
}

#[test]
fn a_configuration_from_a_pipe_or_a_device_is_refused_with_the_reason() {
    let rig = rig();
    for (path, why) in [("/dev/stdin", "/dev/stdin is a pipe"), ("/dev/zero", "/dev/zero is a device")] {
        let mut command = super::rig::program();
        command.args(["check", "--config", path]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(&fs::read(&rig.config).unwrap());
        assert_refused(&child.wait_with_output().unwrap(), 2, why);
    }
}

#[test]
fn a_secret_that_is_a_link_to_a_regular_file_is_read_as_kubernetes_mounts_it() {
    let rig = rig();
    let secret = rig.folder.path().join("sandbox-secret");
    fs::create_dir(rig.folder.path().join("..2026")).unwrap();
    fs::rename(&secret, rig.folder.path().join("..2026/secret")).unwrap();
    symlink("..2026", rig.folder.path().join("..data")).unwrap();
    symlink("..data/secret", &secret).unwrap();
    assert_exit(&call(&rig, &["run"]), 0);
}

#[test]
fn a_pipe_in_the_place_of_a_lock_or_a_ledger_is_an_error_of_the_run() {
    let rig = rig();
    assert_exit(&rig.run(&[]), 0);
    for name in ["state/lock", "snapshots/.lock"] {
        let path = rig.folder.path().join(name);
        replace_by_pipe(&path);
        for args in [["run"], ["emit"], ["prune"]] {
            assert_refused(&call(&rig, &args), 1, &format!("{}: is a pipe", path.display()));
        }
        restore(&path);
    }
    let ledger = rig.snapshots_dir().join("pruned.jsonl");
    replace_by_pipe(&ledger);
    let chain = call(&rig, &["verify", "--chain", rig.snapshots_dir().to_str().unwrap()]);
    assert_refused(&chain, 1, "pruned.jsonl: is a pipe");
}

#[test]
fn a_pipe_in_a_snapshot_is_found_by_every_command_that_reads_it() {
    let rig = rig();
    assert_exit(&rig.run(&[]), 0);
    let first = rig.snapshot();
    assert_exit(&rig.run_on_day(1, &[]), 0);
    let snapshot = rig.snapshot();
    let [old, new] = [&first, &snapshot].map(|path| path.to_str().unwrap());
    for name in ["manifest.json", "users.parquet", "users.csv", "pages.jsonl", "rule-inputs.jsonl", "README.txt"] {
        let path = snapshot.join(name);
        replace_by_pipe(&path);
        // The moved file is not part of the snapshot.
        let kept: PathBuf = path.with_extension("kept");
        fs::rename(&kept, rig.folder.path().join("kept")).unwrap();
        assert_exit(&call(&rig, &["verify", new]), 1);
        assert_exit(&call(&rig, &["verify", "--chain", rig.snapshots_dir().to_str().unwrap()]), 1);
        assert_exit(&call(&rig, &["report", new, "--output", "-"]), 1);
        if name.starts_with("manifest") || name.ends_with("parquet") {
            assert_exit(&call(&rig, &["diff", old, new]), 1);
        }
        call(&rig, &["prune"]);
        call(&rig, &["run"]);
        fs::rename(rig.folder.path().join("kept"), kept).unwrap();
        restore(&path);
    }
}

#[test]
fn files_of_gigabytes_are_refused_and_not_read_into_memory() {
    let rig = rig();
    assert_exit(&rig.run(&[]), 0);
    let snapshot = rig.snapshot();
    let enlarge = |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(10 << 30).unwrap();
    // 2 GiB of addresses are enough for the program, and not for any of these files.
    let limited = |args: &[&str]| {
        let command = rig.command(args);
        let mut shell = Command::new("bash");
        shell.args(["-c", "ulimit -v 2097152; exec timeout 60 \"$@\"", "bash"]).arg(command.get_program());
        shell.args(command.get_args()).current_dir(rig.folder.path()).stdin(Stdio::null()).output().unwrap()
    };
    enlarge(&snapshot.join("manifest.json"));
    for args in [["verify", snapshot.to_str().unwrap()], ["report", snapshot.to_str().unwrap()]] {
        assert_refused(&limited(&args), 1, "is larger than 65536 KiB");
    }
    let text = fs::read_to_string(&rig.config).unwrap();
    for (path, why) in [
        (rig.folder.path().join("sandbox-secret"), "is larger than 64 KiB"),
        (rig.config.clone(), "is larger than 16384 KiB"),
    ] {
        enlarge(&path);
        assert_refused(&limited(&["check"]), 2, &format!("{} {why}", path.display()));
        private(&path, &text);
    }
}
