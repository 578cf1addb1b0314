//! Partition positions and epochs (I3): who owns a partition, and how far it is.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use tokio::time::sleep;
use tracing::warn;

use crate::held::Held;
use crate::{STANDS_STILL_MAX, Store, StoreError, Tx};

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
        self.claim(reader, topic_id, first, owner, now, STANDS_STILL_MAX)
            .await
    }

    async fn claim(
        &self,
        reader: Reader<'_>,
        topic_id: &str,
        first: &[(i32, i64)],
        owner: &str,
        now: Timestamp,
        patience: Duration,
    ) -> Result<Claimed, StoreError> {
        let mut tx = Held::begin(&self.pool, "BEGIN").await?;
        let process = sqlx::query_scalar!(r#"SELECT pg_backend_pid() AS "process!""#)
            .fetch_one(&mut *tx)
            .await?;
        let claiming = claim(tx, reader, topic_id, first, owner, now);
        let clearing = self.end_who_stands_in_the_way_of(process, patience);
        match select(pin!(claiming), pin!(clearing)).await {
            Either::Left((claimed, _)) => claimed,
            Either::Right((error, _)) => Err(error),
        }
    }

    /// Ends, for as long as it is asked to, whose transaction keeps this process of the server waiting and whose client has said nothing for so long. The
    /// server itself ends who stands still between two statements ([`STANDS_STILL_MAX`]); for who stands still while rows are copied it would wait for
    /// ever.
    async fn end_who_stands_in_the_way_of(&self, process: i32, patience: Duration) -> StoreError {
        loop {
            sleep(patience).await;
            let ended = sqlx::query_scalar!(
                r#"SELECT pg_terminate_backend(a.pid) AS "ended!"
                   FROM unnest(pg_blocking_pids($1)) AS blocking (pid) JOIN pg_stat_activity a USING (pid)
                   WHERE a.wait_event = 'ClientRead' AND a.query_start < clock_timestamp() - make_interval(secs => $2)"#,
                process,
                patience.as_secs_f64(),
            )
            .fetch_all(&self.pool)
            .await;
            match ended {
                Ok(ended) if ended.is_empty() => {}
                Ok(ended) => warn!(
                    ended = ended.len(),
                    "an owner that stood still was in the way; its transaction was ended"
                ),
                Err(error) => return error.into(),
            }
        }
    }
}

async fn claim(
    mut tx: Held,
    reader: Reader<'_>,
    topic_id: &str,
    first: &[(i32, i64)],
    owner: &str,
    now: Timestamp,
) -> Result<Claimed, StoreError> {
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
    #[expect(
        clippy::disallowed_methods,
        reason = "this owner breaks off in the middle"
    )]
    async fn an_owner_that_stands_still_while_it_copies_rows_loses_its_locks(pool: PgPool) {
        let store = Store::from_pool(pool);
        let first = claim(&store, "a").await;
        let mut frozen = store.begin("frozen").await.unwrap();
        let step = Step {
            partition: 0,
            from: first.next_offset,
            to: 9,
            epoch: first.epoch,
        };
        frozen
            .advance_positions(READER, &[step], Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        let copying = frozen.inner.copy_in_raw("COPY households FROM STDIN");
        let copying = copying.await.unwrap();
        let patience = Duration::from_millis(100);
        let claimed = store.claim(
            READER,
            "log-1",
            &[(0, 5)],
            "b",
            Timestamp::UNIX_EPOCH,
            patience,
        );
        let Claimed::Ours(claims) = claimed.await.unwrap() else {
            panic!("the same log");
        };
        assert_eq!((claims[0].next_offset, claims[0].epoch), (5, 2));
        assert!(copying.finish().await.is_err(), "who wakes up joins anew");
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
