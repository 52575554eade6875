//! The Configuration API's shapes: JSON -> model. Every field is optional until seen; an absent key is "not told". Knows no paging
//! and no HTTP.

use crate::model::{
    API_ACCOUNT, ApiAccess, Blocked, Group, GroupId, Harvest, ListKind, Outside, OutsideMember, User, UserId, UserKind,
    VENDOR, VENDOR_USER,
};
use crate::source::record::{Decoding, Id, Listed, Record};
use ahash::{AHashMap, AHashSet};
use serde_json::Value;

/// Everything that was read, before it is put together.
#[derive(Default)]
pub(super) struct Tenant {
    pub(super) users: Vec<Listed>,
    pub(super) policies: Vec<Listed>,
    providers: AHashMap<Id, Provider>,
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

/// Where accounts come from.
struct Provider {
    kind: Option<Box<str>>,
    name: Option<Box<str>>,
    /// The policy of everybody who signs in by it.
    default_policy: Option<Id>,
    /// Directories in which the groups of its users are looked up (RADIUS, Kerberos).
    external_lookup: Vec<Id>,
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
    fn may_hold(&self, id: Option<&Id>, provider: Option<&Provider>, is_local: bool) -> bool {
        let by_provider = id.map_or(!self.providers.is_empty(), |id| self.providers.contains(id));
        let by_lookup =
            provider.is_some_and(|known| known.external_lookup.iter().any(|id| self.providers.contains(id)));
        by_provider || by_lookup || (self.anybody && !is_local)
    }
}

impl Tenant {
    /// Takes the rows of one list.
    pub(super) fn take(&mut self, kind: ListKind, rows: Vec<Listed>) {
        match kind {
            ListKind::Users => self.users = rows,
            ListKind::Groups => self.policies = rows,
            ListKind::SecurityProviders => {
                let told = |mut row: Listed| {
                    let (kind, name) = (row.record.take_text("type"), row.record.take_text("name"));
                    (row.id, Provider { kind, name, default_policy: None, external_lookup: Vec::new() })
                };
                self.providers = rows.into_iter().map(told).collect();
            }
            ListKind::ApiAccounts => self.api_accounts = rows,
            ListKind::Vendors => self.vendors = rows,
            ListKind::UserDetails | ListKind::Members | ListKind::VendorUsers => {}
        }
    }

    /// Ids of the security providers, ascending.
    pub(super) fn provider_ids(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.providers.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// What a provider's own record tells; without one, nobody knows whether its users have a policy by default.
    pub(super) fn provider_told(&mut self, id: &Id, record: Option<&Record>) {
        match record {
            None => drop(self.externals.providers.insert(id.clone())),
            Some(record) => {
                if let Some(provider) = self.providers.get_mut(id) {
                    provider.default_policy = record.id("default_policy");
                    provider.external_lookup = record.ids("external_lookup");
                }
            }
        }
    }

    /// Puts everything together.
    pub(super) fn fill(&mut self, harvest: &mut Harvest, decoding: &Decoding) {
        let mut groups_of = self.memberships(harvest, decoding);
        let policies: AHashSet<Id> = self.policies.iter().map(|policy| policy.id.clone()).collect();
        for row in std::mem::take(&mut self.users) {
            let groups = groups_of.remove(&row.id).unwrap_or_default();
            let provider = row.record.id("security_provider_id").and_then(|id| self.providers.get(&id));
            let by_default =
                provider.and_then(|provider| Some((provider.default_policy.clone()?, provider.name.clone())));
            let mut user = self.user(row, groups, decoding);
            if let Some((policy, name)) = by_default.filter(|(policy, _)| policies.contains(policy)) {
                let name = name.unwrap_or_else(|| "security provider".into());
                harvest.outside.extend(join_by_default(&mut user, &policy, &name, decoding));
            }
            harvest.users.push(user);
        }
        // Whoever is left is named by a policy and not by the list.
        for (id, groups) in groups_of {
            let missing = |group_id| Outside { group_id, member: OutsideMember::Missing(UserId::from(id.to_text())) };
            harvest.outside.extend(groups.into_iter().map(missing));
        }
        harvest.groups.extend(std::mem::take(&mut self.policies).into_iter().map(|row| group(row, "")));
        let people = self.people_of_vendors(&policies, harvest, decoding);
        harvest.users.extend(people);
        harvest.groups.extend(std::mem::take(&mut self.vendors).into_iter().map(|row| group(row, VENDOR)));
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
                    Some(provider) if self.providers.contains_key(&provider) => {
                        self.externals.providers.insert(provider);
                    }
                    // Providers that only look up groups are not listed, and their groups hold users of others.
                    _ => self.externals.anybody = true,
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
        let known = provider.as_ref().and_then(|id| self.providers.get(id));
        user.account_type = known.and_then(|known| known.kind.as_deref()).map(|kind| decoding.word(kind));
        let may_hold = self.externals.may_hold(provider.as_ref(), known, user.is_local());
        user.groups_known = self.members_whole && !may_hold;
        user.group_memberships = sorted(groups);
        user.last_login = record.take_last_login("last_authentication", decoding);
        user.created_at = record.take_date("created_at", decoding);
        user.locale = record.take_text("preferred_email_language").map(|locale| decoding.word(&locale));
        user.is_admin = record.take_flag("perm_admin");
        second_factor(&mut user, &record);
        user.extra = record.into_extra();
        user
    }

    /// Each person once, however many vendors name it. A vendor's policy is that of all its people.
    fn people_of_vendors(&mut self, policies: &AHashSet<Id>, harvest: &mut Harvest, decoding: &Decoding) -> Vec<User> {
        let mut people: Vec<(Listed, Vec<Id>)> = Vec::new();
        let mut places: AHashMap<Id, usize> = AHashMap::new();
        for (vendor, rows) in std::mem::take(&mut self.vendor_users) {
            for row in rows {
                let at = *places.entry(row.id.clone()).or_insert(people.len());
                if at == people.len() {
                    people.push((row, Vec::new()));
                }
                people[at].1.push(vendor.clone());
            }
        }
        let mut users = Vec::with_capacity(people.len());
        for (row, mut vendors) in people {
            vendors.sort_unstable();
            let groups = vendors.iter().map(|id| GroupId::from(decoding.word(&format!("{VENDOR}{}", id.to_text()))));
            let mut user = vendor_user(row, groups.collect(), decoding);
            for vendor in self.vendors.iter().filter(|vendor| vendors.binary_search(&vendor.id).is_ok()) {
                let Some(policy) = vendor.record.id("default_policy").filter(|id| policies.contains(id)) else {
                    continue;
                };
                let name = vendor.record.get("name").and_then(Value::as_str).unwrap_or("vendor");
                harvest.outside.extend(join_by_default(&mut user, &policy, name, decoding));
            }
            users.push(user);
        }
        users
    }
}

/// Puts the user into a policy that is everybody's who comes this way, unless it is in it already.
fn join_by_default(user: &mut User, policy: &Id, through: &str, decoding: &Decoding) -> Option<Outside> {
    let group_id = GroupId::from(decoding.word(&policy.to_text()));
    if user.group_memberships.contains(&group_id) {
        return None;
    }
    let mut groups = std::mem::take(&mut user.group_memberships).into_vec();
    groups.push(group_id.clone());
    user.group_memberships = sorted(groups);
    Some(Outside { group_id, member: OutsideMember::Nested { user: user.id.clone(), through: through.into() } })
}

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
    let has_passkey = user.passkeys.is_some_and(|count| count > 0);
    user.mfa = if has_passkey { Some(true) } else { record.flag("two_factor_enabled") };
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
        Some(Value::String(text)) => Some(!text.trim().is_empty()),
        Some(Value::Array(items)) => Some(!items.is_empty()),
        _ => None,
    };
    ApiAccess { wide_rights, restricted }
}
