//! What a stage asks of a database, and what it is promised.
//!
//! PostgreSQL is the one that keeps anything. The contract stands apart so that a simulation can keep it, too, in memory, and let go wrong what does so
//! once in a year. A box for each call is nothing against a way to the database and back.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use voorveld_store::positions::{Claimed, Reader, Step};
use voorveld_store::{STANDS_STILL_MAX, Store, StoreError, Tx};

/// A database in which a stage keeps its positions.
#[async_trait]
pub trait Database: Clone + Send + Sync + 'static {
    /// An open transaction of it.
    type Tx: Transaction;

    /// Begins a transaction; dropping it undoes it. `name` says what it is for.
    async fn begin(&self, name: &'static str) -> Result<Self::Tx, StoreError>;

    /// Takes the partitions: bumps each epoch, so that whoever had them can commit no more, and says where to go on.
    async fn claim_partitions(
        &self,
        reader: Reader<'_>,
        topic_id: &str,
        first: &[(i32, i64)],
        owner: &str,
        now: Timestamp,
    ) -> Result<Claimed, StoreError>;
}

/// An open transaction: all of it is kept, or nothing (I3).
#[async_trait]
pub trait Transaction: Send + 'static {
    /// Moves all partitions of a batch forward, or none and the transaction is lost: another owner was here. Comes first, so that what follows is read
    /// under ownership.
    async fn advance_positions(
        &mut self,
        reader: Reader<'_>,
        steps: &[Step],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Says that somebody is still at work on it: a transaction that stands still for too long is ended ([`STANDS_STILL_MAX`]).
    async fn still_at_work(&mut self) -> Result<(), StoreError>;

    /// Makes it so, durably. After an error it may be so, or not.
    async fn commit(self) -> Result<(), StoreError>;
}

/// How long may be thought about a batch before its transaction says that somebody is [still at work](Transaction::still_at_work): a household of
/// thousands of signals takes a while.
pub const STILL_AT_WORK_EVERY: Duration = Duration::from_secs(3);
const _: () = assert!(STILL_AT_WORK_EVERY.as_secs() * 5 < STANDS_STILL_MAX.as_secs());

#[async_trait]
impl Database for Store {
    type Tx = Tx;

    async fn begin(&self, name: &'static str) -> Result<Tx, StoreError> {
        Store::begin_by_key(self, name).await
    }

    async fn claim_partitions(
        &self,
        reader: Reader<'_>,
        topic_id: &str,
        first: &[(i32, i64)],
        owner: &str,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        Store::claim_partitions(self, reader, topic_id, first, owner, now).await
    }
}

#[async_trait]
impl Transaction for Tx {
    async fn advance_positions(
        &mut self,
        reader: Reader<'_>,
        steps: &[Step],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        Tx::advance_positions(self, reader, steps, now).await
    }

    async fn still_at_work(&mut self) -> Result<(), StoreError> {
        Tx::still_at_work(self).await
    }

    async fn commit(self) -> Result<(), StoreError> {
        Tx::commit(self).await
    }
}
