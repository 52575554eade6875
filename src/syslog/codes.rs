//! The table of event codes: what all events of a code have in common, in every payload. Data.
//!
//! The payloads take the code, its title and its classes from here. The tables of `docs/events.md` and the list of events
//! for QRadar are generated from it. A finding has the code `finding.` and the id of its rule; the title and the severity
//! of each rule are in the catalogue of rules.

use super::{OcsfFinding, OcsfVersion};
use crate::lifecycle::Occasion;
use crate::model::{ChangeKind, Severity};

/// What all events of a code have in common.
#[derive(Debug)]
pub struct EventCode {
    /// MSGID, signature of CEF, event id of LEEF, `event.code` of ECS and `metadata.event_code` of OCSF.
    pub code: &'static str,
    /// Sort of the event.
    pub sort: Sort,
    /// Name of the event in CEF and QRadar.
    pub title: &'static str,
    /// What has happened, for the documents.
    pub meaning: &'static str,
    /// Severity of the event, unless it is raised.
    pub severity: Severity,
    /// Higher severity of some events, and when it holds.
    pub raised: Option<(Severity, &'static str)>,
    /// `event.type` of ECS. A finding adds the kind of its subject.
    pub ecs_types: &'static [&'static str],
    /// Class and activity of OCSF. A finding has the class that is configured, and the activity of its [`Occasion`].
    pub ocsf: (u64, u64),
    /// High-level and low-level category of QRadar. The high-level names and `Compliance Policy Violation` (9013) are from
    /// "Event categories" in IBM's QRadar documentation. The other low-level names and their ids are as the QRadar
    /// connector of Siemplify lists them: 3031, 3032, 3035 to 3040 (Authentication), 8052, 8054, 8055 (System).
    pub qradar: (&'static str, &'static str),
    /// The fields of `btrollcall.change` that the documents name.
    pub details: &'static str,
}

/// Sort of an event: `cat` of CEF and LEEF, and the end of `event.dataset` of ECS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A difference between two snapshots.
    Change,
    /// A finding.
    Finding,
    /// The result of a run.
    Run,
}

impl Sort {
    /// Returns the word for the sort.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Finding => "finding",
            Self::Run => "run",
        }
    }

    /// Returns `event.kind` of ECS. A finding and the result of a run describe a state.
    pub fn ecs_kind(self) -> &'static str {
        match self {
            Self::Change => "event",
            Self::Finding | Self::Run => "state",
        }
    }
}

impl OcsfFinding {
    /// Returns the number of the class.
    pub fn class(self) -> u64 {
        match self {
            Self::IamAnalysis => 2008,
            Self::Detection => 2004,
        }
    }
}

impl OcsfVersion {
    /// Returns the number, as in `metadata.version`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_4 => "1.4.0",
            Self::V1_5 => "1.5.0",
            Self::V1_6 => "1.6.0",
            Self::V1_7 => "1.7.0",
            Self::V1_8 => "1.8.0",
        }
    }

    /// Checks whether the version has what 1.6.0 added: the IAM Analysis Finding, the type of service accounts and
    /// `metadata.is_truncated`.
    pub fn has_additions_of_1_6(self) -> bool {
        self >= Self::V1_6
    }
}

/// Returns a severity as a number from 1 to 10: `event.severity`, and the severity of CEF, LEEF and QRadar.
pub fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}

/// Returns the activity of a finding in OCSF: 1 created, 2 updated, 3 closed.
pub fn finding_activity(occasion: Occasion) -> u64 {
    match occasion {
        Occasion::Opened => 1,
        Occasion::Resolved => 3,
        Occasion::Reopened | Occasion::Changed | Occasion::Reminder | Occasion::Excepted => 2,
    }
}

/// Returns the row of a kind of change.
pub fn of_change(kind: ChangeKind) -> &'static EventCode {
    // The rows have the order of the kinds, which a test checks.
    &CHANGES[kind as usize]
}

const ACCOUNT: &str = "high if the account is privileged";
const OLD_AND_NEW: &str = "`field`, `before`, `after`";

/// The rows of changes, in the order of [`ChangeKind::ALL`].
pub static CHANGES: [EventCode; 12] = [
    EventCode {
        severity: Severity::Low,
        raised: Some((Severity::High, ACCOUNT)),
        details: "`after`: JSON of its fields",
        ..change(
            "user.added",
            "Account added",
            "an account was added",
            &["creation", "user"],
            (3001, 1),
            "User Account Added",
        )
    },
    EventCode {
        details: "`after`: JSON of its fields",
        ..change("group.added", "Group added", "a group was added", &["creation", "group"], (3006, 6), "Group Added")
    },
    EventCode {
        severity: Severity::Low,
        raised: Some((Severity::High, "high if the group is privileged")),
        details: "`after`: group id, or the name in the directory",
        ..change(
            "membership.added",
            "Member added to a group",
            "a group gained a member",
            &["change", "group"],
            (3006, 3),
            "Group Member Added",
        )
    },
    EventCode {
        details: OLD_AND_NEW,
        ..change(
            "user.renamed",
            "Account renamed",
            "the login name changed; the id is the same",
            &["change", "user"],
            (3004, 3),
            "User Account Changed",
        )
    },
    EventCode {
        raised: Some((Severity::High, "high if the account became an administrator")),
        details: OLD_AND_NEW,
        ..change(
            "user.changed",
            "Account changed",
            "another field changed",
            &["change", "user"],
            (3004, 3),
            "User Account Changed",
        )
    },
    EventCode {
        details: OLD_AND_NEW,
        ..change(
            "group.renamed",
            "Group renamed",
            "the name changed; the id is the same",
            &["change", "group"],
            (3004, 3),
            "Group Changed",
        )
    },
    EventCode {
        details: "`before`: group id, or the name in the directory",
        ..change(
            "membership.removed",
            "Member removed from a group",
            "a group lost a member",
            &["change", "group"],
            (3006, 4),
            "Group Member Removed",
        )
    },
    EventCode {
        details: OLD_AND_NEW,
        ..change(
            "user.disabled",
            "Account disabled",
            "the account was disabled",
            &["change", "user"],
            (3001, 5),
            "User Account Changed",
        )
    },
    EventCode {
        severity: Severity::Low,
        raised: Some((Severity::High, ACCOUNT)),
        details: OLD_AND_NEW,
        ..change(
            "user.enabled",
            "Account enabled",
            "the account was enabled",
            &["change", "user"],
            (3001, 2),
            "User Account Changed",
        )
    },
    EventCode {
        details: "`before`: JSON of its fields",
        ..change(
            "group.removed",
            "Group removed",
            "a group was removed; both lists were proven complete",
            &["deletion", "group"],
            (3006, 5),
            "Group Removed",
        )
    },
    EventCode {
        severity: Severity::Low,
        details: "`before`: JSON of its fields",
        ..change(
            "user.removed",
            "Account removed",
            "an account was removed; both lists were proven complete",
            &["deletion", "user"],
            (3001, 6),
            "User Account Removed",
        )
    },
    change(
        "user.unconfirmed",
        "Account missing in an incomplete list",
        "an account is missing in a list that is not proven complete; once",
        &["info", "user"],
        (3004, 99),
        "User Account Changed",
    ),
];

/// The row of all findings. Its code is the beginning of theirs.
pub static FINDING: EventCode = EventCode {
    code: "finding.",
    sort: Sort::Finding,
    title: "",
    meaning: "",
    // That of the rule replaces it.
    severity: Severity::Info,
    raised: None,
    ecs_types: &["info"],
    ocsf: (2008, 1),
    qradar: ("Policy", "Compliance Policy Violation"),
    details: "",
};

/// The row of a run that published.
pub static COMPLETED: EventCode = EventCode {
    // An alert on severity finds a partial run.
    raised: Some((Severity::High, "high if the snapshot is partial")),
    ..run(
        "run.completed",
        "Run completed",
        "a snapshot was published; always the last event of a run",
        Severity::Info,
        2,
        "Information",
    )
};

/// The row of a run that published nothing.
pub static FAILED: EventCode = run("run.failed", "Run failed", "nothing was published", Severity::High, 6, "Error");

/// The row of a list that a guard objects to.
pub static SUSPECT: EventCode =
    run("run.suspect", "Guard set a source aside", "a guard set a source aside", Severity::High, 99, "Warning");

/// The row of a test.
pub static TEST: EventCode = run(
    "run.test",
    "Test of a destination",
    "sent by `check --online` and `emit --test`; contains characters that break careless receivers",
    Severity::Info,
    99,
    "Information",
);

/// Returns the rows about runs.
pub fn runs() -> [&'static EventCode; 4] {
    [&COMPLETED, &FAILED, &SUSPECT, &TEST]
}

/// Returns the row of a change that gives nobody access.
const fn change(
    code: &'static str,
    title: &'static str,
    meaning: &'static str,
    ecs_types: &'static [&'static str],
    ocsf: (u64, u64),
    qradar: &'static str,
) -> EventCode {
    EventCode {
        code,
        sort: Sort::Change,
        title,
        meaning,
        severity: Severity::Info,
        raised: None,
        ecs_types,
        ocsf,
        qradar: ("Authentication", qradar),
        details: "",
    }
}

/// Returns the row of an event about a run: a Scan Activity.
const fn run(
    code: &'static str,
    title: &'static str,
    meaning: &'static str,
    severity: Severity,
    activity: u64,
    qradar: &'static str,
) -> EventCode {
    EventCode {
        code,
        sort: Sort::Run,
        title,
        meaning,
        severity,
        raised: None,
        ecs_types: &["info"],
        ocsf: (6007, activity),
        qradar: ("System", qradar),
        details: "",
    }
}

/// Returns the name of a class of OCSF that events have.
pub fn ocsf_class_name(class: u64) -> &'static str {
    match class {
        2004 => "Detection Finding",
        2008 => "IAM Analysis Finding",
        3001 => "Account Change",
        3004 => "Entity Management",
        3006 => "Group Management",
        _ => "Scan Activity",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change_has_the_row_with_its_code() {
        for kind in ChangeKind::ALL {
            assert_eq!(of_change(kind).code, kind.as_str());
        }
    }
}
