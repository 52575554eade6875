//! A receiver over HTTP that takes the events of every target, unless a test lets it refuse some.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Decides about an event by its text: the status of the request or, for the bulk API, of the item.
type Decision = fn(&str) -> u16;

/// A receiver that listens until the test process ends.
pub struct Collector {
    port: u16,
    events: Arc<Mutex<Vec<(String, String)>>>,
}

impl Collector {
    /// Starts a receiver that accepts everything.
    pub fn start() -> Self {
        Self::deciding(0, |_| 200)
    }

    /// Starts a receiver on a port; 0 chooses a free one.
    pub fn deciding(port: u16, decide: Decision) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || while serve(&stream, decide, &kept).is_some() {});
            }
        });
        Self { port, events }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the accepted events whose request had this path, in the order of arrival.
    pub fn events(&self, path: &str) -> Vec<Value> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|(to, _)| to == path).map(|(_, event)| serde_json::from_str(event).unwrap()).collect()
    }
}

/// Answers one request. Returns `None` at the end of the connection.
fn serve(stream: &TcpStream, decide: Decision, kept: &Mutex<Vec<(String, String)>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let length = head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let (path, body) = (head[0].split(' ').nth(1)?.to_owned(), String::from_utf8(body).ok()?);
    let events = events_of(&path, &body);
    let statuses: Vec<u16> = events.iter().map(|event| decide(event)).collect();
    let worst = statuses.iter().copied().max().unwrap_or(200);
    let is_bulk = path.ends_with("/_bulk");
    let accepted =
        events.iter().zip(&statuses).filter(|(_, status)| if is_bulk { **status < 300 } else { worst < 300 });
    kept.lock().unwrap().extend(accepted.map(|(event, _)| (path.clone(), event.clone())));
    let items: Vec<Value> = statuses.iter().map(|status| json!({"create": {"status": status}})).collect();
    let answer = if is_bulk { json!({"errors": true, "items": items}) } else { json!({"text": "Success", "code": 0}) };
    let (status, answer) = (if is_bulk { 200 } else { worst }, answer.to_string());
    let response = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    let mut stream = stream;
    stream.write_all(response.as_bytes()).ok()
}

/// Returns the text of each event in a request.
fn events_of(path: &str, body: &str) -> Vec<String> {
    if path.ends_with("/_bulk") {
        return body.lines().skip(1).step_by(2).map(str::to_owned).collect();
    }
    if path.starts_with("/services/collector") {
        return body.lines().map(str::to_owned).collect();
    }
    let batch: Vec<Value> = serde_json::from_str(body).unwrap();
    batch.iter().map(Value::to_string).collect()
}
