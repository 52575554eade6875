//! The simulated appliance, in a process of its own, so that its CPU time is not counted.

use super::Outcome;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, io};

/// Simulated appliance with the guide's interface.
pub(crate) struct Sandbox {
    process: Child,
    folder: PathBuf,
    /// Address of the appliance.
    pub(crate) url: String,
}

impl Sandbox {
    /// Starts an appliance that waits `latency` milliseconds before each response.
    pub(crate) fn start(users: usize, latency: u64, folder: &Path) -> Outcome<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"));
        command.args(["sandbox", "--http", "--surface", "rest-v3", "--users", &users.to_string()]);
        command.args(["--latency", &latency.to_string(), "--dir"]).arg(folder);
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let first = lines.next().ok_or("the sandbox did not start")??;
        let url = first.split_whitespace().last().ok_or("no address")?.to_owned();
        // The process keeps writing: unread output would fill the pipe and stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let sandbox = Self { process, folder: folder.to_owned(), url };
        let configuration = fs::read_to_string(sandbox.configuration())?;
        let unpaced = configuration.replace("requests_per_second = 1000\n", "requests_per_second = 10000\n");
        // A million accounts have more memberships than the default of max_rows.
        let more = format!("concurrency = {}\nmax_rows = 100000000\n", super::AT_ONCE);
        fs::write(sandbox.configuration(), unpaced + &more)?;
        Ok(sandbox)
    }

    /// Returns the folder of the appliance.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("bt-rollcall.toml")
    }

    /// Returns the command of a whole run.
    pub(crate) fn run(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"));
        command.args(["run", "-qq", "--config"]).arg(self.configuration()).stderr(Stdio::null());
        command
    }

    /// Forgets all runs, so that the next one is the first.
    pub(crate) fn forget(&self) -> Outcome<()> {
        for name in ["snapshots", "state"] {
            match fs::remove_dir_all(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns a token, as a header.
    pub(crate) async fn authorization(url: &str, folder: &Path) -> Outcome<String> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let secret = fs::read_to_string(folder.join("sandbox-secret"))?;
        let secret = secret.trim().bytes().fold(String::new(), |form, byte| format!("{form}%{byte:02X}"));
        let form = format!("grant_type=client_credentials&client_id=rollcall&client_secret={secret}");
        let request =
            http.post(format!("{url}/oauth2/token")).header("content-type", "application/x-www-form-urlencoded");
        let token: serde_json::Value = serde_json::from_slice(&request.body(form).send().await?.bytes().await?)?;
        Ok(format!("Bearer {}", token["access_token"].as_str().ok_or("no token")?))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Fails if the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
