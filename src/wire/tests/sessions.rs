//! Sessions and other credentials: opened once, closed in every case, and named correctly in errors.

use super::*;

fn with_session(url: &str, account: Credentials) -> Client {
    let mut settings = ClientSettings::new(SourceName::from("test"), url, account);
    settings.session = Some(SessionPaths { sign_in: "/in".to_owned(), sign_out: "/out".to_owned() });
    settings.requests_per_second = 1e6;
    settings.backoff = Duration::from_millis(1);
    settings.max_wait = Duration::from_millis(5);
    settings.attempts = 4;
    Client::new(&settings, Arc::new(NoObserver)).unwrap()
}
fn key() -> Credentials {
    Credentials::Key { key: SecretString::from("k".to_owned()), run_as: "audit".to_owned(), password: None }
}
fn count_of(log: &Log, what: &str) -> Vec<String> {
    log.lock().unwrap().iter().filter(|s| s.line.contains(what)).map(|s| s.headers.clone()).collect()
}
fn cookie(headers: &str) -> String {
    headers.lines().find(|l| l.starts_with("cookie:")).unwrap_or("cookie: none").to_owned()
}

// ASP.NET sets its session cookie only once and renews the session whose cookie is sent. A load balancer or firewall
// sets its own cookie with every response.
#[test]
fn a_second_sign_in_keeps_the_session_cookie_when_only_the_balancer_sets_one() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    let open = Arc::new(Mutex::new(std::collections::BTreeSet::<String>::new()));
    let (kept, ins, gets) = (Arc::clone(&open), AtomicUsize::new(0), AtomicUsize::new(0));
    let (url, _) = server(move |seen, _| {
        let shown = seen
            .headers
            .split("asp.net_sessionid=")
            .nth(1)
            .map(|s| s.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned());
        let mut open = kept.lock().unwrap();
        if seen.line.contains("/in ") {
            let n = ins.fetch_add(1, SeqCst);
            // A session whose id is sent is renewed under the same id; otherwise a new one is opened.
            let session = if let Some(id) = shown {
                open.insert(id);
                String::new()
            } else {
                open.insert(format!("s{n}"));
                format!("Set-Cookie: ASP.NET_SessionId=s{n}; path=/\r\n")
            };
            return json("200 OK", &format!("{session}Set-Cookie: TS01={n}; path=/\r\n"), "{}");
        }
        if seen.line.contains("/out ") {
            if let Some(id) = shown {
                open.remove(&id);
            }
            return json("200 OK", "", "");
        }
        let n = gets.fetch_add(1, SeqCst);
        if n == 1 {
            open.clear();
        }
        if shown.is_some_and(|id| open.contains(&id)) { fine() } else { json("401 x", "", "{}") }
    });
    let client = with_session(&url, key());
    run(async {
        client.get::<Answered>("/x").await.unwrap();
        let second = client.get::<Answered>("/x").await;
        client.close_session().await;
        assert!(second.is_ok() && open.lock().unwrap().is_empty(), "{second:?}; left open: {:?}", open.lock().unwrap());
    });
}

#[test]
fn a_session_of_a_slow_sign_in_is_closed_after_the_deadline() {
    let (url, log) = server(|seen, _| {
        if seen.line.contains("/in ") {
            std::thread::sleep(Duration::from_secs(11));
            return json("200 OK", "Set-Cookie: ASP.NET_SessionId=s; path=/\r\n", "{}");
        }
        if seen.line.contains("/out ") {
            return json("200 OK", "", "");
        }
        fine()
    });
    let mut client = with_session(&url, key());
    client.settings.deadline = Duration::from_millis(100);
    run(async {
        client.get::<Answered>("/x").await.unwrap_err();
        client.close_session().await;
        client.close_session().await;
    });
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(count_of(&log, "/in ").len(), count_of(&log, "/out ").len());
}

#[test]
fn a_deadline_during_a_sign_in_leaves_no_session_open() {
    let ins = std::sync::atomic::AtomicUsize::new(0);
    let (url, log) = server(move |seen, _| {
        use std::sync::atomic::Ordering::SeqCst;
        if seen.line.contains("/in ") {
            std::thread::sleep(Duration::from_millis(400));
            let n = ins.fetch_add(1, SeqCst);
            return json("200 OK", &format!("Set-Cookie: ASP.NET_SessionId=s{n}; path=/\r\n"), "{}");
        }
        if seen.line.contains("/out ") {
            return json("200 OK", "", "");
        }
        fine()
    });
    let mut client = with_session(&url, key());
    client.settings.deadline = Duration::from_millis(100);
    run(async {
        assert_eq!(client.get::<Answered>("/x").await.unwrap_err().kind, WireErrorKind::Deadline);
        assert_eq!(client.get::<Answered>("/y").await.unwrap_err().kind, WireErrorKind::Deadline);
        client.close_session().await;
    });
    std::thread::sleep(Duration::from_millis(900));
    let (ins, outs) = (count_of(&log, "/in ").len(), count_of(&log, "/out ").len());
    assert_eq!(
        ins,
        outs,
        "{ins} sessions opened, {outs} closed: {:?}",
        count_of(&log, "/out ").iter().map(|h| cookie(h)).collect::<Vec<_>>()
    );
}

#[test]
fn no_request_is_sent_after_the_deadline() {
    let (url, _) = server(|seen, _| {
        if seen.is_token() {
            token(3600)
        } else {
            std::thread::sleep(Duration::from_millis(150));
            fine()
        }
    });
    let mut client = client(&url);
    client.settings.deadline = Duration::from_millis(100);
    run(async {
        client.get::<Answered>("/x").await.unwrap_err();
        let before = client.requests();
        for _ in 0..5 {
            client.get::<Answered>("/x").await.unwrap_err();
        }
        assert_eq!(client.requests(), before, "requests after the deadline");
    });
}

#[test]
fn expires_in_may_be_a_text() {
    let (url, _) = server(|seen, _| {
        if seen.is_token() {
            json("200 OK", "", r#"{"access_token":"t","token_type":"Bearer","expires_in":"3599"}"#)
        } else {
            fine()
        }
    });
    let answer = get(&client(&url));
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn an_expired_bearer_token_is_not_reported_as_a_new_token() {
    let (url, _) = server(|_, _| json("401 x", "", "{}"));
    let mut client = with_session(&url, Credentials::Bearer(SecretString::from("t".to_owned())));
    client.settings.session = None;
    let error = run(client.get::<Answered>("/x")).unwrap_err();
    // A token of the configuration cannot be renewed, so the request is refused and not the credentials.
    assert_eq!(error.kind, WireErrorKind::RequestRefused);
    assert!(error.hint().unwrap().contains("replace a token that was created in advance"), "{:?}", error.hint());
}
#[test]
fn a_refused_api_key_is_not_reported_as_a_client_id() {
    let (url, _) = server(|_, _| json("401 x", "", "{}"));
    let error = run(with_session(&url, key()).get::<Answered>("/x")).unwrap_err();
    assert!(matches!(&error.kind, WireErrorKind::Refused(why) if why == "401 at sign-in"), "{error}");
    assert!(error.hint().unwrap().contains("api_key and run_as"), "{:?}", error.hint());
}
#[test]
fn an_api_key_that_a_header_cannot_hold_is_not_sent() {
    let (url, log) = server(|_, _| json("401 x", "", "{}"));
    let account = Credentials::Key {
        key: SecretString::from("k\u{7f}ey".to_owned()),
        run_as: "audit".to_owned(),
        password: None,
    };
    let error = run(with_session(&url, account).get::<Answered>("/x")).unwrap_err();
    assert!(count_of(&log, "/in ").is_empty(), "sent with an empty Authorization: {error}");
}

#[test]
fn a_failed_sign_in_is_reported_with_its_own_path_and_cause() {
    for (status, headers, body, expected) in [
        ("401 x", "WWW-Authenticate-2FA: enter code\r\n", "", "the appliance demands a second factor (401)"),
        ("401 x", "", "", "the appliance refused the credentials (401 at sign-in)"),
        (
            "403 x",
            "",
            "\"4031 invalid source\"",
            "the API registration does not allow the address of this host (403, 4031)",
        ),
        ("403 x", "", "{}", "the appliance refused the credentials (403 at sign-in)"),
        (
            "403 x",
            "",
            "<html><title>Blocked</title>",
            "refused the request (403 with an HTML page, titled \"Blocked\")",
        ),
        ("404 x", "", "", "POST /in answered 404"),
        ("405 x", "", "", "POST /in answered 405"),
    ] {
        let (url, log) =
            server(move |seen, _| if seen.line.contains("/in ") { json(status, headers, body) } else { fine() });
        let mut client = with_session(&url, key());
        client.settings.path_keys.base_path = Some("/base".to_owned());
        let error = run(client.get::<Answered>("/x")).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.context, "POST /in");
        assert!(error.hint().is_some() || status == "405 x", "{status}");
        assert!(run(client.get::<Answered>("/y")).is_err());
        assert_eq!(count_of(&log, "/in ").len(), 1, "{status}: not retried, not even for the next list");
        assert!(count_of(&log, "GET ").is_empty());
    }
}

#[test]
fn a_sign_in_at_a_busy_appliance_is_retried() {
    let ins = std::sync::atomic::AtomicUsize::new(0);
    let (url, _) = server(move |seen, _| {
        use std::sync::atomic::Ordering::SeqCst;
        match seen.line.contains("/in ") {
            true if ins.fetch_add(1, SeqCst) < 6 => json("503 x", "", ""),
            true => json("200 OK", "Set-Cookie: s=1; path=/\r\n", "{}"),
            false => fine(),
        }
    });
    assert!(run(with_session(&url, key()).get::<Answered>("/x")).is_ok());
}
