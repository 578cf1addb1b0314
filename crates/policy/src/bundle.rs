//! All files of a policy together: what is published, and read again years later as it was.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use serde::Deserialize;
use voorveld_detect::RuleSetHash;
use voorveld_domain::RuleId;

use crate::error::PolicyErrors;
use crate::source::Files;

/// Every file of a policy, as text by name. Whether it is a valid policy says [`crate::Policy::of_bundle`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle(Files);

impl Bundle {
    /// What the program was built with.
    #[must_use]
    pub fn shipped() -> Self {
        Self(Files::shipped())
    }

    /// The files of a directory, with the shipped ones where it lacks one, as [`crate::Policy::load`] reads them.
    pub fn of_directory(directory: &Path) -> Result<Self, PolicyErrors> {
        let mut errors = PolicyErrors::default();
        let files = Files::of_directory(directory, &mut errors);
        errors.unless_empty(Some(Self(files)))
    }

    /// What was published, by name. A file that this release has and the bundle has not is the shipped one: it did not exist yet. A file that this
    /// release does not know is an error: a later one wrote it, and leaving it out would be another policy.
    pub fn of_files(files: BTreeMap<String, String>) -> Result<Self, PolicyErrors> {
        let mut errors = PolicyErrors::default();
        let files = Files::of_published(files, &mut errors);
        errors.unless_empty(Some(Self(files)))
    }

    pub(crate) const fn of(files: Files) -> Self {
        Self(files)
    }

    /// The texts by name.
    #[must_use]
    pub const fn files(&self) -> &BTreeMap<String, String> {
        self.0.all()
    }

    pub(crate) const fn as_files(&self) -> &Files {
        &self.0
    }

    /// The SHA-256 over all names and texts: another comment is another bundle. What the rules say is named by [`voorveld_detect::RuleSet::hash`].
    #[must_use]
    pub fn hash(&self) -> RuleSetHash {
        let mut context = Context::new(&SHA256);
        context.update(b"voorveld bundle 1\n");
        for (name, text) in self.files() {
            // Lengths before texts: no two bundles run together into the same bytes.
            context.update(format!("{} {} {name}\n", name.len(), text.len()).as_bytes());
            context.update(text.as_bytes());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        RuleSetHash(hash)
    }

    /// The same without one rule, or `None` when it has no such rule.
    #[must_use]
    pub fn without_rule(&self, rule: &RuleId) -> Option<Self> {
        let file = self
            .0
            .rules()
            .find(|(_, text)| id_of(text).as_deref() == Some(rule.as_str()))
            .map(|(name, _)| name.to_owned())?;
        Some(Self(self.0.clone().without(&file)))
    }
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

/// The id that a rule file gives itself.
fn id_of(text: &str) -> Option<String> {
    serde_norway::from_str::<Named>(text)
        .ok()
        .map(|named| named.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    #[test]
    fn what_is_stored_reads_back_as_the_same_policy() {
        let bundle = Bundle::shipped();
        let again = Bundle::of_files(bundle.files().clone()).unwrap();
        assert_eq!(again.hash(), bundle.hash());
        let (policy, shipped) = (Policy::of_bundle(&again).unwrap(), Policy::shipped());
        assert_eq!(policy.rules(), shipped.rules());
        assert_eq!(policy.bundle(), shipped.bundle());
    }

    #[test]
    fn a_comment_is_another_bundle_with_the_same_rules() {
        let mut files = Bundle::shipped().files().clone();
        files
            .get_mut("settings.yaml")
            .unwrap()
            .push_str("\n# nog eens bekeken\n");
        let other = Bundle::of_files(files).unwrap();
        assert_ne!(other.hash(), Bundle::shipped().hash());
        let policy = Policy::of_bundle(&other).unwrap();
        assert_eq!(policy.rules().hash(), Policy::shipped().rules().hash());
    }

    #[test]
    fn a_file_of_a_later_release_is_not_left_out_in_silence() {
        let mut files = Bundle::shipped().files().clone();
        files.insert("weather.yaml".to_owned(), "rain: true".to_owned());
        let errors = Bundle::of_files(files).unwrap_err();
        assert_eq!(errors.iter().next().unwrap().file, "weather.yaml");
    }

    #[test]
    fn a_file_that_did_not_exist_yet_is_the_shipped_one() {
        let mut files = Bundle::shipped().files().clone();
        files.remove("calendar.yaml");
        assert_eq!(Bundle::of_files(files).unwrap(), Bundle::shipped());
    }

    #[test]
    fn a_rule_is_left_out_by_its_id() {
        let rule: RuleId = "debt.high_amount".parse().unwrap();
        let without = Bundle::shipped().without_rule(&rule).unwrap();
        let policy = Policy::of_bundle(&without).unwrap();
        assert!(policy.rules().get(&rule).is_none());
        let shipped = Policy::shipped();
        assert_eq!(
            policy.rules().rules().len() + 1,
            shipped.rules().rules().len()
        );
        assert!(without.without_rule(&rule).is_none());
    }
}
