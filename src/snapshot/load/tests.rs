//! A published snapshot is loaded from either format and every dialect; a damaged one is refused.

use super::super::manifest::{Build, Counts, CsvFormat, FORMAT_VERSION, Manifest, SourceEntry, StartedBy, Tool};
use super::super::{Store, TableChoice};
use super::*;
use crate::model::{
    ChangeKind, Classes, Completeness, Contact, Coverage, Finding, FindingStatus, Group, LastLogin, ListKind,
    ListReport, Pattern, ReportedDate, Rule, SourceIdentity, SubjectKind, User,
};
use crate::state::test_support::SettledRun;
use crate::table::{CsvDialect, Separator, Tables};
use std::collections::BTreeMap;
use tempfile::TempDir;

const RUN: &str = "20261123T020000Z-0001";

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// Texts that are difficult to encode.
const HARD: [&str; 9] = ["", "a", "a,b", "a\"b\"", "\"", "a\r\nb", "=1+1", "Zoë \u{1f600}", "'x"];

fn user(number: usize) -> User {
    let mut user = User::new(number.to_string());
    let hard = |shift: usize| HARD.get((number + shift) % 10).map(|text| Text::from(*text));
    (user.username, user.display_name, user.email_address, user.public_key) = (hard(0), hard(1), hard(2), hard(3));
    user.enabled = [Some(true), Some(false), None][number % 3];
    (user.is_admin, user.mfa) = (user.enabled, [None, Some(true)][number % 2]);
    user.account_type = (!number.is_multiple_of(4)).then(|| "LDAP".into());
    user.group_memberships = [vec![], vec!["1".into()], vec!["1".into(), "a\"b".into()]][number % 3].clone().into();
    user.groups_known = !number.is_multiple_of(5);
    user.last_login = [
        LastLogin::At(at("2026-11-01T01:02:03.5Z")),
        LastLogin::Never { sentinel: None },
        LastLogin::NotReported,
        LastLogin::Unreadable(Text::new()),
    ][number % 4]
        .clone();
    user.expires_at =
        if number.is_multiple_of(2) { ReportedDate::At(at("2027-01-01T00:00:00Z")) } else { ReportedDate::NotReported };
    user
}

fn list(kind: ListKind, coverage: Coverage) -> ListReport {
    let (expected, passes) = (Some(12), 1);
    let query = "/users?offset=0".to_owned();
    ListReport { kind, query, expected, received: 12, distinct: 12, pages: 1, passes, requests: 1, coverage }
}

fn inventory() -> Inventory {
    let reading = |name: &str, coverage: Coverage| {
        let kind = "rest-v3".to_owned();
        let identity = SourceIdentity { name: name.into(), kind, url: "u".into(), client_id: "c".into() };
        let mut group = Group::new("1");
        group.name = Some("Administrators".into());
        let outside = [
            OutsideMember::Missing("99".into()),
            OutsideMember::Directory("cn=x".into()),
            OutsideMember::Nested { user: "1".into(), through: "Inner".into() },
        ];
        SourceReading {
            users: (0..40).map(user).collect(),
            groups: vec![group, Group::new("a\"b")],
            outside: outside.map(|member| Outside { group_id: "1".into(), member }).into(),
            lists: vec![list(ListKind::Users, coverage)],
            ..SourceReading::of(identity)
        }
    };
    let proven = Coverage::Complete { proof: "total 12".to_owned() };
    let drifted = Coverage::Drifted { why: "it moved".to_owned() };
    let privileged_groups = vec![Pattern::parse("Administrators").unwrap()];
    let classes = Classes { privileged_groups, ..Classes::default() };
    seen(Inventory::join(vec![reading("eu", proven), reading("us", drifted)], &classes))
}

/// Returns the inventory as a first run publishes it.
fn seen(inventory: Inventory) -> Inventory {
    SettledRun::first(inventory, RUN, at("2026-11-23T02:00:00Z")).state
}

fn finding() -> Finding {
    Finding {
        source: "eu".into(),
        fingerprint: Fingerprint::of(&["x"]),
        rule: Rule::StaleLogin,
        severity: Severity::High,
        status: FindingStatus::New,
        subject: Subject { kind: SubjectKind::User, id: "1".into(), name: Some("=1".into()) },
        contact: Contact { display_name: Some("a, b".into()), email: Some("+a@example.com".into()) },
        wording: ("a, b", "{\"a\":\"b\"}").into(),
        advice: Advice { action: "act".into(), controls: ["CIS 5.3", "AC-2"].into() }.into(),
        first_seen: at("2026-11-01T00:00:00Z"),
        last_seen: at("2026-11-23T02:00:00Z"),
        exception: None,
    }
}

fn resolved() -> Resolved {
    Resolved::of(&finding(), at("2026-11-23T02:00:00Z"))
}

/// Returns a group for every id, in place of a lookup in a state.
#[expect(clippy::unnecessary_wraps, reason = "it has the signature of the lookup")]
fn named(_: &SourceName, id: &GroupId) -> Option<ChangedGroup> {
    Some(ChangedGroup { id: id.clone(), name: Some("called".into()), privileged: true })
}

/// Returns one change of each kind with texts that are difficult to encode. One group exists only in the changes.
fn changes() -> Vec<Change> {
    let hard = |number: usize| HARD.get(number % 10).map(|text| Text::from(*text));
    let change = |(number, kind): (usize, ChangeKind)| Change {
        source: ["eu", "us"][number % 2].into(),
        event_id: Fingerprint::of(&[kind.as_str()]),
        kind,
        subject: Subject {
            kind: [SubjectKind::User, SubjectKind::Group][number % 4 / 2],
            id: number.to_string().into(),
            name: hard(number),
        },
        field: hard(number + 1),
        before: hard(number + 2).or_else(|| Some("b".into())),
        after: hard(number + 3).or_else(|| Some("a".into())),
        base_run: "20261122T020000Z-0001".into(),
        group: None,
        account: None,
    };
    let with_group = |change: Change| {
        let group = change.group_id().map(GroupId::from).and_then(|id| named(&change.source, &id));
        Change { group, ..change }
    };
    ChangeKind::ALL.into_iter().enumerate().map(change).map(with_group).collect()
}

fn manifest(inventory: &Inventory) -> Manifest {
    let sources = inventory.sources.iter().map(SourceEntry::of);
    let from = "configuration".to_owned();
    let entry = super::super::manifest::PolicyEntry { value: serde_json::json!(["administrators"]), from };
    Manifest {
        format_version: FORMAT_VERSION,
        run_id: RUN.to_owned(),
        tool: Tool { name: "t".to_owned(), version: "1".to_owned() },
        build: Build::of_this_program(),
        host: "h".to_owned(),
        operator: "o".to_owned(),
        started_by: StartedBy::default(),
        as_of: "2026-11-23T02:00:00Z".to_owned(),
        started_at: "2026-11-23T02:00:00Z".to_owned(),
        finished_at: "2026-11-23T02:00:01Z".to_owned(),
        completeness: Completeness::Partial,
        sources: sources.collect(),
        policy: BTreeMap::from([("privileged_groups".to_owned(), entry)]),
        config_sha256: String::new(),
        configuration: serde_json::Value::Null,
        patterns: Vec::new(),
        exceptions_sha256: None,
        latest_as_of: None,
        base: None,
        rules: Vec::new(),
        files: Vec::new(),
        counts: Counts::default(),
        csv: CsvFormat::of(CsvDialect::Strict),
        guarded_cells: 0,
        formula_guard: true,
        warnings: Vec::new(),
        notes: Vec::new(),
        confirmed_shrinks: Vec::new(),
        clock_doubt: None,
    }
}

/// Publishes the inventory in these formats.
fn published(inventory: &Inventory, csv: bool, parquet: bool, dialect: CsvDialect) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("snapshots")).lock(&folder.path().join("state")).unwrap();
    let staging = store.stage(RUN).unwrap();
    let findings = [finding()];
    let tables =
        Tables { inventory, group_owners: &[], findings: &findings, changes: &changes(), resolved: &[resolved()] };
    let choice = TableChoice { csv, parquet, dialect, completeness: Completeness::Partial };
    let guarded_cells = staging.write_tables(&tables, &choice).unwrap();
    let manifest = Manifest { files: staging.files(), guarded_cells, ..manifest(inventory) };
    let path = staging.seal(&manifest).unwrap().publish().unwrap();
    (folder, path)
}

#[test]
fn a_published_snapshot_is_loaded_unchanged_from_either_format_and_every_dialect() {
    let inventory = inventory();
    for (csv, parquet, dialect) in [
        (false, true, CsvDialect::Strict),
        (true, false, CsvDialect::Strict),
        (true, false, CsvDialect::Excel(Separator::Comma)),
        (true, false, CsvDialect::Raw),
        (true, false, CsvDialect::Excel(Separator::Semicolon)),
        (true, true, CsvDialect::Excel(Separator::Comma)),
    ] {
        let (_folder, path) = published(&inventory, csv, parquet, dialect);
        let archive = Archive::open(&path).unwrap();
        let read = archive.inventory().unwrap();
        for (read, written) in read.sources.iter().zip(&inventory.sources) {
            for (read, written) in read.reading.users.iter().zip(&written.reading.users) {
                assert_eq!(read, written, "{dialect:?}");
            }
        }
        assert!(read == inventory, "{dialect:?}");
        let mut findings = Vec::new();
        let keep = |finding| {
            findings.push(finding);
            Ok(())
        };
        archive.each_finding(keep).unwrap();
        let ([found], written) = (&findings[..], finding()) else { panic!("one finding") };
        assert_eq!((found.fingerprint, &found.subject), (written.fingerprint, &written.subject));
        assert_eq!((&*found.rule, &*found.status, &*found.action), ("stale-login", "new", "act"));
        assert_eq!((found.first_seen, found.last_seen), (written.first_seen, written.last_seen));
        assert_eq!((&found.wording, found.controls.len()), (&written.wording, 2));
        assert_eq!(archive.resolved().unwrap(), [resolved()], "{dialect:?}");
        assert_eq!(archive.changes(named).unwrap(), changes(), "{dialect:?}");
    }
}

#[test]
fn a_damaged_snapshot_is_refused_with_its_name_and_a_hint() {
    let (_folder, path) = published(&inventory(), true, true, CsvDialect::Strict);
    fs::write(path.join("groups.csv"), "x").unwrap();
    let error = Archive::open(&path).unwrap_err();
    let reported = error.to_string();
    assert!(reported.contains(RUN) && reported.contains("groups.csv: changed"), "{reported}");
    assert!(error.hint().unwrap().contains("verify"));
    assert!(Archive::open(Path::new("/nowhere")).unwrap_err().to_string().contains("/nowhere"));
}

#[test]
fn the_error_for_a_snapshot_without_tables_names_the_setting() {
    let (_folder, path) = published(&inventory(), false, false, CsvDialect::Strict);
    let error = Archive::open(&path).unwrap().inventory().unwrap_err();
    assert!(error.to_string().contains("no table users"), "{error}");
    assert!(error.hint().unwrap().contains("output.tables"));
}

#[test]
fn texts_with_apostrophes_and_dates_of_any_year_are_loaded_unchanged_from_csv() {
    let mut reading = inventory().sources.remove(0).reading;
    let texts = ["=1", "'=1", "''=1", "'", "'x", "' =1", "\t", "'\t"];
    let dates =
        ["-0001-12-31T19:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "+10000-01-01T04:59:59Z"];
    let user = |(at, text): (usize, &str)| {
        let mut user = User::new((100 + at).to_string());
        user.username = Some(text.into());
        user.created_at = ReportedDate::At(at_any(dates[at % 4]));
        user
    };
    reading.users = texts.into_iter().enumerate().map(user).collect();
    let inventory = seen(Inventory::join(vec![reading], &Classes::default()));
    for dialect in [CsvDialect::Raw, CsvDialect::Strict, CsvDialect::Excel(Separator::Comma)] {
        let (_folder, path) = published(&inventory, true, false, dialect);
        let read = Archive::open(&path).unwrap().inventory().unwrap();
        assert_eq!(read.sources[0].reading.users, inventory.sources[0].reading.users, "{dialect:?}");
    }
}

/// Parses an instant whose year may have more than four digits (ISO 8601 extended years).
fn at_any(text: &str) -> Instant {
    text.parse().unwrap()
}
