//! `demo`: the whole job, twice with a day of change between, against the sandbox over HTTPS, with syslog into a receiver
//! of its own that counts what arrives.

use super::serve::write_configuration;
use super::{failed, once, print};
use crate::cli::DemoArgs;
use crate::config::Config;
use crate::model::Instant;
use crate::report::thousands;
use crate::run::observers::ProgressDisplay;
use crate::run::stop::Stop;
use crate::run::{self, Ending, Exit, Order};
use bt_rollcall_sandbox::{Sandbox, SandboxOptions, Surface, World};
use chrono::{SubsecRound, TimeDelta, Utc};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const SEED: u64 = 2026;
/// One appliance, read by each of these.
const SURFACES: [Surface; 4] = [Surface::Guide, Surface::Pra, Surface::PasswordSafe, Surface::Scim];

pub(super) fn demo(args: &DemoArgs, bar: &ProgressDisplay) -> Exit {
    match play(args, bar) {
        Ok(exit) => exit,
        Err(error) => failed(&format!("failed to play the demo: {error}"), None, Exit::NothingPublished),
    }
}

fn play(args: &DemoArgs, bar: &ProgressDisplay) -> io::Result<Exit> {
    let stop = Stop::on_signals()?;
    let dir = folder(args)?;
    let today = Utc::now().trunc_subsecs(0);
    let yesterday = today - TimeDelta::days(1);
    let users = usize::try_from(args.users).unwrap_or(usize::MAX);
    let world = World::seeded(SEED, users, yesterday);
    let sandbox = Sandbox::start(SandboxOptions { world, tls: true, seed: SEED, ..SandboxOptions::default() })?;
    let receiver = Receiver::start()?;
    let path = write_configuration(&sandbox, &SURFACES, &dir, Some(&format!("tcp://{}", receiver.address)))?;
    let config = Config::load(&path, &|name| std::env::var(name).ok()).map_err(io::Error::other)?;
    let first = day(&config, yesterday, bar, &stop);
    sandbox.with_world(|world| world.live_a_day(SEED, today));
    let second = day(&config, today, bar, &stop);
    bar.clear();
    let endings = [first, second];
    print(&summary(&endings, &sandbox, &receiver, &path));
    let exits = endings.iter().map(|ending| Exit::of_code(ending.exit_code));
    Ok(Exit::winner(exits))
}

fn day(config: &Config, as_of: Instant, bar: &ProgressDisplay, stop: &Stop) -> Ending {
    let order = Order { as_of: Some(as_of), ..Order::of(config) };
    let ending = run::run(&order, &once::audience(bar), stop);
    if let Some(error) = &ending.error {
        failed(error, ending.hint.as_deref(), Exit::NothingPublished);
    }
    ending
}

/// A folder that holds nothing yet: the demo never writes among somebody's files.
fn folder(args: &DemoArgs) -> io::Result<PathBuf> {
    let dir = args.dir.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("bt-rollcall-demo-{}", Utc::now().format("%Y%m%dT%H%M%S%3f")))
    });
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(io::Error::other(format!("{} is not empty; name another folder with --dir", dir.display())));
    }
    Ok(dir)
}

fn summary(endings: &[Ending], sandbox: &Sandbox, receiver: &Receiver, configuration: &Path) -> String {
    let mut text = String::from(
        "\nbt-rollcall demo: a simulated appliance over HTTPS, read through four products' interfaces,\n\
         twice with a day of change between\n\n",
    );
    for (ending, name) in endings.iter().zip(["yesterday", "today"]) {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{name} ({})\n{}", ending.as_of, ending.in_words());
    }
    let sent: u64 = endings.iter().flat_map(|ending| &ending.destinations).map(|d| d.delivered).sum();
    let counters = sandbox.counters();
    let _ = writeln!(
        text,
        "requests       {} answered by the appliance, {} of them for tokens",
        thousands(counters.requests),
        thousands(counters.tokens_issued)
    );
    let _ = writeln!(
        text,
        "events         {} sent, {} arrived at the demo's syslog receiver",
        thousands(sent),
        thousands(receiver.count())
    );
    if let Some(Ending { report: Some(report), snapshot: Some(snapshot), .. }) = endings.last() {
        let _ = writeln!(text, "report         {}   <- open it in a browser", report.display());
        let _ = writeln!(text, "snapshot       {}", snapshot.display());
        let _ = writeln!(text, "configuration  {}", configuration.display());
        let _ = writeln!(text, "prove it       bt-rollcall verify {}", snapshot.display());
    }
    text
}

/// A syslog receiver (RFC 6587 §3.4.1, octet counting) that counts messages and forgets them.
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
                // A session that breaks off has been counted as far as it came.
                let _ = count(BufReader::new(session), &counted);
            }
        })?;
        Ok(Self { address, messages })
    }

    fn count(&self) -> u64 {
        self.messages.load(Ordering::Acquire)
    }
}

fn count(mut session: impl BufRead, messages: &AtomicU64) -> io::Result<()> {
    loop {
        let mut length = Vec::new();
        if session.read_until(b' ', &mut length)? == 0 {
            return Ok(());
        }
        let length = str::from_utf8(&length).ok().and_then(|text| text.trim_end().parse().ok());
        let length: usize = length.ok_or(io::ErrorKind::InvalidData)?;
        let mut message = vec![0; length.min(1 << 20)];
        session.read_exact(&mut message)?;
        messages.fetch_add(1, Ordering::Release);
    }
}
