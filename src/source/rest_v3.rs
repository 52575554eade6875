//! The guide's REST API.

use super::{Harvesting, Source, SourceSettings};
use crate::event::Observer;
use crate::wire::WireError;
use std::sync::Arc;

/// Connector for `rest-v3`.
#[derive(Debug)]
pub struct RestV3;

impl RestV3 {
    /// Makes the connector.
    pub fn new(_settings: &SourceSettings, _observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        Ok(Self)
    }
}

impl Source for RestV3 {
    fn harvest(&self) -> Harvesting<'_> {
        Box::pin(std::future::pending())
    }
}
