//! The binary: parses the command line, executes the command and returns its exit code. Everything else is in the library.

use bt_rollcall::run::Exit;
use bt_rollcall::{cli::Cli, commands, internal_error};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    internal_error::hook();
    let exit = internal_error::catch(|| match Cli::try_parse() {
        Ok(cli) => commands::execute(cli),
        Err(error) => commands::refuse(&error),
    });
    // The hook has logged the panic.
    exit.unwrap_or(Exit::NothingPublished).into()
}
