//! The facts of the samples. All names are made up.

use super::super::*;
use crate::model::{Change, ChangeKind, ChangedGroup, Instant, SourceStatus};
use crate::rules;
use crate::syslog::facts::{SourceFacts, SourceRows, SuspectFacts};
use crate::syslog::groups::GroupNames;

const BASE: &str = "20261122T020000Z-1c4e";
const MANIFEST: &str = "417ddb461b67c09eff2c435993301625cbdf260590d504da62244c973eeefd8d";
const CONFIG: &str = "9b0c8f1de2a34756b8c9d0e1f2031425364758697a8b9cadbecfd0e1f2031425";

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn source(name: &str, kind: &str, host: &str, rows: [u64; 3]) -> SourceFacts {
    let [accounts, groups, memberships] = rows;
    SourceFacts {
        name: name.to_owned(),
        kind: kind.to_owned(),
        host: host.to_owned(),
        status: SourceStatus::Complete,
        reason: None,
        rows: Some(SourceRows { accounts, groups, memberships }),
        confirmed_at: Some("2026-11-23T02:00:00Z".to_owned()),
        unconfirmed_since: None,
        unconfirmed_rows: 0,
    }
}

/// The run whose events are shown.
pub(super) fn run() -> RunFacts {
    RunFacts {
        run_id: RUN.to_owned(),
        as_of: at("2026-11-23T02:00:00Z"),
        started_at: at("2026-11-23T02:00:00.412Z"),
        now: at("2026-11-23T02:00:04.369Z"),
        host: "audit01.example.com".to_owned(),
        sources: vec![
            source("appliance-eu", "pra", "bt.example.com", [408, 28, 911]),
            source("safe", "password-safe", "192.0.2.7", [77, 12, 140]),
        ],
        config_sha256: CONFIG.to_owned(),
        previous: Some(BASE.to_owned()),
        previous_started_at: Some(at("2026-11-22T02:00:00.398Z")),
        next_run_expected: Some(at("2026-11-24T02:00:00.412Z")),
    }
}

fn not_published(reason: &str) -> RunFacts {
    let failed = |source: SourceFacts| SourceFacts {
        status: SourceStatus::Failed,
        reason: Some(reason.to_owned()),
        rows: None,
        confirmed_at: Some("2026-11-22T02:00:00Z".to_owned()),
        unconfirmed_since: Some("2026-11-22T02:00:00Z".to_owned()),
        ..source
    };
    let facts = run();
    let sources = facts.sources.into_iter().take(1).map(failed).collect();
    RunFacts { sources, previous: None, previous_started_at: None, ..facts }
}

/// A run that read no source.
pub(super) fn failed_run() -> RunFacts {
    not_published("no connection to bt.example.com:443")
}

/// A run whose only source was set aside.
pub(super) fn guarded_run() -> RunFacts {
    not_published(&suspect().reason)
}

pub(super) fn suspect() -> SuspectFacts {
    SuspectFacts {
        source: "appliance-eu".to_owned(),
        list: "users",
        before: Some(408),
        now: 120,
        gone: 290,
        limit_percent: 20,
        reason: "appliance-eu: 290 of 408 users are missing, more than 20 %".to_owned(),
    }
}

pub(super) fn completed() -> Completed {
    let counts = |words: &[(&str, u64)]| words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
    Completed {
        completeness: Completeness::Complete,
        manifest_sha256: MANIFEST.to_owned(),
        accounts: 485,
        groups: 40,
        changes: counts(&ChangeKind::ALL.map(|kind| (kind.as_str(), 1))),
        findings: counts(&Rule::ALL.map(|rule| (rule.as_str(), 1))),
        redelivered: 0,
        spool_percent: 0,
        damaged_batches: 0,
        dead_letters: Some(0),
        purged: Purged::default(),
    }
}

fn leila() -> AccountStanding {
    AccountStanding {
        kind: UserKind::Person,
        enabled: Some(true),
        privileged: Some(true),
        contact: Contact { email: Some("leila.hansen@example.com".into()), display_name: Some("Leila Hansen".into()) },
    }
}

fn subject(kind: SubjectKind) -> Subject {
    let (id, name) = match kind {
        SubjectKind::User => ("25", "leila.hansen"),
        SubjectKind::Group => ("3", "Vault Admins"),
        SubjectKind::Source => ("appliance-eu", "appliance-eu"),
    };
    Subject { kind, id: id.into(), name: Some(name.into()) }
}

/// One change of each kind.
pub(super) fn changes() -> Vec<Change> {
    ChangeKind::ALL.into_iter().map(change).collect()
}

fn change(kind: ChangeKind) -> Change {
    const USER: &str = r#"{"display_name":"Leila Hansen","enabled":true,"kind":"person","username":"leila.hansen"}"#;
    const GROUP: &str = r#"{"name":"Vault Admins"}"#;
    let (field, before, after) = match kind {
        ChangeKind::UserAdded => (None, None, Some(USER)),
        ChangeKind::UserRemoved => (None, Some(USER), None),
        ChangeKind::GroupAdded => (None, None, Some(GROUP)),
        ChangeKind::GroupRemoved => (None, Some(GROUP), None),
        ChangeKind::MembershipAdded => (Some("group_memberships"), None, Some("3")),
        ChangeKind::MembershipRemoved => (Some("group_memberships"), Some("3"), None),
        ChangeKind::UserRenamed => (Some("username"), Some("leila.berg"), Some("leila.hansen")),
        ChangeKind::GroupRenamed => (Some("name"), Some("Vault Operators"), Some("Vault Admins")),
        ChangeKind::UserChanged => (Some("is_admin"), Some("false"), Some("true")),
        ChangeKind::UserDisabled => (Some("enabled"), Some("true"), Some("false")),
        ChangeKind::UserEnabled => (Some("enabled"), Some("false"), Some("true")),
        ChangeKind::UserUnconfirmed => (None, None, None),
    };
    let is_of_group = kind.as_str().starts_with("group.");
    let is_membership = kind.as_str().starts_with("membership.");
    let account = AccountStanding { enabled: Some(kind != ChangeKind::UserDisabled), ..leila() };
    let group = ChangedGroup { id: "3".into(), name: Some("Vault Admins".into()), privileged: true };
    Change {
        source: SourceName::from("appliance-eu"),
        event_id: Fingerprint::of(&["sample", kind.as_str()]),
        kind,
        subject: subject(if is_of_group { SubjectKind::Group } else { SubjectKind::User }),
        field: field.map(Into::into),
        before: before.map(Into::into),
        after: after.map(Into::into),
        base_run: BASE.into(),
        group: is_membership.then_some(group),
        account: (!is_of_group).then(|| Box::new(account)),
    }
}

/// Kind of the subject, severity, title and evidence of a finding of each rule.
const WORDINGS: [(Rule, SubjectKind, Severity, &str, &str); 16] = [
    (
        Rule::StaleLogin,
        SubjectKind::User,
        Severity::High,
        "no login for 100 days: last login 2026-08-15T02:00:00Z, threshold 45 days",
        r#"{"age_days":100,"basis":"2026-08-15T02:00:00Z","basis_kind":"last_login","privileged":true,"threshold_days":45}"#,
    ),
    (
        Rule::NeverLoggedIn,
        SubjectKind::User,
        Severity::Low,
        "no login since it was created 40 days ago: created 2026-10-14T02:00:00Z, grace 30 days",
        r#"{"age_days":40,"basis":"2026-10-14T02:00:00Z","basis_kind":"created_at","threshold_days":30}"#,
    ),
    (
        Rule::NoGroup,
        SubjectKind::User,
        Severity::Medium,
        "enabled, and a member of no group",
        r#"{"count":0,"named_groups":[]}"#,
    ),
    (
        Rule::DisabledInGroup,
        SubjectKind::User,
        Severity::Medium,
        "disabled, and still a member of 1 group",
        r#"{"count":1,"enabled":false,"groups":["3"],"privileged_groups":["3"]}"#,
    ),
    (
        Rule::DanglingGroup,
        SubjectKind::Group,
        Severity::Low,
        "contains 1 user missing from the source's list of users",
        r#"{"count":1,"missing_users":["77"]}"#,
    ),
    (
        Rule::SharedEmail,
        SubjectKind::User,
        Severity::Medium,
        "shares its e-mail address with another enabled account",
        r#"{"accounts":["26"],"address":"leila.hansen@example.com","count":1}"#,
    ),
    (
        Rule::LocalOutsideSso,
        SubjectKind::User,
        Severity::High,
        "enabled local account, while other accounts sign in through an identity provider",
        r#"{"account_type":"local","privileged":true}"#,
    ),
    (
        Rule::NoMfa,
        SubjectKind::User,
        Severity::High,
        "enabled, and no second factor is registered",
        r#"{"account_type":"local","mfa":false,"privileged":true}"#,
    ),
    (
        Rule::DormantWithKey,
        SubjectKind::User,
        Severity::High,
        "no login for 100 days, and it still has a passkey",
        r#"{"age_days":100,"basis":"2026-08-15T02:00:00Z","basis_kind":"last_login","keys":["passkey"],"state":"stale"}"#,
    ),
    (
        Rule::ServiceWithoutOwner,
        SubjectKind::User,
        Severity::Medium,
        "service account without an owner in the register",
        r#"{"reason":"no entry"}"#,
    ),
    (
        Rule::PrivilegedGrowth,
        SubjectKind::Group,
        Severity::Medium,
        "privileged group gained 1 member since 20261122T020000Z-1c4e",
        r#"{"base_run":"20261122T020000Z-1c4e","count":1,"members_now":9,"new_members":[{"id":"25","name":"leila.hansen"}]}"#,
    ),
    (
        Rule::BreakGlassUsed,
        SubjectKind::User,
        Severity::High,
        "emergency account was used at 2026-11-22T23:10:43Z",
        r#"{"last_login":"2026-11-22T23:10:43Z","last_login_before":"2026-03-01T10:00:00Z"}"#,
    ),
    (Rule::EmptyGroup, SubjectKind::Group, Severity::Info, "has no members", r#"{"members":0}"#),
    (
        Rule::ExceptionExpired,
        SubjectKind::User,
        Severity::High,
        "exception for stale-login expired on 2026-11-22",
        r#"{"rule":"stale-login","until":"2026-11-22"}"#,
    ),
    (
        Rule::DataQuality,
        SubjectKind::Source,
        Severity::Info,
        "1 value unreadable: users.last_login",
        r#"{"unreadable_values":{"users.last_login":{"count":1,"example":"soon"}}}"#,
    ),
    (
        Rule::CollectionIncomplete,
        SubjectKind::Source,
        Severity::Medium,
        "the list of groups was not read: answered 403",
        r#"{"lists":{"groups":"answered 403"}}"#,
    ),
];

/// One finding of each rule. Over all of them, every status and occasion is shown.
pub(super) fn findings() -> Vec<(Finding, Occasion)> {
    let statuses = [
        (Occasion::Opened, FindingStatus::New),
        (Occasion::Reopened, FindingStatus::Reopened),
        (Occasion::Changed, FindingStatus::Open),
        (Occasion::Reminder, FindingStatus::Open),
        (Occasion::Resolved, FindingStatus::Resolved),
        (Occasion::Excepted, FindingStatus::Excepted),
    ];
    let of = |(rule, (occasion, status))| (finding(rule, status), occasion);
    Rule::ALL.into_iter().zip(statuses.into_iter().cycle()).map(of).collect()
}

fn finding(rule: Rule, status: FindingStatus) -> Finding {
    let wording = WORDINGS.into_iter().find(|(of, ..)| *of == rule);
    let (_, kind, severity, title, evidence) = wording.expect("every rule has a sample");
    // One source has an address without a name.
    let source = SourceName::from(if rule == Rule::SharedEmail { "safe" } else { "appliance-eu" });
    let controls = rules::controls_of(rule, &["pci-dss-4.0.1".to_owned()]);
    let subject = subject(kind);
    let advice = Advice { action: rules::advice_of(rule, &rules::policy::Policy::default()).action, controls };
    Finding {
        fingerprint: Fingerprint::of_finding(&source, "pra", rule, kind, &subject.id),
        source,
        rule,
        severity,
        status,
        subject,
        contact: leila().contact,
        wording: (title, evidence).into(),
        advice: advice.into(),
        first_seen: at(if status == FindingStatus::New { "2026-11-23T02:00:00Z" } else { "2026-11-09T02:00:00Z" }),
        last_seen: at("2026-11-23T02:00:00Z"),
        exception: (status == FindingStatus::Excepted).then(|| "E-2026-14, until 2027-03-31".into()),
    }
}

/// Returns what the event of a finding says besides.
pub(super) fn sent((finding, occasion): &(Finding, Occasion)) -> FindingFacts<'_> {
    let is_of_account = finding.subject.kind == SubjectKind::User;
    FindingFacts {
        finding,
        occasion: *occasion,
        previous_severity: (*occasion == Occasion::Changed).then_some(Severity::Low),
        rule_title: rules::title_of(finding.rule, &rules::policy::Policy::default()),
        account: is_of_account.then(|| AccountStanding { privileged: Some(finding.rule != Rule::NoGroup), ..leila() }),
        groups: GroupNames::of(finding, |id| (id == "3").then(|| "Vault Admins".to_owned())),
    }
}
