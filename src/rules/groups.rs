//! Rules about groups: `empty-group`, and the part of `dangling-group` that is about missing users.

use super::{RuleContext, RuleCounts, RuleEvidence, RuleRemark};
use crate::model::{
    Coverage, Group, GroupId, ListKind, OutsideMember, Rule, Severity, Subject, SubjectKind, UserId, VENDOR,
};
use ahash::AHashMap;

/// Maximum number of missing users in a finding.
const MISSING: usize = 100;

/// Users that member lists contain and the user list lacks, by group.
type Missing<'a> = AHashMap<&'a GroupId, Vec<&'a UserId>>;

/// Evaluates the rules for every group of the source.
pub(super) fn evaluate(context: &mut RuleContext<'_>) {
    let reading = &context.source_inventory.reading;
    let missing = missing(context);
    let lists_members = *reading.coverage(ListKind::Members) != Coverage::NotOffered || !missing.is_empty();
    // A user may exist although an incomplete list lacks it.
    let users_complete = reading.coverage(ListKind::Users).is_complete() && !reading.hides_inactive;
    let vendor_users_complete = reading.coverage(ListKind::VendorUsers).is_complete();
    let mut found = Vec::new();
    let (mut dangling, mut empty) = (RuleCounts::default(), RuleCounts::default());
    for (at, group) in reading.groups.iter().enumerate() {
        let gone = missing.get(&group.id);
        if lists_members {
            dangling.subjects += 1;
            match gone {
                Some(ids) if users_complete => found.push((self::dangling(ids), subject(group))),
                Some(_) => {
                    dangling.undetermined += 1;
                    context.gaps.of_group(at, Rule::DanglingGroup);
                }
                None => {}
            }
        }
        empty.subjects += 1;
        // The users of a vendor are a separate list, and members of a directory group may appear only when they sign
        // in.
        let may_have_members = (group.id.as_str().starts_with(VENDOR) && !vendor_users_complete) || group.directory;
        match group.member_count.zip(group.external_member_count) {
            None => {
                empty.undetermined += 1;
                context.gaps.of_group(at, Rule::EmptyGroup);
            }
            // Its members are missing users, which the other rule reports.
            Some((0, 0)) if gone.is_some() => {}
            Some((0, _)) if may_have_members => {
                empty.undetermined += 1;
                context.gaps.of_group(at, Rule::EmptyGroup);
            }
            Some((0, 0)) => found.push((no_member(), subject(group))),
            Some(_) => {}
        }
    }
    for (rule, counts) in [(Rule::DanglingGroup, dangling), (Rule::EmptyGroup, empty)] {
        context.count(rule, counts);
    }
    for (remark, subject) in found {
        context.add_finding(remark, subject);
    }
}

fn missing<'a>(context: &RuleContext<'a>) -> Missing<'a> {
    let mut missing = Missing::new();
    for outside in &context.source_inventory.reading.outside {
        if let OutsideMember::Missing(id) = &outside.member {
            missing.entry(&outside.group_id).or_default().push(id);
        }
    }
    missing
}

fn dangling(ids: &[&UserId]) -> RuleRemark {
    let users = if ids.len() == 1 { "1 user".to_owned() } else { format!("{} users", ids.len()) };
    let named: Vec<&str> = ids.iter().take(MISSING).map(|id| id.as_str()).collect();
    RuleRemark {
        rule: Rule::DanglingGroup,
        severity: Severity::Low,
        title: format!("contains {users} missing from the source's list of users"),
        evidence: RuleEvidence::default().with("count", ids.len()).with("missing_users", named),
    }
}

fn no_member() -> RuleRemark {
    RuleRemark {
        rule: Rule::EmptyGroup,
        severity: Severity::Info,
        title: "has no members".to_owned(),
        evidence: RuleEvidence::default().with("members", 0),
    }
}

pub(super) fn subject(group: &Group) -> Subject {
    Subject { kind: SubjectKind::Group, id: group.id.as_str().into(), name: group.name.clone() }
}

/// Returns why no group of the source can be proven empty; `None` if some can.
pub(super) fn why_emptiness_is_unknown(context: &RuleContext<'_>) -> Option<String> {
    let reading = &context.source_inventory.reading;
    let by_group = *reading.coverage(ListKind::Members) != Coverage::NotOffered;
    if by_group && context.groups_complete && reading.groups.iter().any(Group::knows_members) {
        return None;
    }
    if let Some(why) = why_memberships_are_incomplete(context) {
        return Some(why);
    }
    if *reading.coverage(ListKind::Members) != Coverage::NotOffered {
        return None;
    }
    let users = reading.coverage(ListKind::Users);
    if !users.is_complete() {
        return Some(needs("a complete list of users", users));
    }
    match reading.users.iter().filter(|user| !user.groups_known).count() {
        0 => None,
        1 => Some("the memberships of 1 account are unknown".to_owned()),
        many => Some(format!("the memberships of {many} accounts are unknown")),
    }
}

/// Returns why the groups of the source and their members are not all known; `None` if they are.
pub(super) fn why_memberships_are_incomplete(context: &RuleContext<'_>) -> Option<String> {
    let reading = &context.source_inventory.reading;
    if reading.memberships_complete() {
        return None;
    }
    let groups = reading.coverage(ListKind::Groups);
    Some(if groups.is_complete() {
        needs("the members of every group", reading.coverage(ListKind::Members))
    } else {
        needs("a complete list of groups", groups)
    })
}

fn needs(what: &str, coverage: &Coverage) -> String {
    match coverage {
        Coverage::Complete { .. } | Coverage::NotOffered => format!("needs {what}; {}", coverage.words()),
        Coverage::Drifted { why } => format!("needs {what}; the list is not proven complete: {why}"),
        Coverage::Failed { error } => format!("needs {what}; the list could not be read: {error}"),
    }
}
