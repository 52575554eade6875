//! The merge of a source's users.

use super::super::event::{ChangeDraft, of_user};
use super::super::fields::{Carried, FieldComparison};
use super::super::{ComparedWith, SourceUpdate};
use super::EarlierLogin;
use crate::model::{Absence, Change, Evidence, Instant, ListKind, SeenInterval, Text, User, UserId, UserKind};

impl SourceUpdate<'_, '_> {
    pub(in crate::state) fn user(mut self, known: User, changes: &mut Vec<Change>) {
        self.users_before(Some(&known.id), changes);
        // The last list holds the account itself; the ones before hold what it belongs to, such as its vendor.
        let list = self.source.lists_of(&known.id).last().copied().unwrap_or(ListKind::Users);
        self.source.rows(list).known += 1;
        let at = self.source.walked.users;
        if self.source.source_inventory.reading.users.get(at).is_some_and(|user| user.id == known.id) {
            self.source.walked.users += 1;
            self.known_user(at, known, changes);
        } else {
            self.absent_user(list, known, changes);
        }
    }

    /// Emits the users of the reading that precede a known one in sort order; they are new.
    pub(super) fn users_before(&mut self, known: Option<&UserId>, changes: &mut Vec<Change>) {
        while let Some(user) = self.source.source_inventory.reading.users.get(self.source.walked.users)
            && known.is_none_or(|known| user.id < *known)
        {
            if self.was_missing(&user.id) {
                if user.kind == UserKind::BreakGlass {
                    let login = EarlierLogin { user: user.id.clone(), last_login: None };
                    self.source.unread.since.logins.push(login);
                }
                self.emit(ChangeDraft::user_added(user), changes);
            } else {
                self.source.hidden.insert(place(self.source.walked.users));
            }
            self.source.walked.users += 1;
        }
    }

    /// Returns whether an unknown user provably did not exist before: the list was complete and did not omit inactive
    /// users.
    fn was_missing(&self, id: &UserId) -> bool {
        let lists = self.source.lists_of(id);
        let hid = self.source.before.as_ref().is_some_and(|before| before.hides_inactive);
        self.source.emits(lists) && !(hid && lists.contains(&ListKind::Users))
    }

    /// Returns whether a known user was added after the user list was first proven complete. Such a user had no groups
    /// before.
    fn was_added_later(&self, seen: Option<SeenInterval>) -> bool {
        let since = self.source.before.as_ref().and_then(|before| before.compared_since);
        seen.is_some_and(|seen| since.is_some_and(|since| seen.first > since))
    }

    fn known_user(&mut self, at: usize, known: User, changes: &mut Vec<Change>) {
        let user = &self.source.source_inventory.reading.users[at];
        let compared = FieldComparison::of(&known, user, self.source.trust_in(&known, user));
        let emits = self.source.emits(self.source.lists_of(&user.id));
        // An unread name is replaced by the last known one, here and when the state is settled.
        let is_named = user.username.is_some() || known.username.is_none();
        let name = user.name().filter(|_| is_named).or(known.name());
        let subject = of_user(&user.id, name);
        let carried = compared.carried_from(&known);
        for difference in compared.changed.into_iter().filter(|_| emits) {
            self.emit(ChangeDraft::user_changed(subject.clone(), difference), changes);
        }
        if known.groups_confirmed.is_none() && !self.was_added_later(known.seen) {
            self.source.groups_never_known.insert(place(at));
        }
        if self.now.compared_with == ComparedWith::State {
            if emits && known.rare.unconfirmed_since.is_none() && user.rare.unconfirmed_since.is_some() {
                self.emit(ChangeDraft::user_unconfirmed(user), changes);
            }
            return;
        }
        // The configured patterns may have changed since the previous run.
        if [user.kind, known.kind].contains(&UserKind::BreakGlass) {
            let login = EarlierLogin { user: user.id.clone(), last_login: Some(known.last_login.clone()) };
            self.source.unread.since.logins.push(login);
        }
        let (seen, enabled_since) = (self.seen_again(known.seen), enabled_since(&known, user, self.now.at));
        let user = &mut self.source.source_inventory.reading.users[at];
        user.seen = Some(seen);
        user.rare.set(|rare| &mut rare.enabled_since, enabled_since);
        user.groups_confirmed = user.groups_confirmed.max(known.groups_confirmed);
        if let Some(fields) = carried {
            self.source.unread.values.push((place(at), Carried::of(known, fields)));
        }
    }

    fn absent_user(&mut self, list: ListKind, mut known: User, changes: &mut Vec<Change>) {
        let absence = match self.now.compared_with {
            ComparedWith::State => Absence::Gone,
            ComparedWith::Reading => Evidence::of(&self.source.source_inventory).user(&known.id),
        };
        let emits = self.source.emits(self.source.lists_of(&known.id));
        self.source.absent_users.insert(known.id.clone(), known.name().map(Text::from));
        if absence == Absence::Gone {
            self.source.rows(list).gone += 1;
            // Known accounts come without their groups: `membership` adds the privilege of those.
            let standing = self.source.source_inventory.standing(&known);
            self.source.unread.removed.insert(known.id.clone(), standing);
            if emits {
                self.emit(ChangeDraft::user_removed(&known), changes);
            }
            return;
        }
        if absence == Absence::Unconfirmed && known.rare.unconfirmed_since.is_none() {
            known.rare.set(|rare| &mut rare.unconfirmed_since, Some(self.now.at));
            if emits {
                self.emit(ChangeDraft::user_unconfirmed(&known), changes);
            }
        }
        self.source.unread.users.push(known);
    }
}

/// Returns the run that found a disabled account enabled again; `None` once it signs in or is disabled.
fn enabled_since(known: &User, user: &User, at: Instant) -> Option<Instant> {
    let is_back = known.enabled == Some(false) && user.enabled == Some(true);
    let since = if is_back { Some(at) } else { known.rare.enabled_since };
    let counts = |since: &Instant| {
        user.enabled != Some(false) && user.last_login.at().is_none_or(|last_login| last_login < *since)
    };
    since.filter(counts)
}

/// Converts a position. No source has more than 2^32 users.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
