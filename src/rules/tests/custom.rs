//! Rules of the configuration: what an expression says of accounts of which much, little or nothing is told, and which
//! expressions are refused before there is any account.

use super::*;
use crate::model::{Blocked, UserKind};
use crate::rules::custom::{CustomRule, Expression, Flaw};
use serde_json::json;

const RULE: &str = "own-rule";

fn policy(when: &str) -> Policy {
    let when = Expression::read(when).unwrap_or_else(|flaw| panic!("{when}: {flaw:?}"));
    let custom = CustomRule {
        rule: Rule::custom(RULE),
        severity: Severity::High,
        title: "Own rule".to_owned(),
        action: "Look.".to_owned(),
        when,
    };
    Policy { custom_rules: vec![custom], ..Policy::default() }
}

fn own<'j>(judgement: &'j Judgement, id: &str) -> Option<&'j Finding> {
    judgement.findings.iter().find(|f| f.rule == Rule::custom(RULE) && &*f.subject.id == id)
}

fn judged_by(when: &str, harvest: Harvest) -> Judgement {
    judge(&joined(harvest), &policy(when), as_of())
}

/// What becomes of this one account: true, false, or not to be told.
fn says(when: &str, user: User) -> Option<bool> {
    says_in(when, harvest(vec![user]))
}

/// The same of the first account.
fn says_in(when: &str, harvest: Harvest) -> Option<bool> {
    let judgement = judged_by(when, harvest);
    let found = judgement.findings.iter().any(|f| f.rule == Rule::custom(RULE));
    let was_judged = judgement.gaps[0].user_was_judged(0, Rule::custom(RULE));
    assert!(was_judged || !found, "{when}: found and undetermined");
    was_judged.then_some(found)
}

fn nothing_told() -> User {
    User::new("1")
}

fn flaw(when: &str) -> Flaw {
    Expression::read(when).err().unwrap_or_else(|| panic!("{when} was accepted"))
}

#[test]
fn an_expression_that_is_true_is_a_finding_that_can_be_recomputed() {
    let contractor = with("contractor", |user| user.group_memberships = Box::new(["1".into(), "2".into()]));
    let when = "enabled && \"Administrators\" in groups && days_until_expiry == null";
    let judgement = judged_by(when, harvest(vec![contractor.clone(), user("member-of-one")]));
    let found = own(&judgement, contractor.id.as_str()).unwrap();
    assert_eq!((&*found.title, &*found.action, found.severity), ("Own rule", "Look.", Severity::High));
    assert!(found.controls.is_empty());
    let evidence: Value = serde_json::from_str(&found.evidence).unwrap();
    let values = json!({"enabled": true, "groups": ["Operators", "Administrators"], "days_until_expiry": null});
    assert_eq!(evidence, json!({"expression": when, "values": values}));
    assert_eq!(
        *outcome(&judgement, Rule::custom(RULE)),
        Outcome::Judged { subjects: 2, undetermined: 0 },
        "the other is fine"
    );
}

#[test]
fn what_is_not_told_is_undetermined_and_never_fine() {
    for when in [
        "enabled",
        "!enabled",
        "mfa == false",
        "mfa != true",
        "!(account_type == \"local\")",
        "account_type != \"local\"",
        "account_type in [\"local\", \"LDAP\"]",
        "!(account_type in [\"local\"])",
        "days_since_login >= 90",
        "days_since_login < 90",
        "days_since_login + 1 > 3",
        "-days_since_login < 0",
        "\"x\" in groups",
        "!(\"x\" in groups)",
        "groups == [\"x\"]",
        "groups != [\"x\"]",
        "size(groups) == 0",
        "groups.size() > 2",
        "groups.exists(g, g == \"x\")",
        "groups.all(g, g == \"x\")",
        "groups.filter(g, g == \"x\").size() == 0",
        "groups.exists_one(g, g == \"x\")",
        "username.startsWith(\"svc-\")",
        "!username.endsWith(\"x\")",
        "username.contains(\"x\")",
        "username.matches(\"^svc\")",
        "matches(username, \"x\")",
        "is_local",
        "is_sso",
        "mfa ? enabled : true",
        "username == display_name",
        "username in [display_name]",
        "\"x\" in [username]",
        "[mfa] == [true]",
        "int(username) > 3",
        "string(passkeys) == \"1\"",
        "passkeys > 0",
        "days_until_expiry < 30",
        "days_since_created > 3",
        "locale == \"de\"",
        "email_address == \"\"",
        "is_admin",
        "[mfa].exists(m, m == false)",
        "[mfa].all(m, m != false)",
        "groups[0] == \"x\"",
        "has_public_key",
        "enabled && mfa",
        "enabled || mfa",
        "enabled == mfa",
        "true == mfa",
        "mfa in [true, null]",
    ] {
        assert_eq!(says(when, nothing_told()), None, "{when}");
    }
}

#[test]
fn a_side_that_decides_alone_needs_no_other_and_nothing_else_is_left_out() {
    let known = |enabled: bool| with("somebody", |user| user.enabled = Some(enabled));
    for (when, enabled, wanted) in [
        ("enabled && mfa", false, Some(false)),
        ("mfa && enabled", false, Some(false)),
        ("enabled && mfa", true, None),
        ("mfa && enabled", true, None),
        ("enabled || mfa", true, Some(true)),
        ("mfa || enabled", true, Some(true)),
        ("enabled || mfa", false, None),
        ("mfa || enabled", false, None),
        ("!(mfa && enabled)", true, None),
        ("mfa == null || enabled", false, Some(true)),
        ("enabled ? mfa == null : mfa", true, Some(true)),
        ("enabled ? mfa == null : mfa", false, None),
        ("[enabled, false].exists(e, e && mfa)", false, Some(false)),
        ("[enabled, mfa].exists(e, e)", true, Some(true)),
        ("[mfa, enabled].exists(e, e)", true, Some(true)),
        ("[mfa, enabled].exists(e, e)", false, None),
        ("[mfa, enabled].all(e, e)", false, Some(false)),
        ("[mfa, enabled].all(e, e)", true, None),
    ] {
        assert_eq!(says(when, known(enabled)), wanted, "{when} where enabled is {enabled}");
    }
}

#[test]
fn whether_something_is_told_can_be_asked() {
    for name in [
        "username",
        "display_name",
        "email_address",
        "enabled",
        "account_type",
        "is_local",
        "is_sso",
        "is_admin",
        "mfa",
        "groups",
        "group_ids",
        "days_since_login",
        "days_since_created",
        "days_until_expiry",
        "has_public_key",
        "passkeys",
        "locale",
        "is_privileged",
        "expired",
        "blocked",
    ] {
        assert_eq!(says(&format!("{name} == null"), nothing_told()), Some(true), "{name}");
        assert_eq!(says(&format!("null != {name}"), nothing_told()), Some(false), "{name}");
    }
    for name in ["source", "source_kind", "id", "kind", "groups_known", "last_login_status"] {
        assert_eq!(says(&format!("{name} == null"), nothing_told()), Some(false), "{name}");
    }
}

#[test]
fn every_variable_says_what_the_documentation_says() {
    let told = with("told", |user| {
        user.display_name = Some("To Ld".into());
        user.email_address = Some("told@example.com".into());
        user.is_admin = Some(false);
        user.mfa = Some(true);
        user.passkeys = Some(2);
        user.public_key = Some("ssh-ed25519 AAAA".into());
        user.locale = Some("de".into());
        user.last_login = LastLogin::At(ago(3, 86_399));
        user.created_at = Told::At(ago(10, 0));
        user.expires_at = Told::At(ago(-5, 1));
    });
    for when in [
        "source == \"eu\"",
        "source_kind == \"rest-v3\"",
        "id == \"4told\"",
        "username == \"told\"",
        "display_name == \"To Ld\"",
        "email_address.endsWith(\"@example.com\")",
        "enabled",
        "account_type == \"LDAP\"",
        "kind == \"person\"",
        "!is_local",
        "!is_sso",
        "!is_admin",
        "!is_privileged",
        "mfa",
        "groups == [\"Operators\"]",
        "group_ids == [\"1\"]",
        "groups_known",
        "days_since_login == 3",
        "last_login_status == \"at\"",
        "days_since_created == 10",
        "days_until_expiry == 4",
        "!expired",
        "!blocked",
        "has_public_key",
        "passkeys == 2",
        "locale == \"de\"",
    ] {
        assert_eq!(says(when, told.clone()), Some(true), "{when}");
    }
    let ended = |seconds| with("ended", move |user| user.expires_at = Told::At(ago(0, seconds)));
    assert_eq!(says("expired && blocked && days_until_expiry == 0", ended(0)), Some(true));
    assert_eq!(says("expired && days_until_expiry == -1", ended(1)), Some(true), "the first day after its end");
    let quarantined = with("quarantined", |user| user.blocked = Some(Blocked::Quarantined));
    assert_eq!(says("blocked && !expired", quarantined), Some(true));
    let both = with("both", |user| {
        (user.blocked, user.expires_at) = (Some(Blocked::NotApproved), Told::At(ago(5, 0)));
    });
    assert_eq!(says("blocked && expired", both), Some(true), "what else blocks it hides no end");
    assert_eq!(
        says(
            "last_login_status == \"never\" || days_since_login >= 90",
            with("never", |user| {
                user.last_login = LastLogin::Never { sentinel: None };
            })
        ),
        Some(true)
    );
    assert_eq!(says("kind == \"service\"", user("svc-backup")), Some(true));
    assert_eq!(UserKind::BreakGlass.as_str(), "break-glass");
}

#[test]
fn a_date_that_cannot_be_read_is_neither_null_nor_a_number() {
    let odd = |name: &str| with(name, |user| user.expires_at = Told::Unreadable("soon".into()));
    for when in
        ["days_until_expiry == null", "days_until_expiry != null", "days_until_expiry < 30", "expired", "!blocked"]
    {
        assert_eq!(says(when, odd("odd")), None, "{when}");
    }
    let judgement = judged_by("enabled || expired", harvest(vec![odd("odd")]));
    let evidence: Value = serde_json::from_str(&own(&judgement, "3odd").unwrap().evidence).unwrap();
    assert_eq!(evidence["values"], json!({"enabled": true, "expired": {"unreadable": "soon"}}));
}

#[test]
fn groups_are_not_told_where_their_list_is_not_whole() {
    let mut drifted = harvest(vec![user("somebody")]);
    drifted.lists[1].coverage = Coverage::Drifted { why: "rows moved".to_owned() };
    assert_eq!(says_in("\"Contractors\" in groups", drifted.clone()), None, "its name may not have come");
    assert_eq!(says_in("size(group_ids) > 5", drifted), None);
    let unknown = with("behind-a-directory", |user| user.groups_known = false);
    assert_eq!(says("\"Contractors\" in groups", unknown), None);
}

#[test]
fn a_key_is_told_to_be_missing_only_where_some_account_has_one() {
    let with_key = with("with-key", |user| user.public_key = Some("ssh-ed25519 AAAA".into()));
    assert_eq!(says("has_public_key", user("without")), None);
    assert_eq!(says_in("!has_public_key", harvest(vec![user("a"), with_key])), Some(true));
}

#[test]
fn a_list_of_users_that_failed_is_judged_by_no_custom_rule() {
    let mut failed = harvest(Vec::new());
    failed.lists[0].coverage = Coverage::Failed { error: "refused".to_owned() };
    let judgement = judged_by("enabled", failed);
    assert!(
        matches!(outcome(&judgement, Rule::custom(RULE)), Outcome::Undetermined { why } if why.contains("refused"))
    );
}

#[test]
fn a_custom_rule_can_be_off_or_have_another_severity() {
    let rule = Rule::custom(RULE);
    let mut policy = policy("enabled");
    policy.rules.insert(rule, Override::Severity(Severity::Info));
    let judgement = judge(&joined(harvest(vec![user("somebody")])), &policy, as_of());
    assert_eq!(own(&judgement, "8somebody").unwrap().severity, Severity::Info);
    policy.rules.insert(rule, Override::Off);
    let judgement = judge(&joined(harvest(vec![user("somebody")])), &policy, as_of());
    assert_eq!((own(&judgement, "8somebody"), outcome(&judgement, rule)), (None, &Outcome::Off));
}

#[test]
fn long_lists_of_groups_are_cut_in_evidence_and_not_in_judging() {
    let ids: Vec<crate::model::GroupId> = (1000..1257).map(|id| crate::model::GroupId::from(id.to_string())).collect();
    let many = with("many", |user| user.group_memberships = ids.into());
    let judgement = judged_by("\"1256\" in groups", harvest(vec![many]));
    let evidence: Value = serde_json::from_str(&own(&judgement, "4many").unwrap().evidence).unwrap();
    assert_eq!(evidence["values"]["groups"].as_array().unwrap().len(), 100);
    assert_eq!(evidence["lengths"], json!({"groups": 257}));
}

#[test]
fn a_broken_expression_is_refused_with_its_place_and_why() {
    for (when, line, column, words) in [
        ("enabeld && mfa", 1, 1, "there is no variable enabeld"),
        ("enabled &&\n  grups == null", 2, 3, "there is no variable grups"),
        ("enabled && sise(groups) > 2", 1, 16, "there is no function sise"),
        ("enabled + 1 > 2", 1, 9, "+ cannot be applied to true or false and a number"),
        ("enabled || days_since_login > \"90\"", 1, 29, "> cannot be applied to a number and a text"),
        ("mfa && (enabled && days_since_login == \"90\")", 1, 37, "== cannot be applied to a number and a text"),
        ("mfa && 5 in groups", 1, 10, "in cannot be applied to a number and a text"),
        ("mfa && 5 in username", 1, 10, "in cannot be applied to a number and a text"),
        ("days_since_login", 1, 1, "must be true or false, and is a number"),
        ("enabled && username", 1, 12, "must be true or false, and is a text"),
        ("enabled ? groups : mfa", 1, 11, "must be true or false, and is a list"),
        ("!passkeys", 1, 2, "must be true or false, and is a number"),
        ("groups.exists(g, enabled && g > 1)", 1, 31, "> cannot be applied to a text and a number"),
        ("username.exists(c, c == \"x\")", 1, 1, "must be a list, and is a text"),
        ("groups.exists(\"x\")", 1, 14, "exists needs a list, a name and a condition"),
        ("groups.exists(enabled, enabled)", 1, 14, "enabled is a variable already"),
        ("user.enabled", 1, 5, "write enabled in place of what ends with .enabled"),
        ("has(username.x)", 1, 4, ".x has no place here"),
        ("{\"a\": 1} == {\"a\": passkeys}", 1, 1, "maps and structures have no place here"),
        ("true", 1, 1, "names no variable"),
        ("", 1, 1, "must not be empty"),
        ("enabled &&", 1, 11, "something is missing at the end"),
        ("enabled && && mfa", 1, 12, "'&&'"),
        ("enabled = true", 1, 9, "'= '"),
        ("username == 'x", 1, 13, "token recognition error"),
        ("é == \"x\"", 1, 1, "token recognition error"),
        ("\"é😀\" == usrname", 1, 9, "there is no variable usrname"),
        ("username.matches(\"(\")", 1, 18, "not a regular expression: unclosed group"),
        ("username.matches(locale)", 1, 18, "the pattern must be written here"),
        ("username.matches(\"x{1000}{1000}{100}\")", 1, 18, "not a regular expression"),
        ("contains(username, \"x\")", 1, 9, "cannot be used in this way"),
        ("enabled && kind == \"contractor\"", 1, 20, "kind is never \"contractor\", but one of person, service"),
        ("\"nver\" != last_login_status", 1, 1, "last_login_status is never \"nver\""),
        ("source_kind in [\"pra\", \"rest\"]", 1, 24, "source_kind is never \"rest\", but one of rest-v3"),
        ("enabled\u{7}", 1, 8, "a control character has no place here"),
        ("groups.exists(a, groups.exists(b, a == b))", 1, 31, "a loop within a loop goes over a list that stands here"),
        (
            "groups.exists(a, [\"x\"].exists(b, [\"y\"].exists(c, a == b && b == c)))",
            1,
            46,
            "more than 2 loops stand within each other",
        ),
        ("groups.map(g, g + g) == groups", 1, 11, "map has no place here"),
        ("size(groups.map(g, g != \"x\", g + g)) > 1", 1, 16, "map has no place here"),
    ] {
        let found = flaw(when);
        assert!(found.message.contains(words), "{when}: {found:?}");
        assert_eq!((found.line, found.column), (line, column), "{when}: {found:?}");
    }
}

#[test]
fn hostile_expressions_are_refused_without_harm() {
    for (opening, closing) in
        [("(", ")"), ("[", "]"), ("{", "}"), ("!(", ")"), ("-(", ")"), ("size(", ")"), ("groups[", "]")]
    {
        let deep = |times: usize| format!("{}1{}", opening.repeat(times), closing.repeat(times));
        for times in [33, 200, 390, 10_000] {
            flaw(&deep(times));
            flaw(&opening.repeat(times));
        }
    }
    // Twofold in each: a list of one text would fill any memory.
    let doubling = format!("size([username]{}) > 0", ".map(a, a + a)".repeat(40));
    assert!(flaw(&doubling).message.contains("map has no place here"));
    let many = format!("size(groups{}) > 0", ".filter(g, g != \"x\")".repeat(9));
    assert!(flaw(&many).message.contains("more than 8 loops"));
    assert!(flaw(&"(".repeat(10_000)).message.contains("longer than 2000 characters"));
    assert!(
        flaw(&format!("{}enabled{}", "(".repeat(900), ")".repeat(900))).message.contains("nested more than 32 deep")
    );
    for piece in
        ["enabled ? ", "enabled?true:", "groups.exists(g, ", "has(", "a.b{", "[{(", "\"", "'", "\\", "`", "0x", "9"]
    {
        flaw(&piece.repeat(2_000 / piece.chars().count()));
    }
    for (first, link) in
        [("id", " + id"), ("groups", "[0]"), ("id", ".x"), ("id", ".size()"), ("enabled", " == enabled")]
    {
        let chain = format!("{first}{}", link.repeat(150));
        let found = flaw(&chain);
        assert!(!found.message.is_empty(), "{chain}");
    }
    assert_eq!(says(&format!("{}enabled", "!".repeat(1_000)), user("somebody")), Some(true));
    let long = vec!["username == \"x\""; 100].join(" || ");
    assert_eq!(says(&long, user("somebody")), Some(false), "many conditions are no nesting");
}

#[test]
fn what_depends_on_values_is_no_mistake_of_the_expression_and_undetermined_where_it_fails() {
    assert_eq!(says("int(id) > 100", user("somebody")), None, "8somebody is no number");
    assert_eq!(says("int(id) >= 1", nothing_told()), Some(true));
    assert_eq!(says("100 / passkeys > 3", with("none", |user| user.passkeys = Some(0))), None);
    assert_eq!(says("groups[7] == \"x\"", user("somebody")), None);
    assert_eq!(
        says(
            "days_since_login * 9223372036854775807 > 0",
            with("old", |user| {
                user.last_login = LastLogin::At(ago(9, 0));
            })
        ),
        None
    );
}

#[test]
fn an_id_is_kept_once() {
    let (one, other) = (Rule::custom("kept-once"), Rule::custom(&["kept", "once"].join("-")));
    assert_eq!(one, other);
    assert!(std::ptr::eq(one.as_str(), other.as_str()));
}

/// Pieces of which expressions are made, right ones more often than not.
fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "enabled",
        "groups",
        "username",
        "days_since_login",
        "mfa",
        "null",
        "true",
        "1",
        "-9223372036854775808",
        "1u",
        "0.5",
        "1e400",
        "\"x\"",
        "'é'",
        "b\"x\"",
        "r\"\\\"",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ".",
        ":",
        "?",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        "in",
        "size(",
        ".exists(g,",
        ".map(g,",
        ".all(g,",
        ".filter(",
        ".exists_one(g, g ==",
        ".matches(\"x\")",
        ".startsWith(",
        "has(",
        "int(",
        "string(",
        "dyn(",
        "type(",
        "g",
        "optional.of(",
        ".?",
        "[?",
        "//",
        "`",
        "\\",
        "\"\"\"",
        "\n",
        "\t",
        "_",
        "@",
        "😀",
        "\u{0}",
    ])
}

proptest! {
    /// What can be read is also judged; whatever the parser makes of the rest, it neither panics nor goes on for ever.
    #[test]
    fn no_expression_stops_the_program(pieces in proptest::collection::vec(piece(), 1..24), spaced in any::<bool>()) {
        let when = pieces.join(if spaced { " " } else { "" });
        match Expression::read(&when) {
            Ok(_) => drop(says(&when, nothing_told())),
            Err(flaw) => {
                prop_assert!(!flaw.message.is_empty() && !flaw.message.contains("gave up"), "{}: {:?}", when, flaw);
                prop_assert!(flaw.line >= 1 && flaw.column >= 1);
            }
        }
    }

    #[test]
    fn days_since_login_finds_exactly_the_accounts_that_the_arithmetic_says(
        ages in proptest::collection::vec((0i64..400, 0i64..86_400, 0u8..4), 1..40),
        limit in 0i64..400,
    ) {
        let users: Vec<User> = ages.iter().enumerate().map(|(at, (days, seconds, sort))| {
            let mut user = user("x");
            user.id = at.to_string().into();
            user.last_login = match sort {
                0 => LastLogin::NotReported,
                1 => LastLogin::Never { sentinel: None },
                _ => LastLogin::At(ago(*days, *seconds)),
            };
            user
        }).collect();
        let judgement = judged_by(&format!("days_since_login >= {limit}"), harvest(users));
        let found: Vec<usize> = judgement.findings.iter().filter(|f| f.rule == Rule::custom(RULE))
            .map(|f| f.subject.id.parse().unwrap()).collect();
        let wanted: Vec<usize> = (0..ages.len()).filter(|at| ages[*at].2 > 1 && ages[*at].0 >= limit).collect();
        let untold = ages.iter().filter(|(_, _, sort)| *sort < 2).count() as u64;
        prop_assert_eq!(found, wanted);
        let expected = Outcome::Judged { subjects: ages.len() as u64, undetermined: untold };
        prop_assert_eq!(outcome(&judgement, Rule::custom(RULE)), &expected);
    }
}
