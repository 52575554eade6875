//! Guards against publishing an empty or shrunken list as the truth: a right that was taken away looks like a tenant
//! without users (200 and an empty list). Pure.

use crate::diff::Since;
use crate::model::{
    Change, ChangeKind, Coverage, Harvest, Instant, Inventory, ListKind, ListReport, Roll, SourceStatus, instant_text,
    lists_of_user,
};
use crate::snapshot::manifest::{ConfirmedShrink, SourceEntry};
use std::fmt;

/// Shrinking by no more rows than this is never suspicious, whatever the percentage: small tenants move in big steps.
const ALWAYS_FINE: u64 = 25;

/// A list of a source that looks too small to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The source's name.
    pub source: String,
    /// Users, groups, members, …
    pub list: ListKind,
    /// Rows in the newest complete snapshot, if the list was there.
    pub before: Option<u64>,
    /// Rows now.
    pub now: u64,
    /// Rows of before that are not there any more, where others took their places.
    pub replaced: Option<u64>,
    /// The limit that it broke.
    pub max_shrink_percent: u8,
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, list, before, now, max_shrink_percent, .. } = self;
        let list = list.as_str();
        match before {
            Some(before) if *before > 0 => {
                let gone = self.gone();
                let percent = gone.saturating_mul(100).checked_div(*before).unwrap_or(0);
                write!(
                    f,
                    "source {source} has {now} {list}, {before} in the last complete snapshot: {gone} gone ({percent} %, \
                     limit {max_shrink_percent} %)"
                )
            }
            _ if self.list == ListKind::Groups => {
                write!(f, "source {source} lists no group, but its users name groups")
            }
            _ if self.list == ListKind::Members => {
                write!(f, "source {source} lists groups, but not one member of any")
            }
            _ => write!(f, "source {source} came back empty"),
        }
    }
}

/// Sources of whose users more are gone than the limit, though others took their places: another appliance behind the same
/// address looks like this. Only what is proven gone counts.
fn replaced(since: &Since, now: &Inventory, before: &[SourceEntry], max_shrink_percent: u8) -> Vec<Suspect> {
    let of_roll = |roll: &Roll| {
        let name = &roll.harvest.source.name;
        let (_, comparison, base_run) = since.of_source(name).ok()?;
        // Those of lists of their own are not in the count of the list of users.
        let offers = |kind: ListKind| *roll.harvest.coverage(kind) != Coverage::NotOffered;
        let is_gone = |change: &&Change| {
            change.kind == ChangeKind::UserRemoved
                && change.source == *name
                && *change.base_run == *base_run
                && *lists_of_user(&change.subject.id, offers) == [ListKind::Users]
        };
        let suspect = Suspect {
            source: name.to_string(),
            list: ListKind::Users,
            before: rows_before(before, name.as_str(), ListKind::Users),
            now: rows_now(&roll.harvest, ListKind::Users),
            replaced: Some(comparison.changes.iter().filter(is_gone).count() as u64),
            max_shrink_percent,
        };
        suspect.shrank().then_some(suspect)
    };
    now.rolls.iter().filter_map(of_roll).collect()
}

fn rows_now(harvest: &Harvest, kind: ListKind) -> u64 {
    harvest.lists.iter().find(|list| list.kind == kind).map_or(0, |list| list.distinct)
}

/// Every suspicious list, compared with the sources of the newest complete snapshot. One that failed or drifted is no suspect:
/// that is told by itself.
pub(super) fn suspects(
    inventory: &Inventory,
    since: &Since,
    before: &[SourceEntry],
    max_shrink_percent: u8,
) -> Vec<Suspect> {
    let rolls = inventory.rolls.iter().filter(|roll| roll.harvest.status() != SourceStatus::Failed);
    let mut suspects: Vec<Suspect> = rolls.flat_map(|roll| of_roll(roll, before, max_shrink_percent)).collect();
    for new in replaced(since, inventory, before, max_shrink_percent) {
        if suspects.iter().all(|told| (&told.source, told.list) != (&new.source, new.list)) {
            suspects.push(new);
        }
    }
    suspects
}

fn of_roll(roll: &Roll, before: &[SourceEntry], max_shrink_percent: u8) -> Vec<Suspect> {
    let harvest = &roll.harvest;
    let source = harvest.source.name.to_string();
    let suspect = |list: &ListReport| Suspect {
        source: source.clone(),
        list: list.kind,
        before: rows_before(before, &source, list.kind),
        now: list.distinct,
        replaced: None,
        max_shrink_percent,
    };
    let is_guarded = |list: &&ListReport| match list.kind {
        ListKind::Users => true,
        // One that failed or drifted is told by itself.
        kind => GUARDED.contains(&kind) && list.coverage.is_complete() && !explained(harvest, kind),
    };
    let mut suspects: Vec<Suspect> = harvest.lists.iter().filter(is_guarded).map(suspect).collect();
    suspects.retain(|suspect| suspect.shrank() || suspect.is_empty_without_reason(roll));
    suspects.extend(gone(roll, before, &source, max_shrink_percent));
    suspects
}

/// Lists whose rows are accounts, groups or memberships, beside the users.
const GUARDED: [ListKind; 5] =
    [ListKind::Groups, ListKind::Members, ListKind::VendorUsers, ListKind::ApiAccounts, ListKind::Vendors];

/// Without groups there are no members to be read, and that is told.
fn explained(harvest: &Harvest, list: ListKind) -> bool {
    match list {
        ListKind::Members => !harvest.coverage(ListKind::Groups).is_complete(),
        ListKind::VendorUsers => !harvest.coverage(ListKind::Vendors).is_complete(),
        _ => false,
    }
}

/// Lists that had rows and that the source does not have any more: a route that is missing takes accounts away without a word.
fn gone(roll: &Roll, before: &[SourceEntry], source: &str, max_shrink_percent: u8) -> Vec<Suspect> {
    let harvest = &roll.harvest;
    let not_offered = |kind: &ListKind| *harvest.coverage(*kind) == Coverage::NotOffered;
    GUARDED
        .into_iter()
        .filter(|kind| not_offered(kind) && !explained(harvest, *kind))
        .filter_map(|kind| {
            let before = rows_before(before, source, kind).filter(|rows| *rows > 0)?;
            let (source, before) = (source.to_owned(), Some(before));
            Some(Suspect { source, list: kind, before, now: 0, replaced: None, max_shrink_percent })
        })
        .collect()
}

impl Suspect {
    /// For the manifest: who said, and when, that it is true.
    pub(super) fn confirmed(&self, by: &str, at: Instant) -> ConfirmedShrink {
        ConfirmedShrink {
            source: self.source.clone(),
            list: self.list,
            before: self.before,
            now: self.now,
            gone: self.gone(),
            limit_percent: self.max_shrink_percent,
            by: by.to_owned(),
            at: instant_text(at),
        }
    }

    /// There is nothing where there should be something, and nobody has confirmed that before.
    fn is_empty_without_reason(&self, roll: &Roll) -> bool {
        if self.now > 0 || self.before == Some(0) {
            return false;
        }
        let were_some = self.before.is_some();
        match self.list {
            // A tenant always has users.
            ListKind::Users => true,
            // Groups there need not be, unless there were some or users name them.
            ListKind::Groups => were_some || !roll.memberships.is_empty(),
            // The account that reads is one of them; and where nobody is in any group, a right is missing more likely than not.
            ListKind::ApiAccounts | ListKind::Vendors | ListKind::VendorUsers => were_some,
            ListKind::Members => {
                were_some || (!roll.harvest.groups.is_empty() && roll.harvest.users.len() as u64 > ALWAYS_FINE)
            }
            _ => false,
        }
    }

    fn gone(&self) -> u64 {
        self.replaced.unwrap_or_else(|| self.before.unwrap_or(0).saturating_sub(self.now))
    }

    fn shrank(&self) -> bool {
        let (before, gone) = (self.before.unwrap_or(0), self.gone());
        gone > ALWAYS_FINE && gone.saturating_mul(100) > before.saturating_mul(self.max_shrink_percent.into())
    }
}

fn rows_before(before: &[SourceEntry], source: &str, list: ListKind) -> Option<u64> {
    before.iter().find(|entry| entry.name == source)?.list(list).map(|list| list.distinct)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::model::{Classes, Group, SourceIdentity, User};

    fn harvest(users: usize, groups: usize, members_of: Option<&str>) -> Harvest {
        let proven = || Coverage::Complete { proof: "p".to_owned() };
        let list = |kind, rows: usize| ListReport::of_rows(kind, rows as u64, proven());
        let user = |n: usize| User {
            group_memberships: members_of.iter().map(|id| (*id).into()).collect(),
            groups_known: true,
            ..User::new(n.to_string())
        };
        Harvest {
            source: SourceIdentity {
                name: "eu".into(),
                kind: "rest-v3".to_owned(),
                url: String::new(),
                client_id: String::new(),
            },
            users: (0..users).map(user).collect(),
            groups: (0..groups).map(|n| Group::new(n.to_string())).collect(),
            outside: Vec::new(),
            lists: vec![list(ListKind::Users, users), list(ListKind::Groups, groups)],
            clock_skew_seconds: None,
            tls_certificate_sha256: None,
            hides_inactive: false,
            odd_values: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// What is said of a source that had `before` (users, groups) and has `now`.
    fn said(before: Option<(usize, usize)>, now: Harvest, max_shrink_percent: u8) -> Vec<String> {
        let entry = |(users, groups)| SourceEntry::of(&harvest(users, groups, None));
        let before: Vec<SourceEntry> = before.into_iter().map(entry).collect();
        let inventory = Inventory::join(vec![now], &Classes::default());
        suspects(&inventory, &Since::Baseline, &before, max_shrink_percent).iter().map(ToString::to_string).collect()
    }

    fn users(before: Option<usize>, now: usize, max_shrink_percent: u8) -> bool {
        !said(before.map(|users| (users, 0)), harvest(now, 0, None), max_shrink_percent).is_empty()
    }

    #[test]
    fn an_empty_source_is_suspicious_unless_it_was_empty_before() {
        assert!(users(None, 0, 20) && users(Some(3), 0, 20));
        assert!(!users(Some(0), 0, 20));
    }

    #[test]
    fn a_shrunken_source_is_suspicious_beyond_the_percentage_and_25_users() {
        assert!(!users(Some(1000), 800, 20), "exactly the limit");
        assert!(users(Some(1000), 799, 20));
        assert!(!users(Some(50), 25, 20), "only 25 gone");
        assert!(users(Some(50), 24, 20));
        assert!(!users(Some(1000), 1, 100));
        assert!(!users(Some(10), 2000, 0));
    }

    #[test]
    fn a_list_of_groups_that_came_back_empty_is_suspicious_where_there_were_groups_or_users_name_them() {
        assert!(said(Some((9, 2)), harvest(9, 0, None), 20)[0].contains("has 0 groups, 2 in the last"));
        assert!(said(None, harvest(9, 0, Some("7")), 20)[0].contains("lists no group, but its users name groups"));
        assert!(said(None, harvest(9, 0, None), 20).is_empty(), "a tenant without groups");
        assert!(said(Some((9, 0)), harvest(9, 0, Some("7")), 20).is_empty(), "confirmed before");
        assert!(said(Some((9, 1000)), harvest(9, 700, None), 20)[0].contains("300 gone (30 %, limit 20 %)"));
    }

    #[test]
    fn every_list_that_makes_accounts_or_memberships_is_guarded_by_itself() {
        let with = |kind: ListKind, rows: u64| {
            let mut harvest = harvest(100, 3, None);
            let list = ListReport { kind, distinct: rows, ..harvest.lists[0].clone() };
            harvest.lists.push(ListReport { kind: ListKind::Vendors, distinct: 2, ..list.clone() });
            harvest.lists.push(list);
            harvest
        };
        let said = |kind, before, now| {
            let before = vec![SourceEntry::of(&with(kind, before))];
            let inventory = Inventory::join(vec![with(kind, now)], &Classes::default());
            suspects(&inventory, &Since::Baseline, &before, 20)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        };
        for kind in [ListKind::Members, ListKind::VendorUsers, ListKind::ApiAccounts] {
            assert_eq!(said(kind, 100, 80), "", "the limit");
            assert!(said(kind, 100, 70).contains(&format!("has 70 {}, 100 in the last", kind.as_str())));
        }
        // The account that reads is an API account itself.
        assert!(said(ListKind::ApiAccounts, 2, 0).contains("2 gone"));
        assert!(said(ListKind::VendorUsers, 2, 0).contains("2 gone"));
        // The accounts of other lists do not make up for users who are gone.
        let mut gone = with(ListKind::ApiAccounts, 50);
        gone.lists[0].distinct = 0;
        let inventory = Inventory::join(vec![gone], &Classes::default());
        assert!(suspects(&inventory, &Since::Baseline, &[], 20)[0].to_string().contains("came back empty"));
    }

    #[test]
    fn a_list_that_had_rows_and_is_not_offered_any_more_is_suspicious() {
        let with = |kind: ListKind, coverage: Coverage| {
            let mut harvest = harvest(100, 3, None);
            harvest.lists.push(ListReport { kind, distinct: 7, coverage, ..harvest.lists[0].clone() });
            harvest
        };
        let complete = || Coverage::Complete { proof: "p".to_owned() };
        for kind in [ListKind::ApiAccounts, ListKind::Vendors] {
            let before = vec![SourceEntry::of(&with(kind, complete()))];
            let said = |harvest| {
                suspects(&Inventory::join(vec![harvest], &Classes::default()), &Since::Baseline, &before, 20).len()
            };
            assert_eq!(said(with(kind, Coverage::NotOffered)), 1, "{kind:?}");
            assert_eq!(said(harvest(100, 3, None)), 1, "{kind:?}: not even tried");
            assert_eq!(said(with(kind, Coverage::Failed { error: "500".to_owned() })), 0, "told by itself");
        }
    }

    #[test]
    fn groups_without_a_single_member_are_suspicious_in_a_tenant_of_some_size() {
        let said = |users: usize| {
            let mut harvest = harvest(users, 3, None);
            let list = ListReport { kind: ListKind::Members, distinct: 0, ..harvest.lists[0].clone() };
            harvest.lists.push(list);
            let inventory = Inventory::join(vec![harvest], &Classes::default());
            suspects(&inventory, &Since::Baseline, &[], 20).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(said(26), ["source eu lists groups, but not one member of any"]);
        assert!(said(25).is_empty());
    }

    #[test]
    fn a_list_of_groups_that_failed_is_no_suspect() {
        let mut failed = harvest(9, 0, Some("7"));
        failed.lists[1].coverage = Coverage::Failed { error: "403".to_owned() };
        assert!(said(Some((9, 2)), failed, 20).is_empty());
    }

    #[test]
    fn a_list_that_was_offered_before_is_missed() {
        let mut now = harvest(100, 3, None);
        now.lists.push(ListReport {
            kind: ListKind::ApiAccounts,
            distinct: 0,
            coverage: Coverage::NotOffered,
            ..now.lists[0].clone()
        });
        let mut before = harvest(100, 3, None);
        for kind in [ListKind::ApiAccounts, ListKind::Vendors, ListKind::VendorUsers] {
            before.lists.push(ListReport { kind, distinct: 500, ..before.lists[0].clone() });
        }
        now.lists.push(ListReport {
            kind: ListKind::Vendors,
            distinct: 0,
            coverage: Coverage::NotOffered,
            ..now.lists[0].clone()
        });
        let before = vec![SourceEntry::of(&before)];
        let said = suspects(&Inventory::join(vec![now], &Classes::default()), &Since::Baseline, &before, 20);
        assert!(!said.is_empty(), "500 API accounts and 500 vendor users vanish, and nobody objects");
    }
    #[test]
    fn vendors_that_come_back_empty_are_suspicious() {
        let mut now = harvest(100, 3, None);
        let mut before = harvest(100, 3, None);
        for kind in [ListKind::Vendors, ListKind::VendorUsers] {
            before.lists.push(ListReport { kind, distinct: 24, ..before.lists[0].clone() });
            now.lists.push(ListReport { kind, distinct: 0, ..now.lists[0].clone() });
        }
        let before = vec![SourceEntry::of(&before)];
        assert!(!suspects(&Inventory::join(vec![now], &Classes::default()), &Since::Baseline, &before, 20).is_empty());
    }

    #[test]
    fn groups_that_are_forbidden_are_no_shrinking_of_members() {
        let list = |kind, rows, coverage| ListReport::of_rows(kind, rows, coverage);
        let whole = || Coverage::Complete { proof: String::new() };
        let harvest = |groups: ListReport, members| Harvest {
            users: (0..100).map(|n: u32| User::new(n.to_string())).collect(),
            lists: vec![list(ListKind::Users, 100, whole()), groups, list(ListKind::Members, members, whole())],
            ..Harvest::of(SourceIdentity {
                name: "eu".into(),
                kind: "pra".to_owned(),
                url: String::new(),
                client_id: String::new(),
            })
        };
        let before = vec![SourceEntry::of(&harvest(list(ListKind::Groups, 12, whole()), 900))];
        let now = harvest(list(ListKind::Groups, 0, Coverage::Failed { error: "403".to_owned() }), 0);
        let said: Vec<String> =
            suspects(&Inventory::join(vec![now], &Classes::default()), &Since::Baseline, &before, 20)
                .iter()
                .map(ToString::to_string)
                .collect();
        assert!(said.is_empty(), "{said:?}");
    }
}
