//! `demo`: runs the whole job twice against the sandbox, with a day of changes between.
//!
//! The sandbox serves HTTPS on a loopback port. A syslog receiver of the demo counts the events that arrive. Only the configuration
//! is special: the job is the same as that of `run`.

use super::serve::write_configuration;
use super::stdout::{Printed, print_summary};
use super::{log_config_error, log_error, once};
use crate::cli::{DemoArgs, Global};
use crate::config::Config;
use crate::escape::{Lines, shell_word};
use crate::model::Instant;
use crate::report::thousands;
use crate::run::observers::ProgressDisplay;
use crate::run::stop::Stop;
use crate::run::{self, Exit, RunRequest, RunSummary};
use bt_rollcall_sandbox::{Sandbox, SandboxOptions, Surface, World};
use chrono::{SubsecRound, TimeDelta, Utc};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A fixed seed, so that every demo of a version shows the same people.
const SEED: u64 = 2026;
/// Interfaces of the simulated appliance, each read by a source of its own.
const SURFACES: [Surface; 4] = [Surface::Guide, Surface::Pra, Surface::PasswordSafe, Surface::Scim];

/// Executes `demo` and returns its exit code.
pub(super) fn demo(global: &Global, args: &DemoArgs, bar: &ProgressDisplay) -> Exit {
    match run_twice(global, args, bar) {
        Ok(exit) => exit,
        Err(error) => log_error(&format!("failed to run the demo: {error}"), None, Exit::NothingPublished),
    }
}

fn run_twice(global: &Global, args: &DemoArgs, bar: &ProgressDisplay) -> io::Result<Exit> {
    let stop = Stop::on_signals()?;
    let dir = empty_folder(args)?;
    let today = Utc::now().trunc_subsecs(0);
    let yesterday = today - TimeDelta::days(1);
    let users = usize::try_from(args.users).unwrap_or(usize::MAX);
    let world = World::seeded(SEED, users, yesterday);
    let sandbox = Sandbox::start(SandboxOptions { world, tls: true, seed: SEED, ..SandboxOptions::default() })?;
    let receiver = Receiver::start()?;
    let path = write_configuration(&sandbox, &SURFACES, &dir, Some(&format!("tcp://{}", receiver.address)))?;
    let config = match Config::load(&path, &|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return Ok(log_config_error(global, &error)),
    };
    let first = run_at(&config, yesterday, bar, &stop);
    sandbox.with_world(|world| world.simulate_day(SEED, today));
    let second = run_at(&config, today, bar, &stop);
    bar.clear();
    let endings = [first, second];
    print_summary(&Printed::Lines(&summary(&endings, &sandbox, &receiver, &path)));
    let exits = endings.iter().map(|ending| Exit::of_code(ending.exit_code));
    Ok(Exit::winner(exits))
}

fn run_at(config: &Config, as_of: Instant, bar: &ProgressDisplay, stop: &Stop) -> RunSummary {
    let request = RunRequest { as_of: Some(as_of), ..RunRequest::of(config) };
    let ending = run::run(&request, &once::observers(bar), stop);
    if let Some(error) = &ending.error {
        log_error(error, ending.hint.as_deref(), Exit::NothingPublished);
    }
    ending
}

/// Returns an empty or new folder. The demo never writes into a folder that contains files.
fn empty_folder(args: &DemoArgs) -> io::Result<PathBuf> {
    let dir = args.dir.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("bt-rollcall-demo-{}", Utc::now().format("%Y%m%dT%H%M%S%3f")))
    });
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(io::Error::other(format!("{} is not empty; name another folder with --dir", dir.display())));
    }
    Ok(dir)
}

fn summary(endings: &[RunSummary], sandbox: &Sandbox, receiver: &Receiver, configuration: &Path) -> Lines {
    let mut text = Lines::default();
    text.line("");
    text.line("bt-rollcall demo: a simulated appliance, read over HTTPS through the interfaces of four products,");
    text.line("twice with a day of changes between");
    text.line("");
    for (ending, name) in endings.iter().zip(["yesterday", "today"]) {
        text.line(format_args!("{name} ({})", ending.as_of));
        text.append(&ending.in_words());
        text.line("");
    }
    let sent: u64 = endings.iter().flat_map(|ending| &ending.destinations).map(|d| d.delivered).sum();
    let counters = sandbox.counters();
    text.line(format_args!(
        "requests       {} answered by the appliance, {} of them token requests",
        thousands(counters.requests),
        thousands(counters.tokens_issued)
    ));
    text.line(format_args!(
        "events         {} sent, {} received by the syslog receiver of the demo",
        thousands(sent),
        thousands(receiver.count())
    ));
    if let Some(RunSummary { report: Some(report), snapshot: Some(snapshot), .. }) = endings.last() {
        text.line(format_args!("report         {}   <- open this file in a browser", report.display()));
        text.line(format_args!("snapshot       {}", snapshot.display()));
        text.line(format_args!("configuration  {}", configuration.display()));
        text.line(format_args!("verify it      bt-rollcall verify {}", shell_word(snapshot)));
    }
    text
}

/// A syslog receiver (RFC 6587 §3.4.1, octet counting) that counts messages but does not keep them.
struct Receiver {
    address: SocketAddr,
    messages: Arc<AtomicU64>,
}

impl Receiver {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let messages = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&messages);
        thread::Builder::new().name("receiver".to_owned()).spawn(move || {
            for session in listener.incoming().flatten() {
                // An error ends this session only; the messages before it are counted.
                let _ = count_messages(BufReader::new(session), &counted);
            }
        })?;
        Ok(Self { address, messages })
    }

    fn count(&self) -> u64 {
        self.messages.load(Ordering::Acquire)
    }
}

fn count_messages(mut session: impl BufRead, messages: &AtomicU64) -> io::Result<()> {
    loop {
        let mut length = Vec::new();
        if session.read_until(b' ', &mut length)? == 0 {
            return Ok(());
        }
        let length = str::from_utf8(&length).ok().and_then(|text| text.trim_end().parse().ok());
        let length: usize = length.ok_or(io::ErrorKind::InvalidData)?;
        // The length comes from the peer: without a limit it could exhaust the memory.
        let mut message = vec![0; length.min(1 << 20)];
        session.read_exact(&mut message)?;
        messages.fetch_add(1, Ordering::Release);
    }
}
