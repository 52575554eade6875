//! Tests that no secret appears in any output, file or event, even with the most detailed log.

use super::receiver::Receiver;
use super::rig::{Rig, SURFACES, as_of, private, stderr};
use bt_rollcall_sandbox::{CANARY, Faults, World};
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

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn no_output_file_or_event_contains_a_secret() {
    let receiver = Receiver::start();
    // Two responses in a row that no appliance would send end a source, so these faults are rarer than the others.
    let shapes = Faults { html_200: 0.01, empty_200: 0.01, ..Faults::each(0.03) };
    let faults = Faults { token_requests: Some(15), session_requests: Some(6), ..shapes };
    let rig = Rig::with_surfaces(&SURFACES, World::seeded(9, 603, as_of()), faults, Some(&receiver.url()));
    // With a source that uses the API key, every kind of credential is in use.
    private(&rig.folder.path().join("key"), rig.sandbox.api_key());
    rig.append(&format!(
        "[[source]]\nname = \"keyed\"\nkind = \"password-safe\"\nurl = \"{}\"\napi_key = {{ file = \"key\" }}\nrun_as = '{}'",
        rig.sandbox.url(),
        rig.sandbox.run_as()
    ));
    let output = rig.run(&["-vv", "--log-format", "json", "--json"]);
    // Sources are read at the same time, so it varies which source meets which fault. One of them may end partial.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {}", stderr(&output));
    let mut secrets = vec![rig.sandbox.client_secret().to_owned(), CANARY.to_owned(), rig.sandbox.api_key().to_owned()];
    secrets.extend(rig.sandbox.tokens());
    secrets.extend(rig.sandbox.session_cookies());
    assert!(secrets.len() > 8, "tokens were issued and sessions were opened");
    let clean = |what: &str, bytes: &[u8]| {
        for secret in &secrets {
            assert!(!contains(bytes, secret), "{what} contains a secret");
        }
    };
    clean("stdout", &output.stdout);
    clean("stderr", &output.stderr);
    every_file(&rig.snapshots_dir(), &mut |path, bytes| clean(&path.display().to_string(), &bytes));
    every_file(&rig.folder.path().join("state"), &mut |path, bytes| clean(&path.display().to_string(), &bytes));
    clean("events", receiver.messages().join("\n").as_bytes());
}
