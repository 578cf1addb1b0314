//! Key files of this installation: which role gets which, and making the first ones.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use voorveld_seal::{IndexSecret, Opener, OpeningKey, SealingKey, write_private, write_public};

use crate::config::KeyFiles;

/// The public half, for the gateway.
pub const SEALING_FILE: &str = "sealing.public";
/// The private half, for resolver and outreach only.
pub const OPENING_FILE: &str = "opening.private";
/// The secret behind keyed indexes, for gateway and resolver.
pub const INDEX_FILE: &str = "index.secret";

/// Where the keys of one folder are.
#[must_use]
pub fn files_in(folder: &Path) -> KeyFiles {
    KeyFiles {
        sealing_public: Some(folder.join(SEALING_FILE)),
        opening_private: vec![folder.join(OPENING_FILE)],
        index_secret: Some(folder.join(INDEX_FILE)),
    }
}

/// Makes a pair and an index secret in new files. Never overwrites.
pub fn generate(folder: &Path) -> anyhow::Result<KeyFiles> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making the folder {} failed", folder.display()))?;
    for name in [SEALING_FILE, OPENING_FILE, INDEX_FILE] {
        let file = folder.join(name);
        if file.exists() {
            bail!(
                "{} exists already; keys are never overwritten",
                file.display()
            );
        }
    }
    let pair = OpeningKey::generate()?;
    let secret = IndexSecret::generate()?;
    write_private(&folder.join(OPENING_FILE), &pair.to_text())?;
    write_private(&folder.join(INDEX_FILE), &secret.to_text())?;
    write_public(&folder.join(SEALING_FILE), &pair.sealing_key().to_text())?;
    Ok(files_in(folder))
}

/// The keys of the embedded default: made at the first start, in a folder beside its database.
pub fn embedded(data_folder: &Path) -> anyhow::Result<KeyFiles> {
    let folder = data_folder.join("keys");
    if folder.join(SEALING_FILE).exists() {
        return Ok(files_in(&folder));
    }
    let files = generate(&folder)?;
    tracing::info!(
        folder = %folder.display(),
        "no keys were configured: made a sealing key pair and an index secret; back them up with the database"
    );
    Ok(files)
}

/// The public half; all that the gateway gets of the pair.
pub fn sealing_key(files: &KeyFiles) -> anyhow::Result<SealingKey> {
    let file = named(files.sealing_public.as_ref(), "keys.sealing_public_file")?;
    SealingKey::load(file).with_context(|| format!("reading {} failed", file.display()))
}

/// What opens envelopes: resolver and outreach.
pub fn opener(files: &KeyFiles) -> anyhow::Result<Opener> {
    named(files.opening_private.first(), "keys.opening_private_files")?;
    let keys = files
        .opening_private
        .iter()
        .map(|file| {
            OpeningKey::load(file).with_context(|| format!("reading {} failed", file.display()))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Opener::new(keys))
}

/// The secret behind keyed indexes: gateway and resolver.
pub fn index_secret(files: &KeyFiles) -> anyhow::Result<IndexSecret> {
    let file = named(files.index_secret.as_ref(), "keys.index_secret_file")?;
    IndexSecret::load(file).with_context(|| format!("reading {} failed", file.display()))
}

fn named<'a>(file: Option<&'a PathBuf>, setting: &str) -> anyhow::Result<&'a PathBuf> {
    file.with_context(|| format!("{setting} is not set; `voorveld keys generate` makes keys"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = embedded(folder.path()).unwrap();
        let id = sealing_key(&first).unwrap().id();
        let again = embedded(folder.path()).unwrap();
        assert_eq!(sealing_key(&again).unwrap().id(), id);
        assert!(opener(&again).is_ok());
        assert!(index_secret(&again).is_ok());
        assert!(
            generate(&folder.path().join("keys")).is_err(),
            "never overwritten"
        );
    }

    #[test]
    fn a_missing_key_is_named_by_its_setting() {
        let error = sealing_key(&KeyFiles::default()).unwrap_err().to_string();
        assert!(error.contains("keys.sealing_public_file"), "{error}");
    }
}
