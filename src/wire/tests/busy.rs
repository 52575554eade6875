//! Overloaded servers, and how long the client waits for them.

use super::*;

/// Starts a server that answers with this status a number of times, then with success.
fn busy(status: &'static str, times: usize) -> (String, Log) {
    server(move |seen, before| match seen.is_token() {
        true => token(3600),
        false if before < times => json(status, "", "{}"),
        false => fine(),
    })
}

#[test]
fn a_busy_server_is_retried_more_often_than_the_number_of_attempts() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let (url, log) = busy(status, 8);
        let client = client(&url);
        assert!(client.settings.attempts < 8);
        assert_eq!(get(&client).unwrap(), Answered { ok: 1 }, "{status}");
        assert_eq!(count(&log, false), 9, "{status}");
    }
}

#[test]
fn busy_responses_between_other_failures_do_not_use_up_their_attempts() {
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
fn a_server_that_stays_busy_fails_at_the_deadline_with_its_status() {
    let (url, log) = busy("429 x", usize::MAX);
    let mut client = client(&url);
    client.settings.deadline = Duration::from_millis(300);
    let error = get(&client).unwrap_err();
    // Either the next wait would pass the deadline, or a request was in flight at the deadline.
    assert!(matches!(error.kind, WireErrorKind::Busy(429) | WireErrorKind::Deadline), "{error}");
    assert!(count(&log, false) > client.settings.attempts as usize);
    assert!(error.hint().unwrap().contains("deadline_minutes"), "{:?}", error.hint());
}

#[test]
fn a_wait_beyond_the_deadline_fails_at_once() {
    let (url, log) =
        server(|seen, _| if seen.is_token() { token(3600) } else { json("503 x", "Retry-After: 90\r\n", "") });
    let mut client = client(&url);
    client.settings.max_wait = Duration::from_secs(120);
    client.settings.deadline = Duration::from_secs(60);
    let started = std::time::Instant::now();
    let error = get(&client).unwrap_err();
    assert_eq!(error.to_string(), "GET /x: the appliance answered 503 until the deadline of the source");
    assert!(started.elapsed() < Duration::from_secs(30) && count(&log, false) == 1);
}

#[test]
fn a_busy_token_endpoint_is_retried_too() {
    let (url, log) = server(|seen, before| match seen.is_token() {
        true if before < 9 => json("503 x", "", "<html>maintenance</html>"),
        true => token(3600),
        false => fine(),
    });
    assert!(get(&client(&url)).is_ok());
    assert_eq!(count(&log, true), 10);
}

#[test]
fn a_retry_is_reported_with_the_path_of_the_failed_request() {
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
