//! Finds the known word that a misspelt one was meant to be.

/// Shortest word that is completed: `deadline` to `deadline_minutes`.
const SHORTEST_BEGINNING: usize = 4;

/// Returns `; did you mean "x"?` with the most similar known word, or nothing where none is similar.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

/// Returns the text of a problem: a word that is not one of those that are allowed.
pub(super) fn not_one_of(word: &str, allowed: &[&str]) -> String {
    format!("must be one of {}, not {word:?}{}", allowed.join(", "), did_you_mean(word, allowed))
}

/// Returns the known word that is most similar to `word`, without regard to case. A word far from it would mislead, so there may be none.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&word, &name.to_lowercase());
    let close = known.iter().map(|name| (distance(name), *name));
    // A third of the letters may differ.
    let close =
        close.filter(|(distance, name)| *distance <= (word.chars().count().max(name.chars().count()) / 3).max(1));
    // A text of one letter is a change away from any other.
    let close = close.filter(|(distance, name)| *distance < word.chars().count().min(name.chars().count()));
    let by_letters = close.min_by_key(|(distance, _)| *distance).map(|(_, name)| name);
    by_letters.or_else(|| known.iter().copied().find(|name| has_the_words_of(name, &word)))
}

/// Returns whether a name has the same words in another order, or begins with the words.
fn has_the_words_of(name: &str, word: &str) -> bool {
    let words = |text: &str| {
        let mut words: Vec<String> = text.split(['_', '-', ' ']).map(str::to_lowercase).collect();
        words.sort();
        words
    };
    let is_beginning = word.len() >= SHORTEST_BEGINNING
        && name.to_lowercase().strip_prefix(word).is_some_and(|rest| rest.starts_with(['_', '-']));
    is_beginning || words(name) == words(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = ["kind", "page_size", "deadline_minutes", "client_id", "state_dir", "ca_file"];

    #[test]
    fn a_misspelt_word_has_a_suggestion() {
        for (word, meant) in [
            ("knd", "kind"),
            ("KIND", "kind"),
            ("pagesize", "page_size"),
            ("clinet_id", "client_id"),
            ("deadline", "deadline_minutes"),
            ("dir_state", "state_dir"),
        ] {
            assert_eq!(did_you_mean(word, &KEYS), format!("; did you mean {meant:?}?"));
        }
        assert!(not_one_of("PRA", &["rest-v3", "pra"]).ends_with("not \"PRA\"; did you mean \"pra\"?"));
    }

    #[test]
    fn a_word_that_is_far_from_every_known_one_has_none() {
        for word in ["entitlements", "timeout", "x", "file", "description"] {
            assert_eq!(did_you_mean(word, &KEYS), "", "{word}");
        }
        assert_eq!(did_you_mean("rfc1", &["rfc5424", "rfc3164"]), "");
        assert_eq!(did_you_mean("a", &["b"]), "");
    }
}
