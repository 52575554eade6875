//! The key figures at the top of the report: the number of accounts, and findings of the most common rules.

use super::index::Index;
use super::text::{counted, thousands};
use crate::model::{Blocked, Rule, RuleOutcome, Severity, UserKind};

/// A key figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What the figure counts.
    pub label: &'static str,
    /// The number, or the words `unknown`, `not evaluated` or `off`.
    pub value: String,
    /// Whether the value is a number.
    pub is_number: bool,
    /// Explanation below the number.
    pub note: String,
    /// Style class: `plain`, `watch` (a figure to look at) or `alert`.
    pub tone: &'static str,
}

impl Tile {
    fn plain(label: &'static str, value: u64, note: String) -> Self {
        Self { label, value: thousands(value), is_number: true, note, tone: "plain" }
    }
}

/// Numbers of accounts by property.
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
    /// Accounts for which it is unknown whether they are privileged.
    privilege_unknown: u64,
    /// Accounts for which it is unknown whether they are local.
    local_unknown: u64,
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
    // Accounts whose state is not reported are neither enabled nor disabled.
    let unreported = p.accounts - p.enabled - p.disabled;
    let others = [(p.expired, "expired"), (p.otherwise_blocked, "otherwise blocked"), (unreported, "unknown")]
        .into_iter()
        .filter(|(count, _)| *count > 0);
    let states = [(p.disabled, "disabled")].into_iter().chain(others);
    let state: Vec<String> = states.map(|(count, word)| format!("{} {word}", thousands(count))).collect();
    vec![
        Tile::plain("Accounts", p.accounts, format!("and {}", counted(groups, "group", "groups"))),
        Tile::plain("Enabled", p.enabled, state.join(", ")),
        known(
            "Privileged",
            (p.privileged, p.privileged_enabled, p.privilege_unknown),
            p.accounts,
            "administrators, members of privileged groups; ",
        ),
        known(
            "Local",
            (p.local, p.local_enabled, p.local_unknown),
            p.accounts,
            "password checked by the product itself; ",
        ),
        Tile::plain(
            "Service accounts",
            p.service,
            format!("used by programs; and {} for emergencies", thousands(p.break_glass)),
        ),
    ]
}

/// Returns a figure of known accounts. If the property is unknown for all accounts, the value is `unknown` and not 0.
fn known(label: &'static str, (count, enabled, unknown): (u64, u64, u64), accounts: u64, meaning: &str) -> Tile {
    if unknown > 0 && unknown == accounts {
        let note = "not reported by any source".to_owned();
        return Tile { label, value: "unknown".to_owned(), is_number: false, note, tone: "plain" };
    }
    let more = if unknown > 0 { format!(", unknown for {}", thousands(unknown)) } else { String::new() };
    Tile::plain(label, count, format!("{meaning}{} enabled{more}", thousands(enabled)))
}

fn population(index: &Index<'_>) -> Population {
    let mut p = Population::default();
    for (source_inventory, user) in index.users() {
        let (enabled, privileged) = (user.enabled == Some(true), source_inventory.is_privileged(user));
        p.accounts += 1;
        p.enabled += u64::from(enabled);
        p.disabled += u64::from(user.enabled == Some(false));
        // A disabled account is counted once, as disabled, even if it has expired too.
        let blocked = index.blocked(user).filter(|_| enabled);
        p.expired += u64::from(blocked == Some(Blocked::Expired));
        p.otherwise_blocked += u64::from(blocked.is_some_and(|why| why != Blocked::Expired));
        p.privileged += u64::from(privileged);
        p.privileged_enabled += u64::from(privileged && enabled);
        p.privilege_unknown += u64::from(source_inventory.privilege(user).is_none());
        p.local_unknown += u64::from(user.local().is_none() && user.api.is_none());
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
        format!("no login for {stale} days; privileged {privileged}")
    };
    let grace = format!("created at least {} days ago", policy.never_grace.days);
    vec![
        severe(index),
        found(index, Rule::StaleLogin, "Inactive", stale_note),
        found(index, Rule::NeverLoggedIn, "Never logged in", grace),
        found(index, Rule::NoGroup, "In no group", "enabled accounts".to_owned()),
        found(index, Rule::DisabledInGroup, "Disabled, in a group", "disabled or blocked, with rights".to_owned()),
    ]
}

fn severe(index: &Index<'_>) -> Tile {
    let count = |wanted| index.open().filter(|f| f.severity == wanted).count() as u64;
    let (critical, high) = (count(Severity::Critical), count(Severity::High));
    let note = format!("open findings: {} critical, {} high", thousands(critical), thousands(high));
    let tone = if critical + high > 0 { "alert" } else { "plain" };
    Tile { tone, ..Tile::plain("High or critical", critical + high, note) }
}

/// Returns the number of findings of a rule. If no source could be evaluated, the value is a word, because 0 would be a
/// claim.
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
        (0, accounts) => format!("{note}; {} not evaluated", thousands(accounts)),
        (gaps, 0) => format!("{} not evaluated", counted(gaps, "source", "sources")),
        (gaps, accounts) => {
            format!(
                "{} and {} not evaluated",
                counted(gaps, "source", "sources"),
                counted(accounts, "account", "accounts")
            )
        }
    };
    let tone = if count > 0 { "watch" } else { "plain" };
    Tile { tone, ..Tile::plain(label, count, note) }
}
