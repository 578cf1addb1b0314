//! From `signals.received` to tasks: filing, judging, moving, taking back; and that crashes and repeats leave no trace.

use jiff::civil::date;
use sqlx::PgPool;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC};

use crate::stages::{Sent, Stages, energy, rent};

fn again(sent: &Sent) -> Sent {
    Sent {
        revision: sent.revision + 1,
        ..sent.clone()
    }
}

fn taken_back(sent: &Sent) -> Sent {
    Sent {
        withdrawn: true,
        ..again(sent)
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn two_partners_about_one_front_door_become_one_task_that_says_why(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, "12a"), energy(2, "12 A")]).await;
    stages.settle().await;
    let rules = stages.texts("SELECT rule_id FROM matches").await;
    assert!(rules.contains("debt.multiple"), "{rules:?}");
    assert!(!rules.contains("debt.single"), "{rules:?}");
    assert_eq!(stages.open_tasks().await.len(), 1);
    let words = stages
        .texts("SELECT words FROM task_grounds WHERE rule_id = 'debt.multiple'")
        .await;
    let words = words.first().expect("a ground in words");
    assert!(
        words.contains("Huur") && words.contains("Energie") && words.contains("januari 2025"),
        "{words}"
    );
    let requests = stages.texts("SELECT request_id FROM tasks").await;
    assert!(
        requests.iter().all(|request| request.starts_with("test-")),
        "{requests:?}"
    );
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_correction_that_changes_the_address_moves_the_signal_and_both_households_are_judged_again(
    pool: PgPool,
) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, "12"), energy(2, "12")]).await;
    stages.settle().await;
    assert_eq!(stages.open_tasks().await.len(), 1);
    let elsewhere = Sent {
        house: Some("14"),
        ..again(&energy(2, "12"))
    };
    stages.send(&[elsewhere]).await;
    stages.settle().await;
    let rules = stages.texts("SELECT rule_id || ' ' || array_to_string(witnesses, ',') FROM matches WHERE rule_id IN ('debt.multiple', 'debt.single')").await;
    assert!(
        rules.iter().all(|rule| rule.starts_with("debt.single")),
        "{rules:?}"
    );
    assert_eq!(rules.len(), 2);
    assert_eq!(stages.open_tasks().await.len(), 2);
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_taken_back_stops_counting_and_an_unclaimed_task_goes_with_it(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&[rent(1, "12")]).await;
    stages.settle().await;
    assert_eq!(stages.open_tasks().await.len(), 1);
    stages.send(&[taken_back(&rent(1, "12"))]).await;
    stages.settle().await;
    assert!(stages.matches().await.is_empty());
    assert!(stages.open_tasks().await.is_empty());
    assert_eq!(
        stages.texts("SELECT state FROM tasks").await,
        ["withdrawn".to_owned()].into()
    );
    // Only a correction by the partner revives it.
    stages
        .send(&[Sent {
            revision: 3,
            ..rent(1, "12")
        }])
        .await;
    stages.settle().await;
    assert_eq!(stages.open_tasks().await.len(), 1);
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_safety_marker_holds_the_household_and_goes_to_the_desk(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    let marker = Sent {
        kind: "reporting_code_report",
        cents: None,
        ..rent(3, "12")
    };
    stages.send(&[rent(1, "12"), marker]).await;
    stages.settle().await;
    assert_eq!(
        stages
            .texts("SELECT purpose FROM tasks WHERE state = 'open'")
            .await,
        ["debt_help".to_owned(), "safety".to_owned()].into()
    );
    assert_eq!(
        stages
            .texts("SELECT reason FROM holds WHERE lifted_at IS NULL")
            .await
            .len(),
        1
    );
    let seen = stages.texts("SELECT e.detail::text FROM task_events e JOIN tasks USING (task_id) WHERE purpose = 'debt_help' AND event = 'held'").await;
    assert!(
        seen.iter().all(|detail| detail == "{}"),
        "a hold reads alike whatever its reason: {seen:?}"
    );
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_signal_without_an_address_waits_unplaced_and_poison_is_put_aside(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages
        .send(&[Sent {
            house: None,
            ..rent(1, "12")
        }])
        .await;
    stages.send_raw(RECEIVED_TOPIC, b"{\"v\":1").await;
    stages.send_raw(RESOLVED_TOPIC, b"not a record").await;
    stages.send(&[rent(2, "16")]).await;
    stages.settle().await;
    let unplaced = stages.store.unplaced(None).await.expect("answers");
    assert_eq!(unplaced.len(), 1);
    assert_eq!(unplaced[0].reason.as_deref(), Some("no_address"));
    let letters = stages.store.dead_letters().await.expect("answers");
    assert_eq!(letters.len(), 2);
    assert_eq!(stages.open_tasks().await.len(), 1, "the stream goes on");
    stages.stop(true).await;
}

/// Invented traffic: arrears of three kinds at a few front doors, some corrected, moved or taken back.
fn traffic(seed: u64, signals: u128) -> Vec<Sent> {
    const HOUSES: [&str; 8] = ["2", "4", "6", "8", "10", "12", "14 II", "14 hs"];
    const KINDS: [&str; 3] = ["rent_arrears", "energy_arrears", "water_arrears"];
    let mut state = seed;
    let mut draw = move |most: u64| {
        // A linear congruential generator (Knuth's constants): repeatable, and good enough to shuffle houses.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let mut sent: Vec<Sent> = Vec::new();
    for signal in 1..=signals {
        let pick = |list: &[&'static str], draw: &mut dyn FnMut(u64) -> u64| {
            list[usize::try_from(draw(list.len() as u64)).expect("small")]
        };
        let one = Sent {
            signal,
            revision: 1,
            kind: pick(&KINDS, &mut draw),
            day: date(2024, 10, 1)
                .saturating_add(jiff::Span::new().days(i64::try_from(draw(110)).expect("small"))),
            cents: Some(u32::try_from(2_000 + draw(100_000)).expect("small")),
            house: Some(pick(&HOUSES, &mut draw)),
            withdrawn: false,
            bsn: None,
        };
        sent.push(one.clone());
        match draw(6) {
            0 => sent.push(taken_back(&one)),
            1 => sent.push(Sent {
                house: Some(pick(&HOUSES, &mut draw)),
                ..again(&one)
            }),
            2 => sent.push(Sent {
                cents: Some(99_900),
                ..again(&one)
            }),
            _ => {}
        }
    }
    sent
}

#[sqlx::test(migrations = "../migrations")]
async fn matches_are_those_of_the_pure_function_over_what_was_sent(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    stages.send(&traffic(7, 120)).await;
    stages.settle().await;
    let households = stages
        .texts("SELECT household_id::text FROM household_judgements")
        .await;
    let mut expected = std::collections::BTreeSet::new();
    for household in households {
        let household = voorveld_domain::HouseholdId::from_uuid(household.parse().expect("an id"));
        let as_of = date(2025, 1, 20);
        let recalled =
            voorveld_recall::recall(&stages.store, &stages.retention(), household, as_of)
                .await
                .expect("answers")
                .expect("is known");
        let evaluation = voorveld_detect::evaluate(
            stages.policy.rules(),
            &recalled.timeline,
            stages.policy.calendar(),
            &recalled.feeds,
            as_of,
        );
        expected.extend(evaluation.matches.iter().map(|found| {
            let witnesses: Vec<String> = found.witnesses.iter().map(ToString::to_string).collect();
            format!("{} {} {}", found.rule, found.anchor, witnesses.join(","))
        }));
    }
    assert!(
        expected.len() > 20,
        "the traffic says something: {}",
        expected.len()
    );
    assert_eq!(stages.matches().await, expected);
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn crashes_repeats_and_small_batches_leave_no_trace(pool: PgPool) {
    let options = pool.connect_options();
    let traffic = traffic(42, 80);
    let mut calm = Stages::new(pool, "2025-01-20").await;
    calm.start().await;
    calm.send(&traffic).await;
    calm.settle().await;
    let (matches, tasks) = (calm.matches().await, calm.open_tasks().await);
    calm.stop(true).await;
    assert!(!tasks.is_empty());

    // The same on a log and database emptied of everything but the schema, with every record three times and the stages pulled down in between.
    let pool = PgPool::connect_with(options.as_ref().clone())
        .await
        .expect("connects");
    let tables: String = sqlx::query_scalar(
        "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'",
    )
    .fetch_one(&pool)
    .await
    .expect("tables");
    sqlx::query(sqlx::AssertSqlSafe(format!("TRUNCATE {tables}")))
        .execute(&pool)
        .await
        .expect("empties");
    let mut rough = Stages::new(pool, "2025-01-20").await;
    for (turn, few) in traffic.chunks(17).enumerate() {
        rough.start().await;
        for one in few {
            rough.send(std::slice::from_ref(one)).await;
            rough.send(std::slice::from_ref(one)).await;
        }
        rough.send(few).await;
        rough.stop(turn % 2 == 0).await;
    }
    rough.start().await;
    rough.settle().await;
    assert_eq!(rough.matches().await, matches);
    assert_eq!(rough.open_tasks().await, tasks);
    rough.stop(true).await;
}

/// Two invented numbers that pass the eleven-test.
const ONE_PERSON: Option<&str> = Some("999993653");
const ANOTHER: Option<&str> = Some("999990019");

/// K14: at an institution each known person is a household of one, and a signal that names nobody waits for a person. The list is what the file says:
/// an address that goes off it is a front door like any other for what comes in from then on.
#[sqlx::test(migrations = "../migrations")]
async fn at_an_excluded_address_nothing_is_joined_across_persons(pool: PgPool) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.excluded = vec!["0518;1234AB;12;;shelter"];
    stages.start().await;
    let of = |bsn, sent: Sent| Sent { bsn, ..sent };
    stages
        .send(&[
            of(ONE_PERSON, rent(1, "12")),
            of(ANOTHER, energy(2, "12")),
            rent(3, "12"),
        ])
        .await;
    stages.settle().await;
    let matches = stages.matches().await;
    assert!(
        matches.iter().all(|found| found.starts_with("debt.single")) && matches.len() == 2,
        "{matches:?}"
    );
    let waits = stages
        .texts("SELECT unplaced_reason FROM signal_homes WHERE household_id IS NULL")
        .await;
    assert_eq!(waits, ["excluded_address".to_owned()].into());
    stages.send(&[of(ONE_PERSON, energy(4, "12"))]).await;
    stages.settle().await;
    let several = stages.matches().await;
    assert!(
        several
            .iter()
            .any(|found| found.starts_with("debt.multiple")),
        "one person's signals belong together: {several:?}"
    );
    stages.stop(true).await;

    let in_march = |sent| Sent {
        day: date(2024, 3, 5),
        ..sent
    };
    stages.excluded.clear();
    stages.start().await;
    stages
        .send(&[
            in_march(of(ONE_PERSON, rent(5, "12"))),
            in_march(of(ANOTHER, energy(6, "12"))),
        ])
        .await;
    stages.settle().await;
    let joined = stages.matches().await;
    assert!(
        joined
            .iter()
            .any(|found| found.starts_with("debt.multiple 2024-03")),
        "{joined:?}"
    );
    stages.stop(true).await;
}
