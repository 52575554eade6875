//! The standing of an account: what a reader of an event needs to weigh what happened to it. Plain data.

use super::{Contact, GroupId, Inventory, SourceInventory, SourceName, Subject, SubjectKind, User, UserId, UserKind};

/// Standing of an account in its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStanding {
    /// Kind of account.
    pub kind: UserKind,
    /// Whether the account is enabled; `None` if the source does not report it.
    pub enabled: Option<bool>,
    /// Whether the account is privileged; `None` if that is unknown.
    pub privileged: Option<bool>,
    /// Name for people and e-mail address.
    pub contact: Contact,
}

impl SourceInventory {
    /// Returns the standing of an account. Its privilege follows from its own record and from the groups in it.
    pub fn standing(&self, user: &User) -> AccountStanding {
        AccountStanding {
            kind: user.kind,
            enabled: user.enabled,
            privileged: self.privilege(user),
            contact: Contact::of(user),
        }
    }
}

impl Inventory {
    /// Returns the standing of the account that a finding or change is about; `None` if it is about something else or
    /// the account is not listed.
    pub fn standing_of(&self, source: &SourceName, subject: &Subject) -> Option<AccountStanding> {
        let mut sources = self.sources.iter().filter(|_| subject.kind == SubjectKind::User);
        let source_inventory = sources.find(|source_inventory| source_inventory.reading.source.name == *source)?;
        let user = source_inventory.user(&UserId::from(subject.id.clone()))?;
        Some(source_inventory.standing(user))
    }

    /// Returns the name of a group by its id; `None` if it has none or is not listed.
    pub fn group_name(&self, source: &SourceName, id: &str) -> Option<String> {
        let mut sources = self.sources.iter();
        let source_inventory = sources.find(|source_inventory| source_inventory.reading.source.name == *source)?;
        Some(source_inventory.group(&GroupId::from(id))?.name.as_deref()?.to_owned())
    }
}
