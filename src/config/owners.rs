//! `[[policy.service_owners]]`: the register of accounts that programs use, each with somebody who answers for it and a day on
//! which it is looked at again.

use super::section::{Section, did_you_mean};
use crate::model::Pattern;
use crate::rules::policy::ServiceOwner;

/// Every entry; `sources` are the names that `[[source]]` tables have.
pub(super) fn read(sections: Vec<Section<'_>>, sources: &[&str]) -> Vec<ServiceOwner> {
    sections.into_iter().filter_map(|section| one(section, sources)).collect()
}

/// All keys are looked at before anything is given up, so that every problem is told.
fn one(section: Section<'_>, sources: &[&str]) -> Option<ServiceOwner> {
    let account = section
        .required("account", "\"svc-backup\"")
        .and_then(|text| Pattern::parse(text).map_err(|why| section.problem("account", why)).ok());
    let source = section.text("source");
    if let Some(name) = source.filter(|name| !sources.contains(name)) {
        section.problem("source", format!("{name:?} is the name of no [[source]]{}", did_you_mean(name, sources)));
    }
    let owner = section.required("owner", "\"backup team\"").map(str::trim);
    if owner.is_some_and(str::is_empty) {
        section.problem("owner", "must name somebody, such as \"backup team\"");
    }
    let review_by = section.required_date("review_by");
    section.end();
    Some(ServiceOwner {
        account: account?,
        source: source.map(str::to_owned),
        owner: owner?.to_owned(),
        review_by: review_by?,
    })
}
