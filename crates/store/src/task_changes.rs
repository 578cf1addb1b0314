//! What people do to tasks. Each change happens under the lock that the correlator takes too, and only from the state and version
//! that the colleague saw.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use serde_json::{Value, json};
use uuid::Uuid;
use voorveld_domain::{
    ContactChannel, DayPart, HouseholdId, MunicipalityCode, Outcome, Purpose, TaskId, TaskState,
    UserId,
};

use crate::{StoreError, Tx};

/// The constraint that holds I8.
pub const ONE_OPEN_PER_PURPOSE: &str = "tasks_one_open_per_purpose";

/// A task whose household's open tasks this transaction holds locked: nobody joins evidence to it, closes it or puts it on hold
/// before the transaction ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedTask {
    /// Which one.
    pub id: TaskId,
    /// About which household.
    pub household: HouseholdId,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it stands.
    pub state: TaskState,
    /// Whose it is.
    pub team: String,
    /// Who has it, or had it when it was closed.
    pub claimed_by: Option<UserId>,
    /// Who closed it.
    pub closed_by: Option<UserId>,
    /// When.
    pub closed_at: Option<Timestamp>,
    /// K10: lost its grounds while somebody had it.
    pub flagged: bool,
    /// Its version.
    pub version: i32,
    /// K11: whether outreach at the household is held.
    pub held: bool,
}

/// A contact attempt to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContactAttempt {
    /// Made by who fills in the form, so that sending it twice writes it once.
    pub id: Uuid,
    /// On which day.
    pub tried_on: Date,
    /// How.
    pub channel: ContactChannel,
    /// When on that day.
    pub day_part: DayPart,
    /// Whether somebody was spoken to.
    pub reached: bool,
}

/// What became of a contact attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is written down.
    New,
    /// Sent twice: it was there already.
    Already,
    /// Another attempt has this id: nothing is written down.
    Other,
}

impl Tx {
    /// Locks the open tasks of the task's household, and the task itself, in key order: the same lock as the correlator's.
    pub async fn lock_task(
        &mut self,
        municipality: MunicipalityCode,
        id: TaskId,
    ) -> Result<Option<LockedTask>, StoreError> {
        let household = sqlx::query_scalar!(
            "SELECT household_id FROM tasks WHERE task_id = $1 AND municipality = $2",
            id.uuid(),
            municipality.as_str(),
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        let Some(household) = household else {
            return Ok(None);
        };
        let rows = sqlx::query!(
            "SELECT task_id, household_id, purpose, state, team_id, claimed_by, closed_by, closed_at, flagged, version
             FROM tasks WHERE household_id = $1 AND (state IN ('open', 'claimed') OR task_id = $2)
             ORDER BY household_id, purpose, task_id FOR UPDATE",
            household,
            id.uuid(),
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let Some(row) = rows.into_iter().find(|row| row.task_id == id.uuid()) else {
            return Ok(None);
        };
        // Read after the lock: whoever holds the household takes the lock first.
        let held = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM holds WHERE household_id = $1 AND lifted_at IS NULL) AS "held!""#,
            household,
        )
        .fetch_one(&mut *self.inner)
        .await?;
        let corrupt = |what| StoreError::Corrupt {
            table: "tasks",
            what,
        };
        Ok(Some(LockedTask {
            id,
            household: HouseholdId::from_uuid(row.household_id),
            purpose: row.purpose.parse().map_err(|_| corrupt("purpose"))?,
            state: row.state.parse().map_err(|_| corrupt("state"))?,
            team: row.team_id,
            claimed_by: row.claimed_by.map(UserId::from_uuid),
            closed_by: row.closed_by.map(UserId::from_uuid),
            closed_at: row.closed_at.map(jiff_sqlx::Timestamp::to_jiff),
            flagged: row.flagged,
            version: row.version,
            held,
        }))
    }

    /// A colleague takes an open task. False: it is not open in this version any more.
    pub async fn claim_task(
        &mut self,
        id: TaskId,
        version: i32,
        by: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let moved = sqlx::query!(
            "UPDATE tasks SET state = 'claimed', claimed_by = $3, claimed_at = $4, version = version + 1
             WHERE task_id = $1 AND state = 'open' AND version = $2",
            id.uuid(),
            version,
            by.uuid(),
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        self.tell(moved, id, now, by, "claimed", json!({})).await
    }

    /// A claimed task goes back to the team. False: it is not claimed in this version any more.
    pub async fn release_task(
        &mut self,
        id: TaskId,
        version: i32,
        by: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let moved = sqlx::query!(
            "UPDATE tasks SET state = 'open', claimed_by = NULL, claimed_at = NULL, version = version + 1
             WHERE task_id = $1 AND state = 'claimed' AND version = $2",
            id.uuid(),
            version,
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        self.tell(moved, id, now, by, "released", json!({})).await
    }

    /// Writes down a contact attempt. The same attempt twice is one.
    pub async fn record_contact(
        &mut self,
        task: TaskId,
        attempt: &NewContactAttempt,
        by: UserId,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let written = sqlx::query!(
            "INSERT INTO contact_attempts (attempt_id, task_id, tried_on, channel, day_part, reached, recorded_by, recorded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (attempt_id) DO NOTHING",
            attempt.id,
            task.uuid(),
            attempt.tried_on.to_sqlx() as _,
            attempt.channel.code(),
            attempt.day_part.code(),
            attempt.reached,
            by.uuid(),
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        if written == 0 {
            let same = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT 1 FROM contact_attempts
                       WHERE attempt_id = $1 AND task_id = $2 AND tried_on = $3 AND channel = $4 AND day_part = $5
                         AND reached = $6) AS "same!""#,
                attempt.id,
                task.uuid(),
                attempt.tried_on.to_sqlx() as _,
                attempt.channel.code(),
                attempt.day_part.code(),
                attempt.reached,
            )
            .fetch_one(&mut *self.inner)
            .await?;
            return Ok(if same {
                Recorded::Already
            } else {
                Recorded::Other
            });
        }
        let detail = json!({
            "channel": attempt.channel.code(),
            "dayPart": attempt.day_part.code(),
            "reached": attempt.reached,
            "triedOn": attempt.tried_on.to_string(),
        });
        self.tell(written, task, now, by, "contact", detail).await?;
        Ok(Recorded::New)
    }

    /// A claimed task ends with a result. False: it is not claimed in this version any more.
    pub async fn close_task(
        &mut self,
        id: TaskId,
        version: i32,
        outcome: Outcome,
        by: UserId,
        now: Timestamp,
        as_of: Date,
    ) -> Result<bool, StoreError> {
        let moved = sqlx::query!(
            "UPDATE tasks SET state = 'closed', outcome = $3, closed_as_of = $4, closed_at = $5, closed_by = $6,
                              version = version + 1
             WHERE task_id = $1 AND state = 'claimed' AND version = $2",
            id.uuid(),
            version,
            outcome.code(),
            as_of.to_sqlx() as _,
            now.to_sqlx() as _,
            by.uuid(),
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        let detail = json!({ "outcome": outcome.code() });
        self.tell(moved, id, now, by, "closed", detail).await
    }

    /// A result is taken back: the task is again with who had it. False: it is not closed in this version any more. When a new task
    /// for the same purpose was raised meanwhile, this is a unique violation of [`ONE_OPEN_PER_PURPOSE`].
    pub async fn reopen_task(
        &mut self,
        id: TaskId,
        version: i32,
        by: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let moved = sqlx::query!(
            "UPDATE tasks SET state = 'claimed', claimed_by = $3, outcome = NULL, closed_as_of = NULL, closed_at = NULL,
                              closed_by = NULL, version = version + 1
             WHERE task_id = $1 AND state = 'closed' AND version = $2",
            id.uuid(),
            version,
            by.uuid(),
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        self.tell(moved, id, now, by, "reopened", json!({})).await
    }

    /// Writes the line of history that belongs to a change, if it happened, with its place among the household's records (K2).
    async fn tell(
        &mut self,
        moved: u64,
        task: TaskId,
        now: Timestamp,
        by: UserId,
        event: &str,
        detail: Value,
    ) -> Result<bool, StoreError> {
        if moved == 0 {
            return Ok(false);
        }
        sqlx::query!(
            "INSERT INTO task_events (task_id, happened_at, actor, event, detail, came_before)
             SELECT $1, $2, $3, $4, $5,
                    (SELECT coalesce(max(s.came_at) + 1, 0) FROM signals s JOIN tasks t USING (household_id) WHERE t.task_id = $1)",
            task.uuid(),
            now.to_sqlx() as _,
            by.uuid(),
            event,
            detail,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(true)
    }
}
