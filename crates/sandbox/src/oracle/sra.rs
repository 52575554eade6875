//! What the Configuration API tells (PRA and RS): users without their memberships, group policies that tell their members,
//! and, in lists of their own, vendors with their people (PRA only) and API accounts.

use super::super::dialect::{Dialect, InterfaceFamily, RecordKind as Of, Scene, is_unread};
use super::super::facets::{ExternalMember, UserDetails, Vendor};
use super::super::members::named_groups;
use super::super::shape::{sra, with_id};
use super::super::surface::Surface;
use super::super::world::{Record, World};
use super::Expect;
use super::cells::{sort_key, text};
use super::dates::{Created, Login};
use super::people::{ApiAccount, FindingSubjectKind, Known, Member, Person, Roster, Who};
use super::written::WrittenRecord;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn roster(world: &World, expect: &Expect) -> Roster {
    let reading = OracleReading {
        world,
        expect,
        scene: Scene { dialects: &expect.dialects, world },
        remote_support: expect.surface == Surface::Rs,
    };
    let mut people: Vec<Person> = world.users().map(|(id, record)| reading.user(id, record)).collect();
    OracleReading::silent_nevers(&mut people);
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
    let unread = reading.unread();
    let partial = !unread.is_empty();
    Roster { people, groups, members, members_whole: true, partial, unread, ..Roster::default() }
}

struct OracleReading<'a> {
    world: &'a World,
    expect: &'a Expect,
    scene: Scene<'a>,
    remote_support: bool,
}

impl<'a> OracleReading<'a> {
    fn user(&self, id: u64, record: &Record) -> Person {
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
        let facts = self.world.facts(id);
        let served = sra::user(id, record, &facts, &self.world.facets().providers, self.remote_support);
        let written = WrittenRecord::of(&self.scene, InterfaceFamily::Sra, Of::User, served);
        let fields = written.understood();
        let (id, username) = (id.to_string(), text(fields, "username"));
        let account_type = self.account_type(&facts);
        let flag = |key: &str| fields.get(key).and_then(Value::as_bool);
        let created = Created::read(fields.get("created_at"));
        Person {
            kind: FindingSubjectKind::of(self.expect, FindingSubjectKind::Person, &id, username.as_deref()),
            username,
            display_name: text(fields, "public_display_name"),
            email: text(fields, "email_address"),
            enabled: flag("enabled"),
            groups: self.policies_of(record),
            groups_known: self.expect.groups_listed
                && !self.world.groups().any(|(group, _)| is_unread(&self.scene, group))
                && !self.externals().any(|external| self.may_hide(external, &facts, account_type.as_deref())),
            account_type,
            login: Login::read(fields.get("last_authentication")).of_account(&created),
            created,
            locale: text(fields, "preferred_email_language"),
            is_admin: flag("perm_admin"),
            mfa: mfa(flag("two_factor_enabled"), facts.passkeys),
            passkeys: facts.passkeys.unwrap_or(0),
            odd: written.is_odd(),
            extra: written.extra(&REPORTED),
            ..Person::new(id)
        }
    }

    /// A local account without a last login has none, where other accounts show that the field is reported.
    fn silent_nevers(people: &mut [Person]) {
        if people.iter().all(|person| person.login == Login::NotReported) {
            return;
        }
        let is_silent = |person: &&mut Person| person.login == Login::NotReported && person.comes_from("local");
        people.iter_mut().filter(is_silent).for_each(|person| person.login = Login::Never(false));
    }

    /// The groups whose members are answered with an error.
    fn unread(&self) -> BTreeSet<String> {
        let policies = self.world.groups().map(|(id, _)| id).filter(|id| self.has_policy(*id));
        let policies = policies.filter(|id| is_unread(&self.scene, *id)).map(|id| id.to_string());
        let vendors = self.world.facets().vendors.iter().filter(|_| self.lacks_vendor_users());
        policies.chain(vendors.map(|vendor| format!("vendor:{}", vendor.id))).collect()
    }

    fn lacks_vendor_users(&self) -> bool {
        !self.remote_support && self.scene.has(Dialect::VendorUsersNotFound)
    }

    /// Whether the members of a policy are read.
    fn reads(&self, policy: u64) -> bool {
        self.has_policy(policy) && !is_unread(&self.scene, policy)
    }

    fn account_type(&self, facts: &UserDetails) -> Option<String> {
        let providers = &self.world.facets().providers;
        providers.iter().find(|provider| Some(provider.id) == facts.provider).map(|provider| provider.kind.clone())
    }

    /// Whether somebody may be in a group by way of this member. A provider that is not listed only looks up groups, for users
    /// of any other.
    fn may_hide(&self, external: &ExternalMember, facts: &UserDetails, account_type: Option<&str>) -> bool {
        let listed = |id: &u64| self.world.facets().providers.iter().any(|provider| provider.id == *id);
        match external.provider.filter(listed) {
            Some(provider) => facts.provider.is_none_or(|theirs| theirs == provider),
            None => account_type != Some("local"),
        }
    }

    /// Those that exist: a policy that is not listed has no member list.
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
        self.world.facets().externals.iter().filter(|external| self.reads(external.group))
    }

    fn strangers(&self) -> impl Iterator<Item = Member> {
        let strangers = self.world.facets().strangers.iter().filter(|(group, _)| self.reads(*group));
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
        let written = WrittenRecord::of(&self.scene, InterfaceFamily::Sra, Of::Group, sra::policy(id, record));
        Known {
            extra: written.extra(&["id", "name"]),
            ..Known::new(self.expect, id.to_string(), text(written.understood(), "name"))
        }
    }

    fn vendor(&self, id: u64, record: &Record) -> Known {
        let written = WrittenRecord::of(&self.scene, InterfaceFamily::Sra, Of::Other, with_id(id, record));
        Known {
            extra: written.extra(&["id", "name"]),
            ..Known::new(self.expect, format!("vendor:{id}"), text(record, "name"))
        }
    }

    /// Everybody once, whatever the number of vendors.
    fn vendor_users(&self) -> Vec<Person> {
        let mut people: BTreeMap<u64, (&Record, Vec<String>)> = BTreeMap::new();
        let vendors = self.world.facets().vendors.iter().filter(|_| !self.lacks_vendor_users());
        for vendor in vendors {
            for (id, record) in &vendor.users {
                people.entry(*id).or_insert((record, Vec::new())).1.push(format!("vendor:{}", vendor.id));
            }
        }
        people.into_iter().map(|(id, (record, groups))| self.vendor_user(id, record, groups)).collect()
    }

    fn vendor_user(&self, id: u64, record: &Record, mut groups: Vec<String>) -> Person {
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
        let written = WrittenRecord::of(&self.scene, InterfaceFamily::Sra, Of::VendorUser, with_id(id, record));
        let (id, username) = (format!("vendor-user:{id}"), text(record, "username"));
        let flag = |key: &str| record.get(key).and_then(Value::as_bool);
        let passkeys = record.get("fido2_credential_count").and_then(Value::as_u64);
        groups.sort_by_cached_key(|group| sort_key(group));
        Person {
            kind: FindingSubjectKind::of(self.expect, FindingSubjectKind::Vendor, &id, username.as_deref()),
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
            extra: written.extra(&REPORTED),
            ..Person::new(id)
        }
    }

    fn api_account(&self, id: u64, record: &Record) -> Person {
        let written = WrittenRecord::of(&self.scene, InterfaceFamily::Sra, Of::Other, with_id(id, record));
        let (id, name) = (format!("api-account:{id}"), text(record, "name"));
        Person {
            kind: FindingSubjectKind::of(self.expect, FindingSubjectKind::Service, &id, name.as_deref()),
            username: name,
            enabled: record.get("enabled").and_then(Value::as_bool),
            account_type: Some("api-account".to_owned()),
            groups_known: true,
            api: Some(rights(record)),
            extra: written.extra(&["id", "name", "enabled"]),
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
    ApiAccount { wide, from_anywhere: addresses.is_some_and(|reported| reported.is_empty()) }
}
