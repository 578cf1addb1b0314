//! The contract both logs keep, in types. What is promised stands here; how, in `kafka` and `postgres`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::BusError;
use crate::events::Events;
use crate::kafka::{KafkaConfig, KafkaLog};
use crate::postgres::PostgresLog;

/// Most records in one [`Event::Records`].
pub const MAX_BATCH: usize = 5_000;
/// Longest a batch is held open for more records to come.
pub const MAX_WAIT: Duration = Duration::from_millis(50);
/// How soon after its last record a reader is told that there is no more, at the latest.
pub const IDLE_AFTER: Duration = Duration::from_millis(500);
/// A reader that has taken no event for this long is taken for stalled, and its partitions go to others.
const STALL_AFTER: Duration = Duration::from_mins(5);

/// A record to append.
#[derive(Clone)]
pub struct Outgoing {
    /// Decides the partition ([`crate::partition_of`]); records of one key keep their order. Never personal (I9).
    pub key: Bytes,
    /// What is said.
    pub value: Bytes,
    /// The request that caused it, to follow one signal from door to task. Travels as header `request.id`.
    pub request_id: Option<String>,
}

/// A record that the log holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// Its key.
    pub key: Bytes,
    /// What it says.
    pub value: Bytes,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// When the log took it, in milliseconds since 1970, by the log's clock.
    pub appended_at_ms: i64,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// What a subscription tells its reader, in order.
#[derive(Debug)]
pub enum Event {
    /// Records of partitions this reader holds: consecutive and in order within each partition. At most [`MAX_BATCH`].
    Records(Vec<Record>),
    /// These partitions came to this reader, besides those it had. It answers with the offset to go on from, for each of them.
    /// Nothing is read before the answer; dropping `reply` ends the subscription.
    Assigned {
        /// What was added.
        partitions: Vec<i32>,
        /// `(partition, next offset)` for each of them.
        reply: oneshot::Sender<Vec<(i32, i64)>>,
    },
    /// These partitions leave this reader. It finishes or drops what it holds of them and answers; others wait for it.
    Revoked {
        /// What was taken.
        partitions: Vec<i32>,
        /// Answered, or dropped, when the reader has let go.
        done: oneshot::Sender<()>,
    },
    /// All records of the partitions held were handed over; the log has no more right now. Sent once per lull.
    Idle,
    /// The subscription cannot go on, and this is its last event.
    Failed(BusError),
}

/// A topic to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name, as in `docs/topics.md`.
    pub name: String,
    /// How many partitions; fixed at install.
    pub partitions: i32,
    /// How long a record is kept. PostgreSQL alone is history.
    pub retention: Duration,
}

/// What a topic has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Tells this topic from another of the same name, made anew. Stored beside positions.
    pub id: String,
    /// One range per partition, by partition.
    pub partitions: Vec<PartitionRange>,
}

/// The offsets `[first, next)` that a partition has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRange {
    /// The partition.
    pub partition: i32,
    /// The oldest offset it still has; equal to `next` when it has none.
    pub first: i64,
    /// The offset the next record will get.
    pub next: i64,
}

impl PartitionRange {
    /// Whether a reader may go on from `position`: at a record the log has, or right behind the last.
    #[must_use]
    pub fn admits(&self, position: i64) -> bool {
        self.first <= position && position <= self.next
    }
}

/// How a subscription behaves.
#[derive(Debug, Clone, Copy)]
pub struct SubscribeOptions {
    /// A reader that takes no event for this long loses its partitions. Kafka wants at least six seconds.
    pub stall_after: Duration,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            stall_after: STALL_AFTER,
        }
    }
}

/// One log, whichever is behind it. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    backend: Arc<dyn Backend>,
}

impl Log {
    /// A log of another make, that keeps this contract: a simulation has one in memory.
    #[must_use]
    pub fn of(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// The log on Kafka. Nothing is contacted yet: with the brokers down, it is the first append or subscription that waits.
    pub fn kafka(config: KafkaConfig) -> Result<Self, BusError> {
        Ok(Self {
            backend: Arc::new(KafkaLog::new(config)?),
        })
    }

    /// The log in PostgreSQL, in the database of this pool. Each subscription keeps one connection of it for notifications.
    #[must_use]
    pub fn postgres(pool: sqlx::PgPool) -> Self {
        Self {
            backend: Arc::new(PostgresLog::new(pool)),
        }
    }

    /// Makes the topics that are missing. A topic that has another number of partitions is an error.
    pub async fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<(), BusError> {
        self.backend.ensure_topics(topics).await
    }

    /// What the topic is and has at this moment.
    pub async fn topic(&self, name: &str) -> Result<TopicState, BusError> {
        self.backend.topic(name).await
    }

    /// When the log took the first record at or after each `(partition, offset)`: `(partition, milliseconds since 1970)`, by partition.
    /// A partition without such a record is absent, and so is one that did not answer in time: this is for people who look.
    pub async fn appended_at(
        &self,
        topic: &str,
        positions: &[(i32, i64)],
    ) -> Result<Vec<(i32, i64)>, BusError> {
        self.backend.appended_at(topic, positions).await
    }

    /// How far `group` has told the log that it is in `topic` ([`Progress`]): `(partition, next offset)`, of the partitions of which it is known. It tells
    /// only what is done, so a database that is behind this has forgotten something. Where log and database are one, nothing is known.
    pub async fn noted(&self, topic: &str, group: &str) -> Result<Vec<(i32, i64)>, BusError> {
        self.backend.noted(topic, group).await
    }

    /// Appends all records and answers `(partition, offset)` for each, in their order, once the log holds them durably (I1).
    ///
    /// After an error any of them may be held or not: append them again. Records of one key keep their order within one call and
    /// between calls that follow each other.
    pub async fn append(
        &self,
        topic: &str,
        records: Vec<Outgoing>,
    ) -> Result<Vec<(i32, i64)>, BusError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        self.backend.append(topic, records).await
    }

    /// Joins `group` as a reader of `topic`. All members of a group share the topic's partitions.
    pub async fn subscribe(&self, topic: &str, group: &str) -> Result<Subscription, BusError> {
        self.subscribe_with(topic, group, SubscribeOptions::default())
            .await
    }

    /// [`Log::subscribe`] with other patience.
    pub async fn subscribe_with(
        &self,
        topic: &str,
        group: &str,
        options: SubscribeOptions,
    ) -> Result<Subscription, BusError> {
        self.backend.subscribe(topic, group, options).await
    }

    /// Erases what is past its topic's retention and says how many records went. Kafka does it by itself: zero.
    pub async fn trim(&self) -> Result<u64, BusError> {
        self.backend.trim().await
    }
}

/// A reader's place in a group. Dropping it leaves the group without a word (others notice after a few seconds);
/// [`Subscription::close`] says goodbye.
pub struct Subscription {
    /// What happens, in order. Ends after [`Event::Failed`], or when the subscription was given up.
    pub events: Events,
    /// Tells dashboards how far this reader is.
    pub progress: Progress,
    running: Box<dyn Running>,
}

impl Subscription {
    /// A place that these events tell of, for as long as `running` is kept.
    #[must_use]
    pub fn new(events: Events, progress: Progress, running: Box<dyn Running>) -> Self {
        Self {
            events,
            progress,
            running,
        }
    }

    /// Leaves the group, so that others take over at once. No event is sent for it: the reader has stopped reading.
    pub async fn close(self) {
        let Self {
            events,
            progress,
            running,
        } = self;
        drop((events, progress));
        running.close().await;
    }
}

/// Tells dashboards and lag-driven scaling how far a reader is. A courtesy: nothing resumes from it.
#[derive(Clone)]
pub struct Progress {
    sink: Arc<dyn ProgressSink>,
}

impl Progress {
    /// Progress that is told here.
    #[must_use]
    pub fn to(sink: Arc<dyn ProgressSink>) -> Self {
        Self { sink }
    }

    /// Notes that everything before each `(partition, next offset)` is done. Neither waits nor fails.
    pub fn note(&self, positions: &[(i32, i64)]) {
        self.sink.note(positions);
    }
}

/// What each log implements; [`Log`] says what is promised.
#[async_trait]
pub trait Backend: Send + Sync {
    /// [`Log::ensure_topics`].
    async fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<(), BusError>;
    /// [`Log::topic`].
    async fn topic(&self, name: &str) -> Result<TopicState, BusError>;
    /// [`Log::appended_at`].
    async fn appended_at(
        &self,
        topic: &str,
        positions: &[(i32, i64)],
    ) -> Result<Vec<(i32, i64)>, BusError>;
    /// [`Log::noted`].
    async fn noted(&self, topic: &str, group: &str) -> Result<Vec<(i32, i64)>, BusError>;
    /// [`Log::append`], of one record at least.
    async fn append(
        &self,
        topic: &str,
        records: Vec<Outgoing>,
    ) -> Result<Vec<(i32, i64)>, BusError>;
    /// [`Log::subscribe_with`].
    async fn subscribe(
        &self,
        topic: &str,
        group: &str,
        options: SubscribeOptions,
    ) -> Result<Subscription, BusError>;
    /// [`Log::trim`].
    async fn trim(&self) -> Result<u64, BusError>;
}

/// The part of a subscription that runs in the background; dropping it stops it.
#[async_trait]
pub trait Running: Send + Sync {
    /// [`Subscription::close`].
    async fn close(self: Box<Self>);
}

/// Where [`Progress`] goes. May be called from any thread and must not block.
pub trait ProgressSink: Send + Sync {
    /// [`Progress::note`].
    fn note(&self, positions: &[(i32, i64)]);
}
