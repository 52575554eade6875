//! Password Safe as the oracle reads it: users without memberships, and groups with their members. The API reports
//! neither dates of creation nor second factors.

use super::Expect;
use super::cells::text;
use super::dates::{Created, Login};
use super::inventory::{AccountKind, ExpectedAccount, ExpectedGroup, ExpectedInventory, ExpectedMembership, MemberRef};
use super::written::WrittenRecord;
use crate::dialect::{
    Dialect, DialectContext, InterfaceFamily, RecordKind, has_no_record, is_directory_group, is_unread,
};
use crate::members::named_groups;
use crate::record::Record;
use crate::shape::password_safe as shape;
use crate::world::World;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn inventory(world: &World, expect: &Expect) -> ExpectedInventory {
    let listed: BTreeSet<u64> = world.groups().map(|(id, _)| id).filter(|_| expect.groups_listed).collect();
    let context = DialectContext { dialects: &expect.dialects, world };
    let oracle = SafeOracle { context, expect, listed };
    let mut inventory = ExpectedInventory { members_complete: expect.groups_listed, ..ExpectedInventory::default() };
    for ((id, record), served) in world.users().zip(shape::users(world)) {
        let Value::Object(served) = served else { continue };
        match oracle.visibility(id, record) {
            UserVisibility::Known(enabled) => {
                let account = oracle.account(id, served, enabled);
                inventory.accounts.push(oracle.with_groups(id, record, account));
            }
            UserVisibility::Missing => {
                inventory.members.extend(oracle.named_by_lists(record).map(|group| missing(group, id)));
            }
            UserVisibility::Hidden => {}
        }
    }
    inventory.members.extend(inventory.accounts.iter().flat_map(ExpectedAccount::memberships));
    let unlisted = world.product_details().unlisted_members.iter().filter(|(group, _)| oracle.reads_list(*group));
    inventory.members.extend(unlisted.map(|(group, id)| missing(*group, *id)));
    inventory.unread = oracle.unread(&inventory.accounts);
    inventory.directory = oracle.listed.iter().filter(|id| oracle.is_directory(**id)).map(u64::to_string).collect();
    inventory.partial = oracle.is_partial(&inventory.accounts);
    let groups = shape::groups(world).into_iter().filter(|_| expect.groups_listed);
    inventory.groups = groups.filter_map(|served| Some(oracle.group(served.as_object()?.clone()))).collect();
    inventory
}

fn missing(group: u64, id: u64) -> ExpectedMembership {
    ExpectedMembership { group: group.to_string(), member: MemberRef::Missing(id.to_string()) }
}

/// How a user of the world becomes known.
enum UserVisibility {
    /// By its record. The value is that of `IsActive`, or the state inferred without it.
    Known(Option<bool>),
    /// A member list names the user, and the record is missing.
    Missing,
    /// No list and no record that is read names the user.
    Hidden,
}

struct SafeOracle<'a> {
    context: DialectContext<'a>,
    expect: &'a Expect,
    listed: BTreeSet<u64>,
}

impl SafeOracle<'_> {
    fn visibility(&self, id: u64, record: &Record) -> UserVisibility {
        let reported = record.get("enabled").and_then(Value::as_bool);
        let active = reported != Some(false);
        if !self.context.has(Dialect::IgnoresInactive) {
            // Without `IsActive`, in one record or in all, a user is inactive if only `includeInactive=true` lists it.
            let by_lists = self.context.has(Dialect::NoIsActive) || !record.contains_key("enabled");
            return UserVisibility::Known(if by_lists { Some(active) } else { reported });
        }
        let is_named = self.named_by_lists(record).next().is_some();
        match (active, is_named) {
            (true, _) => UserVisibility::Known(Some(true)),
            (false, true) if has_no_record(self.context.dialects, id) => UserVisibility::Missing,
            (false, true) => UserVisibility::Known(Some(false)),
            (false, false) => UserVisibility::Hidden,
        }
    }

    fn is_directory(&self, group: u64) -> bool {
        is_directory_group(self.context.dialects, group)
    }

    /// Returns whether `UserGroups/{id}/Users` is requested and answered.
    fn reads_list(&self, group: u64) -> bool {
        self.listed.contains(&group) && !self.is_directory(group) && !is_unread(&self.context, group)
    }

    fn named_by_lists(&self, record: &Record) -> impl Iterator<Item = u64> {
        let named: BTreeSet<u64> = named_groups(record).filter(|group| self.reads_list(*group)).collect();
        named.into_iter()
    }

    /// Returns the directory groups of a user, as `Users/{id}/UserGroups` lists them. Only accounts with a domain are
    /// in any.
    fn directory_groups(&self, id: u64, record: &Record, account: &ExpectedAccount) -> Vec<u64> {
        if !self.expect.directory_groups_read || !account.in_domain || has_no_record(self.context.dialects, id) {
            return Vec::new();
        }
        named_groups(record).filter(|group| self.listed.contains(group) && self.is_directory(*group)).collect()
    }

    fn with_groups(&self, id: u64, record: &Record, account: ExpectedAccount) -> ExpectedAccount {
        let directory = self.directory_groups(id, record, &account);
        let groups: BTreeSet<u64> = self.named_by_lists(record).chain(directory).collect();
        ExpectedAccount {
            groups: groups.iter().map(u64::to_string).collect(),
            groups_known: self.expect.groups_listed && !self.lacks_a_list() && !self.may_be_hidden(&account),
            ..account
        }
    }

    fn lacks_a_list(&self) -> bool {
        self.listed.iter().any(|group| !self.is_directory(*group) && is_unread(&self.context, *group))
    }

    /// Returns whether a user may be in a directory group that was not read, or for which the request failed.
    fn may_be_hidden(&self, account: &ExpectedAccount) -> bool {
        let outside = account.is_local() || account.application;
        let unanswered = account.id.parse().is_ok_and(|id| has_no_record(self.context.dialects, id));
        !outside
            && self.listed.iter().any(|group| self.is_directory(*group))
            && (!self.expect.directory_groups_read || unanswered)
    }

    /// Returns the groups of which not every member is known.
    fn unread(&self, accounts: &[ExpectedAccount]) -> BTreeSet<String> {
        let hidden = accounts.iter().any(|account| self.may_be_hidden(account)) || !self.expect.directory_groups_read;
        let is_unread = |group: &&u64| {
            if self.is_directory(**group) { hidden } else { is_unread(&self.context, **group) }
        };
        self.listed.iter().filter(is_unread).map(u64::to_string).collect()
    }

    /// Returns whether the source is partial. A directory group that the configuration skips is no failure.
    fn is_partial(&self, accounts: &[ExpectedAccount]) -> bool {
        let unanswered =
            self.expect.directory_groups_read && accounts.iter().any(|account| self.may_be_hidden(account));
        self.lacks_a_list() || unanswered
    }

    fn account(&self, id: u64, served: Record, enabled: Option<bool>) -> ExpectedAccount {
        const REPORTED: [&str; 8] =
            ["UserID", "UserName", "FirstName", "LastName", "EmailAddress", "IsActive", "LastLoginDate", "UserType"];
        let written = WrittenRecord::of(&self.context, InterfaceFamily::Safe, RecordKind::User, served);
        let fields = written.understood();
        let (id, username, account_type) = (id.to_string(), text(fields, "UserName"), text(fields, "UserType"));
        let application = account_type.as_deref() == Some("Application") || fields.contains_key("ClientID");
        let by_interface = if application { AccountKind::Service } else { AccountKind::Person };
        let in_domain = ["DomainName", "DistinguishedName"].iter().any(|key| text(fields, key).is_some());
        let reports_type = fields.contains_key("UserType") || written.is_odd_in("UserType");
        ExpectedAccount {
            kind: AccountKind::of(self.expect, by_interface, &id, username.as_deref()),
            username,
            display_name: joined(text(fields, "FirstName"), text(fields, "LastName")),
            email: text(fields, "EmailAddress"),
            enabled: if written.is_odd_in("IsActive") { None } else { enabled },
            account_type,
            signs_in_by: text(fields, "LastLoginSAMLIDPURL")
                .map(|_| "saml".to_owned())
                .or_else(|| text(fields, "LastLoginAuthenticationType")),
            application,
            in_domain,
            inferred_local: !reports_type && !application && !in_domain,
            login: if application { Login::NotReported } else { Login::read(fields.get("LastLoginDate")) },
            created: Created::NotReported,
            cannot_sign_in: fields.get("IsQuarantined") == Some(&Value::Bool(true)),
            odd: written.is_odd(),
            extra: written.extra(&REPORTED),
            ..ExpectedAccount::new(id)
        }
    }

    fn group(&self, served: Record) -> ExpectedGroup {
        let id = served.get("GroupID").map(Value::to_string).unwrap_or_default();
        let written = WrittenRecord::of(&self.context, InterfaceFamily::Safe, RecordKind::Group, served);
        let fields = written.understood();
        ExpectedGroup {
            description: text(fields, "Description"),
            extra: written.extra(&["GroupID", "Name", "Description"]),
            odd: written.is_odd(),
            ..ExpectedGroup::new(self.expect, id, text(fields, "Name"))
        }
    }
}

fn joined(first: Option<String>, last: Option<String>) -> Option<String> {
    let parts: Vec<String> = [first, last].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
