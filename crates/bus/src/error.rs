//! What can go wrong with a log. No record's key or value ever appears in an error (I9).

use std::error::Error;

use thiserror::Error;

/// Why the log could not do what was asked.
#[derive(Debug, Error)]
pub enum BusError {
    /// The topic was never made, or is gone.
    #[error("topic {0} does not exist")]
    UnknownTopic(String),
    /// The topic has another number of partitions than asked for. Changing it is stop, drain, change, re-stamp.
    #[error("topic {topic} has {found} partitions, not {expected}")]
    PartitionCountDiffers {
        /// The topic.
        topic: String,
        /// How many were asked for.
        expected: i32,
        /// How many it has.
        found: i32,
    },
    /// A stored position lies outside what the log still has. The reader stops; nothing is skipped (I2).
    #[error(
        "position {position} of {topic}/{partition} lies outside the log, which has [{first}, {next})"
    )]
    PositionOutsideLog {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the reader wanted to go on.
        position: i64,
        /// The first offset the log still has.
        first: i64,
        /// The offset the next record will get.
        next: i64,
    },
    /// The reader answered an assignment without a position for this partition.
    #[error("no position was given for {topic}/{partition}")]
    PositionMissing {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A record is larger than the log takes.
    #[error("a record of {bytes} bytes is larger than the log takes")]
    RecordTooLarge {
        /// Key and value together.
        bytes: usize,
    },
    /// The log cannot be reached or cannot answer now; the same again may well succeed.
    #[error("{doing} failed for now")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// The driver's own error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The log answered no, and will again: a person must look.
    #[error("{doing} was refused")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The driver's own error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl BusError {
    /// Whether backing off and doing the same again may succeed. After a failed append the records may or may not be in the log;
    /// appending them again is safe because readers do not mind a repeat (I4).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
