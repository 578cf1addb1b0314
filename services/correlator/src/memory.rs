//! Households kept between batches, so that most need no reading.
//!
//! In two halves: what is used goes into the young one, and when that is full the old one is let go and the young one grows old. What was
//! not used for as long as it takes to fill a half is read again when it is needed.
//!
//! A half is a fixed number of buckets, and a bucket is the households whose ids fall into it, packed one after the other in one piece of memory. So a
//! household costs its id and its length besides what is packed of it: no entry in a table that is half empty, no allocation of its own.

use std::collections::BTreeSet;
use std::ops::Range;

use voorveld_detect::Signal;
use voorveld_domain::{AreaId, FieldName, HouseholdId, MunicipalityCode};

use crate::bytes::{Reader, Writer};
use crate::household::Remembered;
use crate::packed::Names;

/// Most bytes that a process keeps over all owned partitions unless it is told otherwise ([`Parts::cached_bytes`](crate::Parts::cached_bytes)): at some
/// fifty a signal (measured in docs/benchmarks.md) more than two million signals, of which the half that was used last stays for certain.
pub const DEFAULT_CACHED_BYTES: usize = 128 << 20;

/// Into how many buckets a half falls. With a full half each is of some four thousand bytes, which are quickly passed through.
const BUCKETS: usize = 1 << 14;

/// More names than partners, kinds and areas have together: past this everything is forgotten, and the names with it.
const MAX_NAMES: usize = 1 << 16;

/// Households that were judged lately.
pub struct Memory {
    names: Names,
    young: Half,
    old: Half,
    max_bytes: usize,
}

/// Packed households.
#[derive(Default)]
struct Half {
    /// None until the first household comes.
    buckets: Vec<Vec<u8>>,
    signals: usize,
    bytes: usize,
}

impl Half {
    fn take(&mut self, id: HouseholdId, names: &Names) -> Option<Remembered> {
        let bucket = self.buckets.get_mut(bucket_of(id))?;
        let (place, packed) = find(bucket, id)?;
        let (signals, memory) = (Names::signals(packed)?, names.unpack(packed));
        self.bytes -= bucket.capacity();
        bucket.drain(place);
        // In the young half it is put back in a moment; in the old one nothing is, and what was taken out of it would be held for nothing.
        if bucket.capacity() / 8 < bucket.capacity() - bucket.len() {
            bucket.shrink_to_fit();
        }
        self.bytes += bucket.capacity();
        self.signals -= signals;
        memory
    }

    fn put(&mut self, id: HouseholdId, entry: &[u8], signals: usize) {
        if self.buckets.is_empty() {
            self.buckets.resize_with(BUCKETS, Vec::new);
            self.bytes = BUCKETS * size_of::<Vec<u8>>();
        }
        let bucket = &mut self.buckets[bucket_of(id)];
        self.bytes -= bucket.capacity();
        // Exactly, and not twice as much as vectors do by themselves: a bucket grows by little and stays for long.
        bucket.reserve_exact(entry.len());
        bucket.extend_from_slice(entry);
        self.bytes += bucket.capacity();
        self.signals += signals;
    }
}

/// Ids of households are random, so their last bits spread them evenly.
fn bucket_of(id: HouseholdId) -> usize {
    let (_, low) = id.uuid().as_u64_pair();
    usize::try_from(low % BUCKETS as u64).expect("one of few buckets")
}

/// A household as its bucket holds it: its id, how long it is, and what is packed of it.
fn entry(id: HouseholdId, packed: &[u8]) -> Vec<u8> {
    let mut entry = Writer::default();
    entry.id(id.uuid());
    entry.number(packed.len() as u64);
    entry.bytes(packed);
    entry.end()
}

/// Where a household lies in its bucket, and what is packed of it there.
fn find(bucket: &[u8], id: HouseholdId) -> Option<(Range<usize>, &[u8])> {
    let mut from = Reader::new(bucket);
    let mut begin = 0;
    while !from.is_at_end() {
        let found = from.id()?;
        let length = from.count()?;
        let packed = from.bytes(length)?;
        let end = bucket.len() - from.left();
        if found == id.uuid() {
            return Some((begin..end, packed));
        }
        begin = end;
    }
    None
}

impl Memory {
    /// Nothing yet, for rules that read these fields; at most so many bytes.
    #[must_use]
    pub fn bounded(fields: &BTreeSet<FieldName>, max_bytes: usize) -> Self {
        Self {
            names: Names::new(fields),
            young: Half::default(),
            old: Half::default(),
            max_bytes,
        }
    }

    /// Rules that read other fields judge from here on: what was kept lacks what they read.
    pub(crate) fn read(&mut self, fields: &BTreeSet<FieldName>) {
        if !self.names.reads(fields) {
            *self = Self::bounded(fields, self.max_bytes);
        }
    }

    /// Takes a household out; it comes back by [`Memory::put`] when what was done with it is committed.
    pub(crate) fn take(&mut self, id: HouseholdId) -> Option<Remembered> {
        self.young
            .take(id, &self.names)
            .or_else(|| self.old.take(id, &self.names))
    }

    /// Keeps a household that was taken out, or was not there.
    pub(crate) fn put(&mut self, id: HouseholdId, memory: &Remembered) {
        let Some(packed) = self.names.pack(memory) else {
            return;
        };
        let entry = entry(id, &packed);
        if self.young.bytes + entry.len() > self.max_bytes / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.put(id, &entry, memory.timeline.len());
        if MAX_NAMES < self.names.len() {
            self.forget();
        }
    }

    /// Takes a signal in as live work does one that a record brought, without a row: for measuring what it costs.
    pub fn learn(
        &mut self,
        id: HouseholdId,
        municipality: MunicipalityCode,
        area: &AreaId,
        signal: Signal,
        came_at: i64,
    ) {
        let memory = self.take(id);
        let mut memory = memory.unwrap_or_else(|| Remembered::new(0, municipality));
        let kept = &mut memory.kept;
        kept.came_at.retain(|(known, _)| *known != signal.id);
        kept.came_at.push((signal.id, came_at));
        kept.area = Some((signal.received_at, signal.id, area.clone()));
        memory.timeline.absorb(signal);
        self.put(id, &memory);
    }

    pub(crate) fn forget(&mut self) {
        self.names.forget();
        self.young = Half::default();
        self.old = Half::default();
    }

    /// How many signals are kept.
    #[must_use]
    pub const fn signals(&self) -> usize {
        self.young.signals + self.old.signals
    }

    /// How many bytes are packed of them.
    #[must_use]
    pub fn packed_bytes(&self) -> usize {
        let halves = [&self.young, &self.old];
        halves
            .iter()
            .flat_map(|half| &half.buckets)
            .map(Vec::len)
            .sum()
    }

    /// In how many bytes they are kept, with what buckets have in store.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.young.bytes + self.old.bytes
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use voorveld_detect::Timeline;
    use voorveld_domain::{Filing, PartnerType, Presence, Revision, SignalId, Standing};

    use super::*;

    fn household(number: u128) -> HouseholdId {
        HouseholdId::from_uuid(Uuid::from_u128(number))
    }

    fn signal(number: u128) -> Signal {
        let at = "2026-03-01T09:30:00Z".parse().expect("an instant");
        Signal {
            revision: Revision::FIRST,
            filing: Filing::FIRST,
            presence: Presence::LivesHere,
            standing: Standing::Counted,
            id: SignalId::from_uuid(Uuid::from_u128(number)),
            partner: "woonstede".parse().expect("a slug"),
            partner_type: PartnerType::Rent,
            kind: "rent_arrears".parse().expect("a slug"),
            domain: "debt".parse().expect("a slug"),
            event_date: jiff::civil::date(2026, 3, 1),
            first_received_at: at,
            received_at: at,
            amount: None,
            crisis: false,
            warm_handover: false,
            supply_ends_on: None,
            debtor: None,
            fields: std::collections::BTreeMap::new(),
        }
    }

    fn learn(memory: &mut Memory, home: u128, number: u128) {
        let code = "0518".parse().expect("a code");
        let area = "noord".parse().expect("a slug");
        let came_at = i64::try_from(number).expect("small");
        memory.learn(household(home), code, &area, signal(number), came_at);
    }

    #[test]
    fn a_household_that_is_taken_out_is_there_no_more_until_it_is_put_back() {
        let mut memory = Memory::bounded(&BTreeSet::new(), DEFAULT_CACHED_BYTES);
        // The first two share a bucket, and so do the last two.
        let homes = [1, 1 + BUCKETS as u128, 2, 2 + BUCKETS as u128];
        for (home, number) in homes.into_iter().cycle().zip(1..=12) {
            learn(&mut memory, home, number);
        }
        assert_eq!(memory.signals(), 12);
        for (index, home) in homes.into_iter().enumerate() {
            let taken = memory.take(household(home)).expect("is there");
            let expected: Timeline = (0..3)
                .map(|turn| signal(turn * 4 + index as u128 + 1))
                .collect();
            assert_eq!(taken.timeline, expected);
            assert_eq!(
                taken.came_before(),
                8 + i64::try_from(index).expect("few") + 2
            );
            assert!(memory.take(household(home)).is_none());
        }
        assert_eq!(memory.signals(), 0);
    }

    #[test]
    fn the_bound_holds_and_what_was_used_last_stays() {
        let max_bytes = 4 << 20;
        let mut memory = Memory::bounded(&BTreeSet::new(), max_bytes);
        let mut most = 0;
        for number in 1..=200_000 {
            learn(&mut memory, number % 50_000, number);
            most = most.max(memory.bytes());
            assert!(memory.bytes() <= max_bytes, "{}", memory.bytes());
            // One is asked for again and again.
            assert!(
                number < 10_000 || number % 1_000 != 0 || {
                    let often = memory.take(household(7)).expect("stays");
                    memory.put(household(7), &often);
                    true
                }
            );
        }
        assert!(max_bytes * 3 / 4 < most, "{most}");
        let kept: usize = (0..50_000)
            .filter_map(|home| memory.take(household(home)))
            .map(|one| one.timeline.len())
            .sum();
        assert!(20_000 < kept, "{kept}");
        assert_eq!(memory.signals(), 0);
    }

    #[test]
    fn rules_that_read_other_fields_find_nothing_kept() {
        let rent = || BTreeSet::from(["monthly_rent".parse::<FieldName>().expect("a slug")]);
        let mut memory = Memory::bounded(&rent(), DEFAULT_CACHED_BYTES);
        learn(&mut memory, 1, 1);
        memory.read(&rent());
        assert_eq!(memory.signals(), 1);
        memory.read(&BTreeSet::new());
        assert_eq!((memory.signals(), memory.bytes()), (0, 0));
        assert!(memory.take(household(1)).is_none());
    }
}
