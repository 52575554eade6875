//! Descriptions of the rules for people: why a rule matters, what to do, and which controls it relates to. Data.
//!
//! A finding is *relevant to* a control. It never states whether an organisation complies with the control.

use super::policy::Policy;
use crate::model::{Advice, Rule};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Description of a built-in rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleDefinition {
    /// The rule.
    pub rule: Rule,
    /// Title for people.
    pub title: &'static str,
    /// Why the rule matters.
    pub why: &'static str,
    /// Recommended action, which is the value of the `action` column.
    pub action: &'static str,
    /// Severity in words, unless the configuration overrides it.
    pub severity: &'static str,
    /// Data that the rule needs, besides the user list.
    pub needs: &'static str,
    /// Control ids, each with its family.
    controls: &'static [(ControlFamily, &'static str)],
}

/// A family of control ids. Several framework presets may share a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ControlFamily {
    Pci,
    Nist80053,
    Nist800171,
    Cis,
    Ism,
    Iso27001,
    Soc2,
}

impl ControlFamily {
    const ALL: [Self; 7] =
        [Self::Pci, Self::Nist80053, Self::Nist800171, Self::Cis, Self::Ism, Self::Iso27001, Self::Soc2];

    /// Returns the framework presets that use these controls.
    fn frameworks(self) -> &'static [&'static str] {
        match self {
            Self::Pci => &["pci-dss-4.0.1"],
            Self::Nist80053 => &["fedramp-moderate", "fedramp-high", "disa-stig"],
            Self::Nist800171 => &["nist-800-171r3"],
            Self::Cis => &["cis-8.1"],
            Self::Ism => &["essential-eight"],
            Self::Iso27001 => &["iso-27001"],
            Self::Soc2 => &["soc-2"],
        }
    }
}

use ControlFamily::{Cis, Ism, Iso27001, Nist80053, Nist800171, Pci, Soc2};

/// Days since the last proof of completeness from which `collection-incomplete` has the severity high.
pub(super) const INCOMPLETE_HIGH_DAYS: u32 = 2;
/// Days since the last proof of completeness from which `collection-incomplete` has the severity critical.
pub(super) const INCOMPLETE_CRITICAL_DAYS: u32 = 7;

const ALL: [RuleDefinition; 16] = [
    RuleDefinition {
        rule: Rule::StaleLogin,
        title: "Inactive accounts",
        why: "Nobody notices when an unused account is misused.",
        action: "Ask the account's owner whether it is still needed; disable it if not, and record the answer.",
        severity: "medium; high if privileged or local",
        needs: "last logins",
        controls: &[
            (Pci, "PCI DSS 8.2.6"),
            (Nist80053, "NIST 800-53 AC-2(3)(d)"),
            (Nist800171, "NIST 800-171 03.01.01.f"),
            (Cis, "CIS 5.3"),
            (Ism, "ISM-1404"),
            (Ism, "ISM-1648"),
            (Iso27001, "ISO 27001 A.5.18"),
            (Soc2, "SOC 2 CC6.2"),
            (Soc2, "SOC 2 CC6.3"),
        ],
    },
    RuleDefinition {
        rule: Rule::NeverLoggedIn,
        title: "Accounts never used",
        why: "An account that was never used may not be needed, and its initial password may still be valid.",
        action: "Ask who requested the account whether it is still needed; disable or remove it if not.",
        severity: "low; medium from the inactivity threshold on",
        needs: "last logins and creation dates",
        controls: &[
            (Pci, "PCI DSS 8.2.6"),
            (Nist80053, "NIST 800-53 AC-2(3)(d)"),
            (Cis, "CIS 5.1"),
            (Cis, "CIS 5.3"),
            (Iso27001, "ISO 27001 A.5.16"),
            (Soc2, "SOC 2 CC6.2"),
        ],
    },
    RuleDefinition {
        rule: Rule::NoGroup,
        title: "Enabled accounts in no group",
        why: "An enabled account without groups has no assigned role.",
        action: "Decide with the account's owner which group it belongs to; disable it if there is none.",
        severity: "medium; low in Password Safe",
        needs: "every membership",
        controls: &[
            (Nist80053, "NIST 800-53 AC-2(c)"),
            (Nist80053, "NIST 800-53 AC-2(d)"),
            (Cis, "CIS 6.8"),
            (Iso27001, "ISO 27001 A.5.15"),
            (Iso27001, "ISO 27001 A.5.18"),
            (Soc2, "SOC 2 CC6.3"),
        ],
    },
    RuleDefinition {
        rule: Rule::DisabledInGroup,
        title: "Disabled accounts still in groups",
        why: "When the account is enabled, extended or approved again, all its rights return at once.",
        action: "Remove the account from its groups, or remove the account.",
        severity: "low; medium if a group is privileged",
        needs: "memberships",
        controls: &[
            (Pci, "PCI DSS 7.2.4"),
            (Pci, "PCI DSS 8.2.5"),
            (Nist80053, "NIST 800-53 AC-2(3)(a)"),
            (Nist80053, "NIST 800-53 AC-6(7)"),
            (Cis, "CIS 6.2"),
            (Soc2, "SOC 2 CC6.2"),
        ],
    },
    RuleDefinition {
        rule: Rule::DanglingGroup,
        title: "Memberships with missing users or groups",
        why: "A membership of a missing group or user shows that records contradict each other. If the group or user \
             returns, so does the access.",
        action: "Remove the membership, or find out why the group or the user is missing.",
        severity: "low",
        needs: "every membership; for missing users also the complete list of users",
        controls: &[(Nist80053, "NIST 800-53 AC-2(d)"), (Cis, "CIS 5.1"), (Iso27001, "ISO 27001 A.5.18")],
    },
    RuleDefinition {
        rule: Rule::SharedEmail,
        title: "Accounts that share an address",
        why: "If several accounts share an address, it is unclear which person did what, or one person has several \
             accounts.",
        action: "Ask the owner of the address which account is theirs; give each account its own address, or disable \
             the others.",
        severity: "medium",
        needs: "e-mail addresses",
        controls: &[
            (Pci, "PCI DSS 8.2.1"),
            (Pci, "PCI DSS 8.2.2"),
            (Nist80053, "NIST 800-53 AC-2(9)"),
            (Nist80053, "NIST 800-53 IA-4"),
            (Iso27001, "ISO 27001 A.5.16"),
        ],
    },
    RuleDefinition {
        rule: Rule::LocalOutsideSso,
        title: "Local accounts that bypass single sign-on",
        why: "A local account stays usable when its owner's account at the identity provider is closed.",
        action: "Move the account to the identity provider, or name it as break-glass with an owner.",
        severity: "medium; high if privileged",
        needs: "account types",
        controls: &[(Cis, "CIS 5.6"), (Cis, "CIS 6.7"), (Iso27001, "ISO 27001 A.5.16"), (Soc2, "SOC 2 CC6.1")],
    },
    RuleDefinition {
        rule: Rule::NoMfa,
        title: "Accounts without a second factor",
        why: "A password alone can be guessed, shared or stolen unnoticed.",
        action: "Have the account's owner set up a second factor, and require it where the product can.",
        severity: "medium; high if privileged",
        needs: "second factors; the identity provider is responsible for those of single sign-on",
        controls: &[(Nist80053, "NIST 800-53 IA-2(1)"), (Cis, "CIS 6.5")],
    },
    RuleDefinition {
        rule: Rule::DormantWithKey,
        title: "Dormant accounts with a key",
        why: "An unused key gives access without a password, and nobody notices its misuse.",
        action: "Remove the key or passkey, then decide about the account.",
        severity: "high",
        needs: "keys; last logins and creation dates for accounts that can sign in",
        controls: &[
            (Pci, "PCI DSS 7.2.5.1"),
            (Pci, "PCI DSS 8.6"),
            (Nist80053, "NIST 800-53 AC-2(3)"),
            (Nist80053, "NIST 800-53 IA-5"),
            (Cis, "CIS 5.3"),
            (Cis, "CIS 5.5"),
        ],
    },
    RuleDefinition {
        rule: Rule::ServiceWithoutOwner,
        title: "Service accounts without an owner",
        why: "Programs may use an account without ever signing in. Somebody must be responsible for it and review it \
             by a date.",
        action: "Find the person responsible for the account, and enter owner and review date in policy.service_owners. \
             If there is none, disable it.",
        severity: "medium; high for an API account with wide rights or without an address allow list",
        needs: "the register policy.service_owners",
        controls: &[
            (Pci, "PCI DSS 7.2.5.1"),
            (Pci, "PCI DSS 8.6.1"),
            (Nist80053, "NIST 800-53 AC-2(a)"),
            (Cis, "CIS 5.5"),
        ],
    },
    RuleDefinition {
        rule: Rule::PrivilegedGrowth,
        title: "Privileged groups that grew",
        why: "A new member of a privileged group has its rights at once, possibly without approval.",
        action: "Have the group's owner confirm each new member against a request; remove those without one.",
        severity: "medium",
        needs: "policy.privileged_groups, an earlier snapshot, and every membership in both runs",
        controls: &[
            (Nist80053, "NIST 800-53 AC-2(4)"),
            (Nist80053, "NIST 800-53 AC-2(7)"),
            (Nist80053, "NIST 800-53 AC-6(7)"),
            (Cis, "CIS 5.4"),
            (Iso27001, "ISO 27001 A.8.2"),
            (Soc2, "SOC 2 CC6.3"),
        ],
    },
    RuleDefinition {
        rule: Rule::BreakGlassUsed,
        title: "Emergency accounts that were used",
        why: "A used emergency account means an emergency, or a person who should not have its password.",
        action: "Match the login with a declared emergency; change the password, and record who used it and why.",
        severity: "high",
        needs: "policy.break_glass, an earlier snapshot, and last logins in both runs",
        controls: &[
            (Pci, "PCI DSS 8.6.1"),
            (Nist80053, "NIST 800-53 AC-2(2)"),
            (Nist80053, "NIST 800-53 AC-2(12)"),
            (Nist80053, "NIST 800-53 AU-6"),
        ],
    },
    RuleDefinition {
        rule: Rule::EmptyGroup,
        title: "Groups without members",
        why: "A group without members still grants its rights to the next member.",
        action: "Remove the group, or record why it is kept.",
        severity: "info",
        needs: "every membership",
        controls: &[(Nist80053, "NIST 800-53 AC-2(c)")],
    },
    RuleDefinition {
        rule: Rule::ExceptionExpired,
        title: "Expired exceptions",
        why: "The finding was accepted until a day that has passed. Since then nobody is responsible for it.",
        action: "Resolve the finding, or have the exception's owner extend the exception.",
        severity: "as the finding that it accepted, at least medium",
        needs: "the exceptions file, policy.exceptions",
        controls: &[(Nist80053, "NIST 800-53 AC-2(3)(c)"), (Iso27001, "ISO 27001 A.5.18")],
    },
    RuleDefinition {
        rule: Rule::DataQuality,
        title: "Unreliable dates and counts",
        why: "An age is only as reliable as the date that it is counted from.",
        action: "Correct the record or the clock at the source, or record why it is as it is.",
        severity: "info",
        needs: "no further data",
        controls: &[],
    },
    RuleDefinition {
        rule: Rule::CollectionIncomplete,
        title: "Lists not proven complete",
        why: "An incomplete list proves nothing about the accounts that it lacks.",
        action: "Fix the named cause, and run again before the list is used as evidence.",
        severity: "medium; high 2 days after the list was last proven complete, critical after 7",
        needs: "no further data",
        controls: &[],
    },
];

/// Returns every built-in rule, in the order of [`Rule::ALL`].
pub fn catalogue() -> &'static [RuleDefinition] {
    &ALL
}

/// Returns the description of a built-in rule; `None` for a custom rule.
fn entry(rule: Rule) -> Option<&'static RuleDefinition> {
    // Both lists have the same order, which a test checks.
    Rule::ALL.iter().position(|other| *other == rule).map(|place| &ALL[place])
}

/// Returns the title of a rule for people; its id if the policy does not contain it.
pub fn title_of(rule: Rule, policy: &Policy) -> Cow<'static, str> {
    let custom = || policy.custom_rule(rule).map(|custom| Cow::Owned(custom.title.clone()));
    let title = entry(rule).map(|entry| Cow::Borrowed(entry.title)).or_else(custom);
    title.unwrap_or_else(|| Cow::Borrowed(rule.as_str()))
}

/// Returns what the findings of every rule of a policy have in common.
pub fn advice(policy: &Policy) -> BTreeMap<Rule, Arc<Advice>> {
    let rules = Rule::ALL.into_iter().chain(policy.custom_rules.iter().map(|custom| custom.rule));
    rules.map(|rule| (rule, Arc::new(advice_of(rule, policy)))).collect()
}

/// Returns what the findings of a rule have in common.
pub fn advice_of(rule: Rule, policy: &Policy) -> Advice {
    Advice { action: action_of(rule, policy), controls: controls_of(rule, &policy.frameworks) }
}

/// Returns the recommended action for a finding of a rule.
fn action_of(rule: Rule, policy: &Policy) -> Cow<'static, str> {
    let custom = || policy.custom_rule(rule).map(|custom| Cow::Owned(custom.action.clone()));
    entry(rule).map(|entry| Cow::Borrowed(entry.action)).or_else(custom).unwrap_or_default()
}

/// Returns the controls of the selected frameworks that a rule relates to; of all frameworks if none is selected.
/// Custom rules relate to no known control.
pub fn controls_of(rule: Rule, frameworks: &[String]) -> Box<[&'static str]> {
    let selected = |family: ControlFamily| {
        frameworks.is_empty() || family.frameworks().iter().any(|id| frameworks.iter().any(|f| f == id))
    };
    let controls = entry(rule).map_or(&[][..], |entry| entry.controls);
    controls.iter().filter(|(family, _)| selected(*family)).map(|(_, control)| *control).collect()
}

/// Controls of one family that rules relate to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlCoverage {
    /// Framework presets that use the family: the selected ones, or all.
    pub frameworks: Vec<&'static str>,
    /// Distinct controls in the order of the framework's text, each with its rules.
    pub controls: Vec<(&'static str, Vec<Rule>)>,
}

/// Returns the controls of the selected frameworks, or of all if none is selected. A framework without known controls
/// has an empty list.
pub fn coverage(frameworks: &[String]) -> Vec<ControlCoverage> {
    let is_selected = |id: &&'static str| frameworks.is_empty() || frameworks.iter().any(|wanted| wanted == id);
    let of_family = |family: ControlFamily| {
        let selected: Vec<&'static str> = family.frameworks().iter().copied().filter(is_selected).collect();
        (!selected.is_empty()).then(|| ControlCoverage { frameworks: selected, controls: controls(family) })
    };
    let mut all: Vec<ControlCoverage> = ControlFamily::ALL.into_iter().filter_map(of_family).collect();
    let named = |id: &&'static str| ControlFamily::ALL.iter().any(|family| family.frameworks().contains(id));
    let others = super::frameworks::all().iter().map(|framework| framework.id);
    // If nothing is selected, nobody asked about frameworks without controls.
    let others = others.filter(|id| !frameworks.is_empty() && is_selected(id) && !named(id));
    all.extend(others.map(|id| ControlCoverage { frameworks: vec![id], controls: Vec::new() }));
    all
}

fn controls(family: ControlFamily) -> Vec<(&'static str, Vec<Rule>)> {
    let mut controls: Vec<(&'static str, Vec<Rule>)> = Vec::new();
    for entry in &ALL {
        for (_, control) in entry.controls.iter().filter(|(of, _)| *of == family) {
            match controls.iter_mut().find(|(known, _)| known == control) {
                Some((_, rules)) => rules.push(entry.rule),
                None => controls.push((control, vec![entry.rule])),
            }
        }
    }
    controls.sort_by_key(|(control, _)| by_number(control));
    controls
}

/// Returns a sort key that orders controls as in the framework's text, with numbers by value.
fn by_number(control: &str) -> Vec<(u64, String)> {
    let parts = control.split(['.', ' ', '-', '(', ')']);
    parts.map(|part| (part.parse().unwrap_or(u64::MAX), part.to_owned())).collect()
}
