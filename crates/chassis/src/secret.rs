//! A configured value that must not be shown.

use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::settings::SettingsError;

/// A password, a connection string, a key: prints as `…`, read by a named call.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a value that must not be shown.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself. Easy to find in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A secret is configured as a value or as a file that holds it (`url` or `url_file`), not as both.
    pub fn from_either(
        name: &'static str,
        value: Option<&Self>,
        file: Option<&Path>,
    ) -> Result<Option<Self>, SettingsError> {
        match (value, file) {
            (Some(_), Some(_)) => Err(SettingsError::Twice { name }),
            (Some(value), None) => Ok(Some(value.clone())),
            (None, Some(file)) => Self::from_file(file).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Reads a secret from a file; a line end at its end is not part of it.
    pub fn from_file(file: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(file).map_err(|source| SettingsError::File {
            path: file.to_owned(),
            source,
        })?;
        Ok(Self(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("hush".to_owned());
        assert_eq!(format!("{secret:?}"), "…");
        assert_eq!(secret.expose(), "hush");
    }

    #[test]
    fn a_secret_comes_from_a_value_or_a_file_and_not_from_both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, "postgres://somewhere\n").unwrap();
        let value = Secret::new("postgres://elsewhere".to_owned());
        let read = Secret::from_either("url", None, Some(&file))
            .unwrap()
            .unwrap();
        assert_eq!(read.expose(), "postgres://somewhere");
        assert!(matches!(
            Secret::from_either("url", Some(&value), Some(&file)),
            Err(SettingsError::Twice { name: "url" })
        ));
        assert_eq!(Secret::from_either("url", None, None).unwrap(), None);
    }
}
