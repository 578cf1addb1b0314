//! Holds as the safety desk sees and lifts them (I10, K11). Everybody else only learns that there is one.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::{HoldReason, HouseholdId, MunicipalityCode, SignalId, TaskId, UserId};

use crate::{Store, StoreError, Tx};

/// Most holds and markers the desk's page lists.
pub const DESK_PAGE_MAX: i64 = 200;

/// An active hold, for the safety desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskHold {
    /// Which one.
    pub id: Uuid,
    /// At which household.
    pub household: HouseholdId,
    /// Why.
    pub reason: HoldReason,
    /// The marker that raised it.
    pub signal: Option<SignalId>,
    /// Since when.
    pub raised_at: Timestamp,
    /// The desk's open task about the household, and its deadline.
    pub task: Option<(TaskId, Date)>,
    /// How many tasks of teams wait for it to be lifted.
    pub waiting_tasks: i64,
}

/// A signal of a given kind that no household could be found for: the desk sees it at once (K11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnplacedMarker {
    /// Which one.
    pub signal: SignalId,
    /// What kind.
    pub kind: String,
    /// Who sent it.
    pub partner_name: Option<String>,
    /// Why it has no household.
    pub reason: Option<String>,
    /// When it came in.
    pub received_at: Timestamp,
}

impl Store {
    /// Active holds, oldest first.
    pub async fn desk_holds(
        &self,
        municipality: MunicipalityCode,
    ) -> Result<Vec<DeskHold>, StoreError> {
        sqlx::query!(
            r#"SELECT h.hold_id, h.household_id, h.reason, h.signal_id, h.raised_at, t.task_id AS "task_id?",
                      t.due_on AS "due_on?",
                      (SELECT count(*) FROM tasks w WHERE w.household_id = h.household_id AND w.purpose <> 'safety'
                         AND w.state IN ('open', 'claimed')) AS "waiting!"
               FROM holds h
               LEFT JOIN tasks t ON t.household_id = h.household_id AND t.purpose = 'safety'
                                AND t.state IN ('open', 'claimed')
               WHERE h.municipality = $1 AND h.lifted_at IS NULL
               ORDER BY t.due_on NULLS LAST, h.raised_at, h.hold_id LIMIT $2"#,
            municipality.as_str(),
            DESK_PAGE_MAX,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| {
            Ok(DeskHold {
                id: row.hold_id,
                household: HouseholdId::from_uuid(row.household_id),
                reason: row.reason.parse().map_err(|_| StoreError::Corrupt {
                    table: "holds",
                    what: "reason",
                })?,
                signal: row.signal_id.map(SignalId::from_uuid),
                raised_at: row.raised_at.to_jiff(),
                task: row
                    .task_id
                    .zip(row.due_on)
                    .map(|(id, due)| (TaskId::from_uuid(id), due.to_jiff())),
                waiting_tasks: row.waiting,
            })
        })
        .collect()
    }

    /// Signals of these kinds without a household that nobody has decided about, oldest first.
    pub async fn unplaced_markers(
        &self,
        municipality: MunicipalityCode,
        kinds: &[String],
    ) -> Result<Vec<UnplacedMarker>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT h.signal_id, h.kind, p.name AS "partner_name?", h.unplaced_reason, h.received_at
               FROM signal_homes h LEFT JOIN partners p ON p.partner_id = h.partner_id
               WHERE h.municipality = $1 AND h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded
                 AND h.kind = ANY($2)
                 AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                                   AND (later.revision, later.filing) > (h.revision, h.filing))
               ORDER BY h.received_at, h.signal_id LIMIT $3"#,
            municipality.as_str(),
            kinds,
            DESK_PAGE_MAX,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| UnplacedMarker {
            signal: SignalId::from_uuid(row.signal_id),
            kind: row.kind,
            partner_name: row.partner_name,
            reason: row.unplaced_reason,
            received_at: row.received_at.to_jiff(),
        })
        .collect())
    }
}

impl Tx {
    /// Lifts an active hold and tells the household's open tasks. None: it is not active (any more).
    pub async fn lift_hold(
        &mut self,
        municipality: MunicipalityCode,
        hold: Uuid,
        by: UserId,
        why: &str,
        now: Timestamp,
    ) -> Result<Option<HouseholdId>, StoreError> {
        let household = sqlx::query_scalar!(
            "SELECT household_id FROM holds WHERE hold_id = $1 AND municipality = $2",
            hold,
            municipality.as_str(),
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        let Some(household) = household else {
            return Ok(None);
        };
        // The lock of every change to a household's tasks.
        sqlx::query!(
            "SELECT task_id FROM tasks WHERE household_id = $1 AND state IN ('open', 'claimed')
             ORDER BY household_id, purpose, task_id FOR UPDATE",
            household,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let lifted = sqlx::query!(
            "UPDATE holds SET lifted_at = $2, lifted_by = $3, lifted_why = $4 WHERE hold_id = $1 AND lifted_at IS NULL",
            hold,
            now.to_sqlx() as _,
            by.uuid(),
            why,
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        if lifted == 0 {
            return Ok(None);
        }
        // Only when the last one is gone may anybody go there again; the actor is not told to the teams.
        sqlx::query!(
            "INSERT INTO task_events (task_id, happened_at, actor, event, detail)
             SELECT task_id, $2, NULL, 'lifted', '{}'::jsonb FROM tasks
             WHERE household_id = $1 AND state IN ('open', 'claimed')
               AND NOT EXISTS (SELECT 1 FROM holds WHERE household_id = $1 AND lifted_at IS NULL)
             ORDER BY task_id",
            household,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(Some(HouseholdId::from_uuid(household)))
    }
}
