//! Compares every event with the truth, which only the test knows: two products whose lists lose rows, fail or are not
//! read.
//!
//! A run that could not read something must neither report it as removed nor as unchanged.

use super::*;

/// What really exists, whether or not a run can read it.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// Users by id: username, enabled, administrator, e-mail address, account type.
    pub(super) users: BTreeMap<String, [u8; 5]>,
    /// Names of groups by id.
    groups: BTreeMap<String, u8>,
    pairs: BTreeSet<(String, String)>,
    directories: BTreeSet<(String, String)>,
}

/// Generates a world. `by_groups`: the product lists members by group, and has vendors and API accounts.
pub(super) fn world(by_groups: bool) -> impl Strategy<Value = World> {
    let numbered = |prefix: &str, count: usize| (0..count).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>();
    let (users, groups) = if by_groups {
        let users = [numbered("", 4), numbered("vendor-user:", 3), numbered("api-account:", 2)].concat();
        (users, [numbered("", 3), numbered("vendor:", 2)].concat())
    } else {
        (numbered("", 6), numbered("", 4))
    };
    let one_of_3 = || 0..3_u8;
    let fields = [one_of_3(), one_of_3(), one_of_3(), one_of_3(), one_of_3()];
    (
        proptest::collection::vec((0..4_u8, fields), users.len()),
        proptest::collection::vec((0..3_u8, one_of_3()), groups.len()),
        proptest::collection::vec(0..3_u8, users.len() * groups.len()),
        proptest::collection::vec(0..3_u8, groups.len() * 2),
    )
        .prop_map(move |(of_users, of_groups, of_pairs, of_directories)| {
            let existing = users.iter().zip(of_users).filter(|(_, (is, _))| *is > 0);
            let world_users: BTreeMap<String, [u8; 5]> =
                existing.map(|(id, (_, fields))| (id.clone(), fields)).collect();
            let existing = groups.iter().zip(of_groups).filter(|(_, (is, _))| *is > 0);
            let world_groups: BTreeMap<String, u8> = existing.map(|(id, (_, name))| (id.clone(), name)).collect();
            let possible = users.iter().flat_map(|user| groups.iter().map(move |group| (group.clone(), user.clone())));
            let fits = |(group, user): &(String, String)| {
                let by_kind = (!group.starts_with("vendor:") || user.starts_with("vendor-user:"))
                    && !user.starts_with("api-account:");
                by_kind && world_users.contains_key(user) && (!by_groups || world_groups.contains_key(group))
            };
            let pairs = possible.zip(of_pairs).filter(|(pair, is)| *is == 0 && fits(pair)).map(|(pair, _)| pair);
            let directories = groups.iter().flat_map(|group| (0..2).map(move |n| (group.clone(), format!("cn={n}"))));
            let fits = |group: &str| by_groups && !group.starts_with("vendor:") && world_groups.contains_key(group);
            let directories = directories.zip(of_directories).filter(|((group, _), is)| *is == 0 && fits(group));
            World {
                pairs: pairs.collect(),
                directories: directories.map(|(pair, _)| pair).collect(),
                users: world_users,
                groups: world_groups,
            }
        })
}

/// What a run can read of a product: a code for each list (0 and 1 complete, 2 drifted, 3 failed), and the rows that a
/// drifted list loses.
pub(super) struct Visibility<'a> {
    pub(super) codes: &'a [u8],
    pub(super) lost: &'a [bool],
    pub(super) at: usize,
}

pub(super) const ALL_READ: Visibility<'static> = Visibility { codes: &[0; 8], lost: &[false], at: 0 };

impl Visibility<'_> {
    fn coverage(&self, list: usize) -> Coverage {
        match self.codes[list] {
            0 | 1 => proven(),
            2 => Coverage::Drifted { why: String::new() },
            _ => Coverage::Failed { error: String::new() },
        }
    }

    /// Returns whether the next row of this list is lost.
    fn loses(&mut self, list: usize) -> bool {
        self.at += 1;
        match self.codes[list] {
            0 | 1 => false,
            2 => self.lost[self.at % self.lost.len()],
            _ => true,
        }
    }
}

const USERS: usize = 0;
const DETAILS: usize = 1;
const GROUPS: usize = 2;
const MEMBERS: usize = 3;
const PROVIDERS: usize = 4;
const VENDORS: usize = 5;
const VENDOR_USERS: usize = 6;
const API_ACCOUNTS: usize = 7;

fn text(code: u8, texts: [&str; 2]) -> Option<Text> {
    texts.get(usize::from(code).wrapping_sub(1)).map(|text| Text::from(*text))
}

pub(super) fn reading_of(world: &World, by_groups: bool, mut visibility: Visibility<'_>) -> SourceReading {
    let name = if by_groups { "by-groups" } else { "by-records" };
    let (kind, url, client_id) = ("k".to_owned(), String::new(), String::new());
    let mut reading = SourceReading::of(SourceIdentity { name: name.into(), kind, url, client_id });
    let mut lists = vec![(ListKind::Users, USERS), (ListKind::Groups, GROUPS)];
    lists.extend(if by_groups {
        vec![
            (ListKind::Members, MEMBERS),
            (ListKind::Vendors, VENDORS),
            (ListKind::VendorUsers, VENDOR_USERS),
            (ListKind::ApiAccounts, API_ACCOUNTS),
            (ListKind::SecurityProviders, PROVIDERS),
        ]
    } else {
        vec![(ListKind::UserDetails, DETAILS)]
    });
    reading.lists = lists.into_iter().map(|(kind, at)| list(kind, visibility.coverage(at))).collect();
    for (id, name) in &world.groups {
        let list = if id.starts_with("vendor:") { VENDORS } else { GROUPS };
        if !visibility.loses(list) {
            let name = ["Admins", "b", "c"][usize::from(*name)];
            reading.groups.push(Group { name: Some(name.into()), ..Group::new(id.as_str()) });
        }
    }
    for (id, fields) in &world.users {
        user_of(world, by_groups, &mut visibility, (id, *fields), &mut reading);
    }
    for (group, name) in &world.directories {
        if !visibility.loses(GROUPS) && !visibility.loses(MEMBERS) {
            let member = OutsideMember::Directory(name.as_str().into());
            reading.outside.push(Outside { group_id: group.as_str().into(), member });
        }
    }
    reading
}

fn user_of(
    world: &World,
    by_groups: bool,
    visibility: &mut Visibility<'_>,
    (id, [name, enabled, admin, address, kind]): (&String, [u8; 5]),
    reading: &mut SourceReading,
) {
    let is_listed = |reading: &SourceReading, id: &str| reading.groups.iter().any(|group| group.id.as_str() == id);
    let of_vendors: Vec<&str> = world
        .pairs
        .iter()
        .filter(|(group, user)| user == id && group.starts_with("vendor:"))
        .map(|(group, _)| group.as_str())
        .collect();
    // Vendor users are listed below their vendors.
    let is_lost = if id.starts_with("vendor-user:") {
        visibility.loses(VENDOR_USERS)
            || visibility.codes[VENDORS] == 3
            || !of_vendors.iter().all(|id| is_listed(reading, id))
    } else {
        visibility.loses(if id.starts_with("api-account:") { API_ACCOUNTS } else { USERS })
    };
    let mut user = User::new(id.clone());
    (user.username, user.enabled, user.is_admin) = (text(name, ["a", "b"]), Some(enabled == 1), Some(admin == 1));
    if by_groups || !visibility.loses(DETAILS) {
        user.email_address = text(address, ["x", "y"]);
    }
    if !by_groups || !visibility.loses(PROVIDERS) {
        user.account_type = Some(["l", "m", "n"][usize::from(kind)].into());
    }
    user.groups_known = by_groups || !visibility.loses(MEMBERS);
    let mut groups = Vec::new();
    for (group, _) in world.pairs.iter().filter(|(_, member)| member == id) {
        let is_hidden = if group.starts_with("vendor:") {
            is_lost || !is_listed(reading, group)
        } else if by_groups {
            // The default policy of a provider adds accounts too, through their own records.
            let by_default = group == "0";
            let is_hidden = if by_default { is_lost || visibility.loses(PROVIDERS) } else { visibility.loses(MEMBERS) };
            is_hidden || visibility.loses(GROUPS)
        } else {
            !user.groups_known
        };
        if is_hidden {
            continue;
        }
        if !is_lost {
            groups.push(GroupId::from(group.as_str()));
        } else if by_groups {
            let member = OutsideMember::Missing(UserId::from(id.clone()));
            reading.outside.push(Outside { group_id: group.as_str().into(), member });
        }
    }
    user.group_memberships = groups.into_boxed_slice();
    if !is_lost {
        reading.users.push(user);
    }
}

pub(super) fn joined(readings: Vec<SourceReading>) -> Inventory {
    let privileged_groups = vec![Pattern::parse("Admins").unwrap()];
    Inventory::join(readings, &Classes { privileged_groups, ..Classes::default() })
}

fn all_of([a, b]: &[World; 2]) -> Inventory {
    joined(vec![reading_of(a, false, ALL_READ), reading_of(b, true, ALL_READ)])
}

pub(super) fn is_true(change: &Change, truth: &Replayed) -> bool {
    let subject = key(change, &change.subject.id);
    match change.kind {
        ChangeKind::UserAdded => truth.users.contains_key(&subject),
        ChangeKind::UserRemoved => !truth.users.contains_key(&subject),
        ChangeKind::GroupAdded => truth.groups.contains_key(&subject),
        ChangeKind::GroupRemoved => !truth.groups.contains_key(&subject),
        ChangeKind::GroupRenamed => {
            truth.groups.get(&subject).is_some_and(|name| name.as_deref() == change.after.as_deref())
        }
        ChangeKind::MembershipAdded => truth.pairs.contains(&pair(change)),
        ChangeKind::MembershipRemoved => !truth.pairs.contains(&pair(change)),
        ChangeKind::UserUnconfirmed => true,
        ChangeKind::UserRenamed | ChangeKind::UserChanged | ChangeKind::UserDisabled | ChangeKind::UserEnabled => {
            let field = change.field.as_deref().unwrap();
            let user = truth.users.get(&subject);
            user.is_some_and(|user| user.get(field).map(String::as_str) == change.after.as_deref())
        }
    }
}

/// A receiver of the events of every run, and the state that the next run starts from.
struct Receiver {
    kept: SettledRun,
    known: Replayed,
    ids: BTreeSet<Fingerprint>,
}

impl Receiver {
    fn receive(&mut self, number: i64, seen: Inventory, truth: &Replayed) -> Result<(), TestCaseError> {
        let run_id = format!("run-{number}");
        let mut advanced = self.kept.read(seen, &run_id, day(number));
        for change in &advanced.changes {
            prop_assert!(is_true(change, truth), "{}: not true: {:?}", run_id, change);
            prop_assert!(self.ids.insert(change.event_id), "emitted twice: {:?}", change);
            apply(&mut self.known, change);
        }
        prop_assert!(advanced.changes.is_sorted_by(|a, b| event::order(a, b) != std::cmp::Ordering::Greater));
        advanced.settle();
        learn(&mut self.known, &replayed(&advanced.inventory));
        prop_assert_eq!(&self.known, &replayed(&advanced.inventory), "{}: the events rebuild the state", run_id);
        self.kept = SettledRun::of(advanced.inventory, &run_id, day(number));
        Ok(())
    }
}

/// Returns the reading of a source that the run skipped.
fn skipped(source: SourceIdentity) -> SourceReading {
    SourceReading::of(source)
}

proptest! {
    #[test]
    fn no_event_is_untrue_or_emitted_twice_and_the_events_rebuild_the_state(
        worlds in proptest::collection::vec((world(false), world(true)), 3),
        steps in proptest::collection::vec(
            (0..3_usize, proptest::collection::vec(0..4_u8, 16), proptest::collection::vec(any::<bool>(), 7), 0..5_u8), 0..9),
    ) {
        let worlds: Vec<[World; 2]> = worlds.into_iter().map(|(a, b)| [a, b]).collect();
        let first = all_of(&worlds[0]);
        let kept = SettledRun::first(first.clone(), "base", day(0));
        let mut receiver = Receiver { kept, known: replayed(&first), ids: BTreeSet::new() };
        for (number, (now, codes, lost, how)) in (1..).zip(&steps) {
            let world = &worlds[*now];
            let visibility = |codes| Visibility { codes, lost, at: 0 };
            let by_records = reading_of(&world[0], false, visibility(&codes[..8]));
            let by_groups = reading_of(&world[1], true, visibility(&codes[8..]));
            let readings = match how {
                0 => vec![skipped(by_records.source), by_groups],
                1 => vec![by_records, skipped(by_groups.source)],
                2 => vec![reading_of(&world[0], false, ALL_READ), reading_of(&world[1], true, ALL_READ)],
                _ => vec![by_records, by_groups],
            };
            receiver.receive(number, joined(readings), &replayed(&all_of(world)))?;
        }
        let last = all_of(&worlds[0]);
        receiver.receive(99, last.clone(), &replayed(&last))?;
        prop_assert_eq!(&receiver.known, &replayed(&last));
    }
}
