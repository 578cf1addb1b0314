//! What is known of a household before it is judged: its tasks and holds, read under the lock that outreach takes, too.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;
use uuid::Uuid;
use voorveld_domain::{
    HoldReason, HouseholdId, MunicipalityCode, Outcome, Purpose, RuleId, SignalId, TaskId,
    TaskState, Urgency,
};

use super::{corrupt, ids};
use crate::{StoreError, Tx};

/// How far a household was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The last day it was judged for; never goes back (T2).
    pub as_of: Date,
    /// When its judgement may change without a signal.
    pub next_look: Option<Date>,
    /// An absence of it waits for a feed: a mark may change it, too.
    pub awaits_feeds: bool,
}

/// A task as planning reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedTask {
    /// Which.
    pub id: TaskId,
    /// Whose.
    pub household: HouseholdId,
    /// What for.
    pub purpose: Purpose,
    /// Where it stands.
    pub state: TaskState,
    /// How soon.
    pub urgency: Urgency,
    /// By when.
    pub due_on: Date,
    /// K7.
    pub ladder_step: i32,
    /// Since when.
    pub raised_as_of: Date,
    /// When and how it ended.
    pub closed: Option<(Date, Outcome)>,
    /// K10: all grounds went while somebody has it.
    pub flagged: bool,
    /// K10: some grounds went.
    pub annotated: bool,
    /// Why, those that stand.
    pub grounds: Vec<JudgedGround>,
}

/// A ground as planning reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedGround {
    /// Which rule.
    pub rule: RuleId,
    /// In which version.
    pub version: u32,
    /// Which match of that rule, as text.
    pub anchor: String,
    /// Sorted.
    pub witnesses: Vec<SignalId>,
    /// What was measured, in canonical texts.
    pub evidence: Vec<String>,
    /// The last day of the term it asks for.
    pub due_on: Date,
    /// When it came to the task.
    pub added_as_of: Date,
    /// K6.
    pub repeat: bool,
}

/// What a household that is about to be judged hears of results at others (K4).
#[derive(Debug, Clone, Copy)]
pub struct Hearing<'a> {
    /// Which household.
    pub household: HouseholdId,
    /// Every record of it with a lower offset was judged before.
    pub came_before: i64,
    /// Which signals of it a closed task elsewhere answered, for which purpose.
    pub answered: &'a BTreeSet<(Purpose, SignalId)>,
}

impl Tx {
    /// Locks all tasks of these households in key order (outreach takes the same lock), then reads them with the grounds that stand (K3). Ended ones,
    /// too: a result that is taken back while a household is judged would else stand in the history before the judgement that did not see it.
    pub async fn lock_and_read_tasks(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<HashMap<HouseholdId, Vec<JudgedTask>>, StoreError> {
        let ids = ids(households);
        sqlx::query!(
            "SELECT task_id FROM tasks WHERE household_id = ANY($1) ORDER BY household_id, purpose, task_id FOR UPDATE",
            &ids,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        self.tasks_of(households).await
    }

    /// All tasks of these households with the grounds that stand, without a lock: for who only looks.
    pub async fn tasks_of(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<HashMap<HouseholdId, Vec<JudgedTask>>, StoreError> {
        let rows = sqlx::query!(
            "SELECT task_id, household_id, purpose, state, urgency, due_on, ladder_step, raised_as_of, closed_as_of, outcome, flagged, annotated
             FROM tasks WHERE household_id = ANY($1) ORDER BY household_id, raised_at, task_id",
            &ids(households),
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let of: Vec<Uuid> = rows.iter().map(|row| row.task_id).collect();
        let mut by_task = self.standing_grounds(&of).await?;
        let mut tasks: HashMap<HouseholdId, Vec<JudgedTask>> = HashMap::new();
        for row in rows {
            let household = HouseholdId::from_uuid(row.household_id);
            let closed = match (row.closed_as_of, row.outcome) {
                (Some(day), Some(outcome)) => Some((
                    day.to_jiff(),
                    outcome.parse().map_err(|_| corrupt("tasks", "outcome"))?,
                )),
                _ => None,
            };
            tasks.entry(household).or_default().push(JudgedTask {
                id: TaskId::from_uuid(row.task_id),
                household,
                purpose: row
                    .purpose
                    .parse()
                    .map_err(|_| corrupt("tasks", "purpose"))?,
                state: row.state.parse().map_err(|_| corrupt("tasks", "state"))?,
                urgency: row
                    .urgency
                    .parse()
                    .map_err(|_| corrupt("tasks", "urgency"))?,
                due_on: row.due_on.to_jiff(),
                ladder_step: row.ladder_step,
                raised_as_of: row.raised_as_of.to_jiff(),
                closed,
                flagged: row.flagged,
                annotated: row.annotated,
                grounds: by_task.remove(&row.task_id).unwrap_or_default(),
            });
        }
        Ok(tasks)
    }

    /// The grounds that stand of these tasks, in order of rule and anchor. They are asked for by task and not by household: of a join PostgreSQL expects
    /// so little that it reads the table from its beginning to its end.
    async fn standing_grounds(
        &mut self,
        tasks: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<JudgedGround>>, StoreError> {
        let mut by_task: HashMap<Uuid, Vec<JudgedGround>> = HashMap::new();
        if tasks.is_empty() {
            return Ok(by_task);
        }
        let rows = sqlx::query!(
            "SELECT task_id, rule_id, rule_version, anchor, witnesses, evidence, due_on, added_as_of, repeat
             FROM task_grounds WHERE task_id = ANY($1) AND gone_as_of IS NULL",
            tasks,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        for row in rows {
            by_task.entry(row.task_id).or_default().push(JudgedGround {
                rule: row
                    .rule_id
                    .parse()
                    .map_err(|_| corrupt("task_grounds", "rule_id"))?,
                version: row.rule_version.cast_unsigned(),
                anchor: row.anchor,
                witnesses: row.witnesses.into_iter().map(SignalId::from_uuid).collect(),
                evidence: serde_json::from_value(row.evidence)
                    .map_err(|_| corrupt("task_grounds", "evidence"))?,
                due_on: row.due_on.to_jiff(),
                added_as_of: row.added_as_of.to_jiff(),
                repeat: row.repeat,
            });
        }
        for grounds in by_task.values_mut() {
            grounds.sort_unstable_by(|a, b| (&a.rule, &a.anchor).cmp(&(&b.rule, &b.anchor)));
        }
        Ok(by_task)
    }

    /// The matches of a household that raised nothing for this reason when it was last judged: rule and anchor.
    pub async fn suppressed_for(
        &mut self,
        household: HouseholdId,
        reason: &str,
    ) -> Result<Vec<(RuleId, String)>, StoreError> {
        sqlx::query!(
            "SELECT rule_id, anchor FROM suppressions WHERE household_id = $1 AND reason = $2 ORDER BY rule_id, anchor",
            household.uuid(),
            reason,
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .map(|row| {
            let rule = row
                .rule_id
                .parse()
                .map_err(|_| corrupt("suppressions", "rule_id"))?;
            Ok((rule, row.anchor))
        })
        .collect()
    }

    /// How far each household was judged.
    pub async fn judged(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<HashMap<HouseholdId, Judged>, StoreError> {
        let rows = sqlx::query!(
            "SELECT household_id, as_of, next_look, awaits_feeds FROM household_judgements WHERE household_id = ANY($1)",
            &ids(households),
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let judged = Judged {
                    as_of: row.as_of.to_jiff(),
                    next_look: row.next_look.map(jiff_sqlx::Date::to_jiff),
                    awaits_feeds: row.awaits_feeds,
                };
                (HouseholdId::from_uuid(row.household_id), judged)
            })
            .collect())
    }

    /// The municipality of each of these households that was ever judged.
    pub async fn municipalities_of(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<Vec<(HouseholdId, MunicipalityCode)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT household_id, municipality FROM household_judgements WHERE household_id = ANY($1)",
            &ids(households),
        )
        .fetch_all(&mut *self.inner)
        .await?;
        rows.into_iter()
            .map(|row| {
                let code = row
                    .municipality
                    .parse()
                    .map_err(|_| corrupt("household_judgements", "municipality"))?;
                Ok((HouseholdId::from_uuid(row.household_id), code))
            })
            .collect()
    }

    /// The active hold of each household that has one; unsafety before anything else. Who reads it here keeps it from being lifted until
    /// the transaction ends: a marker that finds its household held raises no hold of its own, so the desk must see it before it
    /// lifts ([`Tx::lift_hold`]).
    pub async fn active_holds(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<HashMap<HouseholdId, HoldReason>, StoreError> {
        let rows = sqlx::query!(
            "SELECT household_id, reason FROM holds WHERE household_id = ANY($1) AND lifted_at IS NULL
             ORDER BY household_id, reason = 'safety', hold_id FOR SHARE",
            &ids(households),
        )
        .fetch_all(&mut *self.inner)
        .await?;
        rows.into_iter()
            .map(|row| {
                let reason = row.reason.parse().map_err(|_| corrupt("holds", "reason"))?;
                Ok((HouseholdId::from_uuid(row.household_id), reason))
            })
            .collect()
    }

    /// Of these signals, those that were answered on a closed task, with that task's household and purpose (K4: also after a move).
    pub async fn answered(
        &mut self,
        signals: &[SignalId],
    ) -> Result<Vec<(HouseholdId, Purpose, SignalId)>, StoreError> {
        if signals.is_empty() {
            return Ok(Vec::new());
        }
        let signals: Vec<Uuid> = signals.iter().map(|signal| signal.uuid()).collect();
        let rows = sqlx::query!(
            r#"SELECT t.household_id, t.purpose, w.signal_id as "signal_id!"
               FROM task_grounds g JOIN tasks t USING (task_id), UNNEST(g.witnesses) AS w (signal_id)
               WHERE g.witnesses && $1 AND g.gone_as_of IS NULL AND t.state = 'closed' AND w.signal_id = ANY($1)"#,
            &signals,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        rows.into_iter()
            .map(|row| {
                let purpose = row
                    .purpose
                    .parse()
                    .map_err(|_| corrupt("tasks", "purpose"))?;
                Ok((
                    HouseholdId::from_uuid(row.household_id),
                    purpose,
                    SignalId::from_uuid(row.signal_id),
                ))
            })
            .collect()
    }

    /// Notes what these households hear of results at others, where it is not what they heard last: their judgements see it, and a replay cannot tell
    /// by instants what they saw.
    pub async fn note_answered_elsewhere(
        &mut self,
        hearings: &[Hearing<'_>],
    ) -> Result<(), StoreError> {
        let households: Vec<Uuid> = hearings.iter().map(|one| one.household.uuid()).collect();
        let places: Vec<i64> = hearings.iter().map(|one| one.came_before).collect();
        let (mut homes, mut purposes, mut signals) = (Vec::new(), Vec::new(), Vec::new());
        for one in hearings {
            for (purpose, signal) in one.answered {
                homes.push(one.household.uuid());
                purposes.push(purpose.code().to_owned());
                signals.push(signal.uuid());
            }
        }
        sqlx::query!(
            "WITH hearing AS (SELECT * FROM UNNEST($1::uuid[], $2::bigint[]) AS n (household_id, came_before)),
                  now AS (SELECT *, true AS answered FROM UNNEST($3::uuid[], $4::text[], $5::uuid[]) AS n (household_id, purpose, signal_id)),
                  last AS (SELECT DISTINCT ON (a.household_id, a.purpose, a.signal_id) a.household_id, a.purpose, a.signal_id, a.answered
                           FROM answered_elsewhere a JOIN hearing USING (household_id)
                           ORDER BY a.household_id, a.purpose, a.signal_id, a.turn DESC)
             INSERT INTO answered_elsewhere (household_id, came_before, purpose, signal_id, answered)
             SELECT household_id, hearing.came_before, purpose, signal_id, now.answered IS NOT NULL
             FROM now FULL JOIN last USING (household_id, purpose, signal_id) JOIN hearing USING (household_id)
             WHERE coalesce(now.answered, false) <> coalesce(last.answered, false)
             ORDER BY household_id, purpose, signal_id -- the turns are the same however PostgreSQL joins",
            &households,
            &places,
            &homes,
            &purposes,
            &signals,
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
    use crate::Store;

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_a_household_hears_is_noted_where_it_is_news(pool: PgPool) {
        let home = HouseholdId::from_uuid(Uuid::from_u128(1));
        let signal = SignalId::from_uuid(Uuid::from_u128(10));
        let answered = BTreeSet::from([(Purpose::DebtHelp, signal)]);
        let nothing = BTreeSet::new();
        let store = Store::from_pool(pool.clone());
        for (came_before, answered) in [
            (3, &nothing),
            (4, &answered),
            (5, &answered),
            (6, &nothing),
            (7, &nothing),
            (8, &answered),
        ] {
            let hearing = Hearing {
                household: home,
                came_before,
                answered,
            };
            let mut tx = store.begin("test").await.unwrap();
            tx.note_answered_elsewhere(&[hearing]).await.unwrap();
            tx.commit().await.unwrap();
        }
        let noted: Vec<(i64, bool)> =
            sqlx::query_as("SELECT came_before, answered FROM answered_elsewhere ORDER BY turn")
                .fetch_all(&pool)
                .await
                .unwrap();
        assert_eq!(noted, [(4, true), (6, false), (8, true)]);
    }
}
