//! Behaviour of the view and of the page.

mod behaviour;
mod products;
mod sample;
mod tenant;

use sample::World;
use std::path::Path;

/// The committed samples show what the program writes. `UPDATE_SAMPLE=1 cargo test --lib report` writes them anew.
fn compare_with(file: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports").join(file);
    if std::env::var_os("UPDATE_SAMPLE").is_some() {
        std::fs::write(&path, page).expect("reports/ can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "{file} is not what the program writes now: run UPDATE_SAMPLE=1 cargo test --lib report"
    );
}

#[test]
fn the_committed_sample_is_what_the_program_writes() {
    compare_with("sample.html", &World::complete().page());
}

#[test]
fn the_committed_sample_of_a_partial_run_is_what_the_program_writes() {
    compare_with("sample-partial.html", &World::partial().page());
}
