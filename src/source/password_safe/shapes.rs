//! Mapping of Password Safe's JSON to the model. Every field is optional. Knows no HTTP.
//!
//! `account_type` holds what the product reports (`UserType`). Many versions report it for application users only. For
//! other users, the place where the password is checked is inferred, in this order:
//!
//! 1. an identity provider: `LastLoginSAMLIDPURL`, `LastLoginSSOURL`, or a `LastLoginAuthenticationType` of that kind;
//! 2. a directory: `DomainName`, `DistinguishedName`, or a `LastLoginAuthenticationType` of that kind;
//! 3. the product itself: the tenant reports such fields for any user, or the type is `Local`.

use super::directory::{Directory, origin_of};
use super::{GroupOrigin, Listed};
use crate::model::{
    Blocked, Group, GroupId, Inferred, LastLogin, Outside, OutsideMember, SourceReading, User, UserId, UserKind,
};
use crate::source::decode::{Decoding, Fields, Id, JsonRecord};
use ahash::AHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of all lists, before they are combined.
#[derive(Default)]
pub(super) struct PasswordSafeTenant {
    pub(super) users: Vec<Listed>,
    /// Users found by id, because the list of this version leaves out inactive users.
    pub(super) inactive: Vec<Listed>,
    pub(super) groups: Vec<Listed>,
    /// Members of the groups that the product itself fills.
    pub(super) members: BTreeMap<Id, Vec<Listed>>,
    /// Ids of the active users; `None` if the records report the state.
    pub(super) active: Option<BTreeSet<Id>>,
    /// Groups that the product itself fills and whose members are not all known.
    pub(super) unread: BTreeSet<Id>,
    /// Whether all groups are known, and all members of those that the product itself fills.
    pub(super) local_complete: bool,
}

impl PasswordSafeTenant {
    /// Combines users, groups and members into the reading.
    pub(super) fn fill(self, reading: &mut SourceReading, directory: &Directory, decoding: &Decoding) {
        let mut groups_of = self.memberships(directory, decoding);
        let reports_domains = self.users.iter().chain(&self.inactive).any(|row| reports_domain(&row.record));
        let listed = self.users.into_iter().map(|row| (row, true));
        for (row, is_listed) in listed.chain(self.inactive.into_iter().map(|row| (row, false))) {
            let mut groups = groups_of.remove(&row.id).unwrap_or_default();
            groups.sort_unstable();
            groups.dedup();
            let known = self.local_complete && directory.knows_user(&row.id);
            let derived = self.active.as_ref().map(|active| is_listed && active.contains(&row.id));
            let mut user = user(row, derived, reports_domains, decoding);
            user.groups_known = known;
            user.group_memberships = groups.into();
            reading.users.push(user);
        }
        for (id, groups) in groups_of {
            let missing = |group_id| Outside { group_id, member: OutsideMember::Missing(UserId::from(id.to_text())) };
            reading.outside.extend(groups.into_iter().map(missing));
        }
        for row in self.groups {
            let known = directory.knows_group(&row.id).unwrap_or_else(|| !self.unread.contains(&row.id));
            reading.groups.push(group(row, known, decoding));
        }
    }

    /// Returns the groups of each user, including users who are not listed.
    fn memberships(&self, directory: &Directory, decoding: &Decoding) -> AHashMap<Id, Vec<GroupId>> {
        let mut groups_of: AHashMap<Id, Vec<GroupId>> = AHashMap::new();
        let group_id = |group: &Id| GroupId::from(decoding.intern(&group.to_text()));
        for (group, rows) in self.members.iter().chain(&directory.members) {
            for row in rows {
                groups_of.entry(row.id.clone()).or_default().push(group_id(group));
            }
        }
        for (user, groups) in &directory.of_user {
            groups_of.entry(user.clone()).or_default().extend(groups.iter().map(group_id));
        }
        groups_of.retain(|_, groups| !groups.is_empty());
        groups_of
    }
}

/// Kind of an account, as far as it decides which groups the user can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountClass {
    /// Account of a program.
    Application,
    /// Account whose password the product checks.
    Local,
    /// Account of a directory or an identity provider, or unknown.
    Other,
}

/// Returns the kind of an account.
pub(super) fn account_of(record: &JsonRecord) -> AccountClass {
    if is_application(record) {
        return AccountClass::Application;
    }
    let mut user = User::new("");
    user.account_type = text(record, "UserType").map(Into::into);
    user.signs_in_by = signs_in_by(record).map(|way| way.as_str().into());
    user.inferred = inferred(record, reports_domain(record));
    if user.is_local() { AccountClass::Local } else { AccountClass::Other }
}

fn is_application(record: &JsonRecord) -> bool {
    text(record, "ClientID").is_some()
        || text(record, "UserType").is_some_and(|kind| kind.eq_ignore_ascii_case("application"))
}

/// Returns a field that holds a text with more than blanks.
fn text<'a>(record: &'a JsonRecord, key: &str) -> Option<&'a str> {
    record.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Parts of a `LastLoginAuthenticationType` that mean an identity provider.
const SSO: [&str; 7] = ["saml", "claims", "openid", "oidc", "sso", "entra", "azure"];
/// Parts of a `LastLoginAuthenticationType` that mean a directory.
const DIRECTORY: [&str; 4] = ["directory", "ldap", "domain", "kerberos"];

fn reports_domain(record: &JsonRecord) -> bool {
    ["DomainName", "DistinguishedName"].iter().any(|key| record.get(key).is_some())
}

/// Infers where the password is checked; `None` if the product reports a type, or if nothing is known.
///
/// `reports_domains`: whether the tenant reports the domain of directory users, so that users without one are local.
fn inferred(record: &JsonRecord, reports_domains: bool) -> Option<Inferred> {
    if record.get("UserType").is_some() {
        return None;
    }
    let way = text(record, "LastLoginAuthenticationType").unwrap_or_default().to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| way.contains(word));
    let has = |key: &str| text(record, key).is_some();
    if has("LastLoginSAMLIDPURL") || has("LastLoginSSOURL") || is(&SSO) {
        Some(Inferred::Sso)
    } else if has("DomainName") || has("DistinguishedName") || is(&DIRECTORY) {
        Some(Inferred::Directory)
    } else {
        (reports_domains || way == "local").then_some(Inferred::Local)
    }
}

/// Builds a user. `derived`: whether the account is active, according to the lists with and without inactive users.
fn user(row: Listed, derived: Option<bool>, reports_domains: bool, decoding: &Decoding) -> User {
    let (application, way) = (is_application(&row.record), signs_in_by(&row.record));
    let inferred = inferred(&row.record, reports_domains);
    let mut row = Fields::of(row, "users", decoding);
    let mut user = User::new(row.id.to_text());
    user.username = row.text("UserName");
    user.display_name = full_name(&mut row);
    user.email_address = row.text("EmailAddress");
    let is_reported = row.get("IsActive").is_some();
    // An unreadable `IsActive` stays unknown: the derived state is only for versions that do not report it.
    user.enabled = row.flag("IsActive").or_else(|| derived.filter(|_| !is_reported));
    let has_type = row.get("UserType").is_some();
    user.account_type = row.shared_text("UserType");
    if application {
        user.kind = UserKind::Service;
        user.account_type = user.account_type.or_else(|| (!has_type).then(|| decoding.intern("application")));
    }
    user.signs_in_by = way.map(|way| decoding.intern(&way));
    user.inferred = inferred.filter(|_| user.account_type.is_none());
    // .NET writes a DateTime without a time zone: UTC is assumed and counted. Applications do not log in: a date that
    // is reported anyway stays in `extra`.
    if user.kind != UserKind::Service || row.get("LastLoginDate").is_some_and(Value::is_null) {
        let login = row.last_login("LastLoginDate");
        user.last_login = if user.kind == UserKind::Service { LastLogin::NotReported } else { login };
    }
    user.blocked = (row.peek_flag("IsQuarantined") == Some(true)).then_some(Blocked::Quarantined);
    user.has_odd_values = row.has_odd();
    user.extra = row.into_extra();
    user
}

/// Returns how the user signed in last. Both fields stay in `extra`. Nothing else shows that a user signs in by single
/// sign-on.
fn signs_in_by(record: &JsonRecord) -> Option<String> {
    if text(record, "LastLoginSAMLIDPURL").is_some() {
        return Some("SAML".to_owned());
    }
    if text(record, "LastLoginSSOURL").is_some() {
        return Some("SSO".to_owned());
    }
    text(record, "LastLoginAuthenticationType").map(str::to_owned)
}

fn full_name(row: &mut Fields<'_>) -> Option<Box<str>> {
    let names = [row.text("FirstName"), row.text("LastName")];
    let names: Vec<&str> = names.iter().flatten().map(AsRef::as_ref).filter(|name: &&str| !name.is_empty()).collect();
    (!names.is_empty()).then(|| names.join(" ").into())
}

fn group(row: Listed, members_known: bool, decoding: &Decoding) -> Group {
    let directory = origin_of(&row) == GroupOrigin::Directory;
    let mut row = Fields::of(row, "groups", decoding);
    let mut group = Group::new(row.id.to_text());
    group.name = row.text("Name");
    group.description = row.text("Description");
    // The appliance lists members of a directory group only after they sign in: an empty directory group may have
    // members.
    group.directory = directory;
    group.members_known = Some(members_known);
    group.extra = row.into_extra();
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(json: &str) -> (AccountClass, Option<Inferred>) {
        let record: JsonRecord = serde_json::from_str(json).unwrap();
        (account_of(&record), inferred(&record, reports_domain(&record)))
    }

    #[test]
    fn the_place_of_the_password_is_inferred_only_if_no_type_is_reported() {
        for (json, expected) in [
            (r#"{"UserType":"BeyondInsight"}"#, (AccountClass::Local, None)),
            (r#"{"UserType":"ActiveDirectory"}"#, (AccountClass::Other, None)),
            (r#"{"UserType":"Application","ClientID":"c"}"#, (AccountClass::Application, None)),
            ("{}", (AccountClass::Other, None)),
            (r#"{"ClientID":""}"#, (AccountClass::Other, None)),
            (r#"{"DomainName":null,"DistinguishedName":""}"#, (AccountClass::Local, Some(Inferred::Local))),
            (r#"{"DomainName":"corp"}"#, (AccountClass::Other, Some(Inferred::Directory))),
            (r#"{"DistinguishedName":"CN=a"}"#, (AccountClass::Other, Some(Inferred::Directory))),
            (r#"{"LastLoginAuthenticationType":"Active Directory"}"#, (AccountClass::Other, Some(Inferred::Directory))),
            (r#"{"LastLoginAuthenticationType":"Local"}"#, (AccountClass::Local, Some(Inferred::Local))),
            (
                r#"{"LastLoginAuthenticationType":"Claims Aware","DomainName":"corp"}"#,
                (AccountClass::Other, Some(Inferred::Sso)),
            ),
            (r#"{"LastLoginSAMLIDPURL":"https://idp"}"#, (AccountClass::Other, Some(Inferred::Sso))),
            (r#"{"LastLoginSSOURL":"https://idp"}"#, (AccountClass::Other, Some(Inferred::Sso))),
        ] {
            assert_eq!(account(json), expected, "{json}");
        }
    }
}
