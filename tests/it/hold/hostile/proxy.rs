//! A proxy between the program and the sandbox that replaces some answers by misbehaviours.

use super::answer::{Answer, Request};
use super::catalogue::{Misbehaviour, Turn};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the proxy does during one run.
#[derive(Clone, Default)]
pub struct Plan {
    pub seed: u64,
    /// Chance that an answer is replaced.
    pub chance: f64,
    /// Misbehaviours to draw from.
    pub kinds: Vec<Misbehaviour>,
}

/// An answer that was replaced: the name of the misbehaviour, and the request.
pub type Replaced = (&'static str, String);

#[derive(Default)]
struct State {
    plan: Plan,
    answers: u64,
    replaced: Vec<Replaced>,
    /// Number of requests of this run by method and target.
    asked: BTreeMap<String, u64>,
    /// First answer of this run by path.
    earlier: BTreeMap<String, Answer>,
}

/// A running proxy. It runs until the test process ends.
pub struct Proxy {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Starts a proxy in front of a server, without any misbehaviour.
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let (kept, upstream) = (Arc::clone(&state), upstream.trim_start_matches("http://").to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, upstream) = (Arc::clone(&kept), upstream.clone());
                thread::spawn(move || serve(stream, &state, &upstream));
            }
        });
        Self { url, state }
    }

    /// Starts a run with this plan. Returns the answers of the run before: how many, and which of them were replaced.
    pub fn start_run(&self, plan: Plan) -> (u64, Vec<Replaced>) {
        let before = std::mem::replace(&mut *self.state.lock().unwrap(), State { plan, ..State::default() });
        (before.answers, before.replaced)
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>, upstream: &str) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = Request::read(&mut stream) {
        let Some(honest) = request.send(upstream) else { return };
        if !answer(&request, honest, state, upstream).write(stream.get_mut()) {
            return;
        }
    }
}

/// Returns the honest answer, or draws a misbehaviour.
///
/// The draw depends on the seed, the request and how often it was sent, so the order of concurrent requests is irrelevant.
fn answer(request: &Request, honest: Answer, state: &Mutex<State>, upstream: &str) -> Answer {
    let line = format!("{} {}", request.method, request.target);
    let mut state = state.lock().unwrap();
    state.answers += 1;
    let time = state.asked.entry(line.clone()).or_insert(0);
    *time += 1;
    let mut hasher = DefaultHasher::new();
    (*time, &line, state.plan.seed).hash(&mut hasher);
    let mut rng = Rng::with_seed(hasher.finish());
    let earlier = state.earlier.get(request.path()).cloned();
    state.earlier.entry(request.path().to_owned()).or_insert_with(|| honest.clone());
    if rng.f64() >= state.plan.chance {
        return honest;
    }
    let fitting = state.plan.kinds.iter().filter(|kind| kind.applies_to(request, &honest));
    let Some(kind) = rng.choice(fitting.collect::<Vec<_>>()).copied() else { return honest };
    state.replaced.push((kind.name, line));
    drop(state);
    kind.answer(Turn { rng, request, honest, earlier, upstream })
}
