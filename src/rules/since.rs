//! What happened since the run before: `privileged-growth` and `break-glass-used`. Such a finding is about a time: the next run that
//! can look resolves it, unless it happened again.

use super::{RuleContext, RuleCounts, RuleHistory, RuleRemark, RuleResult, evidence, groups, instant};
use crate::model::{
    Change, ChangeKind, ChangedGroup, Evidence, Group, GroupId, LastLogin, Rule, Severity, SourceInventory, User,
    UserId, UserKind,
};
use crate::state::EarlierLogin;
use ahash::AHashMap;
use serde_json::{Value, json};

/// New members that a finding names.
const NAMED: usize = 100;

/// What is known of one source since the run before.
pub(super) struct SinceBaseline<'a> {
    base_run: &'a str,
    /// The reading that this one is compared with, in words.
    since: String,
    gained: AHashMap<&'a GroupId, Vec<&'a Change>>,
    logins: AHashMap<&'a UserId, Option<&'a LastLogin>>,
    /// A member that no change names did not come.
    knows_all_memberships: bool,
}

impl<'a> SinceBaseline<'a> {
    /// Of the source at this place. The error says why nothing is known.
    pub(super) fn of(before: RuleHistory<'a>, at: usize, source_inventory: &SourceInventory) -> Result<Self, String> {
        let base_run = before.base_run.ok_or("there is no snapshot before this run to compare with")?;
        let since = before.since.get(at).filter(|since| since.is_compared).ok_or_else(|| {
            format!("the accounts of the source were never proven complete up to {base_run}: there is nothing to compare with")
        })?;
        let name = &source_inventory.reading.source.name;
        let mut gained: AHashMap<&GroupId, Vec<&Change>> = AHashMap::new();
        let additions = before.changes.iter().filter(|change| change.kind == ChangeKind::MembershipAdded);
        for change in additions.filter(|change| change.source == *name) {
            if let Some(group) = &change.group {
                gained.entry(&group.id).or_default().push(change);
            }
        }
        let logins = since.logins.iter().map(|EarlierLogin { user, last_login }| (user, last_login.as_ref()));
        let knows_all_memberships = since.has_baseline && Evidence::of(source_inventory).reads_every_membership();
        let since = since.read_at.map_or_else(|| base_run.to_owned(), instant);
        Ok(Self { base_run, since, gained, logins: logins.collect(), knows_all_memberships })
    }
}

/// Every privileged group of the source.
pub(super) fn growth(context: &mut RuleContext<'_>) {
    let Ok(happened) = &context.happened else { return };
    let is_whole = happened.knows_all_memberships && groups::why_not_empty(context).is_none();
    let mut tally = RuleCounts::default();
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for (at, group) in context.source_inventory.reading.groups.iter().enumerate().filter(|(_, group)| group.privileged)
    {
        tally.subjects += 1;
        match happened.gained.get(&group.id) {
            Some(gained) => found.push((grown(group, gained, happened), groups::subject(group))),
            None if is_whole && group.knows_members() => {}
            None => unknown.push(at),
        }
    }
    // A group that this run did not read gained members all the same, where the accounts' own records show it.
    let read = |id: &GroupId| context.source_inventory.group(id).is_some();
    for gained in
        happened.gained.values().filter(|gained| gained[0].group.as_ref().is_some_and(|group| !read(&group.id)))
    {
        let Some(ChangedGroup { id, name, privileged: true }) = &gained[0].group else { continue };
        let group = Group { name: name.clone(), privileged: true, ..Group::new(id.clone()) };
        tally.subjects += 1;
        found.push((grown(&group, gained, happened), groups::subject(&group)));
    }
    tally.undetermined = unknown.len() as u64;
    for at in unknown {
        context.gaps.of_group(at, Rule::PrivilegedGrowth);
    }
    context.count(Rule::PrivilegedGrowth, tally);
    for (remark, subject) in found {
        context.find(remark, subject);
    }
}

fn grown(group: &Group, gained: &[&Change], happened: &SinceBaseline<'_>) -> RuleRemark {
    let members = if gained.len() == 1 { "1 member".to_owned() } else { format!("{} members", gained.len()) };
    let named: Vec<Value> = gained.iter().take(NAMED).map(|change| member(change)).collect();
    RuleRemark {
        rule: Rule::PrivilegedGrowth,
        severity: Severity::Medium,
        title: format!("privileged, and gained {members} since {}", happened.since),
        evidence: evidence([
            ("base_run", json!(happened.base_run)),
            ("count", json!(gained.len())),
            (
                "members_now",
                json!(group.member_count.zip(group.external_member_count).map(|(users, others)| users + others)),
            ),
            ("new_members", json!(named)),
        ]),
    }
}

/// Of a member that is in a directory only, the name there.
fn member(change: &Change) -> Value {
    match change.field.as_deref() {
        Some("directory_members") => json!({ "directory": change.after }),
        _ => json!({ "id": change.subject.id, "name": change.subject.name }),
    }
}

/// A break-glass account whose last login is later than the base tells, or that came with one.
pub(super) fn break_glass(context: &RuleContext<'_>, user: &User) -> RuleResult {
    if user.kind != UserKind::BreakGlass {
        return RuleResult::NotASubject;
    }
    let Ok(happened) = &context.happened else { return RuleResult::Undetermined };
    let (now, before) = match (&user.last_login, happened.logins.get(&user.id)) {
        (LastLogin::Never { .. }, _) => return RuleResult::Fine,
        (LastLogin::At(now), Some(before)) => (*now, *before),
        _ => return RuleResult::Undetermined,
    };
    let before = match before {
        None | Some(LastLogin::Never { .. }) => None,
        Some(LastLogin::At(before)) => Some(*before),
        Some(LastLogin::NotReported | LastLogin::Unreadable(_)) => return RuleResult::Undetermined,
    };
    match before {
        Some(before) if now == before => return RuleResult::Fine,
        // One of the two dates is wrong.
        Some(before) if now < before => return RuleResult::Undetermined,
        _ => {}
    }
    RuleResult::RuleRemark(RuleRemark {
        rule: Rule::BreakGlassUsed,
        severity: Severity::High,
        title: format!("emergency account signed in since {}: last login {}", happened.since, instant(now)),
        evidence: evidence([
            ("base_run", json!(happened.base_run)),
            ("enabled", json!(user.enabled)),
            ("last_login", json!(instant(now))),
            ("last_login_before", json!(before.map(instant))),
            ("privileged", json!(context.source_inventory.privilege(user))),
        ]),
    })
}
