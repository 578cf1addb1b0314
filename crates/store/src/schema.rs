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

    /// How the schema stands to this release.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&self.pool)
            .await?;
        if !there {
            return Ok(Schema::Earlier);
        }
        let applied: Vec<(i64, Vec<u8>, String)> = sqlx::query_as(
            "SELECT version, checksum, description FROM _sqlx_migrations WHERE success ORDER BY version",
        )
        .fetch_all(&self.pool)
        .await?;
        let applied = applied
            .into_iter()
            .map(|(version, checksum, description)| Migration {
                version,
                checksum,
                description,
            });
        let known = MIGRATOR.iter().map(|migration| Migration {
            version: migration.version,
            checksum: migration.checksum.to_vec(),
            description: migration.description.to_string(),
        });
        Ok(Schema::between(
            &applied.collect::<Vec<_>>(),
            &known.collect::<Vec<_>>(),
        ))
    }
}

/// How the schema of a database stands to a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// It is the release's.
    Known,
    /// Migrations of the release are missing.
    Earlier,
    /// A later release has added to it, and this one works with it: a process that ends during a rollout comes back, and a rollout can be taken back.
    Later,
    /// The release does not work with it.
    Foreign {
        /// The first migration that says so: it is not the one that the release knows, or it took something away that the release still needs.
        migration: i64,
    },
}

/// A migration, as a release knows it or as a database had it applied.
struct Migration {
    version: i64,
    checksum: Vec<u8>,
    /// What its file is called.
    description: String,
}

/// How the description of a migration begins that takes away what releases still needed that do not know the version named next
/// (`20270301120000_contract_20270101120000_old_columns.sql`).
const CONTRACTS: &str = "contract ";

impl Migration {
    /// Whether a release that knows nothing after this version can work with it.
    fn leaves_all_to(&self, newest: i64) -> bool {
        match self.description.strip_prefix(CONTRACTS) {
            None => true,
            Some(rest) => {
                let since = rest.split(' ').next().and_then(|word| word.parse().ok());
                since.is_some_and(|since: i64| since <= newest)
            }
        }
    }
}

impl Schema {
    /// Both in the order of their versions.
    fn between(applied: &[Migration], known: &[Migration]) -> Self {
        let newest = known.last().map_or(0, |migration| migration.version);
        let mut is_later = false;
        for migration in applied {
            let expected = known.iter().find(|one| one.version == migration.version);
            let fits = match expected {
                Some(expected) => expected.checksum == migration.checksum,
                None => newest < migration.version && migration.leaves_all_to(newest),
            };
            if !fits {
                return Self::Foreign {
                    migration: migration.version,
                };
            }
            is_later |= expected.is_none();
        }
        let has = |one: &Migration| applied.iter().any(|two| two.version == one.version);
        match (known.iter().all(has), is_later) {
            (false, _) => Self::Earlier,
            (true, true) => Self::Later,
            (true, false) => Self::Known,
        }
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

    fn migration(version: i64, description: &str) -> Migration {
        Migration {
            version,
            checksum: version.to_be_bytes().to_vec(),
            description: description.into(),
        }
    }

    #[test]
    fn a_release_works_with_what_a_later_one_added_and_not_with_what_it_took_away() {
        let of = |names: &[(i64, &str)]| -> Vec<Migration> {
            names
                .iter()
                .map(|(at, name)| migration(*at, name))
                .collect()
        };
        let known = of(&[(1, "signals"), (3, "tasks")]);
        let between = |names: &[(i64, &str)]| Schema::between(&of(names), &known);
        let foreign = |migration| Schema::Foreign { migration };

        assert_eq!(between(&[(1, "signals"), (3, "tasks")]), Schema::Known);
        assert_eq!(between(&[]), Schema::Earlier);
        assert_eq!(between(&[(1, "signals")]), Schema::Earlier);
        let later = |name| between(&[(1, "signals"), (3, "tasks"), (5, name)]);
        assert_eq!(later("grounds"), Schema::Later);
        assert_eq!(later("contract 3 old columns"), Schema::Later);
        assert_eq!(later("contract 4 old columns"), foreign(5));
        assert_eq!(later("contract of all"), foreign(5), "it names no version");
        assert_eq!(later("contracts"), Schema::Later, "another word");
        // What came in between is of another line, and what was changed is not what it was.
        assert_eq!(
            between(&[(1, "signals"), (2, "x"), (3, "tasks")]),
            foreign(2)
        );
        let mut changed = of(&[(1, "signals"), (3, "tasks")]);
        changed[0].checksum = vec![0];
        assert_eq!(Schema::between(&changed, &known), foreign(1));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_schema_of_a_database_is_told(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        assert_eq!(store.schema().await.unwrap(), Schema::Known);
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (99990101000000, 'of a release to come', true, '', 0)",
        )
        .execute(&pool)
        .await
        .unwrap();
        assert_eq!(store.schema().await.unwrap(), Schema::Later);
        sqlx::query("DELETE FROM _sqlx_migrations WHERE version = (SELECT min(version) FROM _sqlx_migrations)")
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(store.schema().await.unwrap(), Schema::Earlier);
    }

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
        assert_eq!(store.schema().await.unwrap(), Schema::Known);
        let patience: String = sqlx::query_scalar("SHOW lock_timeout")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(patience, "0", "others wait as before");
    }
}
