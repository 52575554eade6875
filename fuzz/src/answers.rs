//! A server whose answers are the input of a target.
//!
//! The input consists of sections. Each begins with a line `### PATTERN STATUS HEADER: VALUE | HEADER: VALUE`, and its
//! body follows. A request is answered by the first section whose pattern is a part of its method and path. If several
//! sections have one pattern, they answer in turn, and the last one answers all further requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::net::Ipv4Addr;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Largest number of requests for one input. An endless walk exceeds it.
const MOST_REQUESTS: u32 = 20_000;
/// Answers 429 and 503 in a row. The program repeats such requests until its deadline, which would only take time.
const MOST_BUSY: u32 = 3;
/// Inputs on one address. Connections that are closed occupy their ports for a minute.
const INPUTS_ON_ADDRESS: u32 = 500;

/// One section of the input.
struct Section {
    pattern: String,
    status: u16,
    headers: Vec<u8>,
    body: Vec<u8>,
}

/// Sections of the input, and how often each pattern was used.
pub(crate) struct Answers {
    sections: Vec<Section>,
    used: HashMap<String, usize>,
    requests: u32,
    busy: u32,
}

impl Answers {
    /// Splits an input into its sections.
    pub(crate) fn of(data: &[u8]) -> Self {
        let mut sections: Vec<Section> = Vec::new();
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            match (line.strip_prefix(b"### "), sections.last_mut()) {
                (Some(head), _) => sections.push(section(head)),
                (None, Some(section)) => section.body.extend_from_slice(line),
                (None, None) => sections.push(Section { body: line.to_vec(), ..section(b"/ 200") }),
            }
        }
        Self { sections, used: HashMap::new(), requests: 0, busy: 0 }
    }

    /// Returns the bytes of the answer to a request.
    fn answer(&mut self, request: &str) -> Vec<u8> {
        self.requests += 1;
        assert!(self.requests < MOST_REQUESTS, "the reading ends within its budget of requests");
        let Some(first) = self.sections.iter().find(|section| request.contains(&section.pattern)) else {
            return default_answer(request);
        };
        let same: Vec<&Section> = self.sections.iter().filter(|other| other.pattern == first.pattern).collect();
        let turn = self.used.entry(first.pattern.clone()).or_default();
        let section = same[(*turn).min(same.len() - 1)];
        *turn += 1;
        let is_busy = matches!(section.status, 429 | 503);
        self.busy = if is_busy { self.busy + 1 } else { 0 };
        let status = if self.busy > MOST_BUSY { 500 } else { section.status };
        let mut answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n", section.body.len()).into_bytes();
        answer.extend_from_slice(&section.headers);
        answer.extend_from_slice(b"\r\n");
        if !matches!(status, 204 | 304) {
            answer.extend_from_slice(&section.body);
        }
        answer
    }
}

fn section(head: &[u8]) -> Section {
    let head = String::from_utf8_lossy(head);
    let mut words = head.trim_end().splitn(3, ' ');
    let pattern = words.next().unwrap_or_default().to_owned();
    let status = words.next().and_then(|status| status.parse().ok()).filter(|status| (200..600).contains(status));
    let mut headers = Vec::new();
    for header in words.next().unwrap_or_default().split(" | ") {
        if is_header(header) {
            headers.extend_from_slice(header.as_bytes());
            headers.extend_from_slice(b"\r\n");
        }
    }
    Section { pattern, status: status.unwrap_or(200), headers, body: Vec::new() }
}

/// Returns whether a text can be sent as a header. Frames of HTTP are hyper's task, so the length stays right.
fn is_header(text: &str) -> bool {
    let Some((name, value)) = text.split_once(':') else { return false };
    let is_framing = ["content-length", "transfer-encoding", "connection", "upgrade"]
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing));
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_name && !is_framing && value.bytes().all(|byte| byte >= b' ' && byte != 0x7f)
}

/// Returns the answer where the input has none: a token, a session, or "not found".
fn default_answer(request: &str) -> Vec<u8> {
    let (status, headers, body) = match request {
        _ if request.contains("token") => (200, "", r#"{"access_token":"t","expires_in":3600}"#),
        _ if request.contains("Auth/") => (200, "Set-Cookie: ASP.NET_SessionId=s; path=/\r\n", "{}"),
        _ => (404, "", ""),
    };
    format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// Server of one thread.
struct Server {
    /// Dropped before its runtime.
    local: LocalSet,
    runtime: tokio::runtime::Runtime,
    answers: Rc<RefCell<Answers>>,
    url: String,
    inputs: u32,
}

thread_local! {
    /// Not dropped with its thread: tasks cannot end then.
    static SERVER: RefCell<Option<ManuallyDrop<Server>>> = const { RefCell::new(None) };
}

/// Serves the sections of `data` while the future of `work` runs. `work` gets the address of the server.
pub(crate) fn serve<T, F: Future<Output = T>>(data: &[u8], work: impl FnOnce(String) -> F) -> T {
    let kept = SERVER.take().map(ManuallyDrop::into_inner);
    let mut server = kept.filter(|server| server.inputs < INPUTS_ON_ADDRESS).unwrap_or_else(Server::start);
    server.inputs += 1;
    *server.answers.borrow_mut() = Answers::of(data);
    let result = server.local.block_on(&server.runtime, work(server.url.clone()));
    // A panic drops the server, so that the next input gets a new one.
    SERVER.set(Some(ManuallyDrop::new(server)));
    result
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let local = LocalSet::new();
        let answers = Rc::new(RefCell::new(Answers::of(b"")));
        let address = Ipv4Addr::new(127, fastrand::u8(1..), fastrand::u8(..), fastrand::u8(1..255));
        let listener = runtime.block_on(TcpListener::bind((address, 0))).expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let served = Rc::clone(&answers);
        local.spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Rc::clone(&served);
                tokio::task::spawn_local(async move {
                    // A client that closes its connection is no fault.
                    let _ = connection(stream, &answers).await;
                });
            }
        });
        Self { runtime, local, answers, url, inputs: 0 }
    }
}

/// Answers the requests of one connection.
async fn connection(mut stream: TcpStream, answers: &RefCell<Answers>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    loop {
        let (length, request) = loop {
            if let Some(found) = head(&received) {
                break found;
            }
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        };
        while received.len() < length {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        }
        received.drain(..length);
        let answer = answers.borrow_mut().answer(&request);
        stream.write_all(&answer).await?;
    }
}

/// Returns the length of a request with its body, and its first line; `None` if its head has not arrived.
fn head(received: &[u8]) -> Option<(usize, String)> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&received[..end]);
    let mut lines = text.lines();
    let request = lines.next().unwrap_or_default().to_owned();
    let length =
        lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let body: usize = length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
    Some((end + body, request))
}
