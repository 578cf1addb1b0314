//! When things go wrong between two steps: the database goes away, a stage is behind when a day comes, a record is for another release, a
//! signal has lost its household. Nothing is lost, nothing is there twice, and every queue has a way out (I2, I4, K2, T6).

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use voorveld_policy::Policy;
use voorveld_tests::copy_policy;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC};

use crate::stages::{PARTITIONS, Sent, Stages, energy, rent};

/// Long enough for the stages to fail and back off a few times.
const OUTAGE: Duration = Duration::from_millis(400);

/// A connection to the server's own database, from which another may be shut.
async fn front_office(pool: &PgPool) -> PgPool {
    let options = pool.connect_options().as_ref().clone().database("postgres");
    PgPool::connect_with(options).await.unwrap()
}

async fn admit(office: &PgPool, database: &str, admitted: bool) {
    let sql = format!("ALTER DATABASE \"{database}\" WITH ALLOW_CONNECTIONS {admitted}");
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .execute(office)
        .await
        .unwrap();
}

async fn throw_out(office: &PgPool, database: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1",
    )
    .bind(database)
    .fetch_one(office)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_database_that_goes_away_in_the_middle_of_traffic_leaves_no_trace(pool: PgPool) {
    let database: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&pool)
        .await
        .unwrap();
    let office = front_office(&pool).await;
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    let houses = ["2", "4", "6", "8", "10", "12"];
    for round in 0..4 {
        let sent: Vec<Sent> = (0_u128..)
            .zip(houses)
            .flat_map(|(house, number)| {
                let signal = 100 * round + 2 * house + 1;
                [rent(signal, number), energy(signal + 1, number)]
            })
            .collect();
        stages.send(&sent).await;
        // Everybody is thrown out at once, wherever they are, and nobody gets in for a while.
        admit(&office, &database, false).await;
        throw_out(&office, &database).await;
        tokio::time::sleep(OUTAGE).await;
        admit(&office, &database, true).await;
    }
    stages.settle().await;
    let placed = stages.texts("SELECT signal_id::text FROM signals").await;
    assert_eq!(placed.len(), 4 * 2 * houses.len());
    let open = stages.open_tasks().await;
    assert_eq!(
        open.len(),
        houses.len(),
        "one task per household (I8): {open:?}"
    );
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_day_is_judged_after_the_records_that_came_before_it(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, "12")]).await;
    stages.settle().await;
    stages.stop(true).await;
    // The stages are down when the second signal comes, and when a day comes on which the household is to be looked at.
    stages.send(&[energy(2, "12")]).await;
    sqlx::query(
        "INSERT INTO wake_ups (topic, partition, household_id, due, reason)
         SELECT r.topic, r.partition, j.household_id, '2025-01-22', 'next_look' FROM household_judgements j
         JOIN log_records r ON r.topic = $1 AND convert_from(r.record_key, 'UTF8') = j.household_id::text",
    )
    .bind(RESOLVED_TOPIC)
    .execute(&stages.pool)
    .await
    .unwrap();
    stages.clock.set("2025-01-25T10:00:00Z".parse().unwrap());
    stages.start().await;
    stages.settle().await;
    stages.until_none("SELECT count(*) FROM wake_ups").await;
    let added = stages
        .texts("SELECT rule_id || ' ' || added_as_of FROM task_grounds WHERE gone_as_of IS NULL")
        .await;
    assert_eq!(
        added,
        ["debt.multiple 2025-01-20".to_owned()].into(),
        "what was received on the 20th is judged as of the 20th, whenever it is read (T2, T6)"
    );
    assert_eq!(
        stages
            .texts("SELECT as_of::text FROM household_judgements")
            .await,
        ["2025-01-22".to_owned()].into()
    );
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_signal_that_lost_its_household_can_be_corrected(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, "12"), rent(2, "99")]).await;
    let lost = Sent {
        revision: 2,
        house: None,
        ..rent(1, "12")
    };
    let never = Sent {
        house: None,
        ..rent(3, "12")
    };
    stages.send(&[lost.clone(), never.clone()]).await;
    stages.settle().await;
    assert_eq!(stages.open_tasks().await.len(), 1);
    for sent in [lost, never] {
        stages
            .correct(&Sent {
                house: Some("14"),
                ..sent
            })
            .await;
    }
    stages.settle().await;
    assert!(stages.store.unplaced(None).await.unwrap().is_empty());
    let living = stages
        .texts("SELECT signal_id::text FROM signals WHERE lives_here")
        .await;
    assert_eq!(living.len(), 3);
    assert_eq!(
        stages.open_tasks().await.len(),
        2,
        "number 14 and number 99"
    );
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_dead_letter_that_is_retried_is_read_once_more(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send_raw(RESOLVED_TOPIC, b"not a record").await;
    stages.settle().await;
    let letter = stages.store.dead_letters().await.unwrap().remove(0);
    let again = voorveld_bus::Outgoing {
        key: letter.key.into(),
        value: letter.payload.into(),
        request_id: letter.request_id,
    };
    stages.log.append(&letter.topic, vec![again]).await.unwrap();
    let now = stages.clock.now();
    let mut tx = stages.store.begin("decide").await.unwrap();
    let decided = tx
        .decide_dead_letter(letter.id, "retried", "test", "mended", now)
        .await
        .unwrap();
    assert!(decided);
    tx.commit().await.unwrap();
    stages.settle().await;
    let letters = stages.store.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 1, "still no record: it waits anew");
    assert_ne!(letters[0].id, letter.id);
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn another_releases_record_stops_its_partition_and_no_other(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.send_raw(RECEIVED_TOPIC, b"{\"v\":2}").await;
    let sent: Vec<Sent> = (1..=24).map(|signal| rent(signal, "12")).collect();
    stages.send(&sent).await;
    stages.start().await;
    let stopped: String = sqlx::query_scalar(
        "SELECT count(*)::text FROM log_records l WHERE l.topic = $1 AND l.partition =
            (SELECT partition FROM log_records WHERE topic = $1 AND record_key = 'raw')",
    )
    .bind(RECEIVED_TOPIC)
    .fetch_one(&stages.pool)
    .await
    .unwrap();
    let others = 25 - stopped.parse::<i64>().unwrap();
    assert!(0 < others && others < 24, "the traffic is spread");
    stages
        .until_none(&format!("SELECT {others} - count(*) FROM signals"))
        .await;
    let positions = stages
        .texts("SELECT next_offset::text || ' at ' || partition FROM partition_positions WHERE stage = 'resolver' AND partition IN (SELECT partition FROM log_records WHERE record_key = 'raw')")
        .await;
    assert!(
        positions.iter().all(|position| position.starts_with("0 ")),
        "nothing is skipped: {positions:?}"
    );
    // Operations sees which partition stands still, and that the others do not.
    let seen = || {
        ["stopped_partitions", "partitions", "lag_records"]
            .map(|name| stages.gauge(&format!("voorveld_resolver_{name}")))
    };
    let expected = ["1".to_owned(), (PARTITIONS - 1).to_string(), stopped];
    let quiet = tokio::time::timeout(Duration::from_secs(10), async {
        while seen() != expected {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(quiet.await.is_ok(), "{:?} {expected:?}", seen());
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_record_of_another_municipality_is_put_aside_also_after_a_restart(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, "12")]).await;
    stages.settle().await;
    stages.stop(true).await;
    // The same household, named by a record of another municipality.
    sqlx::query(
        "INSERT INTO log_records SELECT topic, partition, record_offset + 1, record_key,
            convert_to(replace(replace(convert_from(record_value, 'UTF8'), '\"0518\"', '\"0363\"'), '\"revision\":1', '\"revision\":2'), 'UTF8'),
            request_id, appended_at FROM log_records WHERE topic = $1",
    )
    .bind(RESOLVED_TOPIC)
    .execute(&stages.pool)
    .await
    .unwrap();
    sqlx::query("UPDATE log_partitions SET next_offset = 2 WHERE topic = $1 AND next_offset = 1")
        .bind(RESOLVED_TOPIC)
        .execute(&stages.pool)
        .await
        .unwrap();
    stages.start().await;
    stages.settle().await;
    let letters = stages.store.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "foreign_municipality");
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_known_client_of_debt_help_is_not_visited_for_new_arrears(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    let known = Sent {
        kind: "known_debt_client",
        cents: None,
        ..rent(1, "12")
    };
    stages.send(std::slice::from_ref(&known)).await;
    stages.settle().await;
    stages.send(&[rent(2, "12")]).await;
    stages.settle().await;
    assert!(stages.open_tasks().await.is_empty());
    let reasons = stages.texts("SELECT reason FROM suppressions").await;
    assert_eq!(reasons, ["known_client".to_owned()].into());
    stages
        .send(&[Sent {
            revision: 2,
            withdrawn: true,
            ..known
        }])
        .await;
    stages.settle().await;
    assert_eq!(stages.open_tasks().await.len(), 1, "a client no more");
    stages.stop(true).await;
}

/// The shipped policy without a file, and with a text of another one changed.
fn changed_policy(without: &str, (file, from, to): (&str, &str, &str)) -> Policy {
    let folder = tempfile::tempdir().unwrap();
    copy_policy(folder.path(), |name, text| {
        if name == file {
            assert!(text.contains(from), "{file} has no {from}");
            return Some(text.replacen(from, to, 1));
        }
        (name != without).then(|| text.to_owned())
    });
    Policy::load(folder.path()).unwrap()
}

/// Rules change while signals wait in the log: what waits was judged by nobody, so the new version raises for it (I10); what was judged is judged
/// anew, so that no match stays that no rule says any more (M3, I5).
#[sqlx::test(migrations = "../migrations")]
async fn other_rules_judge_everybody_anew_and_mute_nothing_that_waited(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, "12"), energy(2, "12")]).await;
    stages.settle().await;
    let rules_of = async |stages: &Stages| stages.texts("SELECT rule_id FROM matches").await;
    assert!(rules_of(&stages).await.contains("debt.multiple"));
    stages.stop(true).await;

    let marker = Sent {
        kind: "reporting_code_report",
        cents: None,
        ..rent(3, "14")
    };
    stages.send(&[marker]).await;
    stages.clock.set("2025-01-20T14:00:00Z".parse().unwrap());
    stages.policy = Arc::new(changed_policy(
        "debt.multiple.yaml",
        ("safety.meldcode.yaml", "version: 1", "version: 2"),
    ));
    stages.start().await;
    stages.settle().await;
    stages.until_none("SELECT count(*) FROM wake_ups").await;
    assert_eq!(
        rules_of(&stages).await,
        ["safety.meldcode".to_owned()].into(),
        "nothing says meervoudig any more, and two partners in a month are not enkelvoudig"
    );
    let tasks = stages
        .texts("SELECT purpose || ' ' || state FROM tasks")
        .await;
    assert_eq!(
        tasks,
        ["debt_help withdrawn".to_owned(), "safety open".to_owned()].into()
    );
    stages
        .until_none("SELECT 1 - count(*) FROM holds WHERE lifted_at IS NULL")
        .await;
    stages.stop(true).await;

    // The same set once more is nothing new.
    stages.start().await;
    stages.settle().await;
    let sets: i64 = sqlx::query_scalar("SELECT count(DISTINCT rule_set) FROM rule_activations")
        .fetch_one(&stages.pool)
        .await
        .unwrap();
    assert_eq!(sets, 2);
    stages.stop(true).await;
}
