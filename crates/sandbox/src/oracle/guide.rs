//! The guide's API as the oracle reads it: users with their memberships, and groups without their members.

use super::Expect;
use super::cells::{ids_of, text};
use super::dates::{Created, Login};
use super::inventory::{AccountKind, ExpectedAccount, ExpectedGroup, ExpectedInventory};
use super::written::WrittenRecord;
use crate::dialect::{DialectContext, InterfaceFamily, RecordKind, has_no_record};
use crate::record::Record;
use crate::shape::{GUIDE_FIELDS, SPARSE_FIELDS};
use crate::world::World;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn inventory(world: &World, expect: &Expect) -> ExpectedInventory {
    let context = DialectContext { dialects: &expect.dialects, world };
    let accounts: Vec<ExpectedAccount> =
        world.users().map(|(id, record)| account(&context, id, record, expect)).collect();
    let listed = world.groups().filter(|_| expect.groups_listed);
    let groups: Vec<ExpectedGroup> = listed.map(|(id, record)| group(&context, id, record, expect)).collect();
    // A user whose record is missing may be in any group.
    let partial = world.user_ids().iter().any(|id| has_no_record(context.dialects, *id));
    // So may a user whose memberships are unreadable or not reported.
    let in_any = partial || accounts.iter().any(|account| account.odd_groups || !account.groups_known);
    let unread = groups.iter().filter(|_| in_any).map(|group| group.id.clone()).collect::<BTreeSet<String>>();
    ExpectedInventory {
        groups,
        members: accounts.iter().flat_map(ExpectedAccount::memberships).collect(),
        accounts,
        members_complete: false,
        unread,
        partial,
        ..ExpectedInventory::default()
    }
}

fn group(context: &DialectContext<'_>, id: u64, record: &Record, expect: &Expect) -> ExpectedGroup {
    let written = WrittenRecord::of(context, InterfaceFamily::Guide, RecordKind::Group, record.clone());
    let fields = written.understood();
    ExpectedGroup {
        description: text(fields, "description"),
        extra: written.extra(&["id", "name", "description"]),
        odd: written.is_odd(),
        ..ExpectedGroup::new(expect, id.to_string(), text(fields, "name"))
    }
}

fn account(context: &DialectContext<'_>, id: u64, record: &Record, expect: &Expect) -> ExpectedAccount {
    let mut record = record.clone();
    if has_no_record(context.dialects, id) {
        record.retain(|key, _| SPARSE_FIELDS.contains(&key.as_str()));
    }
    let written = WrittenRecord::of(context, InterfaceFamily::Guide, RecordKind::User, record);
    let fields = written.understood();
    let (id, username) = (id.to_string(), text(fields, "username"));
    let created = Created::read(fields.get("created_at"));
    let groups = fields.get("group_memberships").and_then(Value::as_array).map(|ids| ids_of(ids));
    ExpectedAccount {
        kind: AccountKind::of(expect, AccountKind::Person, &id, username.as_deref()),
        username,
        display_name: text(fields, "display_name"),
        email: text(fields, "email_address"),
        enabled: fields.get("enabled").and_then(Value::as_bool),
        account_type: text(fields, "account_type"),
        groups_known: groups.is_some(),
        groups: groups.unwrap_or_default(),
        public_key: text(fields, "public_key"),
        login: Login::read(fields.get("last_login")).of_account(&created),
        created,
        locale: text(fields, "locale"),
        odd: written.is_odd(),
        odd_groups: written.is_odd_in("group_memberships"),
        extra: written.extra(&GUIDE_FIELDS),
        ..ExpectedAccount::new(id)
    }
}
