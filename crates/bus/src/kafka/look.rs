//! When did the log take a record? For people who ask how long something waits; nobody reads on from here.

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
        .set("group.id", "voorveld.look")
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
