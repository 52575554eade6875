//! What judging comes to: findings, verdicts, and their identities over runs. Plain data.

use super::{Instant, SourceName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// To know.
    Info,
    /// To tidy.
    Low,
    /// To act on.
    Medium,
    /// To act on soon.
    High,
    /// To act on now.
    Critical,
}

impl Severity {
    /// From the least to the gravest.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word for it everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// The rules, by their public ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Enabled, not a service, no login for the threshold.
    StaleLogin,
    /// Enabled, never logged in, created at least the grace ago.
    NeverLoggedIn,
    /// Enabled, and none of its memberships exists.
    NoGroup,
    /// Disabled or blocked, and still a member.
    DisabledInGroup,
    /// A membership names a group or a user that is not there.
    DanglingGroup,
    /// One address on two or more enabled accounts.
    SharedEmail,
    /// Enabled and local, where others sign in by an identity provider.
    LocalOutsideSso,
    /// Enabled, and told to have no second factor.
    NoMfa,
    /// Disabled, blocked, stale or never used, with a key that still opens.
    DormantWithKey,
    /// A service account for which nobody answers.
    ServiceWithoutOwner,
    /// A privileged group gained members since the base.
    PrivilegedGrowth,
    /// An account that is kept for emergencies was used since the base.
    BreakGlassUsed,
    /// A group without any member.
    EmptyGroup,
    /// An accepted exception is over, and what it covered stands.
    ExceptionExpired,
    /// Dates or counts that cannot be relied on.
    DataQuality,
    /// A list that was not proven complete.
    CollectionIncomplete,
    /// One that the configuration makes, by its id; see [`Rule::custom`].
    Custom(&'static str),
}

impl Rule {
    /// All that are built in, in the order in which reports list them. Those of the configuration come after them.
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

    /// The public id.
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

    /// A rule of the configuration. Each id is kept for the life of the process, once, so that a rule stays as cheap to copy
    /// as an id: they come from one configuration file, and are few.
    pub fn custom(id: &str) -> Self {
        static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let id = kept.get(id).copied().unwrap_or_else(|| {
            let id: &'static str = Box::leak(Box::from(id));
            kept.insert(id);
            id
        });
        Self::Custom(id)
    }

    /// Reads the public id of one that is built in.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindingStatus {
    /// First seen in this run.
    New,
    /// Seen before, and not known to be over: found again, or its subject could not be judged this time.
    Open,
    /// It was over, and is back.
    Reopened,
    /// It stands, and an exception in force accepts it.
    Excepted,
    /// Its subject was seen to be fine, or is provably gone. Stands in the snapshot of the run that saw it, and nowhere after.
    Resolved,
}

impl FindingStatus {
    /// In the order in which reports list them.
    pub const ALL: [Self; 5] = [Self::New, Self::Reopened, Self::Open, Self::Excepted, Self::Resolved];

    /// The `status` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Open => "open",
            Self::Reopened => "reopened",
            Self::Excepted => "excepted",
            Self::Resolved => "resolved",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The finding is there: new, open, reopened or excepted.
    pub fn stands(self) -> bool {
        self != Self::Resolved
    }

    /// The finding is there and nobody has accepted it: new, open or reopened.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Excepted | Self::Resolved)
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubjectKind {
    /// One account.
    User,
    /// One group.
    Group,
    /// The whole source.
    Source,
}

impl SubjectKind {
    /// Reads the `subject_kind` column.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::Group, Self::Source].into_iter().find(|kind| kind.as_str() == text)
    }

    /// The `subject_kind` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Source => "source",
        }
    }
}

/// The subject of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What it is.
    pub kind: SubjectKind,
    /// Its id within the source; the source's name when it is the source.
    pub id: Box<str>,
    /// Its name at the time, for people; never part of an identity.
    pub name: Option<Box<str>>,
}

/// A 128-bit identity that is stable over runs, printed as 26 characters of lower-case base32 (RFC 4648 §6, unpadded).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of a finding: source, its kind (another product's ids are other ids), rule and subject; never wording, names, dates or counts.
    pub fn of_finding(
        source: &SourceName,
        product: &str,
        rule: Rule,
        subject_kind: SubjectKind,
        subject_id: &str,
    ) -> Self {
        Self::of(&["f1", source.as_str(), product, rule.as_str(), subject_kind.as_str(), subject_id])
    }

    /// Of any list of parts: SHA-256 over each part's length (64 bits, big-endian) and bytes, its first 128 bits.
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut first = [0; 16];
        first.copy_from_slice(&hash.finalize()[..16]);
        Self(first)
    }

    /// Reads what [`fmt::Display`] writes; `None` where it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bits: u128 = 0;
        for (at, letter) in text.bytes().enumerate() {
            let value = match letter {
                b'a'..=b'z' => letter - b'a',
                b'2'..=b'7' => letter - b'2' + 26,
                _ => return None,
            };
            // The last of 26 carries 3 bits.
            bits = if at == 25 { (bits << 3) | u128::from(value >> 2) } else { (bits << 5) | u128::from(value) };
        }
        let read = Self(bits.to_be_bytes());
        (text.len() == 26 && read.to_string() == text).then_some(read)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let bits = u128::from_be_bytes(self.0);
        // 26 characters hold 130 bits: the last one carries 3 bits and two zeros.
        for index in 0..26u32 {
            let chunk = if index == 25 { (bits << 2) & 31 } else { (bits >> (123 - 5 * index)) & 31 };
            let letter = ALPHABET[usize::try_from(chunk).unwrap_or(0)];
            fmt::Write::write_char(f, char::from(letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One fact that somebody should look at, with all that is needed to recompute it by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Where.
    pub source: SourceName,
    /// Identity over runs.
    pub fingerprint: Fingerprint,
    /// Which rule.
    pub rule: Rule,
    /// How grave.
    pub severity: Severity,
    /// Where it stands.
    pub status: FindingStatus,
    /// About whom.
    pub subject: Subject,
    /// One sentence: the fact, the basis and the threshold.
    pub title: Box<str>,
    /// A JSON object: basis, age, threshold and where the threshold came from, and at how many instants it was found; keys sorted.
    pub evidence: Box<str>,
    /// What to do.
    pub action: Cow<'static, str>,
    /// Control ids of the selected frameworks that this is relevant to.
    pub controls: Arc<[&'static str]>,
    /// When it was first seen.
    pub first_seen: Instant,
    /// When it was last seen.
    pub last_seen: Instant,
    /// The accepted exception that covers it.
    pub exception: Option<Box<str>>,
}

/// What is kept of a finding that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Where.
    pub source: SourceName,
    /// Identity over runs.
    pub fingerprint: Fingerprint,
    /// Public id of the rule, which may not be in the configuration any more.
    pub rule: Arc<str>,
    /// About whom.
    pub subject: Subject,
    /// When it was first seen.
    pub first_seen: Instant,
    /// When it was last seen.
    pub last_seen: Instant,
    /// At how many instants it was found.
    pub times_seen: u64,
    /// The instant of the run that saw that it is over.
    pub resolved_at: Instant,
}

impl Resolved {
    /// Of a finding that is over since this run.
    pub fn of(finding: &Finding, resolved_at: Instant) -> Self {
        Self {
            source: finding.source.clone(),
            fingerprint: finding.fingerprint,
            rule: finding.rule.as_str().into(),
            subject: finding.subject.clone(),
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            times_seen: finding.times_seen(),
            resolved_at,
        }
    }
}

/// The entry of the evidence that memory adds.
const TIMES_SEEN: &str = "times_seen";

impl Finding {
    /// At how many instants it was found, by the evidence; 1 where memory has added nothing yet.
    pub fn times_seen(&self) -> u64 {
        times_seen(&self.evidence)
    }

    /// Keeps a severity that stood; the evidence says which one follows from it.
    pub fn keep_severity(&mut self, stood: Severity) {
        self.add_evidence("severity_by_this_evidence", self.severity.as_str().into());
        self.severity = stood;
    }

    /// Adds to the evidence at how many instants it was found, this one among them.
    pub fn set_times_seen(&mut self, times: u64) {
        self.add_evidence(TIMES_SEEN, times.into());
    }

    fn add_evidence(&mut self, key: &str, value: Value) {
        // What rules write is always an object.
        let mut evidence: Map<String, Value> = serde_json::from_str(&self.evidence).unwrap_or_default();
        evidence.insert(key.to_owned(), value);
        self.evidence = Value::Object(evidence).to_string().into();
    }
}

/// What evidence says of the number of instants at which it was found.
fn times_seen(evidence: &str) -> u64 {
    #[derive(Deserialize)]
    struct Times {
        times_seen: Option<u64>,
    }
    serde_json::from_str::<Times>(evidence).ok().and_then(|times| times.times_seen).unwrap_or(1)
}

/// Over what a rule was judged in one source. Rules that could not run are never "no findings".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Where.
    pub source: SourceName,
    /// Which rule.
    pub rule: Rule,
    /// With what result.
    pub outcome: RuleOutcome,
}

/// How judging one rule over one source went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum RuleOutcome {
    /// The rule ran.
    Evaluated {
        /// Subjects that it looked at.
        subjects: u64,
        /// Subjects for which the data did not suffice (they are not "fine").
        undetermined: u64,
    },
    /// The rule could not run over this source at all.
    Undetermined {
        /// What it lacked.
        why: String,
    },
    /// Switched off in the configuration.
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_says_how_often_a_finding_was_seen_and_once_where_nothing_is_said() {
        for (evidence, times) in [("{}", 1), ("", 1), ("{\"times_seen\":\"x\"}", 1), ("{\"a\":{},\"times_seen\":7}", 7)]
        {
            assert_eq!(times_seen(evidence), times, "{evidence}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_written_and_nothing_else_is() {
        for part in ["", "a", "b", "finding"] {
            let fingerprint = Fingerprint::of(&[part]);
            assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        }
        for text in ["", "a", "aaaaaaaaaaaaaaaaaaaaaaaaab", "AAAAAAAAAAAAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaaaaaaaaaaaaa"]
        {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }
}
