//! Which expressions are refused, with position and reason, and that hostile ones do no harm.

use super::*;

/// Pieces from which expressions are generated. Many of them are valid.
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

/// Checks that each expression is refused at its line and column, with these words.
#[track_caller]
fn refused(mistakes: &[(&str, usize, usize, &str)]) {
    for (when, line, column, words) in mistakes {
        let found = error(when);
        assert!(found.message.contains(words), "{when}: {found:?}");
        assert_eq!((found.line, found.column), (*line, *column), "{when}: {found:?}");
    }
}

#[test]
fn a_wrong_name_or_type_is_refused_with_its_position_and_the_reason() {
    refused(&[
        ("enabeld && mfa", 1, 1, "unknown variable enabeld"),
        ("enabled &&\n  grups == null", 2, 3, "unknown variable grups"),
        ("enabled && sise(groups) > 2", 1, 16, "unknown function sise"),
        ("enabled + 1 > 2", 1, 9, "+ cannot be applied to true or false and a number"),
        ("enabled || days_since_login > \"90\"", 1, 29, "> cannot be applied to a number and a text"),
        ("mfa && (enabled && days_since_login == \"90\")", 1, 37, "== cannot be applied to a number and a text"),
        ("mfa && 5 in groups", 1, 10, "in cannot be applied to a number and a text"),
        ("mfa && 5 in username", 1, 10, "in cannot be applied to a number and a text"),
        ("days_since_login", 1, 1, "must be true or false, not a number"),
        ("enabled && username", 1, 12, "must be true or false, not a text"),
        ("enabled ? groups : mfa", 1, 11, "must be true or false, not a list"),
        ("!passkeys", 1, 2, "must be true or false, not a number"),
        ("groups.exists(g, enabled && g > 1)", 1, 31, "> cannot be applied to a text and a number"),
        ("username.exists(c, c == \"x\")", 1, 1, "must be a list, not a text"),
        ("\"é😀\" == usrname", 1, 9, "unknown variable usrname"),
        (
            "enabled && kind == \"contractor\"",
            1,
            20,
            "kind must be one of person, service, vendor, break-glass, not \"contractor\"",
        ),
        (
            "\"nver\" != last_login_status",
            1,
            1,
            "last_login_status must be one of at, never, not-reported, unreadable, not \"nver\"",
        ),
        (
            "source_kind in [\"pra\", \"rest\"]",
            1,
            24,
            "source_kind must be one of rest-v3, pra, rs, password-safe, scim, not \"rest\"",
        ),
    ]);
}

#[test]
fn a_wrong_form_is_refused_with_its_position_and_the_reason() {
    refused(&[
        ("groups.exists(\"x\")", 1, 14, "exists needs a list, a name and a condition"),
        ("groups.exists(enabled, enabled)", 1, 14, "enabled is the name of a variable"),
        ("user.enabled", 1, 5, "write enabled instead of the path that ends with .enabled"),
        ("has(username.x)", 1, 4, ".x is not allowed"),
        ("{\"a\": 1} == {\"a\": passkeys}", 1, 1, "maps and structures are not allowed"),
        ("true", 1, 1, "contains no variable"),
        ("", 1, 1, "must not be empty"),
        ("enabled &&", 1, 11, "the end of the expression is missing"),
        ("enabled && && mfa", 1, 12, "'&&'"),
        ("enabled = true", 1, 9, "'= '"),
        ("username == 'x", 1, 13, "token recognition error"),
        ("é == \"x\"", 1, 1, "token recognition error"),
        ("username.matches(\"(\")", 1, 18, "not a regular expression: unclosed group"),
        ("username.matches(locale)", 1, 18, "the pattern must be a text in quotes"),
        ("username.matches(\"x{1000}{1000}{100}\")", 1, 18, "not a regular expression"),
        ("contains(username, \"x\")", 1, 9, "cannot be used in this way"),
        ("enabled\u{7}", 1, 8, "control characters are not allowed"),
        (
            "groups.exists(a, groups.exists(b, a == b))",
            1,
            31,
            "an inner loop must iterate over a list in the expression",
        ),
        (
            "groups.exists(a, [\"x\"].exists(b, [\"y\"].exists(c, a == b && b == c)))",
            1,
            46,
            "loops are nested more than 2 deep",
        ),
        ("groups.map(g, g + g) == groups", 1, 11, "map is not allowed"),
        ("size(groups.map(g, g != \"x\", g + g)) > 1", 1, 16, "map is not allowed"),
    ]);
}

#[test]
fn hostile_expressions_are_refused_without_harm() {
    for (opening, closing) in
        [("(", ")"), ("[", "]"), ("{", "}"), ("!(", ")"), ("-(", ")"), ("size(", ")"), ("groups[", "]")]
    {
        let deep = |times: usize| format!("{}1{}", opening.repeat(times), closing.repeat(times));
        for times in [33, 200, 390, 10_000] {
            error(&deep(times));
            error(&opening.repeat(times));
        }
    }
    // Each loop doubles the items, so that a list of one text would exhaust any memory.
    let doubling = format!("size([username]{}) > 0", ".map(a, a + a)".repeat(40));
    assert!(error(&doubling).message.contains("map is not allowed"));
    let many = format!("size(groups{}) > 0", ".filter(g, g != \"x\")".repeat(9));
    assert!(error(&many).message.contains("more than 8 loops"));
    assert!(error(&"(".repeat(10_000)).message.contains("longer than 2000 characters"));
    assert!(
        error(&format!("{}enabled{}", "(".repeat(900), ")".repeat(900))).message.contains("nested more than 32 deep")
    );
    for piece in
        ["enabled ? ", "enabled?true:", "groups.exists(g, ", "has(", "a.b{", "[{(", "\"", "'", "\\", "`", "0x", "9"]
    {
        error(&piece.repeat(2_000 / piece.chars().count()));
    }
    for (first, link) in
        [("id", " + id"), ("groups", "[0]"), ("id", ".x"), ("id", ".size()"), ("enabled", " == enabled")]
    {
        let chain = format!("{first}{}", link.repeat(150));
        let found = error(&chain);
        assert!(!found.message.is_empty(), "{chain}");
    }
    assert_eq!(result(&format!("{}enabled", "!".repeat(1_000)), user("somebody")), Some(true));
    let long = vec!["username == \"x\""; 100].join(" || ");
    assert_eq!(result(&long, user("somebody")), Some(false), "many conditions are not nested");
}

proptest! {
    /// An expression that is accepted can also be evaluated. All others are refused without a panic or an endless loop.
    #[test]
    fn no_expression_stops_the_program(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 1..24), spaced in any::<bool>()) {
        let when = pieces.join(if spaced { " " } else { "" });
        match Expression::read(&when) {
            Ok(_) => drop(result(&when, nothing_reported())),
            Err(flaw) => {
                prop_assert!(!flaw.message.is_empty() && !flaw.message.contains("the parser failed"), "{}: {:?}", when, flaw);
                prop_assert!(flaw.line >= 1 && flaw.column >= 1);
            }
        }
    }
}
