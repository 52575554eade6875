//! One difference between two snapshots. Plain data.

use super::{Fingerprint, GroupId, Severity, SourceName, Subject, SubjectKind};

/// What happened. The order is the one in which a run tells changes: who came before what they were given, what was taken
/// before who went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// An account appeared.
    UserAdded,
    /// A group appeared.
    GroupAdded,
    /// A group gained a member.
    MembershipAdded,
    /// An account's login name changed; it is the same account.
    UserRenamed,
    /// A field of an account changed.
    UserChanged,
    /// A group's name changed; it is the same group.
    GroupRenamed,
    /// A group lost a member.
    MembershipRemoved,
    /// An account was disabled.
    UserDisabled,
    /// An account came back to life.
    UserEnabled,
    /// A group is gone: both lists were proven complete.
    GroupRemoved,
    /// An account is gone: both lists were proven complete.
    UserRemoved,
    /// An account is gone from a list that was not proven complete.
    UserUnconfirmed,
}

impl ChangeKind {
    /// All, in the order in which a run tells them.
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

    /// Reads the `kind` column.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The `kind` column and the event's code.
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

/// The group of a membership that came or went, as the side that has the membership tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedGroup {
    /// Its id.
    pub id: GroupId,
    /// Its name, where such a group came.
    pub name: Option<Box<str>>,
    /// Whether the configuration calls it privileged.
    pub privileged: bool,
}

/// One difference between two snapshots.
///
/// `before` and `after` are texts: of an account or a group that came or went, a JSON object of its fields; of a membership,
/// the group's id (`field` is `group_memberships`, the subject the account) or, of a member that is in a directory only, its
/// name there (`field` is `directory_members`, the subject the group); else the field's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where.
    pub source: SourceName,
    /// Deterministic identity of the event.
    pub event_id: Fingerprint,
    /// What happened.
    pub kind: ChangeKind,
    /// To whom.
    pub subject: Subject,
    /// The field, for field changes and memberships.
    pub field: Option<Box<str>>,
    /// Value before.
    pub before: Option<Box<str>>,
    /// Value after.
    pub after: Option<Box<str>>,
    /// The run that it is compared with.
    pub base_run: Box<str>,
    /// The group of a membership.
    pub group: Option<ChangedGroup>,
}

impl Change {
    /// What happened, in words, without the subject's name. Text from outside stands in it as it came.
    pub fn in_words(&self) -> String {
        let value =
            |value: &Option<Box<str>>| value.as_ref().map_or_else(|| "none".to_owned(), |text| format!("{text:?}"));
        let group = || match &self.group {
            Some(ChangedGroup { id, name: Some(name), .. }) => format!("{name:?} (id {id})"),
            Some(ChangedGroup { id, .. }) => format!("id {id}"),
            None => String::new(),
        };
        let of_directory =
            |value: &Option<Box<str>>| (self.subject.kind == SubjectKind::Group).then(|| value.clone()).flatten();
        match self.kind {
            ChangeKind::UserAdded => "the account appeared".to_owned(),
            ChangeKind::UserRemoved => "the account is gone".to_owned(),
            ChangeKind::UserUnconfirmed => "not in a list that was not proven complete".to_owned(),
            ChangeKind::UserEnabled => "the account was enabled".to_owned(),
            ChangeKind::UserDisabled => "the account was disabled".to_owned(),
            ChangeKind::GroupAdded => "the group appeared".to_owned(),
            ChangeKind::GroupRemoved => "the group is gone".to_owned(),
            ChangeKind::MembershipAdded => match of_directory(&self.after) {
                Some(name) => format!("gained {name:?} of a directory"),
                None => format!("joined the group {}", group()),
            },
            ChangeKind::MembershipRemoved => match of_directory(&self.before) {
                Some(name) => format!("lost {name:?} of a directory"),
                None => format!("left the group {}", group()),
            },
            ChangeKind::UserRenamed | ChangeKind::UserChanged | ChangeKind::GroupRenamed => {
                let field = self.field.as_deref().unwrap_or_default();
                format!("{field} from {} to {}", value(&self.before), value(&self.after))
            }
        }
    }

    /// How grave the event is: low where access is gained or an account goes, high where a privileged group gains a member.
    pub fn severity(&self) -> Severity {
        match self.kind {
            ChangeKind::MembershipAdded if self.gains_privilege() => Severity::High,
            ChangeKind::MembershipAdded | ChangeKind::UserAdded | ChangeKind::UserEnabled | ChangeKind::UserRemoved => {
                Severity::Low
            }
            ChangeKind::UserChanged if self.gains_privilege() => Severity::Low,
            _ => Severity::Info,
        }
    }

    /// The id of the group that gained or lost a member.
    pub fn group_id(&self) -> Option<&str> {
        match (self.kind, self.subject.kind) {
            (ChangeKind::MembershipAdded | ChangeKind::MembershipRemoved, SubjectKind::Group) => Some(&self.subject.id),
            (ChangeKind::MembershipAdded, _) => self.after.as_deref(),
            (ChangeKind::MembershipRemoved, _) => self.before.as_deref(),
            _ => None,
        }
    }

    /// Whether a privileged group gained a member, or an account became an administrator: what to look at first.
    pub fn gains_privilege(&self) -> bool {
        let privileged = self.group.as_ref().is_some_and(|group| group.privileged);
        let admin = self.field.as_deref() == Some("is_admin") && self.after.as_deref() == Some("true");
        (self.kind == ChangeKind::MembershipAdded && privileged) || (self.kind == ChangeKind::UserChanged && admin)
    }
}
