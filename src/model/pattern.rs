//! Patterns with which the configuration names groups and accounts, and the classes and owners that they define. Pure.
//!
//! `config` parses them and the join applies them. A snapshot stores them in the same notation.

use super::Group;

/// A pattern that selects groups or accounts: `Administrators` (exact name), `id:12` (exact id) or `glob:*admin*` (`*`
/// and `?` over the name).
///
/// Names compare without regard to the case of ASCII letters. Ids compare exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The whole name, as it was written.
    Name(String),
    /// The exact id.
    Id(String),
    /// A glob over the name, as it was written.
    Glob(String),
}

impl Pattern {
    /// Parses the notation of the configuration. Fails if the pattern is empty or a regular expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        let after = |prefix: &str| {
            let (start, rest) = text.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(rest)
        };
        let (made, rest) = if let Some(id) = after("id:") {
            (Self::Id(id.to_owned()), id)
        } else if let Some(glob) = after("glob:") {
            (Self::Glob(glob.to_owned()), glob)
        } else {
            (Self::Name(text.to_owned()), text)
        };
        if ["regex:", "regexp:", "re:"].iter().any(|prefix| after(prefix).is_some()) {
            return Err("regular expressions are not supported; write a name, id:12 or glob:*admin*".to_owned());
        }
        if rest.trim().is_empty() {
            return Err("pattern is empty; write a name, id:12 or glob:*admin*".to_owned());
        }
        Ok(made)
    }

    /// Returns whether the pattern selects the subject with this id and name.
    pub fn matches(&self, id: &str, name: Option<&str>) -> bool {
        match self {
            Self::Id(wanted) => wanted == id,
            Self::Name(wanted) => name.is_some_and(|n| n.eq_ignore_ascii_case(wanted)),
            Self::Glob(glob) => name.is_some_and(|n| glob_matches(glob, n)),
        }
    }
}

impl std::fmt::Display for Pattern {
    /// Writes the notation of the configuration.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "id:{id}"),
            Self::Glob(glob) => write!(f, "glob:{glob}"),
        }
    }
}

/// Patterns of the configuration that classify groups and accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Privileged groups; the privileged thresholds apply to their members.
    pub privileged_groups: Vec<Pattern>,
    /// Emergency (break-glass) accounts.
    pub break_glass: Vec<Pattern>,
    /// Service accounts, which programs use.
    pub service_accounts: Vec<Pattern>,
}

/// An entry in the register of group owners: the person or team that answers for the members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOwner {
    /// Pattern for the id or name of the group.
    pub group: Pattern,
    /// Person or team that is responsible.
    pub owner: String,
    /// E-mail address of the owner.
    pub email: Option<String>,
}

impl GroupOwner {
    /// Returns the first entry that matches the group.
    pub fn find<'a>(entries: &'a [Self], group: &Group) -> Option<&'a Self> {
        entries.iter().find(|entry| entry.group.matches(group.id.as_str(), group.name.as_deref()))
    }

    /// Returns the owner of each group, in the order of the groups. Matching is slow, so that callers keep the result.
    pub fn of_groups<'a>(entries: &'a [Self], groups: &[Group]) -> Vec<Option<&'a Self>> {
        groups.iter().map(|group| Self::find(entries, group)).collect()
    }
}

/// Returns whether a glob matches a text: `*` matches any run of characters, `?` one character.
///
/// Compares bytes, and allocates nothing: a run compares each glob with every name.
fn glob_matches(glob: &str, text: &str) -> bool {
    // Only the last star is tried again with a longer run. That keeps the time at most quadratic, even for hostile
    // patterns.
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut g, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if g < glob.len() && glob[g] == b'*' {
            star = Some((g, t));
            g += 1;
        } else if g < glob.len() && glob[g] == b'?' {
            g += 1;
            t = after(text, t);
        } else if g < glob.len() && glob[g].eq_ignore_ascii_case(&text[t]) {
            g += 1;
            t += 1;
        } else if let Some((star_g, star_t)) = star {
            g = star_g + 1;
            t = after(text, star_t);
            star = Some((star_g, t));
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|byte| *byte == b'*')
}

/// Returns where the character after the one at `at` begins, in bytes of UTF-8 (RFC 3629 §3).
fn after(text: &[u8], at: usize) -> usize {
    let is_continuation = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    at + 1 + text[at + 1..].iter().take_while(is_continuation).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_like_a_shell_without_regard_to_case() {
        let admin = Pattern::parse("glob:*Admin*").unwrap();
        assert_eq!(admin.to_string(), "glob:*Admin*", "messages show it as it was written");
        assert!(admin.matches("1", Some("Domain administrators")));
        assert!(!admin.matches("1", Some("Operators")));
        assert!(!admin.matches("1", None));
        for (glob, text, expected) in [
            ("svc-*", "svc-", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("*ab*ab", "abxab", true),
            ("a*b", "acd", false),
            ("j?rg", "Jörg", true),
            ("*??x", "→x", false),
            ("*??x*z", "→xyz", false),
            ("*ö?g", "jörg", true),
        ] {
            assert_eq!(glob_matches(glob, text), expected, "{glob} over {text}");
        }
    }

    #[test]
    fn an_id_pattern_never_matches_a_name() {
        let twelve = Pattern::parse("id:12").unwrap();
        assert!(twelve.matches("12", Some("x")));
        assert!(!twelve.matches("120", Some("12")));
        assert!(Pattern::parse("glob:").is_err());
    }

    #[test]
    fn a_pattern_that_is_written_and_parsed_again_is_the_same() {
        for text in ["Admins", "ID:7a", "id:ID:7", "Glob:*X?", "glob:id:1", "id", "ıd:7", "é:x", "i", "İD:7"] {
            let read = Pattern::parse(text).unwrap();
            assert_eq!(Pattern::parse(&read.to_string()), Ok(read), "{text}");
        }
        for empty in ["", "id:", "ID:", "GLOB:"] {
            assert!(Pattern::parse(empty).is_err(), "{empty:?}");
        }
    }
}
