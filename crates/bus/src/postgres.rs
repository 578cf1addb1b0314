//! The log as tables in PostgreSQL: the default where no broker is configured. Here stand its topics, its appender and all its SQL;
//! `reader` is what a subscription does with them.
//!
//! Appenders hold the row of a partition until they commit, so offsets are dense and nobody sees a record before all lower
//! ones. Readers share partitions by leases on the database's clock: whoever looks, under the group's lock, buries the expired,
//! gives back what is above its share and takes what is free. No reader decides for another.

mod reader;

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::postgres::PgListener;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;
use voorveld_chassis::undisturbed;

use crate::contract::{
    Backend, MAX_BATCH, Outgoing, PartitionRange, Record, SubscribeOptions, Subscription,
    TopicSpec, TopicState,
};
use crate::{BusError, partition_of};

/// Begins a transaction, whoever stops waiting for it: a `BEGIN` whose answer nobody heard would leave the next borrower of the connection in it.
async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    undisturbed(async move {
        #[expect(clippy::disallowed_methods, reason = "nobody can break it off here")]
        pool.begin().await
    })
    .await
}

/// Told when records were appended; the payload is the topic.
const APPENDED: &str = "voorveld_log";
/// Told when somebody joined, left or let go; the payload is the topic.
const MOVED: &str = "voorveld_log_groups";
/// How long a reader may be silent before others take over its partitions.
const LEASE: Duration = Duration::from_secs(6);

pub(crate) struct PostgresLog {
    pool: PgPool,
    /// Partition counts, which never change.
    partitions: RwLock<HashMap<String, i32>>,
}

impl PostgresLog {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            partitions: RwLock::default(),
        }
    }

    async fn partitions(&self, topic: &str) -> Result<i32, BusError> {
        let known = self
            .partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(topic)
            .copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let partitions =
            sqlx::query_scalar!("SELECT partitions FROM log_topics WHERE topic = $1", topic)
                .fetch_optional(&self.pool)
                .await
                .map_err(|error| failure("looking up a topic", error))?
                .ok_or_else(|| BusError::UnknownTopic(topic.to_owned()))?;
        self.partitions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(topic.to_owned(), partitions);
        Ok(partitions)
    }

    async fn append_in(
        &self,
        topic: &str,
        records: &[Outgoing],
        partitions: &[i32],
    ) -> Result<Vec<(i32, i64)>, sqlx::Error> {
        let mut counts = BTreeMap::<i32, i64>::new();
        for partition in partitions {
            *counts.entry(*partition).or_default() += 1;
        }
        let touched: Vec<i32> = counts.keys().copied().collect();
        let added: Vec<i64> = counts.values().copied().collect();

        // Where each record comes among those of its partition.
        let mut so_far = HashMap::<i32, i64>::new();
        let turns: Vec<i64> = partitions
            .iter()
            .map(|partition| {
                let next = so_far.entry(*partition).or_default();
                *next += 1;
                *next - 1
            })
            .collect();
        let keys: Vec<&[u8]> = records.iter().map(|record| &record.key[..]).collect();
        let values: Vec<&[u8]> = records.iter().map(|record| &record.value[..]).collect();
        let request_ids: Vec<Option<&str>> = records
            .iter()
            .map(|record| record.request_id.as_deref())
            .collect();
        // One statement, so one answer to wait for. The partitions are locked in their order, so that two appenders never wait for each other; the time is
        // that at which all are; and acknowledged means fsynced, whatever the server's default says (I1).
        let first: HashMap<i32, i64> = sqlx::query!(
            r#"WITH locked AS MATERIALIZED (
                 SELECT partition, next_offset FROM log_partitions
                 WHERE topic = $1 AND partition = ANY ($2)
                 ORDER BY partition
                 FOR UPDATE
             ), stamped AS MATERIALIZED (
                 SELECT count(*) AS partitions, clock_timestamp() AS now, set_config('synchronous_commit', 'on', true) AS durable,
                        pg_notify($8, $1) AS told
                 FROM locked
             ), moved AS (
                 UPDATE log_partitions SET next_offset = locked.next_offset + new.added
                 FROM stamped, locked JOIN unnest($2::int[], $3::bigint[]) AS new (partition, added) USING (partition)
                 WHERE topic = $1 AND log_partitions.partition = locked.partition AND stamped.partitions = cardinality($2)
             ), written AS (
                 INSERT INTO log_records (topic, partition, record_offset, record_key, record_value, request_id, appended_at)
                 SELECT $1, partition, locked.next_offset + new.turn, new.record_key, new.record_value, new.request_id, stamped.now
                 FROM stamped, locked JOIN unnest($4::int[], $5::bigint[], $6::bytea[], $7::bytea[], $9::text[])
                      AS new (partition, turn, record_key, record_value, request_id) USING (partition)
                 WHERE stamped.partitions = cardinality($2)
             )
             SELECT partition AS "partition!", next_offset AS "next_offset!" FROM locked, stamped WHERE stamped.durable = 'on'"#,
            topic,
            &touched,
            &added,
            partitions,
            &turns,
            &keys as _,
            &values as _,
            APPENDED,
            &request_ids as _,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| (row.partition, row.next_offset))
        .collect();
        if first.len() != touched.len() {
            return Err(sqlx::Error::RowNotFound);
        }
        let places = partitions.iter().zip(turns);
        Ok(places
            .map(|(partition, turn)| (*partition, first[partition] + turn))
            .collect())
    }
}

#[async_trait]
impl Backend for PostgresLog {
    async fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<(), BusError> {
        let fail = |error| failure("making topics", error);
        for topic in topics {
            let retention_seconds = i64::try_from(topic.retention.as_secs()).unwrap_or(i64::MAX);
            let mut tx = begin(&self.pool).await.map_err(fail)?;
            sqlx::query!(
                "INSERT INTO log_topics (topic, topic_id, partitions, retention_seconds, created_at)
                 VALUES ($1, $2, $3, $4, now())
                 ON CONFLICT (topic) DO UPDATE SET retention_seconds = excluded.retention_seconds",
                topic.name,
                Uuid::new_v4(),
                topic.partitions,
                retention_seconds,
            )
            .execute(&mut *tx)
            .await
            .map_err(fail)?;
            let found = sqlx::query_scalar!(
                "SELECT partitions FROM log_topics WHERE topic = $1",
                topic.name
            )
            .fetch_one(&mut *tx)
            .await
            .map_err(fail)?;
            if found != topic.partitions {
                return Err(BusError::PartitionCountDiffers {
                    topic: topic.name.clone(),
                    expected: topic.partitions,
                    found,
                });
            }
            sqlx::query!(
                "INSERT INTO log_partitions (topic, partition, first_offset, next_offset)
                 SELECT $1, partition, 0, 0 FROM generate_series(0, $2 - 1) AS partition
                 ON CONFLICT DO NOTHING",
                topic.name,
                topic.partitions,
            )
            .execute(&mut *tx)
            .await
            .map_err(fail)?;
            tx.commit().await.map_err(fail)?;
        }
        Ok(())
    }

    async fn topic(&self, name: &str) -> Result<TopicState, BusError> {
        let rows = sqlx::query!(
            "SELECT topic_id, partition, first_offset, next_offset
             FROM log_topics JOIN log_partitions USING (topic)
             WHERE topic = $1
             ORDER BY partition",
            name,
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| failure("looking up a topic", error))?;
        let id = rows
            .first()
            .ok_or_else(|| BusError::UnknownTopic(name.to_owned()))?
            .topic_id
            .to_string();
        let partitions = rows
            .into_iter()
            .map(|row| PartitionRange {
                partition: row.partition,
                first: row.first_offset,
                next: row.next_offset,
            })
            .collect();
        Ok(TopicState { id, partitions })
    }

    async fn noted(&self, _topic: &str, _group: &str) -> Result<Vec<(i32, i64)>, BusError> {
        // The log is in the database: neither is ahead of the other.
        Ok(Vec::new())
    }

    async fn appended_at(
        &self,
        topic: &str,
        positions: &[(i32, i64)],
    ) -> Result<Vec<(i32, i64)>, BusError> {
        let (partitions, offsets): (Vec<i32>, Vec<i64>) = positions.iter().copied().unzip();
        let rows = sqlx::query!(
            r#"SELECT found.partition, (date_part('epoch', found.appended_at) * 1000)::bigint AS "appended_at_ms!"
               FROM unnest($2::int[], $3::bigint[]) AS wanted (partition, from_offset)
               CROSS JOIN LATERAL (
                   SELECT partition, appended_at FROM log_records
                   WHERE log_records.topic = $1 AND log_records.partition = wanted.partition
                     AND record_offset >= wanted.from_offset
                   ORDER BY record_offset LIMIT 1
               ) AS found
               ORDER BY found.partition"#,
            topic,
            &partitions,
            &offsets,
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| failure("looking up how long a record waits", error))?;
        Ok(rows
            .into_iter()
            .map(|row| (row.partition, row.appended_at_ms))
            .collect())
    }

    async fn append(
        &self,
        topic: &str,
        records: Vec<Outgoing>,
    ) -> Result<Vec<(i32, i64)>, BusError> {
        let count = self.partitions(topic).await?;
        let partitions: Vec<i32> = records
            .iter()
            .map(|record| partition_of(&record.key, count))
            .collect();
        self.append_in(topic, &records, &partitions)
            .await
            .map_err(|error| match error {
                sqlx::Error::RowNotFound => BusError::UnknownTopic(topic.to_owned()),
                error => failure("appending records", error),
            })
    }

    async fn subscribe(
        &self,
        topic: &str,
        group: &str,
        options: SubscribeOptions,
    ) -> Result<Subscription, BusError> {
        self.partitions(topic).await?;
        let tables = Tables {
            pool: self.pool.clone(),
            topic: topic.to_owned(),
            group: group.to_owned(),
        };
        reader::start(tables, options).await
    }

    async fn trim(&self) -> Result<u64, BusError> {
        let fail = |error| failure("trimming the log", error);
        let mut tx = begin(&self.pool).await.map_err(fail)?;
        // Locked first and looked at in a second statement, which sees what an appender committed while we waited: in one statement the
        // partition's end would be new and its records old, and a record nobody has read would lie before the first offset (I2).
        // In partition order, like the appenders.
        sqlx::query!("SELECT partition FROM log_partitions ORDER BY topic, partition FOR UPDATE",)
            .fetch_all(&mut *tx)
            .await
            .map_err(fail)?;
        // Times rise with offsets, because both are given under the partition's lock: what is erased is a prefix.
        let trimmed = sqlx::query!(
            "WITH ends AS MATERIALIZED (
                 SELECT topic, partition, coalesce(
                     (SELECT min(record_offset) FROM log_records AS kept
                      WHERE kept.topic = log_partitions.topic AND kept.partition = log_partitions.partition
                        AND kept.appended_at >= clock_timestamp() - make_interval(secs => retention_seconds)),
                     next_offset) AS keep_from
                 FROM log_partitions JOIN log_topics USING (topic)
             ), moved AS (
                 UPDATE log_partitions SET first_offset = keep_from
                 FROM ends
                 WHERE log_partitions.topic = ends.topic AND log_partitions.partition = ends.partition
                   AND first_offset < keep_from
             )
             DELETE FROM log_records USING ends
             WHERE log_records.topic = ends.topic AND log_records.partition = ends.partition
               AND record_offset < keep_from",
        )
        .execute(&mut *tx)
        .await
        .map_err(fail)?;
        tx.commit().await.map_err(fail)?;
        Ok(trimmed.rows_affected())
    }
}

/// What one group reads of one topic: the statements a reader is made of.
struct Tables {
    pool: PgPool,
    topic: String,
    group: String,
}

/// How the partitions stand after a look.
struct Share {
    /// The member's lease was still there. Without it everything it held may belong to another by now.
    alive: bool,
    /// What it has, gains included, but not what is above its share.
    kept: Vec<i32>,
    /// What is above its share, to be given back once the reader has let go.
    excess: Vec<i32>,
}

impl Tables {
    async fn listener(&self) -> Result<PgListener, BusError> {
        let fail = |error| failure("listening for records", error);
        let mut listener = PgListener::connect_with(&self.pool).await.map_err(fail)?;
        listener.listen_all([APPENDED, MOVED]).await.map_err(fail)?;
        Ok(listener)
    }

    /// Becomes a member of the group.
    async fn join(&self, member: Uuid) -> Result<(), BusError> {
        let fail = |error| failure("joining a group", error);
        let mut tx = self.lock_group().await.map_err(fail)?;
        sqlx::query!(
            "INSERT INTO log_assignments (topic, group_name, partition)
             SELECT topic, $2, partition FROM log_partitions WHERE topic = $1
             ON CONFLICT DO NOTHING",
            self.topic,
            self.group,
        )
        .execute(&mut *tx)
        .await
        .map_err(fail)?;
        sqlx::query!(
            "INSERT INTO log_members (member, topic, group_name, expires_at)
             VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))",
            member,
            self.topic,
            self.group,
            LEASE.as_secs_f64(),
        )
        .execute(&mut *tx)
        .await
        .map_err(fail)?;
        self.tell_group(&mut tx).await.map_err(fail)?;
        tx.commit().await.map_err(fail)
    }

    /// Keeps the lease of a member that is still there.
    async fn beat(&self, member: Uuid) -> Result<(), BusError> {
        sqlx::query!(
            "UPDATE log_members SET expires_at = clock_timestamp() + make_interval(secs => $2) WHERE member = $1",
            member,
            LEASE.as_secs_f64(),
        )
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|error| failure("keeping a lease", error))
    }

    /// Buries the expired, counts who is there, and takes what is free up to this member's share.
    async fn take_share(&self, member: Uuid) -> Result<Share, BusError> {
        let fail = |error| failure("sharing partitions", error);
        let mut tx = self.lock_group().await.map_err(fail)?;
        sqlx::query!(
            "DELETE FROM log_members WHERE topic = $1 AND group_name = $2 AND expires_at <= clock_timestamp()",
            self.topic,
            self.group,
        )
        .execute(&mut *tx)
        .await
        .map_err(fail)?;
        let members = sqlx::query_scalar!(
            "SELECT member FROM log_members WHERE topic = $1 AND group_name = $2 ORDER BY member",
            self.topic,
            self.group,
        )
        .fetch_all(&mut *tx)
        .await
        .map_err(fail)?;
        let Ok(rank) = members.binary_search(&member) else {
            tx.commit().await.map_err(fail)?;
            return Ok(Share {
                alive: false,
                kept: Vec::new(),
                excess: Vec::new(),
            });
        };
        let assignments = sqlx::query!(
            "SELECT partition, member FROM log_assignments WHERE topic = $1 AND group_name = $2 ORDER BY partition",
            self.topic,
            self.group,
        )
        .fetch_all(&mut *tx)
        .await
        .map_err(fail)?;
        let quota = assignments.len() / members.len()
            + usize::from(rank < assignments.len() % members.len());
        let mut kept: Vec<i32> = assignments
            .iter()
            .filter(|row| row.member == Some(member))
            .map(|row| row.partition)
            .collect();
        let excess = kept.split_off(kept.len().min(quota));
        let gained: Vec<i32> = assignments
            .iter()
            .filter(|row| row.member.is_none())
            .map(|row| row.partition)
            .take(quota - kept.len())
            .collect();
        if !gained.is_empty() {
            sqlx::query!(
                "UPDATE log_assignments SET member = $3
                 WHERE topic = $1 AND group_name = $2 AND partition = ANY ($4)",
                self.topic,
                self.group,
                member,
                &gained,
            )
            .execute(&mut *tx)
            .await
            .map_err(fail)?;
            kept.extend(gained);
        }
        tx.commit().await.map_err(fail)?;
        Ok(Share {
            alive: true,
            kept,
            excess,
        })
    }

    /// Gives partitions back, for others to take.
    async fn give_back(&self, member: Uuid, partitions: &[i32]) -> Result<(), BusError> {
        let fail = |error| failure("giving partitions back", error);
        let mut tx = self.lock_group().await.map_err(fail)?;
        sqlx::query!(
            "UPDATE log_assignments SET member = NULL WHERE member = $1 AND partition = ANY ($2)",
            member,
            partitions,
        )
        .execute(&mut *tx)
        .await
        .map_err(fail)?;
        self.tell_group(&mut tx).await.map_err(fail)?;
        tx.commit().await.map_err(fail)
    }

    /// Leaves the group; what it held is free at once.
    async fn leave(&self, member: Uuid) -> Result<(), BusError> {
        let fail = |error| failure("leaving a group", error);
        let mut tx = self.lock_group().await.map_err(fail)?;
        sqlx::query!("DELETE FROM log_members WHERE member = $1", member)
            .execute(&mut *tx)
            .await
            .map_err(fail)?;
        self.tell_group(&mut tx).await.map_err(fail)?;
        tx.commit().await.map_err(fail)
    }

    /// One look or change at a time per topic, so that shares add up.
    async fn lock_group(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut tx = begin(&self.pool).await?;
        sqlx::query!(
            "SELECT topic FROM log_topics WHERE topic = $1 FOR UPDATE",
            self.topic
        )
        .fetch_one(&mut *tx)
        .await?;
        Ok(tx)
    }

    async fn tell_group(&self, tx: &mut Transaction<'static, Postgres>) -> Result<(), sqlx::Error> {
        sqlx::query!("SELECT pg_notify($1, $2)", MOVED, self.topic)
            .fetch_one(&mut **tx)
            .await
            .map(drop)
    }

    /// What the partitions have now.
    async fn ranges(&self, partitions: &[i32]) -> Result<Vec<PartitionRange>, BusError> {
        sqlx::query_as!(
            PartitionRange,
            r#"SELECT partition, first_offset AS "first", next_offset AS "next" FROM log_partitions
               WHERE topic = $1 AND partition = ANY ($2)"#,
            self.topic,
            partitions,
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| failure("looking up partitions", error))
    }

    /// Up to [`MAX_BATCH`] records from these positions on, the first partition's first.
    async fn read(&self, partitions: &[i32], offsets: &[i64]) -> Result<Vec<Record>, BusError> {
        let limit = i64::try_from(MAX_BATCH).expect("a batch is small");
        let rows = sqlx::query!(
            r#"SELECT found.partition, record_offset, record_key, record_value, request_id,
                      (date_part('epoch', appended_at) * 1000)::bigint AS "appended_at_ms!"
               FROM unnest($2::int[], $3::bigint[]) AS wanted (partition, from_offset)
               CROSS JOIN LATERAL (
                   SELECT * FROM log_records
                   WHERE log_records.topic = $1 AND log_records.partition = wanted.partition
                     AND record_offset >= wanted.from_offset
                   ORDER BY record_offset
                   LIMIT $4
               ) AS found
               LIMIT $4"#,
            self.topic,
            partitions,
            offsets,
            limit,
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|error| failure("reading records", error))?;
        Ok(rows
            .into_iter()
            .map(|row| Record {
                partition: row.partition,
                offset: row.record_offset,
                key: Bytes::from(row.record_key),
                value: Bytes::from(row.record_value),
                request_id: row.request_id,
                appended_at_ms: row.appended_at_ms,
            })
            .collect())
    }

    /// Writes down how far the reader says it is.
    async fn note(&self, positions: &BTreeMap<i32, i64>) -> Result<(), BusError> {
        let partitions: Vec<i32> = positions.keys().copied().collect();
        let offsets: Vec<i64> = positions.values().copied().collect();
        sqlx::query!(
            "UPDATE log_assignments SET noted_offset = noted.next_offset
             FROM unnest($3::int[], $4::bigint[]) AS noted (partition, next_offset)
             WHERE topic = $1 AND group_name = $2 AND log_assignments.partition = noted.partition",
            self.topic,
            self.group,
            &partitions,
            &offsets,
        )
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|error| failure("noting progress", error))
    }
}

/// The database's answer without its detail, which may quote a row.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
struct Answer {
    code: String,
    message: String,
}

fn failure(doing: &'static str, error: sqlx::Error) -> BusError {
    match error {
        sqlx::Error::Database(answer) => {
            let code = answer.code().unwrap_or_default().into_owned();
            // Connection, rollback, lock, resource, operator and system troubles pass by themselves, and so does having stood still for too long
            // (25P03); the rest is a fault.
            let passes = ["08", "25P03", "40", "53", "55", "57", "58"]
                .iter()
                .any(|class| code.starts_with(class));
            let source = Box::new(Answer {
                code,
                message: answer.message().to_owned(),
            });
            if passes {
                BusError::Unavailable { doing, source }
            } else {
                BusError::Refused { doing, source }
            }
        }
        error @ (sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed) => BusError::Unavailable {
            doing,
            source: Box::new(error),
        },
        error => BusError::Refused {
            doing,
            source: Box::new(error),
        },
    }
}
