//! What each rule is, for people: why, what to do, which controls it is relevant to. Data. A finding is *relevant to* a
//! control, never a statement about compliance with it.

use super::policy::Policy;
use crate::model::Rule;
use std::borrow::Cow;
use std::sync::Arc;

/// One rule of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct RuleDefinition {
    /// Which.
    pub rule: Rule,
    /// Short name for people.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do: the `action` column.
    pub action: &'static str,
    /// Severity in words, unless the configuration overrides it.
    pub severity: &'static str,
    /// What it needs, beside the list of users.
    pub needs: &'static str,
    /// Control ids by framework.
    controls: &'static [(ControlFamily, &'static str)],
}

/// Whose control ids these are; several presets can share a family.
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

    /// The presets that stand on these controls.
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

/// Days since a list was last proven complete, from which `collection-incomplete` is high.
pub(super) const INCOMPLETE_HIGH_DAYS: u32 = 2;
/// The same for critical.
pub(super) const INCOMPLETE_CRITICAL_DAYS: u32 = 7;

const ALL: [RuleDefinition; 16] = [
    RuleDefinition {
        rule: Rule::StaleLogin,
        title: "Inactive accounts",
        why: "An account that nobody uses is a door that nobody watches.",
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
        why: "An account that was made and never used was perhaps not needed, or its first password is still waiting for somebody.",
        action: "Ask who requested the account whether it is still needed; disable or remove it if not.",
        severity: "low; medium from the stale threshold on",
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
        why: "An enabled account without any group has no role that somebody decided on.",
        action: "Decide with the account's owner which group it belongs to; disable it if there is none.",
        severity: "medium",
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
        why: "Whoever enables, prolongs or approves the account again gives back all its rights at once.",
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
        title: "Memberships that lead nowhere",
        why: "A membership of a group or of a user that is not there shows that records do not agree; if it comes back, so does the access.",
        action: "Remove the membership, or find out why the group or the user is missing.",
        severity: "low",
        needs: "every membership; for users that are missing, the whole list of users too",
        controls: &[(Nist80053, "NIST 800-53 AC-2(d)"), (Cis, "CIS 5.1"), (Iso27001, "ISO 27001 A.5.18")],
    },
    RuleDefinition {
        rule: Rule::SharedEmail,
        title: "Accounts that share an address",
        why: "Where several accounts have one address, nobody can say which person did what, or one person has more than one way in.",
        action: "Ask the owner of the address which account is theirs; give each account its own address, or disable the others.",
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
        title: "Local accounts beside single sign-on",
        why: "A local account stays open when the identity provider closes its owner's account.",
        action: "Move the account to the identity provider, or name it as break-glass with an owner.",
        severity: "medium; high if privileged",
        needs: "account types",
        controls: &[(Cis, "CIS 5.6"), (Cis, "CIS 6.7"), (Iso27001, "ISO 27001 A.5.16"), (Soc2, "SOC 2 CC6.1")],
    },
    RuleDefinition {
        rule: Rule::NoMfa,
        title: "Accounts without a second factor",
        why: "A password alone can be guessed, shared or stolen without anybody noticing.",
        action: "Have the account's owner set up a second factor, and require it where the product can.",
        severity: "medium; high if privileged",
        needs: "second factors; those of single sign-on are the identity provider's",
        controls: &[(Nist80053, "NIST 800-53 IA-2(1)"), (Cis, "CIS 6.5")],
    },
    RuleDefinition {
        rule: Rule::DormantWithKey,
        title: "Dormant accounts with a key",
        why: "A key that nobody uses opens the door without a password, and nobody would miss it.",
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
        why: "An account that programs use is never inactive by itself: somebody has to answer for it and look at it again by a date.",
        action: "Find who answers for the account, and put owner and review date into policy.service_owners; disable it if nobody does.",
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
        why: "Each new member of a privileged group holds its rights from that moment on; nobody may have decided so.",
        action: "Have the group's owner confirm each new member against a request; remove those whom nobody asked for.",
        severity: "medium",
        needs: "policy.privileged_groups, a snapshot before, and every membership now and before",
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
        why: "An account that is kept for emergencies is used in one, or by somebody who should not have its password.",
        action: "Match the login with an emergency that was declared; change the password, and record who used it and why.",
        severity: "high",
        needs: "policy.break_glass, a snapshot before, and last logins now and before",
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
        why: "A group that nobody is in still grants its rights to the next one who is put there.",
        action: "Remove the group, or note what it is kept for.",
        severity: "info",
        needs: "every membership",
        controls: &[(Nist80053, "NIST 800-53 AC-2(c)")],
    },
    RuleDefinition {
        rule: Rule::ExceptionExpired,
        title: "Exceptions that are over",
        why: "Somebody answered for the finding until a day that has passed; since then nobody does.",
        action: "Settle the finding, or have the exception's owner decide again until a new day.",
        severity: "as the rule that it covered, at least medium",
        needs: "the register of exceptions, policy.exceptions",
        controls: &[(Nist80053, "NIST 800-53 AC-2(3)(c)"), (Iso27001, "ISO 27001 A.5.18")],
    },
    RuleDefinition {
        rule: Rule::DataQuality,
        title: "Dates and counts not to rely on",
        why: "Ages are only as good as the dates they are counted from.",
        action: "Correct the record or the clock at the source, or note why it is as it is.",
        severity: "info",
        needs: "nothing more",
        controls: &[],
    },
    RuleDefinition {
        rule: Rule::CollectionIncomplete,
        title: "Lists not proven complete",
        why: "A list that may lack rows proves nothing about the accounts that are not in it.",
        action: "Correct the cause that is named, and run again before the list is used as evidence.",
        severity: "medium; high 2 days after the list was last proven complete, critical after 7",
        needs: "nothing more",
        controls: &[],
    },
];

/// Every rule that is built in, in the order of [`Rule::ALL`].
pub fn catalogue() -> &'static [RuleDefinition] {
    &ALL
}

/// One that is built in.
pub fn entry(rule: Rule) -> Option<&'static RuleDefinition> {
    // The two lists have the same order; a test says so.
    Rule::ALL.iter().position(|other| *other == rule).map(|place| &ALL[place])
}

/// What to do about a finding of a rule.
pub fn action_of(rule: Rule, policy: &Policy) -> Cow<'static, str> {
    let custom = || policy.custom_rule(rule).map(|custom| Cow::Owned(custom.action.clone()));
    entry(rule).map(|entry| Cow::Borrowed(entry.action)).or_else(custom).unwrap_or_default()
}

/// The controls of the selected frameworks that a rule is relevant to; of all frameworks where none is selected. What a rule of
/// the configuration is relevant to is not known.
pub fn controls_of(rule: Rule, frameworks: &[String]) -> Arc<[&'static str]> {
    let selected = |family: ControlFamily| {
        frameworks.is_empty() || family.frameworks().iter().any(|id| frameworks.iter().any(|f| f == id))
    };
    let controls = entry(rule).map_or(&[][..], |entry| entry.controls);
    controls.iter().filter(|(family, _)| selected(*family)).map(|(_, control)| *control).collect()
}

/// The controls of one text that rules are relevant to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlCoverage {
    /// The presets that stand on the text: those that are selected, or all.
    pub frameworks: Vec<&'static str>,
    /// Each control once, in the order of the text, with its rules.
    pub controls: Vec<(&'static str, Vec<Rule>)>,
}

/// Every text of the selected frameworks, of all where none is selected. A framework whose text no rule names has no controls.
pub fn coverage(frameworks: &[String]) -> Vec<ControlCoverage> {
    let is_selected = |id: &&'static str| frameworks.is_empty() || frameworks.iter().any(|wanted| wanted == id);
    let of_family = |family: ControlFamily| {
        let selected: Vec<&'static str> = family.frameworks().iter().copied().filter(is_selected).collect();
        (!selected.is_empty()).then(|| ControlCoverage { frameworks: selected, controls: controls(family) })
    };
    let mut all: Vec<ControlCoverage> = ControlFamily::ALL.into_iter().filter_map(of_family).collect();
    let named = |id: &&'static str| ControlFamily::ALL.iter().any(|family| family.frameworks().contains(id));
    let others = super::frameworks::all().iter().map(|framework| framework.id);
    // Where nothing is selected, a text without controls is no gap that anybody asked about.
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

/// The order of the text itself: numbers by value.
fn by_number(control: &str) -> Vec<(u64, String)> {
    let parts = control.split(['.', ' ', '-', '(', ')']);
    parts.map(|part| (part.parse().unwrap_or(u64::MAX), part.to_owned())).collect()
}
