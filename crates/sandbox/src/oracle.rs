//! The oracle: what a correct snapshot of a world holds, cell by cell. It shares no code with the program: no decoder,
//! join, rule or table. So an error in one of the two shows as a difference.
//!
//! Each interface (`guide`, `sra`, `password_safe`, `scim`) yields accounts, groups and memberships; `rows` and
//! `findings` are the same for all. It applies to sources that were read completely, or whose list of groups
//! was refused.

mod cells;
mod dates;
mod earlier;
mod findings;
mod guide;
mod inventory;
mod matching;
mod password_safe;
mod rows;
mod scim;
mod sra;
mod written;

pub use earlier::Earlier;

use crate::dialect::{Dialect, Loss};
use crate::faults::Faults;
use crate::surface::Surface;
use crate::world::World;
use chrono::{DateTime, Utc};
use inventory::ExpectedInventory;
use std::collections::{BTreeMap, BTreeSet};

/// The parameters of an expectation: what the program is configured with, and what it knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Interface by which the program reads the world.
    pub surface: Surface,
    /// Name of the source in the configuration.
    pub source: String,
    /// Instant from which ages are counted back.
    pub as_of: DateTime<Utc>,
    /// The setting `stale_after_days`.
    pub stale_after_days: i64,
    /// The setting `privileged_stale_after_days`.
    pub privileged_stale_after_days: i64,
    /// The setting `never_logged_in_grace_days`.
    pub never_grace_days: i64,
    /// Patterns of the setting `privileged_groups`.
    pub privileged_groups: Vec<String>,
    /// Patterns of the setting `break_glass`.
    pub break_glass: Vec<String>,
    /// Patterns of the setting `service_accounts`.
    pub service_accounts: Vec<String>,
    /// Dialects of the appliance, as in [`Faults::dialects`].
    pub dialects: BTreeSet<Dialect>,
    /// Password Safe: whether the memberships of directory groups are read, user by user, or skipped.
    pub directory_groups_read: bool,
    /// Whether the list of groups can be read.
    pub groups_listed: bool,
    /// The server's clock minus the program's, in seconds.
    pub clock_skew_seconds: i64,
    /// SCIM: whether the configuration names the extension's `lastLogin`.
    pub last_login_path: bool,
    /// SCIM: the faults that hide a side of memberships (`scim_*`); the other faults do not matter here.
    pub scim_faults: Faults,
    /// Register of service accounts: (pattern, day of the next review as `YYYY-MM-DD`).
    pub service_owners: Vec<(String, String)>,
    /// What earlier runs have seen.
    pub earlier: Earlier,
}

impl Expect {
    /// Returns an expectation with the default thresholds and the patterns of [`crate::Sandbox::ready_configuration`].
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

/// A row of a table: column -> text of the CSV cell in the `raw` dialect. Null is the empty text.
pub type Row = BTreeMap<String, String>;

/// Everything that a snapshot of one source holds, in the order of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Rows of `users`.
    pub users: Vec<Row>,
    /// Rows of `groups`.
    pub groups: Vec<Row>,
    /// Rows of `memberships`.
    pub memberships: Vec<Row>,
    /// Findings, without their wording.
    pub findings: Vec<ExpectedFinding>,
    /// Whether the manifest may call the source complete.
    pub complete: bool,
}

/// The facts of a finding, without its wording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFinding {
    /// Public id of the rule.
    pub rule: String,
    /// Severity, `info` to `critical`.
    pub severity: String,
    /// Kind of subject: `user`, `group` or `source`.
    pub subject_kind: String,
    /// Id of the user or group, or name of the source.
    pub subject_id: String,
    /// Status of the finding; always `new`.
    pub status: String,
    /// Whole days since the basis, for `stale-login` and `never-logged-in`.
    pub age_days: Option<i64>,
    /// Days from which the age is a finding: the stale threshold or the grace period, for the same two rules.
    pub threshold_days: Option<i64>,
    /// The basis as the table writes it, for the same two rules.
    pub basis: Option<String>,
    /// Groups that the user is still in (`disabled-in-group`) or that are missing (`dangling-group`), ascending.
    pub group_ids: Vec<String>,
    /// Users that are missing (`dangling-group` of a group), ascending.
    pub user_ids: Vec<String>,
}

impl World {
    /// Returns what a correct snapshot of this world holds.
    pub fn expected(&self, expect: &Expect) -> Expected {
        // Without the list of users the source fails, and nothing of it is published.
        if Self::fails(expect, self.user_count()) {
            return expected(expect, &ExpectedInventory { partial: true, ..ExpectedInventory::default() });
        }
        let groups_listed = expect.groups_listed && !Self::fails(expect, self.group_count());
        let expect = &Expect { groups_listed, ..expect.clone() };
        let mut inventory = match expect.surface {
            Surface::Guide => guide::inventory(self, expect),
            Surface::Pra | Surface::Rs => sra::inventory(self, expect),
            Surface::PasswordSafe => password_safe::inventory(self, expect),
            Surface::Scim => scim::inventory(self, expect),
        };
        if expect.dialects.contains(&Dialect::DoubleUser) && self.user_count() > 0 {
            (inventory.partial, inventory.doubts_users) = (true, true);
            // The guide's groups have no members of their own: only the list of users shows them.
            if expect.surface == Surface::Guide {
                inventory.unread.extend(inventory.groups.iter().map(|group| group.id.clone()));
            }
        }
        expected(expect, &inventory)
    }

    /// Returns whether a list of this many rows cannot be read. An empty list of SCIM can: it has no key, and a
    /// total of 0.
    fn fails(expect: &Expect, rows: usize) -> bool {
        let fails = |dialect: &Dialect| {
            dialect.loss() == Loss::Lists
                && dialect.applies_to(expect.surface)
                && (rows > 0 || (*dialect == Dialect::WrongKeys && expect.surface == Surface::Guide))
        };
        expect.dialects.iter().any(fails)
    }
}

fn expected(expect: &Expect, inventory: &ExpectedInventory) -> Expected {
    Expected {
        users: rows::users(expect, inventory),
        groups: rows::groups(expect, inventory),
        memberships: rows::memberships(expect, inventory),
        findings: findings::of(expect, inventory),
        complete: expect.groups_listed && !inventory.partial,
    }
}
