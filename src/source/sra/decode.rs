//! The Configuration API's shapes: JSON -> model. Every field is optional until seen; an absent key is "not told". Knows no paging
//! and no HTTP.

use crate::model::{
    ApiAccess, Blocked, Group, GroupId, Harvest, ListKind, Outside, OutsideMember, User, UserId, UserKind,
};
use crate::source::record::{Decoding, Id, Listed, Record};
use ahash::{AHashMap, AHashSet};
use serde_json::Value;

/// Everything that was read, before it is put together.
#[derive(Default)]
pub(super) struct Tenant {
    users: Vec<Listed>,
    pub(super) policies: Vec<Listed>,
    providers: AHashMap<Id, Box<str>>,
    api_accounts: Vec<Listed>,
    pub(super) vendors: Vec<Listed>,
    /// By group policy.
    pub(super) members: Vec<(Id, Vec<Listed>)>,
    /// Every member of every policy is known.
    pub(super) members_whole: bool,
    /// By vendor.
    pub(super) vendor_users: Vec<(Id, Vec<Listed>)>,
    externals: Externals,
}

/// Whom members that stand for something in a directory may hold.
#[derive(Default)]
struct Externals {
    /// Users of these security providers.
    providers: AHashSet<Id>,
    /// Anybody who is not local.
    anybody: bool,
}

impl Externals {
    fn may_hold(&self, provider: Option<&Id>, is_local: bool) -> bool {
        let by_provider = provider.map_or(!self.providers.is_empty(), |provider| self.providers.contains(provider));
        by_provider || (self.anybody && !is_local)
    }
}

impl Tenant {
    /// Takes the rows of one list.
    pub(super) fn take(&mut self, kind: ListKind, rows: Vec<Listed>) {
        match kind {
            ListKind::Users => self.users = rows,
            ListKind::Groups => self.policies = rows,
            ListKind::SecurityProviders => {
                let told = |mut row: Listed| row.record.take_text("type").map(|kind| (row.id, kind));
                self.providers = rows.into_iter().filter_map(told).collect();
            }
            ListKind::ApiAccounts => self.api_accounts = rows,
            ListKind::Vendors => self.vendors = rows,
            ListKind::UserDetails | ListKind::Members | ListKind::VendorUsers => {}
        }
    }

    /// Puts everything together.
    pub(super) fn fill(&mut self, harvest: &mut Harvest, decoding: &Decoding) {
        let mut groups_of = self.memberships(harvest, decoding);
        for row in std::mem::take(&mut self.users) {
            let groups = groups_of.remove(&row.id).unwrap_or_default();
            harvest.users.push(self.user(row, groups, decoding));
        }
        // Whoever is left is named by a policy and not by the list.
        for (id, groups) in groups_of {
            let missing = |group_id| Outside { group_id, member: OutsideMember::Missing(UserId::from(id.to_text())) };
            harvest.outside.extend(groups.into_iter().map(missing));
        }
        harvest.groups.extend(std::mem::take(&mut self.policies).into_iter().map(|row| group(row, "")));
        harvest.groups.extend(std::mem::take(&mut self.vendors).into_iter().map(|row| group(row, VENDOR)));
        harvest.users.extend(self.people_of_vendors(decoding));
        harvest.users.extend(std::mem::take(&mut self.api_accounts).into_iter().map(api_account));
    }

    /// The policies of each user; what is not a user goes outside.
    fn memberships(&mut self, harvest: &mut Harvest, decoding: &Decoding) -> AHashMap<Id, Vec<GroupId>> {
        let mut groups_of: AHashMap<Id, Vec<GroupId>> = AHashMap::new();
        for (policy, members) in std::mem::take(&mut self.members) {
            let group_id = GroupId::from(decoding.word(&policy.to_text()));
            for mut member in members {
                if let Some(user) = member.record.id("user_id") {
                    groups_of.entry(user).or_default().push(group_id.clone());
                    continue;
                }
                match member.record.id("security_provider_id") {
                    Some(provider) => drop(self.externals.providers.insert(provider)),
                    None => self.externals.anybody = true,
                }
                let name = external_name(&mut member);
                harvest.outside.push(Outside { group_id: group_id.clone(), member: OutsideMember::Directory(name) });
            }
        }
        groups_of
    }

    fn user(&self, row: Listed, groups: Vec<GroupId>, decoding: &Decoding) -> User {
        let mut record = row.record;
        let provider = record.id("security_provider_id");
        let mut user = User::new(row.id.to_text());
        user.username = record.take_text("username");
        user.display_name = display_name(&mut record);
        user.email_address = record.take_text("email_address");
        user.enabled = record.take_flag("enabled");
        let kind = provider.as_ref().and_then(|provider| self.providers.get(provider));
        user.account_type = kind.map(|kind| decoding.word(kind));
        user.groups_known = self.members_whole && !self.externals.may_hold(provider.as_ref(), user.is_local());
        user.group_memberships = sorted(groups);
        user.last_login = record.take_last_login("last_authentication", decoding);
        user.created_at = record.take_date("created_at", decoding);
        user.locale = record.take_text("preferred_email_language").map(|locale| decoding.word(&locale));
        user.is_admin = record.take_flag("perm_admin");
        second_factor(&mut user, &record);
        user.extra = record.into_extra();
        user
    }

    /// A user who came after the list was read; the memberships that named somebody missing are now that user's.
    pub(super) fn late_user(&self, row: Listed, outside: &mut Vec<Outside>, decoding: &Decoding) -> User {
        let id = UserId::from(row.id.to_text());
        let is_late = |outside: &Outside| outside.member == OutsideMember::Missing(id.clone());
        let groups =
            outside.iter().filter(|outside| is_late(outside)).map(|outside| outside.group_id.clone()).collect();
        outside.retain(|outside| !is_late(outside));
        self.user(row, groups, decoding)
    }

    /// Each person once, however many vendors name it.
    fn people_of_vendors(&mut self, decoding: &Decoding) -> Vec<User> {
        let mut people: Vec<(Listed, Vec<GroupId>)> = Vec::new();
        let mut places: AHashMap<Id, usize> = AHashMap::new();
        for (vendor, rows) in std::mem::take(&mut self.vendor_users) {
            let group_id = GroupId::from(decoding.word(&format!("{VENDOR}{}", vendor.to_text())));
            for row in rows {
                let at = *places.entry(row.id.clone()).or_insert(people.len());
                if at == people.len() {
                    people.push((row, Vec::new()));
                }
                people[at].1.push(group_id.clone());
            }
        }
        people.into_iter().map(|(row, groups)| vendor_user(row, groups, decoding)).collect()
    }
}

/// Vendors, their people and API accounts are numbered on their own: without a prefix an id would be two accounts'.
const VENDOR: &str = "vendor:";
const VENDOR_USER: &str = "vendor-user:";
const API_ACCOUNT: &str = "api-account:";

fn sorted(mut groups: Vec<GroupId>) -> Box<[GroupId]> {
    groups.sort_unstable();
    groups.dedup();
    groups.into()
}

fn external_name(member: &mut Listed) -> Box<str> {
    let name = member.record.take_text("distinguished_name").or_else(|| member.record.take_text("group_name"));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("member {}", member.id.to_text()).into())
}

/// Remote Support has two names; the public one is what others see.
fn display_name(record: &mut Record) -> Option<Box<str>> {
    if record.get("public_display_name").is_some() {
        return record.take_text("public_display_name");
    }
    record.take_text("private_display_name")
}

/// A passkey is a second factor as well.
fn second_factor(user: &mut User, record: &Record) {
    user.passkeys = record.count("fido2_credential_count");
    user.mfa = if user.passkeys > 0 { Some(true) } else { record.flag("two_factor_enabled") };
}

fn group(row: Listed, prefix: &str) -> Group {
    let mut record = row.record;
    let mut group = Group::new(format!("{prefix}{}", row.id.to_text()));
    group.name = record.take_text("name");
    group.extra = record.into_extra();
    group
}

fn vendor_user(row: Listed, groups: Vec<GroupId>, decoding: &Decoding) -> User {
    let mut record = row.record;
    let mut user = User::new(format!("{VENDOR_USER}{}", row.id.to_text()));
    user.kind = UserKind::Vendor;
    user.account_type = Some(decoding.word("vendor"));
    user.username = record.take_text("username");
    user.display_name = record.take_text("public_display_name");
    user.email_address = record.take_text("email_address");
    user.enabled = record.take_flag("enabled");
    user.last_login = record.take_last_login("last_authenticated_date", decoding);
    user.expires_at = record.take_date("account_expiration", decoding);
    user.locale = record.take_text("preferred_email_language").map(|locale| decoding.word(&locale));
    user.groups_known = true;
    user.group_memberships = sorted(groups);
    user.blocked = if record.flag("is_expired") == Some(true) {
        Some(Blocked::Expired)
    } else {
        (record.flag("is_approved") == Some(false)).then_some(Blocked::NotApproved)
    };
    second_factor(&mut user, &record);
    user.extra = record.into_extra();
    user
}

fn api_account(row: Listed) -> User {
    let mut record = row.record;
    let mut user = User::new(format!("{API_ACCOUNT}{}", row.id.to_text()));
    user.kind = UserKind::Service;
    user.account_type = Some("api-account".into());
    user.username = record.take_text("name");
    user.enabled = record.take_flag("enabled");
    user.groups_known = true;
    user.api = Some(Box::new(api_access(&record)));
    user.extra = record.into_extra();
    user
}

/// Rights that reach beyond reading reports: changing the appliance, its accounts, or taking its secrets away.
fn api_access(record: &Record) -> ApiAccess {
    const FLAGS: [&str; 4] = ["perm_configuration_vault_account", "perm_scim", "perm_backup", "perm_vault_backup"];
    let full = record.get("perm_command").and_then(Value::as_str) == Some("full_access");
    let mut wide_rights: Vec<&'static str> = Vec::new();
    wide_rights.extend(full.then_some("perm_command: full_access"));
    wide_rights.extend(FLAGS.into_iter().filter(|flag| record.flag(flag) == Some(true)));
    let addresses = record.get("ip_addresses");
    let restricted = match addresses {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        _ => false,
    };
    ApiAccess { wide_rights, restricted }
}
