//! Partition positions and epochs (I3): who owns a partition, and how far it is.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::held::Held;
use crate::{Store, StoreError, Tx};

/// A partition that was claimed, and where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The partition.
    pub partition: i32,
    /// The first offset not yet committed.
    pub next_offset: i64,
    /// Proof of ownership: the next claim makes it worthless.
    pub epoch: i64,
}

/// A partition's step from one offset to another under a claim. `from == to` only proves ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The partition.
    pub partition: i32,
    /// Where the claim stands.
    pub from: i64,
    /// Where it will stand.
    pub to: i64,
    /// The claim's epoch.
    pub epoch: i64,
}

/// Which reader of which topic.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The stage, e.g. `resolver`.
    pub stage: &'a str,
    /// The topic.
    pub topic: &'a str,
}

/// What [`Store::claim_partitions`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// All of them are ours now.
    Ours(Vec<Claim>),
    /// Positions were stored against another log of the same name: a person decides, nothing is skipped.
    AnotherLog {
        /// The first partition that says so.
        partition: i32,
    },
}

impl Store {
    /// Takes the partitions: bumps each epoch, so that whoever had them can commit no more, and says where to go on. A partition seen for the first time begins at `first`.
    pub async fn claim_partitions(
        &self,
        reader: Reader<'_>,
        topic_id: &str,
        first: &[(i32, i64)],
        owner: &str,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let mut tx = Held::begin(&self.pool, "BEGIN").await?;
        let (partitions, offsets): (Vec<i32>, Vec<i64>) = first.iter().copied().unzip();
        let rows = sqlx::query!(
                r#"INSERT INTO partition_positions AS mine
                     (stage, topic, partition, topic_id, next_offset, epoch, owner, updated_at)
                   SELECT $1, $2, new.partition, $3, new.next_offset, 1, $6, $7
                   FROM (SELECT * FROM UNNEST($4::int[], $5::bigint[]) AS n (partition, next_offset) ORDER BY partition) AS new
                   ON CONFLICT (stage, topic, partition) DO UPDATE
                     SET epoch = mine.epoch + 1, owner = excluded.owner, updated_at = excluded.updated_at
                   RETURNING partition, topic_id, next_offset, epoch"#,
                reader.stage,
                reader.topic,
                topic_id,
                &partitions,
                &offsets,
                owner,
                now.to_sqlx() as _,
            )
            .fetch_all(&mut *tx)
            .await?;
        if let Some(row) = rows.iter().find(|row| row.topic_id != topic_id) {
            return Ok(Claimed::AnotherLog {
                partition: row.partition,
            });
        }
        tx.commit().await?;
        Ok(Claimed::Ours(
            rows.into_iter()
                .map(|row| Claim {
                    partition: row.partition,
                    next_offset: row.next_offset,
                    epoch: row.epoch,
                })
                .collect(),
        ))
    }
}

impl Tx {
    /// Moves all partitions of a batch forward, or none. No row moved means another owner was here: drop the batch and the cache.
    ///
    /// Comes first in its transaction: it locks the rows, so that what follows is read under ownership.
    pub async fn advance_positions(
        &mut self,
        reader: Reader<'_>,
        steps: &[Step],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let partitions: Vec<i32> = steps.iter().map(|step| step.partition).collect();
        let from: Vec<i64> = steps.iter().map(|step| step.from).collect();
        let to: Vec<i64> = steps.iter().map(|step| step.to).collect();
        let epochs: Vec<i64> = steps.iter().map(|step| step.epoch).collect();
        let moved = sqlx::query!(
            r#"UPDATE partition_positions AS mine
               SET next_offset = step.to_offset, updated_at = $7
               FROM UNNEST($3::int[], $4::bigint[], $5::bigint[], $6::bigint[]) AS step (partition, from_offset, to_offset, epoch)
               WHERE mine.stage = $1 AND mine.topic = $2 AND mine.partition = step.partition
                 AND mine.next_offset = step.from_offset AND mine.epoch = step.epoch
               RETURNING mine.partition"#,
            reader.stage,
            reader.topic,
            &partitions,
            &from,
            &to,
            &epochs,
            now.to_sqlx() as _,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        match steps
            .iter()
            .find(|step| !moved.iter().any(|row| row.partition == step.partition))
        {
            None => Ok(()),
            Some(step) => Err(StoreError::Fenced {
                topic: reader.topic.to_owned(),
                partition: step.partition,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;

    const READER: Reader<'static> = Reader {
        stage: "resolver",
        topic: "t",
    };

    async fn claim(store: &Store, owner: &str) -> Claim {
        match store
            .claim_partitions(READER, "log-1", &[(0, 5)], owner, Timestamp::UNIX_EPOCH)
            .await
            .expect("claims")
        {
            Claimed::Ours(claims) => claims[0],
            Claimed::AnotherLog { .. } => panic!("the same log"),
        }
    }

    async fn advance(store: &Store, claim: Claim, to: i64) -> Result<(), StoreError> {
        let mut tx = store.begin("test").await?;
        let step = Step {
            partition: 0,
            from: claim.next_offset,
            to,
            epoch: claim.epoch,
        };
        tx.advance_positions(READER, &[step], Timestamp::UNIX_EPOCH)
            .await?;
        tx.commit().await
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_second_owner_fences_the_first_and_goes_on_where_it_was(pool: PgPool) {
        let store = Store::from_pool(pool);
        let first = claim(&store, "a").await;
        assert_eq!(first.next_offset, 5);
        advance(&store, first, 9).await.expect("moves");
        let second = claim(&store, "b").await;
        assert_eq!(second.next_offset, 9);
        let zombie = Claim {
            next_offset: 9,
            ..first
        };
        assert!(matches!(
            advance(&store, zombie, 12).await,
            Err(StoreError::Fenced { partition: 0, .. })
        ));
        assert!(matches!(
            advance(&store, first, 9).await,
            Err(StoreError::Fenced { .. })
        ));
        advance(&store, second, 12).await.expect("moves");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn positions_of_another_log_are_not_taken_over(pool: PgPool) {
        let store = Store::from_pool(pool);
        claim(&store, "a").await;
        let other = store
            .claim_partitions(READER, "log-2", &[(0, 0)], "b", Timestamp::UNIX_EPOCH)
            .await
            .expect("answers");
        assert_eq!(other, Claimed::AnotherLog { partition: 0 });
        advance(
            &store,
            Claim {
                partition: 0,
                next_offset: 5,
                epoch: 1,
            },
            6,
        )
        .await
        .expect("the claim of before still holds");
    }
}
