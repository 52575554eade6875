//! What Password Safe tells: users without their memberships, and groups with theirs. No creation, no second factor.

use super::super::dialect::{
    Dialect, InterfaceFamily, RecordKind as Of, Scene, has_no_record, is_directory_group, is_unread,
};
use super::super::members::named_groups;
use super::super::shape::password_safe as shape;
use super::super::world::{Record, World};
use super::Expect;
use super::cells::text;
use super::dates::{Created, Login};
use super::people::{FindingSubjectKind, Known, Member, Person, Roster, Who};
use super::written::WrittenRecord;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn roster(world: &World, expect: &Expect) -> Roster {
    let listed: BTreeSet<u64> = world.groups().map(|(id, _)| id).filter(|_| expect.groups_listed).collect();
    let scene = Scene { dialects: &expect.dialects, world };
    let reading = OracleReading { scene, expect, listed };
    let mut roster = Roster { members_whole: expect.groups_listed, ..Roster::default() };
    for ((id, record), served) in world.users().zip(shape::users(world)) {
        let Value::Object(served) = served else { continue };
        match reading.standing(id, record) {
            Standing::Known(enabled) => {
                let person = reading.person(id, served, enabled);
                roster.people.push(reading.with_groups(id, record, person));
            }
            Standing::Missing => roster.members.extend(reading.named_by_lists(record).map(|group| missing(group, id))),
            Standing::Hidden => {}
        }
    }
    roster.members.extend(roster.people.iter().flat_map(Person::memberships));
    let strangers = world.facets().strangers.iter().filter(|(group, _)| reading.reads_list(*group));
    roster.members.extend(strangers.map(|(group, id)| missing(*group, *id)));
    roster.unread = reading.unread(&roster.people);
    roster.directory = reading.listed.iter().filter(|id| reading.is_directory(**id)).map(u64::to_string).collect();
    roster.partial = reading.is_partial(&roster.people);
    let groups = shape::groups(world).into_iter().filter(|_| expect.groups_listed);
    roster.groups = groups.filter_map(|served| Some(reading.group(served.as_object()?.clone()))).collect();
    roster
}

fn missing(group: u64, id: u64) -> Member {
    Member { group: group.to_string(), who: Who::Missing(id.to_string()) }
}

/// How a user of the world is known.
enum Standing {
    /// By its record, with this in `IsActive` or worked out in its place.
    Known(Option<bool>),
    /// A list of members names it, and there is no record.
    Missing,
    Hidden,
}

struct OracleReading<'a> {
    scene: Scene<'a>,
    expect: &'a Expect,
    listed: BTreeSet<u64>,
}

impl OracleReading<'_> {
    fn standing(&self, id: u64, record: &Record) -> Standing {
        let reported = record.get("enabled").and_then(Value::as_bool);
        let active = reported != Some(false);
        if !self.scene.has(Dialect::IgnoresInactive) {
            // Without `IsActive`, in one record or in all, whoever is listed only with `includeInactive=true` is inactive.
            let by_lists = self.scene.has(Dialect::NoIsActive) || !record.contains_key("enabled");
            return Standing::Known(if by_lists { Some(active) } else { reported });
        }
        let is_named = self.named_by_lists(record).next().is_some();
        match (active, is_named) {
            (true, _) => Standing::Known(Some(true)),
            (false, true) if has_no_record(self.scene.dialects, id) => Standing::Missing,
            (false, true) => Standing::Known(Some(false)),
            (false, false) => Standing::Hidden,
        }
    }

    fn is_directory(&self, group: u64) -> bool {
        is_directory_group(self.scene.dialects, group)
    }

    /// Whether `UserGroups/{id}/Users` is read, and answers.
    fn reads_list(&self, group: u64) -> bool {
        self.listed.contains(&group) && !self.is_directory(group) && !is_unread(&self.scene, group)
    }

    fn named_by_lists(&self, record: &Record) -> impl Iterator<Item = u64> {
        let named: BTreeSet<u64> = named_groups(record).filter(|group| self.reads_list(*group)).collect();
        named.into_iter()
    }

    /// The directory groups of a user, as its own `UserGroups` gives them. Only accounts with a domain are in any.
    fn directory_groups(&self, id: u64, record: &Record, person: &Person) -> Vec<u64> {
        if !self.expect.directory_groups_read || !person.in_domain || has_no_record(self.scene.dialects, id) {
            return Vec::new();
        }
        named_groups(record).filter(|group| self.listed.contains(group) && self.is_directory(*group)).collect()
    }

    fn with_groups(&self, id: u64, record: &Record, person: Person) -> Person {
        let directory = self.directory_groups(id, record, &person);
        let groups: BTreeSet<u64> = self.named_by_lists(record).chain(directory).collect();
        Person {
            groups: groups.iter().map(u64::to_string).collect(),
            groups_known: self.expect.groups_listed && !self.lacks_a_list() && !self.may_be_hidden(&person),
            ..person
        }
    }

    fn lacks_a_list(&self) -> bool {
        self.listed.iter().any(|group| !self.is_directory(*group) && is_unread(&self.scene, *group))
    }

    /// Whether somebody may be in a directory group that nobody asked about, or about whom nobody answered.
    fn may_be_hidden(&self, person: &Person) -> bool {
        let outside = person.is_local() || person.application;
        let unanswered = person.id.parse().is_ok_and(|id| has_no_record(self.scene.dialects, id));
        !outside
            && self.listed.iter().any(|group| self.is_directory(*group))
            && (!self.expect.directory_groups_read || unanswered)
    }

    /// The groups of which not every member is known.
    fn unread(&self, people: &[Person]) -> BTreeSet<String> {
        let hidden = people.iter().any(|person| self.may_be_hidden(person)) || !self.expect.directory_groups_read;
        let is_unread = |group: &&u64| {
            if self.is_directory(**group) { hidden } else { is_unread(&self.scene, **group) }
        };
        self.listed.iter().filter(is_unread).map(u64::to_string).collect()
    }

    /// A directory group that is skipped by configuration is no failure.
    fn is_partial(&self, people: &[Person]) -> bool {
        let unanswered = self.expect.directory_groups_read && people.iter().any(|person| self.may_be_hidden(person));
        self.lacks_a_list() || unanswered
    }

    fn person(&self, id: u64, served: Record, enabled: Option<bool>) -> Person {
        const REPORTED: [&str; 8] =
            ["UserID", "UserName", "FirstName", "LastName", "EmailAddress", "IsActive", "LastLoginDate", "UserType"];
        let written = WrittenRecord::of(&self.scene, InterfaceFamily::Safe, Of::User, served);
        let fields = written.understood();
        let (id, username, account_type) = (id.to_string(), text(fields, "UserName"), text(fields, "UserType"));
        let application = account_type.as_deref() == Some("Application") || fields.contains_key("ClientID");
        let said = if application { FindingSubjectKind::Service } else { FindingSubjectKind::Person };
        let in_domain = ["DomainName", "DistinguishedName"].iter().any(|key| text(fields, key).is_some());
        let reports_type = fields.contains_key("UserType") || written.is_odd_in("UserType");
        Person {
            kind: FindingSubjectKind::of(self.expect, said, &id, username.as_deref()),
            username,
            display_name: joined(text(fields, "FirstName"), text(fields, "LastName")),
            email: text(fields, "EmailAddress"),
            enabled: if written.is_odd_in("IsActive") { None } else { enabled },
            account_type,
            signs_in_by: text(fields, "LastLoginSAMLIDPURL")
                .map(|_| "saml".to_owned())
                .or_else(|| text(fields, "LastLoginAuthenticationType")),
            application,
            in_domain,
            inferred_local: !reports_type && !application && !in_domain,
            login: if application { Login::NotReported } else { Login::read(fields.get("LastLoginDate")) },
            created: Created::Not,
            barred: fields.get("IsQuarantined") == Some(&Value::Bool(true)),
            odd: written.is_odd(),
            extra: written.extra(&REPORTED),
            ..Person::new(id)
        }
    }

    fn group(&self, served: Record) -> Known {
        let id = served.get("GroupID").map(Value::to_string).unwrap_or_default();
        let written = WrittenRecord::of(&self.scene, InterfaceFamily::Safe, Of::Group, served);
        let fields = written.understood();
        Known {
            description: text(fields, "Description"),
            extra: written.extra(&["GroupID", "Name", "Description"]),
            odd: written.is_odd(),
            ..Known::new(self.expect, id, text(fields, "Name"))
        }
    }
}

fn joined(first: Option<String>, last: Option<String>) -> Option<String> {
    let parts: Vec<String> = [first, last].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
