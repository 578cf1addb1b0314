//! A subscription to Kafka: a blocking thread polls and reports, the async side decides.
//!
//! The rebalance callback runs inside `poll`, on that thread, and may wait there for the reader's answer; records polled before it are
//! handed over first, so the reader sees everything in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, Timestamp, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{KafkaConfig, REQUEST_ID, failure, range, tell};
use crate::BusError;
use crate::contract::{
    Event, MAX_BATCH, MAX_WAIT, Progress, ProgressSink, Record, Running, SubscribeOptions,
    Subscription,
};
use crate::events::{Teller, events};

/// How long a poll waits for a first record; also how soon a closed subscription is noticed.
const POLL: Duration = Duration::from_millis(100);
/// How long a broker holds a fetch for records to come. Bounds how late the end of the log is noticed.
const FETCH_WAIT: Duration = Duration::from_millis(100);
/// A process that died is noticed after this long.
const SESSION: Duration = Duration::from_secs(10);
/// Records and kilobytes fetched ahead of a slow reader.
const AHEAD_RECORDS: usize = 4 * MAX_BATCH;
const AHEAD_KILOBYTES: usize = 32 * 1024;
/// How long a reader waits after the brokers failed it.
const BACK_OFF: Duration = Duration::from_millis(250);

pub(super) fn start(
    config: &KafkaConfig,
    topic: &str,
    group: &str,
    options: SubscribeOptions,
) -> Result<Subscription, BusError> {
    let doing = "joining a group";
    let (teller, events) = events();
    let stop = Arc::new(AtomicBool::new(false));
    let desk = Desk {
        topic: topic.to_owned(),
        teller,
        runtime: Handle::current(),
        stop: Arc::clone(&stop),
        hand: Mutex::default(),
    };
    let consumer: BaseConsumer<Desk> = config
        .client()
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set(
            "session.timeout.ms",
            SESSION.min(options.stall_after).as_millis().to_string(),
        )
        .set("heartbeat.interval.ms", "1000")
        .set(
            "max.poll.interval.ms",
            options.stall_after.as_millis().to_string(),
        )
        .set("fetch.wait.max.ms", FETCH_WAIT.as_millis().to_string())
        .set("queued.min.messages", AHEAD_RECORDS.to_string())
        .set("queued.max.messages.kbytes", AHEAD_KILOBYTES.to_string())
        .create_with_context(desk)
        .map_err(|error| failure(doing, topic, error))?;
    consumer
        .subscribe(&[topic])
        .map_err(|error| failure(doing, topic, error))?;
    let consumer = Arc::new(consumer);
    let sink = Arc::new(Commits {
        topic: topic.to_owned(),
        consumer: Arc::downgrade(&consumer),
    });
    let thread = thread::Builder::new()
        .name("log-reader".to_owned())
        .spawn(move || read(&consumer))
        .map_err(|error| BusError::Unavailable {
            doing,
            source: Box::new(error),
        })?;
    let running = Box::new(Thread {
        stop,
        thread: Some(thread),
    });
    Ok(Subscription::new(events, Progress::to(sink), running))
}

struct Thread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[async_trait]
impl Running for Thread {
    async fn close(mut self: Box<Self>) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A reader that panicked has closed its events; there is nothing to add here.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

struct Commits {
    topic: String,
    /// Weak: the thread alone decides when the consumer leaves its group.
    consumer: Weak<BaseConsumer<Desk>>,
}

impl ProgressSink for Commits {
    fn note(&self, positions: &[(i32, i64)]) {
        let Some(consumer) = self.consumer.upgrade() else {
            return;
        };
        let mut offsets = TopicPartitionList::with_capacity(positions.len());
        for (partition, next) in positions {
            if let Err(error) =
                offsets.add_partition_offset(&self.topic, *partition, Offset::Offset(*next))
            {
                debug!(error = %error, "progress was not noted");
                return;
            }
        }
        if let Err(error) = consumer.commit(&offsets, CommitMode::Async) {
            debug!(error = %error, "progress was not noted");
        }
    }
}

/// Where the thread and the callbacks inside its polls meet.
struct Desk {
    topic: String,
    teller: Teller,
    /// In which the thread waits.
    runtime: Handle,
    stop: Arc<AtomicBool>,
    hand: Mutex<Hand>,
}

/// What the thread holds between two polls.
#[derive(Default)]
struct Hand {
    /// Where to go on, per partition held.
    positions: BTreeMap<i32, i64>,
    /// Partitions whose end was seen since their last record.
    at_end: BTreeSet<i32>,
    told_idle: bool,
    batch: Vec<Record>,
    /// When the batch is handed over at the latest.
    due_at: Option<Instant>,
    failed: Option<BusError>,
}

impl Hand {
    /// Whether the end of every partition held was seen. Brokers answer for one partition after the other, so right behind it more may come.
    fn ended(&self) -> bool {
        !self.positions.is_empty()
            && self
                .positions
                .keys()
                .all(|partition| self.at_end.contains(partition))
    }
}

/// Why a reader ends.
enum End {
    /// Nobody listens any more.
    GivenUp,
    /// It cannot go on.
    Failed(BusError),
}

fn read(consumer: &Arc<BaseConsumer<Desk>>) {
    let desk = consumer.context();
    loop {
        match desk.step(consumer) {
            Ok(()) => {}
            Err(End::GivenUp) => break,
            Err(End::Failed(error)) => {
                let _ = desk.hand_over();
                let _ = desk.tell(Event::Failed(error));
                break;
            }
        }
    }
    // Leaving the group must not bother a reader that has gone.
    desk.stop.store(true, Ordering::Release);
}

impl Desk {
    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire) || self.teller.is_given_up()
    }

    fn step(&self, consumer: &BaseConsumer<Self>) -> Result<(), End> {
        if self.stopping() {
            return Err(End::GivenUp);
        }
        let wait = {
            let hand = self.hand();
            if !hand.batch.is_empty() || hand.ended() && !hand.told_idle {
                // What a broker sent may lie at hand already.
                Duration::ZERO
            } else {
                POLL
            }
        };
        let mut nothing_at_hand = false;
        match consumer.poll(wait) {
            None => nothing_at_hand = true,
            Some(Ok(message)) => self.take(&message),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.hand().at_end.insert(partition);
            }
            Some(Err(error)) => self.meet(consumer, error)?,
        }
        if let Some(error) = self.hand().failed.take() {
            return Err(End::Failed(error));
        }
        let (due, ended) = {
            let hand = self.hand();
            let late = hand.due_at.is_some_and(|at| at <= Instant::now());
            (
                hand.batch.len() >= MAX_BATCH || late || nothing_at_hand,
                nothing_at_hand && hand.ended(),
            )
        };
        if due {
            self.hand_over()?;
        }
        if ended && !std::mem::replace(&mut self.hand().told_idle, true) {
            self.tell(Event::Idle)?;
        }
        Ok(())
    }

    fn take(&self, message: &impl Message) {
        let record = Record {
            partition: message.partition(),
            offset: message.offset(),
            key: Bytes::copy_from_slice(message.key().unwrap_or_default()),
            value: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
            request_id: message.headers().and_then(|headers| {
                headers
                    .iter()
                    .find(|header| header.key == REQUEST_ID)
                    .and_then(|header| std::str::from_utf8(header.value?).ok())
                    // It goes into texts of the database, which hold no NUL.
                    .filter(|request_id| !request_id.contains('\0'))
                    .map(str::to_owned)
            }),
            appended_at_ms: match message.timestamp() {
                Timestamp::CreateTime(at) | Timestamp::LogAppendTime(at) => at,
                Timestamp::NotAvailable => 0,
            },
        };
        let mut hand = self.hand();
        let Some(position) = hand.positions.get_mut(&record.partition) else {
            return;
        };
        *position = record.offset + 1;
        hand.at_end.remove(&record.partition);
        hand.told_idle = false;
        hand.batch.push(record);
        hand.due_at.get_or_insert_with(|| Instant::now() + MAX_WAIT);
    }

    /// Most errors librdkafka mends by itself; it only tells of them.
    fn meet(&self, consumer: &BaseConsumer<Self>, error: KafkaError) -> Result<(), End> {
        use RDKafkaErrorCode as Code;
        if matches!(
            error.rdkafka_error_code(),
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange)
        ) {
            let positions = self.hand().positions.clone();
            self.check(consumer, &positions)?;
        }
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        let known = failure("reading the log", &self.topic, error);
        if fatal || !known.is_transient() {
            return Err(End::Failed(known));
        }
        warn!(error = %known, log.topic = %self.topic, "reading the log failed for now");
        Ok(())
    }

    /// No position may lie outside the log.
    fn check(
        &self,
        consumer: &BaseConsumer<Self>,
        positions: &BTreeMap<i32, i64>,
    ) -> Result<(), End> {
        for (&partition, &position) in positions {
            let found = loop {
                match range(consumer.client(), &self.topic, partition) {
                    Ok(found) => break found,
                    Err(error) if error.is_transient() && !self.stopping() => {
                        thread::sleep(BACK_OFF);
                    }
                    Err(error) => return Err(End::Failed(error)),
                }
            };
            if !found.admits(position) {
                return Err(End::Failed(BusError::PositionOutsideLog {
                    topic: self.topic.clone(),
                    partition,
                    position,
                    first: found.first,
                    next: found.next,
                }));
            }
        }
        Ok(())
    }

    fn tell(&self, event: Event) -> Result<(), End> {
        if self.stop.load(Ordering::Acquire) {
            return Err(End::GivenUp);
        }
        if self.runtime.block_on(self.teller.tell(event)) {
            Ok(())
        } else {
            Err(End::GivenUp)
        }
    }

    fn hand_over(&self) -> Result<(), End> {
        let batch = {
            let mut hand = self.hand();
            hand.due_at = None;
            std::mem::take(&mut hand.batch)
        };
        if batch.is_empty() {
            return Ok(());
        }
        self.tell(Event::Records(batch))
    }

    fn assigned(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &mut TopicPartitionList,
    ) -> Result<(), End> {
        let partitions = partitions_of(list);
        if !partitions.is_empty() {
            self.hand_over()?;
            let (reply, answer) = oneshot::channel();
            self.tell(Event::Assigned {
                partitions: partitions.clone(),
                reply,
            })?;
            let answer: BTreeMap<i32, i64> = answer
                .blocking_recv()
                .map_err(|_| End::GivenUp)?
                .into_iter()
                .collect();
            let mut positions = BTreeMap::new();
            for partition in partitions {
                let Some(&position) = answer.get(&partition) else {
                    return Err(End::Failed(BusError::PositionMissing {
                        topic: self.topic.clone(),
                        partition,
                    }));
                };
                positions.insert(partition, position);
            }
            self.check(consumer, &positions)?;
            for (&partition, &position) in &positions {
                list.set_partition_offset(&self.topic, partition, Offset::Offset(position))
                    .map_err(|error| self.refused(error))?;
            }
            let mut hand = self.hand();
            hand.told_idle = false;
            hand.positions.append(&mut positions);
        }
        consumer
            .incremental_assign(list)
            .map_err(|error| self.refused(error))
    }

    fn revoked(&self, partitions: Vec<i32>) -> Result<(), End> {
        self.hand_over()?;
        let partitions: Vec<i32> = {
            let mut hand = self.hand();
            partitions
                .into_iter()
                .filter(|partition| {
                    hand.at_end.remove(partition);
                    hand.positions.remove(partition).is_some()
                })
                .collect()
        };
        if partitions.is_empty() {
            return Ok(());
        }
        let (done, let_go) = oneshot::channel();
        self.tell(Event::Revoked { partitions, done })?;
        // A reader that drops the answer has let go as well.
        let _ = let_go.blocking_recv();
        Ok(())
    }

    fn refused(&self, error: KafkaError) -> End {
        End::Failed(failure("sharing partitions", &self.topic, error))
    }

    /// The end of a subscription, met inside a callback, is acted on when the poll returns.
    fn remember(&self, outcome: Result<(), End>) {
        match outcome {
            Ok(()) => {}
            Err(End::GivenUp) => self.stop.store(true, Ordering::Release),
            Err(End::Failed(error)) => self.hand().failed = Some(error),
        }
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<i32> {
    let mut partitions: Vec<i32> = list
        .elements()
        .iter()
        .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
        .collect();
    partitions.sort_unstable();
    partitions
}

impl ClientContext for Desk {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tell(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(error = %error, kafka.reason = reason, "Kafka's client met an error");
    }
}

impl ConsumerContext for Desk {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if matches!(what, RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
            let outcome = self.assigned(consumer, list);
            self.remember(outcome);
        } else {
            if !self.stop.load(Ordering::Acquire) {
                let outcome = self.revoked(partitions_of(list));
                self.remember(outcome);
            }
            if let Err(error) = consumer.incremental_unassign(list) {
                debug!(error = %error, "partitions were gone already");
            }
        }
    }
}
