//! What changes a judgement without a signal: a day that comes, a result, a hold that is lifted.

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::HouseholdId;

use crate::{Store, StoreError, Tx};

/// Most wake-ups taken in one transaction.
pub const WAKE_UPS_MAX_PER_BATCH: i64 = 1_000;

/// A household to be judged again on a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WakeUp {
    /// The day that is judged.
    pub due: Date,
    /// Whom.
    pub household: HouseholdId,
    /// The partition of `signals.resolved` whose owner judges.
    pub partition: i32,
    /// Why, as a code: `next_look`, `result`, `hold_lifted`, …
    pub reason: String,
}

impl Store {
    /// The first wake-ups due by `today` in these partitions, oldest day first.
    pub async fn due_wake_ups(
        &self,
        topic: &str,
        partitions: &[i32],
        today: Date,
    ) -> Result<Vec<WakeUp>, StoreError> {
        let rows = sqlx::query!(
            "SELECT due, household_id, partition, reason FROM wake_ups
             WHERE topic = $1 AND partition = ANY($2) AND due <= $3
             ORDER BY due, household_id, reason LIMIT $4",
            topic,
            partitions,
            today.to_sqlx() as _,
            WAKE_UPS_MAX_PER_BATCH,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| WakeUp {
                due: row.due.to_jiff(),
                household: HouseholdId::from_uuid(row.household_id),
                partition: row.partition,
                reason: row.reason,
            })
            .collect())
    }
}

impl Tx {
    /// Asks for judgements; asking twice is asking once.
    pub async fn add_wake_ups(
        &mut self,
        topic: &str,
        wake_ups: &[WakeUp],
    ) -> Result<(), StoreError> {
        if wake_ups.is_empty() {
            return Ok(());
        }
        let (partitions, households, dues, reasons) = columns(wake_ups);
        sqlx::query!(
            "INSERT INTO wake_ups (topic, partition, household_id, due, reason)
             SELECT $1, w.partition, w.household_id, w.due, w.reason
             FROM UNNEST($2::int[], $3::uuid[], $4::date[], $5::text[]) AS w (partition, household_id, due, reason)
             ON CONFLICT DO NOTHING",
            topic,
            &partitions,
            &households,
            &dues as _,
            &reasons,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Takes wake-ups that were judged in this transaction.
    pub async fn take_wake_ups(
        &mut self,
        topic: &str,
        wake_ups: &[WakeUp],
    ) -> Result<(), StoreError> {
        let (partitions, households, dues, reasons) = columns(wake_ups);
        sqlx::query!(
            "DELETE FROM wake_ups AS w
             USING UNNEST($2::int[], $3::uuid[], $4::date[], $5::text[]) AS taken (partition, household_id, due, reason)
             WHERE w.topic = $1 AND w.partition = taken.partition AND w.household_id = taken.household_id
               AND w.due = taken.due AND w.reason = taken.reason",
            topic,
            &partitions,
            &households,
            &dues as _,
            &reasons,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

type Columns = (Vec<i32>, Vec<Uuid>, Vec<jiff_sqlx::Date>, Vec<String>);

fn columns(wake_ups: &[WakeUp]) -> Columns {
    (
        wake_ups.iter().map(|wake| wake.partition).collect(),
        wake_ups.iter().map(|wake| wake.household.uuid()).collect(),
        wake_ups.iter().map(|wake| wake.due.to_sqlx()).collect(),
        wake_ups.iter().map(|wake| wake.reason.clone()).collect(),
    )
}
