//! Compares the columns of every table with the documented ones.

use super::*;

/// Columns of every table as the contract lists them; `?` means nullable.
const CONTRACT: [(Table, &str); 6] = [
    (
        Table::Users,
        "source utf8, id utf8, username utf8?, display_name utf8?, email_address utf8?, enabled bool?, account_type utf8?, \
         kind utf8, group_memberships list, groups_known bool, public_key utf8?, last_login time?, last_login_status utf8, \
         created_at time?, locale utf8?, is_admin bool?, mfa bool?, expires_at time?, \
         is_privileged bool?, group_names list, person utf8?, blocked utf8?, signs_in_by utf8?, inferred_type utf8?, groups_confirmed_at time?, enabled_since time?, \
         first_seen time, confirmed_at time, unconfirmed_since time?, \
         extra utf8?",
    ),
    (
        Table::Groups,
        "source utf8, id utf8, name utf8?, description utf8?, privileged bool, member_count int64?, \
         external_member_count int64?, owner utf8?, members_confirmed_at time?, first_seen time, confirmed_at time, extra utf8?",
    ),
    (
        Table::Memberships,
        "source utf8, group_id utf8, group_name utf8?, user_id utf8?, username utf8?, via utf8, external_name utf8?, \
         email_address utf8?, enabled bool?, last_login time?, first_seen time, confirmed_at time",
    ),
    (
        Table::Findings,
        "source utf8, fingerprint utf8, rule utf8, severity utf8, status utf8, subject_kind utf8, subject_id utf8, \
         subject_name utf8?, subject_display_name utf8?, subject_email utf8?, title utf8, evidence utf8, action utf8, controls list, first_seen time, last_seen time, \
         exception utf8?",
    ),
    (
        Table::Changes,
        "source utf8, event_id utf8, kind utf8, subject_kind utf8, subject_id utf8, subject_name utf8?, field utf8?, \
         before utf8?, after utf8?, base_run utf8",
    ),
    (
        Table::Resolved,
        "source utf8, fingerprint utf8, rule utf8, subject_kind utf8, subject_id utf8, subject_name utf8?, first_seen time, \
         last_seen time, times_seen int64, resolved_at time",
    ),
];

fn worded(field: &arrow::datatypes::Field) -> String {
    let kind = match field.data_type() {
        DataType::Utf8 => "utf8",
        DataType::Boolean => "bool",
        DataType::Int64 => "int64",
        DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => "time",
        DataType::List(child) if child.name() == "element" && !child.is_nullable() => "list",
        other => panic!("{other}"),
    };
    format!("{} {kind}{}", field.name(), if field.is_nullable() { "?" } else { "" })
}

#[test]
fn every_table_has_exactly_the_columns_of_the_contract_even_when_it_is_empty() {
    let nobody = inventory(Vec::new(), Vec::new());
    for (table, columns) in CONTRACT {
        let reader = reader_of(&parquet_of(&of(&nobody), table));
        let found: Vec<String> = reader.schema().fields().iter().map(|f| worded(f)).collect();
        assert_eq!(found.join(", "), columns, "{table:?}");
        let names: Vec<&str> = columns.split(", ").map(|c| c.split(' ').next().unwrap()).collect();
        let (csv, written) = csv_of(&of(&nobody), table, CsvDialect::Strict);
        assert_eq!(csv, format!("{}\r\n", names.join(",")));
        assert_eq!(written.rows, 0);
    }
}
