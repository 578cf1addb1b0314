//! Every index costs each write: of a table that every signal or task writes, each says which question it stands for.

use sqlx::PgPool;

/// What every signal or task writes.
const HOT_TABLES: [&str; 23] = [
    "address_index",
    "debtor_index",
    "delivery_rows",
    "filings_to_produce",
    "household_judgements",
    "households",
    "log_records",
    "matches",
    "open_promises",
    "partition_positions",
    "sealed_identities",
    "shadow_matches",
    "signal_history",
    "signal_homes",
    "signal_receipts",
    "signal_revisions",
    "signals",
    "suppressions",
    "task_events",
    "task_grounds",
    "tasks",
    "wake_ups",
    "wake_ups_taken",
];

#[sqlx::test(migrations = "../../migrations")]
async fn every_index_of_a_hot_table_says_what_it_is_for(pool: PgPool) {
    let indexes: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "SELECT t.relname::text, i.relname::text, obj_description(i.oid, 'pg_class')
         FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
         WHERE t.relnamespace = 'public'::regnamespace ORDER BY 1, 2",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    for table in HOT_TABLES {
        assert!(indexes.iter().any(|(of, ..)| of == table), "{table}");
    }
    let unsaid: Vec<&str> = indexes
        .iter()
        .filter(|(table, ..)| HOT_TABLES.contains(&table.as_str()))
        .filter(|(.., comment)| {
            !comment.as_deref().is_some_and(|comment| {
                comment.starts_with("query: ") || comment.starts_with("rule: ")
            })
        })
        .map(|(_, index, _)| index.as_str())
        .collect();
    assert_eq!(unsaid, [""; 0], "COMMENT ON INDEX names the query");
}
