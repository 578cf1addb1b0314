//! The log on Apache Kafka. This file and those in `kafka/` are the only ones that know rdkafka.
//!
//! The producer is idempotent and waits for all in-sync replicas (I1). Kafka does not fsync before it answers: with one replica the topics
//! are therefore made with `flush.messages=1`, unless the operator says that a power cut may cost the last records.

mod identity;
mod look;
mod reader;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};
use uuid::Uuid;

use self::identity::{IDENTITIES, Origin};

use crate::contract::{
    Backend, Outgoing, PartitionRange, SubscribeOptions, Subscription, TopicSpec, TopicState,
};
use crate::{BusError, partition_of};

/// The header that carries [`Outgoing::request_id`].
const REQUEST_ID: &str = "request.id";
/// How long one question to the brokers may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long an append may take before it has failed.
const APPEND_WITHIN: Duration = Duration::from_secs(30);
/// Connections to each broker for appending; a partition's records always take the same one. A broker answers the requests of a connection one after the
/// other, and where it is alone it flushes a partition's file before each answer.
const CONNECTIONS: usize = 4;
/// Records an appender may have on the way on one connection; above it, it waits.
const ON_THE_WAY: usize = 100_000;
/// How long an appender waits for room among those on the way.
const ROOM_IN: Duration = Duration::from_millis(5);
/// How long it waits before it asks again whether a new topic is there.
const TOPIC_IN: Duration = Duration::from_millis(50);

/// How to reach Kafka.
#[derive(Clone)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// librdkafka properties for connection and security (`security.protocol`, `sasl.username`, …). What the contract needs is set by us and wins.
    pub properties: BTreeMap<String, String>,
    /// Goes before the name of every topic and consumer group, so that several installations can share a cluster. Empty: none.
    pub prefix: String,
    /// Replicas of a topic we make. Production wants 3.
    pub replication: i32,
    /// In-sync replicas that must hold a record before it is acknowledged, of a topic we make. Production wants 2.
    pub min_insync_replicas: i32,
    /// With a single replica: fsync each append. Off, a power cut may cost the last records although they were acknowledged.
    pub flush_when_alone: bool,
}

impl KafkaConfig {
    /// One broker, one replica, fsynced.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            properties: BTreeMap::new(),
            prefix: String::new(),
            replication: 1,
            min_insync_replicas: 1,
            flush_when_alone: true,
        }
    }

    /// The name on the brokers of a topic or group of ours.
    fn name(&self, ours: &str) -> String {
        format!("{}{ours}", self.prefix)
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "voorveld")
            .set("allow.auto.create.topics", "false");
        client
    }
}

impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Properties may hold a password: names only.
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys())
            .field("prefix", &self.prefix)
            .field("replication", &self.replication)
            .field("min_insync_replicas", &self.min_insync_replicas)
            .field("flush_when_alone", &self.flush_when_alone)
            .finish()
    }
}

pub(crate) struct KafkaLog {
    config: KafkaConfig,
    /// By connection.
    producers: RwLock<[FutureProducer<Told>; CONNECTIONS]>,
    admin: Arc<AdminClient<Told>>,
    /// Partition counts, which never change.
    partitions: RwLock<HashMap<String, i32>>,
    /// Ids of topics, which change only when somebody makes one anew.
    ids: RwLock<HashMap<String, Uuid>>,
}

impl KafkaLog {
    pub(crate) fn new(config: KafkaConfig) -> Result<Self, BusError> {
        let producers = (0..CONNECTIONS)
            .map(|_| producer(&config))
            .collect::<Result<Vec<_>, _>>()?;
        let producers = producers
            .try_into()
            .unwrap_or_else(|_| unreachable!("one for each connection"));
        let admin = config
            .client()
            .create_with_context(Told)
            .map_err(|error| failure("setting up Kafka", "", error))?;
        Ok(Self {
            config,
            producers: RwLock::new(producers),
            admin: Arc::new(admin),
            partitions: RwLock::default(),
            ids: RwLock::default(),
        })
    }

    /// Asks the brokers something on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Client<Told>) -> Result<T, BusError> + Send + 'static,
    ) -> Result<T, BusError> {
        let admin = Arc::clone(&self.admin);
        tokio::task::spawn_blocking(move || question(admin.inner()))
            .await
            .unwrap_or_else(|panic| {
                Err(BusError::Refused {
                    doing: "asking Kafka",
                    source: Box::new(panic),
                })
            })
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
        let name = topic.to_owned();
        let found = self
            .ask(move |client| count_partitions(client, &name))
            .await?;
        self.partitions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(topic.to_owned(), found);
        Ok(found)
    }

    fn producers(&self) -> [FutureProducer<Told>; CONNECTIONS] {
        self.producers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A producer that met a fatal error never works again: the next append gets a new one.
    fn replace_the_dead(&self, used: &[FutureProducer<Told>; CONNECTIONS]) -> Result<(), BusError> {
        for (connection, used) in used.iter().enumerate() {
            if used.client().fatal_error().is_some() {
                warn!("Kafka's producer died and is replaced");
                let fresh = producer(&self.config)?;
                self.producers
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)[connection] = fresh;
            }
        }
        Ok(())
    }

    async fn ranges(&self, topic: &str) -> Result<Vec<PartitionRange>, BusError> {
        let topic = topic.to_owned();
        self.ask(move |client| {
            (0..count_partitions(client, &topic)?)
                .map(|partition| range(client, &topic, partition))
                .collect()
        })
        .await
    }

    /// The topic's id, given now if nobody gave it one.
    async fn id(&self, topic: &str) -> Result<Uuid, BusError> {
        let known = self
            .ids
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(topic)
            .copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let look = || {
            let (config, topic) = (self.config.clone(), topic.to_owned());
            self.ask(move |client| identity::read(&config, client, &topic))
        };
        let id = match look().await {
            Ok(Some(id)) => id,
            Ok(None) | Err(BusError::UnknownTopic(_)) => {
                self.ensure_topics(&[]).await?;
                identity::write(&self.config, &self.producers()[0], topic, Origin::Found).await?;
                look()
                    .await?
                    .ok_or_else(|| BusError::UnknownTopic(topic.to_owned()))?
            }
            Err(error) => return Err(error),
        };
        self.ids
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(topic.to_owned(), id);
        Ok(id)
    }

    /// Makes a topic that is missing, and waits until it is there. Says whether it was missing.
    async fn make(&self, topic: &TopicSpec) -> Result<bool, BusError> {
        let doing = "making topics";
        // No topic that Kafka keeps for ever has a retention: it says so with -1.
        let retention = i64::try_from(topic.retention.as_millis())
            .unwrap_or(-1)
            .to_string();
        let min_insync = self.config.min_insync_replicas.to_string();
        let mut wanted = NewTopic::new(
            &topic.name,
            topic.partitions,
            TopicReplication::Fixed(self.config.replication),
        )
        .set("retention.ms", &retention)
        .set("min.insync.replicas", &min_insync)
        .set("message.timestamp.type", "LogAppendTime");
        if self.config.replication == 1 && self.config.flush_when_alone {
            wanted = wanted.set("flush.messages", "1");
        }
        let options = AdminOptions::new()
            .request_timeout(Some(ANSWER_WITHIN))
            .operation_timeout(Some(ANSWER_WITHIN));
        let results = self
            .admin
            .create_topics([&wanted], &options)
            .await
            .map_err(|error| failure(doing, &topic.name, error))?;
        let mut missing = true;
        for result in results {
            match result {
                Ok(_) => {}
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => missing = false,
                Err((_, code)) => {
                    return Err(failure(doing, &topic.name, KafkaError::AdminOp(code)));
                }
            }
        }
        self.wait_for_topic(topic).await?;
        Ok(missing)
    }

    /// Waits until every partition of a new topic answers; the brokers tell each other of it at leisure.
    async fn wait_for_topic(&self, topic: &TopicSpec) -> Result<(), BusError> {
        let patience = Instant::now() + ANSWER_WITHIN;
        loop {
            match self.partitions(&topic.name).await {
                Ok(found) if found == topic.partitions => match self.ranges(&topic.name).await {
                    Ok(_) => return Ok(()),
                    Err(error) if patience <= Instant::now() => return Err(error),
                    Err(_) => sleep(TOPIC_IN).await,
                },
                Ok(found) => {
                    return Err(BusError::PartitionCountDiffers {
                        topic: topic.name.clone(),
                        expected: topic.partitions,
                        found,
                    });
                }
                Err(error) if patience <= Instant::now() => return Err(error),
                Err(BusError::UnknownTopic(_) | BusError::Unavailable { .. }) => {
                    sleep(TOPIC_IN).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn producer(config: &KafkaConfig) -> Result<FutureProducer<Told>, BusError> {
    config
        .client()
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", "zstd")
        .set("linger.ms", "2")
        .set("message.timeout.ms", APPEND_WITHIN.as_millis().to_string())
        .set("queue.buffering.max.messages", ON_THE_WAY.to_string())
        .create_with_context(Told)
        .map_err(|error| failure("setting up Kafka's producer", "", error))
}

fn count_partitions(client: &Client<Told>, topic: &str) -> Result<i32, BusError> {
    let doing = "looking up a topic";
    let metadata = client
        .fetch_metadata(Some(topic), ANSWER_WITHIN)
        .map_err(|error| failure(doing, topic, error))?;
    let found = metadata
        .topics()
        .iter()
        .find(|found| found.name() == topic)
        .ok_or_else(|| BusError::UnknownTopic(topic.to_owned()))?;
    let trouble = found
        .error()
        .into_iter()
        .chain(
            found
                .partitions()
                .iter()
                .filter_map(MetadataPartition::error),
        )
        .next();
    if let Some(trouble) = trouble {
        return Err(failure(
            doing,
            topic,
            KafkaError::MetadataFetch(trouble.into()),
        ));
    }
    match i32::try_from(found.partitions().len()) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(BusError::UnknownTopic(topic.to_owned())),
    }
}

#[async_trait]
impl Backend for KafkaLog {
    async fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<(), BusError> {
        self.make(&TopicSpec {
            name: self.config.name(IDENTITIES),
            partitions: 1,
            retention: Duration::MAX,
        })
        .await?;
        for topic in topics {
            let topic = &TopicSpec {
                name: self.config.name(&topic.name),
                ..topic.clone()
            };
            if self.make(topic).await? {
                identity::write(
                    &self.config,
                    &self.producers()[0],
                    &topic.name,
                    Origin::Made,
                )
                .await?;
                self.ids
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&topic.name);
            }
        }
        Ok(())
    }

    async fn topic(&self, name: &str) -> Result<TopicState, BusError> {
        let name = self.config.name(name);
        let partitions = self.ranges(&name).await?;
        Ok(TopicState {
            id: self.id(&name).await?.to_string(),
            partitions,
        })
    }

    async fn appended_at(
        &self,
        topic: &str,
        positions: &[(i32, i64)],
    ) -> Result<Vec<(i32, i64)>, BusError> {
        let (config, topic, positions) = (
            self.config.clone(),
            self.config.name(topic),
            positions.to_owned(),
        );
        self.ask(move |_| look::appended_at(&config, &topic, &positions))
            .await
    }

    async fn noted(&self, topic: &str, group: &str) -> Result<Vec<(i32, i64)>, BusError> {
        let config = self.config.clone();
        let (topic, group) = (config.name(topic), config.name(group));
        let partitions = self.partitions(&topic).await?;
        self.ask(move |_| look::noted(&config, &topic, &group, partitions))
            .await
    }

    async fn append(
        &self,
        topic: &str,
        records: Vec<Outgoing>,
    ) -> Result<Vec<(i32, i64)>, BusError> {
        let doing = "appending records";
        let topic = &*self.config.name(topic);
        let count = self.partitions(topic).await?;
        let producers = self.producers();
        let mut on_the_way = Vec::with_capacity(records.len());
        let mut trouble = None;
        'records: for outgoing in &records {
            let partition = partition_of(&outgoing.key, count);
            let producer = &producers[partition.unsigned_abs() as usize % CONNECTIONS];
            let mut record = FutureRecord::<[u8], [u8]>::to(topic)
                .partition(partition)
                .key(&outgoing.key)
                .payload(&outgoing.value);
            if let Some(request_id) = &outgoing.request_id {
                record = record.headers(OwnedHeaders::new().insert(Header {
                    key: REQUEST_ID,
                    value: Some(request_id),
                }));
            }
            loop {
                match producer.send_result(record) {
                    Ok(delivery) => {
                        on_the_way.push(delivery);
                        break;
                    }
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                        record = back;
                        sleep(ROOM_IN).await;
                    }
                    Err((
                        KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge),
                        _,
                    )) => {
                        trouble = Some(BusError::RecordTooLarge {
                            bytes: outgoing.key.len() + outgoing.value.len(),
                        });
                        break 'records;
                    }
                    Err((error, _)) => {
                        trouble = Some(failure(doing, topic, error));
                        break 'records;
                    }
                }
            }
        }
        // All that is on the way is waited for, also after a failure: then a repeat comes behind it, not between.
        let mut places = Vec::with_capacity(on_the_way.len());
        for delivery in on_the_way {
            match delivery.await {
                Ok(Ok(delivered)) => places.push((delivered.partition, delivered.offset)),
                Ok(Err((error, _))) => {
                    trouble.get_or_insert(failure(doing, topic, error));
                }
                Err(_) => {
                    trouble.get_or_insert(failure(doing, topic, KafkaError::Canceled));
                }
            }
        }
        match trouble {
            None => Ok(places),
            Some(error) => {
                self.replace_the_dead(&producers)?;
                Err(error)
            }
        }
    }

    async fn subscribe(
        &self,
        topic: &str,
        group: &str,
        options: SubscribeOptions,
    ) -> Result<Subscription, BusError> {
        let topic = self.config.name(topic);
        self.partitions(&topic).await?;
        reader::start(&self.config, &topic, &self.config.name(group), options)
    }

    async fn trim(&self) -> Result<u64, BusError> {
        Ok(0)
    }
}

fn range<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partition: i32,
) -> Result<PartitionRange, BusError> {
    let (first, next) = client
        .fetch_watermarks(topic, partition, ANSWER_WITHIN)
        .map_err(|error| failure("looking up partitions", topic, error))?;
    Ok(PartitionRange {
        partition,
        first,
        next,
    })
}

/// Hands librdkafka's own log to ours. It names brokers and topics, never a record.
struct Told;

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tell(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(error = %error, kafka.reason = reason, "Kafka's client met an error");
    }
}

/// What librdkafka calls progress that was not noted: what a reader had read is somebody else's by then, at every rebalance. Where readers go on stands in
/// the database; what is noted is for dashboards, and to see that a database is behind its log.
const NOT_NOTED: &str = "COMMITFAIL";

fn tell(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        _ if facility == NOT_NOTED => {
            debug!(kafka.message = message, "progress was not noted");
        }
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => {
            warn!(
                kafka.facility = facility,
                kafka.message = message,
                "Kafka's client says"
            );
        }
        _ => debug!(
            kafka.facility = facility,
            kafka.message = message,
            "Kafka's client says"
        ),
    }
}

fn failure(doing: &'static str, topic: &str, error: KafkaError) -> BusError {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            BusError::UnknownTopic(topic.to_owned())
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::InvalidTopic
            | Code::InvalidConfig
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::PolicyViolation
            | Code::UnsupportedVersion
            | Code::MessageSizeTooLarge
            | Code::InvalidArgument,
        ) => BusError::Refused {
            doing,
            source: Box::new(error),
        },
        None if matches!(
            error,
            KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::Nul(_)
        ) =>
        {
            BusError::Refused {
                doing,
                source: Box::new(error),
            }
        }
        _ => BusError::Unavailable {
            doing,
            source: Box::new(error),
        },
    }
}
