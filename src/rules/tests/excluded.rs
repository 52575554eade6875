//! Accounts that a rule does not apply to, counted by reason.

use super::*;
use crate::model::UserKind;

#[test]
fn accounts_that_a_rule_does_not_apply_to_are_counted_by_reason() {
    let expired = |user: &mut User| user.expires_at = ReportedDate::At(as_of());
    let users = vec![
        with("1", |user| user.enabled = Some(false)),
        with("2", expired),
        with("3", |user| user.kind = UserKind::Service),
        with("4", |user| (user.enabled, user.kind) = (Some(false), UserKind::Service)),
        user("5"),
    ];
    let output = evaluated(users);
    let excluded = |rule| {
        let evaluation = output.evaluations.iter().find(|evaluation| evaluation.rule == rule).unwrap();
        evaluation.excluded.iter().map(|(why, count)| (*why, *count)).collect::<Vec<_>>()
    };
    let closed = [(Exclusion::Disabled, 2), (Exclusion::Blocked, 1)];
    let people = [closed[0], closed[1], (Exclusion::ServiceAccount, 1)];
    assert_eq!(excluded(Rule::StaleLogin), people);
    assert_eq!(excluded(Rule::NoGroup), closed);
    assert_eq!(excluded(Rule::DisabledInGroup), [(Exclusion::Active, 2)]);
    assert_eq!(excluded(Rule::ServiceWithoutOwner), [(Exclusion::Disabled, 1), (Exclusion::NotServiceAccount, 3)]);
    assert_eq!(excluded(Rule::DataQuality), []);
    assert_eq!(excluded(Rule::PrivilegedGrowth), [], "a rule that did not run excluded nobody");
}
