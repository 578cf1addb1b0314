//! Taking, trying, finishing, taking back.

use std::time::Duration;

use axum::http::StatusCode;
use sqlx::PgPool;
use voorveld_domain::Role;

use super::house::{House, SeededTask};
use crate::UNDO_WINDOW;

const TEAM: &[Role] = &[Role::TeamMember];

async fn state(house: &House, task: &SeededTask) -> (String, i32) {
    sqlx::query_as("SELECT state, version FROM tasks WHERE task_id = $1")
        .bind(task.id)
        .fetch_one(&house.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_two_who_claim_at_once_one_has_it_and_the_other_is_told_kindly(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("bram", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let (mut anna, mut bram) = (house.browser("anna").await, house.browser("bram").await);
    let claim = format!("{}/oppakken", task.page());
    let (one, two) = tokio::join!(
        anna.post(&claim, &[("version", "1")]),
        bram.post(&claim, &[("version", "1")]),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::CONFLICT]);
    let loser = if one.status == StatusCode::CONFLICT {
        one
    } else {
        two
    };
    assert!(loser.body.contains("Deze taak is intussen veranderd"));
    assert!(
        loser.body.contains("opgepakt door Collega"),
        "and sees who has it"
    );
    let told = house
        .count("SELECT count(*) FROM task_events WHERE event = 'claimed'")
        .await;
    assert_eq!(told, 1);
}

#[sqlx::test(migrations = "../../migrations")]
async fn only_who_has_a_task_writes_down_contact_and_ends_it(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("bram", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let (mut anna, mut bram) = (house.browser("anna").await, house.browser("bram").await);
    let contact = format!("{}/contact", task.page());
    let attempt = |on: &'static str| {
        [
            ("attempt", "0198c0de-0000-7000-8000-000000000001"),
            ("tried_on", on),
            ("channel", "home_visit"),
            ("day_part", "evening"),
            ("reached", "ja"),
        ]
    };
    let early = anna.post(&contact, &attempt("2025-11-24")).await;
    assert_eq!(early.status, StatusCode::CONFLICT, "take it first");
    anna.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    let other = bram.post(&contact, &attempt("2025-11-24")).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert!(other.body.contains("Een collega heeft deze taak"));
    let tomorrow = anna.post(&contact, &attempt("2025-11-25")).await;
    assert_eq!(tomorrow.status, StatusCode::BAD_REQUEST);
    for _ in 0..2 {
        let written = anna.post(&contact, &attempt("2025-11-24")).await;
        assert_eq!(written.status, StatusCode::SEE_OTHER);
    }
    let mut otherwise = attempt("2025-11-24");
    otherwise[2] = ("channel", "telephone");
    let other = anna.post(&contact, &otherwise).await;
    assert_eq!(
        other.status,
        StatusCode::CONFLICT,
        "what is dropped is not called saved"
    );
    let attempts = house.count("SELECT count(*) FROM contact_attempts").await;
    assert_eq!(attempts, 1, "sent twice is written once");
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Huisbezoek, avond") && page.contains("bereikt"));
    let finish = format!("{}/afronden", task.page());
    let fields = [("version", "2"), ("outcome", "paid_or_arranged")];
    assert_eq!(
        bram.post(&finish, &fields).await.status,
        StatusCode::CONFLICT
    );
    let nothing = anna
        .post(&finish, &[("version", "2"), ("outcome", "anders")])
        .await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        anna.post(&finish, &fields).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(state(&house, &task).await, ("closed".to_owned(), 3));
    let woken = house
        .count("SELECT count(*) FROM wake_ups WHERE reason = 'result' AND topic = 'signals.resolved' AND partition = 3")
        .await;
    assert_eq!(woken, 1);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_result_is_news_where_a_signal_of_the_task_lives_by_now(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let signal = house
        .signal(&task, None, "2025-11-20", 45_000, "Voorbeeld")
        .await;
    house
        .ground(&task, "debt.single", "Eén signaal.", &[signal])
        .await;
    let elsewhere = uuid::Uuid::new_v4();
    sqlx::query(
        "WITH home AS (INSERT INTO households (household_id, municipality, first_seen_at) VALUES ($2, '0518', now()) RETURNING household_id)
         INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, withdrawn, partition, placed,
            received_at, decided_at)
         SELECT $1, 2, 2, '0518', 'woonstede', 'rent_arrears', household_id, false, 0, true, now(), now() FROM home",
    )
    .bind(signal)
    .bind(elsewhere)
    .execute(&house.pool)
    .await
    .unwrap();
    let mut anna = house.browser("anna").await;
    anna.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    let fields = [("version", "2"), ("outcome", "paid_or_arranged")];
    anna.post(&format!("{}/afronden", task.page()), &fields)
        .await;
    anna.post(&format!("{}/ongedaan", task.page()), &[("version", "3")])
        .await;
    let woken: Vec<(uuid::Uuid, String)> = sqlx::query_as(
        "SELECT household_id, reason FROM wake_ups WHERE household_id = $1 ORDER BY reason",
    )
    .bind(elsewhere)
    .fetch_all(&house.pool)
    .await
    .unwrap();
    assert_eq!(
        woken,
        [
            (elsewhere, "reopened".to_owned()),
            (elsewhere, "result".to_owned())
        ]
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_result_can_be_taken_back_for_ten_minutes_by_who_gave_it(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("bram", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let (mut anna, mut bram) = (house.browser("anna").await, house.browser("bram").await);
    let undo = format!("{}/ongedaan", task.page());
    let finish = format!("{}/afronden", task.page());
    anna.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    anna.post(&finish, &[("version", "2"), ("outcome", "no_contact")])
        .await;
    house.clock.advance(UNDO_WINDOW);
    let other = bram.post(&undo, &[("version", "3")]).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    let undone = anna.post(&undo, &[("version", "3")]).await;
    assert_eq!(undone.status, StatusCode::SEE_OTHER);
    assert_eq!(state(&house, &task).await, ("claimed".to_owned(), 4));
    anna.post(&finish, &[("version", "4"), ("outcome", "no_contact")])
        .await;
    house.clock.advance(UNDO_WINDOW + Duration::from_secs(1));
    let late = anna.post(&undo, &[("version", "5")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.body.contains("Die tijd is voorbij"));
    assert_eq!(state(&house, &task).await, ("closed".to_owned(), 5));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_result_is_not_taken_back_over_a_new_task(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let mut anna = house.browser("anna").await;
    anna.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    anna.post(
        &format!("{}/afronden", task.page()),
        &[("version", "2"), ("outcome", "no_contact")],
    )
    .await;
    let next = house.task("wijkteam-noord", "2025-12-27").await;
    sqlx::query("UPDATE tasks SET household_id = $2 WHERE task_id = $1")
        .bind(next.id)
        .bind(task.household)
        .execute(&house.pool)
        .await
        .unwrap();
    let undo = format!("{}/ongedaan", task.page());
    let refused = anna.post(&undo, &[("version", "3")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("intussen een nieuwe taak"));
    assert_eq!(state(&house, &task).await, ("closed".to_owned(), 3));
}

#[sqlx::test(migrations = "../../migrations")]
async fn evidence_that_joined_meanwhile_is_looked_at_before_a_task_is_ended(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let mut anna = house.browser("anna").await;
    anna.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    house
        .run("UPDATE tasks SET version = version + 1, due_on = '2025-11-25'")
        .await;
    house
        .ground(&task, "debt.crisis", "Er dreigt een ontruiming.", &[])
        .await;
    let refused = anna
        .post(
            &format!("{}/afronden", task.page()),
            &[("version", "2"), ("outcome", "no_contact")],
        )
        .await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("Er dreigt een ontruiming."));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_flagged_task_that_is_given_back_is_judged_again(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let mut anna = house.browser("anna").await;
    anna.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    house.run("UPDATE tasks SET flagged = true").await;
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Alle redenen voor deze taak zijn vervallen"));
    anna.post(&format!("{}/vrijgeven", task.page()), &[("version", "2")])
        .await;
    assert_eq!(state(&house, &task).await, ("open".to_owned(), 3));
    let woken = house
        .count("SELECT count(*) FROM wake_ups WHERE reason = 'released'")
        .await;
    assert_eq!(woken, 1);
}
