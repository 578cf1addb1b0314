//! The safety desk at work.

use axum::http::StatusCode;
use sqlx::PgPool;
use voorveld_domain::Role;

use super::house::{House, SeededTask, seen};

const TEAM: &[Role] = &[Role::TeamMember];
const DESK: &[Role] = &[Role::SafetyDesk];

/// A task of the desk about a held household, with one marker.
async fn held(house: &House) -> (SeededTask, uuid::Uuid) {
    let task = house
        .task_of("0518", "veiligheidsdesk", "safety", "2025-11-27")
        .await;
    let marker = house.marker(&task, None, "Eerste").await;
    house
        .ground(&task, "safety.meldcode", "Acute onveiligheid.", &[marker])
        .await;
    let hold = house.hold(&task).await;
    (task, hold)
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_hold_is_not_lifted_over_a_marker_that_the_desk_has_not_seen(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("desk", DESK, &[]).await;
    let (task, hold) = held(&house).await;
    let mut desk = house.browser("desk").await;
    let lift = format!("/veiligheid/holds/{hold}");
    let page = desk.get("/veiligheid").await.body;
    assert!(page.contains("1 melding<"));
    let old = seen(&page, hold);
    let without = desk.post(&lift, &[("reason", "no_unsafety")]).await;
    assert_eq!(without.status, StatusCode::CONFLICT);

    // The household is held already, so that this one makes no hold of its own.
    house.marker(&task, None, "Tweede").await;
    let blind = desk
        .post(&lift, &[("seen", old.as_str()), ("reason", "no_unsafety")])
        .await;
    assert_eq!(blind.status, StatusCode::CONFLICT);
    assert!(blind.body.contains("Kijk eerst wat er nu staat"));
    assert!(blind.body.contains("2 meldingen<"));
    let active = house
        .count("SELECT count(*) FROM holds WHERE lifted_at IS NULL")
        .await;
    assert_eq!(active, 1);

    // What the desk does itself is nothing it has not seen.
    let new = seen(&blind.body, hold);
    desk.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    let knowing = desk
        .post(&lift, &[("seen", new.as_str()), ("reason", "no_unsafety")])
        .await;
    assert_eq!(knowing.status, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_desk_sees_the_deadlines_of_what_waits_and_its_ended_task(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("desk", DESK, &[]).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let (safety, _) = held(&house).await;
    let waits = house.task("wijkteam-noord", "2025-11-26").await;
    sqlx::query("UPDATE tasks SET household_id = $2 WHERE task_id = $1")
        .bind(waits.id)
        .bind(safety.household)
        .execute(&house.pool)
        .await
        .unwrap();
    let mut desk = house.browser("desk").await;
    let (_, holds) = desk
        .get("/veiligheid")
        .await
        .body
        .split_once("Huishoudens waar nu geen contact mag")
        .map(|(before, after)| (before.to_owned(), after.to_owned()))
        .unwrap();
    assert!(holds.contains("Beoordelen: uiterlijk donderdag 27 november"));
    assert!(holds.contains("1 taak van een team wacht: uiterlijk woensdag 26 november"));
    house
        .run("UPDATE tasks SET state = 'closed', closed_at = now() - interval '1 year' WHERE purpose = 'safety'")
        .await;
    let page = desk.get("/veiligheid").await.body;
    assert!(
        page.contains(&safety.page()),
        "who it was about stays to be found"
    );
    assert!(
        !page.contains("Beoordelen:"),
        "an ended task has no deadline"
    );
}
