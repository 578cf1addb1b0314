//! Secrets that others carry: partners' API keys and browsers' session tokens. We keep only hashes; a secret of 256 random bits
//! needs no slow hash, since nobody can try them all.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::{CryptoUnavailable, fill_random};

/// Bytes of a stored hash.
pub const HASH_BYTES: usize = 32;

const SECRET_BYTES: usize = 32;
const PREFIX_BYTES: usize = 6;
const PREFIX_CHARS: usize = PREFIX_BYTES * 2;
/// Characters of 32 bytes in base64 without padding.
const SECRET_CHARS: usize = 43;
/// By this a leaked key is recognised, also by scanners of source code.
const API_KEY_MARK: &str = "vv";

fn hash(purpose: &str, secret: &[u8]) -> [u8; HASH_BYTES] {
    let mut context = Context::new(&SHA256);
    context.update(purpose.as_bytes());
    context.update(&[0]);
    context.update(secret);
    let mut out = [0; HASH_BYTES];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn random_secret() -> Result<Zeroizing<String>, CryptoUnavailable> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    fill_random(bytes.as_mut_slice())?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Whether a text could be a secret of ours; cheaper than hashing whatever a caller sends.
fn is_secret_shaped(raw: &str) -> bool {
    raw.len() == SECRET_CHARS
        && raw
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Compares two hashes in a time that does not depend on where they differ.
#[must_use]
pub fn hash_matches(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

/// A new API key of a partner: what to show once and what to keep.
pub struct NewApiKey {
    /// `vv_<prefix>_<secret>`: shown once, kept nowhere.
    pub shown_once: Zeroizing<String>,
    /// By which the key is looked up; no secret.
    pub prefix: String,
    /// What is kept.
    pub hash: [u8; HASH_BYTES],
}

impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewApiKey({}, …)", self.prefix)
    }
}

/// An API key as a caller presents it. Prints as its prefix.
pub struct ApiKey {
    prefix: String,
    hash: [u8; HASH_BYTES],
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, …)", self.prefix)
    }
}

impl ApiKey {
    /// Makes a new key.
    pub fn generate() -> Result<NewApiKey, CryptoUnavailable> {
        let mut prefix_bytes = [0; PREFIX_BYTES];
        fill_random(&mut prefix_bytes)?;
        let mut prefix = String::with_capacity(PREFIX_CHARS);
        for byte in prefix_bytes {
            for nibble in [byte >> 4, byte & 0xf] {
                prefix.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is a digit"));
            }
        }
        let secret = random_secret()?;
        let shown_once = Zeroizing::new(format!("{API_KEY_MARK}_{prefix}_{}", *secret));
        let hash = Self::hash_of(&prefix, &secret);
        Ok(NewApiKey {
            shown_once,
            prefix,
            hash,
        })
    }

    fn hash_of(prefix: &str, secret: &str) -> [u8; HASH_BYTES] {
        let bound = Zeroizing::new(format!("{prefix}_{secret}"));
        hash("voorveld/api-key/v1", bound.as_bytes())
    }

    /// Reads what a caller presents; `None` when it cannot be one of ours.
    #[must_use]
    pub fn parse(presented: &str) -> Option<Self> {
        let mut parts = presented.splitn(3, '_');
        let (mark, prefix, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let shaped = mark == API_KEY_MARK
            && prefix.len() == PREFIX_CHARS
            && prefix
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && is_secret_shaped(secret);
        shaped.then(|| Self {
            prefix: prefix.to_owned(),
            hash: Self::hash_of(prefix, secret),
        })
    }

    /// By which to look it up.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether it is the key that was kept as this hash.
    #[must_use]
    pub fn verify(&self, kept: &[u8]) -> bool {
        hash_matches(&self.hash, kept)
    }
}

/// A random token for a session or a form (CSRF): 256 bits in base64url. Prints as `…`.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Makes a new token.
    pub fn generate() -> Result<Self, CryptoUnavailable> {
        Ok(Self(random_secret()?))
    }

    /// Reads what a browser presents; `None` when it cannot be one of ours.
    #[must_use]
    pub fn parse(presented: &str) -> Option<Self> {
        is_secret_shaped(presented).then(|| Self(Zeroizing::new(presented.to_owned())))
    }

    /// The token itself, for the cookie or the form.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Another token that follows from this one and tells nothing of it: a form's token from the session's.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        let bytes = hash(&format!("voorveld/token/v1/{purpose}"), self.0.as_bytes());
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> [u8; HASH_BYTES] {
        hash("voorveld/token/v1", self.0.as_bytes())
    }

    /// Whether it is the token that was kept as this hash.
    #[must_use]
    pub fn verify(&self, kept: &[u8]) -> bool {
        hash_matches(&self.hash(), kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_verifies_against_what_was_kept_and_nothing_else() {
        let (new, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        let presented = ApiKey::parse(&new.shown_once).unwrap();
        assert_eq!(presented.prefix(), new.prefix);
        assert!(presented.verify(&new.hash));
        assert!(!presented.verify(&other.hash));
        assert!(!presented.verify(&[]));
        let swapped = new.shown_once.replace(&new.prefix, &other.prefix);
        assert!(!ApiKey::parse(&swapped).unwrap().verify(&new.hash));
    }

    #[test]
    fn a_secret_with_underscores_still_parses() {
        let text = format!("vv_0123456789ab_{}", "_".repeat(SECRET_CHARS));
        assert_eq!(ApiKey::parse(&text).unwrap().prefix(), "0123456789ab");
    }

    #[test]
    fn what_is_no_key_is_not_hashed() {
        let new = ApiKey::generate().unwrap();
        for presented in [
            "",
            "vv",
            "vv__",
            "vv_0123456789ab_short",
            "xx_0123456789ab_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "vv_0123456789AB_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            &format!("{} ", *new.shown_once),
        ] {
            assert!(ApiKey::parse(presented).is_none(), "{presented}");
        }
    }

    #[test]
    fn tokens_are_random_hashed_and_hidden() {
        let (one, two) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_ne!(one.expose(), two.expose());
        assert!(Token::parse(one.expose()).unwrap().verify(&one.hash()));
        assert!(!two.verify(&one.hash()));
        assert!(Token::parse("x").is_none());
        let derived = one.derived("form");
        assert_eq!(derived.expose(), one.derived("form").expose());
        assert_ne!(derived.expose(), one.derived("other").expose());
        assert!(
            Token::parse(derived.expose())
                .unwrap()
                .verify(&derived.hash())
        );
        assert!(!derived.verify(&one.hash()));
        assert_eq!(format!("{one:?}"), "Token(…)");
        assert_eq!(
            ApiKey::generate().unwrap().shown_once.len(),
            2 + 1 + PREFIX_CHARS + 1 + SECRET_CHARS
        );
    }
}
