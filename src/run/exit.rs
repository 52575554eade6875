//! The exit codes of the program and their precedence. They are public API: README, `cron/` and this file agree.
//!
//! Every command uses them. The reasons for a code are decided elsewhere (`summary`, `error` and the commands).

/// The result of a run or of another command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// The snapshot was published and every event was delivered.
    Complete,
    /// Nothing was published: a source, the disk or the network stopped the run.
    NothingPublished,
    /// The command line or the configuration is wrong; no source was contacted.
    Usage,
    /// The snapshot was published, but at least one source is not proven complete.
    Partial,
    /// A guard set a source aside. Nothing is published if no other source remains.
    Guarded,
    /// Events are still queued, or their receiver refused them for ever. The snapshot was published, unless the spool is
    /// full.
    Waiting,
    /// Another run holds the lock.
    Locked,
    /// The snapshot was published and delivered, and there are findings at or above `--fail-on`.
    Findings,
}

impl Exit {
    /// All codes by precedence: of several that apply, the first one is returned.
    pub const PRECEDENCE: [Self; 8] = [
        Self::Usage,
        Self::Locked,
        Self::NothingPublished,
        Self::Guarded,
        Self::Partial,
        Self::Waiting,
        Self::Findings,
        Self::Complete,
    ];

    /// All codes in numerical order, for the help text.
    pub const ALL: [Self; 8] = [
        Self::Complete,
        Self::NothingPublished,
        Self::Usage,
        Self::Partial,
        Self::Guarded,
        Self::Waiting,
        Self::Locked,
        Self::Findings,
    ];

    /// Returns what the code means for an operator. The help text and the README use the same words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Complete => "complete: published, every event delivered",
            Self::NothingPublished => "nothing published: a source, the disk or the network stopped the run",
            Self::Usage => "usage or configuration error; nothing was contacted",
            Self::Partial => "published, but at least one source is partial: not proven complete",
            Self::Guarded => "a guard set a source aside: it came back empty or shrank beyond the limit",
            Self::Waiting => "events are queued, or were refused for ever; published, unless the spool is full",
            Self::Locked => "another run holds the lock",
            Self::Findings => "published and delivered; findings at or above --fail-on",
        }
    }

    /// Returns the exit code of the process.
    pub fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::NothingPublished => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Guarded => 4,
            Self::Waiting => 5,
            Self::Locked => 6,
            Self::Findings => 10,
        }
    }

    /// Returns the result for a code. An unknown code is a failure.
    pub fn of_code(code: u8) -> Self {
        Self::PRECEDENCE.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::NothingPublished)
    }

    /// Returns the result with the highest precedence; [`Exit::Complete`] if there is none.
    pub fn winner(applying: impl IntoIterator<Item = Self>) -> Self {
        let place = |exit: &Self| Self::PRECEDENCE.iter().position(|other| other == exit);
        applying.into_iter().min_by_key(place).unwrap_or(Self::Complete)
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_with_the_highest_documented_precedence_is_returned() {
        assert_eq!(Exit::PRECEDENCE.map(Exit::code), [2, 6, 1, 4, 3, 5, 10, 0]);
        assert_eq!(Exit::winner([Exit::Findings, Exit::Waiting, Exit::Partial]), Exit::Partial);
        assert_eq!(Exit::winner([]), Exit::Complete);
    }
}
