//! Presets of frameworks: how long an account may be inactive, and how often access is to be reviewed. Data.
//!
//! The organisation is responsible for the numbers. A framework whose text names no number needs one in the
//! configuration.

use super::policy::{Policy, Threshold};

/// A framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framework {
    /// Id in the configuration.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Days of inactivity after which an account is stale; `None` if the text names no number.
    pub stale_days: Option<u32>,
    /// Days of inactivity after which a privileged account is stale.
    pub privileged_stale_days: Option<u32>,
    /// Months between reviews of access; `None` if the text names no number.
    pub review_months: Option<u32>,
    /// Months between reviews of privileged access.
    pub privileged_review_months: Option<u32>,
}

const fn framework(
    id: &'static str,
    name: &'static str,
    stale: Option<(u32, u32)>,
    review: (Option<u32>, Option<u32>),
) -> Framework {
    let (stale_days, privileged_stale_days) = match stale {
        Some((all, privileged)) => (Some(all), Some(privileged)),
        None => (None, None),
    };
    let (review_months, privileged_review_months) = review;
    Framework { id, name, stale_days, privileged_stale_days, review_months, privileged_review_months }
}

const ALL: [Framework; 12] = [
    framework("pci-dss-4.0.1", "PCI DSS 4.0.1", Some((90, 90)), (Some(6), Some(6))),
    framework("fedramp-moderate", "FedRAMP Moderate", Some((90, 90)), (Some(12), Some(3))),
    framework("fedramp-high", "FedRAMP High", Some((35, 35)), (Some(6), Some(1))),
    framework("disa-stig", "DISA STIG", Some((35, 35)), (None, None)),
    framework("cis-8.1", "CIS Controls 8.1", Some((45, 45)), (Some(3), Some(3))),
    framework("essential-eight", "Essential Eight", Some((45, 45)), (None, Some(12))),
    framework("nist-800-171r3", "NIST SP 800-171 Rev. 3", Some((90, 90)), (None, None)),
    framework("iso-27001", "ISO/IEC 27001", None, (None, None)),
    framework("soc-2", "SOC 2", None, (None, None)),
    framework("sox", "SOX", None, (None, None)),
    framework("hipaa", "HIPAA", None, (None, None)),
    framework("nis2", "NIS2", None, (None, None)),
];

/// Returns every preset.
pub fn all() -> &'static [Framework] {
    &ALL
}

/// Returns the preset with this id.
pub fn find(id: &str) -> Option<&'static Framework> {
    ALL.iter().find(|framework| framework.id == id)
}

/// Returns the thresholds for all accounts and for privileged accounts.
///
/// Each is the strictest of the selected presets and of the configured value, and names its origin. The defaults apply
/// only if nothing is selected or configured. Fails if a selected framework has no number and the configuration sets
/// none.
pub fn thresholds(
    selected: &[&Framework],
    stale: Option<u32>,
    privileged: Option<u32>,
) -> Result<(Threshold, Threshold), String> {
    let default = Policy::default();
    // A default would look like a number of the framework.
    let without = selected.iter().find(|framework| framework.stale_days.is_none());
    if let Some(framework) = without.filter(|_| stale.is_none()) {
        return Err(format!(
            "{} sets no number of days; set stale_after_days (and privileged_stale_after_days)",
            framework.id
        ));
    }
    let all = strictest(selected, |framework| framework.stale_days, stale);
    let all = all.unwrap_or(default.stale_after);
    let of_privileged = strictest(selected, |framework| framework.privileged_stale_days, privileged);
    let of_privileged = of_privileged.unwrap_or(default.privileged_stale_after);
    // The limit for all accounts applies to privileged accounts too, unless the configuration sets a limit for them.
    let inherits = privileged.is_none() && all.days < of_privileged.days;
    let of_privileged = if inherits { all.clone() } else { of_privileged };
    Ok((all, of_privileged))
}

/// Returns the strictest threshold. If the configuration is as strict as a preset, the configuration is named.
fn strictest(
    selected: &[&Framework],
    days: impl Fn(&Framework) -> Option<u32>,
    configured: Option<u32>,
) -> Option<Threshold> {
    let configured = configured.map(|days| Threshold { days, from: "configuration".to_owned() });
    let presets = selected.iter().filter_map(|f| days(f).map(|days| Threshold { days, from: f.id.to_owned() }));
    configured.into_iter().chain(presets).min_by_key(|threshold| threshold.days)
}
