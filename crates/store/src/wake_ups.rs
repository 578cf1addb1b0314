//! What changes a judgement without a signal: a day that comes, a result, a hold that is lifted.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::HouseholdId;

use crate::{Store, StoreError, Tx};

/// Most wake-ups taken in one transaction.
pub const WAKE_UPS_MAX_PER_BATCH: i64 = 1_000;
/// Reason: a day that came, for something that only a day changes.
pub const NEXT_LOOK: &str = "next_look";
/// Reason: a day that came, on which signals of the household are past their retention (S4); judged so, they leave its timeline.
pub const EXPIRY: &str = "expiry";
/// Reason: a feed is complete further than it was; like a day, it waits for everything that was received before.
pub const FEED: &str = "feed";
/// Reason: another set of rules came into force.
pub const RULES: &str = "rules";
/// Reason: the backlog of a rule's version is worked off.
pub const BACKLOG: &str = "backlog";

/// A household to be judged again on a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WakeUp {
    /// The day that is judged.
    pub due: Date,
    /// Whom.
    pub household: HouseholdId,
    /// The partition of `signals.resolved` whose owner judges.
    pub partition: i32,
    /// Why, as a code: [`NEXT_LOOK`], [`FEED`], [`RULES`], [`BACKLOG`], or what somebody did: `result`, `hold_lifted`, …
    pub reason: String,
}

/// A judgement without a signal, to be found again by a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken<'a> {
    /// What was taken.
    pub wake: &'a WakeUp,
    /// Every record of the household with a lower offset was judged before.
    pub came_before: i64,
}

impl Store {
    /// How many households wait to be judged for this reason.
    pub async fn waiting_for(&self, topic: &str, reason: &str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM wake_ups WHERE topic = $1 AND reason = $2"#,
            topic,
            reason,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// The first wake-ups due by `today` in these partitions, oldest day first, but for those with a reason of `apart_from`.
    pub async fn due_wake_ups(
        &self,
        topic: &str,
        partitions: &[i32],
        today: Date,
        apart_from: &[&str],
    ) -> Result<Vec<WakeUp>, StoreError> {
        let apart_from: Vec<String> = apart_from.iter().map(ToString::to_string).collect();
        let rows = sqlx::query!(
            "SELECT due, household_id, partition, reason FROM wake_ups
             WHERE topic = $1 AND partition = ANY($2) AND due <= $3 AND reason <> ALL($5)
             ORDER BY due, household_id, reason LIMIT $4",
            topic,
            partitions,
            today.to_sqlx() as _,
            WAKE_UPS_MAX_PER_BATCH,
            &apart_from,
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
    /// The owner of the partitions asks itself for judgements; asking twice is asking once.
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

    /// Asks the owner for judgements, whoever that is, because of what this transaction does; asking twice is asking once. A wake-up that is there
    /// already is held until the transaction ends: a judgement that is under way cannot take it without seeing what was done.
    pub async fn ask_for_judgements(
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
             SELECT DISTINCT $1, w.partition, w.household_id, w.due, w.reason
             FROM UNNEST($2::int[], $3::uuid[], $4::date[], $5::text[]) AS w (partition, household_id, due, reason)
             ORDER BY w.partition, w.household_id, w.due, w.reason
             ON CONFLICT (topic, partition, household_id, due, reason) DO UPDATE SET reason = excluded.reason",
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

    /// Asks for a judgement of every household that was judged in these partitions: another set of rules is in force.
    pub async fn wake_everybody(
        &mut self,
        topic: &str,
        partitions: &[i32],
        due: Date,
    ) -> Result<u64, StoreError> {
        let woken = sqlx::query!(
            "INSERT INTO wake_ups (topic, partition, household_id, due, reason)
             SELECT $1, partition, household_id, $3, $4 FROM household_judgements WHERE partition = ANY($2)
             ON CONFLICT DO NOTHING",
            topic,
            partitions,
            due.to_sqlx() as _,
            RULES,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(woken.rows_affected())
    }

    /// Takes wake-ups that are judged in this transaction: before anything is read that somebody may have done without a lock of its own, so that
    /// who asks from then on asks anew ([`Tx::ask_for_judgements`]).
    pub async fn take_wake_ups(
        &mut self,
        topic: &str,
        wake_ups: &[WakeUp],
    ) -> Result<(), StoreError> {
        if wake_ups.is_empty() {
            return Ok(());
        }
        let (partitions, households, dues, reasons) = columns(wake_ups);
        sqlx::query!(
            "DELETE FROM wake_ups AS w
             USING (SELECT w.* FROM wake_ups w
                    JOIN UNNEST($2::int[], $3::uuid[], $4::date[], $5::text[]) AS t (partition, household_id, due, reason)
                      USING (partition, household_id, due, reason)
                    WHERE w.topic = $1 ORDER BY w.partition, w.household_id, w.due, w.reason FOR UPDATE OF w) AS taken
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

impl Tx {
    /// Notes judgements without a signal, each household's in the order given.
    pub async fn note_wake_ups(
        &mut self,
        taken: &[Taken<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if taken.is_empty() {
            return Ok(());
        }
        let households: Vec<Uuid> = taken.iter().map(|one| one.wake.household.uuid()).collect();
        let places: Vec<i64> = taken.iter().map(|one| one.came_before).collect();
        let dues: Vec<jiff_sqlx::Date> = taken.iter().map(|one| one.wake.due.to_sqlx()).collect();
        let reasons: Vec<String> = taken.iter().map(|one| one.wake.reason.clone()).collect();
        sqlx::query!(
            "INSERT INTO wake_ups_taken (household_id, came_before, due, reason, judged_at)
             SELECT n.household_id, n.came_before, n.due, n.reason, $5
             FROM UNNEST($1::uuid[], $2::bigint[], $3::date[], $4::text[]) WITH ORDINALITY AS n (household_id, came_before, due, reason, place)
             ORDER BY n.place",
            &households,
            &places,
            &dues as _,
            &reasons,
            now.to_sqlx() as _,
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use sqlx::PgPool;

    use super::*;

    fn wake(household: u128, reason: &str) -> WakeUp {
        WakeUp {
            due: date(2025, 1, 20),
            household: HouseholdId::from_uuid(Uuid::from_u128(household)),
            partition: 0,
            reason: reason.to_owned(),
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_a_person_did_is_found_behind_any_number_of_days(pool: PgPool) {
        let store = Store::from_pool(pool);
        let mut tx = store.begin("test").await.unwrap();
        let many = 2 * u128::try_from(WAKE_UPS_MAX_PER_BATCH).unwrap();
        let days: Vec<WakeUp> = (0..many).map(|number| wake(number, NEXT_LOOK)).collect();
        tx.add_wake_ups("t", &days).await.unwrap();
        tx.add_wake_ups("t", &[wake(many, "result"), wake(many, RULES)])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let due = async |apart_from: &[&str]| {
            let due = store.due_wake_ups("t", &[0], date(2025, 1, 20), apart_from);
            due.await.unwrap()
        };
        assert_eq!(due(&[NEXT_LOOK, RULES]).await, [wake(many, "result")]);
        assert_eq!(due(&[NEXT_LOOK]).await.len(), 2);
        assert_eq!(
            i64::try_from(due(&[]).await.len()).unwrap(),
            WAKE_UPS_MAX_PER_BATCH
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn who_asks_while_a_judgement_is_under_way_is_heard(pool: PgPool) {
        let store = Store::from_pool(pool);
        let asked = [wake(1, "registered")];
        let waiting = async || store.waiting_for("t", "registered").await.unwrap();
        let mut first = store.begin("test").await.unwrap();
        first.ask_for_judgements("t", &asked).await.unwrap();
        first.commit().await.unwrap();

        // Somebody asks again, and is not done yet: the judgement waits for what they do.
        let mut asking = store.begin("test").await.unwrap();
        asking.ask_for_judgements("t", &asked).await.unwrap();
        let mut judging = store.begin("test").await.unwrap();
        let mut taking = Box::pin(judging.take_wake_ups("t", &asked));
        let soon = std::time::Duration::from_millis(200);
        assert!(tokio::time::timeout(soon, &mut taking).await.is_err());
        asking.commit().await.unwrap();
        taking.await.unwrap();

        // Somebody asks when it is taken: they wait, and the wake-up is there anew.
        let mut asking = store.begin("test").await.unwrap();
        let mut ask = Box::pin(asking.ask_for_judgements("t", &asked));
        assert!(tokio::time::timeout(soon, &mut ask).await.is_err());
        judging.commit().await.unwrap();
        ask.await.unwrap();
        asking.commit().await.unwrap();
        assert_eq!(waiting().await, 1);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn everybody_who_was_judged_in_a_partition_is_woken_once(pool: PgPool) {
        sqlx::raw_sql(
            "INSERT INTO household_judgements (household_id, municipality, as_of, partition)
             SELECT gen_random_uuid(), '0518', '2025-01-20', n % 2 FROM generate_series(1, 10) n",
        )
        .execute(&pool)
        .await
        .unwrap();
        let store = Store::from_pool(pool);
        let mut tx = store.begin("test").await.unwrap();
        let today = date(2025, 1, 21);
        assert_eq!(tx.wake_everybody("t", &[1], today).await.unwrap(), 5);
        assert_eq!(tx.wake_everybody("t", &[1], today).await.unwrap(), 0);
    }
}
