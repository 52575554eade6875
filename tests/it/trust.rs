//! Tests of who may change the files that the configuration consists of, and of the memory of the process.
//!
//! Files of other users need root; without it, those tests end at once.

use super::rig::{AS_OF, Rig, assert_exit, private, program, stderr, stdout};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Asserts that every command refuses the configuration before it contacts anything, and prints the cure.
#[track_caller]
fn is_refused(rig: &Rig, cure: &str) {
    for command in ["run", "check", "emit", "prune"] {
        let output = rig.call(&[command]);
        assert_exit(&output, 2);
        assert!(stderr(&output).contains(cure), "{cure}: {}", stderr(&output));
    }
    assert_eq!(rig.sandbox.counters().requests, 0, "nothing was contacted");
}

#[test]
fn configuration_that_others_may_write_is_refused_with_the_chmod_command() {
    let rig = Rig::seeded(5);
    let metrics = rig.folder.path().join("m.prom");
    rig.edit("state_dir", &format!("metrics_file = \"{}\"\nstate_dir", metrics.display()));
    for mode in [0o666, 0o602] {
        set_mode(&rig.config, mode);
        is_refused(&rig, &format!("run: chmod go-w {}", rig.config.display()));
    }
    assert!(!rig.folder.path().join("m-attempt.prom").exists(), "an untrusted file must not choose a file to write");
    set_mode(&rig.config, 0o644);
    set_mode(rig.folder.path(), 0o777);
    is_refused(&rig, &format!("run: chmod go-w {}", rig.folder.path().display()));
    set_mode(rig.folder.path(), 0o1777);
    assert_exit(&rig.run(&[]), 0);
}

#[test]
fn certificates_and_exceptions_that_others_may_write_are_refused() {
    let rig = Rig::seeded(5);
    let file = rig.folder.path().join("exceptions.toml");
    fs::write(&file, "").unwrap();
    rig.edit("[policy]\n", "[policy]\nexceptions = \"exceptions.toml\"\n");
    set_mode(&file, 0o644);
    assert_exit(&rig.call(&["check"]), 0);
    set_mode(&file, 0o646);
    is_refused(&rig, &format!("run: chmod go-w {}", file.display()));
    set_mode(&file, 0o644);
    let authority = rig.folder.path().join("ca.pem");
    let pem = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    fs::write(&authority, pem).unwrap();
    rig.set("ca_file = \"ca.pem\"");
    set_mode(&authority, 0o644);
    assert_exit(&rig.call(&["check"]), 0);
    set_mode(&authority, 0o666);
    is_refused(&rig, &format!("run: chmod go-w {}", authority.display()));
}

#[test]
fn configuration_or_secret_of_another_user_is_refused_with_the_chown_command() {
    if !is_root() {
        return;
    }
    let rig = Rig::seeded(5);
    let secret = rig.folder.path().join("sandbox-secret");
    for path in [&rig.config, &secret] {
        chown(path, Some(NOBODY), None).unwrap();
        is_refused(&rig, &format!("run: sudo chown root {}", path.display()));
        chown(path, Some(0), None).unwrap();
        assert_exit(&rig.call(&["check"]), 0);
    }
    chown(rig.folder.path(), Some(NOBODY), None).unwrap();
    is_refused(&rig, "sudo install -D -o root -m 600");
    chown(rig.folder.path(), Some(0), None).unwrap();
    for (path, mode) in [(&rig.config, 0o660), (&rig.config, 0o664)] {
        set_mode(path, mode);
        is_refused(&rig, "chmod go-w");
        set_mode(path, 0o600);
    }
}

#[test]
fn service_reads_the_configuration_of_root_and_its_own_secret() {
    if !is_root() {
        return;
    }
    let rig = Rig::seeded(5);
    let secret = rig.folder.path().join("sandbox-secret");
    set_mode(rig.folder.path(), 0o755);
    set_mode(&rig.config, 0o644);
    let as_service = |rig: &Rig| rig.command(&["check"]).uid(NOBODY).gid(NOBODY).output().unwrap();
    // The folders of the state belong to root, so other parts of the check fail.
    let is_valid = |output: &Output| stdout(output).contains(": valid, 1 source");
    chown(&secret, Some(NOBODY), None).unwrap();
    assert!(is_valid(&as_service(&rig)));
    chown(&secret, Some(1), None).unwrap();
    let other = as_service(&rig);
    assert_exit(&other, 2);
    assert!(stderr(&other).contains("sudo chown nobody"), "{}", stderr(&other));
    // As Kubernetes mounts it: links below a folder with the sticky bit.
    let mount = rig.folder.path().join("mount");
    fs::create_dir_all(mount.join("..2026")).unwrap();
    set_mode(&mount, 0o1777);
    private(&mount.join("..2026/secret"), rig.sandbox.client_secret());
    chown(mount.join("..2026/secret"), Some(NOBODY), None).unwrap();
    symlink("..2026", mount.join("..data")).unwrap();
    symlink("..data/secret", mount.join("secret")).unwrap();
    rig.edit("sandbox-secret", "mount/secret");
    assert!(is_valid(&as_service(&rig)));
}

#[test]
fn credential_of_systemd_may_have_any_owner() {
    let rig = Rig::seeded(5);
    let folder = rig.folder.path().join("credentials");
    fs::create_dir(&folder).unwrap();
    private(&folder.join("client_secret"), rig.sandbox.client_secret());
    let text = fs::read_to_string(&rig.config).unwrap();
    let line = text.lines().find(|line| line.starts_with("client_secret")).unwrap();
    rig.edit(line, "client_secret = { credential = \"client_secret\" }");
    if is_root() {
        chown(folder.join("client_secret"), Some(NOBODY), None).unwrap();
    }
    set_mode(&folder.join("client_secret"), 0o440);
    let run = rig.command(&["run", "--as-of", AS_OF]).env("CREDENTIALS_DIRECTORY", &folder).output().unwrap();
    assert_exit(&run, 0);
}

#[test]
fn pasted_secret_in_a_reference_is_in_no_output() {
    let rig = Rig::seeded(5);
    let text = fs::read_to_string(&rig.config).unwrap();
    let line = text.lines().find(|line| line.starts_with("client_secret")).unwrap();
    for kind in ["env", "credential", "file"] {
        private(&rig.config, &text.replace(line, &format!("client_secret = {{ {kind} = \"hunter2Secret==\" }}")));
        for (args, code) in [
            (&["run", "-vv"][..], 2),
            (&["run", "--log-format", "json"], 2),
            (&["check"], 2),
            (&["config", "show"], 0),
            (&["config", "show", "--json"], 0),
        ] {
            let output = rig.command(args).env("CREDENTIALS_DIRECTORY", rig.folder.path()).output().unwrap();
            if !(kind == "env" && args[0] == "config") {
                assert_exit(&output, code);
            }
            let all = [output.stdout, output.stderr].concat();
            assert!(!String::from_utf8_lossy(&all).contains("hunter2"), "{}", String::from_utf8_lossy(&all));
        }
    }
}

#[test]
fn process_leaves_no_core_dump_and_its_memory_is_closed_to_its_own_user() {
    let folder = tempfile::tempdir().unwrap();
    let mut command: Command = program();
    command.args(["sandbox", "--http", "--users", "5", "--dir"]).arg(folder.path().join("s"));
    if is_root() {
        set_mode(folder.path(), 0o777);
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let process = Path::new("/proc").join(child.id().to_string());
    let limits = fs::read_to_string(process.join("limits"));
    let owner = fs::metadata(process.join("environ")).map(|found| found.uid());
    child.kill().unwrap();
    child.wait().unwrap();
    let limits = limits.unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{line}{core}");
    assert_eq!(owner.unwrap(), 0, "proc(5): files of a process that is not dumpable belong to root");
}
