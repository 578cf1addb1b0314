//! Which topic is it? Kafka's own id of a topic is not to be had through rdkafka, and a topic that was deleted and made anew looks like the
//! one before, with other records behind the same positions.
//!
//! So topics are named in a small topic of ours that is kept for ever: whoever *makes* a topic writes a new id, whoever *finds* one
//! without an id gives it one. Read in order, a made id replaces, a found one only fills; so all readers agree, whoever raced whom.

use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;
use uuid::Uuid;

use super::{ANSWER_WITHIN, KafkaConfig, Told, failure, range};
use crate::BusError;

/// The topic of names.
pub(super) const IDENTITIES: &str = "voorveld.identities";
const PARTITION: i32 = 0;
/// How long a poll for the next name may take.
const POLL: Duration = Duration::from_millis(100);
const DOING: &str = "looking up which topic it is";

/// How a topic came by an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Made,
    Found,
}

/// Writes a new id down.
pub(super) async fn write(
    config: &KafkaConfig,
    producer: &FutureProducer<Told>,
    topic: &str,
    origin: Origin,
) -> Result<(), BusError> {
    let word = match origin {
        Origin::Made => "made",
        Origin::Found => "found",
    };
    let value = format!("{word} {}", Uuid::new_v4());
    let identities = config.name(IDENTITIES);
    producer
        .send(
            FutureRecord::to(&identities)
                .partition(PARTITION)
                .key(topic)
                .payload(&value),
            ANSWER_WITHIN,
        )
        .await
        .map(drop)
        .map_err(|(error, _)| failure(DOING, &identities, error))
}

/// The topic's id, if it has one. Blocks.
pub(super) fn read(
    config: &KafkaConfig,
    client: &Client<Told>,
    topic: &str,
) -> Result<Option<Uuid>, BusError> {
    let identities = &*config.name(IDENTITIES);
    let fail = |error| failure(DOING, identities, error);
    let end = range(client, identities, PARTITION)?.next;
    let consumer: BaseConsumer = config
        .client()
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        // Never joined; librdkafka merely wants one to be named.
        .set("group.id", identities)
        .create()
        .map_err(fail)?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(identities, PARTITION, Offset::Beginning)
        .map_err(fail)?;
    consumer.assign(&from).map_err(fail)?;
    let patience = Instant::now() + ANSWER_WITHIN;
    let mut id = None;
    let mut next = 0;
    while next < end {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                next = message.offset() + 1;
                if message.key() == Some(topic.as_bytes()) {
                    id = apply(id, message.payload().unwrap_or_default());
                }
            }
            Some(Err(error)) if !failure(DOING, identities, error.clone()).is_transient() => {
                return Err(fail(error));
            }
            Some(Err(_)) | None if Instant::now() < patience => {}
            Some(Err(error)) => return Err(fail(error)),
            None => return Err(fail(KafkaError::NoMessageReceived)),
        }
    }
    Ok(id)
}

fn apply(known: Option<Uuid>, value: &[u8]) -> Option<Uuid> {
    let written = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.split_once(' '));
    match written {
        Some(("made", id)) => id.parse().ok().or(known),
        Some(("found", id)) => known.or_else(|| id.parse().ok()),
        _ => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_id_replaces_and_a_found_one_only_fills() {
        let [first, second, third] = [1, 2, 3].map(Uuid::from_u128);
        let mut id = None;
        for (value, expected) in [
            (format!("found {first}"), Some(first)),
            (format!("found {second}"), Some(first)),
            (format!("made {third}"), Some(third)),
            (format!("found {second}"), Some(third)),
            ("noise".to_owned(), Some(third)),
            ("made noise".to_owned(), Some(third)),
        ] {
            id = apply(id, value.as_bytes());
            assert_eq!(id, expected, "{value}");
        }
    }
}
