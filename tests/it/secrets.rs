//! Nothing secret leaves the program, however much it is asked to say.

use super::receiver::Receiver;
use super::rig::{Rig, as_of, private, stderr};
use bt_rollcall_sandbox::{CANARY, Faults, Surface, World};
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
    // Some first answers are no appliance's: two of them in a row, rightly, end a source.
    let shapes = Faults { html_200: 0.01, empty_200: 0.01, ..Faults::each(0.03) };
    let faults = Faults { token_requests: Some(15), session_requests: Some(6), ..shapes };
    let surfaces = [Surface::Guide, Surface::Pra, Surface::PasswordSafe, Surface::Scim];
    let rig = Rig::of(&surfaces, World::seeded(9, 603, as_of()), faults, Some(&receiver.url()));
    // A source that reads with the key, and so all that can be shown to an appliance.
    private(&rig.folder.path().join("key"), rig.sandbox.api_key());
    rig.append(&format!(
        "[[source]]\nname = \"keyed\"\nkind = \"password-safe\"\nurl = \"{}\"\napi_key = {{ file = \"key\" }}\nrun_as = '{}'",
        rig.sandbox.url(),
        rig.sandbox.run_as()
    ));
    let output = rig.run(&["-vv", "--log-format", "json", "--json"]);
    // Which source meets which fault is a matter of their order: one may end partial, and keeps its secrets all the same.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {}", stderr(&output));
    let mut secrets = vec![rig.sandbox.client_secret().to_owned(), CANARY.to_owned(), rig.sandbox.api_key().to_owned()];
    secrets.extend(rig.sandbox.tokens());
    secrets.extend(rig.sandbox.session_cookies());
    assert!(secrets.len() > 8, "tokens were given and sessions were opened");
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
