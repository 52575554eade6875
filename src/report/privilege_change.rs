//! The accounts that became privileged or stopped being privileged since the baseline, from the changes of the snapshot.

use super::index::{Index, is_baseline};
use crate::model::{Change, ChangeKind, GroupId, SourceInventory, SourceStatus, SubjectKind, User};
use ahash::{AHashMap, AHashSet};
use serde_json::Value;

/// Numbers of accounts since the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PrivilegeChange {
    /// Number of accounts that are privileged now and were not before.
    pub(super) gained: u64,
    /// Number of accounts that were privileged before and are not now, or are removed.
    pub(super) lost: u64,
    /// Number of sources for which this is not fully known.
    pub(super) unknown: u64,
}

/// Changes of one account that concern its privilege.
#[derive(Default)]
struct AccountChanges<'a> {
    is_added: bool,
    gained: AHashSet<&'a GroupId>,
    was_in_privileged_group: bool,
    was_admin: Option<bool>,
}

impl PrivilegeChange {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let mut total = Self::default();
        for source in &index.input.manifest.sources {
            let changes = index.input.changes.iter().filter(|change| change.source.as_str() == source.name);
            let mut accounts: AHashMap<&str, AccountChanges<'_>> = AHashMap::new();
            let mut is_known = source.status == SourceStatus::Complete && !is_baseline(source);
            for change in changes.filter(|change| change.subject.kind == SubjectKind::User) {
                // Nobody knows any more whether a removed group was privileged.
                let is_privileged = index.is_of_privileged_group(change);
                is_known &= change.kind != ChangeKind::MembershipRemoved || is_privileged.is_some();
                accounts.entry(&change.subject.id).or_default().add(change, is_privileged == Some(true));
            }
            total.unknown += u64::from(!is_known);
            for (id, changes) in accounts {
                let user = index.user(&source.name, id);
                let now = user.is_some_and(|(source_inventory, user)| source_inventory.is_privileged(user));
                let before = changes.was_privileged(user);
                total.gained += u64::from(now && !before);
                total.lost += u64::from(before && !now);
            }
        }
        total
    }
}

impl<'a> AccountChanges<'a> {
    /// `is_privileged`: whether the change is about a membership in a privileged group.
    fn add(&mut self, change: &'a Change, is_privileged: bool) {
        let privileged = change.group.as_ref().filter(|_| is_privileged);
        match change.kind {
            ChangeKind::UserAdded => self.is_added = true,
            ChangeKind::MembershipAdded => self.gained.extend(privileged.map(|group| &group.id)),
            ChangeKind::MembershipRemoved => self.was_in_privileged_group |= privileged.is_some(),
            ChangeKind::UserChanged if change.field.as_deref() == Some("is_admin") => {
                self.was_admin = Some(change.before.as_deref() == Some("true"));
            }
            ChangeKind::UserRemoved => self.was_admin = change.before.as_deref().map(names_administrator),
            _ => {}
        }
    }

    /// Checks whether the account was privileged in the baseline: its groups now, without those that it gained.
    fn was_privileged(&self, user: Option<(&SourceInventory, &User)>) -> bool {
        if self.is_added {
            return false;
        }
        let kept = |(source_inventory, user): (&SourceInventory, &User)| {
            let groups = Index::groups(source_inventory, user);
            groups.iter().any(|group| group.privileged && !self.gained.contains(&group.id))
        };
        let is_admin = user.is_some_and(|(_, user)| user.is_admin == Some(true));
        self.was_in_privileged_group || self.was_admin.unwrap_or(is_admin) || user.is_some_and(kept)
    }
}

/// Checks whether the fields of a removed account name it an administrator.
fn names_administrator(record: &str) -> bool {
    let fields: Value = serde_json::from_str(record).unwrap_or(Value::Null);
    fields.get("is_admin") == Some(&Value::Bool(true))
}
