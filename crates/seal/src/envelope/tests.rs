//! What must hold of an envelope: nothing opens it but its key as its record, and nothing of it may change.

use proptest::prelude::*;

use super::*;
use crate::{IndexLabel, IndexSecret, SealingKey};

const RECORD: [u8; 16] = [7; 16];

/// Associated data as a caller makes it: a record and its revision.
fn identity_of(record: &[u8; 16], revision: u32) -> [u8; 20] {
    let mut identity = [0; 20];
    identity[..16].copy_from_slice(record);
    identity[16..].copy_from_slice(&revision.to_be_bytes());
    identity
}

fn pair() -> OpeningKey {
    OpeningKey::generate().unwrap()
}

fn opener(key: &OpeningKey) -> Opener {
    Opener::new([OpeningKey::from_text(&key.to_text()).unwrap()])
}

#[test]
fn what_was_sealed_opens_as_the_record_it_was_sealed_for() {
    let key = pair();
    let identity = identity_of(&RECORD, 1);
    let envelope = seal_identity(key.sealing_key(), &identity, b"invented person").unwrap();
    assert_eq!(
        opener(&key)
            .open(envelope.as_bytes(), &identity)
            .unwrap()
            .as_slice(),
        b"invented person"
    );
    assert_eq!(Envelope::key_id_of(envelope.as_bytes()), Ok(key.id()));
}

#[test]
fn every_flipped_bit_is_refused() {
    let key = pair();
    let identity = identity_of(&RECORD, 1);
    let envelope = seal_identity(key.sealing_key(), &identity, b"invented person").unwrap();
    let opener = opener(&key);
    for bit in 0..envelope.as_bytes().len() * 8 {
        let mut changed = envelope.as_bytes().to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(opener.open(&changed, &identity).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let key = pair();
    let envelope = seal_identity(key.sealing_key(), b"a", b"invented").unwrap();
    let opener = opener(&key);
    for length in 0..envelope.as_bytes().len() {
        assert!(opener.open(&envelope.as_bytes()[..length], b"a").is_err());
    }
    let mut longer = envelope.into_bytes();
    longer.push(0);
    assert_eq!(opener.open(&longer, b"a"), Err(OpenError::Refused));
}

#[test]
fn an_envelope_does_not_open_as_another_record_or_revision() {
    let key = pair();
    let sealed = seal_identity(key.sealing_key(), &identity_of(&RECORD, 1), b"invented").unwrap();
    let opener = opener(&key);
    for other in [identity_of(&RECORD, 2), identity_of(&[8; 16], 1)] {
        assert_eq!(
            opener.open(sealed.as_bytes(), &other),
            Err(OpenError::Refused)
        );
    }
    assert_eq!(opener.open(sealed.as_bytes(), b""), Err(OpenError::Refused));
}

#[test]
fn another_key_says_that_it_is_not_its_own() {
    let (mine, theirs) = (pair(), pair());
    let sealed = seal_identity(mine.sealing_key(), b"a", b"invented").unwrap();
    assert_eq!(
        opener(&theirs).open(sealed.as_bytes(), b"a"),
        Err(OpenError::UnknownKey(mine.id()))
    );
    // Renaming the key in the envelope does not help.
    let mut renamed = sealed.into_bytes();
    renamed[KEY_ID_AT..SHARE_AT].copy_from_slice(theirs.id().as_bytes());
    assert_eq!(
        Opener::new([mine, theirs]).open(&renamed, b"a"),
        Err(OpenError::Refused)
    );
}

#[test]
fn no_mixture_of_two_envelopes_of_one_request_opens() {
    let key = pair();
    let request = Sealer::new(key.sealing_key().clone())
        .for_request()
        .unwrap();
    // The same record and the same words: nothing but the keys and nonces differ.
    let one = request.seal(b"a", b"invented").unwrap().into_bytes();
    let two = request.seal(b"a", b"invented").unwrap().into_bytes();
    let other_request = seal_identity(key.sealing_key(), b"a", b"invented")
        .unwrap()
        .into_bytes();
    let opener = opener(&key);
    let places = [
        SHARE_AT..WRAP_NONCE_AT,
        WRAP_NONCE_AT..WRAPPED_AT,
        WRAPPED_AT..BODY_NONCE_AT,
        BODY_NONCE_AT..BODY_AT,
        BODY_AT..one.len(),
    ];
    for from in [&two, &other_request] {
        // Every non-trivial choice of parts from the one or the other.
        for choice in 1..(1_u32 << places.len()) - 1 {
            let mut mixed = one.clone();
            for (index, place) in places.iter().enumerate() {
                if choice & (1 << index) != 0 {
                    mixed[place.clone()].copy_from_slice(&from[place.clone()]);
                }
            }
            if &mixed == from || mixed == one {
                continue;
            }
            assert_eq!(
                opener.open(&mixed, b"a"),
                Err(OpenError::Refused),
                "{choice:05b}"
            );
        }
    }
}

#[test]
fn everything_the_gateway_is_given_cannot_open_what_it_sealed() {
    // A gateway is given the public key file and the index keys for references and digests.
    let resolver = pair();
    let public_file = resolver.sealing_key().to_text();
    let secret = IndexSecret::generate().unwrap();
    let key_files = [
        public_file.clone(),
        secret.key(IndexLabel::References).to_text().to_string(),
        secret.key(IndexLabel::Digests).to_text().to_string(),
    ];
    let sealing = SealingKey::from_text(&public_file).unwrap();
    let request = Sealer::new(sealing.clone()).for_request().unwrap();
    let sealed = request.seal(b"a", b"invented").unwrap();

    // None of its files is an opening key.
    for file in &key_files {
        assert!(OpeningKey::from_text(file).is_err());
    }
    // And none of its keys, forced into the shape of one, opens: as private key, under the name of the right one.
    for file in &key_files {
        let line = file.lines().last().unwrap();
        let forged = format!(
            "voorveld opening key v1 (private: only for resolver and outreach)\nid: {}\n{line}\n",
            sealing.id()
        );
        assert!(OpeningKey::from_text(&forged).is_err());
        let guess = forged_pair(line);
        assert!(Opener::new([guess]).open(sealed.as_bytes(), b"a").is_err());
    }
    // The resolver opens it.
    assert!(opener(&resolver).open(sealed.as_bytes(), b"a").is_ok());
}

/// An opening key made of any 32 bytes, under the name that belongs to it.
fn forged_pair(key_line: &str) -> OpeningKey {
    let title = "voorveld opening key v1 (private: only for resolver and outreach)";
    let own = OpeningKey::from_seed_line(key_line);
    OpeningKey::from_text(&format!("{title}\nid: {}\n{key_line}\n", own.id())).unwrap()
}

#[test]
fn an_unknown_version_is_told_apart_from_a_broken_envelope() {
    let key = pair();
    let mut sealed = seal_identity(key.sealing_key(), b"a", b"x")
        .unwrap()
        .into_bytes();
    sealed[2] = 9;
    assert_eq!(
        opener(&key).open(&sealed, b"a"),
        Err(OpenError::UnknownVersion(9))
    );
    assert_eq!(opener(&key).open(b"{}", b"a"), Err(OpenError::Malformed));
}

#[test]
fn a_share_of_small_order_is_refused() {
    let key = pair();
    let mut sealed = seal_identity(key.sealing_key(), b"a", b"x")
        .unwrap()
        .into_bytes();
    sealed[SHARE_AT..WRAP_NONCE_AT].fill(0);
    assert_eq!(opener(&key).open(&sealed, b"a"), Err(OpenError::Refused));
}

#[test]
fn nothing_is_printed_but_names_and_sizes() {
    let key = pair();
    let request = Sealer::new(key.sealing_key().clone())
        .for_request()
        .unwrap();
    let sealed = request.seal(b"a", b"invented").unwrap();
    assert_eq!(
        format!("{sealed:?}"),
        format!("Envelope({} bytes)", BODY_AT + 8 + TAG_BYTES)
    );
    assert_eq!(
        format!("{request:?}"),
        format!("RequestSealer({}, …)", key.id())
    );
    assert_eq!(
        format!("{:?}", opener(&key)),
        format!("Opener([{}])", key.id())
    );
}

#[test]
fn too_much_does_not_fit() {
    let key = pair();
    let long = vec![0; PLAINTEXT_MAX_BYTES + 1];
    assert_eq!(
        seal_identity(key.sealing_key(), b"a", &long),
        Err(SealError::TooLong)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_sealed_opens_and_shows_nothing(
        plaintexts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8),
        associated in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let key = pair();
        let request = Sealer::new(key.sealing_key().clone()).for_request().unwrap();
        let opener = opener(&key);
        let mut nonces = std::collections::BTreeSet::new();
        for plaintext in &plaintexts {
            let sealed = request.seal(&associated, plaintext).unwrap();
            let opened = opener.open(sealed.as_bytes(), &associated).unwrap();
            prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
            prop_assert!(nonces.insert(sealed.as_bytes()[WRAP_NONCE_AT..WRAPPED_AT].to_vec()));
            if plaintext.len() > 8 {
                let shown = sealed.as_bytes().windows(plaintext.len()).any(|part| part == plaintext.as_slice());
                prop_assert!(!shown);
            }
        }
    }
}
