//! Which set of rules judged which partition, from which place in the log on.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::positions::Step;
use crate::{StoreError, Tx};

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

impl Tx {
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
