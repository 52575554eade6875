//! A configuration of bt-rollcall that reads this sandbox, as a user would write it.

use crate::{Expect, Sandbox, Surface};
use chrono::{DateTime, Utc};
use std::path::Path;

/// Name of the file, in the folder of [`Sandbox::ready_configuration`], that holds the client secret and nothing else.
/// The caller writes it, with mode 0600.
pub const SECRET_FILE: &str = "sandbox-secret";
/// Name of the file, in the same folder, that holds [`Sandbox::ca_pem`] if the sandbox serves HTTPS.
pub const CA_FILE: &str = "sandbox-ca.pem";
/// Name of the only source. If there are several sources, their names start with it.
const SOURCE_NAME: &str = "sandbox";

impl Sandbox {
    /// Returns a configuration (TOML) that reads this sandbox by the guide's API.
    ///
    /// It keeps everything below `dir`, in `state` and `snapshots`. The caller writes [`SECRET_FILE`] there and, for
    /// HTTPS, [`CA_FILE`]. Thresholds and patterns are those of [`Expect::usual`]. `syslog_url` is the destination of
    /// events, if any.
    pub fn ready_configuration(&self, dir: &Path, syslog_url: Option<&str>) -> String {
        self.ready_configuration_of(&[Surface::Guide], dir, syslog_url)
    }

    /// Returns the same with one source for each interface. Several sources are named `sandbox-KIND`, for example
    /// `sandbox-pra`; a single one is named `sandbox`.
    pub fn ready_configuration_of(&self, surfaces: &[Surface], dir: &Path, syslog_url: Option<&str>) -> String {
        let usual = Expect::usual(SOURCE_NAME, DateTime::<Utc>::UNIX_EPOCH);
        let syslog = syslog_url.map(|url| format!("\n[syslog]\nurl = {}\n", quoted(url))).unwrap_or_default();
        let several = surfaces.len() > 1;
        let sources: Vec<String> = surfaces.iter().map(|surface| self.source(*surface, several, dir)).collect();
        format!(
            "state_dir = {state}\n\n\
             [output]\n\
             dir = {snapshots}\n\n\
             [policy]\n\
             stale_after_days = {stale}\n\
             privileged_stale_after_days = {privileged_stale}\n\
             never_logged_in_grace_days = {grace}\n\
             privileged_groups = {privileged}\n\
             break_glass = {break_glass}\n\
             service_accounts = {service}\n\n\
             {sources}\
             {syslog}",
            state = below(dir, "state"),
            snapshots = below(dir, "snapshots"),
            stale = usual.stale_after_days,
            privileged_stale = usual.privileged_stale_after_days,
            grace = usual.never_grace_days,
            privileged = list(&usual.privileged_groups),
            break_glass = list(&usual.break_glass),
            service = list(&usual.service_accounts),
            sources = sources.join("\n"),
        )
    }

    fn source(&self, surface: Surface, several: bool, dir: &Path) -> String {
        let kind = surface.as_str();
        let name = if several { format!("{SOURCE_NAME}-{kind}") } else { SOURCE_NAME.to_owned() };
        let ca_file = self.ca_pem().map(|_| format!("ca_file = {}\n", below(dir, CA_FILE))).unwrap_or_default();
        format!(
            "[[source]]\n\
             name = {name}\n\
             kind = {kind}\n\
             url = {url}\n\
             client_id = {client_id}\n\
             client_secret = {{ file = {secret} }}\n\
             {ca_file}\
             # The simulated appliance has no limit of its own; a real one deserves the default of 15.\n\
             requests_per_second = 1000\n",
            name = quoted(&name),
            kind = quoted(kind),
            url = quoted(self.url()),
            client_id = quoted(self.client_id()),
            secret = below(dir, SECRET_FILE),
        )
    }
}

fn below(dir: &Path, name: &str) -> String {
    quoted(&dir.join(name).to_string_lossy())
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    toml::Value::from(texts.to_vec()).to_string()
}
