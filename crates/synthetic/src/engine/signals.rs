//! A load for the engine: so many signals of so many households, in order of receipt. Some come late, some are corrected or taken back.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;
use voorveld_detect::{Decimal, FieldValue, Signal};
use voorveld_domain::{
    Cents, FieldName, Filing, KindId, PartnerId, PartnerType, Presence, Revision, SignalDomain,
    SignalId, Standing,
};

use crate::Dice;

/// Streams of dice from here on are signals of a load.
const STREAM: u64 = 1 << 43;
/// And from here on, corrections of them.
const CORRECTIONS: u64 = 1 << 44;
/// The day of the first one.
const FIRST_DAY: Date = Date::constant(2024, 1, 1);
/// Over how many days they are spread: a year, and the month after in which the last ones come in.
const DAYS: u64 = 396;
/// One in so many comes late.
const LATE: u32 = 20;
/// At most so many days.
const LATEST_DAYS: u32 = 60;
/// One record in so many is a new revision of an earlier signal, by at most so many records.
const CORRECTED: u32 = 40;
const CORRECTED_WITHIN: u32 = 50_000;

/// Kind, type of partner, and how many in a hundred.
pub(super) const KINDS: [(&str, PartnerType, u32); 8] = [
    ("rent_arrears", PartnerType::Rent, 28),
    ("energy_arrears", PartnerType::Energy, 24),
    ("water_arrears", PartnerType::Water, 12),
    ("health_insurance_arrears", PartnerType::HealthInsurance, 22),
    (
        "cak_health_insurance_arrears",
        PartnerType::CakHealthInsurance,
        8,
    ),
    ("eviction_notice", PartnerType::Rent, 2),
    ("supply_end_notice", PartnerType::Energy, 3),
    ("health_insurance_end", PartnerType::HealthInsurance, 1),
];

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// The same seed gives the same signals.
    pub seed: u64,
    /// How many records.
    pub signals: u32,
    /// Of how many households, at most.
    pub households: u32,
}

/// A signal of a household as it comes in.
#[derive(Debug, Clone)]
pub struct Record {
    /// The number of the household, from zero.
    pub household: u32,
    /// The day on which it came in.
    pub day: Date,
    /// The signal.
    pub signal: Signal,
}

/// Everything that is read from text, read once.
struct Words {
    kinds: Vec<(KindId, [PartnerId; 2])>,
    weights: Vec<u32>,
    domain: SignalDomain,
    rent: FieldName,
}

impl Load {
    /// The records, in order of receipt.
    pub fn records(&self) -> impl Iterator<Item = Record> + use<> {
        let words = Words {
            kinds: KINDS
                .iter()
                .map(|(kind, partner_type, _)| {
                    let partner = |which| {
                        let name = partner_type.code().replace('_', "-");
                        format!("{name}-{which}").parse().expect("a literal slug")
                    };
                    (
                        kind.parse().expect("a literal slug"),
                        [partner("a"), partner("b")],
                    )
                })
                .collect(),
            weights: KINDS.iter().map(|(_, _, weight)| *weight).collect(),
            domain: "debt".parse().expect("a literal slug"),
            rent: "monthly_rent".parse().expect("a literal slug"),
        };
        let load = *self;
        (0..load.signals).map(move |number| load.record(number, &words))
    }

    fn day(&self, number: u32) -> Date {
        let day = u64::from(number) * DAYS / u64::from(self.signals.max(1));
        FIRST_DAY.saturating_add(i64::try_from(day).expect("few days").days())
    }

    fn record(&self, number: u32, words: &Words) -> Record {
        let mut dice = Dice::new(self.seed, STREAM + u64::from(number));
        if 0 < number && dice.below(CORRECTED) == 0 {
            let back = 1 + dice.below(CORRECTED_WITHIN.min(number));
            let mut record = self.record(number - back, words);
            let signal = &mut record.signal;
            signal.revision = signal.revision.next();
            // What a revision says goes with its number: two second revisions of one signal are one, sent twice.
            let stream = u64::from(number_of(signal.id)) * 64 + u64::from(signal.revision.get());
            let mut dice = Dice::new(self.seed, CORRECTIONS + stream);
            match dice.below(4) {
                0 => signal.standing = Standing::Withdrawn,
                1 => {
                    signal.filing = signal.filing.next();
                    signal.presence = Presence::MovedAway;
                }
                _ => signal.amount = amount(&mut dice),
            }
            record.day = self.day(number);
            signal.received_at = noon(record.day);
            return record;
        }
        let household = dice.below(self.households);
        let which = dice.weighted(&words.weights);
        let (kind, partners) = &words.kinds[which];
        let day = self.day(number);
        let event_date = if dice.below(LATE) == 0 {
            day.saturating_sub(i64::from(dice.between(1, LATEST_DAYS)).days())
        } else {
            day
        };
        let mut fields = BTreeMap::new();
        if KINDS[which].0 == "rent_arrears" && dice.chance(500) {
            let rent = i64::from(dice.between(90, 900)) * 1_000;
            fields.insert(
                words.rent.clone(),
                FieldValue::Number(Decimal::from_thousandths(rent)),
            );
        }
        let signal = Signal {
            revision: Revision::FIRST,
            filing: Filing::FIRST,
            presence: Presence::LivesHere,
            standing: Standing::Counted,
            id: id_of(number),
            partner: dice.pick(partners).clone(),
            partner_type: KINDS[which].1,
            kind: kind.clone(),
            domain: words.domain.clone(),
            event_date,
            first_received_at: noon(day),
            received_at: noon(day),
            amount: amount(&mut dice),
            crisis: dice.chance(10),
            warm_handover: dice.chance(10),
            supply_ends_on: (KINDS[which].0 == "supply_end_notice")
                .then(|| event_date.saturating_add(30.days())),
            debtor: None,
            fields,
        };
        Record {
            household,
            day,
            signal,
        }
    }
}

fn amount(dice: &mut Dice) -> Option<Cents> {
    let cents = i64::from(dice.between(2_000, 90_000));
    (!dice.chance(100)).then(|| Cents::try_from(cents).expect("within what arrears can be"))
}

fn noon(day: Date) -> Timestamp {
    day.at(12, 0, 0, 0)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .expect("a day of these years")
        .timestamp()
}

/// Ids go up with first receipt, as those of the gateway do (S1).
fn id_of(number: u32) -> SignalId {
    SignalId::from_uuid(Uuid::from_u128(u128::from(number) + 1))
}

pub(super) fn number_of(id: SignalId) -> u32 {
    u32::try_from(id.uuid().as_u128() - 1).expect("made of a number")
}
