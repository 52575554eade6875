//! Several threads evaluate shares of the accounts. The result is that of one thread.

use super::*;

#[test]
fn accounts_of_every_share_are_evaluated_once_and_the_findings_are_sorted() {
    let count = 3 * SHARE + 7;
    let users: Vec<User> = (1..=count)
        .map(|number| {
            let mut user = with("any", |u| {
                u.last_login = LastLogin::At(ago(if number % 3 == 0 { 100 } else { 1 }, 0));
                u.enabled = [Some(true), None, Some(false)].into_iter().cycle().nth(number % 7).flatten();
            });
            user.id = number.to_string().into();
            user
        })
        .collect();
    let all = &users;
    let of = |wanted: Option<bool>| (1..=count).filter(move |number| all[number - 1].enabled == wanted);
    let output = evaluated(users.clone());
    let stale = output.findings.iter().filter(|finding| finding.rule == Rule::StaleLogin);
    let stale: Vec<String> = stale.map(|finding| finding.subject.id.to_string()).collect();
    let expected: Vec<String> =
        of(Some(true)).filter(|number| number % 3 == 0).map(|number| number.to_string()).collect();
    assert_eq!(stale, expected);
    // An account whose state is unknown may be disabled, so that its inactivity is undetermined.
    let undetermined = of(None).count() as u64;
    let disabled = of(Some(false)).count() as u64;
    let subjects = count as u64 - disabled;
    let evaluation = output.evaluations.iter().find(|evaluation| evaluation.rule == Rule::StaleLogin).unwrap();
    assert_eq!(evaluation.outcome, RuleOutcome::Evaluated { subjects, undetermined });
    assert_eq!(evaluation.excluded, Exclusions::from([(Exclusion::Disabled, disabled)]));
    let unknown = (0..count).filter(|at| !output.gaps[0].user_was_evaluated(*at, Rule::StaleLogin));
    assert!(unknown.eq(of(None).map(|number| number - 1)));
}
