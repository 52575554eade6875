//! What a spreadsheet needs: encoding, separator, and tables that can be read without the others.

use super::*;

fn people() -> Inventory {
    let user = User {
        username: Some("=1+1".into()),
        display_name: Some("a;b,c".into()),
        group_memberships: ["7", "8"].map(GroupId::from).into(),
        ..User::new("1")
    };
    inventory(vec![user], Vec::new())
}

#[test]
fn excel_files_have_a_byte_order_mark_and_raw_files_have_no_guard() {
    let people = people();
    let csv = |dialect| csv_of(&of(&people), Table::Users, dialect);
    let (strict, written) = csv(CsvDialect::Strict);
    assert!(strict.contains("\r\neu,1,'=1+1,\"a;b,c\",,,,person,\"[\"\"7\"\",\"\"8\"\"]\","), "{strict}");
    assert_eq!(written.guarded_cells, 1);
    assert_eq!(csv(CsvDialect::Excel(Separator::Comma)).0, format!("\u{feff}{strict}"));
    assert_eq!(csv(CsvDialect::Raw).0, strict.replace('\'', ""));
}

#[test]
fn an_excel_file_with_semicolons_has_the_same_cells_and_no_separator_line() {
    let people = people();
    let (excel, _) = csv_of(&of(&people), Table::Users, CsvDialect::Excel(Separator::Semicolon));
    let excel = excel.strip_prefix('\u{feff}').expect("a byte order mark");
    assert!(excel.starts_with("source;id;username;"), "Excel ignores the mark after a line sep=: {excel}");
    assert!(excel.contains("\r\neu;1;'=1+1;\"a;b,c\";;;;person;"), "{excel}");
    let mut reader = ::csv::ReaderBuilder::new().delimiter(b';').from_reader(excel.as_bytes());
    let cells: Vec<String> = reader.records().next().unwrap().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(cells, csv_cells(&csv_of(&of(&people), Table::Users, CsvDialect::Strict).0).1[0]);
}

#[test]
fn the_words_of_a_dialect_are_parsed_as_written_and_other_pairs_are_not() {
    let excel = Separator::ALL.map(CsvDialect::Excel);
    for dialect in [CsvDialect::Strict, CsvDialect::Raw].into_iter().chain(excel) {
        assert_eq!(CsvDialect::parse(dialect.as_str(), dialect.separator().as_str()), Some(dialect));
    }
    assert_eq!(CsvDialect::parse("strict", "semicolon"), None);
}

#[test]
fn a_user_row_names_its_groups_and_says_whether_it_is_privileged_or_that_this_is_unknown() {
    let group = |id: &str, name: Option<&str>| Group { name: name.map(Into::into), ..Group::new(id) };
    let user = |id: &str, groups: &[&str], groups_known| User {
        group_memberships: groups.iter().map(|id| GroupId::from(*id)).collect(),
        groups_known,
        ..User::new(id)
    };
    let users = vec![user("1", &["1", "2", "9"], true), user("2", &["2"], true), user("3", &[], false)];
    let groups = vec![group("1", Some("Administrators")), group("2", None)];
    let classes = Classes { privileged_groups: vec![Pattern::parse("Administrators").unwrap()], ..Classes::default() };
    let mut reading = reading("eu", users, groups);
    let complete = Coverage::Complete { proof: "total".to_owned() };
    reading.lists = vec![ListReport::of_rows(ListKind::Groups, 2, complete)];
    let inventory = seen(Inventory::join(vec![reading], &classes));
    let (header, rows) = csv_cells(&csv_of(&of(&inventory), Table::Users, CsvDialect::Strict).0);
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let found: Vec<_> =
        rows.iter().map(|row| (row[at("is_privileged")].as_str(), row[at("group_names")].as_str())).collect();
    let expected = [("true", r#"["Administrators","2","9"]"#), ("false", r#"["2"]"#), ("", "[]")];
    assert_eq!(found, expected);
}

#[test]
fn a_group_row_has_the_owner_that_the_policy_names() {
    let group = |id: &str, name: &str| Group { name: Some(name.into()), ..Group::new(id) };
    let inventory = inventory(Vec::new(), vec![group("1", "Administrators"), group("2", "Users")]);
    let entry = GroupOwner { group: Pattern::parse("administrators").unwrap(), owner: "IT".to_owned(), email: None };
    let tables = Tables { group_owners: &[entry], ..of(&inventory) };
    let (header, rows) = csv_cells(&csv_of(&tables, Table::Groups, CsvDialect::Strict).0);
    let owner = header.iter().position(|column| column == "owner").unwrap();
    assert_eq!([&rows[0][owner], &rows[1][owner]], ["IT", ""]);
}
