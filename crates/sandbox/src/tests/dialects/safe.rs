//! Dialects of Password Safe: older versions, other tenants, groups of a directory.

use super::*;

fn safe(dialects: &[Dialect]) -> Expected {
    expected(&tenant(), Surface::PasswordSafe, dialects)
}

fn ids(rows: &Value) -> Vec<u64> {
    rows.as_array().unwrap().iter().map(|row| row["UserID"].as_u64().unwrap()).collect()
}

#[test]
fn without_is_active_two_lists_show_who_is_disabled() {
    let all = served_by_safe(tenant(), Dialect::NoIsActive, "Users?includeInactive=true");
    let active = served_by_safe(tenant(), Dialect::NoIsActive, "Users");
    assert_eq!((ids(&all).len(), ids(&active)), (7, vec![10, 20, 30, 60, 70]));
    assert!(all.as_array().unwrap().iter().all(|row| row.get("IsActive").is_none()));
    let mut world = tenant();
    world.edit_user(10, |user| drop(user.insert("enabled".to_owned(), Value::Null)));
    let expected = expected(&world, Surface::PasswordSafe, &[Dialect::NoIsActive]);
    let states: Vec<&str> = expected.users.iter().map(|row| row["enabled"].as_str()).collect();
    assert_eq!(states, ["true", "true", "true", "false", "false", "true", "true"]);
    assert!(expected.complete);
}

#[test]
fn users_that_are_never_listed_are_known_only_by_memberships() {
    let mut world = tenant();
    let list = served_by_safe(world.clone(), Dialect::IgnoresInactive, "Users?includeInactive=true");
    assert_eq!(ids(&list), [10, 20, 30, 60, 70]);
    assert_eq!(served_by_safe(world.clone(), Dialect::IgnoresInactive, "Users/40")["UserName"], "dora");
    assert_eq!(ids(&served_by_safe(world.clone(), Dialect::IgnoresInactive, "UserGroups/2/Users")), [10, 30, 40]);
    // Emil is in no group now, so no list names him.
    world.edit_user(50, |user| drop(user.insert("group_memberships".to_owned(), json!([]))));
    let by_id = expected(&world, Surface::PasswordSafe, &[Dialect::IgnoresInactive]);
    assert_eq!(
        cells(&by_id.users, &["id", "enabled"]),
        [["10", "true"], ["20", "true"], ["30", "true"], ["40", "false"], ["60", "true"], ["70", "true"]]
    );
    assert!(by_id.complete);
    assert!(found(&by_id).contains(&"disabled-in-group low user 40 2".to_owned()));
    // A user without a record is a member that is not listed.
    world.edit_user(60, |user| {
        user.insert("enabled".to_owned(), false.into());
        user.insert("group_memberships".to_owned(), json!([2]));
    });
    let dialects = [Dialect::IgnoresInactive, Dialect::RecordsNotFound];
    let missing = expected(&world, Surface::PasswordSafe, &dialects);
    assert!(missing.users.iter().all(|row| row["id"] != "60"));
    assert!(found(&missing).contains(&"dangling-group low group 2 60".to_owned()), "{:?}", found(&missing));
}

#[test]
fn without_a_type_the_origin_of_accounts_is_inferred() {
    let users = served_by_safe(tenant(), Dialect::NoUserType, "Users?includeInactive=true");
    let row = |place: usize| {
        let row = &users[place];
        ["UserType", "DomainName", "LastLoginAuthenticationType"].map(|key| row.get(key).cloned())
    };
    assert_eq!(row(0), [None, Some(Value::Null), Some(json!("Local"))]);
    assert_eq!(row(1), [None, Some(json!("EXAMPLE")), Some(json!("Active Directory"))]);
    assert_eq!(row(2), [None, Some(Value::Null), Some(json!("SAML"))]);
    assert_eq!(row(6)[0], Some(json!("Application")));
    let expected = safe(&[Dialect::NoUserType]);
    let types: Vec<&str> = expected.users.iter().map(|row| row["account_type"].as_str()).collect();
    assert_eq!(types, ["", "", "", "", "", "", "Application"]);
    // Carl signs in by SAML; anna and finn are local; ben and emil belong to a directory.
    let outside: Vec<String> = found(&expected).into_iter().filter(|line| line.starts_with("local-")).collect();
    assert_eq!(outside, ["local-outside-sso medium user 10", "local-outside-sso medium user 60"]);
}

#[test]
fn reading_the_members_of_a_directory_group_counts_as_a_synchronisation() {
    let sandbox = sandbox_with(tenant(), &[Dialect::DirectoryGroups]);
    block_on(async {
        let mut safe_client = SafeClient::with_key(&sandbox);
        safe_client.sign_in().await;
        let (_, groups) = safe_client.get("UserGroups").await;
        let types: Vec<&str> =
            groups.as_array().unwrap().iter().map(|row| row["GroupType"].as_str().unwrap()).collect();
        assert_eq!(types, ["BeyondInsight", "BeyondInsight", "EntraID", "BeyondInsight"]);
        assert_eq!(safe_client.get("Users/20").await.1["DomainName"], "EXAMPLE");
        assert_eq!(safe_client.get("Users/30").await.1["DomainName"], Value::Null);
        let group_ids = |rows: Value| -> Vec<u64> {
            rows.as_array().unwrap().iter().map(|row| row["GroupID"].as_u64().unwrap()).collect()
        };
        assert_eq!(group_ids(safe_client.get("Users/20/UserGroups").await.1), [1, 3]);
        assert_eq!(
            group_ids(safe_client.get("Users/30/UserGroups").await.1),
            [2],
            "users without a domain are not in directory groups"
        );
        assert_eq!(safe_client.ids("UserGroups/2/Users").await, [10, 30, 40]);
        assert_eq!(sandbox.counters().directory_syncs, 0);
        assert_eq!(safe_client.ids("UserGroups/3/Users").await, [20, 50]);
        assert_eq!(sandbox.counters().directory_syncs, 1);
    });
}

#[test]
fn members_of_directory_groups_are_known_by_their_users_only() {
    let counts = |expected: &Expected| -> Vec<String> {
        expected.groups.iter().map(|row| row["member_count"].clone()).collect()
    };
    let known = |expected: &Expected| -> Vec<String> {
        let unknown = expected.users.iter().filter(|row| row["groups_known"] == "false");
        unknown.map(|row| row["id"].clone()).collect()
    };
    let read = safe(&[Dialect::DirectoryGroups]);
    assert_eq!((counts(&read), known(&read)), (["1", "3", "2", "0"].map(str::to_owned).to_vec(), vec![]));
    assert_eq!(cells(&read.memberships[4..], &["group_id", "user_id"]), [["3", "20"], ["3", "50"]]);
    assert!(found(&read).contains(&"no-group low user 70".to_owned()), "an application is in no directory");

    let mut world = tenant();
    world.put_group(6, record(&json!({"name": "Unused"})));
    let unused = expected(&world, Surface::PasswordSafe, &[Dialect::DirectoryGroups]);
    assert_eq!(counts(&unused)[4], "0");
    // The members of a directory group become users only when they sign in.
    assert!(!found(&unused).contains(&"empty-group info group 6".to_owned()));

    let skip = |dialects: &[Dialect]| {
        let expect = Expect { directory_groups_read: false, ..expect(Surface::PasswordSafe, dialects) };
        tenant().expected(&expect)
    };
    let skipped = skip(&[Dialect::DirectoryGroups]);
    assert_eq!(counts(&skipped), ["1", "3", "", "0"]);
    assert_eq!(skipped.memberships.len(), 4);
    // Users that are neither local nor an application: ben, carl (SAML), emil.
    assert_eq!(known(&skipped), ["20", "30", "50"]);
    assert!(skipped.complete, "it is skipped on purpose");
    assert!(!found(&skipped).contains(&"empty-group info group 3".to_owned()));
    assert!(known(&skip(&[])).is_empty(), "without such groups there is nothing to skip");
    assert_eq!(known(&skip(&[Dialect::DirectoryGroups, Dialect::NoUserType])), ["20", "30", "50"]);

    // 30 and 60 have no record; 60 is local.
    let partial = safe(&[Dialect::DirectoryGroups, Dialect::RecordsNotFound]);
    assert_eq!((counts(&partial)[2].as_str(), known(&partial)), ("", vec!["30".to_owned()]));
    assert!(!partial.complete);
    // The member lists that fail are those of the other groups; directory groups are read user by user.
    let both = safe(&[Dialect::DirectoryGroups, Dialect::MembersNotFound]);
    assert_eq!(counts(&both), ["", "", "2", ""]);
}
