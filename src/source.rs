//! Connectors: one per product API. [`build`] makes the connector of a configured source, and [`Source`] is what `run`
//! and `check` use.
//!
//! A connector reads users, groups and memberships and returns a [`SourceReading`]. It never returns an error: a
//! failure is part of the coverage of a list. This file knows which connectors exist. It knows nothing of paging, HTTP
//! or JSON.
//!
//! - `client`: what all connectors share    - `decode`, `date`: lenient reading of JSON values
//! - `child_lists`, `object_sample`: lists below listed objects, such as the members of each group

mod child_lists;
mod client;
mod date;
mod decode;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod object_sample;
mod password_safe;
pub mod rest_v3;
mod scim;
mod sra;

use crate::event::Observer;
use crate::model::{API_ACCOUNT, ListKind, Pattern, SourceIdentity, SourceReading, VENDOR};
use crate::wire::{ClientSettings, RequestPlan};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Product API of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// REST API of the BeyondTrust User Management API Guide, `/api/public/v3`.
    RestV3,
    /// Configuration API of Privileged Remote Access.
    Pra,
    /// Configuration API of Remote Support.
    Rs,
    /// Public API of BeyondInsight and Password Safe.
    PasswordSafe,
    /// SCIM 2.0 (RFC 7643, RFC 7644) of any provider.
    Scim,
}

impl SourceKind {
    /// Returns the value of `kind` in the configuration and the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RestV3 => "rest-v3",
            Self::Pra => "pra",
            Self::Rs => "rs",
            Self::PasswordSafe => "password-safe",
            Self::Scim => "scim",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 5] = [Self::RestV3, Self::Pra, Self::Rs, Self::PasswordSafe, Self::Scim];

    /// Parses the value of `kind`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the product as its vendor names it; `None` if several products serve the interface.
    pub fn product(self) -> Option<&'static str> {
        match self {
            Self::Pra => Some("Privileged Remote Access"),
            Self::Rs => Some("Remote Support"),
            Self::PasswordSafe => Some("Password Safe"),
            Self::RestV3 | Self::Scim => None,
        }
    }

    /// Returns the vendor of the product; `None` for an interface that products of any vendor serve.
    pub fn vendor(self) -> Option<&'static str> {
        (self != Self::Scim).then_some("BeyondTrust")
    }

    /// Returns the default path of the API below the address of the source.
    pub fn base_path(self) -> &'static str {
        match self {
            Self::RestV3 => "/api/public/v3",
            Self::Pra | Self::Rs => "/api/config/v1",
            Self::PasswordSafe => "/BeyondTrust/api/public/v3",
            Self::Scim => "/scim/v2",
        }
    }
}

/// One configured source: its identity, its connection and how its lists are read.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// Name, kind, address and client id, as the manifest shows them.
    pub identity: SourceIdentity,
    /// Product API to use.
    pub kind: SourceKind,
    /// Connection settings: address, credentials, TLS, retries and pace.
    pub client: ClientSettings,
    /// Rows requested per page, 1 to 1000.
    pub page_size: u32,
    /// Path of the API below the address, without a trailing slash.
    pub base_path: String,
    /// SCIM: JSON Pointer (RFC 6901) to the last login in an extension of the user; `None`: last logins are not
    /// reported.
    pub last_login_path: Option<String>,
    /// PRA, RS: whether to request the policies of each user who can be in a policy through a directory. Costs one
    /// request per user.
    pub resolve_directory_users: bool,
    /// Password Safe: how to read the members of directory groups.
    pub directory_groups: DirectoryGroups,
    /// Password Safe: time limit for the synchronisation of one directory group.
    pub directory_sync_timeout: Duration,
    /// Privileged groups of the configuration. Where a list may omit members, the records of these groups are always
    /// compared.
    pub privileged_groups: Vec<Pattern>,
}

impl SourceSettings {
    /// Returns settings with defaults for everything except identity, product API and connection.
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

/// How to read the members of groups that a directory fills (Password Safe).
///
/// Reading the members of such a group makes the appliance synchronise it with the directory (vendor's reference of
/// `GET UserGroups/{id}/Users`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DirectoryGroups {
    /// Read the groups of each user, one request per user. No synchronisation is documented for this request.
    #[default]
    ByUser,
    /// Do not read them: the members stay unknown.
    Skip,
    /// Read the members of each group. The appliance synchronises each directory group once per run.
    Sync,
}

impl DirectoryGroups {
    /// Returns the value of `directory_groups` in the configuration and the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByUser => "by-user",
            Self::Skip => "skip",
            Self::Sync => "sync",
        }
    }
}

/// Future of [`Source::read_all`].
pub type ReadingFuture<'a> = Pin<Box<dyn Future<Output = SourceReading> + 'a>>;

/// Result of `check --online` for one source: the first page of each list.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The lists, in the order of reading.
    pub lists: Vec<ProbedList>,
    /// Clock of the server minus our clock, in seconds; `None` if no answer had a `Date` header.
    pub clock_skew_seconds: Option<i64>,
    /// Requests that a run would make if nothing changes meanwhile; `None` if some list could not be read.
    pub plan: Option<RequestPlan>,
    /// Why the plan exceeds the hourly limits, with the arithmetic; `None` if it does not.
    pub beyond_limits: Option<String>,
    /// Further remarks for the operator, such as settings that work or effects of a run.
    pub notes: Vec<String>,
}

impl Probe {
    /// Returns a probe with these lists and nothing else.
    fn of(lists: Vec<ProbedList>) -> Self {
        Self { lists, clock_skew_seconds: None, plan: None, beyond_limits: None, notes: Vec::new() }
    }
}

/// One list of a [`Probe`].
#[derive(Clone, Debug)]
pub struct ProbedList {
    /// Kind of the list.
    pub kind: ListKind,
    /// Rows of the first page and the total that the source reports, which may contradict them, or the error with its
    /// cure. For a list that exists once per object: the sum over the first pages of all objects tried.
    pub page: Result<(u64, Option<u64>), String>,
    /// Objects tried; `None` if the list does not exist once per object. Members of groups are such a list.
    pub objects: Option<Objects>,
    /// Id and name of each row of a list of groups or accounts, as a run would write them. Empty for other lists.
    pub names: Vec<(String, Option<String>)>,
}

impl ProbedList {
    /// Returns whether the rows are the whole list, by the total that the source reports.
    pub fn is_whole(&self) -> bool {
        self.objects.is_none() && matches!(self.page, Ok((rows, Some(total))) if rows == total)
    }

    /// Adds the names of its rows. `field` holds the name, compared without case.
    fn named(mut self, rows: &[decode::Listed], field: &str) -> Self {
        let prefix = match self.kind {
            ListKind::Vendors => VENDOR,
            ListKind::ApiAccounts => API_ACCOUNT,
            _ => "",
        };
        let name = |row: &decode::Listed| Some(row.record.get_caseless(field)?.as_str()?.to_owned());
        self.names = rows.iter().map(|row| (format!("{prefix}{}", row.id.to_text()), name(row))).collect();
        self
    }
}

/// How many objects of a list had their own lists read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objects {
    /// Objects whose own lists were requested.
    pub tried: u64,
    /// Objects whose lists a run would read; `None` if the source does not report how many there are.
    pub of: Option<u64>,
}

impl Objects {
    /// Returns whether the lists of all objects were requested.
    pub fn are_all(&self) -> bool {
        self.of == Some(self.tried)
    }
}

/// Future of [`Source::probe`].
pub type ProbeFuture<'a> = Pin<Box<dyn Future<Output = Probe> + 'a>>;

/// Future of [`Source::sign_out`]; completes within seconds.
pub type SignOutFuture<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Read-only access to one source.
pub trait Source {
    /// Reads all lists. A failure becomes coverage, never an error. Dropping the future stops the reading.
    fn read_all(&self) -> ReadingFuture<'_>;

    /// Reads the first page of each list and of the lists below it, such as the members of each group, up to a bound.
    fn probe(&self) -> ProbeFuture<'_>;

    /// Ends the session of the source, if there is one. Call it after [`Source::read_all`] and [`Source::probe`], even
    /// if their future was dropped.
    fn sign_out(&self) -> SignOutFuture<'_> {
        Box::pin(std::future::ready(()))
    }
}

/// Makes the connector of a source. Errors: the client could not be built, for example because of its certificates.
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
