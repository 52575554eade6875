//! The wish to stop. SIGTERM and SIGINT set it; every stage looks at it where stopping loses nothing.

use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether, and by which signal, the run was asked to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<Option<&'static str>>);

impl Stop {
    /// Nobody has asked yet; [`Stop::ask`] does.
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Listens on a thread of its own, so that a stage that blocks is seen too. The second signal ends the process at once:
    /// that is safe at any moment, it only leaves something to clean for the next run.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::new();
        let asked = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        drop(context);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                loop {
                    let name = tokio::select! {
                        _ = term.recv() => "SIGTERM",
                        _ = int.recv() => "SIGINT",
                    };
                    if asked.asked().is_some() {
                        std::process::exit(1);
                    }
                    asked.ask(name);
                }
            });
        })?;
        Ok(stop)
    }

    /// Asks.
    pub fn ask(&self, by: &'static str) {
        self.0.send_replace(Some(by));
    }

    /// The signal that asked, if one did.
    pub fn asked(&self) -> Option<&'static str> {
        *self.0.borrow()
    }

    /// Waits until somebody asks; gives the signal's name.
    pub async fn wait(&self) -> &'static str {
        let mut receiver = self.0.subscribe();
        // The sender is `self`: it cannot be gone.
        let asked = receiver.wait_for(Option::is_some).await;
        asked.ok().and_then(|by| *by).unwrap_or("a signal")
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}
