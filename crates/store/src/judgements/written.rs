//! What comes of judging, written set by set: a fixed number of statements, however many households.

use std::collections::{BTreeSet, HashMap};

use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use sqlx::types::Json;
use uuid::Uuid;
use voorveld_domain::{
    AreaId, HoldReason, HouseholdId, MunicipalityCode, Purpose, RuleId, SignalId, TaskId,
    TaskState, TeamId, Urgency,
};

use super::{Judged, JudgedGround, corrupt, ids};
use crate::copying::Rows;
use crate::{StoreError, Tx};

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

impl Tx {
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
        let awaits: Vec<bool> = rows.iter().map(|row| row.3.awaits_feeds).collect();
        sqlx::query!(
            "INSERT INTO household_judgements (household_id, municipality, as_of, next_look, partition, awaits_feeds)
             SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::date[], $4::date[], $5::int[], $6::bool[])
             ON CONFLICT (household_id) DO UPDATE SET as_of = excluded.as_of, next_look = excluded.next_look,
                partition = excluded.partition, awaits_feeds = excluded.awaits_feeds",
            &households,
            &municipalities,
            &days as _,
            &looks as _,
            &partitions,
            &awaits,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Makes the matches of these households exactly `rows`; a row that says the same is left alone. What is stored is read and compared here, and what
    /// differs is sent: PostgreSQL does not know how long an array is, so that a set that is compared there is joined row by row now and then, and a
    /// crowded household has thousands of matches of which a batch changes a few. Households that were never judged before (`first`) have none.
    pub async fn replace_matches(
        &mut self,
        households: &[HouseholdId],
        first: &BTreeSet<HouseholdId>,
        rows: &[MatchRow],
        rule_set: &str,
    ) -> Result<(), StoreError> {
        let known = households.iter().filter(|one| !first.contains(one));
        let known: Vec<Uuid> = known.map(|household| household.uuid()).collect();
        let mut stored = HashMap::new();
        if !known.is_empty() {
            let found = sqlx::query!(
                "SELECT household_id, rule_id, anchor, rule_version, rule_set, witnesses, evidence FROM matches WHERE household_id = ANY($1)",
                &known,
            )
            .fetch_all(&mut *self.inner)
            .await?;
            stored.reserve(found.len());
            for row in found {
                let says = (row.rule_version, row.rule_set, row.witnesses, row.evidence);
                stored.insert((row.household_id, row.rule_id, row.anchor), says);
            }
        }
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for row in rows {
            let key = (
                row.household.uuid(),
                row.rule.to_string(),
                row.anchor.clone(),
            );
            match stored.remove(&key) {
                None => new.push(row),
                Some((version, set, witnesses, evidence)) => {
                    let is_same = version == row.version.cast_signed()
                        && set == rule_set
                        && witnesses
                            .into_iter()
                            .eq(row.witnesses.iter().map(|signal| signal.uuid()))
                        && is_said_by(&evidence, &row.evidence);
                    if !is_same {
                        changed.push(row);
                    }
                }
            }
        }
        self.remove_matches(stored.into_keys().collect()).await?;
        self.change_matches(&changed, rule_set).await?;
        self.copy_matches(&new, rule_set).await
    }

    async fn remove_matches(
        &mut self,
        keys: Vec<(Uuid, String, String)>,
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let (mut owners, mut rules, mut anchors) = (Vec::new(), Vec::new(), Vec::new());
        for (owner, rule, anchor) in keys {
            owners.push(owner);
            rules.push(rule);
            anchors.push(anchor);
        }
        sqlx::query!(
            "DELETE FROM matches m USING UNNEST($1::uuid[], $2::text[], $3::text[]) AS gone (household_id, rule_id, anchor)
             WHERE m.household_id = gone.household_id AND m.rule_id = gone.rule_id AND m.anchor = gone.anchor",
            &owners,
            &rules,
            &anchors,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    async fn change_matches(
        &mut self,
        rows: &[&MatchRow],
        rule_set: &str,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let owners: Vec<Uuid> = rows.iter().map(|row| row.household.uuid()).collect();
        let rules: Vec<String> = rows.iter().map(|row| row.rule.to_string()).collect();
        let anchors: Vec<String> = rows.iter().map(|row| row.anchor.clone()).collect();
        let versions: Vec<i32> = rows.iter().map(|row| row.version.cast_signed()).collect();
        // PostgreSQL has no arrays of arrays of unequal length: witnesses travel as text arrays in text form.
        let witnesses: Vec<String> = rows.iter().map(|row| uuid_array(&row.witnesses)).collect();
        let evidence: Vec<serde_json::Value> =
            rows.iter().map(|row| row.evidence.clone().into()).collect();
        sqlx::query!(
            "UPDATE matches m SET rule_version = n.rule_version, rule_set = $7, witnesses = n.witnesses::uuid[], evidence = n.evidence
             FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::jsonb[])
               AS n (household_id, rule_id, anchor, rule_version, witnesses, evidence)
             WHERE m.household_id = n.household_id AND m.rule_id = n.rule_id AND m.anchor = n.anchor",
            &owners,
            &rules,
            &anchors,
            &versions,
            &witnesses,
            &evidence,
            rule_set,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    async fn copy_matches(&mut self, rows: &[&MatchRow], rule_set: &str) -> Result<(), StoreError> {
        let mut new = Rows::default();
        for row in rows {
            new.column(row.household.uuid()).column(row.rule.as_str());
            new.column(row.anchor.as_str());
            new.column(row.municipality.as_str());
            new.column(row.version.cast_signed()).column(rule_set);
            new.column(uuids(&row.witnesses))
                .column(Json(&row.evidence));
            new.end();
        }
        let into = "matches (household_id, rule_id, anchor, municipality, rule_version, rule_set, witnesses, evidence)";
        self.copy(into, new).await
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
            "INSERT INTO suppressions (household_id, rule_id, anchor, municipality, reason, as_of)
             SELECT n.household_id, n.rule_id, n.anchor, n.municipality, n.reason, n.as_of
             FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[])
               AS n (household_id, rule_id, anchor, municipality, reason, as_of)
             LEFT JOIN (SELECT * FROM suppressions WHERE household_id = ANY($7)) AS known USING (household_id, rule_id, anchor)
             WHERE known.reason IS DISTINCT FROM n.reason
             ON CONFLICT (household_id, rule_id, anchor) DO UPDATE SET reason = excluded.reason, as_of = excluded.as_of",
            &owners,
            &rules,
            &anchors,
            &municipalities,
            &reasons,
            &days as _,
            &ids(households),
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
        let mut new = Rows::default();
        for row in rows {
            let becomes = row.becomes;
            let is_over = matches!(becomes.state, TaskState::Withdrawn | TaskState::Merged);
            new.column(row.id.uuid());
            new.column(row.municipality.as_str());
            new.column(row.household.uuid()).column(row.purpose.code());
            new.column(becomes.state.code())
                .column(becomes.urgency.code());
            new.column(becomes.ladder_step);
            new.column(becomes.due_on.to_sqlx());
            new.column(row.team.as_str()).column(row.area.as_str());
            new.column(row.raised_as_of.to_sqlx());
            new.column(row.request_id.as_deref());
            new.column(becomes.flagged).column(becomes.annotated);
            new.column(now.to_sqlx());
            new.column(is_over.then_some(now.to_sqlx())).end();
        }
        let into = "tasks (task_id, municipality, household_id, purpose, state, urgency, ladder_step, due_on, team_id, area_id, raised_as_of, \
                    request_id, flagged, annotated, raised_at, closed_at)";
        self.copy(into, new).await
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

    /// Puts grounds in place by (task, rule, anchor). Tasks that were raised in this transaction (`fresh`) have none yet.
    pub async fn put_grounds(
        &mut self,
        fresh: &BTreeSet<TaskId>,
        rows: &[GroundRow],
        rule_set: &str,
    ) -> Result<(), StoreError> {
        let (new, rows): (Vec<&GroundRow>, Vec<&GroundRow>) =
            rows.iter().partition(|row| fresh.contains(&row.task));
        self.copy_grounds(&new, rule_set).await?;
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

    async fn copy_grounds(
        &mut self,
        rows: &[&GroundRow],
        rule_set: &str,
    ) -> Result<(), StoreError> {
        let mut new = Rows::default();
        for row in rows {
            let ground = &row.ground;
            new.column(row.task.uuid()).column(ground.rule.as_str());
            new.column(ground.anchor.as_str());
            new.column(ground.version.cast_signed()).column(rule_set);
            new.column(uuids(&ground.witnesses));
            new.column(Json(&ground.evidence)).column(&row.words);
            new.column(ground.due_on.to_sqlx());
            new.column(ground.added_as_of.to_sqlx());
            new.column(ground.repeat).end();
        }
        let into = "task_grounds (task_id, rule_id, anchor, rule_version, rule_set, witnesses, evidence, words, due_on, added_as_of, repeat)";
        self.copy(into, new).await
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
}

/// Whether a stored array says these texts.
fn is_said_by(stored: &serde_json::Value, texts: &[String]) -> bool {
    let stored = stored.as_array();
    stored.is_some_and(|stored| {
        let stored = stored.iter().map(|text| text.as_str());
        stored.eq(texts.iter().map(|text| Some(text.as_str())))
    })
}

fn uuids(signals: &[SignalId]) -> Vec<Uuid> {
    signals.iter().map(|signal| signal.uuid()).collect()
}

/// The text form of an array of uuids.
pub(super) fn uuid_array(signals: &[SignalId]) -> String {
    let mut text = String::with_capacity(2 + signals.len() * 37);
    text.push('{');
    for (index, signal) in signals.iter().enumerate() {
        if 0 < index {
            text.push(',');
        }
        let mut room = uuid::Uuid::encode_buffer();
        text.push_str(signal.uuid().hyphenated().encode_lower(&mut room));
    }
    text.push('}');
    text
}
