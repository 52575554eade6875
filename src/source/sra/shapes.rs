//! Mapping of the Configuration API's JSON to the model. Every field is optional: an absent key means "not reported".
//! Knows no paging and no HTTP.
//!
//! A member of a policy is a user, or a user or group of a directory. The API does not resolve directory members, so
//! that users who may belong to one have unknown groups ([`ExternalMembers`]).

use crate::model::{
    API_ACCOUNT, ApiAccess, Blocked, Coverage, Group, GroupId, LastLogin, ListKind, Outside, OutsideMember,
    SourceReading, Text, User, UserId, UserKind, VENDOR, VENDOR_USER,
};
use crate::source::decode::{Decoding, Fields, Id, JsonRecord, Listed};
use ahash::{AHashMap, AHashSet};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Rows of all lists, before they are combined.
#[derive(Default)]
pub(super) struct SraTenant {
    pub(super) users: Vec<Listed>,
    pub(super) policies: Vec<Listed>,
    providers: AHashMap<Id, SecurityProvider>,
    api_accounts: Vec<Listed>,
    pub(super) vendors: Vec<Listed>,
    /// Members by group policy.
    pub(super) members: Vec<(Id, Vec<Listed>)>,
    /// Whether every member of every policy is known.
    pub(super) members_whole: bool,
    /// Policies whose members are not all known.
    pub(super) unread_policies: BTreeSet<Id>,
    /// Vendors whose users are not all known.
    pub(super) unread_vendors: BTreeSet<Id>,
    /// Users by vendor.
    pub(super) vendor_users: Vec<(Id, Vec<Listed>)>,
    externals: ExternalMembers,
    /// Whether the record of some provider could not be read: then the default policy of its users is unknown.
    defaults_unknown: bool,
    /// Whether the list of providers could not be read or may lack some: then the default policy of users of an
    /// unlisted provider is unknown.
    providers_unread: bool,
    /// Policies by user, from the own list of the user, which includes those through directory groups.
    pub(super) resolved: AHashMap<Id, Vec<Id>>,
}

/// Security provider: the directory or service by which users sign in.
struct SecurityProvider {
    kind: Option<Text>,
    name: Option<Text>,
    /// Policy of all users of the provider.
    default_policy: Option<Id>,
    /// Directories that provide the groups of the users (RADIUS, Kerberos).
    external_lookup: Vec<Id>,
}

/// Users who may belong to members of policies that are directory users or groups.
#[derive(Default)]
struct ExternalMembers {
    /// Providers whose users may.
    providers: AHashSet<Id>,
    /// Whether users of any provider may, except local ones.
    anybody: bool,
}

impl ExternalMembers {
    /// Returns whether a user of this provider may belong to a directory member. An unknown provider (`id` is `None`)
    /// may be any.
    fn may_contain(&self, id: Option<&Id>, provider: Option<&SecurityProvider>, is_local: bool) -> bool {
        let by_provider = id.map_or(!self.providers.is_empty(), |id| self.providers.contains(id));
        let by_lookup =
            provider.is_some_and(|known| known.external_lookup.iter().any(|id| self.providers.contains(id)));
        by_provider || by_lookup || (self.anybody && !is_local)
    }
}

impl SraTenant {
    /// Adds the rows of one list.
    pub(super) fn add_list(&mut self, kind: ListKind, rows: Vec<Listed>, decoding: &Decoding) {
        match kind {
            ListKind::Users => self.users = rows,
            ListKind::Groups => self.policies = rows,
            ListKind::SecurityProviders => {
                let provider = |row: Listed| {
                    let mut row = Fields::of(row, "security-providers", decoding);
                    let (kind, name) = (row.text("type"), row.text("name"));
                    (row.id, SecurityProvider { kind, name, default_policy: None, external_lookup: Vec::new() })
                };
                self.providers = rows.into_iter().map(provider).collect();
            }
            ListKind::ApiAccounts => self.api_accounts = rows,
            ListKind::Vendors => self.vendors = rows,
            ListKind::UserDetails | ListKind::Members | ListKind::DirectoryMembers | ListKind::VendorUsers => {}
        }
    }

    /// Returns the ids of the security providers in ascending order, so that requests are made in the same order in
    /// each run.
    pub(super) fn provider_ids(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.providers.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// Adds the record of a provider. `None`: it could not be read, and users of the provider may be in any policy by
    /// default.
    pub(super) fn add_provider(&mut self, id: &Id, record: Option<&JsonRecord>) {
        match record {
            None => {
                self.externals.providers.insert(id.clone());
                self.defaults_unknown = true;
            }
            Some(record) => {
                if let Some(provider) = self.providers.get_mut(id) {
                    provider.default_policy = record.id("default_policy");
                    provider.external_lookup = record.ids("external_lookup");
                }
            }
        }
    }

    /// Records which users may belong to directory members. Call it after all members were read.
    pub(super) fn record_external_members(&mut self) {
        for member in self.members.iter().flat_map(|(_, rows)| rows).filter(|member| user_of(member).is_none()) {
            match member.record.id("security_provider_id") {
                Some(provider) if self.providers.contains_key(&provider) => {
                    self.externals.providers.insert(provider);
                }
                // Providers that only look up groups are not in the list, and their groups contain users of other
                // providers.
                _ => self.externals.anybody = true,
            }
        }
    }

    /// Returns the users who may be in a policy through a directory, in ascending order.
    pub(super) fn possible_directory_users(&self) -> Vec<Id> {
        let may = |row: &&Listed| self.may_be_in_directory_group(row);
        let mut ids: Vec<Id> = self.users.iter().filter(may).map(|row| row.id.clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// Returns whether a user may be in a policy through a directory.
    fn may_be_in_directory_group(&self, row: &Listed) -> bool {
        let id = row.record.id("security_provider_id");
        let provider = id.as_ref().and_then(|id| self.providers.get(id));
        let kind = provider.and_then(|known| known.kind.as_deref());
        let is_local = kind.is_some_and(|kind| kind.eq_ignore_ascii_case("local"));
        self.externals.may_contain(id.as_ref(), provider, is_local)
    }

    /// Combines all rows into the reading.
    pub(super) fn fill(&mut self, reading: &mut SourceReading, decoding: &Decoding) {
        let mut groups_of = self.memberships(reading, decoding);
        let providers = reading.coverage(ListKind::SecurityProviders);
        self.providers_unread = matches!(providers, Coverage::Failed { .. } | Coverage::Drifted { .. });
        let policies: AHashSet<Id> = self.policies.iter().map(|policy| policy.id.clone()).collect();
        // If any account of the list has the field, this version reports logins: then an absent field means "never".
        let reports_logins = self.users.iter().any(|row| row.record.get(LAST_LOGIN).is_some());
        for row in std::mem::take(&mut self.users) {
            let groups = groups_of.remove(&row.id).unwrap_or_default();
            let provider = row.record.id("security_provider_id").and_then(|id| self.providers.get(&id));
            let by_default =
                provider.and_then(|provider| Some((provider.default_policy.clone()?, provider.name.clone())));
            let resolved = self.resolved.remove(&row.id);
            let mut user = self.user(row, groups, reports_logins, decoding);
            if let Some((policy, name)) = by_default.filter(|(policy, _)| policies.contains(policy)) {
                let name = name.unwrap_or_else(|| "security provider".into());
                reading.outside.extend(add_to_default_policy(&mut user, &policy, &name, decoding));
            }
            if let Some(found) = resolved {
                for policy in found {
                    reading.outside.extend(add_to_default_policy(&mut user, &policy, BY_DIRECTORY, decoding));
                }
                user.groups_known = self.members_whole;
            }
            reading.users.push(user);
        }
        // The remaining users are members of a policy but not in the list of users.
        for (id, groups) in groups_of {
            let missing = |group_id| Outside { group_id, member: OutsideMember::Missing(UserId::from(id.to_text())) };
            reading.outside.extend(groups.into_iter().map(missing));
        }
        let by_default_known = !self.defaults_unknown && !self.providers_unread;
        let members_read = *reading.coverage(ListKind::Members) != Coverage::NotOffered;
        for row in std::mem::take(&mut self.policies) {
            let known = members_read && by_default_known && !self.unread_policies.contains(&row.id);
            reading.groups.push(group(row, "", "groups", known, decoding));
        }
        let vendors_whole = self.unread_vendors.is_empty() && reading.coverage(ListKind::Vendors).is_complete();
        let people = self.people_of_vendors(&policies, vendors_whole, reading, decoding);
        reading.users.extend(people);
        for row in std::mem::take(&mut self.vendors) {
            let known = !self.unread_vendors.contains(&row.id);
            reading.groups.push(group(row, VENDOR, "vendors", known, decoding));
        }
        let accounts = std::mem::take(&mut self.api_accounts);
        reading.users.extend(accounts.into_iter().map(|row| api_account(row, decoding)));
    }

    /// Returns the policies of each user. Members that are no users are added to the reading as directory members.
    fn memberships(&mut self, reading: &mut SourceReading, decoding: &Decoding) -> AHashMap<Id, Vec<GroupId>> {
        let mut groups_of: AHashMap<Id, Vec<GroupId>> = AHashMap::new();
        for (policy, members) in std::mem::take(&mut self.members) {
            let group_id = GroupId::from(decoding.intern(&policy.to_text()));
            for member in members {
                if let Some(user) = user_of(&member) {
                    groups_of.entry(user).or_default().push(group_id.clone());
                    continue;
                }
                if has_odd_user(&member) {
                    decoding.odd("members", "user_id", &member.id.to_text());
                    continue;
                }
                let name = external_name(Fields::of(member, "members", decoding));
                reading.outside.push(Outside { group_id: group_id.clone(), member: OutsideMember::Directory(name) });
            }
        }
        groups_of
    }

    /// Builds a user of the list of users.
    fn user(&self, row: Listed, groups: Vec<GroupId>, reports_logins: bool, decoding: &Decoding) -> User {
        let may_contain = self.may_be_in_directory_group(&row);
        let provider = row.record.id("security_provider_id");
        let mut row = Fields::of(row, "users", decoding);
        let mut user = User::new(row.id.to_text());
        user.username = row.text("username");
        user.display_name = display_name(&mut row);
        user.email_address = row.text("email_address");
        user.enabled = row.flag("enabled");
        let known = provider.as_ref().and_then(|id| self.providers.get(id));
        user.account_type = known.and_then(|known| known.kind.as_deref()).map(|kind| decoding.intern(kind));
        // A provider that is not listed may give its users a default policy.
        user.groups_known = self.members_whole && !may_contain && (known.is_some() || !self.providers_unread);
        user.group_memberships = sorted(groups);
        user.last_login = row.last_login(LAST_LOGIN);
        if user.last_login == LastLogin::NotReported && user.is_local() && reports_logins {
            user.last_login = LastLogin::Never { sentinel: None };
        }
        user.created_at = row.date("created_at");
        user.locale = row.shared_text("preferred_email_language");
        user.is_admin = row.flag("perm_admin");
        second_factor(&mut user, &row);
        user.has_odd_values = row.has_odd();
        user.extra = row.into_extra();
        user
    }

    /// Returns each vendor user once, even if several vendors have it. The default policy of a vendor applies to all
    /// its users. `whole`: whether the users of every vendor are known.
    fn people_of_vendors(
        &mut self,
        policies: &AHashSet<Id>,
        whole: bool,
        reading: &mut SourceReading,
        decoding: &Decoding,
    ) -> Vec<User> {
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
            let groups = vendors.iter().map(|id| GroupId::from(decoding.intern(&format!("{VENDOR}{}", id.to_text()))));
            let mut user = vendor_user(row, groups.collect(), decoding);
            user.groups_known = whole;
            for vendor in self.vendors.iter().filter(|vendor| vendors.binary_search(&vendor.id).is_ok()) {
                let Some(policy) = vendor.record.id("default_policy").filter(|id| policies.contains(id)) else {
                    continue;
                };
                let name = vendor.record.get("name").and_then(Value::as_str).unwrap_or("vendor");
                reading.outside.extend(add_to_default_policy(&mut user, &policy, name, decoding));
            }
            users.push(user);
        }
        users
    }
}

/// Field of a user with the last login.
const LAST_LOGIN: &str = "last_authentication";
/// Name of the path of memberships that only the user's own list of policies shows.
const BY_DIRECTORY: &str = "directory group";

/// Returns the id of the user that a member of a policy is; `None` for a directory member.
pub(super) fn user_of(member: &Listed) -> Option<Id> {
    member.record.id("user_id")
}

/// Returns whether the row of a user names a security provider.
pub(super) fn names_provider(user: &Listed) -> bool {
    user.record.id("security_provider_id").is_some()
}

/// Returns whether a member of a policy is a user whose id cannot be read.
pub(super) fn has_odd_user(member: &Listed) -> bool {
    let has = |key: &str| {
        let value = member.record.get(key).unwrap_or(&Value::Null);
        !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty())
    };
    user_of(member).is_none() && !has("distinguished_name") && !has("group_name")
}

/// Adds a user to a policy that applies to all users of a provider or vendor. Returns the membership, unless it exists
/// already.
fn add_to_default_policy(user: &mut User, policy: &Id, through: &str, decoding: &Decoding) -> Option<Outside> {
    let group_id = GroupId::from(decoding.intern(&policy.to_text()));
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

/// Returns the name of a directory member.
fn external_name(mut member: Fields<'_>) -> Text {
    let name = member.text("distinguished_name").or_else(|| member.text("group_name"));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("member {}", member.id.to_text()).into())
}

/// Returns the display name. Remote Support has two names; other people see the public one.
fn display_name(row: &mut Fields<'_>) -> Option<Text> {
    if row.get("public_display_name").is_some() {
        return row.text("public_display_name");
    }
    row.text("private_display_name")
}

/// Reads whether the user has a second factor. A passkey counts as one.
fn second_factor(user: &mut User, row: &Fields<'_>) {
    user.rare.set(|rare| &mut rare.passkeys, row.peek_count("fido2_credential_count"));
    let has_passkey = user.rare.passkeys.is_some_and(|count| count > 0);
    user.mfa = if has_passkey { Some(true) } else { row.peek_flag("two_factor_enabled") };
}

fn group(row: Listed, prefix: &str, list: &'static str, members_known: bool, decoding: &Decoding) -> Group {
    let mut row = Fields::of(row, list, decoding);
    let mut group = Group::new(format!("{prefix}{}", row.id.to_text()));
    group.name = row.text("name");
    group.members_known = Some(members_known);
    group.extra = row.into_extra();
    group
}

fn vendor_user(row: Listed, groups: Vec<GroupId>, decoding: &Decoding) -> User {
    let mut row = Fields::of(row, "vendor-users", decoding);
    let mut user = User::new(format!("{VENDOR_USER}{}", row.id.to_text()));
    user.kind = UserKind::Vendor;
    user.account_type = Some(decoding.intern("vendor"));
    user.username = row.text("username");
    user.display_name = row.text("public_display_name");
    user.email_address = row.text("email_address");
    user.enabled = row.flag("enabled");
    user.last_login = row.last_login("last_authenticated_date");
    user.expires_at = row.other_date("account_expiration");
    user.locale = row.shared_text("preferred_email_language");
    user.group_memberships = sorted(groups);
    // An expired account is reported as expired, whether it was approved or not.
    user.blocked = if row.peek_flag("is_expired") == Some(true) {
        Some(Blocked::Expired)
    } else {
        (row.peek_flag("is_approved") == Some(false)).then_some(Blocked::NotApproved)
    };
    second_factor(&mut user, &row);
    user.has_odd_values = row.has_odd();
    user.extra = row.into_extra();
    user
}

fn api_account(row: Listed, decoding: &Decoding) -> User {
    let mut row = Fields::of(row, "api-accounts", decoding);
    let mut user = User::new(format!("{API_ACCOUNT}{}", row.id.to_text()));
    user.kind = UserKind::Service;
    user.account_type = Some("api-account".into());
    user.username = row.text("name");
    user.enabled = row.flag("enabled");
    // API accounts are in no policy: that they have no groups is known.
    user.groups_known = true;
    user.rare.set(|rare| &mut rare.api, Some(Box::new(api_access(&row))));
    user.has_odd_values = row.has_odd();
    user.extra = row.into_extra();
    user
}

/// Reads the rights of an API account that go beyond reading: changing the appliance or its accounts, or exporting its
/// secrets.
fn api_access(row: &Fields<'_>) -> ApiAccess {
    const FLAGS: [&str; 4] = ["perm_configuration_vault_account", "perm_scim", "perm_backup", "perm_vault_backup"];
    let full = row.get("perm_command").and_then(Value::as_str) == Some("full_access");
    let flags = FLAGS.into_iter().filter(|flag| row.peek_flag(flag) == Some(true));
    let wide_rights = full.then_some("perm_command: full_access").into_iter().chain(flags).map(Cow::Borrowed).collect();
    let addresses = row.get("ip_addresses");
    let restricted = match addresses {
        Some(Value::String(text)) => Some(!text.trim().is_empty()),
        Some(Value::Array(items)) => Some(!items.is_empty()),
        _ => None,
    };
    ApiAccess { wide_rights, restricted }
}
