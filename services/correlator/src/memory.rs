//! Timelines kept between batches, so that most households need no reading.
//!
//! In two halves: what is used goes into the young one, and when that is full the old one is let go and the young one grows old. What was
//! not used for as long as it takes to fill a half is read again when it is needed.

use std::collections::HashMap;

use voorveld_domain::HouseholdId;

use crate::household::Remembered;

/// Most signals kept over all owned partitions, but for those of the last batch.
pub const MAX_CACHED_SIGNALS: usize = 400_000;

/// Households that were judged lately.
#[derive(Default)]
pub(crate) struct Memory {
    young: Half,
    old: Half,
}

#[derive(Default)]
struct Half {
    households: HashMap<HouseholdId, Remembered>,
    signals: usize,
}

impl Half {
    fn take(&mut self, id: HouseholdId) -> Option<Remembered> {
        let memory = self.households.remove(&id)?;
        self.signals = self.signals.saturating_sub(memory.rows.len());
        Some(memory)
    }
}

impl Memory {
    pub(crate) fn holds(&self, id: HouseholdId) -> bool {
        self.young.households.contains_key(&id) || self.old.households.contains_key(&id)
    }

    /// Takes a household out; it comes back by [`Memory::put`] when what was done with it is committed.
    pub(crate) fn take(&mut self, id: HouseholdId) -> Option<Remembered> {
        self.young.take(id).or_else(|| self.old.take(id))
    }

    pub(crate) fn put(&mut self, id: HouseholdId, memory: Remembered) {
        self.young.signals += memory.rows.len();
        self.young.households.insert(id, memory);
        if self.young.signals > MAX_CACHED_SIGNALS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn signals(&self) -> usize {
        self.young.signals + self.old.signals
    }
}
