//! Compares `docs/data-dictionary.md` with the schema of every table.

use super::*;

/// Returns (name, type, null) of the rows below the heading of one table.
fn documented<'t>(text: &'t str, table: &str) -> Vec<(&'t str, &'t str, &'t str)> {
    let section = text.split("\n## ").find(|section| section.lines().next() == Some(table)).expect("a section a table");
    let section = section.split("\n### ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].trim_matches('`'), cells[1], cells[2])).collect()
}

fn type_name(kind: &DataType) -> &'static str {
    match kind {
        DataType::Utf8 => "utf8",
        DataType::Boolean => "bool",
        DataType::Int64 => "int64",
        DataType::Timestamp(..) => "timestamp",
        DataType::List(_) => "list<utf8>",
        other => panic!("{other}"),
    }
}

#[test]
fn the_data_dictionary_has_every_column_with_its_type_and_says_what_null_means_exactly_where_null_can_be() {
    let text = include_str!("../../../docs/data-dictionary.md");
    let nobody = inventory(Vec::new(), Vec::new());
    for table in Table::ALL {
        let reader = reader_of(&parquet_of(&of(&nobody), table));
        let schema = reader.schema();
        let actual = schema
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), type_name(field.data_type()), field.is_nullable()));
        let documented = documented(text, table.as_str());
        let documented: Vec<_> = documented.iter().map(|(name, kind, null)| (*name, *kind, *null != "never")).collect();
        assert_eq!(documented, actual.collect::<Vec<_>>(), "{table:?}");
    }
}
