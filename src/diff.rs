//! What changed between two inventories: events keyed by (source, id), never by name. Pure.
//!
//! Absence says something only where a list was proven complete, on both sides: `diff::proof` knows. What is silent in a partial
//! run is not lost: the base of a run stays the newest complete snapshot until there is a newer one. What a record of a complete
//! run does not tell (a null on an odd day) cannot be compared with that run, by nobody. What a run in between told and
//! what is not so any more is taken back (`diff::undone`). Each pair of group and member
//! that came or went is an event of its own, also where its account or group came or went with it, so that the events
//! applied to the old side give the new one.

use crate::model::{
    Change, ChangeKind, ChangedGroup, Fingerprint, Group, GroupId, Inventory, LastLogin, ListKind, Member,
    OutsideMember, Roll, SourceName, SourceStatus, Subject, SubjectKind, User, UserId, UserKind, compare_ids,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;

mod fields;
mod lines;
mod proof;
#[cfg(test)]
mod tests;
mod undone;

use proof::Proof;
pub use undone::{Heard, take_back};

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Its run.
    pub run_id: &'a str,
    /// Its accounts and groups.
    pub inventory: &'a Inventory,
}

impl<'a> Side<'a> {
    fn roll(self, source: &SourceName) -> Option<&'a Roll> {
        self.inventory.rolls.iter().find(|roll| roll.harvest.source.name == *source)
    }
}

/// What was compared, and what came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// In the order in which a run tells them: by kind, then source, then id.
    pub changes: Vec<Change>,
    /// Every source of either side, by name.
    pub sources: Vec<Compared>,
    /// What the old side tells of the last logins of the new side's break-glass accounts; by source and id. An account is not
    /// among them where nothing is known of it then. Logins are no changes: they come every day.
    pub logins: Vec<EarlierLogin>,
}

/// The last login that the old side tells of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierLogin {
    /// Where.
    pub source: SourceName,
    /// Whose.
    pub user: UserId,
    /// `None`: the account was not there, which is proven.
    pub last_login: Option<LastLogin>,
}

/// How comparing one source went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Which.
    pub source: SourceName,
    /// How.
    pub standing: Standing,
}

/// Whether a source could be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything was proven on both sides.
    Whole,
    /// Some list was not: of what is absent there nothing is said, but of accounts as unconfirmed. Its lists.
    InPart(Vec<ListKind>),
    /// Only the new side has it, or had it in another kind: a baseline.
    Baseline,
    /// Only the old side has it.
    Gone,
    /// Its list of users failed on one side.
    Failed,
}

/// What a run knows of the time since its base.
#[derive(Clone, Debug, PartialEq)]
pub enum Since {
    /// It has no base: what it reads is what later runs are compared with.
    Baseline,
    /// It was compared.
    Base {
        /// With which run.
        run_id: String,
        /// With what result.
        comparison: Comparison,
    },
    /// It has a base that could not be read.
    Unknown {
        /// Which run.
        run_id: String,
        /// Why, in words.
        why: String,
    },
}

impl Since {
    /// The changes that are known.
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::Base { comparison, .. } => &comparison.changes,
            Self::Baseline | Self::Unknown { .. } => &[],
        }
    }

    /// Those of them that are told against the base.
    pub fn since_base(&self) -> impl Iterator<Item = &Change> {
        self.changes().iter().filter(|change| !self.is_taken_back(change))
    }

    /// Whether it takes back what a run that was not proven has told: nothing of the kind happened since the base.
    pub fn is_taken_back(&self, change: &Change) -> bool {
        matches!(self, Self::Base { run_id, .. } if *change.base_run != **run_id)
    }

    /// The comparison of one source, and the run that it was compared with; the error says why there is none.
    pub fn of_source(&self, name: &SourceName) -> Result<(&Compared, &Comparison, &str), String> {
        let (run_id, comparison) = match self {
            Self::Baseline => return Err("there is no complete snapshot before this run to compare with".to_owned()),
            Self::Unknown { run_id, why } => return Err(format!("the base {run_id} could not be read: {why}")),
            Self::Base { run_id, comparison } => (run_id, comparison),
        };
        let compared = comparison.sources.iter().find(|compared| compared.source == *name);
        match compared.map(|compared| (compared, &compared.standing)) {
            Some((compared, Standing::Whole | Standing::InPart(_))) => Ok((compared, comparison, run_id)),
            Some((_, Standing::Failed)) => Err(format!("the list of users failed, now or in the base {run_id}")),
            _ => Err(format!("the base {run_id} does not have this source, or in another kind")),
        }
    }
}

/// Changes by kind, in the order of a run.
pub fn counts<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<(ChangeKind, u64)> {
    let mut counts: BTreeMap<ChangeKind, u64> = BTreeMap::new();
    for change in changes {
        *counts.entry(change.kind).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// Compares. The same two sides give the same events with the same ids.
pub fn between(old: Side<'_>, new: Side<'_>) -> Comparison {
    let mut comparison = Comparison::default();
    let name = |roll: &Roll| roll.harvest.source.name.clone();
    let by_name = |a: &Roll, b: &Roll| name(a).as_str().cmp(name(b).as_str());
    merge(
        old.inventory.rolls.iter(),
        new.inventory.rolls.iter(),
        |a, b| by_name(a, b),
        |pair| {
            let (source, standing) = match pair {
                Pair::Old(roll) => (name(roll), Standing::Gone),
                Pair::New(roll) => (name(roll), Standing::Baseline),
                Pair::Both(before, after) => (name(after), of_source(before, after, (old, new), &mut comparison)),
            };
            comparison.sources.push(Compared { source, standing });
        },
    );
    comparison.changes.sort_by(order);
    comparison
}

/// The fixed order: by kind, source and id; what is left is one subject's fields and groups.
fn order(a: &Change, b: &Change) -> Ordering {
    let group = |change: &Change| change.group.as_ref().map(|group| group.id.clone());
    (a.kind.cmp(&b.kind))
        .then_with(|| a.source.as_str().cmp(b.source.as_str()))
        .then_with(|| compare_ids(&a.subject.id, &b.subject.id))
        .then_with(|| group(a).cmp(&group(b)))
        .then_with(|| (&a.field, &a.before, &a.after).cmp(&(&b.field, &b.before, &b.after)))
}

fn of_source(before: &Roll, after: &Roll, sides: (Side<'_>, Side<'_>), into: &mut Comparison) -> Standing {
    if before.harvest.source.kind != after.harvest.source.kind {
        // Its ids are another product's.
        return Standing::Baseline;
    }
    if [before, after].iter().any(|roll| roll.harvest.status() == SourceStatus::Failed) {
        return Standing::Failed;
    }
    let (old, new) = sides;
    let proof = Proof::of(before, after);
    let Comparison { changes, logins, .. } = into;
    let mut source = Source { before, after, old, new, proof, changes };
    logins.extend(source.earlier_logins());
    source.users();
    source.groups();
    source.memberships();
    let unproven = source.proof.unproven();
    if unproven.is_empty() { Standing::Whole } else { Standing::InPart(unproven) }
}

/// One source on its way.
struct Source<'a> {
    before: &'a Roll,
    after: &'a Roll,
    old: Side<'a>,
    new: Side<'a>,
    proof: Proof<'a>,
    changes: &'a mut Vec<Change>,
}

/// What an event is about, before it has its identity.
struct Event<'a> {
    kind: ChangeKind,
    subject: Subject,
    field: Option<&'a str>,
    before: Option<String>,
    after: Option<String>,
    group: Option<ChangedGroup>,
}

impl Event<'_> {
    fn of(kind: ChangeKind, subject: Subject) -> Self {
        Self { kind, subject, field: None, before: None, after: None, group: None }
    }

    /// As this source's, of the time between two runs.
    fn told(self, source: &SourceName, old_run: &str, new_run: &str) -> Change {
        Change {
            source: source.clone(),
            event_id: identity(source, &self, old_run, new_run),
            kind: self.kind,
            subject: self.subject,
            field: self.field.map(Box::from),
            before: self.before.map(String::into_boxed_str),
            after: self.after.map(String::into_boxed_str),
            base_run: old_run.into(),
            group: self.group,
        }
    }
}

impl Source<'_> {
    fn earlier_logins(&self) -> impl Iterator<Item = EarlierLogin> {
        let of_interest = self.after.harvest.users.iter().filter(|user| user.kind == UserKind::BreakGlass);
        of_interest.filter_map(|user| {
            let before = find(self.before, &user.id).map(|before| before.last_login.clone());
            let is_known = before.is_some() || self.proof.of_user(&user.id);
            let source = self.after.harvest.source.name.clone();
            is_known.then(|| EarlierLogin { source, user: user.id.clone(), last_login: before })
        })
    }

    fn users(&mut self) {
        let (before, after) = (&self.before.harvest.users, &self.after.harvest.users);
        merge(
            before.iter(),
            after.iter(),
            |a, b| a.id.cmp(&b.id),
            |pair| match pair {
                Pair::Both(before, after) => self.user(before, after),
                Pair::New(user) => {
                    if self.proof.of_user(&user.id) {
                        self.tell(Event {
                            after: Some(fields::of_user(user)),
                            ..Event::of(ChangeKind::UserAdded, subject(user))
                        });
                    }
                }
                Pair::Old(user) => {
                    if self.proof.of_user(&user.id) {
                        let event = Event::of(ChangeKind::UserRemoved, subject(user));
                        self.tell(Event { before: Some(fields::of_user(user)), ..event });
                    } else {
                        self.tell(Event::of(ChangeKind::UserUnconfirmed, subject(user)));
                    }
                }
            },
        );
    }

    /// An account that both sides have.
    fn user(&mut self, before: &User, after: &User) {
        let [old_tells, new_tells] = [self.before, self.after].map(|roll| self.proof.tells_every_field(&roll.harvest));
        for (field, told) in fields::changed(before, after) {
            if fields::is_unknown(field, before, old_tells) || fields::is_unknown(field, after, new_tells) {
                continue;
            }
            let kind = match (field, told.before.as_deref(), told.after.as_deref()) {
                ("username", ..) => ChangeKind::UserRenamed,
                ("enabled", Some(_), Some("true")) => ChangeKind::UserEnabled,
                ("enabled", Some(_), Some("false")) => ChangeKind::UserDisabled,
                _ => ChangeKind::UserChanged,
            };
            let event = Event::of(kind, subject(after));
            self.tell(Event { field: Some(field), before: told.before, after: told.after, ..event });
        }
    }

    fn groups(&mut self) {
        let (before, after) = (&self.before.harvest.groups, &self.after.harvest.groups);
        merge(
            before.iter(),
            after.iter(),
            |a, b| a.id.cmp(&b.id),
            |pair| match pair {
                // A name that was not read is unknown: nobody renamed the group to nothing.
                Pair::Both(before, after) if fields::is_renamed(before, after) => {
                    let text = |group: &Group| group.name.as_deref().map(str::to_owned);
                    let (old, new) = (text(before), text(after));
                    let event = Event::of(ChangeKind::GroupRenamed, of_group(&after.id, Some(after)));
                    self.tell(Event { field: Some("name"), before: old, after: new, ..event });
                }
                Pair::New(group) if self.proof.of_group(&group.id) => {
                    let event = Event::of(ChangeKind::GroupAdded, of_group(&group.id, Some(group)));
                    self.tell(Event { after: Some(fields::of_group(group)), ..event });
                }
                Pair::Old(group) if self.proof.of_group(&group.id) => {
                    let event = Event::of(ChangeKind::GroupRemoved, of_group(&group.id, Some(group)));
                    self.tell(Event { before: Some(fields::of_group(group)), ..event });
                }
                _ => {}
            },
        );
    }

    /// Rolls keep memberships in the order of group and member.
    fn memberships(&mut self) {
        let (before, after) = (self.before, self.after);
        merge(pairs(before), pairs(after), Belonging::compare, |pair| match pair {
            Pair::New(belonging) if belonging.may_be_on(before) => {}
            Pair::Old(belonging) if belonging.may_be_on(after) => {}
            Pair::New(belonging) => self.membership(ChangeKind::MembershipAdded, after, &belonging),
            Pair::Old(belonging) => self.membership(ChangeKind::MembershipRemoved, before, &belonging),
            Pair::Both(..) => {}
        });
    }

    fn membership(&mut self, kind: ChangeKind, roll: &Roll, belonging: &Belonging<'_>) {
        let group = roll.group(belonging.group);
        let changed = changed_group(roll, belonging.group);
        let (subject, field, value) = match belonging.member {
            Who::User(id) => {
                if !self.proof.of_membership(belonging.group, id) {
                    return;
                }
                // Who is gone has a name on the other side.
                let user = find(self.after, id).or_else(|| find(self.before, id));
                let nobody = || Subject { kind: SubjectKind::User, id: id.as_str().into(), name: None };
                (user.map_or_else(nobody, subject), "group_memberships", belonging.group.as_str())
            }
            Who::Directory(name) => {
                if !self.proof.of_directory_member(belonging.group) {
                    return;
                }
                (of_group(belonging.group, group), "directory_members", name)
            }
        };
        let value = Some(value.to_owned());
        let (before, after) = if kind == ChangeKind::MembershipAdded { (None, value) } else { (value, None) };
        self.tell(Event { kind, subject, field: Some(field), before, after, group: Some(changed) });
    }

    fn tell(&mut self, event: Event<'_>) {
        self.changes.push(event.told(&self.after.harvest.source.name, self.old.run_id, self.new.run_id));
    }
}

/// Names are no part of it: they are for people. What is not there is told from what is empty.
fn identity(source: &SourceName, event: &Event<'_>, old_run: &str, new_run: &str) -> Fingerprint {
    let told = |value: Option<&str>| value.map_or_else(String::new, |value| format!("={value}"));
    Fingerprint::of(&[
        "c1",
        source.as_str(),
        event.kind.as_str(),
        event.subject.kind.as_str(),
        &event.subject.id,
        &told(event.field),
        &told(event.before.as_deref()),
        &told(event.after.as_deref()),
        event.group.as_ref().map_or("", |group| group.id.as_str()),
        old_run,
        new_run,
    ])
}

fn subject(user: &User) -> Subject {
    Subject { kind: SubjectKind::User, id: user.id.as_str().into(), name: user.name().map(Box::from) }
}

fn of_group(id: &GroupId, group: Option<&Group>) -> Subject {
    Subject { kind: SubjectKind::Group, id: id.as_str().into(), name: group.and_then(|group| group.name.clone()) }
}

fn changed_group(roll: &Roll, id: &GroupId) -> ChangedGroup {
    let group = roll.group(id);
    ChangedGroup {
        id: id.clone(),
        name: group.and_then(|group| group.name.clone()),
        privileged: group.is_some_and(|group| group.privileged),
    }
}

/// Users of a roll are in the order of their ids.
fn find<'a>(roll: &'a Roll, id: &UserId) -> Option<&'a User> {
    let users = &roll.harvest.users;
    users.binary_search_by(|user| user.id.cmp(id)).ok().map(|at| &users[at])
}

/// A group and who is in it, listed or not.
#[derive(Clone, Copy)]
struct Belonging<'a> {
    group: &'a GroupId,
    member: Who<'a>,
    /// By way of something else: the group's own list of members does not show it.
    is_indirect: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who<'a> {
    User(&'a UserId),
    Directory(&'a str),
}

impl Belonging<'_> {
    fn compare(a: &Self, b: &Self) -> Ordering {
        a.group.cmp(b.group).then_with(|| a.member.cmp(&b.member))
    }

    /// Returns whether the other side may have this membership without showing it: not all groups of the user are known there,
    /// and the group's list of members does not name them.
    fn may_be_on(&self, other: &Roll) -> bool {
        let Who::User(id) = self.member else { return false };
        self.is_indirect && find(other, id).is_some_and(|user| !user.groups_known)
    }
}

/// The memberships of a roll, each once. By which inner group somebody is in a group is no part of them, and of two directory
/// members of one name one is told.
fn pairs(roll: &Roll) -> impl Iterator<Item = Belonging<'_>> {
    let mut last: Option<Belonging<'_>> = None;
    all_pairs(roll).filter(move |pair| {
        let is_again = last.as_ref().is_some_and(|last| Belonging::compare(last, pair).is_eq());
        last = Some(*pair);
        !is_again
    })
}

fn all_pairs(roll: &Roll) -> impl Iterator<Item = Belonging<'_>> {
    roll.memberships.iter().filter_map(|membership| {
        let member = match membership.member {
            Member::User(at) | Member::Nested(at, _) => Who::User(&roll.harvest.users.get(at as usize)?.id),
            Member::Outside(at) => match &roll.harvest.outside.get(at as usize)?.member {
                OutsideMember::Missing(id) => Who::User(id),
                OutsideMember::Directory(name) => Who::Directory(name),
                OutsideMember::Nested { .. } => return None,
            },
        };
        let is_indirect = matches!(membership.member, Member::Nested(..));
        Some(Belonging { group: &membership.group_id, member, is_indirect })
    })
}

/// What a merge of two sorted rows meets.
enum Pair<T> {
    Old(T),
    New(T),
    Both(T, T),
}

/// Walks two rows that are sorted by the same order, each key once.
fn merge<T>(
    old: impl Iterator<Item = T>,
    new: impl Iterator<Item = T>,
    compare: impl Fn(&T, &T) -> Ordering,
    mut take: impl FnMut(Pair<T>),
) {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    loop {
        let step = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) => compare(a, b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let taken = match step {
            Ordering::Less => old.next().map(Pair::Old),
            Ordering::Greater => new.next().map(Pair::New),
            Ordering::Equal => old.next().zip(new.next()).map(|(a, b)| Pair::Both(a, b)),
        };
        if let Some(pair) = taken {
            take(pair);
        }
    }
}
