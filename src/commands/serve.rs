//! `sandbox`: serves a simulated appliance until it is stopped, and writes a configuration that reads it.
//!
//! `demo` uses [`write_configuration`] too.

use super::log_error;
use super::stdout::{Printed, print_summary};
use crate::cli::{SandboxArgs, SurfaceArg};
use crate::escape::{Lines, shell_word};
use crate::run::Exit;
use crate::run::stop::Stop;
use bt_rollcall_sandbox::{CA_FILE, Faults, SECRET_FILE, Sandbox, SandboxOptions, Surface, World};
use chrono::Utc;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Executes `sandbox` and returns its exit code.
pub(super) fn sandbox(args: &SandboxArgs) -> Exit {
    match serve(args) {
        Ok(()) => Exit::Complete,
        Err(error) => log_error(&format!("failed to serve the sandbox: {error}"), None, Exit::NothingPublished),
    }
}

fn serve(args: &SandboxArgs) -> io::Result<()> {
    let stop = Stop::on_signals()?;
    let surfaces = surfaces(&args.surfaces)?;
    let users = usize::try_from(args.users).unwrap_or(usize::MAX);
    let sandbox = Sandbox::start(SandboxOptions {
        world: World::seeded(args.seed, users, Utc::now()),
        faults: Faults { rs: surfaces.contains(&Surface::Rs), ..faults(args) },
        tls: !args.http,
        port: args.port,
        seed: args.seed,
        ..SandboxOptions::default()
    })?;
    let configuration = write_configuration(&sandbox, &surfaces, &args.dir, None)?;
    if let Some(file) = &args.world {
        let lists =
            |surface: &Surface| (surface.as_str().to_owned(), sandbox.with_world(|world| world.served(*surface)));
        let served: serde_json::Map<_, _> = surfaces.iter().map(lists).collect();
        fs::write(file, serde_json::Value::Object(served).to_string())?;
    }
    let mut lines = Lines::default();
    lines.line(format_args!("address        {}", sandbox.url()));
    lines.line(format_args!("configuration  {}", configuration.display()));
    lines.line(format_args!("try            bt-rollcall run --config {}", shell_word(&configuration)));
    lines.line("stop           Ctrl-C");
    print_summary(&Printed::Lines(&lines));
    tokio::runtime::Builder::new_current_thread().build()?.block_on(stop.wait());
    Ok(())
}

/// Returns the interfaces to serve, in a fixed order and without duplicates.
fn surfaces(wanted: &[SurfaceArg]) -> io::Result<Vec<Surface>> {
    let wants = |surface: Surface| match surface {
        Surface::Rs => wanted.contains(&SurfaceArg::Rs),
        _ if wanted.is_empty() || wanted.contains(&SurfaceArg::All) => true,
        Surface::Guide => wanted.contains(&SurfaceArg::RestV3),
        Surface::Pra => wanted.contains(&SurfaceArg::Pra),
        Surface::PasswordSafe => wanted.contains(&SurfaceArg::PasswordSafe),
        Surface::Scim => wanted.contains(&SurfaceArg::Scim),
    };
    let surfaces: Vec<Surface> = Surface::ALL.into_iter().filter(|surface| wants(*surface)).collect();
    if surfaces.contains(&Surface::Pra) && surfaces.contains(&Surface::Rs) {
        return Err(io::Error::other(
            "--surface pra cannot be combined with rs: both have the same paths; start a second sandbox",
        ));
    }
    Ok(surfaces)
}

fn faults(args: &SandboxArgs) -> Faults {
    let share = args.faults.clamp(0.0, 1.0);
    Faults {
        dialects: args.dialects.iter().copied().collect(),
        sparse_lists: args.sparse,
        page_clamp: args.page_clamp,
        latency: (args.latency > 0).then(|| Duration::from_millis(args.latency)),
        too_many: share,
        server_error: share,
        reset: share,
        truncate: share,
        html_200: share,
        empty_200: share,
        ..Faults::default()
    }
}

/// Writes the secret, the certificate and a configuration that reads this sandbox into a folder with mode 0700.
///
/// Returns the path of the configuration. `syslog` is the URL of a destination for its events.
pub(super) fn write_configuration(
    sandbox: &Sandbox,
    surfaces: &[Surface],
    dir: &Path,
    syslog: Option<&str>,
) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = fs::canonicalize(dir)?;
    write(&dir.join(SECRET_FILE), sandbox.client_secret())?;
    if let Some(pem) = sandbox.ca_pem() {
        write(&dir.join(CA_FILE), pem)?;
    }
    let path = dir.join("bt-rollcall.toml");
    write(&path, &sandbox.ready_configuration_of(surfaces, &dir, syslog))?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_interfaces_except_rs_are_the_default_and_pra_cannot_be_combined_with_rs() {
        let words = |wanted: &[SurfaceArg]| -> Vec<&str> {
            surfaces(wanted).unwrap().into_iter().map(Surface::as_str).collect()
        };
        assert_eq!(words(&[]), ["rest-v3", "pra", "password-safe", "scim"]);
        assert_eq!(words(&[SurfaceArg::All]), words(&[]));
        assert_eq!(words(&[SurfaceArg::Scim, SurfaceArg::Rs, SurfaceArg::Scim]), ["rs", "scim"]);
        assert!(surfaces(&[SurfaceArg::Rs, SurfaceArg::All]).is_err());
    }
}
