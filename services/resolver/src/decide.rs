//! One signal's filing, decided. Pure: what is known goes in, a filing and its records come out.

use jiff::civil::Date;
use voorveld_domain::{AreaId, DebtorId, HouseholdId, MunicipalityCode, SignalId};
use voorveld_linkage::{NORMALISER_VERSION, NormalAddress};
use voorveld_seal::BlindIndexKey;
use voorveld_store::homes::{Home, NewHome};
use voorveld_store::households::IndexVersion;
use voorveld_wire::signal_v1::{Received, Resolved, VERSION};

/// Why a signal has no household; the codes are shown in the queue.
pub(crate) mod unplaced {
    /// Neither postcode nor house number: waits for a registry or a colleague.
    pub const NO_ADDRESS: &str = "no_address";
    /// What is written there is no address.
    pub const BAD_ADDRESS: &str = "bad_address";
    /// An excluded address, and nobody known is named (K14).
    pub const EXCLUDED_ADDRESS: &str = "excluded_address";
    /// Whom it names is too old for it to be kept (Jeugdwet art. 7.1.4.5): it is about to be erased and waits for nobody.
    pub const PAST_AGE: &str = "past_age";
    /// Taken back before it was ever placed.
    pub const NEVER_PLACED: &str = "never_placed";
}

/// Where an identity points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A household.
    Household(HouseholdId),
    /// None, for this reason.
    Nowhere(&'static str),
}

/// The keyed address: municipality and canonical address under the index key.
#[must_use]
pub fn address_key(
    index: &BlindIndexKey,
    municipality: &MunicipalityCode,
    address: &NormalAddress,
) -> [u8; 32] {
    index.index(&[
        municipality.as_str().as_bytes(),
        address.expose_key().as_bytes(),
    ])
}

/// The keyed household of one at an excluded address (K14).
pub(crate) fn lone_key(index: &BlindIndexKey, address: &[u8; 32], debtor: DebtorId) -> [u8; 32] {
    index.index(&[address, debtor.uuid().as_bytes()])
}

/// Under which key and normaliser an index was made.
pub(crate) fn version(index: &BlindIndexKey) -> IndexVersion {
    IndexVersion {
        key_id: index.id().to_string(),
        normaliser: i32::from(NORMALISER_VERSION),
    }
}

/// What is to be decided on.
pub(crate) struct Case<'a> {
    pub received: &'a Received,
    pub partition: i32,
    pub request_id: Option<&'a str>,
    /// Where the identity points; unused on a withdrawal.
    pub place: Place,
    pub debtor: Option<DebtorId>,
    pub area: Option<AreaId>,
    /// The day on which whom it names is too old.
    pub ends_on: Option<Date>,
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Outcome {
    Placed,
    Moved,
    Withdrawn,
    Unplaced,
    Repeated,
}

impl Outcome {
    pub const fn code(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Moved => "moved",
            Self::Withdrawn => "withdrawn",
            Self::Unplaced => "unplaced",
            Self::Repeated => "repeated",
        }
    }
}

/// Decides one filing (S3). `None` when the record says nothing new.
pub(crate) fn decide(
    case: &Case<'_>,
    known: Option<&Home>,
) -> (Outcome, Option<(NewHome, Vec<Resolved>)>) {
    let received = case.received;
    let asked_again = known.is_some_and(|home| {
        received.again
            && home.revision == received.revision
            && home.household.is_none()
            && !home.withdrawn
    });
    if known.is_some_and(|home| received.revision <= home.revision) && !asked_again {
        return (Outcome::Repeated, None);
    }
    let before = known.and_then(|home| home.household);
    let withdrawn = received.withdrawn.is_some();
    let (household, unplaced_reason) = if withdrawn {
        (before, before.is_none().then_some(unplaced::NEVER_PLACED))
    } else {
        match case.place {
            Place::Household(household) => (Some(household), None),
            Place::Nowhere(reason) => (None, Some(reason)),
        }
    };
    if asked_again && household.is_none() {
        return (Outcome::Repeated, None);
    }
    let moved = before.is_some() && before != household;
    let filing = known.map_or(1, |home| {
        if home.household == household {
            home.filing
        } else {
            home.filing + 1
        }
    });
    let resolved = |household: HouseholdId, lives_here: bool| Resolved {
        v: VERSION,
        signal: received.signal,
        revision: received.revision,
        filing,
        household: household.uuid(),
        lives_here,
        municipality: received.municipality.clone(),
        partner: received.partner.clone(),
        kind: received.kind.clone(),
        first_received_at: received.first_received_at,
        received_at: received.received_at,
        content: received.content.clone().filter(|_| lives_here),
        debtor: case
            .debtor
            .map(DebtorId::uuid)
            .filter(|_| lives_here && !withdrawn),
        area: case
            .area
            .as_ref()
            .map(ToString::to_string)
            .filter(|_| lives_here && !withdrawn),
        objected: false,
        withdrawn,
    };
    let mut records = Vec::new();
    if let Some(household) = household {
        records.push(resolved(household, true));
    }
    if let Some(left) = before.filter(|_| moved) {
        records.push(resolved(left, false));
    }
    // It waits for no household, and nobody is to see it in a queue.
    let is_over = unplaced_reason == Some(unplaced::PAST_AGE);
    // What to try again with, once there is an address (I2). The envelope is kept apart.
    let again = if withdrawn || is_over || household.is_some() {
        None
    } else {
        serde_json::to_value(Received {
            sealed: None,
            ..received.clone()
        })
        .ok()
    };
    let outcome = match (withdrawn, moved, household) {
        (true, ..) => Outcome::Withdrawn,
        (_, true, _) => Outcome::Moved,
        (.., None) => Outcome::Unplaced,
        (.., Some(_)) => Outcome::Placed,
    };
    let home = NewHome {
        signal: SignalId::from_uuid(received.signal),
        home: Home {
            revision: received.revision,
            filing,
            household,
            withdrawn: withdrawn || is_over,
        },
        before: before.filter(|_| moved),
        unplaced_reason,
        municipality: received.municipality.clone(),
        partner: received.partner.clone(),
        kind: received.kind.clone(),
        again,
        partition: case.partition,
        received_at: received.received_at,
        ends_on: case.ends_on,
    };
    (outcome, Some((home, records)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use uuid::Uuid;
    use voorveld_wire::signal_v1::Content;

    fn received(revision: u32, withdrawn: bool) -> Received {
        Received {
            v: VERSION,
            signal: Uuid::from_u128(1),
            revision,
            municipality: "0518".into(),
            partner: "woonstede".into(),
            kind: "rent_arrears".into(),
            first_received_at: Timestamp::UNIX_EPOCH,
            received_at: Timestamp::UNIX_EPOCH,
            content: (!withdrawn).then(|| Content {
                partner_type: "rent".into(),
                domain: "debt".into(),
                event_date: jiff::civil::date(2026, 1, 5),
                arisen_on: None,
                age_unknown: true,
                amount_cents: Some(45_000),
                crisis: false,
                warm_handover: false,
                supply_ends_on: None,
                fields: std::collections::BTreeMap::new(),
            }),
            sealed: (!withdrawn).then(|| "sealed".into()),
            withdrawn: withdrawn.then(|| "paid".into()),
            again: false,
        }
    }

    fn home(revision: u32, filing: u32, household: Option<u128>, withdrawn: bool) -> Home {
        Home {
            revision,
            filing,
            household: household.map(|raw| HouseholdId::from_uuid(Uuid::from_u128(raw))),
            withdrawn,
        }
    }

    /// Says what was decided: outcome, filing, and the records as `+household` (lives here) or `-household` (moved away).
    fn says(received: &Received, place: Option<u128>, known: Option<&Home>) -> String {
        let case = Case {
            received,
            partition: 0,
            request_id: None,
            place: place.map_or(Place::Nowhere(unplaced::NO_ADDRESS), |raw| {
                Place::Household(HouseholdId::from_uuid(Uuid::from_u128(raw)))
            }),
            debtor: None,
            area: None,
            ends_on: None,
        };
        let (outcome, decided) = decide(&case, known);
        let Some((new, records)) = decided else {
            return outcome.code().to_owned();
        };
        let records: Vec<String> = records
            .iter()
            .map(|record| {
                format!(
                    "{}{}",
                    if record.lives_here { '+' } else { '-' },
                    record.household.as_u128()
                )
            })
            .collect();
        format!(
            "{} filing {} {}",
            outcome.code(),
            new.home.filing,
            records.join(" ")
        )
    }

    #[test]
    fn each_case_of_filing_has_one_answer() {
        let at_a = home(1, 1, Some(10), false);
        let nowhere = home(1, 1, None, false);
        for (name, got, expected) in [
            (
                "first sight",
                says(&received(1, false), Some(10), None),
                "placed filing 1 +10",
            ),
            (
                "no address",
                says(&received(1, false), None, None),
                "unplaced filing 1 ",
            ),
            (
                "repeat",
                says(&received(1, false), Some(10), Some(&at_a)),
                "repeated",
            ),
            (
                "older",
                says(
                    &received(1, false),
                    Some(11),
                    Some(&home(2, 1, Some(10), false)),
                ),
                "repeated",
            ),
            (
                "same home",
                says(&received(2, false), Some(10), Some(&at_a)),
                "placed filing 1 +10",
            ),
            (
                "moves",
                says(&received(2, false), Some(11), Some(&at_a)),
                "moved filing 2 +11 -10",
            ),
            (
                "loses its address",
                says(&received(2, false), None, Some(&at_a)),
                "moved filing 2 -10",
            ),
            (
                "finds one",
                says(&received(2, false), Some(10), Some(&nowhere)),
                "placed filing 2 +10",
            ),
            (
                "withdrawn",
                says(&received(2, true), None, Some(&at_a)),
                "withdrawn filing 1 +10",
            ),
            (
                "withdrawn, never placed",
                says(&received(2, true), None, Some(&nowhere)),
                "withdrawn filing 1 ",
            ),
        ] {
            assert_eq!(got, expected, "{name}");
        }
    }

    #[test]
    fn asking_again_is_heeded_only_while_unplaced() {
        let again = Received {
            again: true,
            ..received(1, false)
        };
        assert_eq!(
            says(&again, Some(10), Some(&home(1, 1, None, false))),
            "placed filing 2 +10"
        );
        assert_eq!(
            says(&again, Some(11), Some(&home(1, 2, Some(10), false))),
            "repeated"
        );
        assert_eq!(
            says(&again, None, Some(&home(1, 1, None, false))),
            "repeated"
        );
        assert_eq!(
            says(&again, Some(10), Some(&home(2, 1, None, true))),
            "repeated"
        );
    }
}
