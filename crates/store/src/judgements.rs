//! What the correlator judged: matches, suppressions, tasks with their grounds, holds; read under lock and written set by set.

use std::collections::HashMap;

use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::{
    AreaId, HoldReason, HouseholdId, MunicipalityCode, Outcome, Purpose, RuleId, SignalId, TaskId,
    TaskState, TeamId, Urgency,
};

use crate::positions::Step;
use crate::{StoreError, Tx};

/// How far a household was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The last day it was judged for; never goes back (T2).
    pub as_of: Date,
    /// When its judgement may change without a signal.
    pub next_look: Option<Date>,
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

/// A match to write.
#[derive(Debug, Clone)]
pub struct MatchRow {
    /// Whose.
    pub household: HouseholdId,
    /// Which rule.
    pub rule: RuleId,
    /// In which version.
    pub version: u32,
    /// Its anchor as text.
    pub anchor: String,
    /// CBS code.
    pub municipality: MunicipalityCode,
    /// Sorted.
    pub witnesses: Vec<SignalId>,
    /// What was measured, in canonical texts.
    pub evidence: Vec<String>,
}

/// A match that raises nothing, and why.
#[derive(Debug, Clone)]
pub struct SuppressionRow {
    /// Whose.
    pub household: HouseholdId,
    /// Which rule.
    pub rule: RuleId,
    /// Its anchor as text.
    pub anchor: String,
    /// CBS code.
    pub municipality: MunicipalityCode,
    /// Why, as a code.
    pub reason: &'static str,
    /// Judged for this day.
    pub as_of: Date,
}

/// A task to raise.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its id.
    pub id: TaskId,
    /// CBS code.
    pub municipality: MunicipalityCode,
    /// Whose.
    pub household: HouseholdId,
    /// What for.
    pub purpose: Purpose,
    /// Which team.
    pub team: TeamId,
    /// Which neighbourhood.
    pub area: AreaId,
    /// The day it was judged for.
    pub raised_as_of: Date,
    /// The request of the signal that raised it.
    pub request_id: Option<String>,
    /// What it becomes.
    pub becomes: TaskBecomes,
}

/// What a task becomes.
#[derive(Debug, Clone, Copy)]
pub struct TaskBecomes {
    /// Where it stands.
    pub state: TaskState,
    /// How soon.
    pub urgency: Urgency,
    /// By when.
    pub due_on: Date,
    /// K7.
    pub ladder_step: i32,
    /// K10: all grounds went while somebody has it.
    pub flagged: bool,
    /// K10: some grounds went.
    pub annotated: bool,
}

/// A ground to put in place by (task, rule, anchor).
#[derive(Debug, Clone)]
pub struct GroundRow {
    /// On which task.
    pub task: TaskId,
    /// The ground.
    pub ground: JudgedGround,
    /// What was measured, in plain Dutch.
    pub words: String,
}

/// A ground that no longer stands.
#[derive(Debug, Clone)]
pub struct GoneGround {
    /// On which task.
    pub task: TaskId,
    /// Which rule.
    pub rule: RuleId,
    /// Its anchor as text.
    pub anchor: String,
    /// Since which day.
    pub gone_as_of: Date,
    /// It goes on in another ground (K4).
    pub replaced: bool,
}

/// A line in a task's history, written by the system.
#[derive(Debug, Clone)]
pub struct SystemEvent {
    /// Which task.
    pub task: TaskId,
    /// raised, joined, annotated, flagged, withdrawn, merged.
    pub event: &'static str,
    /// Codes and ids only.
    pub detail: serde_json::Value,
}

/// A hold to put on a household.
#[derive(Debug, Clone)]
pub struct NewHold {
    /// Its id.
    pub id: Uuid,
    /// CBS code.
    pub municipality: MunicipalityCode,
    /// Whose.
    pub household: HouseholdId,
    /// For the safety desk only (K11).
    pub reason: HoldReason,
    /// The marker.
    pub signal: Option<SignalId>,
}

/// A rule set that began to judge a partition.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Which partition.
    pub partition: i32,
    /// Its content hash.
    pub rule_set: String,
    /// `{rule id: {version, digest}}` of its rules.
    pub content: serde_json::Value,
    /// From which offset on.
    pub from_offset: i64,
}

fn corrupt(table: &'static str, what: &'static str) -> StoreError {
    StoreError::Corrupt { table, what }
}

fn ids(households: &[HouseholdId]) -> Vec<Uuid> {
    households
        .iter()
        .map(|household| household.uuid())
        .collect()
}

impl Tx {
    /// Locks the open tasks of these households in key order (outreach takes the same lock), then reads all their tasks with the grounds that stand.
    pub async fn lock_and_read_tasks(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<HashMap<HouseholdId, Vec<JudgedTask>>, StoreError> {
        let ids = ids(households);
        sqlx::query!(
            "SELECT task_id FROM tasks WHERE household_id = ANY($1) AND state IN ('open', 'claimed')
             ORDER BY household_id, purpose FOR UPDATE",
            &ids,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let grounds = sqlx::query!(
            "SELECT g.task_id, g.rule_id, g.rule_version, g.anchor, g.witnesses, g.evidence, g.due_on, g.added_as_of, g.repeat
             FROM task_grounds g JOIN tasks t USING (task_id)
             WHERE t.household_id = ANY($1) AND g.gone_as_of IS NULL
             ORDER BY g.task_id, g.rule_id, g.anchor",
            &ids,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let mut by_task: HashMap<Uuid, Vec<JudgedGround>> = HashMap::new();
        for row in grounds {
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
        let rows = sqlx::query!(
            "SELECT task_id, household_id, purpose, state, urgency, due_on, ladder_step, raised_as_of, closed_as_of, outcome, flagged, annotated
             FROM tasks WHERE household_id = ANY($1) ORDER BY household_id, raised_at, task_id",
            &ids,
        )
        .fetch_all(&mut *self.inner)
        .await?;
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

    /// How far each household was judged.
    pub async fn judged(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<HashMap<HouseholdId, Judged>, StoreError> {
        let rows = sqlx::query!(
            "SELECT household_id, as_of, next_look FROM household_judgements WHERE household_id = ANY($1)",
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

    /// Writes how far households were judged.
    pub async fn write_judged(
        &mut self,
        rows: &[(HouseholdId, MunicipalityCode, i32, Judged)],
    ) -> Result<(), StoreError> {
        let households: Vec<Uuid> = rows.iter().map(|row| row.0.uuid()).collect();
        let municipalities: Vec<String> = rows.iter().map(|row| row.1.to_string()).collect();
        let partitions: Vec<i32> = rows.iter().map(|row| row.2).collect();
        let days: Vec<jiff_sqlx::Date> = rows.iter().map(|row| row.3.as_of.to_sqlx()).collect();
        let looks: Vec<Option<jiff_sqlx::Date>> = rows
            .iter()
            .map(|row| row.3.next_look.map(ToSqlx::to_sqlx))
            .collect();
        sqlx::query!(
            "INSERT INTO household_judgements (household_id, municipality, as_of, next_look, partition)
             SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::date[], $4::date[], $5::int[])
             ON CONFLICT (household_id) DO UPDATE SET as_of = excluded.as_of, next_look = excluded.next_look,
                partition = excluded.partition",
            &households,
            &municipalities,
            &days as _,
            &looks as _,
            &partitions,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Makes the matches of these households exactly `rows`; a row that says the same is left alone. What goes is a difference of two sets and not a
    /// search per row: PostgreSQL does not know how long an array is, and searched thousands of matches one by one.
    pub async fn replace_matches(
        &mut self,
        households: &[HouseholdId],
        rows: &[MatchRow],
        rule_set: &str,
    ) -> Result<(), StoreError> {
        let owners: Vec<Uuid> = rows.iter().map(|row| row.household.uuid()).collect();
        let rules: Vec<String> = rows.iter().map(|row| row.rule.to_string()).collect();
        let anchors: Vec<String> = rows.iter().map(|row| row.anchor.clone()).collect();
        let municipalities: Vec<String> = rows
            .iter()
            .map(|row| row.municipality.to_string())
            .collect();
        let versions: Vec<i32> = rows.iter().map(|row| row.version.cast_signed()).collect();
        // PostgreSQL has no arrays of arrays of unequal length: witnesses travel as text arrays in text form.
        let witnesses: Vec<String> = rows.iter().map(|row| uuid_array(&row.witnesses)).collect();
        let evidence: Vec<serde_json::Value> =
            rows.iter().map(|row| row.evidence.clone().into()).collect();
        sqlx::query!(
            "DELETE FROM matches m USING (
                SELECT household_id, rule_id, anchor FROM matches WHERE household_id = ANY($1)
                EXCEPT SELECT * FROM UNNEST($2::uuid[], $3::text[], $4::text[])) AS gone
             WHERE m.household_id = gone.household_id AND m.rule_id = gone.rule_id AND m.anchor = gone.anchor",
            &ids(households),
            &owners,
            &rules,
            &anchors,
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "INSERT INTO matches AS m (household_id, rule_id, anchor, municipality, rule_version, rule_set, witnesses, evidence)
             SELECT n.household_id, n.rule_id, n.anchor, n.municipality, n.rule_version, $8, n.witnesses::uuid[], n.evidence
             FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::jsonb[])
               AS n (household_id, rule_id, anchor, municipality, rule_version, witnesses, evidence)
             ON CONFLICT (household_id, rule_id, anchor) DO UPDATE
               SET rule_version = excluded.rule_version, rule_set = excluded.rule_set, witnesses = excluded.witnesses, evidence = excluded.evidence
             WHERE (m.rule_version, m.rule_set, m.witnesses, m.evidence)
               IS DISTINCT FROM (excluded.rule_version, excluded.rule_set, excluded.witnesses, excluded.evidence)",
            &owners,
            &rules,
            &anchors,
            &municipalities,
            &versions,
            &witnesses,
            &evidence,
            rule_set,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Makes the suppressions of these households exactly `rows`.
    pub async fn replace_suppressions(
        &mut self,
        households: &[HouseholdId],
        rows: &[SuppressionRow],
    ) -> Result<(), StoreError> {
        let owners: Vec<Uuid> = rows.iter().map(|row| row.household.uuid()).collect();
        let rules: Vec<String> = rows.iter().map(|row| row.rule.to_string()).collect();
        let anchors: Vec<String> = rows.iter().map(|row| row.anchor.clone()).collect();
        let municipalities: Vec<String> = rows
            .iter()
            .map(|row| row.municipality.to_string())
            .collect();
        let reasons: Vec<String> = rows.iter().map(|row| row.reason.to_owned()).collect();
        let days: Vec<jiff_sqlx::Date> = rows.iter().map(|row| row.as_of.to_sqlx()).collect();
        sqlx::query!(
            "DELETE FROM suppressions m USING (
                SELECT household_id, rule_id, anchor FROM suppressions WHERE household_id = ANY($1)
                EXCEPT SELECT * FROM UNNEST($2::uuid[], $3::text[], $4::text[])) AS gone
             WHERE m.household_id = gone.household_id AND m.rule_id = gone.rule_id AND m.anchor = gone.anchor",
            &ids(households),
            &owners,
            &rules,
            &anchors,
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "INSERT INTO suppressions AS s (household_id, rule_id, anchor, municipality, reason, as_of)
             SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[])
             ON CONFLICT (household_id, rule_id, anchor) DO UPDATE SET reason = excluded.reason, as_of = excluded.as_of
             WHERE s.reason <> excluded.reason",
            &owners,
            &rules,
            &anchors,
            &municipalities,
            &reasons,
            &days as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Raises tasks. The partial unique index holds I8.
    pub async fn raise_tasks(
        &mut self,
        rows: &[NewTask],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let uuids = |pick: fn(&NewTask) -> Uuid| rows.iter().map(pick).collect::<Vec<Uuid>>();
        let words = |pick: fn(&NewTask) -> String| rows.iter().map(pick).collect::<Vec<String>>();
        let days = |pick: fn(&NewTask) -> Date| {
            rows.iter()
                .map(|row| pick(row).to_sqlx())
                .collect::<Vec<jiff_sqlx::Date>>()
        };
        let flags = |pick: fn(&NewTask) -> bool| rows.iter().map(pick).collect::<Vec<bool>>();
        let steps: Vec<i32> = rows.iter().map(|row| row.becomes.ladder_step).collect();
        let requests: Vec<Option<String>> = rows.iter().map(|row| row.request_id.clone()).collect();
        sqlx::query!(
            "INSERT INTO tasks (task_id, municipality, household_id, purpose, state, urgency, ladder_step, due_on, team_id, area_id,
                raised_as_of, request_id, flagged, annotated, raised_at, closed_at)
             SELECT n.*, $15, CASE WHEN n.state IN ('withdrawn', 'merged') THEN $15::timestamptz END FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::date[],
                $9::text[], $10::text[], $11::date[], $12::text[], $13::bool[], $14::bool[])
               AS n (task_id, municipality, household_id, purpose, state, urgency, ladder_step, due_on, team_id, area_id, raised_as_of,
                     request_id, flagged, annotated)",
            &uuids(|row| row.id.uuid()),
            &words(|row| row.municipality.to_string()),
            &uuids(|row| row.household.uuid()),
            &words(|row| row.purpose.code().to_owned()),
            &words(|row| row.becomes.state.code().to_owned()),
            &words(|row| row.becomes.urgency.code().to_owned()),
            &steps,
            &days(|row| row.becomes.due_on) as _,
            &words(|row| row.team.to_string()),
            &words(|row| row.area.to_string()),
            &days(|row| row.raised_as_of) as _,
            &requests as _,
            &flags(|row| row.becomes.flagged),
            &flags(|row| row.becomes.annotated),
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Changes tasks that are locked by [`Tx::lock_and_read_tasks`].
    pub async fn change_tasks(
        &mut self,
        rows: &[(TaskId, TaskBecomes)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let tasks: Vec<Uuid> = rows.iter().map(|row| row.0.uuid()).collect();
        let states: Vec<String> = rows
            .iter()
            .map(|row| row.1.state.code().to_owned())
            .collect();
        let urgencies: Vec<String> = rows
            .iter()
            .map(|row| row.1.urgency.code().to_owned())
            .collect();
        let days: Vec<jiff_sqlx::Date> = rows.iter().map(|row| row.1.due_on.to_sqlx()).collect();
        let steps: Vec<i32> = rows.iter().map(|row| row.1.ladder_step).collect();
        let flagged: Vec<bool> = rows.iter().map(|row| row.1.flagged).collect();
        let annotated: Vec<bool> = rows.iter().map(|row| row.1.annotated).collect();
        let changed = sqlx::query!(
            "UPDATE tasks t SET state = n.state, urgency = n.urgency, due_on = n.due_on, ladder_step = n.ladder_step, flagged = n.flagged,
                annotated = n.annotated, version = t.version + 1,
                closed_at = CASE WHEN n.state IN ('withdrawn', 'merged') THEN $8::timestamptz END
             FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::date[], $5::int[], $6::bool[], $7::bool[])
               AS n (task_id, state, urgency, due_on, ladder_step, flagged, annotated)
             WHERE t.task_id = n.task_id AND t.state IN ('open', 'claimed')",
            &tasks,
            &states,
            &urgencies,
            &days as _,
            &steps,
            &flagged,
            &annotated,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        if changed.rows_affected() == rows.len() as u64 {
            Ok(())
        } else {
            Err(corrupt("tasks", "a locked task is open"))
        }
    }

    /// Puts grounds in place by (task, rule, anchor).
    pub async fn put_grounds(
        &mut self,
        rows: &[GroundRow],
        rule_set: &str,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let tasks: Vec<Uuid> = rows.iter().map(|row| row.task.uuid()).collect();
        let rules: Vec<String> = rows.iter().map(|row| row.ground.rule.to_string()).collect();
        let anchors: Vec<String> = rows.iter().map(|row| row.ground.anchor.clone()).collect();
        let versions: Vec<i32> = rows
            .iter()
            .map(|row| row.ground.version.cast_signed())
            .collect();
        let witnesses: Vec<String> = rows
            .iter()
            .map(|row| uuid_array(&row.ground.witnesses))
            .collect();
        let evidence: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| row.ground.evidence.clone().into())
            .collect();
        let words: Vec<String> = rows.iter().map(|row| row.words.clone()).collect();
        let dues: Vec<jiff_sqlx::Date> =
            rows.iter().map(|row| row.ground.due_on.to_sqlx()).collect();
        let days: Vec<jiff_sqlx::Date> = rows
            .iter()
            .map(|row| row.ground.added_as_of.to_sqlx())
            .collect();
        let repeats: Vec<bool> = rows.iter().map(|row| row.ground.repeat).collect();
        sqlx::query!(
            "INSERT INTO task_grounds (task_id, rule_id, anchor, rule_version, rule_set, witnesses, evidence, words, due_on, added_as_of, repeat)
             SELECT n.task_id, n.rule_id, n.anchor, n.rule_version, $11, n.witnesses::uuid[], n.evidence, n.words, n.due_on, n.added_as_of, n.repeat
             FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::jsonb[], $7::text[], $8::date[], $9::date[], $10::bool[])
               AS n (task_id, rule_id, anchor, rule_version, witnesses, evidence, words, due_on, added_as_of, repeat)
             ON CONFLICT (task_id, rule_id, anchor) DO UPDATE
               SET rule_version = excluded.rule_version, rule_set = excluded.rule_set, witnesses = excluded.witnesses, evidence = excluded.evidence,
                   words = excluded.words, due_on = excluded.due_on, added_as_of = excluded.added_as_of, repeat = excluded.repeat,
                   gone_as_of = NULL, replaced = false",
            &tasks,
            &rules,
            &anchors,
            &versions,
            &witnesses,
            &evidence,
            &words,
            &dues as _,
            &days as _,
            &repeats,
            rule_set,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Notes that grounds no longer stand.
    pub async fn lose_grounds(&mut self, rows: &[GoneGround]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let tasks: Vec<Uuid> = rows.iter().map(|row| row.task.uuid()).collect();
        let rules: Vec<String> = rows.iter().map(|row| row.rule.to_string()).collect();
        let anchors: Vec<String> = rows.iter().map(|row| row.anchor.clone()).collect();
        let days: Vec<jiff_sqlx::Date> = rows.iter().map(|row| row.gone_as_of.to_sqlx()).collect();
        let replaced: Vec<bool> = rows.iter().map(|row| row.replaced).collect();
        sqlx::query!(
            "UPDATE task_grounds g SET gone_as_of = n.gone_as_of, replaced = n.replaced
             FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::date[], $5::bool[]) AS n (task_id, rule_id, anchor, gone_as_of, replaced)
             WHERE g.task_id = n.task_id AND g.rule_id = n.rule_id AND g.anchor = n.anchor",
            &tasks,
            &rules,
            &anchors,
            &days as _,
            &replaced,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Writes the system's lines in the histories, in the order given.
    pub async fn write_system_events(
        &mut self,
        rows: &[SystemEvent],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let tasks: Vec<Uuid> = rows.iter().map(|row| row.task.uuid()).collect();
        let events: Vec<String> = rows.iter().map(|row| row.event.to_owned()).collect();
        let details: Vec<serde_json::Value> = rows.iter().map(|row| row.detail.clone()).collect();
        sqlx::query!(
            "INSERT INTO task_events (task_id, happened_at, event, detail)
             SELECT n.task_id, $4, n.event, n.detail
             FROM UNNEST($1::uuid[], $2::text[], $3::jsonb[]) WITH ORDINALITY AS n (task_id, event, detail, place) ORDER BY n.place",
            &tasks,
            &events,
            &details,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Puts holds on households; one that is held for that reason stays held.
    pub async fn hold(&mut self, rows: &[NewHold], now: Timestamp) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let holds: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let municipalities: Vec<String> = rows
            .iter()
            .map(|row| row.municipality.to_string())
            .collect();
        let households: Vec<Uuid> = rows.iter().map(|row| row.household.uuid()).collect();
        let reasons: Vec<String> = rows
            .iter()
            .map(|row| row.reason.code().to_owned())
            .collect();
        let signals: Vec<Option<Uuid>> = rows
            .iter()
            .map(|row| row.signal.map(SignalId::uuid))
            .collect();
        sqlx::query!(
            "INSERT INTO holds (hold_id, municipality, household_id, reason, signal_id, raised_at)
             SELECT n.*, $6 FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::uuid[]) AS n
             ON CONFLICT (household_id, reason) WHERE lifted_at IS NULL DO NOTHING",
            &holds,
            &municipalities,
            &households,
            &reasons,
            &signals as _,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Every rule set that judged these partitions, in order of activation.
    pub async fn activations(
        &mut self,
        topic: &str,
        partitions: &[i32],
    ) -> Result<Vec<Activation>, StoreError> {
        let rows = sqlx::query!(
            "SELECT a.partition, a.rule_set, a.from_offset, r.content FROM rule_activations a JOIN rule_sets r USING (rule_set)
             WHERE a.topic = $1 AND a.partition = ANY($2) ORDER BY a.partition, a.from_offset, a.activated_at",
            topic,
            partitions,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Activation {
                partition: row.partition,
                rule_set: row.rule_set,
                content: row.content,
                from_offset: row.from_offset,
            })
            .collect())
    }

    /// The content of every rule set that ever judged anything.
    pub async fn rule_sets(&mut self) -> Result<Vec<serde_json::Value>, StoreError> {
        Ok(
            sqlx::query_scalar!("SELECT content FROM rule_sets ORDER BY first_seen_at")
                .fetch_all(&mut *self.inner)
                .await?,
        )
    }

    /// Notes that a rule set judges these partitions from these offsets on.
    pub async fn activate(
        &mut self,
        topic: &str,
        at: &[Step],
        rule_set: &str,
        content: &serde_json::Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO rule_sets (rule_set, content, first_seen_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            rule_set,
            content,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        let partitions: Vec<i32> = at.iter().map(|step| step.partition).collect();
        let offsets: Vec<i64> = at.iter().map(|step| step.from).collect();
        sqlx::query!(
            "INSERT INTO rule_activations (topic, partition, from_offset, rule_set, activated_at)
             SELECT $1, n.partition, n.from_offset, $4, $5 FROM UNNEST($2::int[], $3::bigint[]) AS n (partition, from_offset)
             ON CONFLICT DO NOTHING",
            topic,
            &partitions,
            &offsets,
            rule_set,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

/// The text form of an array of uuids.
fn uuid_array(signals: &[SignalId]) -> String {
    let texts: Vec<String> = signals.iter().map(ToString::to_string).collect();
    format!("{{{}}}", texts.join(","))
}
