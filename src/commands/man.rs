//! `man`: the manual pages. Without a folder it prints the main page; with one it writes a page for every command.

use super::log_error;
use super::stdout::{Printed, print_product};
use crate::cli::{Cli, ManArgs};
use crate::run::Exit;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::fs;
use std::io;
use std::path::Path;

/// Executes `man` and returns its exit code.
pub(super) fn man(args: &ManArgs) -> Exit {
    let pages = match pages() {
        Ok(pages) => pages,
        Err(error) => {
            return log_error(&format!("failed to render the manual page: {error}"), None, Exit::NothingPublished);
        }
    };
    match &args.dir {
        None => print_product(&Printed::Format(&pages[0].text)),
        Some(dir) => match write(&pages, dir) {
            Ok(()) => Exit::Complete,
            Err(error) => {
                let what = format!("failed to write the manual pages into {}: {error}", dir.display());
                log_error(&what, None, Exit::NothingPublished)
            }
        },
    }
}

/// A manual page in roff, with the file name that `man` looks for.
struct Page {
    file: String,
    text: String,
}

/// Renders every page: the main one first, then `bt-rollcall-run` and so on, for each command that the help lists.
fn pages() -> io::Result<Vec<Page>> {
    // Without `help`, which has no page. `build` gives each command its full name, such as `bt-rollcall-run`.
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut commands = Vec::new();
    list(root, &mut commands);
    commands.into_iter().map(page).collect()
}

/// Appends a command and, after it, all commands below it.
fn list(command: Command, into: &mut Vec<Command>) {
    let below: Vec<Command> = command.get_subcommands().filter(|below| !below.is_hide_set()).cloned().collect();
    into.push(command);
    for command in below {
        list(command, into);
    }
}

fn page(command: Command) -> io::Result<Page> {
    let version = concat!("bt-rollcall ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).source(version).manual("bt-rollcall manual");
    let mut text = Vec::new();
    man.render(&mut text)?;
    // Examples and exit codes keep their lines: they are columns.
    let text = String::from_utf8_lossy(&text)
        .replace("\n.SH EXTRA\n", "\n.SH \"EXAMPLES AND EXIT CODES\"\n.nf\n")
        .replace("\n.SH VERSION\n", "\n.fi\n.SH VERSION\n");
    Ok(Page { file: man.get_filename(), text })
}

/// Writes each page as a file of its own. Creates the folder where it does not exist.
fn write(pages: &[Page], dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    pages.iter().try_for_each(|page| fs::write(dir.join(&page.file), &page.text))
}
