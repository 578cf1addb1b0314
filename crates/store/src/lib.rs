//! PostgreSQL: one file per table group, concrete functions, set-based SQL.
//!
//! With the PostgreSQL log this is the only place that knows SQL. There are no repository traits: there is one database, and it is in
//! every test. A function that belongs in somebody's transaction takes a [`Tx`]; one that stands alone takes the [`Store`].

pub mod audit;
pub mod console;
mod copying;
pub mod deliveries;
pub mod erasures;
pub mod error;
pub mod feeds;
mod held;
pub mod history;
pub mod holds;
pub mod homes;
pub mod households;
pub mod housekeeping;
#[cfg(test)]
mod indexes;
pub mod judgements;
pub mod measured;
pub mod partners;
pub mod positions;
pub mod publications;
pub mod queue;
pub mod receipts;
pub mod registrations;
pub mod schema;
pub mod sessions;
mod standstill;
pub mod summary;
pub mod task_changes;
pub mod tasks;
pub mod timelines;
pub mod users;
pub mod wake_ups;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};

pub use error::StoreError;
use held::Held;
pub use sqlx::PgPool as Pool;

/// How long a caller waits for a free connection before it is told that the database is down.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a transaction may stand still between two statements before the server ends it and gives its locks to others: an owner that is frozen, or
/// whose machine is gone, must not keep its partitions from who takes over. Far above what is decided between two
/// statements of ours. Who only reads a moment of the past locks nothing, and says that it may take its time. Who stands still in the middle of a
/// statement is not ended by the server: see [`Store::end_who_stands_in_the_way`].
pub const STANDS_STILL_MAX: Duration = Duration::from_secs(30);

/// How a transaction begins that finds every row by its key. The server keeps the plan of a statement that it was asked before, also one it made when the
/// tables were empty and reading them through was the quickest: until it looked at them again a minute later, every small batch of a stage read whole
/// tables, which took two fifths of the database's time at 1,000 signals a second.
const BEGIN_BY_KEY: &str = "BEGIN; SET LOCAL enable_seqscan = off";

/// The database, shared by everything in one process.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Connects with at most `connections` connections.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse().map_err(StoreError::Sql)?;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(|connection, _| Box::pin(set_up(connection)))
            .connect_with(options.application_name("voorveld"))
            .await?;
        Ok(Self { pool })
    }

    /// Wraps a pool somebody else made (tests, the log in the same database).
    #[must_use]
    pub const fn from_pool(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pool, for the log that lives in the same database.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction; dropping it rolls back. `name` says in the log and the metrics what it is for.
    pub async fn begin(&self, name: &'static str) -> Result<Tx, StoreError> {
        Ok(Tx {
            inner: Held::begin(&self.pool, "BEGIN").await?,
            name,
        })
    }

    /// Begins a transaction in which rows are found by their keys and no table is read through where an index leads to what is sought: those of the
    /// stages and of the door, whose plans must not depend on how full the tables were when they were made.
    pub async fn begin_by_key(&self, name: &'static str) -> Result<Tx, StoreError> {
        Ok(Tx {
            inner: Held::begin(&self.pool, BEGIN_BY_KEY).await?,
            name,
        })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// What the server calls its version, for a measurement that says on what it was made.
    pub async fn server_version(&self) -> Result<String, StoreError> {
        Ok(sqlx::query_scalar("SHOW server_version")
            .fetch_one(&self.pool)
            .await?)
    }

    /// Closes all connections and waits for them.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Said once the connection stands: a pooler in front of the server refuses what is said while connecting.
///
/// Who stands still is ended ([`STANDS_STILL_MAX`]); and nothing is compiled. What a server guesses of tables that it has not looked at yet makes it compile statements that
/// take a millisecond: over a second for one that reads nothing.
async fn set_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let limit = format!("{}ms", STANDS_STILL_MAX.as_millis());
    sqlx::query("SELECT set_config('idle_in_transaction_session_timeout', $1, false), set_config('jit', 'off', false)")
        .bind(limit)
        .execute(connection)
        .await
        .map(drop)
}

/// An open transaction.
#[derive(Debug)]
pub struct Tx {
    inner: Held,
    name: &'static str,
}

impl Tx {
    /// Makes it so, durably.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await
    }

    /// Says that somebody is still at work on it ([`STANDS_STILL_MAX`]).
    pub async fn still_at_work(&mut self) -> Result<(), StoreError> {
        sqlx::query("SELECT").execute(&mut *self.inner).await?;
        Ok(())
    }

    /// What it is for.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::ConnectOptions;

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_plan_of_an_empty_table_does_not_outlive_it(pool: PgPool) {
        let url = pool.connect_options().to_url_lossy();
        let store = Store::connect(url.as_str(), 1).await.unwrap();
        let houses: Vec<_> = (1..=30)
            .map(|house| voorveld_domain::HouseholdId::from_uuid(uuid::Uuid::from_u128(house)))
            .collect();
        // As many signals as fit few enough pages, and as often as it takes the server to keep a plan.
        sqlx::query(
            "INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type, kind, domain,
                                  event_date, first_received_at, received_at, crisis, warm_handover)
             SELECT gen_random_uuid(), gen_random_uuid(), '0518', 1, 1, true, 'counted', 'p', 't', 'k', 'd', now(), now(), now(), false, false
             FROM generate_series(1, 300)",
        )
        .execute(&pool)
        .await
        .unwrap();
        for _ in 0..8 {
            let mut tx = store.begin_by_key("judge").await.unwrap();
            assert!(tx.timelines(&houses).await.unwrap().is_empty());
            tx.commit().await.unwrap();
        }
        let mut tx = store.begin_by_key("judge").await.unwrap();
        tx.timelines(&houses).await.unwrap();
        let (through, by_index): (i64, i64) = sqlx::query_as(
            "SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'signals'",
        )
        .fetch_one(&mut *tx.inner)
        .await
        .unwrap();
        assert_eq!(through, 0, "it was read through");
        assert!(0 < by_index);
        tx.commit().await.unwrap();
        let mut other = store.begin("count").await.unwrap();
        let said: String = sqlx::query_scalar("SHOW enable_seqscan")
            .fetch_one(&mut *other.inner)
            .await
            .unwrap();
        assert_eq!(said, "on", "it holds for that transaction alone");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_transaction_that_stands_still_loses_its_locks(pool: PgPool) {
        let url = pool.connect_options().to_url_lossy();
        let store = Store::connect(url.as_str(), 1).await.unwrap();
        let mut tx = store.begin("frozen").await.unwrap();
        let limit: String = sqlx::query_scalar("SHOW idle_in_transaction_session_timeout")
            .fetch_one(&mut *tx.inner)
            .await
            .unwrap();
        assert_eq!(limit, format!("{}s", STANDS_STILL_MAX.as_secs()));
        let compiles: String = sqlx::query_scalar("SHOW jit")
            .fetch_one(&mut *tx.inner)
            .await
            .unwrap();
        assert_eq!(compiles, "off");
        let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut *tx.inner)
            .await
            .unwrap();
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout = '1ms'")
            .execute(&mut *tx.inner)
            .await
            .unwrap();
        let there = || {
            sqlx::query_scalar::<_, i64>("SELECT count(*) FROM pg_stat_activity WHERE pid = $1")
                .bind(process)
                .fetch_one(&pool)
        };
        while there().await.unwrap() != 0 {}
        let error = sqlx::query("SELECT 1")
            .execute(&mut *tx.inner)
            .await
            .unwrap_err();
        assert!(
            StoreError::Sql(error).is_transient(),
            "who wakes up joins anew"
        );
    }
}
