//! Envelopes: what was said about a person's identity, sealed to a public key.
//!
//! Each envelope has a data key of its own (AES-256-GCM), so that one may be erased without the others. The data key is wrapped
//! under a key agreed between a fresh share (X25519) and the public key, through HKDF-SHA256. One share may serve all envelopes of a
//! request: agreeing costs a thousand times more than sealing. Key, share and the caller's associated data are bound to both
//! layers, so an envelope opens only as the record it was made for.
//!
//! Version 1, in bytes:
//!
//! ```text
//! "VE" 01 | key id 8 | share 32 | wrap nonce 12 | wrapped data key 32+16 | body nonce 12 | body n+16
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::file::KeyFileError;
use crate::key::{KEY_ID_BYTES, KeyId, OpeningKey, SHARE_BYTES, SealingKey};
use crate::{CryptoUnavailable, fill_random};

const MAGIC: [u8; 2] = *b"VE";
const VERSION: u8 = 1;
const TAG_BYTES: usize = 16;
const DATA_KEY_BYTES: usize = 32;

const KEY_ID_AT: usize = 3;
const SHARE_AT: usize = KEY_ID_AT + KEY_ID_BYTES;
const WRAP_NONCE_AT: usize = SHARE_AT + SHARE_BYTES;
const WRAPPED_AT: usize = WRAP_NONCE_AT + NONCE_LEN;
const BODY_NONCE_AT: usize = WRAPPED_AT + DATA_KEY_BYTES + TAG_BYTES;
const BODY_AT: usize = BODY_NONCE_AT + NONCE_LEN;

/// Most bytes that go into one envelope: an identity is a name, a date and an address.
pub const PLAINTEXT_MAX_BYTES: usize = 16 * 1024;
/// Most bytes of associated data.
pub const ASSOCIATED_MAX_BYTES: usize = 1_024;
/// Agreed keys that an [`Opener`] remembers; the envelopes of one request come close together.
const AGREED_KEYS_REMEMBERED: usize = 1_024;

/// Why sealing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// More than [`PLAINTEXT_MAX_BYTES`] or [`ASSOCIATED_MAX_BYTES`].
    #[error("more than fits into an envelope")]
    TooLong,
    /// The library refused.
    #[error(transparent)]
    Unavailable(#[from] CryptoUnavailable),
}

/// Why an envelope stays closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Sealed to a key that was not given. Another release or configuration may have it: stop and ask.
    #[error("sealed to key {0}, which is not here")]
    UnknownKey(KeyId),
    /// A version this release does not know: stop and ask.
    #[error("envelope version {0} is not known here")]
    UnknownVersion(u8),
    /// No envelope at all.
    #[error("not an envelope")]
    Malformed,
    /// Changed on the way, or not of this record.
    #[error("the envelope was changed or belongs to another record")]
    Refused,
}

/// A sealed identity. Its bytes are safe to store and send; `Debug` prints its key and size alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope(Vec<u8>);

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({} bytes)", self.0.len())
    }
}

impl Envelope {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, given away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// To which key bytes are sealed, without opening them.
    pub fn key_id_of(bytes: &[u8]) -> Result<KeyId, OpenError> {
        Ok(Parts::read(bytes)?.key_id)
    }
}

/// Seals one identity under a share of its own. Who has several takes a [`Sealer`].
pub fn seal_identity(
    key: &SealingKey,
    associated: &[u8],
    plaintext: &[u8],
) -> Result<Envelope, SealError> {
    Sealer::new(key.clone())
        .for_request()?
        .seal(associated, plaintext)
}

/// Seals, and has no way to open: it holds a public key only.
///
/// ```compile_fail,E0599
/// fn open(sealer: &voorveld_seal::Sealer, envelope: &voorveld_seal::Envelope) {
///     sealer.open(envelope.as_bytes(), b"");
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Sealer {
    key: SealingKey,
}

impl Sealer {
    /// Seals to this key.
    #[must_use]
    pub const fn new(key: SealingKey) -> Self {
        Self { key }
    }

    /// The name of the key it seals to.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key.id()
    }

    /// Agrees on a key for the envelopes of one request or one chunk of a file. The share's private half is gone when this returns.
    pub fn for_request(&self) -> Result<RequestSealer, CryptoUnavailable> {
        let ephemeral = PrivateKey::generate(&X25519)?;
        let public = ephemeral.compute_public_key()?;
        let mut share = [0; SHARE_BYTES];
        share.copy_from_slice(public.as_ref());
        let wrapping = agreed_key(&ephemeral, &self.key.public, &share, &self.key)?;
        let mut nonce_prefix = [0; 4];
        fill_random(&mut nonce_prefix)?;
        Ok(RequestSealer {
            key_id: self.key.id(),
            share,
            wrapping,
            nonce_prefix,
            sealed: AtomicU64::new(0),
        })
    }
}

/// Seals the envelopes of one request. May be shared between threads.
pub struct RequestSealer {
    key_id: KeyId,
    share: [u8; SHARE_BYTES],
    wrapping: LessSafeKey,
    nonce_prefix: [u8; 4],
    /// How many envelopes were made: part of the wrapping nonce, so that none comes twice.
    sealed: AtomicU64,
}

impl fmt::Debug for RequestSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestSealer({}, …)", self.key_id)
    }
}

impl RequestSealer {
    /// Seals one identity, bound to `associated`.
    pub fn seal(&self, associated: &[u8], plaintext: &[u8]) -> Result<Envelope, SealError> {
        if plaintext.len() > PLAINTEXT_MAX_BYTES || associated.len() > ASSOCIATED_MAX_BYTES {
            return Err(SealError::TooLong);
        }
        let mut random = Zeroizing::new([0; DATA_KEY_BYTES + NONCE_LEN]);
        fill_random(random.as_mut_slice())?;
        let (data_key, body_nonce) = random.split_at(DATA_KEY_BYTES);

        let mut bytes = Vec::with_capacity(BODY_AT + plaintext.len() + TAG_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.key_id.as_bytes());
        bytes.extend_from_slice(&self.share);
        bytes.extend_from_slice(&self.nonce_prefix);
        bytes.extend_from_slice(&self.sealed.fetch_add(1, Ordering::Relaxed).to_be_bytes());

        let mut wrapped = Zeroizing::new([0; DATA_KEY_BYTES]);
        wrapped.copy_from_slice(data_key);
        let tag = self
            .wrapping
            .seal_in_place_separate_tag(
                nonce(&bytes[WRAP_NONCE_AT..WRAPPED_AT]),
                Aad::from(bound(*b"wrap", &bytes[..WRAP_NONCE_AT], associated)),
                wrapped.as_mut_slice(),
            )
            .map_err(CryptoUnavailable::from)?;
        bytes.extend_from_slice(wrapped.as_slice());
        bytes.extend_from_slice(tag.as_ref());
        bytes.extend_from_slice(body_nonce);

        let aad = bound(*b"body", &bytes, associated);
        bytes.extend_from_slice(plaintext);
        let tag = aes(data_key)?
            .seal_in_place_separate_tag(nonce(body_nonce), Aad::from(aad), &mut bytes[BODY_AT..])
            .map_err(CryptoUnavailable::from)?;
        bytes.extend_from_slice(tag.as_ref());
        Ok(Envelope(bytes))
    }
}

/// Agreed keys by key and share: agreeing again for each envelope of a request would cost most of the time.
type AgreedKeys = BTreeMap<(KeyId, [u8; SHARE_BYTES]), Arc<LessSafeKey>>;

/// Opens envelopes of the keys it was given. Only for the resolver and outreach, who log each opening.
pub struct Opener {
    keys: BTreeMap<KeyId, OpeningKey>,
    agreed: Mutex<AgreedKeys>,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opener").field(&self.keys.keys()).finish()
    }
}

impl Opener {
    /// Opens with these keys: the current one and those before it.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = OpeningKey>) -> Self {
        Self {
            keys: keys.into_iter().map(|key| (key.id(), key)).collect(),
            agreed: Mutex::default(),
        }
    }

    /// Opens with the keys in these files.
    pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Self, KeyFileError> {
        let keys: Vec<OpeningKey> = paths
            .iter()
            .map(|path| OpeningKey::load(path.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(Self::new(keys))
    }

    /// The names of the keys it has.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.keys().copied()
    }

    /// Opens an envelope as the record it was made for.
    pub fn open(
        &self,
        envelope: &[u8],
        associated: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let parts = Parts::read(envelope)?;
        let wrapping = self.agreed_key(&parts)?;

        let mut wrapped = Zeroizing::new([0; DATA_KEY_BYTES + TAG_BYTES]);
        wrapped.copy_from_slice(parts.wrapped);
        let data_key = wrapping
            .open_in_place(
                nonce(parts.wrap_nonce),
                Aad::from(bound(*b"wrap", &envelope[..WRAP_NONCE_AT], associated)),
                wrapped.as_mut_slice(),
            )
            .map_err(|_| OpenError::Refused)?;

        let mut body = Zeroizing::new(parts.body.to_vec());
        let length = aes(data_key)
            .map_err(|_| OpenError::Refused)?
            .open_in_place(
                nonce(parts.body_nonce),
                Aad::from(bound(*b"body", &envelope[..BODY_AT], associated)),
                body.as_mut_slice(),
            )
            .map_err(|_| OpenError::Refused)?
            .len();
        body.truncate(length);
        Ok(body)
    }

    fn agreed_key(&self, parts: &Parts<'_>) -> Result<Arc<LessSafeKey>, OpenError> {
        let key = self
            .keys
            .get(&parts.key_id)
            .ok_or(OpenError::UnknownKey(parts.key_id))?;
        let at = (parts.key_id, parts.share);
        // A panic elsewhere cannot leave a half-written entry: taking the map over is safe.
        if let Some(known) = self
            .agreed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&at)
        {
            return Ok(Arc::clone(known));
        }
        let agreed = agreed_key(&key.private, &parts.share, &parts.share, key.sealing_key())
            .map(Arc::new)
            .map_err(|_| OpenError::Refused)?;
        let mut remembered = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= AGREED_KEYS_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(at, Arc::clone(&agreed));
        Ok(agreed)
    }
}

/// An envelope's parts, by their places.
struct Parts<'a> {
    key_id: KeyId,
    share: [u8; SHARE_BYTES],
    wrap_nonce: &'a [u8],
    wrapped: &'a [u8],
    body_nonce: &'a [u8],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, OpenError> {
        if bytes.get(..2) != Some(&MAGIC[..]) {
            return Err(OpenError::Malformed);
        }
        match bytes.get(2) {
            Some(&VERSION) => {}
            Some(&other) => return Err(OpenError::UnknownVersion(other)),
            None => return Err(OpenError::Malformed),
        }
        if bytes.len() < BODY_AT + TAG_BYTES
            || bytes.len() > BODY_AT + PLAINTEXT_MAX_BYTES + TAG_BYTES
        {
            return Err(OpenError::Malformed);
        }
        let mut key_id = [0; KEY_ID_BYTES];
        key_id.copy_from_slice(&bytes[KEY_ID_AT..SHARE_AT]);
        let mut share = [0; SHARE_BYTES];
        share.copy_from_slice(&bytes[SHARE_AT..WRAP_NONCE_AT]);
        Ok(Self {
            key_id: KeyId::from_bytes(key_id),
            share,
            wrap_nonce: &bytes[WRAP_NONCE_AT..WRAPPED_AT],
            wrapped: &bytes[WRAPPED_AT..BODY_NONCE_AT],
            body_nonce: &bytes[BODY_NONCE_AT..BODY_AT],
            body: &bytes[BODY_AT..],
        })
    }
}

/// The key that wraps data keys: agreed between the two, and bound to who they are.
fn agreed_key(
    mine: &PrivateKey,
    theirs: &[u8; SHARE_BYTES],
    share: &[u8; SHARE_BYTES],
    recipient: &SealingKey,
) -> Result<LessSafeKey, CryptoUnavailable> {
    agree(
        mine,
        UnparsedPublicKey::new(&X25519, theirs),
        CryptoUnavailable,
        |secret| {
            let mut key = Zeroizing::new([0; DATA_KEY_BYTES]);
            Salt::new(HKDF_SHA256, b"voorveld/seal/v1")
                .extract(secret)
                .expand(
                    &[b"wrap", recipient.id().as_bytes(), share, &recipient.public],
                    &AES_256_GCM,
                )?
                .fill(key.as_mut_slice())?;
            aes(key.as_slice())
        },
    )
}

fn aes(key: &[u8]) -> Result<LessSafeKey, CryptoUnavailable> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?))
}

fn nonce(bytes: &[u8]) -> Nonce {
    Nonce::try_assume_unique_for_key(bytes).expect("the places in an envelope hold twelve bytes")
}

/// What a layer is bound to: which layer, everything in the envelope before it, and the record. Framed by length.
fn bound(layer: [u8; 4], before: &[u8], associated: &[u8]) -> Vec<u8> {
    let mut aad = Vec::with_capacity(4 + 8 + before.len() + associated.len());
    aad.extend_from_slice(&layer);
    aad.extend_from_slice(&(before.len() as u64).to_be_bytes());
    aad.extend_from_slice(before);
    aad.extend_from_slice(associated);
    aad
}

#[cfg(test)]
mod tests;
