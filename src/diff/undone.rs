//! What runs that were not proven have told and what is not so any more. They have the same base as the next complete run, so
//! that what happened and was undone between the two would be told once, and never taken back. Pure.

use super::{Comparison, Standing};
use crate::model::{Change, ChangeKind, SubjectKind};
use ahash::AHashSet;

/// What an event is about, whatever the values: a field, a membership, or that the account or group is there.
type Matter<'a> = (&'a str, SubjectKind, &'a str, &'a str, Option<&'a str>);

/// Adds to what changed since the base what changed back since the newest run after it: where now is as the base was, and that
/// run was not.
pub fn take_back(since_base: &mut Comparison, since_newest: Comparison) {
    let known: AHashSet<Matter<'_>> = since_base.changes.iter().map(matter).collect();
    let is_compared = |change: &Change| {
        let of = since_base.sources.iter().find(|compared| compared.source == change.source);
        of.is_some_and(|of| matches!(of.standing, Standing::Whole | Standing::InPart(_)))
    };
    // An account that came since the base is told with its fields as they are now.
    let is_told =
        |change: &Change| known.contains(&matter(change)) || (is_field(change) && known.contains(&being(change)));
    let is_undone =
        |change: &Change| change.kind != ChangeKind::UserUnconfirmed && is_compared(change) && !is_told(change);
    let undone: Vec<Change> = since_newest.changes.into_iter().filter(is_undone).collect();
    since_base.changes.extend(undone);
    since_base.changes.sort_by(super::order);
}

fn matter(change: &Change) -> Matter<'_> {
    let value = match change.kind {
        ChangeKind::MembershipAdded => change.after.as_deref(),
        ChangeKind::MembershipRemoved => change.before.as_deref(),
        _ => None,
    };
    let field = change.field.as_deref().unwrap_or_default();
    (change.source.as_str(), change.subject.kind, &change.subject.id, field, value)
}

/// That the account or group is there at all.
fn being(change: &Change) -> Matter<'_> {
    (change.source.as_str(), change.subject.kind, &change.subject.id, "", None)
}

fn is_field(change: &Change) -> bool {
    change.field.is_some() && !matches!(change.kind, ChangeKind::MembershipAdded | ChangeKind::MembershipRemoved)
}
