//! What can go wrong between us and PostgreSQL.

/// What refers to a household: the rules at which filing a signal and erasing an empty household meet (adr 30; foreign keys once, with these names).
const HOUSEHOLD_KEYS: [&str; 3] = [
    "address_index_household_id_fkey",
    "signal_homes_household_id_fkey",
    "signal_homes_household_before_fkey",
];

/// An error of the database, or a row that breaks what we promised ourselves.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL or the way to it.
    #[error("talking to the database failed")]
    Sql(#[from] sqlx::Error),
    /// Bringing the schema up to date.
    #[error("migrating the schema failed")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// A row breaks an invariant; a person must look.
    #[error("a row of {table} breaks an invariant ({what})")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// Which invariant, never the value.
        what: &'static str,
    },
    /// A row that was there was erased by somebody while it was waited for: repeated, the same finds it gone.
    #[error("a row of {table} was erased meanwhile")]
    Gone {
        /// Which table.
        table: &'static str,
    },
    /// Another owner has this partition, or its position is not the expected one: drop the batch and the cache.
    #[error("partition {partition} of {topic} has another owner")]
    Fenced {
        /// Which topic.
        topic: String,
        /// Which partition.
        partition: i32,
    },
}

impl StoreError {
    /// Whether repeating the same thing later may help: connection trouble, a serialisation failure, a deadlock, a restart.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Sql(error) => match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => true,
                // A colleague opened a task again in the moment in which a new one was raised (I8): repeated, the new one sees the other.
                sqlx::Error::Database(_)
                    if self.is_unique_violation_of(crate::task_changes::ONE_OPEN_PER_PURPOSE) =>
                {
                    true
                }
                // A household was erased in the moment in which a signal was filed there: repeated, its address gets a new one.
                sqlx::Error::Database(database)
                    if database.is_foreign_key_violation()
                        && database
                            .constraint()
                            .is_some_and(|broken| HOUSEHOLD_KEYS.contains(&broken)) =>
                {
                    true
                }
                sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                    // 08 connection, 40 rollback (deadlock, serialisation), 53 resources, 55 not now, 57 operator intervention (restart),
                    // 58 the system underneath, 25006 read-only after failover, 25P03 stood still for too long.
                    ["08", "40", "53", "55", "57", "58"]
                        .iter()
                        .any(|class| code.starts_with(class))
                        || code == "25006"
                        || code == "25P03"
                }),
                _ => false,
            },
            Self::Gone { .. } => true,
            Self::Migration(_) | Self::Corrupt { .. } | Self::Fenced { .. } => false,
        }
    }

    /// Whether a unique constraint said no.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(database)) if database.is_unique_violation())
    }

    /// Whether a unique constraint of this name said no.
    #[must_use]
    pub fn is_unique_violation_of(&self, constraint: &str) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(database))
            if database.is_unique_violation() && database.constraint() == Some(constraint))
    }
}
