//! Asking the partner first, and ending without contact: proposed with its figures, decided by a person.

use std::sync::Arc;

use axum::http::StatusCode;
use sqlx::PgPool;
use uuid::Uuid;
use voorveld_domain::Role;
use voorveld_policy::{Bundle, Policy};

use super::house::{Answer, Browser, House, SeededTask};

const TEAM: &[Role] = &[Role::TeamMember];
const ASK: &str = "Vraag eerst bij de partner na of de achterstand er nog is. Het nieuwste signaal is van 20 oktober, 35 dagen geleden.";
const OFFER: &str = "Afronden: definitief geen contact kunnen krijgen";

/// A task with signals of these days.
async fn task(house: &House, days: &[&str]) -> SeededTask {
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let mut witnesses = Vec::new();
    for day in days {
        witnesses.push(house.signal(&task, None, day, 45_000, "Voorbeeld").await);
    }
    house
        .ground(&task, "debt.single", "Eén signaal.", &witnesses)
        .await;
    task
}

async fn claim(browser: &mut Browser, task: &SeededTask) {
    let page = format!("{}/oppakken", task.page());
    let answer = browser.post(&page, &[("version", "1")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
}

/// `2025-11-03 home_visit evening nee`
async fn attempt(browser: &mut Browser, task: &SeededTask, line: &str) -> Answer {
    let words: Vec<&str> = line.split(' ').collect();
    let id = Uuid::new_v4().to_string();
    let fields = [
        ("attempt", id.as_str()),
        ("tried_on", words[0]),
        ("channel", words[1]),
        ("day_part", words[2]),
        ("reached", words[3]),
    ];
    browser
        .post(&format!("{}/contact", task.page()), &fields)
        .await
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_old_signal_is_asked_about_until_somebody_is_reached(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let old = task(&house, &["2025-09-01", "2025-10-20"]).await;
    let fresh = task(&house, &["2025-09-01", "2025-11-03"]).await;
    let mut anna = house.browser("anna").await;
    let list = anna.get("/?lijst=open").await.body;
    assert!(list.contains(ASK), "on the list");
    assert_eq!(list.matches("Vraag eerst").count(), 2, "today and the list");
    let page = anna.get(&old.page()).await.body;
    assert!(page.contains(ASK) && page.contains("na meer dan 21 dagen"));
    assert!(page.contains("debt.freshness"));
    assert!(!anna.get(&fresh.page()).await.body.contains("Vraag eerst"));
    let told = anna.get(&format!("/api/v1/tasks/{}", old.id)).await.json();
    assert_eq!(told["askPartner"]["newestSignalOn"], "2025-10-20");
    assert_eq!(told["askPartner"]["days"], 35);
    assert_eq!(told["askPartner"]["limitDays"], 21);

    claim(&mut anna, &old).await;
    attempt(&mut anna, &old, "2025-11-24 telephone morning nee").await;
    assert!(anna.get(&old.page()).await.body.contains(ASK));
    attempt(&mut anna, &old, "2025-11-24 home_visit evening ja").await;
    let page = anna.get(&old.page()).await.body;
    assert!(!page.contains("Vraag eerst") && page.contains("Er is iemand bereikt"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_municipality_that_leaves_the_numbers_out_hears_nothing_from_the_moment_it_publishes(
    pool: PgPool,
) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = task(&house, &["2025-10-20"]).await;
    let mut anna = house.browser("anna").await;
    assert!(anna.get(&task.page()).await.body.contains(ASK));
    let mut files = Bundle::shipped().files().clone();
    let settings = files.get_mut("settings.yaml").unwrap();
    *settings = settings
        .replace("ask_partner_after_days: 21", "")
        .replace("no_contact: { after_attempts: 4, within_days: 28 }", "");
    let other = Policy::of_bundle(&Bundle::of_files(files).unwrap()).unwrap();
    house.policy.put(Arc::new(other));
    assert!(!anna.get(&task.page()).await.body.contains("Vraag eerst"));
    claim(&mut anna, &task).await;
    attempt(&mut anna, &task, "2025-11-24 telephone morning nee").await;
    let page = anna.get(&task.page()).await.body;
    assert!(!page.contains("debt.ladder"));
    assert!(page.contains("Ga langs"), "the ladder itself stays");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_signal_that_counts_no_more_and_a_hold_are_asked_nothing_about(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = task(&house, &["2025-10-20", "2025-11-20"]).await;
    let mut anna = house.browser("anna").await;
    assert!(!anna.get(&task.page()).await.body.contains("Vraag eerst"));
    house
        .run("UPDATE signals SET standing = 'withdrawn' WHERE event_date = '2025-11-20'")
        .await;
    assert!(anna.get(&task.page()).await.body.contains(ASK));
    house.hold(&task).await;
    assert!(!anna.get(&task.page()).await.body.contains("Vraag eerst"));
    assert!(!anna.get("/?lijst=open").await.body.contains("Vraag eerst"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn after_four_attempts_a_person_may_end_it_and_nothing_ends_by_itself(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("bram", TEAM, &["wijkteam-noord"]).await;
    let task = task(&house, &["2025-11-03"]).await;
    let (mut anna, mut bram) = (house.browser("anna").await, house.browser("bram").await);
    claim(&mut anna, &task).await;
    for line in [
        "2025-11-05 letter morning nee",
        "2025-11-10 telephone morning nee",
        "2025-11-14 home_visit morning nee",
    ] {
        attempt(&mut anna, &task, line).await;
    }
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("3 pogingen binnen 28 dagen, nog niemand bereikt."));
    assert!(page.contains("kaartje in de bus. Nog niet geprobeerd: middag en avond."));
    assert!(!page.contains(OFFER));

    attempt(&mut anna, &task, "2025-11-20 calling_card morning nee").await;
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("langs op een ander dagdeel voordat u stopt"));
    assert!(!page.contains(OFFER), "always in the morning is not enough");

    attempt(&mut anna, &task, "2025-11-24 calling_card evening nee").await;
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("5 pogingen binnen 28 dagen, op verschillende dagdelen"));
    assert!(page.contains(OFFER) && page.contains("debt.ladder"));
    assert!(anna.get("/").await.body.contains("5 keer niet bereikt"));
    assert!(!bram.get(&task.page()).await.body.contains(OFFER));
    let told = anna.get(&format!("/api/v1/tasks/{}", task.id)).await.json();
    assert_eq!(told["ladder"]["offered"]["code"], "no_contact");
    assert_eq!(told["ladder"]["step"], 4);
    let open = house
        .count("SELECT count(*) FROM tasks WHERE state = 'claimed' AND outcome IS NULL")
        .await;
    assert_eq!(open, 1, "AVG art. 22: it waits for a person");

    let version: i32 = sqlx::query_scalar("SELECT version FROM tasks")
        .fetch_one(&house.pool)
        .await
        .unwrap();
    let version = version.to_string();
    let fields = [("version", version.as_str()), ("outcome", "no_contact")];
    let finish = format!("{}/afronden", task.page());
    let ended = anna.post(&finish, &fields).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER);
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Definitief geen contact kunnen krijgen"));
    assert!(
        !page.contains("debt.ladder"),
        "the attempts stay, the ladder is over"
    );
    assert!(page.contains("Kaartje, avond"));
    house.run("DELETE FROM tasks").await;
    let left = house.count("SELECT count(*) FROM contact_attempts").await;
    assert_eq!(left, 0, "attempts go with their task");
}
