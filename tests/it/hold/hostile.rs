//! A hostile server: the program reads the sandbox through a proxy that replaces some answers by misbehaviours.
//!
//! `catalogue` contains the misbehaviours, `proxy` draws them, `round` drives the runs, and `checks` compares each run with
//! the oracle. The normal test executes some rounds. `HOSTILE_MINUTES=20` runs as long with every misbehaviour, in several
//! threads, because most runs wait. `HOSTILE_SEED=7` repeats one round, and `HOSTILE_FIRST_SEED=1000` chooses other rounds.

mod answer;
mod catalogue;
mod checks;
mod proxy;
mod round;
mod watched;

use catalogue::Misbehaviour;
use round::{CHANCES, Figures};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Number of rounds of the normal test.
const ROUNDS: u64 = 6;
/// Seed of its first round. With this seed no round waits for half a minute.
const FIRST_SEED: u64 = 5;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn no_misbehaviour_of_a_server_makes_a_run_lie_hang_or_take_too_much_memory() {
    let minutes = number("HOSTILE_MINUTES");
    let workers = number("HOSTILE_WORKERS").unwrap_or(if minutes.is_some() { 8 } else { 3 });
    let first = number("HOSTILE_FIRST_SEED").unwrap_or(FIRST_SEED);
    let started = Instant::now();
    let is_over = |seed: u64| match minutes {
        Some(minutes) => started.elapsed() >= Duration::from_secs(60 * minutes),
        None => seed - first >= ROUNDS,
    };
    let kinds: Vec<Misbehaviour> =
        catalogue::all().into_iter().filter(|kind| minutes.is_some() || !kind.is_slow).collect();
    let figures = match number("HOSTILE_SEED") {
        Some(seed) => round::round(seed, &kinds, &CHANCES),
        None => rounds(&kinds, workers, first, is_over),
    };
    show(&figures);
    assert!(figures.wrong.is_empty(), "{} wrong:\n{}", figures.wrong.len(), figures.wrong.join("\n"));
}

/// Executes rounds in several threads, one for each seed, until one is too late.
fn rounds(kinds: &[Misbehaviour], workers: u64, first: u64, is_over: impl Fn(u64) -> bool + Sync) -> Figures {
    let (next, all) = (AtomicU64::new(first), Mutex::new(Figures::default()));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if is_over(seed) {
                        break;
                    }
                    let figures = round::round(seed, kinds, &CHANCES);
                    figures.wrong.iter().for_each(|wrong| eprintln!("{wrong}"));
                    all.lock().unwrap().add(figures);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

fn show(figures: &Figures) {
    let Figures { rounds, runs, answers, replaced, exits, peak, longest, .. } = figures;
    let count: u64 = replaced.values().sum();
    println!("{rounds} rounds, {runs} runs, {answers} answers in hostile runs, {count} of them replaced");
    println!("exit codes of hostile runs: {exits:?}; longest run: {longest:?}; most memory: {} MiB", peak / 1024);
    println!("{} misbehaviours: {replaced:?}", replaced.len());
}

#[test]
fn catalogue_has_at_least_thirty_misbehaviours_with_different_names() {
    let names: std::collections::BTreeSet<&str> = catalogue::all().iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), catalogue::all().len());
    assert!(names.len() >= 30, "{}", names.len());
}

#[test]
fn checks_find_a_lie_that_the_program_cannot_detect() {
    let found = (0..20)
        .map(|seed| round::round(seed, &[catalogue::undetectable()], &[1.0]))
        .find(|figures| figures.wrong.iter().any(|wrong| wrong.contains("LIE, missing in a complete list")));
    assert!(found.is_some());
}
