//! Tests of addresses and secrets as people paste them, and of messages about a missing token endpoint.

use super::rig::{Rig, as_of, assert_exit, private, stderr, stdout};
use bt_rollcall_sandbox::{Faults, Surface, World};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

#[test]
fn known_path_behind_a_pasted_address_is_removed_with_a_note() {
    let rig = Rig::seeded(30);
    let address = rig.sandbox.url();
    rig.edit(&format!("url = \"{address}\""), &format!("url = \"{address}/login\""));
    let checked = rig.call(&["check"]);
    assert_exit(&checked, 0);
    let note = format!("[[source]] \"sandbox\" url: the path /login was removed; write url = \"{address}\"");
    let shown = stdout(&checked);
    assert!(shown.lines().any(|line| line.starts_with("note  /") && line.ends_with(&note)), "{shown}");
    let ran = rig.run(&[]);
    assert_exit(&ran, 0);
    assert!(stderr(&ran).contains("the path /login was removed"), "{}", stderr(&ran));
    assert_eq!(rig.manifest()["sources"][0]["url"], address);
}

#[test]
fn path_of_the_password_safe_api_behind_the_address_is_removed() {
    let world = World::seeded(1, 30, as_of());
    let rig = Rig::with_surfaces(&[Surface::PasswordSafe], world, Faults::default(), None);
    let address = rig.sandbox.url();
    let pasted = format!("url = \"{address}/beyondtrust/api/public/v3/\"");
    rig.edit(&format!("url = \"{address}\""), &pasted);
    assert_exit(&rig.run(&[]), 0);
    rig.edit(&pasted, &format!("url = \"{address}/api/public/v3\""));
    let refused = rig.call(&["check"]);
    assert_exit(&refused, 2);
    assert!(stderr(&refused).contains("base_path"), "{}", stderr(&refused));
}

#[test]
fn secret_file_of_a_windows_editor_is_accepted_and_one_with_a_name_is_refused() {
    let rig = Rig::seeded(30);
    let (file, secret) = (rig.folder.path().join("sandbox-secret"), rig.sandbox.client_secret().to_owned());
    private(&file, &format!("\u{feff}{secret} \r\n"));
    assert_exit(&rig.run(&[]), 0);
    private(&file, &format!("client_secret={secret}\n"));
    let refused = rig.run(&[]);
    assert_exit(&refused, 2);
    let text = stderr(&refused);
    assert!(text.contains("contains a name and a value") && !text.contains(&secret), "{text}");
}

/// Starts a server that answers every request with `answer`, and returns its address.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn missing_token_endpoint_is_named_by_check_and_run() {
    let rig = Rig::seeded(10);
    let elsewhere = server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    rig.edit(rig.sandbox.url(), &elsewhere);
    let ran = rig.run(&[]);
    assert_exit(&ran, 1);
    assert!(stderr(&ran).contains("POST /oauth2/token answered 404"), "{}", stderr(&ran));
    let checked = rig.call(&["check", "--online"]);
    assert_exit(&checked, 1);
    let text = stdout(&checked);
    assert!(text.contains("POST /oauth2/token answered 404; check url and kind"), "{text}");
}
