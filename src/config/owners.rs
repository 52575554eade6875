//! Reads `[[policy.service_owners]]`: who is responsible for each service account, and the day of the next review.

use super::section::{Section, did_you_mean};
use crate::model::Pattern;
use crate::rules::policy::ServiceOwner;

/// Reads all entries. `sources` are the names of the `[[source]]` tables.
pub(super) fn read(sections: Vec<Section<'_>>, sources: &[&str]) -> Vec<ServiceOwner> {
    sections.into_iter().filter_map(|section| read_owner(section, sources)).collect()
}

/// Reads one entry. It reads all keys before it returns, so that every problem is reported.
fn read_owner(section: Section<'_>, sources: &[&str]) -> Option<ServiceOwner> {
    let account = section
        .required("account", "\"svc-backup\"")
        .and_then(|text| Pattern::parse(text).map_err(|why| section.problem("account", why)).ok());
    let source = section.text("source");
    if let Some(name) = source.filter(|name| !sources.contains(name)) {
        section.problem("source", format!("no [[source]] is named {name:?}{}", did_you_mean(name, sources)));
    }
    let owner = section.required("owner", "\"backup team\"").map(str::trim);
    if owner.is_some_and(str::is_empty) {
        section.problem("owner", "must name a person or a team, such as \"backup team\"");
    }
    let review_by = section.required_date("review_by");
    section.reject_unknown_keys();
    Some(ServiceOwner {
        account: account?,
        source: source.map(str::to_owned),
        owner: owner?.to_owned(),
        review_by: review_by?,
    })
}
