//! Changes with their identities, and the order in which a run emits them.
//!
//! The identity of a change depends on the two runs and the changed values only. A run that is repeated after a crash
//! therefore emits the same events with the same ids, and a receiver can discard duplicates.

use super::fields::{self, Difference};
use crate::model::{
    Change, ChangeKind, ChangedGroup, Fingerprint, Group, GroupId, SourceName, Subject, SubjectKind, Text, User,
    UserId, compare_ids,
};
use std::cmp::Ordering;

/// The two runs between which a change happened, and its source.
#[derive(Clone, Copy)]
pub(super) struct ChangeInterval<'a> {
    pub(super) source: &'a SourceName,
    pub(super) before: &'a str,
    pub(super) now: &'a str,
}

/// A change before it has an identity.
pub(super) struct ChangeDraft {
    kind: ChangeKind,
    subject: Subject,
    field: Option<&'static str>,
    before: Option<String>,
    after: Option<String>,
    group: Option<ChangedGroup>,
}

impl ChangeDraft {
    fn of(kind: ChangeKind, subject: Subject) -> Self {
        Self { kind, subject, field: None, before: None, after: None, group: None }
    }

    pub(super) fn user_added(user: &User) -> Self {
        Self { after: Some(fields::of_user(user)), ..Self::of(ChangeKind::UserAdded, subject(user)) }
    }

    pub(super) fn user_removed(user: &User) -> Self {
        Self { before: Some(fields::of_user(user)), ..Self::of(ChangeKind::UserRemoved, subject(user)) }
    }

    pub(super) fn user_unconfirmed(user: &User) -> Self {
        Self::of(ChangeKind::UserUnconfirmed, subject(user))
    }

    pub(super) fn user_changed(subject: Subject, difference: Difference) -> Self {
        let Difference { field, before, after } = difference;
        let kind = match (field, before.as_deref(), after.as_deref()) {
            ("username", ..) => ChangeKind::UserRenamed,
            // A state that becomes known for the first time is no transition.
            ("enabled", Some(_), Some("true")) => ChangeKind::UserEnabled,
            ("enabled", Some(_), Some("false")) => ChangeKind::UserDisabled,
            _ => ChangeKind::UserChanged,
        };
        Self { field: Some(field), before, after, ..Self::of(kind, subject) }
    }

    pub(super) fn group_added(group: &Group) -> Self {
        Self {
            after: Some(fields::of_group(group)),
            ..Self::of(ChangeKind::GroupAdded, of_group(&group.id, group.name.as_deref()))
        }
    }

    pub(super) fn group_removed(group: &Group) -> Self {
        Self {
            before: Some(fields::of_group(group)),
            ..Self::of(ChangeKind::GroupRemoved, of_group(&group.id, group.name.as_deref()))
        }
    }

    pub(super) fn group_renamed(before: &Group, after: &Group) -> Self {
        let text = |group: &Group| group.name.as_deref().map(str::to_owned);
        let event = Self::of(ChangeKind::GroupRenamed, of_group(&after.id, after.name.as_deref()));
        Self { field: Some("name"), before: text(before), after: text(after), ..event }
    }

    /// Creates the change of a user's membership; `kind` says whether it was added or removed.
    pub(super) fn membership(kind: ChangeKind, user: Subject, group: ChangedGroup) -> Self {
        let id = group.id.to_string();
        Self { field: Some("group_memberships"), group: Some(group), ..Self::of(kind, user) }.valued(id)
    }

    /// Creates the change of a membership whose member exists only in a directory.
    pub(super) fn directory_member(kind: ChangeKind, name: &str, group: ChangedGroup) -> Self {
        let subject = of_group(&group.id, group.name.as_deref());
        Self { field: Some("directory_members"), group: Some(group), ..Self::of(kind, subject) }.valued(name.to_owned())
    }

    fn valued(self, value: String) -> Self {
        if self.kind == ChangeKind::MembershipAdded {
            Self { after: Some(value), ..self }
        } else {
            Self { before: Some(value), ..self }
        }
    }

    pub(super) fn change(self, between: ChangeInterval<'_>) -> Change {
        Change {
            source: between.source.clone(),
            event_id: identity(&self, between),
            kind: self.kind,
            subject: self.subject,
            field: self.field.map(Text::from),
            before: self.before.map(Text::from),
            after: self.after.map(Text::from),
            base_run: between.before.into(),
            group: self.group,
            account: None,
        }
    }
}

/// Computes the identity of a change. Names are excluded because they are for display. A missing value differs from an
/// empty one.
fn identity(event: &ChangeDraft, between: ChangeInterval<'_>) -> Fingerprint {
    // "c1" is the version of this scheme. "=" distinguishes an empty value from a missing one.
    let text = |value: Option<&str>| value.map_or_else(String::new, |value| format!("={value}"));
    Fingerprint::of(&[
        "c1",
        between.source.as_str(),
        event.kind.as_str(),
        event.subject.kind.as_str(),
        &event.subject.id,
        &text(event.field),
        &text(event.before.as_deref()),
        &text(event.after.as_deref()),
        event.group.as_ref().map_or("", |group| group.id.as_str()),
        between.before,
        between.now,
    ])
}

/// Orders changes by kind, source and id, then by the fields and groups of one subject.
pub(super) fn order(a: &Change, b: &Change) -> Ordering {
    let group = |change: &Change| change.group.as_ref().map(|group| group.id.clone());
    (a.kind.cmp(&b.kind))
        .then_with(|| a.source.as_str().cmp(b.source.as_str()))
        .then_with(|| compare_ids(&a.subject.id, &b.subject.id))
        .then_with(|| group(a).cmp(&group(b)))
        .then_with(|| (&a.field, &a.before, &a.after).cmp(&(&b.field, &b.before, &b.after)))
}

fn subject(user: &User) -> Subject {
    of_user(&user.id, user.name())
}

pub(super) fn of_user(id: &UserId, name: Option<&str>) -> Subject {
    Subject { kind: SubjectKind::User, id: id.as_str().into(), name: name.map(Text::from) }
}

fn of_group(id: &GroupId, name: Option<&str>) -> Subject {
    Subject { kind: SubjectKind::Group, id: id.as_str().into(), name: name.map(Text::from) }
}
