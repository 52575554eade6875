//! The client against small scripted servers on loopback.

mod answers;
mod busy;
mod decoding;
mod limits;
mod sessions;
mod tls;
mod tokens;

use super::*;
use crate::event::NoObserver;
use crate::model::SourceName;
use secrecy::SecretString;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;

#[derive(Debug, Deserialize, PartialEq)]
struct Answered {
    ok: u32,
}

impl Body for Answered {}

/// One request as the server received it: request line, headers in lower case, unchanged headers, and body.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: String,
    raw: String,
    body: String,
}

impl Seen {
    fn is_token(&self) -> bool {
        self.line.starts_with("POST /oauth2/token")
    }
}

type Log = Arc<Mutex<Vec<Seen>>>;

fn json(status: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n{body}").into_bytes()
}

fn token(life: u32) -> Vec<u8> {
    json("200 OK", "", &format!("{{\"access_token\":\"t0ken\",\"token_type\":\"Bearer\",\"expires_in\":{life}}}"))
}

fn fine() -> Vec<u8> {
    json("200 OK", "", "{\"ok\":1}")
}

/// Serves until the test ends. `answer` receives the request and the number of earlier requests of its sort (token or
/// other).
fn server(answer: impl Fn(&Seen, usize) -> Vec<u8> + Send + 'static) -> (String, Log) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let log = Log::default();
    let kept = Arc::clone(&log);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let Some(seen) = read(&mut stream) else { continue };
            let before = kept.lock().unwrap().iter().filter(|s| s.is_token() == seen.is_token()).count();
            kept.lock().unwrap().push(seen.clone());
            let _ = stream.get_mut().write_all(&answer(&seen, before));
        }
    });
    (url, log)
}

fn read(stream: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let (mut headers, mut raw, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        raw.push_str(&header);
        let header = header.to_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push_str(&header);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Seen { line, headers, raw, body: String::from_utf8(body).ok()? })
}

fn client(url: &str) -> Client {
    let mut settings = ClientSettings::for_tests(url, "s3cret");
    settings.requests_per_second = 1e6;
    settings.backoff = Duration::from_millis(1);
    settings.max_wait = Duration::from_millis(5);
    settings.attempts = 4;
    Client::new(&settings, Arc::new(NoObserver)).unwrap()
}

fn get(client: &Client) -> Result<Answered, WireError> {
    run(client.get("/x"))
}

fn run<T>(future: impl std::future::Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn count(log: &Log, tokens: bool) -> usize {
    log.lock().unwrap().iter().filter(|seen| seen.is_token() == tokens).count()
}

#[test]
fn the_form_is_tried_first_and_basic_is_remembered_if_only_basic_works() {
    let (url, log) = server(|seen, before| match seen.is_token() {
        true if seen.headers.contains("authorization: basic") => token(3600),
        true => json("401 Unauthorized", "", "{\"error\":\"invalid_client\"}"),
        false if before == 1 => json("401 Unauthorized", "", "{}"),
        false => fine(),
    });
    let client = client(&url);
    assert_eq!(get(&client).unwrap(), Answered { ok: 1 });
    assert_eq!(get(&client).unwrap(), Answered { ok: 1 });
    let log = log.lock().unwrap();
    let forms = log.iter().filter(|seen| seen.is_token() && seen.body.contains("client_id=id")).count();
    assert_eq!(forms, 1, "{log:?}");
    assert!(log.iter().all(|seen| seen.line.starts_with("GET ") || seen.is_token()));
}

#[test]
fn a_wrong_secret_is_reported_and_not_shown() {
    let (url, log) = server(|_, _| json("401 Unauthorized", "", "{\"error\":\"invalid_client\"}"));
    let error = get(&client(&url)).unwrap_err();
    assert_eq!(error.kind.to_string(), "the appliance refused the credentials (401 invalid_client)");
    assert!(!format!("{error:?} {error}").contains("s3cret"));
    assert_eq!(count(&log, true), 2, "form and Basic, once each");
}

#[test]
fn concurrent_requests_with_a_rejected_token_share_one_refresh() {
    let (url, log) = server(|seen, before| match seen.is_token() {
        true => json("200 OK", "", &format!("{{\"access_token\":\"t{before}\",\"expires_in\":3600}}")),
        // The first token is rejected after its first use, although its lifetime is an hour.
        false if before > 0 && seen.headers.contains("bearer t0\r") => json("401 Unauthorized", "", "{}"),
        false => fine(),
    });
    let client = client(&url);
    get(&client).unwrap();
    let all = run(futures_util::future::join_all((0..4).map(|_| client.get::<Answered>("/x"))));
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(count(&log, true), 2);
}

#[test]
fn a_request_fails_after_two_fresh_tokens_were_refused() {
    let (url, log) = server(|seen, _| if seen.is_token() { token(3600) } else { json("401 Unauthorized", "", "{}") });
    let error = get(&client(&url)).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::RequestRefused);
    assert!(error.hint().unwrap().contains("right to read"), "{:?}", error.hint());
    assert_eq!((count(&log, true), count(&log, false)), (2, 2));
}

#[test]
fn a_refused_request_does_not_cost_other_requests_their_token() {
    // The appliance answers 401 to an unknown parameter and answers all other requests.
    let (url, log) = server(|seen, _| match seen.is_token() {
        true => token(3600),
        false if seen.line.contains("unknown=") => json("401 Unauthorized", "", "{\"message\":\"unknown parameter\"}"),
        false => fine(),
    });
    let client = client(&url);
    get(&client).unwrap();
    for _ in 0..5 {
        let refused = run(client.get::<Answered>("/x?unknown=1")).unwrap_err();
        assert_eq!(refused.kind, WireErrorKind::RequestRefused);
        get(&client).unwrap();
    }
    assert!(count(&log, true) <= 11, "{} tokens for five refusals", count(&log, true));
}

#[test]
fn temporary_failures_are_retried_and_permanent_ones_are_not() {
    for (status, tries) in [("500 x", 4), ("502 x", 4), ("403 x", 1), ("404 x", 1), ("400 x", 1)] {
        let (url, log) = server(move |seen, _| if seen.is_token() { token(3600) } else { json(status, "", "{}") });
        assert!(get(&client(&url)).is_err());
        assert_eq!(count(&log, false), tries, "{status}");
        let (url, _) = server(move |seen, before| match seen.is_token() {
            true => token(3600),
            false if before < 2 => json(status, "Retry-After: 1\r\n", "{}"),
            false => fine(),
        });
        assert_eq!(get(&client(&url)).is_ok(), tries > 1, "{status}");
    }
}

#[test]
fn unexpected_content_is_retried_once_or_like_a_temporary_failure_after_a_valid_response() {
    let login = "<html>log in</html>";
    for body in [login, "", "[]", "{\"error\":\"x\"}"] {
        let (url, log) = server(move |seen, _| if seen.is_token() { token(3600) } else { json("200 OK", "", body) });
        let error = get(&client(&url)).unwrap_err();
        assert!(matches!(error.kind, WireErrorKind::Shape(_)), "{error}");
        assert!(!error.to_string().contains("log in"), "a body is never echoed");
        assert_eq!(count(&log, false), 2, "{body:?}");
    }
    let (url, log) = server(move |seen, before| match seen.is_token() {
        true => token(3600),
        false if (1..=3).contains(&before) => json("200 OK", "", login),
        false => fine(),
    });
    let client = client(&url);
    get(&client).unwrap();
    get(&client).unwrap();
    assert_eq!(count(&log, false), 5);
}

#[test]
fn first_unexpected_content_is_retried_even_after_other_failures() {
    let (url, log) = server(move |seen, before| match seen.is_token() {
        true => token(3600),
        false if before < 2 => json("502 Bad Gateway", "", "{}"),
        false if before == 2 => json("200 OK", "", "<html>log in</html>"),
        false => fine(),
    });
    get(&client(&url)).unwrap();
    assert_eq!(count(&log, false), 4);
}

#[test]
fn a_truncated_body_is_retried_and_a_body_that_is_too_large_is_refused() {
    let (url, _) = server(|seen, before| match seen.is_token() {
        true => token(3600),
        false if before == 0 => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ok\"".to_vec(),
        false if before == 1 => Vec::new(),
        false => fine(),
    });
    assert!(get(&client(&url)).is_ok());
    let (url, log) = server(|seen, _| if seen.is_token() { token(3600) } else { fine() });
    let mut small = client(&url);
    small.settings.max_body_bytes = 4;
    assert!(matches!(get(&small).unwrap_err().kind, WireErrorKind::TooLarge(4)));
    assert_eq!(count(&log, false), 0, "the token response was already too large");
}

#[test]
fn a_redirect_is_not_followed() {
    let (url, log) =
        server(
            |seen, _| {
                if seen.is_token() { token(3600) } else { json("302 Found", "Location: http://127.0.0.1:9/\r\n", "") }
            },
        );
    let error = get(&client(&url)).unwrap_err();
    assert!(error.to_string().contains("redirect"), "{error}");
    assert!(count(&log, false) <= 2);
}

#[test]
fn the_deadline_ends_retries_and_running_requests() {
    let (url, _) =
        server(|seen, _| if seen.is_token() { token(3600) } else { json("503 x", "Retry-After: 60\r\n", "") });
    let mut slow = client(&url);
    slow.settings.max_wait = Duration::from_secs(60);
    slow.settings.deadline = Duration::from_millis(50);
    let error = get(&slow).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::Busy(503), "the last status is more useful than the deadline");
    let (url, _) = server(|seen, _| {
        if seen.is_token() {
            return token(3600);
        }
        std::thread::sleep(Duration::from_millis(200));
        fine()
    });
    let mut slow = client(&url);
    slow.settings.deadline = Duration::from_millis(50);
    assert_eq!(get(&slow).unwrap_err().kind, WireErrorKind::Deadline);
}

#[test]
fn a_cancelled_request_is_recorded() {
    struct RecordedRequests(Mutex<Vec<RequestRecord>>);
    impl Observer for RecordedRequests {
        fn notify(&self, event: &RunEvent<'_>) {
            if let RunEvent::Request(record) = event {
                self.0.lock().unwrap().push((*record).clone());
            }
        }
    }
    // The server accepts the connection and never answers.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let reported = Arc::new(RecordedRequests(Mutex::default()));
    let mut client = client(&format!("http://{}", listener.local_addr().unwrap()));
    client.observer = Arc::clone(&reported) as Arc<dyn Observer>;
    client.settings.deadline = Duration::from_millis(50);
    assert_eq!(get(&client).unwrap_err().kind, WireErrorKind::Deadline);
    let reported = reported.0.lock().unwrap();
    assert_eq!(reported.len() as u64, client.requests());
    assert!(reported[0].error.as_deref().unwrap().contains("cancelled"), "{:?}", reported[0]);
}

#[test]
fn clock_skew_is_computed_from_the_date_header() {
    let ahead = (Utc::now() + chrono::TimeDelta::hours(1)).format("Date: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string();
    let (url, _) =
        server(move |seen, _| if seen.is_token() { token(3600) } else { json("200 OK", &ahead, "{\"ok\":1}") });
    let client = client(&url);
    get(&client).unwrap();
    let skew = client.clock_skew_seconds().unwrap();
    assert!((3590..=3610).contains(&skew), "{skew}");
}

#[test]
fn retry_after_is_respected_up_to_the_maximum_wait() {
    struct Waits(Mutex<Vec<Duration>>);
    impl Observer for Waits {
        fn notify(&self, event: &RunEvent<'_>) {
            if let RunEvent::Retry { wait, .. } = event {
                self.0.lock().unwrap().push(*wait);
            }
        }
    }
    let (url, _) = server(|seen, before| match (seen.is_token(), before) {
        (true, _) => token(3600),
        (false, 0) => json("503 x", "Retry-After: 0\r\n", ""),
        (false, 1) => json("429 x", "Retry-After: 900\r\n", ""),
        (false, _) => fine(),
    });
    let waits = Arc::new(Waits(Mutex::default()));
    let mut client = client(&url);
    client.observer = Arc::clone(&waits) as Arc<dyn Observer>;
    get(&client).unwrap();
    let waits = waits.0.lock().unwrap();
    assert!(waits[0] <= Duration::from_millis(1), "only the jitter: {:?}", waits[0]);
    assert_eq!(waits[1], Duration::from_millis(5));
}

mod with_sandbox_crates {
    use super::*;
    use rustls::{ServerConfig, ServerConnection};

    #[test]
    fn gzip_is_requested_and_decompressed() {
        let packed = || {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(b"{\"ok\":7}").unwrap();
            gzip.finish().unwrap()
        };
        let (url, log) = server(move |seen, _| {
            if seen.is_token() {
                return token(3600);
            }
            let body = packed();
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length";
            [format!("{head}: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes(), body].concat()
        });
        assert_eq!(get(&client(&url)).unwrap(), Answered { ok: 7 });
        let asked = log.lock().unwrap().iter().all(|seen| seen.headers.contains("accept-encoding: gzip"));
        assert!(asked);
    }

    /// Accepts one connection. The thread returns whether the handshake was completed.
    fn tls_server(names: &[&str]) -> (u16, String, std::thread::JoinHandle<bool>) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
            while connection.is_handshaking() {
                if connection.complete_io(&mut socket).is_err() {
                    return false;
                }
            }
            true
        });
        (port, made.cert.pem(), served)
    }

    fn untrusted(port: u16, ca_pem: Option<String>) -> WireError {
        let mut settings = client("http://127.0.0.1:1").settings;
        settings.url = format!("https://localhost:{port}");
        settings.ca_pem = ca_pem.map(String::into_bytes);
        settings.attempts = 1;
        get(&Client::new(&settings, Arc::new(NoObserver)).unwrap()).unwrap_err()
    }

    #[test]
    fn a_certificate_for_another_host_is_refused_even_from_a_trusted_authority() {
        let (port, pem, served) = tls_server(&["other.example.com"]);
        let error = untrusted(port, Some(pem));
        assert!(!served.join().unwrap(), "no request was sent");
        assert!(matches!(error.kind, WireErrorKind::Tls(_)), "{error:?}");
    }

    #[test]
    fn a_certificate_of_an_unknown_authority_is_refused_and_the_hint_names_ca_file() {
        let (port, _, served) = tls_server(&["localhost"]);
        let error = untrusted(port, None);
        assert!(!served.join().unwrap());
        assert!(error.hint().unwrap().contains("ca_file"), "{error:?}");
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_an_error_before_any_connection() {
        let mut settings = client("http://127.0.0.1:1").settings;
        settings.ca_pem = Some(b"no certificate here".to_vec());
        let error = Client::new(&settings, Arc::new(NoObserver)).err().unwrap();
        assert!(error.to_string().contains("holds no PEM certificate"), "{error}");
    }
}
