//! Patterns of the configuration that name groups or accounts. Pure.

/// Names a group or an account: `Administrators` (exact name), `id:12` (exact id), `glob:*admin*` (`*` and `?` over the name).
/// Names compare without regard to the case of ASCII letters; ids compare exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The whole name.
    Name(String),
    /// The id.
    Id(String),
    /// A glob over the name.
    Glob(String),
}

impl Pattern {
    /// Reads the configuration's notation. An empty pattern is an error, with its cure.
    pub fn parse(text: &str) -> Result<Self, String> {
        let after = |prefix: &str| {
            let (start, rest) = text.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(rest)
        };
        let (made, rest) = if let Some(id) = after("id:") {
            (Self::Id(id.to_owned()), id)
        } else if let Some(glob) = after("glob:") {
            (Self::Glob(glob.to_ascii_lowercase()), glob)
        } else {
            (Self::Name(text.to_ascii_lowercase()), text)
        };
        if rest.is_empty() {
            return Err("an empty pattern matches nothing; write a name, id:12 or glob:*admin*".to_owned());
        }
        Ok(made)
    }

    /// Whether it names the subject with this id and name.
    pub fn matches(&self, id: &str, name: Option<&str>) -> bool {
        match self {
            Self::Id(wanted) => wanted == id,
            Self::Name(wanted) => name.is_some_and(|n| n.eq_ignore_ascii_case(wanted)),
            Self::Glob(glob) => name.is_some_and(|n| glob_matches(glob, &n.to_ascii_lowercase())),
        }
    }
}

impl std::fmt::Display for Pattern {
    /// In the configuration's notation; names and globs in lower case, as they are compared.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "id:{id}"),
            Self::Glob(glob) => write!(f, "glob:{glob}"),
        }
    }
}

/// Which groups and accounts are special, from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Groups whose members are judged by the privileged thresholds.
    pub privileged_groups: Vec<Pattern>,
    /// Emergency accounts.
    pub break_glass: Vec<Pattern>,
    /// Machine accounts.
    pub service_accounts: Vec<Pattern>,
}

/// `*` stands for any run of characters, `?` for one. Linear in the text for each star.
fn glob_matches(glob: &str, text: &str) -> bool {
    let glob: Vec<char> = glob.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut g, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if g < glob.len() && glob[g] == '*' {
            star = Some((g, t));
            g += 1;
        } else if g < glob.len() && (glob[g] == '?' || glob[g] == text[t]) {
            g += 1;
            t += 1;
        } else if let Some((star_g, star_t)) = star {
            g = star_g + 1;
            t = star_t + 1;
            star = Some((star_g, star_t + 1));
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_like_a_shell_without_regard_to_case() {
        let admin = Pattern::parse("glob:*Admin*").unwrap();
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
    fn a_pattern_is_read_as_it_is_written() {
        for text in ["Admins", "ID:7a", "id:ID:7", "Glob:*X?", "glob:id:1", "id", "ıd:7", "é:x", "i", "İD:7"] {
            let read = Pattern::parse(text).unwrap();
            assert_eq!(Pattern::parse(&read.to_string()), Ok(read), "{text}");
        }
        for empty in ["", "id:", "ID:", "GLOB:"] {
            assert!(Pattern::parse(empty).is_err(), "{empty:?}");
        }
    }
}
