//! The figures at the top: the population, and what in it needs a look.

use super::index::Index;
use super::text::{counted, thousands};
use crate::model::{Blocked, Rule, RuleOutcome, Severity, UserKind};

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What it counts.
    pub label: &'static str,
    /// The number, or `not judged`, `off`.
    pub value: String,
    /// Whether the value is a number.
    pub is_number: bool,
    /// What belongs to it.
    pub note: String,
    /// `plain`, `watch` (a figure to look at) or `alert`.
    pub tone: &'static str,
}

impl Tile {
    fn plain(label: &'static str, value: u64, note: String) -> Self {
        Self { label, value: thousands(value), is_number: true, note, tone: "plain" }
    }
}

#[derive(Default)]
struct Population {
    accounts: u64,
    enabled: u64,
    disabled: u64,
    expired: u64,
    otherwise_blocked: u64,
    privileged: u64,
    privileged_enabled: u64,
    local: u64,
    local_enabled: u64,
    /// Whether they are privileged is unknown.
    maybe_privileged: u64,
    /// Whether they are local is unknown.
    maybe_local: u64,
    service: u64,
    break_glass: u64,
}

pub(super) fn of(index: &Index<'_>) -> Vec<Tile> {
    let mut tiles = population_tiles(index);
    tiles.extend(finding_tiles(index));
    tiles
}

fn population_tiles(index: &Index<'_>) -> Vec<Tile> {
    let p = population(index);
    let groups =
        index.input.inventory.sources.iter().map(|source_inventory| source_inventory.reading.groups.len() as u64).sum();
    let unreported = p.accounts - p.enabled - p.disabled;
    let others = [(p.expired, "expired"), (p.otherwise_blocked, "otherwise blocked"), (unreported, "unknown")]
        .into_iter()
        .filter(|(count, _)| *count > 0);
    let states = [(p.disabled, "disabled")].into_iter().chain(others);
    let state: Vec<String> = states.map(|(count, word)| format!("{} {word}", thousands(count))).collect();
    vec![
        Tile::plain("Accounts", p.accounts, format!("and {}", counted(groups, "group", "groups"))),
        Tile::plain("Enabled", p.enabled, state.join(", ")),
        known("Privileged", p.privileged, p.privileged_enabled, p.maybe_privileged, p.accounts),
        known("Local", p.local, p.local_enabled, p.maybe_local, p.accounts),
        Tile::plain("Service accounts", p.service, format!("and {} break-glass", thousands(p.break_glass))),
    ]
}

/// A figure of what is known; what is unknown of all is no 0.
fn known(label: &'static str, count: u64, enabled: u64, unknown: u64, accounts: u64) -> Tile {
    if unknown > 0 && unknown == accounts {
        let note = "not reported by any source".to_owned();
        return Tile { label, value: "unknown".to_owned(), is_number: false, note, tone: "plain" };
    }
    let more = if unknown > 0 { format!(", unknown of {}", thousands(unknown)) } else { String::new() };
    Tile::plain(label, count, format!("{} enabled{more}", thousands(enabled)))
}

fn population(index: &Index<'_>) -> Population {
    let mut p = Population::default();
    for (source_inventory, user) in index.users() {
        let (enabled, privileged) = (user.enabled == Some(true), source_inventory.is_privileged(user));
        p.accounts += 1;
        p.enabled += u64::from(enabled);
        p.disabled += u64::from(user.enabled == Some(false));
        let blocked = index.blocked(user).filter(|_| enabled);
        p.expired += u64::from(blocked == Some(Blocked::Expired));
        p.otherwise_blocked += u64::from(blocked.is_some_and(|why| why != Blocked::Expired));
        p.privileged += u64::from(privileged);
        p.privileged_enabled += u64::from(privileged && enabled);
        p.maybe_privileged += u64::from(source_inventory.privilege(user).is_none());
        p.maybe_local += u64::from(user.local().is_none() && user.api.is_none());
        p.local += u64::from(user.is_local());
        p.local_enabled += u64::from(user.is_local() && enabled);
        p.service += u64::from(user.kind == UserKind::Service);
        p.break_glass += u64::from(user.kind == UserKind::BreakGlass);
    }
    p
}

fn finding_tiles(index: &Index<'_>) -> Vec<Tile> {
    let policy = index.input.policy;
    let (stale, privileged) = (policy.stale_after.days, policy.privileged_stale_after.days);
    let stale_note = if stale == privileged {
        format!("no login for {stale} days")
    } else {
        format!("{stale} days; privileged {privileged}")
    };
    let grace = format!("created {} days ago or more", policy.never_grace.days);
    vec![
        grave(index),
        found(index, Rule::StaleLogin, "Stale", stale_note),
        found(index, Rule::NeverLoggedIn, "Never logged in", grace),
        found(index, Rule::NoGroup, "In no group", "enabled accounts".to_owned()),
        found(index, Rule::DisabledInGroup, "Disabled, in a group", "or blocked".to_owned()),
    ]
}

fn grave(index: &Index<'_>) -> Tile {
    let count = |wanted| index.open().filter(|f| f.severity == wanted).count() as u64;
    let (critical, high) = (count(Severity::Critical), count(Severity::High));
    let note = format!("{} critical, {} high", thousands(critical), thousands(high));
    let tone = if critical + high > 0 { "alert" } else { "plain" };
    Tile { tone, ..Tile::plain("Open, high or critical", critical + high, note) }
}

/// A rule's findings; words in place of a number where no source could be judged, for 0 would be a claim.
fn found(index: &Index<'_>, rule: Rule, label: &'static str, note: String) -> Tile {
    let count = index.count(rule);
    if count == 0 && !index.is_evaluated(rule) {
        let off = index.evaluations(rule).any(|v| v.outcome == RuleOutcome::Off);
        let (value, note) = if off { ("off", "by configuration") } else { ("not evaluated", "see Not checked") };
        return Tile { label, value: value.to_owned(), is_number: false, note: note.to_owned(), tone: "plain" };
    }
    let gaps = index.evaluations(rule).filter(|v| matches!(v.outcome, RuleOutcome::Undetermined { .. })).count() as u64;
    let note = match (gaps, index.undetermined(rule)) {
        (0, 0) => note,
        (0, accounts) => format!("{note}; {} not judged", thousands(accounts)),
        (gaps, 0) => format!("{} not judged", counted(gaps, "source", "sources")),
        (gaps, accounts) => {
            format!("{} and {} accounts not judged", counted(gaps, "source", "sources"), thousands(accounts))
        }
    };
    let tone = if count > 0 { "watch" } else { "plain" };
    Tile { tone, ..Tile::plain(label, count, note) }
}
