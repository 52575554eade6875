//! What was not checked: the part of a report that keeps silence from being read as a clean result.

use super::index::Index;
use super::judged::{RuleResult, Standing};
use super::status::Grade;
use super::text::counted;
use super::{Bounded, Shown};
use crate::model::{LastLogin, Roll, Told, User};
use serde_json::Value;

/// Items that are shown.
const ITEMS: usize = 60;

/// One thing that this report does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// What.
    pub what: Shown,
    /// Why, or what follows from it.
    pub why: Shown,
}

fn item(what: &str, why: &str) -> Unchecked {
    Unchecked { what: Shown::sentence(what), why: Shown::sentence(why) }
}

pub(super) fn list(index: &Index<'_>, rules: &[RuleResult]) -> Bounded<Unchecked> {
    let mut items: Vec<Unchecked> = index.input.omitted.iter().map(|name| omitted(name)).collect();
    items.extend(unproven_lists(index));
    items.extend(rules.iter().flat_map(of_rule));
    items.extend(untold_fields(&index.input.inventory.rolls));
    items.extend(patterns(index));
    // The standing limits always fit: they are what every reader must see.
    let limits = standing_limits(index);
    let mut bounded = Bounded::cut(items, ITEMS);
    bounded.rows.extend(limits);
    bounded
}

fn omitted(name: &str) -> Unchecked {
    let what = format!("{}: nothing was read", Shown::name(name));
    item(&what, "this run was asked to leave this configured source out (--source)")
}

fn unproven_lists(index: &Index<'_>) -> Vec<Unchecked> {
    let mut items = Vec::new();
    for source in &index.input.manifest.sources {
        if source.lists.is_empty() {
            let why = source.reason.as_deref().unwrap_or("no list was read");
            items.push(item(&format!("{}: nothing was read", source.name), why));
        }
        for list in source.lists.iter().filter(|l| Grade::of_coverage(&l.coverage) != Grade::Proven) {
            items.push(item(&format!("{}: list of {} is {}", source.name, list.kind, list.coverage), &list.proof));
        }
    }
    items
}

fn of_rule(rule: &RuleResult) -> Vec<Unchecked> {
    if rule.standing == Standing::Off {
        return vec![item(&format!("{} ({})", rule.title, rule.id), "switched off in the configuration")];
    }
    rule.gaps
        .rows
        .iter()
        .filter(|gap| !gap.of_list)
        .map(|gap| item(&format!("{} ({}) in {}", rule.title, rule.id, gap.source), gap.why.as_str()))
        .collect()
}

type Untold = fn(&User) -> bool;

/// Fields that a source may not tell, and what follows. The last three often stand for "not so": they are named
/// only where no account of the source tells them.
const FIELDS: [(&str, Untold, &str); 6] = [
    ("last login", |u| u.last_login == LastLogin::NotReported, "inactivity of these accounts was not judged"),
    ("state enabled or disabled", |u| u.enabled.is_none(), "rules about enabled or disabled accounts leave them out"),
    ("group memberships", |u| !u.groups_known, "these accounts may hold access that is not seen here"),
    ("second factor", |u| u.mfa.is_none(), "whether accounts use a second factor was not checked"),
    (
        "administrator flag",
        |u| u.is_admin.is_none(),
        "an account counts as privileged by its groups only, as privileged_groups names them",
    ),
    ("end of validity", |u| u.expires_at == Told::Not, "no account could be recognised as expired"),
];
/// Fields from here on are optional.
const OPTIONAL: usize = 3;
/// Sources that one item names.
const NAMES: usize = 5;

fn untold_fields(rolls: &[Roll]) -> Vec<Unchecked> {
    let mut items = Vec::new();
    for (at, (field, untold, why)) in FIELDS.into_iter().enumerate() {
        let missing = |roll: &Roll| roll.harvest.users.iter().filter(|user| untold(user)).count();
        let never_told = |roll: &&Roll| missing(roll) > 0 && missing(roll) == roll.harvest.users.len();
        let silent: Vec<&Roll> = rolls.iter().filter(never_told).collect();
        if !silent.is_empty() {
            items.push(item(&format!("The {field}: not told by {}", names(&silent)), why));
        }
        for roll in rolls.iter().filter(|roll| at < OPTIONAL && missing(roll) > 0 && !never_told(roll)) {
            let accounts = counted(missing(roll) as u64, "account", "accounts");
            items.push(item(&format!("The {field} of {accounts} in {}", roll.harvest.source.name), why));
        }
    }
    items
}

fn names(rolls: &[&Roll]) -> String {
    let names: Vec<&str> = rolls.iter().take(NAMES).map(|roll| roll.harvest.source.name.as_str()).collect();
    match rolls.len().saturating_sub(NAMES) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn patterns(index: &Index<'_>) -> Vec<Unchecked> {
    let is_empty = |key: &str| {
        let entry = index.input.manifest.policy.get(key);
        entry.is_some_and(|e| e.value.as_array().is_some_and(Vec::is_empty) || e.value == Value::Null)
    };
    let mut items = Vec::new();
    if is_empty("privileged_groups") {
        items.push(item("Privileged groups", "privileged_groups names none, so no group was treated as privileged"));
    }
    if is_empty("service_accounts") {
        items.push(item("Service accounts", "service_accounts names none, so every account was judged as a person's"));
    }
    items
}

fn standing_limits(index: &Index<'_>) -> Vec<Unchecked> {
    let sources = counted(index.input.manifest.sources.len() as u64, "source", "sources");
    vec![
        item(
            "Other systems",
            &format!(
                "only the {sources} of this run; consoles and directories that are not configured may hold further accounts"
            ),
        ),
        item("What groups permit", "who is in a group was read, not what the group allows"),
        item(
            "Earlier runs",
            "this version keeps no memory between runs: every finding is new; changes, trends and accepted exceptions are not in this report",
        ),
    ]
}
