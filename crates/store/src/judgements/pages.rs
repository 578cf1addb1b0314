//! Households page by page in order of id, for who looks at all of them with bounded memory.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::HouseholdId;

use crate::{StoreError, Tx};

impl Tx {
    /// The first households after `after` with an open or claimed task.
    pub async fn households_with_open_tasks(
        &mut self,
        after: HouseholdId,
        limit: i64,
    ) -> Result<Vec<HouseholdId>, StoreError> {
        let rows: Vec<Uuid> = sqlx::query_scalar!(
            "SELECT DISTINCT household_id FROM tasks WHERE state IN ('open', 'claimed') AND household_id > $1 ORDER BY household_id LIMIT $2",
            after.uuid(),
            limit,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows.into_iter().map(HouseholdId::from_uuid).collect())
    }

    /// The first households after `after` of which anything was received since.
    pub async fn households_heard_since(
        &mut self,
        since: Timestamp,
        after: HouseholdId,
        limit: i64,
    ) -> Result<Vec<HouseholdId>, StoreError> {
        let rows: Vec<Uuid> = sqlx::query_scalar!(
            "SELECT DISTINCT household_id FROM signals WHERE received_at >= $1 AND household_id > $2 ORDER BY household_id LIMIT $3",
            since.to_sqlx() as _,
            after.uuid(),
            limit,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows.into_iter().map(HouseholdId::from_uuid).collect())
    }

    /// In which partition each of these households was judged.
    pub async fn partitions_of(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<Vec<(HouseholdId, i32)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT household_id, partition AS "partition!" FROM household_judgements WHERE household_id = ANY($1) AND partition IS NOT NULL"#,
            &super::ids(households),
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (HouseholdId::from_uuid(row.household_id), row.partition))
            .collect())
    }
}
