//! The schema: brought up to this release while the house is at work, and known before anything starts.

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::migrate::{MigrateError, Migrator};
use tokio::time::sleep;
use tracing::info;

use crate::held::Lent;
use crate::{Store, StoreError};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// How long a migration waits for a table that somebody works on. Meanwhile everybody else waits behind it, so it lets them pass and comes again.
pub const WAITS_FOR_A_TABLE_MAX: Duration = Duration::from_secs(2);

/// How long it then lets them pass.
const LETS_PASS: Duration = Duration::from_secs(3);

/// How often it comes.
pub const MIGRATION_ATTEMPTS: u32 = 60;

impl Store {
    /// Brings the schema up to this release. Only `voorveld migrate` and the embedded default call it. Each migration is a transaction: it is there or it
    /// is not.
    ///
    /// # Errors
    /// A migration is refused, or found a table taken [`MIGRATION_ATTEMPTS`] times; what was applied before it stays.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        // Never given back: its patience and the lock by which only one migrates at a time are its own.
        let mut connection = Lent::of(&self.pool).await?;
        sqlx::query("SELECT set_config('lock_timeout', $1, false)")
            .bind(format!("{}ms", WAITS_FOR_A_TABLE_MAX.as_millis()))
            .execute(&mut *connection)
            .await?;
        for attempt in 1.. {
            match MIGRATOR.run(&mut *connection).await {
                Ok(()) => break,
                Err(error) if attempt < MIGRATION_ATTEMPTS && found_it_taken(&error) => {
                    info!(
                        attempt,
                        "a table is taken; others pass, then the migration comes again"
                    );
                    sleep(LETS_PASS).await;
                }
                Err(error) => return Err(StoreError::Migration(error)),
            }
        }
        Ok(())
    }

    /// Whether the schema is exactly the one this release knows: every migration applied, none that it has never heard of.
    pub async fn schema_is_known(&self) -> Result<bool, StoreError> {
        let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&self.pool)
            .await?;
        if !there {
            return Ok(false);
        }
        let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version",
        )
        .fetch_all(&self.pool)
        .await?;
        let known: Vec<(i64, Vec<u8>)> = MIGRATOR
            .iter()
            .map(|migration| (migration.version, migration.checksum.to_vec()))
            .collect();
        Ok(applied == known)
    }
}

/// Whether it was only that somebody else worked on a table: too long, or the other way round (a deadlock, which the server ended).
fn found_it_taken(error: &MigrateError) -> bool {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    const DEADLOCK: &str = "40P01";
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| [LOCK_NOT_AVAILABLE, DEADLOCK].contains(&&*code))
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_migrated_schema_is_known_and_a_foreign_one_is_not(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        assert!(store.schema_is_known().await.expect("answers"));
        sqlx::query("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
            .execute(&pool)
            .await
            .expect("deletes");
        assert!(!store.schema_is_known().await.expect("answers"));
    }

    /// The first migration makes `partners`; somebody who holds what it makes next is let pass, and it is there in the end.
    #[sqlx::test(migrations = false)]
    async fn a_migration_waits_until_a_table_is_free(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        // Held as by a long look at the tables: nothing can be made beside it.
        let mut held = store.begin("hold").await.unwrap();
        sqlx::query("LOCK TABLE pg_catalog.pg_class IN SHARE MODE")
            .execute(&mut *held.inner)
            .await
            .unwrap();
        let let_go = async {
            sleep(WAITS_FOR_A_TABLE_MAX + Duration::from_millis(500)).await;
            held.commit().await.unwrap();
        };
        let (migrated, ()) = futures::join!(store.migrate(), let_go);
        migrated.unwrap();
        assert!(store.schema_is_known().await.unwrap());
        let patience: String = sqlx::query_scalar("SHOW lock_timeout")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(patience, "0", "others wait as before");
    }
}
