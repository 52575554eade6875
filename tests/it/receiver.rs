//! A syslog receiver with octet counting (RFC 6587 §3.4.1) that keeps the messages that it receives.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// A receiver that listens until the test process ends.
pub struct Receiver {
    port: u16,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    pub fn start() -> Self {
        Self::on_port(0)
    }

    /// Starts a receiver on a port, for example on one of [`unused_port`]. 0 chooses a free one.
    pub fn on_port(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&messages);
        thread::spawn(move || {
            for session in listener.incoming().flatten() {
                read(BufReader::new(session), &kept);
            }
        });
        Self { port, messages }
    }

    pub fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Returns the complete messages received so far, in the order of arrival.
    pub fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }
}

/// Returns a port that nothing listens on: connections to it are refused.
pub fn unused_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Returns the JSON body of a syslog message.
pub fn body(message: &str) -> Value {
    serde_json::from_str(&message[message.find('{').unwrap()..]).unwrap()
}

/// Reads to the end of the session, or to the first frame that is incomplete.
fn read(mut session: impl BufRead, kept: &Mutex<Vec<String>>) {
    loop {
        let mut length = Vec::new();
        match session.read_until(b' ', &mut length) {
            Ok(read) if read > 0 => {}
            _ => return,
        }
        let Some(length) = String::from_utf8(length).ok().and_then(|text| text.trim_end().parse().ok()) else { return };
        let mut message = vec![0; length];
        if session.read_exact(&mut message).is_err() {
            return;
        }
        kept.lock().unwrap().push(String::from_utf8(message).unwrap());
    }
}
