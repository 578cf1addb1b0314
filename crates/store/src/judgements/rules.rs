//! Which set of rules judged which partition, from which place in the log on; and with it the shadow that runs beside and backlogs worked off.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::{HouseholdId, RuleId};

use super::corrupt;
use crate::positions::Step;
use crate::wake_ups::{BACKLOG, WakeUp};
use crate::{Store, StoreError, Tx};

/// A rule set that began to judge a partition.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Which partition.
    pub partition: i32,
    /// Its content hash.
    pub rule_set: String,
    /// The content hash of the bundle it came from; `None`: from before anything was published.
    pub bundle: Option<String>,
    /// `{rule id: {version, digest}}` of its rules.
    pub content: serde_json::Value,
    /// From which offset on.
    pub from_offset: i64,
    /// Its turn among the judgements without a record. `None`: not noted then; the instant must do.
    pub turn: Option<i64>,
    /// When.
    pub activated_at: Timestamp,
}

/// A backlog that a partition took up: from there on a version of a rule raises with what came before it, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogTakenUp {
    /// In which partition.
    pub partition: i32,
    /// From which record on.
    pub from_offset: i64,
    /// Its turn among the judgements without a record. `None`: not noted then; the instant must do.
    pub turn: Option<i64>,
    /// When.
    pub activated_at: Timestamp,
    /// Which rule.
    pub rule: RuleId,
    /// In which version.
    pub version: u32,
}

/// A rule set that begins to judge.
#[derive(Debug, Clone, Copy)]
pub struct NewActivation<'a> {
    /// Its content hash.
    pub rule_set: &'a str,
    /// `{rule id: {version, digest}}` of its rules.
    pub content: &'a serde_json::Value,
    /// The content hash of its bundle, when that was published.
    pub bundle: Option<&'a str>,
}

impl Store {
    /// Every rule set that judged any partition of a topic, in order of activation.
    pub async fn all_activations(&self, topic: &str) -> Result<Vec<Activation>, StoreError> {
        let mut tx = self.begin("activations").await?;
        tx.activations(topic, None).await
    }
}

impl Tx {
    /// Every rule set that judged these partitions, or any, in order of activation.
    pub async fn activations(
        &mut self,
        topic: &str,
        partitions: Option<&[i32]>,
    ) -> Result<Vec<Activation>, StoreError> {
        let rows = sqlx::query!(
            "SELECT a.partition, a.rule_set, a.bundle, a.from_offset, a.turn, a.activated_at, r.content
             FROM rule_activations a JOIN rule_sets r USING (rule_set)
             WHERE a.topic = $1 AND ($2::int[] IS NULL OR a.partition = ANY($2)) ORDER BY a.partition, a.activation",
            topic,
            partitions as Option<&[i32]>,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Activation {
                partition: row.partition,
                rule_set: row.rule_set,
                bundle: row.bundle,
                content: row.content,
                from_offset: row.from_offset,
                turn: row.turn,
                activated_at: row.activated_at.to_jiff(),
            })
            .collect())
    }

    /// The content of every rule set that was published or judged anything.
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
        new: NewActivation<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO rule_sets (rule_set, content, first_seen_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            new.rule_set,
            new.content,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        let (partitions, offsets) = columns(at);
        sqlx::query!(
            "INSERT INTO rule_activations (topic, partition, from_offset, rule_set, bundle, activated_at)
             SELECT $1, n.partition, n.from_offset, $4, $5, $6 FROM UNNEST($2::int[], $3::bigint[]) AS n (partition, from_offset)",
            topic,
            &partitions,
            &offsets,
            new.rule_set,
            new.bundle,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Notes that a shadow runs in these partitions from these offsets on, where it did not yet; gives the partitions in which it is new.
    pub async fn activate_shadow(
        &mut self,
        topic: &str,
        at: &[Step],
        publication: i64,
        now: Timestamp,
    ) -> Result<Vec<i32>, StoreError> {
        let (partitions, offsets) = columns(at);
        Ok(sqlx::query_scalar!(
            "INSERT INTO shadow_activations (topic, partition, publication, from_offset, activated_at)
             SELECT $1, n.partition, $4, n.from_offset, $5 FROM UNNEST($2::int[], $3::bigint[]) AS n (partition, from_offset)
             ON CONFLICT DO NOTHING RETURNING partition",
            topic,
            &partitions,
            &offsets,
            publication,
            now.to_sqlx() as _,
        )
        .fetch_all(&mut *self.inner)
        .await?)
    }

    /// From which offset on a shadow runs, by partition.
    pub async fn shadow_activations(
        &mut self,
        topic: &str,
        partitions: &[i32],
        publication: i64,
    ) -> Result<BTreeMap<i32, i64>, StoreError> {
        let rows = sqlx::query!(
            "SELECT partition, from_offset FROM shadow_activations WHERE topic = $1 AND partition = ANY($2) AND publication = $3",
            topic,
            partitions,
            publication,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.partition, row.from_offset))
            .collect())
    }

    /// The versions of rules whose backlog is worked off, each once.
    pub async fn backlogs(&mut self) -> Result<Vec<(RuleId, u32)>, StoreError> {
        sqlx::query!("SELECT DISTINCT rule_id, rule_version FROM rule_backlogs ORDER BY 1, 2")
            .fetch_all(&mut *self.inner)
            .await?
            .into_iter()
            .map(|row| {
                let rule = row.rule_id.parse();
                let rule = rule.map_err(|_| corrupt("rule_backlogs", "rule_id"))?;
                Ok((rule, row.rule_version.cast_unsigned()))
            })
            .collect()
    }

    /// Every backlog that a partition took up, in that order.
    pub async fn backlogs_taken_up(
        &mut self,
        topic: &str,
    ) -> Result<Vec<BacklogTakenUp>, StoreError> {
        sqlx::query!(
            "SELECT a.partition, a.from_offset, a.turn, a.activated_at, b.rule_id, b.rule_version
             FROM backlog_activations a JOIN rule_backlogs b USING (backlog) WHERE a.topic = $1 ORDER BY a.turn NULLS FIRST, a.activated_at, a.backlog",
            topic
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .map(|row| {
            let rule = row.rule_id.parse();
            Ok(BacklogTakenUp {
                partition: row.partition,
                from_offset: row.from_offset,
                turn: row.turn,
                activated_at: row.activated_at.to_jiff(),
                rule: rule.map_err(|_| corrupt("rule_backlogs", "rule_id"))?,
                version: u32::try_from(row.rule_version)
                    .map_err(|_| corrupt("rule_backlogs", "rule_version"))?,
            })
        })
        .collect()
    }

    /// Takes up in these partitions, from these offsets on, every backlog that was asked for and not taken up yet, and wakes the households with a
    /// match that came before its version. Gives how many are woken.
    pub async fn take_up_backlogs(
        &mut self,
        topic: &str,
        at: &[Step],
        due: Date,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (partitions, offsets) = columns(at);
        let fresh = sqlx::query!(
            "INSERT INTO backlog_activations (topic, partition, backlog, from_offset, activated_at)
             SELECT $1, n.partition, b.backlog, n.from_offset, $4
             FROM UNNEST($2::int[], $3::bigint[]) AS n (partition, from_offset), rule_backlogs b
             ON CONFLICT DO NOTHING RETURNING partition, backlog",
            topic,
            &partitions,
            &offsets,
            now.to_sqlx() as _,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        if fresh.is_empty() {
            return Ok(0);
        }
        let partitions: Vec<i32> = fresh.iter().map(|row| row.partition).collect();
        let backlogs: Vec<i64> = fresh.iter().map(|row| row.backlog).collect();
        let woken = sqlx::query!(
            r#"SELECT DISTINCT j.partition AS "partition!", s.household_id
             FROM UNNEST($1::int[], $2::bigint[]) AS n (partition, backlog)
             JOIN rule_backlogs b USING (backlog)
             JOIN suppressions s ON s.rule_id = b.rule_id AND s.reason = 'before_activation'
             JOIN household_judgements j ON j.household_id = s.household_id AND j.partition = n.partition"#,
            &partitions,
            &backlogs,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let wake_ups: Vec<WakeUp> = woken
            .into_iter()
            .map(|row| WakeUp {
                due,
                household: HouseholdId::from_uuid(row.household_id),
                partition: row.partition,
                reason: BACKLOG.to_owned(),
            })
            .collect();
        self.add_wake_ups(topic, &wake_ups).await?;
        Ok(wake_ups.len() as u64)
    }

    /// The first households after `after`, in order of id, with a match of this rule that raises nothing because it came before its version.
    pub async fn households_before_activation(
        &mut self,
        rule: &RuleId,
        after: HouseholdId,
        limit: i64,
    ) -> Result<Vec<HouseholdId>, StoreError> {
        let rows: Vec<Uuid> = sqlx::query_scalar!(
            "SELECT DISTINCT household_id FROM suppressions
             WHERE rule_id = $1 AND reason = 'before_activation' AND household_id > $2 ORDER BY household_id LIMIT $3",
            rule.as_str(),
            after.uuid(),
            limit,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(rows.into_iter().map(HouseholdId::from_uuid).collect())
    }
}

fn columns(at: &[Step]) -> (Vec<i32>, Vec<i64>) {
    at.iter().map(|step| (step.partition, step.from)).unzip()
}
