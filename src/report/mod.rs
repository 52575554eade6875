//! stub until merged
use crate::model::*;
use crate::rules::policy::Policy;
use crate::snapshot::manifest::Manifest;
pub struct RuleInfo {
    pub rule: Rule,
    pub title: &'static str,
    pub why: &'static str,
    pub action: &'static str,
    pub severity: &'static str,
    pub controls: Vec<&'static str>,
}
pub struct Input<'a> {
    pub manifest: &'a Manifest,
    pub inventory: &'a Inventory,
    pub findings: &'a [Finding],
    pub verdicts: &'a [Verdict],
    pub policy: &'a Policy,
    pub as_of: Instant,
    pub catalogue: &'a [RuleInfo],
}
pub struct View;
impl View {
    pub fn of(_: &Input<'_>) -> Self {
        Self
    }
}
pub mod html {
    pub fn render(_: &super::View) -> Result<String, String> {
        Ok("x".into())
    }
}
