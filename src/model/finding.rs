//! Results of rules: findings, rule outcomes, and identities that stay the same over runs. Plain data.
//!
//! `rules` makes findings, `lifecycle` gives them a status and dates, `exceptions` accepts some of them. A finding's
//! [`Fingerprint`] identifies it in every run, so that a reader can follow it over time.

use super::{Exclusions, Fingerprint, Instant, SourceName, Text, User, Wording, compare_ids};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// For information only.
    Info,
    /// Clean up when convenient.
    Low,
    /// Action is needed.
    Medium,
    /// Action needed soon.
    High,
    /// Action needed immediately.
    Critical,
}

impl Severity {
    /// Every severity, from the least to the most severe.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns the word for the severity, in files, reports, logs and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Parses the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Returns the number of days within which the owner should act; `None` if no action is needed.
    pub fn days_to_act(self) -> Option<u16> {
        match self {
            Self::Critical => Some(1),
            Self::High => Some(7),
            Self::Medium => Some(30),
            Self::Low => Some(90),
            Self::Info => None,
        }
    }
}

/// A rule, identified by its public id. The rules themselves are in `rules`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// An enabled account of a person did not sign in for the configured number of days.
    StaleLogin,
    /// An enabled account never signed in, and the grace period since its creation is over.
    NeverLoggedIn,
    /// An enabled account has no membership in an existing group.
    NoGroup,
    /// A disabled or blocked account is still a member of a group.
    DisabledInGroup,
    /// A membership refers to a group or an account that does not exist.
    DanglingGroup,
    /// At least two enabled accounts share an e-mail address.
    SharedEmail,
    /// An enabled local account bypasses single sign-on, which other accounts use.
    LocalOutsideSso,
    /// An enabled account reportedly has no second factor.
    NoMfa,
    /// A disabled, blocked, stale or unused account has an SSH key that still works.
    DormantWithKey,
    /// A service account has no owner, or its review is overdue.
    ServiceWithoutOwner,
    /// A privileged group gained members since the baseline.
    PrivilegedGrowth,
    /// An emergency account was used since the baseline.
    BreakGlassUsed,
    /// A group has no members.
    EmptyGroup,
    /// An accepted exception has expired while its finding is still open.
    ExceptionExpired,
    /// Dates or counts of a source are unreliable.
    DataQuality,
    /// A list is not proven complete.
    CollectionIncomplete,
    /// A custom rule of the configuration, by its id; see [`Rule::custom`].
    // One pointer, because every finding has a rule.
    Custom(&'static &'static str),
}

impl Rule {
    /// Every built-in rule, in the order of reports. Custom rules follow after them.
    pub const ALL: [Self; 16] = [
        Self::StaleLogin,
        Self::NeverLoggedIn,
        Self::NoGroup,
        Self::DisabledInGroup,
        Self::DanglingGroup,
        Self::SharedEmail,
        Self::LocalOutsideSso,
        Self::NoMfa,
        Self::DormantWithKey,
        Self::ServiceWithoutOwner,
        Self::PrivilegedGrowth,
        Self::BreakGlassUsed,
        Self::EmptyGroup,
        Self::ExceptionExpired,
        Self::DataQuality,
        Self::CollectionIncomplete,
    ];

    /// Returns the public id of the rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StaleLogin => "stale-login",
            Self::NeverLoggedIn => "never-logged-in",
            Self::NoGroup => "no-group",
            Self::DisabledInGroup => "disabled-in-group",
            Self::DanglingGroup => "dangling-group",
            Self::SharedEmail => "shared-email",
            Self::LocalOutsideSso => "local-outside-sso",
            Self::NoMfa => "no-mfa",
            Self::DormantWithKey => "dormant-with-key",
            Self::ServiceWithoutOwner => "service-without-owner",
            Self::PrivilegedGrowth => "privileged-growth",
            Self::BreakGlassUsed => "break-glass-used",
            Self::EmptyGroup => "empty-group",
            Self::ExceptionExpired => "exception-expired",
            Self::DataQuality => "data-quality",
            Self::CollectionIncomplete => "collection-incomplete",
            Self::Custom(id) => id,
        }
    }

    /// Returns the custom rule with this id.
    ///
    /// Each distinct id is leaked once, so that a rule is `Copy`. The ids come from one configuration file and are few.
    pub fn custom(id: &str) -> Self {
        static KEPT: Mutex<BTreeMap<&'static str, &'static &'static str>> = Mutex::new(BTreeMap::new());
        // A panic in another thread cannot leave the map inconsistent, so a poisoned lock is usable.
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let id = kept.get(id).copied().unwrap_or_else(|| {
            let text: &'static str = Box::leak(Box::from(id));
            let id: &'static &'static str = Box::leak(Box::new(text));
            kept.insert(text, id);
            id
        });
        Self::Custom(id)
    }

    /// Parses the public id of a built-in rule.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

/// Status of a finding over runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindingStatus {
    /// Found for the first time in this run.
    New,
    /// Found before and not proven resolved: found again, or its subject could not be evaluated in this run.
    Open,
    /// Found again after it had been resolved.
    Reopened,
    /// Open, and accepted by an exception that is in force.
    Excepted,
    /// The subject passed the rule, or was provably removed. Only the snapshot of the run that saw this lists the
    /// finding.
    Resolved,
}

impl FindingStatus {
    /// Every status, in the order of reports.
    pub const ALL: [Self; 5] = [Self::New, Self::Reopened, Self::Open, Self::Excepted, Self::Resolved];

    /// Returns the value of the `status` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Open => "open",
            Self::Reopened => "reopened",
            Self::Excepted => "excepted",
            Self::Resolved => "resolved",
        }
    }

    /// Parses the value of the `status` column.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Returns whether the finding still holds: new, open, reopened or excepted.
    pub fn is_unresolved(self) -> bool {
        self != Self::Resolved
    }

    /// Returns whether the finding holds and no exception accepts it: new, open or reopened.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Excepted | Self::Resolved)
    }
}

/// Kind of subject of a finding or a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubjectKind {
    /// An account of a source.
    User,
    /// A group of a source.
    Group,
    /// A whole source.
    Source,
}

impl SubjectKind {
    /// Parses the value of the `subject_kind` column.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::Group, Self::Source].into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the value of the `subject_kind` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Source => "source",
        }
    }
}

/// Subject of a finding or a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Kind of subject.
    pub kind: SubjectKind,
    /// Id within the source; for a whole source, the name of the source.
    pub id: Text,
    /// Name at that time, for display only. It may change and is never part of an identity.
    pub name: Option<Text>,
}

/// Name for people and e-mail address of the account that a finding is about. Both are `None` for groups and sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Display name of the account.
    pub display_name: Option<Text>,
    /// E-mail address as the source wrote it.
    pub email: Option<Text>,
}

impl Contact {
    /// Returns the contact of an account.
    pub fn of(user: &User) -> Self {
        Self { display_name: user.display_name.clone(), email: user.email_address.clone() }
    }
}

/// What the findings of a rule have in common for their readers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Recommended action for the reader.
    pub action: Cow<'static, str>,
    /// Ids of related controls in the selected frameworks.
    pub controls: Box<[&'static str]>,
}

/// A fact that needs attention, with the evidence to recompute it by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Source of the subject.
    pub source: SourceName,
    /// Identity of the finding over runs.
    pub fingerprint: Fingerprint,
    /// Rule that made the finding.
    pub rule: Rule,
    /// Severity of the finding.
    pub severity: Severity,
    /// Status over runs.
    pub status: FindingStatus,
    /// Account, group or source that the finding is about.
    pub subject: Subject,
    /// Contact of the account at that time. It is kept when the account is removed.
    pub contact: Contact,
    /// Title and evidence.
    pub wording: Wording,
    /// What to do, and related controls.
    pub advice: Arc<Advice>,
    /// Time of the run that first found it.
    pub first_seen: Instant,
    /// Time of the run that last found it.
    pub last_seen: Instant,
    /// Reference of the exception that accepts it.
    pub exception: Option<Text>,
}

/// Record of a finding that is resolved, kept to recognise it if it reopens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Source of the subject.
    pub source: SourceName,
    /// Identity of the finding over runs.
    pub fingerprint: Fingerprint,
    /// Public id of the rule; the configuration may no longer contain it.
    pub rule: Text,
    /// Account, group or source that the finding was about.
    pub subject: Subject,
    /// Time of the run that first found it.
    pub first_seen: Instant,
    /// Time of the run that last found it.
    pub last_seen: Instant,
    /// Number of instants at which it was found.
    pub times_seen: u64,
    /// Time of the run that saw that it is resolved.
    pub resolved_at: Instant,
}

impl Resolved {
    /// Records that a finding was resolved at this time.
    pub fn of(finding: &Finding, resolved_at: Instant) -> Self {
        Self {
            source: finding.source.clone(),
            fingerprint: finding.fingerprint,
            rule: finding.rule.as_str().into(),
            subject: finding.subject.clone(),
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            times_seen: finding.wording.times_seen(),
            resolved_at,
        }
    }
}

impl Finding {
    /// Compares in the order of the table: source, rule, kind of subject, subject (numbers by value), identity.
    pub fn in_table_order(&self, other: &Self) -> Ordering {
        let words = |it: &Self| (it.rule.as_str(), it.subject.kind.as_str());
        let by_source = self.source.as_str().cmp(other.source.as_str());
        by_source
            .then_with(|| words(self).cmp(&words(other)))
            .then_with(|| compare_ids(&self.subject.id, &other.subject.id))
            .then_with(|| self.fingerprint.cmp(&other.fingerprint))
    }

    /// Returns one sentence: the fact, its basis and the threshold.
    pub fn title(&self) -> String {
        self.wording.title()
    }

    /// Returns the evidence as a JSON object with sorted keys: basis, age, threshold and its origin, and the number of
    /// instants at which it was found.
    pub fn evidence(&self) -> String {
        self.wording.evidence()
    }

    /// Keeps the earlier severity. The evidence then names the severity that follows from the current data.
    pub fn keep_severity(&mut self, earlier: Severity) {
        self.wording.add_evidence("severity_by_this_evidence", self.severity.as_str().into());
        self.severity = earlier;
    }
}

/// Outcome of one rule over one source. A rule that could not run is never reported as "no findings".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Evaluated source.
    pub source: SourceName,
    /// Evaluated rule.
    pub rule: Rule,
    /// Outcome of the rule.
    pub outcome: RuleOutcome,
    /// Number of accounts or groups of the source that the rule does not apply to, by reason. Empty unless the rule ran.
    pub excluded: Exclusions,
}

/// Outcome of evaluating one rule over one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum RuleOutcome {
    /// The rule ran.
    // Snapshots of development versions have the older word.
    #[serde(alias = "judged")]
    Evaluated {
        /// Number of subjects that the rule applies to.
        subjects: u64,
        /// Number of subjects without enough data; they did not pass.
        undetermined: u64,
    },
    /// The rule could not run over this source.
    Undetermined {
        /// The missing data, in words.
        why: String,
    },
    /// The configuration switches the rule off.
    Off,
}
