//! What PostgreSQL says of its own work, and rows taken out to be copied in elsewhere: for measurements, on a database that is thrown away.
//!
//! Asked of PostgreSQL's own views, which no migration makes; so these queries are not checked when the program is built.

use futures::TryStreamExt;

use crate::held::Lent;
use crate::{Store, StoreError, Tx};

/// Where a row stands among all rows of its table, from zero up to here.
pub const PLACES: u32 = 1_000_000;

/// The tables that judging writes, each before what refers to it.
const JUDGED_TABLES: [&str; 11] = [
    "signals",
    "signal_history",
    "household_judgements",
    "matches",
    "suppressions",
    "tasks",
    "task_grounds",
    "task_events",
    "holds",
    "wake_ups",
    "answered_elsewhere",
];
/// Of these, those whose rows belong to a task and never come before it.
const OF_TASKS: [&str; 2] = ["task_grounds", "task_events"];

/// What was written to a table since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The table.
    pub table: String,
    /// Rows that came.
    pub inserted: u64,
    /// Rows that were changed.
    pub updated: u64,
    /// Of these, rows whose index entries could stay.
    pub updated_in_place: u64,
    /// Rows that went.
    pub deleted: u64,
    /// How many indexes it has, partial ones included.
    pub indexes: u64,
    /// Rows that were read from the table's beginning to its end, whatever was looked for: more of them a signal as the table grows.
    pub read_through: u64,
}

impl Written {
    /// Index entries made for these rows; at most, since a partial index does not take every row.
    #[must_use]
    pub const fn index_entries(&self) -> u64 {
        (self.inserted + self.updated - self.updated_in_place) * self.indexes
    }
}

/// An index and whether anybody looks things up in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexUse {
    /// Its table.
    pub table: String,
    /// Its name.
    pub index: String,
    /// How often something was looked up.
    pub scans: u64,
    /// How large it is.
    pub bytes: u64,
}

/// What all runs of one statement took.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementTime {
    /// The statement, its values left out.
    pub text: String,
    /// How often it ran.
    pub calls: u64,
    /// Rows that it read for somebody or wrote.
    pub rows: u64,
    /// Planning and running it, all runs together.
    pub milliseconds: f64,
    /// Of that, planning.
    pub planning_milliseconds: f64,
}

/// What PostgreSQL wrote to its write-ahead log since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LogWritten {
    /// Bytes of it.
    pub bytes: u64,
    /// Whole pages in it: the first change of a page after a checkpoint brings all of it along.
    pub pages: u64,
    /// How often it was flushed to the disk.
    pub flushes: u64,
    /// How long that took; zero unless statements are counted.
    pub flush_milliseconds: f64,
}

/// The rows of a table as `COPY` writes them, each with its place.
#[derive(Debug, Clone, Default)]
pub struct TakenOut {
    /// The table.
    pub table: &'static str,
    rows: Vec<u8>,
    /// Place of each row, and where it ends.
    ends: Vec<(u32, usize)>,
}

impl TakenOut {
    /// How many rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The rows with a place in `[from, to)`, as `COPY` reads them.
    #[must_use]
    pub fn between(&self, from: u32, to: u32) -> &[u8] {
        &self.rows[self.end(from)..self.end(to).max(self.end(from))]
    }

    /// Where the rows before a place end.
    fn end(&self, place: u32) -> usize {
        let before = self.ends.partition_point(|(of_row, _)| *of_row < place);
        before.checked_sub(1).map_or(0, |last| self.ends[last].1)
    }

    /// Lines of text that begin with the place of the row.
    fn read(table: &'static str, lines: &[u8]) -> Self {
        let mut taken = Self {
            table,
            ..Self::default()
        };
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let tab = line.iter().position(|byte| *byte == b'\t');
            let Some((place, row)) = tab.map(|tab| (&line[..tab], &line[tab + 1..])) else {
                continue;
            };
            let place = std::str::from_utf8(place)
                .ok()
                .and_then(|it| it.parse().ok());
            taken.rows.extend_from_slice(row);
            let end = taken.rows.len();
            taken.ends.push((place.unwrap_or(0), end));
        }
        taken
    }
}

impl Store {
    /// What was written to each table that has rows or had them.
    pub async fn written(&self) -> Result<Vec<Written>, StoreError> {
        let rows: Vec<(String, i64, i64, i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT s.relname::text, s.n_tup_ins, s.n_tup_upd, s.n_tup_hot_upd, s.n_tup_del,
                (SELECT count(*) FROM pg_index i WHERE i.indrelid = s.relid), s.seq_tup_read
             FROM pg_stat_user_tables s WHERE s.n_tup_ins > 0 ORDER BY s.n_tup_ins + s.n_tup_upd DESC, s.relname",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(
                |(table, inserted, updated, updated_in_place, deleted, indexes, read_through)| {
                    Written {
                        table,
                        inserted: inserted.unsigned_abs(),
                        updated: updated.unsigned_abs(),
                        updated_in_place: updated_in_place.unsigned_abs(),
                        deleted: deleted.unsigned_abs(),
                        indexes: indexes.unsigned_abs(),
                        read_through: read_through.unsigned_abs(),
                    }
                },
            )
            .collect())
    }

    /// The indexes of tables that were written to, the largest first.
    pub async fn indexes_used(&self) -> Result<Vec<IndexUse>, StoreError> {
        let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
            "SELECT i.relname::text, i.indexrelname::text, i.idx_scan, pg_relation_size(i.indexrelid)
             FROM pg_stat_user_indexes i JOIN pg_stat_user_tables t USING (relid)
             WHERE t.n_tup_ins > 0 ORDER BY 4 DESC, 2",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(table, index, scans, bytes)| IndexUse {
                table,
                index,
                scans: scans.unsigned_abs(),
                bytes: bytes.unsigned_abs(),
            })
            .collect())
    }

    /// Has the server count what each statement takes, from its next start on.
    pub async fn count_statements(&self) -> Result<(), StoreError> {
        sqlx::query("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Begins the counting, planning included; the server was started anew since [`Store::count_statements`].
    pub async fn begin_statements(&self) -> Result<(), StoreError> {
        for command in [
            "CREATE EXTENSION pg_stat_statements",
            "ALTER SYSTEM SET pg_stat_statements.track_planning = on",
            // A commit's flush is no part of any statement's time.
            "ALTER SYSTEM SET track_wal_io_timing = on",
            "SELECT pg_reload_conf()",
        ] {
            sqlx::query(command).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// What was counted, the most time first.
    pub async fn statements(&self, most: u32) -> Result<Vec<StatementTime>, StoreError> {
        let rows: Vec<(String, i64, i64, f64, f64)> = sqlx::query_as(
            "SELECT query, calls, rows, total_exec_time + total_plan_time, total_plan_time
             FROM pg_stat_statements ORDER BY 4 DESC LIMIT $1",
        )
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(
                |(text, calls, rows, milliseconds, planning)| StatementTime {
                    text,
                    calls: calls.unsigned_abs(),
                    rows: rows.unsigned_abs(),
                    milliseconds,
                    planning_milliseconds: planning,
                },
            )
            .collect())
    }

    /// What went to the write-ahead log.
    pub async fn log_written(&self) -> Result<LogWritten, StoreError> {
        let (bytes, pages, flushes, flush_milliseconds): (i64, i64, i64, f64) = sqlx::query_as(
            "SELECT wal_bytes::bigint, wal_fpi, wal_sync, wal_sync_time FROM pg_stat_wal",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(LogWritten {
            bytes: bytes.unsigned_abs(),
            pages: pages.unsigned_abs(),
            flushes: flushes.unsigned_abs(),
            flush_milliseconds,
        })
    }

    /// How many matches, and grounds that stand on open tasks, lean on a signal that was taken back; more than none is a fault (I5).
    pub async fn leaning_on_withdrawn(&self) -> Result<u64, StoreError> {
        let found: i64 = sqlx::query_scalar(
            "WITH gone AS (SELECT household_id, signal_id FROM signals WHERE standing = 'withdrawn')
             SELECT (SELECT count(*) FROM matches m JOIN gone USING (household_id) WHERE gone.signal_id = ANY(m.witnesses))
                + (SELECT count(*) FROM tasks t JOIN task_grounds g USING (task_id) JOIN gone USING (household_id)
                   WHERE t.state IN ('open', 'claimed') AND g.gone_as_of IS NULL AND gone.signal_id = ANY(g.witnesses))",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(found.unsigned_abs())
    }

    /// Lines of the histories of tasks with a higher number than this, and those of `missing` that stand there by now: the line, and where it raised the
    /// task, the request that caused it. Lines are numbered before they are committed, so that a lower one may come later.
    pub async fn lines_of_tasks_since(
        &self,
        highest: i64,
        missing: &[i64],
    ) -> Result<Vec<(i64, Option<String>)>, StoreError> {
        // Who measures must not be what takes the most: asked in one, with OR, it read the whole index, and a third of the database's time was its.
        let mut tx = self.begin_by_key("lines_of_tasks_since").await?;
        let lines = sqlx::query_as(
            "WITH e AS MATERIALIZED (
                 SELECT event_id, event, task_id FROM task_events WHERE event_id > $1
                 UNION ALL
                 SELECT event_id, event, task_id FROM task_events WHERE event_id = ANY($2) AND event_id <= $1
             )
             SELECT e.event_id, (SELECT t.request_id FROM tasks t WHERE e.event = 'raised' AND t.task_id = e.task_id) FROM e ORDER BY e.event_id",
        )
        .bind(highest)
        .bind(missing)
        .fetch_all(&mut *tx.inner)
        .await?;
        tx.commit().await?;
        Ok(lines)
    }

    /// The folder in which the server keeps its data; only its owner may know.
    pub async fn data_folder(&self) -> Result<String, StoreError> {
        Ok(sqlx::query_scalar("SHOW data_directory")
            .fetch_one(&self.pool)
            .await?)
    }

    /// Everything that judging wrote, in the order in which it lies there; what belongs to a task has the place of its task.
    pub async fn take_out_judged(&self) -> Result<Vec<TakenOut>, StoreError> {
        let mut taken = Vec::new();
        for table in JUDGED_TABLES {
            let place =
                format!("(row_number() OVER (ORDER BY t.ctid) - 1) * {PLACES} / count(*) OVER ()");
            let rows = if OF_TASKS.contains(&table) {
                format!(
                    "SELECT p.place, o.* FROM {table} o JOIN (SELECT t.task_id AS of_task, {place} AS place FROM tasks t) p
                       ON p.of_task = o.task_id ORDER BY p.place, o.ctid"
                )
            } else {
                format!("SELECT {place}, t.* FROM {table} t ORDER BY t.ctid")
            };
            let mut lines = Vec::new();
            let mut connection = Lent::of(&self.pool).await?;
            let mut out = connection
                .copy_out(&format!("COPY ({rows}) TO STDOUT"))
                .await?;
            while let Some(some) = out.try_next().await? {
                lines.extend_from_slice(&some);
            }
            drop(out);
            connection.heard();
            taken.push(TakenOut::read(table, &lines));
        }
        taken.retain(|table| !table.is_empty());
        Ok(taken)
    }
}

impl Tx {
    /// Copies rows in as they were taken out.
    pub async fn copy_in(&mut self, table: &'static str, rows: &[u8]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.inner
            .copy_in(format!("COPY {table} FROM STDIN"), rows.to_vec())
            .await
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    #[test]
    fn rows_are_told_apart_by_their_place() {
        let taken = TakenOut::read("t", b"0\ta\tb\n250000\tc\td\n500000\te\tf\n");
        assert_eq!(taken.len(), 3);
        assert_eq!(taken.between(0, 250_000), b"a\tb\n");
        assert_eq!(taken.between(250_000, PLACES), b"c\td\ne\tf\n");
        assert_eq!(taken.between(PLACES, PLACES), b"");
        assert!(TakenOut::read("t", b"").is_empty());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_taken_out_can_be_copied_in_again(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        store.invent_a_year(40, 10).await.unwrap();
        let taken = store.take_out_judged().await.unwrap();
        assert_eq!(taken.len(), 1, "signals alone");
        sqlx::query("TRUNCATE signals")
            .execute(&pool)
            .await
            .unwrap();
        let mut tx = store.begin("test").await.unwrap();
        for (from, to) in [(0, 300_000), (300_000, PLACES)] {
            let rows = taken[0].between(from, to);
            tx.copy_in(taken[0].table, rows).await.unwrap();
        }
        tx.commit().await.unwrap();
        let again = store.take_out_judged().await.unwrap();
        assert_eq!(again[0].between(0, PLACES), taken[0].between(0, PLACES));
    }
}
