//! The seam between the run and the products: what a source offers, and its harvest.
//! Knows which connectors exist; nothing of paging, HTTP or JSON.

pub mod date;
pub mod rest_v3;

use crate::event::Observer;
use crate::model::{Harvest, SourceIdentity};
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

/// One product's API, read only.
pub trait Source {
    /// Reads everything. A failure is coverage, never an error; dropping the future stops the reading.
    fn harvest(&self) -> Harvesting<'_>;
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
