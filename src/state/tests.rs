//! Random pairs of readings. Unchanged rows emit nothing, the events applied to the old state give the new one, and
//! nothing is removed without proof.

mod fleet;
mod kept;
mod standing;
mod truth;

use super::test_support::SettledRun;
use super::*;
use crate::model::{
    Classes, Coverage, Fingerprint, LastLogin, ListKind, ListReport, Outside, Pattern, ReportedDate, SourceInventory,
    SourceReading, Text, UserId, UserKind,
};
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A state that is rebuilt from events.
#[derive(Clone, Debug, Default, PartialEq)]
struct Replayed {
    users: BTreeMap<String, BTreeMap<String, String>>,
    groups: BTreeMap<String, Option<String>>,
    pairs: BTreeSet<(String, String)>,
}

fn object(json: &str) -> BTreeMap<String, String> {
    let Ok(Value::Object(fields)) = serde_json::from_str(json) else { panic!("{json} is no object") };
    let text = |value: Value| match value {
        Value::Bool(flag) => flag.to_string(),
        value => value.as_str().unwrap().to_owned(),
    };
    fields.into_iter().map(|(key, value)| (key, text(value))).collect()
}

/// Returns the fields of a user, written independently of the module `fields`.
fn fields_of(user: &User) -> BTreeMap<String, String> {
    let text = |text: &Option<Text>| text.as_deref().map(str::to_owned);
    let flag = |flag: Option<bool>| flag.map(|flag| if flag { "true" } else { "false" }.to_owned());
    [
        ("username", text(&user.username)),
        ("display_name", text(&user.display_name)),
        ("email_address", text(&user.email_address)),
        ("enabled", flag(user.enabled)),
        ("is_admin", flag(user.is_admin)),
        ("mfa", flag(user.mfa)),
        ("kind", Some(user.kind.as_str().to_owned())),
        ("account_type", user.account_type.as_deref().map(str::to_owned)),
        ("expires_at", user.expires_at.at().map(|at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())),
        ("public_key", user.public_key.as_deref().map(fields::key_fingerprint)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

fn replayed(inventory: &Inventory) -> Replayed {
    let mut state = Replayed::default();
    for source_inventory in &inventory.sources {
        let key = |id: &str| format!("{}/{id}", source_inventory.reading.source.name);
        state.users.extend(source_inventory.reading.users.iter().map(|user| (key(user.id.as_str()), fields_of(user))));
        state.groups.extend(
            source_inventory
                .reading
                .groups
                .iter()
                .map(|group| (key(group.id.as_str()), group.name.as_deref().map(str::to_owned))),
        );
        for user in &source_inventory.reading.users {
            state.pairs.extend(user.group_memberships.iter().map(|id| (key(id.as_str()), user.id.to_string())));
        }
        for outside in &source_inventory.reading.outside {
            let member = match &outside.member {
                OutsideMember::Missing(id) => id.to_string(),
                OutsideMember::Directory(name) => format!("directory {name}"),
                OutsideMember::Nested { .. } => continue,
            };
            state.pairs.insert((key(outside.group_id.as_str()), member));
        }
    }
    state
}

/// Returns the key of an id in [`Replayed`].
fn key(change: &Change, id: &str) -> String {
    format!("{}/{id}", change.source)
}

/// Returns the group and the member of a membership change.
fn pair(change: &Change) -> (String, String) {
    let value = change.after.as_deref().or(change.before.as_deref()).unwrap();
    match change.field.as_deref() {
        Some("group_memberships") => (key(change, value), change.subject.id.to_string()),
        Some("directory_members") => (key(change, &change.subject.id), format!("directory {value}")),
        other => panic!("{other:?}"),
    }
}

fn apply(state: &mut Replayed, change: &Change) {
    let subject = key(change, &change.subject.id);
    match change.kind {
        ChangeKind::UserAdded => {
            assert!(state.users.insert(subject, object(change.after.as_deref().unwrap())).is_none());
        }
        ChangeKind::UserRemoved => {
            assert_eq!(state.users.remove(&subject), Some(object(change.before.as_deref().unwrap())));
        }
        ChangeKind::GroupAdded => {
            let name = object(change.after.as_deref().unwrap()).remove("name");
            assert!(state.groups.insert(subject, name).is_none());
        }
        ChangeKind::GroupRemoved => assert!(state.groups.remove(&subject).is_some()),
        ChangeKind::GroupRenamed => {
            let after = change.after.as_deref().map(str::to_owned);
            assert_eq!(state.groups.insert(subject, after), Some(change.before.as_deref().map(str::to_owned)));
        }
        ChangeKind::MembershipAdded => assert!(state.pairs.insert(pair(change))),
        ChangeKind::MembershipRemoved => assert!(state.pairs.remove(&pair(change))),
        ChangeKind::UserRenamed | ChangeKind::UserChanged | ChangeKind::UserDisabled | ChangeKind::UserEnabled => {
            let fields = state.users.get_mut(&subject).unwrap();
            let field = change.field.as_deref().unwrap().to_owned();
            assert_eq!(fields.remove(&field).as_deref(), change.before.as_deref(), "{field}");
            fields.extend(change.after.as_deref().map(|after| (field, after.to_owned())));
        }
        ChangeKind::UserUnconfirmed => {}
    }
}

/// Copies states that become known for the first time. They did not change, so nothing is emitted.
fn learn(known: &mut Replayed, state: &Replayed) {
    for (id, fields) in &mut known.users {
        for field in ["account_type", "enabled", "is_admin", "mfa"] {
            let now = state.users.get(id).and_then(|now| now.get(field));
            if let (false, Some(now)) = (fields.contains_key(field), now) {
                fields.insert(field.to_owned(), now.clone());
            }
        }
    }
}

fn apply_all(state: &mut Replayed, changes: &[Change]) {
    for change in changes {
        apply(state, change);
    }
}

fn users() -> impl Strategy<Value = Vec<User>> {
    let text = || proptest::option::of(prop::sample::select(vec!["", "a", "b", "ssh-ed25519 AAAA x", "=1"]));
    let flag = || proptest::option::of(any::<bool>());
    let one = (0..12_u8, (text(), text(), text(), text()), (flag(), flag(), flag()), 0..64_u8, any::<bool>());
    let one = one.prop_map(|(id, (name, display, email, key), (enabled, admin, mfa), bits, dated)| {
        let mut user = User::new(id.to_string());
        let owned = |text: Option<&str>| text.map(Text::from);
        (user.username, user.display_name) = (owned(name), owned(display));
        (user.email_address, user.public_key) = (owned(email), owned(key));
        (user.enabled, user.is_admin, user.mfa) = (enabled, admin, mfa);
        user.kind = [UserKind::Person, UserKind::Service][usize::from(bits & 1)];
        user.account_type = [None, Some("LDAP".into()), Some("local".into()), None][usize::from(bits % 4)].clone();
        user.expires_at =
            [ReportedDate::NotReported, ReportedDate::At("2027-01-01T00:00:00Z".parse::<Instant>().unwrap())]
                [usize::from(dated)]
            .clone();
        user.group_memberships =
            (0..5).filter(|at| bits >> at & 1 == 1).map(|at| at.to_string().as_str().into()).collect();
        user.groups_known = dated || bits > 6;
        user.last_login = LastLogin::NotReported;
        user
    });
    proptest::collection::vec(one, 0..9).prop_map(|mut users| {
        users.sort_by(|a, b| a.id.cmp(&b.id));
        users.dedup_by(|a, b| a.id == b.id);
        users
    })
}

fn groups() -> impl Strategy<Value = Vec<Group>> {
    let one = (0..5_u8, proptest::option::of(prop::sample::select(vec!["Admins", "b", ""])));
    let one = one.prop_map(|(id, name)| {
        let mut group = Group::new(id.to_string().as_str());
        group.name = name.map(Text::from);
        group
    });
    proptest::collection::vec(one, 0..5).prop_map(|mut groups| {
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        groups.dedup_by(|a, b| a.id == b.id);
        groups
    })
}

fn list(kind: ListKind, coverage: Coverage) -> ListReport {
    ListReport::of_rows(kind, 0, coverage)
}

fn proven() -> Coverage {
    Coverage::Complete { proof: String::new() }
}

fn coverage() -> impl Strategy<Value = Coverage> {
    let broken = [Coverage::Drifted { why: String::new() }, Coverage::Failed { error: String::new() }];
    prop_oneof![3 => Just(proven()), 2 => prop::sample::select(broken.to_vec()), 1 => Just(Coverage::NotOffered)]
}

/// One source. Memberships outside the users' records occur only if the source lists members by group.
fn reading(name: &'static str, by_group: bool, is_complete: bool) -> impl Strategy<Value = SourceReading> {
    let outside = proptest::collection::btree_set((0..5_u8, 20..23_u8), 0..4);
    let lists = (coverage(), coverage(), coverage());
    (users(), groups(), outside, lists).prop_map(move |(mut users, mut groups, outside, lists)| {
        let lists = if is_complete { (proven(), proven(), proven()) } else { lists };
        if is_complete {
            for user in &mut users {
                user.groups_known = true;
                // A value that is unknown on either side emits nothing, so that the events could not rebuild the state.
                user.enabled.get_or_insert(true);
                user.is_admin.get_or_insert(false);
                user.mfa.get_or_insert(false);
                user.account_type.get_or_insert("local".into());
            }
            for group in &mut groups {
                group.name.get_or_insert("b".into());
            }
        }
        let identity =
            SourceIdentity { name: name.into(), kind: "k".into(), url: String::new(), client_id: String::new() };
        let mut reading = SourceReading { users, groups, ..SourceReading::of(identity) };
        reading.lists = vec![list(ListKind::Users, lists.0), list(ListKind::Groups, lists.1)];
        if by_group {
            reading.lists.push(list(ListKind::Members, lists.2));
            reading.outside = outside
                .into_iter()
                .map(|(group, id)| Outside {
                    group_id: group.to_string().as_str().into(),
                    member: if id == 22 {
                        OutsideMember::Directory("cn=x".into())
                    } else {
                        OutsideMember::Missing(id.to_string().into())
                    },
                })
                .collect();
        }
        reading
    })
}

fn inventory(is_complete: bool) -> impl Strategy<Value = Inventory> {
    let classes = Classes { privileged_groups: vec![Pattern::parse("Admins").unwrap()], ..Classes::default() };
    (reading("by-record", false, is_complete), reading("by-group", true, is_complete))
        .prop_map(move |(a, b)| Inventory::join(vec![a, b], &classes))
}

fn day(number: i64) -> Instant {
    "2026-11-01T02:00:00Z".parse::<Instant>().unwrap() + TimeDelta::days(number)
}

/// Returns the changes that a second reading makes in the state after a first one.
fn diff(old: &Inventory, new: &Inventory) -> Vec<Change> {
    SettledRun::first(old.clone(), "old", day(0)).read(new.clone(), "new", day(1)).changes
}

fn is_complete(inventory: &Inventory, source: &SourceName, kinds: &[ListKind]) -> bool {
    let source_inventory =
        inventory.sources.iter().find(|source_inventory| source_inventory.reading.source.name == *source).unwrap();
    kinds.iter().all(|kind| source_inventory.reading.coverage(*kind).is_complete())
}

proptest! {
    #[test]
    fn a_repeated_reading_changes_nothing(a in inventory(true)) {
        prop_assert_eq!(diff(&a, &a), vec![]);
    }

    #[test]
    fn the_changes_applied_to_the_old_state_give_the_new_one(a in inventory(true), b in inventory(true)) {
        let mut rebuilt = replayed(&a);
        apply_all(&mut rebuilt, &diff(&a, &b));
        prop_assert_eq!(rebuilt, replayed(&b));
    }

    #[test]
    fn nothing_is_removed_without_proof_and_events_give_the_new_state(a in inventory(true), b in inventory(false)) {
        let mut advanced = SettledRun::first(a.clone(), "old", day(0)).read(b.clone(), "new", day(1));
        let mut rebuilt = replayed(&a);
        apply_all(&mut rebuilt, &advanced.changes);
        for change in &advanced.changes {
            let proven = |kinds: &[ListKind]| is_complete(&b, &change.source, kinds);
            match change.kind {
                ChangeKind::UserRemoved => prop_assert!(proven(&[ListKind::Users])),
                ChangeKind::GroupRemoved => prop_assert!(proven(&[ListKind::Groups])),
                ChangeKind::UserUnconfirmed => prop_assert!(!proven(&[ListKind::Users])),
                _ => {}
            }
        }
        advanced.settle();
        let state = replayed(&advanced.inventory);
        prop_assert_eq!(rebuilt.groups.keys().collect::<Vec<_>>(), state.groups.keys().collect::<Vec<_>>());
        prop_assert_eq!(rebuilt.users.keys().collect::<Vec<_>>(), state.users.keys().collect::<Vec<_>>());
        prop_assert_eq!(rebuilt.pairs, state.pairs);
    }

    #[test]
    fn changes_have_a_fixed_order_and_distinct_ids(a in inventory(true), b in inventory(true)) {
        let changes = diff(&a, &b);
        prop_assert!(changes.is_sorted_by_key(|change| change.kind));
        let ids: BTreeSet<Fingerprint> = changes.iter().map(|change| change.event_id).collect();
        prop_assert_eq!(ids.len(), changes.len());
        // Neither the order of the sources nor that of their rows matters.
        let reversed = |inventory: &Inventory| {
            let sources = inventory.sources.iter().rev().map(|source_inventory| {
                let mut reading = source_inventory.reading.clone();
                reading.users.reverse();
                reading.groups.reverse();
                reading.outside.reverse();
                SourceInventory::restore(reading, true)
            });
            Inventory::of(sources.collect())
        };
        prop_assert_eq!(diff(&reversed(&a), &reversed(&b)), changes);
    }

    #[test]
    fn two_compared_states_differ_by_the_changes_that_were_emitted(a in inventory(true), b in inventory(false)) {
        let before = SettledRun::first(a, "old", day(0));
        let mut advanced = before.read(b, "new", day(1));
        advanced.settle();
        let after = SettledRun::of(advanced.inventory, "new", day(1));
        let mut compared = before.compare(&after);
        // As the command `diff` does. The accounts of the changes have the same standing too.
        compared.settle();
        prop_assert_eq!(compared.changes, advanced.changes);
    }
}

fn source(users: Vec<User>, groups: Vec<Group>) -> SourceReading {
    let identity = SourceIdentity { name: "eu".into(), kind: "k".into(), url: String::new(), client_id: String::new() };
    let lists = vec![list(ListKind::Users, proven()), list(ListKind::Groups, proven())];
    SourceReading { users, groups, lists, ..SourceReading::of(identity) }
}

fn one(reading: SourceReading) -> Inventory {
    let privileged_groups = vec![Pattern::parse("Admins").unwrap()];
    Inventory::join(vec![reading], &Classes { privileged_groups, ..Classes::default() })
}

fn emitted(old: SourceReading, new: SourceReading) -> Vec<(&'static str, &'static str)> {
    diff(&one(old), &one(new)).iter().map(|change| (change.kind.as_str(), change.severity().as_str())).collect()
}

#[test]
fn a_renamed_account_is_one_event_without_a_removal_or_an_addition() {
    let named = |name: &str| User { username: Some(name.into()), ..User::new("1") };
    assert_eq!(emitted(source(vec![named("a")], vec![]), source(vec![named("b")], vec![])), [("user.renamed", "info")]);
}

#[test]
fn a_change_that_grants_access_is_more_severe_than_one_that_revokes_it() {
    let group = |id: &str, name: &str| Group { name: Some(name.into()), ..Group::new(id) };
    let groups = || vec![group("1", "Admins"), group("2", "others")];
    let user = |enabled: bool, groups: &[&str]| User {
        enabled: Some(enabled),
        group_memberships: groups.iter().map(|id| (*id).into()).collect(),
        groups_known: true,
        ..User::new("1")
    };
    let emitted = |old: &[User], new: &[User]| emitted(source(old.to_vec(), groups()), source(new.to_vec(), groups()));
    assert_eq!(
        emitted(&[], &[user(true, &["1"])]),
        [("user.added", "low"), ("membership.added", "high")],
        "a new account in a privileged group is emitted with its membership"
    );
    assert_eq!(emitted(&[user(true, &[])], &[user(true, &["2"])]), [("membership.added", "low")]);
    assert_eq!(emitted(&[user(true, &["1"])], &[user(true, &[])]), [("membership.removed", "info")]);
    assert_eq!(emitted(&[user(true, &[])], &[user(false, &[])]), [("user.disabled", "info")]);
    assert_eq!(emitted(&[user(false, &[])], &[user(true, &[])]), [("user.enabled", "low")]);
    assert_eq!(emitted(&[user(true, &["1"])], &[]), [("membership.removed", "info"), ("user.removed", "low")]);
}

#[test]
fn a_list_of_api_accounts_that_is_no_longer_offered_affects_only_its_own_accounts() {
    let with_api = |coverage: Coverage, ids: &[&str]| {
        let mut reading = source(ids.iter().map(|id| User::new(*id)).collect(), vec![]);
        reading.lists.push(list(ListKind::ApiAccounts, coverage));
        reading
    };
    let old = with_api(proven(), &["1", "2", "api-account:1"]);
    let new = with_api(Coverage::NotOffered, &["1"]);
    assert_eq!(emitted(old, new), [("user.removed", "low")]);
}

#[test]
fn a_group_with_an_unreadable_name_is_not_reported_as_renamed() {
    let named = |name: Option<&str>| {
        let mut reading = source(vec![], vec![]);
        reading.groups.push(Group { name: name.map(Text::from), ..Group::new("1") });
        reading
    };
    assert_eq!(emitted(named(Some("Admins")), named(None)), []);
    assert_eq!(emitted(named(None), named(Some("Admins"))), []);
    assert_eq!(emitted(named(Some("Admins")), named(Some("b"))), [("group.renamed", "info")]);
}

#[test]
fn a_field_that_is_not_reported_before_or_after_is_no_change() {
    let with_details = |coverage: Coverage, admin: Option<bool>| {
        let mut reading = source(vec![User { is_admin: admin, ..User::new("1") }], vec![]);
        reading.lists.push(list(ListKind::UserDetails, coverage));
        reading
    };
    let failed = || Coverage::Failed { error: String::new() };
    assert_eq!(emitted(with_details(proven(), Some(true)), with_details(failed(), None)), []);
    assert_eq!(
        emitted(with_details(proven(), Some(false)), with_details(failed(), Some(true))),
        [("user.changed", "high")]
    );
    for (before, after) in [(Some(true), None), (None, Some(true)), (None, Some(false))] {
        assert_eq!(emitted(with_details(proven(), before), with_details(proven(), after)), [], "{before:?} {after:?}");
    }
    assert_eq!(
        emitted(with_details(proven(), Some(true)), with_details(proven(), Some(false))),
        [("user.changed", "info")]
    );
}

#[test]
fn a_changed_key_is_emitted_by_its_ssh_keygen_fingerprint_and_a_changed_comment_is_no_change() {
    // Fingerprint of the blob "AAAA" as `ssh-keygen -lf` prints it.
    let keyed = |key: &str| User { public_key: Some(key.into()), ..User::new("1") };
    let changes =
        |old: &str, new: &str| diff(&one(source(vec![keyed(old)], vec![])), &one(source(vec![keyed(new)], vec![])));
    assert_eq!(changes("ssh-ed25519 AAAA a@b", "ssh-ed25519 AAAA c@d"), []);
    let other_key = changes("ssh-ed25519 AAAA a@b", "no key");
    let [change] = &other_key[..] else { panic!("one change") };
    assert_eq!(change.before.as_deref(), Some("SHA256:cJ6AyISHokEeHuTfufIqhhSS0gxHZRUMDHlKvXD4FHw"));
    assert!(change.after.as_deref().unwrap().starts_with("sha256-of-text:"));
}

#[test]
fn vendor_users_whose_list_failed_keep_their_memberships() {
    let vendor_user = User {
        group_memberships: Box::new(["12".into(), "vendor:1".into()]),
        groups_known: true,
        ..User::new("vendor-user:1")
    };
    let with = |coverage: Coverage, vendor_users: &[User]| {
        let mut reading = source(vendor_users.to_vec(), vec![Group::new("12"), Group::new("vendor:1")]);
        reading.lists.push(list(ListKind::Members, proven()));
        reading.lists.push(list(ListKind::Vendors, proven()));
        reading.lists.push(list(ListKind::VendorUsers, coverage));
        reading
    };
    let complete = || with(proven(), std::slice::from_ref(&vendor_user));
    let failed = || with(Coverage::Failed { error: String::new() }, &[]);
    assert_eq!(emitted(complete(), failed()), []);
    assert_eq!(emitted(failed(), complete()), []);
    let gone = emitted(complete(), with(proven(), &[]));
    assert_eq!(gone, [("membership.removed", "info"), ("membership.removed", "info"), ("user.removed", "low")]);
}

#[test]
fn two_directory_members_with_the_same_name_are_emitted_once() {
    let with = |times: usize| {
        let mut reading = source(vec![], vec![Group::new("12")]);
        reading.lists.push(list(ListKind::Members, proven()));
        let member = || OutsideMember::Directory("Admins".into());
        reading.outside = (0..times).map(|_| Outside { group_id: "12".into(), member: member() }).collect();
        reading
    };
    assert_eq!(emitted(with(0), with(2)), [("membership.added", "low")]);
    assert_eq!(emitted(with(2), with(1)), [], "the name is still there");
    assert_eq!(emitted(with(2), with(0)), [("membership.removed", "info")]);
}
