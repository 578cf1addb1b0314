//! Objection, exclusion, known client and the end of retention, from the act to what the real correlator makes of it (I5, K10, S4).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::date;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use voorveld_correlator::{Expiry, Metrics, published};
use voorveld_domain::{MunicipalityCode, RegistrationReason, RevocationReason};
use voorveld_policy::{Bundle, Policy};
use voorveld_store::publications::Mode;
use voorveld_store::registrations::{NewRegistration, Registered, Revoked};
use voorveld_store::wake_ups::WakeUp;
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::backtest::replayed_otherwise;
use crate::stages::{Sent, Stages};

const PERSON: Option<&str> = Some("123456782");
const OTHER: Option<&str> = Some("111222333");

fn rent(signal: u128, bsn: Option<&'static str>) -> Sent {
    Sent {
        signal,
        revision: 1,
        kind: "rent_arrears",
        day: date(2025, 1, 5),
        cents: Some(45_000),
        house: Some("12"),
        withdrawn: false,
        bsn,
    }
}

fn energy(signal: u128, bsn: Option<&'static str>) -> Sent {
    Sent {
        kind: "energy_arrears",
        day: date(2025, 1, 12),
        ..rent(signal, bsn)
    }
}

fn town() -> MunicipalityCode {
    "0518".parse().unwrap()
}

/// As the doors do: the act, and a wake-up for each household that it touches.
async fn register(
    stages: &Stages,
    signal: u128,
    of_person: bool,
    reason: RegistrationReason,
) -> Uuid {
    let subject = stages
        .store
        .subject(town(), Uuid::from_u128(signal))
        .await
        .unwrap()
        .expect("a signal with a household");
    let id = Uuid::new_v4();
    let mut tx = stages.store.begin("register").await.unwrap();
    let new = NewRegistration {
        id,
        municipality: town(),
        household: subject.household,
        debtor: of_person.then(|| subject.debtor.expect("a person")),
        reason,
        file_code: None,
        since: stages.clock.today(),
        until: None,
        by: "cli:test".to_owned(),
        at: stages.clock.now(),
    };
    let Registered::New(touched) = tx.register(&new).await.unwrap() else {
        panic!("nothing stood before");
    };
    wake(stages, tx, touched, "registration").await;
    id
}

async fn revoke(stages: &Stages, id: Uuid) {
    let mut tx = stages.store.begin("revoke").await.unwrap();
    let why = RevocationReason::Mistaken;
    let now = stages.clock.now();
    let revoked = tx.revoke_registration(town(), id, "cli:test", why, now);
    let Revoked::Done(_, touched) = revoked.await.unwrap() else {
        panic!("it stood");
    };
    wake(stages, tx, touched, "registration_revoked").await;
}

async fn wake(
    stages: &Stages,
    mut tx: voorveld_store::Tx,
    households: Vec<voorveld_domain::HouseholdId>,
    reason: &str,
) {
    let partitions: i32 = 4;
    let wakes: Vec<WakeUp> = households
        .into_iter()
        .map(|household| WakeUp {
            due: stages.clock.today(),
            household,
            partition: voorveld_bus::partition_of(
                &voorveld_wire::signal_v1::household_key(household.uuid()),
                partitions,
            ),
            reason: reason.to_owned(),
        })
        .collect();
    tx.add_wake_ups(RESOLVED_TOPIC, &wakes).await.unwrap();
    tx.commit().await.unwrap();
    judged(stages).await;
}

/// Waits until whatever was asked for is judged.
async fn judged(stages: &Stages) {
    stages
        .until_none("SELECT count(*) FROM wake_ups WHERE reason IN ('registration', 'registration_revoked', 'expiry')")
        .await;
}

/// Every task as: state, whether it is flagged, and its grounds that stand.
async fn tasks(stages: &Stages) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', t.state, CASE WHEN t.flagged THEN 'flagged' END,
            (SELECT string_agg(g.rule_id, '+' ORDER BY g.rule_id) FROM task_grounds g WHERE g.task_id = t.task_id AND g.gone_as_of IS NULL))
         FROM tasks t ORDER BY 1",
    )
    .fetch_all(&stages.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn an_objection_goes_with_the_person_and_is_gone_when_it_is_revoked(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, PERSON)]).await;
    stages.settle().await;
    assert_eq!(tasks(&stages).await, ["open debt.single"]);
    let objection = register(&stages, 1, true, RegistrationReason::ByResident).await;
    assert_eq!(tasks(&stages).await, ["withdrawn"], "nobody had it");
    assert_eq!(stages.matches().await, BTreeSet::new());
    stages.send(&[energy(2, PERSON)]).await;
    stages.settle().await;
    assert_eq!(
        stages.matches().await,
        BTreeSet::new(),
        "a new signal counts as little"
    );
    let moved = Sent {
        revision: 2,
        house: Some("14"),
        ..rent(1, PERSON)
    };
    stages.send(&[moved]).await;
    stages.settle().await;
    assert_eq!(
        stages.matches().await,
        BTreeSet::new(),
        "nor does one that moves"
    );
    stages.send(&[rent(3, OTHER)]).await;
    stages.settle().await;
    assert_eq!(
        tasks(&stages).await,
        ["open debt.single", "withdrawn"],
        "another person's does"
    );
    revoke(&stages, objection).await;
    let after = ["open debt.multiple", "open debt.single", "withdrawn"];
    assert_eq!(tasks(&stages).await, after, "12 and 14, judged anew");
    let standing = stages.texts("SELECT DISTINCT standing FROM signals").await;
    assert_eq!(
        standing,
        ["counted".to_owned()].into(),
        "no copy ever said so"
    );
    stages.stop(true).await;
    assert_eq!(replayed_otherwise(&stages).await, [""; 0]);
}

/// Each row: what is registered at a task that somebody has, what becomes of the task, and what after revoking.
#[sqlx::test(migrations = "../migrations")]
async fn a_claimed_task_is_for_a_person_to_decide(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, PERSON), energy(2, OTHER)]).await;
    stages.settle().await;
    sqlx::query(
        "UPDATE tasks SET state = 'claimed', claimed_by = gen_random_uuid(), claimed_at = now()",
    )
    .execute(&stages.pool)
    .await
    .unwrap();
    let whole = "claimed debt.multiple";
    assert_eq!(tasks(&stages).await, [whole]);
    for (of_person, reason, becomes) in [
        (false, RegistrationReason::ByResident, "claimed flagged"),
        (true, RegistrationReason::ByResident, "claimed debt.single"),
        (false, RegistrationReason::Deceased, "claimed flagged"),
        (true, RegistrationReason::Deceased, whole),
        (false, RegistrationReason::DebtHelp, whole),
        (true, RegistrationReason::OtherTrack, whole),
        (false, RegistrationReason::UnsafeToVisit, whole),
    ] {
        let id = register(&stages, 1, of_person, reason).await;
        assert_eq!(
            tasks(&stages).await,
            [becomes],
            "{reason}, of a person: {of_person}"
        );
        if reason.is_hold() {
            let held = stages
                .texts("SELECT reason FROM holds WHERE lifted_at IS NULL")
                .await;
            assert_eq!(held, ["unsafe_to_visit".to_owned()].into());
        } else {
            revoke(&stages, id).await;
            assert_eq!(tasks(&stages).await, [whole], "{reason} revoked");
        }
    }
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_is_raised_about_who_is_excluded_or_known_but_matches_stay(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, PERSON)]).await;
    stages.settle().await;
    let excluded = register(&stages, 1, false, RegistrationReason::NotResident).await;
    stages.send(&[energy(2, OTHER)]).await;
    stages.settle().await;
    assert_eq!(tasks(&stages).await, ["withdrawn"]);
    let rules = stages.texts("SELECT rule_id FROM matches").await;
    assert_eq!(
        rules,
        ["debt.multiple".to_owned()].into(),
        "matches heed no guard (K3)"
    );
    let muted = stages
        .texts("SELECT rule_id || ' ' || reason FROM suppressions")
        .await;
    assert_eq!(muted, ["debt.multiple excluded".to_owned()].into());
    let known = register(&stages, 1, false, RegistrationReason::DebtHelp).await;
    revoke(&stages, excluded).await;
    let muted = stages
        .texts("SELECT rule_id || ' ' || reason FROM suppressions")
        .await;
    assert_eq!(muted, ["debt.multiple known_client".to_owned()].into());
    revoke(&stages, known).await;
    assert_eq!(tasks(&stages).await, ["open debt.multiple", "withdrawn"]);
    stages.stop(true).await;
    assert_eq!(replayed_otherwise(&stages).await, [""; 0]);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_signal_expires_is_judged_so_and_then_nothing_is_left_of_it(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    let unplaced = Sent {
        house: None,
        ..rent(3, None)
    };
    stages
        .send(&[rent(1, PERSON), energy(2, PERSON), unplaced])
        .await;
    stages.settle().await;
    assert_eq!(tasks(&stages).await, ["open debt.multiple"]);
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let retention = Arc::new(stages.retention());
    let mut job = Expiry::new(
        stages.store.clone(),
        retention,
        stages.clock.clone(),
        metrics,
    );
    let never = CancellationToken::new();
    let days = |stages: &Stages, to: jiff::civil::Date| {
        let ahead = stages.clock.today().until(to).unwrap().get_days();
        stages
            .clock
            .advance(Duration::from_hours(24 * u64::try_from(ahead).unwrap()));
    };
    // Kept for three years: the rent of the 5th goes first, with the one that never found a household.
    for (day, erased, left) in [
        (date(2028, 1, 4), 0, "open debt.multiple"),
        (date(2028, 1, 5), 2, "open debt.single"),
        (date(2028, 1, 12), 1, "withdrawn"),
    ] {
        days(&stages, day);
        let mut gone = job.turn(&never).await.unwrap().signals;
        judged(&stages).await;
        gone += job.turn(&never).await.unwrap().signals;
        assert_eq!(
            (gone, tasks(&stages).await),
            (erased, vec![left.to_owned()]),
            "{day}"
        );
    }
    for table in [
        "signals",
        "sealed_identities",
        "signal_homes",
        "households",
        "address_index",
        "debtor_index",
        "matches",
        "suppressions",
        "household_judgements",
        "erasures",
    ] {
        stages
            .until_none(&format!("SELECT count(*) FROM {table}"))
            .await;
    }
    let words = stages.texts("SELECT words FROM task_grounds").await;
    assert!(
        words.iter().all(|words| !words.contains("Voorbeeld")),
        "no name: {words:?}"
    );
    // Whoever owns the partition remembers nothing either: the same address is a new household.
    stages
        .send(&[Sent {
            day: date(2028, 1, 6),
            ..rent(4, PERSON)
        }])
        .await;
    stages.settle().await;
    assert_eq!(
        stages
            .texts("SELECT signal_id::text FROM signals")
            .await
            .len(),
        1
    );
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_shorter_retention_holds_from_the_moment_it_is_published(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    let now = stages.clock.now();
    let install = published::install(&stages.store, &stages.policy, now, |_| Vec::new());
    install.await.unwrap();
    stages.start().await;
    let old = Sent {
        day: date(2024, 12, 10),
        ..rent(1, PERSON)
    };
    let unplaced = Sent {
        signal: 2,
        house: None,
        ..old.clone()
    };
    stages.send(&[old, unplaced]).await;
    stages.settle().await;
    assert_eq!(tasks(&stages).await, ["open debt.single"]);
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let retention = Arc::new(stages.retention());
    let clock = stages.clock.clone();
    let mut job = Expiry::new(stages.store.clone(), retention, clock, metrics);
    let never = CancellationToken::new();
    assert_eq!(job.turn(&never).await.unwrap().signals, 0);

    let mut files = stages.policy.bundle().files().clone();
    let kinds = files.get_mut("signals.yaml").unwrap();
    *kinds = kinds.replacen("retention_days: 1095", "retention_days: 30", 1);
    let shorter = Policy::of_bundle(&Bundle::of_files(files).unwrap()).unwrap();
    let asked = published::Asked {
        policy: &shorter,
        mode: Mode::Live,
        by: "A. Adviseur",
        reason: "test",
    };
    let seen = stages.store.in_force().await.unwrap();
    let publish = published::publish(&stages.store, asked, &seen, now, |_| Vec::new());
    publish.await.unwrap();
    // On the same day: a job that runs all the while must not wait for tomorrow. At its first turn who judges may not have picked it up yet.
    let mut gone = job.turn(&never).await.unwrap().signals;
    stages
        .until_none(
            "SELECT count(*) FROM (SELECT DISTINCT ON (partition) bundle FROM rule_activations ORDER BY partition, activation DESC) a
             WHERE bundle IS DISTINCT FROM (SELECT bundle FROM rule_publications ORDER BY publication DESC LIMIT 1)",
        )
        .await;
    gone += job.turn(&never).await.unwrap().signals;
    stages.until_none("SELECT count(*) FROM signals").await;
    gone += job.turn(&never).await.unwrap().signals;
    assert_eq!(
        (gone, tasks(&stages).await),
        (2, vec!["withdrawn".to_owned()]),
        "the one that never found a household is woken by nobody but this job"
    );
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_signal_ends_on_a_birthday_of_whom_it_names_and_nobody_who_judges_learns_it(
    pool: PgPool,
) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    let mut files = stages.policy.bundle().files().clone();
    let kinds = files.get_mut("signals.yaml").unwrap();
    *kinds = kinds.replacen(
        "retention_days: 1095",
        "retention_days: 1095\n    until_age: 23",
        1,
    );
    stages.policy = Arc::new(Policy::of_bundle(&Bundle::of_files(files).unwrap()).unwrap());
    stages.born_on = Some(date(2002, 2, 10));
    stages.start().await;
    stages.send(&[rent(1, PERSON), energy(2, PERSON)]).await;
    stages.settle().await;
    assert_eq!(tasks(&stages).await, ["open debt.multiple"]);
    let ends = "SELECT kind || ' ' || ends_on FROM signal_homes WHERE ends_on IS NOT NULL";
    let told = stages.texts(ends).await;
    assert_eq!(
        told,
        ["rent_arrears 2025-02-10".to_owned()].into(),
        "of no other kind"
    );

    stages.stop(true).await;
    stages.clock.set("2025-02-09T22:00:00Z".parse().unwrap());
    stages.start().await;
    stages.settle().await;
    assert_eq!(
        tasks(&stages).await,
        ["open debt.multiple"],
        "the day before"
    );
    stages.stop(true).await;
    stages.clock.set("2025-02-10T10:00:00Z".parse().unwrap());
    stages.start().await;
    stages
        .until_none("SELECT count(*) FROM signals WHERE kind = 'rent_arrears' AND lives_here")
        .await;
    stages.settle().await;
    assert_eq!(
        tasks(&stages).await,
        ["open debt.single"],
        "the other one counts on"
    );
    assert!(
        stages.store.unplaced(None).await.unwrap().is_empty(),
        "in no queue"
    );
    // A correction of it is taken in and lives nowhere.
    let corrected = Sent {
        revision: 2,
        cents: Some(90_000),
        ..rent(1, PERSON)
    };
    stages.send(&[corrected]).await;
    stages.settle().await;
    assert_eq!(tasks(&stages).await, ["open debt.single"]);
    stages.stop(true).await;
    // The next look notes it for erasing, and a job that erases takes all of it: this one, or that of the stages, whichever sees it first.
    stages.start().await;
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let (retention, clock) = (Arc::new(stages.retention()), stages.clock.clone());
    let mut job = Expiry::new(stages.store.clone(), retention, clock, metrics);
    let erasing = async {
        loop {
            job.turn(&CancellationToken::new()).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let one = Uuid::from_u128(1);
    let of = |table| format!("(SELECT count(*) FROM {table} WHERE signal_id = '{one}')");
    let left = ["signals", "signal_homes", "sealed_identities", "erasures"].map(of);
    let left = format!("SELECT {}", left.join(" + "));
    tokio::select! {
        () = stages.until_none(&left) => {}
        () = erasing => {}
    }
    assert_eq!(tasks(&stages).await, ["open debt.single"]);
    stages.stop(true).await;
}
