//! Connections that are never handed on in the middle of a sentence.
//!
//! A future of ours is dropped where it waits: a partner hangs up, a page is left, a reader is told to let go. The pool lends the connection to the next
//! who asks, and counts on it that everything said on it was answered. That does not hold for two things of the driver (sqlx 0.9): a `BEGIN` whose answer
//! nobody heard leaves the next borrower in a transaction that nobody ends, and after a `COPY` that broke off every answer is taken for that of the
//! statement before. So a transaction begins and rows are copied in work that nobody can break off, and who copies out lets go of the connection.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use futures::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use voorveld_chassis::undisturbed;

use crate::StoreError;

/// A transaction on a connection of the pool.
#[derive(Debug)]
pub(crate) struct Held {
    /// Absent only while rows are copied.
    transaction: Option<Transaction<'static, Postgres>>,
}

const GONE: &str = "who broke off a copy of rows does nothing more in that transaction";

impl Held {
    /// Begins one with this statement.
    pub(crate) async fn begin(pool: &PgPool, statement: &'static str) -> Result<Self, StoreError> {
        let pool = pool.clone();
        let transaction = undisturbed(async move {
            #[expect(clippy::disallowed_methods, reason = "nobody can break it off here")]
            pool.begin_with(statement).await
        })
        .await?;
        Ok(Self {
            transaction: Some(transaction),
        })
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.expect(GONE).commit().await?)
    }

    /// Copies these rows in, as `statement` reads them. Who stops waiting for it has lost the transaction.
    pub(crate) async fn copy_in(
        &mut self,
        statement: String,
        rows: Vec<u8>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.transaction.take().expect(GONE);
        let (transaction, copied) = undisturbed(async move {
            let copied = copy_in(&mut transaction, &statement, &rows).await;
            (transaction, copied)
        })
        .await;
        self.transaction = Some(transaction);
        Ok(copied?)
    }
}

async fn copy_in(
    connection: &mut PgConnection,
    statement: &str,
    rows: &[u8],
) -> Result<(), sqlx::Error> {
    #[expect(clippy::disallowed_methods, reason = "nobody can break it off here")]
    let mut copy = connection.copy_in_raw(statement).await?;
    copy.send(rows).await?;
    copy.finish().await?;
    Ok(())
}

impl Deref for Held {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.transaction.as_ref().expect(GONE)
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.transaction.as_mut().expect(GONE)
    }
}

/// A connection of the pool that is closed where it is let go of, unless what was said on it was heard to its end.
#[derive(Debug)]
pub(crate) struct Lent {
    connection: PoolConnection<Postgres>,
    is_heard: bool,
}

impl Lent {
    pub(crate) async fn of(pool: &PgPool) -> Result<Self, StoreError> {
        Ok(Self {
            connection: pool.acquire().await?,
            is_heard: false,
        })
    }

    /// What `statement` copies out, message by message.
    pub(crate) async fn copy_out(
        &mut self,
        statement: &str,
    ) -> Result<BoxStream<'_, Result<Bytes, sqlx::Error>>, StoreError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "it is let go of where this breaks off"
        )]
        let rows = self.connection.copy_out_raw(statement).await?;
        Ok(rows)
    }

    /// Gives it back.
    pub(crate) fn heard(mut self) {
        self.is_heard = true;
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_heard {
            self.connection.close_on_drop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::TryStreamExt as _;
    use sqlx::postgres::PgPoolOptions;
    use tokio::time::timeout;

    use super::*;
    use crate::Store;

    /// How often an onlooker finds a transaction open before it is one that nobody ends.
    const LOOKS: u32 = 2_000;

    /// A store with one connection, which everybody gets.
    async fn store_of_one(pool: &PgPool) -> Store {
        let options = pool.connect_options().as_ref().clone();
        let one = PgPoolOptions::new().max_connections(1);
        Store::from_pool(one.connect_with(options).await.expect("connects"))
    }

    /// Moments at which somebody stops waiting, from before the first word to after the last.
    fn moments() -> impl Iterator<Item = Duration> {
        (0..60).map(|step| Duration::from_micros(step * step))
    }

    /// What the next borrower asks is answered, and what it writes stays.
    async fn is_sound(store: &Store, onlooker: &PgPool, round: i64) {
        let answer: i64 = sqlx::query_scalar("SELECT $1::bigint")
            .bind(round)
            .fetch_one(store.pool())
            .await
            .expect("is answered");
        assert_eq!(answer, round);
        // Who broke off before a connection was free begins now, and ends at once.
        for _ in 0..LOOKS {
            let still_open: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
            )
            .fetch_one(onlooker)
            .await
            .expect("is answered");
            if still_open == 0 {
                return;
            }
        }
        panic!("a transaction that nobody ends");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_beginning_that_breaks_off_leaves_no_transaction(pool: PgPool) {
        let store = store_of_one(&pool).await;
        for (round, moment) in (0..).zip(moments()) {
            timeout(moment, store.begin("broken off")).await.ok();
            is_sound(&store, &pool, round).await;
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_copy_that_breaks_off_leaves_no_row_and_no_disorder(pool: PgPool) {
        let store = store_of_one(&pool).await;
        sqlx::raw_sql("CREATE TABLE copied (line text)")
            .execute(&pool)
            .await
            .expect("a table");
        let rows = "a line of some length\n".repeat(5_000).into_bytes();
        for (round, moment) in (0..).zip(moments()) {
            let mut tx = store.begin("broken off").await.expect("begins");
            let copy = tx
                .inner
                .copy_in("COPY copied FROM STDIN".into(), rows.clone());
            timeout(moment, copy).await.ok();
            drop(tx);
            is_sound(&store, &pool, round).await;
        }
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM copied")
            .fetch_one(&pool)
            .await
            .expect("counts");
        assert_eq!(left, 0);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn rows_that_are_refused_leave_the_connection_in_order(pool: PgPool) {
        let store = store_of_one(&pool).await;
        sqlx::raw_sql("CREATE TABLE copied (number int)")
            .execute(&pool)
            .await
            .expect("a table");
        for (statement, rows) in [
            ("COPY copied FROM STDIN", "1\nno number\n"),
            ("COPY nowhere FROM STDIN", "1\n"),
        ] {
            let mut tx = store.begin("refused").await.expect("begins");
            let refused = tx.inner.copy_in(statement.into(), rows.into()).await;
            assert!(refused.is_err(), "{statement}");
            drop(tx);
            is_sound(&store, &pool, 7).await;
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn who_has_enough_of_a_copy_lets_go_of_its_connection(pool: PgPool) {
        let store = store_of_one(&pool).await;
        let many = "COPY (SELECT generate_series(1, 300000)) TO STDOUT";
        for (round, enough) in (0..).zip([0, 1, 100]) {
            let mut lent = Lent::of(store.pool()).await.expect("a connection");
            let mut rows = lent.copy_out(many).await.expect("copies");
            for _ in 0..enough {
                rows.try_next().await.expect("reads").expect("a row");
            }
            drop(rows);
            drop(lent);
            is_sound(&store, &pool, round).await;
        }
        let process = async || -> i32 {
            let mut lent = Lent::of(store.pool()).await.expect("a connection");
            let process = sqlx::query_scalar("SELECT pg_backend_pid()")
                .fetch_one(&mut *lent)
                .await
                .expect("is answered");
            lent.heard();
            process
        };
        assert_eq!(process().await, process().await, "it was given back");
    }
}
