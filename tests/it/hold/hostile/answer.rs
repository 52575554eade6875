//! An HTTP request and an HTTP answer as bytes, with every way to get the answer wrong on the wire.

use serde_json::Value;
use socket2::SockRef;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// A request of the program.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// Reads one request; `None` at the end of the connection.
    pub fn read(stream: &mut impl BufRead) -> Option<Self> {
        let (first, headers) = read_head(stream)?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let length = header(&headers, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        Some(Self { method, target, headers, body })
    }

    /// Returns the path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns whether this asks for a token.
    pub fn is_token(&self) -> bool {
        self.method == "POST" && self.path().to_ascii_lowercase().ends_with("/token")
    }

    /// Sends the request to a server and returns the answer.
    pub fn send(&self, address: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(address).ok()?;
        let skipped = ["accept-encoding", "connection", "host"];
        let kept = self.headers.iter().filter(|(name, _)| !skipped.contains(&name.to_ascii_lowercase().as_str()));
        let head = lines(kept);
        let first = format!("{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n", self.method, self.target);
        stream.write_all(format!("{first}{head}\r\n").as_bytes()).ok()?;
        stream.write_all(&self.body).ok()?;
        Answer::read(&mut BufReader::new(stream))
    }
}

/// Reads the first line and the headers of a message.
fn read_head(stream: &mut impl BufRead) -> Option<(String, Vec<(String, String)>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Some((lines.into_iter().next()?, headers))
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Writes headers, each with its line break.
pub fn lines<'a>(headers: impl Iterator<Item = &'a (String, String)>) -> String {
    headers.fold(String::new(), |lines, (name, value)| lines + name + ": " + value + "\r\n")
}

/// How an answer states the length of its body.
#[derive(Clone, Debug)]
pub enum Framing {
    /// `Content-Length` with the true length.
    Honest,
    /// These header lines, whatever the body is.
    Raw(String),
}

/// How the connection goes on after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Open,
    Closed,
    Reset,
}

/// An answer: an honest one, or one that was changed.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Bytes before the status line.
    pub lead: Vec<u8>,
    pub status: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub framing: Framing,
    /// Number of bytes that are sent of the whole answer, in hundredths.
    pub sent_percent: usize,
    /// Wait between two pieces of the body, of which there are ten.
    pub pause: Duration,
    pub ending: Ending,
}

impl Answer {
    /// Returns an answer with a JSON body.
    pub fn json(status: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::of(status, "application/json", body)
    }

    /// Returns an answer with this status line (`404 Not Found`), content type and body.
    pub fn of(status: &str, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            lead: Vec::new(),
            status: status.to_owned(),
            headers: vec![("Content-Type".to_owned(), kind.to_owned())],
            body: body.into(),
            framing: Framing::Honest,
            sent_percent: 100,
            pause: Duration::ZERO,
            ending: Ending::Open,
        }
    }

    fn read(stream: &mut impl BufRead) -> Option<Self> {
        let (first, mut headers) = read_head(stream)?;
        headers.retain(|(name, _)| !["content-length", "connection"].contains(&name.to_ascii_lowercase().as_str()));
        let mut body = Vec::new();
        stream.read_to_end(&mut body).ok()?;
        let status = first.split_once(' ')?.1.to_owned();
        Some(Self { headers, ..Self::of(&status, "", body) })
    }

    /// Returns the same answer with one more header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Returns the same answer with the header replaced.
    pub fn replacing(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.with(name, value)
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Returns the body as JSON if the answer is a success.
    pub fn value(&self) -> Option<Value> {
        self.status.starts_with("200").then(|| serde_json::from_slice(&self.body).ok())?
    }

    /// Writes the answer. Returns whether the connection can be used for another request.
    pub fn write(&self, stream: &mut TcpStream) -> bool {
        let has_no_body = self.status.starts_with("204") || self.status.starts_with("304");
        let length = match &self.framing {
            Framing::Honest if has_no_body => String::new(),
            Framing::Honest => format!("Content-Length: {}\r\n", self.body.len()),
            Framing::Raw(raw) => raw.clone(),
        };
        let lines = lines(self.headers.iter());
        let head = format!("HTTP/1.1 {}\r\n{lines}{length}\r\n", self.status);
        let mut bytes = [&self.lead, head.as_bytes(), &self.body].concat();
        bytes.truncate(bytes.len() * self.sent_percent / 100);
        let sent = bytes.chunks((bytes.len() / 10).max(1)).all(|piece| {
            thread::park_timeout(self.pause);
            // A program that refuses the answer may be gone before its end.
            stream.write_all(piece).is_ok()
        });
        if self.ending == Ending::Reset {
            let _ = SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
        }
        sent && self.ending == Ending::Open
    }
}

/// Returns the rows of a list.
pub fn rows(value: &mut Value) -> Option<&mut Vec<Value>> {
    match value {
        Value::Array(rows) => Some(rows),
        // A single user may have groups, too.
        Value::Object(fields) if fields.contains_key("id") => None,
        Value::Object(fields) => ["users", "groups", "Resources"]
            .iter()
            .find(|key| fields.contains_key(**key))
            .copied()
            .and_then(|key| fields.get_mut(key)?.as_array_mut()),
        _ => None,
    }
}

/// Header of the Configuration API with the number of rows of the whole list.
const TOTAL_HEADER: &str = "x-bt-pagination-total";

/// Returns the total that a list reports.
pub fn total(answer: &Answer) -> Option<u64> {
    let in_header = answer.header(TOTAL_HEADER).and_then(|total| total.parse().ok());
    let value = answer.value()?;
    in_header.or_else(|| ["total", "totalResults"].iter().find_map(|key| value.get(key)?.as_u64()))
}

/// Replaces the total of a list. `json` is any JSON text. An answer without a total gets one where lists have it.
pub fn set_total(mut answer: Answer, json: &str) -> Answer {
    let Some(mut value) = answer.value() else { return answer };
    match &mut value {
        Value::Object(fields) => {
            let key = if fields.contains_key("Resources") { "totalResults" } else { "total" };
            fields.insert(key.to_owned(), serde_json::from_str(json).unwrap());
            answer.body = value.to_string().into_bytes();
            answer
        }
        _ if answer.header(TOTAL_HEADER).is_some() => answer.replacing(TOTAL_HEADER, json.trim_matches('"')),
        _ => answer,
    }
}
