//! Records of `signals.resolved` that nobody sent: so many signals of so many households over a year, in one of a few manners of coming in.
//!
//! A record follows from the seed and its number, so that the same numbers give the same log.

use std::ops::Range;

use bytes::Bytes;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use uuid::{Builder, Uuid};
use voorveld_bus::{Log, Outgoing};
use voorveld_domain::MunicipalityCode;
use voorveld_synthetic::Dice;
use voorveld_wire::signal_v1::{Content, RESOLVED_TOPIC, Resolved, VERSION, household_key};

use crate::cli::BenchProfile;

/// Streams of dice from here on are records, corrections, signals' ids, households' ids and their residents'.
const RECORDS: u64 = 1 << 45;
const CORRECTIONS: u64 = 1 << 46;
const SIGNAL_IDS: u64 = 1 << 47;
const HOUSEHOLD_IDS: u64 = 1 << 48;
const RESIDENT_IDS: u64 = 1 << 49;
/// Over how many days they are spread.
const DAYS: u32 = 365;
/// How late a shuffled signal, and one of a monthly burst, is at most.
const SHUFFLED_DAYS: u32 = 30;
const BURST_DAYS: u32 = 90;
/// One record in so many corrects, takes back or moves an earlier one, by at most so many records.
const CORRECTED: u32 = 10;
const CORRECTED_WITHIN: u32 = 50_000;
/// Signals of the institution.
const INSTITUTION: u32 = 5_000;
/// In thousandths: signals that name one of two residents.
const NAMED: u32 = 900;
/// Signals that came with one request, as a chunk of a file does.
const PER_REQUEST: u32 = 1_000;
/// Records appended at a time.
const CHUNK: u32 = 20_000;
const AREAS: [&str; 4] = ["noord", "oost", "zuid", "west"];
/// Kind, type of partner, and how many in a hundred.
const KINDS: [(&str, &str, u32); 8] = [
    ("rent_arrears", "rent", 28),
    ("energy_arrears", "energy", 24),
    ("water_arrears", "water", 12),
    ("health_insurance_arrears", "health_insurance", 22),
    ("cak_health_insurance_arrears", "cak_health_insurance", 8),
    ("eviction_notice", "rent", 2),
    ("supply_end_notice", "energy", 3),
    ("health_insurance_end", "health_insurance", 1),
];

/// What to make.
#[derive(Debug, Clone)]
pub struct Load {
    /// The same seed gives the same records.
    pub seed: u64,
    /// How many records.
    pub signals: u32,
    /// Of how many households, at most.
    pub households: u32,
    /// In which manner they come in.
    pub profile: BenchProfile,
    /// Whose they are.
    pub municipality: MunicipalityCode,
    /// The last day on which one comes in.
    pub until: Date,
}

impl Load {
    /// The record of a number below [`Load::signals`].
    #[must_use]
    pub fn record(&self, number: u32) -> Resolved {
        let mut dice = Dice::new(self.seed, RECORDS + u64::from(number));
        if self.profile == BenchProfile::Corrections && 0 < number && dice.below(CORRECTED) == 0 {
            return self.correction(number, &mut dice);
        }
        let household = self.household(number, &mut dice);
        let (kind, partner_type, _) = KINDS[dice.weighted(&KINDS.map(|(.., weight)| weight))];
        let came = self.day_of(number);
        let (came, event_date) = match self.profile {
            BenchProfile::Shuffled => (came, days_before(came, dice.between(0, SHUFFLED_DAYS))),
            BenchProfile::Bursts => {
                let burst = came.last_of_month().min(self.until);
                (burst, days_before(burst, dice.between(0, BURST_DAYS)))
            }
            _ => (came, came),
        };
        let received_at = instant(came, number);
        let resident = dice.below(2);
        Resolved {
            v: VERSION,
            signal: self.signal_id(number, received_at),
            revision: 1,
            filing: 1,
            household: self.random_id(HOUSEHOLD_IDS + u64::from(household)),
            lives_here: true,
            municipality: self.municipality.to_string(),
            partner: format!("{}-{}", partner_type.replace('_', "-"), dice.below(4)),
            kind: kind.to_owned(),
            first_received_at: received_at,
            received_at,
            content: Some(Content {
                partner_type: partner_type.to_owned(),
                domain: "debt".to_owned(),
                event_date,
                arisen_on: None,
                age_unknown: false,
                amount_cents: Some(dice.between(2_000, 90_000)),
                crisis: dice.chance(10),
                warm_handover: dice.chance(10),
                supply_ends_on: (kind == "supply_end_notice")
                    .then(|| event_date.saturating_add(30.days())),
                fields: std::collections::BTreeMap::new(),
            }),
            debtor: dice.chance(NAMED).then(|| {
                self.random_id(RESIDENT_IDS + u64::from(household) * 2 + u64::from(resident))
            }),
            area: Some(AREAS[household as usize % AREAS.len()].to_owned()),
            objected: false,
            withdrawn: false,
        }
    }

    /// A new revision or filing of an earlier signal.
    fn correction(&self, number: u32, dice: &mut Dice) -> Resolved {
        let earlier = number - 1 - dice.below(CORRECTED_WITHIN.min(number));
        let mut record = self.record(earlier);
        record.received_at = instant(self.day_of(number), number);
        record.revision += 1;
        // What a revision says goes with its number: two second revisions of one signal are one, sent twice.
        let low = record.signal.as_u128() & u128::from(u32::MAX);
        let stream = u64::try_from(low).expect("masked") * 64 + u64::from(record.revision);
        match Dice::new(self.seed, CORRECTIONS + stream).below(4) {
            0 => {
                record.withdrawn = true;
                record.content = None;
            }
            1 => {
                record.filing += 1;
                record.lives_here = false;
                record.content = None;
            }
            _ => {
                if let Some(content) = &mut record.content {
                    content.amount_cents = content.amount_cents.map(|cents| cents + 1_000);
                }
            }
        }
        if record.content.is_none() {
            (record.debtor, record.area) = (None, None);
        }
        record
    }

    /// The same signal, taken back by who sent it.
    #[must_use]
    pub fn withdrawal(&self, number: u32) -> Resolved {
        let record = self.record(number);
        Resolved {
            revision: record.revision + 1,
            received_at: instant(self.until, number),
            content: None,
            debtor: None,
            area: None,
            withdrawn: true,
            ..record
        }
    }

    fn household(&self, number: u32, dice: &mut Dice) -> u32 {
        let drawn = dice.below(self.households);
        match self.profile {
            // Half of all signals are of the first quarter of the households, and a few have hundreds.
            BenchProfile::Skewed => {
                let square = u64::from(drawn) * u64::from(drawn) / u64::from(self.households);
                u32::try_from(square).expect("less than the households")
            }
            BenchProfile::Institution => {
                let before = |number: u32| {
                    u64::from(number) * u64::from(INSTITUTION.min(self.signals))
                        / u64::from(self.signals)
                };
                if before(number) < before(number + 1) {
                    0
                } else {
                    drawn
                }
            }
            _ => drawn,
        }
    }

    fn day_of(&self, number: u32) -> Date {
        let ahead = u64::from(self.signals - number) * u64::from(DAYS) / u64::from(self.signals);
        days_before(self.until, u32::try_from(ahead).expect("at most a year"))
    }

    /// Ids go up with first receipt, as those of the gateway do (S1).
    fn signal_id(&self, number: u32, received_at: Timestamp) -> Uuid {
        let mut dice = Dice::new(self.seed, SIGNAL_IDS + u64::from(number));
        let mut random = [0; 10];
        for part in random.chunks_exact_mut(2) {
            part.copy_from_slice(&dice.below(1 << 16).to_be_bytes()[2..]);
        }
        let millis = received_at.as_millisecond().unsigned_abs();
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    fn random_id(&self, stream: u64) -> Uuid {
        let mut dice = Dice::new(self.seed, stream);
        let mut random = [0; 16];
        for part in random.chunks_exact_mut(2) {
            part.copy_from_slice(&dice.below(1 << 16).to_be_bytes()[2..]);
        }
        Builder::from_random_bytes(random).into_uuid()
    }

    /// Appends all records, and answers when the log holds them.
    pub async fn append(&self, log: &Log) -> anyhow::Result<()> {
        append(log, 0..self.signals, |number| self.record(number)).await
    }
}

/// Appends the records of these numbers.
pub async fn append(
    log: &Log,
    numbers: Range<u32>,
    record: impl Fn(u32) -> Resolved,
) -> anyhow::Result<()> {
    let mut from = numbers.start;
    while from < numbers.end {
        let to = from.saturating_add(CHUNK).min(numbers.end);
        let records = (from..to)
            .map(|number| {
                let record = record(number);
                let request = u128::from(number / PER_REQUEST);
                Outgoing {
                    key: Bytes::from(household_key(record.household)),
                    value: Bytes::from(record.write()),
                    request_id: Some(Uuid::from_u128(request).to_string()),
                }
            })
            .collect();
        log.append(RESOLVED_TOPIC, records).await?;
        from = to;
    }
    Ok(())
}

fn days_before(day: Date, days: u32) -> Date {
    day.saturating_sub(i64::from(days).days())
}

/// In the morning; later numbers later.
fn instant(day: Date, number: u32) -> Timestamp {
    let morning = day
        .at(7, 0, 0, 0)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .expect("a day of these years");
    morning
        .timestamp()
        .saturating_add(i64::from(number).milliseconds())
        .expect("milliseconds of a few hours")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::civil::date;

    use super::*;

    fn load(profile: BenchProfile) -> Load {
        Load {
            seed: 5,
            signals: 6_000,
            households: 3_000,
            profile,
            municipality: "0363".parse().expect("a code"),
            until: date(2026, 3, 31),
        }
    }

    fn records(profile: BenchProfile) -> Vec<Resolved> {
        let load = load(profile);
        (0..load.signals)
            .map(|number| load.record(number))
            .collect()
    }

    /// Days between the day of a signal and its receipt, the most.
    fn latest(records: &[Resolved]) -> i32 {
        let lateness = records.iter().filter_map(|record| {
            let came = record.received_at.to_zoned(jiff::tz::TimeZone::UTC).date();
            let day = record.content.as_ref()?.event_date;
            came.since(day).ok().map(|span| span.get_days())
        });
        lateness.max().unwrap_or(0)
    }

    #[test]
    fn every_record_can_be_read_and_says_the_same_again() {
        for record in records(BenchProfile::Corrections) {
            let read = Resolved::read(&record.write());
            assert_eq!(read.as_ref(), Ok(&record));
        }
        assert_eq!(records(BenchProfile::Bursts), records(BenchProfile::Bursts));
    }

    #[test]
    fn each_profile_is_late_or_crowded_in_its_own_way() {
        let in_order = records(BenchProfile::InOrder);
        assert_eq!(latest(&in_order), 0);
        assert_eq!(latest(&records(BenchProfile::Shuffled)), 30);
        assert_eq!(latest(&records(BenchProfile::Bursts)), 90);
        let ids: BTreeSet<Uuid> = in_order.iter().map(|record| record.signal).collect();
        assert_eq!(ids.len(), in_order.len());
        let corrected = records(BenchProfile::Corrections);
        let news = corrected
            .iter()
            .filter(|record| 1 < record.revision)
            .count();
        assert!((450..750).contains(&news), "{news}");
        let most = |profile| {
            let mut counts: BTreeMap<Uuid, u32> = BTreeMap::new();
            for record in records(profile) {
                *counts.entry(record.household).or_default() += 1;
            }
            counts.into_values().max()
        };
        assert!(most(BenchProfile::InOrder) < Some(15));
        assert!(most(BenchProfile::Skewed) > Some(50));
        assert!(most(BenchProfile::Institution) >= Some(INSTITUTION));
    }

    #[test]
    fn a_withdrawal_is_the_next_revision_of_its_signal() {
        let load = load(BenchProfile::InOrder);
        let (signal, taken_back) = (load.record(7), load.withdrawal(7));
        assert_eq!(taken_back.signal, signal.signal);
        assert_eq!(taken_back.revision, 2);
        assert_eq!(Resolved::read(&taken_back.write()), Ok(taken_back));
    }
}
