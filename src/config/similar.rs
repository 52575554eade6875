//! Finds the known word that a misspelt one was meant to be.

/// Shortest word that is completed: `deadline` to `deadline_minutes`.
const SHORTEST_BEGINNING: usize = 3;

/// Returns `; did you mean "x"?` with the most similar known word, or nothing where none is similar.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

/// Returns the text of a problem: a word that is not one of those that are allowed.
pub(super) fn not_one_of(word: &str, allowed: &[&str]) -> String {
    let odd = super::characters::in_word(word).map_or_else(String::new, |text| format!(" {text};"));
    format!(
        "must be one of {}, not {word:?}{}{}",
        allowed.join(", "),
        did_you_mean(word, allowed),
        odd.trim_end_matches(';')
    )
}

/// Returns the known word that is most similar to `word`, without regard to case. A word far from it would mislead, so there may be none.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    KnownWords::new(known.iter().copied()).nearest(word).map(|(_, name)| name)
}

/// Words that several others are compared with. It knows their lower case and their length.
#[derive(Clone, Debug)]
pub struct KnownWords<'k>(Vec<KnownWord<'k>>);

#[derive(Clone, Debug)]
struct KnownWord<'k> {
    name: &'k str,
    lower: String,
    letters: usize,
    bag: Bag,
}

impl<'k> KnownWords<'k> {
    /// Prepares the words.
    pub fn new(names: impl Iterator<Item = &'k str>) -> Self {
        let known = names.map(|name| (name, name.to_lowercase()));
        let word = |(name, lower): (&'k str, String)| KnownWord {
            name,
            letters: lower.chars().count(),
            bag: Bag::of(&lower),
            lower,
        };
        Self(known.map(word).collect())
    }

    /// Returns the most similar word with its distance. One with the same words in another order is the farthest.
    pub fn nearest(&self, word: &str) -> Option<(usize, &'k str)> {
        let word = word.to_lowercase();
        let letters = word.chars().count();
        let bag = Bag::of(&word);
        let mut best: Option<(usize, &'k str)> = None;
        for known in &self.0 {
            let shorter = letters.min(known.letters);
            // A third of the letters may differ. A text of one letter is a change away from any other.
            let allowed = (letters.max(known.letters) / 3).max(1).min(shorter.saturating_sub(1));
            let allowed = best.map_or(allowed, |(distance, _)| allowed.min(distance.saturating_sub(1)));
            let is_better = best.is_none_or(|(distance, _)| distance > 0);
            // Comparing two words is expensive, and few words have almost the same letters.
            if is_better && bag.distance(&known.bag) <= allowed {
                let distance = strsim::osa_distance(&word, &known.lower);
                if distance <= allowed {
                    best = Some((distance, known.name));
                }
            }
        }
        let words = sorted_words(&word);
        let by_words = || self.0.iter().find(|known| known.has_the_words_of(&word, &words));
        best.or_else(|| by_words().map(|known| (usize::MAX, known.name)))
    }
}

/// Returns how many letters of a name must change so that a glob matches it; `None` where too many must. No regard to case.
///
/// `*` stands for any text and `?` for one character, as in `Pattern::Glob`.
fn glob_distance(glob: &[char], name: &str) -> Option<usize> {
    let literals = glob.iter().filter(|c| !matches!(c, '*' | '?')).count();
    let allowed = (literals / 3).max(1).min(literals.saturating_sub(1));
    let name: Vec<char> = name.chars().collect();
    // Rows of distances between the beginnings of the glob and of the name: of the part so far, and of one character less.
    let (mut row, mut before): (Vec<usize>, Vec<usize>) = ((0..=name.len()).collect(), Vec::new());
    for (n, c) in glob.iter().enumerate() {
        let mut next = vec![if *c == '*' { row[0] } else { row[0] + 1 }];
        for (m, letter) in name.iter().enumerate() {
            let distance = if *c == '*' {
                row[m + 1].min(next[m])
            } else {
                let is_swapped = n > 0 && m > 0 && glob[n - 1] == *letter && *c == name[m - 1];
                let swapped = if is_swapped { before[m - 1] + 1 } else { usize::MAX };
                let changed = row[m] + usize::from(c != letter && *c != '?');
                changed.min(row[m + 1] + 1).min(next[m] + 1).min(swapped)
            };
            next.push(distance);
        }
        if next.iter().min().is_none_or(|least| *least > allowed) {
            return None;
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().filter(|distance| *distance <= allowed)
}

impl<'k> KnownWords<'k> {
    /// Returns the word that a glob almost matches, with the number of letters that differ.
    pub fn nearest_to_glob(&self, glob: &str) -> Option<(usize, &'k str)> {
        let glob: Vec<char> = glob.to_lowercase().chars().collect();
        let found = self.0.iter().filter_map(|known| Some((glob_distance(&glob, &known.lower)?, known.name)));
        found.min_by_key(|(distance, _)| *distance)
    }
}

impl KnownWord<'_> {
    /// Returns whether a name has the same words in another order, or begins with the words.
    fn has_the_words_of(&self, word: &str, words: &[&str]) -> bool {
        let is_beginning = word.len() >= SHORTEST_BEGINNING
            && self.lower.strip_prefix(word).is_some_and(|rest| rest.starts_with(['_', '-']));
        is_beginning || (word.len() == self.lower.len() && sorted_words(&self.lower) == words)
    }
}

/// How often each letter occurs in a word. Letters share 32 places, so different words may have the same bag.
#[derive(Clone, Debug)]
struct Bag([u8; 32]);

impl Bag {
    fn of(word: &str) -> Self {
        let mut counts = [0_u8; 32];
        for letter in word.chars() {
            let place = &mut counts[(letter as usize) % 32];
            *place = place.saturating_add(1);
        }
        Self(counts)
    }

    /// Returns how many letters one word has more than the other. At least so many edits are between them.
    fn distance(&self, other: &Self) -> usize {
        let pairs = || self.0.iter().zip(&other.0);
        let more: usize = pairs().map(|(a, b)| usize::from(a.saturating_sub(*b))).sum();
        let fewer: usize = pairs().map(|(a, b)| usize::from(b.saturating_sub(*a))).sum();
        more.max(fewer)
    }
}

fn sorted_words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split(['_', '-', ' ']).collect();
    words.sort_unstable();
    words
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

    #[test]
    fn a_glob_that_matches_nothing_has_the_name_that_it_almost_matches() {
        let known = KnownWords::new(["Administrators", "svc-backup", "Helpdesk", "emergency-01"].into_iter());
        let nearest = |glob: &str| known.nearest_to_glob(glob).map(|(_, name)| name);
        for (glob, name) in [
            ("*amdin*", "Administrators"),
            ("svc_*", "svc-backup"),
            ("SVCC-*", "svc-backup"),
            ("emergncy-*", "emergency-01"),
            ("emergency-0?-*", "emergency-01"),
            ("*desc", "Helpdesk"),
        ] {
            assert_eq!(nearest(glob), Some(name), "{glob}");
        }
        for glob in ["*payroll*", "xyz-*", "*q*"] {
            assert_eq!(nearest(glob), None, "{glob}");
        }
    }

    #[test]
    fn the_letters_alone_never_exclude_a_similar_word() {
        for (a, b) in [("clinet_id", "client_id"), ("knd", "kind"), ("administrators", "admnistrator"), ("aé", "ea")] {
            assert!(Bag::of(a).distance(&Bag::of(b)) <= strsim::osa_distance(a, b), "{a} {b}");
        }
        assert!(Bag::of("anna").distance(&Bag::of("christoph")) > 5);
        let known = KnownWords::new(["operator", "Operators", "operations"].into_iter());
        assert_eq!(known.nearest("OPERATORS"), Some((0, "Operators")));
    }
}
