//! A small HTTP server on loopback that sends exactly the bytes that a test chooses, and keeps the requests that it receives.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request that the server received.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method and target: `GET /scim/v2/Users?startIndex=1&count=100`.
    pub line: String,
    /// Value of the header `Authorization`.
    pub authorization: String,
}

impl Request {
    /// Returns a parameter of the query as a number.
    pub fn number(&self, name: &str) -> Option<usize> {
        let query = self.line.split_once('?')?.1;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    }
}

/// A response of the server.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<String>,
    body: Vec<u8>,
    hangs: bool,
}

impl Reply {
    /// Returns a response with this status and body.
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), hangs: false }
    }

    /// Returns a response with status 200 and this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::of(200, body)
    }

    /// Returns a response that is never sent: the connection stays open until the client closes it.
    pub fn never() -> Self {
        Self { hangs: true, ..Self::ok("") }
    }

    /// Returns the same response with another body.
    pub fn mapped(mut self, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Self {
        self.body = change(self.body);
        self
    }

    /// Returns the same response with one more header.
    pub fn with(mut self, header: impl Into<String>) -> Self {
        self.headers.push(header.into());
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let length =
            if self.status == 204 { String::new() } else { format!("Content-Length: {}\r\n", self.body.len()) };
        let headers = self.headers.iter().fold(String::new(), |all, header| all + header + "\r\n");
        let head = format!("HTTP/1.1 {} x\r\n{length}{headers}Connection: close\r\n\r\n", self.status);
        [head.into_bytes(), self.body.clone()].concat()
    }
}

type Answer = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;
type Change = Arc<dyn Fn(Reply) -> Reply + Send + Sync>;

/// Method and target of requests, and the function that answers them. The newest route that matches is used.
struct Route {
    begins: String,
    answer: Answer,
}

impl Route {
    /// Checks whether the route matches a request: its target with any query, or any target if the route ends with `*`.
    fn matches(&self, line: &str) -> bool {
        match self.begins.strip_suffix('*') {
            Some(begins) => line.starts_with(begins),
            None => line.strip_prefix(&self.begins).is_some_and(|rest| rest.is_empty() || rest.starts_with('?')),
        }
    }
}

#[derive(Default)]
struct Shared {
    routes: Mutex<Vec<Route>>,
    log: Mutex<Vec<Request>>,
    change: Mutex<Option<Change>>,
}

impl Shared {
    fn answer(&self, request: &Request) -> Reply {
        self.log.lock().unwrap().push(request.clone());
        let answer = {
            let routes = self.routes.lock().unwrap();
            routes.iter().rev().find(|route| route.matches(&request.line)).map(|route| Arc::clone(&route.answer))
        };
        let reply = answer.map_or_else(|| Reply::of(404, r#"{"message":"Not Found"}"#), |answer| answer(request));
        let change = self.change.lock().unwrap().clone();
        change.map_or(reply.clone(), |change| change(reply))
    }

    fn serve(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        let Some(request) = read(&mut stream) else { return };
        let reply = self.answer(&request);
        if reply.hangs {
            let _ = stream.read(&mut [0]);
            return;
        }
        let _ = stream.get_mut().write_all(&reply.bytes());
        let _ = stream.get_mut().flush();
    }
}

fn read(stream: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let line = line.rsplit_once(' ')?.0.to_owned();
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => value.trim().clone_into(&mut authorization),
            _ => {}
        }
    }
    stream.read_exact(&mut vec![0; length]).ok()?;
    Some(Request { line, authorization })
}

/// A running server. It runs until the test process ends.
pub struct Server {
    port: u16,
    shared: Arc<Shared>,
}

impl Server {
    pub fn start() -> Self {
        Self::serving(Shared::serve)
    }

    pub fn with_tls(config: ServerConfig) -> Self {
        let config = Arc::new(config);
        Self::serving(move |shared, stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            shared.serve(&mut stream);
            stream.conn.send_close_notify();
            let _ = stream.conn.complete_io(&mut stream.sock);
        })
    }

    fn serving(serve: impl Fn(&Shared, TcpStream) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let kept = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, serve) = (Arc::clone(&kept), serve.clone());
                thread::spawn(move || serve(&shared, stream));
            }
        });
        Self { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Answers matching requests (`GET /x`, or `GET /x/*`) with a response.
    pub fn on(&self, begins: &str, reply: Reply) {
        self.answer(begins, move |_| reply.clone());
    }

    /// Answers matching requests with the result of a function.
    pub fn answer(&self, begins: &str, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        let route = Route { begins: begins.to_owned(), answer: Arc::new(answer) };
        self.shared.routes.lock().unwrap().push(route);
    }

    /// Changes every response before it is sent.
    pub fn change(&self, change: impl Fn(Reply) -> Reply + Send + Sync + 'static) {
        *self.shared.change.lock().unwrap() = Some(Arc::new(change));
    }

    /// Answers the first `times` matching requests with a response, and later ones as before this call.
    pub fn at_first(&self, times: usize, begins: &str, reply: Reply) {
        let (left, shared) = (Mutex::new(times), Arc::downgrade(&self.shared));
        let (route, skip) = (begins.to_owned(), self.shared.routes.lock().unwrap().len());
        self.answer(begins, move |request| {
            let mut left = left.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return reply.clone();
            }
            let shared = shared.upgrade().unwrap();
            let routes = shared.routes.lock().unwrap();
            let before = routes[..skip].iter().rev().find(|one| one.matches(&request.line));
            let before = Arc::clone(&before.unwrap_or_else(|| panic!("no answer behind {route}")).answer);
            drop(routes);
            before(request)
        });
    }

    /// Returns the requests that a route of this form would match.
    pub fn asked(&self, begins: &str) -> Vec<Request> {
        let noop: Answer = Arc::new(|_| Reply::ok(""));
        let route = Route { begins: begins.to_owned(), answer: noop };
        self.shared.log.lock().unwrap().iter().filter(|request| route.matches(&request.line)).cloned().collect()
    }

    pub fn count(&self, begins: &str) -> usize {
        self.asked(begins).len()
    }
}
