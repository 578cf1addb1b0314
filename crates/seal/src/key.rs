//! The two halves of a sealing key, and the name both go by.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use zeroize::Zeroizing;

use crate::CryptoUnavailable;
use crate::file::{KeyFile, KeyFileError};

/// Bytes of an X25519 key, either half.
pub(crate) const SHARE_BYTES: usize = 32;
/// Bytes of a [`KeyId`].
pub(crate) const KEY_ID_BYTES: usize = 8;

const SEALING_TITLE: &str = "voorveld sealing key v1 (public)";
const OPENING_TITLE: &str = "voorveld opening key v1 (private: only for resolver and outreach)";

/// The name of a key: the first bytes of the hash of its public half, so that nobody has to hand out names and two keys
/// never share one by mistake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    /// The bytes, for storage.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_ID_BYTES] {
        &self.0
    }

    /// Reads stored bytes.
    #[must_use]
    pub const fn from_bytes(raw: [u8; KEY_ID_BYTES]) -> Self {
        Self(raw)
    }

    /// The name of whatever these bytes are the public trace of.
    pub(crate) fn of(label: &str, public: &[u8]) -> Self {
        let mut input = Vec::with_capacity(label.len() + 1 + public.len());
        input.extend_from_slice(label.as_bytes());
        input.push(0);
        input.extend_from_slice(public);
        let hash = digest(&SHA256, &input);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&hash.as_ref()[..KEY_ID_BYTES]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id has sixteen hexadecimal digits")]
pub struct KeyIdError;

impl FromStr for KeyId {
    type Err = KeyIdError;
    fn from_str(raw: &str) -> Result<Self, KeyIdError> {
        let digits = raw.as_bytes();
        let hexadecimal = digits
            .iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != KEY_ID_BYTES * 2 || !hexadecimal {
            return Err(KeyIdError);
        }
        u64::from_str_radix(raw, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| KeyIdError)
    }
}

/// The public half: seals, and can do nothing else. The only half the gateway is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingKey {
    id: KeyId,
    pub(crate) public: [u8; SHARE_BYTES],
}

impl SealingKey {
    pub(crate) fn from_public(public: [u8; SHARE_BYTES]) -> Self {
        Self {
            id: KeyId::of("voorveld/seal/key", &public),
            public,
        }
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The key as the text of a key file.
    #[must_use]
    pub fn to_text(&self) -> String {
        KeyFile::write(SEALING_TITLE, &[("id", &self.id.to_string())], &self.public).to_string()
    }

    /// Reads the text of a key file.
    pub fn from_text(text: &str) -> Result<Self, KeyFileError> {
        let file = KeyFile::read(text, SEALING_TITLE)?;
        let key = Self::from_public(*file.key);
        file.expect_line("id", &key.id.to_string())?;
        Ok(key)
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::from_text(&crate::file::read_text(path)?)
    }
}

/// The private half: opens what was sealed to the public half. Only for the resolver and outreach. Prints as `…`.
pub struct OpeningKey {
    sealing: SealingKey,
    pub(crate) private: PrivateKey,
    seed: Zeroizing<[u8; SHARE_BYTES]>,
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpeningKey({}, …)", self.sealing.id)
    }
}

impl OpeningKey {
    /// Makes a new pair.
    pub fn generate() -> Result<Self, CryptoUnavailable> {
        let private = PrivateKey::generate(&X25519)?;
        let bytes: Curve25519SeedBin<'_> = private.as_be_bytes()?;
        let mut seed = Zeroizing::new([0; SHARE_BYTES]);
        seed.copy_from_slice(bytes.as_ref());
        Self::from_seed(seed)
    }

    fn from_seed(seed: Zeroizing<[u8; SHARE_BYTES]>) -> Result<Self, CryptoUnavailable> {
        let private = PrivateKey::from_private_key(&X25519, seed.as_slice())
            .map_err(|_| CryptoUnavailable)?;
        let share = private.compute_public_key()?;
        let mut public = [0; SHARE_BYTES];
        public.copy_from_slice(share.as_ref());
        Ok(Self {
            sealing: SealingKey::from_public(public),
            private,
            seed,
        })
    }

    /// The key's name; the same for both halves.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.sealing.id
    }

    /// The public half.
    #[must_use]
    pub const fn sealing_key(&self) -> &SealingKey {
        &self.sealing
    }

    /// The key as the text of a key file. To be written with [`crate::write_private`].
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        KeyFile::write(
            OPENING_TITLE,
            &[("id", &self.sealing.id.to_string())],
            &self.seed,
        )
    }

    /// Reads the text of a key file.
    pub fn from_text(text: &str) -> Result<Self, KeyFileError> {
        let file = KeyFile::read(text, OPENING_TITLE)?;
        let key = Self::from_seed(file.key.clone()).map_err(|_| KeyFileError::NotAKey)?;
        file.expect_line("id", &key.sealing.id.to_string())?;
        Ok(key)
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::from_text(&crate::file::read_text(path)?)
    }

    /// An opening key of any 32 bytes, for tests that try to forge one.
    #[cfg(test)]
    pub(crate) fn from_seed_line(key_line: &str) -> Self {
        let text = format!("{OPENING_TITLE}\n{key_line}\n");
        let file = KeyFile::read(&text, OPENING_TITLE).unwrap();
        Self::from_seed(file.key).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_survives_its_files_and_both_halves_share_a_name() {
        let pair = OpeningKey::generate().unwrap();
        let private = OpeningKey::from_text(&pair.to_text()).unwrap();
        let public = SealingKey::from_text(&pair.sealing_key().to_text()).unwrap();
        assert_eq!(private.sealing_key(), &public);
        assert_eq!(private.id(), public.id());
        assert_eq!(public.id().to_string().parse(), Ok(public.id()));
    }

    #[test]
    fn a_public_file_is_no_private_key_and_the_reverse() {
        let pair = OpeningKey::generate().unwrap();
        assert!(matches!(
            OpeningKey::from_text(&pair.sealing_key().to_text()),
            Err(KeyFileError::WrongTitle { .. })
        ));
        assert!(matches!(
            SealingKey::from_text(&pair.to_text()),
            Err(KeyFileError::WrongTitle { .. })
        ));
    }

    #[test]
    fn a_key_file_with_a_changed_letter_is_refused() {
        let pair = OpeningKey::generate().unwrap();
        let text = pair.to_text();
        let start = text.find("key: ").unwrap() + 5;
        let swapped = if &text[start..=start] == "A" {
            "B"
        } else {
            "A"
        };
        let mut changed = text.to_string();
        changed.replace_range(start..=start, swapped);
        assert!(OpeningKey::from_text(&changed).is_err());
    }

    #[test]
    fn a_private_key_is_not_printed() {
        let pair = OpeningKey::generate().unwrap();
        assert_eq!(format!("{pair:?}"), format!("OpeningKey({}, …)", pair.id()));
    }
}
