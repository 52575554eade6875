//! The Configuration API (PRA and Remote Support) as the oracle reads it: users without memberships, and group policies
//! with their members. Vendors with their users (PRA only) and API accounts are lists of their own.

use super::Expect;
use super::cells::{sort_key, text};
use super::dates::{Created, Login};
use super::inventory::{
    AccountKind, ApiAccount, ExpectedAccount, ExpectedGroup, ExpectedInventory, ExpectedMembership, MemberRef,
};
use super::written::WrittenRecord;
use crate::details::{ExternalMember, UserDetails, Vendor};
use crate::dialect::{Dialect, DialectContext, InterfaceFamily, RecordKind, is_unread};
use crate::members::named_groups;
use crate::record::Record;
use crate::shape::{sra, with_id};
use crate::surface::Surface;
use crate::world::World;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn inventory(world: &World, expect: &Expect) -> ExpectedInventory {
    let oracle = SraOracle {
        world,
        expect,
        context: DialectContext { dialects: &expect.dialects, world },
        remote_support: expect.surface == Surface::Rs,
    };
    let mut accounts: Vec<ExpectedAccount> = world.users().map(|(id, record)| oracle.user(id, record)).collect();
    SraOracle::infer_never(&mut accounts);
    accounts.extend(world.product_details().api_accounts.iter().map(|(id, record)| oracle.api_account(*id, record)));
    let mut groups: Vec<ExpectedGroup> = Vec::new();
    if expect.groups_listed {
        groups.extend(world.groups().map(|(id, record)| oracle.policy(id, record)));
    }
    if !oracle.remote_support {
        groups.extend(world.product_details().vendors.iter().map(|vendor| oracle.vendor(vendor.id, &vendor.record)));
        accounts.extend(oracle.vendor_users());
    }
    accounts.sort_by_cached_key(|account| sort_key(&account.id));
    groups.sort_by_cached_key(|group| sort_key(&group.id));
    let default_policies = oracle.default_policies(&accounts);
    let mut members: Vec<ExpectedMembership> = accounts.iter().flat_map(ExpectedAccount::memberships).collect();
    for (index, group, through) in default_policies {
        let account = &mut accounts[index];
        members
            .push(ExpectedMembership { group: group.clone(), member: MemberRef::Nested(account.id.clone(), through) });
        account.groups.push(group);
        account.groups.sort_by_cached_key(|group| sort_key(group));
    }
    members.extend(oracle.unlisted_members());
    members.extend(oracle.externals().map(directory));
    let unread = oracle.unread();
    let partial = !unread.is_empty();
    ExpectedInventory {
        accounts,
        groups,
        members,
        members_complete: true,
        partial,
        unread,
        ..ExpectedInventory::default()
    }
}

struct SraOracle<'a> {
    world: &'a World,
    expect: &'a Expect,
    context: DialectContext<'a>,
    remote_support: bool,
}

impl<'a> SraOracle<'a> {
    fn user(&self, id: u64, record: &Record) -> ExpectedAccount {
        const REPORTED: [&str; 9] = [
            "id",
            "username",
            "public_display_name",
            "email_address",
            "enabled",
            "created_at",
            "last_authentication",
            "preferred_email_language",
            "perm_admin",
        ];
        let details = self.world.user_details(id);
        let served = sra::user(id, record, &details, &self.world.product_details().providers, self.remote_support);
        let written = WrittenRecord::of(&self.context, InterfaceFamily::Sra, RecordKind::User, served);
        let fields = written.understood();
        let (id, username) = (id.to_string(), text(fields, "username"));
        let account_type = self.account_type(&details);
        let flag = |key: &str| fields.get(key).and_then(Value::as_bool);
        let created = Created::read(fields.get("created_at"));
        ExpectedAccount {
            kind: AccountKind::of(self.expect, AccountKind::Person, &id, username.as_deref()),
            username,
            display_name: text(fields, "public_display_name"),
            email: text(fields, "email_address"),
            enabled: flag("enabled"),
            groups: self.policies_of(record),
            groups_known: self.expect.groups_listed
                && !self.world.groups().any(|(group, _)| is_unread(&self.context, group))
                && !self.externals().any(|external| self.may_contain(external, &details, account_type.as_deref())),
            account_type,
            login: Login::read(fields.get("last_authentication")).of_account(&created),
            created,
            locale: text(fields, "preferred_email_language"),
            is_admin: flag("perm_admin"),
            mfa: mfa(flag("two_factor_enabled"), details.passkeys),
            passkeys: details.passkeys.unwrap_or(0),
            odd: written.is_odd(),
            extra: written.extra(&REPORTED),
            ..ExpectedAccount::new(id)
        }
    }

    /// Marks local accounts without a last login as never logged in, if other accounts show that the field is reported.
    fn infer_never(accounts: &mut [ExpectedAccount]) {
        if accounts.iter().all(|account| account.login == Login::NotReported) {
            return;
        }
        let is_absent =
            |account: &&mut ExpectedAccount| account.login == Login::NotReported && account.comes_from("local");
        accounts.iter_mut().filter(is_absent).for_each(|account| account.login = Login::Never(false));
    }

    /// Returns the groups whose members are answered with an error.
    fn unread(&self) -> BTreeSet<String> {
        let policies = self.world.groups().map(|(id, _)| id).filter(|id| self.has_policy(*id));
        let policies = policies.filter(|id| is_unread(&self.context, *id)).map(|id| id.to_string());
        let vendors = self.world.product_details().vendors.iter().filter(|_| self.lacks_vendor_users());
        policies.chain(vendors.map(|vendor| format!("vendor:{}", vendor.id))).collect()
    }

    fn lacks_vendor_users(&self) -> bool {
        !self.remote_support && self.context.has(Dialect::VendorUsersNotFound)
    }

    /// Returns whether the members of a policy are read.
    fn reads(&self, policy: u64) -> bool {
        self.has_policy(policy) && !is_unread(&self.context, policy)
    }

    fn account_type(&self, details: &UserDetails) -> Option<String> {
        let providers = &self.world.product_details().providers;
        providers.iter().find(|provider| Some(provider.id) == details.provider).map(|provider| provider.kind.clone())
    }

    /// Returns whether this external member may contain the user.
    ///
    /// A provider that is not listed only looks up groups, for users of any other provider. Local users are in no
    /// directory.
    fn may_contain(&self, external: &ExternalMember, details: &UserDetails, account_type: Option<&str>) -> bool {
        let listed = |id: &u64| self.world.product_details().providers.iter().any(|provider| provider.id == *id);
        match external.provider.filter(listed) {
            Some(provider) => details.provider.is_none_or(|theirs| theirs == provider),
            None => account_type != Some("local"),
        }
    }

    /// Returns the policies of a user that exist: a policy that is not listed has no member list.
    fn policies_of(&self, record: &Record) -> Vec<String> {
        let mut ids: Vec<u64> = named_groups(record).filter(|id| self.reads(*id)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().map(u64::to_string).collect()
    }

    fn has_policy(&self, id: u64) -> bool {
        self.expect.groups_listed && self.world.group(id).is_some()
    }

    fn externals(&self) -> impl Iterator<Item = &'a ExternalMember> {
        self.world.product_details().externals.iter().filter(|external| self.reads(external.group))
    }

    fn unlisted_members(&self) -> impl Iterator<Item = ExpectedMembership> {
        let unlisted = self.world.product_details().unlisted_members.iter().filter(|(group, _)| self.reads(*group));
        unlisted.map(|(group, user)| ExpectedMembership {
            group: group.to_string(),
            member: MemberRef::Missing(user.to_string()),
        })
    }

    /// Returns (index of the account, policy, name of the provider or vendor) for the policies that accounts have by
    /// default.
    ///
    /// A default policy comes from the account's security provider, or from its vendors in their order. Policies that
    /// an account is a member of anyway are left out.
    fn default_policies(&self, accounts: &[ExpectedAccount]) -> Vec<(usize, String, String)> {
        let mut found: Vec<(usize, String, String)> = Vec::new();
        let product = self.world.product_details();
        for (index, account) in accounts.iter().enumerate() {
            let provider = account.id.parse().ok().and_then(|id: u64| self.world.user_details(id).provider);
            let providers = product.providers.iter().filter(|known| Some(known.id) == provider);
            let by_provider = providers.filter_map(|known| Some((known.default_policy?, known.name.clone())));
            let is_theirs = |vendor: &&Vendor| account.groups.contains(&format!("vendor:{}", vendor.id));
            let by_vendor = product.vendors.iter().filter(is_theirs).filter_map(|vendor| {
                let policy = vendor.record.get("default_policy")?.as_u64()?;
                Some((policy, text(&vendor.record, "name").unwrap_or_else(|| "vendor".to_owned())))
            });
            for (policy, through) in by_provider.chain(by_vendor).filter(|(policy, _)| self.has_policy(*policy)) {
                let policy = policy.to_string();
                let has = account.groups.contains(&policy) || found.iter().any(|(p, g, _)| *p == index && *g == policy);
                if !has {
                    found.push((index, policy, through));
                }
            }
        }
        found
    }

    fn policy(&self, id: u64, record: &Record) -> ExpectedGroup {
        let written =
            WrittenRecord::of(&self.context, InterfaceFamily::Sra, RecordKind::Group, sra::policy(id, record));
        ExpectedGroup {
            extra: written.extra(&["id", "name"]),
            ..ExpectedGroup::new(self.expect, id.to_string(), text(written.understood(), "name"))
        }
    }

    fn vendor(&self, id: u64, record: &Record) -> ExpectedGroup {
        let written = WrittenRecord::of(&self.context, InterfaceFamily::Sra, RecordKind::Other, with_id(id, record));
        ExpectedGroup {
            extra: written.extra(&["id", "name"]),
            ..ExpectedGroup::new(self.expect, format!("vendor:{id}"), text(record, "name"))
        }
    }

    /// Returns every vendor user once, even if several vendors employ the person.
    fn vendor_users(&self) -> Vec<ExpectedAccount> {
        let mut accounts: BTreeMap<u64, (&Record, Vec<String>)> = BTreeMap::new();
        let vendors = self.world.product_details().vendors.iter().filter(|_| !self.lacks_vendor_users());
        for vendor in vendors {
            for (id, record) in &vendor.users {
                accounts.entry(*id).or_insert((record, Vec::new())).1.push(format!("vendor:{}", vendor.id));
            }
        }
        accounts.into_iter().map(|(id, (record, groups))| self.vendor_user(id, record, groups)).collect()
    }

    fn vendor_user(&self, id: u64, record: &Record, mut groups: Vec<String>) -> ExpectedAccount {
        const REPORTED: [&str; 8] = [
            "id",
            "username",
            "public_display_name",
            "email_address",
            "enabled",
            "last_authenticated_date",
            "account_expiration",
            "preferred_email_language",
        ];
        let written =
            WrittenRecord::of(&self.context, InterfaceFamily::Sra, RecordKind::VendorUser, with_id(id, record));
        let (id, username) = (format!("vendor-user:{id}"), text(record, "username"));
        let flag = |key: &str| record.get(key).and_then(Value::as_bool);
        let passkeys = record.get("fido2_credential_count").and_then(Value::as_u64);
        groups.sort_by_cached_key(|group| sort_key(group));
        ExpectedAccount {
            kind: AccountKind::of(self.expect, AccountKind::Vendor, &id, username.as_deref()),
            username,
            display_name: text(record, "public_display_name"),
            email: text(record, "email_address"),
            enabled: flag("enabled"),
            account_type: Some("vendor".to_owned()),
            groups,
            groups_known: true,
            login: Login::read(record.get("last_authenticated_date")),
            locale: text(record, "preferred_email_language"),
            mfa: mfa(flag("two_factor_enabled"), passkeys),
            passkeys: passkeys.unwrap_or(0),
            expires: Created::read(record.get("account_expiration")),
            cannot_sign_in: flag("is_expired") == Some(true) || flag("is_approved") == Some(false),
            extra: written.extra(&REPORTED),
            ..ExpectedAccount::new(id)
        }
    }

    fn api_account(&self, id: u64, record: &Record) -> ExpectedAccount {
        let written = WrittenRecord::of(&self.context, InterfaceFamily::Sra, RecordKind::Other, with_id(id, record));
        let (id, name) = (format!("api-account:{id}"), text(record, "name"));
        ExpectedAccount {
            kind: AccountKind::of(self.expect, AccountKind::Service, &id, name.as_deref()),
            username: name,
            enabled: record.get("enabled").and_then(Value::as_bool),
            account_type: Some("api-account".to_owned()),
            groups_known: true,
            api: Some(rights(record)),
            extra: written.extra(&["id", "name", "enabled"]),
            ..ExpectedAccount::new(id)
        }
    }
}

fn directory(external: &ExternalMember) -> ExpectedMembership {
    let name = external.distinguished_name.clone().or_else(|| external.group_name.clone()).unwrap_or_default();
    ExpectedMembership { group: external.group.to_string(), member: MemberRef::Directory(name) }
}

/// Returns whether an account has a second factor. A passkey is one, whatever the other field reports.
fn mfa(two_factor: Option<bool>, passkeys: Option<u64>) -> Option<bool> {
    if passkeys.is_some_and(|count| count > 0) { Some(true) } else { two_factor }
}

/// Returns the rights of an API account.
fn rights(record: &Record) -> ApiAccount {
    const WIDE: [&str; 4] = ["perm_configuration_vault_account", "perm_scim", "perm_backup", "perm_vault_backup"];
    let wide = text(record, "perm_command").as_deref() == Some("full_access")
        || WIDE.iter().any(|right| record.get(*right) == Some(&Value::Bool(true)));
    let addresses = text(record, "ip_addresses");
    ApiAccount { wide, from_anywhere: addresses.is_some_and(|addresses| addresses.is_empty()) }
}
