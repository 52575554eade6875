//! What a run is asked to do: the configuration and the flags of `run`. Built by `commands`.

use crate::config::{Config, ConfigError, ConfigProblem};
use crate::model::{Instant, Severity, SourceName};
use crate::source::SourceSettings;

/// A request for one run.
#[derive(Clone, Debug)]
pub struct RunRequest<'a> {
    /// The effective configuration.
    pub config: &'a Config,
    /// Sources to read: all configured ones, or those that `--source` names.
    pub sources: Vec<&'a SourceSettings>,
    /// Instant that every age is computed from (`--as-of`); `None` means the start of the run.
    pub as_of: Option<Instant>,
    /// Whether the run publishes and sends nothing (`--dry-run`).
    pub dry_run: bool,
    /// Findings of this severity or above end the run with [`Exit::Findings`](super::Exit::Findings) (`--fail-on`).
    pub fail_on: Option<Severity>,
    /// Whether the run publishes into a folder of its own (`--output`).
    pub has_own_output: bool,
    /// Sources that are published although a guard objects (`--allow-shrink`).
    pub allow_shrink: Vec<SourceName>,
}

impl<'a> RunRequest<'a> {
    /// Returns an order for every configured source, with the defaults of all flags.
    pub fn of(config: &'a Config) -> Self {
        let sources = config.sources.iter().collect();
        Self {
            config,
            sources,
            as_of: None,
            dry_run: false,
            fail_on: None,
            has_own_output: false,
            allow_shrink: Vec::new(),
        }
    }

    /// Limits the order to these sources; an empty list means all. Errors: a name that the configuration does not
    /// contain.
    pub fn only(mut self, names: &[String]) -> Result<Self, ConfigError> {
        if !names.is_empty() {
            let names = self.configured("--source", names)?;
            self.sources.retain(|source| names.contains(&source.identity.name));
        }
        Ok(self)
    }

    /// Allows these sources to shrink although a guard objects. Errors: a name that the configuration does not contain.
    pub fn allowing(mut self, names: &[String]) -> Result<Self, ConfigError> {
        self.allow_shrink = self.configured("--allow-shrink", names)?;
        Ok(self)
    }

    fn configured(&self, flag: &str, names: &[String]) -> Result<Vec<SourceName>, ConfigError> {
        let configured: Vec<&str> = self.config.sources.iter().map(|source| source.identity.name.as_str()).collect();
        if let Some(unknown) = names.iter().find(|name| !configured.contains(&name.as_str())) {
            let text = format!("there is no source {unknown:?}; the configuration has {}", configured.join(", "));
            let problem = ConfigProblem::of(flag, text);
            return Err(ConfigError { path: Some(self.config.path.clone()), problems: vec![problem] });
        }
        Ok(names.iter().map(|name| SourceName::from(name.as_str())).collect())
    }

    /// Returns the names of the configured sources that are not read.
    pub(super) fn omitted(&self) -> Vec<String> {
        let is_read = |name: &SourceName| self.sources.iter().any(|source| source.identity.name == *name);
        let configured = self.config.sources.iter().map(|source| &source.identity.name);
        configured.filter(|name| !is_read(name)).map(ToString::to_string).collect()
    }
}
