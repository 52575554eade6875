//! `[[source]]`: which appliances to read and how.

use super::reference::{self, Surroundings};
use super::section::Section;
use crate::model::{SourceIdentity, SourceName};
use crate::source::{SourceKind, SourceSettings};
use crate::wire::{ClientSettings, TokenAuth, base_url};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Reads every source; at least one is needed.
pub(super) fn read(sections: Vec<Section<'_>>, root: &Section<'_>, around: &Surroundings<'_>) -> Vec<SourceSettings> {
    if sections.is_empty() {
        root.problem("source", "there is none; describe each appliance in a [[source]] table with name, kind and url");
    }
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for section in sections {
        let path = section.path_of("name");
        let problems = section.problems();
        if let Some(settings) = one(section, around) {
            if !names.insert(settings.identity.name.to_string()) {
                problems.add(path, format!("{} is the name of two sources; names must differ", settings.identity.name));
            }
            sources.push(settings);
        }
    }
    sources
}

/// All keys are looked at before anything is given up, so that every problem is told.
fn one(section: Section<'_>, around: &Surroundings<'_>) -> Option<SourceSettings> {
    let name = name(&section);
    let kind = kind(&section);
    let url = section
        .required("url", "\"https://bt.example.com\"")
        .and_then(|text| base_url(text).map_err(|why| section.problem("url", why)).ok());
    let client_id = reference::plain(&section, "client_id", around);
    let secret = reference::secret(&section, "client_secret", around);
    let ways = [("auto", TokenAuth::Auto), ("basic", TokenAuth::Basic), ("form", TokenAuth::Form)];
    let token_auth = section.one_of("token_auth", &ways).unwrap_or_default();
    let ca_file = reference::certificates(&section, "ca_file", around);
    let page_size = section.number("page_size", 2..=1000, 100);
    let concurrency = section.number("concurrency", 1..=32, 4);
    let requests_per_second = section.rate("requests_per_second", 1000.0, 15.0);
    let deadline_minutes = section.number("deadline_minutes", 1..=1440, 60);
    let ca_pem = ca_file.and_then(|path| {
        let unreadable = |why| section.problem("ca_file", format!("cannot read {}: {why}", path.display()));
        fs::read(&path).map_err(unreadable).ok()
    });
    section.end();
    let (name, kind, url, client_id) = (name?, kind?, url?, client_id?);
    let mut client = ClientSettings::new(name.clone(), url.clone(), client_id.clone(), secret?);
    client.token_auth = token_auth;
    client.ca_pem = ca_pem;
    client.concurrency = concurrency as usize;
    client.requests_per_second = requests_per_second;
    client.deadline = Duration::from_secs(60 * u64::from(deadline_minutes));
    let identity = SourceIdentity { name, kind: kind.as_str().to_owned(), url, client_id };
    Some(SourceSettings { identity, kind, client, page_size })
}

fn name(section: &Section<'_>) -> Option<SourceName> {
    let name = section.required("name", "\"appliance-eu\"")?;
    let plain = name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !plain {
        section.problem("name", "must be at most 64 letters, digits, dots, dashes and underscores");
        return None;
    }
    Some(SourceName::from(name))
}

fn kind(section: &Section<'_>) -> Option<SourceKind> {
    let text = section.required("kind", "\"rest-v3\"")?;
    let later = ["pra", "rs", "password-safe", "scim"];
    if later.contains(&text) {
        section.problem("kind", format!("{text:?} is not in this version; it reads kind = \"rest-v3\""));
        return None;
    }
    section.word("kind", text, &[("rest-v3", SourceKind::RestV3)])
}
