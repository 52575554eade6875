//! Rules about groups themselves: `empty-group`, and the part of `dangling-group` that is about users who are not there.

use super::{RuleContext, RuleCounts, RuleRemark, evidence};
use crate::model::{
    Coverage, Group, GroupId, ListKind, OutsideMember, Rule, Severity, Subject, SubjectKind, UserId, VENDOR,
};
use ahash::AHashMap;
use serde_json::json;

/// Missing users that a finding names.
const MISSING: usize = 100;

/// Users that the groups' lists of members name and the list of users does not hold.
type Missing<'a> = AHashMap<&'a GroupId, Vec<&'a UserId>>;

/// Every group of the source.
pub(super) fn look_at(context: &mut RuleContext<'_>) {
    let reading = &context.source_inventory.reading;
    let missing = missing(context);
    let lists_members = *reading.coverage(ListKind::Members) != Coverage::NotOffered || !missing.is_empty();
    // A user who is not in a list that may lack rows is not missing.
    let users_whole = reading.coverage(ListKind::Users).is_complete() && !reading.hides_inactive;
    let vendor_users_whole = reading.coverage(ListKind::VendorUsers).is_complete();
    let mut found = Vec::new();
    let (mut dangling, mut empty) = (RuleCounts::default(), RuleCounts::default());
    for (at, group) in reading.groups.iter().enumerate() {
        let gone = missing.get(&group.id);
        if lists_members {
            dangling.subjects += 1;
            match gone {
                Some(ids) if users_whole => found.push((self::dangling(ids), subject(group))),
                Some(_) => {
                    dangling.undetermined += 1;
                    context.gaps.of_group(at, Rule::DanglingGroup);
                }
                None => {}
            }
        }
        empty.subjects += 1;
        // Its people are a list of their own, which may have failed; or they come from a directory as they sign in.
        let may_hide = (group.id.as_str().starts_with(VENDOR) && !vendor_users_whole) || group.directory;
        match group.member_count.zip(group.external_member_count) {
            None => {
                empty.undetermined += 1;
                context.gaps.of_group(at, Rule::EmptyGroup);
            }
            Some((0, 0)) if gone.is_some() => {}
            Some((0, _)) if may_hide => {
                empty.undetermined += 1;
                context.gaps.of_group(at, Rule::EmptyGroup);
            }
            Some((0, 0)) => found.push((no_member(), subject(group))),
            Some(_) => {}
        }
    }
    for (rule, tally) in [(Rule::DanglingGroup, dangling), (Rule::EmptyGroup, empty)] {
        context.count(rule, tally);
    }
    for (remark, subject) in found {
        context.find(remark, subject);
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
        title: format!("names {users} not in the source's list of users"),
        evidence: evidence([("count", json!(ids.len())), ("missing_users", json!(named))]),
    }
}

fn no_member() -> RuleRemark {
    RuleRemark {
        rule: Rule::EmptyGroup,
        severity: Severity::Info,
        title: "has no member".to_owned(),
        evidence: evidence([("members", json!(0))]),
    }
}

pub(super) fn subject(group: &Group) -> Subject {
    Subject { kind: SubjectKind::Group, id: group.id.as_str().into(), name: group.name.clone() }
}

/// Returns why it cannot be said of any group that nobody is in it; `None` where it can be of some.
pub(super) fn why_not_empty(context: &RuleContext<'_>) -> Option<String> {
    let reading = &context.source_inventory.reading;
    let by_group = *reading.coverage(ListKind::Members) != Coverage::NotOffered;
    if by_group && context.groups_whole && reading.groups.iter().any(Group::knows_members) {
        return None;
    }
    if let Some(why) = why_not_whole(context) {
        return Some(why);
    }
    if *reading.coverage(ListKind::Members) != Coverage::NotOffered {
        return None;
    }
    let users = reading.coverage(ListKind::Users);
    if !users.is_complete() {
        return Some(format!("needs the whole list of users, which is {}: {}", users.as_str(), users.words()));
    }
    match reading.users.iter().filter(|user| !user.groups_known).count() {
        0 => None,
        1 => Some("the memberships of 1 account are not known".to_owned()),
        many => Some(format!("the memberships of {many} accounts are not known")),
    }
}

/// Why the source's groups and their members are not all known.
pub(super) fn why_not_whole(context: &RuleContext<'_>) -> Option<String> {
    let reading = &context.source_inventory.reading;
    if reading.memberships_whole() {
        return None;
    }
    let groups = reading.coverage(ListKind::Groups);
    let (what, coverage) = if groups.is_complete() {
        ("the members of every group", reading.coverage(ListKind::Members))
    } else {
        ("the whole list of groups", groups)
    };
    let verb = if groups.is_complete() { "whose list is" } else { "which is" };
    Some(format!("needs {what}, {verb} {}: {}", coverage.as_str(), coverage.words()))
}
