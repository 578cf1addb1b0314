//! The simulated tables are those of PostgreSQL: the same done in both leaves the same in both.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgPool;
use voorveld_simulation::{COLLEAGUE, Chronicle};
use voorveld_store::Store;

/// So many runs are done again, in one database each.
const RUNS: u64 = 12;

/// What is in the tables, told as [`Chronicle::tables`] tells what is in its own.
const TOLD: &[(&str, &str)] = &[
    (
        "partition_positions",
        "SELECT concat_ws(' ', stage, partition, next_offset) FROM partition_positions WHERE next_offset > 0",
    ),
    (
        "signal_homes",
        "SELECT concat_ws(' ', signal_id, revision, filing, coalesce(household_id::text, '-'), coalesce(household_before::text, '-'),
            coalesce(unplaced_reason, '-'), withdrawn::int,
            (NOT EXISTS (SELECT FROM unproduced_filings u WHERE (u.signal_id, u.revision, u.filing) = (h.signal_id, h.revision, h.filing)))::int,
            partition) FROM signal_homes h",
    ),
    (
        "signals",
        "SELECT concat_ws(' ', household_id, signal_id, revision, filing, lives_here::int, standing, partner_id, kind, event_date,
            coalesce(amount_cents::text, '-'), crisis::int, coalesce(debtor_id::text, '-'), coalesce(area_id, '-'),
            coalesce(request_id, '-'), came_at) FROM signals",
    ),
    (
        "matches",
        "SELECT concat_ws(' ', household_id, rule_id, anchor, rule_version, rule_set, array_to_string(witnesses, ','),
            (SELECT coalesce(string_agg(e.text, ',' ORDER BY e.place), '')
             FROM jsonb_array_elements_text(evidence) WITH ORDINALITY AS e (text, place))) FROM matches",
    ),
    (
        "suppressions",
        "SELECT concat_ws(' ', household_id, rule_id, anchor, reason) FROM suppressions",
    ),
    (
        "household_judgements",
        "SELECT concat_ws(' ', household_id, partition, as_of, coalesce(next_look::text, '-'), awaits_feeds::int) FROM household_judgements",
    ),
    (
        "tasks",
        "SELECT concat_ws(' ', task_id, household_id, purpose, state, urgency, due_on, ladder_step, raised_as_of,
            coalesce(closed_as_of::text, '-'), coalesce(outcome, '-'), flagged::int, annotated::int) FROM tasks",
    ),
    (
        "task_grounds",
        "SELECT concat_ws(' ', task_id, rule_id, anchor, rule_version, rule_set, due_on, added_as_of, coalesce(gone_as_of::text, '-'),
            replaced::int, repeat::int, array_to_string(witnesses, ','),
            (SELECT coalesce(string_agg(e.text, ',' ORDER BY e.place), '')
             FROM jsonb_array_elements_text(evidence) WITH ORDINALITY AS e (text, place))) FROM task_grounds",
    ),
    (
        "holds",
        "SELECT concat_ws(' ', household_id, reason, (lifted_at IS NOT NULL)::int) FROM holds",
    ),
    (
        "wake_ups",
        "SELECT concat_ws(' ', partition, household_id, due, reason) FROM wake_ups",
    ),
    (
        "registrations",
        "SELECT concat_ws(' ', registration_id, household_id, coalesce(debtor_id::text, '-'), reason, coalesce(until::text, '-'),
            (revoked_at IS NOT NULL)::int) FROM registrations",
    ),
    (
        "signal_history",
        "SELECT concat_ws(' ', household_id, signal_id, revision, filing) FROM signal_history",
    ),
    (
        "dead_letters",
        "SELECT concat_ws(' ', stage, partition, record_offset, reason) FROM dead_letters",
    ),
    (
        "answered_elsewhere",
        "SELECT concat_ws(' ', household_id, purpose, signal_id) FROM (
            SELECT DISTINCT ON (household_id, purpose, signal_id) * FROM answered_elsewhere
            ORDER BY household_id, purpose, signal_id, turn DESC) AS last WHERE answered",
    ),
    (
        "rule_activations",
        "SELECT concat_ws(' ', partition, from_offset, rule_set) FROM rule_activations",
    ),
    ("erasures", "SELECT signal_id::text FROM erasures"),
];

async fn told(pool: &PgPool) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut tables = BTreeMap::new();
    for (table, sql) in TOLD {
        let rows: Vec<String> = sqlx::query_scalar(*sql).fetch_all(pool).await.expect(sql);
        tables.insert(*table, rows.into_iter().collect());
    }
    tables
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_same_leaves_the_same_in_postgresql(pool: PgPool) {
    let (mut tasks, mut acts) = (0, 0);
    for seed in 0..RUNS {
        // A run has a runtime of its own, whose time stands still.
        let lived = std::thread::spawn(move || Chronicle::of(seed));
        let chronicle = lived.join().expect("a run without faults");
        let tables: Vec<&str> = TOLD.iter().map(|(table, _)| *table).collect();
        let empty = format!(
            "TRUNCATE {}, households, address_index, debtor_index, sealed_identities, excluded_addresses, users, task_events, wake_ups_taken,
                registration_places CASCADE",
            tables.join(", ")
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(empty))
            .execute(&pool)
            .await
            .expect("empties what the run before left");
        sqlx::query(
            "INSERT INTO users (user_id, municipality, login, display_name, password_hash, roles, teams, created_at)
             VALUES ($1, '0518', 'c', 'C. Collega', '', '{}', '{}', now())",
        )
        .bind(COLLEAGUE.uuid())
        .execute(&pool)
        .await
        .expect("a colleague");
        chronicle
            .relive(&Store::from_pool(pool.clone()))
            .await
            .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        let (ours, theirs) = (chronicle.tables(), told(&pool).await);
        for (table, rows) in &ours {
            let here: Vec<_> = rows.difference(&theirs[table]).collect();
            let there: Vec<_> = theirs[table].difference(rows).collect();
            assert!(
                here.is_empty() && there.is_empty(),
                "seed {seed}, {table}: only in the simulation {here:#?}, only in PostgreSQL {there:#?}"
            );
        }
        tasks += ours["tasks"].len();
        acts += ours["registrations"].len();
    }
    assert!(
        12 < tasks && 0 < acts,
        "{tasks} tasks, {acts} registrations"
    );
}
