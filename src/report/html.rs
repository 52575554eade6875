//! Renders a view as one self-contained HTML page without scripts and without external resources.
//!
//! Template and style are files in `reports/` that are embedded at build time. The template engine escapes every value,
//! because the extension of the template is `.html`.

use super::{RuleStatus, RuleSummary, View};
use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("../../reports/report.css");

#[derive(Template)]
#[template(path = "report.html")]
struct HtmlPage<'a> {
    view: &'a View,
    style: String,
    /// Hash of the style for the content security policy (CSP Level 3 §2.3.1). Markup in a name then cannot add a
    /// style.
    style_hash: String,
    found: Vec<&'a RuleSummary>,
    passed: Vec<&'a RuleSummary>,
    partly_passed: Vec<&'a RuleSummary>,
    no_subject: Vec<&'a RuleSummary>,
    unevaluated: Vec<&'a RuleSummary>,
    off: Vec<&'a RuleSummary>,
    /// Whether a finding is critical. Otherwise the column is left out, because critical findings are rare.
    has_critical: bool,
}

/// Renders the page. The same view gives the same bytes.
pub fn render(view: &View) -> Result<String, askama::Error> {
    let style = style(view.status.run_id.as_str());
    let page = HtmlPage {
        view,
        // The hash covers exactly the bytes between the tags, so the template must not add white space.
        style_hash: format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(style.as_bytes()))),
        style,
        found: view.with_status(RuleStatus::Findings),
        passed: view.with_status(RuleStatus::Passed),
        partly_passed: view.with_status(RuleStatus::PartlyPassed),
        no_subject: view.with_status(RuleStatus::NoSubject),
        unevaluated: view.with_status(RuleStatus::NotEvaluated),
        off: view.with_status(RuleStatus::Off),
        has_critical: view.rules.iter().any(|rule| rule.by_severity[0] > 0),
    };
    page.render()
}

/// Returns the style with the run id as the header of every printed page.
///
/// Only letters, digits and hyphens are taken over, so that an edited manifest cannot add a style.
fn style(run_id: &str) -> String {
    let id: String = run_id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    format!("{STYLE}@page {{ @top-left {{ content: \"Access report, run {id}\"; font: 7.5pt sans-serif; }} }}\n")
}

/// Filters of the template.
#[expect(
    unreachable_pub,
    clippy::inline_always,
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "the macro of the template engine requires this signature and generates these items"
)]
mod filters {
    use crate::report::text;

    /// Returns a number with thousands separators.
    #[askama::filter_fn]
    pub(super) fn n(number: &u64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(text::thousands(*number))
    }

    /// Returns a number with thousands separators, and a dash instead of 0.
    #[askama::filter_fn]
    pub(super) fn dash(number: &u64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(if *number == 0 { "–".to_owned() } else { text::thousands(*number) })
    }

    /// Returns a coordinate with one decimal, which is exact enough and keeps the page small.
    #[askama::filter_fn]
    pub(super) fn px(place: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(format!("{place:.1}"))
    }
}
