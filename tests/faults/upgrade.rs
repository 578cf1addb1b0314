//! An upgrade while partners send: the schema grows under everybody's hands, and one after the other makes place for the new program, so that old and new
//! share one database, one log and the partitions of both stages.

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::time::sleep;
use voorveld_tests::root;

use crate::asked;
use crate::crew::{Role, binary};
use crate::load;
use crate::night::{Backend, READERS, SHORT, SHORT_PARTITIONS, Trouble};
use crate::schedule::{Fault, Strike};

const SEED: u64 = 6;
/// Between two steps of the upgrade, so that each meets something.
const PAUSE: Duration = Duration::from_millis(400);
/// How long a change of the schema waits for a table before it lets everybody pass, as `voorveld migrate` does.
const LOCK_TIMEOUT: &str = "500ms";
const LETS_PASS: Duration = Duration::from_millis(200);
/// What the schema grows by where no release is at hand that has another one: nothing that anybody reads.
const EXPANDED: &str = "of_a_release_to_come";

/// The old program is the one that was named, or this one. In the first round the schema changes and one of each stage is replaced, so that a round is settled
/// by old and new together; in the second the others are, and processes are killed among them.
pub async fn under_load() {
    let old = asked("VOORVELD_FAULTS_OLD").map(|named| root().join(named));
    // Where it is the same program it has another name, so that who runs which is known.
    let same = tempfile::tempdir().unwrap();
    let link = same.path().join("voorveld");
    std::os::unix::fs::symlink(binary(), &link).unwrap();
    let replace = |role| Fault::Replace { role };
    let kill = |roles: &[Role]| Fault::Kill {
        roles: roles.to_vec(),
        away: PAUSE,
    };
    let mixed = [
        Fault::Upgrade,
        replace(Role::Correlator),
        replace(Role::Resolver),
    ];
    let mut rest = vec![kill(&Role::STAGES), replace(Role::Gateway)];
    for _ in 1..READERS {
        rest.extend(Role::STAGES.map(replace));
        rest.push(kill(&Role::STAGES));
    }
    rest.extend([Role::Outreach, Role::Console].map(replace));
    let strikes = [mixed.to_vec(), rest].map(|faults| {
        let throws = (0..).zip(faults);
        let strike = |(throw, fault)| Strike {
            pause: PAUSE,
            fault,
            throw,
        };
        throws.map(strike).collect()
    });
    let trouble = Trouble {
        program: old.unwrap_or(link),
        backend: Backend::Kafka,
        seed: SEED,
        partitions: SHORT_PARTITIONS,
        rounds: load::rounds(SEED, SHORT),
        strikes: strikes.to_vec(),
    };
    trouble
        .leaves_no_trace("cargo test -p voorveld-tests --test faults an_upgrade -- --nocapture")
        .await;
}

/// Every table gets a column more, and the one that grows fastest an index, as a migration of a release to come does that only expands. Who is killed
/// after it comes back all the same.
pub async fn expand(pool: &PgPool) {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations' ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut connection = pool.acquire().await.unwrap();
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(LOCK_TIMEOUT)
        .execute(&mut *connection)
        .await
        .unwrap();
    for table in tables {
        let change = format!("ALTER TABLE {table} ADD COLUMN {EXPANDED} text NOT NULL DEFAULT ''");
        while let Err(error) = sqlx::query(AssertSqlSafe(change.clone()))
            .execute(&mut *connection)
            .await
        {
            let code = error.as_database_error().and_then(DatabaseError::code);
            assert_eq!(code.as_deref(), Some("55P03"), "{table}: {error}");
            sleep(LETS_PASS).await;
        }
    }
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99990101000000, $1, true, '', 0)",
    )
    .bind(EXPANDED)
    .execute(&mut *connection)
    .await
    .unwrap();
    // It waits for everybody who is at work on the table, however long.
    sqlx::raw_sql("SET lock_timeout = 0")
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::query(AssertSqlSafe(format!(
        "CREATE INDEX CONCURRENTLY {EXPANDED} ON signals (received_at)"
    )))
    .execute(&mut *connection)
    .await
    .unwrap();
}
