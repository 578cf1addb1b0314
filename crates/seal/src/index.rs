//! Blind indexes: looking something up without keeping it. A keyed hash, so that who has the table but not the key cannot try
//! every postcode.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::file::{KeyFile, KeyFileError};
use crate::key::KeyId;
use crate::{CryptoUnavailable, fill_random};

const KEY_BYTES: usize = 32;
const SECRET_TITLE: &str = "voorveld index secret v1 (private: every index key derives from it)";
const KEY_TITLE: &str = "voorveld index key v1 (private)";

/// What an index is over. Each has a key of its own, so one index says nothing about another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexLabel {
    /// Partners' references (S1).
    References,
    /// Normalised addresses.
    Addresses,
    /// Persons (S7).
    Persons,
    /// Digests of what was received, to tell equal from different (S2).
    Digests,
}

impl IndexLabel {
    /// Every label.
    pub const ALL: [Self; 4] = [
        Self::References,
        Self::Addresses,
        Self::Persons,
        Self::Digests,
    ];

    /// The label as text.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::References => "references",
            Self::Addresses => "addresses",
            Self::Persons => "persons",
            Self::Digests => "digests",
        }
    }
}

/// A text that names no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected references, addresses, persons or digests")]
pub struct UnknownLabel;

impl FromStr for IndexLabel {
    type Err = UnknownLabel;
    fn from_str(raw: &str) -> Result<Self, UnknownLabel> {
        Self::ALL
            .into_iter()
            .find(|label| label.code() == raw)
            .ok_or(UnknownLabel)
    }
}

/// One secret from which each index key derives: convenient where all roles run together. Where they do not, give each role
/// the files of the keys it needs.
pub struct IndexSecret(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for IndexSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexSecret(…)")
    }
}

impl IndexSecret {
    /// Makes a new secret.
    pub fn generate() -> Result<Self, CryptoUnavailable> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        fill_random(secret.as_mut_slice())?;
        Ok(Self(secret))
    }

    /// The key of one index. Always the same for the same secret.
    #[must_use]
    pub fn key(&self, label: IndexLabel) -> BlindIndexKey {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        expand(
            &self.0,
            &[b"voorveld/index/v1/", label.code().as_bytes()],
            key.as_mut_slice(),
        );
        BlindIndexKey::new(label, key)
    }

    /// The secret as the text of a key file. To be written with [`crate::write_private`].
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        KeyFile::write(SECRET_TITLE, &[], &self.0)
    }

    /// Reads the text of a key file.
    pub fn from_text(text: &str) -> Result<Self, KeyFileError> {
        Ok(Self(KeyFile::read(text, SECRET_TITLE)?.key))
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::from_text(&crate::file::read_text(path)?)
    }
}

/// The key of one index. Prints as `…`.
#[derive(Clone)]
pub struct BlindIndexKey {
    id: KeyId,
    label: IndexLabel,
    mac: hmac::Key,
    raw: Zeroizing<[u8; KEY_BYTES]>,
}

impl fmt::Debug for BlindIndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlindIndexKey({}, {}, …)", self.label.code(), self.id)
    }
}

impl BlindIndexKey {
    fn new(label: IndexLabel, raw: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut trace = [0; KEY_BYTES];
        expand(&raw, &[b"voorveld/index/id"], &mut trace);
        Self {
            id: KeyId::of(label.code(), &trace),
            label,
            mac: hmac::Key::new(hmac::HMAC_SHA256, raw.as_slice()),
            raw,
        }
    }

    /// The key's name, stored beside every index value it made.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What the index is over.
    #[must_use]
    pub const fn label(&self) -> IndexLabel {
        self.label
    }

    /// The index of a value in parts. Each part is framed by its length: `("ab", "c")` is not `("a", "bc")`.
    #[must_use]
    pub fn index(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(self.label.code().as_bytes());
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut index = [0; 32];
        index.copy_from_slice(context.sign().as_ref());
        index
    }

    /// The key as the text of a key file. To be written with [`crate::write_private`].
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        KeyFile::write(
            KEY_TITLE,
            &[("label", self.label.code()), ("id", &self.id.to_string())],
            &self.raw,
        )
    }

    /// Reads the text of a key file that must be for this index.
    pub fn from_text(label: IndexLabel, text: &str) -> Result<Self, KeyFileError> {
        let file = KeyFile::read(text, KEY_TITLE)?;
        file.expect_line("label", label.code())?;
        let key = Self::new(label, file.key.clone());
        file.expect_line("id", &key.id.to_string())?;
        Ok(key)
    }

    /// Reads a key file that must be for this index.
    pub fn load(label: IndexLabel, path: &Path) -> Result<Self, KeyFileError> {
        Self::from_text(label, &crate::file::read_text(path)?)
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand with SHA-256 from a key that is already uniformly random.
fn expand(key: &[u8; KEY_BYTES], info: &[&[u8]], out: &mut [u8]) {
    Prk::new_less_safe(HKDF_SHA256, key)
        .expand(info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("a single block is within what HKDF can expand");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_stable_and_each_label_has_its_own() {
        let secret = IndexSecret::generate().unwrap();
        let again = IndexSecret::from_text(&secret.to_text()).unwrap();
        let mut seen = Vec::new();
        for label in IndexLabel::ALL {
            let (key, same) = (secret.key(label), again.key(label));
            assert_eq!(key.id(), same.id());
            assert_eq!(
                key.index(&[b"1234AB", b"12"]),
                same.index(&[b"1234AB", b"12"])
            );
            let single = BlindIndexKey::from_text(label, &key.to_text()).unwrap();
            assert_eq!(single.index(&[b"x"]), key.index(&[b"x"]));
            seen.push((key.id(), key.index(&[b"x"])));
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), IndexLabel::ALL.len());
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = IndexSecret::generate().unwrap().key(IndexLabel::Addresses);
        assert_ne!(key.index(&[b"ab", b"c"]), key.index(&[b"a", b"bc"]));
        assert_ne!(key.index(&[b"ab"]), key.index(&[b"ab", b""]));
    }

    #[test]
    fn a_key_file_of_another_index_is_refused() {
        let key = IndexSecret::generate().unwrap().key(IndexLabel::Addresses);
        assert!(matches!(
            BlindIndexKey::from_text(IndexLabel::Persons, &key.to_text()),
            Err(KeyFileError::Line("label"))
        ));
    }

    #[test]
    fn another_secret_gives_other_indexes() {
        let (one, two) = (
            IndexSecret::generate().unwrap(),
            IndexSecret::generate().unwrap(),
        );
        assert_ne!(
            one.key(IndexLabel::Persons).index(&[b"x"]),
            two.key(IndexLabel::Persons).index(&[b"x"])
        );
        assert_eq!(format!("{one:?}"), "IndexSecret(…)");
    }
}
