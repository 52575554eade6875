//! Which expressions are refused, with their place and why; and what hostile ones come to.

use super::*;

/// Pieces of which expressions are made, right ones more often than not.
const PIECES: &[&str] = &[
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
];

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

proptest! {
    /// What can be read is also judged; whatever the parser makes of the rest, it neither panics nor goes on for ever.
    #[test]
    fn no_expression_stops_the_program(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 1..24), spaced in any::<bool>()) {
        let when = pieces.join(if spaced { " " } else { "" });
        match Expression::read(&when) {
            Ok(_) => drop(says(&when, nothing_reported())),
            Err(flaw) => {
                prop_assert!(!flaw.message.is_empty() && !flaw.message.contains("gave up"), "{}: {:?}", when, flaw);
                prop_assert!(flaw.line >= 1 && flaw.column >= 1);
            }
        }
    }
}
