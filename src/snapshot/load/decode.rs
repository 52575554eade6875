//! Conversion of table rows into values of the model.
//!
//! Every error is a text about one row; the caller adds the number of the row and the file.

use super::KnownFinding;
use super::rows::TableRow;
use crate::model::{
    Blocked, Change, ChangeKind, ChangedGroup, Contact, Extra, Fingerprint, Group, GroupId, Inferred, Interner,
    LastLogin, OutsideMember, ReportedDate, Resolved, SeenInterval, Severity, SourceName, Subject, SubjectKind, Text,
    User, UserId, UserKind, Wording,
};
use crate::state::KnownMembership;
use ahash::AHashMap;

pub(super) fn user(row: &TableRow<'_>, texts: &mut Interner) -> Result<User, String> {
    let mut user = User::new(row.needed("id")?);
    user.username = row.owned("username")?;
    user.display_name = row.owned("display_name")?;
    user.email_address = row.owned("email_address")?;
    user.enabled = row.flag("enabled")?;
    user.account_type = row.text("account_type")?.map(|text| texts.text(&text));
    let kind = row.needed("kind")?;
    user.kind = UserKind::parse(&kind).ok_or_else(|| format!("kind {kind:?} is unknown"))?;
    if row.has("group_memberships") {
        let mut groups = Vec::new();
        row.each_item("group_memberships", |id| groups.push(texts.group_id(id)))?;
        user.group_memberships = groups.into();
    }
    user.groups_known = row.flag("groups_known")?.unwrap_or(false);
    user.public_key = row.owned("public_key")?;
    user.last_login = last_login(row)?;
    user.created_at = row.instant("created_at")?.map_or(ReportedDate::NotReported, ReportedDate::At);
    user.locale = row.text("locale")?.map(|text| texts.text(&text));
    user.is_admin = row.flag("is_admin")?;
    user.mfa = row.flag("mfa")?;
    user.expires_at = row.instant("expires_at")?.map_or(ReportedDate::NotReported, ReportedDate::At);
    user.blocked = word(row, "blocked", Blocked::parse)?;
    user.rare.set(|rare| &mut rare.signs_in_by, row.text("signs_in_by")?.map(|text| texts.text(&text)));
    user.inferred = word(row, "inferred_type", Inferred::parse)?;
    user.groups_confirmed = row.instant("groups_confirmed_at")?;
    user.rare.set(|rare| &mut rare.enabled_since, row.instant("enabled_since")?);
    user.rare.set(|rare| &mut rare.unconfirmed_since, row.instant("unconfirmed_since")?);
    user.seen = Some(seen(row)?);
    user.extra = extra(row)?;
    Ok(user)
}

fn last_login(row: &TableRow<'_>) -> Result<LastLogin, String> {
    let status = row.needed("last_login_status")?;
    Ok(match (&*status, row.instant("last_login")?) {
        ("at", Some(at)) => LastLogin::At(at),
        ("never", _) => LastLogin::Never { sentinel: None },
        ("not-reported", _) => LastLogin::NotReported,
        ("unreadable", _) => LastLogin::Unreadable(Text::new()),
        _ => return Err(format!("last_login_status {status:?} does not fit its row")),
    })
}

pub(super) fn group(row: &TableRow<'_>, texts: &mut Interner) -> Result<Group, String> {
    let mut group = Group::new(texts.group_id(&row.needed("id")?));
    group.name = row.owned("name")?;
    group.description = row.owned("description")?;
    group.privileged = row.flag("privileged")?.unwrap_or(false);
    group.member_count = row.count("member_count")?;
    group.external_member_count = row.count("external_member_count")?;
    group.members_known = Some(group.member_count.is_some());
    group.members_confirmed = row.instant("members_confirmed_at")?;
    group.seen = Some(seen(row)?);
    group.extra = extra(row)?;
    Ok(group)
}

pub(super) fn membership(row: &TableRow<'_>, texts: &mut Interner) -> Result<KnownMembership, String> {
    let user = row.text("user_id")?.map(|id| UserId::from(&*id));
    let name = || row.needed("external_name").map(Text::from);
    let member = match (&*row.needed("via")?, user) {
        ("direct", Some(id)) => OutsideMember::Missing(id),
        ("directory-group", Some(user)) => OutsideMember::Nested { user, through: name()? },
        ("directory-group", None) => OutsideMember::Directory(name()?),
        (via, _) => return Err(format!("via {via:?} does not fit its row")),
    };
    Ok(KnownMembership { group: texts.group_id(&row.needed("group_id")?), member, seen: seen(row)? })
}

fn seen(row: &TableRow<'_>) -> Result<SeenInterval, String> {
    Ok(SeenInterval { first: row.needed_instant("first_seen")?, confirmed: row.needed_instant("confirmed_at")? })
}

fn extra(row: &TableRow<'_>) -> Result<Option<Extra>, String> {
    if !row.has("extra") {
        return Ok(None);
    }
    Ok(row.text("extra")?.and_then(|text| Extra::parse(&text)))
}

/// Parses a word of a column; a word that this version does not know is an error.
fn word<T>(row: &TableRow<'_>, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
    let Some(text) = row.text(column)? else { return Ok(None) };
    parse(&text).map(Some).ok_or_else(|| format!("{column} {text:?} is unknown"))
}

pub(super) fn finding(row: &TableRow<'_>, texts: &mut Interner) -> Result<KnownFinding, String> {
    let severity = row.needed("severity")?;
    let mut controls = Vec::new();
    row.each_item("controls", |control| controls.push(Box::from(control)))?;
    Ok(KnownFinding {
        source: texts.source_name(&row.needed("source")?),
        fingerprint: fingerprint(row, "fingerprint")?,
        rule: texts.text(&row.needed("rule")?),
        severity: Severity::parse(&severity).ok_or_else(|| format!("severity {severity:?} is unknown"))?,
        status: texts.text(&row.needed("status")?),
        subject: subject(row)?,
        contact: Contact { display_name: row.owned("subject_display_name")?, email: row.owned("subject_email")? },
        wording: Wording::new(&row.needed("title")?, &row.needed("evidence")?, texts),
        action: texts.text(&row.needed("action")?),
        controls,
        first_seen: row.needed_instant("first_seen")?,
        last_seen: row.needed_instant("last_seen")?,
        exception: row.owned("exception")?,
    })
}

pub(super) fn resolved(row: &TableRow<'_>, texts: &mut Interner) -> Result<Resolved, String> {
    Ok(Resolved {
        source: texts.source_name(&row.needed("source")?),
        fingerprint: fingerprint(row, "fingerprint")?,
        rule: texts.text(&row.needed("rule")?),
        subject: subject(row)?,
        first_seen: row.needed_instant("first_seen")?,
        last_seen: row.needed_instant("last_seen")?,
        times_seen: row.count("times_seen")?.ok_or("times_seen is empty")?,
        resolved_at: row.needed_instant("resolved_at")?,
    })
}

/// Returns the removed groups with their names.
pub(super) fn removed_groups(changes: &[Change]) -> AHashMap<(SourceName, GroupId), ChangedGroup> {
    let removed = changes.iter().filter(|change| change.kind == ChangeKind::GroupRemoved);
    let named = removed.map(|change| {
        let id = GroupId::from(&*change.subject.id);
        let group = ChangedGroup { id: id.clone(), name: change.subject.name.clone(), privileged: false };
        ((change.source.clone(), id), group)
    });
    named.collect()
}

/// Converts a change. The group of a membership is not set, since the table has only its id; nor is the account.
pub(super) fn change(row: &TableRow<'_>, texts: &mut Interner) -> Result<Change, String> {
    let kind = row.needed("kind")?;
    Ok(Change {
        source: texts.source_name(&row.needed("source")?),
        event_id: fingerprint(row, "event_id")?,
        kind: ChangeKind::parse(&kind).ok_or_else(|| format!("kind {kind:?} is unknown"))?,
        subject: subject(row)?,
        field: row.owned("field")?,
        before: row.owned("before")?,
        after: row.owned("after")?,
        base_run: row.needed("base_run")?.into(),
        group: None,
        account: None,
    })
}

fn fingerprint(row: &TableRow<'_>, column: &str) -> Result<Fingerprint, String> {
    let text = row.needed(column)?;
    Fingerprint::parse(&text).ok_or_else(|| format!("{column} {text:?} is not a fingerprint"))
}

fn subject(row: &TableRow<'_>) -> Result<Subject, String> {
    let kind = row.needed("subject_kind")?;
    Ok(Subject {
        kind: SubjectKind::parse(&kind).ok_or_else(|| format!("subject_kind {kind:?} is unknown"))?,
        id: row.needed("subject_id")?.into(),
        name: row.owned("subject_name")?,
    })
}
