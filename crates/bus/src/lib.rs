//! The log: what one stage tells the next, in order per key, kept until it is old.
//!
//! One small contract ([`Log`], [`Subscription`], [`Event`]) and two implementations behind it: Apache Kafka, and tables in
//! PostgreSQL for where no broker is configured. Both are durable when they acknowledge (I1) and neither ever skips a record:
//! a position that the log no longer has is an error that stops the reader.
//!
//! This crate does not know what a record means, who is told of its errors, or where positions are stored. Whoever reads keeps its own
//! positions beside what the records caused (I3) and hands them back on assignment. Exactly one owner at a time is what a
//! subscription *aims* at, not what it promises: a reader that stalls may wake up as a zombie, so owners fence each other with an epoch in
//! the transaction that stores their position.

mod contract;
mod error;
mod events;
mod kafka;
mod partitioner;
mod postgres;

pub use contract::{
    Backend, Event, IDLE_AFTER, Log, MAX_BATCH, MAX_WAIT, Outgoing, PartitionRange, Progress,
    ProgressSink, Record, Running, SubscribeOptions, Subscription, TopicSpec, TopicState,
};
pub use error::BusError;
pub use events::{Events, NotTold, Teller, events};
pub use kafka::KafkaConfig;
pub use partitioner::partition_of;
