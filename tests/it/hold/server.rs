//! A raw HTTP server for answers that no well-behaved server gives, and a source that reads it.

use crate::rig::Rig;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Paths of the requests that a server received, in their order.
#[derive(Clone, Default)]
pub struct Requests(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Requests {
    fn add(&self, path: String) {
        self.0.0.lock().unwrap().push(path);
        self.0.1.notify_all();
    }

    /// Waits until a path contains this text. Returns whether that happened within a minute.
    pub fn wait_for(&self, text: &str) -> bool {
        let guard = self.0.0.lock().unwrap();
        let is_missing = |paths: &mut Vec<String>| !paths.iter().any(|path| path.contains(text));
        let waited = self.0.1.wait_timeout_while(guard, Duration::from_secs(60), is_missing).unwrap();
        !waited.1.timed_out()
    }

    pub fn has(&self, text: &str) -> bool {
        self.0.0.lock().unwrap().iter().any(|path| path.contains(text))
    }
}

/// A server on loopback that serves until the test process ends.
pub struct Server {
    pub url: String,
    pub requests: Requests,
}

impl Server {
    /// Starts a server. `answer` receives the path of each request, and writes the whole response.
    pub fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Requests::default();
        let (log, answer) = (requests.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &log, answer.as_ref()));
            }
        });
        Self { url, requests }
    }

    /// Adds this server to the configuration of a rig as the source `hostile`.
    pub fn configure(&self, rig: &Rig, kind: &str, more: &str) {
        let account = match kind {
            "password-safe" => "api_key = { file = \"sandbox-secret\" }\nrun_as = \"audit\"",
            _ => "client_id = \"x\"\nclient_secret = { file = \"sandbox-secret\" }",
        };
        rig.append(&format!(
            "[[source]]\nname = \"hostile\"\nkind = \"{kind}\"\nurl = \"{}\"\n{account}\nrequests_per_second = 1000\n{more}\n",
            self.url
        ));
    }
}

fn serve(stream: TcpStream, log: &Requests, answer: &(dyn Fn(&str, &mut TcpStream) + Send + Sync)) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.to_ascii_lowercase());
        }
        let length = lines.iter().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if std::io::Read::read_exact(&mut stream, &mut body).is_err() {
            return;
        }
        let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
        log.add(path.clone());
        answer(&path, stream.get_mut());
    }
}

/// Writes a response with status 200 and the cookie of a session.
pub fn json(stream: &mut TcpStream, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: {}\r\n\r\n", body.len());
    // A client that refuses the response may be gone before its end.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// Answers a token request. Returns whether it was one.
pub fn token(path: &str, stream: &mut TcpStream) -> bool {
    let is_token = path.contains("/oauth2/token");
    if is_token {
        json(stream, "{\"access_token\":\"t\",\"expires_in\":3600}");
    }
    is_token
}

/// Writes one byte a second until the client has gone.
pub fn trickle(stream: &mut TcpStream) {
    while stream.write_all(b" ").is_ok() {
        thread::park_timeout(Duration::from_secs(1));
    }
}
