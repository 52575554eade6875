//! What rules use and no table contains: `rule-inputs.jsonl`, one JSON object a line.
//!
//! The tables hold the settled state: the reading, with values that earlier runs had read. Rules evaluate the reading
//! alone. This file says how both differ, so that `reperform` can evaluate a snapshot exactly as the run did. Only
//! accounts, groups and sources with such facts have a line.

use crate::model::{
    Group, GroupId, LastLogin, OddValue, ReportedDate, SourceInventory, SourceReading, Text, User, UserId, UserKind,
};
use crate::state::{KeptRow, KeptUser, KeptValues, UnsettledState};
use ahash::AHashMap;
use serde::{Deserialize, Serialize};

/// Name of the file in a snapshot.
pub const FILE: &str = "rule-inputs.jsonl";

/// One line of the file: facts about an account, a group, a membership, or (without all of them) the source itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file of its own")]
pub struct InputRecord {
    /// Name of the source.
    pub source: String,
    /// Id of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Id of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Name of the member, if it exists only in a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_name: Option<String>,
    /// Whether an earlier run read the row, and this one did not. Only for a row whose `confirmed_at` does not show it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept_row: bool,
    /// Columns whose value an earlier run read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_columns: Vec<String>,
    /// Kind of the account, and inferred type, if the reading alone gives other ones than the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// See `kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred_type: Option<String>,
    /// Number of registered passkeys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkeys: Option<u64>,
    /// Far-reaching rights of an API account. Present for every API account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide_rights: Option<Vec<String>>,
    /// Whether an API account can be used from certain addresses only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted: Option<bool>,
    /// Text in place of the date: a sentinel for "never", or unreadable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<String>,
    /// Unreadable text in place of the date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Unreadable text in place of the date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Groups in the account's record whose member list lacks the account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_by_user: Vec<String>,
    /// Groups whose member list contains the account while its record does not name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_by_group: Vec<String>,
    /// Whether some field of the account's record was unreadable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_odd_values: bool,
    /// Whether the group is privileged by the reading alone; only for a group that keeps its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Whether a directory fills the group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub directory: bool,
    /// Whether the user list of this reading may omit inactive accounts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hides_inactive: bool,
    /// Unreadable values of the source by field: number, and the id of one row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub odd_values: Vec<(String, u64, String)>,
}

/// Returns the facts about a state that was advanced and not settled yet, in the order of its sources.
pub fn of(state: &UnsettledState) -> Vec<InputRecord> {
    state.inventory.sources.iter().zip(&state.kept).flat_map(|(source, kept)| of_source(source, kept)).collect()
}

fn of_source(source_inventory: &SourceInventory, kept: &KeptValues) -> Vec<InputRecord> {
    let reading = &source_inventory.reading;
    let kept_users: AHashMap<&str, &KeptUser> = kept.users.iter().map(|user| (user.id.as_str(), user)).collect();
    let kept_groups: AHashMap<&str, bool> = kept.groups.iter().map(|(id, raw)| (id.as_str(), *raw)).collect();
    let source = reading.source.name.as_str();
    let users = reading.users.iter().map(|user| of_user(source, user, kept_users.get(user.id.as_str()).copied()));
    let groups =
        reading.groups.iter().map(|group| of_group(source, group, kept_groups.get(group.id.as_str()).copied()));
    let rows = kept.rows.iter().map(|row| Some(of_kept_row(source, row)));
    [of_reading(reading)].into_iter().chain(users).chain(groups).chain(rows).flatten().collect()
}

fn of_kept_row(source: &str, row: &KeptRow) -> InputRecord {
    let (group, user, external_name) = match row {
        KeptRow::User(user) => (None, Some(user), None),
        KeptRow::Group(group) => (Some(group), None, None),
        KeptRow::Membership(group, user) => (Some(group), Some(user), None),
        KeptRow::DirectoryMember(group, name) => (Some(group), None, Some(name)),
    };
    InputRecord {
        source: source.to_owned(),
        user: user.map(|id| id.as_str().to_owned()),
        group: group.map(|id| id.as_str().to_owned()),
        external_name: external_name.map(ToString::to_string),
        kept_row: true,
        ..InputRecord::default()
    }
}

fn of_reading(reading: &SourceReading) -> Option<InputRecord> {
    let odd_values = reading.odd_values.iter().map(|odd| (odd.field.clone(), odd.count, odd.example.to_string()));
    let record = InputRecord {
        source: reading.source.name.to_string(),
        hides_inactive: reading.hides_inactive,
        odd_values: odd_values.collect(),
        ..InputRecord::default()
    };
    (record.hides_inactive || !record.odd_values.is_empty()).then_some(record)
}

fn of_user(source: &str, user: &User, kept: Option<&KeptUser>) -> Option<InputRecord> {
    let mut record = InputRecord { passkeys: user.rare.passkeys, ..InputRecord::default() };
    if let Some(api) = &user.rare.api {
        record.wide_rights = Some(api.wide_rights.iter().map(ToString::to_string).collect());
        record.restricted = api.restricted;
    }
    record.last_login = match &user.last_login {
        LastLogin::Never { sentinel } => sentinel.as_deref().map(Text::to_string),
        LastLogin::Unreadable(text) => Some(text.to_string()),
        LastLogin::At(_) | LastLogin::NotReported => None,
    };
    (record.created_at, record.expires_at) = (unreadable(&user.created_at), unreadable(&user.expires_at));
    if let Some(conflict) = &user.rare.conflict {
        let ids = |groups: &[crate::model::GroupId]| groups.iter().map(|id| id.as_str().to_owned()).collect();
        (record.only_by_user, record.only_by_group) = (ids(&conflict.only_by_user), ids(&conflict.only_by_group));
    }
    record.has_odd_values = user.has_odd_values;
    if let Some(kept) = kept {
        record.kept_columns = kept.columns.iter().map(ToString::to_string).collect();
        let has = |column: &str| kept.columns.contains(&column);
        record.kind = has("kind").then(|| kept.kind.as_str().to_owned());
        record.inferred_type = kept.inferred.filter(|_| has("inferred_type")).map(|it| it.as_str().to_owned());
    }
    // Most accounts have no such fact, so that source and id are only copied for those that do.
    (record != InputRecord::default()).then(|| InputRecord {
        source: source.to_owned(),
        user: Some(user.id.as_str().to_owned()),
        ..record
    })
}

fn unreadable(date: &ReportedDate) -> Option<String> {
    match date {
        ReportedDate::Unreadable(text) => Some(text.to_string()),
        ReportedDate::At(_) | ReportedDate::NotReported => None,
    }
}

fn of_group(source: &str, group: &Group, kept: Option<bool>) -> Option<InputRecord> {
    (group.directory || kept.is_some()).then(|| InputRecord {
        source: source.to_owned(),
        group: Some(group.id.as_str().to_owned()),
        kept_columns: kept.iter().map(|_| "name".to_owned()).collect(),
        privileged: kept,
        directory: group.directory,
        ..InputRecord::default()
    })
}

/// Returns the text of the file.
pub fn write(records: &[InputRecord]) -> String {
    // Plain data with text keys always serialises.
    records.iter().map(|record| serde_json::to_string(record).unwrap_or_default() + "\n").collect()
}

/// Reads the text of the file. The error names the line.
pub fn read(text: &str) -> Result<Vec<InputRecord>, String> {
    let parse = |(at, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1));
    text.lines().enumerate().map(parse).collect()
}

impl InputRecord {
    fn keeps(&self, column: &str) -> bool {
        self.kept_columns.iter().any(|kept| kept == column)
    }

    /// Returns the row that the record calls kept; `None` if it is about something else.
    pub(super) fn kept_row(&self) -> Option<KeptRow> {
        let group = self.group.as_deref().map(GroupId::from);
        match (group, &self.user, &self.external_name) {
            _ if !self.kept_row => None,
            (Some(group), Some(user), _) => Some(KeptRow::Membership(group, UserId::from(user.as_str()))),
            (Some(group), None, Some(name)) => Some(KeptRow::DirectoryMember(group, name.as_str().into())),
            (Some(group), None, None) => Some(KeptRow::Group(group)),
            (None, Some(user), _) => Some(KeptRow::User(UserId::from(user.as_str()))),
            (None, None, _) => None,
        }
    }

    /// Returns the unreadable values of the source.
    pub(super) fn odd(&self) -> Vec<OddValue> {
        let odd = |(field, count, example): &(String, u64, String)| OddValue {
            field: field.clone(),
            count: *count,
            example: example.as_str().into(),
        };
        self.odd_values.iter().map(odd).collect()
    }

    /// Adds the facts to an account of the table. Kept values stay.
    pub(super) fn add_to_user(&self, user: &mut User) {
        use crate::model::{ApiAccess, MembershipConflict};
        user.rare.set(|rare| &mut rare.passkeys, self.passkeys);
        let api = self.wide_rights.as_ref().map(|rights| {
            let wide_rights = rights.iter().map(|right| right.clone().into()).collect();
            Box::new(ApiAccess { wide_rights, restricted: self.restricted })
        });
        user.rare.set(|rare| &mut rare.api, api);
        user.has_odd_values = self.has_odd_values;
        if !(self.only_by_user.is_empty() && self.only_by_group.is_empty()) {
            let ids = |ids: &[String]| ids.iter().map(|id| GroupId::from(id.as_str())).collect();
            let (only_by_user, only_by_group) = (ids(&self.only_by_user), ids(&self.only_by_group));
            user.rare
                .set(|rare| &mut rare.conflict, Some(Box::new(MembershipConflict { only_by_user, only_by_group })));
        }
        let written = |text: &Option<String>| text.as_deref().map(Text::from);
        match (&mut user.last_login, written(&self.last_login)) {
            (LastLogin::Never { sentinel }, text) => *sentinel = text.map(Box::new),
            (LastLogin::Unreadable(kept), Some(text)) => *kept = text,
            _ => {}
        }
        for (date, text) in [(&mut user.created_at, &self.created_at), (&mut user.expires_at, &self.expires_at)] {
            if let (ReportedDate::NotReported, Some(text)) = (&*date, written(text)) {
                *date = ReportedDate::Unreadable(text);
            }
        }
    }

    /// Removes kept values of an account except those that classify it, which the rules use too.
    pub(super) fn remove_kept(&self, user: &mut User) {
        if self.keeps("account_type") {
            user.account_type = None;
        }
        if self.keeps("inferred_type") {
            user.inferred = self.inferred_type.as_deref().and_then(crate::model::Inferred::parse);
        }
        let texts = [
            ("display_name", &mut user.display_name),
            ("email_address", &mut user.email_address),
            ("public_key", &mut user.public_key),
            ("locale", &mut user.locale),
        ];
        texts.into_iter().filter(|(column, _)| self.keeps(column)).for_each(|(_, value)| *value = None);
        if self.keeps("signs_in_by") {
            user.rare.set(|rare| &mut rare.signs_in_by, None);
        }
        let flags = [("enabled", &mut user.enabled), ("mfa", &mut user.mfa)];
        flags.into_iter().filter(|(column, _)| self.keeps(column)).for_each(|(_, value)| *value = None);
        if self.keeps("blocked") {
            user.blocked = None;
        }
        if self.keeps("extra") {
            user.extra = None;
        }
        if self.keeps("last_login") {
            let text = self.last_login.as_deref().map(Text::from);
            user.last_login = text.map_or(LastLogin::NotReported, LastLogin::Unreadable);
        }
        let unread = |text: &Option<String>| {
            text.as_deref().map(Text::from).map_or(ReportedDate::NotReported, ReportedDate::Unreadable)
        };
        if self.keeps("created_at") {
            user.created_at = unread(&self.created_at);
        }
        if self.keeps("expires_at") {
            user.expires_at = unread(&self.expires_at);
        }
    }

    /// Removes kept values that classify an account. The merge with the baseline adds them again.
    pub(super) fn remove_kept_classes(&self, user: &mut User) {
        if self.keeps("is_admin") {
            user.is_admin = None;
        }
        if self.keeps("username") {
            user.username = None;
        }
        if let Some(kind) = self.kind.as_deref().and_then(UserKind::parse) {
            user.kind = kind;
        }
    }

    /// Removes the kept name of a group.
    pub(super) fn remove_kept_name(&self, group: &mut Group) {
        if self.keeps("name") {
            group.name = None;
            group.privileged = self.privileged.unwrap_or(group.privileged);
        }
    }
}
