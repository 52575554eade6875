//! Empty groups, groups with missing users, and cases in which neither can be proven.

use super::*;

fn missing(group: &str, user: &str) -> Outside {
    Outside { group_id: group.into(), member: OutsideMember::Missing(user.into()) }
}

/// Group 1 has a member, group 2 has the given ones. `members`: coverage of member lists, if the source offers them.
fn tenant(outside: Vec<Outside>, members: Option<Coverage>) -> SourceReading {
    let mut reading = reading(vec![user("somebody")]);
    reading.outside = outside;
    reading.lists.extend(members.map(|coverage| list(ListKind::Members, coverage)));
    reading
}

fn evaluated_tenant(reading: SourceReading) -> EvaluationOutput {
    evaluate(&joined(reading), &Policy::default(), as_of())
}

fn lines(output: &EvaluationOutput) -> Vec<String> {
    let line = |f: &Finding| format!("{} {} {}: {}", f.rule.as_str(), f.subject.kind.as_str(), f.subject.id, f.title());
    output.findings.iter().map(line).collect()
}

#[test]
fn a_group_without_any_membership_is_empty() {
    let output = evaluated_tenant(tenant(vec![], None));
    assert_eq!(lines(&output), ["empty-group group 2: has no members"]);
    assert_eq!(output.findings[0].subject.name.as_deref(), Some("Administrators"));
    assert_eq!(outcome(&output, Rule::EmptyGroup), &RuleOutcome::Evaluated { subjects: 2, undetermined: 0 });
    let directory = Outside { group_id: "2".into(), member: OutsideMember::Directory("cn=staff".into()) };
    assert_eq!(lines(&evaluated_tenant(tenant(vec![directory], None))), [""; 0]);
}

#[test]
fn a_group_with_missing_users_is_dangling_and_not_empty() {
    let output = evaluated_tenant(tenant(vec![missing("2", "901"), missing("2", "77")], Some(complete())));
    assert_eq!(lines(&output), ["dangling-group group 2: contains 2 users missing from the source's list of users"]);
    assert_eq!(output.findings[0].evidence(), r#"{"count":2,"missing_users":["77","901"],"times_seen":1}"#);
    assert_eq!(outcome(&output, Rule::DanglingGroup), &RuleOutcome::Evaluated { subjects: 3, undetermined: 0 });
}

#[test]
fn a_finding_names_at_most_100_missing_users_and_counts_all_of_them() {
    let outside = (1..=150).map(|n| missing("2", &n.to_string())).collect();
    let output = evaluated_tenant(tenant(outside, Some(complete())));
    let evidence: Value = serde_json::from_str(&output.findings[0].evidence()).unwrap();
    assert_eq!((evidence["count"].as_u64(), evidence["missing_users"].as_array().unwrap().len()), (Some(150), 100));
}

#[test]
fn a_user_who_is_not_in_an_incomplete_list_is_not_missing() {
    let mut reading = tenant(vec![missing("2", "901")], Some(complete()));
    reading.lists[0].coverage = Coverage::Drifted { why: "it moved".to_owned() };
    let output = evaluated_tenant(reading);
    assert!(output.findings.iter().all(|f| f.rule == Rule::CollectionIncomplete), "{:?}", lines(&output));
    assert_eq!(outcome(&output, Rule::DanglingGroup), &RuleOutcome::Evaluated { subjects: 3, undetermined: 1 });
}

#[test]
fn incomplete_member_lists_prove_nothing_about_groups() {
    let mut reading = tenant(vec![missing("2", "901")], Some(Coverage::Failed { error: "403 at group 2".to_owned() }));
    reading.users[0].group_memberships = Box::default();
    let output = evaluated_tenant(reading);
    assert_eq!(
        lines(&output),
        [
            "collection-incomplete source eu: not proven complete: members; last complete: never; 0 known rows are unconfirmed"
        ]
    );
    for rule in [Rule::NoGroup, Rule::DanglingGroup, Rule::EmptyGroup] {
        let RuleOutcome::Undetermined { why } = outcome(&output, rule) else { panic!("{rule:?} was evaluated") };
        assert_eq!(why, "needs the members of every group; the list could not be read: 403 at group 2");
    }
}

#[test]
fn without_member_lists_the_memberships_of_all_users_must_be_known() {
    let why = |reading: SourceReading| match outcome(&evaluated_tenant(reading), Rule::EmptyGroup) {
        RuleOutcome::Undetermined { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    let mut unreported = tenant(vec![], None);
    unreported.users.push(with("unreported", |u| u.groups_known = false));
    assert_eq!(why(unreported.clone()), "the memberships of 1 account are unknown");
    // If the source lists members by group, gaps in a user's record do not matter.
    unreported.lists.push(list(ListKind::Members, complete()));
    assert_eq!(lines(&evaluated_tenant(unreported)), ["empty-group group 2: has no members"]);
    let mut drifted = tenant(vec![], None);
    drifted.lists[0].coverage = Coverage::Drifted { why: "it moved".to_owned() };
    assert_eq!(why(drifted), "needs a complete list of users; the list is not proven complete: it moved");
}

proptest! {
    #[test]
    fn exactly_the_groups_without_a_membership_are_empty(
        of_users in proptest::collection::vec(1u8..6, 0..6), directories in proptest::collection::vec(1u8..6, 0..3),
        gone in proptest::collection::vec(1u8..6, 0..3),
    ) {
        let mut reading = reading(of_users.iter().enumerate().map(|(n, group)| {
            let mut user = user("somebody");
            user.id = n.to_string().into();
            user.group_memberships = Box::new([group.to_string().into()]);
            user
        }).collect());
        reading.groups = (1..6).map(|id: u8| Group::new(id.to_string())).collect();
        let directory = |id: &u8| Outside { group_id: id.to_string().into(), member: OutsideMember::Directory("cn=x".into()) };
        reading.outside = directories.iter().map(directory).chain(gone.iter().map(|id| missing(&id.to_string(), "901"))).collect();
        reading.lists.push(list(ListKind::Members, complete()));
        let inventory = joined(reading);
        let source = &inventory.sources[0];
        let expected: Vec<String> = (1..6).map(|id: u8| id.to_string())
            .filter(|id| source.memberships.iter().all(|row| source.group_id(row).as_str() != id)).collect();
        let output = evaluate(&inventory, &Policy::default(), as_of());
        let empty: Vec<String> = output.findings.iter().filter(|f| f.rule == Rule::EmptyGroup)
            .map(|f| f.subject.id.to_string()).collect();
        prop_assert_eq!(empty, expected);
    }
}
