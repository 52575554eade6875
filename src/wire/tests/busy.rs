//! Servers that have too much to do, and how long they are waited for.

use super::*;

/// Answers this so many times, then well.
fn busy(status: &'static str, times: usize) -> (String, Log) {
    server(move |seen, before| match seen.is_token() {
        true => token(3600),
        false if before < times => json(status, "", "{}"),
        false => fine(),
    })
}

#[test]
fn a_server_that_is_busy_for_longer_than_the_attempts_is_waited_for() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let (url, log) = busy(status, 8);
        let client = client(&url);
        assert!(client.settings.attempts < 8);
        assert_eq!(get(&client).unwrap(), Answered { ok: 1 }, "{status}");
        assert_eq!(count(&log, false), 9, "{status}");
    }
}

#[test]
fn busy_answers_between_other_failures_take_none_of_their_attempts() {
    let (url, log) = server(|seen, before| match seen.is_token() {
        true => token(3600),
        false if before % 2 == 0 && before < 12 => json("503 x", "Retry-After: 0\r\n", ""),
        false if before == 1 || before == 3 => json("500 x", "", ""),
        false if before < 12 => json("429 x", "", ""),
        false => fine(),
    });
    assert!(get(&client(&url)).is_ok());
    assert_eq!(count(&log, false), 13);
}

#[test]
fn a_server_that_stays_busy_is_given_up_at_the_deadline_and_named() {
    let (url, log) = busy("429 x", usize::MAX);
    let mut client = client(&url);
    client.settings.deadline = Duration::from_millis(300);
    let error = get(&client).unwrap_err();
    // Either the wait would pass the deadline, or a request was under way at it.
    assert!(matches!(error.kind, WireErrorKind::Busy(429) | WireErrorKind::Deadline), "{error}");
    assert!(count(&log, false) > client.settings.attempts as usize);
    assert!(error.hint().unwrap().contains("deadline_minutes"), "{:?}", error.hint());
}

#[test]
fn nobody_waits_for_longer_than_there_is_time() {
    let (url, log) =
        server(|seen, _| if seen.is_token() { token(3600) } else { json("503 x", "Retry-After: 90\r\n", "") });
    let mut client = client(&url);
    client.settings.max_wait = Duration::from_secs(120);
    client.settings.deadline = Duration::from_secs(60);
    let started = std::time::Instant::now();
    let error = get(&client).unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET /x: the appliance answered 503 for as long as the deadline of the source allows to wait"
    );
    assert!(started.elapsed() < Duration::from_secs(30) && count(&log, false) == 1);
}

#[test]
fn a_busy_token_endpoint_is_waited_for_too() {
    let (url, log) = server(|seen, before| match seen.is_token() {
        true if before < 9 => json("503 x", "", "<html>maintenance</html>"),
        true => token(3600),
        false => fine(),
    });
    assert!(get(&client(&url)).is_ok());
    assert_eq!(count(&log, true), 10);
}

#[test]
fn the_retry_is_reported_for_the_request_that_failed() {
    struct Paths(Mutex<Vec<String>>);
    impl Observer for Paths {
        fn notify(&self, event: &RunEvent<'_>) {
            if let RunEvent::Retry { path, .. } = event {
                self.0.lock().unwrap().push((*path).to_owned());
            }
        }
    }
    let (url, _) = server(|seen, before| match (seen.is_token(), before) {
        (_, 0) => json("503 x", "", ""),
        (true, _) => token(3600),
        (false, _) => fine(),
    });
    let paths = Arc::new(Paths(Mutex::default()));
    let mut client = client(&url);
    client.observer = Arc::clone(&paths) as Arc<dyn Observer>;
    get(&client).unwrap();
    assert_eq!(*paths.0.lock().unwrap(), ["/oauth2/token", "/x"]);
}
