//! The safety desk at work.

use axum::http::StatusCode;
use sqlx::PgPool;
use voorveld_domain::Role;
use voorveld_store::queue::Discard;

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
async fn a_task_of_the_desk_asks_for_a_judgement_and_never_for_a_visit(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("desk", DESK, &[]).await;
    let (task, hold) = held(&house).await;
    house.run("UPDATE tasks SET urgency = 'crisis'").await;
    let mut desk = house.browser("desk").await;
    let page = desk.get(&task.page()).await.body;
    assert!(page.contains("Licht Veilig Thuis in"));
    assert!(page.contains("Nu geen contact: veiligheid"));
    for wrong in ["bel of ga langs", "Ga langs", "Stuur een brief"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    desk.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    let page = desk.get(&task.page()).await.body;
    assert!(!page.contains("Contactpoging"));
    assert!(page.contains("Verwijzing zonder tussenkomst inwoner"));
    assert!(!page.contains("Inwoner heeft zelf al betaald"));
    let contact = [
        ("attempt", "0198c0de-0000-7000-8000-000000000001"),
        ("tried_on", "2025-11-24"),
        ("channel", "home_visit"),
        ("day_part", "evening"),
        ("reached", "nee"),
    ];
    let went = desk
        .post(&format!("{}/contact", task.page()), &contact)
        .await;
    assert_eq!(went.status, StatusCode::CONFLICT);
    let finish = format!("{}/afronden", task.page());
    let paid = [("version", "2"), ("outcome", "paid_or_arranged")];
    assert_eq!(
        desk.post(&finish, &paid).await.status,
        StatusCode::BAD_REQUEST
    );
    house.run("UPDATE tasks SET flagged = true").await;
    let page = desk.get(&task.page()).await.body;
    assert!(page.contains("Alle meldingen bij deze taak zijn ingetrokken"));
    assert!(!page.contains("omdat er is betaald"));
    let referred = [("version", "2"), ("outcome", "referred_without_contact")];
    assert_eq!(
        desk.post(&finish, &referred).await.status,
        StatusCode::SEE_OTHER
    );

    // The task has ended and the household is still held: who it is about can still be seen, and the hold lifted from here.
    let page = desk.get(&task.page()).await.body;
    let (_, person) = page
        .split_once(&format!("{}/personen/", task.page()))
        .unwrap();
    let person = person.split_once('"').unwrap().0.to_owned();
    let opened = desk
        .post(
            &format!("{}/personen/{person}", task.page()),
            &[("reason", "safety")],
        )
        .await;
    assert!(opened.body.contains("T. Eerste"));
    let lifted = desk
        .post(
            &format!("/veiligheid/holds/{hold}"),
            &[
                ("seen", seen(&page, hold).as_str()),
                ("reason", "handed_over"),
                ("task", task.id.to_string().as_str()),
            ],
        )
        .await;
    assert_eq!(lifted.location, format!("{}?gedaan=vrij", task.page()));
    let page = desk.get(&lifted.location).await.body;
    assert!(page.contains("Contact met dit huishouden mag weer."));
    assert!(!page.contains("Naam en adres bekijken"));
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

#[sqlx::test(migrations = "../../migrations")]
async fn a_judged_marker_leaves_the_desk_and_stays_in_the_queue(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("desk", DESK, &[]).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let signal = house.unplaced_marker("Zonderadres").await;
    let (mut desk, mut anna) = (house.browser("desk").await, house.browser("anna").await);
    let page = desk.get("/veiligheid").await.body;
    assert!(page.contains("Meldingen zonder huishouden"));
    let judge = format!("/veiligheid/meldingen/{signal}/beoordeeld");
    let said = |revision, reason| [("revision", revision), ("reason", reason)];
    let stranger = anna.post(&judge, &said("1", "handed_over")).await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    let words = desk.post(&judge, &said("1", "eigen woorden")).await;
    assert_eq!(words.status, StatusCode::BAD_REQUEST);
    let other = desk.post(&judge, &said("2", "handed_over")).await;
    assert_eq!(other.status, StatusCode::CONFLICT, "another revision");
    let municipality = "0518".parse().unwrap();
    let kinds = ["reporting_code_report".to_owned()];
    let mut operations = house.store.begin("discard").await.unwrap();
    let early = operations.discard_unplaced(signal, &kinds).await.unwrap();
    assert_eq!(early, Discard::DeskFirst);
    drop(operations);

    let judged = desk.post(&judge, &said("1", "handed_over")).await;
    assert_eq!(judged.status, StatusCode::SEE_OTHER);
    let page = desk.get("/veiligheid").await.body;
    assert!(!page.contains("Meldingen zonder huishouden"));
    let again = desk.post(&judge, &said("1", "mistaken")).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let logged = house
        .count("SELECT count(*) FROM audit_events WHERE action = 'marker.judged' AND reason = 'handed_over'")
        .await;
    assert_eq!(logged, 1);
    let waiting = house.store.unplaced(Some(signal)).await.unwrap();
    assert_eq!(waiting.len(), 1, "it can still be given an address");

    // The same revision filed again asks nothing new; a correction does.
    for (revision, filing, asks) in [(1, 2, 0), (2, 1, 1)] {
        house.file_again(signal, revision, filing).await;
        let there = house
            .store
            .unplaced_markers(municipality, &kinds)
            .await
            .unwrap();
        assert_eq!(there.rows.len(), asks, "{revision} {filing}");
    }
    let judged = desk.post(&judge, &said("2", "no_unsafety")).await;
    assert_eq!(judged.status, StatusCode::SEE_OTHER);
    let mut operations = house.store.begin("discard").await.unwrap();
    let done = operations.discard_unplaced(signal, &kinds).await.unwrap();
    assert_eq!(done, Discard::Done);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_does_not_fit_on_the_desk_is_counted(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("desk", DESK, &[]).await;
    sqlx::query(
        "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, unplaced_reason, withdrawn,
                                   partition, placed, received_at, decided_at)
         SELECT gen_random_uuid(), 1, 1, '0518', 'woonstede', 'reporting_code_report', 'no_address', false, 0, true, now(), now()
         FROM generate_series(1, 203)",
    )
    .execute(&house.pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO holds (hold_id, municipality, household_id, reason, raised_at)
         SELECT gen_random_uuid(), '0518', gen_random_uuid(), 'safety', now() FROM generate_series(1, 207)",
    )
    .execute(&house.pool)
    .await
    .unwrap();
    let mut desk = house.browser("desk").await;
    let page = desk.get("/veiligheid").await.body;
    assert!(page.contains("En nog 3.") && page.contains("En nog 7."));
}
