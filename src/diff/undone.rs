//! What runs that were not proven have told and what is not so any more. They have the same base as the next complete run, so
//! that what happened and was undone between the two would be told once, and never taken back. Pure.
//!
//! Each of them carries on what stands told so far, so that the next run knows it however many there were: one that could not
//! read a list says nothing of it, and what an earlier one told of it still stands. An event is taken back when it is proven that
//! all is as it was in the base, whatever the run could prove that told it.

use super::proof::Proof;
use super::{Comparison, Event, Side, Standing, Who, changed_group, fields, find, of_group, pairs, subject};
use crate::model::{Change, ChangeKind, Roll, SourceName, Subject, SubjectKind, UserId};
use ahash::AHashSet;
use std::collections::{BTreeMap, BTreeSet};

/// What stands told to be otherwise than in the base: of each matter the last event. Its `base_run` is here the run that told it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard(BTreeMap<Matter, Change>);

/// What an event is about, whatever the values before and after: a field, a membership, or that the account or group is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Matter {
    source: SourceName,
    subject_kind: SubjectKind,
    subject_id: Box<str>,
    /// `None`: that it is there at all.
    field: Option<Box<str>>,
    /// Of a membership: in which group, or who of a directory.
    member: Option<Box<str>>,
}

impl Heard {
    /// The name of the snapshot's file; only one that is not proven complete has it.
    pub const FILE: &'static str = "heard.jsonl";

    /// What stands told.
    pub fn events(&self) -> impl Iterator<Item = &Change> {
        self.0.values()
    }

    /// Of events as [`Heard::events`] gives them.
    pub fn of(events: impl IntoIterator<Item = Change>) -> Self {
        Self(events.into_iter().map(|event| (Matter::of(&event), event)).collect())
    }

    /// How much stands told.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing stands told.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How it stands after a run with this id, which was compared with the base and has taken back what it could.
    #[must_use]
    pub fn after(mut self, since_base: &Comparison, base_run: &str, run_id: &str) -> Self {
        // Who is not in a list that was not proven may be there all the same: that tells nothing.
        let all = since_base.changes.iter().filter(|change| change.kind != ChangeKind::UserUnconfirmed);
        let (told, back): (Vec<&Change>, Vec<&Change>) = all.partition(|change| *change.base_run == *base_run);
        let told = Self::of(told.into_iter().map(|change| Change { base_run: run_id.into(), ..change.clone() }));
        let back: BTreeSet<Matter> = back.into_iter().map(Matter::of).collect();
        let is_settled = |matter: &Matter| told.0.contains_key(matter) || back.contains(matter);
        // An account or group that came or went is told with its fields.
        let is_over = |matter: &Matter| is_settled(matter) || (matter.is_field() && is_settled(&matter.being()));
        self.0.retain(|matter, _| !is_over(matter));
        self.0.extend(told.0);
        self
    }
}

/// Adds to what changed since the base what stands told and is as it was in the base.
pub fn take_back(since_base: &mut Comparison, old: Side<'_>, new: Side<'_>, heard: &Heard) {
    for compared in &since_base.sources {
        let told: Vec<&Change> = heard.events().filter(|change| change.source == compared.source).collect();
        let is_compared = matches!(compared.standing, Standing::Whole | Standing::InPart(_));
        let sides = old.roll(&compared.source).zip(new.roll(&compared.source));
        if let Some((before, after)) = sides.filter(|_| is_compared && !told.is_empty()) {
            let unchanged = Unchanged::of(before, after, &told);
            let undone = told.into_iter().filter(|change| unchanged.holds(change));
            since_base.changes.extend(
                undone
                    .map(|change| inverse(change, before, after).told(&compared.source, &change.base_run, new.run_id)),
            );
        }
    }
    since_base.changes.sort_by(super::order);
}

/// A group, and as the subject's kind tells: a user's id, or the group's member in a directory.
type Pair<'a> = (&'a str, SubjectKind, &'a str);

/// Whether a source is now as it was in the base, matter by matter.
struct Unchanged<'a> {
    before: &'a Roll,
    after: &'a Roll,
    proof: Proof<'a>,
    /// Of each side, those memberships that anything was told of.
    pairs: [AHashSet<Pair<'a>>; 2],
}

impl<'a> Unchanged<'a> {
    fn of(before: &'a Roll, after: &'a Roll, told: &[&Change]) -> Self {
        let asked: AHashSet<Pair<'_>> = told.iter().filter_map(|change| pair(change)).collect();
        let of_roll = |roll: &'a Roll| {
            let all = pairs(roll).map(|belonging| match belonging.member {
                Who::User(id) => (belonging.group.as_str(), SubjectKind::User, id.as_str()),
                Who::Directory(name) => (belonging.group.as_str(), SubjectKind::Group, name),
            });
            all.filter(|pair| asked.contains(pair)).collect()
        };
        let pairs = if asked.is_empty() { Default::default() } else { [of_roll(before), of_roll(after)] };
        Self { before, after, proof: Proof::of(before, after), pairs }
    }

    /// It was there and is; or was not, and provably is not; or has the same value.
    fn holds(&self, told: &Change) -> bool {
        let there = |sides: [bool; 2], proven: &dyn Fn() -> bool| match sides {
            [true, true] => true,
            [false, false] => proven(),
            _ => false,
        };
        let user = UserId::from(told.subject.id.clone());
        let sides = [self.before, self.after];
        match told.kind {
            ChangeKind::UserAdded | ChangeKind::UserRemoved => {
                there(sides.map(|roll| find(roll, &user).is_some()), &|| self.proof.of_user(&user))
            }
            ChangeKind::GroupAdded | ChangeKind::GroupRemoved => {
                let id = (&*told.subject.id).into();
                there(sides.map(|roll| roll.group(&id).is_some()), &|| self.proof.of_group(&id))
            }
            ChangeKind::MembershipAdded | ChangeKind::MembershipRemoved => pair(told).is_some_and(|pair| {
                let group = pair.0.into();
                let proven = || match pair.1 {
                    SubjectKind::Group => self.proof.of_directory_member(&group),
                    _ => self.proof.of_membership(&group, &user),
                };
                there([0, 1].map(|side| self.pairs[side].contains(&pair)), &proven)
            }),
            ChangeKind::GroupRenamed => {
                let id = (&*told.subject.id).into();
                let [before, after] = sides.map(|roll| roll.group(&id).map(|group| &group.name));
                before.is_some() && before == after
            }
            ChangeKind::UserRenamed | ChangeKind::UserChanged | ChangeKind::UserDisabled | ChangeKind::UserEnabled => {
                self.has_same_value(&user, told.field.as_deref().unwrap_or_default())
            }
            ChangeKind::UserUnconfirmed => false,
        }
    }

    fn has_same_value(&self, id: &UserId, field: &str) -> bool {
        let [before, after] =
            [self.before, self.after].map(|roll| find(roll, id).map(|user| fields::text(user, field)));
        let untold_is_none =
            || [self.before, self.after].iter().all(|roll| self.proof.tells_every_field(&roll.harvest));
        before == after && before.is_some_and(|value| value.is_some() || untold_is_none())
    }
}

fn pair(change: &Change) -> Option<Pair<'_>> {
    let member = Matter::member(change)?;
    Some(match change.subject.kind {
        SubjectKind::Group => (&change.subject.id, SubjectKind::Group, member),
        _ => (member, SubjectKind::User, &change.subject.id),
    })
}

/// The event that takes another one back.
fn inverse<'c>(change: &'c Change, before: &Roll, after: &Roll) -> Event<'c> {
    let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    Event {
        kind: match change.kind {
            ChangeKind::UserAdded => ChangeKind::UserRemoved,
            ChangeKind::UserRemoved => ChangeKind::UserAdded,
            ChangeKind::UserEnabled => ChangeKind::UserDisabled,
            ChangeKind::UserDisabled => ChangeKind::UserEnabled,
            ChangeKind::GroupAdded => ChangeKind::GroupRemoved,
            ChangeKind::GroupRemoved => ChangeKind::GroupAdded,
            ChangeKind::MembershipAdded => ChangeKind::MembershipRemoved,
            ChangeKind::MembershipRemoved => ChangeKind::MembershipAdded,
            same @ (ChangeKind::UserRenamed
            | ChangeKind::UserChanged
            | ChangeKind::GroupRenamed
            | ChangeKind::UserUnconfirmed) => same,
        },
        subject: called_now(&change.subject, before, after),
        field: change.field.as_deref(),
        before: text(&change.after),
        after: text(&change.before),
        group: change.group.as_ref().map(|then| match change.kind {
            // Who is in it again is in the group as it is now.
            ChangeKind::MembershipRemoved => changed_group(after, &then.id),
            _ => then.clone(),
        }),
    }
}

/// Who is gone has the name of its event.
fn called_now(told: &Subject, before: &Roll, after: &Roll) -> Subject {
    let user = UserId::from(told.id.clone());
    let group = (&*told.id).into();
    let called = [after, before].into_iter().find_map(|roll| match told.kind {
        SubjectKind::User => find(roll, &user).map(subject),
        SubjectKind::Group => roll.group(&group).map(|it| of_group(&group, Some(it))),
        SubjectKind::Source => None,
    });
    called.unwrap_or_else(|| told.clone())
}

impl Matter {
    fn of(change: &Change) -> Self {
        Self {
            source: change.source.clone(),
            subject_kind: change.subject.kind,
            subject_id: change.subject.id.clone(),
            field: change.field.clone(),
            member: Self::member(change).map(Box::from),
        }
    }

    fn member(change: &Change) -> Option<&str> {
        match change.kind {
            ChangeKind::MembershipAdded => change.after.as_deref(),
            ChangeKind::MembershipRemoved => change.before.as_deref(),
            _ => None,
        }
    }

    fn is_field(&self) -> bool {
        self.field.is_some() && self.member.is_none()
    }

    /// That the account or group is there at all.
    fn being(&self) -> Self {
        Self { field: None, member: None, ..self.clone() }
    }
}
