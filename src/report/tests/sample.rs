//! A made-up tenant of some 400 accounts, the same at every call: what `reports/sample.html` shows.
//! Its findings are computed here, by the plain definition, apart from the rules.

use crate::model::{
    Classes, Coverage, Finding, FindingStatus, Fingerprint, Group, GroupId, Harvest, Instant, Inventory, LastLogin,
    ListKind, ListReport, Outcome, Pattern, Roll, Rule, Severity, SourceIdentity, Subject, SubjectKind, Told, User,
    UserKind, Verdict,
};
use crate::report::{Input, RuleInfo, View, html};
use crate::rules::policy::{Policy, Threshold};
use crate::snapshot::manifest::{
    Counts, FORMAT_VERSION, FileEntry, ListEntry, Manifest, PolicyEntry, SourceEntry, Tool,
};
use chrono::{Duration, TimeZone, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Owned parts of an input.
pub(crate) struct World {
    pub(crate) manifest: Manifest,
    pub(crate) inventory: Inventory,
    pub(crate) findings: Vec<Finding>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) policy: Policy,
    pub(crate) catalogue: Vec<RuleInfo>,
}

impl World {
    pub(crate) fn view(&self) -> View {
        View::of(&Input {
            manifest: &self.manifest,
            inventory: &self.inventory,
            findings: &self.findings,
            verdicts: &self.verdicts,
            policy: &self.policy,
            as_of: as_of(),
            catalogue: &self.catalogue,
        })
    }

    pub(crate) fn page(&self) -> String {
        html::render(&self.view()).expect("writing to a string does not fail")
    }

    /// Joins these harvests and makes everything else from them.
    pub(crate) fn of(harvests: Vec<Harvest>) -> Self {
        let inventory = Inventory::join(harvests, &classes());
        let policy = policy();
        let findings: Vec<Finding> = inventory.rolls.iter().flat_map(|roll| judge(roll, &policy)).collect();
        let verdicts = inventory.rolls.iter().flat_map(verdicts).collect();
        let manifest = manifest(&inventory, &findings);
        Self { manifest, inventory, findings, verdicts, policy, catalogue: catalogue() }
    }

    /// Two appliances, all proven.
    pub(crate) fn complete() -> Self {
        Self::of(vec![harvest("appliance-eu", 312, 7), harvest("appliance-us", 96, 11)])
    }

    /// One appliance proven, one with a list of groups that broke off, one that did not answer.
    pub(crate) fn partial() -> Self {
        let mut us = harvest("appliance-us", 96, 11);
        us.groups.truncate(5);
        us.lists[1] = list(ListKind::Groups, Some(14), 5, FAILED);
        let mut apac = harvest("appliance-apac", 140, 13);
        apac.users.truncate(131);
        apac.lists[0] = list(ListKind::Users, Some(140), 131, DRIFTED);
        Self::of(vec![harvest("appliance-eu", 312, 7), us, apac])
    }
}

const FAILED: (&str, &str) = ("failed", "502 Bad Gateway on /api/public/v3/groups?offset=5 after 6 attempts");
const DRIFTED: (&str, &str) =
    ("drifted", "the list moved in each of 4 passes: page 2 ended with id 187, page 3 began with id 191");

pub(crate) fn as_of() -> Instant {
    Utc.with_ymd_and_hms(2026, 11, 23, 2, 0, 0).single().expect("a valid instant")
}

fn policy() -> Policy {
    let stale_after = Threshold { days: 90, from: "pci-dss-4.0.1".to_owned() };
    let privileged_stale_after = Threshold { days: 45, from: "configuration".to_owned() };
    let frameworks = vec!["pci-dss-4.0.1".to_owned(), "cis-8.1".to_owned()];
    Policy { stale_after, privileged_stale_after, frameworks, ..Policy::default() }
}

fn classes() -> Classes {
    let parse = |text: &str| Pattern::parse(text).expect("a pattern");
    Classes {
        privileged_groups: vec![parse("Administrators"), parse("glob:*admin*")],
        break_glass: vec![parse("glob:emergency-*")],
        service_accounts: vec![parse("glob:svc-*")],
    }
}

/// A linear congruential generator (Knuth, MMIX): a sample must not depend on a library's idea of randomness.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn days(&mut self, from: u64, to: u64) -> Duration {
        Duration::seconds(i64::try_from((from * 86_400) + self.below((to - from) * 86_400)).unwrap_or(0))
    }
}

const GIVEN: [&str; 20] = [
    "amara", "ben", "chiara", "dmitri", "elena", "farid", "grace", "hiro", "ines", "jonas", "katya", "liam", "mei",
    "nadia", "omar", "petra", "quentin", "rosa", "sven", "tariq",
];
const FAMILY: [&str; 20] = [
    "okafor", "schmidt", "rossi", "ivanov", "garcia", "haddad", "murphy", "tanaka", "costa", "berg", "novak", "byrne",
    "chen", "petit", "rahman", "kowalski", "dubois", "silva", "larsen", "aziz",
];
const GROUPS: [&str; 14] = [
    "Administrators",
    "Service Desk",
    "Vault Admins",
    "Network Operations",
    "Database Operators",
    "Finance Read-Only",
    "Remote Support EMEA",
    "Remote Support Americas",
    "Policy Owners",
    "Auditors",
    "Payment Platform",
    "Build Engineers",
    "Vendor Access",
    "Security Operations",
];

pub(crate) fn harvest(name: &str, count: u64, seed: u64) -> Harvest {
    let mut dice = Dice(seed);
    let users = (1..=count).map(|id| user(&mut dice, id)).collect();
    let groups = (1u64..).zip(GROUPS).map(|(id, name)| group(id, name)).collect();
    let pages = count.div_ceil(99);
    Harvest {
        source: SourceIdentity {
            name: name.into(),
            kind: "rest-v3".to_owned(),
            url: format!("https://{name}.example.com"),
            client_id: "rollcall-reader".to_owned(),
        },
        users,
        groups,
        lists: vec![
            list(ListKind::Users, Some(count), count, ("complete", &users_proof(count, pages))),
            list(
                ListKind::Groups,
                Some(14),
                14,
                ("complete", "total 14 on the only page, an empty page after the last row"),
            ),
        ],
        clock_skew_seconds: Some(i64::try_from(seed % 5).unwrap_or(0) - 1),
        tls_certificate_sha256: Some(hash(&format!("certificate of {name}"))),
        warnings: Vec::new(),
    }
}

fn users_proof(count: u64, pages: u64) -> String {
    format!("total {count} on each of {pages} pages, every page met its neighbour, an empty page after the last row")
}

pub(crate) fn list(kind: ListKind, expected: Option<u64>, rows: u64, (word, words): (&str, &str)) -> ListReport {
    let words = words.to_owned();
    let pages = rows.div_ceil(99).max(1);
    ListReport {
        kind,
        query: format!("/api/public/v3/{}?offset=0&limit=100", kind.as_str()),
        expected,
        received: rows + pages - 1,
        distinct: rows,
        pages,
        passes: if word == "drifted" { 4 } else { 1 },
        requests: pages + if word == "failed" { 6 } else { 1 },
        coverage: match word {
            "complete" => Coverage::Complete { proof: words },
            "drifted" => Coverage::Drifted { why: words },
            "failed" => Coverage::Failed { error: words },
            _ => Coverage::NotOffered,
        },
    }
}

fn group(id: u64, name: &str) -> Group {
    Group { name: Some(name.into()), ..Group::new(id.to_string()) }
}

fn user(dice: &mut Dice, id: u64) -> User {
    let (given, family) = (GIVEN[dice.below(20) as usize], FAMILY[dice.below(20) as usize]);
    let local = dice.below(100) < 18;
    let username = match id {
        4 => "emergency-01".to_owned(),
        _ if id % 29 == 0 => format!("svc-{}-{id}", ["backup", "scan", "deploy", "sync"][dice.below(4) as usize]),
        _ => format!("{given}.{family}{id}"),
    };
    let created = as_of() - dice.days(20, 2200);
    let mut user = User::new(id.to_string());
    user.display_name = Some(format!("{given} {family}").into());
    user.email_address = Some(format!("{username}@example.com").into());
    user.username = Some(username.into());
    user.enabled = Some(dice.below(100) >= 9);
    user.account_type =
        Some(if local { "local".into() } else { ["SAML", "LDAP", "SAML"][dice.below(3) as usize].into() });
    user.group_memberships = memberships(dice);
    user.groups_known = true;
    user.last_login = last_login(dice, id, created);
    user.created_at = Told::At(created);
    odd(id, &mut user);
    user
}

/// The awkward accounts of every real tenant.
fn odd(id: u64, user: &mut User) {
    match id {
        23 => user.username = Some("=HYPERLINK(\"intranet\",\"yael\")".into()),
        51 => {
            user.username = Some("יעל.כהן".into());
            user.display_name = Some("יעל כהן".into());
        }
        77 => user.last_login = LastLogin::Unreadable("31/02/2026".into()),
        _ => {}
    }
}

fn memberships(dice: &mut Dice) -> Box<[GroupId]> {
    let wanted = match dice.below(100) {
        0..=2 => 0,
        3..=60 => 1,
        61..=88 => 2,
        _ => 3,
    };
    // Privileged groups (1 and 3) are small.
    let mut ids: Vec<GroupId> = (0..wanted)
        .map(|_| if dice.below(100) < 6 { 1 + 2 * dice.below(2) } else { 4 + dice.below(11) })
        .map(|id| GroupId::from(id.to_string()))
        .collect();
    ids.sort();
    ids.dedup();
    ids.into()
}

fn last_login(dice: &mut Dice, id: u64, created: Instant) -> LastLogin {
    let age = match dice.below(100) {
        0..=54 => dice.days(0, 14),
        55..=72 => dice.days(14, 45),
        73..=82 => dice.days(45, 90),
        83..=90 => dice.days(90, 200),
        91..=94 => dice.days(200, 700),
        _ => return LastLogin::Never { sentinel: (id % 2 == 0).then(|| "0001-01-01T00:00:00Z".into()) },
    };
    LastLogin::At((as_of() - age).max(created))
}

fn judge(roll: &Roll, policy: &Policy) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        roll.harvest.users.iter().flat_map(|user| judge_user(roll, user, policy)).flatten().collect();
    findings.extend(incomplete(roll));
    findings
}

fn judge_user(roll: &Roll, user: &User, policy: &Policy) -> [Option<Finding>; 4] {
    [stale(roll, user, policy), never(roll, user, policy), groups(roll, user), quality(roll, user)]
}

fn stale(roll: &Roll, user: &User, policy: &Policy) -> Option<Finding> {
    let (privileged, local) = (roll.is_privileged(user), user.is_local());
    let threshold = if privileged { &policy.privileged_stale_after } else { &policy.stale_after };
    let basis = user.last_login.at()?;
    let age = age(basis);
    let applies = user.enabled == Some(true) && user.kind != UserKind::Service && age >= i64::from(threshold.days);
    let severity = if privileged || local { Severity::High } else { Severity::Medium };
    let title = format!("Enabled account without a login for {age} days; the threshold is {} days.", threshold.days);
    applies.then(|| finding(roll, user, Rule::StaleLogin, severity, title, &aged("last_login", basis, threshold)))
}

fn never(roll: &Roll, user: &User, policy: &Policy) -> Option<Finding> {
    let created = user.created_at.at().filter(|_| matches!(user.last_login, LastLogin::Never { .. }))?;
    let age = age(created);
    let grace = &policy.never_grace;
    let applies = user.enabled == Some(true) && user.kind != UserKind::Service && age >= i64::from(grace.days);
    let severity = if age >= i64::from(policy.stale_after.days) { Severity::Medium } else { Severity::Low };
    let title = format!("Enabled account created {age} days ago and never used; the grace is {} days.", grace.days);
    applies.then(|| finding(roll, user, Rule::NeverLoggedIn, severity, title, &aged("created_at", created, grace)))
}

fn groups(roll: &Roll, user: &User) -> Option<Finding> {
    let known = roll.harvest.coverage(ListKind::Groups).is_complete();
    let ids: Vec<&str> = user.group_memberships.iter().map(GroupId::as_str).collect();
    match user.enabled {
        Some(true) if ids.is_empty() && known => {
            let title = "Enabled account that is in no group.".to_owned();
            Some(finding(roll, user, Rule::NoGroup, Severity::Medium, title, &json!({"groups": []})))
        }
        Some(false) if !ids.is_empty() => {
            let severity = if roll.is_privileged(user) { Severity::Medium } else { Severity::Low };
            let title = format!("Disabled account that is still in {} group(s).", ids.len());
            Some(finding(roll, user, Rule::DisabledInGroup, severity, title, &json!({"groups": ids})))
        }
        _ => None,
    }
}

fn quality(roll: &Roll, user: &User) -> Option<Finding> {
    let what = match &user.last_login {
        LastLogin::Unreadable(text) => format!("The last login \"{text}\" is not a date."),
        LastLogin::Never { sentinel: Some(text) } => format!("The last login {text} stands for never."),
        _ => return None,
    };
    Some(finding(roll, user, Rule::DataQuality, Severity::Info, what, &json!({})))
}

fn incomplete(roll: &Roll) -> Option<Finding> {
    let why = roll.harvest.reason()?;
    let name = &roll.harvest.source.name;
    let subject = Subject { kind: SubjectKind::Source, id: name.as_str().into(), name: None };
    let title = format!("A list of this source was not proven complete: {why}.");
    Some(of(roll, subject, Rule::CollectionIncomplete, Severity::High, title, &json!({})))
}

fn age(basis: Instant) -> i64 {
    (as_of() - basis).num_seconds() / 86_400
}

fn aged(kind: &str, basis: Instant, threshold: &Threshold) -> Value {
    json!({
        "basis": basis.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), "basis_kind": kind,
        "age_days": age(basis), "threshold_days": threshold.days, "threshold_from": threshold.from,
    })
}

fn finding(roll: &Roll, user: &User, rule: Rule, severity: Severity, title: String, evidence: &Value) -> Finding {
    let subject = Subject { kind: SubjectKind::User, id: user.id.as_str().into(), name: user.name().map(Into::into) };
    of(roll, subject, rule, severity, title, evidence)
}

fn of(roll: &Roll, subject: Subject, rule: Rule, severity: Severity, title: String, evidence: &Value) -> Finding {
    let source = roll.harvest.source.name.clone();
    Finding {
        fingerprint: Fingerprint::of_finding(&source, rule, subject.kind, &subject.id),
        source,
        rule,
        severity,
        status: FindingStatus::New,
        subject,
        title: title.into(),
        evidence: evidence.to_string().into(),
        action: info(rule).action,
        controls: info(rule).controls.into(),
        first_seen: as_of(),
        last_seen: as_of(),
        exception: None,
    }
}

fn verdicts(roll: &Roll) -> Vec<Verdict> {
    let groups_proven = roll.harvest.coverage(ListKind::Groups).is_complete();
    let subjects = roll.harvest.users.len() as u64;
    let outcome = |rule| match rule {
        Rule::NoGroup | Rule::DanglingGroup if !groups_proven => {
            Outcome::Undetermined { why: "the list of groups is not proven complete".to_owned() }
        }
        Rule::CollectionIncomplete => Outcome::Judged { subjects: 1, undetermined: 0 },
        _ => Outcome::Judged { subjects, undetermined: 0 },
    };
    let verdict = |rule| Verdict { source: roll.harvest.source.name.clone(), rule, outcome: outcome(rule) };
    Rule::ALL.into_iter().map(verdict).collect()
}

pub(crate) fn catalogue() -> Vec<RuleInfo> {
    Rule::ALL.into_iter().map(info).collect()
}

fn info(rule: Rule) -> RuleInfo {
    let (title, why, action, severity, controls): (_, _, _, _, &[&'static str]) = match rule {
        Rule::StaleLogin => (
            "Stale account",
            "An enabled account that nobody uses is access that nobody watches.",
            "Confirm with the owner that the account is needed; otherwise disable it.",
            "medium; high if privileged or local",
            &["PCI DSS 8.2.6", "CIS 5.3"],
        ),
        Rule::NeverLoggedIn => (
            "Never logged in",
            "An account that was never used may never have been needed.",
            "Ask the requester whether the account is needed; otherwise remove it.",
            "low; medium from the stale threshold on",
            &["PCI DSS 8.2.6", "CIS 5.1", "CIS 5.3"],
        ),
        Rule::NoGroup => (
            "In no group",
            "Access that no group grants is reviewed by nobody.",
            "Assign the account to the group of its role, or disable it.",
            "medium",
            &["CIS 6.8"],
        ),
        Rule::DisabledInGroup => (
            "Disabled, still in a group",
            "When the account is enabled again, it has its old access at once.",
            "Remove the account from its groups.",
            "low; medium if a group is privileged",
            &["PCI DSS 7.2.4", "PCI DSS 8.2.5", "CIS 6.2"],
        ),
        Rule::DanglingGroup => (
            "Membership of a missing group",
            "A membership that names nothing cannot be reviewed.",
            "Remove the membership, or find out what became of the group.",
            "low",
            &["CIS 5.1"],
        ),
        Rule::DataQuality => (
            "Data quality",
            "What the source tells cannot be relied on here.",
            "Compare the account's record with the product's own console.",
            "info",
            &[],
        ),
        Rule::CollectionIncomplete => (
            "Collection incomplete",
            "Nothing can be concluded about what is missing from the list.",
            "Remove the cause and run again.",
            "high",
            &[],
        ),
    };
    RuleInfo { rule, title, why, action, severity, controls: controls.to_vec() }
}

fn manifest(inventory: &Inventory, findings: &[Finding]) -> Manifest {
    let complete = inventory.rolls.iter().all(|roll| roll.harvest.status().as_str() == "complete");
    let total = |count: fn(&Roll) -> usize| inventory.rolls.iter().map(|roll| count(roll) as u64).sum::<u64>();
    let counts = Counts {
        users: total(|roll| roll.harvest.users.len()),
        groups: total(|roll| roll.harvest.groups.len()),
        memberships: total(|roll| roll.memberships.len()),
        ..Counts::default()
    };
    Manifest {
        format_version: FORMAT_VERSION,
        run_id: "20261123T020000Z-7f3a".to_owned(),
        tool: Tool { name: "bt-rollcall".to_owned(), version: "0.1.0".to_owned() },
        host: "audit-01.example.com".to_owned(),
        operator: "bt-rollcall".to_owned(),
        as_of: "2026-11-23T02:00:00Z".to_owned(),
        started_at: "2026-11-23T02:00:00Z".to_owned(),
        finished_at: "2026-11-23T02:00:04Z".to_owned(),
        completeness: if complete { "complete" } else { "partial" }.to_owned(),
        sources: inventory.rolls.iter().map(|roll| source_entry(&roll.harvest)).collect(),
        policy: policy_entries(),
        config_sha256: hash("configuration"),
        exceptions_sha256: None,
        base: None,
        rules: Vec::new(),
        files: files(&counts, findings.len() as u64),
        counts,
        guarded_cells: 1,
        warnings: vec!["appliance-eu: 12 dates without an offset were taken as UTC".to_owned()],
    }
}

pub(crate) fn source_entry(harvest: &Harvest) -> SourceEntry {
    SourceEntry {
        name: harvest.source.name.to_string(),
        kind: harvest.source.kind.clone(),
        url: harvest.source.url.clone(),
        client_id: harvest.source.client_id.clone(),
        status: harvest.status().as_str().to_owned(),
        reason: harvest.reason(),
        lists: harvest.lists.iter().map(list_entry).collect(),
        clock_skew_seconds: harvest.clock_skew_seconds,
        tls_certificate_sha256: harvest.tls_certificate_sha256.clone(),
    }
}

fn list_entry(list: &ListReport) -> ListEntry {
    ListEntry {
        kind: list.kind.as_str().to_owned(),
        query: list.query.clone(),
        coverage: list.coverage.as_str().to_owned(),
        expected: list.expected,
        received: list.received,
        distinct: list.distinct,
        pages: list.pages,
        passes: list.passes,
        requests: list.requests,
        proof: list.coverage.words().to_owned(),
    }
}

fn policy_entries() -> BTreeMap<String, PolicyEntry> {
    [
        ("stale_after_days", json!(90), "pci-dss-4.0.1"),
        ("privileged_stale_after_days", json!(45), "configuration"),
        ("never_logged_in_grace_days", json!(30), "default"),
        ("max_shrink_percent", json!(20), "default"),
        ("frameworks", json!(["pci-dss-4.0.1", "cis-8.1"]), "configuration"),
        ("privileged_groups", json!(["Administrators", "glob:*admin*"]), "configuration"),
        ("break_glass", json!(["glob:emergency-*"]), "configuration"),
        ("service_accounts", json!(["glob:svc-*"]), "configuration"),
        ("rules", json!({}), "default"),
    ]
    .into_iter()
    .map(|(key, value, from)| (key.to_owned(), PolicyEntry { value, from: from.to_owned() }))
    .collect()
}

fn files(counts: &Counts, findings: u64) -> Vec<FileEntry> {
    [
        ("users", counts.users, 212),
        ("groups", counts.groups, 58),
        ("memberships", counts.memberships, 61),
        ("findings", findings, 540),
        ("changes", 0, 0),
    ]
    .into_iter()
    .flat_map(|(table, rows, width)| {
        let file = move |path: String, bytes| FileEntry { sha256: hash(&path), path, bytes, rows: Some(rows) };
        [file(format!("{table}.csv"), 128 + rows * width), file(format!("{table}.parquet"), 1_900 + rows * width / 4)]
    })
    .collect()
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
