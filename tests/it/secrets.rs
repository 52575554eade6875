//! Nothing secret leaves the program, however much it is asked to say.

use super::receiver::Receiver;
use super::rig::{Rig, as_of, assert_exit};
use bt_rollcall::sandbox::{CANARY, Faults, World};
use std::fs;
use std::path::Path;

fn every_file(folder: &Path, take: &mut impl FnMut(&Path, Vec<u8>)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            every_file(&path, take);
        } else {
            take(&path, fs::read(&path).unwrap());
        }
    }
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn no_secret_is_in_any_output_file_or_event() {
    let receiver = Receiver::start();
    let faults = Faults { token_requests: Some(5), refuse_form: true, ..Faults::each(0.05) };
    let rig = Rig::with_syslog(World::seeded(9, 1000, as_of()), faults, Some(&receiver.url()));
    let output = rig.run(&["-vv", "--log-format", "json", "--json"]);
    assert_exit(&output, 0);
    let mut secrets = vec![rig.sandbox.client_secret().to_owned(), CANARY.to_owned()];
    secrets.extend(rig.sandbox.tokens());
    assert!(secrets.len() > 3, "some tokens were given");
    let clean = |what: &str, bytes: &[u8]| {
        for secret in &secrets {
            assert!(!holds(bytes, secret), "{what} holds a secret");
        }
    };
    clean("stdout", &output.stdout);
    clean("stderr", &output.stderr);
    every_file(&rig.snapshots_dir(), &mut |path, bytes| clean(&path.display().to_string(), &bytes));
    every_file(&rig.folder.path().join("state"), &mut |path, bytes| clean(&path.display().to_string(), &bytes));
    clean("events", receiver.messages().join("\n").as_bytes());
}
