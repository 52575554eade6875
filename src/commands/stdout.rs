//! The only place that writes to stdout. Text for people arrives as [`Lines`], in which every character is visible.
//!
//! A command has a product or a summary. A product is what it was called for, such as a completion script: if it cannot be
//! written, the command has failed. A summary describes what was done already, so its exit code stays.

use super::log_error;
use crate::escape::{self, Lines};
use crate::run::Exit;
use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};

/// What a command prints.
pub(super) enum Printed<'a> {
    /// Text for people.
    Lines(&'a Lines),
    /// JSON on one line or on several.
    Json(&'a str),
    /// A format with escapes of its own, such as CSV, HTML, TOML, roff or a shell script.
    Format(&'a str),
}

impl Printed<'_> {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Lines(lines) => Cow::Borrowed(lines.as_str()),
            Self::Json(text) => escape::json(text) + "\n",
            Self::Format(text) => Cow::Borrowed(text),
        }
    }
}

/// Prints the product of a command and returns its exit code.
pub(super) fn print_product(product: &Printed<'_>) -> Exit {
    match write(product) {
        Ok(()) => Exit::Complete,
        Err(error) => log_error(&format!("stdout: failed to write: {error}"), Some(CURE), Exit::NothingPublished),
    }
}

/// Prints a summary of what was done. A failure is a warning, because it does not change what was done.
pub(super) fn print_summary(summary: &Printed<'_>) {
    if let Err(error) = write(summary) {
        tracing::warn!(hint = %CURE, "stdout: the summary could not be written: {error}; the exit code is not affected");
    }
}

const CURE: &str = "redirect stdout to a file on a disk with free space, or to a pipe";

/// Writes to stdout. A closed pipe is not an error, because `bt-rollcall … | head` closes it on purpose.
fn write(printed: &Printed<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(printed.text().as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
