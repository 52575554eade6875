//! The seam between the run and the products: what a source offers, and its harvest.
//! Knows which connectors exist; nothing of paging, HTTP or JSON.

pub mod date;
pub mod rest_v3;

use crate::event::Observer;
use crate::model::{Harvest, ListKind, SourceIdentity};
use crate::wire::ClientSettings;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Which product's API a source speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The REST API of the user management guide, `/api/public/v3`.
    RestV3,
}

impl SourceKind {
    /// The word for it in the configuration and the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RestV3 => "rest-v3",
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
}

/// A source's answer, whenever it comes.
pub type Harvesting<'a> = Pin<Box<dyn Future<Output = Harvest> + 'a>>;

/// What one page of each list showed: for `check --online`.
#[derive(Clone, Debug)]
pub struct Probe {
    /// One entry a list, in the order of reading.
    pub lists: Vec<ProbedList>,
    /// Server's clock minus ours, where its `Date` header told.
    pub clock_skew_seconds: Option<i64>,
    /// HTTP requests that a run would take on a quiet appliance, as far as the totals tell.
    pub requests_of_a_run: Option<u64>,
}

/// One list of a [`Probe`].
#[derive(Clone, Debug)]
pub struct ProbedList {
    /// Which.
    pub kind: ListKind,
    /// Rows of the page and the source's total, or what went wrong with its cure.
    pub page: Result<(u64, Option<u64>), String>,
}

/// A probe, whenever it comes.
pub type Probing<'a> = Pin<Box<dyn Future<Output = Probe> + 'a>>;

/// One product's API, read only.
pub trait Source {
    /// Reads everything. A failure is coverage, never an error; dropping the future stops the reading.
    fn harvest(&self) -> Harvesting<'_>;

    /// Gets a token and one page of each list.
    fn probe(&self) -> Probing<'_>;
}

/// Makes the connector for a source. Errors: the client could not be built (certificates).
pub fn build(
    settings: &SourceSettings,
    observer: Arc<dyn Observer>,
) -> Result<Box<dyn Source>, crate::wire::WireError> {
    match settings.kind {
        SourceKind::RestV3 => Ok(Box::new(rest_v3::RestV3::new(settings, observer)?)),
    }
}
