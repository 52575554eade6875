//! The section "Not checked". It prevents that a missing finding is read as a pass.

use super::index::Index;
use super::rule_results::{RuleStatus, RuleSummary};
use super::text::{counted, names, readable, thousands};
use super::{Bounded, Shown};
use crate::model::{Coverage, LastLogin, SourceInventory, User, UserKind};
use crate::snapshot::manifest::SourceEntry;
use serde_json::Value;

/// Number of items that are shown, without the items that every report has.
const ITEMS: usize = 60;

/// Something that was not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// What was not checked.
    pub what: Shown,
    /// Why it was not checked, or what follows from it.
    pub why: Shown,
}

fn item(what: &str, why: &str) -> Unchecked {
    Unchecked { what: Shown::sentence(what), why: Shown::sentence(why) }
}

/// Returns the items: sources, lists, rules, fields, then the limits of every report.
pub(super) fn list(index: &Index<'_>, rules: &[RuleSummary]) -> Bounded<Unchecked> {
    let mut items: Vec<Unchecked> = index.omitted().map(omitted).collect();
    items.extend(index.input.manifest.sources.iter().filter_map(unconfirmed));
    items.extend(unproven_lists(index));
    items.extend(rules.iter().filter_map(switched_off));
    items.extend(unreported_fields(&index.input.inventory.sources));
    items.extend(index.input.inventory.sources.iter().filter_map(unexpanded));
    items.extend(patterns(index));
    // Added after the cut: every reader must see the limits that apply to every report.
    let limits = general_limits(index);
    let mut bounded = Bounded::cut(items, ITEMS);
    bounded.rows.extend(limits);
    bounded
}

fn omitted(source: &SourceEntry) -> Unchecked {
    let what = format!("{}: nothing was read", Shown::name(&source.name));
    item(&what, "this run was limited to other sources (--source)")
}

/// Returns the rows that are kept from an earlier run.
fn unconfirmed(source: &SourceEntry) -> Option<Unchecked> {
    let rows = source.known.unconfirmed_rows;
    let last = source.known.confirmed_at.map_or_else(
        || "the source was never proven complete".to_owned(),
        |at| format!("the source was last proven complete as of {}", readable(at)),
    );
    let what = format!(
        "{}: {} from earlier runs, not confirmed by this run",
        Shown::name(&source.name),
        counted(rows, "row", "rows")
    );
    let why =
        format!("{last}. These rows are shown as they were last read (confirmed_at); no rule was evaluated for them");
    (rows > 0).then(|| item(&what, &why))
}

fn unproven_lists(index: &Index<'_>) -> Vec<Unchecked> {
    let mut items = Vec::new();
    for source in &index.input.manifest.sources {
        for list in &source.lists {
            let state = match list.coverage {
                Coverage::Complete { .. } => continue,
                Coverage::Drifted { .. } => "is not proven complete",
                Coverage::Failed { .. } => "could not be fully read",
                Coverage::NotOffered => "is not offered",
            };
            let what = format!("{}: the list of {} {state}", source.name, list.kind.in_words());
            items.push(item(&what, list.coverage.words()));
        }
    }
    items
}

/// Returns an item for a rule that is off. Rules that lack data are listed by source on the first page.
fn switched_off(rule: &RuleSummary) -> Option<Unchecked> {
    let what = || format!("{} ({})", rule.title, rule.id);
    (rule.status == RuleStatus::Off).then(|| item(&what(), "switched off in the configuration"))
}

/// A field of accounts that a source may not report.
struct UnreportedField {
    name: &'static str,
    /// Checks whether the field matters for the accounts of a source.
    matters: fn(&SourceInventory) -> bool,
    /// Checks whether the field matters for an account.
    applies: fn(&User) -> bool,
    /// Checks whether the field of an account is not reported.
    unreported: fn(&User) -> bool,
    /// What follows if the source reports the field for no account.
    of_source: &'static str,
    /// What follows for single accounts. `None` if products leave out the field for "no", so that it is no gap.
    of_accounts: Option<&'static str>,
}

const FIELDS: [UnreportedField; 6] = [
    UnreportedField {
        name: "last login",
        matters: |_| true,
        applies: |user| user.kind != UserKind::Service,
        unreported: |user| user.last_login == LastLogin::NotReported,
        of_source: "inactivity was not evaluated there: neither stale-login nor never-logged-in, nor dormant-with-key \
            for accounts that can sign in",
        of_accounts: Some("inactivity of these accounts was not evaluated"),
    },
    UnreportedField {
        name: "state (enabled or disabled)",
        matters: |_| true,
        applies: |_| true,
        unreported: |user| user.enabled.is_none(),
        of_source: "rules about enabled or disabled accounts did not evaluate them",
        of_accounts: Some("rules about enabled or disabled accounts did not evaluate them"),
    },
    UnreportedField {
        name: "group memberships",
        // Sources with directory groups have an item of their own, see `unexpanded`.
        matters: |source_inventory| directory_groups(source_inventory) == 0,
        applies: |_| true,
        unreported: |user| !user.groups_known,
        of_source: "accounts may have access that this report does not show",
        of_accounts: Some("these accounts may have access that this report does not show"),
    },
    UnreportedField {
        name: "second factor",
        matters: |_| true,
        applies: |user| user.kind != UserKind::Service,
        unreported: |user| user.mfa.is_none(),
        of_source: "whether accounts use a second factor was not checked there",
        of_accounts: None,
    },
    UnreportedField {
        name: "administrator flag",
        matters: |_| true,
        applies: |user| user.kind != UserKind::Service,
        unreported: |user| user.is_admin.is_none(),
        of_source: "an account there counts as privileged only if it is in a group that the setting privileged_groups \
            names",
        of_accounts: None,
    },
    UnreportedField {
        name: "end of validity",
        matters: |_| true,
        applies: |user| user.kind != UserKind::Service,
        unreported: |user| user.expires_at.at().is_none() && user.blocked.is_none(),
        of_source: "expired accounts there could not be recognised",
        of_accounts: None,
    },
];

fn unreported_fields(sources: &[SourceInventory]) -> Vec<Unchecked> {
    let mut items = Vec::new();
    for field in &FIELDS {
        let (mut unreported, mut partly_reported) = (Vec::new(), Vec::new());
        for source_inventory in sources.iter().filter(|source_inventory| (field.matters)(source_inventory)) {
            let users = source_inventory.reading.users.iter().filter(|user| (field.applies)(user));
            let (missing, all) =
                users.fold((0, 0), |(missing, all), user| (missing + u64::from((field.unreported)(user)), all + 1));
            match missing {
                0 => {}
                _ if missing == all => unreported.push(source_inventory.reading.source.name.as_str()),
                _ => partly_reported.push((source_inventory, missing)),
            }
        }
        if !unreported.is_empty() {
            items.push(item(&format!("The {}: not reported by {}", field.name, names(&unreported)), field.of_source));
        }
        if let Some(why) = field.of_accounts.filter(|_| !partly_reported.is_empty()) {
            items.push(item(&of_accounts(field.name, &partly_reported), why));
        }
    }
    items
}

/// Returns the accounts that lack a field: `The last login of 17 accounts: 1 in pra, 16 in rs`.
fn of_accounts(field: &str, parts: &[(&SourceInventory, u64)]) -> String {
    let of_source = |(source_inventory, missing): &(&SourceInventory, u64)| {
        format!("{} in {}", thousands(*missing), source_inventory.reading.source.name)
    };
    let parts_in_words: Vec<String> = parts.iter().map(of_source).collect();
    let parts_in_words: Vec<&str> = parts_in_words.iter().map(String::as_str).collect();
    let missing = parts.iter().map(|(_, missing)| missing).sum();
    format!("The {field} of {}: {}", counted(missing, "account", "accounts"), names(&parts_in_words))
}

/// Returns the number of memberships that stand for a directory group.
fn directory_groups(source_inventory: &SourceInventory) -> u64 {
    source_inventory.reading.groups.iter().filter_map(|group| group.external_member_count).fold(0, u64::saturating_add)
}

/// Returns an item about directory groups whose members are not known; `None` if there are none.
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
    let candidates = source_inventory.reading.users.iter().filter(|user| !user.groups_known).count() as u64;
    let consequence = match candidates {
        0 => "no account in this report can be a member".to_owned(),
        _ => format!(
            "{} may be among them. For these, no-group and dangling-group could not be evaluated, and \
             disabled-in-group evaluated only known memberships. Thresholds and severities of privileged accounts \
             apply only if the privilege is known",
            counted(candidates, "account", "accounts")
        ),
    };
    Some(item(&what, &format!("the source does not report who is in a directory group; {consequence}")))
}

fn patterns(index: &Index<'_>) -> Vec<Unchecked> {
    let is_empty = |key: &str| {
        let entry = index.input.manifest.policy.get(key);
        entry.is_some_and(|e| e.value.as_array().is_some_and(Vec::is_empty) || e.value == Value::Null)
    };
    let mut items = Vec::new();
    if is_empty("privileged_groups") {
        items.push(item(
            "Privileged groups",
            "the setting privileged_groups names none, so no group was treated as privileged",
        ));
    }
    if is_empty("service_accounts") {
        items.push(item(
            "Service accounts",
            "the setting service_accounts names none, so an account was treated as a \
            service account only if its source reports it as one",
        ));
    }
    items
}

fn earlier_runs(index: &Index<'_>) -> &'static str {
    if index.input.manifest.base.is_some() {
        "changes were found by comparing two snapshots: changes that were undone between them, their exact time and \
         who made them are not known; trends are not in this report"
    } else {
        "changes and trends are not in this report"
    }
}

fn general_limits(index: &Index<'_>) -> Vec<Unchecked> {
    let sources = counted(index.input.manifest.sources.len() as u64, "configured source", "configured sources");
    vec![
        item(
            "Other systems",
            &format!("only the {sources} can be read; other consoles and directories may contain further accounts"),
        ),
        item("Rights of groups", "the members of a group were read, not what the group allows them to do"),
        item("Earlier runs", earlier_runs(index)),
    ]
}
