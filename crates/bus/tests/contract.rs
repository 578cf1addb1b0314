//! The contract of the log, run on both logs. What only one of them can be made to do stands in `only_postgres`.
//!
//! Keys and values are invented and say nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers are tests, which clippy does not see outside #[test] functions"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "nobody breaks a test off in its transaction, and tests are told where Kafka is by whoever starts them"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future;
use sqlx::PgPool;
use tokio::time::timeout;
use uuid::Uuid;
use voorveld_bus::{
    BusError, Event, KafkaConfig, Log, Outgoing, Record, SubscribeOptions, Subscription, TopicSpec,
    partition_of,
};

/// Nothing here takes this long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);
/// The least patience Kafka allows a reader to have.
const SHORT_STALL: Duration = Duration::from_secs(6);

macro_rules! contract {
    ($($test:ident),+ $(,)?) => {
        mod kafka {
            $(
                #[sqlx::test(migrations = "../../migrations")]
                async fn $test(pool: sqlx::PgPool) {
                    super::$test(super::World::kafka(pool)).await;
                }
            )+
        }
        mod postgres {
            $(
                #[sqlx::test(migrations = "../../migrations")]
                async fn $test(pool: sqlx::PgPool) {
                    super::$test(super::World::postgres(pool)).await;
                }
            )+
        }
    };
}

contract!(
    an_append_is_durable_when_acknowledged,
    a_key_keeps_its_order_and_no_offset_is_skipped_while_appenders_race,
    several_readers_share_partitions,
    a_reader_resumes_from_stored_positions,
    a_stalled_owner_is_fenced,
    a_position_outside_the_log_stops_the_reader,
    a_topic_is_what_was_asked_for,
    what_waits_tells_since_when,
);

/// One log, a topic name nobody else uses, and a database for positions.
struct World {
    log: Log,
    again: Box<dyn Fn() -> Log + Send + Sync>,
    topic: String,
    pool: PgPool,
}

impl World {
    fn new(pool: PgPool, again: Box<dyn Fn() -> Log + Send + Sync>) -> Self {
        Self {
            log: again(),
            again,
            topic: format!("test.{}", Uuid::new_v4()),
            pool,
        }
    }

    fn kafka(pool: PgPool) -> Self {
        let brokers = kafka_for_tests();
        Self::new(
            pool,
            Box::new(move || Log::kafka(KafkaConfig::new(brokers.clone())).unwrap()),
        )
    }

    fn postgres(pool: PgPool) -> Self {
        let database = pool.clone();
        Self::new(pool, Box::new(move || Log::postgres(database.clone())))
    }

    async fn with_partitions(self, partitions: i32) -> Self {
        self.log
            .ensure_topics(&[spec(&self.topic, partitions)])
            .await
            .unwrap();
        sqlx::raw_sql(
            "CREATE TABLE test_positions (
                 partition integer PRIMARY KEY, next_offset bigint NOT NULL, epoch bigint NOT NULL)",
        )
        .execute(&self.pool)
        .await
        .unwrap();
        self
    }

    async fn append(&self, records: Vec<Outgoing>) -> Vec<(i32, i64)> {
        self.log.append(&self.topic, records).await.unwrap()
    }

    async fn reader(&self, options: SubscribeOptions) -> Reader {
        Reader {
            subscription: self
                .log
                .subscribe_with(&self.topic, "group", options)
                .await
                .unwrap(),
            pool: self.pool.clone(),
            epochs: BTreeMap::new(),
        }
    }
}

fn kafka_for_tests() -> String {
    std::env::var("VOORVELD_TEST_KAFKA").expect(
        "VOORVELD_TEST_KAFKA says where Kafka is: run `export VOORVELD_TEST_KAFKA=$(scripts/kafka.sh start)`, or `make test`",
    )
}

fn spec(topic: &str, partitions: i32) -> TopicSpec {
    TopicSpec {
        name: topic.to_owned(),
        partitions,
        retention: Duration::from_hours(24),
    }
}

fn outgoing(key: &str, value: impl Into<String>) -> Outgoing {
    Outgoing {
        key: Bytes::from(key.to_owned()),
        value: Bytes::from(value.into()),
        request_id: None,
    }
}

/// A reader as a stage is one: positions in PostgreSQL, moved under its epoch.
struct Reader {
    subscription: Subscription,
    pool: PgPool,
    epochs: BTreeMap<i32, i64>,
}

/// What a reader saw, after it answered what wants an answer.
#[derive(Debug)]
enum Seen {
    Records(Vec<Record>),
    Assigned,
    Revoked(Vec<i32>),
    Idle,
    Failed(BusError),
}

impl Reader {
    async fn next(&mut self) -> Seen {
        let event = timeout(PATIENCE, self.subscription.events.recv())
            .await
            .expect("something happens in time")
            .expect("the subscription goes on");
        match event {
            Event::Records(records) => Seen::Records(records),
            Event::Assigned { partitions, reply } => {
                let rows: Vec<(i32, i64, i64)> = sqlx::query_as(
                    "INSERT INTO test_positions
                     SELECT partition, 0, 1 FROM unnest($1::int[]) AS partition
                     ON CONFLICT (partition) DO UPDATE SET epoch = test_positions.epoch + 1
                     RETURNING partition, next_offset, epoch",
                )
                .bind(&partitions)
                .fetch_all(&self.pool)
                .await
                .unwrap();
                reply
                    .send(
                        rows.iter()
                            .map(|(partition, next, _)| (*partition, *next))
                            .collect(),
                    )
                    .unwrap();
                self.epochs.extend(
                    rows.iter()
                        .map(|(partition, _, epoch)| (*partition, *epoch)),
                );
                Seen::Assigned
            }
            Event::Revoked { partitions, done } => {
                for partition in &partitions {
                    self.epochs.remove(partition);
                }
                done.send(()).unwrap();
                Seen::Revoked(partitions)
            }
            Event::Idle => Seen::Idle,
            Event::Failed(error) => Seen::Failed(error),
        }
    }

    /// Moves the positions behind these records, all or none. False: somebody else owns a partition by now.
    async fn commit(&mut self, records: &[Record]) -> bool {
        let mut moves = BTreeMap::<i32, (i64, i64)>::new();
        for record in records {
            moves
                .entry(record.partition)
                .and_modify(|(_, next)| {
                    assert_eq!(*next, record.offset, "consecutive within a partition");
                    *next += 1;
                })
                .or_insert((record.offset, record.offset + 1));
        }
        let mut tx = self.pool.begin().await.unwrap();
        for (partition, (first, next)) in &moves {
            let rows = sqlx::query(
                "UPDATE test_positions SET next_offset = $3
                 WHERE partition = $1 AND next_offset = $2 AND epoch = $4",
            )
            .bind(partition)
            .bind(first)
            .bind(next)
            .bind(self.epochs.get(partition).copied().unwrap_or_default())
            .execute(&mut *tx)
            .await
            .unwrap()
            .rows_affected();
            if rows == 0 {
                return false;
            }
        }
        tx.commit().await.unwrap();
        let noted: Vec<(i32, i64)> = moves
            .iter()
            .map(|(partition, (_, next))| (*partition, *next))
            .collect();
        self.subscription.progress.note(&noted);
        true
    }

    /// Reads and commits until this many records came.
    async fn read(&mut self, count: usize) -> Vec<Record> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.next().await {
                Seen::Records(records) => {
                    assert!(self.commit(&records).await, "nobody else owns these");
                    all.extend(records);
                }
                Seen::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
        assert_eq!(all.len(), count);
        all
    }

    /// Waits until it owns exactly these partitions; records on the way are committed.
    async fn until_it_owns(&mut self, count: usize) {
        while self.epochs.len() != count {
            match self.next().await {
                Seen::Records(records) => assert!(self.commit(&records).await),
                Seen::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
    }
}

async fn an_append_is_durable_when_acknowledged(world: World) {
    let world = world.with_partitions(3).await;
    let sent: Vec<Outgoing> = (0..1_000)
        .map(|n| Outgoing {
            request_id: (n % 2 == 0).then(|| format!("request-{n}")),
            ..outgoing(&format!("key-{}", n % 40), format!("value-{n}"))
        })
        .collect();
    let places = world.append(sent.clone()).await;

    // A connection that knows nothing of the appender's.
    let other = (world.again)();
    let state = other.topic(&world.topic).await.unwrap();
    assert_eq!(state.id, world.log.topic(&world.topic).await.unwrap().id);
    let held: i64 = state
        .partitions
        .iter()
        .map(|range| range.next - range.first)
        .sum();
    assert_eq!(held, 1_000);
    let mut reader = World {
        log: other,
        ..world
    }
    .reader(SubscribeOptions::default())
    .await;
    let records = reader.read(1_000).await;
    let by_place: BTreeMap<(i32, i64), &Record> = records
        .iter()
        .map(|record| ((record.partition, record.offset), record))
        .collect();
    assert_eq!(places.len(), sent.len());
    for (place, sent) in places.iter().zip(&sent) {
        let record = by_place[place];
        assert_eq!(record.key, sent.key);
        assert_eq!(record.value, sent.value);
        assert_eq!(record.request_id, sent.request_id);
        assert_eq!(record.partition, partition_of(&sent.key, 3));
        assert!(record.appended_at_ms > 1_700_000_000_000);
    }
    assert!(
        matches!(reader.next().await, Seen::Idle),
        "told that there is no more"
    );
    reader.subscription.close().await;
}

async fn a_key_keeps_its_order_and_no_offset_is_skipped_while_appenders_race(world: World) {
    const APPENDERS: usize = 8;
    const CALLS: usize = 20;
    const KEYS: usize = 10;
    let world = Arc::new(world.with_partitions(4).await);
    let mut reader = world.reader(SubscribeOptions::default()).await;
    let appending = future::join_all((0..APPENDERS).map(|appender| {
        let world = Arc::clone(&world);
        async move {
            for call in 0..CALLS {
                let records = (0..KEYS)
                    .map(|key| outgoing(&format!("{appender}/{key}"), call.to_string()))
                    .collect();
                world.append(records).await;
            }
        }
    }));
    // `commit` asserts that no offset is skipped, within a batch and (by its position) between batches.
    let (records, _) = future::join(reader.read(APPENDERS * CALLS * KEYS), appending).await;
    let mut last = BTreeMap::<Bytes, usize>::new();
    for record in records {
        let call: usize = std::str::from_utf8(&record.value).unwrap().parse().unwrap();
        let expected = last.get(&record.key).map_or(0, |last| last + 1);
        assert_eq!(call, expected);
        last.insert(record.key, call);
    }
    assert_eq!(last.len(), APPENDERS * KEYS);
    reader.subscription.close().await;
}

async fn several_readers_share_partitions(world: World) {
    let world = world.with_partitions(4).await;
    let mut first = world.reader(SubscribeOptions::default()).await;
    first.until_it_owns(4).await;
    let mut second = world.reader(SubscribeOptions::default()).await;
    future::join(first.until_it_owns(2), second.until_it_owns(2)).await;
    let owned: BTreeSet<i32> = first
        .epochs
        .keys()
        .chain(second.epochs.keys())
        .copied()
        .collect();
    assert_eq!(owned.len(), 4, "each partition has one owner");

    let sent: Vec<Outgoing> = (0..400)
        .map(|n| outgoing(&format!("key-{n}"), ""))
        .collect();
    let places = world.append(sent).await;
    let of = |owner: &Reader| {
        places
            .iter()
            .filter(|(partition, _)| owner.epochs.contains_key(partition))
            .count()
    };
    let (of_first, of_second) = (of(&first), of(&second));
    assert!(of_first > 0 && of_second > 0);
    let (records_of_first, records_of_second) =
        future::join(first.read(of_first), second.read(of_second)).await;
    assert!(
        records_of_first
            .iter()
            .all(|record| first.epochs.contains_key(&record.partition))
    );
    assert!(
        records_of_second
            .iter()
            .all(|record| second.epochs.contains_key(&record.partition))
    );

    // Whoever leaves with a word leaves its partitions to the others at once.
    second.subscription.close().await;
    first.until_it_owns(4).await;
    first.subscription.close().await;
}

async fn a_reader_resumes_from_stored_positions(world: World) {
    let world = world.with_partitions(2).await;
    let batch = |from: usize| {
        (from..from + 100)
            .map(|n| outgoing(&format!("key-{n}"), n.to_string()))
            .collect()
    };
    world.append(batch(0)).await;
    let mut reader = world.reader(SubscribeOptions::default()).await;
    reader.read(100).await;
    // Records that were handed over but not committed are handed over again.
    world.append(batch(100)).await;
    let mut unread = 0;
    while unread < 100 {
        if let Seen::Records(records) = reader.next().await {
            unread += records.len();
        }
    }
    reader.subscription.close().await;

    world.append(batch(200)).await;
    let mut reader = world.reader(SubscribeOptions::default()).await;
    let values: BTreeSet<String> = reader
        .read(200)
        .await
        .iter()
        .map(|record| String::from_utf8(record.value.to_vec()).unwrap())
        .collect();
    let expected: BTreeSet<String> = (100..300).map(|n: usize| n.to_string()).collect();
    assert_eq!(values, expected);
    reader.subscription.close().await;
}

async fn a_stalled_owner_is_fenced(world: World) {
    let world = world.with_partitions(1).await;
    let mut owner = world
        .reader(SubscribeOptions {
            stall_after: SHORT_STALL,
        })
        .await;
    owner.until_it_owns(1).await;
    world.append(vec![outgoing("key", "first")]).await;
    let held = loop {
        if let Seen::Records(records) = owner.next().await {
            break records;
        }
    };

    // The owner holds a batch and hears nothing any more, while records keep coming.
    let mut heir = world.reader(SubscribeOptions::default()).await;
    let flood = async {
        loop {
            world.append(vec![outgoing("key", "more")]).await;
        }
    };
    tokio::select! {
        () = flood => unreachable!("it never ends"),
        () = heir.until_it_owns(1) => {}
    }
    let inherited = loop {
        match heir.next().await {
            Seen::Records(records) => break records,
            Seen::Failed(error) => panic!("{error}"),
            _ => {}
        }
    };
    assert_eq!(
        inherited[0].offset, 0,
        "the heir begins where the owner was"
    );
    assert!(heir.commit(&inherited).await);

    // The owner wakes up: what it held and what still waits for it moves nothing, and it learns that it lost the partition.
    assert!(!owner.commit(&held).await, "a zombie is fenced");
    loop {
        match owner.next().await {
            Seen::Records(records) => assert!(!owner.commit(&records).await),
            Seen::Revoked(partitions) => {
                assert_eq!(partitions, [0]);
                break;
            }
            Seen::Idle => {}
            other => panic!("{other:?} before it let go"),
        }
    }
    future::join(owner.subscription.close(), heir.subscription.close()).await;
}

async fn a_position_outside_the_log_stops_the_reader(world: World) {
    let world = world.with_partitions(1).await;
    world
        .append((0..10).map(|_| outgoing("key", "")).collect())
        .await;
    for outside in [11, -1] {
        let mut subscription = world.log.subscribe(&world.topic, "group").await.unwrap();
        let event = timeout(PATIENCE, subscription.events.recv()).await.unwrap();
        let Some(Event::Assigned { partitions, reply }) = event else {
            panic!("{event:?}");
        };
        assert_eq!(partitions, [0]);
        reply.send(vec![(0, outside)]).unwrap();
        let event = timeout(PATIENCE, subscription.events.recv()).await.unwrap();
        let Some(Event::Failed(BusError::PositionOutsideLog {
            position,
            first,
            next,
            ..
        })) = event
        else {
            panic!("{event:?}");
        };
        assert_eq!((position, first, next), (outside, 0, 10));
        let end = timeout(PATIENCE, subscription.events.recv()).await.unwrap();
        assert!(end.is_none(), "that was its last event");
        subscription.close().await;
    }
}

async fn a_topic_is_what_was_asked_for(world: World) {
    let unknown = world.log.topic(&world.topic).await.unwrap_err();
    assert!(matches!(unknown, BusError::UnknownTopic(_)), "{unknown:?}");
    let unknown = world
        .log
        .append(&world.topic, vec![outgoing("key", "")])
        .await
        .unwrap_err();
    assert!(matches!(unknown, BusError::UnknownTopic(_)), "{unknown:?}");

    let world = world.with_partitions(5).await;
    world
        .log
        .ensure_topics(&[spec(&world.topic, 5)])
        .await
        .unwrap();
    assert_eq!(
        world
            .log
            .topic(&world.topic)
            .await
            .unwrap()
            .partitions
            .len(),
        5
    );
    let differs = (world.again)()
        .ensure_topics(&[spec(&world.topic, 6)])
        .await
        .unwrap_err();
    assert!(
        matches!(
            differs,
            BusError::PartitionCountDiffers {
                expected: 6,
                found: 5,
                ..
            }
        ),
        "{differs:?}"
    );
    assert_eq!(world.append(Vec::new()).await, []);
}

async fn what_waits_tells_since_when(world: World) {
    let world = world.with_partitions(3).await;
    let places = world
        .append(
            (0..60)
                .map(|n| outgoing(&format!("key {n}"), "x"))
                .collect(),
        )
        .await;
    let ends: Vec<(i32, i64)> = world
        .log
        .topic(&world.topic)
        .await
        .unwrap()
        .partitions
        .iter()
        .map(|range| (range.partition, range.next))
        .collect();
    // The first is looked at from its beginning, the second from its last record, the third has nothing that waits.
    let asked = [(0, 0), (1, ends[1].1 - 1), ends[2]];
    let told = world.log.appended_at(&world.topic, &asked).await.unwrap();
    assert_eq!(
        told.iter()
            .map(|(partition, _)| *partition)
            .collect::<Vec<_>>(),
        [0, 1]
    );
    let mut reader = world.reader(SubscribeOptions::default()).await;
    let records = reader.read(places.len()).await;
    for (partition, at) in told {
        let offset = asked[usize::try_from(partition).unwrap()].1;
        let record = records
            .iter()
            .find(|record| record.partition == partition && record.offset == offset)
            .unwrap();
        assert_eq!(at, record.appended_at_ms);
    }
}

mod only_kafka {
    use rdkafka::ClientConfig;
    use rdkafka::admin::{AdminClient, AdminOptions};
    use rdkafka::client::DefaultClientContext;

    use super::{
        BusError, KafkaConfig, Log, PgPool, SubscribeOptions, World, kafka_for_tests, outgoing,
        spec,
    };

    #[sqlx::test(migrations = "../../migrations")]
    async fn installations_with_a_prefix_share_brokers_and_nothing_else(pool: PgPool) {
        let mut world = World::kafka(pool);
        let (bare, topic) = (world.log.clone(), world.topic.clone());
        let mut config = KafkaConfig::new(kafka_for_tests());
        config.prefix = "elsewhere-".to_owned();
        world.log = Log::kafka(config).unwrap();
        let world = world.with_partitions(2).await;
        world.append(vec![outgoing("key", "here")]).await;
        assert!(matches!(
            bare.topic(&topic).await,
            Err(BusError::UnknownTopic(_))
        ));
        let mut reader = world.reader(SubscribeOptions::default()).await;
        let read = reader.read(1).await;
        assert_eq!(read[0].value, "here");
        let prefixed = bare.topic(&format!("elsewhere-{topic}")).await.unwrap();
        assert_eq!(prefixed.partitions.len(), 2);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_a_group_told_the_log_can_be_asked(pool: PgPool) {
        let world = World::kafka(pool).with_partitions(3).await;
        let noted = async || world.log.noted(&world.topic, "group").await.unwrap();
        assert_eq!(noted().await, [], "nobody has told anything");
        let places = world
            .append(
                (0..60)
                    .map(|n| outgoing(&format!("key {n}"), "x"))
                    .collect(),
            )
            .await;
        let mut reader = world.reader(SubscribeOptions::default()).await;
        reader.read(places.len()).await;
        let ends = world.log.topic(&world.topic).await.unwrap().partitions;
        let ends: Vec<(i32, i64)> = ends
            .iter()
            .map(|range| (range.partition, range.next))
            .collect();
        // Telling does not wait for an answer.
        while noted().await != ends {}
        reader.subscription.close().await;
        assert_eq!(noted().await, ends, "also when nobody reads any more");
        let others = world.log.noted(&world.topic, "others").await.unwrap();
        assert_eq!(others, []);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_topic_made_anew_is_another_topic(pool: PgPool) {
        let world = World::kafka(pool).with_partitions(2).await;
        let before = world.log.topic(&world.topic).await.unwrap().id;
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", kafka_for_tests())
            .create()
            .unwrap();
        admin
            .delete_topics(&[&world.topic], &AdminOptions::new())
            .await
            .unwrap()
            .remove(0)
            .unwrap();
        let log = (world.again)();
        // The brokers may answer for a moment as if the old one were still there.
        while log.topic(&world.topic).await.is_ok() {}
        assert!(matches!(
            log.topic(&world.topic).await,
            Err(BusError::UnknownTopic(_))
        ));
        log.ensure_topics(&[spec(&world.topic, 2)]).await.unwrap();
        let after = log.topic(&world.topic).await.unwrap().id;
        assert_ne!(before, after);
        let seen_by_another = (world.again)().topic(&world.topic).await.unwrap().id;
        assert_eq!(after, seen_by_another);
    }
}

mod only_postgres {
    use super::{
        BusError, Outgoing, PATIENCE, PgPool, Seen, SubscribeOptions, World, future, outgoing,
        timeout,
    };

    #[sqlx::test(migrations = "../../migrations")]
    async fn nothing_is_read_past_an_appender_that_stalls(pool: PgPool) {
        let world = World::postgres(pool).with_partitions(1).await;
        let mut reader = world.reader(SubscribeOptions::default()).await;
        reader.until_it_owns(1).await;

        // An appender that has written its record and does not come to commit.
        let mut stalled = world.pool.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "UPDATE log_partitions SET next_offset = 1 WHERE topic = '{topic}';
             INSERT INTO log_records VALUES ('{topic}', 0, 0, 'key', 'slow', NULL, now());",
            topic = world.topic
        )))
        .execute(&mut *stalled)
        .await
        .unwrap();
        let behind = world.append(vec![outgoing("key", "behind")]);
        let waits = async {
            loop {
                let waiting: bool = sqlx::query_scalar(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock')",
                )
                .fetch_one(&world.pool)
                .await
                .unwrap();
                if waiting {
                    break;
                }
            }
            let visible: i64 = sqlx::query_scalar("SELECT count(*) FROM log_records")
                .fetch_one(&world.pool)
                .await
                .unwrap();
            assert_eq!(visible, 0);
            stalled.commit().await.unwrap();
        };
        let (places, ()) = timeout(PATIENCE, futures::future::join(behind, waits))
            .await
            .unwrap();
        assert_eq!(places, [(0, 1)]);
        let values: Vec<_> = reader
            .read(2)
            .await
            .into_iter()
            .map(|record| record.value)
            .collect();
        assert_eq!(values, ["slow", "behind"]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn trimming_erases_what_is_past_its_retention_and_a_reader_left_behind_stops(
        pool: PgPool,
    ) {
        let world = World::postgres(pool).with_partitions(2).await;
        let old: Vec<Outgoing> = (0..50)
            .map(|n| outgoing(&format!("key-{n}"), "old"))
            .collect();
        let old_places = world.append(old.clone()).await;
        sqlx::query("UPDATE log_records SET appended_at = appended_at - interval '25 hours'")
            .execute(&world.pool)
            .await
            .unwrap();
        world.append(old[..10].to_vec()).await;

        assert_eq!(world.log.trim().await.unwrap(), 50);
        assert_eq!(world.log.trim().await.unwrap(), 0);
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM log_records")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(kept, 10);
        for range in world.log.topic(&world.topic).await.unwrap().partitions {
            let erased = old_places
                .iter()
                .filter(|(partition, _)| *partition == range.partition)
                .count();
            assert_eq!(range.first, i64::try_from(erased).unwrap());
        }

        // It would go on at 0, which is gone: never skip (I2).
        let mut reader = world.reader(SubscribeOptions::default()).await;
        assert!(matches!(reader.next().await, Seen::Assigned));
        let seen = reader.next().await;
        assert!(
            matches!(
                seen,
                Seen::Failed(BusError::PositionOutsideLog { position: 0, .. })
            ),
            "{seen:?}"
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn trimming_while_somebody_appends_keeps_the_new_record_readable(pool: PgPool) {
        let world = World::postgres(pool).with_partitions(1).await;
        // An appender in the middle of its transaction: it holds the partition and has not committed.
        let mut appender = world.pool.begin().await.unwrap();
        sqlx::query("SELECT 1 FROM log_partitions WHERE topic = $1 FOR UPDATE")
            .bind(&world.topic)
            .execute(&mut *appender)
            .await
            .unwrap();
        let appending = async {
            let waiting = async {
                loop {
                    let waits: i64 = sqlx::query_scalar(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
                    )
                    .fetch_one(&world.pool)
                    .await
                    .unwrap();
                    if waits > 0 {
                        return;
                    }
                }
            };
            timeout(PATIENCE, waiting).await.expect("trimming waits");
            sqlx::query(
                "INSERT INTO log_records (topic, partition, record_offset, record_key, record_value, appended_at)
                 VALUES ($1, 0, 0, '', '', clock_timestamp())",
            )
            .bind(&world.topic)
            .execute(&mut *appender)
            .await
            .unwrap();
            sqlx::query("UPDATE log_partitions SET next_offset = 1 WHERE topic = $1")
                .bind(&world.topic)
                .execute(&mut *appender)
                .await
                .unwrap();
            appender.commit().await.unwrap();
        };
        let (trimmed, ()) = future::join(world.log.trim(), appending).await;
        assert_eq!(trimmed.unwrap(), 0);
        let range = world.log.topic(&world.topic).await.unwrap().partitions[0];
        assert_eq!((range.first, range.next), (0, 1));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_database_error_does_not_quote_the_record(pool: PgPool) {
        let world = World::postgres(pool).with_partitions(1).await;
        sqlx::raw_sql("ALTER TABLE log_records ADD CHECK (record_key <> 'secret')")
            .execute(&world.pool)
            .await
            .unwrap();
        let error = world
            .log
            .append(&world.topic, vec![outgoing("secret", "secret")])
            .await
            .unwrap_err();
        assert!(!error.is_transient());
        let told = format!("{error} {error:?}");
        assert!(
            !told.contains("secret") && !told.contains("\\x736563726574"),
            "{told}"
        );
    }
}
