//! The end of signals: who must be judged again because something expired, and erasing what was judged so.
//!
//! In steps that each can be repeated: households with expired copies are woken; their owner judges them and lets the copies go ([`Tx::erase_timelines`]);
//! signals without a household need nobody's judgement ([`Store::note_expired_elsewhere`]); then everything else of a signal goes together
//! ([`Store::erase_signals`]): identities, filings, revisions, the receipt but for a tombstone, and whoever is named by no signal any more.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::{DebtorId, KindId, Presence};

use crate::timelines::TimelineRow;
use crate::wake_ups::EXPIRY;
use crate::{Store, StoreError, Tx};

/// How long an eraser that takes households away may stand still in it.
const TAKES_AWAY_MAX: &str = "2s";
/// Held by who erases signals.
const ERASING_LOCK: i64 = 0x6f70_7275_696d_656e;
/// Most households woken, and most signals erased, in one transaction.
pub const ERASED_MAX_PER_BATCH: i64 = 1_000;
/// A revision that is still on its way is waited for as long as a log keeps it; after that it does not come.
const ON_ITS_WAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(14 * 24);

/// By kind the last event date that has expired; without a kind what goes for every other one.
pub type ExpiredBy = [(Option<KindId>, Date)];

/// What went with a batch of signals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Signals.
    pub signals: u64,
    /// Sealed identities.
    pub identities: u64,
    /// Households whose last signal went.
    pub households: u64,
    /// Persons whom no signal names any more.
    pub persons: u64,
}

/// What would expire and go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expiring {
    /// Copies on timelines.
    pub on_timelines: i64,
    /// Households that must be judged without them.
    pub households: i64,
    /// Signals without a household, or that never reached a timeline.
    pub elsewhere: i64,
    /// Signals that left their timeline and are erased with the next batch.
    pub leaving: i64,
}

struct Columns {
    kinds: Vec<String>,
    lasts: Vec<jiff_sqlx::Date>,
    other: jiff_sqlx::Date,
}

fn columns(expired: &ExpiredBy) -> Columns {
    let (mut kinds, mut lasts, mut other) = (Vec::new(), Vec::new(), Date::MIN);
    for (kind, last) in expired {
        match kind {
            Some(kind) => {
                kinds.push(kind.to_string());
                lasts.push(last.to_sqlx());
            }
            None => other = *last,
        }
    }
    Columns {
        kinds,
        lasts,
        other: other.to_sqlx(),
    }
}

impl Store {
    /// Wakes households that have expired copies on their timeline and wait for no such judgement yet. Says how many; fewer than
    /// [`ERASED_MAX_PER_BATCH`] are all there were.
    pub async fn wake_expired(
        &self,
        topic: &str,
        expired: &ExpiredBy,
        today: Date,
    ) -> Result<u64, StoreError> {
        let columns = columns(expired);
        let mut tx = self.begin_by_key("wake who expired").await?;
        let woken = sqlx::query!(
            // Kind by kind, from one to the next, so that only what is over is read of the index; and only its households of those that were judged. Among
            // ten million the planner takes a third of a kind for over, and would sooner read the whole table once for each.
            "WITH RECURSIVE kinds (kind) AS (
                 SELECT min(kind) FROM signals
                 UNION ALL
                 SELECT (SELECT min(s.kind) FROM signals s WHERE s.kind > k.kind) FROM kinds k WHERE k.kind IS NOT NULL),
             over AS (
                 SELECT DISTINCT s.household_id FROM kinds k LEFT JOIN UNNEST($2::text[], $3::date[]) AS given (kind, last) USING (kind)
                 CROSS JOIN LATERAL (SELECT household_id FROM signals WHERE kind = k.kind AND event_date <= coalesce(given.last, $4) OFFSET 0) s)
             INSERT INTO wake_ups (topic, partition, household_id, due, reason)
             SELECT $1, j.partition, j.household_id, $5, $6 FROM over
             CROSS JOIN LATERAL (SELECT household_id, partition FROM household_judgements WHERE household_id = over.household_id OFFSET 0) j
             WHERE j.partition IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM wake_ups w WHERE w.topic = $1 AND w.partition = j.partition
                                 AND w.household_id = j.household_id AND w.reason = $6)
             ORDER BY j.household_id LIMIT $7
             ON CONFLICT DO NOTHING",
            topic,
            &columns.kinds,
            &columns.lasts as _,
            columns.other as _,
            today.to_sqlx() as _,
            EXPIRY,
            ERASED_MAX_PER_BATCH,
        )
        .execute(&mut *tx.inner)
        .await?;
        tx.commit().await?;
        Ok(woken.rows_affected())
    }

    /// Notes for erasing the signals that expired where nobody judges them: without a household, or lost on their way to a timeline. Their event
    /// date is the one that was kept to try again with, else that of their receipt.
    pub async fn note_expired_elsewhere(
        &self,
        expired: &ExpiredBy,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let columns = columns(expired);
        let noted = sqlx::query!(
            "INSERT INTO erasures (signal_id, erased_at)
             SELECT signal_id, $4 FROM expired_elsewhere($1, $2, $3) AS e (signal_id) LIMIT $5
             ON CONFLICT DO NOTHING",
            &columns.kinds,
            &columns.lasts as _,
            columns.other as _,
            now.to_sqlx() as _,
            ERASED_MAX_PER_BATCH,
        )
        .execute(&self.pool)
        .await?;
        Ok(noted.rows_affected())
    }

    /// Erases everything of a batch of signals that were noted for it. Those that a later revision brought back stay, those that are still on their
    /// way are left for another time.
    pub async fn erase_signals(&self, now: Timestamp) -> Result<Erased, StoreError> {
        let mut tx = self.begin("erase signals").await?;
        // One at a time: of two that each erase a signal of one household neither would see that the other's goes, too, and that nothing is left of it.
        let alone = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock($1) AS "alone!""#,
            ERASING_LOCK
        )
        .fetch_one(&mut *tx.inner)
        .await?;
        if !alone {
            tx.commit().await?;
            return Ok(Erased::default());
        }
        let waited_for: jiff_sqlx::Timestamp = now
            .checked_sub(ON_ITS_WAY)
            .unwrap_or(Timestamp::MIN)
            .to_sqlx();
        sqlx::query!(
            "DELETE FROM erasures e USING signal_homes h
             WHERE h.signal_id = e.signal_id AND EXISTS (
                 SELECT 1 FROM signals s WHERE s.household_id = h.household_id AND s.signal_id = h.signal_id AND s.lives_here)"
        )
        .execute(&mut *tx.inner)
        .await?;
        let leaving = sqlx::query!(
            "SELECT e.signal_id, e.debtor_id FROM erasures e
             LEFT JOIN signal_receipts r USING (signal_id)
             LEFT JOIN LATERAL (SELECT revision FROM signal_homes h WHERE h.signal_id = e.signal_id
                                ORDER BY revision DESC, filing DESC LIMIT 1) h ON true
             WHERE e.erased_at < $2 OR r.signal_id IS NULL OR h.revision IS NULL
                OR (h.revision = r.revision AND NOT EXISTS (SELECT 1 FROM filings_to_produce f WHERE f.signals @> ARRAY[e.signal_id])
                    AND NOT EXISTS (SELECT 1 FROM signal_homes u WHERE u.signal_id = e.signal_id AND NOT u.placed)
                    AND (r.state = 'acknowledged'
                         OR r.state = 'promised' AND NOT EXISTS (SELECT 1 FROM open_promises p WHERE p.promise_id = r.promise_id)))
             ORDER BY e.signal_id LIMIT $1 FOR UPDATE OF e SKIP LOCKED",
            ERASED_MAX_PER_BATCH,
            waited_for as _,
        )
        .fetch_all(&mut *tx.inner)
        .await?;
        if leaving.is_empty() {
            tx.commit().await?;
            return Ok(Erased::default());
        }
        let signals: Vec<Uuid> = leaving.iter().map(|row| row.signal_id).collect();
        let debtors: Vec<Uuid> = leaving.iter().filter_map(|row| row.debtor_id).collect();
        let (identities, left) = tx.erase_all_of(&signals, now).await?;
        let persons = sqlx::query!(
            "DELETE FROM debtor_index d WHERE d.debtor_id = ANY($1)
               AND NOT EXISTS (SELECT 1 FROM signals s WHERE s.debtor_id = d.debtor_id)
               AND NOT EXISTS (SELECT 1 FROM registrations r WHERE r.debtor_id = d.debtor_id AND r.revoked_at IS NULL)",
            &debtors,
        )
        .execute(&mut *tx.inner)
        .await?
        .rows_affected();
        sqlx::query!("DELETE FROM erasures WHERE signal_id = ANY($1)", &signals)
            .execute(&mut *tx.inner)
            .await?;
        let households = tx.erase_empty_households(&left).await?;
        tx.commit().await?;
        Ok(Erased {
            signals: u64::try_from(signals.len()).unwrap_or(u64::MAX),
            identities,
            households,
            persons,
        })
    }

    /// What expired by a day and is still there, for people who look before it goes.
    pub async fn expiring(&self, expired: &ExpiredBy) -> Result<Expiring, StoreError> {
        let columns = columns(expired);
        let row = sqlx::query!(
            r#"WITH RECURSIVE kinds (kind) AS (
                   SELECT min(kind) FROM signals
                   UNION ALL
                   SELECT (SELECT min(s.kind) FROM signals s WHERE s.kind > k.kind) FROM kinds k WHERE k.kind IS NOT NULL),
               over AS (
                   SELECT s.household_id FROM kinds k LEFT JOIN UNNEST($1::text[], $2::date[]) AS given (kind, last) USING (kind)
                   CROSS JOIN LATERAL (SELECT household_id FROM signals WHERE kind = k.kind AND event_date <= coalesce(given.last, $3) OFFSET 0) s)
               SELECT (SELECT count(*) FROM over) AS "copies!", (SELECT count(DISTINCT household_id) FROM over) AS "households!",
                      (SELECT count(*) FROM expired_elsewhere($1, $2, $3)) AS "elsewhere!",
                      (SELECT count(*) FROM erasures) AS "leaving!""#,
            &columns.kinds,
            &columns.lasts as _,
            columns.other as _,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Expiring {
            on_timelines: row.copies,
            households: row.households,
            elsewhere: row.elsewhere,
            leaving: row.leaving,
        })
    }
}

impl Tx {
    /// Lets copies go whose household was judged without them. What lived there is noted, so that the rest of it is erased, too; a mark of having
    /// moved away is just gone.
    pub async fn erase_timelines(
        &mut self,
        rows: &[TimelineRow],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let households: Vec<Uuid> = rows.iter().map(|row| row.household.uuid()).collect();
        let signals: Vec<Uuid> = rows.iter().map(|row| row.signal.uuid()).collect();
        sqlx::query!(
            "DELETE FROM signals s USING UNNEST($1::uuid[], $2::uuid[]) AS gone (household_id, signal_id)
             WHERE s.household_id = gone.household_id AND s.signal_id = gone.signal_id",
            &households,
            &signals,
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM signal_history s USING UNNEST($1::uuid[], $2::uuid[]) AS gone (household_id, signal_id)
             WHERE s.household_id = gone.household_id AND s.signal_id = gone.signal_id",
            &households,
            &signals,
        )
        .execute(&mut *self.inner)
        .await?;
        let here: Vec<&TimelineRow> = rows
            .iter()
            .filter(|row| row.presence == Presence::LivesHere)
            .collect();
        let signals: Vec<Uuid> = here.iter().map(|row| row.signal.uuid()).collect();
        let debtors: Vec<Option<Uuid>> = here
            .iter()
            .map(|row| row.debtor.map(DebtorId::uuid))
            .collect();
        sqlx::query!(
            "INSERT INTO erasures (signal_id, debtor_id, erased_at)
             SELECT n.*, $3 FROM UNNEST($1::uuid[], $2::uuid[]) AS n ON CONFLICT DO NOTHING",
            &signals,
            &debtors as _,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Everything of these signals but a tombstone. Says how many identities went, and at which households they lived.
    async fn erase_all_of(
        &mut self,
        signals: &[Uuid],
        now: Timestamp,
    ) -> Result<(u64, Vec<Uuid>), StoreError> {
        let identities = sqlx::query!(
            "DELETE FROM sealed_identities WHERE signal_id = ANY($1)",
            signals
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        // Marks of having moved away, wherever they are.
        sqlx::query!(
            "DELETE FROM signals s USING (
                 SELECT signal_id, household_id FROM signal_homes WHERE signal_id = ANY($1)
                 UNION SELECT signal_id, household_before FROM signal_homes WHERE signal_id = ANY($1)) AS h
             WHERE s.household_id = h.household_id AND s.signal_id = h.signal_id",
            signals,
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM signal_history s USING (
                 SELECT signal_id, household_id FROM signal_homes WHERE signal_id = ANY($1)
                 UNION SELECT signal_id, household_before FROM signal_homes WHERE signal_id = ANY($1)) AS h
             WHERE s.household_id = h.household_id AND s.signal_id = h.signal_id",
            signals,
        )
        .execute(&mut *self.inner)
        .await?;
        let homes = sqlx::query!(
            "DELETE FROM signal_homes WHERE signal_id = ANY($1) RETURNING household_id, household_before",
            signals,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM signal_revisions WHERE signal_id = ANY($1)",
            signals
        )
        .execute(&mut *self.inner)
        .await?;
        // The reference and what was said are gone; the id stands in for both, so that the partner may use the reference anew.
        sqlx::query!(
            "UPDATE signal_receipts SET erased_at = $2, delivery_id = NULL, withdrawn = NULL,
                 reference_index = uuid_send(signal_id) || uuid_send(signal_id), digest = uuid_send(signal_id) || uuid_send(signal_id)
             WHERE signal_id = ANY($1) AND erased_at IS NULL",
            signals,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        let mut left: Vec<Uuid> = homes
            .into_iter()
            .flat_map(|home| [home.household_id, home.household_before])
            .flatten()
            .collect();
        left.sort_unstable();
        left.dedup();
        Ok((identities, left))
    }

    /// Of these households those of which nothing is left: no signal, no open task, no hold, nothing registered.
    async fn erase_empty_households(&mut self, households: &[Uuid]) -> Result<u64, StoreError> {
        let empty = sqlx::query_scalar!(
            r#"SELECT household_id AS "household!" FROM UNNEST($1::uuid[]) AS c (household_id)
               WHERE NOT EXISTS (SELECT 1 FROM signal_homes h WHERE h.household_id = c.household_id)
                 AND NOT EXISTS (SELECT 1 FROM signal_homes h WHERE h.household_before = c.household_id)
                 AND NOT EXISTS (SELECT 1 FROM signals s WHERE s.household_id = c.household_id)
                 AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.household_id = c.household_id AND t.state IN ('open', 'claimed'))
                 AND NOT EXISTS (SELECT 1 FROM holds o WHERE o.household_id = c.household_id AND o.lifted_at IS NULL)
                 AND NOT EXISTS (SELECT 1 FROM registrations r WHERE r.household_id = c.household_id AND r.debtor_id IS NULL
                                   AND r.revoked_at IS NULL)
               ORDER BY 1"#,
            households,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        if empty.is_empty() {
            return Ok(0);
        }
        sqlx::query!("DELETE FROM matches WHERE household_id = ANY($1)", &empty)
            .execute(&mut *self.inner)
            .await?;
        sqlx::query!(
            "DELETE FROM suppressions WHERE household_id = ANY($1)",
            &empty
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM shadow_matches WHERE household_id = ANY($1)",
            &empty
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM answered_elsewhere WHERE household_id = ANY($1)",
            &empty
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM wake_ups_taken WHERE household_id = ANY($1)",
            &empty
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM household_judgements WHERE household_id = ANY($1)",
            &empty
        )
        .execute(&mut *self.inner)
        .await?;
        // The resolver may file a signal here at this very moment: then one of the two is refused by the other's trigger, and does it over. From here on
        // nobody files until this transaction ends (adr 30): nothing comes after it, and who stands still does not keep the others.
        sqlx::query("SELECT set_config('idle_in_transaction_session_timeout', $1, true)")
            .bind(TAKES_AWAY_MAX)
            .execute(&mut *self.inner)
            .await?;
        sqlx::query!(
            "DELETE FROM address_index WHERE household_id = ANY($1)",
            &empty
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(sqlx::query!(
            "DELETE FROM households WHERE household_id = ANY($1)",
            &empty
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use sqlx::PgPool;

    /// Signals of households 1 and 2, of persons 5 and 6, all of 20 January 2024. Signal 12 has no household and never had. Invented.
    const ROWS: &str = "
        INSERT INTO partners VALUES ('p', 'P', '{0518}', '{}', '{}', 1, false, now(), NULL);
        INSERT INTO households SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, '0518', '2024-01-20' FROM generate_series(1, 2) n;
        INSERT INTO address_index SELECT '0518', 'k', 1, uuid_send(household_id), household_id FROM households;
        INSERT INTO household_judgements SELECT household_id, '0518', '2024-01-20', NULL, 3 FROM households;
        INSERT INTO debtor_index VALUES ('0518', 'k', 1, '5', '00000000-0000-0000-0000-000000000005'), ('0518', 'k', 1, '6', '00000000-0000-0000-0000-000000000006');
        INSERT INTO signal_receipts (signal_id, municipality, partner_id, reference_index, kind, revision, digest, state, first_received_at, received_at)
            SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid, '0518', 'p', int4send(n), CASE n WHEN 13 THEN 'long' ELSE 'short' END, 1,
                   int4send(n), 'acknowledged', '2024-01-20', '2024-01-20' FROM generate_series(10, 13) n;
        INSERT INTO signal_revisions SELECT signal_id, 1, digest, received_at, 'r' FROM signal_receipts;
        INSERT INTO sealed_identities SELECT signal_id, 1, 'x', received_at FROM signal_receipts;
        INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, household_before, withdrawn, record,
                partition, placed, received_at, decided_at)
            SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid, 1, f, '0518', 'p', CASE n WHEN 13 THEN 'long' ELSE 'short' END, h::uuid, b::uuid,
                   false, r::jsonb, 0, true, '2024-01-20', '2024-01-20'
            FROM (VALUES (10, 1, '00000000-0000-0000-0000-000000000001', NULL, NULL),
                         (11, 1, '00000000-0000-0000-0000-000000000001', NULL, NULL),
                         (11, 2, '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', NULL),
                         (12, 1, NULL, NULL, '{\"content\": {\"eventDate\": \"2024-01-20\"}}'),
                         (13, 1, '00000000-0000-0000-0000-000000000002', NULL, NULL)) AS v (n, f, h, b, r);
        INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type, kind, domain,
                event_date, first_received_at, received_at, crisis, warm_handover, debtor_id)
            SELECT h::uuid, ('00000000-0000-0000-0000-0000000000' || n)::uuid, '0518', 1, f, here, 'counted', 'p', 'rent',
                   CASE n WHEN 13 THEN 'long' ELSE 'short' END, 'debt', '2024-01-20', '2024-01-20', '2024-01-20', false, false, d::uuid
            FROM (VALUES (10, 1, '00000000-0000-0000-0000-000000000001', true, '00000000-0000-0000-0000-000000000005'),
                         (11, 2, '00000000-0000-0000-0000-000000000001', false, NULL),
                         (11, 2, '00000000-0000-0000-0000-000000000002', true, '00000000-0000-0000-0000-000000000005'),
                         (13, 1, '00000000-0000-0000-0000-000000000002', true, '00000000-0000-0000-0000-000000000006')) AS v (n, f, h, here, d)";

    fn expired_on(day: Date) -> Vec<(Option<KindId>, Date)> {
        let before = |days: i64| day.saturating_sub(jiff::Span::new().days(days));
        vec![
            (Some("short".parse().unwrap()), before(365)),
            (Some("long".parse().unwrap()), before(1_095)),
            (None, before(1_095)),
        ]
    }

    async fn count(pool: &PgPool, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
    }

    /// What an owner does with the households that were woken.
    async fn let_go(store: &Store, kinds: &[&str]) {
        let mut tx = store.begin("judge").await.unwrap();
        let households =
            [1, 2].map(|n| voorveld_domain::HouseholdId::from_uuid(Uuid::from_u128(n)));
        let mut rows = tx.timelines(&households).await.unwrap();
        rows.retain(|row| kinds.contains(&row.kind.as_str()));
        let now = "2025-01-19T10:00:00Z".parse().unwrap();
        tx.erase_timelines(&rows, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_signal_goes_wholly_and_who_and_where_it_alone_named(pool: PgPool) {
        sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
        let store = Store::from_pool(pool.clone());
        let now: Timestamp = "2025-01-19T10:00:00Z".parse().unwrap();
        let (before, day) = (date(2025, 1, 18), date(2025, 1, 19));
        let wake = async |day| {
            store
                .wake_expired("t", &expired_on(day), day)
                .await
                .unwrap()
        };
        assert_eq!(wake(before).await, 0, "kept until the last day");
        assert_eq!(
            store
                .note_expired_elsewhere(&expired_on(before), now)
                .await
                .unwrap(),
            0
        );
        let expiring = store.expiring(&expired_on(day)).await.unwrap();
        let expected = Expiring {
            on_timelines: 3,
            households: 2,
            elsewhere: 1,
            leaving: 0,
        };
        assert_eq!(expiring, expected);
        assert_eq!(wake(day).await, 2);
        assert_eq!(wake(day).await, 0, "each waits for one judgement");
        assert_eq!(
            store.erase_signals(now).await.unwrap(),
            Erased::default(),
            "nobody judged yet"
        );
        assert_eq!(
            store
                .note_expired_elsewhere(&expired_on(day), now)
                .await
                .unwrap(),
            1
        );
        let_go(&store, &["short"]).await;
        let erased = store.erase_signals(now).await.unwrap();
        let all = Erased {
            signals: 3,
            identities: 3,
            households: 1,
            persons: 1,
        };
        assert_eq!(erased, all);
        for (sql, left) in [
            ("SELECT count(*) FROM signals", 1),
            ("SELECT count(*) FROM sealed_identities", 1),
            ("SELECT count(*) FROM signal_homes", 1),
            ("SELECT count(*) FROM signal_revisions", 1),
            ("SELECT count(*) FROM households", 1),
            ("SELECT count(*) FROM address_index", 1),
            ("SELECT count(*) FROM household_judgements", 1),
            ("SELECT count(*) FROM debtor_index", 1),
            ("SELECT count(*) FROM erasures", 0),
            (
                "SELECT count(*) FROM signal_receipts WHERE erased_at IS NULL",
                1,
            ),
            (
                "SELECT count(*) FROM signal_receipts WHERE octet_length(reference_index) = 4",
                1,
            ),
        ] {
            assert_eq!(count(&pool, sql).await, left, "{sql}");
        }
        let receipt = store
            .receipt("p", Uuid::from_u128(0x10))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(receipt.erased_at, Some(now), "the tombstone says so");
        let mut tx = store.begin("test").await.unwrap();
        assert_eq!(tx.lock_receipt("p", receipt.signal).await.unwrap(), None);
        assert_eq!(store.erase_signals(now).await.unwrap(), Erased::default());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_a_correction_brought_back_stays_and_what_is_on_its_way_is_waited_for(
        pool: PgPool,
    ) {
        sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
        let store = Store::from_pool(pool.clone());
        let_go(&store, &["short", "long"]).await;
        let now: Timestamp = "2025-01-19T10:00:00Z".parse().unwrap();
        sqlx::raw_sql(
            "UPDATE signal_receipts SET revision = 2 WHERE signal_id = '00000000-0000-0000-0000-000000000010';
             INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type, kind,
                domain, event_date, first_received_at, received_at, crisis, warm_handover)
             VALUES ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000013', '0518', 2, 1, true, 'counted', 'p', 'rent', 'long',
                'debt', '2025-01-10', now(), now(), false, false)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let eleven = "signal_id = '00000000-0000-0000-0000-000000000011'";
        for (waits, is_over) in [
            (
                "UPDATE signal_receipts SET state = 'promised', promise_id = gen_random_uuid() WHERE {11};
                 INSERT INTO open_promises SELECT promise_id, ARRAY[signal_id], now() FROM signal_receipts WHERE {11}",
                "DELETE FROM open_promises",
            ),
            (
                "INSERT INTO filings_to_produce (partition, signals, revisions, filings, records)
                 SELECT partition, ARRAY[signal_id], ARRAY[revision], ARRAY[filing], '' FROM signal_homes WHERE {11} AND filing = 2",
                "DELETE FROM filings_to_produce",
            ),
        ] {
            let waits = waits.replace("{11}", eleven);
            sqlx::raw_sql(sqlx::AssertSqlSafe(waits))
                .execute(&pool)
                .await
                .unwrap();
            assert_eq!(
                store.erase_signals(now).await.unwrap().signals,
                0,
                "on its way until {is_over}"
            );
            sqlx::raw_sql(is_over).execute(&pool).await.unwrap();
        }
        assert_eq!(
            store.erase_signals(now).await.unwrap().signals,
            1,
            "only signal 11"
        );
        let left = "SELECT count(*) FROM erasures WHERE signal_id = '00000000-0000-0000-0000-000000000010'";
        assert_eq!(
            count(&pool, left).await,
            1,
            "its correction is still to come"
        );
        let later = now
            .checked_add(jiff::SignedDuration::from_hours(15 * 24))
            .unwrap();
        assert_eq!(
            store.erase_signals(later).await.unwrap().signals,
            1,
            "it never came"
        );
        assert_eq!(
            count(&pool, "SELECT count(*) FROM sealed_identities").await,
            2
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn who_erases_beside_another_leaves_it_to_it(pool: PgPool) {
        sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
        let store = Store::from_pool(pool.clone());
        let_go(&store, &["short", "long"]).await;
        let now: Timestamp = "2025-01-19T10:00:00Z".parse().unwrap();
        let mut other = store.begin("other").await.unwrap();
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(ERASING_LOCK)
            .execute(&mut *other.inner)
            .await
            .unwrap();
        assert_eq!(store.erase_signals(now).await.unwrap(), Erased::default());
        other.commit().await.unwrap();
        assert_eq!(store.erase_signals(now).await.unwrap().households, 2);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_kind_that_is_not_named_ends_with_the_others(pool: PgPool) {
        sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
        let store = Store::from_pool(pool.clone());
        let waking = |kinds: &[(&str, Date)], other: Date| {
            let mut expired: Vec<(Option<KindId>, Date)> = kinds
                .iter()
                .map(|(kind, last)| (Some(kind.parse().unwrap()), *last))
                .collect();
            expired.push((None, other));
            expired
        };
        let (before, day) = (date(2024, 1, 19), date(2024, 1, 20));
        // Household 2 has two short ones, one of them moved there, and a long one; household 1 has a short one.
        for (expired, households, copies) in [
            (waking(&[], before), 0, 0),
            (waking(&[("short", before)], before), 0, 0),
            (waking(&[("short", before)], day), 1, 1),
            (waking(&[("long", before), ("none", day)], day), 2, 3),
            (waking(&[], day), 2, 4),
        ] {
            let expiring = store.expiring(&expired).await.unwrap();
            assert_eq!(
                (expiring.households, expiring.on_timelines),
                (households, copies),
                "{expired:?}"
            );
            assert_eq!(
                store.wake_expired("t", &expired, day).await.unwrap(),
                households.unsigned_abs(),
                "{expired:?}"
            );
            sqlx::raw_sql("DELETE FROM wake_ups")
                .execute(&pool)
                .await
                .unwrap();
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn about_whom_something_is_registered_is_remembered(pool: PgPool) {
        sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
        sqlx::raw_sql(
            "INSERT INTO registrations (registration_id, municipality, household_id, debtor_id, kind, reason, since, recorded_by, recorded_at)
             VALUES ('00000000-0000-0000-0000-000000000020', '0518', '00000000-0000-0000-0000-000000000001', NULL, 'objection', 'by_resident',
                     '2024-02-01', 'u', '2024-02-01'),
                    ('00000000-0000-0000-0000-000000000021', '0518', '00000000-0000-0000-0000-000000000001',
                     '00000000-0000-0000-0000-000000000005', 'objection', 'by_resident', '2024-02-01', 'u', '2024-02-01')",
        )
        .execute(&pool)
        .await
        .unwrap();
        let store = Store::from_pool(pool.clone());
        let_go(&store, &["short"]).await;
        let now: Timestamp = "2025-01-19T10:00:00Z".parse().unwrap();
        let erased = store.erase_signals(now).await.unwrap();
        assert_eq!(
            (erased.signals, erased.households, erased.persons),
            (2, 0, 0)
        );
        assert_eq!(count(&pool, "SELECT count(*) FROM address_index").await, 2);
        assert_eq!(count(&pool, "SELECT count(*) FROM debtor_index").await, 2);
    }

    const FILING: &str = "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, withdrawn, partition,
             placed, received_at, decided_at)
         VALUES (gen_random_uuid(), 1, 1, '0518', 'p', 'k', '00000000-0000-0000-0000-000000000007', false, 0, true, now(), now())";
    const HOUSEHOLD: &str =
        "INSERT INTO households VALUES ('00000000-0000-0000-0000-000000000007', '0518', now())";
    const GOES: &str =
        "DELETE FROM households WHERE household_id = '00000000-0000-0000-0000-000000000007'";

    /// Waits until somebody waits for an advisory lock.
    async fn somebody_waits(pool: &PgPool) {
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while count(pool, waiting).await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn whoever_files_while_a_household_goes_does_it_over(pool: PgPool) {
        sqlx::raw_sql(HOUSEHOLD).execute(&pool).await.unwrap();
        let store = Store::from_pool(pool.clone());
        let mut erasing = store.begin("erase").await.unwrap();
        sqlx::raw_sql(GOES)
            .execute(&mut *erasing.inner)
            .await
            .unwrap();
        let filing = async { sqlx::query(FILING).execute(&pool).await };
        let going = async {
            somebody_waits(&pool).await;
            erasing.commit().await.unwrap();
        };
        let (filed, ()) = tokio::join!(filing, going);
        assert!(StoreError::from(filed.unwrap_err()).is_transient());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_household_at_which_something_is_filed_meanwhile_stays(pool: PgPool) {
        sqlx::raw_sql(HOUSEHOLD).execute(&pool).await.unwrap();
        let store = Store::from_pool(pool.clone());
        let mut filing = store.begin("file").await.unwrap();
        sqlx::query(FILING)
            .execute(&mut *filing.inner)
            .await
            .unwrap();
        let going = async { sqlx::raw_sql(GOES).execute(&pool).await };
        let filed = async {
            somebody_waits(&pool).await;
            filing.commit().await.unwrap();
        };
        let (gone, ()) = tokio::join!(going, filed);
        let refused = StoreError::from(gone.unwrap_err());
        assert!(refused.is_transient(), "{refused:?}");
        assert_eq!(count(&pool, "SELECT count(*) FROM households").await, 1);

        // Who files and stands still keeps a household from going, and nobody else from anything.
        let mut filing = store.begin("file").await.unwrap();
        sqlx::query(FILING)
            .execute(&mut *filing.inner)
            .await
            .unwrap();
        let gone = sqlx::raw_sql(GOES).execute(&pool).await;
        assert!(StoreError::from(gone.unwrap_err()).is_transient());
        sqlx::query(FILING).execute(&pool).await.unwrap();
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_something_leads_to_does_not_go(pool: PgPool) {
        sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
        for (what, rule) in [
            ("DELETE FROM partners", "signal_receipts_partner_id_fkey"),
            (
                "DELETE FROM households",
                "signal_homes_household_id_fkey",
            ),
            (
                "DELETE FROM signal_homes WHERE household_id IS NOT NULL AND household_before IS NULL;
                 DELETE FROM signal_homes WHERE household_id = '00000000-0000-0000-0000-000000000001';
                 DELETE FROM households WHERE household_id = '00000000-0000-0000-0000-000000000001'",
                "signal_homes_household_before_fkey",
            ),
            (
                "DELETE FROM signal_homes; DELETE FROM households",
                "address_index_household_id_fkey",
            ),
        ] {
            let refused = sqlx::raw_sql(what).execute(&pool).await.unwrap_err();
            let refused = refused.as_database_error().unwrap();
            assert!(refused.is_foreign_key_violation(), "{what}: {refused}");
            assert_eq!(refused.constraint(), Some(rule), "{what}");
        }
    }

    /// The resolver found a household by its address, and it was erased before the filing was written.
    #[sqlx::test(migrations = "../../migrations")]
    async fn filing_at_a_household_that_is_gone_is_done_over(pool: PgPool) {
        let filed = sqlx::query(
            "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, withdrawn, partition, placed,
                received_at, decided_at)
             VALUES (gen_random_uuid(), 1, 1, '0518', 'p', 'k', gen_random_uuid(), false, 0, true, now(), now())",
        )
        .execute(&pool)
        .await;
        assert!(StoreError::from(filed.unwrap_err()).is_transient());
    }
}
