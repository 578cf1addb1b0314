//! Owners that stand still in the middle of a statement.
//!
//! ```text
//!  between two statements     the server ends the transaction (STANDS_STILL_MAX)
//!  in the middle of a COPY    the server waits for rows, for ever; whoever waits for that transaction's locks waits with it
//!  while it is answered       the server waits until somebody reads the answer, for ever
//! ```
//!
//! A process that is stopped there, or whose machine is gone, must not keep partitions, references, persons or addresses from who is at work.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::{STANDS_STILL_MAX, Store, StoreError};

impl Store {
    /// Ends the transactions of ours that keep somebody waiting, and whose client neither sends nor takes in the middle of a statement that began longer
    /// ago than [`STANDS_STILL_MAX`]. Says how many. Without `pg_read_all_stats` and `pg_signal_backend` these are those of the same login.
    ///
    /// It asks on a connection of its own: those of the pool may all be waiting.
    pub async fn end_who_stands_in_the_way(&self) -> Result<usize, StoreError> {
        self.end_who_stands_still(STANDS_STILL_MAX).await
    }

    pub(crate) async fn end_who_stands_still(
        &self,
        patience: Duration,
    ) -> Result<usize, StoreError> {
        let options = self.pool.connect_options();
        let mut own = PgConnection::connect_with(&options).await?;
        // Who is active and waits for its client is in the middle of a statement. Who wrote nothing and locked no row is only in the way of who changes
        // tables, and may take its time.
        let ended = sqlx::query_scalar!(
            r#"SELECT pg_terminate_backend(still.pid) AS "ended!"
               FROM pg_stat_activity still
               WHERE still.datname = current_database() AND still.application_name = current_setting('application_name')
                 AND still.state = 'active' AND still.wait_event IN ('ClientRead', 'ClientWrite') AND still.backend_xid IS NOT NULL
                 AND still.query_start < clock_timestamp() - make_interval(secs => $1)
                 AND EXISTS (SELECT 1 FROM pg_stat_activity waiting
                             WHERE waiting.wait_event_type = 'Lock' AND still.pid = ANY(pg_blocking_pids(waiting.pid)))"#,
            patience.as_secs_f64(),
        )
        .fetch_all(&mut own)
        .await?;
        own.close().await?;
        Ok(ended.into_iter().filter(|ended| *ended).count())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use jiff::Timestamp;
    use sqlx::PgPool;
    use uuid::Uuid;
    use voorveld_domain::DebtorId;

    use super::*;
    use crate::copying::FEW;
    use crate::copying::tests::until_blocked;
    use crate::households::IndexVersion;
    use crate::positions::{Claimed, Reader, Step};
    use crate::{Tx, households::BlindKey};

    const READER: Reader<'_> = Reader {
        stage: "stage",
        topic: "topic",
    };
    const AT_ONCE: Duration = Duration::from_millis(1);
    const LOOKS: u32 = 3_000;

    async fn claim(store: &Store, owner: &str) -> Result<Claimed, StoreError> {
        let from = [(0, 5)];
        store
            .claim_partitions(READER, "log", &from, owner, Timestamp::UNIX_EPOCH)
            .await
    }

    async fn name(tx: &mut Tx, many: u128, first: u128) -> Vec<(BlindKey, DebtorId)> {
        let version = IndexVersion {
            key_id: "k".to_owned(),
            normaliser: 1,
        };
        let one = |number: u128| {
            let mut key = [0; 32];
            key[..16].copy_from_slice(&number.to_be_bytes());
            let debtor = DebtorId::from_uuid(Uuid::from_u128(first + number));
            (("0518".parse().unwrap(), key), debtor)
        };
        let proposed: Vec<_> = (0..many).map(one).collect();
        let named = tx.new_debtors(&version, &proposed).await.unwrap();
        assert_eq!(named, proposed.iter().copied().collect());
        proposed
    }

    /// Once somebody waits, ends who is in the way.
    async fn clear(store: &Store, pool: &PgPool) {
        until_blocked(1, pool).await;
        let early = store.end_who_stands_in_the_way().await;
        assert_eq!(early.unwrap(), 0, "it may yet go on");
        // Whoever writes goes on until the way is full.
        for _ in 0..LOOKS {
            match store.end_who_stands_still(AT_ONCE).await.unwrap() {
                0 => tokio::time::sleep(AT_ONCE).await,
                ended => {
                    assert_eq!(ended, 1);
                    return;
                }
            }
        }
        panic!("nobody was found to stand still");
    }

    /// Two owners: the first stands still in the middle of a `COPY` with locks that the second wants.
    #[expect(
        clippy::disallowed_methods,
        reason = "this owner breaks off in the middle"
    )]
    async fn ends_who_is_in_the_way_of<T>(
        second: impl Future<Output = T>,
        mut first: Tx,
        pool: &PgPool,
    ) -> T {
        let store = Store::from_pool(pool.clone());
        let copying = first.inner.copy_in_raw("COPY households FROM STDIN").await;
        let copying = copying.unwrap();
        assert_eq!(
            store.end_who_stands_still(AT_ONCE).await.unwrap(),
            0,
            "it is in nobody's way"
        );
        let (of_second, ()) = tokio::join!(second, clear(&store, pool));
        assert!(copying.finish().await.is_err(), "who wakes up joins anew");
        of_second
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn its_partitions_go_to_who_claims_them(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        let Claimed::Ours(claims) = claim(&store, "a").await.unwrap() else {
            panic!("the same log");
        };
        let mut first = store.begin("frozen").await.unwrap();
        let step = Step {
            partition: 0,
            from: claims[0].next_offset,
            to: 9,
            epoch: claims[0].epoch,
        };
        first
            .advance_positions(READER, &[step], Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        let second = ends_who_is_in_the_way_of(claim(&store, "b"), first, &pool).await;
        let Claimed::Ours(claims) = second.unwrap() else {
            panic!("the same log");
        };
        assert_eq!((claims[0].next_offset, claims[0].epoch), (5, 2));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn whom_it_met_is_met_by_another(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        let many = FEW as u128;
        let mut first = store.begin("frozen").await.unwrap();
        name(&mut first, many, 0).await;
        let second = async {
            let mut second = store.begin("second").await.unwrap();
            name(&mut second, many, 10 * many).await;
            second.commit().await.unwrap();
        };
        ends_who_is_in_the_way_of(second, first, &pool).await;
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn who_does_not_read_the_answer_is_not_waited_for(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        let many = 1;
        let mut first = store.begin("frozen").await.unwrap();
        name(&mut first, many, 0).await;
        // More than the ways in between hold.
        let mut answer = sqlx::query("SELECT repeat('x', 1 << 20) FROM generate_series(1, 200)")
            .fetch(&mut *first.inner);
        answer.try_next().await.unwrap();
        let second = async {
            let mut second = store.begin("second").await.unwrap();
            name(&mut second, many, 10 * many).await;
            second.commit().await.unwrap();
        };
        tokio::join!(second, clear(&store, &pool));
        while let Ok(Some(_)) = answer.try_next().await {}
        drop(answer);
        assert!(first.commit().await.is_err(), "who wakes up joins anew");
    }
}
