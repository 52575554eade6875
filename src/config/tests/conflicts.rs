//! Tests of paths that cannot work, alone or together.

use super::*;

/// Returns the problems of a configuration whose text may contain `$DIR`, a folder with a secret.
fn problems(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    write(&path, "secret", "s3cret\n", 0o600);
    fs::create_dir(path.join("state")).unwrap();
    std::os::unix::fs::symlink(path.join("state"), path.join("link")).unwrap();
    let text = text.replace("$DIR", path.to_str().unwrap());
    write(&path, "config.toml", &text, 0o600);
    let read = Config::load(&path.join("config.toml"), &|_| None);
    read.map_or_else(|error| error.to_string(), |_| String::new()).replace(path.to_str().unwrap(), "$DIR")
}

fn with(head: &str, output: &str) -> String {
    problems(&format!("{head}\n{}\n[output]\n{output}\n", MINIMAL.replace("state_dir = \"/nowhere/state\"", "")))
}

#[test]
fn folder_of_the_kernel_and_the_root_are_refused() {
    for path in ["/proc/x", "/sys", "/dev/null", "/proc/../sys/x", "/dev/../proc"] {
        for (head, output, key) in [
            (format!("state_dir = {path:?}"), String::new(), "state_dir"),
            (String::new(), format!("dir = {path:?}"), "[output] dir"),
            (format!("metrics_file = {path:?}"), String::new(), "metrics_file"),
        ] {
            let shown = with(&head, &output);
            assert!(
                shown.contains(&format!("{key}: ")) && shown.contains("keeps no files; write another path"),
                "{shown}"
            );
        }
    }
    assert!(with("state_dir = \"/\"", "").contains("state_dir: / is the root of the file system"));
    assert_eq!(with("state_dir = \"/dev/shm/x\"", ""), "");
}

#[test]
fn folders_that_disturb_each_other_are_refused() {
    for (head, output, expected) in [
        (
            "state_dir = \"$DIR/state\"",
            "dir = \"$DIR/state\"",
            ":12:7: [output] dir: state_dir and output.dir are the same folder",
        ),
        (
            "state_dir = \"$DIR/state\"",
            "dir = \"$DIR/state/./x/..\"",
            "are the same folder, $DIR/state; name another folder for the snapshots",
        ),
        ("state_dir = \"$DIR/state\"", "dir = \"$DIR/link\"", "are the same folder, $DIR/state"),
        ("state_dir = \"$DIR/state\"", "dir = \"$DIR/state/spool/x\"", "is in the spool or the lock of state_dir"),
        (
            "state_dir = \"$DIR/out/state\"",
            "dir = \"$DIR/out\"",
            "state_dir ($DIR/out/state) is in output.dir ($DIR/out)",
        ),
    ] {
        let shown = with(head, output);
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert_eq!(with("state_dir = \"$DIR/state\"", "dir = \"$DIR/state/snapshots\""), "");
}

#[test]
fn file_that_is_read_is_never_written() {
    let state = "state_dir = \"$DIR/state\"\n";
    for (head, output, expected) in [
        (
            "metrics_file = \"$DIR/secret\"",
            "",
            ":2:16: metrics_file: $DIR/secret is client_secret of [[source]] \"appliance\", too",
        ),
        ("metrics_file = \"$DIR/config.toml\"", "", "metrics_file: $DIR/config.toml is the configuration file, too"),
        (
            "metrics_file = \"$DIR/state/snapshots/x.prom\"",
            "",
            "is in output.dir, the folder of the snapshots; name a file",
        ),
        ("metrics_file = \"$DIR/state/lock\"", "", "is in the spool or the lock of state_dir"),
        ("metrics_file = \"$DIR/state\"", "", "metrics_file: $DIR/state is the folder state_dir"),
        (
            "",
            "dir = \"$DIR\"",
            "client_secret of [[source]] \"appliance\" is in output.dir ($DIR): $DIR/secret; move the file",
        ),
    ] {
        let shown = with(&format!("{state}{head}"), output);
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert_eq!(with(&format!("{state}metrics_file = \"$DIR/x.prom\""), ""), "");
}
