//! What the kept snapshots say of findings: rebuilt from the snapshots themselves. A file in the state folder says what older
//! ones say, so that a run need not read them all; losing it changes nothing but the time that a run takes.
//!
//! The file is used only as far as it agrees with the snapshots that are there: it lists those that it was made of, and of each
//! finding the newest of them that holds it, so that what retention removes is forgotten in both ways alike. Where retention had
//! to leave older ones (a hold, events that wait), these are read again: they may hold what only the removed one was known for.

use super::compare::Opened;
use crate::clocks::Clocks;
use crate::config::Config;
use crate::lifecycle::{Over, Past};
use crate::model::{Finding, Fingerprint, Instant, SourceName, times_seen};
use crate::rules;
use crate::rules::policy::Policy;
use crate::snapshot::load::{Archive, PastFinding};
use crate::snapshot::manifest::SourceEntry;
use crate::snapshot::{Readers, SnapshotError, Store, replace_file};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const FILE: &str = "findings.json";
/// Another number: the file is made anew.
const FORMAT: u32 = 2;

/// All that is remembered.
pub(super) struct Memory {
    /// For the lifecycle.
    pub(super) past: Past,
    /// As the newest snapshot remembers them.
    pub(super) clocks: Clocks,
    /// For people.
    pub(super) warnings: Vec<String>,
    /// Of the newest snapshot.
    sources: Vec<SourceEntry>,
    index: Index,
}

/// The file.
#[derive(Default, Serialize, Deserialize)]
struct Index {
    format: u32,
    /// Run ids of the snapshots that it was made of, in the order of publication.
    snapshots: Vec<String>,
    /// By fingerprint.
    findings: BTreeMap<String, Entry>,
    /// The place of each snapshot that is there, from the oldest.
    #[serde(skip)]
    places: BTreeMap<String, usize>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    first_seen: Instant,
    times_seen: u64,
    /// The newest snapshot that holds it.
    run: String,
}

impl Memory {
    /// Writes the file.
    pub(super) fn keep(&self, state_dir: &Path) -> Result<(), SnapshotError> {
        let text = serde_json::to_vec(&self.index).unwrap_or_default();
        replace_file(&state_dir.join(FILE), &text, Readers::Owner)
    }
}

/// Reads what is there. A snapshot that cannot be read is left out and named. What is opened need not be opened again.
pub(super) fn recall(store: &Store, opened: &Opened, config: &Config) -> Memory {
    let (state_dir, policy) = (&config.state_dir, &config.policy);
    let mut memory = Memory {
        past: Past::default(),
        clocks: Clocks::default(),
        warnings: Vec::new(),
        sources: Vec::new(),
        index: Index::default(),
    };
    let there = match store.in_order() {
        Ok(there) => there,
        Err(error) => {
            memory.warnings.push(format!("failed to {error}; every finding counts as new"));
            return memory;
        }
    };
    let path = state_dir.join(FILE);
    match Index::read(&path).filter(|index| index.agrees_with(&there)) {
        Some(index) => memory.index = index.of_these(&there),
        None if there.is_empty() => {}
        None => memory.warnings.push(format!(
            "{} was missing or did not fit: what it said of findings was read from {} snapshots again, and nothing is lost",
            path.display(),
            there.len()
        )),
    }
    memory.index.places = there.iter().cloned().zip(0..).collect();
    memory.read_newest(store, opened, &there, policy);
    memory.forget_other_products(config);
    memory.read_rest(store, &there);
    let Memory { past, index, .. } = &mut memory;
    index.format = FORMAT;
    index.snapshots = there;
    for (text, entry) in &index.findings {
        if let Some(fingerprint) = Fingerprint::parse(text).filter(|of| !past.standing.contains_key(of)) {
            let Entry { first_seen, times_seen, .. } = *entry;
            past.over.insert(fingerprint, Over { first_seen, times_seen });
        }
    }
    memory
}

impl Memory {
    /// The newest snapshot that can be read tells what stands.
    fn read_newest(&mut self, store: &Store, opened: &Opened, there: &[String], policy: &Policy) {
        let mut foreign: BTreeMap<String, u64> = BTreeMap::new();
        for run in there.iter().rev() {
            let Some((archive, as_of, findings)) = self.open(store, opened.of_run(run), run) else { continue };
            self.past.as_of = Some(as_of);
            self.sources.clone_from(&archive.manifest.sources);
            match read_clocks(&archive) {
                Ok(clocks) => self.clocks = clocks,
                Err(why) => self.warnings.push(format!(
                    "failed to {why}; since when accounts are known and enabled again is not remembered"
                )),
            }
            for finding in findings {
                self.index.note(&finding, run);
                match known(&finding, policy) {
                    Some(known) if known.status.stands() => {
                        self.past.standing.insert(known.fingerprint, known);
                    }
                    Some(_) => {}
                    None => {
                        *foreign.entry(finding.rule.to_string()).or_insert(0) += 1;
                    }
                }
            }
            break;
        }
        for (rule, count) in foreign {
            self.warnings.push(format!(
                "{count} findings are told no longer: their rule {rule} is not in the configuration any more, and none of this version"
            ));
        }
    }

    /// The others that the file was not made of.
    fn read_rest(&mut self, store: &Store, there: &[String]) {
        let made_of: BTreeSet<String> = self.index.snapshots.iter().cloned().collect();
        let unread: Vec<&String> = there.iter().rev().skip(1).filter(|run| !made_of.contains(*run)).collect();
        for run in unread {
            for finding in self.open(store, None, run).map(|(_, _, findings)| findings).unwrap_or_default() {
                self.index.note(&finding, run);
            }
        }
    }

    /// A source that is of another kind now has other accounts, whatever their ids.
    fn forget_other_products(&mut self, config: &Config) {
        let kind_now = |name: &str| {
            let source = config.sources.iter().find(|source| source.identity.name.as_str() == name);
            source.map(|source| source.identity.kind.as_str())
        };
        let is_other = |entry: &&SourceEntry| kind_now(&entry.name).is_some_and(|kind| kind != entry.kind);
        for entry in std::mem::take(&mut self.sources).iter().filter(is_other) {
            let stood = self.past.standing.len();
            self.past.standing.retain(|_, finding| finding.source.as_str() != entry.name);
            self.clocks.forget(&SourceName::from(entry.name.as_str()));
            let gone = stood - self.past.standing.len();
            self.warnings.push(format!(
                "source {} was {} and is another product now: {gone} findings are told no longer, and its accounts are known from \
                 this run on",
                entry.name, entry.kind
            ));
        }
    }

    fn open(
        &mut self,
        store: &Store,
        opened: Option<&Archive>,
        run: &str,
    ) -> Option<(Archive, Instant, Vec<PastFinding>)> {
        let read = || -> Result<_, SnapshotError> {
            let archive = opened.map_or_else(|| Archive::open(&store.dir().join(run)), |opened| Ok(opened.clone()))?;
            let findings = archive.findings()?;
            Ok((archive, findings))
        };
        match read() {
            Ok((archive, findings)) => archive.manifest.as_of.parse().ok().map(|as_of| (archive, as_of, findings)),
            Err(error) => {
                self.warnings.push(format!("failed to {error}; what it says of findings is not known"));
                None
            }
        }
    }
}

fn read_clocks(archive: &Archive) -> Result<Clocks, String> {
    let text = archive.text(Clocks::FILE).map_err(|error| error.to_string())?;
    text.map_or_else(|| Ok(Clocks::default()), |text| Clocks::read(&text))
        .map_err(|why| format!("read {}: {why}", archive.path.join(Clocks::FILE).display()))
}

impl Index {
    fn read(path: &Path) -> Option<Self> {
        let read: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (read.format == FORMAT).then_some(read)
    }

    /// What is there is some of what the file was made of, and newer ones.
    fn agrees_with(&self, there: &[String]) -> bool {
        let known = there.iter().take_while(|run| self.snapshots.contains(run)).count();
        there[known..].iter().all(|run| !self.snapshots.contains(run))
    }

    /// Without what is known of removed snapshots only, and as if those older than one of them were not read yet.
    fn of_these(mut self, there: &[String]) -> Self {
        let there: BTreeSet<&String> = there.iter().collect();
        self.findings.retain(|_, entry| there.contains(&entry.run));
        let removed = self.snapshots.iter().rposition(|run| !there.contains(run));
        self.snapshots.drain(..removed.map_or(0, |last| last + 1));
        self
    }

    /// The newest snapshot that holds a finding is the one that counts.
    fn note(&mut self, finding: &PastFinding, run: &str) {
        let key = finding.fingerprint.to_string();
        let times_seen = times_seen(&finding.evidence);
        let entry = Entry { first_seen: finding.first_seen, times_seen, run: run.to_owned() };
        match self.findings.get_mut(&key) {
            Some(noted) if self.places.get(&noted.run) < self.places.get(run) => *noted = entry,
            Some(_) => {}
            None => {
                self.findings.insert(key, entry);
            }
        }
    }
}

/// As this version tells findings: what to do and the controls are the catalogue's, for the frameworks that are selected now.
fn known(past: &PastFinding, policy: &Policy) -> Option<Finding> {
    let rule = policy.rule(&past.rule)?;
    past.clone().of_rule(rule, rules::action_of(rule, policy), rules::controls_of(rule, &policy.frameworks))
}
