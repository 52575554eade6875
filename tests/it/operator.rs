//! Tests of what an operator needs at three in the morning: metrics of every end, and commands that can be copied.

use super::rig::{AS_OF, Rig, as_of, assert_exit, private, stderr, stdout};
use bt_rollcall_sandbox::{Faults, Sandbox, SandboxOptions, World};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Returns a rig that writes metrics, and the path of the metrics of attempts.
fn with_metrics() -> (Rig, PathBuf) {
    let rig = Rig::seeded(60);
    let file = rig.folder.path().join("metrics.prom");
    rig.edit("state_dir", &format!("metrics_file = \"{}\"\nstate_dir", file.display()));
    let attempt = rig.folder.path().join("metrics-attempt.prom");
    (rig, attempt)
}

#[track_caller]
fn assert_attempt(path: &PathBuf, code: u8) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(&format!("\nbt_rollcall_last_attempt_exit_code {code}\n")), "{text}");
    assert!(text.contains("\nbt_rollcall_last_attempt_timestamp_seconds "), "{text}");
    fs::remove_file(path).unwrap();
}

#[test]
fn every_end_of_a_run_is_an_attempt_in_the_metrics_and_only_real_runs_change_the_other_file() {
    let (rig, attempt) = with_metrics();
    assert_exit(&rig.run(&[]), 0);
    assert_attempt(&attempt, 0);
    let of_run = || fs::read_to_string(rig.folder.path().join("metrics.prom")).unwrap();
    let first = of_run();
    assert_exit(&rig.call(&["run", "--as-of", "2026-11-01T00:00:00Z"]), 2);
    assert_attempt(&attempt, 2);
    let lock = fs::File::open(rig.folder.path().join("state/lock")).unwrap();
    lock.lock().unwrap();
    assert_exit(&rig.run(&[]), 6);
    assert_attempt(&attempt, 6);
    drop(lock);
    for wrong in ["--as-off", "--as-of=yesterday"] {
        assert_exit(&rig.call(&["run", wrong]), 2);
        assert_attempt(&attempt, 2);
    }
    rig.set("page_sice = 100");
    assert_exit(&rig.run(&[]), 2);
    assert_attempt(&attempt, 2);
    rig.append("this is no TOML");
    assert_exit(&rig.run(&[]), 2);
    assert_attempt(&attempt, 2);
    assert_eq!(of_run(), first, "nothing that was refused overwrites the last run");
}

#[test]
fn runs_that_write_no_metrics_are_no_attempts() {
    let (rig, attempt) = with_metrics();
    assert_exit(&rig.run(&["--dry-run"]), 0);
    assert_exit(&rig.run(&["--output", "elsewhere"]), 0);
    assert_exit(&rig.call(&["check"]), 0);
    assert!(!attempt.exists());
}

#[test]
fn refused_as_of_contacts_neither_a_source_nor_a_receiver() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let rig = Rig::with_syslog(World::seeded(1, 50, as_of()), Faults::default(), Some(&format!("tcp://{address}")));
    assert_exit(&rig.run(&[]), 5);
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let requests = rig.sandbox.counters().requests;
    assert_exit(&rig.call(&["run", "--as-of", "2026-11-01T00:00:00Z"]), 2);
    assert_eq!(rig.sandbox.counters().requests, requests);
    assert!(listener.accept().is_err(), "the events that wait are not sent");
}

/// Returns the command at the end of the line of the log that contains `before`.
fn command_after(output: &Output, before: &str) -> String {
    let log = stderr(output);
    let line = log.lines().find(|line| line.contains(before)).unwrap_or_else(|| panic!("{before}: {log}"));
    line.rsplit_once(before).unwrap().1.to_owned()
}

/// Executes a command as a shell does, with a `sudo` that only drops its options.
fn in_shell(rig: &Rig, command: &str) -> Output {
    let bin = rig.folder.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    private(&bin.join("sudo"), "#!/bin/sh\n[ \"$1\" = -u ] && shift 2\nexec \"$@\"\n");
    assert!(Command::new("chmod").arg("+x").arg(bin.join("sudo")).status().unwrap().success());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    Command::new("sh").args(["-ec", command]).env("PATH", path).current_dir("/").output().unwrap()
}

/// Returns a rig whose configuration has a blank in its path, and whose source lost a third of its users.
fn shrunken() -> Rig {
    let mut rig = Rig::seeded(300);
    let text = fs::read_to_string(&rig.config).unwrap();
    rig.config = rig.folder.path().join("it's my bt-rollcall.toml");
    private(&rig.config, &text);
    assert_exit(&rig.run(&[]), 0);
    rig.sandbox.with_world(|world| {
        for id in world.user_ids().into_iter().take(100) {
            assert!(world.remove_user(id));
        }
    });
    rig
}

const CONFIRM: &str = "confirm it once with: ";

#[test]
fn command_that_a_guard_prints_confirms_the_source_when_it_is_copied() {
    let rig = shrunken();
    let refused = rig.run(&["-q"]);
    assert_exit(&refused, 4);
    let command = command_after(&refused, CONFIRM);
    assert!(command.starts_with("sudo -u ") && command.ends_with(" --allow-shrink sandbox"), "{command}");
    let summary = stdout(&refused);
    let next = summary.lines().find(|line| line.starts_with("  next ")).unwrap();
    assert!(next.ends_with(&command), "the summary has the command of the log: {summary}");
    assert_exit(&in_shell(&rig, &command), 0);
    assert_eq!(rig.manifest()["confirmed_shrinks"][0]["gone"], 100);
}

#[test]
fn command_that_a_guard_prints_repeats_the_flags_that_decide_where_and_what() {
    let rig = shrunken();
    assert_exit(&rig.run(&["--output", "else where"]), 0);
    rig.sandbox.set_faults(Faults { empty_users: true, ..Faults::default() });
    let refused = rig.run(&["--output", "else where", "-q"]);
    assert_exit(&refused, 4);
    let command = command_after(&refused, CONFIRM);
    assert!(
        command.contains(&format!(" --as-of {AS_OF} --output '/")) && command.contains("else where' "),
        "{command}"
    );
    assert_exit(&in_shell(&rig, &command), 0);
}

#[test]
fn guard_under_systemd_prints_a_command_with_the_credentials_of_the_unit() {
    let rig = shrunken();
    let mut run = rig.command(&["run", "-q", "--as-of", AS_OF]);
    let refused = run.env("CREDENTIALS_DIRECTORY", "/run/credentials/x").output().unwrap();
    assert_exit(&refused, 4);
    let command = command_after(&refused, CONFIRM);
    assert!(Command::new("sh").args(["-nc", &command]).status().unwrap().success(), "{command}");
    // Stands for systemd: prints the unit, and prints the arguments of systemd-run one a line.
    let bin = rig.folder.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let unit = "LoadCredential=client_secret:/etc/bt-rollcall/secret\\nUser=x\\nLoadCredential=b:/etc/b\\n\
                Environment=\"A=b c\" D=*\\n";
    private(&bin.join("systemctl"), &format!("#!/bin/sh\nprintf '{unit}'\n"));
    private(&bin.join("systemd-run"), "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
    assert!(Command::new("sh").args(["-c", "chmod +x \"$0\"/*"]).arg(&bin).status().unwrap().success());
    let words = stdout(&in_shell(&rig, &command));
    let words: Vec<&str> = words.lines().collect();
    let credentials = ["-p", "LoadCredential=client_secret:/etc/bt-rollcall/secret", "-p", "LoadCredential=b:/etc/b"];
    assert!(words.windows(4).any(|window| window == credentials), "{words:#?}");
    assert!(words.windows(2).any(|window| window == ["-p", "Environment=\"A=b c\" D=*"]), "{words:#?}");
    assert!(!words.contains(&"User=x") && words.contains(&rig.config.to_str().unwrap()), "{words:#?}");
    assert_eq!(words[words.len() - 2..], ["--allow-shrink", "sandbox"]);
}

#[test]
fn lock_names_its_process_since_when_it_is_held_and_how_to_look_at_it() {
    let rig = Rig::seeded(50);
    assert_exit(&rig.run(&[]), 0);
    let path = rig.folder.path().join("state/lock");
    let lock = fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    private(&path, &format!("{}\n", std::process::id()));
    for command in [&["run", "-q"][..], &["emit", "-q"], &["prune", "-q"]] {
        let busy = rig.call(command);
        assert_exit(&busy, 6);
        let log = stderr(&busy);
        assert!(log.contains(&format!("another run holds it (process {}, since 20", std::process::id())), "{log}");
        let inspect = command_after(&busy, "See what it does with: ");
        // This process is in a service only where the tests themselves run in one.
        if inspect.starts_with("ps ") {
            assert!(stdout(&in_shell(&rig, &inspect)).contains(&std::process::id().to_string()), "{inspect}");
        } else {
            assert!(inspect.starts_with("systemctl status "), "{inspect}");
        }
    }
}

#[test]
fn first_run_with_an_empty_list_does_not_speak_of_rows_that_stay() {
    let rig = Rig::new(World::seeded(1, 50, as_of()), Faults { empty_users: true, ..Faults::default() });
    let output = rig.run(&["-q"]);
    assert_exit(&output, 4);
    let log = stderr(&output);
    assert!(log.contains("no row of it is published") && !log.contains("stay"), "{log}");
}

#[test]
fn rules_of_a_source_that_was_set_aside_are_not_evaluated_for_that_reason() {
    let rig = Rig::with_surfaces(
        &[bt_rollcall_sandbox::Surface::Guide, bt_rollcall_sandbox::Surface::Scim],
        World::seeded(1, 50, as_of()),
        Faults { empty_users: true, ..Faults::default() },
        None,
    );
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run(&[]), 0);
    rig.sandbox.set_faults(Faults { empty_users: true, ..Faults::default() });
    let output = rig.run(&[]);
    assert_exit(&output, 4);
    let rules = rig.manifest()["rules"].to_string();
    assert!(rules.contains("the source was set aside by a guard: "), "{rules}");
    assert!(!rules.contains("reading the list of users failed"), "{rules}");
}

/// Returns a rig with one syslog destination whose source has this address.
fn with_addresses(url: &str, syslog: &str) -> Rig {
    let rig = Rig::with_syslog(World::seeded(1, 50, as_of()), Faults::default(), Some(syslog));
    let text = fs::read_to_string(&rig.config).unwrap();
    let lines = text
        .lines()
        .map(|line| if line.starts_with("url = \"http") { format!("url = \"{url}\"") } else { line.to_owned() });
    private(&rig.config, &lines.collect::<Vec<_>>().join("\n"));
    rig
}

/// Checks that `check --online` and `run` both name these words about a source.
#[track_caller]
fn assert_named(rig: &Rig, words: &[&str]) {
    let (check, run) = (rig.call(&["check", "--online"]), rig.run(&[]));
    assert_exit(&check, 1);
    assert_exit(&run, 1);
    for (word, text) in words.iter().flat_map(|word| [(word, stdout(&check)), (word, stderr(&run))]) {
        assert!(text.contains(word), "{word}: {text}");
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn addresses_that_do_not_answer_are_named_with_their_cure() {
    let unused = free_port();
    let refused = with_addresses(&format!("https://127.0.0.1:{unused}"), &format!("tcp://127.0.0.1:{unused}"));
    let named = format!("no connection to 127.0.0.1:{unused}: connection refused");
    assert_named(&refused, &[&named, "nothing listens on this port"]);
    let lost = with_addresses("https://nowhere.invalid", "tcp://127.0.0.1:1");
    lost.set("deadline_minutes = 1");
    let named = "no connection to nowhere.invalid:443: the name cannot be resolved";
    assert_named(&lost, &[named, "check the host in url and the name servers of this host"]);
}

#[test]
fn scheme_that_does_not_fit_the_port_is_named_with_the_one_that_does() {
    let plain = Rig::seeded(50);
    let port = plain.sandbox.url().rsplit(':').next().unwrap().to_owned();
    let https = with_addresses(&format!("https://127.0.0.1:{port}"), "tcp://127.0.0.1:1");
    let what = format!("127.0.0.1:{port}: url starts with https, but the server does not speak TLS on this port");
    assert_named(&https, &[&what, "write the port of TLS in url", "http://"]);
    let options = SandboxOptions { world: World::seeded(1, 50, as_of()), tls: true, ..SandboxOptions::default() };
    let tls = Sandbox::start(options).unwrap();
    let port = tls.url().rsplit(':').next().unwrap().to_owned();
    let http = with_addresses(&format!("http://127.0.0.1:{port}"), "tcp://127.0.0.1:1");
    assert_named(&http, &[&format!("url starts with http: if 127.0.0.1:{port} is a port of TLS, write https://")]);
}

#[test]
fn missing_socket_of_syslog_is_named_with_its_cure() {
    let rig = Rig::with_syslog(World::seeded(1, 50, as_of()), Faults::default(), Some("unix:///nowhere/log"));
    let wanted = "the socket /nowhere/log does not exist; check the path in url";
    let (check, run) = (rig.call(&["check", "--online"]), rig.run(&[]));
    assert_exit(&check, 1);
    assert_exit(&run, 5);
    assert!(stdout(&check).contains(wanted) && stderr(&run).contains(wanted), "{}", stdout(&check));
}

#[test]
fn unusable_connection_settings_name_their_source_once() {
    let rig = Rig::seeded(50);
    private(&rig.folder.path().join("ca.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    rig.set("ca_file = \"ca.pem\"");
    let output = rig.call(&["check", "--online"]);
    let text = stdout(&output) + &stderr(&output);
    assert!(!text.contains("source sandbox: source sandbox"), "{text}");
}

/// Root may write everywhere, so tests of root run the program as another user.
#[test]
fn folder_that_cannot_be_written_is_named_with_the_user_and_the_command_that_cures_it() {
    let rig = Rig::seeded(50);
    let me = stdout(&Command::new("id").arg("-un").output().unwrap()).trim().to_owned();
    let user = if me == "root" { "nobody" } else { &*me };
    for file in [&rig.config, &rig.folder.path().join("sandbox-secret")] {
        assert!(Command::new("chown").arg(user).arg(file).status().unwrap().success());
    }
    fs::set_permissions(rig.folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let state = rig.folder.path().join("state");
    let state = state.display();
    let by_run = [
        format!("the user {user} needs the folder {state}"),
        format!("Create it with: sudo install -d -o {user} -m 700 {state}"),
    ];
    // The check names the key and its line, too.
    let by_check = [format!("install -d -o {user} -m 700 {state}"), "state_dir".to_owned()];
    for (args, wanted) in [(&["run"][..], by_run), (&["check", "--online"], by_check)] {
        let mut command = rig.command(args);
        if me == "root" {
            command.uid(65534).gid(65534);
        }
        let output = command.output().unwrap();
        assert_exit(&output, 1);
        let text = stdout(&output) + &stderr(&output);
        assert!(wanted.iter().all(|words| text.contains(words)), "{text}");
    }
    fs::set_permissions(rig.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}
