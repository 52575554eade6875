//! Tests of the view and the page, and of the committed samples.

mod appendix;
mod behaviour;
mod by_person;
mod controls;
mod first_page;
mod products;
mod sample;
mod tenant;

use sample::World;
use std::path::Path;

/// Compares a page with a committed sample. `UPDATE_SAMPLE=1 cargo test --lib report` writes the samples again.
fn assert_sample(file: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports").join(file);
    if std::env::var_os("UPDATE_SAMPLE").is_some() {
        std::fs::write(&path, page).expect("reports/ can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "{file} differs from what the program writes: run UPDATE_SAMPLE=1 cargo test --lib report"
    );
}

#[test]
fn the_committed_sample_is_what_the_program_writes() {
    assert_sample("sample.html", &World::complete().page());
}

#[test]
fn the_committed_sample_of_a_partial_run_is_what_the_program_writes() {
    assert_sample("sample-partial.html", &World::partial().page());
}
