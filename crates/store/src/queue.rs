//! Dead letters and unplaced signals, and their ways out (I2).

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::{Store, StoreError, Tx};

/// A record that could not be read.
#[derive(Debug, Clone)]
pub struct NewDeadLetter {
    /// Its own id.
    pub id: Uuid,
    /// The stage that could not read it.
    pub stage: &'static str,
    /// The topic it stood in.
    pub topic: &'static str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key as read.
    pub key: Vec<u8>,
    /// Its bytes as read.
    pub payload: Vec<u8>,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// Why, as a code.
    pub reason: &'static str,
    /// Whether it took a signal back: then somebody must act.
    pub withdrawal: bool,
}

/// A dead letter as a person sees it.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its id.
    pub id: Uuid,
    /// The stage that could not read it.
    pub stage: String,
    /// The topic it stood in.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key as read.
    pub key: Vec<u8>,
    /// Its bytes as read.
    pub payload: Vec<u8>,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// Why, as a code.
    pub reason: String,
    /// Whether it took a signal back.
    pub withdrawal: bool,
    /// `waiting`, `retried` or `discarded`.
    pub state: String,
    /// When.
    pub died_at: Timestamp,
}

/// A signal that has no household.
#[derive(Debug, Clone)]
pub struct UnplacedSignal {
    /// The signal.
    pub signal: Uuid,
    /// Its revision.
    pub revision: u32,
    /// CBS code.
    pub municipality: String,
    /// Who pushed it.
    pub partner: String,
    /// Its kind.
    pub kind: String,
    /// Why it has none, as a code.
    pub reason: Option<String>,
    /// What to try again with: a `Received` without its envelope.
    pub record: Option<serde_json::Value>,
    /// Since when.
    pub decided_at: Timestamp,
}

impl Tx {
    /// Puts records aside. The same record twice is put aside once.
    pub async fn put_aside(
        &mut self,
        letters: &[NewDeadLetter],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if letters.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = letters.iter().map(|letter| letter.id).collect();
        let stages: Vec<String> = letters
            .iter()
            .map(|letter| letter.stage.to_owned())
            .collect();
        let topics: Vec<String> = letters
            .iter()
            .map(|letter| letter.topic.to_owned())
            .collect();
        let partitions: Vec<i32> = letters.iter().map(|letter| letter.partition).collect();
        let offsets: Vec<i64> = letters.iter().map(|letter| letter.offset).collect();
        let keys: Vec<Vec<u8>> = letters.iter().map(|letter| letter.key.clone()).collect();
        let payloads: Vec<Vec<u8>> = letters
            .iter()
            .map(|letter| letter.payload.clone())
            .collect();
        let requests: Vec<Option<String>> = letters
            .iter()
            .map(|letter| letter.request_id.clone())
            .collect();
        let reasons: Vec<String> = letters
            .iter()
            .map(|letter| letter.reason.to_owned())
            .collect();
        let withdrawals: Vec<bool> = letters.iter().map(|letter| letter.withdrawal).collect();
        sqlx::query!(
            "INSERT INTO dead_letters (dead_letter_id, stage, topic, partition, record_offset, record_key, payload, request_id, reason, withdrawal, state, died_at)
             SELECT n.*, 'waiting', $11 FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::bytea[], $7::bytea[], $8::text[], $9::text[], $10::bool[]) AS n
             ON CONFLICT (stage, topic, partition, record_offset) DO NOTHING",
            &ids, &stages, &topics, &partitions, &offsets, &keys, &payloads, &requests as _, &reasons, &withdrawals,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

/// What became of discarding a signal without a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// It is out of the queue for good.
    Done,
    /// It is not (any more) without a household.
    NotThere,
    /// It marks unsafety, and the safety desk has not judged it in this revision (K11).
    DeskFirst,
}

impl Tx {
    /// Decides on a waiting dead letter: `retried` or `discarded`, by whom and why. False when it was not waiting.
    pub async fn decide_dead_letter(
        &mut self,
        id: Uuid,
        state: &str,
        by: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE dead_letters SET state = $2, decided_by = $3, decided_why = $4, decided_at = $5
             WHERE dead_letter_id = $1 AND state = 'waiting'",
            id,
            state,
            by,
            why,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes an unplaced signal out of the queue for good; one of `desk_kinds` only after the safety desk has judged it.
    pub async fn discard_unplaced(
        &mut self,
        signal: Uuid,
        desk_kinds: &[String],
    ) -> Result<Discard, StoreError> {
        let free = sqlx::query_scalar!(
            r#"SELECT (h.kind <> ALL($2) OR EXISTS (
                          SELECT 1 FROM signal_homes judged WHERE judged.signal_id = h.signal_id
                            AND judged.revision = h.revision AND judged.judged_at IS NOT NULL)) AS "free!"
               FROM signal_homes h
               WHERE h.signal_id = $1 AND h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded
                 AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                     AND (later.revision, later.filing) > (h.revision, h.filing))
               FOR UPDATE OF h"#,
            signal,
            desk_kinds,
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        match free {
            None => return Ok(Discard::NotThere),
            Some(false) => return Ok(Discard::DeskFirst),
            Some(true) => {}
        }
        let done = sqlx::query!(
            "UPDATE signal_homes h SET discarded = true
             WHERE h.signal_id = $1 AND h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded
               AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                   AND (later.revision, later.filing) > (h.revision, h.filing))",
            signal,
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        Ok(if done == 1 {
            Discard::Done
        } else {
            Discard::NotThere
        })
    }
}

/// Most entries of a queue listed at once; [`Store::queue_size`] says how many there are.
pub const QUEUE_PAGE: i64 = 200;

impl Store {
    /// Waiting dead letters, oldest first.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        self.read_dead_letters(None).await
    }

    /// One waiting dead letter.
    pub async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, StoreError> {
        Ok(self.read_dead_letters(Some(id)).await?.pop())
    }

    async fn read_dead_letters(&self, only: Option<Uuid>) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query!(
            "SELECT dead_letter_id, stage, topic, partition, record_offset, record_key, payload, request_id, reason, withdrawal, state, died_at
             FROM dead_letters WHERE state = 'waiting' AND ($1::uuid IS NULL OR dead_letter_id = $1)
             ORDER BY died_at, dead_letter_id LIMIT $2",
            only,
            QUEUE_PAGE,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| DeadLetter {
                id: row.dead_letter_id,
                stage: row.stage,
                topic: row.topic,
                partition: row.partition,
                offset: row.record_offset,
                key: row.record_key,
                payload: row.payload,
                request_id: row.request_id,
                reason: row.reason,
                withdrawal: row.withdrawal,
                state: row.state,
                died_at: row.died_at.to_jiff(),
            })
            .collect())
    }

    /// How many entries there are in both queues, listed or not.
    pub async fn queue_size(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT (SELECT count(*) FROM dead_letters WHERE state = 'waiting')
                    + (SELECT count(*) FROM signal_homes h
                       WHERE h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded
                         AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                             AND (later.revision, later.filing) > (h.revision, h.filing))) AS "count!""#,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Signals without a household that nobody took back or discarded, oldest first; with `signal` only that one.
    pub async fn unplaced(&self, signal: Option<Uuid>) -> Result<Vec<UnplacedSignal>, StoreError> {
        let rows = sqlx::query!(
            "SELECT h.signal_id, h.revision, h.municipality, h.partner_id, h.kind, h.unplaced_reason,
                CASE WHEN h.placed THEN h.record ELSE h.record -> 'again' END AS record, h.decided_at
             FROM signal_homes h
             WHERE h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded
               AND ($1::uuid IS NULL OR h.signal_id = $1)
               AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                   AND (later.revision, later.filing) > (h.revision, h.filing))
             ORDER BY h.decided_at, h.signal_id LIMIT $2",
            signal,
            QUEUE_PAGE,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| UnplacedSignal {
                signal: row.signal_id,
                revision: row.revision.cast_unsigned(),
                municipality: row.municipality,
                partner: row.partner_id,
                kind: row.kind,
                reason: row.unplaced_reason,
                record: row.record,
                decided_at: row.decided_at.to_jiff(),
            })
            .collect())
    }

    /// The envelope of a revision, for whoever may open it.
    pub async fn sealed_identity(
        &self,
        signal: Uuid,
        revision: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT envelope FROM sealed_identities WHERE signal_id = $1 AND revision = $2",
            signal,
            revision.cast_signed(),
        )
        .fetch_optional(&self.pool)
        .await?)
    }
}
