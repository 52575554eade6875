//! The seam between the run and the products: what a source offers, and its harvest.
//! Knows which connectors exist; nothing of paging, HTTP or JSON.

mod client;
pub mod date;
mod decode;
mod named;
mod password_safe;
mod per_group;
pub mod rest_v3;
mod scim;
mod sra;

use crate::event::Observer;
use crate::model::{ListKind, Pattern, SourceIdentity, SourceReading};
use crate::wire::{ClientSettings, RequestPlan};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Which product's API a source speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The REST API of the user management guide, `/api/public/v3`.
    RestV3,
    /// The Configuration API of Privileged Remote Access.
    Pra,
    /// The Configuration API of Remote Support.
    Rs,
    /// The public API of BeyondInsight and Password Safe.
    PasswordSafe,
    /// SCIM 2.0 (RFC 7643, 7644), whoever serves it.
    Scim,
}

impl SourceKind {
    /// The word for it in the configuration and the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RestV3 => "rest-v3",
            Self::Pra => "pra",
            Self::Rs => "rs",
            Self::PasswordSafe => "password-safe",
            Self::Scim => "scim",
        }
    }

    /// Where its API usually begins.
    pub fn base_path(self) -> &'static str {
        match self {
            Self::RestV3 => "/api/public/v3",
            Self::Pra | Self::Rs => "/api/config/v1",
            Self::PasswordSafe => "/BeyondTrust/api/public/v3",
            Self::Scim => "/scim/v2",
        }
    }
}

/// One configured source: who it is, how to reach it, how to page it.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// Who.
    pub identity: SourceIdentity,
    /// Which API.
    pub kind: SourceKind,
    /// How to reach it.
    pub client: ClientSettings,
    /// Rows asked for in one page; 1 to 1000.
    pub page_size: u32,
    /// Path below the address where the API begins, without a slash at its end.
    pub base_path: String,
    /// SCIM: where an extension tells the last login, as a JSON Pointer (RFC 6901).
    pub last_login_path: Option<String>,
    /// PRA, RS: users who may be in a policy by way of a directory are asked for their policies, a request for each.
    pub resolve_directory_users: bool,
    /// Password Safe: how the members of directory groups are read.
    pub directory_groups: DirectoryGroups,
    /// Password Safe: how long one directory group may take to synchronise.
    pub directory_sync_timeout: Duration,
    /// Groups that the configuration calls privileged: their members are checked twice where a list may leave some out.
    pub privileged_groups: Vec<Pattern>,
}

impl SourceSettings {
    /// Returns the defaults for everything but who it is, which API it has, and how to reach it.
    pub fn new(identity: SourceIdentity, kind: SourceKind, client: ClientSettings) -> Self {
        Self {
            identity,
            kind,
            client,
            page_size: 100,
            base_path: kind.base_path().to_owned(),
            last_login_path: None,
            resolve_directory_users: false,
            directory_groups: DirectoryGroups::default(),
            directory_sync_timeout: Duration::from_secs(300),
            privileged_groups: Vec::new(),
        }
    }
}

/// How the members of groups are read that a directory fills (Password Safe). Reading the members of such a group makes the
/// appliance synchronise it with the directory (vendor's reference of `GET UserGroups/{id}/Users`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DirectoryGroups {
    /// By the users' own lists of groups, a request for each; nothing is synchronised.
    #[default]
    ByUser,
    /// Not at all: their members stay unknown.
    Skip,
    /// By the group's members: the appliance synchronises each such group once a run.
    Sync,
}

impl DirectoryGroups {
    /// Returns the word for it in the configuration and the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByUser => "by-user",
            Self::Skip => "skip",
            Self::Sync => "sync",
        }
    }
}

/// A source's answer, whenever it comes.
pub type ReadingFuture<'a> = Pin<Box<dyn Future<Output = SourceReading> + 'a>>;

/// What the first page of each list showed: for `check --online`.
#[derive(Clone, Debug)]
pub struct Probe {
    /// One entry a list, in the order of reading.
    pub lists: Vec<ProbedList>,
    /// Server's clock minus ours, where its `Date` header told.
    pub clock_skew_seconds: Option<i64>,
    /// What a run would ask of a quiet appliance, as far as the totals tell; `None` where they do not.
    pub plan: Option<RequestPlan>,
    /// Why the limits of an hour do not allow it, with the arithmetic.
    pub beyond_limits: Option<String>,
    /// What a run would conclude besides, or do.
    pub notes: Vec<String>,
}

impl Probe {
    /// Returns what these lists show, and nothing else.
    fn of(lists: Vec<ProbedList>) -> Self {
        Self { lists, clock_skew_seconds: None, plan: None, beyond_limits: None, notes: Vec::new() }
    }
}

/// One list of a [`Probe`].
#[derive(Clone, Debug)]
pub struct ProbedList {
    /// Which.
    pub kind: ListKind,
    /// Rows of the page and the source's total, or what went wrong with its cure. Of a list that exists once an object: of the
    /// first pages of all objects that were tried.
    pub page: Result<(u64, Option<u64>), String>,
    /// The objects that were tried, of a list that exists once an object: the members of each group.
    pub objects: Option<Objects>,
}

/// How many objects of a list were tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objects {
    /// Objects whose own lists were asked for.
    pub tried: u64,
    /// Objects whose lists a run reads; `None` where nobody knows how many they are.
    pub of: Option<u64>,
}

impl Objects {
    /// Returns whether the list of every object was asked for that a run asks for.
    pub fn are_all(&self) -> bool {
        self.of == Some(self.tried)
    }
}

/// A probe, whenever it comes.
pub type ProbeFuture<'a> = Pin<Box<dyn Future<Output = Probe> + 'a>>;

/// The end, whenever it comes: within seconds.
pub type SignOutFuture<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One product's API, read only.
pub trait Source {
    /// Reads everything. A failure is coverage, never an error; dropping the future stops the reading.
    fn read_all(&self) -> ReadingFuture<'_>;

    /// Gets a token, the first page of each list, and the first page of the lists below it: the members of each group, up to a bound.
    fn probe(&self) -> ProbeFuture<'_>;

    /// Closes what was opened, however the reading ended, also when its future was dropped. To be awaited after each of the two.
    fn leave(&self) -> SignOutFuture<'_> {
        Box::pin(std::future::ready(()))
    }
}

/// Makes the connector for a source. Errors: the client could not be built (certificates).
pub fn build(
    settings: &SourceSettings,
    observer: Arc<dyn Observer>,
) -> Result<Box<dyn Source>, crate::wire::WireError> {
    Ok(match settings.kind {
        SourceKind::RestV3 => Box::new(rest_v3::RestV3::new(settings, observer)?),
        SourceKind::Pra | SourceKind::Rs => Box::new(sra::Sra::new(settings, observer)?),
        SourceKind::PasswordSafe => Box::new(password_safe::PasswordSafe::new(settings, observer)?),
        SourceKind::Scim => Box::new(scim::Scim::new(settings, observer)?),
    })
}

#[cfg(test)]
mod tests;
