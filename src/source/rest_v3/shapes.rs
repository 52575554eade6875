//! The guide's shapes: JSON -> model. Every field is optional until seen; an absent key is not reported, never "none". Knows no
//! paging and no HTTP.

use crate::model::{Group, GroupId, LastLogin, ReportedDate, User};
use crate::source::decode::{Decoding, Envelope, Fields, Id, JsonRecord, ListShape, Listed, report_apart};
use crate::wire::page::ListRow;

/// `{"users":[…],"total":n}`
pub(super) struct UsersShape;
/// `{"groups":[…]}`
pub(super) struct GroupsShape;

impl ListShape for UsersShape {
    const ROWS: &'static str = "users";
    const TOTAL: &'static str = "total";
    const SCIM: bool = false;
}

impl ListShape for GroupsShape {
    const ROWS: &'static str = "groups";
    const TOTAL: &'static str = "total";
    const SCIM: bool = false;
}

pub(super) type UsersPage = Envelope<UsersShape>;
pub(super) type GroupsPage = Envelope<GroupsShape>;

/// A user as the list or a record gave it.
pub(super) struct ListedUser {
    pub(super) id: Id,
    pub(super) user: User,
    /// Something that rules need was not reported: the list may give less than the record.
    pub(super) sparse: bool,
}

impl ListedUser {
    /// Takes what the record reports; what it does not report stays as the list has it.
    pub(super) fn complete(&mut self, record: Self) {
        let list = std::mem::replace(&mut self.user, record.user);
        let user = &mut self.user;
        user.username = user.username.take().or(list.username);
        user.display_name = user.display_name.take().or(list.display_name);
        user.email_address = user.email_address.take().or(list.email_address);
        user.enabled = user.enabled.or(list.enabled);
        user.account_type = user.account_type.take().or(list.account_type);
        if !user.groups_known {
            user.group_memberships = list.group_memberships;
            user.groups_known = list.groups_known;
        }
        user.public_key = user.public_key.take().or(list.public_key);
        if user.last_login == LastLogin::NotReported {
            user.last_login = list.last_login;
        }
        if user.created_at == ReportedDate::Not {
            user.created_at = list.created_at;
        }
        user.locale = user.locale.take().or(list.locale);
        user.extra = user.extra.take().or(list.extra);
        self.sparse = false;
    }
}

impl ListRow for ListedUser {
    type Key = Id;
    fn key(&self) -> Id {
        self.id.clone()
    }

    fn is_identified(&self) -> bool {
        !matches!(self.id, Id::Unusable(_))
    }
}

/// A group as the list gave it.
pub(super) struct ListedGroup {
    id: Id,
    pub(super) group: Group,
}

impl ListRow for ListedGroup {
    type Key = Id;
    fn key(&self) -> Id {
        self.id.clone()
    }

    fn is_identified(&self) -> bool {
        !matches!(self.id, Id::Unusable(_))
    }
}

pub(super) fn users(rows: Vec<JsonRecord>, decoding: &Decoding) -> Vec<ListedUser> {
    let listed = rows.into_iter().map(|record| Listed::of(record, "id", false));
    let mut users: Vec<ListedUser> = listed.map(|row| user(row, decoding)).collect();
    report_apart(users.iter_mut().map(|row| &mut row.id));
    users
}

pub(super) fn groups(rows: Vec<JsonRecord>, decoding: &Decoding) -> Vec<ListedGroup> {
    let mut groups: Vec<ListedGroup> = rows.into_iter().map(|record| group(record, decoding)).collect();
    report_apart(groups.iter_mut().map(|row| &mut row.id));
    groups
}

/// Reads a row of the list, or a record of its own.
pub(super) fn user(listed: Listed, decoding: &Decoding) -> ListedUser {
    let lacks = |key: &str| listed.record.get(key).is_none();
    let sparse = ["account_type", "group_memberships", "last_login", "created_at"].into_iter().any(lacks);
    let mut row = Fields::of(listed, "users", decoding);
    let mut user = User::new(row.id.to_text());
    user.username = row.text("username");
    user.display_name = row.text("display_name");
    user.email_address = row.text("email_address");
    user.enabled = row.flag("enabled");
    user.account_type = row.word("account_type");
    let (memberships, known) = row.ids("group_memberships");
    user.groups_known = known;
    user.group_memberships = sorted(memberships, decoding);
    user.public_key = row.text("public_key");
    user.last_login = row.last_login("last_login");
    user.created_at = row.date("created_at");
    user.locale = row.word("locale");
    let id = row.id.clone();
    user.has_odd_values = row.has_odd();
    user.extra = row.into_extra();
    ListedUser { id, user, sparse }
}

fn sorted(mut ids: Vec<Id>, decoding: &Decoding) -> Box<[GroupId]> {
    ids.sort_unstable();
    ids.dedup();
    ids.iter().map(|id| GroupId::from(decoding.word(&id.to_text()))).collect()
}

fn group(record: JsonRecord, decoding: &Decoding) -> ListedGroup {
    let mut row = Fields::of(Listed::of(record, "id", false), "groups", decoding);
    let mut group = Group::new(decoding.word(&row.id.to_text()));
    group.name = row.text("name");
    group.description = row.text("description");
    let id = row.id.clone();
    group.extra = row.into_extra();
    ListedGroup { id, group }
}
