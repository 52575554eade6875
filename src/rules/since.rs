//! Rules about events since the baseline: `privileged-growth` and `break-glass-used`.
//!
//! Such a finding reports an occurrence. The next run that can evaluate the rule resolves it, unless it happened again.

use super::{RuleContext, RuleCounts, RuleEvidence, RuleHistory, RuleRemark, RuleResult, groups, instant};
use crate::model::{
    Change, ChangeKind, ChangedGroup, Evidence, Exclusion, Group, GroupId, LastLogin, Rule, Severity, SourceInventory,
    User, UserId, UserKind,
};
use crate::state::EarlierLogin;
use ahash::AHashMap;
use serde_json::{Value, json};

/// Maximum number of new members in a finding.
const NAMED: usize = 100;

/// Knowledge about one source since the baseline.
pub(super) struct SinceBaseline<'a> {
    base_run: &'a str,
    /// The compared reading in words: the run id of the baseline, or the time of the last reading.
    since: String,
    gained: AHashMap<&'a GroupId, Vec<&'a Change>>,
    logins: AHashMap<&'a UserId, Option<&'a LastLogin>>,
    /// Whether all memberships are known. If so, a member without a change is not new.
    knows_all_memberships: bool,
}

impl<'a> SinceBaseline<'a> {
    /// Collects the knowledge about the source at this position. The error says why there is none.
    pub(super) fn of(before: RuleHistory<'a>, at: usize, source_inventory: &SourceInventory) -> Result<Self, String> {
        let base_run = before.base_run.ok_or("there is no earlier snapshot to compare with")?;
        let since = before.since.get(at).filter(|since| since.is_compared).ok_or_else(|| {
            format!(
                "there is nothing to compare with: no list of users of the source was proven complete up to {base_run}"
            )
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
        // After an outage, the comparison reaches back to the last reading of the users.
        let since = since.read_at.map_or_else(|| base_run.to_owned(), instant);
        Ok(Self { base_run, since, gained, logins: logins.collect(), knows_all_memberships })
    }
}

/// Evaluates `privileged-growth` for every privileged group of the source.
pub(super) fn evaluate_growth(context: &mut RuleContext<'_>) {
    let Ok(since) = &context.since_baseline else { return };
    let is_complete = since.knows_all_memberships && groups::why_emptiness_is_unknown(context).is_none();
    let mut counts = RuleCounts::default();
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for (at, group) in context.source_inventory.reading.groups.iter().enumerate().filter(|(_, group)| group.privileged)
    {
        counts.subjects += 1;
        match since.gained.get(&group.id) {
            Some(gained) => found.push((grown(group, gained, since), groups::subject(group))),
            // No change names the group and all memberships are known, so it gained no member.
            None if is_complete && group.knows_members() => {}
            None => unknown.push(at),
        }
    }
    // A group that this run could not read may still have new members, if the accounts' own records show them.
    let read = |id: &GroupId| context.source_inventory.group(id).is_some();
    for gained in since.gained.values().filter(|gained| gained[0].group.as_ref().is_some_and(|group| !read(&group.id)))
    {
        let Some(ChangedGroup { id, name, privileged: true }) = &gained[0].group else { continue };
        let group = Group { name: name.clone(), privileged: true, ..Group::new(id.clone()) };
        counts.subjects += 1;
        found.push((grown(&group, gained, since), groups::subject(&group)));
    }
    let others = context.source_inventory.reading.groups.iter().filter(|group| !group.privileged).count() as u64;
    counts.undetermined = unknown.len() as u64;
    for at in unknown {
        context.gaps.of_group(at, Rule::PrivilegedGrowth);
    }
    context.count(Rule::PrivilegedGrowth, counts);
    if others > 0 {
        context.exclude(Rule::PrivilegedGrowth, Exclusion::NotPrivileged, others);
    }
    for (remark, subject) in found {
        context.add_finding(remark, subject);
    }
}

fn grown(group: &Group, gained: &[&Change], since: &SinceBaseline<'_>) -> RuleRemark {
    let members = if gained.len() == 1 { "1 member".to_owned() } else { format!("{} members", gained.len()) };
    let named: Vec<Value> = gained.iter().take(NAMED).map(|change| member(change)).collect();
    RuleRemark {
        rule: Rule::PrivilegedGrowth,
        severity: Severity::Medium,
        title: format!("privileged group gained {members} since {}", since.since),
        evidence: RuleEvidence::default()
            .with("base_run", since.base_run)
            .with("count", gained.len())
            .with(
                "members_now",
                group.member_count.zip(group.external_member_count).map(|(users, others)| users + others),
            )
            .with("new_members", named),
    }
}

/// Returns the member of a change as evidence: its name if it exists only in a directory, otherwise its id and name.
fn member(change: &Change) -> Value {
    match change.field.as_deref() {
        Some("directory_members") => json!({ "directory": change.after }),
        _ => json!({ "id": change.subject.id, "name": change.subject.name }),
    }
}

/// Finds an emergency account whose last login is later than in the baseline, or that is new and has signed in.
pub(super) fn break_glass(context: &RuleContext<'_>, user: &User) -> RuleResult {
    if user.kind != UserKind::BreakGlass {
        return RuleResult::NotASubject(Exclusion::NotBreakGlass);
    }
    let Ok(since) = &context.since_baseline else { return RuleResult::Undetermined };
    let (now, before) = match (&user.last_login, since.logins.get(&user.id)) {
        (LastLogin::Never { .. }, _) => return RuleResult::Passed,
        (LastLogin::At(now), Some(before)) => (*now, *before),
        _ => return RuleResult::Undetermined,
    };
    let before = match before {
        None | Some(LastLogin::Never { .. }) => None,
        Some(LastLogin::At(before)) => Some(*before),
        Some(LastLogin::NotReported | LastLogin::Unreadable(_)) => return RuleResult::Undetermined,
    };
    match before {
        Some(before) if now == before => return RuleResult::Passed,
        // A last login never moves back, so one of the two dates is wrong.
        Some(before) if now < before => return RuleResult::Undetermined,
        _ => {}
    }
    RuleResult::Found(RuleRemark {
        rule: Rule::BreakGlassUsed,
        severity: Severity::High,
        title: format!("emergency account signed in since {}: last login {}", since.since, instant(now)),
        evidence: RuleEvidence::default()
            .with("base_run", since.base_run)
            .with("enabled", user.enabled)
            .with("last_login", instant(now))
            .with("last_login_before", before.map(instant))
            .with("privileged", context.source_inventory.privilege(user)),
    })
}
