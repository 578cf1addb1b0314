//! New rows by `COPY`: what cannot be there yet needs no look for what is there, no array per column, and half the processor of `INSERT`.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArgumentBuffer;
use sqlx::{Encode, Postgres};

use crate::{StoreError, Tx};

/// Rows in the binary format of `COPY` (PostgreSQL, *COPY*, File Formats): nothing is written as text here only to be read again there. A column takes
/// exactly the type that the table has: a 32-bit number is no `bigint`.
#[derive(Default)]
pub(crate) struct Rows {
    bytes: PgArgumentBuffer,
    row: Option<Row>,
    /// Why the driver could not write a value.
    refused: Option<BoxDynError>,
}

/// The row that is being written.
#[derive(Clone, Copy)]
struct Row {
    /// Where its number of columns goes.
    at: usize,
    columns: i16,
}

/// Signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Instead of a row's number of columns.
const END: [u8; 2] = (-1_i16).to_be_bytes();
/// Instead of a value's length.
const NULL: i32 = -1;

impl Rows {
    /// The next column of the row.
    pub(crate) fn column<'v>(&mut self, value: impl Encode<'v, Postgres>) -> &mut Self {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(HEADER);
        }
        let row = self.row.get_or_insert_with(|| {
            let at = self.bytes.len();
            self.bytes.extend_from_slice(&END);
            Row { at, columns: 0 }
        });
        row.columns += 1;
        if let Err(refused) = self.write(&value) {
            self.refused.get_or_insert(refused);
        }
        self
    }

    fn write<'v>(&mut self, value: &impl Encode<'v, Postgres>) -> Result<(), BoxDynError> {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&NULL.to_be_bytes());
        let begin = self.bytes.len();
        if let IsNull::No = value.encode_by_ref(&mut self.bytes)? {
            let length = i32::try_from(self.bytes.len() - begin)?;
            self.bytes[at..begin].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    /// The row has all its columns.
    pub(crate) fn end(&mut self) {
        if let Some(Row { at, columns }) = self.row.take() {
            self.bytes[at..at + size_of::<i16>()].copy_from_slice(&columns.to_be_bytes());
        }
    }
}

/// Fewer rows than this, of which one may be there already, are sooner written by `INSERT`: one answer to wait for instead of four.
pub(crate) const FEW: usize = 256;

impl Tx {
    /// Writes new rows of which hardly ever one is there already. `false`: one is; none of them was written, and the transaction goes on.
    ///
    /// # Errors
    /// As [`Tx::copy`].
    pub(crate) async fn copy_unless_there(
        &mut self,
        into: &str,
        rows: Rows,
    ) -> Result<bool, StoreError> {
        if rows.bytes.is_empty() {
            return Ok(true);
        }
        self.say("SAVEPOINT before_rows").await?;
        match self.copy(into, rows).await {
            Ok(()) => {
                self.say("RELEASE SAVEPOINT before_rows").await?;
                Ok(true)
            }
            Err(error) if error.is_unique_violation() => {
                self.say("ROLLBACK TO SAVEPOINT before_rows").await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn say(&mut self, statement: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(statement).execute(&mut *self.inner).await?;
        Ok(())
    }

    /// Writes new rows; one that is there already is refused, and with it all.
    ///
    /// # Errors
    /// What the driver cannot write as a value, what PostgreSQL does not take, or a connection that broke.
    pub(crate) async fn copy(&mut self, into: &str, mut rows: Rows) -> Result<(), StoreError> {
        if let Some(refused) = rows.refused {
            return Err(sqlx::Error::Encode(refused).into());
        }
        if rows.bytes.is_empty() {
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut *rows.bytes);
        bytes.extend_from_slice(&END);
        let statement = format!("COPY {into} FROM STDIN (FORMAT binary)");
        self.inner.copy_in(statement, bytes).await
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use jiff::civil::Date;
    use jiff_sqlx::ToSqlx;
    use serde_json::json;
    use sqlx::PgPool;
    use uuid::Uuid;

    use super::*;
    use crate::Store;

    /// How often it is asked whether somebody waits for a lock, and how long between two looks: half a minute together.
    const LOOKS: u32 = 3_000;
    const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

    /// Waits until as many connections wait for a lock. PostgreSQL tells nobody that one does, so it is asked again and again.
    pub(crate) async fn until_blocked(many: i64, pool: &PgPool) {
        for _ in 0..LOOKS {
            let blocked: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(pool)
            .await
            .unwrap();
            if blocked == many {
                return;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        panic!("never as many as {many} wait for a lock");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_copied_is_what_was_written(pool: PgPool) {
        sqlx::raw_sql(
            "CREATE TABLE copied (u uuid, d date, t timestamptz, i int, n bigint, b bool, s text, none text, j jsonb, a uuid[])",
        )
        .execute(&pool)
        .await
        .unwrap();
        let id = Uuid::from_u128(7);
        let text = "tab\there, back\\slash, \\N, line\nand return\rand café";
        let day: Date = "2025-02-03".parse().unwrap();
        let at: Timestamp = "2025-02-03T04:05:06.123456Z".parse().unwrap();
        let json = json!({ "quote": "\"", "line": "a\nb", "slash": "\\" });
        let mut rows = Rows::default();
        for number in [i64::MIN, i64::MAX] {
            rows.column(id).column(day.to_sqlx());
            rows.column(at.to_sqlx()).column(-3_i32);
            rows.column(number).column(true).column(text);
            rows.column(None::<&str>).column(&json);
            rows.column(Some([id, id].as_slice())).end();
        }
        let store = Store::from_pool(pool.clone());
        let mut tx = store.begin("copy").await.unwrap();
        tx.copy("copied", rows).await.unwrap();
        tx.copy("copied", Rows::default()).await.unwrap();
        tx.commit().await.unwrap();
        let same: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM copied WHERE u = $1 AND d = '2025-02-03' AND t = '2025-02-03T04:05:06.123456Z' AND i = -3
               AND n IN (-9223372036854775808, 9223372036854775807) AND b AND s = $2 AND none IS NULL AND j = $3 AND a = ARRAY[$1, $1]",
        )
        .bind(id)
        .bind(text)
        .bind(&json)
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(same, 2);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn one_that_is_there_keeps_all_out_and_the_transaction_goes_on(pool: PgPool) {
        sqlx::raw_sql("CREATE TABLE copied (i int PRIMARY KEY CHECK (i < 100))")
            .execute(&pool)
            .await
            .unwrap();
        let store = Store::from_pool(pool.clone());
        let numbers = |numbers: &[i32]| {
            let mut rows = Rows::default();
            for number in numbers {
                rows.column(number).end();
            }
            rows
        };
        let mut tx = store.begin("copy").await.unwrap();
        for (offered, expected) in [
            (&[1, 2][..], true),
            (&[3, 2], false),
            (&[4], true),
            (&[], true),
        ] {
            let copied = tx.copy_unless_there("copied", numbers(offered)).await;
            assert_eq!(copied.unwrap(), expected, "{offered:?}");
        }
        drop(tx);
        for (into, refused) in [("nowhere", 5), ("copied", 100)] {
            let mut tx = store.begin("copy").await.unwrap();
            let told = tx.copy_unless_there(into, numbers(&[refused])).await;
            assert!(
                matches!(told, Err(StoreError::Sql(_))),
                "any other trouble is told: {into} {refused}"
            );
        }
        let mut tx = store.begin("copy").await.unwrap();
        tx.copy_unless_there("copied", numbers(&[7])).await.unwrap();
        tx.copy_unless_there("copied", numbers(&[6, 7]))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let there: Vec<i32> = sqlx::query_scalar("SELECT i FROM copied")
            .fetch_all(&pool)
            .await
            .unwrap();
        assert_eq!(there, [7]);
    }
}
