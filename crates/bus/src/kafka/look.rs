//! What is asked of the log without reading on from it: when did it take a record, and how far did a group tell that it is.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use super::{KafkaConfig, failure};
use crate::BusError;

/// How long a poll for the next record may take.
const POLL: Duration = Duration::from_millis(100);
/// How long all of them together may take: what was not seen by then is left out.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
const DOING: &str = "looking up how long a record waits";
const ASKING: &str = "asking how far a group is";
/// The group of who only looks.
const NOBODY: &str = "voorveld.look";

/// `(partition, milliseconds since 1970)` of the first record at or after each `(partition, offset)`. Blocks.
pub(super) fn appended_at(
    config: &KafkaConfig,
    topic: &str,
    positions: &[(i32, i64)],
) -> Result<Vec<(i32, i64)>, BusError> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let fail = |error| failure(DOING, topic, error);
    let consumer: BaseConsumer = config
        .client()
        .set("enable.auto.commit", "false")
        // A position that retention has passed is looked at from the oldest record that is left.
        .set("auto.offset.reset", "earliest")
        // One record of each is wanted, not a megabyte.
        .set("fetch.message.max.bytes", "16384")
        // Never joined; librdkafka merely wants one to be named.
        .set("group.id", config.name(NOBODY))
        .create()
        .map_err(fail)?;
    let mut from = TopicPartitionList::new();
    for (partition, offset) in positions {
        from.add_partition_offset(topic, *partition, Offset::Offset(*offset))
            .map_err(fail)?;
    }
    consumer.assign(&from).map_err(fail)?;
    let patience = Instant::now() + LOOK_WITHIN;
    let mut seen = BTreeMap::new();
    while seen.len() < positions.len() && Instant::now() < patience {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let partition = message.partition();
                seen.entry(partition)
                    .or_insert_with(|| message.timestamp().to_millis().unwrap_or_default());
                let mut enough = TopicPartitionList::new();
                enough.add_partition(topic, partition);
                consumer.pause(&enough).map_err(fail)?;
            }
            Some(Err(error)) if !failure(DOING, topic, error.clone()).is_transient() => {
                return Err(fail(error));
            }
            Some(Err(_)) | None => {}
        }
    }
    Ok(seen.into_iter().collect())
}

/// `(partition, next offset)` as this group has committed them, where it has. Blocks.
pub(super) fn noted(
    config: &KafkaConfig,
    topic: &str,
    group: &str,
    partitions: i32,
) -> Result<Vec<(i32, i64)>, BusError> {
    let fail = |error| failure(ASKING, topic, error);
    // Never joins: it only asks.
    let consumer: BaseConsumer = config
        .client()
        .set("group.id", group)
        .create()
        .map_err(fail)?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, partitions - 1);
    let patience = Instant::now() + LOOK_WITHIN;
    let told = loop {
        match consumer.committed_offsets(asked.clone(), LOOK_WITHIN) {
            Ok(told) => break told,
            // Who looks after a group that was never heard of is decided when it is asked for.
            Err(error) if Instant::now() < patience && fail(error.clone()).is_transient() => {
                std::thread::sleep(POLL);
            }
            Err(error) => return Err(fail(error)),
        }
    };
    let noted = told
        .elements()
        .into_iter()
        .filter_map(|one| match one.offset() {
            Offset::Offset(next) => Some((one.partition(), next)),
            _ => None,
        });
    Ok(noted.collect())
}
