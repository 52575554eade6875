//! The exit codes, which are public API, and which of them wins when several hold. Knows no reason.

/// How a run or another command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Published, every event delivered.
    Complete,
    /// Nothing published: a source, the disk or the network stopped the run.
    NothingPublished,
    /// Usage or configuration error; nothing was contacted.
    Usage,
    /// Published, but at least one source is not proven complete.
    Partial,
    /// A guard set a source aside; nothing is published where no other source remains.
    Guarded,
    /// Published, but events wait in the spool.
    Waiting,
    /// Another run holds the lock.
    Locked,
    /// Published and delivered; findings at or above `--fail-on`.
    Findings,
}

impl Exit {
    /// The one that wins comes first.
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

    /// In the order of their codes.
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

    /// What the code tells an operator; help and README say it in these words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Complete => "complete: published, every event delivered",
            Self::NothingPublished => "nothing published: a source, the disk or the network stopped the run",
            Self::Usage => "usage or configuration error; nothing was contacted",
            Self::Partial => "published, but at least one source is partial: not proven complete",
            Self::Guarded => "a guard set a source aside: it came back empty or shrank beyond the limit",
            Self::Waiting => "published, but events wait in the spool for the next run",
            Self::Locked => "another run holds the lock",
            Self::Findings => "published and delivered; findings at or above --fail-on",
        }
    }

    /// What the process returns.
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

    /// The other way round; anything unknown is a failure.
    pub fn of_code(code: u8) -> Self {
        Self::PRECEDENCE.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::NothingPublished)
    }

    /// The winner among several that hold; `Complete` where there is none.
    pub fn winner(holding: impl IntoIterator<Item = Self>) -> Self {
        let place = |exit: &Self| Self::PRECEDENCE.iter().position(|other| other == exit);
        holding.into_iter().min_by_key(place).unwrap_or(Self::Complete)
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
    fn the_order_of_the_documented_precedence_wins() {
        assert_eq!(Exit::PRECEDENCE.map(Exit::code), [2, 6, 1, 4, 3, 5, 10, 0]);
        assert_eq!(Exit::winner([Exit::Findings, Exit::Waiting, Exit::Partial]), Exit::Partial);
        assert_eq!(Exit::winner([]), Exit::Complete);
    }
}
