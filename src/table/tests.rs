//! Tables read back with the readers of the `csv` and `parquet` crates and compared with the rows themselves.

mod contract;
mod dictionary;
mod review;
mod spreadsheet;

use super::*;
use crate::model::{
    Advice, Blocked, ChangeKind, Classes, Completeness, Contact, Coverage, Extra, FindingStatus, Fingerprint, Group,
    GroupId, Inferred, Instant, LastLogin, ListKind, ListReport, Outside, OutsideMember, Pattern, ReportedDate, Rule,
    Severity, SourceIdentity, SourceName, SourceReading, Subject, SubjectKind, Text, User, UserKind,
};
use crate::state::test_support::SettledRun;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use chrono::DateTime;
use proptest::prelude::*;

const ABOUT: ParquetMetadata<'static> =
    ParquetMetadata { run_id: "20261123T020000Z-7f3a", completeness: Completeness::Complete };

fn reading(name: &str, users: Vec<User>, groups: Vec<Group>) -> SourceReading {
    SourceReading {
        source: SourceIdentity {
            name: name.into(),
            kind: "rest-v3".into(),
            url: String::new(),
            client_id: String::new(),
        },
        users,
        groups,
        outside: Vec::new(),
        lists: Vec::new(),
        clock_skew_seconds: None,
        tls_certificate_sha256: None,
        hides_inactive: false,
        odd_values: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
    }
}

fn inventory(users: Vec<User>, groups: Vec<Group>) -> Inventory {
    seen(Inventory::join(vec![reading("eu", users, groups)], &Classes::default()))
}

/// Returns the inventory with the `seen` intervals that a first run sets.
fn seen(inventory: Inventory) -> Inventory {
    SettledRun::first(inventory, ABOUT.run_id, AT.parse().unwrap()).state
}

const AT: &str = "2026-11-23T02:00:00Z";

fn of(inventory: &Inventory) -> Tables<'_> {
    Tables { inventory, group_owners: &[], findings: &[], changes: &[], resolved: &[] }
}

fn csv_of(tables: &Tables<'_>, table: Table, dialect: CsvDialect) -> (String, CsvWritten) {
    let mut out = Vec::new();
    let written = tables.write_csv(table, dialect, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), written)
}

/// Returns the header and the cells of a CSV file.
fn csv_cells(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let to_row = |r: ::csv::StringRecord| r.iter().map(str::to_owned).collect::<Vec<_>>();
    let header = to_row(reader.headers().unwrap().clone());
    (header, reader.records().map(|r| to_row(r.unwrap())).collect())
}

fn parquet_of(tables: &Tables<'_>, table: Table) -> Vec<u8> {
    let mut out = Vec::new();
    tables.write_parquet(table, &ABOUT, &mut out).unwrap();
    out
}

fn reader_of(bytes: &[u8]) -> ParquetRecordBatchReaderBuilder<std::fs::File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    ParquetRecordBatchReaderBuilder::try_new(file).unwrap()
}

/// Returns the cells of a Parquet file as text; `None` is null. Lists are JSON, times are RFC 3339 with six digits.
fn parquet_cells(bytes: &[u8]) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    for batch in reader_of(bytes).build().unwrap() {
        let batch = batch.unwrap();
        rows.extend((0..batch.num_rows()).map(|row| (0..batch.num_columns()).map(|c| cell(&batch, c, row)).collect()));
    }
    rows
}

fn cell(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = batch.column(column);
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Timestamp(..) => six(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            json(list.as_string::<i32>().iter().map(|v| v.unwrap()))
        }
        other => panic!("no such type in any table: {other}"),
    })
}

fn six(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn json<'a>(items: impl Iterator<Item = &'a str>) -> String {
    serde_json::to_string(&items.collect::<Vec<_>>()).unwrap()
}

/// Returns the expected row of a user, written independently of `columns`.
fn expected_user(source: &str, u: &User, groups: &[Group]) -> Vec<Option<String>> {
    let text = |t: Option<&str>| t.map(str::to_owned);
    let time = |t: Option<Instant>| t.map(|t| six(t.timestamp_micros()));
    let flag = |f: Option<bool>| f.map(|f| f.to_string());
    let name = |id: &GroupId| groups.iter().find(|g| g.id == *id).and_then(|g| g.name.as_deref()).unwrap_or_default();
    let names = u.group_memberships.iter().map(|id| if name(id).is_empty() { id.as_str() } else { name(id) });
    let address = u.email_address.as_deref().map(|text| text.trim().to_lowercase());
    vec![
        text(Some(source)),
        text(Some(u.id.as_str())),
        text(u.username.as_deref()),
        text(u.display_name.as_deref()),
        text(u.email_address.as_deref()),
        flag(u.enabled),
        text(u.account_type.as_deref()),
        text(Some(u.kind.as_str())),
        Some(json(u.group_memberships.iter().map(GroupId::as_str))),
        flag(Some(u.groups_known)),
        text(u.public_key.as_deref()),
        time(u.last_login.at()),
        text(Some(u.last_login.status())),
        time(u.created_at.at()),
        text(u.locale.as_deref()),
        flag(u.is_admin),
        flag(u.mfa),
        time(u.expires_at.at()),
        // No group is privileged here.
        flag(Some(u.is_admin == Some(true))),
        Some(json(names)),
        address.filter(|text| !text.is_empty()),
        text(u.blocked.map(Blocked::as_str)),
        text(u.rare.signs_in_by.as_deref()),
        text(u.inferred.map(Inferred::as_str)),
        time(u.groups_confirmed),
        time(u.rare.enabled_since),
        time(u.seen.map(|seen| seen.first)),
        time(u.seen.map(|seen| seen.confirmed)),
        time(u.rare.unconfirmed_since),
        text(u.extra.as_deref()),
    ]
}

/// Returns the CSV cell that corresponds to a Parquet cell: null is empty, times have no trailing zeros.
fn as_csv(cell: Option<&String>, is_time: bool) -> String {
    let text = cell.cloned().unwrap_or_default();
    match text.strip_suffix('Z') {
        Some(body) if is_time => format!("{}Z", body.trim_end_matches('0').trim_end_matches('.')),
        _ => text,
    }
}

fn any_text() -> impl Strategy<Value = Option<Text>> {
    let hostile = prop_oneof![
        any::<String>(),
        "[=+@\t\r\n,\"' -]{0,6}[a-z;]{0,4}",
        Just(String::new()),
        Just("a\0b".to_owned()),
        Just("\u{202e}txt.exe".to_owned()),
        Just("x".repeat(4_000)),
    ];
    proptest::option::of(hostile.prop_map(Text::from))
}

/// Generates instants from the year 1 to the end of 9999, with microseconds.
fn any_instant() -> impl Strategy<Value = Instant> {
    (-62_135_596_800_000_000_i64..253_402_300_800_000_000)
        .prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

fn any_last_login() -> impl Strategy<Value = LastLogin> {
    prop_oneof![
        any_instant().prop_map(LastLogin::At),
        Just(LastLogin::Never { sentinel: None }),
        Just(LastLogin::NotReported),
        any::<String>().prop_map(|t| LastLogin::Unreadable(t.into())),
    ]
}

prop_compose! {
    fn any_user()(
        texts in proptest::array::uniform8(any_text()),
        last_login in any_last_login(),
        times in proptest::array::uniform2(proptest::option::of(any_instant())),
        flags in proptest::array::uniform3(any::<Option<bool>>()),
        groups in proptest::collection::btree_set(1_u8..9, 0..4),
    ) -> User {
        let reported = |at: Option<Instant>| at.map_or(ReportedDate::NotReported, ReportedDate::At);
        let [username, display_name, email_address, account_type, public_key, locale, extra, _] = texts;
        User {
            username,
            display_name,
            email_address,
            public_key,
            // Sources report extra fields under names of their own.
            extra: extra.and_then(|text| Extra::of([("note".to_owned(), (*text).into())].into_iter().collect())),
            last_login,
            account_type,
            locale,
            enabled: flags[0],
            is_admin: flags[1],
            mfa: flags[2],
            groups_known: !groups.is_empty(),
            group_memberships: groups.iter().map(|g| GroupId::from(g.to_string())).collect(),
            created_at: reported(times[0]),
            expires_at: reported(times[1]),
            ..User::new("0")
        }
    }
}

/// Creates users 1, 2, 3, … and groups 1 to 4. Memberships of the groups 5 to 8 are dangling.
fn any_inventory() -> impl Strategy<Value = Inventory> {
    (proptest::collection::vec(any_user(), 0..12), proptest::array::uniform4(any_text())).prop_map(|(users, names)| {
        let users = users.into_iter().zip(1..).map(|(u, id)| User { id: format!("{id}").into(), ..u }).collect();
        let named = |(name, id): (_, u8)| Group { name, ..Group::new(id.to_string()) };
        inventory(users, names.into_iter().zip(1..).map(named).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn users_read_back_equal_from_parquet_and_from_csv(inventory in any_inventory()) {
        let SourceReading { users, groups, .. } = &inventory.sources[0].reading;
        let expected: Vec<_> = users.iter().map(|u| expected_user("eu", u, groups)).collect();
        prop_assert_eq!(&parquet_cells(&parquet_of(&of(&inventory), Table::Users)), &expected);
        let (csv, written) = csv_of(&of(&inventory), Table::Users, CsvDialect::Raw);
        let (header, cells) = csv_cells(&csv);
        let is_time = |at: usize| header[at].ends_with("_at") || matches!(header[at].as_str(), "last_login" | "enabled_since" | "first_seen" | "unconfirmed_since");
        let shown: Vec<Vec<String>> = expected
            .iter()
            .map(|row| row.iter().enumerate().map(|(at, cell)| as_csv(cell.as_ref(), is_time(at))).collect())
            .collect();
        prop_assert_eq!(cells, shown);
        prop_assert_eq!(written, CsvWritten { rows: users.len() as u64, guarded_cells: 0 });
    }

    #[test]
    fn the_guard_changes_nothing_but_the_apostrophes_that_it_counts(inventory in any_inventory()) {
        let (_, raw) = csv_cells(&csv_of(&of(&inventory), Table::Users, CsvDialect::Raw).0);
        let (text, written) = csv_of(&of(&inventory), Table::Users, CsvDialect::Strict);
        let (_, strict) = csv_cells(&text);
        let mut guarded = 0;
        for (raw, strict) in raw.iter().flatten().zip(strict.iter().flatten()) {
            if raw != strict {
                guarded += 1;
                prop_assert_eq!(&format!("'{raw}"), strict);
            }
            prop_assert!(!strict.starts_with(['=', '+', '-', '@', '\t', '\r']));
        }
        prop_assert_eq!(guarded, written.guarded_cells);
    }

    #[test]
    fn memberships_name_group_and_user_and_keep_the_dangling_ones(inventory in any_inventory()) {
        let source_inventory = &inventory.sources[0];
        let mut expected = Vec::new();
        for group in 1_u8..9 {
            let id = GroupId::from(group.to_string());
            let name = source_inventory.reading.groups.iter().find(|g| g.id == id).and_then(|g| g.name.as_deref());
            for user in source_inventory.reading.users.iter().filter(|u| u.group_memberships.contains(&id)) {
                let [name, username, address] =
                    [name, user.username.as_deref(), user.email_address.as_deref()].map(|t| t.map(str::to_owned));
                let enabled = user.enabled.map(|enabled| enabled.to_string());
                let login = user.last_login.at().map(|at| six(at.timestamp_micros()));
                let [source, id, user, via] = ["eu", id.as_str(), user.id.as_str(), "direct"].map(|t| Some(t.to_owned()));
                let seen = || Some(six(AT.parse::<Instant>().unwrap().timestamp_micros()));
                expected.push(vec![source, id, name, user, username, via, None, address, enabled, login, seen(), seen()]);
            }
        }
        prop_assert_eq!(parquet_cells(&parquet_of(&of(&inventory), Table::Memberships)), expected);
    }
}

#[test]
fn no_column_has_the_name_of_a_secret() {
    let inventory = Inventory::default();
    let tables = Tables { inventory: &inventory, group_owners: &[], findings: &[], changes: &[], resolved: &[] };
    for table in Table::ALL {
        let mut csv = Vec::new();
        tables.write_csv(table, CsvDialect::Strict, &mut csv).unwrap();
        let header = String::from_utf8(csv).unwrap();
        for column in header.trim_end().split(',') {
            assert!(!crate::model::is_secret(column), "{}.{column}", table.as_str());
        }
    }
}

#[test]
fn null_and_empty_text_are_written_differently() {
    let user = User { username: Some("".into()), display_name: None, ..User::new("1") };
    let nameless = inventory(vec![user], Vec::new());
    let (csv, _) = csv_of(&of(&nameless), Table::Users, CsvDialect::Strict);
    assert_eq!(
        csv.lines().nth(1).unwrap(),
        format!(r#"eu,1,"",,,,,person,[],false,,,not-reported,,,,,,false,[],,,,,,,{AT},{AT},,"#)
    );
    let cells = parquet_cells(&parquet_of(&of(&nameless), Table::Users));
    assert_eq!(cells[0][2..4], [Some(String::new()), None]);
}

fn finding() -> Finding {
    let source = SourceName::from("eu");
    Finding {
        fingerprint: Fingerprint::of_finding(&source, "rest-v3", Rule::StaleLogin, SubjectKind::User, "7"),
        source,
        rule: Rule::StaleLogin,
        severity: Severity::High,
        status: FindingStatus::New,
        subject: Subject { kind: SubjectKind::User, id: "7".into(), name: Some("=stale-admin".into()) },
        contact: Contact { display_name: Some("Zoë".into()), email: Some("zoe@example.com".into()) },
        wording: ("no login for 120 days", r#"{"age_days":120}"#).into(),
        advice: Advice { action: "disable it".into(), controls: ["PCI DSS 8.2.6", "CIS 5.3"].into() }.into(),
        first_seen: "2026-11-23T02:00:00Z".parse().unwrap(),
        last_seen: "2026-11-23T02:00:00.25Z".parse().unwrap(),
        exception: None,
    }
}

#[test]
fn a_finding_and_a_change_are_written_with_every_column() {
    let nobody = Inventory::default();
    let change = Change {
        source: "eu".into(),
        event_id: finding().fingerprint,
        kind: ChangeKind::UserRenamed,
        subject: finding().subject,
        field: Some("username".into()),
        before: Some("old".into()),
        after: None,
        base_run: "20261122T020000Z-0001".into(),
        group: None,
        account: None,
    };
    let tables =
        Tables { inventory: &nobody, group_owners: &[], findings: &[finding()], changes: &[change], resolved: &[] };
    let id = finding().fingerprint.to_string();
    assert_eq!(
        csv_of(&tables, Table::Findings, CsvDialect::Strict).0.lines().nth(1).unwrap(),
        format!(
            "eu,{id},stale-login,high,new,user,7,'=stale-admin,Zoë,zoe@example.com,no login for 120 days,\"{{\"\"age_days\"\":120}}\",disable it,\
             \"[\"\"PCI DSS 8.2.6\"\",\"\"CIS 5.3\"\"]\",2026-11-23T02:00:00Z,2026-11-23T02:00:00.25Z,"
        )
    );
    assert_eq!(
        csv_of(&tables, Table::Changes, CsvDialect::Strict).0.lines().nth(1).unwrap(),
        format!("eu,{id},user.renamed,user,7,'=stale-admin,username,old,,20261122T020000Z-0001")
    );
    let findings = parquet_cells(&parquet_of(&tables, Table::Findings));
    assert_eq!(findings[0][1].as_deref(), Some(id.as_str()));
    assert_eq!(findings[0][13].as_deref(), Some(r#"["PCI DSS 8.2.6","CIS 5.3"]"#));
    assert_eq!(findings[0][15].as_deref(), Some("2026-11-23T02:00:00.250000Z"));
    assert_eq!(parquet_cells(&parquet_of(&tables, Table::Changes))[0][8], None);
}

fn crowd(size: u32) -> Inventory {
    let user = |n: u32| User {
        username: Some(format!("user-{n}").into()),
        kind: UserKind::Person,
        ..User::new(n.to_string())
    };
    inventory((1..=size).map(user).collect(), Vec::new())
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let people = crowd(5_000);
    let tables = of(&people);
    for table in Table::ALL {
        assert_eq!(parquet_of(&tables, table), parquet_of(&tables, table));
        assert_eq!(csv_of(&tables, table, CsvDialect::Strict), csv_of(&tables, table, CsvDialect::Strict));
    }
}

#[test]
fn no_row_is_lost_at_the_borders_of_batches_and_row_groups() {
    let people = crowd(70_000);
    let bytes = parquet_of(&of(&people), Table::Users);
    let metadata = std::sync::Arc::clone(reader_of(&bytes).metadata());
    assert_eq!(
        metadata.row_groups().iter().map(::parquet::file::metadata::RowGroupMetaData::num_rows).collect::<Vec<_>>(),
        [65_536, 4_464]
    );
    let cells = parquet_cells(&bytes);
    assert!(cells.iter().zip(1..).all(|(row, n)| row[1] == Some(n.to_string())));
    let (csv, written) = csv_of(&of(&people), Table::Users, CsvDialect::Strict);
    assert_eq!((csv_cells(&csv).1.len(), written.rows), (70_000, 70_000));
}

#[test]
fn a_parquet_file_names_its_run_and_is_compressed_with_statistics() {
    let people = crowd(3);
    let reader = reader_of(&parquet_of(&of(&people), Table::Users));
    let file = reader.metadata().file_metadata();
    let value = |key: &str| {
        file.key_value_metadata().unwrap().iter().find(|kv| kv.key == key).and_then(|kv| kv.value.clone()).unwrap()
    };
    assert_eq!(value("bt_rollcall.run_id"), ABOUT.run_id);
    assert_eq!(value("bt_rollcall.schema_version"), "1");
    assert_eq!(value("bt_rollcall.completeness"), "complete");
    assert_eq!(file.created_by().unwrap(), concat!("bt-rollcall version ", env!("CARGO_PKG_VERSION")));
    let group = reader.metadata().row_group(0);
    assert!(group.columns().iter().all(|c| matches!(c.compression(), ::parquet::basic::Compression::ZSTD(_))));
    let id = group.column(1).statistics().unwrap();
    assert_eq!((id.min_bytes_opt().unwrap(), id.max_bytes_opt().unwrap()), (&b"1"[..], &b"3"[..]));
    let dictionaries = |at: usize| group.column(at).dictionary_page_offset().is_some();
    assert_eq!((dictionaries(0), dictionaries(2), dictionaries(8)), (true, false, true));
}

struct FullDisk;

impl Write for FullDisk {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_recognised_in_both_formats() {
    let people = crowd(3);
    let full = |error: TableError| matches!(error, TableError::Io(e) if e.kind() == io::ErrorKind::StorageFull);
    assert!(full(of(&people).write_csv(Table::Users, CsvDialect::Strict, FullDisk).unwrap_err()));
    assert!(full(of(&people).write_parquet(Table::Users, &ABOUT, FullDisk).unwrap_err()));
}
