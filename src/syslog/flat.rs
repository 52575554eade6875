//! An event as flat fields, for CEF and LEEF: one list of values, and the key of each in both formats. Pure.
//!
//! The account is the object of an event. A snapshot does not show who changed it, so that no event names an actor.

use super::body::{Body, LONG_TEXTS, SHORT_TEXTS, SHORT_VALUE, cut, replace_control_characters};
use super::codes::severity_number;
use super::facts::FindingFacts;
use super::message::{About, Message};
use super::summary;
use crate::model::{AccountStanding, Change, ChangeKind, Instant, Subject, SubjectKind};
use chrono::DateTime;
use serde_json::Value;
use std::vec::IntoIter;

/// Vendor and product in the header. Receivers choose their parser by them, so that they never change.
pub(super) const VENDOR: &str = "btrollcall";
/// See [`VENDOR`].
pub(super) const PRODUCT: &str = "bt-rollcall";

/// Key of a value in both formats.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Key in CEF; `None` if CEF has the value elsewhere.
    pub(super) cef: Option<&'static str>,
    /// Label of a custom field of CEF.
    pub(super) label: Option<&'static str>,
    /// Longest value in CEF, in characters (CEF implementation standard, extension dictionary).
    pub(super) limit: usize,
    /// Key in LEEF; `None` if LEEF has the value elsewhere.
    pub(super) leef: Option<&'static str>,
}

/// Returns the key of a value for which both formats have a field.
const fn key(cef: &'static str, limit: usize, leef: &'static str) -> Key {
    Key { cef: Some(cef), label: None, limit, leef: Some(leef) }
}

/// Returns the key of a value for which CEF has no field. A custom field has a label next to it.
const fn custom(cef: &'static str, label: &'static str, limit: usize) -> Key {
    Key { cef: Some(cef), label: Some(label), limit, leef: Some(label) }
}

const TIME: Key = key("rt", 13, "devTime");
const SORT: Key = key("cat", 1_023, "cat");
const SEVERITY: Key = Key { cef: None, label: None, limit: 2, leef: Some("sev") };
const EVENT_ID: Key = key("externalId", 40, "eventId");
/// Some receivers keep `externalId` as a number and lose it.
const EVENT_ID_TEXT: Key = Key { leef: None, ..custom("cs5", "eventId", 4_000) };
const ACTION: Key = key("act", 63, "action");
const OUTCOME: Key = key("outcome", 63, "outcome");
const ACCOUNT_ID: Key = key("duid", 1_023, "accountId");
const ACCOUNT_NAME: Key = key("duser", 1_023, "usrName");
const PRIVILEGE: Key = key("dpriv", 1_023, "role");
const SOURCE: Key = key("deviceExternalId", 255, "resource");
const SOURCE_HOST: Key = key("dvchost", 100, "identHostName");
const RULE: Key = Key { cef: None, label: None, limit: 1_023, leef: Some("policy") };
const FINGERPRINT: Key = custom("cs1", "fingerprint", 4_000);
const STATUS: Key = custom("cs2", "status", 4_000);
const GROUP_NAME: Key = custom("cs3", "groupName", 4_000);
const GROUP_ID: Key = Key { leef: Some("groupID"), ..custom("cs4", "groupId", 4_000) };
const FIELD: Key = custom("cs4", "field", 4_000);
const RUN_ID: Key = custom("cs6", "runId", 4_000);
const BEFORE: Key = custom("flexString1", "oldvalue", 1_023);
const AFTER: Key = custom("flexString2", "newvalue", 1_023);
const AGE: Key = custom("cn1", "ageDays", 20);
const ACCOUNTS: Key = custom("cn1", "accounts", 20);
const REMOVED: Key = custom("cn1", "removed", 20);
const EMITTED: Key = custom("cn2", "emitted", 20);
const PERCENT: Key = custom("cn2", "percent", 20);
const LIMIT_PERCENT: Key = custom("cn3", "limitPercent", 20);
const FINDINGS_OPEN: Key = custom("cn3", "findingsOpen", 20);
const MANIFEST: Key = custom("cs1", "manifestSha256", 4_000);
const SOURCES: Key = custom("cs3", "sources", 4_000);
const NEXT_RUN: Key = custom("deviceCustomDate2", "nextRunExpected", 13);
const LAST_LOGIN: Key = custom("deviceCustomDate1", "lastLogin", 13);
const START: Key = key("start", 13, "windowStart");
const END: Key = key("end", 13, "windowEnd");
const REASON: Key = key("reason", 1_023, "reason");
const LINE: Key = key("msg", 1_023, "msg");
const TRUNCATED: Key = custom("cfp1", "truncated", 1);

/// Longest list of group names, in characters. CEF allows more, but a frame of LEEF over TCP has only 4,000 octets.
const GROUP_NAMES_LIMIT: usize = 1_000;

/// Values that a body loses first when it is too long, in this order.
const OPTIONAL: [Key; 13] = [
    BEFORE,
    AFTER,
    LINE,
    REASON,
    EVENT_ID_TEXT,
    SOURCE_HOST,
    LAST_LOGIN,
    AGE,
    START,
    SOURCES,
    RUN_ID,
    GROUP_NAME,
    OUTCOME,
];
/// Values of a changed field. Short ones leave after the other optional values, because rules compare them.
const CHANGED: [Key; 2] = [BEFORE, AFTER];
/// Texts that are cut at last.
const TEXTS: [Key; 3] = [ACCOUNT_NAME, SOURCE, FIELD];
/// Ids of subjects. They are cut only where nothing else is left: two subjects could have one id then.
const IDS: [Key; 2] = [ACCOUNT_ID, GROUP_ID];

/// Returns the outcome. A change that a snapshot shows has succeeded; CEF expects to read that.
fn outcome(message: &Message<'_>) -> Option<&'static str> {
    match message.about {
        About::Change(change) => (change.kind != ChangeKind::UserUnconfirmed).then_some("success"),
        _ => summary::outcome(message),
    }
}

/// Values of an event, in the order in which they are written.
pub(super) struct Values(Vec<(Key, String)>);

impl Values {
    /// Collects the values of an event.
    pub(super) fn of(message: &Message<'_>) -> Self {
        let mut values = Self(Vec::new());
        values.add(TIME, message.facts.now.timestamp_millis());
        values.add(SORT, message.row().sort.as_str());
        values.add(SEVERITY, severity_number(message.severity));
        values.add(EVENT_ID, &message.id);
        values.add(ACTION, summary::action(message));
        values.add(OUTCOME, outcome(message));
        match message.about {
            About::Change(change) => values.add_change(message, change),
            About::Finding(sent) => values.add_finding(message, sent),
            About::Completed(completed, emitted) => {
                values.add(ACCOUNTS, completed.accounts);
                values.add(EMITTED, emitted);
                values.add(FINDINGS_OPEN, completed.findings.values().sum::<u64>());
                values.add(MANIFEST, &completed.manifest_sha256);
                values.add_heartbeat(message);
            }
            About::Suspect(suspect) => {
                values.add_source(message, &suspect.source);
                values.add(REMOVED, suspect.gone);
                values.add(PERCENT, suspect.gone_percent());
                values.add(LIMIT_PERCENT, suspect.limit_percent);
                values.add_heartbeat(message);
            }
            About::Failed(_) => values.add_heartbeat(message),
            About::Test => {}
        }
        values.add(RUN_ID, &message.facts.run_id);
        values.add(EVENT_ID_TEXT, &message.id);
        values.add(REASON, summary::reason(message).as_deref());
        values.add(LINE, summary::line(message));
        values
    }

    /// Cuts values that are longer than CEF allows. A receiver would cut them without a sign.
    pub(super) fn within_limits(mut self) -> Self {
        let mut is_cut = false;
        for (key, text) in &mut self.0 {
            if text.chars().count() > key.limit {
                cut(text, key.limit.saturating_sub("...".len()));
                is_cut = true;
            }
        }
        if is_cut {
            mark_truncated(&mut self.0);
        }
        self
    }

    /// Adds a value. A format has no empty values, so that an empty or unknown one is left out.
    fn add(&mut self, key: Key, value: impl MaybeText) {
        if let Some(text) = value.into_text().filter(|text| !text.is_empty()) {
            self.0.push((key, replace_control_characters(&text)));
        }
    }

    /// Adds the status of each source, and when the next run is expected.
    fn add_heartbeat(&mut self, message: &Message<'_>) {
        let sources: Vec<String> = message.facts.sources.iter().map(summary::source).collect();
        self.add(SOURCES, sources.join("; "));
        self.add(NEXT_RUN, message.facts.next_run_expected.map(|at| at.timestamp_millis()));
    }

    fn add_change(&mut self, message: &Message<'_>, change: &Change) {
        self.add_subject(message, change.source.as_str(), &change.subject, change.account.as_deref());
        let is_of_account = change.subject.kind == SubjectKind::User;
        match (&change.group, &change.field) {
            (Some(group), _) if is_of_account => {
                self.add(GROUP_NAME, group.name.as_deref());
                self.add(GROUP_ID, group.id.as_str());
            }
            (_, Some(field)) => {
                // A group has its id under this key.
                self.add(FIELD, is_of_account.then_some(&**field));
                self.add(BEFORE, change.before.as_deref());
                self.add(AFTER, change.after.as_deref());
            }
            // An account or group that was added or removed. All of its fields are in the snapshot.
            (_, None) => {}
        }
        self.add(START, message.facts.previous_started_at.map(|at| at.timestamp_millis()));
        self.add(END, message.facts.started_at.timestamp_millis());
    }

    fn add_finding(&mut self, message: &Message<'_>, sent: &FindingFacts<'_>) {
        let finding = sent.finding;
        self.add_subject(message, finding.source.as_str(), &finding.subject, sent.account.as_ref());
        self.add(RULE, finding.rule.as_str());
        self.add(FINGERPRINT, finding.fingerprint.to_string());
        self.add(STATUS, finding.status.as_str());
        // A finding about a group has the name of its subject.
        self.add(GROUP_NAME, sent.groups.within(GROUP_NAMES_LIMIT));
        let evidence: Value = serde_json::from_str(&finding.evidence()).unwrap_or_default();
        self.add(AGE, evidence["age_days"].as_i64());
        self.add(LAST_LOGIN, last_login(&evidence).map(|at| at.timestamp_millis()));
    }

    fn add_subject(
        &mut self,
        message: &Message<'_>,
        source: &str,
        subject: &Subject,
        account: Option<&AccountStanding>,
    ) {
        match subject.kind {
            SubjectKind::User => {
                self.add(ACCOUNT_ID, &*subject.id);
                self.add(ACCOUNT_NAME, summary::name(subject));
                // The words of the dictionary of CEF. An account of unknown privilege has none.
                let word = |privileged| if privileged { "Administrator" } else { "User" };
                self.add(PRIVILEGE, account.and_then(|account| account.privileged).map(word));
            }
            SubjectKind::Group => {
                self.add(GROUP_NAME, subject.name.as_deref());
                self.add(GROUP_ID, &*subject.id);
            }
            SubjectKind::Source => {}
        }
        self.add_source(message, source);
    }

    fn add_source(&mut self, message: &Message<'_>, source: &str) {
        self.add(SOURCE, source);
        let found = message.facts.sources.iter().find(|facts| facts.name == source);
        self.add(SOURCE_HOST, found.map(|source| &*source.host));
    }
}

/// Returns the last login that a finding is based on.
pub(super) fn last_login(evidence: &Value) -> Option<Instant> {
    let is_basis = evidence["basis_kind"] == "last_login";
    let text = evidence["last_login"].as_str().or_else(|| evidence["basis"].as_str().filter(|_| is_basis))?;
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

fn mark_truncated(values: &mut Vec<(Key, String)>) {
    if values.iter().all(|(key, _)| *key != TRUNCATED) {
        values.push((TRUNCATED, "1".to_owned()));
    }
}

/// A value that may be unknown.
trait MaybeText {
    /// Returns the text; `None` if the value is unknown.
    fn into_text(self) -> Option<String>;
}

macro_rules! known {
    ($($kind:ty),*) => {
        $(impl MaybeText for $kind {
            fn into_text(self) -> Option<String> {
                Some(self.to_string())
            }
        })*
    };
}
known!(&str, String, &String, u8, u64, i64);

impl<T: MaybeText> MaybeText for Option<T> {
    fn into_text(self) -> Option<String> {
        self?.into_text()
    }
}

/// Writes the fields of a format after its header.
pub(super) type Write = fn(header: &str, values: &[(Key, String)]) -> String;

/// A body of flat fields with the steps that make it shorter.
pub(super) struct FlatBody {
    header: String,
    values: Vec<(Key, String)>,
    write: Write,
    steps: IntoIter<Step>,
}

/// A step that makes a body shorter.
enum Step {
    Remove(Key),
    RemoveLong(Key),
    Cut(&'static [Key], usize),
}

impl FlatBody {
    /// Creates a whole body.
    pub(super) fn new(header: String, Values(values): Values, write: Write) -> Self {
        let optional = OPTIONAL.into_iter().map(|key| {
            let step = if CHANGED.contains(&key) { Step::RemoveLong } else { Step::Remove };
            step(key)
        });
        let cuts = |keys| LONG_TEXTS.into_iter().chain(SHORT_TEXTS).map(move |limit| Step::Cut(keys, limit));
        let steps = optional.chain(CHANGED.map(Step::Remove)).chain(cuts(&TEXTS));
        let steps: Vec<Step> = steps.chain(cuts(&IDS)).collect();
        Self { header, values, write, steps: steps.into_iter() }
    }
}

impl Body for FlatBody {
    fn text(&self) -> String {
        (self.write)(&self.header, &self.values)
    }

    fn shrink(&mut self) -> bool {
        let Some(step) = self.steps.next() else { return false };
        mark_truncated(&mut self.values);
        match step {
            Step::Remove(key) => self.values.retain(|(other, _)| *other != key),
            Step::RemoveLong(key) => {
                self.values.retain(|(other, text)| *other != key || text.chars().count() <= SHORT_VALUE);
            }
            Step::Cut(keys, limit) => {
                for (_, text) in self.values.iter_mut().filter(|(key, _)| keys.contains(key)) {
                    cut(text, limit);
                }
            }
        }
        true
    }
}
