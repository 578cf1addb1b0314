//! The words a task keeps: why a ground stood when it was raised. What every rule says now, `recall` and `detect` tell (I6).

use voorveld_detect::explain::{self, Words};
use voorveld_detect::{Ground, RuleSet};

/// Why a ground stands, in plain Dutch, as it is copied onto the task (M3).
#[must_use]
pub fn ground_words(rules: &RuleSet, words: &Words, ground: &Ground) -> String {
    let evidence = explain::all_evidence(&ground.evidence, words);
    match rules.get(&ground.rule) {
        Some(rule) => format!("{}. {evidence}", rule.title),
        None => evidence,
    }
}
