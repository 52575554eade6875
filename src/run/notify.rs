//! What the SIEM is told of a run: puts the facts together, spools them, delivers. Knows no wire format.

use super::{DestinationEnding, Run, RunError};
use crate::config::Config;
use crate::describe::{Origin, RunDescription};
use crate::event::Observer;
use crate::guard::Suspect;
use crate::model::{Finding, instant_text};
use crate::snapshot;
use crate::snapshot::manifest::{Manifest, SourceEntry};
use crate::syslog::deliver::{Delivered, deliver};
use crate::syslog::format::{Sender, render};
use crate::syslog::message::{
    Completed, Message, RunFacts, SourceFacts, SuspectFacts, of_failed, of_published, of_suspect,
};
use crate::syslog::spool::{Spool, SpoolError, Staged};
use crate::syslog::transport::Timing;
use chrono::{SubsecRound, Utc};
use std::fs;

impl Origin {
    /// Where and by whom this process runs.
    pub fn of_this_process() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let operator = account(uid).unwrap_or_else(|| format!("uid {uid}"));
        let person = person(&operator, std::env::var("SUDO_USER").ok().as_deref());
        Self { host: host(), operator, person }
    }
}

fn host() -> String {
    let name = hostname::get().ok().and_then(|name| name.into_string().ok());
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    qualified(&name, &hosts).unwrap_or(name)
}

/// The full name that hosts(5) gives to a bare one: RFC 5424 §6.2.4 wants it, and the kernel often has only the first label.
fn qualified(name: &str, hosts: &str) -> Option<String> {
    if name.contains('.') {
        return None;
    }
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let names = lines.flat_map(|line| line.split_whitespace().skip(1));
    let mut full = names.filter(|full| full.split_once('.').is_some_and(|(first, _)| first.eq_ignore_ascii_case(name)));
    full.find(|full| !full.to_ascii_lowercase().ends_with(".localdomain")).map(str::to_owned)
}

/// The account's name by passwd(5); the environment could say anything.
fn account(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// sudo(8) tells who called it in `SUDO_USER`. The environment could say anything, so this stands beside the account, never for it.
fn person(operator: &str, sudo_user: Option<&str>) -> String {
    match sudo_user.filter(|user| !user.is_empty() && *user != operator) {
        Some(user) => format!("{operator} (sudo: {})", snapshot::visible(user, 64)),
        None => operator.to_owned(),
    }
}

/// Who sends.
pub fn sender(origin: &Origin) -> Sender {
    Sender { host: origin.host.clone(), pid: std::process::id() }
}

/// Spools the events of a run that is about to be published; they are released when it is.
pub(super) fn stage_completed(
    run: &Run<'_>,
    facts: &RunDescription<'_>,
    manifest: &Manifest,
    manifest_sha256: &str,
    spool: &Spool,
) -> Result<Staged, RunError> {
    let of_run = run_facts(run, &manifest.sources, manifest.base.as_ref().map(|base| base.run_id.clone()));
    let suspects: Vec<SuspectFacts> = facts.suspects.iter().map(suspect_facts).collect();
    if !run.order.config.destinations.is_empty() {
        spool.has_room()?;
    }
    let pending = spool.pending()?;
    let mut completed = Completed {
        completeness: manifest.completeness,
        manifest_sha256: manifest_sha256.to_owned(),
        accounts: manifest.counts.users,
        groups: manifest.counts.groups,
        changes: manifest.counts.changes.clone(),
        findings: manifest.counts.findings.clone(),
        redelivered: 0,
    };
    let mut staged = spool.stage(&run.run_id);
    let sender = sender(&run.origin);
    for destination in &run.order.config.destinations {
        let waiting = pending.batches.iter().filter(|batch| batch.destination == destination.url);
        completed.redelivered = waiting.map(|batch| batch.frames).sum();
        let reported = |finding: &&Finding| destination.send.reports(finding, facts.past, facts.as_of);
        let findings: Vec<&Finding> = facts.findings.iter().filter(reported).collect();
        let messages = of_published(&of_run, facts.changes, &findings, &suspects, &completed).zip(1..);
        let frames = messages.map(|(message, sequence)| render(destination, &sender, &message, sequence));
        staged.write(&destination.url, frames)?;
    }
    Ok(staged)
}

fn run_facts(run: &Run<'_>, sources: &[SourceEntry], previous: Option<String>) -> RunFacts {
    let sources = sources.iter().map(|source| SourceFacts {
        name: source.name.clone(),
        kind: source.kind.clone(),
        url: source.url.clone(),
        status: source.status,
        confirmed_at: source.known.confirmed_at.map(instant_text),
        unconfirmed_rows: source.known.unconfirmed_rows,
    });
    RunFacts {
        run_id: run.run_id.clone(),
        as_of: run.as_of,
        started_at: run.started_at,
        now: Utc::now().trunc_subsecs(3),
        host: run.origin.host.clone(),
        sources: sources.collect(),
        config_sha256: run.order.config.sha256.clone(),
        previous_started_at: previous.as_deref().and_then(snapshot::started_at),
        previous,
    }
}

fn suspect_facts(suspect: &Suspect) -> SuspectFacts {
    SuspectFacts {
        source: suspect.source.to_string(),
        list: suspect.list.as_str(),
        before: suspect.before,
        now: suspect.now,
        gone: suspect.gone,
        limit_percent: suspect.max_shrink_percent,
        reason: suspect.to_string(),
    }
}

/// Where nothing could be released.
pub(super) fn all_waiting(run: &Run<'_>, error: &str) -> Vec<DestinationEnding> {
    let waiting = |url: &String| DestinationEnding {
        destination: url.clone(),
        delivered: 0,
        waiting: 0,
        error: Some(error.to_owned()),
    };
    run.order.config.destinations.iter().map(|destination| waiting(&destination.url)).collect()
}

impl Run<'_> {
    /// Spools the news that nothing was published. A spool that fails here, too, is said; the exit code stays.
    pub(super) fn report_failure(&self, error: &RunError, sources: &[SourceEntry], spool: &Spool) {
        let facts = run_facts(self, sources, None);
        let messages = match error {
            RunError::Suspect(suspects) => {
                suspects.iter().map(|suspect| of_suspect(&facts, &suspect_facts(suspect))).collect()
            }
            _ => vec![of_failed(&facts, &format!("failed to {error}"))],
        };
        if let Err(error) = self.spool_all(&messages, spool) {
            self.note(format!("failed to {error}; the SIEM will not hear of this run"));
        }
    }

    fn spool_all(&self, messages: &[Message], spool: &Spool) -> Result<(), SpoolError> {
        let mut staged = spool.stage(&self.run_id);
        let sender = sender(&self.origin);
        for destination in &self.order.config.destinations {
            let frames =
                messages.iter().zip(1..).map(|(message, number)| render(destination, &sender, message, number));
            staged.write(&destination.url, frames)?;
        }
        staged.commit()
    }

    /// Delivers what waits. After a wish to stop, nothing is begun: it waits for the next run.
    pub(super) fn deliver(&self, spool: &Spool) -> Vec<DestinationEnding> {
        let stopped = || self.stop.asked().is_some();
        drain(self.order.config, spool, self.observer.as_ref(), &stopped).unwrap_or_else(|error| {
            self.note(format!("failed to {error}"));
            all_waiting(self, &error.to_string())
        })
    }
}

/// Drains the spool into the configured destinations.
pub fn drain(
    config: &Config,
    spool: &Spool,
    observer: &dyn Observer,
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<DestinationEnding>, SpoolError> {
    let report = deliver(spool, &config.destinations, &Timing::default(), observer, stopped)?;
    let ending = |Delivered { destination, delivered, waiting, error }| DestinationEnding {
        destination,
        delivered,
        waiting,
        error,
    };
    Ok(report.into_iter().map(ending).collect())
}

#[cfg(test)]
mod tests {
    use super::{person, qualified};

    #[test]
    fn who_became_another_user_by_sudo_is_reported_beside_that_user() {
        assert_eq!(person("root", Some("alice")), "root (sudo: alice)");
        for nobody_else in [None, Some(""), Some("root")] {
            assert_eq!(person("root", nobody_else), "root");
        }
        assert_eq!(person("root", Some("a\nb")), "root (sudo: a\\nb)");
    }

    #[test]
    fn a_bare_host_name_gets_the_domain_that_hosts_gives_it() {
        let hosts =
            "127.0.0.1 localhost\n# 10.0.0.1 old.example.org old\n127.0.1.1\tVault01.example.com vault01 # ours\n";
        assert_eq!(qualified("vault01", hosts).as_deref(), Some("Vault01.example.com"));
        assert_eq!(qualified("vault01.example.net", hosts), None, "it is full already");
        assert_eq!(qualified("old", hosts), None, "a comment says nothing");
        assert_eq!(qualified("localhost", "127.0.0.1 localhost.localdomain localhost"), None);
    }
}
