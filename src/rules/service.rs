//! The rule `service-without-owner`: compares service accounts with the register in the configuration.
//!
//! Programs that use keys do not log in. Instead of inactivity, the rule therefore requires an owner and a review date.

use super::policy::ServiceOwner;
use super::{RuleContext, RuleEvidence, RuleRemark, RuleResult};
use crate::model::{ApiAccess, Exclusion, Rule, Severity, User, UserKind};

/// Finds a service account that is not disabled and has no entry in force.
pub(super) fn without_owner(context: &RuleContext<'_>, user: &User) -> RuleResult {
    if user.kind != UserKind::Service {
        return RuleResult::NotASubject(Exclusion::NotServiceAccount);
    }
    if user.enabled == Some(false) {
        return RuleResult::NotASubject(Exclusion::Disabled);
    }
    if user.enabled.is_none() {
        return RuleResult::Undetermined;
    }
    let source = &context.source_inventory.reading.source.name;
    let entries = context.policy.service_owners.iter().filter(|entry| entry.names(source, user));
    // Of several entries, the one with the latest review date counts: until then somebody is responsible.
    let entry = entries.max_by_key(|entry| entry.review_by);
    match entry {
        Some(entry) if entry.review_by >= context.as_of.date_naive() => RuleResult::Passed,
        entry => RuleResult::Found(remark(user, entry)),
    }
}

fn remark(user: &User, entry: Option<&ServiceOwner>) -> RuleRemark {
    let (reason, mut title) = match entry {
        None => ("no entry", "service account without an owner in the register".to_owned()),
        Some(entry) => (
            "review date passed",
            format!(
                "service account with an overdue review (due {}); registered owner: {}",
                entry.review_by, entry.owner
            ),
        ),
    };
    let mut found = RuleEvidence::default().with("reason", reason);
    if let Some(entry) = entry {
        let account = entry.account.to_string();
        found =
            found.with("account", account).with("owner", &entry.owner).with("review_by", entry.review_by.to_string());
    }
    let mut severity = Severity::Medium;
    if let Some(api) = user.rare.api.as_deref() {
        found = found.with("address_restricted", api.restricted).with("wide_rights", &api.wide_rights);
        let reach = reach(api);
        if !reach.is_empty() {
            severity = Severity::High;
            title = format!("{title}; {}", reach.join(", "));
        }
    }
    RuleRemark { rule: Rule::ServiceWithoutOwner, severity, title, evidence: found }
}

/// Returns the properties that make an API account more dangerous.
fn reach(api: &ApiAccess) -> Vec<String> {
    let rights = (!api.wide_rights.is_empty()).then(|| format!("wide rights ({})", api.wide_rights.join(", ")));
    let addresses = (api.restricted == Some(false)).then(|| "usable from any address".to_owned());
    rights.into_iter().chain(addresses).collect()
}
