//! What a page shows and no table of its snapshot holds: kept beside the tables, so that the page can be rendered again from
//! the snapshot alone. Facts, not words: a later version may say them in another way. Pure.

use crate::diff::{Compared, Comparison, Since, Standing};
use crate::model::{
    Blocked, Change, ChangeKind, ChangedGroup, Inferred, Inventory, ListKind, Roll, SourceName, Told, User, UserId,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version that this program writes.
const FORMAT_VERSION: u32 = 1;

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context<'a> {
    format_version: u32,
    /// Whether cells of the CSV files that a spreadsheet would run are guarded.
    pub formula_guard: bool,
    /// Configured sources that were left out of the run.
    pub omitted_sources: Vec<String>,
    /// How it was compared.
    since: Compare<'a>,
    /// What the columns of `users` do not hold, by source; only where there is anything.
    accounts: BTreeMap<Cow<'a, str>, Marks<'a>>,
    /// The groups of the memberships in `changes`, each once, as the side that has the membership tells them.
    changed_groups: Vec<GroupThen<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Compare<'a> {
    Baseline,
    Base { run_id: Cow<'a, str>, sources: Vec<SourceThen<'a>> },
    Unknown { run_id: Cow<'a, str>, why: Cow<'a, str> },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SourceThen<'a> {
    source: Cow<'a, str>,
    standing: Cow<'a, str>,
    /// Of one that stands in part: what was not proven complete on both sides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lists: Vec<Cow<'a, str>>,
}

/// Ids of accounts, by what is told of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marks<'a> {
    /// By what keeps them from signing in beside `enabled`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    blocked: BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>,
    /// By what the last login was made by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    signs_in_by: BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>,
    /// By where their password is checked, inferred from other fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inferred: BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>,
    /// Those whose end was told and is no date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    expires_at_unreadable: Vec<Cow<'a, str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct GroupThen<'a> {
    source: Cow<'a, str>,
    /// The run that the change is told against.
    base_run: Cow<'a, str>,
    /// The kind of change.
    kind: Cow<'a, str>,
    id: Cow<'a, str>,
    name: Option<Cow<'a, str>>,
    privileged: bool,
}

impl<'a> Context<'a> {
    /// The name of the snapshot's file.
    pub const FILE: &'static str = "context.json";

    /// Of a run.
    pub fn of(inventory: &'a Inventory, since: &'a Since, omitted: &[String], formula_guard: bool) -> Self {
        let marks = inventory.rolls.iter().map(|roll| (roll.harvest.source.name.as_str().into(), Marks::of(roll)));
        let mut changed_groups: Vec<GroupThen<'a>> = since.changes().iter().filter_map(GroupThen::of).collect();
        changed_groups.sort();
        changed_groups.dedup();
        Self {
            format_version: FORMAT_VERSION,
            formula_guard,
            omitted_sources: omitted.to_vec(),
            since: Compare::of(since),
            accounts: marks.filter(|(_, marks)| *marks != Marks::default()).collect(),
            changed_groups,
        }
    }

    /// One line of JSON.
    pub fn to_json(&self) -> String {
        // A struct of texts, numbers and lists is always JSON.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Reads what [`Context::to_json`] writes; the error says what is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let Version { format_version } = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if format_version != FORMAT_VERSION {
            return Err(format!("its format_version is {format_version}, and this version knows {FORMAT_VERSION}"));
        }
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Gives the accounts what their columns do not hold.
    pub fn mark(&self, inventory: &mut Inventory) -> Result<(), String> {
        for (source, marks) in &self.accounts {
            let roll = inventory.rolls.iter_mut().find(|roll| roll.harvest.source.name.as_str() == source);
            let roll = roll.ok_or_else(|| format!("source {source:?} is not in the manifest"))?;
            marks.put_on(roll)?;
        }
        Ok(())
    }

    /// The group of a membership that came or went.
    pub fn changed_group(&self, change: &Change, id: &str) -> Option<ChangedGroup> {
        let key = (change.source.as_str(), &*change.base_run, change.kind.as_str(), id);
        let at = self.changed_groups.binary_search_by(|then| then.key().cmp(&key)).ok()?;
        let GroupThen { id, name, privileged, .. } = &self.changed_groups[at];
        Some(ChangedGroup { id: (&**id).into(), name: name.as_deref().map(Box::from), privileged: *privileged })
    }

    /// What was known of the time since the base, with these changes. Earlier logins are not kept: only rules look at them.
    pub fn since(&self, changes: Vec<Change>) -> Result<Since, String> {
        Ok(match &self.since {
            Compare::Baseline => Since::Baseline,
            Compare::Unknown { run_id, why } => Since::Unknown { run_id: run_id.to_string(), why: why.to_string() },
            Compare::Base { run_id, sources } => Since::Base {
                run_id: run_id.to_string(),
                comparison: Comparison {
                    changes,
                    sources: sources.iter().map(SourceThen::compared).collect::<Result<_, _>>()?,
                    logins: Vec::new(),
                },
            },
        })
    }
}

impl<'a> Compare<'a> {
    fn of(since: &'a Since) -> Self {
        match since {
            Since::Baseline => Self::Baseline,
            Since::Unknown { run_id, why } => Self::Unknown { run_id: run_id.into(), why: why.into() },
            Since::Base { run_id, comparison } => {
                Self::Base { run_id: run_id.into(), sources: comparison.sources.iter().map(SourceThen::of).collect() }
            }
        }
    }
}

impl<'a> SourceThen<'a> {
    fn of(compared: &'a Compared) -> Self {
        let (standing, lists) = match &compared.standing {
            Standing::Whole => ("whole", &[][..]),
            Standing::InPart(lists) => ("in-part", &lists[..]),
            Standing::Baseline => ("baseline", &[][..]),
            Standing::Gone => ("gone", &[][..]),
            Standing::Failed => ("failed", &[][..]),
        };
        let lists = lists.iter().map(|list| Cow::Borrowed(list.as_str())).collect();
        Self { source: compared.source.as_str().into(), standing: standing.into(), lists }
    }

    fn compared(&self) -> Result<Compared, String> {
        let unknown = |what: &str| format!("{what:?} of source {:?} is nothing that this version knows", self.source);
        let list = |word: &Cow<'_, str>| ListKind::parse(word).ok_or_else(|| unknown(word));
        let standing = match &*self.standing {
            "whole" => Standing::Whole,
            "in-part" => Standing::InPart(self.lists.iter().map(list).collect::<Result<_, _>>()?),
            "baseline" => Standing::Baseline,
            "gone" => Standing::Gone,
            "failed" => Standing::Failed,
            other => return Err(unknown(other)),
        };
        Ok(Compared { source: SourceName::from(&*self.source), standing })
    }
}

impl<'a> Marks<'a> {
    fn of(roll: &'a Roll) -> Self {
        let mut marks = Self::default();
        for user in &roll.harvest.users {
            let id = || Cow::Borrowed(user.id.as_str());
            if let Some(blocked) = user.blocked {
                marks.blocked.entry(word_of(blocked).into()).or_default().push(id());
            }
            if let Some(way) = &user.signs_in_by {
                marks.signs_in_by.entry(Cow::Borrowed(way)).or_default().push(id());
            }
            if let Some(inferred) = user.inferred {
                marks.inferred.entry(inferred.as_str().into()).or_default().push(id());
            }
            if matches!(user.expires_at, Told::Unreadable(_)) {
                marks.expires_at_unreadable.push(id());
            }
        }
        marks
    }

    fn put_on(&self, roll: &mut Roll) -> Result<(), String> {
        for (word, ids) in &self.blocked {
            let known = [Blocked::Expired, Blocked::Quarantined, Blocked::NotApproved];
            let blocked = known.into_iter().find(|blocked| word_of(*blocked) == word);
            let blocked = blocked.ok_or_else(|| format!("{word:?} is no reason that this version knows"))?;
            each(roll, ids, |user| user.blocked = Some(blocked))?;
        }
        for (way, ids) in &self.signs_in_by {
            let way: Arc<str> = Arc::from(&**way);
            each(roll, ids, |user| user.signs_in_by = Some(Arc::clone(&way)))?;
        }
        for (word, ids) in &self.inferred {
            let inferred = Inferred::ALL.into_iter().find(|inferred| inferred.as_str() == word);
            let inferred = inferred.ok_or_else(|| format!("{word:?} is no inference that this version knows"))?;
            each(roll, ids, |user| user.inferred = Some(inferred))?;
        }
        each(roll, &self.expires_at_unreadable, |user| user.expires_at = Told::Unreadable(Box::default()))
    }
}

fn word_of(blocked: Blocked) -> &'static str {
    match blocked {
        Blocked::Expired => "expired",
        Blocked::Quarantined => "quarantined",
        Blocked::NotApproved => "not-approved",
    }
}

/// Users of a roll are in the order of their ids.
fn each(roll: &mut Roll, ids: &[Cow<'_, str>], mut mark: impl FnMut(&mut User)) -> Result<(), String> {
    let users = &mut roll.harvest.users;
    for id in ids {
        let wanted = UserId::from(&**id);
        let at = users.binary_search_by(|user| user.id.cmp(&wanted));
        mark(&mut users[at.map_err(|_| format!("account {id:?} is not in the table of users"))?]);
    }
    Ok(())
}

impl<'a> GroupThen<'a> {
    fn of(change: &'a Change) -> Option<Self> {
        let group = change.group.as_ref()?;
        Some(Self {
            source: change.source.as_str().into(),
            base_run: (&*change.base_run).into(),
            kind: ChangeKind::as_str(change.kind).into(),
            id: group.id.as_str().into(),
            name: group.name.as_deref().map(Cow::Borrowed),
            privileged: group.privileged,
        })
    }

    fn key(&self) -> (&str, &str, &str, &str) {
        (&self.source, &self.base_run, &self.kind, &self.id)
    }
}
