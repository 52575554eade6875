//! Tests of `[[policy.service_owners]]` and `[[policy.group_owners]]`.

use super::*;

#[test]
fn service_owner_has_an_account_an_owner_and_a_review_day() {
    let text = format!(
        "{MINIMAL}[[policy.service_owners]]\naccount = \"glob:svc-*\"\nsource = \"appliance\"\nowner = \"backup team\"\n\
         review_by = 2027-03-31\n[[policy.service_owners]]\naccount = \"id:7\"\nowner = \"x\"\nreview_by = 2028-02-29\n"
    );
    let owners = load(&text).unwrap().policy.service_owners;
    assert_eq!(owners[0].account, Pattern::Glob("svc-*".to_owned()));
    assert_eq!((owners[0].source.as_deref(), owners[0].owner.as_str()), (Some("appliance"), "backup team"));
    assert_eq!((owners[0].review_by.to_string().as_str(), owners[1].source.as_deref()), ("2027-03-31", None));
}

#[test]
fn group_owner_has_a_group_an_owner_and_an_optional_address() {
    let entry = |keys: &str| format!("{MINIMAL}[[policy.group_owners]]\n{keys}\n");
    let full = entry("group = \"glob:*admin*\"\nowner = \" Head of IT \"\nemail = \"it@example.com\"");
    let expected = GroupOwner {
        group: Pattern::Glob("*admin*".to_owned()),
        owner: "Head of IT".to_owned(),
        email: Some("it@example.com".to_owned()),
    };
    assert_eq!(load(&full).unwrap().policy.group_owners, [expected]);
    let short = load(&entry("group = \"id:7\"\nowner = \"x\"")).unwrap();
    assert_eq!(short.policy.group_owners[0].email, None);
    for (keys, key) in [
        ("group = \"id:\"\nowner = \"x\"", "group"),
        ("owner = \"x\"", "group"),
        ("group = \"g\"\nowner = \" \"", "owner"),
        ("group = \"g\"", "owner"),
        ("group = \"g\"\nowner = \"x\"\nmail = \"a@b\"", "mail"),
        ("group = \"g\"\nowner = \"x\"\nemail = \"a b@c\"", "email"),
        ("group = \"g\"\nowner = \"x\"\nemail = \"example.com\"", "email"),
    ] {
        problem(&entry(keys), &format!("policy.group_owners[0].{key}"));
    }
}

#[test]
fn review_day_must_be_a_date_without_a_time() {
    let entry = |day: &str| {
        format!("{MINIMAL}[[policy.service_owners]]\naccount = \"svc\"\nowner = \"x\"\nreview_by = {day}\n")
    };
    assert!(load(&entry("2027-03-31")).is_ok());
    for day in ["\"2027-03-31\"", "2027-03-31T00:00:00Z", "2027-03-31T00:00:00", "10:00:00", "20270331"] {
        let why = problem(&entry(day), "policy.service_owners[svc].review_by");
        assert!(why.contains("without quotes") && why.contains("review_by = 2027-03-31"), "{day}: {why}");
    }
}

#[test]
fn every_problem_of_service_owners_is_reported_with_its_key_path() {
    let text = format!(
        "{MINIMAL}[[policy.service_owners]]\naccount = \"glob:\"\nsource = \"aplliance\"\nreview = 2027-03-31\n\
         [[policy.service_owners]]\naccount = \"a\"\nowner = \"\"\nreview_by = 2027-03-31\n"
    );
    let error = load(&text).unwrap_err();
    let keys: Vec<&str> = error.problems.iter().map(|p| p.key.as_str()).collect();
    let first = |key: &str| format!("policy.service_owners[glob:].{key}");
    for key in [first("account"), first("source"), first("owner"), first("review_by"), first("review")] {
        assert!(keys.contains(&key.as_str()), "{key} is missing in {keys:?}");
    }
    assert!(keys.contains(&"policy.service_owners[a].owner"));
    assert!(error.to_string().contains("did you mean \"appliance\"?"), "{error}");
}
