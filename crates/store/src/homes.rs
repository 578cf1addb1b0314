//! Where every signal is filed (S3): the resolver's decisions, and what of them is still to be produced.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::{HouseholdId, SignalId, TaskId};

use crate::copying::Rows;
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
    /// What to try again with, of a signal that has no household.
    pub again: Option<serde_json::Value>,
    /// Partition of `signals.received`.
    pub partition: i32,
    /// When the revision came in.
    pub received_at: Timestamp,
    /// From when it lives nowhere, because whom it names is too old; none: its retention ends no later.
    pub ends_on: Option<Date>,
}

impl NewHome {
    /// What names it.
    #[must_use]
    pub fn id(&self) -> FilingId {
        FilingId {
            signal: self.signal.uuid(),
            revision: self.home.revision.cast_signed(),
            filing: self.home.filing.cast_signed(),
        }
    }
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

/// What was decided together in one partition of `signals.received` and is to be produced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToProduce {
    /// The partition.
    pub partition: i32,
    /// Which filings.
    pub filings: Vec<FilingId>,
    /// Their records, in order of decision, in words of whoever produces them.
    pub records: Vec<u8>,
}

/// Something that was decided and is not known to be in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproduced {
    /// Its place in the order of decision, by which it is marked.
    pub turn: i64,
    /// As in [`ToProduce`].
    pub records: Vec<u8>,
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
            r#"SELECT EXISTS (SELECT 1 FROM filings_to_produce WHERE $1::int[] IS NULL OR partition = ANY($1))
                   OR EXISTS (SELECT 1 FROM signal_homes WHERE NOT placed AND ($1::int[] IS NULL OR partition = ANY($1))) AS "is!""#,
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

    /// Writes new filings down; one that is there already is refused, and with it all.
    pub async fn file(&mut self, homes: &[NewHome], now: Timestamp) -> Result<(), StoreError> {
        let (withdrawn, standing): (Vec<&NewHome>, Vec<&NewHome>) =
            homes.iter().partition(|new| new.home.withdrawn);
        let mut rows = Rows::default();
        for new in standing {
            let id = new.id();
            rows.column(id.signal).column(id.revision).column(id.filing);
            rows.column(new.municipality.as_str())
                .column(new.partner.as_str())
                .column(new.kind.as_str())
                .column(new.home.household.map(HouseholdId::uuid))
                .column(new.before.map(HouseholdId::uuid))
                .column(new.unplaced_reason)
                .column(new.home.withdrawn)
                .column(new.again.as_ref())
                .column(new.partition)
                .column(true)
                .column(new.received_at.to_sqlx())
                .column(now.to_sqlx())
                .column(new.ends_on.map(ToSqlx::to_sqlx))
                .end();
        }
        let into = "signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, household_before, unplaced_reason,
            withdrawn, record, partition, placed, received_at, decided_at, ends_on)";
        self.copy(into, rows).await?;
        self.file_withdrawn(&withdrawn, now).await
    }

    /// The same of signals that were taken back. A withdrawal names nobody: the end stays the one that was known.
    async fn file_withdrawn(
        &mut self,
        homes: &[&NewHome],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if homes.is_empty() {
            return Ok(());
        }
        let column =
            |pick: fn(&NewHome) -> i32| homes.iter().map(|new| pick(new)).collect::<Vec<i32>>();
        let ids = |pick: fn(&NewHome) -> Option<Uuid>| {
            homes
                .iter()
                .map(|new| pick(new))
                .collect::<Vec<Option<Uuid>>>()
        };
        let words = |pick: fn(&NewHome) -> String| {
            homes.iter().map(|new| pick(new)).collect::<Vec<String>>()
        };
        let signals: Vec<Uuid> = homes.iter().map(|new| new.signal.uuid()).collect();
        let households = ids(|new| new.home.household.map(HouseholdId::uuid));
        let befores = ids(|new| new.before.map(HouseholdId::uuid));
        let reasons: Vec<Option<String>> = homes
            .iter()
            .map(|new| new.unplaced_reason.map(str::to_owned))
            .collect();
        let records: Vec<Option<serde_json::Value>> =
            homes.iter().map(|new| new.again.clone()).collect();
        let received: Vec<jiff_sqlx::Timestamp> =
            homes.iter().map(|new| new.received_at.to_sqlx()).collect();
        let ends: Vec<Option<jiff_sqlx::Date>> = homes
            .iter()
            .map(|new| new.ends_on.map(ToSqlx::to_sqlx))
            .collect();
        sqlx::query!(
            "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, household_before,
                unplaced_reason, withdrawn, record, partition, placed, received_at, decided_at, ends_on)
             SELECT signal_id, revision, filing, municipality, partner_id, kind, household_id, household_before, unplaced_reason, true,
                record, partition, true, received_at, $13,
                coalesce(ends_on, (SELECT max(p.ends_on) FROM signal_homes p WHERE p.signal_id = n.signal_id))
             FROM UNNEST($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::uuid[], $9::text[],
                $10::jsonb[], $11::int[], $12::timestamptz[], $14::date[]) AS n (signal_id, revision, filing, municipality, partner_id, kind,
                household_id, household_before, unplaced_reason, record, partition, received_at, ends_on)",
            &signals,
            &column(|new| new.home.revision.cast_signed()),
            &column(|new| new.home.filing.cast_signed()),
            &words(|new| new.municipality.clone()),
            &words(|new| new.partner.clone()),
            &words(|new| new.kind.clone()),
            &households as _,
            &befores as _,
            &reasons as _,
            &records as _,
            &column(|new| new.partition),
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
               WHERE h.ends_on <= $2 AND h.partition = ANY($1)
                 AND NOT EXISTS (SELECT 1 FROM filings_to_produce f WHERE f.signals @> ARRAY[h.signal_id])
                 AND NOT EXISTS (SELECT 1 FROM signal_homes u WHERE u.signal_id = h.signal_id AND NOT u.placed)
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
             WHERE h.ends_on <= $1 AND h.household_id IS NULL
               AND NOT EXISTS (SELECT 1 FROM filings_to_produce f WHERE f.signals @> ARRAY[h.signal_id])
               AND NOT EXISTS (SELECT 1 FROM signal_homes u WHERE u.signal_id = h.signal_id AND NOT u.placed)
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

    /// Keeps what is to be produced, until it is marked; returns its turns, in the same order.
    pub async fn keep_to_produce(&mut self, orders: &[ToProduce]) -> Result<Vec<i64>, StoreError> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let partitions: Vec<i32> = orders.iter().map(|order| order.partition).collect();
        let records: Vec<&[u8]> = orders.iter().map(|order| &*order.records).collect();
        let filings = || {
            let numbered = (1_i64..).zip(orders);
            numbered.flat_map(|(number, order)| order.filings.iter().map(move |id| (number, id)))
        };
        let numbers: Vec<i64> = filings().map(|(number, _)| number).collect();
        let signals: Vec<Uuid> = filings().map(|(_, id)| id.signal).collect();
        let revisions: Vec<i32> = filings().map(|(_, id)| id.revision).collect();
        let places: Vec<i32> = filings().map(|(_, id)| id.filing).collect();
        Ok(sqlx::query_scalar!(
            "INSERT INTO filings_to_produce (partition, signals, revisions, filings, records)
             SELECT o.partition, f.signals, f.revisions, f.filings, o.records
             FROM UNNEST($1::int[], $2::bytea[]) WITH ORDINALITY AS o (partition, records, number)
             JOIN (SELECT number, array_agg(signal_id) AS signals, array_agg(revision) AS revisions, array_agg(filing) AS filings
                   FROM UNNEST($3::bigint[], $4::uuid[], $5::int[], $6::int[]) AS n (number, signal_id, revision, filing) GROUP BY number) f
               USING (number)
             ORDER BY number
             RETURNING turn",
            &partitions,
            &records as _,
            &numbers,
            &signals,
            &revisions,
            &places,
        )
        .fetch_all(&mut *self.inner)
        .await?)
    }

    /// What was decided but is not known to be produced, in order of decision: produced so, a crash leaves no trace in the log (K2).
    pub async fn unproduced(
        &mut self,
        partitions: &[i32],
        most: i64,
    ) -> Result<Vec<Unproduced>, StoreError> {
        self.adopt_unproduced(partitions).await?;
        let rows = sqlx::query!(
            "SELECT turn, records FROM filings_to_produce WHERE partition = ANY($1) ORDER BY turn LIMIT $2",
            partitions,
            most,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Unproduced {
                turn: row.turn,
                records: row.records,
            })
            .collect())
    }

    /// Makes our own what a process of the release before decided and did not produce: it kept the records with the filing.
    async fn adopt_unproduced(&mut self, partitions: &[i32]) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH left_over AS (
                 SELECT signal_id, revision, filing, partition, record, turn FROM signal_homes
                 WHERE partition = ANY($1) AND NOT placed FOR UPDATE
             ), marked AS (
                 UPDATE signal_homes h SET placed = true, record = l.record -> 'again'
                 FROM left_over l WHERE (h.signal_id, h.revision, h.filing) = (l.signal_id, l.revision, l.filing)
             )
             INSERT INTO filings_to_produce (partition, signals, revisions, filings, records)
             SELECT partition, array_agg(signal_id ORDER BY turn), array_agg(revision ORDER BY turn), array_agg(filing ORDER BY turn),
                string_agg(convert_to((record - 'again')::text, 'UTF8'), '\x0a' ORDER BY turn)
             FROM left_over WHERE record IS NOT NULL GROUP BY partition",
            partitions,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Notes that the log holds what had these turns.
    pub async fn mark_produced(&mut self, turns: &[i64]) -> Result<(), StoreError> {
        if turns.is_empty() {
            return Ok(());
        }
        sqlx::query!("DELETE FROM filings_to_produce WHERE turn = ANY($1)", turns)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    fn decided(signal: u128, revision: u32) -> NewHome {
        NewHome {
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
            again: None,
            partition: 0,
            received_at: "2025-01-20T10:00:00Z".parse().unwrap(),
            ends_on: None,
        }
    }

    fn order(partition: i32, homes: &[&NewHome], records: &str) -> ToProduce {
        ToProduce {
            partition,
            filings: homes.iter().map(|home| home.id()).collect(),
            records: records.into(),
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_left_over_comes_in_the_order_in_which_it_was_decided(pool: PgPool) {
        let now: Timestamp = "2025-01-20T10:00:00Z".parse().unwrap();
        let store = Store::from_pool(pool.clone());
        // Then a batch at a moment that lies before, since a clock was put back.
        let homes = [decided(9, 1), decided(3, 2), decided(7, 1), decided(5, 1)];
        let [a, b, c, d] = &homes;
        let mut tx = store.begin("test").await.unwrap();
        tx.file(&homes[..2], now).await.unwrap();
        let first = [order(1, &[b], "b"), order(0, &[a], "a")];
        let mut turns = tx.keep_to_produce(&first).await.unwrap();
        let before = now - jiff::SignedDuration::from_secs(60);
        tx.file(&homes[2..], before).await.unwrap();
        let second = [order(0, &[d, c], "d\nc")];
        turns.extend(tx.keep_to_produce(&second).await.unwrap());
        tx.commit().await.unwrap();

        let which = "SELECT signal_id FROM unproduced_filings ORDER BY signal_id";
        let numbers = async |sql: &str| -> Vec<u128> {
            let ids: Vec<Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
                .fetch_all(&pool)
                .await
                .unwrap();
            ids.into_iter().map(|id| id.as_u128()).collect()
        };
        assert_eq!(numbers(which).await, [3, 5, 7, 9]);
        assert!(store.is_unproduced(Some(&[1])).await.unwrap());
        assert!(!store.is_unproduced(Some(&[2])).await.unwrap());
        let mut tx = store.begin("test").await.unwrap();
        let left = tx.unproduced(&[0], 10).await.unwrap();
        let waiting = [(turns[1], "a"), (turns[2], "d\nc")].map(|(turn, records)| Unproduced {
            turn,
            records: records.into(),
        });
        assert_eq!(left, waiting);
        assert_eq!(tx.unproduced(&[0], 1).await.unwrap(), waiting[..1]);
        tx.mark_produced(&turns[1..2]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(numbers(which).await, [3, 5, 7]);
        let mut tx = store.begin("test").await.unwrap();
        tx.mark_produced(&turns).await.unwrap();
        tx.commit().await.unwrap();
        assert!(!store.is_unproduced(None).await.unwrap());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_the_release_before_left_over_is_produced_too(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        let mut tx = store.begin("test").await.unwrap();
        let homes = [decided(9, 1), decided(3, 1), decided(4, 1)];
        tx.file(&homes, homes[0].received_at).await.unwrap();
        tx.commit().await.unwrap();
        sqlx::raw_sql(
            r#"UPDATE signal_homes SET placed = false, record = '{"requestId": null, "records": [1], "again": {"v": 1}}'
               WHERE signal_id = '00000000-0000-0000-0000-000000000009';
               UPDATE signal_homes SET placed = false, record = '{"requestId": "r", "records": [2]}'
               WHERE signal_id = '00000000-0000-0000-0000-000000000003'"#,
        )
        .execute(&pool)
        .await
        .unwrap();
        assert!(store.is_unproduced(Some(&[0])).await.unwrap());
        let mut tx = store.begin("test").await.unwrap();
        assert_eq!(tx.unproduced(&[1], 10).await.unwrap(), []);
        let left = tx.unproduced(&[0], 10).await.unwrap();
        let [left] = &*left else {
            panic!("one for its partition");
        };
        let said: Vec<serde_json::Value> = serde_json::Deserializer::from_slice(&left.records)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(
            said,
            [
                serde_json::json!({ "requestId": null, "records": [1] }),
                serde_json::json!({ "requestId": "r", "records": [2] })
            ]
        );
        tx.mark_produced(&[left.turn]).await.unwrap();
        tx.commit().await.unwrap();
        assert!(!store.is_unproduced(None).await.unwrap());
        let again: Vec<serde_json::Value> =
            sqlx::query_scalar("SELECT record FROM signal_homes WHERE record IS NOT NULL")
                .fetch_all(&pool)
                .await
                .unwrap();
        assert_eq!(again, [serde_json::json!({ "v": 1 })]);
    }
}
