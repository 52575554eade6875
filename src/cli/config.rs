//! Arguments of `config`: write a first configuration, describe the file, show what is in force.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Words of `kind` that `config init` accepts.
pub const KINDS: [&str; 5] = ["rest-v3", "pra", "rs", "password-safe", "scim"];

/// Help below `config`.
pub const CONFIG_HELP: &str = "\
Examples:
  bt-rollcall config init                       Ask on a terminal, and write ./bt-rollcall.toml
  bt-rollcall config init --kind pra --url https://bt.example.com --client-id abc \\
    --secret-file /etc/bt-rollcall/secret --output /etc/bt-rollcall/config.toml
                                                Ask nothing
  bt-rollcall config show                       Print every setting in force and where it comes from
  bt-rollcall config schema > bt-rollcall.schema.json
                                                Let an editor complete and check the file

Exit codes:
   0  written or printed
   1  the file exists already, or cannot be written
   2  usage or configuration error";

/// What to do with the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Write a first configuration with comments
    ///
    /// Asks on a terminal for what the flags do not say. The file has mode 0644: it contains no secret, only the path of the file
    /// with the secret.
    Init(InitArgs),
    /// Print the JSON Schema (2020-12) of the configuration file, for editors
    Schema,
    /// Print every setting in force and where it comes from: a line of the file, a default, a framework or a profile
    ///
    /// A secret is shown as its reference only. The output is a configuration file itself.
    Show(ShowArgs),
}

/// Arguments of `config init`.
#[derive(Clone, Debug, Default, Args)]
pub struct InitArgs {
    /// Product and interface of the appliance
    #[arg(long, value_parser = KINDS)]
    pub kind: Option<String>,
    /// Address of the appliance.
    #[arg(long, value_name = "URL", help = "Address of the appliance, such as https://bt.example.com")]
    pub url: Option<String>,
    /// Client id of the API account
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// File that contains the client secret [default: /etc/bt-rollcall/secret]
    #[arg(long, value_name = "PATH")]
    pub secret_file: Option<PathBuf>,
    /// Credential of systemd that contains the client secret, by its name in the unit
    #[arg(long, value_name = "NAME", conflicts_with = "secret_file")]
    pub secret_credential: Option<String>,
    /// Receiver of events.
    #[arg(long, value_name = "URL", help = "Receiver of events, such as tls://siem.example.com:6514 [default: none]")]
    pub syslog: Option<String>,
    /// Folder of the state and the snapshots [default: /var/lib/bt-rollcall]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Write this file; `-` is stdout [default: the file that --config names, else bt-rollcall.toml]
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `config show`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ShowArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
