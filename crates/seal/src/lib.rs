//! Sealing identities (I9): keys, envelopes, blind indexes, and the secrets that partners and browsers carry.
//!
//! The only crate that knows cryptography, all of it from `aws-lc-rs`. It knows no noun of Voorveld: what it seals, indexes and
//! binds are bytes, so what a record's identity is made of is decided by who calls it.
//!
//! - The gateway holds a [`SealingKey`] and can only seal. Nothing it is given can open an envelope, also not the ones it made.
//! - The resolver and outreach hold [`OpeningKey`]s inside an [`Opener`].
//! - References, addresses, persons and digests are looked up by a keyed index ([`BlindIndexKey`]), each under a key of its own.

mod envelope;
mod file;
mod index;
mod key;
mod token;

pub use envelope::{
    ASSOCIATED_MAX_BYTES, Envelope, OpenError, Opener, PLAINTEXT_MAX_BYTES, RequestSealer,
    SealError, Sealer, seal_identity,
};
pub use file::{KeyFileError, write_private, write_public};
pub use index::{BlindIndexKey, IndexLabel, IndexSecret, UnknownLabel};
pub use key::{KeyId, KeyIdError, OpeningKey, SealingKey};
pub use token::{ApiKey, HASH_BYTES, NewApiKey, Token, hash_matches};

/// The operating system would not give randomness or the library would not compute: nothing a caller can mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library refused")]
pub struct CryptoUnavailable;

impl From<aws_lc_rs::error::Unspecified> for CryptoUnavailable {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}

/// Fills a buffer with randomness of the operating system's seeded generator.
fn fill_random(buffer: &mut [u8]) -> Result<(), CryptoUnavailable> {
    Ok(aws_lc_rs::rand::fill(buffer)?)
}
