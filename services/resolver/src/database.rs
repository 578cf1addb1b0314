//! What the resolver asks of a database, and what it is promised: [`voorveld_stage::Database`] says why the contract stands apart.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;
use voorveld_domain::{DebtorId, HouseholdId};
use voorveld_stage as stage;
use voorveld_store::homes::{Home, NewHome, PastEnd, ToProduce, Unproduced};
use voorveld_store::households::{BlindKey, IndexVersion, SealedRow};
use voorveld_store::queue::NewDeadLetter;
use voorveld_store::{Store, StoreError, Tx};

/// Everything that was decided in a batch, to be written in one go.
#[derive(Debug, Default)]
pub struct Decisions<'a> {
    /// Envelopes to keep.
    pub sealed: Vec<SealedRow>,
    /// New filings, in the order in which they were decided.
    pub filed: Vec<NewHome>,
    /// What of them is to be produced, by partition.
    pub to_produce: Vec<ToProduce>,
    /// Records that cannot be read; the same one twice is put aside once.
    pub put_aside: &'a [NewDeadLetter],
}

/// A database that the resolver can work on.
#[async_trait]
pub trait Database: stage::Database<Tx: Transaction> {
    /// Whether something that was decided in these partitions of `signals.received` is not known to be produced.
    async fn is_unproduced(&self, partitions: &[i32]) -> Result<bool, StoreError>;
}

/// An open transaction on such a database.
#[async_trait]
pub trait Transaction: stage::Transaction {
    /// The greatest filing of each of these signals.
    async fn homes(&mut self, signals: &[Uuid]) -> Result<HashMap<Uuid, Home>, StoreError>;

    /// The id of each keyed person that was seen before (S7).
    async fn known_debtors(
        &mut self,
        version: &IndexVersion,
        persons: &[BlindKey],
    ) -> Result<HashMap<BlindKey, DebtorId>, StoreError>;

    /// The id of each keyed person that was not seen before: the proposed one. Two owners that propose for the same person get the same answer.
    async fn new_debtors(
        &mut self,
        version: &IndexVersion,
        proposed: &[(BlindKey, DebtorId)],
    ) -> Result<HashMap<BlindKey, DebtorId>, StoreError>;

    /// Which of these keyed addresses are excluded (K14).
    async fn excluded_among(
        &mut self,
        version: &IndexVersion,
        addresses: &[BlindKey],
    ) -> Result<Vec<BlindKey>, StoreError>;

    /// The household of each keyed address; one that was never seen gets the proposed id. Two owners that propose for the same address get the same
    /// answer.
    async fn households_of(
        &mut self,
        version: &IndexVersion,
        proposed: &[(BlindKey, HouseholdId)],
        now: Timestamp,
    ) -> Result<HashMap<BlindKey, HouseholdId>, StoreError>;

    /// Writes what was decided; returns the turns of what is to be produced, in the same order.
    async fn write(
        &mut self,
        decisions: &Decisions<'_>,
        now: Timestamp,
    ) -> Result<Vec<i64>, StoreError>;

    /// Notes that the log holds what had these turns.
    async fn mark_produced(&mut self, turns: &[i64]) -> Result<(), StoreError>;

    /// What was decided but is not known to be produced, in order of decision.
    async fn unproduced(
        &mut self,
        partitions: &[i32],
        most: i64,
    ) -> Result<Vec<Unproduced>, StoreError>;

    /// Signals of these partitions that are on the timeline where they live although their end has come.
    async fn past_their_end(
        &mut self,
        partitions: &[i32],
        today: Date,
        most: i64,
    ) -> Result<Vec<PastEnd>, StoreError>;

    /// Notes for erasing what lives nowhere because its end has come, once no timeline holds it as living there any more.
    async fn note_past_their_end(&mut self, today: Date, now: Timestamp)
    -> Result<u64, StoreError>;
}

#[async_trait]
impl Database for Store {
    async fn is_unproduced(&self, partitions: &[i32]) -> Result<bool, StoreError> {
        Store::is_unproduced(self, Some(partitions)).await
    }
}

#[async_trait]
impl Transaction for Tx {
    async fn homes(&mut self, signals: &[Uuid]) -> Result<HashMap<Uuid, Home>, StoreError> {
        Tx::homes(self, signals).await
    }

    async fn known_debtors(
        &mut self,
        version: &IndexVersion,
        persons: &[BlindKey],
    ) -> Result<HashMap<BlindKey, DebtorId>, StoreError> {
        Tx::known_debtors(self, version, persons).await
    }

    async fn new_debtors(
        &mut self,
        version: &IndexVersion,
        proposed: &[(BlindKey, DebtorId)],
    ) -> Result<HashMap<BlindKey, DebtorId>, StoreError> {
        Tx::new_debtors(self, version, proposed).await
    }

    async fn excluded_among(
        &mut self,
        version: &IndexVersion,
        addresses: &[BlindKey],
    ) -> Result<Vec<BlindKey>, StoreError> {
        Tx::excluded_among(self, version, addresses).await
    }

    async fn households_of(
        &mut self,
        version: &IndexVersion,
        proposed: &[(BlindKey, HouseholdId)],
        now: Timestamp,
    ) -> Result<HashMap<BlindKey, HouseholdId>, StoreError> {
        Tx::households_of(self, version, proposed, now).await
    }

    async fn write(
        &mut self,
        decisions: &Decisions<'_>,
        now: Timestamp,
    ) -> Result<Vec<i64>, StoreError> {
        self.keep_sealed(&decisions.sealed).await?;
        self.file(&decisions.filed, now).await?;
        self.put_aside(decisions.put_aside, now).await?;
        self.keep_to_produce(&decisions.to_produce).await
    }

    async fn mark_produced(&mut self, turns: &[i64]) -> Result<(), StoreError> {
        Tx::mark_produced(self, turns).await
    }

    async fn unproduced(
        &mut self,
        partitions: &[i32],
        most: i64,
    ) -> Result<Vec<Unproduced>, StoreError> {
        Tx::unproduced(self, partitions, most).await
    }

    async fn past_their_end(
        &mut self,
        partitions: &[i32],
        today: Date,
        most: i64,
    ) -> Result<Vec<PastEnd>, StoreError> {
        Tx::past_their_end(self, partitions, today, most).await
    }

    async fn note_past_their_end(
        &mut self,
        today: Date,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        Tx::note_past_their_end(self, today, now).await
    }
}
