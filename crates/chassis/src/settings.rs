//! Reading settings: defaults in code, then a file, then the environment, then flags.
//!
//! The shape is the caller's; give it `#[serde(default, deny_unknown_fields)]` so that a misspelt name is an error that
//! names what was expected. This is the only place that reads environment variables.

use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat};
use serde::de::DeserializeOwned;

/// Two underscores stand for the dot between section and name: `VOORVELD__POSTGRES__URL` is `postgres.url`.
const SEPARATOR: &str = "__";

/// Why the settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file is absent or unreadable.
    #[error("reading {} failed", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name is unknown, a value does not fit, or the file is no TOML. The text says where.
    #[error("the settings are not valid: {0}")]
    Invalid(String),
    /// Given as a value and as a file: nobody can tell which one is meant.
    #[error("{name} and {name}_file are both given; leave one out")]
    Twice {
        /// The setting.
        name: &'static str,
    },
    /// A combination of values that cannot work.
    #[error("{0}")]
    Unfit(String),
}

/// Where settings come from, weakest first.
#[derive(Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String)>,
    lists: &'static [&'static str],
}

impl Sources {
    /// Nothing but the defaults of the shape itself. `lists` names the settings that are lists; in the environment and in
    /// flags their values are separated by commas.
    #[must_use]
    pub fn new(lists: &'static [&'static str]) -> Self {
        Self {
            lists,
            ..Self::default()
        }
    }

    /// Adds a TOML file.
    #[must_use]
    pub fn file(mut self, path: Option<&Path>) -> Self {
        self.file = path.map(Path::to_owned);
        self
    }

    /// Adds the variables of this process whose names begin with `prefix` and two underscores.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    pub fn process_environment(self, prefix: &str) -> Self {
        let variables: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        self.environment(prefix, variables)
    }

    /// Adds variables handed in, filtered in the same way.
    #[must_use]
    pub fn environment(
        mut self,
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let start = format!("{prefix}{SEPARATOR}");
        self.environment
            .extend(variables.into_iter().filter_map(|(name, value)| {
                let key = name.strip_prefix(&start)?;
                Some((key.to_ascii_lowercase().replace(SEPARATOR, "."), value))
            }));
        self
    }

    /// Adds one flag, by the name the setting has in the file (`postgres.url`); absent flags change nothing.
    #[must_use]
    pub fn flag(mut self, key: &str, value: Option<String>) -> Self {
        self.flags
            .extend(value.map(|value| (key.to_owned(), value)));
        self
    }

    /// Reads them all into the caller's shape.
    pub fn load<T: DeserializeOwned>(self) -> Result<T, SettingsError> {
        let mut builder = Config::builder();
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path).map_err(|source| SettingsError::File {
                path: path.clone(),
                source,
            })?;
            builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
        }
        for (key, value) in self.environment.into_iter().chain(self.flags) {
            builder = if self.lists.contains(&key.as_str()) {
                let items: Vec<String> = value
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect();
                builder.set_override(&key, items)
            } else {
                builder.set_override(&key, value)
            }
            .map_err(|error| SettingsError::Invalid(format!("{key}: {error}")))?;
        }
        builder
            .build()
            .and_then(Config::try_deserialize)
            .map_err(|error| SettingsError::Invalid(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::time::Duration;

    #[derive(Debug, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Shape {
        towns: Vec<String>,
        #[serde(with = "humantime_serde")]
        grace: Duration,
        door: Door,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Door {
        port: u16,
        open: bool,
    }

    impl Default for Shape {
        fn default() -> Self {
            Self {
                towns: vec!["0001".to_owned()],
                grace: Duration::from_secs(30),
                door: Door::default(),
            }
        }
    }

    fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn flags_win_from_the_environment_which_wins_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        std::fs::write(&file, "grace = \"5s\"\n[door]\nport = 1\nopen = true\n").unwrap();
        let shape: Shape = Sources::new(&["towns"])
            .file(Some(&file))
            .environment(
                "VOORVELD",
                vars(&[
                    ("VOORVELD__DOOR__PORT", "2"),
                    ("VOORVELD__GRACE", "7s"),
                    ("VOORVELD__TOWNS", "0518, 0307"),
                    ("VOORVELD_OTHER", "not ours"),
                ]),
            )
            .flag("door.port", Some("3".to_owned()))
            .flag("door.open", None)
            .load()
            .unwrap();
        assert_eq!(shape.door.port, 3);
        assert!(shape.door.open);
        assert_eq!(shape.grace, Duration::from_secs(7));
        assert_eq!(shape.towns, ["0518", "0307"], "leading zeros are kept");
    }

    #[test]
    fn an_unknown_name_is_an_error_that_names_it() {
        let error = Sources::new(&[])
            .environment("VOORVELD", vars(&[("VOORVELD__DOOR__PROT", "2")]))
            .load::<Shape>()
            .unwrap_err()
            .to_string();
        assert!(error.contains("prot"), "{error}");
        assert!(error.contains("port"), "{error}");
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        let shape: Shape = Sources::new(&[]).load().unwrap();
        assert_eq!(shape.towns, ["0001"]);
    }
}
