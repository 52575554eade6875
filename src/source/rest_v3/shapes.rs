//! Mapping of the guide's JSON to the model. Every field is optional: an absent key is not reported, which differs from
//! "none". Knows no paging and no HTTP.

use crate::model::{Group, GroupId, LastLogin, ReportedDate, User};
use crate::source::decode::{Decoding, Envelope, Fields, Id, JsonRecord, ListShape, Listed};
use crate::wire::page::ListRow;

/// Envelope of the list of users: `{"users":[…],"total":n}`.
pub(super) struct UsersShape;
/// Envelope of the list of groups: `{"groups":[…]}`.
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

/// User from the list or from its record.
#[derive(PartialEq)]
pub(super) struct ListedUser {
    pub(super) id: Id,
    pub(super) user: User,
    /// Whether a field that rules need is absent: the list may show less than the record of the user.
    pub(super) sparse: bool,
}

impl ListedUser {
    /// Adds the fields of the record. A field that the record does not report keeps the value of the list.
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
        if user.created_at == ReportedDate::NotReported {
            user.created_at = list.created_at;
        }
        user.locale = user.locale.take().or(list.locale);
        user.extra = user.extra.take().or(list.extra);
        self.sparse = false;
    }
}

impl ListRow for ListedUser {
    type Key = Id;
    fn key(&self) -> &Id {
        &self.id
    }

    fn is_identified(&self) -> bool {
        self.id.is_usable()
    }

    fn id_text(key: &Id) -> String {
        key.to_text().to_string()
    }

    fn content(&self) -> String {
        format!("{:?}", self.user)
    }
}

/// Group from the list.
#[derive(PartialEq)]
pub(super) struct ListedGroup {
    id: Id,
    pub(super) group: Group,
}

impl ListRow for ListedGroup {
    type Key = Id;
    fn key(&self) -> &Id {
        &self.id
    }

    fn is_identified(&self) -> bool {
        self.id.is_usable()
    }

    fn id_text(key: &Id) -> String {
        key.to_text().to_string()
    }

    fn content(&self) -> String {
        format!("{:?}", self.group)
    }
}

/// Maps the rows of one page of users.
pub(super) fn users(rows: Vec<JsonRecord>, decoding: &Decoding) -> Vec<ListedUser> {
    Listed::all(rows, "id", false).into_iter().map(|row| user(row, decoding)).collect()
}

/// Maps the rows of one page of groups.
pub(super) fn groups(rows: Vec<JsonRecord>, decoding: &Decoding) -> Vec<ListedGroup> {
    Listed::all(rows, "id", false).into_iter().map(|row| group(row, decoding)).collect()
}

/// Maps a row of the list, or the record of a user.
pub(super) fn user(listed: Listed, decoding: &Decoding) -> ListedUser {
    let lacks = |key: &str| listed.record.get(key).is_none();
    let sparse = ["account_type", "group_memberships", "last_login", "created_at"].into_iter().any(lacks);
    let mut row = Fields::of(listed, "users", decoding);
    let mut user = User::new(row.id.to_text());
    user.username = row.text("username");
    user.display_name = row.text("display_name");
    user.email_address = row.text("email_address");
    user.enabled = row.flag("enabled");
    user.account_type = row.shared_text("account_type");
    let (memberships, known) = row.ids("group_memberships");
    user.groups_known = known;
    user.group_memberships = sorted(memberships, decoding);
    user.public_key = row.text("public_key");
    user.last_login = row.last_login("last_login");
    user.created_at = row.date("created_at");
    user.locale = row.shared_text("locale");
    let id = row.id.clone();
    user.has_odd_values = row.has_odd();
    user.extra = row.into_extra();
    ListedUser { id, user, sparse }
}

fn sorted(mut ids: Vec<Id>, decoding: &Decoding) -> Box<[GroupId]> {
    ids.sort_unstable();
    ids.dedup();
    ids.iter().map(|id| GroupId::from(decoding.intern(&id.to_text()))).collect()
}

fn group(listed: Listed, decoding: &Decoding) -> ListedGroup {
    let mut row = Fields::of(listed, "groups", decoding);
    let mut group = Group::new(decoding.intern(&row.id.to_text()));
    group.name = row.text("name");
    group.description = row.text("description");
    let id = row.id.clone();
    group.extra = row.into_extra();
    ListedGroup { id, group }
}
