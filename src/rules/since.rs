//! What happened since the base: `privileged-growth` and `break-glass-used`. Such a finding is about a time: the next
//! complete run is compared with this one, and resolves it unless it happened again.

use super::{Bench, Look, Remark, Tally, evidence, groups, instant};
use crate::diff::{Compared, EarlierLogin, Since, Standing};
use crate::model::{
    Change, ChangeKind, Group, GroupId, LastLogin, ListKind, Rule, Severity, SourceName, User, UserId, UserKind,
};
use ahash::AHashMap;
use serde_json::{Value, json};

/// New members that a finding names.
const NAMED: usize = 100;

/// Lists that no membership depends on.
const APART: [ListKind; 2] = [ListKind::ApiAccounts, ListKind::UserDetails];

/// What is known of one source since the base.
pub(super) struct Happened<'a> {
    compared: &'a Compared,
    base_run: &'a str,
    gained: AHashMap<&'a GroupId, Vec<&'a Change>>,
    logins: AHashMap<&'a UserId, Option<&'a LastLogin>>,
}

impl<'a> Happened<'a> {
    /// The error says why nothing is known.
    pub(super) fn of(since: &'a Since, source: &SourceName) -> Result<Self, String> {
        let (compared, comparison, base_run) = since.of_source(source)?;
        let mut gained: AHashMap<&GroupId, Vec<&Change>> = AHashMap::new();
        let additions = comparison.changes.iter().filter(|change| change.kind == ChangeKind::MembershipAdded);
        // What only came back after a run that was not proven is no gain since the base.
        let additions = additions.filter(|change| change.source == compared.source && *change.base_run == *base_run);
        for change in additions {
            if let Some(group) = &change.group {
                gained.entry(&group.id).or_default().push(change);
            }
        }
        let logins = comparison.logins.iter().filter(|login| login.source == compared.source);
        let logins = logins.map(|EarlierLogin { user, last_login, .. }| (user, last_login.as_ref())).collect();
        Ok(Self { compared, base_run, gained, logins })
    }

    /// A member that is not told to have come did not come.
    fn tells_all_memberships(&self) -> bool {
        match &self.compared.standing {
            Standing::Whole => true,
            Standing::InPart(unproven) => unproven.iter().all(|list| APART.contains(list)),
            Standing::Baseline | Standing::Gone | Standing::Failed => false,
        }
    }
}

/// Every privileged group of the source.
pub(super) fn growth(bench: &mut Bench<'_>) {
    let Ok(happened) = &bench.happened else { return };
    let is_whole = happened.tells_all_memberships() && groups::why_not_empty(bench).is_none();
    let mut tally = Tally::default();
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for (at, group) in bench.roll.harvest.groups.iter().enumerate().filter(|(_, group)| group.privileged) {
        tally.subjects += 1;
        match happened.gained.get(&group.id) {
            Some(gained) => found.push((grown(group, gained, happened.base_run), groups::subject(group))),
            None if is_whole && group.knows_members() => {}
            None => unknown.push(at),
        }
    }
    tally.undetermined = unknown.len() as u64;
    for at in unknown {
        bench.gaps.of_group(at, Rule::PrivilegedGrowth);
    }
    bench.count(Rule::PrivilegedGrowth, tally);
    for (remark, subject) in found {
        bench.find(remark, subject);
    }
}

fn grown(group: &Group, gained: &[&Change], base_run: &str) -> Remark {
    let members = if gained.len() == 1 { "1 member".to_owned() } else { format!("{} members", gained.len()) };
    let named: Vec<Value> = gained.iter().take(NAMED).map(|change| member(change)).collect();
    Remark {
        rule: Rule::PrivilegedGrowth,
        severity: Severity::Medium,
        title: format!("privileged, and gained {members} since {base_run}"),
        evidence: evidence([
            ("base_run", json!(base_run)),
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
pub(super) fn break_glass(bench: &Bench<'_>, user: &User) -> Look {
    if user.kind != UserKind::BreakGlass {
        return Look::NotASubject;
    }
    let Ok(happened) = &bench.happened else { return Look::Undetermined };
    let (now, before) = match (&user.last_login, happened.logins.get(&user.id)) {
        (LastLogin::Never { .. }, _) => return Look::Fine,
        (LastLogin::At(now), Some(before)) => (*now, *before),
        _ => return Look::Undetermined,
    };
    let before = match before {
        None | Some(LastLogin::Never { .. }) => None,
        Some(LastLogin::At(before)) => Some(*before),
        Some(LastLogin::NotReported | LastLogin::Unreadable(_)) => return Look::Undetermined,
    };
    match before {
        Some(before) if now == before => return Look::Fine,
        // One of the two dates is wrong.
        Some(before) if now < before => return Look::Undetermined,
        _ => {}
    }
    Look::Remark(Remark {
        rule: Rule::BreakGlassUsed,
        severity: Severity::High,
        title: format!("emergency account signed in since {}: last login {}", happened.base_run, instant(now)),
        evidence: evidence([
            ("base_run", json!(happened.base_run)),
            ("enabled", json!(user.enabled)),
            ("last_login", json!(instant(now))),
            ("last_login_before", json!(before.map(instant))),
            ("privileged", json!(bench.roll.privilege(user))),
        ]),
    })
}
