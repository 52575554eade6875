//! `service-without-owner`: accounts that programs use, held against the configuration's register. Machines do not log in, so
//! that an owner and a date of review take the place of inactivity.

use super::policy::ServiceOwner;
use super::{RuleContext, RuleRemark, RuleResult, evidence};
use crate::model::{ApiAccess, Rule, Severity, User, UserKind};
use serde_json::json;

/// A service that is not disabled, without an entry in force.
pub(super) fn without_owner(context: &RuleContext<'_>, user: &User) -> RuleResult {
    if user.kind != UserKind::Service || user.enabled == Some(false) {
        return RuleResult::NotASubject;
    }
    if user.enabled.is_none() {
        return RuleResult::Undetermined;
    }
    let source = &context.source_inventory.reading.source.name;
    let entries = context.policy.service_owners.iter().filter(|entry| entry.names(source, user));
    // Of several entries the one that holds longest counts: somebody answers for the account until then.
    let entry = entries.max_by_key(|entry| entry.review_by);
    match entry {
        Some(entry) if entry.review_by >= context.as_of.date_naive() => RuleResult::Fine,
        entry => RuleResult::RuleRemark(remark(user, entry)),
    }
}

fn remark(user: &User, entry: Option<&ServiceOwner>) -> RuleRemark {
    let (reason, mut title) = match entry {
        None => ("no entry", "service account without an owner in the register".to_owned()),
        Some(entry) => (
            "review date passed",
            format!(
                "service account whose review was due by {}; the register's owner is {}",
                entry.review_by, entry.owner
            ),
        ),
    };
    let mut found = evidence([("reason", json!(reason))]);
    if let Some(entry) = entry {
        let account = entry.account.to_string();
        found.extend(evidence([
            ("account", json!(account)),
            ("owner", json!(entry.owner)),
            ("review_by", json!(entry.review_by.to_string())),
        ]));
    }
    let mut severity = Severity::Medium;
    if let Some(api) = user.api.as_deref() {
        found
            .extend(evidence([("address_restricted", json!(api.restricted)), ("wide_rights", json!(api.wide_rights))]));
        let reach = reach(api);
        if !reach.is_empty() {
            severity = Severity::High;
            title = format!("{title}; {}", reach.join(", "));
        }
    }
    RuleRemark { rule: Rule::ServiceWithoutOwner, severity, title, evidence: found }
}

/// What makes an API account graver.
fn reach(api: &ApiAccess) -> Vec<String> {
    let rights = (!api.wide_rights.is_empty()).then(|| format!("wide rights ({})", api.wide_rights.join(", ")));
    let addresses = (api.restricted == Some(false)).then(|| "usable from any address".to_owned());
    rights.into_iter().chain(addresses).collect()
}
