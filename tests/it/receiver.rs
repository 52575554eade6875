//! A syslog receiver with octet counting (RFC 6587 §3.4.1) that keeps what arrives.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Receiver {
    port: u16,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    pub fn start() -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).unwrap())
    }

    pub fn on(listener: TcpListener) -> Self {
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

    /// Whole messages so far, in the order of arrival.
    pub fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }
}

/// Reads to the end of the session or to the first frame that is not whole.
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
