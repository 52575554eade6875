//! What a correct snapshot of a world holds, cell by cell, worked out apart from the program: nothing here is shared with
//! the decoder, the join, the rules or the tables. Only for a source that was read whole (or whose groups were refused).
//!
//! A surface (`guide`, `sra`, `password_safe`, `scim`) gives its people, groups and memberships; `rows` and `findings` are
//! the same for all.

mod cells;
mod dates;
mod earlier;
mod findings;
mod guide;
mod matching;
mod password_safe;
mod people;
mod rows;
mod scim;
mod sra;
mod written;

pub use earlier::Earlier;

use super::dialect::{Dialect, Loss};
use super::faults::Faults;
use super::surface::Surface;
use super::world::World;
use chrono::{DateTime, Utc};
use people::Roster;
use std::collections::{BTreeMap, BTreeSet};

/// What the program was told: the parameters of an expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// By which interface the program reads the world.
    pub surface: Surface,
    /// The source's name in the configuration.
    pub source: String,
    /// The instant that ages are counted from.
    pub as_of: DateTime<Utc>,
    /// `stale_after_days`.
    pub stale_after_days: i64,
    /// `privileged_stale_after_days`.
    pub privileged_stale_after_days: i64,
    /// `never_logged_in_grace_days`.
    pub never_grace_days: i64,
    /// Patterns, as in the configuration.
    pub privileged_groups: Vec<String>,
    /// Patterns, as in the configuration.
    pub break_glass: Vec<String>,
    /// Patterns, as in the configuration.
    pub service_accounts: Vec<String>,
    /// The variations that the appliance shows, as in [`Faults::dialects`].
    pub dialects: BTreeSet<Dialect>,
    /// Password Safe: the memberships of directory groups are read, user by user; false: they are skipped.
    pub directory_groups_read: bool,
    /// False where the list of groups could not be read.
    pub groups_listed: bool,
    /// Server's clock minus ours.
    pub clock_skew_seconds: i64,
    /// SCIM: the configuration names the extension's `lastLogin`.
    pub last_login_path: bool,
    /// SCIM: the handles that hide a side of memberships (`scim_*`) as they are set; the others do not matter here.
    pub scim_faults: Faults,
    /// The register of service accounts: (pattern, day `YYYY-MM-DD` of the next review).
    pub service_owners: Vec<(String, String)>,
    /// What earlier runs have seen.
    pub earlier: Earlier,
}

impl Expect {
    /// The thresholds that are the defaults, and the patterns of [`super::Sandbox::ready_configuration`].
    pub fn usual(source: &str, as_of: DateTime<Utc>) -> Self {
        let texts = |patterns: &[&str]| patterns.iter().map(|&p| p.to_owned()).collect();
        Self {
            surface: Surface::Guide,
            source: source.to_owned(),
            as_of,
            stale_after_days: 90,
            privileged_stale_after_days: 45,
            never_grace_days: 30,
            privileged_groups: texts(&["Administrators", "glob:*admin*"]),
            break_glass: texts(&["glob:emergency-*"]),
            service_accounts: texts(&["glob:svc-*"]),
            dialects: BTreeSet::new(),
            directory_groups_read: true,
            groups_listed: true,
            clock_skew_seconds: 0,
            last_login_path: false,
            scim_faults: Faults::default(),
            service_owners: Vec::new(),
            earlier: Earlier::default(),
        }
    }
}

/// One row of a table: column -> the text of the CSV cell in the `raw` dialect; null is the empty text.
pub type Row = BTreeMap<String, String>;

/// All that a snapshot of one source holds, sorted as its files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The rows of `users`.
    pub users: Vec<Row>,
    /// The rows of `groups`.
    pub groups: Vec<Row>,
    /// The rows of `memberships`.
    pub memberships: Vec<Row>,
    /// The findings, without wording.
    pub findings: Vec<ExpectedFinding>,
    /// Whether the source may be called complete.
    pub complete: bool,
}

/// What must be true of a finding, whatever its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFinding {
    /// The rule's public id.
    pub rule: String,
    /// `info` to `critical`.
    pub severity: String,
    /// `user`, `group` or `source`.
    pub subject_kind: String,
    /// The user's or group's id, or the source's name.
    pub subject_id: String,
    /// Always `new`.
    pub status: String,
    /// Whole days since the basis, for `stale-login` and `never-logged-in`.
    pub age_days: Option<i64>,
    /// The days that the age is compared with to make it a finding: the stale threshold, or the grace.
    pub threshold_days: Option<i64>,
    /// The basis as the table writes it, for the same two rules.
    pub basis: Option<String>,
    /// The groups that the user is still in (`disabled-in-group`) or that are missing (`dangling-group`), ascending.
    pub group_ids: Vec<String>,
    /// The users that are missing (`dangling-group` of a group), ascending.
    pub user_ids: Vec<String>,
}

impl World {
    /// The oracle.
    pub fn expected(&self, expect: &Expect) -> Expected {
        // Without the list of users the source fails: nothing of it is published.
        if Self::fails(expect, self.user_count()) {
            return expected(expect, &Roster { partial: true, ..Roster::default() });
        }
        let groups_listed = expect.groups_listed && !Self::fails(expect, self.group_count());
        let expect = &Expect { groups_listed, ..expect.clone() };
        let roster = match expect.surface {
            Surface::Guide => guide::roster(self, expect),
            Surface::Pra | Surface::Rs => sra::roster(self, expect),
            Surface::PasswordSafe => password_safe::roster(self, expect),
            Surface::Scim => scim::roster(self, expect),
        };
        expected(expect, &roster)
    }

    /// Whether a list of so many rows cannot be read. One of none may have no key at all by SCIM, and has a total of 0.
    fn fails(expect: &Expect, rows: usize) -> bool {
        let fails = |dialect: &Dialect| {
            dialect.loss() == Loss::Lists
                && dialect.applies_to(expect.surface)
                && (rows > 0 || (*dialect == Dialect::WrongKeys && expect.surface == Surface::Guide))
        };
        expect.dialects.iter().any(fails)
    }
}

fn expected(expect: &Expect, roster: &Roster) -> Expected {
    Expected {
        users: roster.people.iter().map(|p| rows::user(expect, p)).collect(),
        groups: rows::groups(expect, roster),
        memberships: rows::memberships(expect, roster),
        findings: findings::of(expect, roster),
        complete: expect.groups_listed && !roster.partial,
    }
}
