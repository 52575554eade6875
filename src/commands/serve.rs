//! `sandbox`: serves the simulated appliance until stopped.

use super::{failed, print};
use crate::cli::SandboxArgs;
use crate::run::Exit;
use crate::run::stop::Stop;
use crate::sandbox::{Faults, Sandbox, SandboxOptions, World};
use chrono::Utc;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(super) fn sandbox(args: &SandboxArgs) -> Exit {
    match serve(args) {
        Ok(()) => Exit::Complete,
        Err(error) => failed(&format!("failed to serve the sandbox: {error}"), None, Exit::NothingPublished),
    }
}

fn serve(args: &SandboxArgs) -> io::Result<()> {
    let stop = Stop::on_signals()?;
    let users = usize::try_from(args.users).unwrap_or(usize::MAX);
    let sandbox = Sandbox::start(SandboxOptions {
        world: World::seeded(args.seed, users, Utc::now()),
        faults: faults(args),
        tls: !args.http,
        port: args.port,
        seed: args.seed,
        ..SandboxOptions::default()
    })?;
    let configuration = write_configuration(&sandbox, &args.dir, None)?;
    print(&format!(
        "address        {}\nconfiguration  {}\ntry            bt-rollcall run --config {}\nstop           Ctrl-C\n",
        sandbox.url(),
        configuration.display(),
        configuration.display()
    ));
    tokio::runtime::Builder::new_current_thread().build()?.block_on(stop.wait());
    Ok(())
}

fn faults(args: &SandboxArgs) -> Faults {
    let share = args.faults.clamp(0.0, 1.0);
    Faults {
        sparse_lists: args.sparse,
        page_clamp: args.page_clamp,
        too_many: share,
        server_error: share,
        reset: share,
        truncate: share,
        html_200: share,
        empty_200: share,
        ..Faults::default()
    }
}

/// Writes the secret, the certificate and a configuration that reads this sandbox into a private folder.
pub(super) fn write_configuration(sandbox: &Sandbox, dir: &Path, syslog: Option<&str>) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = fs::canonicalize(dir)?;
    write(&dir.join("sandbox-secret"), sandbox.client_secret())?;
    if let Some(pem) = sandbox.ca_pem() {
        write(&dir.join("sandbox-ca.pem"), pem)?;
    }
    let path = dir.join("bt-rollcall.toml");
    write(&path, &sandbox.ready_configuration(&dir, syslog))?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
