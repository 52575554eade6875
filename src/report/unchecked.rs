//! What was not checked: the part of a report that keeps silence from being read as a clean result.

use super::index::Index;
use super::rule_results::{RuleStanding, RuleSummary};
use super::text::counted;
use super::{Bounded, Shown};
use crate::model::{LastLogin, SourceInventory, User, UserKind, instant_text};
use crate::snapshot::manifest::SourceEntry;
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

pub(super) fn list(index: &Index<'_>, rules: &[RuleSummary]) -> Bounded<Unchecked> {
    let mut items: Vec<Unchecked> = index.omitted().map(omitted).collect();
    items.extend(index.input.manifest.sources.iter().filter_map(unconfirmed));
    items.extend(unproven_lists(index));
    items.extend(rules.iter().flat_map(of_rule));
    items.extend(unreported_fields(&index.input.inventory.sources));
    items.extend(index.input.inventory.sources.iter().filter_map(unexpanded));
    items.extend(patterns(index));
    // The standing limits always fit: they are what every reader must see.
    let limits = standing_limits(index);
    let mut bounded = Bounded::cut(items, ITEMS);
    bounded.rows.extend(limits);
    bounded
}

fn omitted(source: &SourceEntry) -> Unchecked {
    let what = format!("{}: nothing was read", Shown::name(&source.name));
    item(&what, "this run was asked to leave this configured source out (--source)")
}

/// Rows that stand as an earlier run read them.
fn unconfirmed(source: &SourceEntry) -> Option<Unchecked> {
    let rows = source.known.unconfirmed_rows;
    let last = source.known.confirmed_at.map_or_else(
        || "it was never proven complete".to_owned(),
        |at| format!("it was last proven complete as of {}", instant_text(at)),
    );
    let what = format!(
        "{}: {} not confirmed by this run",
        Shown::name(&source.name),
        counted(rows, "known row", "known rows")
    );
    let why =
        format!("{last}; these rows stand as they were read last (confirmed_at), and no rule was evaluated for them");
    (rows > 0).then(|| item(&what, &why))
}

fn unproven_lists(index: &Index<'_>) -> Vec<Unchecked> {
    let mut items = Vec::new();
    for source in &index.input.manifest.sources {
        for list in source.lists.iter().filter(|list| !list.coverage.is_complete()) {
            let what = format!("{}: list of {} is {}", source.name, list.kind.as_str(), list.coverage.as_str());
            items.push(item(&what, list.coverage.words()));
        }
    }
    items
}

fn of_rule(rule: &RuleSummary) -> Vec<Unchecked> {
    if rule.standing == RuleStanding::Off {
        return vec![item(&format!("{} ({})", rule.title, rule.id), "switched off in the configuration")];
    }
    let mut by_reason: Vec<(&Shown, Vec<&str>)> = Vec::new();
    for gap in rule.gaps.rows.iter().filter(|gap| !gap.of_list) {
        match by_reason.iter_mut().find(|(why, _)| **why == gap.why) {
            Some((_, sources)) => sources.push(gap.source.as_str()),
            None => by_reason.push((&gap.why, vec![gap.source.as_str()])),
        }
    }
    let said = |(why, sources): (&Shown, Vec<&str>)| {
        item(&format!("{} ({}) in {}", rule.title, rule.id, names(&sources)), why.as_str())
    };
    let mut items: Vec<Unchecked> = by_reason.into_iter().map(said).collect();
    if rule.gaps.more > 0 {
        let sources = counted(rule.gaps.more, "more source", "more sources");
        items.push(item(
            &format!("{} ({}) in {sources}", rule.title, rule.id),
            "why stands in manifest.json, under rules",
        ));
    }
    items
}

/// A field that a source may not tell.
struct UnreportedField {
    name: &'static str,
    /// Whom it matters for.
    applies: fn(&SourceInventory, &User) -> bool,
    unreported: fn(&User) -> bool,
    /// What follows where no account of a source tells it.
    of_source: &'static str,
    /// What follows for single accounts; `None` where silence often stands for "not so".
    of_accounts: Option<&'static str>,
}

const FIELDS: [UnreportedField; 6] = [
    UnreportedField {
        name: "last login",
        applies: |_, user| user.kind != UserKind::Service,
        unreported: |user| user.last_login == LastLogin::NotReported,
        of_source: "staleness was not judged there at all: neither stale-login nor never-logged-in, nor dormant-with-key for accounts that can sign in",
        of_accounts: Some("inactivity of these accounts was not judged"),
    },
    UnreportedField {
        name: "state enabled or disabled",
        applies: |_, _| true,
        unreported: |user| user.enabled.is_none(),
        of_source: "rules about enabled or disabled accounts leave them out",
        of_accounts: Some("rules about enabled or disabled accounts leave them out"),
    },
    UnreportedField {
        name: "group memberships",
        // What directory groups leave open is told apart.
        applies: |source_inventory, _| directory_groups(source_inventory) == 0,
        unreported: |user| !user.groups_known,
        of_source: "accounts may hold access that is not seen here",
        of_accounts: Some("these accounts may hold access that is not seen here"),
    },
    UnreportedField {
        name: "second factor",
        applies: |_, user| user.kind != UserKind::Service,
        unreported: |user| user.mfa.is_none(),
        of_source: "whether accounts use a second factor was not checked there",
        of_accounts: None,
    },
    UnreportedField {
        name: "administrator flag",
        applies: |_, user| user.kind != UserKind::Service,
        unreported: |user| user.is_admin.is_none(),
        of_source: "an account there counts as privileged by its groups only, as privileged_groups names them",
        of_accounts: None,
    },
    UnreportedField {
        name: "end of validity",
        applies: |_, user| user.kind != UserKind::Service,
        unreported: |user| user.expires_at.at().is_none() && user.blocked.is_none(),
        of_source: "no account there could be recognised as expired",
        of_accounts: None,
    },
];
/// Sources that one item names.
const NAMES: usize = 5;

fn unreported_fields(sources: &[SourceInventory]) -> Vec<Unchecked> {
    let mut items = Vec::new();
    for field in &FIELDS {
        let (mut silent, mut in_part) = (Vec::new(), Vec::new());
        for source_inventory in sources {
            let users = source_inventory.reading.users.iter().filter(|user| (field.applies)(source_inventory, user));
            let (missing, all) =
                users.fold((0, 0), |(missing, all), user| (missing + u64::from((field.unreported)(user)), all + 1));
            match missing {
                0 => {}
                _ if missing == all => silent.push(source_inventory.reading.source.name.as_str()),
                _ => in_part.push((source_inventory, missing)),
            }
        }
        if !silent.is_empty() {
            items.push(item(&format!("The {}: not told by {}", field.name, names(&silent)), field.of_source));
        }
        for (why, (source_inventory, missing)) in
            field.of_accounts.iter().flat_map(|why| in_part.iter().map(move |part| (why, part)))
        {
            let accounts = counted(*missing, "account", "accounts");
            items.push(item(
                &format!("The {} of {accounts} in {}", field.name, source_inventory.reading.source.name),
                why,
            ));
        }
    }
    items
}

/// Memberships of a source that stand for something in a directory.
fn directory_groups(source_inventory: &SourceInventory) -> u64 {
    source_inventory.reading.groups.iter().filter_map(|group| group.external_member_count).sum()
}

/// Directory groups that were not expanded to people.
fn unexpanded(source_inventory: &SourceInventory) -> Option<Unchecked> {
    let directories = directory_groups(source_inventory);
    if directories == 0 {
        return None;
    }
    let groups = source_inventory
        .reading
        .groups
        .iter()
        .filter(|group| group.external_member_count.is_some_and(|count| count > 0))
        .count() as u64;
    let what = format!(
        "{}: the members of {} in {}",
        source_inventory.reading.source.name,
        counted(directories, "directory group", "directory groups"),
        counted(groups, "group", "groups"),
    );
    let perhaps = source_inventory.reading.users.iter().filter(|user| !user.groups_known).count() as u64;
    let whose = match perhaps {
        0 => "no listed account can be one of them".to_owned(),
        _ => format!(
            "{} may be among them: for these, no-group and dangling-group are undetermined, disabled-in-group sees only the \
             memberships that are known, and the thresholds and severities of privileged accounts apply only where privilege is known",
            counted(perhaps, "account", "accounts")
        ),
    };
    Some(item(&what, &format!("the source does not expand them to people; {whose}")))
}

fn names(sources: &[&str]) -> String {
    let first = sources[..sources.len().min(NAMES)].join(", ");
    match sources.len().saturating_sub(NAMES) {
        0 => first,
        more => format!("{first} and {more} more"),
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
        items.push(item("Service accounts", "service_accounts names none, so every account that the source does not itself call a service was judged as a person's"));
    }
    items
}

fn earlier_runs(index: &Index<'_>) -> &'static str {
    if index.input.manifest.base.is_some() {
        "what changed was found by comparing two snapshots: what came and went between them, who did it and when exactly is not \
         known; trends are not in this report"
    } else {
        "changes of accounts and trends are not in this report"
    }
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
        item("Earlier runs", earlier_runs(index)),
    ]
}
