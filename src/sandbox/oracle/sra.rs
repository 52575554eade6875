//! What the Configuration API tells (PRA and RS): users without their memberships, group policies that tell their members,
//! and, in lists of their own, vendors with their people (PRA only) and API accounts.

use super::super::facets::{ExternalMember, Facts, Vendor};
use super::super::members::named_groups;
use super::super::shape::{sra, with_id};
use super::super::surface::Surface;
use super::super::world::{Record, World};
use super::Expect;
use super::cells::{extra, sort_key, text};
use super::dates::{Created, Login};
use super::people::{ApiAccount, Kind, Known, Member, Person, Roster, Who};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn roster(world: &World, expect: &Expect) -> Roster {
    let reading = Reading { world, expect, remote_support: expect.surface == Surface::Rs };
    let mut people: Vec<Person> = world.users().map(|(id, record)| reading.user(id, record)).collect();
    people.extend(world.facets().api_accounts.iter().map(|(id, record)| reading.api_account(*id, record)));
    let mut groups: Vec<Known> = Vec::new();
    if expect.groups_listed {
        groups.extend(world.groups().map(|(id, record)| reading.policy(id, record)));
    }
    if !reading.remote_support {
        groups.extend(world.facets().vendors.iter().map(|vendor| reading.vendor(vendor.id, &vendor.record)));
        people.extend(reading.vendor_users());
    }
    people.sort_by_cached_key(|person| sort_key(&person.id));
    groups.sort_by_cached_key(|group| sort_key(&group.id));
    let by_default = reading.by_default(&people);
    let mut members: Vec<Member> = people.iter().flat_map(Person::memberships).collect();
    for (place, group, through) in by_default {
        let person = &mut people[place];
        members.push(Member { group: group.clone(), who: Who::Nested(person.id.clone(), through) });
        person.groups.push(group);
        person.groups.sort_by_cached_key(|group| sort_key(group));
    }
    members.extend(reading.strangers());
    members.extend(reading.externals().map(directory));
    Roster { people, groups, members, members_whole: true }
}

struct Reading<'a> {
    world: &'a World,
    expect: &'a Expect,
    remote_support: bool,
}

impl<'a> Reading<'a> {
    fn user(&self, id: u64, record: &Record) -> Person {
        const TOLD: [&str; 9] = [
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
        let facts = self.world.facts(id);
        let served = sra::user(id, record, &facts, &self.world.facets().providers, self.remote_support);
        let (id, username) = (id.to_string(), text(record, "username"));
        let account_type = self.account_type(&facts);
        Person {
            kind: Kind::of(self.expect, Kind::Person, &id, username.as_deref()),
            username,
            display_name: text(record, "display_name"),
            email: text(record, "email_address"),
            enabled: record.get("enabled").and_then(Value::as_bool),
            groups: self.policies_of(record),
            groups_known: self.expect.groups_listed
                && !self.externals().any(|external| self.may_hide(external, &facts, account_type.as_deref())),
            account_type,
            login: Login::read(record.get("last_login")),
            created: Created::read(record.get("created_at")),
            locale: text(record, "locale"),
            is_admin: facts.admin,
            mfa: mfa(facts.two_factor, facts.passkeys),
            passkeys: facts.passkeys.unwrap_or(0),
            extra: extra(&served, &TOLD),
            ..Person::new(id)
        }
    }

    fn account_type(&self, facts: &Facts) -> Option<String> {
        let providers = &self.world.facets().providers;
        providers.iter().find(|provider| Some(provider.id) == facts.provider).map(|provider| provider.kind.clone())
    }

    /// Whether somebody may be in a group by way of this member. A provider that is not listed only looks up groups, for users
    /// of any other.
    fn may_hide(&self, external: &ExternalMember, facts: &Facts, account_type: Option<&str>) -> bool {
        let listed = |id: &u64| self.world.facets().providers.iter().any(|provider| provider.id == *id);
        match external.provider.filter(listed) {
            Some(provider) => facts.provider.is_none_or(|theirs| theirs == provider),
            None => account_type != Some("local"),
        }
    }

    /// Those that exist: a policy that is not listed has no member list.
    fn policies_of(&self, record: &Record) -> Vec<String> {
        let mut ids: Vec<u64> = named_groups(record).filter(|id| self.has_policy(*id)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().map(u64::to_string).collect()
    }

    fn has_policy(&self, id: u64) -> bool {
        self.expect.groups_listed && self.world.group(id).is_some()
    }

    fn externals(&self) -> impl Iterator<Item = &'a ExternalMember> {
        self.world.facets().externals.iter().filter(|external| self.has_policy(external.group))
    }

    fn strangers(&self) -> impl Iterator<Item = Member> {
        let strangers = self.world.facets().strangers.iter().filter(|(group, _)| self.has_policy(*group));
        strangers.map(|(group, user)| Member { group: group.to_string(), who: Who::Missing(user.to_string()) })
    }

    /// (place, policy, by way of what) of everybody who has a policy by default and is not in it anyway: by the provider
    /// that they sign in by, or by a vendor, in the order of vendors.
    fn by_default(&self, people: &[Person]) -> Vec<(usize, String, String)> {
        let mut found: Vec<(usize, String, String)> = Vec::new();
        let facets = self.world.facets();
        for (place, person) in people.iter().enumerate() {
            let provider = person.id.parse().ok().and_then(|id: u64| self.world.facts(id).provider);
            let providers = facets.providers.iter().filter(|known| Some(known.id) == provider);
            let by_provider = providers.filter_map(|known| Some((known.default_policy?, known.name.clone())));
            let is_theirs = |vendor: &&Vendor| person.groups.contains(&format!("vendor:{}", vendor.id));
            let by_vendor = facets.vendors.iter().filter(is_theirs).filter_map(|vendor| {
                let policy = vendor.record.get("default_policy")?.as_u64()?;
                Some((policy, text(&vendor.record, "name").unwrap_or_else(|| "vendor".to_owned())))
            });
            for (policy, through) in by_provider.chain(by_vendor).filter(|(policy, _)| self.has_policy(*policy)) {
                let policy = policy.to_string();
                let has = person.groups.contains(&policy) || found.iter().any(|(p, g, _)| *p == place && *g == policy);
                if !has {
                    found.push((place, policy, through));
                }
            }
        }
        found
    }

    fn policy(&self, id: u64, record: &Record) -> Known {
        Known {
            extra: extra(record, &["id", "name", "description"]),
            ..Known::new(self.expect, id.to_string(), text(record, "name"))
        }
    }

    fn vendor(&self, id: u64, record: &Record) -> Known {
        Known {
            extra: extra(record, &["id", "name"]),
            ..Known::new(self.expect, format!("vendor:{id}"), text(record, "name"))
        }
    }

    /// Everybody once, whatever the number of vendors.
    fn vendor_users(&self) -> Vec<Person> {
        let mut people: BTreeMap<u64, (&Record, Vec<String>)> = BTreeMap::new();
        for vendor in &self.world.facets().vendors {
            for (id, record) in &vendor.users {
                people.entry(*id).or_insert((record, Vec::new())).1.push(format!("vendor:{}", vendor.id));
            }
        }
        people.into_iter().map(|(id, (record, groups))| self.vendor_user(id, record, groups)).collect()
    }

    fn vendor_user(&self, id: u64, record: &Record, mut groups: Vec<String>) -> Person {
        const TOLD: [&str; 8] = [
            "id",
            "username",
            "public_display_name",
            "email_address",
            "enabled",
            "last_authenticated_date",
            "account_expiration",
            "preferred_email_language",
        ];
        let (id, username) = (format!("vendor-user:{id}"), text(record, "username"));
        let flag = |key: &str| record.get(key).and_then(Value::as_bool);
        let passkeys = record.get("fido2_credential_count").and_then(Value::as_u64);
        groups.sort_by_cached_key(|group| sort_key(group));
        Person {
            kind: Kind::of(self.expect, Kind::Vendor, &id, username.as_deref()),
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
            barred: flag("is_expired") == Some(true) || flag("is_approved") == Some(false),
            extra: extra(record, &TOLD),
            ..Person::new(id)
        }
    }

    fn api_account(&self, id: u64, record: &Record) -> Person {
        let served = with_id(id, record);
        let (id, name) = (format!("api-account:{id}"), text(record, "name"));
        Person {
            kind: Kind::of(self.expect, Kind::Service, &id, name.as_deref()),
            username: name,
            enabled: record.get("enabled").and_then(Value::as_bool),
            account_type: Some("api-account".to_owned()),
            groups_known: true,
            api: Some(rights(record)),
            extra: extra(&served, &["id", "name", "enabled"]),
            ..Person::new(id)
        }
    }
}

fn directory(external: &ExternalMember) -> Member {
    let name = external.distinguished_name.clone().or_else(|| external.group_name.clone()).unwrap_or_default();
    Member { group: external.group.to_string(), who: Who::Directory(name) }
}

/// A passkey is a second factor, whatever else is told.
fn mfa(two_factor: Option<bool>, passkeys: Option<u64>) -> Option<bool> {
    if passkeys.is_some_and(|count| count > 0) { Some(true) } else { two_factor }
}

fn rights(record: &Record) -> ApiAccount {
    const WIDE: [&str; 4] = ["perm_configuration_vault_account", "perm_scim", "perm_backup", "perm_vault_backup"];
    let wide = text(record, "perm_command").as_deref() == Some("full_access")
        || WIDE.iter().any(|right| record.get(*right) == Some(&Value::Bool(true)));
    let addresses = text(record, "ip_addresses");
    ApiAccount { wide, from_anywhere: addresses.is_some_and(|told| told.is_empty()) }
}
