//! Delivered files and the result of each row. No row is kept, only where it stood and what became of it.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::copying::{FEW, Rows};
use crate::feeds::NewMark;
use crate::{Store, StoreError, Tx};

/// What became of the rows so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows read.
    pub read: u64,
    /// New signals.
    pub accepted: u64,
    /// Signals that changed.
    pub corrected: u64,
    /// Rows that said nothing new.
    pub unchanged: u64,
    /// Rows that were refused.
    pub refused: u64,
}

/// A delivered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// Its format, as a code.
    pub format: String,
    /// receiving, interrupted or complete.
    pub state: String,
    /// An earlier complete delivery of the same file.
    pub same_as: Option<Uuid>,
    /// Rows in the file.
    pub rows_total: u64,
    /// What became of them so far.
    pub counts: RowCounts,
    /// Parts of a document that tell what another system did.
    pub not_imported: u64,
    /// Why it was interrupted, as a code.
    pub problem: Option<String>,
    /// The last row with a result; rows behind it were not taken in.
    pub last_row: Option<u64>,
    /// When it came in.
    pub received_at: Timestamp,
    /// When something last changed.
    pub updated_at: Timestamp,
    /// When all rows had their result.
    pub completed_at: Option<Timestamp>,
}

/// A delivery to write down.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Its id.
    pub id: Uuid,
    /// Who sent it.
    pub partner: String,
    /// Its format, as a code.
    pub format: &'static str,
    /// Keyed digest of the whole file.
    pub file_digest: [u8; 32],
    /// Rows in the file.
    pub rows_total: u64,
    /// Parts of a document that tell what another system did.
    pub not_imported: u64,
    /// When it came in.
    pub received_at: Timestamp,
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowResult {
    /// As the sender counts.
    pub row: u64,
    /// accepted, corrected, unchanged or refused.
    pub outcome: String,
    /// The signal, unless refused.
    pub signal: Option<Uuid>,
    /// Its revision.
    pub revision: Option<u32>,
    /// What was wrong: `[{column, code, expected}]`.
    pub problems: Option<serde_json::Value>,
    /// What was odd.
    pub warnings: Option<serde_json::Value>,
}

fn count(number: i64) -> u64 {
    number.max(0).cast_unsigned()
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// Writes a delivery down as being received, with the marks its sender gave with it, and says which complete one had the same file.
    pub async fn add_delivery(
        &self,
        new: &NewDelivery,
        marks: &[NewMark],
    ) -> Result<Option<Uuid>, StoreError> {
        let mut tx = self.begin("add_delivery").await?;
        let same_as = sqlx::query_scalar!(
            "INSERT INTO deliveries (delivery_id, partner_id, format, state, file_digest, same_as, rows_total, not_imported, received_at,
                updated_at)
             VALUES ($1, $2, $3, 'receiving', $4,
                (SELECT delivery_id FROM deliveries
                 WHERE partner_id = $2 AND file_digest = $4 AND state = 'complete' ORDER BY received_at LIMIT 1),
                $5, $6, $7, $7)
             RETURNING same_as",
            new.id,
            new.partner,
            new.format,
            &new.file_digest[..],
            stored(new.rows_total),
            stored(new.not_imported),
            new.received_at.to_sqlx() as _,
        )
        .fetch_one(&mut *tx.inner)
        .await?;
        tx.add_marks(marks).await?;
        tx.commit().await?;
        Ok(same_as)
    }

    /// A delivery of this partner.
    pub async fn delivery(&self, partner: &str, id: Uuid) -> Result<Option<Delivery>, StoreError> {
        let row = sqlx::query!(
            "SELECT format, state, same_as, rows_total, rows_read, rows_accepted, rows_corrected, rows_unchanged, rows_refused,
                not_imported, problem, received_at, updated_at, completed_at,
                (SELECT max(row_number) FROM delivery_rows WHERE delivery_id = $2) AS last_row
             FROM deliveries WHERE partner_id = $1 AND delivery_id = $2",
            partner,
            id,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Delivery {
            id,
            format: row.format,
            state: row.state,
            same_as: row.same_as,
            rows_total: count(row.rows_total),
            counts: RowCounts {
                read: count(row.rows_read),
                accepted: count(row.rows_accepted),
                corrected: count(row.rows_corrected),
                unchanged: count(row.rows_unchanged),
                refused: count(row.rows_refused),
            },
            not_imported: count(row.not_imported),
            problem: row.problem,
            last_row: row.last_row.map(count),
            received_at: row.received_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
            completed_at: row.completed_at.map(jiff_sqlx::Timestamp::to_jiff),
        }))
    }

    /// Results behind row `after`, at most `limit`, by row; of one outcome when asked.
    pub async fn delivery_results(
        &self,
        id: Uuid,
        after: u64,
        outcome: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RowResult>, StoreError> {
        let rows = sqlx::query!(
            "SELECT row_number, outcome, signal_id, revision, problems, warnings FROM delivery_rows
             WHERE delivery_id = $1 AND row_number > $2 AND ($3::text IS NULL OR outcome = $3)
             ORDER BY row_number LIMIT $4",
            id,
            stored(after),
            outcome,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| RowResult {
                row: count(row.row_number),
                outcome: row.outcome,
                signal: row.signal_id,
                revision: row.revision.map(i32::cast_unsigned),
                problems: row.problems,
                warnings: row.warnings,
            })
            .collect())
    }

    /// Ends a delivery that has a result for every row. `false`: somebody called it interrupted meanwhile, and its sender may have read that.
    pub async fn complete_delivery(&self, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
        let ended = sqlx::query!(
            "UPDATE deliveries SET state = 'complete', completed_at = $2, updated_at = $2 WHERE delivery_id = $1 AND state = 'receiving'",
            id,
            now.to_sqlx() as _,
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        Ok(ended == 1)
    }

    /// Ends a delivery before its last row.
    pub async fn interrupt_delivery(
        &self,
        id: Uuid,
        problem: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE deliveries SET state = 'interrupted', problem = $2, updated_at = $3
             WHERE delivery_id = $1 AND state = 'receiving'",
            id,
            problem,
            now.to_sqlx() as _,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Shows that somebody is still working on a delivery.
    pub async fn touch_delivery(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE deliveries SET updated_at = $2 WHERE delivery_id = $1 AND state = 'receiving'",
            id,
            now.to_sqlx() as _,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Marks deliveries that nobody has worked on since `silent_since` as interrupted: the process that had them is gone.
    pub async fn interrupt_silent_deliveries(
        &self,
        silent_since: Timestamp,
        problem: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        Ok(sqlx::query!(
            "UPDATE deliveries SET state = 'interrupted', problem = $2, updated_at = $3
             WHERE state = 'receiving' AND updated_at < $1",
            silent_since.to_sqlx() as _,
            problem,
            now.to_sqlx() as _,
        )
        .execute(&self.pool)
        .await?
        .rows_affected())
    }
}

impl Tx {
    /// Writes down what became of a chunk of rows.
    pub async fn write_results(
        &mut self,
        id: Uuid,
        results: &[RowResult],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.copy_results(id, results).await? {
            self.insert_results(id, results).await?;
        }
        let tally = |outcome: &str| {
            stored(
                results
                    .iter()
                    .filter(|result| result.outcome == outcome)
                    .count() as u64,
            )
        };
        let counted = sqlx::query!(
            "UPDATE deliveries SET rows_read = rows_read + $2, rows_accepted = rows_accepted + $3, rows_corrected = rows_corrected + $4,
                rows_unchanged = rows_unchanged + $5, rows_refused = rows_refused + $6, updated_at = $7
             WHERE delivery_id = $1",
            id,
            stored(results.len() as u64),
            tally("accepted"),
            tally("corrected"),
            tally("unchanged"),
            tally("refused"),
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        if counted == 0 {
            return Err(StoreError::Corrupt {
                table: "deliveries",
                what: "rows of a delivery that is there",
            });
        }
        Ok(())
    }

    /// `false`: too few to copy, or one is written down already; nothing was written.
    async fn copy_results(&mut self, id: Uuid, results: &[RowResult]) -> Result<bool, StoreError> {
        if results.len() < FEW {
            return Ok(false);
        }
        let mut rows = Rows::default();
        for result in results {
            rows.column(id).column(stored(result.row));
            rows.column(&result.outcome).column(result.signal);
            rows.column(result.revision.map(u32::cast_signed));
            rows.column(result.problems.as_ref());
            rows.column(result.warnings.as_ref()).end();
        }
        let into = "delivery_rows (delivery_id, row_number, outcome, signal_id, revision, problems, warnings)";
        self.copy_unless_there(into, rows).await
    }

    /// A row that is written down already stays as it is.
    async fn insert_results(&mut self, id: Uuid, results: &[RowResult]) -> Result<(), StoreError> {
        let rows: Vec<i64> = results.iter().map(|result| stored(result.row)).collect();
        let outcomes: Vec<String> = results
            .iter()
            .map(|result| result.outcome.clone())
            .collect();
        let signals: Vec<Option<Uuid>> = results.iter().map(|result| result.signal).collect();
        let revisions: Vec<Option<i32>> = results
            .iter()
            .map(|result| result.revision.map(u32::cast_signed))
            .collect();
        let problems: Vec<Option<serde_json::Value>> = results
            .iter()
            .map(|result| result.problems.clone())
            .collect();
        let warnings: Vec<Option<serde_json::Value>> = results
            .iter()
            .map(|result| result.warnings.clone())
            .collect();
        sqlx::query!(
            "INSERT INTO delivery_rows (delivery_id, row_number, outcome, signal_id, revision, problems, warnings)
             SELECT $1, n.* FROM UNNEST($2::bigint[], $3::text[], $4::uuid[], $5::int[], $6::jsonb[], $7::jsonb[]) AS n
             ON CONFLICT (delivery_id, row_number) DO NOTHING",
            id,
            &rows,
            &outcomes,
            &signals as _,
            &revisions as _,
            &problems as _,
            &warnings as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use sqlx::PgPool;

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_delivery_counts_its_rows_and_knows_the_same_file(pool: PgPool) {
        sqlx::query(
            "INSERT INTO partners VALUES ('a', 'A', '{0518}', '{}', '{}', 10, false, now(), NULL)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let store = Store::from_pool(pool);
        let now: Timestamp = "2026-02-01T10:00:00Z".parse().unwrap();
        let new = NewDelivery {
            id: Uuid::now_v7(),
            partner: "a".into(),
            format: "csv",
            file_digest: [1; 32],
            rows_total: 2,
            not_imported: 3,
            received_at: now,
        };
        assert_eq!(store.add_delivery(&new, &[]).await.unwrap(), None);
        let refused = RowResult {
            row: 3,
            outcome: "refused".into(),
            signal: None,
            revision: None,
            problems: Some(serde_json::json!([{"column": "bedrag", "code": "amount_format"}])),
            warnings: None,
        };
        let accepted = RowResult {
            row: 2,
            outcome: "accepted".into(),
            signal: Some(Uuid::now_v7()),
            revision: Some(1),
            problems: None,
            warnings: None,
        };
        let mut tx = store.begin("test").await.unwrap();
        tx.write_results(new.id, &[refused.clone(), accepted.clone()], now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let delivery = store.delivery("a", new.id).await.unwrap().unwrap();
        assert_eq!(
            (
                delivery.counts.read,
                delivery.counts.accepted,
                delivery.counts.refused
            ),
            (2, 1, 1)
        );
        assert_eq!(
            (delivery.state.as_str(), delivery.last_row),
            ("receiving", Some(3))
        );
        assert_eq!(
            store.delivery_results(new.id, 0, None, 10).await.unwrap(),
            [accepted, refused.clone()]
        );
        assert_eq!(
            store
                .delivery_results(new.id, 2, Some("refused"), 10)
                .await
                .unwrap(),
            [refused]
        );
        assert_eq!(
            store.delivery("b", new.id).await.unwrap(),
            None,
            "not this partner's"
        );

        let second = NewDelivery {
            id: Uuid::now_v7(),
            ..new.clone()
        };
        assert_eq!(
            store.add_delivery(&second, &[]).await.unwrap(),
            None,
            "the first is not complete"
        );
        assert!(store.complete_delivery(new.id, now).await.unwrap());
        let third = NewDelivery {
            id: Uuid::now_v7(),
            ..new.clone()
        };
        assert_eq!(store.add_delivery(&third, &[]).await.unwrap(), Some(new.id));

        let later = now + 1.hour();
        store.touch_delivery(third.id, later).await.unwrap();
        let silent = store
            .interrupt_silent_deliveries(now + 1.minute(), "stopped", later)
            .await
            .unwrap();
        assert_eq!(
            silent, 1,
            "the second; the first is complete and the third alive"
        );
        let stopped = store.delivery("a", second.id).await.unwrap().unwrap();
        assert_eq!(
            (stopped.state.as_str(), stopped.problem.as_deref()),
            ("interrupted", Some("stopped"))
        );
        assert!(
            !store.complete_delivery(second.id, later).await.unwrap(),
            "its sender was told otherwise"
        );
        let stopped = store.delivery("a", second.id).await.unwrap().unwrap();
        assert_eq!(stopped.state, "interrupted");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_row_that_is_written_down_stays_as_it_is(pool: PgPool) {
        sqlx::query(
            "INSERT INTO partners VALUES ('a', 'A', '{0518}', '{}', '{}', 10, false, now(), NULL)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let store = Store::from_pool(pool);
        for many in [1, FEW as u64] {
            let new = NewDelivery {
                id: Uuid::now_v7(),
                partner: "a".into(),
                format: "csv",
                file_digest: [1; 32],
                rows_total: 3 * many,
                not_imported: 0,
                received_at: "2026-02-01T10:00:00Z".parse().unwrap(),
            };
            store.add_delivery(&new, &[]).await.unwrap();
            let results = |rows: std::ops::Range<u64>, outcome: &str| -> Vec<RowResult> {
                let result = |row| RowResult {
                    row,
                    outcome: outcome.to_owned(),
                    signal: None,
                    revision: Some(1),
                    problems: Some(serde_json::json!([{ "code": "odd" }])),
                    warnings: None,
                };
                rows.map(result).collect()
            };
            let mut tx = store.begin("test").await.unwrap();
            for (rows, outcome) in [(1..many + 1, "accepted"), (1..2 * many + 1, "refused")] {
                let results = results(rows, outcome);
                tx.write_results(new.id, &results, new.received_at)
                    .await
                    .unwrap();
            }
            tx.commit().await.unwrap();
            let written = store
                .delivery_results(new.id, 0, None, u32::MAX)
                .await
                .unwrap();
            let mut expected = results(1..many + 1, "accepted");
            expected.extend(results(many + 1..2 * many + 1, "refused"));
            assert_eq!(written, expected);
        }
    }
}
