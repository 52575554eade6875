//! `sandbox`: serves the simulated appliance until stopped.

use super::{failed, print};
use crate::cli::{SandboxArgs, SurfaceArg};
use crate::run::Exit;
use crate::run::stop::Stop;
use bt_rollcall_sandbox::{Faults, Sandbox, SandboxOptions, Surface, World};
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
    print(&format!(
        "address        {}\nconfiguration  {}\ntry            bt-rollcall run --config {}\nstop           Ctrl-C\n",
        sandbox.url(),
        configuration.display(),
        configuration.display()
    ));
    tokio::runtime::Builder::new_current_thread().build()?.block_on(stop.wait());
    Ok(())
}

/// In their order, each once.
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
        return Err(io::Error::other("one appliance is either pra or rs: both have the same paths"));
    }
    Ok(surfaces)
}

fn faults(args: &SandboxArgs) -> Faults {
    let share = args.faults.clamp(0.0, 1.0);
    Faults {
        dialects: args.dialects.iter().copied().collect(),
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
pub(super) fn write_configuration(
    sandbox: &Sandbox,
    surfaces: &[Surface],
    dir: &Path,
    syslog: Option<&str>,
) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = fs::canonicalize(dir)?;
    write(&dir.join("sandbox-secret"), sandbox.client_secret())?;
    if let Some(pem) = sandbox.ca_pem() {
        write(&dir.join("sandbox-ca.pem"), pem)?;
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
    fn every_interface_but_remote_support_is_the_default_and_one_appliance_is_one_product() {
        let words = |wanted: &[SurfaceArg]| -> Vec<&str> {
            surfaces(wanted).unwrap().into_iter().map(Surface::as_str).collect()
        };
        assert_eq!(words(&[]), ["rest-v3", "pra", "password-safe", "scim"]);
        assert_eq!(words(&[SurfaceArg::All]), words(&[]));
        assert_eq!(words(&[SurfaceArg::Scim, SurfaceArg::Rs, SurfaceArg::Scim]), ["rs", "scim"]);
        assert!(surfaces(&[SurfaceArg::Rs, SurfaceArg::All]).is_err());
    }
}
