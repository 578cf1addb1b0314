//! What is erased when its time is over: the retentions that stand in the tables' comments and need nobody's judgement.
//!
//! Signals and identities are not here: their end is a judgement of its own (a signal that expires stops counting, I5; [`crate::erasures`]).

use std::collections::BTreeMap;

use jiff::{Timestamp, Zoned};
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use crate::{Store, StoreError};

/// What is swept, by table: what the table's comment promises, as a condition in the words of the test below.
pub const SWEPT: [&str; 16] = [
    "delivery_rows",
    "deliveries",
    "sessions",
    "sign_in_failures",
    "dead_letters",
    "partner_keys",
    "intake_counts",
    "shadow_matches",
    "tasks",
    "holds",
    "registrations",
    "audit_events",
    "users",
    "signal_receipts",
    "open_promises",
    "debtor_index",
];

/// How many rows of each table went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    rows: BTreeMap<&'static str, u64>,
}

impl Swept {
    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rows.values().sum()
    }

    /// By table, in the order of the alphabet.
    pub fn by_table(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.rows.iter().map(|(table, rows)| (*table, *rows))
    }
}

/// For how long what closed, ended or was written down is kept, in calendar years †.
const RECORDS_YEARS: i32 = 5;

impl Store {
    /// Erases what is past its retention; each table by itself, so that one that is locked does not keep the others. `longest_days`: for how long the
    /// kind of signal is kept that is kept longest.
    pub async fn sweep(&self, now: &Zoned, longest_days: u16) -> Result<Swept, StoreError> {
        let mut connection = self.pool.acquire().await?;
        sweep(&mut connection, now, longest_days).await
    }

    /// What [`Store::sweep`] would erase: the same statements, in a transaction that is rolled back.
    pub async fn would_sweep(&self, now: &Zoned, longest_days: u16) -> Result<Swept, StoreError> {
        let mut tx = self.begin("look what would be swept").await?;
        sweep(&mut tx.inner, now, longest_days).await
    }
}

async fn sweep(
    connection: &mut PgConnection,
    now: &Zoned,
    longest_days: u16,
) -> Result<Swept, StoreError> {
    let ago = |span: jiff::Span| now.saturating_sub(span);
    let instant = |span: jiff::Span| -> jiff_sqlx::Timestamp { ago(span).timestamp().to_sqlx() };
    let hour = instant(jiff::Span::new().hours(1));
    let fortnight = instant(jiff::Span::new().days(14));
    let present: jiff_sqlx::Timestamp = Timestamp::to_sqlx(now.timestamp());
    let years = instant(jiff::Span::new().years(RECORDS_YEARS));
    let years_day: jiff_sqlx::Date = ago(jiff::Span::new().years(RECORDS_YEARS)).date().to_sqlx();
    let mut swept = Swept::default();
    macro_rules! delete {
        ($table:literal, $sql:literal $(, $argument:expr)* $(,)?) => {
            let gone = sqlx::query!($sql $(, $argument)*).execute(&mut *connection).await?.rows_affected();
            swept.rows.insert($table, gone);
        };
    }
    delete!(
        "delivery_rows",
        "DELETE FROM delivery_rows r USING deliveries d WHERE d.delivery_id = r.delivery_id AND d.completed_at < $1",
        fortnight as _,
    );
    delete!(
        "deliveries",
        "DELETE FROM deliveries d WHERE d.received_at < $1
         AND NOT EXISTS (SELECT 1 FROM deliveries later WHERE later.same_as = d.delivery_id AND later.received_at >= $1)",
        instant(jiff::Span::new().months(13)) as _,
    );
    delete!(
        "sessions",
        "DELETE FROM sessions WHERE expires_at < $1",
        present as _
    );
    delete!(
        "sign_in_failures",
        "DELETE FROM sign_in_failures WHERE failed_at < $1",
        instant(jiff::Span::new().days(1)) as _,
    );
    delete!(
        "dead_letters",
        "DELETE FROM dead_letters WHERE state <> 'waiting' AND decided_at < $1",
        fortnight as _,
    );
    delete!(
        "partner_keys",
        "DELETE FROM partner_keys WHERE expires_at < $1",
        instant(jiff::Span::new().days(90)) as _,
    );
    delete!(
        "intake_counts",
        "DELETE FROM intake_counts WHERE day < $1",
        ago(jiff::Span::new().months(25)).date().to_sqlx() as jiff_sqlx::Date,
    );
    delete!(
        "shadow_matches",
        "DELETE FROM shadow_matches m USING shadow_ends e WHERE e.publication = m.publication",
    );
    // Grounds, history and contact attempts go with their task.
    delete!(
        "tasks",
        "DELETE FROM tasks WHERE state IN ('closed', 'withdrawn', 'merged') AND closed_at < $1",
        years as _,
    );
    delete!(
        "holds",
        "DELETE FROM holds WHERE lifted_at < $1",
        years as _
    );
    delete!(
        "registrations",
        "DELETE FROM registrations WHERE revoked_at < $1 OR until < $2",
        years as _,
        years_day as _,
    );
    delete!(
        "audit_events",
        "DELETE FROM audit_events WHERE happened_at < $1",
        years as _,
    );
    delete!(
        "users",
        "DELETE FROM users u WHERE disabled_at < $1 AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = u.user_id)",
        instant(jiff::Span::new().years(2)) as _,
    );
    delete!(
        "signal_receipts",
        "DELETE FROM signal_receipts WHERE erased_at < $1",
        years as _,
    );
    // What was kept is gone already. Of what is left some is on the log all the same, since it was read from there: of two who promised the same at once one was
    // killed, and whoever was answered by the other does not come again.
    sqlx::query!(
        "UPDATE signal_receipts r SET state = 'acknowledged' FROM open_promises p, UNNEST(p.signals) AS w (signal_id)
         WHERE p.promised_at < $1 AND r.signal_id = w.signal_id AND r.promise_id = p.promise_id AND r.state = 'promised'
           AND EXISTS (SELECT 1 FROM signal_homes h WHERE h.signal_id = r.signal_id AND h.revision >= r.revision)",
        hour as _,
    )
    .execute(&mut *connection)
    .await?;
    delete!(
        "open_promises",
        "DELETE FROM open_promises p WHERE p.promised_at < $1
         AND NOT EXISTS (SELECT 1 FROM UNNEST(p.signals) AS w (signal_id) JOIN signal_receipts r ON r.signal_id = w.signal_id
                         WHERE r.promise_id = p.promise_id AND r.state = 'promised' AND r.erased_at IS NULL)",
        hour as _,
    );
    delete!(
        "debtor_index",
        "DELETE FROM debtor_index d WHERE d.added_at < $1
         AND NOT EXISTS (SELECT 1 FROM signals s WHERE s.debtor_id = d.debtor_id)
         AND NOT EXISTS (SELECT 1 FROM registrations r WHERE r.debtor_id = d.debtor_id AND r.revoked_at IS NULL)",
        instant(jiff::Span::new().days(i64::from(longest_days))) as _,
    );
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copying::tests::until_blocked;
    use sqlx::PgPool;

    /// Each table with a row just past its retention and one that may stay a little longer, or for as long as something stands. Invented.
    const ROWS: &str = "
        INSERT INTO partners VALUES ('p', 'P', '{0518}', '{}', '{}', 1, false, now(), NULL);
        INSERT INTO deliveries (delivery_id, partner_id, format, state, received_at, updated_at, completed_at) VALUES
            ('00000000-0000-0000-0000-000000000001', 'p', 'csv', 'interrupted', '2025-01-01', '2025-01-01', NULL),
            ('00000000-0000-0000-0000-000000000002', 'p', 'csv', 'complete', '2026-03-01', '2026-03-01', '2026-03-01'),
            ('00000000-0000-0000-0000-000000000003', 'p', 'csv', 'complete', '2026-03-20', '2026-03-20', '2026-03-20');
        INSERT INTO delivery_rows (delivery_id, row_number, outcome) VALUES ('00000000-0000-0000-0000-000000000001', 1, 'accepted'),
            ('00000000-0000-0000-0000-000000000002', 1, 'accepted'), ('00000000-0000-0000-0000-000000000003', 1, 'accepted');
        INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000009', '0518', 'u', 'U', 'x', '{}', '{}', now(), NULL, false);
        INSERT INTO sessions VALUES ('a', '00000000-0000-0000-0000-000000000009', 'a', '2026-03-31', '2026-03-31', '2026-03-31'),
            ('b', '00000000-0000-0000-0000-000000000009', 'b', '2026-03-31', '2026-03-31', '2026-04-02');
        INSERT INTO sign_in_failures VALUES ('u', '2026-03-30'), ('u', '2026-03-31 20:00Z');
        INSERT INTO dead_letters (dead_letter_id, stage, topic, partition, record_offset, record_key, payload, reason, withdrawal, state, died_at, decided_at) VALUES
            ('00000000-0000-0000-0000-000000000001', 's', 't', 0, 1, '', '', 'r', false, 'discarded', '2026-01-01', '2026-03-01'),
            ('00000000-0000-0000-0000-000000000002', 's', 't', 0, 2, '', '', 'r', false, 'discarded', '2026-01-01', '2026-03-30'),
            ('00000000-0000-0000-0000-000000000003', 's', 't', 0, 3, '', '', 'r', false, 'waiting', '2026-01-01', NULL);
        INSERT INTO partner_keys VALUES ('a', 'p', '', '2025-01-01', '2025-12-01'), ('b', 'p', '', '2025-01-01', '2026-03-01'),
            ('c', 'p', '', '2025-01-01', NULL);
        INSERT INTO intake_counts VALUES ('2024-02-01', 'p', '', 'accepted', '', 1), ('2024-04-01', 'p', '', 'accepted', '', 1);
        INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000008', '0518', 'v', 'V', 'x', '{}', '{}', '2020-01-01', '2024-03-01', false),
            ('00000000-0000-0000-0000-000000000007', '0518', 'w', 'W', 'x', '{}', '{}', '2020-01-01', '2024-05-01', false);
        INSERT INTO tasks (task_id, municipality, household_id, purpose, state, urgency, ladder_step, due_on, team_id, area_id, raised_as_of,
            raised_at, closed_at) VALUES
            ('00000000-0000-0000-0000-000000000001', '0518', '00000000-0000-0000-0000-00000000000a', 'debt_help', 'closed', 'routine', 1,
             '2021-01-01', 't', 'a', '2021-01-01', '2021-01-01', '2021-03-01'),
            ('00000000-0000-0000-0000-000000000002', '0518', '00000000-0000-0000-0000-00000000000a', 'debt_help', 'withdrawn', 'routine', 1,
             '2021-01-01', 't', 'a', '2021-01-01', '2021-01-01', '2021-05-01'),
            ('00000000-0000-0000-0000-000000000003', '0518', '00000000-0000-0000-0000-00000000000a', 'debt_help', 'open', 'routine', 1,
             '2020-01-01', 't', 'a', '2020-01-01', '2020-01-01', NULL);
        INSERT INTO task_grounds SELECT task_id, 'r', 'a', 1, 's', '{}', '[]', 'w', due_on, raised_as_of FROM tasks
            WHERE task_id <> '00000000-0000-0000-0000-000000000003';
        INSERT INTO task_events (task_id, happened_at, event, detail) SELECT task_id, raised_at, 'raised', '{}' FROM tasks
            WHERE task_id <> '00000000-0000-0000-0000-000000000003';
        INSERT INTO contact_attempts SELECT gen_random_uuid(), task_id, '2021-01-01', 'letter', 'morning', false, task_id, raised_at FROM tasks
            WHERE task_id <> '00000000-0000-0000-0000-000000000003';
        INSERT INTO holds (hold_id, municipality, household_id, reason, raised_at, lifted_at) VALUES
            ('00000000-0000-0000-0000-000000000001', '0518', '00000000-0000-0000-0000-00000000000a', 'safety', '2020-01-01', '2021-03-01'),
            ('00000000-0000-0000-0000-000000000002', '0518', '00000000-0000-0000-0000-00000000000a', 'safety', '2020-01-01', '2021-05-01'),
            ('00000000-0000-0000-0000-000000000003', '0518', '00000000-0000-0000-0000-00000000000a', 'safety', '2020-01-01', NULL);
        INSERT INTO registrations (registration_id, municipality, household_id, debtor_id, kind, reason, since, recorded_by, recorded_at, revoked_at,
            revoked_why) VALUES
            ('00000000-0000-0000-0000-000000000001', '0518', '00000000-0000-0000-0000-00000000000a', NULL, 'objection', 'by_resident',
             '2020-01-01', 'u', '2020-01-01', '2021-03-01', 'taken_back'),
            ('00000000-0000-0000-0000-000000000002', '0518', '00000000-0000-0000-0000-00000000000a', NULL, 'objection', 'by_resident',
             '2020-01-01', 'u', '2020-01-01', '2021-05-01', 'taken_back'),
            ('00000000-0000-0000-0000-000000000003', '0518', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-00000000000d',
             'objection', 'by_resident', '2020-01-01', 'u', '2020-01-01', NULL, NULL);
        INSERT INTO audit_events (happened_at, actor, action, subject_kind, subject_id, reason) VALUES
            ('2021-03-01', 'u', 'a', 's', '1', 'r'), ('2021-05-01', 'u', 'a', 's', '2', 'r');
        INSERT INTO signal_receipts (signal_id, municipality, partner_id, reference_index, kind, revision, digest, state, first_received_at,
            received_at, erased_at) VALUES
            ('00000000-0000-0000-0000-000000000001', '0518', 'p', '1', 'k', 1, '', 'acknowledged', '2018-01-01', '2018-01-01', '2021-03-01'),
            ('00000000-0000-0000-0000-000000000002', '0518', 'p', '2', 'k', 1, '', 'acknowledged', '2018-01-01', '2018-01-01', '2021-05-01'),
            ('00000000-0000-0000-0000-000000000003', '0518', 'p', '3', 'k', 1, '', 'acknowledged', '2018-01-01', '2018-01-01', NULL);
        INSERT INTO signal_receipts (signal_id, municipality, partner_id, reference_index, kind, revision, digest, state, promise_id,
            first_received_at, received_at) VALUES
            ('00000000-0000-0000-0000-000000000004', '0518', 'p', '4', 'k', 1, '', 'promised', '00000000-0000-0000-0000-00000000000c',
             '2026-03-01', '2026-03-01');
        INSERT INTO open_promises VALUES
            ('00000000-0000-0000-0000-00000000000a', '{00000000-0000-0000-0000-000000000003,00000000-0000-0000-0000-000000000004}', '2026-03-01'),
            ('00000000-0000-0000-0000-00000000000b', '{00000000-0000-0000-0000-000000000003}', '2026-03-31 21:30Z'),
            ('00000000-0000-0000-0000-00000000000c', '{00000000-0000-0000-0000-000000000003,00000000-0000-0000-0000-000000000004}', '2026-03-01');
        INSERT INTO signal_revisions SELECT signal_id, 1, '', received_at, 'q' FROM signal_receipts;
        INSERT INTO policy_bundles (bundle, files, first_published_at) VALUES ('b', '{}', now());
        INSERT INTO rule_sets VALUES ('s', '{}', now());
        INSERT INTO rule_publications (mode, bundle, rule_set, published_by, published_at, reason) VALUES ('shadow', 'b', 's', 'x', now(), 'y');
        INSERT INTO shadow_ends SELECT publication, 'x', now(), 'y' FROM rule_publications;
        INSERT INTO shadow_matches SELECT publication, gen_random_uuid(), 'r', 'a', '0518', 1, '{}', '[]', false FROM rule_publications;
        INSERT INTO debtor_index (municipality, key_id, normaliser_version, person_key, debtor_id, added_at) VALUES
            ('0518', 'k', 1, 'a', '00000000-0000-0000-0000-00000000000a', '2023-03-01'),
            ('0518', 'k', 1, 'b', '00000000-0000-0000-0000-00000000000b', '2023-05-01'),
            ('0518', 'k', 1, 'd', '00000000-0000-0000-0000-00000000000d', '2020-05-01')";

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_past_its_retention_goes_and_the_rest_stays(pool: PgPool) {
        sqlx::raw_sql(ROWS).execute(&pool).await.expect("rows");
        let store = Store::from_pool(pool);
        let now: Zoned = "2026-04-01T00:00:00+02:00[Europe/Amsterdam]"
            .parse()
            .expect("an instant");
        let one_each = Swept {
            rows: SWEPT.iter().map(|table| (*table, 1)).collect(),
        };
        let looked = store.would_sweep(&now, 1_095).await.expect("looks");
        assert_eq!(looked, one_each, "looking is the same");
        let swept = store.sweep(&now, 1_095).await.expect("sweeps");
        assert_eq!(swept, one_each, "looking erased nothing");
        let again = store.sweep(&now, 1_095).await.expect("sweeps");
        assert_eq!(again.total(), 0);
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM task_grounds) + (SELECT count(*) FROM task_events) + (SELECT count(*) FROM contact_attempts)",
        )
        .fetch_one(&store.pool)
        .await
        .expect("counts");
        assert_eq!(
            left, 3,
            "what belongs to a task went with it, and stayed with the others"
        );
        let (revisions, rows): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM signal_revisions), (SELECT count(*) FROM delivery_rows)",
        )
        .fetch_one(&store.pool)
        .await
        .expect("counts");
        assert_eq!((revisions, rows), (3, 1), "and so with the others");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_was_read_from_the_log_waits_for_no_promise(pool: PgPool) {
        // Promised an hour ago and a moment ago, each with a signal that the resolver has filed and one that it has not.
        sqlx::raw_sql(
            "INSERT INTO partners VALUES ('p', 'P', '{0518}', '{}', '{}', 1, false, now(), NULL);
             INSERT INTO open_promises VALUES
                ('00000000-0000-0000-0000-00000000000a', '{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}',
                 '2026-03-31 20:00Z'),
                ('00000000-0000-0000-0000-00000000000b', '{00000000-0000-0000-0000-000000000003}', '2026-03-31 20:00Z'),
                ('00000000-0000-0000-0000-00000000000c', '{00000000-0000-0000-0000-000000000004}', '2026-03-31 21:59Z');
             INSERT INTO signal_receipts (signal_id, municipality, partner_id, reference_index, kind, revision, digest, state, promise_id,
                first_received_at, received_at)
             SELECT s::uuid, '0518', 'p', uuid_send(s::uuid), 'k', 2, '', 'promised', promise_id, '2026-03-01', '2026-03-01'
             FROM open_promises, UNNEST(signals) AS s;
             INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, withdrawn, partition, placed, received_at,
                decided_at)
             SELECT signal_id, CASE right(signal_id::text, 1) WHEN '2' THEN 1 ELSE 2 END, 1, '0518', 'p', 'k', false, 0, true, now(), now()
             FROM signal_receipts",
        )
        .execute(&pool)
        .await
        .expect("rows");
        let store = Store::from_pool(pool.clone());
        let now: Zoned = "2026-04-01T00:00:00+02:00[Europe/Amsterdam]"
            .parse()
            .expect("an instant");
        let swept = store.sweep(&now, 1_095).await.expect("sweeps");
        assert_eq!(swept.rows["open_promises"], 1, "nobody waits for b");
        let pending: Vec<String> =
            sqlx::query_scalar("SELECT right(signal_id::text, 1) FROM pending_receipts ORDER BY 1")
                .fetch_all(&pool)
                .await
                .expect("looks");
        assert_eq!(pending, ["2", "4"], "of 2 an earlier revision was read");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_being_written_when_a_task_goes_goes_with_it(pool: PgPool) {
        const TASK: &str = "00000000-0000-0000-0000-000000000001";
        sqlx::raw_sql(ROWS).execute(&pool).await.expect("rows");
        let store = Store::from_pool(pool.clone());
        let mut colleague = store.begin("colleague").await.expect("begins");
        sqlx::query("SELECT 1 FROM tasks WHERE task_id = $1::uuid FOR UPDATE")
            .bind(TASK)
            .execute(&mut *colleague.inner)
            .await
            .expect("locks, as whoever writes of a task does");
        sqlx::query(
            "INSERT INTO task_events (task_id, happened_at, event, detail) VALUES ($1::uuid, now(), 'opened_again', '{}')",
        )
        .bind(TASK)
        .execute(&mut *colleague.inner)
        .await
        .expect("a line");
        let now: Zoned = "2026-04-01T00:00:00+02:00[Europe/Amsterdam]"
            .parse()
            .expect("an instant");
        let writing = async {
            until_blocked(1, &pool).await;
            colleague.commit().await.expect("commits");
        };
        let (swept, ()) = tokio::join!(store.sweep(&now, 1_095), writing);
        assert_eq!(swept.expect("sweeps").rows["tasks"], 1);
        let lines: i64 =
            sqlx::query_scalar("SELECT count(*) FROM task_events WHERE task_id = $1::uuid")
                .bind(TASK)
                .fetch_one(&pool)
                .await
                .expect("counts");
        assert_eq!(lines, 0);
    }
}
