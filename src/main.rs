//! Parses, calls, returns the exit code: nothing else.

use bt_rollcall::{cli::Cli, commands};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    commands::execute(Cli::parse()).into()
}
