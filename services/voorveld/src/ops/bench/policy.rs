//! The rules that a bench judges by: those that ship, or two that a loop could be written for by hand.

use std::sync::Arc;

use anyhow::Context;
use voorveld_policy::{Bundle, Policy};

use crate::cli::BenchRules;

/// Two distinct kinds within sixty days; three of one kind within ninety. Both raise a task.
const REFERENCE: [(&str, &str); 2] = [
    (
        "rules/reference.two_kinds.yaml",
        include_str!("reference/reference.two_kinds.yaml"),
    ),
    (
        "rules/reference.three_of_one_kind.yaml",
        include_str!("reference/reference.three_of_one_kind.yaml"),
    ),
];

/// A whole policy with these rules.
pub fn policy(rules: BenchRules) -> anyhow::Result<Arc<Policy>> {
    let shipped = Bundle::shipped();
    let policy = match rules {
        BenchRules::Default => Policy::of_bundle(&shipped),
        BenchRules::Reference => {
            let mut files = shipped.files().clone();
            files.retain(|name, _| !name.starts_with("rules/"));
            files.extend(REFERENCE.map(|(name, text)| (name.to_owned(), text.to_owned())));
            Bundle::of_files(files).and_then(|bundle| Policy::of_bundle(&bundle))
        }
    };
    Ok(Arc::new(
        policy.context("the rules to measure with are not valid")?,
    ))
}

#[cfg(test)]
mod tests {
    use voorveld_policy::check;

    use super::*;

    #[test]
    fn the_reference_rules_are_two_and_hold_to_their_examples() {
        let policy = policy(BenchRules::Reference).expect("they are valid");
        assert_eq!(policy.rules().rules().len(), 2);
        assert!(check(&policy).passed());
    }
}
