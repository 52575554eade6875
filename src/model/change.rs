//! One difference between two snapshots: its kind, severity and wording. Plain data.
//!
//! `state` computes changes; `table`, `report` and `syslog` write them. A change is also an event, and its `event_id`
//! is the same in every run that computes it.

use super::{AccountStanding, Fingerprint, GroupId, Severity, SourceName, Subject, SubjectKind, Text};

/// Kind of change.
///
/// The order of the variants is the order in which a run lists changes. Accounts are added before they gain
/// memberships, and memberships are removed before the accounts that had them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// A new account is listed.
    UserAdded,
    /// A new group is listed.
    GroupAdded,
    /// A member was added to a group.
    MembershipAdded,
    /// The login name of an account changed; the id stayed the same.
    UserRenamed,
    /// A field of an account changed.
    UserChanged,
    /// The name of a group changed; the id stayed the same.
    GroupRenamed,
    /// A member was removed from a group.
    MembershipRemoved,
    /// An account was disabled.
    UserDisabled,
    /// A disabled account was enabled.
    UserEnabled,
    /// A group is missing from a list that is proven complete.
    GroupRemoved,
    /// An account is missing from lists that are proven complete.
    UserRemoved,
    /// An account is missing from a list that may be incomplete.
    UserUnconfirmed,
}

impl ChangeKind {
    /// Every kind, in the order in which a run lists changes.
    pub const ALL: [Self; 12] = [
        Self::UserAdded,
        Self::GroupAdded,
        Self::MembershipAdded,
        Self::UserRenamed,
        Self::UserChanged,
        Self::GroupRenamed,
        Self::MembershipRemoved,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::GroupRemoved,
        Self::UserRemoved,
        Self::UserUnconfirmed,
    ];

    /// Parses the value of the `kind` column.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the value of the `kind` column, which is also the code of the event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserAdded => "user.added",
            Self::GroupAdded => "group.added",
            Self::MembershipAdded => "membership.added",
            Self::UserRenamed => "user.renamed",
            Self::UserChanged => "user.changed",
            Self::GroupRenamed => "group.renamed",
            Self::MembershipRemoved => "membership.removed",
            Self::UserDisabled => "user.disabled",
            Self::UserEnabled => "user.enabled",
            Self::GroupRemoved => "group.removed",
            Self::UserRemoved => "user.removed",
            Self::UserUnconfirmed => "user.unconfirmed",
        }
    }
}

/// Group of a membership change, as listed by the run that has the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedGroup {
    /// Id of the group.
    pub id: GroupId,
    /// Name of the group; `None` if no group with this id is listed.
    pub name: Option<Text>,
    /// Whether the group matches `privileged_groups` of the configuration.
    pub privileged: bool,
}

impl ChangedGroup {
    /// Returns whether the group is privileged. `None` if that is unknown: without a name, it cannot be compared with
    /// patterns.
    pub fn privilege(&self) -> Option<bool> {
        (self.privileged || self.name.is_some()).then_some(self.privileged)
    }
}

/// One difference between two snapshots.
///
/// The meaning of the texts `before` and `after` depends on the change:
///
/// - account or group added or removed: a JSON object of its fields;
/// - membership of an account: the group's id (`field` is `group_memberships`, the subject is the account);
/// - member that exists only in a directory: its name there (`field` is `directory_members`, the subject is the group);
/// - all other changes: the value of `field`.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Source of the changed row.
    pub source: SourceName,
    /// Deterministic identity of the event.
    pub event_id: Fingerprint,
    /// Kind of change.
    pub kind: ChangeKind,
    /// Account or group that changed.
    pub subject: Subject,
    /// Name of the changed field, for field changes and memberships.
    pub field: Option<Text>,
    /// Value before the change.
    pub before: Option<Text>,
    /// Value after the change.
    pub after: Option<Text>,
    /// Run id of the baseline snapshot that the change is relative to.
    pub base_run: Text,
    /// Group of a membership change.
    pub group: Option<ChangedGroup>,
    /// Standing of the account after the change; of a removed account, before it. `None` if the subject is no account or
    /// no record of it is known, and until the state is settled.
    pub account: Option<Box<AccountStanding>>,
}

impl Change {
    /// Describes the change in words, without the subject's name. Texts from the source are quoted unchanged.
    pub fn in_words(&self) -> String {
        let group = || match &self.group {
            Some(ChangedGroup { id, name: Some(name), .. }) => format!("{name:?} (id {id})"),
            Some(ChangedGroup { id, .. }) => format!("id {id}"),
            None => String::new(),
        };
        // A membership whose subject is the group belongs to a member that exists only in a directory.
        let of_directory =
            |value: &Option<Text>| (self.subject.kind == SubjectKind::Group).then(|| value.clone()).flatten();
        match self.kind {
            ChangeKind::UserAdded => "account added".to_owned(),
            ChangeKind::UserRemoved => "account removed".to_owned(),
            ChangeKind::UserUnconfirmed => "missing from a list that is not proven complete".to_owned(),
            ChangeKind::UserEnabled => "account enabled".to_owned(),
            ChangeKind::UserDisabled => "account disabled".to_owned(),
            ChangeKind::GroupAdded => "group added".to_owned(),
            ChangeKind::GroupRemoved => "group removed".to_owned(),
            ChangeKind::MembershipAdded => match of_directory(&self.after) {
                Some(name) => format!("directory member {name:?} added"),
                None => format!("added to group {}", group()),
            },
            ChangeKind::MembershipRemoved => match of_directory(&self.before) {
                Some(name) => format!("directory member {name:?} removed"),
                None => format!("removed from group {}", group()),
            },
            ChangeKind::UserRenamed | ChangeKind::UserChanged | ChangeKind::GroupRenamed => {
                let field = self.field.as_deref().unwrap_or_default();
                match (&self.before, &self.after) {
                    (Some(before), Some(after)) => format!("{field} changed from {before:?} to {after:?}"),
                    (Some(before), None) => format!("{field} cleared (was {before:?})"),
                    (None, Some(after)) => format!("{field} set to {after:?}"),
                    (None, None) => format!("{field} changed"),
                }
            }
        }
    }

    /// Returns the severity of the event: high if privilege is gained or a privileged account is enabled again, low if
    /// other access is gained or an account removed.
    pub fn severity(&self) -> Severity {
        match self.kind {
            ChangeKind::MembershipAdded | ChangeKind::UserChanged if self.gains_privilege() => Severity::High,
            ChangeKind::UserAdded | ChangeKind::UserEnabled if self.is_of_privileged_account() => Severity::High,
            ChangeKind::MembershipAdded | ChangeKind::UserAdded | ChangeKind::UserEnabled | ChangeKind::UserRemoved => {
                Severity::Low
            }
            // Lost access needs no reaction. A list that may be incomplete is reported by a rule of its own.
            _ => Severity::Info,
        }
    }

    /// Returns the id of the group that gained or lost a member; `None` for all other changes.
    pub fn group_id(&self) -> Option<&str> {
        match (self.kind, self.subject.kind) {
            (ChangeKind::MembershipAdded | ChangeKind::MembershipRemoved, SubjectKind::Group) => Some(&self.subject.id),
            (ChangeKind::MembershipAdded, _) => self.after.as_deref(),
            (ChangeKind::MembershipRemoved, _) => self.before.as_deref(),
            _ => None,
        }
    }

    /// Returns whether the account is known to be privileged.
    fn is_of_privileged_account(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.privileged == Some(true))
    }

    /// Returns whether a privileged group gained a member, or an account became an administrator.
    pub fn gains_privilege(&self) -> bool {
        let privileged = self.group.as_ref().is_some_and(|group| group.privileged);
        let admin = self.field.as_deref() == Some("is_admin") && self.after.as_deref() == Some("true");
        (self.kind == ChangeKind::MembershipAdded && privileged) || (self.kind == ChangeKind::UserChanged && admin)
    }
}
