//! CPU time of a whole run, as a multiple of a minimal program that reads and writes the same users.
//!
//! The minimal program (`bare`) fetches the pages one after the other, decodes them and writes one CSV and one Parquet
//! file. It omits proofs, joins, rules, hashes, the report and the rename. Both read from a sandbox in another process.
//! Machines are noisy: use the ratio, since both numbers come from the same machine and minute.
//!
//! Run it with `cargo bench --bench whole`. `USERS=2500` sets another size. Linux only: CPU time and memory are read
//! from `/proc`.

use arrow::array::{ArrayRef, BooleanArray, ListBuilder, RecordBatch, StringArray, StringBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
const PAGE: usize = 100;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    match std::env::args().nth(1).as_deref() {
        Some("bare") => bare(&std::env::args().skip(2).collect::<Vec<_>>()),
        // `cargo test --benches` builds and starts this program: there is nothing to test.
        Some("--test") => Ok(()),
        _ => compare(),
    }
}

/// Measures both programs in turns, and prints the ratio of their best rounds.
fn compare() -> Outcome<()> {
    let users: usize = std::env::var("USERS").ok().and_then(|users| users.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir()?;
    let sandbox = Sandbox::start(users, folder.path())?;
    println!("{users} users, {ROUNDS} rounds; CPU = user + system of the process");
    println!("{:8} {:>9} {:>9} {:>9}", "", "CPU s", "wall s", "peak MB");
    let (mut least, mut whole) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        least = least.min(measured("bare", &mut sandbox.bare(users)?)?);
        whole = whole.min(measured("run", &mut sandbox.run())?);
    }
    println!("ratio    {:9.1}   best round of each", whole / least);
    Ok(())
}

/// Runs a command and prints its CPU time, wall time and peak memory. Returns the CPU time in seconds.
fn measured(what: &str, command: &mut Command) -> Outcome<f64> {
    let (before, started) = (children_cpu()?, Instant::now());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water(&child));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // Often enough for the peak memory, which cannot be read after the process has ended.
        std::thread::sleep(Duration::from_millis(2));
    };
    if !status.success() {
        return Err(format!("{what} ended with {status}").into());
    }
    let cpu = children_cpu()? - before;
    println!("{what:8} {cpu:9.2} {:9.2} {:9}", started.elapsed().as_secs_f64(), peak / 1000);
    Ok(cpu)
}

/// Returns the CPU time of all ended child processes, in seconds. proc(5): fields 16 and 17 of `stat`, in ticks of 10
/// ms.
fn children_cpu() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let ticks = after_name.split_whitespace().skip(13).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}

/// Returns the peak resident memory of a process so far, in kB.
fn high_water(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// Simulated appliance in a process of its own, so that its CPU time is not counted.
struct Sandbox {
    process: Child,
    folder: std::path::PathBuf,
    url: String,
}

impl Sandbox {
    fn start(users: usize, folder: &Path) -> Outcome<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"));
        command.args(["sandbox", "--http", "--surface", "rest-v3", "--users", &users.to_string(), "--dir"]).arg(folder);
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let first = lines.next().ok_or("the sandbox did not start")??;
        let url = first.split_whitespace().last().ok_or("no address")?.to_owned();
        // The process keeps writing: unread output would fill the pipe and stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, folder: folder.to_owned(), url })
    }

    /// Returns the command of a whole run.
    fn run(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"));
        command.args(["run", "-qq", "--config"]).arg(self.folder.join("bt-rollcall.toml"));
        command
    }

    /// Returns the command of the minimal program.
    fn bare(&self, users: usize) -> Outcome<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", &self.url, &users.to_string()]).arg(&self.folder);
        Ok(command)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Fails if the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Deserialize)]
struct Page {
    users: Vec<User>,
}

#[derive(Deserialize, Serialize)]
struct User {
    id: Any,
    #[serde(default)]
    username: Any,
    #[serde(default)]
    display_name: Any,
    #[serde(default)]
    email_address: Any,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    account_type: Any,
    #[serde(default, skip_serializing)]
    group_memberships: Option<Vec<Any>>,
    #[serde(default)]
    public_key: Any,
    #[serde(default)]
    last_login: Any,
    #[serde(default)]
    created_at: Any,
    #[serde(default)]
    locale: Any,
}

/// Field of any type, as text: the users of the sandbox are as irregular as real ones.
#[derive(Default, Serialize)]
struct Any(Option<String>);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> serde::de::Visitor<'de> for AnyVisitor {
    type Value = Any;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any(Some(text.to_owned())))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Any, E> {
        Ok(Any(Some(number.to_string())))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Any, E> {
        Ok(Any(Some(number.to_string())))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Any, E> {
        Ok(Any(Some(number.to_string())))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Any, E> {
        Ok(Any(Some(flag.to_string())))
    }
    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any(None))
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Any, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Any(None))
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Any, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Any(None))
    }
}

/// Runs the minimal program: `bare URL USERS FOLDER`.
fn bare(args: &[String]) -> Outcome<()> {
    let [url, users, folder] = args else { return Err("bare URL USERS FOLDER".into()) };
    // Fails if another part of the process has installed the provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fetch(url, users.parse()?, Path::new(folder)))
}

async fn fetch(url: &str, users: usize, folder: &Path) -> Outcome<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let secret = fs::read_to_string(folder.join("sandbox-secret"))?;
    let secret = secret.trim().bytes().fold(String::new(), |form, byte| format!("{form}%{byte:02X}"));
    let form = format!("grant_type=client_credentials&client_id=rollcall&client_secret={secret}");
    let token = http.post(format!("{url}/oauth2/token")).header("content-type", "application/x-www-form-urlencoded");
    let token: serde_json::Value = serde_json::from_slice(&token.body(form).send().await?.bytes().await?)?;
    let bearer = format!("Bearer {}", token["access_token"].as_str().ok_or("no token")?);
    let mut csv = csv::Writer::from_path(folder.join("bare.csv"))?;
    let mut parquet: Option<ArrowWriter<File>> = None;
    for offset in (0..users).step_by(PAGE) {
        let request = http.get(format!("{url}/api/public/v3/users?offset={offset}&limit={PAGE}"));
        let body = request.header("authorization", &bearer).send().await?.bytes().await?;
        let page: Page = serde_json::from_slice(&body)?;
        for user in &page.users {
            csv.serialize(user)?;
        }
        let batch = batch(&page.users)?;
        let writer = match &mut parquet {
            Some(writer) => writer,
            None => parquet.insert(writer(&folder.join("bare.parquet"), &batch)?),
        };
        writer.write(&batch)?;
    }
    csv.flush()?;
    parquet.map(ArrowWriter::close).transpose()?;
    Ok(())
}

fn writer(path: &Path, batch: &RecordBatch) -> Outcome<ArrowWriter<File>> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3)?);
    let properties = WriterProperties::builder().set_compression(zstd).set_dictionary_enabled(false).build();
    Ok(ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties))?)
}

fn batch(users: &[User]) -> Outcome<RecordBatch> {
    let text = |get: fn(&User) -> Option<&str>| Arc::new(users.iter().map(get).collect::<StringArray>()) as ArrayRef;
    let mut groups = ListBuilder::new(StringBuilder::new());
    for user in users {
        for id in user.group_memberships.iter().flatten() {
            groups.values().append_option(id.0.as_deref());
        }
        groups.append(true);
    }
    let enabled: BooleanArray = users.iter().map(|user| user.enabled).collect();
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("id", text(|user| user.id.0.as_deref()), true),
        ("username", text(|user| user.username.0.as_deref()), true),
        ("display_name", text(|user| user.display_name.0.as_deref()), true),
        ("email_address", text(|user| user.email_address.0.as_deref()), true),
        ("enabled", Arc::new(enabled), true),
        ("account_type", text(|user| user.account_type.0.as_deref()), true),
        ("group_memberships", Arc::new(groups.finish()), true),
        ("public_key", text(|user| user.public_key.0.as_deref()), true),
        ("last_login", text(|user| user.last_login.0.as_deref()), true),
        ("created_at", text(|user| user.created_at.0.as_deref()), true),
        ("locale", text(|user| user.locale.0.as_deref()), true),
    ])?)
}
