//! The population of an access review.

use super::*;

const HEADER: &str = "row_key,source,group_id,group_name,group_owner,group_privileged,user_id,username,display_name,\
                      email_address,person,kind,enabled,last_login,findings,confirmed_at,decision,decided_by,decided_on,\
                      comment";

/// Returns an inventory with a listed member, a member without a record and a member of the directory.
fn population(username: &str, kind: &str) -> Inventory {
    let user = User {
        username: Some(username.into()),
        display_name: Some("Zoë".into()),
        email_address: Some("Zoe@Example.com".into()),
        enabled: Some(true),
        group_memberships: [GroupId::from("1")].into(),
        last_login: LastLogin::At(AT.parse().unwrap()),
        ..User::new("7")
    };
    let group = Group { name: Some("Admins".into()), ..Group::new("1") };
    let mut reading = reading("eu", vec![user], vec![group]);
    reading.source.kind = kind.to_owned();
    let outside = [OutsideMember::Missing("99".into()), OutsideMember::Directory("cn=staff".into())];
    reading.outside = outside.map(|member| Outside { group_id: "1".into(), member }).into();
    reading.outside.push(Outside { group_id: "gone".into(), member: OutsideMember::Missing("7".into()) });
    let classes = Classes { privileged_groups: vec![Pattern::parse("admins").unwrap()], ..Classes::default() };
    seen(Inventory::join(vec![reading], &classes))
}

fn review(inventory: &Inventory, findings: &[Finding], dialect: CsvDialect) -> (String, CsvWritten) {
    let owner = GroupOwner { group: Pattern::parse("id:1").unwrap(), owner: "Head of IT".to_owned(), email: None };
    let mut out = Vec::new();
    let tables = Tables { findings, group_owners: &[owner], ..of(inventory) };
    let written = tables.write_review(dialect, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), written)
}

fn keys(csv: &str) -> Vec<String> {
    csv_cells(csv).1.into_iter().map(|row| row[0].clone()).collect()
}

#[test]
fn a_review_has_one_row_for_each_membership_with_what_a_reviewer_needs_and_empty_decisions() {
    let of_rule = |rule, status| Finding { rule, status, ..finding() };
    let findings = [
        of_rule(Rule::StaleLogin, FindingStatus::Open),
        of_rule(Rule::NoMfa, FindingStatus::Excepted),
        of_rule(Rule::NoMfa, FindingStatus::New),
        of_rule(Rule::NoGroup, FindingStatus::Resolved),
        Finding { source: "us".into(), ..of_rule(Rule::SharedEmail, FindingStatus::Open) },
        Finding {
            subject: Subject { kind: SubjectKind::Group, id: "7".into(), name: None },
            ..of_rule(Rule::EmptyGroup, FindingStatus::Open)
        },
    ];
    let (csv, written) = review(&population("zoe", "pra"), &findings, CsvDialect::Strict);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines[0], lines.len(), written.rows), (HEADER, 5, 4));
    let after_key: Vec<&str> = lines[1..].iter().map(|line| line.split_once(',').unwrap().1).collect();
    let rules = r#""[""no-mfa"",""stale-login""]""#;
    assert_eq!(
        after_key,
        [
            format!(
                "eu,1,Admins,Head of IT,true,7,zoe,Zoë,Zoe@Example.com,zoe@example.com,person,true,{AT},{rules},{AT},,,,"
            ),
            format!("eu,1,Admins,Head of IT,true,99,,,,,,,,[],{AT},,,,"),
            format!("eu,1,Admins,Head of IT,true,,,cn=staff,,,,,,[],{AT},,,,"),
            format!("eu,gone,,,,7,,,,,,,,{rules},{AT},,,,"),
        ]
    );
}

#[test]
fn the_key_of_a_review_row_survives_a_new_name_and_differs_between_rows_and_products() {
    let key = |username, kind| keys(&review(&population(username, kind), &[], CsvDialect::Strict).0);
    let first = key("zoe", "pra");
    assert_eq!(first, key("zoe.new", "pra"));
    let distinct: std::collections::BTreeSet<_> = first.iter().chain(&key("zoe", "rs")).cloned().collect();
    assert_eq!(distinct.len(), 8);
    assert_eq!(first[0], Fingerprint::of(&["r1", "eu", "pra", "1", "user", "7"]).to_string());
    assert_eq!(first[2], Fingerprint::of(&["r1", "eu", "pra", "1", "directory", "cn=staff"]).to_string());
}

#[test]
fn a_review_follows_the_dialect_and_counts_its_guarded_cells() {
    let population = population("=zoe", "pra");
    let (strict, written) = review(&population, &[], CsvDialect::Strict);
    assert!(strict.contains(",'=zoe,") && written.guarded_cells == 1, "{strict}");
    let (excel, _) = review(&population, &[], CsvDialect::Excel(Separator::Semicolon));
    assert!(excel.starts_with("\u{feff}row_key;source;") && excel.contains(";'=zoe;"), "{excel}");
    let (raw, written) = review(&population, &[], CsvDialect::Raw);
    assert!(raw.contains(",=zoe,") && written.guarded_cells == 0, "{raw}");
}
