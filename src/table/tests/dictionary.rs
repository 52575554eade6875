//! Compares `docs/data-dictionary.md` and the texts of the dictionary with the schema of every table.

use super::*;
use crate::table::dictionary::{self, ColumnText};

const DOCUMENT: &str = include_str!("../../../docs/data-dictionary.md");

/// A row of the document: column, type, null, meaning.
type DocumentedColumn<'t> = [&'t str; 4];

/// Returns the rows below the heading of one table.
fn documented(table: &str) -> Vec<DocumentedColumn<'static>> {
    let mut sections = DOCUMENT.split("\n## ");
    let section = sections.find(|section| section.lines().next() == Some(table)).expect("a section a table");
    let section = section.split("\n### ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| [cells[0].trim_matches('`'), cells[1], cells[2], cells[3]]).collect()
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

/// Returns every table with its columns and their texts, and `review.csv`.
fn described() -> Vec<(&'static str, Vec<ColumnType>, &'static [ColumnText])> {
    let tables = Table::ALL.map(|table| (table.as_str(), table.schema(), table.dictionary()));
    tables.into_iter().chain([(REVIEW, review_schema(), dictionary::REVIEW)]).collect()
}

#[test]
fn the_schema_of_a_table_is_that_of_its_parquet_file() {
    let nobody = inventory(Vec::new(), Vec::new());
    for table in Table::ALL {
        let reader = reader_of(&parquet_of(&of(&nobody), table));
        let fields = reader.schema().fields().iter();
        let fields: Vec<_> = fields.map(|f| (f.name().clone(), type_name(f.data_type()), f.is_nullable())).collect();
        let schema: Vec<_> = table.schema().into_iter().map(|c| (c.name.to_owned(), c.kind, c.nullable)).collect();
        assert_eq!(schema, fields, "{table:?}");
    }
}

#[test]
fn the_data_dictionary_has_every_column_with_its_type_and_says_what_null_means_exactly_where_null_can_be() {
    for (table, schema, _) in described() {
        let documented = documented(table);
        let documented: Vec<_> =
            documented.iter().map(|[name, kind, null, _]| (*name, *kind, *null != "never")).collect();
        let schema: Vec<_> = schema.iter().map(|column| (column.name, column.kind, column.nullable)).collect();
        assert_eq!(documented, schema, "{table}");
    }
}

#[test]
fn the_text_of_every_column_is_that_of_the_data_dictionary_which_may_add_to_it() {
    for (table, schema, texts) in described() {
        let names: Vec<_> = texts.iter().map(|text| (text.name, text.null.is_some())).collect();
        assert_eq!(names, schema.iter().map(|column| (column.name, column.nullable)).collect::<Vec<_>>(), "{table}");
        for (text, [name, _, null, meaning]) in texts.iter().zip(documented(table)) {
            assert_eq!(null.replace('`', ""), text.null.unwrap_or("never"), "{table}.{name}");
            let more = meaning.replace('`', "");
            let more = more.strip_prefix(text.meaning).unwrap_or_else(|| panic!("{table}.{name}: {more}"));
            let ends = more.is_empty() || more.starts_with([' ', ',', ';', ':', '.']);
            assert!(ends, "{table}.{name}: {meaning}");
        }
    }
}
