//! A whole run as a user sees it, next to a bare program and to a script of `curl -Z` and DuckDB.
//!
//! `cargo bench --bench whole` prints the tables of docs/performance.md: medians, and ratios of programs that ran in turns
//! on the same machine. Machines are noisy, so only ratios compare. Linux only.
//!
//! `SIZES=10000,100000` sets the numbers of accounts, `ROUNDS=3` the rounds, and `PYTHON` the interpreter with DuckDB.

mod bare;
mod measure;
mod sandbox;
mod script;

use measure::{Cost, cost};
use sandbox::Sandbox;
use std::error::Error;
use std::process::Command;

/// Number of rows in a page.
const PAGE: usize = 100;
/// Number of requests at the same time, of every program.
const AT_ONCE: usize = 8;
/// Latency of the appliance in the second comparison, in milliseconds.
const LATENCY: u64 = 20;
/// Number of accounts in the second comparison.
const FAR_USERS: usize = 100_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // The process has no other provider, so that this never fails.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match std::env::args().nth(1).as_deref() {
        Some("bare") => bare::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        // `cargo test --benches` builds and starts this program: there is nothing to test.
        Some("--test") => Ok(()),
        _ => compare(),
    }
}

fn compare() -> Outcome<()> {
    let python = script::python();
    if python.is_none() {
        println!("curl or the Python package duckdb is missing: the script is not measured");
    }
    let sizes = std::env::var("SIZES").unwrap_or_else(|_| "10000,100000,1000000".to_owned());
    for size in sizes.split(',') {
        let users = size.trim().parse()?;
        let folder = tempfile::tempdir()?;
        let sandbox = Sandbox::start(users, 0, folder.path())?;
        println!("\n{users} accounts");
        table(&measured(&sandbox, users, python.as_deref(), true)?);
    }
    let folder = tempfile::tempdir()?;
    let sandbox = Sandbox::start(FAR_USERS, LATENCY, folder.path())?;
    println!("\n{FAR_USERS} accounts, {LATENCY} ms of latency, {AT_ONCE} requests at once");
    table(&measured(&sandbox, FAR_USERS, python.as_deref(), false)?);
    Ok(())
}

/// Costs of one program, by round.
type Costs = (&'static str, Vec<Cost>);

/// Runs all programs in turns.
fn measured(sandbox: &Sandbox, users: usize, python: Option<&str>, with_base: bool) -> Outcome<Vec<Costs>> {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let mut all: Vec<Costs> = Vec::new();
    let mut note = |name, cost| match all.iter_mut().find(|(known, _)| *known == name) {
        Some((_, costs)) => costs.push(cost),
        None => all.push((name, vec![cost])),
    };
    for _ in 0..rounds {
        note("bare program", cost(&mut bare_command(sandbox, users)?)?);
        if let Some(python) = python {
            note("curl -Z and DuckDB", script::measured(sandbox, users, python)?);
        }
        sandbox.forget()?;
        note("bt-rollcall, first run", cost(&mut sandbox.run())?);
        if with_base {
            note("bt-rollcall, with a base", cost(&mut sandbox.run())?);
        }
    }
    Ok(all)
}

fn bare_command(sandbox: &Sandbox, users: usize) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", &sandbox.url, &users.to_string()]).arg(sandbox.folder());
    Ok(command)
}

/// Prints medians, and each of them as a multiple of the first program's.
fn table(all: &[Costs]) {
    println!("| | wall | CPU | peak memory |\n|---|---|---|---|");
    let mut first: Option<Cost> = None;
    for (name, costs) in all {
        let Cost { wall, cpu, memory } = Cost::median(costs);
        let bare = *first.get_or_insert(Cost { wall, cpu, memory });
        println!(
            "| {name} | {wall:.2} s ({:.1}) | {cpu:.2} s ({:.1}) | {memory:.0} MB ({:.1}) |",
            wall / bare.wall,
            cpu / bare.cpu,
            memory / bare.memory
        );
    }
}
