//! The simulated appliance: serves one world by every interface ([`Surface`]) over HTTP or HTTPS on loopback, from a seeded
//! [`World`] that knows its own expected inventory and findings ([`World::expected`]), and misbehaves on demand ([`Faults`]).
//! Shares no code with the client: what they agree on is the products' documentation, not a struct.
//!
//! ```text
//! Sandbox ── server ─┬─ front, limits, churn (faults)      world ─┬─ population (who lives there)
//!            │       ├─ token                                      ├─ shape (how each surface words it)
//!            │       ├─ read, write (the guide)                    ├─ dialect (how real appliances word it)
//!            door    └─ config (pra, rs), password_safe, scim      └─ oracle (what a correct snapshot holds)
//! ```

mod certificate;
mod configuration;
mod dialect;
mod facets;
mod faults;
mod listener;
mod members;
mod oracle;
mod population;
mod served;
mod server;
mod shape;
mod surface;
mod tally;
#[cfg(test)]
mod tests;
mod world;

pub use configuration::{CA_FILE, SECRET_FILE, SOURCE_NAME};
pub use dialect::{Dialect, Loss};
pub use facets::{ExternalMember, ProductDetails, Provider, UserDetails, Vendor};
pub use faults::Faults;
pub use oracle::{Earlier, Expect, Expected, ExpectedFinding, Row};
pub use surface::Surface;
pub use tally::Counters;
pub use world::{CANARY, Record, World};

use certificate::Identity;
use listener::TlsListener;
use server::Appliance;
use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tally::lock;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Answers under way when the sandbox is dropped get this long.
const GRACE: Duration = Duration::from_millis(500);

/// What to serve, and how.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Who lives there.
    pub world: World,
    /// How it misbehaves.
    pub faults: Faults,
    /// HTTPS, with a certificate made at start.
    pub tls: bool,
    /// The API account.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Password Safe: the key that does instead of the API account.
    pub api_key: String,
    /// Password Safe: whom a call with the key runs as.
    pub run_as: String,
    /// Of the chances in `faults`.
    pub seed: u64,
    /// 0: any that is free.
    pub port: u16,
}

impl Default for SandboxOptions {
    /// Nobody, faultless, plain HTTP, any port.
    fn default() -> Self {
        Self {
            world: World::empty(),
            faults: Faults::default(),
            tls: false,
            client_id: "rollcall".to_owned(),
            client_secret: format!("sandbox {CANARY}+/=&%"),
            // As long as real ones: 128 characters.
            api_key: format!("{:0<128}", format!("sandbox-key-{CANARY}")),
            run_as: "DOMAIN\\rollcall".to_owned(),
            seed: 1,
            port: 0,
        }
    }
}

/// A running appliance; it stops when this is dropped.
pub struct Sandbox {
    appliance: Arc<Appliance>,
    url: String,
    ca_pem: Option<String>,
    certificate_sha256: Option<String>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts to serve on 127.0.0.1, in a thread of its own. Errors: the port is taken; no certificate could be made.
    pub fn start(options: SandboxOptions) -> io::Result<Self> {
        let identity = options.tls.then(Identity::make).transpose()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let url = if options.tls { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") };
        let appliance = Arc::new(Appliance::new(options));
        let (stop, stopped) = watch::channel(false);
        let (ca_pem, certificate_sha256, acceptor) = match identity {
            Some(made) => (Some(made.ca_pem), Some(made.sha256), Some(made.acceptor)),
            None => (None, None, None),
        };
        let served = Arc::clone(&appliance);
        let (report, started) = mpsc::sync_channel(1);
        // The runtime is made and dropped over there: this may be called from within another one.
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            match open(listener, acceptor) {
                Ok((runtime, door)) => {
                    // Somebody waits for it below.
                    let _ = report.send(Ok(()));
                    serve(runtime, door, served, stopped);
                }
                Err(error) => drop(report.send(Err(error))),
            }
        })?;
        started.recv().map_err(io::Error::other)??;
        Ok(Self { appliance, url, ca_pem, certificate_sha256, stop, thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT` or `https://localhost:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of the authority to trust, on https.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// SHA-256 of the server's certificate, lower-case hex, on https.
    pub fn certificate_sha256(&self) -> Option<&str> {
        self.certificate_sha256.as_deref()
    }

    /// The API account's id.
    pub fn client_id(&self) -> &str {
        &self.appliance.client_id
    }

    /// The API account's secret.
    pub fn client_secret(&self) -> &str {
        &self.appliance.client_secret
    }

    /// Password Safe: the key that does instead of the API account.
    pub fn api_key(&self) -> &str {
        &self.appliance.api_key
    }

    /// Password Safe: whom a call with the key runs as.
    pub fn run_as(&self) -> &str {
        &self.appliance.run_as
    }

    /// Every session's cookie that was given, to be looked for where it must not be.
    pub fn session_cookies(&self) -> Vec<String> {
        self.appliance.session_cookies()
    }

    /// Every token that was given, to be looked for where it must not be.
    pub fn tokens(&self) -> Vec<String> {
        self.appliance.tokens_given()
    }

    /// What it was asked so far.
    pub fn counters(&self) -> Counters {
        self.appliance.tally.snapshot()
    }

    /// Waits until the counters say so; false when the time was up first.
    pub fn wait_for(&self, most: Duration, enough: impl Fn(&Counters) -> bool) -> bool {
        self.appliance.tally.wait_for(most, enough)
    }

    /// From the next request on it misbehaves like this.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.appliance.faults) = faults;
    }

    /// Looks at the world, or changes it. No request is answered meanwhile.
    pub fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        work(&mut lock(&self.appliance.world))
    }

    /// Starts to watch who stays.
    pub fn mark(&self) {
        self.with_world(World::mark);
    }

    /// Ids of the users who existed at the last [`Sandbox::mark`] and ever since.
    pub fn stayed(&self) -> BTreeSet<u64> {
        self.with_world(|world| world.stayed())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Both fail only when the thread has ended already.
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

fn open(listener: TcpListener, acceptor: Option<TlsAcceptor>) -> io::Result<(Runtime, TlsListener)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let door = runtime.block_on(async { TlsListener::open(tokio::net::TcpListener::from_std(listener)?, acceptor) })?;
    Ok((runtime, door))
}

fn serve(runtime: Runtime, door: TlsListener, appliance: Arc<Appliance>, stopped: watch::Receiver<bool>) {
    let reported = |mut stopped: watch::Receiver<bool>| async move {
        // An error means that the sandbox is gone: stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let graceful = reported(stopped.clone());
    runtime.block_on(async {
        let serving = axum::serve(door, server::service(appliance)).with_graceful_shutdown(graceful);
        let patience = async {
            reported(stopped).await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            _ = serving => {}
            () = patience => {}
        }
    });
    runtime.shutdown_background();
}
