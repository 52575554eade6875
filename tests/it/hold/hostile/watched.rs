//! Runs the program as a child process, and measures how long it takes and how much memory it uses.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at a running process.
const INTERVAL: Duration = Duration::from_millis(10);

/// The end of a process.
pub struct Outcome {
    /// `None` if the process did not end in time and was killed.
    pub status: Option<ExitStatus>,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
    /// Greatest resident memory, in KiB.
    pub peak: u64,
}

/// Runs a command for at most `limit`. Its output is kept in `folder` meanwhile.
pub fn run(mut command: Command, folder: &Path, limit: Duration) -> Outcome {
    let files = ["stdout.txt", "stderr.txt"].map(|name| folder.join(name));
    let started = Instant::now();
    let mut child =
        command.stdout(File::create(&files[0]).unwrap()).stderr(File::create(&files[1]).unwrap()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        peak = peak.max(resident(child.id()).unwrap_or(0));
        if started.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        thread::park_timeout(INTERVAL);
    };
    let [stdout, stderr] = files.map(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned());
    Outcome { status, stdout, stderr, elapsed: started.elapsed(), peak }
}

/// Returns the greatest resident memory of a process so far, in KiB. The system keeps it, so no peak is missed between two looks.
fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}
