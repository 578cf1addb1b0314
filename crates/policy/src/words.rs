//! Saying what was expected: lists of words, and the one that was probably meant.

use std::fmt;

/// Words as a sentence tells them: `a`, `b` or `c`.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The word that was probably meant, if one comes near, as the end of a sentence.
pub(crate) struct DidYouMean<'a>(pub(crate) Option<&'a str>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(word) => write!(f, "; did you mean `{word}`?"),
            None => Ok(()),
        }
    }
}

/// Which of the words comes nearest: at most one letter in three is wrong, missing, too much, or changed places with the next one; or the one
/// word of which it is a part between underscores.
pub(crate) fn nearest<'a>(
    written: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> DidYouMean<'a> {
    let words: Vec<&str> = words.into_iter().filter(|word| *word != written).collect();
    let allowed = (written.chars().count() / 3).clamp(1, 4);
    let by_letters = words
        .iter()
        .map(|word| (distance(written, word), *word))
        .filter(|(far, _)| *far <= allowed)
        .min()
        .map(|(_, word)| word);
    let by_parts = || {
        let parts = |word: &str| word.split('_').map(str::to_owned).collect::<Vec<_>>();
        let wanted = parts(written);
        let mut holding = words.iter().filter(|word| {
            let parts = parts(word);
            wanted.iter().all(|part| parts.contains(part))
        });
        match (holding.next(), holding.next()) {
            (Some(word), None) => Some(*word),
            _ => None,
        }
    };
    DidYouMean(by_letters.or_else(by_parts))
}

/// How many letters differ; two neighbours that changed places differ once.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut before = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1; other.len() + 1];
        for (j, b) in other.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_the_nearest_and_never_a_far_one() {
        let words = ["threshold", "repeat", "known_client", "unless_risen"];
        for (written, meant) in [
            ("treshold", Some("threshold")),
            ("threshodl", Some("threshold")),
            ("Repeat", Some("repeat")),
            ("repaet", Some("repeat")),
            ("client", Some("known_client")),
            ("cooldown", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, words).0, meant, "{written}");
        }
        assert_eq!(
            nearest("supply_notice", ["supply_end_notice", "eviction_notice"]).0,
            Some("supply_end_notice")
        );
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(listed(["a"]), "`a`");
    }
}
