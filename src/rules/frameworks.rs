//! Presets of frameworks, as data: how long an account may be inactive, and how often access is to be reviewed.
//! Numbers are presets that the organisation owns; a framework whose text has no number needs one from the configuration.

use super::policy::{Policy, Threshold};

/// One framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framework {
    /// The word for it in the configuration.
    pub id: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// Days of inactivity, where the text has a number.
    pub stale_days: Option<u32>,
    /// The same for privileged accounts.
    pub privileged_stale_days: Option<u32>,
    /// Months between reviews, where the text has a number.
    pub review_months: Option<u32>,
    /// The same for privileged access.
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

/// Every preset.
pub fn all() -> &'static [Framework] {
    &ALL
}

/// The preset of that id.
pub fn find(id: &str) -> Option<&'static Framework> {
    ALL.iter().find(|framework| framework.id == id)
}

/// The thresholds in force for all and for privileged accounts: the strictest of the selected presets and of what the
/// configuration sets, each with who set it; the defaults only where nothing is selected or set.
/// Errors: a selected framework has no number and the configuration sets none.
pub fn thresholds(
    selected: &[&Framework],
    stale: Option<u32>,
    privileged: Option<u32>,
) -> Result<(Threshold, Threshold), String> {
    let default = Policy::default();
    let without = selected.iter().find(|framework| framework.stale_days.is_none());
    if let Some(framework) = without.filter(|_| stale.is_none()) {
        return Err(format!(
            "{} has no number of days in its text: set stale_after_days (and privileged_stale_after_days) yourself",
            framework.id
        ));
    }
    let all = strictest(selected, |framework| framework.stale_days, stale);
    let all = all.unwrap_or(default.stale_after);
    let of_privileged = strictest(selected, |framework| framework.privileged_stale_days, privileged);
    let of_privileged = of_privileged.unwrap_or(default.privileged_stale_after);
    // What holds for everybody holds for privileged accounts too, unless the configuration itself says otherwise.
    let inherits = privileged.is_none() && all.days < of_privileged.days;
    let of_privileged = if inherits { all.clone() } else { of_privileged };
    Ok((all, of_privileged))
}

/// `configuration` is named where it is as strict as the strictest preset.
fn strictest(
    selected: &[&Framework],
    days: impl Fn(&Framework) -> Option<u32>,
    configured: Option<u32>,
) -> Option<Threshold> {
    let configured = configured.map(|days| Threshold { days, from: "configuration".to_owned() });
    let presets = selected.iter().filter_map(|f| days(f).map(|days| Threshold { days, from: f.id.to_owned() }));
    configured.into_iter().chain(presets).min_by_key(|threshold| threshold.days)
}
