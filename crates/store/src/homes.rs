//! Where every signal is filed (S3): the resolver's decisions, and what of them is still to be produced.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::{HouseholdId, SignalId, TaskId};

use crate::{Store, StoreError, Tx};

/// Where a signal is now: its greatest filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The revision last decided on.
    pub revision: u32,
    /// The filing of that decision.
    pub filing: u32,
    /// The household; `None` while unplaced.
    pub household: Option<HouseholdId>,
    /// Whether the partner took it back.
    pub withdrawn: bool,
}

/// A filing to write down.
#[derive(Debug, Clone)]
pub struct NewHome {
    /// The signal.
    pub signal: SignalId,
    /// The decision itself.
    pub home: Home,
    /// The household before, when this filing moves the signal.
    pub before: Option<HouseholdId>,
    /// Why it is unplaced, as a code.
    pub unplaced_reason: Option<&'static str>,
    /// CBS code.
    pub municipality: String,
    /// Who pushed it.
    pub partner: String,
    /// Its kind.
    pub kind: String,
    /// What is to be produced (a list of `Resolved`, and under `again` what to try again with when it has no household any more), or, of a
    /// signal that never had one, what to try again with.
    pub record: Option<serde_json::Value>,
    /// Partition of `signals.received`.
    pub partition: i32,
    /// Whether something is to be produced.
    pub to_produce: bool,
    /// When the revision came in.
    pub received_at: Timestamp,
    /// From when it lives nowhere, because whom it names is too old; none: its retention ends no later.
    pub ends_on: Option<Date>,
}

/// A signal that still lives somewhere although whom it names is too old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEnd {
    /// The signal.
    pub signal: SignalId,
    /// Where it is.
    pub home: Home,
    /// CBS code.
    pub municipality: String,
    /// Who pushed it.
    pub partner: String,
    /// Its kind.
    pub kind: String,
    /// Partition of `signals.received`.
    pub partition: i32,
    /// When it came in first.
    pub first_received_at: Timestamp,
    /// When its revision came in.
    pub received_at: Timestamp,
    /// Since when it is past its end.
    pub ends_on: Date,
}

/// A filing whose records are not yet known to be in the log.
#[derive(Debug, Clone)]
pub struct Unproduced {
    /// Which filing.
    pub id: FilingId,
    /// The records.
    pub record: serde_json::Value,
}

/// Names one filing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilingId {
    /// The signal.
    pub signal: Uuid,
    /// Its revision.
    pub revision: i32,
    /// Its filing.
    pub filing: i32,
}

impl Store {
    /// Whether something that was decided is not known to be produced; with `partitions` only in those of `signals.received`.
    pub async fn is_unproduced(&self, partitions: Option<&[i32]>) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM signal_homes
                 WHERE NOT placed AND ($1::int[] IS NULL OR partition = ANY($1))) AS "is!""#,
            partitions,
        )
        .fetch_one(&self.pool)
        .await?)
    }
}

impl Tx {
    /// The greatest filing of each of these signals.
    pub async fn homes(&mut self, signals: &[Uuid]) -> Result<HashMap<Uuid, Home>, StoreError> {
        let rows = sqlx::query!(
            "SELECT DISTINCT ON (signal_id) signal_id, revision, filing, household_id, withdrawn
             FROM signal_homes WHERE signal_id = ANY($1)
             ORDER BY signal_id, revision DESC, filing DESC",
            signals,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let home = Home {
                    revision: row.revision.cast_unsigned(),
                    filing: row.filing.cast_unsigned(),
                    household: row.household_id.map(HouseholdId::from_uuid),
                    withdrawn: row.withdrawn,
                };
                (row.signal_id, home)
            })
            .collect())
    }

    /// Households besides its own in which signals of this task live by now: a result answers them there too (K4).
    pub async fn other_homes_of(
        &mut self,
        task: TaskId,
        own: HouseholdId,
    ) -> Result<Vec<HouseholdId>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT DISTINCT home.household_id AS "household!"
               FROM task_grounds g, UNNEST(g.witnesses) AS w (signal_id), LATERAL (
                    SELECT household_id FROM signal_homes h WHERE h.signal_id = w.signal_id
                    ORDER BY revision DESC, filing DESC LIMIT 1) AS home
               WHERE g.task_id = $1 AND home.household_id <> $2
               ORDER BY 1"#,
            task.uuid(),
            own.uuid(),
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .map(HouseholdId::from_uuid)
        .collect())
    }

    /// Writes new filings down; the order of the slice is the order of decision.
    pub async fn file(&mut self, homes: &[NewHome], now: Timestamp) -> Result<(), StoreError> {
        if homes.is_empty() {
            return Ok(());
        }
        let column = |pick: fn(&NewHome) -> i32| homes.iter().map(pick).collect::<Vec<i32>>();
        let ids = |pick: fn(&NewHome) -> Option<Uuid>| {
            homes.iter().map(pick).collect::<Vec<Option<Uuid>>>()
        };
        let words = |pick: fn(&NewHome) -> String| homes.iter().map(pick).collect::<Vec<String>>();
        let signals: Vec<Uuid> = homes.iter().map(|new| new.signal.uuid()).collect();
        let households = ids(|new| new.home.household.map(HouseholdId::uuid));
        let befores = ids(|new| new.before.map(HouseholdId::uuid));
        let reasons: Vec<Option<String>> = homes
            .iter()
            .map(|new| new.unplaced_reason.map(str::to_owned))
            .collect();
        let withdrawn: Vec<bool> = homes.iter().map(|new| new.home.withdrawn).collect();
        let placed: Vec<bool> = homes.iter().map(|new| !new.to_produce).collect();
        let records: Vec<Option<serde_json::Value>> =
            homes.iter().map(|new| new.record.clone()).collect();
        let received: Vec<jiff_sqlx::Timestamp> =
            homes.iter().map(|new| new.received_at.to_sqlx()).collect();
        let ends: Vec<Option<jiff_sqlx::Date>> = homes
            .iter()
            .map(|new| new.ends_on.map(ToSqlx::to_sqlx))
            .collect();
        sqlx::query!(
            "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, household_before,
                unplaced_reason, withdrawn, record, partition, placed, received_at, decided_at, ends_on)
             SELECT signal_id, revision, filing, municipality, partner_id, kind, household_id, household_before, unplaced_reason, withdrawn,
                record, partition, placed, received_at, $15,
                -- A withdrawal names nobody: the end stays the one that was known.
                CASE WHEN withdrawn THEN coalesce(ends_on, (SELECT max(p.ends_on) FROM signal_homes p WHERE p.signal_id = n.signal_id))
                     ELSE ends_on END
             FROM UNNEST($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::uuid[], $9::text[],
                $10::bool[], $11::jsonb[], $12::int[], $13::bool[], $14::timestamptz[], $16::date[]) WITH ORDINALITY AS n (signal_id, revision, filing,
                municipality, partner_id, kind, household_id, household_before, unplaced_reason, withdrawn, record, partition, placed,
                received_at, ends_on, turn)
             ORDER BY n.turn",
            &signals,
            &column(|new| new.home.revision.cast_signed()),
            &column(|new| new.home.filing.cast_signed()),
            &words(|new| new.municipality.clone()),
            &words(|new| new.partner.clone()),
            &words(|new| new.kind.clone()),
            &households as _,
            &befores as _,
            &reasons as _,
            &withdrawn,
            &records as _,
            &column(|new| new.partition),
            &placed,
            &received as _,
            now.to_sqlx() as _,
            &ends as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Signals of these partitions of `signals.received` that live somewhere although their end has come, and are on the timeline there: what is still
    /// on its way is taken another time.
    pub async fn past_their_end(
        &mut self,
        partitions: &[i32],
        today: Date,
        most: i64,
    ) -> Result<Vec<PastEnd>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT h.signal_id, h.revision, h.filing, h.household_id, h.withdrawn, h.municipality, h.partner_id, h.kind, h.partition,
                      s.first_received_at, h.received_at, h.ends_on AS "ends_on!: jiff_sqlx::Date"
               FROM signal_homes h JOIN signals s ON s.household_id = h.household_id AND s.signal_id = h.signal_id
                    AND (s.revision, s.filing) = (h.revision, h.filing) AND s.lives_here
               WHERE h.ends_on <= $2 AND h.partition = ANY($1) AND h.placed
                 AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                                   AND (later.revision, later.filing) > (h.revision, h.filing))
               ORDER BY h.signal_id LIMIT $3"#,
            partitions,
            today.to_sqlx() as _,
            most,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| PastEnd {
                signal: SignalId::from_uuid(row.signal_id),
                home: Home {
                    revision: row.revision.cast_unsigned(),
                    filing: row.filing.cast_unsigned(),
                    household: row.household_id.map(HouseholdId::from_uuid),
                    withdrawn: row.withdrawn,
                },
                municipality: row.municipality,
                partner: row.partner_id,
                kind: row.kind,
                partition: row.partition,
                first_received_at: row.first_received_at.to_jiff(),
                received_at: row.received_at.to_jiff(),
                ends_on: row.ends_on.to_jiff(),
            })
            .collect())
    }

    /// Notes for erasing what lives nowhere because its end has come, once no timeline holds it as living there any more.
    pub async fn note_past_their_end(
        &mut self,
        today: Date,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let noted = sqlx::query!(
            "INSERT INTO erasures (signal_id, erased_at)
             SELECT h.signal_id, $2 FROM signal_homes h
             WHERE h.ends_on <= $1 AND h.household_id IS NULL AND h.placed
               AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                                 AND (later.revision, later.filing) > (h.revision, h.filing))
               AND NOT EXISTS (SELECT 1 FROM signal_homes at JOIN signals s ON s.signal_id = at.signal_id
                                 AND s.household_id = at.household_id AND s.lives_here WHERE at.signal_id = h.signal_id)
             ON CONFLICT DO NOTHING",
            today.to_sqlx() as _,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(noted.rows_affected())
    }

    /// What was decided but is not known to be produced, in order of decision: produced so, a crash leaves no trace in the log (K2).
    pub async fn unproduced(
        &mut self,
        partitions: &[i32],
        most: i64,
    ) -> Result<Vec<Unproduced>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT signal_id, revision, filing, record as "record!" FROM signal_homes
               WHERE partition = ANY($1) AND NOT placed AND record IS NOT NULL
               ORDER BY turn LIMIT $2"#,
            partitions,
            most,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Unproduced {
                id: FilingId {
                    signal: row.signal_id,
                    revision: row.revision,
                    filing: row.filing,
                },
                record: row.record,
            })
            .collect())
    }

    /// Notes that the log holds what these filings had to produce, and drops the records; of a signal that lost its household, what to try again
    /// with stays.
    pub async fn mark_placed(&mut self, filings: &[FilingId]) -> Result<(), StoreError> {
        if filings.is_empty() {
            return Ok(());
        }
        let signals: Vec<Uuid> = filings.iter().map(|id| id.signal).collect();
        let revisions: Vec<i32> = filings.iter().map(|id| id.revision).collect();
        let numbers: Vec<i32> = filings.iter().map(|id| id.filing).collect();
        sqlx::query!(
            "UPDATE signal_homes AS h SET placed = true, record = h.record -> 'again'
             FROM UNNEST($1::uuid[], $2::int[], $3::int[]) AS p (signal_id, revision, filing)
             WHERE h.signal_id = p.signal_id AND h.revision = p.revision AND h.filing = p.filing",
            &signals,
            &revisions,
            &numbers,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_left_over_comes_in_the_order_in_which_it_was_decided(pool: PgPool) {
        let now: Timestamp = "2025-01-20T10:00:00Z".parse().unwrap();
        let filing = |signal: u128, revision: u32| NewHome {
            signal: SignalId::from_uuid(Uuid::from_u128(signal)),
            home: Home {
                revision,
                filing: revision,
                household: None,
                withdrawn: false,
            },
            before: None,
            unplaced_reason: None,
            municipality: "0518".to_owned(),
            partner: "p".to_owned(),
            kind: "k".to_owned(),
            record: Some(serde_json::json!({})),
            partition: 0,
            to_produce: true,
            received_at: now,
            ends_on: None,
        };
        let store = Store::from_pool(pool);
        // A new signal, and behind it a correction of an older one; then a batch at a moment that lies before, since a clock was put back.
        let batches = [
            (now, vec![filing(9, 1), filing(3, 2)]),
            (
                now - jiff::SignedDuration::from_secs(60),
                vec![filing(7, 1), filing(5, 1)],
            ),
        ];
        let mut tx = store.begin("test").await.unwrap();
        for (moment, batch) in &batches {
            tx.file(batch, *moment).await.unwrap();
        }
        let left = tx.unproduced(&[0], 10).await.unwrap();
        let order: Vec<u128> = left.iter().map(|one| one.id.signal.as_u128()).collect();
        assert_eq!(order, [9, 3, 7, 5]);
    }
}
