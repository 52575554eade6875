//! Servers that never finish: bodies and heads that trickle, answers without end, and lists that are too long.

use super::*;
use crate::event::RunEvent;
use std::net::TcpStream;

/// Serves each connection on a thread of its own, so that a response may take for ever.
fn endless(answer: impl Fn(&Seen, &mut TcpStream) + Send + Sync + 'static) -> (String, Log) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let log = Log::default();
    let (kept, answer) = (Arc::clone(&log), Arc::new(answer));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (log, answer) = (Arc::clone(&kept), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                while let Some(seen) = read(&mut stream) {
                    log.lock().unwrap().push(seen.clone());
                    answer(&seen, stream.get_mut());
                }
            });
        }
    });
    (url, log)
}

/// Writes bytes one at a time, with a pause between them, until the client has gone.
fn trickle(stream: &mut TcpStream, bytes: impl IntoIterator<Item = u8>) {
    for byte in bytes {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The head of a response with a header that never ends.
fn endless_head() -> impl Iterator<Item = u8> {
    b"HTTP/1.1 200 OK\r\nX: ".iter().copied().chain(std::iter::repeat(b'x'))
}

fn with_session(url: &str) -> Client {
    let account = Credentials::Key { key: SecretString::from("k".to_owned()), run_as: "a".to_owned(), password: None };
    let mut settings = ClientSettings::new(SourceName::from("test"), url, account);
    settings.session = Some(SessionPaths { sign_in: "/in".to_owned(), sign_out: "/out".to_owned() });
    settings.requests_per_second = 1e6;
    settings.sign_in_body_limit = Duration::from_millis(200);
    settings.pending_sign_in_limit = Duration::from_millis(200);
    settings.attempts = 1;
    Client::new(&settings, Arc::new(NoObserver)).unwrap()
}

fn paths(log: &Log) -> Vec<String> {
    log.lock().unwrap().iter().map(|seen| seen.line.split(' ').nth(1).unwrap().to_owned()).collect()
}

const SESSION: &[u8] = b"HTTP/1.1 200 OK\r\nSet-Cookie: s=1; path=/\r\nContent-Length: 1000000\r\n\r\n";

#[test]
fn a_body_that_trickles_meets_a_limit_in_total() {
    let (url, _) = endless(|seen, stream| {
        if seen.is_token() {
            return stream.write_all(&token(3600)).unwrap();
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        trickle(stream, std::iter::repeat(b' '));
    });
    let mut client = client(&url);
    client.settings.attempts = 1;
    client.settings.read_timeout = Duration::from_millis(100);
    client.settings.response_limit = Duration::from_millis(300);
    let error = get(&client).unwrap_err();
    assert!(error.to_string().contains("not complete: it took longer than"), "{error}");
}

#[test]
fn the_deadline_holds_for_a_sign_in_whose_head_trickles() {
    let (url, log) = endless(|_, stream| trickle(stream, endless_head()));
    let mut client = with_session(&url);
    client.settings.deadline = Duration::from_millis(200);
    let started = Instant::now();
    run(async {
        assert_eq!(client.get::<Answered>("/x").await.unwrap_err().kind, WireErrorKind::Deadline);
        client.close_session().await;
    });
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(paths(&log), ["/in"]);
}

#[test]
fn a_session_whose_sign_in_has_an_endless_body_is_used_and_closed() {
    let (url, log) = endless(|seen, stream| {
        if seen.line.contains("/in ") {
            let _ = stream.write_all(SESSION);
            return trickle(stream, std::iter::repeat(b' '));
        }
        let _ = stream.write_all(&fine());
    });
    let client = with_session(&url);
    run(async {
        client.get::<Answered>("/x").await.unwrap();
        client.close_session().await;
    });
    assert_eq!(paths(&log), ["/in", "/x", "/out"]);
}

#[test]
fn closing_that_is_interrupted_waits_again_for_the_sign_in_and_closes_its_session() {
    let (url, log) = endless(|seen, stream| {
        if seen.line.contains("/in ") {
            std::thread::park_timeout(Duration::from_millis(300));
            let _ = stream.write_all(&json("200 OK", "Set-Cookie: s=1; path=/\r\n", "{}"));
            return;
        }
        let _ = stream.write_all(&fine());
    });
    let mut client = with_session(&url);
    client.settings.deadline = Duration::from_millis(50);
    client.settings.pending_sign_in_limit = Duration::from_secs(20);
    run(async {
        client.get::<Answered>("/x").await.unwrap_err();
        // A signal drops the future of a source that is signing out.
        assert!(tokio::time::timeout(Duration::from_millis(20), client.close_session()).await.is_err());
        client.close_session().await;
    });
    assert_eq!(paths(&log), ["/in", "/out"]);
}

/// Returns the processor time of this thread.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// Serves informational answers without end in place of a response.
fn informational() -> (String, Log) {
    endless(|seen, stream| {
        if seen.is_token() {
            return stream.write_all(&token(3600)).unwrap();
        }
        let many = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
        // Pauses end the reading of the client, which goes on for as long as there is data. Unoptimised, that takes many seconds.
        while stream.write_all(&many).is_ok() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    })
}

#[test]
fn endless_informational_answers_of_one_source_do_not_fail_another_one() {
    let (bad, good) = (informational().0, server(|seen, _| if seen.is_token() { token(3600) } else { fine() }).0);
    let (bad, good) = (client(&bad), client(&good));
    run(async {
        let reading = async {
            for _ in 0..20 {
                good.get::<Answered>("/x").await.unwrap();
            }
        };
        let (refused, ()) = tokio::join!(bad.get::<Answered>("/x"), reading);
        assert!(refused.unwrap_err().to_string().contains("informational answers (1xx) without end"));
    });
}

#[test]
fn endless_informational_answers_cost_little_processor_time() {
    let (url, log) = informational();
    let client = client(&url);
    let before = processor_time();
    let error = get(&client).unwrap_err();
    let cost = processor_time().saturating_sub(before);
    assert!(error.to_string().contains("informational answers (1xx) without end"), "{error}");
    // Without a limit it is the read timeout, four times.
    assert!(cost < Duration::from_secs(60), "{cost:?}");
    assert_eq!(count(&log, false), 2, "sent again once");
}

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Numbers(Vec<serde::de::IgnoredAny>);

impl Body for Numbers {
    fn rows(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
}

fn numbers(count: usize) -> impl Fn(&Seen, usize) -> Vec<u8> {
    move |seen, _| {
        if seen.is_token() { token(3600) } else { json("200 OK", "", &format!("[{}]", vec!["1"; count].join(","))) }
    }
}

#[test]
fn a_page_with_far_more_rows_than_asked_for_is_refused_and_the_next_list_is_read() {
    let (url, log) = server(|seen, before| match before {
        0 => numbers(100_001)(seen, 0),
        _ => numbers(3)(seen, 0),
    });
    let client = client(&url);
    let error = run(client.get_page::<Numbers>("/users?limit=100", 100)).unwrap_err();
    assert!(error.to_string().contains("a request for 100 rows has more than 100000 rows"), "{error}");
    assert_eq!(count(&log, false), 1, "not sent again");
    assert_eq!(run(client.get_page::<Numbers>("/groups?limit=100", 100)).unwrap().0.len(), 3);
}

#[test]
fn a_source_beyond_max_rows_gets_no_further_request_and_the_error_names_the_key() {
    let (url, log) = server(numbers(60));
    let mut settings = ClientSettings::for_tests(&url, "s");
    settings.max_rows = 100;
    settings.requests_per_second = 1e6;
    let client = Client::new(&settings, Arc::new(NoObserver)).unwrap();
    run(client.get_page::<Numbers>("/users?offset=0", 100)).unwrap();
    for _ in 0..2 {
        let error = run(client.get_page::<Numbers>("/users?offset=60", 100)).unwrap_err();
        assert!(error.to_string().contains("more than 100 rows, the value of max_rows"), "{error}");
        assert!(error.hint().unwrap().contains("raise max_rows"), "{:?}", error.hint());
    }
    assert_eq!(count(&log, false), 2);
    // A list without pages is refused before its rows are built.
    let (url, _) = server(numbers(101));
    settings.url = url;
    let client = Client::new(&settings, Arc::new(NoObserver)).unwrap();
    assert!(matches!(run(client.get::<Numbers>("/users")).unwrap_err().kind, WireErrorKind::Volume(_)));
}

#[test]
fn an_endless_token_answer_is_refused_by_its_size() {
    let (url, _) = endless(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    assert!(matches!(get(&client(&url)).unwrap_err().kind, WireErrorKind::TooLarge(1_048_576)));
}

#[test]
fn a_sign_in_that_is_given_up_is_a_note() {
    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);
    impl Observer for Notes {
        fn notify(&self, event: &RunEvent<'_>) {
            if let RunEvent::Note { text, .. } = event {
                self.0.lock().unwrap().push((*text).to_owned());
            }
        }
    }
    let (url, _) = endless(|_, stream| trickle(stream, endless_head()));
    let notes = Arc::new(Notes::default());
    let mut settings = with_session(&url).settings.clone();
    settings.deadline = Duration::from_millis(50);
    let client = Client::new(&settings, Arc::clone(&notes) as Arc<dyn Observer>).unwrap();
    run(async {
        let _ = client.get::<Answered>("/x").await;
        client.close_session().await;
    });
    let notes = notes.0.lock().unwrap();
    assert!(notes.len() == 1 && notes[0].contains("given up without an answer"), "{notes:?}");
}
