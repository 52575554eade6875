//! The groups that a finding about an account is about, by name. Pure.
//!
//! Rules write ids of groups into the evidence, and custom rules names. `run::notify` knows the names of the ids.

use crate::model::{Finding, SubjectKind};
use serde_json::Value;

/// Keys of evidence with ids of groups (`rules::membership`, `rules::quality`).
const IDS: [&str; 5] =
    ["groups", "named_groups", "missing_groups", "memberships_only_by_user", "memberships_only_by_group"];

/// Groups of a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupNames {
    /// Name of each group in the evidence; its id if the name is unknown.
    pub names: Vec<String>,
    /// Number of further groups that the evidence counts and does not list.
    pub unlisted: u64,
}

impl GroupNames {
    /// Returns the groups of a finding about an account; none if it is about something else.
    ///
    /// `name_of` returns the name of a group by its id.
    pub fn of(finding: &Finding, name_of: impl Fn(&str) -> Option<String>) -> Self {
        if finding.subject.kind != SubjectKind::User {
            return Self::default();
        }
        let evidence: Value = serde_json::from_str(&finding.evidence()).unwrap_or_default();
        let name_or_id = |id: &str| name_of(id).unwrap_or_else(|| id.to_owned());
        let mut names: Vec<String> = IDS.iter().flat_map(|key| texts(&evidence[key])).map(name_or_id).collect();
        let mut count = evidence["count"].as_u64().filter(|_| !names.is_empty());
        // A custom rule has the values of its variables; `groups` has names. The ids of the same groups add nothing.
        let (values, lengths) = (&evidence["values"], &evidence["lengths"]);
        let by_name: Vec<&str> = texts(&values["groups"]).collect();
        if by_name.is_empty() {
            names.extend(texts(&values["group_ids"]).map(name_or_id));
            count = count.or_else(|| lengths["group_ids"].as_u64());
        } else {
            names.extend(by_name.into_iter().map(str::to_owned));
            count = count.or_else(|| lengths["groups"].as_u64());
        }
        let unlisted = count.unwrap_or_default().saturating_sub(names.len() as u64);
        Self { names, unlisted }
    }

    /// Returns the names in one text of at most `limit` characters: whole names, and how many are left out. `None` if
    /// there is no group.
    pub(super) fn within(&self, limit: usize) -> Option<String> {
        let of_first = |count: usize| {
            let left_out = self.unlisted + (self.names.len() - count) as u64;
            let rest = (left_out > 0).then(|| format!("{left_out} more"));
            self.names[..count].iter().cloned().chain(rest).collect::<Vec<_>>().join(", ")
        };
        let fits = |text: &String| text.chars().count() <= limit;
        (0..=self.names.len()).rev().map(of_first).find(fits).filter(|text| !text.is_empty())
    }
}

/// Returns the texts of a list; none of anything else.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}
