//! Runs targets on stable Rust: `mutate [--seconds N] [--seed N] [TARGET…]`, two targets at a time.
//!
//! Each target runs in a process of its own, first with its corpus and its regressions, then with mutations of them. A
//! crash, an input that needs more than two seconds, and an allocation beyond the budget end it. The input is then in
//! `fuzz/artifacts/TARGET`.

use bt_rollcall_fuzz::mutate::Corpus;
use bt_rollcall_fuzz::{TARGETS, Target, memory_folder, named};
use cap::Cap;
use std::alloc::System;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, exit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, io};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Memory that the inputs of a target may need in addition to what is allocated before the first one, in bytes.
const MEMORY: usize = 96 << 20;
/// Processor time of one input.
const CPU: Duration = Duration::from_secs(2);
/// Time of one input on a busy machine.
const WALL: Duration = Duration::from_secs(60);

/// The only certificate that clients trust.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/root.pem");

/// Number of inputs so far.
static INPUTS: AtomicU64 = AtomicU64::new(0);

/// What the command line asks for.
struct Options {
    targets: Vec<Target>,
    seconds: u64,
    seed: u64,
    is_child: bool,
    /// Whether to show only what the target reports about its corpus.
    shows: bool,
}

fn main() -> ExitCode {
    let options = match Options::read(env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("mutate: {why}; use mutate [--show] [--seconds N] [--seed N] [TARGET…]");
            return ExitCode::from(2);
        }
    };
    if options.shows {
        options.targets.iter().for_each(|target| show(*target));
        return ExitCode::SUCCESS;
    }
    if options.is_child {
        options.targets.iter().for_each(|target| fuzz(*target, options.seconds, options.seed));
        return ExitCode::SUCCESS;
    }
    match supervise(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutate: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { targets: Vec::new(), seconds: 30, seed: 1, is_child: false, shows: false };
        while let Some(arg) = args.next() {
            let mut number = || args.next().and_then(|text| text.parse().ok()).ok_or(format!("{arg} needs a number"));
            match arg.as_str() {
                "--seconds" => options.seconds = number()?,
                "--seed" => options.seed = number()?,
                "--child" => options.is_child = true,
                "--show" => options.shows = true,
                name => options.targets.push(named(name).ok_or(format!("unknown target {name}"))?),
            }
        }
        if options.targets.is_empty() {
            options.targets = TARGETS.to_vec();
        }
        Ok(options)
    }
}

/// Returns a folder of the package.
fn folder(kind: &str, target: Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target.name)
}

/// Returns the file that holds the input of the moment. It is in memory, because it is written for every input.
fn current(target: Target) -> PathBuf {
    memory_folder().join(format!("bt-rollcall-fuzz-{}", target.name))
}

/// Runs the targets, two at a time. Returns whether none of them failed.
fn supervise(options: &Options) -> io::Result<bool> {
    let mut waiting: VecDeque<Target> = options.targets.iter().copied().collect();
    let mut running: Vec<(Target, Child)> = Vec::new();
    let mut is_fine = true;
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < 2
            && let Some(target) = waiting.pop_front()
        {
            fs::create_dir_all(folder("artifacts", target))?;
            let numbers = [options.seconds.to_string(), options.seed.to_string()];
            let args = ["--child", "--seconds", &numbers[0], "--seed", &numbers[1], target.name];
            let mut command = Command::new(env::current_exe()?);
            // A backtrace would need more memory than an input may.
            // One trusted certificate is read faster than all of a system.
            command.args(args).env("RUST_BACKTRACE", "0").env("SSL_CERT_FILE", ROOT).env_remove("SSL_CERT_DIR");
            running.push((target, command.spawn()?));
        }
        let mut still = Vec::new();
        for (target, mut child) in running {
            let ended = child.try_wait()?;
            if ended.is_some() {
                fs::remove_dir_all(memory_folder().join(format!("bt-rollcall-fuzz-{}-{}", child.id(), target.name)))
                    .ok();
            }
            match ended {
                None => still.push((target, child)),
                Some(status) if status.success() => {}
                Some(status) => {
                    is_fine = false;
                    let saved = save(target, &fs::read(current(target))?)?;
                    println!("{}: {status}; the input is {}", target.name, saved.display());
                }
            }
        }
        running = still;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(is_fine)
}

/// Saves an input under a name that follows from its content.
fn save(target: Target, input: &[u8]) -> io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = folder("artifacts", target).join(format!("{:016x}", hasher.finish()));
    fs::write(&path, input)?;
    Ok(path)
}

/// Prints what a target reports about each input of its corpus.
fn show(target: Target) {
    for input in files(&folder("corpus", target)) {
        println!("{}: {}", target.name, (target.run)(&input));
    }
}

/// Runs one target until the time has passed. Ends the process with code 1 where an input shows a fault.
fn fuzz(target: Target, seconds: u64, seed: u64) {
    let seeds: Vec<Vec<u8>> =
        ["corpus", "regressions"].into_iter().flat_map(|kind| files(&folder(kind, target))).collect();
    let count = seeds.len();
    let words = dictionary(&folder("dictionaries", target).with_extension("dict"));
    let mut corpus = Corpus::new(seeds, words, target.longest);
    let mut random = fastrand::Rng::with_seed(seed);
    let current = current(target);
    thread::spawn(watch);
    // The first input allocates what all of them share.
    let started = Instant::now();
    run(target, &current, corpus.input(0));
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + MEMORY).expect("the budget is larger than what is allocated");
    for at in 0..count {
        let input = corpus.input(at).to_vec();
        corpus.note(&input, &run(target, &current, &input));
    }
    while started.elapsed() < Duration::from_secs(seconds) {
        let input = corpus.mutated(&mut random);
        corpus.note(&input, &run(target, &current, &input));
    }
    let (inputs, seconds) = (INPUTS.load(Ordering::Relaxed), started.elapsed().as_secs_f64());
    let cpu = cpu_time().as_secs_f64();
    println!(
        "{}: {inputs} inputs in {seconds:.0} s ({cpu:.0} s of processor time), {} kept, {} MiB at most",
        target.name,
        corpus.len() - count,
        ALLOCATOR.max_allocated() >> 20
    );
    let _ = fs::remove_file(current);
}

fn run(target: Target, current: &Path, input: &[u8]) -> String {
    INPUTS.fetch_add(1, Ordering::Relaxed);
    fs::write(current, input).expect("the input can be saved");
    // The panic hook has written where it happened.
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).unwrap_or_else(|_| exit(1))
}

/// Ends the process if one input takes too long.
fn watch() {
    let mut last = (0, Instant::now(), Duration::ZERO);
    loop {
        thread::sleep(Duration::from_millis(200));
        let (input, cpu) = (INPUTS.load(Ordering::Relaxed), cpu_time());
        if input != last.0 {
            last = (input, Instant::now(), cpu);
        } else if cpu - last.2 > CPU || last.1.elapsed() > WALL {
            eprintln!("one input needs more than {} s", CPU.as_secs());
            exit(1);
        }
    }
}

/// Returns the processor time of this process. Linux only; elsewhere the time on the wall counts.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // proc_pid_stat(5): the name in parentheses may contain spaces. Fields 14 and 15 are ticks of 10 ms.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

/// Returns the contents of the files in a folder, in the order of their names. A missing folder is empty.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a file of the corpus can be read")).collect()
}

/// Reads the words of a dictionary in the notation of libFuzzer: one in quotes per line, with `\"`, `\\` and `\xNN`.
fn dictionary(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(unescaped).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut word = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'\\').then(|| after.strip_prefix(b"x")?.get(..2)).flatten();
        let code = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (byte, code) {
            (_, Some(code)) => {
                word.push(code);
                rest = &after[3..];
            }
            (b'\\', None) => {
                word.extend(after.first());
                rest = after.get(1..).unwrap_or_default();
            }
            _ => {
                word.push(byte);
                rest = after;
            }
        }
    }
    word
}
