//! A request to stop the run. SIGTERM and SIGINT set it; every stage checks it where stopping loses no data.

use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether a signal asked the run to stop, and which one. Clones share the request.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<Option<&'static str>>);

impl Stop {
    /// Creates a request that is not set. [`Stop::request`] sets it.
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Creates a request that SIGTERM and SIGINT set. Errors: the signal handlers cannot be installed.
    ///
    /// A second signal ends the process at once. That is safe at any moment: the next run cleans up what is left.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::new();
        let request = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        drop(context);
        // A thread of its own: stages that block the main thread (disk, syslog) are interrupted too.
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                loop {
                    let name = tokio::select! {
                        _ = term.recv() => "SIGTERM",
                        _ = int.recv() => "SIGINT",
                    };
                    if request.requested_by().is_some() {
                        std::process::exit(1);
                    }
                    request.request(name);
                }
            });
        })?;
        Ok(stop)
    }

    /// Asks the run to stop. `signal` is the name for messages.
    pub fn request(&self, signal: &'static str) {
        self.0.send_replace(Some(signal));
    }

    /// Returns the signal that asked the run to stop; `None` if there was none.
    pub fn requested_by(&self) -> Option<&'static str> {
        *self.0.borrow()
    }

    /// Waits until the run is asked to stop and returns the name of the signal.
    pub async fn wait(&self) -> &'static str {
        let mut receiver = self.0.subscribe();
        // `wait_for` fails only when the sender is dropped, and `self` is the sender.
        let requested = receiver.wait_for(Option::is_some).await;
        requested.ok().and_then(|signal| *signal).unwrap_or("a signal")
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}
