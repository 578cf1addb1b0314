//! Holds as the safety desk sees and lifts them (I10, K11). Everybody else only learns that there is one.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;
use voorveld_domain::{HoldReason, HouseholdId, MunicipalityCode, SignalId, TaskId, UserId};

use crate::{Store, StoreError, Tx};

/// Most holds and markers the desk's page lists.
pub const DESK_PAGE_MAX: i64 = 200;

/// What [`DeskHold::seen`] says of a household without any marker.
const NOTHING_SEEN: &str = "none";

/// The first part of a list, and how many there are behind it: nothing is cut off in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskList<T> {
    /// What is listed.
    pub rows: Vec<T>,
    /// How many more there are.
    pub more: i64,
}

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
    /// The desk's task about the household: the open one, else the newest that ended.
    pub task: Option<TaskId>,
    /// The deadline of that task, while it is open.
    pub task_due: Option<Date>,
    /// How many tasks of teams wait for it to be lifted.
    pub waiting_tasks: i64,
    /// The earliest deadline of those (K11).
    pub waiting_due: Option<Date>,
    /// How many markers of the household count.
    pub markers: i64,
    /// Which ones, as a fingerprint: who lifts the hold sends it back, and a marker that came since is not freed unseen.
    pub seen: String,
}

struct HoldRow {
    hold_id: Uuid,
    household_id: Uuid,
    reason: String,
    signal_id: Option<Uuid>,
    raised_at: jiff_sqlx::Timestamp,
    task_id: Option<Uuid>,
    task_due: Option<jiff_sqlx::Date>,
    waiting: i64,
    waiting_due: Option<jiff_sqlx::Date>,
    total: i64,
}

/// The columns of a [`HoldRow`]; what follows narrows and sorts.
macro_rules! holds_where {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            HoldRow,
            r#"SELECT h.hold_id, h.household_id, h.reason, h.signal_id, h.raised_at, t.task_id AS "task_id?",
                      t.due_on AS "task_due?", w.waiting AS "waiting!", w.due_on AS "waiting_due?",
                      count(*) OVER () AS "total!"
               FROM holds h
               LEFT JOIN LATERAL (
                   SELECT task_id, CASE WHEN state IN ('open', 'claimed') THEN due_on END AS due_on
                   FROM tasks WHERE household_id = h.household_id AND purpose = 'safety'
                   ORDER BY state NOT IN ('open', 'claimed'), state = 'merged', raised_at DESC, task_id LIMIT 1) t ON true
               CROSS JOIN LATERAL (
                   SELECT count(*) AS waiting, min(due_on) AS due_on
                   FROM tasks WHERE household_id = h.household_id AND purpose <> 'safety' AND state IN ('open', 'claimed')) w
               WHERE h.lifted_at IS NULL AND "# + $rest,
            $($argument),+
        )
    };
}

/// What became of an attempt to lift a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lift {
    /// It is lifted.
    Lifted(HouseholdId),
    /// It is not active (any more).
    NotActive,
    /// A marker came, or one was corrected, since the desk looked: it stays until that was seen too (I10).
    Unseen,
}

/// A signal of a given kind that no household could be found for: the desk sees it at once (K11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnplacedMarker {
    /// Which one.
    pub signal: SignalId,
    /// Its revision.
    pub revision: i32,
    /// What kind.
    pub kind: String,
    /// Who sent it.
    pub partner_name: Option<String>,
    /// Why it has no household.
    pub reason: Option<String>,
    /// When it came in.
    pub received_at: Timestamp,
}

/// What the safety desk thinks of a marker without a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkerJudgement {
    /// Which one.
    pub signal: SignalId,
    /// In the revision that the desk saw.
    pub revision: i32,
    /// Who says so.
    pub by: UserId,
    /// Why, as a code.
    pub why: &'static str,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Active holds, by the first deadline that presses on them; the oldest first where none does.
    pub async fn desk_holds(
        &self,
        municipality: MunicipalityCode,
    ) -> Result<DeskList<DeskHold>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let rows = holds_where!(
            "h.municipality = $1
             ORDER BY least(t.due_on, w.due_on) NULLS LAST, h.raised_at, h.hold_id LIMIT $2",
            municipality.as_str(),
            DESK_PAGE_MAX,
        )
        .fetch_all(&mut *connection)
        .await?;
        let more = rows
            .first()
            .map_or(0, |row| (row.total - DESK_PAGE_MAX).max(0));
        let rows = with_markers(&mut connection, rows).await?;
        Ok(DeskList { rows, more })
    }

    /// Signals of these kinds without a household that the desk has not judged and nobody has discarded, oldest first.
    pub async fn unplaced_markers(
        &self,
        municipality: MunicipalityCode,
        kinds: &[String],
    ) -> Result<DeskList<UnplacedMarker>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        read_markers(&mut connection, municipality, kinds, None).await
    }
}

impl Tx {
    /// One signal of [`Store::unplaced_markers`].
    pub async fn unplaced_marker(
        &mut self,
        municipality: MunicipalityCode,
        kinds: &[String],
        signal: SignalId,
    ) -> Result<Option<UnplacedMarker>, StoreError> {
        let mut found = read_markers(&mut self.inner, municipality, kinds, Some(signal)).await?;
        Ok(found.rows.pop())
    }

    /// Writes down that the desk has judged a marker. False: it is not (any more) on its list in this revision.
    pub async fn judge_marker(
        &mut self,
        municipality: MunicipalityCode,
        kinds: &[String],
        judgement: &MarkerJudgement,
    ) -> Result<bool, StoreError> {
        let judged = sqlx::query!(
            "UPDATE signal_homes h SET judged_at = $5, judged_by = $6, judged_why = $7
             WHERE h.signal_id = $3 AND h.revision = $4 AND h.municipality = $1 AND h.kind = ANY($2)
               AND h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded
               AND NOT EXISTS (SELECT 1 FROM signal_homes other WHERE other.signal_id = h.signal_id
                                 AND ((other.revision, other.filing) > (h.revision, h.filing)
                                   OR (other.revision = h.revision AND other.judged_at IS NOT NULL)))",
            municipality.as_str(),
            kinds,
            judgement.signal.uuid(),
            judgement.revision,
            judgement.at.to_sqlx() as _,
            judgement.by.uuid(),
            judgement.why,
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        Ok(judged == 1)
    }

    /// Lifts an active hold and tells the household's open tasks. `seen` is what the desk's page said of its markers
    /// ([`DeskHold::seen`]).
    ///
    /// Locks the household's open tasks and its holds, in the correlator's order. Where the desk's task has ended there is no task to
    /// meet at: then the hold's own row is where a marker that comes in ([`Tx::active_holds`]) and this wait for each other.
    pub async fn lift_hold(
        &mut self,
        municipality: MunicipalityCode,
        hold: Uuid,
        seen: &str,
        by: UserId,
        why: &str,
        now: Timestamp,
    ) -> Result<Lift, StoreError> {
        let household = sqlx::query_scalar!(
            "SELECT household_id FROM holds WHERE hold_id = $1 AND municipality = $2",
            hold,
            municipality.as_str(),
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        let Some(household) = household else {
            return Ok(Lift::NotActive);
        };
        // The lock of every change to a household's tasks.
        sqlx::query!(
            "SELECT task_id FROM tasks WHERE household_id = $1 AND state IN ('open', 'claimed')
             ORDER BY household_id, purpose, task_id FOR UPDATE",
            household,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let active = sqlx::query_scalar!(
            "SELECT hold_id FROM holds WHERE household_id = $1 AND lifted_at IS NULL ORDER BY hold_id FOR UPDATE",
            household,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        if !active.contains(&hold) {
            return Ok(Lift::NotActive);
        }
        // Read after the locks: whatever came in before them is there to see.
        let now_there = markers(&mut self.inner, &[household]).await?;
        if now_there
            .get(&household)
            .map_or(NOTHING_SEEN, |(_, seen)| seen)
            != seen
        {
            return Ok(Lift::Unseen);
        }
        sqlx::query!(
            "UPDATE holds SET lifted_at = $2, lifted_by = $3, lifted_why = $4 WHERE hold_id = $1",
            hold,
            now.to_sqlx() as _,
            by.uuid(),
            why,
        )
        .execute(&mut *self.inner)
        .await?;
        // What a colleague had written down goes with the hold that came of it.
        sqlx::query!(
            "UPDATE registrations r SET revoked_at = $2, revoked_by = $3, revoked_why = CASE WHEN $4 = 'mistaken' THEN $4 ELSE 'ended' END
             FROM holds h WHERE h.hold_id = $1 AND r.household_id = h.household_id AND r.reason = h.reason AND r.debtor_id IS NULL
               AND r.revoked_at IS NULL",
            hold,
            now.to_sqlx() as _,
            by.to_string(),
            why,
        )
        .execute(&mut *self.inner)
        .await?;
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
        Ok(Lift::Lifted(HouseholdId::from_uuid(household)))
    }
}

async fn read_markers(
    connection: &mut PgConnection,
    municipality: MunicipalityCode,
    kinds: &[String],
    only: Option<SignalId>,
) -> Result<DeskList<UnplacedMarker>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT h.signal_id, h.revision, h.kind, p.name AS "partner_name?", h.unplaced_reason, h.received_at,
                  count(*) OVER () AS "total!"
           FROM signal_homes h LEFT JOIN partners p ON p.partner_id = h.partner_id
           WHERE h.municipality = $1 AND h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded
             AND h.kind = ANY($2) AND ($3::uuid IS NULL OR h.signal_id = $3)
             AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                               AND (later.revision, later.filing) > (h.revision, h.filing))
             AND NOT EXISTS (SELECT 1 FROM signal_homes judged WHERE judged.signal_id = h.signal_id
                               AND judged.revision = h.revision AND judged.judged_at IS NOT NULL)
           ORDER BY h.received_at, h.signal_id LIMIT $4"#,
        municipality.as_str(),
        kinds,
        only.map(SignalId::uuid),
        DESK_PAGE_MAX,
    )
    .fetch_all(connection)
    .await?;
    let more = rows
        .first()
        .map_or(0, |row| (row.total - DESK_PAGE_MAX).max(0));
    let rows = rows
        .into_iter()
        .map(|row| UnplacedMarker {
            signal: SignalId::from_uuid(row.signal_id),
            revision: row.revision,
            kind: row.kind,
            partner_name: row.partner_name,
            reason: row.unplaced_reason,
            received_at: row.received_at.to_jiff(),
        })
        .collect();
    Ok(DeskList { rows, more })
}

/// The active holds of one household.
pub(crate) async fn holds_of(
    connection: &mut PgConnection,
    household: HouseholdId,
) -> Result<Vec<DeskHold>, StoreError> {
    let rows = holds_where!(
        "h.household_id = $1 ORDER BY h.raised_at, h.hold_id",
        household.uuid(),
    )
    .fetch_all(&mut *connection)
    .await?;
    with_markers(connection, rows).await
}

async fn with_markers(
    connection: &mut PgConnection,
    rows: Vec<HoldRow>,
) -> Result<Vec<DeskHold>, StoreError> {
    let households: Vec<Uuid> = rows.iter().map(|row| row.household_id).collect();
    let markers = markers(connection, &households).await?;
    rows.into_iter()
        .map(|row| {
            let (markers, seen) = markers
                .get(&row.household_id)
                .cloned()
                .unwrap_or_else(|| (0, NOTHING_SEEN.to_owned()));
            Ok(DeskHold {
                id: row.hold_id,
                household: HouseholdId::from_uuid(row.household_id),
                reason: row.reason.parse().map_err(|_| StoreError::Corrupt {
                    table: "holds",
                    what: "reason",
                })?,
                signal: row.signal_id.map(SignalId::from_uuid),
                raised_at: row.raised_at.to_jiff(),
                task: row.task_id.map(TaskId::from_uuid),
                task_due: row.task_due.map(jiff_sqlx::Date::to_jiff),
                waiting_tasks: row.waiting,
                waiting_due: row.waiting_due.map(jiff_sqlx::Date::to_jiff),
                markers,
                seen,
            })
        })
        .collect()
}

/// How many markers each household has that count, and a fingerprint of them and of the reasons of the desk's tasks. What the desk
/// itself does with a task leaves no trace in it; a marker that comes, moves here or is corrected does.
async fn markers(
    connection: &mut PgConnection,
    households: &[Uuid],
) -> Result<HashMap<Uuid, (i64, String)>, StoreError> {
    Ok(sqlx::query!(
        r#"SELECT m.household_id AS "household_id!", count(*) FILTER (WHERE m.is_signal) AS "markers!",
                  md5(string_agg(m.what, ',' ORDER BY m.what)) AS "seen!"
           FROM (SELECT household_id, concat_ws('/', signal_id, revision, filing) AS what, true AS is_signal
                 FROM signals
                 WHERE household_id = ANY($1) AND domain = 'safety' AND lives_here AND standing = 'counted'
                 UNION ALL
                 SELECT t.household_id, concat_ws('/', g.task_id, g.rule_id, g.anchor, g.witnesses), false
                 FROM tasks t JOIN task_grounds g USING (task_id)
                 WHERE t.household_id = ANY($1) AND t.purpose = 'safety' AND g.gone_as_of IS NULL) m
           GROUP BY m.household_id"#,
        households,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(|row| (row.household_id, (row.markers, row.seen)))
    .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;

    const HOUSEHOLD: Uuid = Uuid::from_u128(1);
    const HOLD: Uuid = Uuid::from_u128(2);

    async fn held(pool: &PgPool) -> Store {
        sqlx::query(
            "INSERT INTO holds (hold_id, municipality, household_id, reason, raised_at) VALUES ($1, '0518', $2, 'safety', now())",
        )
        .bind(HOLD)
        .bind(HOUSEHOLD)
        .execute(pool)
        .await
        .unwrap();
        Store::from_pool(pool.clone())
    }

    async fn lift(tx: &mut Tx) -> Lift {
        let by = UserId::from_uuid(Uuid::from_u128(3));
        let municipality = "0518".parse().unwrap();
        tx.lift_hold(
            municipality,
            HOLD,
            NOTHING_SEEN,
            by,
            "mistaken",
            Timestamp::UNIX_EPOCH,
        )
        .await
        .unwrap()
    }

    async fn held_as_the_correlator_reads(tx: &mut Tx) -> bool {
        let household = HouseholdId::from_uuid(HOUSEHOLD);
        !tx.active_holds(&[household]).await.unwrap().is_empty()
    }

    /// Without an open task there is nothing but the hold to meet at.
    #[sqlx::test(migrations = "../../migrations")]
    async fn a_marker_and_a_lift_wait_for_each_other_at_the_hold(pool: PgPool) {
        let store = held(&pool).await;
        let mut correlator = store.begin("a marker comes in").await.unwrap();
        assert!(held_as_the_correlator_reads(&mut correlator).await);
        let marker = async {
            sqlx::query(
                "INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id,
                    partner_type, kind, domain, event_date, first_received_at, received_at, crisis, warm_handover)
                 VALUES ($1, $2, '0518', 1, 1, true, 'counted', 'p', 'police', 'reporting_code_report', 'safety', '2025-11-20',
                    now(), now(), false, false)",
            )
            .bind(HOUSEHOLD)
            .bind(Uuid::from_u128(4))
            .execute(&mut *correlator.inner)
            .await
            .unwrap();
            correlator.commit().await.unwrap();
        };
        let mut desk = store.begin("lift").await.unwrap();
        let (lifted, ()) = tokio::join!(lift(&mut desk), marker);
        assert_eq!(
            lifted,
            Lift::Unseen,
            "the lift looked after the marker was there"
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_marker_that_comes_in_while_a_hold_is_lifted_finds_no_hold(pool: PgPool) {
        let store = held(&pool).await;
        let mut desk = store.begin("lift").await.unwrap();
        let household = HouseholdId::from_uuid(HOUSEHOLD);
        assert_eq!(lift(&mut desk).await, Lift::Lifted(household));
        let mut correlator = store.begin("a marker comes in").await.unwrap();
        let (held, committed) =
            tokio::join!(held_as_the_correlator_reads(&mut correlator), desk.commit());
        committed.unwrap();
        assert!(!held, "so it raises one of its own");
        let mut again = store.begin("lift").await.unwrap();
        assert_eq!(lift(&mut again).await, Lift::NotActive);
    }
}
