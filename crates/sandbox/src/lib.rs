//! Simulated BeyondTrust appliances, for the demo and the tests of bt-rollcall.
//!
//! A [`Sandbox`] serves the users and groups of a [`World`] on loopback, over HTTP or HTTPS, by every interface that
//! the program reads ([`Surface`]). It misbehaves on demand ([`Faults`]) and deviates from the documentation as real
//! appliances do ([`Dialect`]). The world also states what a correct snapshot of it holds ([`World::expected`]).
//!
//! The crate shares no code with the program and must never depend on it. The two agree on the products' documentation,
//! not on a struct, so an error in one of them shows as a difference.
//!
//! ```
//! use bt_rollcall_sandbox::{Expect, Sandbox, SandboxOptions, World};
//! use chrono::{DateTime, Utc};
//!
//! let as_of: DateTime<Utc> = "2026-11-23T02:00:00Z".parse()?;
//! let world = World::seeded(1, 20, as_of);
//! let sandbox = Sandbox::start(SandboxOptions { world, ..SandboxOptions::default() })?;
//! assert!(sandbox.url().starts_with("http://127.0.0.1:"));
//!
//! // A client reads /api/public/v3/users and /api/public/v3/groups with a token of /oauth2/token.
//! // A snapshot of what it read must hold this:
//! let expected = sandbox.with_world(|world| world.expected(&Expect::usual("eu", as_of)));
//! assert_eq!(expected.users.len(), 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How the modules depend on each other:
//!
//! ```text
//! Sandbox ─┬─ listener, certificate   TCP and TLS
//!          └─ server                  HTTP
//!              ├─ middleware, limits, churn   faults
//!              ├─ token                       OAuth 2.0
//!              ├─ guide, config, password_safe, scim   the interfaces
//!              └─ dialect                     responses as real appliances write them
//! World ───┬─ population              seeded users, groups and their changes
//!          ├─ shape                   records in the words of each interface
//!          └─ oracle                  the expected snapshot (reads shape and dialect)
//! ```

mod certificate;
mod configuration;
mod counters;
mod details;
mod dialect;
mod faults;
mod listener;
mod members;
mod oracle;
mod population;
mod record;
mod served;
mod server;
mod shape;
mod surface;
#[cfg(test)]
mod tests;
mod world;

pub use configuration::{CA_FILE, SECRET_FILE};
pub use counters::Counters;
pub use details::{ExternalMember, ProductDetails, Provider, Vendor};
pub use dialect::Dialect;
pub use faults::Faults;
pub use oracle::{Earlier, Expect, Expected, ExpectedFinding, Row};
pub use record::Record;
pub use surface::Surface;
pub use world::{CANARY, World};

use certificate::Identity;
use counters::lock;
use listener::ReadyListener;
use server::Appliance;
use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Time that responses in progress get when the sandbox is dropped.
const GRACE: Duration = Duration::from_millis(500);

/// The settings of a [`Sandbox`].
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Users, groups and further lists to serve.
    pub world: World,
    /// How the appliance misbehaves.
    pub faults: Faults,
    /// Whether to serve HTTPS, with a certificate made at start.
    pub tls: bool,
    /// Id of the API account.
    pub client_id: String,
    /// Secret of the API account.
    pub client_secret: String,
    /// Password Safe: API key that can replace the API account.
    pub api_key: String,
    /// Password Safe: user on whose behalf requests with the API key run.
    pub run_as: String,
    /// Seed of the random faults in `faults`.
    pub seed: u64,
    /// TCP port; 0 chooses a free one.
    pub port: u16,
}

impl Default for SandboxOptions {
    /// Returns settings with an empty world, without faults, over plain HTTP on any free port.
    fn default() -> Self {
        Self {
            world: World::empty(),
            faults: Faults::default(),
            tls: false,
            client_id: "rollcall".to_owned(),
            // The characters that form encoding and HTTP Basic must escape.
            client_secret: format!("sandbox {CANARY}+/=&%"),
            // As long as a real key: 128 characters.
            api_key: format!("{:0<128}", format!("sandbox-key-{CANARY}")),
            run_as: "DOMAIN\\rollcall".to_owned(),
            seed: 1,
            port: 0,
        }
    }
}

/// A running appliance. It stops when this is dropped.
pub struct Sandbox {
    appliance: Arc<Appliance>,
    url: String,
    ca_pem: Option<String>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts to serve on 127.0.0.1, in a thread of its own.
    ///
    /// Errors: the port is in use, or the certificate cannot be made.
    pub fn start(options: SandboxOptions) -> io::Result<Self> {
        let identity = options.tls.then(Identity::make).transpose()?;
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        let url = if options.tls { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") };
        let appliance = Arc::new(Appliance::new(options));
        let (stop, stopped) = watch::channel(false);
        let (ca_pem, acceptor) = identity.map(|identity| (identity.ca_pem, identity.acceptor)).unzip();
        let served = Arc::clone(&appliance);
        let (report, started) = mpsc::sync_channel(1);
        // The thread makes and drops the runtime, because the caller may be in a runtime itself.
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            match open(socket, acceptor) {
                Ok((runtime, listener)) => {
                    // The receiver below waits for it, so sending cannot fail.
                    let _ = report.send(Ok(()));
                    serve(runtime, listener, served, stopped);
                }
                Err(error) => drop(report.send(Err(error))),
            }
        })?;
        started.recv().map_err(io::Error::other)??;
        Ok(Self { appliance, url, ca_pem, stop, thread: Some(thread) })
    }

    /// Returns `http://127.0.0.1:PORT` or `https://localhost:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the certificate of the authority to trust, in PEM; `None` for HTTP.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Returns the id of the API account.
    pub fn client_id(&self) -> &str {
        &self.appliance.client_id
    }

    /// Returns the secret of the API account.
    pub fn client_secret(&self) -> &str {
        &self.appliance.client_secret
    }

    /// Returns the API key of Password Safe.
    pub fn api_key(&self) -> &str {
        &self.appliance.api_key
    }

    /// Returns the user on whose behalf requests with the API key of Password Safe run.
    pub fn run_as(&self) -> &str {
        &self.appliance.run_as
    }

    /// Returns the cookies of all sessions so far. Tests check that no output contains them.
    pub fn session_cookies(&self) -> Vec<String> {
        self.appliance.session_cookies()
    }

    /// Returns all tokens issued so far. Tests check that no output contains them.
    pub fn tokens(&self) -> Vec<String> {
        self.appliance.issued_tokens()
    }

    /// Returns the counts of requests so far.
    pub fn counters(&self) -> Counters {
        self.appliance.counters.snapshot()
    }

    /// Waits until `enough` holds for the counters; returns false if `most` passes first.
    pub fn wait_for(&self, most: Duration, enough: impl Fn(&Counters) -> bool) -> bool {
        self.appliance.counters.wait_for(most, enough)
    }

    /// Replaces the faults, from the next request on.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.appliance.faults) = faults;
    }

    /// Reads or changes the world. No request is answered meanwhile.
    pub fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        work(&mut lock(&self.appliance.world))
    }

    /// Remembers the users who exist now, for [`Sandbox::stayed`].
    pub fn mark(&self) {
        self.with_world(World::mark);
    }

    /// Returns the ids of the users who existed at the last [`Sandbox::mark`] and ever since.
    pub fn stayed(&self) -> BTreeSet<u64> {
        self.with_world(|world| world.stayed())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Both fail only if the thread has ended already.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("url", &self.url).finish_non_exhaustive()
    }
}

fn open(socket: TcpListener, acceptor: Option<TlsAcceptor>) -> io::Result<(Runtime, ReadyListener)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener =
        runtime.block_on(async { ReadyListener::open(tokio::net::TcpListener::from_std(socket)?, acceptor) })?;
    Ok((runtime, listener))
}

/// Serves until `stopped` is true or its sender is gone, and then for [`GRACE`] at most.
fn serve(runtime: Runtime, listener: ReadyListener, appliance: Arc<Appliance>, stopped: watch::Receiver<bool>) {
    let stop = |mut stopped: watch::Receiver<bool>| async move {
        // An error means that the sandbox was dropped: stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let graceful = stop(stopped.clone());
    runtime.block_on(async {
        let serving = axum::serve(listener, server::service(appliance)).with_graceful_shutdown(graceful);
        // A client that keeps its connection open would delay a graceful shutdown for ever.
        let deadline = async {
            stop(stopped).await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            _ = serving => {}
            () = deadline => {}
        }
    });
    runtime.shutdown_background();
}
