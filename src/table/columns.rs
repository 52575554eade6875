//! The columns of every table: name, type, nullability and how to get the cell. CSV and Parquet both follow this
//! declaration.
//!
//! The type of a column is the type of its getter, so that the two formats cannot disagree. To add a column, add a line
//! here; `tests/contract.rs` and `docs/data-dictionary.md` must follow.

use super::{ColumnType, Tables};
use crate::model::{
    Blocked, Change, Finding, Fingerprint, Group, GroupId, GroupOwner, Inferred, Instant, Membership, OutsideMember,
    Resolved, SeenInterval, SourceInventory, User,
};

use std::borrow::Cow;

/// A column of a table whose rows have the type `R`.
pub(super) struct Column<'a, R> {
    /// Name in the header and in the schema.
    pub(super) name: &'static str,
    /// Whether a cell may be null.
    pub(super) nullable: bool,
    /// Whether a Parquet dictionary is worthwhile.
    pub(super) values: Values,
    /// Type and getter of the cells.
    pub(super) get: Get<'a, R>,
}

/// Getter of a cell; the variant is the type of the column.
pub(super) enum Get<'a, R> {
    Text(fn(R) -> Option<&'a str>),
    /// A word of this program: letters, digits, `-` and `_` only.
    Word(fn(R) -> Option<&'static str>),
    Key(fn(R) -> Option<Cow<'a, str>>),
    Flag(fn(R) -> Option<bool>),
    Count(fn(R) -> Option<u64>),
    Instant(fn(R) -> Option<Instant>),
    Fingerprint(fn(R) -> Fingerprint),
    Ids(fn(R) -> &'a [GroupId]),
    Names(fn(R) -> GroupNames<'a>),
    Words(fn(R) -> &'a [&'static str]),
}

impl<R> Get<'_, R> {
    /// Returns the type in the words of the data dictionary.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Word(_) | Self::Key(_) | Self::Fingerprint(_) => "utf8",
            Self::Flag(_) => "bool",
            Self::Count(_) => "int64",
            Self::Instant(_) => "timestamp",
            Self::Ids(_) | Self::Names(_) | Self::Words(_) => "list<utf8>",
        }
    }
}

/// Distribution of the values of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Values repeat. A Parquet dictionary makes the file smaller and writing faster.
    Repeat,
    /// Nearly every row has its own value, or a value is one bit. A dictionary would double the cost of writing.
    Vary,
}

pub(super) fn required<'a, R>(name: &'static str, values: Values, get: Get<'a, R>) -> Column<'a, R> {
    Column { name, nullable: false, values, get }
}

pub(super) fn optional<'a, R>(name: &'static str, values: Values, get: Get<'a, R>) -> Column<'a, R> {
    Column { name, nullable: true, values, get }
}

/// A table with its columns and rows. A row is a few references.
pub(super) struct Shape<'a, R, I> {
    pub(super) columns: Vec<Column<'a, R>>,
    pub(super) rows: I,
}

impl<R, I> Shape<'_, R, I> {
    pub(super) fn schema(&self) -> Vec<ColumnType> {
        let of = |column: &Column<'_, R>| {
            let Column { name, nullable, .. } = *column;
            ColumnType { name, kind: column.get.type_name(), nullable }
        };
        self.columns.iter().map(of).collect()
    }
}

/// Names of the groups of an account, in the order of their ids.
#[derive(Clone, Copy)]
pub(super) struct GroupNames<'a>(UserRow<'a>);

impl<'a> GroupNames<'a> {
    /// Returns the names; a group that is not listed or has no name is named by its id.
    pub(super) fn iter(self) -> impl Iterator<Item = &'a str> {
        let UserRow { source_inventory, it } = self.0;
        let name = |id: &'a GroupId| source_inventory.group(id).and_then(|group| group.name.as_deref());
        it.group_memberships.iter().map(move |id| name(id).filter(|name| !name.is_empty()).unwrap_or(id.as_str()))
    }
}

#[derive(Clone, Copy)]
pub(super) struct UserRow<'a> {
    source_inventory: &'a SourceInventory,
    it: &'a User,
}

#[derive(Clone, Copy)]
pub(super) struct GroupRow<'a> {
    source: &'a str,
    it: &'a Group,
    owner: Option<&'a str>,
}

/// A membership with what it refers to, looked up once for all cells of the row.
#[derive(Clone, Copy)]
pub(super) struct MembershipRow<'a> {
    pub(super) source_inventory: &'a SourceInventory,
    pub(super) it: &'a Membership,
    pub(super) group: Option<&'a Group>,
    pub(super) user: Option<&'a User>,
    outside: Option<&'a OutsideMember>,
}

impl<'a> MembershipRow<'a> {
    pub(super) fn of(source_inventory: &'a SourceInventory, it: &'a Membership) -> Self {
        let group = it.group().and_then(|at| source_inventory.reading.groups.get(at));
        let (user, outside) = (source_inventory.member(it), source_inventory.outside_member(it));
        Self { source_inventory, it, group, user, outside }
    }

    pub(super) fn group_id(self) -> &'a str {
        self.source_inventory.group_id(self.it).as_str()
    }

    pub(super) fn seen(self) -> Option<SeenInterval> {
        self.source_inventory.seen(self.it)
    }

    pub(super) fn user_id(self) -> Option<&'a str> {
        match self.outside {
            Some(OutsideMember::Missing(id)) => Some(id.as_str()),
            _ => self.user.map(|user| user.id.as_str()),
        }
    }

    /// Returns the name in the directory, or the nested group, through which the membership exists; `None` if it is
    /// direct.
    pub(super) fn by_way_of(self) -> Option<&'a str> {
        match self.outside? {
            OutsideMember::Missing(_) => None,
            OutsideMember::Directory(name) | OutsideMember::Nested { through: name, .. } => Some(name),
        }
    }
}

pub(super) fn name_of(source_inventory: &SourceInventory) -> &str {
    source_inventory.reading.source.name.as_str()
}

#[rustfmt::skip]
pub(super) fn users<'a>(tables: &Tables<'a>) -> Shape<'a, UserRow<'a>, impl Iterator<Item = UserRow<'a>>> {
    use Get::{Flag, Ids, Instant, Key, Names, Text, Word};
    use Values::{Repeat, Vary};
    let columns: Vec<Column<'a, UserRow<'a>>> = vec![
        required("source",            Repeat, Text(|r| Some(name_of(r.source_inventory)))),
        required("id",                Vary,   Text(|r| Some(r.it.id.as_str()))),
        optional("username",          Vary,   Text(|r| r.it.username.as_deref())),
        optional("display_name",      Vary,   Text(|r| r.it.display_name.as_deref())),
        optional("email_address",     Vary,   Text(|r| r.it.email_address.as_deref())),
        optional("enabled",           Vary,   Flag(|r| r.it.enabled)),
        optional("account_type",      Repeat, Text(|r| r.it.account_type.as_deref())),
        required("kind",              Repeat, Word(|r| Some(r.it.kind.as_str()))),
        required("group_memberships", Repeat, Ids(|r| &r.it.group_memberships)),
        required("groups_known",      Vary,   Flag(|r| Some(r.it.groups_known))),
        optional("public_key",        Vary,   Text(|r| r.it.public_key.as_deref())),
        optional("last_login",        Vary,   Instant(|r| r.it.last_login.at())),
        required("last_login_status", Repeat, Word(|r| Some(r.it.last_login.status()))),
        optional("created_at",        Vary,   Instant(|r| r.it.created_at.at())),
        optional("locale",            Repeat, Text(|r| r.it.locale.as_deref())),
        optional("is_admin",          Vary,   Flag(|r| r.it.is_admin)),
        optional("mfa",               Vary,   Flag(|r| r.it.mfa)),
        optional("expires_at",        Vary,   Instant(|r| r.it.expires_at.at())),
        optional("is_privileged",     Vary,   Flag(|r| r.source_inventory.privilege(r.it))),
        required("group_names",       Repeat, Names(GroupNames)),
        optional("person",            Vary,   Key(|r| r.it.person())),
        optional("blocked",           Repeat, Word(|r| r.it.blocked.map(Blocked::as_str))),
        optional("signs_in_by",       Repeat, Text(|r| r.it.rare.signs_in_by.as_deref())),
        optional("inferred_type",     Repeat, Word(|r| r.it.inferred.map(Inferred::as_str))),
        optional("groups_confirmed_at", Repeat, Instant(|r| r.it.groups_confirmed)),
        optional("enabled_since",     Repeat, Instant(|r| r.it.rare.enabled_since)),
        required("first_seen",        Repeat, Instant(|r| r.it.seen.map(|seen| seen.first))),
        required("confirmed_at",      Repeat, Instant(|r| r.it.seen.map(|seen| seen.confirmed))),
        optional("unconfirmed_since", Repeat, Instant(|r| r.it.rare.unconfirmed_since)),
        optional("extra",             Vary,   Text(|r| r.it.extra.as_deref())),
    ];
    let of = |source_inventory: &'a SourceInventory| source_inventory.reading.users.iter().map(move |it| UserRow { source_inventory, it });
    Shape { columns, rows: tables.inventory.sources.iter().flat_map(of) }
}

#[rustfmt::skip]
pub(super) fn groups<'a>(tables: &Tables<'a>) -> Shape<'a, GroupRow<'a>, impl Iterator<Item = GroupRow<'a>>> {
    use Get::{Count, Flag, Instant, Text};
    use Values::{Repeat, Vary};
    let columns: Vec<Column<'a, GroupRow<'a>>> = vec![
        required("source",                Repeat, Text(|r| Some(r.source))),
        required("id",                    Vary,   Text(|r| Some(r.it.id.as_str()))),
        optional("name",                  Vary,   Text(|r| r.it.name.as_deref())),
        optional("description",           Vary,   Text(|r| r.it.description.as_deref())),
        required("privileged",            Vary,   Flag(|r| Some(r.it.privileged))),
        optional("member_count",          Vary,   Count(|r| r.it.member_count)),
        optional("external_member_count", Vary,   Count(|r| r.it.external_member_count)),
        optional("owner",                 Repeat, Text(|r| r.owner)),
        optional("members_confirmed_at",  Repeat, Instant(|r| r.it.members_confirmed)),
        required("first_seen",            Repeat, Instant(|r| r.it.seen.map(|seen| seen.first))),
        required("confirmed_at",          Repeat, Instant(|r| r.it.seen.map(|seen| seen.confirmed))),
        optional("extra",                 Vary,   Text(|r| r.it.extra.as_deref())),
    ];
    let owners = tables.group_owners;
    let row = move |source, it| GroupRow { source, it, owner: GroupOwner::find(owners, it).map(|entry| entry.owner.as_str()) };
    let of = move |source_inventory: &'a SourceInventory| source_inventory.reading.groups.iter().map(move |it| row(name_of(source_inventory), it));
    Shape { columns, rows: tables.inventory.sources.iter().flat_map(of) }
}

#[rustfmt::skip]
pub(super) fn memberships<'a>(tables: &Tables<'a>) -> Shape<'a, MembershipRow<'a>, impl Iterator<Item = MembershipRow<'a>>> {
    use Get::{Flag, Instant, Text, Word};
    use Values::{Repeat, Vary};
    let columns: Vec<Column<'a, MembershipRow<'a>>> = vec![
        required("source",        Repeat, Text(|r| Some(name_of(r.source_inventory)))),
        required("group_id",      Repeat, Text(|r| Some(r.group_id()))),
        optional("group_name",    Repeat, Text(|r| r.group.and_then(|g| g.name.as_deref()))),
        optional("user_id",       Vary,   Text(MembershipRow::user_id)),
        optional("username",      Vary,   Text(|r| r.user.and_then(|u| u.username.as_deref()))),
        required("via",           Repeat, Word(|r| Some(if r.by_way_of().is_some() { "directory-group" } else { "direct" }))),
        optional("external_name", Vary,   Text(MembershipRow::by_way_of)),
        optional("email_address", Vary,   Text(|r| r.user.and_then(|u| u.email_address.as_deref()))),
        optional("enabled",       Vary,   Flag(|r| r.user.and_then(|u| u.enabled))),
        optional("last_login",    Vary,   Instant(|r| r.user.and_then(|u| u.last_login.at()))),
        required("first_seen",    Repeat, Instant(|r| r.seen().map(|seen| seen.first))),
        required("confirmed_at",  Repeat, Instant(|r| r.seen().map(|seen| seen.confirmed))),
    ];
    let of = |source_inventory: &'a SourceInventory| source_inventory.memberships.iter().map(move |it| MembershipRow::of(source_inventory, it));
    Shape { columns, rows: tables.inventory.sources.iter().flat_map(of) }
}

#[rustfmt::skip]
pub(super) fn findings<'a>(tables: &Tables<'a>) -> Shape<'a, &'a Finding, impl Iterator<Item = &'a Finding>> {
    use Get::{Fingerprint, Instant, Key, Text, Word, Words};
    use Values::{Repeat, Vary};
    let columns: Vec<Column<'a, &'a Finding>> = vec![
        required("source",       Repeat, Text(|f| Some(f.source.as_str()))),
        required("fingerprint",  Vary,   Fingerprint(|f| f.fingerprint)),
        required("rule",         Repeat, Text(|f| Some(f.rule.as_str()))),
        required("severity",     Repeat, Word(|f| Some(f.severity.as_str()))),
        required("status",       Repeat, Word(|f| Some(f.status.as_str()))),
        required("subject_kind", Repeat, Word(|f| Some(f.subject.kind.as_str()))),
        required("subject_id",   Vary,   Text(|f| Some(&f.subject.id))),
        optional("subject_name", Vary,   Text(|f| f.subject.name.as_deref())),
        optional("subject_display_name", Vary, Text(|f| f.contact.display_name.as_deref())),
        optional("subject_email", Vary,  Text(|f| f.contact.email.as_deref())),
        required("title",        Vary,   Key(|f| Some(f.title().into()))),
        required("evidence",     Vary,   Key(|f| Some(f.evidence().into()))),
        required("action",       Repeat, Text(|f| Some(&f.advice.action))),
        required("controls",     Repeat, Words(|f| &f.advice.controls)),
        required("first_seen",   Repeat, Instant(|f| Some(f.first_seen))),
        required("last_seen",    Repeat, Instant(|f| Some(f.last_seen))),
        optional("exception",    Repeat, Text(|f| f.exception.as_deref())),
    ];
    Shape { columns, rows: tables.findings.iter() }
}

#[rustfmt::skip]
pub(super) fn changes<'a>(tables: &Tables<'a>) -> Shape<'a, &'a Change, impl Iterator<Item = &'a Change>> {
    use Get::{Fingerprint, Text, Word};
    use Values::{Repeat, Vary};
    let columns: Vec<Column<'a, &'a Change>> = vec![
        required("source",       Repeat, Text(|c| Some(c.source.as_str()))),
        required("event_id",     Vary,   Fingerprint(|c| c.event_id)),
        required("kind",         Repeat, Word(|c| Some(c.kind.as_str()))),
        required("subject_kind", Repeat, Word(|c| Some(c.subject.kind.as_str()))),
        required("subject_id",   Vary,   Text(|c| Some(&c.subject.id))),
        optional("subject_name", Vary,   Text(|c| c.subject.name.as_deref())),
        optional("field",        Repeat, Text(|c| c.field.as_deref())),
        optional("before",       Vary,   Text(|c| c.before.as_deref())),
        optional("after",        Vary,   Text(|c| c.after.as_deref())),
        required("base_run",     Repeat, Text(|c| Some(&c.base_run))),
    ];
    Shape { columns, rows: tables.changes.iter() }
}

#[rustfmt::skip]
pub(super) fn resolved<'a>(tables: &Tables<'a>) -> Shape<'a, &'a Resolved, impl Iterator<Item = &'a Resolved>> {
    use Get::{Count, Fingerprint, Instant, Text, Word};
    use Values::{Repeat, Vary};
    let columns: Vec<Column<'a, &'a Resolved>> = vec![
        required("source",       Repeat, Text(|r| Some(r.source.as_str()))),
        required("fingerprint",  Vary,   Fingerprint(|r| r.fingerprint)),
        required("rule",         Repeat, Text(|r| Some(&r.rule))),
        required("subject_kind", Repeat, Word(|r| Some(r.subject.kind.as_str()))),
        required("subject_id",   Vary,   Text(|r| Some(&r.subject.id))),
        optional("subject_name", Vary,   Text(|r| r.subject.name.as_deref())),
        required("first_seen",   Repeat, Instant(|r| Some(r.first_seen))),
        required("last_seen",    Repeat, Instant(|r| Some(r.last_seen))),
        required("times_seen",   Repeat, Count(|r| Some(r.times_seen))),
        required("resolved_at",  Repeat, Instant(|r| Some(r.resolved_at))),
    ];
    Shape { columns, rows: tables.resolved.iter() }
}
