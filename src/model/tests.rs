//! Tests of the small decisions of the model: who is one person, and when an evaluation is apart from its data.

use super::*;

#[test]
fn accounts_of_one_person_share_a_key_and_accounts_of_programs_have_none() {
    let user = |kind, address: Option<&str>| User { kind, email_address: address.map(Text::from), ..User::new("1") };
    for (kind, address, key) in [
        (UserKind::Person, Some(" Zoë@Example.com "), Some("zoë@example.com")),
        (UserKind::Vendor, Some("a@example.com"), Some("a@example.com")),
        (UserKind::Person, Some(" "), None),
        (UserKind::Person, None, None),
        (UserKind::Service, Some("a@example.com"), None),
        (UserKind::BreakGlass, Some("a@example.com"), None),
    ] {
        assert_eq!(user(kind, address).person().as_deref(), key, "{kind:?} {address:?}");
    }
}

#[test]
fn an_address_with_any_letter_is_compared_in_lower_case_and_without_white_space_around_it() {
    let mut user = User::new("1");
    for reported in ('\0'..='\u{1ffff}').map(|c| format!("a{c}")) {
        user.email_address = Some(Text::from(&*reported));
        assert_eq!(user.address().as_deref(), Some(&*reported.trim().to_lowercase()), "{reported:?}");
    }
}

#[test]
fn an_evaluation_is_apart_from_its_data_beyond_one_hour_in_either_direction() {
    let at = |text: &str| text.parse::<Instant>().unwrap();
    let started_at = at("2026-11-23T02:00:00Z");
    for (as_of, apart) in [
        ("2026-11-23T02:00:00Z", false),
        ("2026-11-23T03:00:00Z", false),
        ("2026-11-23T01:00:00Z", false),
        ("2026-11-23T03:00:00.000001Z", true),
        ("2026-11-23T00:59:59Z", true),
    ] {
        assert_eq!(is_evaluated_apart(at(as_of), started_at), apart, "{as_of}");
    }
}

#[test]
fn the_first_entry_that_matches_a_group_names_its_owner() {
    let entry = |pattern: &str, owner: &str| GroupOwner {
        group: Pattern::parse(pattern).unwrap(),
        owner: owner.to_owned(),
        email: None,
    };
    let entries = [entry("id:7", "first"), entry("glob:*admin*", "second"), entry("Admins", "third")];
    let group = |id: &str, name: &str| Group { name: Some(name.into()), ..Group::new(id) };
    let owner = |group| GroupOwner::of_groups(&entries, &[group])[0].map(|entry| entry.owner.as_str());
    assert_eq!(owner(group("7", "Admins")), Some("first"));
    assert_eq!(owner(group("8", "Admins")), Some("second"));
    assert_eq!(owner(group("8", "Operators")), None);
}

#[test]
fn the_host_of_a_source_has_no_scheme_port_path_or_user() {
    let host = |url: &str| {
        let (name, kind, client_id) = (SourceName::from("eu"), String::new(), String::new());
        SourceIdentity { name, kind, url: url.to_owned(), client_id }.host().to_owned()
    };
    for (url, expected) in [
        ("https://bt.example.com", "bt.example.com"),
        ("https://bt.example.com:8443/api?x=1", "bt.example.com"),
        ("https://user@bt.example.com/", "bt.example.com"),
        ("http://127.0.0.1:8080", "127.0.0.1"),
        ("https://[2001:db8::1]:443/", "[2001:db8::1]"),
    ] {
        assert_eq!(host(url), expected, "{url}");
    }
}

#[test]
fn a_finding_takes_at_most_224_bytes() {
    assert!(size_of::<Finding>() <= 224, "{}", size_of::<Finding>());
}

#[test]
fn an_account_takes_at_most_248_bytes() {
    assert!(size_of::<User>() <= 248, "{}", size_of::<User>());
    assert_eq!((size_of::<Option<Text>>(), size_of::<LastLogin>(), size_of::<ReportedDate>()), (16, 16, 16));
}
