//! The binary: parses the command line, executes the command and returns its exit code. Everything else is in the library.

use bt_rollcall::{cli::Cli, commands};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => commands::execute(cli),
        Err(error) => commands::refuse(&error),
    }
    .into()
}
