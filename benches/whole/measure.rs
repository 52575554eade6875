//! CPU time, time on the wall and peak memory of a command. Linux only: they are read from `/proc`.

use super::Outcome;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a command needed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Seconds on the wall.
    pub(crate) wall: f64,
    /// Seconds of processor time, user and system.
    pub(crate) cpu: f64,
    /// Peak resident memory, in MB.
    pub(crate) memory: f64,
}

impl Cost {
    /// Returns the cost of this command and the next one, one after the other.
    pub(crate) fn then(self, next: Self) -> Self {
        let Self { wall, cpu, memory } = next;
        Self { wall: self.wall + wall, cpu: self.cpu + cpu, memory: self.memory.max(memory) }
    }

    /// Returns the median of each figure.
    pub(crate) fn median(costs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = costs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Self { wall: of(|cost| cost.wall), cpu: of(|cost| cost.cpu), memory: of(|cost| cost.memory) }
    }
}

/// Runs a command without output. Errors: it fails.
pub(crate) fn cost(command: &mut Command) -> Outcome<Cost> {
    let (before, started) = (children_cpu()?, Instant::now());
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let mut memory = 0.0;
    let status = loop {
        memory = high_water(&child).max(memory);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // Often enough for the peak memory, which cannot be read after the process has ended.
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = started.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("{} ended with {status}", command.get_program().display()).into());
    }
    Ok(Cost { wall, cpu: children_cpu()? - before, memory })
}

/// Returns the CPU time of all ended child processes, in seconds. `proc_pid_stat(5)`: fields 16 and 17, in ticks of 10 ms.
fn children_cpu() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let ticks = after_name.split_whitespace().skip(13).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}

/// Returns the peak resident memory of a process so far, in MB.
fn high_water(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1024.0 / 1e6
}
