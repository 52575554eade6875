//! View to one self-contained page. The template and the style are files under `reports/`, embedded at build;
//! every value is escaped by the template engine (by the extension `.html`). No script, nothing is fetched.

use super::{RuleStanding, RuleSummary, View};
use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("../../reports/report.css");

#[derive(Template)]
#[template(path = "report.html")]
struct HtmlPage<'a> {
    view: &'a View,
    style: &'static str,
    /// CSP Level 3 §2.3.1 `hash-source`: only this very style applies, so that markup in a name could not style the page.
    style_hash: String,
    found: Vec<&'a RuleSummary>,
    passed: Vec<&'a RuleSummary>,
    in_part: Vec<&'a RuleSummary>,
    no_subject: Vec<&'a RuleSummary>,
    unevaluated: Vec<&'a RuleSummary>,
    off: Vec<&'a RuleSummary>,
    /// Whether any finding is critical: an empty column says nothing.
    has_critical: bool,
}

/// The page. The same view gives the same bytes.
pub fn render(view: &View) -> Result<String, askama::Error> {
    let page = HtmlPage {
        view,
        style: STYLE,
        style_hash: format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes()))),
        found: view.standing(RuleStanding::Findings),
        passed: view.standing(RuleStanding::Passed),
        in_part: view.standing(RuleStanding::PassedInPart),
        no_subject: view.standing(RuleStanding::NoSubject),
        unevaluated: view.standing(RuleStanding::Unjudged),
        off: view.standing(RuleStanding::Off),
        has_critical: view.rules.iter().any(|rule| rule.by_severity[0] > 0),
    };
    page.render()
}

/// What the template calls.
#[expect(
    unreachable_pub,
    clippy::inline_always,
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "the signature and the items that the template engine's macro asks for and makes"
)]
mod filters {
    use crate::report::text;

    /// A number with thousands separators.
    #[askama::filter_fn]
    pub(super) fn n(number: &u64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(text::thousands(*number))
    }

    /// A place in a picture: one decimal is enough, and short.
    #[askama::filter_fn]
    pub(super) fn px(place: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(format!("{place:.1}"))
    }
}
