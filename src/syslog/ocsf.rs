//! The JSON body of events in the Open Cybersecurity Schema Framework (OCSF), 1.4.0 to 1.8.0. Pure.
//!
//! A finding is an IAM Analysis Finding (2008), or for older consumers a Detection Finding (2004). A change is an Account
//! Change (3001), an Entity Management (3004) or a Group Management (3006) event. A run is a Scan Activity (6007).
//! `unmapped.btrollcall` has the fields of our own that the JSON of `ecs` has too.

use super::codes::finding_activity;
use super::ecs;
use super::facts::{Completed, FindingFacts};
use super::flat::{PRODUCT, VENDOR, last_login};
use super::json::{JsonBody, JsonShape, Path};
use super::message::{About, Message};
use super::summary;
use super::{Ocsf, OcsfFinding, OcsfVersion};
use crate::model::{
    AccountStanding, Change, Contact, FindingStatus, Instant, Severity, Subject, SubjectKind, UserKind,
};
use serde_json::{Map, Value, json};

/// Activity or type that the schema has no number for.
const OTHER: u64 = 99;
/// Type of service accounts, since 1.6.0.
const SERVICE: u64 = 4;

/// What a body that is too long loses.
static SHAPE: JsonShape = CURRENT_SHAPE;

/// The same for versions without `metadata.is_truncated`.
static OLDER_SHAPE: JsonShape = JsonShape { truncated: &["unmapped", "btrollcall", "truncated"], ..CURRENT_SHAPE };

const CURRENT_SHAPE: JsonShape = JsonShape {
    optional: &OPTIONAL_FIELDS,
    sources: &["unmapped", "btrollcall", "run", "sources"],
    values: &[&["unmapped", "btrollcall", "change", "before"], &["unmapped", "btrollcall", "change", "after"]],
    texts: &[
        &["message"],
        &["status_detail"],
        &["finding_info", "title"],
        &["finding_info", "desc"],
        &["user", "name"],
        &["user", "full_name"],
        &["group", "name"],
        &["entity", "user", "name"],
        &["entity", "user", "full_name"],
        &["entity", "group", "name"],
        &["applications"],
        &["resources", "name"],
        &["unmapped", "btrollcall", "account", "source"],
        &["unmapped", "btrollcall", "source"],
    ],
    last: &[
        &["unmapped", "btrollcall", "change", "subject"],
        &["unmapped", "btrollcall", "change", "base_run"],
        &["user", "full_name"],
        &["entity", "user", "full_name"],
        &["user", "email_addr"],
        &["entity", "user", "email_addr"],
        &["unmapped", "btrollcall", "account", "email"],
    ],
    ids: &[
        &["user", "uid"],
        &["group", "uid"],
        &["entity", "uid"],
        &["entity", "user", "uid"],
        &["entity", "group", "uid"],
        &["resources", "uid"],
        &["unmapped", "btrollcall", "finding", "subject", "id"],
        &["unmapped", "btrollcall", "change", "subject", "id"],
    ],
    truncated: &["metadata", "is_truncated"],
};

/// Fields that a body loses first, in this order.
const OPTIONAL_FIELDS: [Path; 29] = [
    &["unmapped", "btrollcall", "source"],
    &["unmapped", "btrollcall", "finding", "action"],
    &["unmapped", "btrollcall", "finding", "first_seen"],
    &["unmapped", "btrollcall", "finding", "last_seen"],
    &["unmapped", "btrollcall", "finding", "fingerprint"],
    &["unmapped", "btrollcall", "finding", "controls"],
    &["unmapped", "btrollcall", "finding", "exception"],
    &["unmapped", "btrollcall", "finding", "evidence"],
    &["unmapped", "btrollcall", "change", "before"],
    &["unmapped", "btrollcall", "change", "after"],
    &["unmapped", "btrollcall", "run", "sources", "confirmed_at"],
    &["unmapped", "btrollcall", "run", "sources", "unconfirmed_rows"],
    &["unmapped", "btrollcall", "run", "sources", "unconfirmed_since"],
    &["unmapped", "btrollcall", "run", "sources", "kind"],
    &["unmapped", "btrollcall", "run", "sources", "accounts"],
    &["unmapped", "btrollcall", "run", "sources", "groups"],
    &["unmapped", "btrollcall", "run", "sources", "memberships"],
    &["unmapped", "btrollcall", "run", "sources", "reason"],
    &["unmapped", "btrollcall", "run", "changes"],
    &["unmapped", "btrollcall", "run", "findings_open"],
    &["remediation"],
    &["finding_info", "desc"],
    &["status_detail"],
    // Other fields have these too.
    &["unmapped", "btrollcall", "finding"],
    &["unmapped", "btrollcall", "run", "as_of"],
    &["finding_info", "title"],
    &["finding_info", "first_seen_time"],
    &["finding_info", "last_seen_time"],
    &["identity_activity_metrics"],
];

/// Returns the body of an event.
pub(super) fn body(message: &Message<'_>, ocsf: Ocsf) -> JsonBody {
    let fields = fields(message, ocsf);
    let names_its_subject = ["user", "group", "entity", "resources"].iter().any(|key| fields.contains_key(*key));
    let shape = if ocsf.version.has_additions_of_1_6() { &SHAPE } else { &OLDER_SHAPE };
    JsonBody::new(fields, shape, names_its_subject.then_some(&["message"]))
}

/// Returns the fields of an event.
pub(super) fn fields(message: &Message<'_>, ocsf: Ocsf) -> Map<String, Value> {
    let (class, activity) = class(message, ocsf.finding);
    let mut own_fields = ecs::fields(message).remove("btrollcall").unwrap_or_default();
    if let Some(email) = refused_email(message) {
        own_fields["account"]["email"] = json!(email);
    }
    let mut fields = object(json!({
        "category_uid": class / 1000,
        "class_uid": class,
        "activity_id": activity,
        "type_uid": class * 100 + activity,
        "severity_id": severity(message.severity),
        "time": millis(message.facts.now),
        "message": summary::line(message),
        "metadata": metadata(message, ocsf.version),
        "unmapped": { "btrollcall": own_fields },
    }));
    // The number for other activities needs a name.
    if activity == OTHER {
        fields.insert("activity_name".to_owned(), json!(summary::action(message)));
    }
    if let Some(reason) = summary::reason(message) {
        fields.insert("status_detail".to_owned(), json!(reason));
    }
    let details = match message.about {
        About::Change(change) => of_change(message, change, class, ocsf.version),
        About::Finding(sent) => of_finding(sent, ocsf),
        About::Completed(completed, _) => of_completed(message, completed),
        About::Failed(_) | About::Suspect(_) | About::Test => json!({ "scan": scan(message) }),
    };
    fields.extend(object(details));
    if let Some(status) = run_status(message) {
        fields.insert("status_id".to_owned(), json!(status));
    }
    fields
}

/// Returns class and activity.
fn class(message: &Message<'_>, finding: OcsfFinding) -> (u64, u64) {
    match message.about {
        About::Finding(sent) => (finding.class(), finding_activity(sent.occasion)),
        _ => message.row().ocsf,
    }
}

fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

/// Returns an instant as OCSF counts it: milliseconds since 1970.
fn millis(at: Instant) -> i64 {
    at.timestamp_millis()
}

fn metadata(message: &Message<'_>, version: OcsfVersion) -> Value {
    let mut metadata = json!({
        "version": version.as_str(),
        "product": { "name": PRODUCT, "vendor_name": VENDOR, "version": env!("CARGO_PKG_VERSION") },
        "uid": message.id,
        "correlation_uid": message.facts.run_id,
        "event_code": message.code,
    });
    if let Some(sequence) = message.sequence {
        metadata["sequence"] = json!(sequence);
    }
    metadata
}

fn of_change(message: &Message<'_>, change: &Change, class: u64, version: OcsfVersion) -> Value {
    let subject = &change.subject;
    let mut details = json!({ "end_time": millis(message.facts.started_at) });
    if let Some(start) = message.facts.previous_started_at {
        details["start_time"] = json!(millis(start));
    }
    let account = change.account.as_deref();
    let user = || user(subject, account.map(|account| &account.contact), account, version);
    let of_subject = || group(&subject.id, subject.name.as_deref());
    let is_of_account = subject.kind == SubjectKind::User;
    match (class, &change.group) {
        (3001, _) => details["user"] = user(),
        (3004, _) if is_of_account => {
            details["entity"] = json!({ "type_id": 2, "uid": subject.id, "user": user() });
        }
        (3004, _) => details["entity"] = json!({ "type_id": 3, "uid": subject.id, "group": of_subject() }),
        (_, Some(of_membership)) => {
            details["group"] = group(of_membership.id.as_str(), of_membership.name.as_deref());
            if is_of_account {
                details["user"] = user();
            }
        }
        (_, None) => details["group"] = of_subject(),
    }
    details
}

fn of_finding(sent: &FindingFacts<'_>, ocsf: Ocsf) -> Value {
    let class = ocsf.finding;
    let finding = sent.finding;
    let (rule, source) = (finding.rule.as_str(), finding.source.as_str());
    let mut details = json!({
        "status_id": finding_status(finding.status),
        "finding_info": {
            "uid": finding.fingerprint.to_string(),
            "title": sent.rule_title,
            "desc": finding.title(),
            "first_seen_time": millis(finding.first_seen),
            "last_seen_time": millis(finding.last_seen),
            "analytic": { "uid": rule, "name": sent.rule_title, "type_id": 1 },
        },
        "remediation": { "desc": finding.advice.action },
    });
    let subject = &finding.subject;
    match (class, subject.kind) {
        (OcsfFinding::IamAnalysis, SubjectKind::User) => {
            let account = sent.account.as_ref();
            details["user"] = user(subject, Some(contact(sent)), account, ocsf.version);
            let evidence: Value = serde_json::from_str(&finding.evidence()).unwrap_or_default();
            if let Some(at) = last_login(&evidence) {
                details["identity_activity_metrics"] = json!({ "last_authentication_time": millis(at) });
            }
        }
        (OcsfFinding::IamAnalysis, SubjectKind::Source) => {}
        _ => {
            let name = summary::name(subject);
            details["resources"] = json!([{ "type": subject.kind.as_str(), "uid": subject.id, "name": name }]);
        }
    }
    match class {
        OcsfFinding::IamAnalysis => details["applications"] = json!([{ "name": source }]),
        OcsfFinding::Detection => details["finding_info"]["data_sources"] = json!([source]),
    }
    details
}

fn of_completed(message: &Message<'_>, completed: &Completed) -> Value {
    let facts = message.facts;
    json!({
        "scan": scan(message),
        "start_time": millis(facts.started_at),
        "end_time": millis(facts.now),
        "duration": (facts.now - facts.started_at).num_milliseconds(),
        "total": completed.accounts,
        "num_detections": completed.findings.values().sum::<u64>(),
    })
}

/// Returns the run as a scan. A timer starts runs, so that their type is scheduled (2); a test is manual (1).
fn scan(message: &Message<'_>) -> Value {
    let kind = if matches!(message.about, About::Test) { 1 } else { 2 };
    json!({ "uid": message.facts.run_id, "name": "access review", "type_id": kind })
}

/// Returns the status of a run: 1 success, 2 failure, 0 unknown.
fn run_status(message: &Message<'_>) -> Option<u8> {
    Some(match summary::outcome(message)? {
        "success" => 1,
        "failure" => 2,
        _ => 0,
    })
}

/// Returns the status of a finding: 1 new, 3 suppressed, 4 resolved. Nobody works on findings inside of the program, so
/// that none is in progress.
fn finding_status(status: FindingStatus) -> u8 {
    match status {
        FindingStatus::New | FindingStatus::Open | FindingStatus::Reopened => 1,
        FindingStatus::Excepted => 3,
        FindingStatus::Resolved => 4,
    }
}

fn group(id: &str, name: Option<&str>) -> Value {
    let mut group = json!({ "uid": id });
    if let Some(name) = name {
        group["name"] = json!(name);
    }
    group
}

fn user(
    subject: &Subject,
    contact: Option<&Contact>,
    account: Option<&AccountStanding>,
    version: OcsfVersion,
) -> Value {
    let kind = user_type(account);
    let mut user = json!({ "uid": subject.id, "name": summary::name(subject), "type_id": kind });
    if kind == SERVICE && !version.has_additions_of_1_6() {
        user["type_id"] = json!(OTHER);
        user["type"] = json!("Service");
    }
    if let Some(full_name) = contact.and_then(|contact| contact.display_name.as_deref()) {
        user["full_name"] = json!(full_name);
    }
    if let Some(email) = contact.and_then(|contact| contact.email.as_deref()).filter(|email| is_email(email)) {
        user["email_addr"] = json!(email);
    }
    user
}

/// Returns the type of an account: 1 user, 2 administrator, 4 service, 0 unknown.
fn user_type(account: Option<&AccountStanding>) -> u64 {
    match account {
        Some(account) if account.privileged == Some(true) => 2,
        Some(account) if account.kind == UserKind::Service => SERVICE,
        Some(account) if account.privileged == Some(false) => 1,
        _ => 0,
    }
}

/// Returns the address of the account that an event is about, if it is not of the type `email_t`. No field of OCSF takes
/// it.
fn refused_email<'a>(message: &Message<'a>) -> Option<&'a str> {
    let contact = match message.about {
        About::Change(change) => &change.account.as_ref()?.contact,
        About::Finding(sent) if sent.finding.subject.kind == SubjectKind::User => contact(sent),
        _ => return None,
    };
    contact.email.as_deref().filter(|email| !email.is_empty() && !is_email(email))
}

/// Returns name and address of the account of a finding.
fn contact<'a>(sent: &'a FindingFacts<'_>) -> &'a Contact {
    sent.account.as_ref().map_or(&sent.finding.contact, |account| &account.contact)
}

/// Checks whether a text is an address of the type `email_t` of OCSF. Others are only in `unmapped`.
fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+,-./=?^_`{|}~".contains(&byte);
    let is_of_domain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let has_two_parts = domain.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && !rest.is_empty());
    !name.is_empty() && name.bytes().all(is_of_name) && domain.bytes().all(is_of_domain) && has_two_parts
}

/// Returns the fields of a JSON object.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
