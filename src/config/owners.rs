//! Reads the registers of owners: `[[policy.service_owners]]` (who is responsible for each service account, and the day
//! of the next review) and `[[policy.group_owners]]` (who answers for the members of each group).

use super::section::Section;
use super::similar::did_you_mean;
use crate::model::Pattern;
use crate::rules::policy::{GroupOwner, ServiceOwner};

/// Reads the owners of service accounts. `sources` are the names of the `[[source]]` tables.
pub(super) fn of_accounts(sections: &[Section<'_>], sources: &[&str]) -> Vec<ServiceOwner> {
    sections.iter().filter_map(|section| of_account(section, sources)).collect()
}

/// Reads the owners of groups.
pub(super) fn of_groups(sections: &[Section<'_>]) -> Vec<GroupOwner> {
    sections.iter().filter_map(of_group).collect()
}

/// Reads one entry. It reads all keys before it returns, so that every problem is reported.
fn of_account(section: &Section<'_>, sources: &[&str]) -> Option<ServiceOwner> {
    let account = pattern(section, "account", "\"svc-backup\"");
    let source = source(section, sources);
    let owner = owner(section, "backup team");
    let review_by = section.required_date("review_by");
    section.reject_unknown_keys();
    Some(ServiceOwner { account: account?, source, owner: owner?, review_by: review_by? })
}

/// Reads one entry, like [`of_account`].
fn of_group(section: &Section<'_>) -> Option<GroupOwner> {
    let group = pattern(section, "group", "\"Administrators\"");
    let owner = owner(section, "Head of IT");
    let email = section.text("email").map(str::trim);
    if email.is_some_and(|text| !is_address(text)) {
        section.problem("email", "must be an e-mail address, such as \"it@example.com\"");
    }
    section.reject_unknown_keys();
    Some(GroupOwner { group: group?, owner: owner?, email: email.map(str::to_owned) })
}

/// Reads the name of a source; an absent one means every source.
pub(super) fn source(section: &Section<'_>, sources: &[&str]) -> Option<String> {
    let name = section.text("source")?;
    if !sources.contains(&name) {
        section.problem("source", format!("no [[source]] is named {name:?}{}", did_you_mean(name, sources)));
    }
    Some(name.to_owned())
}

/// Reads a pattern that must be present.
pub(super) fn pattern(section: &Section<'_>, key: &'static str, example: &str) -> Option<Pattern> {
    let text = section.required(key, example)?;
    Pattern::parse(text).map_err(|why| section.problem(key, why)).ok()
}

fn owner(section: &Section<'_>, example: &str) -> Option<String> {
    section.required("owner", &format!("{example:?}")).map(|owner| owner.trim().to_owned())
}

/// Returns whether the text has the form of one address. Whether it can receive mail is not checked.
fn is_address(text: &str) -> bool {
    let parts = text.split_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty());
    parts.is_some_and(|(_, host)| !host.contains('@')) && !text.contains(char::is_whitespace)
}
