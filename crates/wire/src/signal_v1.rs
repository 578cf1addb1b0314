//! The two internal topics: `signals.received` and `signals.resolved`, version 1.
//!
//! Keys carry no personal value: `signals.received` is keyed by the signal's id (its revisions stay in order although a correction may change the
//! address), `signals.resolved` by the household's random id. A reader that meets a version it does not know stops its partition, since
//! another release will understand it; a known version that does not parse is poison and goes to the dead letters.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Topic between gateway and resolver.
pub const RECEIVED_TOPIC: &str = "signals.received";
/// Topic between resolver and correlator.
pub const RESOLVED_TOPIC: &str = "signals.resolved";
/// The version both records carry in `v`.
pub const VERSION: u32 = 1;

/// What a signal says, without whom it is about. Codes are those of `domain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// Official partner type code, e.g. `rent`.
    pub partner_type: String,
    /// Subject area of the kind, e.g. `debt`.
    pub domain: String,
    /// T1: the civil date in Amsterdam that the signal is about.
    pub event_date: Date,
    /// When the arrears arose; serves only the intake age (S6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arisen_on: Option<Date>,
    /// S6: accepted although the age could not be checked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub age_unknown: bool,
    /// Whole euro cents, above zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_cents: Option<u32>,
    /// A threatening situation by the partner's word.
    #[serde(default, skip_serializing_if = "is_false")]
    pub crisis: bool,
    /// The partner hands over in person.
    #[serde(default, skip_serializing_if = "is_false")]
    pub warm_handover: bool,
    /// When supply ends, for an end-of-supply notice (M7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supply_ends_on: Option<Date>,
    /// The kind's own fields (S8).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldValue>,
}

/// The value of a kind's own field: numbers, dates, booleans and code lists, never free text (S8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldValue {
    /// A number in thousandths of the unit that the kind names: three decimals, exact.
    Number(i64),
    /// A civil date.
    Date(Date),
    /// Yes or no.
    Boolean(bool),
    /// A code of the field's list.
    Code(String),
}

/// One revision of a signal as the gateway received it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// [`VERSION`].
    pub v: u32,
    /// The signal (S1).
    pub signal: Uuid,
    /// From 1 (S2).
    pub revision: u32,
    /// CBS code.
    pub municipality: String,
    /// Who pushed it.
    pub partner: String,
    /// What kind of signal.
    pub kind: String,
    /// First receipt of the signal; deadlines count from here (T5).
    pub first_received_at: Timestamp,
    /// Receipt of this revision: knowledge time (T1).
    pub received_at: Timestamp,
    /// What it says; absent on a withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The sealed identity, base64; absent on a withdrawal. Associated data: [`seal_context`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// Reason code when this revision takes the signal back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// A colleague asks to decide once more where this revision lives (a corrected address, a mended normaliser). Heeded only while the
    /// signal is unplaced, so that asking twice is asking once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub again: bool,
}

/// One filing of a revision, as the resolver decided it (S3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// [`VERSION`].
    pub v: u32,
    /// The signal.
    pub signal: Uuid,
    /// Its revision.
    pub revision: u32,
    /// Its filing, from 1.
    pub filing: u32,
    /// The household this record is about.
    pub household: Uuid,
    /// False: it has moved away from this household.
    pub lives_here: bool,
    /// CBS code.
    pub municipality: String,
    /// Who pushed it.
    pub partner: String,
    /// What kind of signal.
    pub kind: String,
    /// First receipt of the signal.
    pub first_received_at: Timestamp,
    /// Knowledge time of the revision.
    pub received_at: Timestamp,
    /// What it says; absent on a withdrawal or when it moved away: what is known stays known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The person it names, as far as people can be told apart (S7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debtor: Option<Uuid>,
    /// Where tasks about this household go; absent where `content` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Whether the person or household objected (AVG art. 21).
    #[serde(default, skip_serializing_if = "is_false")]
    pub objected: bool,
    /// Whether the partner took it back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub withdrawn: bool,
}

/// The identity inside the envelope: what `domain::Identity` says, as JSON.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedIdentity {
    /// Nine digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bsn: Option<String>,
    /// Initials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initials: Option<String>,
    /// Prefix of the family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surname: Option<String>,
    /// Birth date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<Date>,
    /// Street.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// Postcode as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postcode: Option<String>,
    /// House number as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub house_number: Option<String>,
    /// Letter and suffix as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub town: Option<String>,
    /// The partner's own reference, so that a colleague can name the file to the partner. Nowhere else in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl std::fmt::Debug for SealedIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl SealedIdentity {
    /// What goes into the envelope.
    #[must_use]
    pub fn of(identity: &voorveld_domain::Identity, reference: Option<&str>) -> Self {
        Self {
            bsn: identity.bsn.as_ref().map(|bsn| bsn.expose().to_owned()),
            initials: identity.name.initials.clone(),
            prefix: identity.name.prefix.clone(),
            surname: identity.name.surname.clone(),
            birth_date: identity.birth_date,
            street: identity.address.street.clone(),
            postcode: identity.address.postcode.clone(),
            house_number: identity.address.house_number.clone(),
            suffix: identity.address.suffix.clone(),
            town: identity.address.town.clone(),
            reference: reference.map(str::to_owned),
        }
    }

    /// What came out of it. A BSN that is no BSN is left out: the gateway has checked it once.
    #[must_use]
    pub fn identity(&self) -> voorveld_domain::Identity {
        voorveld_domain::Identity {
            bsn: self
                .bsn
                .as_deref()
                .and_then(|raw| voorveld_domain::Bsn::parse(raw).ok()),
            name: voorveld_domain::PersonName {
                initials: self.initials.clone(),
                prefix: self.prefix.clone(),
                surname: self.surname.clone(),
            },
            birth_date: self.birth_date,
            address: voorveld_domain::Address {
                street: self.street.clone(),
                postcode: self.postcode.clone(),
                house_number: self.house_number.clone(),
                suffix: self.suffix.clone(),
                town: self.town.clone(),
            },
        }
    }
}

/// The associated data that ties an envelope to its record: signal and revision, 20 bytes. An envelope moved to another record does not open.
#[must_use]
pub fn seal_context(signal: Uuid, revision: u32) -> [u8; 20] {
    let mut context = [0; 20];
    context[..16].copy_from_slice(signal.as_bytes());
    context[16..].copy_from_slice(&revision.to_be_bytes());
    context
}

/// The key of a signal's records in [`RECEIVED_TOPIC`]: its id as text.
#[must_use]
pub fn signal_key(signal: Uuid) -> Vec<u8> {
    signal.to_string().into_bytes()
}

/// The key of a household's records in [`RESOLVED_TOPIC`]: its id as text. Also decides whose wake-ups are its own.
#[must_use]
pub fn household_key(household: Uuid) -> Vec<u8> {
    household.to_string().into_bytes()
}

/// Why bytes from the log are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Another release wrote it: stop the partition, do not skip.
    #[error("wire version {0} is not known to this release")]
    UnknownVersion(u32),
    /// A known version that does not parse: poison.
    #[error("not a record of version {VERSION}")]
    Unreadable,
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// A NUL as JSON writes it. No code has one and PostgreSQL's texts cannot hold it.
const NUL: &[u8] = b"\\u0000";
/// Years in which our dates lie. Outside them neither the database nor calendar arithmetic is at home.
pub const OUR_TIME: std::ops::Range<i16> = 1900..2200;

fn is_number(raw: u32) -> bool {
    (1..=i32::MAX.unsigned_abs()).contains(&raw)
}

fn is_our_time(at: Timestamp) -> bool {
    is_our_day(at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// Whether a day is one that a record may carry. Who writes records asks this first: what lies outside is poison to who reads them.
#[must_use]
pub fn is_our_day(day: Date) -> bool {
    OUR_TIME.contains(&day.year())
}

impl Content {
    fn is_of_our_time(&self) -> bool {
        [Some(self.event_date), self.arisen_on, self.supply_ends_on]
            .into_iter()
            .flatten()
            .all(is_our_day)
    }
}

fn read<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    version_of: fn(&T) -> u32,
) -> Result<T, ReadError> {
    let read = serde_json::from_slice(bytes);
    let version = match &read {
        Ok(record) => version_of(record),
        // What another release wrote need not look like ours.
        Err(_) => match serde_json::from_slice(bytes) {
            Ok(Versioned { v }) => v,
            Err(_) => return Err(ReadError::Unreadable),
        },
    };
    if version != VERSION {
        return Err(ReadError::UnknownVersion(version));
    }
    // Few records have anything that JSON escapes.
    let has_nul = || bytes.windows(NUL.len()).any(|window| window == NUL);
    read.ok()
        .filter(|_| !(bytes.contains(&b'\\') && has_nul()))
        .ok_or(ReadError::Unreadable)
}

impl Received {
    /// Reads a record of `signals.received`.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let record: Self = read(bytes, |record: &Self| record.v)?;
        // A withdrawal says nothing new and seals nothing; everything else does both.
        let consistent = is_number(record.revision)
            && [record.first_received_at, record.received_at]
                .into_iter()
                .all(is_our_time)
            && record.content.as_ref().is_none_or(Content::is_of_our_time)
            && record.withdrawn.is_some() == record.content.is_none()
            && record.content.is_some() == record.sealed.is_some();
        if consistent {
            Ok(record)
        } else {
            Err(ReadError::Unreadable)
        }
    }

    /// The bytes for the log.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record of plain values is JSON")
    }
}

impl Resolved {
    /// Reads a record of `signals.resolved`.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let record: Self = read(bytes, |record: &Self| record.v)?;
        let consistent = is_number(record.revision)
            && is_number(record.filing)
            && [record.first_received_at, record.received_at]
                .into_iter()
                .all(is_our_time)
            && record.content.as_ref().is_none_or(Content::is_of_our_time);
        if consistent {
            Ok(record)
        } else {
            Err(ReadError::Unreadable)
        }
    }

    /// The bytes for the log.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record of plain values is JSON")
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received() -> Received {
        Received {
            v: VERSION,
            signal: Uuid::from_u128(7),
            revision: 1,
            municipality: "0518".into(),
            partner: "woonstede".into(),
            kind: "rent_arrears".into(),
            first_received_at: Timestamp::UNIX_EPOCH,
            received_at: Timestamp::UNIX_EPOCH,
            content: None,
            sealed: None,
            withdrawn: Some("paid".into()),
            again: false,
        }
    }

    #[test]
    fn a_record_reads_back_and_tolerates_what_a_later_release_adds() {
        let mut json: serde_json::Value =
            serde_json::from_slice(&received().write()).expect("JSON");
        json["addedLater"] = 1.into();
        assert_eq!(Received::read(json.to_string().as_bytes()), Ok(received()));
    }

    #[test]
    fn another_version_stops_and_nonsense_is_poison() {
        let mut later = received();
        later.v = 2;
        assert_eq!(
            Received::read(&later.write()),
            Err(ReadError::UnknownVersion(2))
        );
        for bytes in [&b"{"[..], b"null", b"{\"v\":1}", b"\xff"] {
            assert_eq!(Received::read(bytes), Err(ReadError::Unreadable));
        }
        let far = Received {
            received_at: Timestamp::MIN,
            ..received()
        };
        assert_eq!(Received::read(&far.write()), Err(ReadError::Unreadable));
        let nul = Received {
            partner: "a\0".into(),
            ..received()
        };
        assert_eq!(Received::read(&nul.write()), Err(ReadError::Unreadable));
        let many = Received {
            revision: u32::MAX,
            ..received()
        };
        assert_eq!(Received::read(&many.write()), Err(ReadError::Unreadable));
        let mut both = received();
        both.withdrawn = None;
        assert_eq!(Received::read(&both.write()), Err(ReadError::Unreadable));
    }

    #[test]
    fn an_identity_survives_the_envelope() {
        let sealed = SealedIdentity {
            surname: Some("Voorbeeld".into()),
            postcode: Some("1234 AB".into()),
            ..SealedIdentity::default()
        };
        assert_eq!(SealedIdentity::of(&sealed.identity(), None), sealed);
        assert_eq!(format!("{sealed:?}"), "…");
    }
}
