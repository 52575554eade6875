//! Classifies accounts and groups of Password Safe from their records: what kind of account, who fills a group.
//!
//! `account_type` holds what the product reports (`UserType`). Many versions report it for application users only. For
//! other users, the place where the password is checked is inferred, in this order:
//!
//! 1. an identity provider: `LastLoginSAMLIDPURL`, `LastLoginSSOURL`, or a `LastLoginAuthenticationType` of that kind;
//! 2. a directory: `DomainName`, `DistinguishedName`, or a `LastLoginAuthenticationType` of that kind;
//! 3. the product itself: the tenant reports such fields for any user, or the type is `Local`.

use super::Listed;
use crate::model::{Inferred, User};
use crate::source::decode::JsonRecord;
use serde_json::Value;

/// Origin of the members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupOrigin {
    /// Filled by the product itself (`GroupType` is `BeyondInsight`).
    Local,
    /// Filled by a directory.
    Directory,
    /// Type not reported: anybody may be a member, and reading the members may synchronise the group.
    Unknown,
}

/// Returns the origin of a group by its `GroupType`, compared without case. Every type except the product's own means a
/// directory.
pub(super) fn origin_of(group: &Listed) -> GroupOrigin {
    match group.record.get("GroupType").and_then(Value::as_str).map(str::trim) {
        Some(kind) if kind.eq_ignore_ascii_case("BeyondInsight") => GroupOrigin::Local,
        Some(kind) if !kind.is_empty() => GroupOrigin::Directory,
        _ => GroupOrigin::Unknown,
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
    user.rare.set(|rare| &mut rare.signs_in_by, signs_in_by(record).map(|way| way.as_str().into()));
    user.inferred = inferred(record, reports_domain(record));
    if user.is_local() { AccountClass::Local } else { AccountClass::Other }
}

pub(super) fn is_application(record: &JsonRecord) -> bool {
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

pub(super) fn reports_domain(record: &JsonRecord) -> bool {
    ["DomainName", "DistinguishedName"].iter().any(|key| record.get(key).is_some())
}

/// Infers where the password is checked; `None` if the product reports a type, or if nothing is known.
///
/// `reports_domains`: whether the tenant reports the domain of directory users, so that users without one are local.
pub(super) fn inferred(record: &JsonRecord, reports_domains: bool) -> Option<Inferred> {
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

/// Returns how the user signed in last. Both fields stay in `extra`. Nothing else shows that a user signs in by single
/// sign-on.
pub(super) fn signs_in_by(record: &JsonRecord) -> Option<String> {
    if text(record, "LastLoginSAMLIDPURL").is_some() {
        return Some("SAML".to_owned());
    }
    if text(record, "LastLoginSSOURL").is_some() {
        return Some("SSO".to_owned());
    }
    text(record, "LastLoginAuthenticationType").map(str::to_owned)
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
