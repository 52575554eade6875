//! Parse, call, exit.
fn main() {}
