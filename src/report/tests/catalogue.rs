//! What the made-up program says of its rules.

use crate::model::Rule;
use crate::report::RuleInfo;

pub(super) fn catalogue() -> Vec<RuleInfo> {
    Rule::ALL.into_iter().map(info).collect()
}

#[expect(clippy::too_many_lines, reason = "data: one entry a rule")]
pub(super) fn info(rule: Rule) -> RuleInfo {
    let (title, why, action, severity, controls): (_, _, _, _, &[&'static str]) = match rule {
        Rule::StaleLogin => (
            "Stale account",
            "An enabled account that nobody uses is access that nobody watches.",
            "Confirm with the owner that the account is needed; otherwise disable it.",
            "medium; high if privileged or local",
            &["PCI DSS 8.2.6", "CIS 5.3"],
        ),
        Rule::NeverLoggedIn => (
            "Never logged in",
            "An account that was never used may never have been needed.",
            "Ask the requester whether the account is needed; otherwise remove it.",
            "low; medium from the stale threshold on",
            &["PCI DSS 8.2.6", "CIS 5.1", "CIS 5.3"],
        ),
        Rule::NoGroup => (
            "In no group",
            "Access that no group grants is reviewed by nobody.",
            "Assign the account to the group of its role, or disable it.",
            "medium",
            &["CIS 6.8"],
        ),
        Rule::DisabledInGroup => (
            "Disabled, still in a group",
            "When the account is enabled again, it has its old access at once.",
            "Remove the account from its groups.",
            "low; medium if a group is privileged",
            &["PCI DSS 7.2.4", "PCI DSS 8.2.5", "CIS 6.2"],
        ),
        Rule::DanglingGroup => (
            "Membership of a missing group",
            "A membership that names nothing cannot be reviewed.",
            "Remove the membership, or find out what became of the group.",
            "low",
            &["CIS 5.1"],
        ),
        Rule::SharedEmail => (
            "Shared address",
            "Where several accounts have one address, nobody can say which person did what.",
            "Give each account its own address, or disable the others.",
            "medium",
            &["PCI DSS 8.2.1", "PCI DSS 8.2.2"],
        ),
        Rule::LocalOutsideSso => (
            "Local beside single sign-on",
            "A local account stays open when the identity provider closes its owner's account.",
            "Move the account to the identity provider.",
            "medium; high if privileged",
            &["CIS 5.6", "CIS 6.7"],
        ),
        Rule::NoMfa => (
            "No second factor",
            "A password alone can be guessed, shared or stolen.",
            "Have the account's owner set up a second factor.",
            "medium; high if privileged",
            &["CIS 6.5"],
        ),
        Rule::DormantWithKey => (
            "Dormant, with a key",
            "A key that nobody uses opens the door without a password.",
            "Remove the key, then decide about the account.",
            "high",
            &["PCI DSS 7.2.5.1", "PCI DSS 8.6", "CIS 5.3", "CIS 5.5"],
        ),
        Rule::ServiceWithoutOwner => (
            "Service account without an owner",
            "Somebody has to answer for an account that programs use.",
            "Find who answers for the account and put it into the register.",
            "medium; high for an API account that reaches far",
            &["PCI DSS 7.2.5.1", "PCI DSS 8.6.1", "CIS 5.5"],
        ),
        Rule::EmptyGroup => (
            "Group without members",
            "A group that nobody is in still grants its rights to the next one.",
            "Remove the group, or note what it is kept for.",
            "info",
            &[],
        ),
        Rule::ExceptionExpired => (
            "Exceptions that are over",
            "Nobody answers any more for what the exception covered.",
            "Settle the finding, or have the exception decided again.",
            "as the rule that it covered, at least medium",
            &[],
        ),
        Rule::DataQuality => (
            "Data quality",
            "What the source tells cannot be relied on here.",
            "Compare the account's record with the product's own console.",
            "info",
            &[],
        ),
        Rule::CollectionIncomplete => (
            "Collection incomplete",
            "Nothing can be concluded about what is missing from the list.",
            "Remove the cause and run again.",
            "high",
            &[],
        ),
        Rule::Custom(id) => (id, "", "", "medium", &[]),
    };
    let (title, why, action) = (title.into(), why.into(), action.into());
    RuleInfo { rule, title, why, action, severity, controls: controls.to_vec(), expression: None }
}
