//! Runs the shell blocks of the documents, as an operator would type them.

use super::markdown::{Block, Document, documents};
use crate::receiver::Receiver;
use crate::rig::{Rig, as_of, assert_exit};
use bt_rollcall_sandbox::{Faults, World};
use regex::Regex;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A host with a configuration, an appliance that it reads, a receiver and two snapshots.
struct Host {
    rig: Rig,
    _receiver: Receiver,
    served: Vec<Child>,
}

impl Host {
    fn new() -> Self {
        let receiver = Receiver::start();
        let rig = Rig::with_syslog(World::seeded(1, 103, as_of()), Faults::default(), Some(&receiver.url()));
        rig.edit("name = \"sandbox\"", "name = \"appliance-eu\"");
        assert_exit(&rig.call(&["run", "--as-of", "2026-11-22T02:00:00Z"]), 0);
        rig.sandbox.with_world(|world| world.simulate_day(1, as_of()));
        assert_exit(&rig.run(&[]), 0);
        Self { rig, _receiver: receiver, served: Vec::new() }
    }

    /// Replaces the paths of an installation, and run ids in the order of their age.
    fn adapted(&self, text: &str) -> String {
        let home = self.rig.folder.path().to_str().unwrap();
        let text = text.replace("/var/lib/bt-rollcall", home).replace("/etc/bt-rollcall", home);
        let run_id = Regex::new(r"\b\d{8}T\d{6}Z-[0-9a-f]{4}\b").unwrap();
        let mut named: Vec<&str> = run_id.find_iter(&text).map(|found| found.as_str()).collect();
        named.sort_unstable();
        named.dedup();
        let real = self.rig.snapshots();
        let mut adapted = text.clone();
        for (name, snapshot) in named.iter().zip(&real) {
            adapted = adapted.replace(name, snapshot.file_name().unwrap().to_str().unwrap());
        }
        adapted
    }

    fn bash(&self, script: &str) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_bt-rollcall")).parent().unwrap();
        let mut command = Command::new("bash");
        command.args(["-eu", "-o", "pipefail", "-c", script]).current_dir(self.rig.folder.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
        command.env_remove("BT_ROLLCALL_CONFIG").stdin(Stdio::null());
        command
    }

    fn run(&mut self, block: &Block) {
        let script = self.adapted(&block.text);
        if block.info == "sh,serve" {
            self.serve(&block.place, &script);
            return;
        }
        let output = self.bash(&script).output().unwrap();
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (shown(&output.stdout), shown(&output.stderr));
        assert!(output.status.success(), "{}: {}\n{script}\n{out}\n{err}", block.place, output.status);
    }

    /// Starts one command in the background and waits until it serves.
    fn serve(&mut self, place: &str, script: &str) {
        assert_eq!(script.lines().count(), 1, "{place}: one command");
        let mut child =
            self.bash(&format!("exec {script}")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let is_ready = lines.any(|line| line.unwrap().starts_with("stop"));
        self.served.push(child);
        assert!(is_ready, "{place}: it ended");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for child in &mut self.served {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn is_run_here(block: &Block) -> bool {
    matches!(block.info.as_str(), "sh" | "sh,serve")
}

#[test]
fn every_shell_block_of_the_documents_runs() {
    let with_blocks = |document: &Document| document.blocks().iter().any(is_run_here);
    let documents: Vec<Document> = documents().into_iter().filter(with_blocks).collect();
    assert!(documents.len() >= 4);
    // Each document has a host of its own, so they can run at the same time.
    std::thread::scope(|scope| {
        for document in &documents {
            scope.spawn(|| {
                let mut host = Host::new();
                document.blocks().iter().filter(|block| is_run_here(block)).for_each(|block| host.run(block));
            });
        }
    });
}
