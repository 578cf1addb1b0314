//! Where the files come from: those the program was built with, and those of a directory in their place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::PolicyErrors;

/// The files outside `rules/`, each with what was built in.
const SHIPPED: [(&str, &str); 7] = [
    (
        "calendar.yaml",
        include_str!("../../../config/calendar.yaml"),
    ),
    ("denied.yaml", include_str!("../../../config/denied.yaml")),
    ("legal.yaml", include_str!("../../../config/legal.yaml")),
    (
        "profiles.yaml",
        include_str!("../../../config/profiles.yaml"),
    ),
    ("routing.yaml", include_str!("../../../config/routing.yaml")),
    (
        "settings.yaml",
        include_str!("../../../config/settings.yaml"),
    ),
    ("signals.yaml", include_str!("../../../config/signals.yaml")),
];

macro_rules! shipped_rules {
    ($($name:literal),+ $(,)?) => {
        [$((concat!("rules/", $name), include_str!(concat!("../../../config/rules/", $name)))),+]
    };
}

/// The rules, of profiles that are on by default and of those that are off.
const SHIPPED_RULES: &[(&str, &str)] = &shipped_rules![
    "cross.debt_and_youth.yaml",
    "cross.police_care.yaml",
    "debt.consecutive.yaml",
    "debt.crisis.yaml",
    "debt.end_of_supply.yaml",
    "debt.high_amount.yaml",
    "debt.multiple.yaml",
    "debt.not_early.yaml",
    "debt.repeat_higher.yaml",
    "debt.single.yaml",
    "debt.warm_handover.yaml",
    "safety.meldcode.yaml",
    "school.16h4w.yaml",
    "school.16h_reported.yaml",
    "school.lrv.yaml",
    "school.luxe.yaml",
    "school.other.yaml",
    "school.rmc.yaml",
    "youth.family_address.yaml",
    "youth.family_parent.yaml",
    "youth.followup.yaml",
    "youth.match.yaml",
];

const RULES_DIRECTORY: &str = "rules";
/// No file of the policy is longer; what is, is something else.
const FILE_MAX_BYTES: u64 = 1_048_576;

/// The texts of all files, by name relative to the configuration directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files(BTreeMap<String, String>);

impl Files {
    /// What the program was built with.
    pub(crate) fn shipped() -> Self {
        Self(
            SHIPPED
                .iter()
                .chain(SHIPPED_RULES)
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
        )
    }

    /// A directory's files in place of the shipped ones; what it lacks stays as shipped. A `rules` directory replaces all rules.
    pub(crate) fn of_directory(directory: &Path, errors: &mut PolicyErrors) -> Self {
        let mut files = Self::shipped();
        if !directory.is_dir() {
            errors.push(
                &directory.display().to_string(),
                None,
                "expected a directory",
            );
            return files;
        }
        for (name, _) in SHIPPED {
            let path = directory.join(name);
            if path.exists()
                && let Some(text) = read(&path, name, errors)
            {
                files.0.insert(name.to_owned(), text);
            }
        }
        let rules = directory.join(RULES_DIRECTORY);
        if rules.is_dir() {
            files.0.retain(|name, _| !is_rule(name));
            files.add_rules(&rules, errors);
        }
        files
    }

    /// What was published once. A file outside `rules/` that is not there did not exist yet; one that we do not know is of a later release.
    pub(crate) fn of_published(
        published: BTreeMap<String, String>,
        errors: &mut PolicyErrors,
    ) -> Self {
        let mut files = Self::shipped();
        files.0.retain(|name, _| !is_rule(name));
        for (name, text) in published {
            if !is_rule(&name) && !files.0.contains_key(&name) {
                errors.push(
                    &name,
                    None,
                    "this release does not know this file: a later one published it",
                );
            }
            files.0.insert(name, text);
        }
        files
    }

    /// All texts, by name.
    pub(crate) const fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The same without one of the rule files.
    pub(crate) fn without(mut self, rule_file: &str) -> Self {
        self.0.remove(rule_file);
        self
    }

    fn add_rules(&mut self, rules: &Path, errors: &mut PolicyErrors) {
        let entries = match fs::read_dir(rules) {
            Ok(entries) => entries,
            Err(error) => return errors.push(RULES_DIRECTORY, None, error),
        };
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    errors.push(RULES_DIRECTORY, None, error);
                    continue;
                }
            };
            let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
                errors.push(RULES_DIRECTORY, None, "a file name is not readable text");
                continue;
            };
            let name = format!("{RULES_DIRECTORY}/{file_name}");
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("yaml") => {
                    if let Some(text) = read(&path, &name, errors) {
                        self.0.insert(name, text);
                    }
                }
                Some("yml") => errors.push(
                    &name,
                    None,
                    "expected the ending `.yaml`; as it is, the rule is not read",
                ),
                _ => {}
            }
        }
    }

    /// One of the files outside `rules/`.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0
            .get(name)
            .expect("every file has at least its shipped text")
    }

    /// The rule files, by name.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(|(name, _)| is_rule(name))
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// One text, for tests.
    #[cfg(test)]
    pub(crate) fn get(&self, name: &str) -> &str {
        &self.0[name]
    }

    /// Replaces one text, for tests.
    #[cfg(test)]
    pub(crate) fn without_rules(mut self, left_out: impl Fn(&str) -> bool) -> Self {
        self.0
            .retain(|name, _| !name.starts_with("rules/") || !left_out(name));
        self
    }

    #[cfg(test)]
    pub(crate) fn with(mut self, name: &str, text: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), text.into());
        self
    }
}

/// What was built in under this name, whatever a directory has in its place.
pub(crate) fn shipped_text(name: &str) -> &'static str {
    SHIPPED
        .iter()
        .find_map(|(shipped, text)| (*shipped == name).then_some(*text))
        .expect("asked by a name of the list")
}

fn is_rule(name: &str) -> bool {
    name.starts_with("rules/")
}

fn read(path: &Path, name: &str, errors: &mut PolicyErrors) -> Option<String> {
    let length = fs::metadata(path).map(|metadata| metadata.len());
    if length.is_ok_and(|length| length > FILE_MAX_BYTES) {
        errors.push(
            name,
            None,
            format_args!("longer than {FILE_MAX_BYTES} bytes"),
        );
        return None;
    }
    match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            errors.push(name, None, error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_in_the_repository_is_built_in() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
        let mut errors = PolicyErrors::default();
        let files = Files::of_directory(&directory, &mut errors);
        assert!(errors.is_empty());
        assert_eq!(files.0, Files::shipped().0);
    }

    #[test]
    fn a_directory_replaces_what_it_has_and_keeps_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("calendar.yaml"), "local_days_off: []").unwrap();
        fs::create_dir(directory.path().join("rules")).unwrap();
        fs::write(directory.path().join("rules/own.yaml"), "id: own").unwrap();
        let mut errors = PolicyErrors::default();
        let files = Files::of_directory(directory.path(), &mut errors);
        assert!(errors.is_empty());
        assert_eq!(files.text("calendar.yaml"), "local_days_off: []");
        assert_eq!(
            files.text("legal.yaml"),
            Files::shipped().text("legal.yaml")
        );
        assert_eq!(
            files.rules().collect::<Vec<_>>(),
            [("rules/own.yaml", "id: own")]
        );

        fs::write(directory.path().join("rules/typo.yml"), "id: own").unwrap();
        Files::of_directory(directory.path(), &mut errors);
        Files::of_directory(&directory.path().join("nowhere"), &mut errors);
        assert_eq!(errors.iter().count(), 2);
    }
}
