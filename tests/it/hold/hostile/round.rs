//! One round: a seeded world, some sources, an honest run, hostile runs with days of change between, and an honest run.

use super::catalogue::Misbehaviour;
use super::checks::{self, Published};
use super::proxy::{Plan, Proxy};
use super::watched::{self, Outcome};
use crate::changes::{Replay, State, changes, state};
use crate::receiver::{Receiver, body};
use crate::rig::{Rig, as_of, day, private, rows, set_field};
use crate::truth::Truth;
use bt_rollcall_sandbox::{Faults, Surface, World};
use chrono::TimeDelta;
use fastrand::Rng;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Longest time of a run: the deadline of a source, the time to close its session, and a busy machine.
const LONGEST: Duration = Duration::from_secs(150);
/// Chances that an answer is replaced. With 1, a source answers like this for ever.
pub const CHANCES: [f64; 9] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0];

/// Counts of everything that happened.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub rounds: u64,
    pub runs: u64,
    pub answers: u64,
    /// Replaced answers by misbehaviour.
    pub replaced: BTreeMap<&'static str, u64>,
    /// Hostile runs by exit code.
    pub exits: BTreeMap<i32, u64>,
    /// Greatest resident memory, in KiB.
    pub peak: u64,
    pub longest: Duration,
    /// What was found, each with its seed.
    pub wrong: Vec<String>,
}

impl Figures {
    pub fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.runs += other.runs;
        self.answers += other.answers;
        other.replaced.into_iter().for_each(|(name, count)| *self.replaced.entry(name).or_default() += count);
        other.exits.into_iter().for_each(|(code, count)| *self.exits.entry(code).or_default() += count);
        self.peak = self.peak.max(other.peak);
        self.longest = self.longest.max(other.longest);
        self.wrong.extend(other.wrong);
    }
}

struct Round<'a> {
    seed: u64,
    rng: Rng,
    kinds: &'a [Misbehaviour],
    chances: &'a [f64],
    surfaces: Vec<Surface>,
    rig: Rig,
    receiver: Receiver,
    proxy: Proxy,
    /// The truth of each day, for each surface.
    days: Vec<Vec<Truth>>,
    figures: Figures,
}

/// Executes a round. What is wrong is in the figures.
pub fn round(seed: u64, kinds: &[Misbehaviour], chances: &[f64]) -> Figures {
    let mut round = Round::new(seed, kinds, chances);
    let runs = round.rng.u32(1..=3);
    round.honest(0);
    for number in 1..=runs {
        round.change(number);
        round.hostile(number);
    }
    round.change(runs + 1);
    round.honest(runs + 1);
    if round.figures.wrong.is_empty() {
        round.check_union(runs + 1);
    }
    round.figures.rounds = 1;
    if std::env::var_os("HOSTILE_KEEP").is_some() {
        round.rig.folder.disable_cleanup(true);
        println!("kept: {}", round.rig.folder.path().display());
    }
    round.figures
}

/// Draws one to four interfaces of one appliance.
fn surfaces(rng: &mut Rng) -> Vec<Surface> {
    let config = if rng.bool() { Surface::Pra } else { Surface::Rs };
    let all = [Surface::Guide, config, Surface::PasswordSafe, Surface::Scim];
    let count = rng.usize(1..=4);
    let mut chosen = rng.choose_multiple(all, count);
    chosen.sort_unstable();
    chosen
}

impl<'a> Round<'a> {
    fn new(seed: u64, kinds: &'a [Misbehaviour], chances: &'a [f64]) -> Self {
        let mut rng = Rng::with_seed(seed);
        let surfaces = surfaces(&mut rng);
        let receiver = Receiver::start();
        let faults = Faults { rs: surfaces.contains(&Surface::Rs), ..Faults::default() };
        let world = World::seeded(seed, rng.usize(20..90), as_of());
        let rig = Rig::with_surfaces(&surfaces, world, faults, Some(&receiver.url()));
        let proxy = Proxy::start(rig.sandbox.url());
        let page = ["page_size = 10\n", "page_size = 20\n", ""][rng.usize(..3)];
        let text = fs::read_to_string(&rig.config).unwrap().replace(rig.sandbox.url(), &proxy.url);
        let limits = format!("requests_per_second = 1000\ndeadline_minutes = 1\nmax_rows = 20000\n{page}");
        private(&rig.config, &text.replace("requests_per_second = 1000\n", &limits));
        let days = vec![rig.sandbox.with_world(|world| truths(world, &surfaces))];
        Self { seed, rng, kinds, chances, surfaces, rig, receiver, proxy, days, figures: Figures::default() }
    }

    /// Lets a day pass: the usual changes, and one of each kind that matters here.
    fn change(&mut self, number: u32) {
        let instant = as_of() + TimeDelta::days(number.into());
        let (rng, surfaces) = (&mut self.rng, &self.surfaces);
        let truth = self.rig.sandbox.with_world(|world| {
            world.simulate_day(rng.u64(..), instant);
            let users: Vec<u64> = world.user_ids().into_iter().collect();
            let groups: Vec<u64> = world.groups().map(|(id, _)| id).collect();
            let [leaver, mover, disabled] = [(); 3].map(|()| users[rng.usize(..users.len())]);
            set_field(world, mover, "group_memberships", json!([groups[rng.usize(..groups.len())]]));
            set_field(world, disabled, "enabled", json!(false));
            world.remove_user(leaver);
            truths(world, surfaces)
        });
        self.days.push(truth);
    }

    fn plan(&mut self) -> Plan {
        let chance = self.chances[self.rng.usize(..self.chances.len())];
        let count = if chance > 0.9 { 1 } else { [3, self.kinds.len()][self.rng.usize(..2)] };
        let kinds = self.rng.choose_multiple(self.kinds.iter().copied(), count);
        Plan { seed: self.rng.u64(..), chance, kinds }
    }

    fn hostile(&mut self, number: u32) {
        let plan = self.plan();
        self.proxy.start_run(plan.clone());
        let outcome = self.run(number);
        let (answers, replaced) = self.proxy.start_run(Plan::default());
        let names: Vec<String> = replaced.iter().map(|(name, line)| format!("{name}: {line}")).collect();
        self.figures.answers += answers;
        for (name, _) in &replaced {
            *self.figures.replaced.entry(name).or_default() += 1;
        }
        if let Some(code) = outcome.status.and_then(|status| status.code()) {
            *self.figures.exits.entry(code).or_default() += 1;
        }
        let wrong = self.check(number, &outcome);
        let log: Vec<&str> = outcome.stderr.lines().filter(|line| !is_detail(line)).collect();
        let context = format!("chance {}\n  {}\n  {}", plan.chance, names.join("\n  "), log.join("\n  "));
        self.report(number, &wrong, &context);
    }

    /// Executes a run to which nothing bad happens: it is complete, and its tables agree with the oracle.
    fn honest(&mut self, number: u32) {
        let outcome = self.run(number);
        let mut wrong = self.check(number, &outcome);
        if outcome.status.and_then(|status| status.code()) != Some(0) {
            wrong.push(format!("an honest run ends with {:?}", outcome.status));
        } else if let Some(published) = self.published(number) {
            wrong.extend(checks::cells(&published, &self.rig));
        }
        self.report(number, &wrong, &outcome.stderr);
    }

    fn run(&mut self, number: u32) -> Outcome {
        self.figures.runs += 1;
        let mut command = self.rig.command(&["run", "--as-of", &day(number)]);
        if number % 2 == 1 {
            command.args(["--log-format", "json", "-v"]);
        }
        let outcome = watched::run(command, self.rig.folder.path(), LONGEST);
        self.figures.peak = self.figures.peak.max(outcome.peak);
        self.figures.longest = self.figures.longest.max(outcome.elapsed);
        outcome
    }

    /// Returns the snapshot of a day's run; `None` if the run published nothing.
    fn published(&self, number: u32) -> Option<Published<'_>> {
        let snapshots = self.rig.snapshots();
        let (path, before) = snapshots.split_last()?;
        let manifest = crate::rig::read_json(&path.join("manifest.json"));
        (manifest["as_of"] == day(number)).then(|| Published {
            path: path.clone(),
            baseline: snapshots[0].clone(),
            before: before.last().cloned(),
            manifest,
            number,
            surfaces: &self.surfaces,
            days: &self.days,
        })
    }

    fn check(&mut self, number: u32, outcome: &Outcome) -> Vec<String> {
        let published = self.published(number);
        let mut wrong = checks::ending(outcome, published.as_ref());
        wrong.extend(checks::secrets(&self.rig, &self.receiver, outcome));
        if let Some(published) = published {
            wrong.extend(published.wrong(&self.rig));
        }
        wrong.extend(self.undelivered());
        wrong
    }

    /// Returns the changes that were published twice, and those whose event did not arrive. The receiver is always there, so
    /// nothing may be queued. An event may arrive twice, with the same id: a delivery without a receipt is repeated.
    fn undelivered(&self) -> Vec<String> {
        let id = |message: &String| body(message)["event"]["id"].as_str().unwrap_or_default().to_owned();
        let received: BTreeSet<String> = self.receiver.messages().iter().map(id).collect();
        let ids = |path: &PathBuf| changes(path).into_iter().map(|row| row["event_id"].clone()).collect::<Vec<_>>();
        let published: Vec<String> = self.rig.snapshots().iter().flat_map(ids).collect();
        let distinct: BTreeSet<&String> = published.iter().collect();
        let repeated = (distinct.len() < published.len()).then(|| "a change is published twice".to_owned());
        let missing = published.iter().filter(|id| !received.contains(*id));
        missing.map(|id| format!("the event {id} did not arrive")).chain(repeated).collect()
    }

    /// Checks that all changes together lead from the first snapshot to the last one.
    fn check_union(&mut self, number: u32) {
        let snapshots = self.rig.snapshots();
        let replayed = std::panic::catch_unwind(|| {
            let mut replay = Replay::starting_at(&snapshots[0]);
            snapshots[1..].iter().for_each(|snapshot| replay.apply(snapshot));
            let users = rows(&snapshots[0].join("users.csv"));
            let unknown = users.into_iter().filter(|row| row["groups_known"] == "false").map(|row| row["id"].clone());
            differences(&replay.state, &state(snapshots.last().unwrap()), &unknown.collect())
        });
        let wrong = replayed.unwrap_or_else(|_| vec!["the changes contradict each other".to_owned()]);
        self.report(number, &wrong, "");
    }

    fn report(&mut self, number: u32, wrong: &[String], context: &str) {
        if !wrong.is_empty() {
            let surfaces: Vec<&str> = self.surfaces.iter().map(|surface| surface.as_str()).collect();
            let place = format!("HOSTILE_SEED={}, run {number} of {}", self.seed, surfaces.join(", "));
            let context: String = context.chars().take(6000).collect();
            self.figures.wrong.push(format!("{place}:\n- {}\n  {context}", wrong.join("\n- ")));
        }
    }
}

/// Returns what differs between the state to which all changes lead and the last state.
///
/// A field that was unknown when its account was added, because another list failed, is read later. The groups of an account
/// may be unknown in the first snapshot. Neither is a change.
fn differences(replayed: &State, last: &State, unknown: &BTreeSet<String>) -> Vec<String> {
    let users: BTreeSet<&String> = replayed.users.keys().chain(last.users.keys()).collect();
    let is_same = |id: &&String| match (replayed.users.get(*id), last.users.get(*id)) {
        (Some(replayed), Some(last)) => replayed.iter().all(|(field, value)| last.get(field) == Some(value)),
        _ => false,
    };
    let users = users.into_iter().filter(|id| !is_same(id));
    let users = users.map(|id| format!("{id}: {:?}, but last {:?}", replayed.users.get(id), last.users.get(id)));
    let pairs = replayed.pairs.symmetric_difference(&last.pairs).filter(|(_, user)| !unknown.contains(user));
    let pairs = pairs.map(|pair| format!("{pair:?}"));
    let groups = (replayed.groups != last.groups).then(|| format!("{:?}, but last {:?}", replayed.groups, last.groups));
    users.chain(pairs).chain(groups).map(|why| format!("LIE, the changes lead to another state: {why}")).collect()
}

/// Checks whether a line of the log reports what usually happens.
fn is_detail(line: &str) -> bool {
    [" INFO ", "\"INFO\"", " DEBUG ", "\"DEBUG\""].iter().any(|level| line.contains(level))
}

fn truths(world: &World, surfaces: &[Surface]) -> Vec<Truth> {
    surfaces.iter().map(|surface| Truth::of(world, *surface)).collect()
}
