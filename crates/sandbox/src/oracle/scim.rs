//! What SCIM tells: users and groups that both tell memberships, and groups within groups.

use super::super::dialect::{Dialect, InterfaceFamily, RecordKind as Of, Scene, folded};
use super::super::shape::scim as shape;
use super::super::world::{Record, World};
use super::Expect;
use super::cells::{sort_key, text};
use super::dates::{Created, Login, is_odd};
use super::people::{FindingSubjectKind, Known, Member, Person, Roster, Who};
use super::written::WrittenRecord;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Ordered as the tables are.
type SortedId = (u64, String);

pub(super) fn roster(world: &World, expect: &Expect) -> Roster {
    let faults = &expect.scim_faults;
    let scene = Scene { dialects: &expect.dialects, world };
    let written = |kind: Of, resources: Vec<Value>| -> Vec<WrittenRecord> {
        let records = resources.into_iter().filter_map(|resource| resource.as_object().cloned());
        records.map(|record| WrittenRecord::of(&scene, InterfaceFamily::Scim, kind, record)).collect()
    };
    let users = written(Of::User, shape::users(world, faults, "/scim/v2", shape::ALL));
    let listed = expect.groups_listed && !scene.has(Dialect::NoGroups);
    let groups = if listed { shape::groups(world, faults, "/scim/v2", shape::ALL) } else { Vec::new() };
    let groups = written(Of::Group, groups);
    let ties = Ties::read(&users, &groups);
    let people: Vec<Person> = users.iter().map(|user| person(user, expect, &ties)).collect();
    Roster {
        members: people.iter().flat_map(|person| ties.rows(person)).chain(ties.strangers(&people)).collect(),
        people,
        groups: groups.iter().map(|written| group(written, expect)).collect(),
        ..Roster::default()
    }
}

fn person(written: &WrittenRecord, expect: &Expect, ties: &Ties) -> Person {
    const REPORTED: [&str; 10] =
        ["schemas", "id", "userName", "displayName", "name", "emails", "active", "groups", "meta", "locale"];
    let served = written.understood();
    let (id, username) = (text(served, "id").unwrap_or_default(), text(served, "userName"));
    let part = |object: &str, key: &str| served.get(object).and_then(|object| object.get(key));
    let formatted = part("name", "formatted").and_then(Value::as_str).map(str::to_owned);
    let login = part("urn:bt-rollcall:sandbox:2.0:User", "lastLogin").filter(|_| expect.last_login_path);
    let created = part("meta", "created");
    let odd_date = login.is_some_and(is_odd) || created.is_some_and(is_odd);
    let created = Created::read(created);
    let key = sort_key(&id);
    let groups: BTreeSet<SortedId> = ties.direct(&key).union(&ties.above(&key)).cloned().collect();
    Person {
        kind: FindingSubjectKind::of(expect, FindingSubjectKind::Person, &id, username.as_deref()),
        username,
        display_name: text(served, "displayName").or(formatted),
        email: served.get("emails").and_then(Value::as_array).and_then(|emails| email(emails)),
        enabled: served.get("active").and_then(Value::as_bool),
        groups: groups.into_iter().map(|(_, id)| id).collect(),
        groups_known: ties.user_reports.contains_key(&key) || !ties.group_reports.is_empty(),
        login: Login::read(login).of_account(&created),
        created,
        locale: text(served, "locale"),
        at_odds: ties.at_odds(&key),
        odd: written.is_odd() || odd_date,
        extra: written.extra(&REPORTED),
        ..Person::new(id)
    }
}

fn email(emails: &[Value]) -> Option<String> {
    let primary = emails.iter().find(|email| email["primary"] == true).or(emails.first());
    primary.and_then(|email| email["value"].as_str()).map(str::to_owned)
}

fn group(written: &WrittenRecord, expect: &Expect) -> Known {
    let served = written.understood();
    let id = text(served, "id").unwrap_or_default();
    Known {
        extra: written.extra(&["schemas", "id", "displayName", "members", "meta"]),
        ..Known::new(expect, id, text(served, "displayName"))
    }
}

/// Who says what of whom.
struct Ties {
    /// User -> the groups that it names; absent where it does not tell.
    user_reports: BTreeMap<SortedId, BTreeSet<SortedId>>,
    /// Group -> the users that it names; absent where it does not tell.
    group_reports: BTreeMap<SortedId, BTreeSet<SortedId>>,
    /// The same the other way round: user -> the groups that name it.
    named_by: BTreeMap<SortedId, BTreeSet<SortedId>>,
    /// Group -> the groups that it is a member of.
    parents: BTreeMap<SortedId, BTreeSet<SortedId>>,
    names: BTreeMap<SortedId, String>,
}

impl Ties {
    fn read(users: &[WrittenRecord], groups: &[WrittenRecord]) -> Self {
        let id = |value: &Value| value.as_str().map(|id| sort_key(&folded(id))).unwrap_or_default();
        let own = |record: &Record| record.get("id").map(&id).unwrap_or_default();
        let values = |rows: &[&Value]| rows.iter().map(|row| id(&row["value"])).collect::<BTreeSet<SortedId>>();
        let mut ties = Self {
            user_reports: BTreeMap::new(),
            group_reports: BTreeMap::new(),
            named_by: BTreeMap::new(),
            parents: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for user in users.iter().map(WrittenRecord::understood) {
            if let Some(rows) = user.get("groups").and_then(Value::as_array) {
                ties.user_reports.insert(own(user), values(&rows.iter().collect::<Vec<_>>()));
            }
        }
        for group in groups.iter().map(WrittenRecord::understood) {
            ties.names.extend(text(group, "displayName").map(|name| (own(group), name)));
            let Some(rows) = group.get("members").and_then(Value::as_array) else { continue };
            let (inside, users): (Vec<&Value>, Vec<&Value>) = rows.iter().partition(|row| row["type"] == "Group");
            for child in values(&inside) {
                ties.parents.entry(child).or_default().insert(own(group));
            }
            for user in values(&users) {
                ties.named_by.entry(user).or_default().insert(own(group));
            }
            ties.group_reports.insert(own(group), values(&users));
        }
        ties
    }

    /// The groups that a user is a member of, as either side tells.
    fn direct(&self, user: &SortedId) -> BTreeSet<SortedId> {
        let sides = [self.user_reports.get(user), self.named_by.get(user)];
        sides.into_iter().flatten().flatten().cloned().collect()
    }

    /// The groups above one: its parents, theirs, and so on.
    fn over(&self, group: &SortedId) -> BTreeSet<SortedId> {
        let mut found = BTreeSet::new();
        let mut next = vec![group];
        while let Some(group) = next.pop() {
            next.extend(self.parents.get(group).into_iter().flatten().filter(|parent| found.insert((*parent).clone())));
        }
        found
    }

    /// The groups that a user is in only by way of another one.
    fn above(&self, user: &SortedId) -> BTreeSet<SortedId> {
        let direct = self.direct(user);
        let over: BTreeSet<SortedId> = direct.iter().flat_map(|group| self.over(group)).collect();
        &over - &direct
    }

    fn at_odds(&self, user: &SortedId) -> bool {
        let Some(names) = self.user_reports.get(user) else { return false };
        let comparable: BTreeSet<&SortedId> =
            names.iter().filter(|group| self.group_reports.contains_key(*group)).collect();
        comparable != self.named_by.get(user).into_iter().flatten().collect()
    }

    fn rows(&self, person: &Person) -> Vec<Member> {
        let user = sort_key(&person.id);
        let direct = self.direct(&user);
        let row = |group: &SortedId, who: Who| Member { group: group.1.clone(), who };
        let mut rows: Vec<Member> = direct.iter().map(|group| row(group, Who::Listed(person.id.clone()))).collect();
        for group in self.above(&user) {
            // Ascending: the first is the one with the smallest id.
            let through = direct.iter().find(|inside| self.over(inside).contains(&group));
            let name = through.map(|inside| self.names.get(inside).unwrap_or(&inside.1).clone()).unwrap_or_default();
            rows.push(row(&group, Who::Nested(person.id.clone(), name)));
        }
        rows
    }

    /// Members who are not in the list of users.
    fn strangers(&self, people: &[Person]) -> Vec<Member> {
        let known: BTreeSet<SortedId> = people.iter().map(|person| sort_key(&person.id)).collect();
        let missing = |(group, users): (&SortedId, &BTreeSet<SortedId>)| {
            let group = group.1.clone();
            let users: Vec<SortedId> = users.difference(&known).cloned().collect();
            users.into_iter().map(move |(_, id)| Member { group: group.clone(), who: Who::Missing(id) })
        };
        self.group_reports.iter().flat_map(missing).collect()
    }
}
