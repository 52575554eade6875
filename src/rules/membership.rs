//! Rules about the groups of an account: `no-group`, `disabled-in-group`, `dangling-group`.
//!
//! A missing group or membership proves nothing unless all groups are known. [`RuleContext`] discards the remarks
//! otherwise.

use super::{RuleContext, RuleEvidence, RuleRemark, RuleResult, instant};
use crate::model::{Exclusion, Group, GroupId, Rule, Severity, User};

/// Maximum number of groups in evidence. Spreadsheets limit the size of a cell (32,767 characters in Excel).
const NAMED: usize = 100;

/// Finds an enabled account whose memberships are known and whose groups do not exist. API accounts have no groups.
pub(super) fn no_group(context: &RuleContext<'_>, user: &User) -> RuleResult {
    let api = || user.rare.api.is_some().then_some(Exclusion::ApiAccount);
    if let Some(why) = context.closed(user).or_else(api) {
        return RuleResult::NotASubject(why);
    }
    if user.enabled.is_none() || !user.groups_known {
        return RuleResult::Undetermined;
    }
    if user.group_memberships.iter().any(|id| context.source_inventory.group(id).is_some()) {
        return RuleResult::Passed;
    }
    let named = user.group_memberships.len();
    let title = if named == 0 {
        "enabled, and a member of no group".to_owned()
    } else {
        let groups =
            if named == 1 { "its only group is not".to_owned() } else { format!("none of its {named} groups is") };
        format!("enabled, and {groups} in the source's list of groups")
    };
    RuleResult::Found(RuleRemark {
        rule: Rule::NoGroup,
        // An account that cannot log in is no immediate risk.
        severity: if refuses_login(context) { Severity::Low } else { Severity::Medium },
        title,
        evidence: RuleEvidence::default()
            .with("count", named)
            .with("named_groups", texts(user.group_memberships.iter().take(NAMED))),
    })
}

/// Returns whether accounts without a group cannot log in. In Password Safe, only groups grant permissions.
fn refuses_login(context: &RuleContext<'_>) -> bool {
    context.source_inventory.reading.source.kind == "password-safe"
}

/// Finds a disabled or blocked account (expired, quarantined, not approved) that is a member of a group that may exist.
pub(super) fn disabled(context: &RuleContext<'_>, user: &User) -> RuleResult {
    let blocked = context.blocked(user);
    let state = match (user.enabled, blocked) {
        (Some(false), _) => "disabled",
        (_, Some(blocked)) => blocked.as_str(),
        (Some(true), None) => return RuleResult::NotASubject(Exclusion::Active),
        (None, None) => return RuleResult::Undetermined,
    };
    let still_in: Vec<&GroupId> = user
        .group_memberships
        .iter()
        .filter(|id| !context.groups_complete || context.source_inventory.group(id).is_some())
        .collect();
    if still_in.is_empty() {
        return if user.groups_known { RuleResult::Passed } else { RuleResult::Undetermined };
    }
    let groups: Vec<&Group> = still_in.iter().filter_map(|id| context.source_inventory.group(id)).collect();
    let privileged: Vec<&str> = groups.iter().filter(|group| group.privileged).map(|group| group.id.as_str()).collect();
    let in_groups = if still_in.len() == 1 { "1 group".to_owned() } else { format!("{} groups", still_in.len()) };
    let of_these =
        if privileged.is_empty() { String::new() } else { format!(", {} of them privileged", privileged.len()) };
    let mut found = RuleEvidence::default()
        .with("count", still_in.len())
        .with("enabled", user.enabled)
        .with("groups", texts(still_in.iter().copied().take(NAMED)))
        .with("privileged_groups", &privileged[..privileged.len().min(NAMED)]);
    if let Some(blocked) = blocked {
        found.insert("blocked", blocked.as_str());
    }
    if let Some(end) = user.expires_at.at().filter(|end| *end <= context.as_of) {
        found.insert("expires_at", instant(end));
    }
    RuleResult::Found(RuleRemark {
        rule: Rule::DisabledInGroup,
        severity: if privileged.is_empty() { Severity::Low } else { Severity::Medium },
        title: format!("{state}, and still a member of {in_groups}{of_these}"),
        evidence: found,
    })
}

/// Finds an account with a membership in a group that does not exist.
pub(super) fn dangling(context: &RuleContext<'_>, user: &User) -> RuleResult {
    if !user.groups_known {
        return RuleResult::Undetermined;
    }
    let mut missing =
        user.group_memberships.iter().filter(|id| context.source_inventory.group(id).is_none()).peekable();
    if missing.peek().is_none() {
        return RuleResult::Passed;
    }
    let missing: Vec<&str> = texts(missing);
    let groups = if missing.len() == 1 { "1 group".to_owned() } else { format!("{} groups", missing.len()) };
    RuleResult::Found(RuleRemark {
        rule: Rule::DanglingGroup,
        severity: Severity::Low,
        title: format!("member of {groups} missing from the source's list of groups"),
        evidence: RuleEvidence::default()
            .with("count", missing.len())
            .with("missing_groups", &missing[..missing.len().min(NAMED)]),
    })
}

fn texts<'a>(ids: impl Iterator<Item = &'a GroupId>) -> Vec<&'a str> {
    ids.map(GroupId::as_str).collect()
}
