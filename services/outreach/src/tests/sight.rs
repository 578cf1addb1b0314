//! Who sees what.

use axum::http::StatusCode;
use sqlx::PgPool;
use uuid::Uuid;
use voorveld_domain::Role;
use voorveld_store::users::User;

use super::house::{House, SeededTask, seen};

const TEAM: &[Role] = &[Role::TeamMember];
const DESK: &[Role] = &[Role::SafetyDesk];

#[sqlx::test(migrations = "../../migrations")]
async fn a_task_of_another_team_municipality_or_desk_does_not_exist(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let own = house.task("wijkteam-noord", "2025-11-27").await;
    let others = [
        house.task("wijkteam-zuid", "2025-11-27").await,
        house
            .task_of("0363", "wijkteam-noord", "debt_help", "2025-11-27")
            .await,
        house
            .task_of("0518", "wijkteam-noord", "safety", "2025-11-27")
            .await,
    ];
    let mut anna = house.browser("anna").await;
    let list = anna.get("/").await.body;
    assert!(list.contains(&own.page()));
    for other in &others {
        assert!(!list.contains(&other.page()));
        assert_eq!(anna.get(&other.page()).await.status, StatusCode::NOT_FOUND);
        let claim = format!("{}/oppakken", other.page());
        let claimed = anna.post(&claim, &[("version", "1")]).await;
        assert_eq!(claimed.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(
        anna.get("/taken/geen-nummer").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(anna.get("/veiligheid").await.status, StatusCode::FORBIDDEN);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_list_goes_by_urgency_and_then_by_deadline(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let late = house.task("wijkteam-noord", "2025-11-20").await;
    let crisis = house.task("wijkteam-noord", "2025-11-27").await;
    let soon = house.task("wijkteam-noord", "2025-11-24").await;
    let fourth = house.task("wijkteam-noord", "2025-12-01").await;
    sqlx::query("UPDATE tasks SET urgency = 'crisis' WHERE task_id = $1")
        .bind(crisis.id)
        .execute(&house.pool)
        .await
        .unwrap();
    let mut anna = house.browser("anna").await;
    let list = anna.get("/").await.body;
    let (today, all) = list.split_once("Alle taken").unwrap();
    let place = |text: &str, page: &str| text.find(page);
    let order = [&crisis, &late, &soon].map(|task| place(today, &task.page()).unwrap());
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(place(today, &fourth.page()), None, "three and no more");
    assert!(place(all, &fourth.page()).is_some());
    house.hold(&crisis).await;
    let list = anna.get("/?lijst=open").await.body;
    let (today, all) = list.split_once("Nog op te pakken").unwrap();
    assert_eq!(place(today, &crisis.page()), None);
    assert!(
        place(all, &fourth.page()) < place(all, &crisis.page()),
        "the place of a held household tells nothing of its urgency"
    );
    assert!(list.contains("donderdag 20 november, 2 werkdagen te laat"));
    assert!(list.contains("uiterlijk maandag 1 december, nog 5 werkdagen"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn evidence_is_shown_per_person_and_one_opened_person_says_nothing_of_another(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let witnesses = [
        house
            .signal(&task, Some(one), "2025-10-06", 45_000, "Eerste")
            .await,
        house
            .signal(&task, Some(two), "2025-11-06", 12_345, "Tweede")
            .await,
        house
            .signal(&task, None, "2025-11-07", 10_000, "Derde")
            .await,
        house
            .signal(&task, None, "2025-11-08", 10_000, "Vierde")
            .await,
    ];
    // K1: a signal of the same household that no ground of this task leans on stays out of sight.
    house
        .signal(&task, Some(one), "2025-09-01", 99_900, "Eerste")
        .await;
    house
        .ground(&task, "debt.consecutive", "Vaker een signaal.", &witnesses)
        .await;
    let mut anna = house.browser("anna").await;
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Persoon A") && page.contains("Persoon B"));
    assert_eq!(page.matches(">Onbekende persoon<").count(), 2);
    assert!(page.contains("€ 450,00") && page.contains("€ 123,45"));
    assert!(!page.contains("€ 999,00"));
    for name in ["Eerste", "Tweede", "Derde", "Vierde", "Voorbeeldstraat"] {
        assert!(!page.contains(name), "{name}");
    }
    let open = format!("{}/personen/{two}", task.page());
    let opened = anna.post(&open, &[("reason", "visit")]).await.body;
    assert!(opened.contains("T. Tweede") && opened.contains("Voorbeeldstraat 12"));
    for name in ["Eerste", "Derde", "Vierde"] {
        assert!(!opened.contains(name), "{name}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_opening_is_logged_before_anything_is_shown(pool: PgPool) {
    // The envelopes do not open here: what was committed before stands all the same.
    let house = House::with_wrong_keys(pool).await;
    let anna = house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let debtor = Uuid::new_v4();
    let signal = house
        .signal(&task, Some(debtor), "2025-11-06", 45_000, "Eerste")
        .await;
    house
        .ground(&task, "debt.single", "Een signaal.", &[signal])
        .await;
    let mut browser = house.browser("anna").await;
    let open = format!("{}/personen/{debtor}", task.page());
    let without = browser.post(&open, &[("reason", "")]).await;
    assert_eq!(without.status, StatusCode::BAD_REQUEST);
    let none = house
        .count("SELECT count(*) FROM audit_events WHERE action = 'identity.opened'")
        .await;
    assert_eq!(none, 0, "without a reason nothing is opened or logged");
    let closed = browser.post(&open, &[("reason", "contact")]).await;
    assert_eq!(closed.status, StatusCode::INTERNAL_SERVER_ERROR);
    let logged: (String, String, String, Uuid, Uuid) = sqlx::query_as(
        "SELECT actor, subject_id, reason, task_id, household_id FROM audit_events WHERE action = 'identity.opened'",
    )
    .fetch_one(&house.pool)
    .await
    .unwrap();
    assert_eq!(
        logged,
        (
            anna.id.to_string(),
            signal.to_string(),
            "contact".to_owned(),
            task.id,
            task.household,
        )
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_hold_reads_alike_for_everybody_and_stops_everything_but_giving_back(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("desk", DESK, &[]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let debtor = Uuid::new_v4();
    let signal = house
        .signal(&task, Some(debtor), "2025-11-06", 45_000, "Eerste")
        .await;
    house
        .ground(&task, "debt.single", "Huurachterstand.", &[signal])
        .await;
    let mut anna = house.browser("anna").await;
    anna.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    let hold = house.hold(&task).await;

    let list = anna.get("/").await.body;
    assert!(list.contains("Stop: nu geen contact"), "who has it is told");
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Nu geen contact") && page.contains("stop ermee"));
    for hidden in ["Huurachterstand", "€ 450,00", "veiligheid", "Contactpoging"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
    let today = [
        ("attempt", "0198c0de-0000-7000-8000-000000000000"),
        ("tried_on", "2025-11-24"),
        ("channel", "telephone"),
        ("day_part", "morning"),
        ("reached", "nee"),
    ];
    for (act, fields) in [
        ("contact", &today[..]),
        ("afronden", &[("version", "2"), ("outcome", "no_contact")]),
        (&format!("personen/{debtor}"), &[("reason", "visit")]),
    ] {
        let refused = anna.post(&format!("{}/{act}", task.page()), fields).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{act}");
        assert!(!refused.body.contains("Eerste"));
    }
    let opened = house
        .count("SELECT count(*) FROM audit_events WHERE action = 'identity.opened'")
        .await;
    assert_eq!(opened, 0);
    let back = anna
        .post(&format!("{}/vrijgeven", task.page()), &[("version", "2")])
        .await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    let claim = anna
        .post(&format!("{}/oppakken", task.page()), &[("version", "3")])
        .await;
    assert_eq!(claim.status, StatusCode::CONFLICT);

    // Only the desk knows why, and only the desk lifts it.
    let lift = format!("/veiligheid/holds/{hold}");
    let mut desk = house.browser("desk").await;
    let page = desk.get("/veiligheid").await.body;
    assert!(page.contains("Nu geen contact: veiligheid"));
    let seen = seen(&page, hold);
    let because = [("seen", seen.as_str()), ("reason", "mistaken")];
    let refused = anna.post(&lift, &because).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.get(&task.page()).await.status, StatusCode::NOT_FOUND);
    let lifted = desk.post(&lift, &because).await;
    assert_eq!(lifted.status, StatusCode::SEE_OTHER);
    let again = desk.post(&lift, &because).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let logged = house
        .count("SELECT count(*) FROM audit_events WHERE action = 'hold.lifted'")
        .await;
    let woken = house
        .count("SELECT count(*) FROM wake_ups WHERE reason = 'hold_lifted' AND partition = 3")
        .await;
    assert_eq!((logged, woken), (1, 1));
    let claim = anna
        .post(&format!("{}/oppakken", task.page()), &[("version", "3")])
        .await;
    assert_eq!(claim.status, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_desk_works_on_its_own_tasks_although_the_household_is_held(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("desk", DESK, &["veiligheidsdesk"]).await;
    let task = house
        .task_of("0518", "veiligheidsdesk", "safety", "2025-11-27")
        .await;
    let debtor = Uuid::new_v4();
    let signal = house
        .signal(&task, Some(debtor), "2025-11-20", 100, "Eerste")
        .await;
    house
        .ground(&task, "safety.meldcode", "Acute onveiligheid.", &[signal])
        .await;
    house.hold(&task).await;
    let mut desk = house.browser("desk").await;
    assert_eq!(desk.get("/").await.location, "/veiligheid");
    assert!(desk.get("/veiligheid").await.body.contains(&task.page()));
    let open = format!("{}/personen/{debtor}", task.page());
    let opened = desk.post(&open, &[("reason", "safety")]).await;
    assert!(opened.body.contains("T. Eerste"));
    let claim = desk
        .post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    assert_eq!(claim.status, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_marker_without_a_household_goes_straight_to_the_desk(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("desk", DESK, &[]).await;
    let signal = house.unplaced_marker("Zonderadres").await;
    let mut desk = house.browser("desk").await;
    let page = desk.get("/veiligheid").await.body;
    assert!(page.contains("Meldingen zonder huishouden") && !page.contains("Zonderadres"));
    let opened = desk
        .post(
            &format!("/veiligheid/meldingen/{signal}"),
            &[("reason", "safety")],
        )
        .await;
    assert!(opened.body.contains("T. Zonderadres"));
    let logged = house
        .count("SELECT count(*) FROM audit_events WHERE action = 'identity.opened'")
        .await;
    assert_eq!(logged, 1);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_opened_identity_is_never_of_a_newer_revision_than_the_evidence(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let debtor = Uuid::new_v4();
    let signal = house
        .signal(&task, Some(debtor), "2025-11-06", 45_000, "Eerste")
        .await;
    house
        .ground(&task, "debt.single", "Een signaal.", &[signal])
        .await;
    // A correction has been placed and not been judged yet: the page still tells what the first revision said.
    house.seal(signal, 2, "Ander").await;
    let mut anna = house.browser("anna").await;
    let open = format!("{}/personen/{debtor}", task.page());
    let opened = anna.post(&open, &[("reason", "visit")]).await.body;
    assert!(opened.contains("T. Eerste") && !opened.contains("Ander"));
    house.run("UPDATE signals SET revision = 2").await;
    let opened = anna.post(&open, &[("reason", "visit")]).await.body;
    assert!(opened.contains("T. Ander"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_opening_is_logged_with_a_reason_that_belongs_to_the_task(pool: PgPool) {
    let house = House::open(pool).await;
    house
        .colleague(
            "anna",
            &[Role::TeamMember, Role::SafetyDesk],
            &["wijkteam-noord"],
        )
        .await;
    let team = house.task("wijkteam-noord", "2025-11-27").await;
    let safety = house
        .task_of("0518", "veiligheidsdesk", "safety", "2025-11-27")
        .await;
    let mut anna = house.browser("anna").await;
    for (task, reason, status) in [
        (&team, "safety", StatusCode::BAD_REQUEST),
        (&safety, "visit", StatusCode::BAD_REQUEST),
        (&team, "visit", StatusCode::OK),
        (&safety, "safety", StatusCode::OK),
    ] {
        let debtor = Uuid::new_v4();
        let signal = house
            .signal(task, Some(debtor), "2025-11-06", 45_000, "Eerste")
            .await;
        house
            .ground(task, &format!("debt.{reason}"), "Een signaal.", &[signal])
            .await;
        let open = format!("{}/personen/{debtor}", task.page());
        let answer = anna.post(&open, &[("reason", reason)]).await;
        assert_eq!(answer.status, status, "{reason}");
    }
}

/// Gives a task to a colleague.
async fn claimed(house: &House, task: &SeededTask, user: &User) {
    sqlx::query("UPDATE tasks SET state = 'claimed', claimed_by = $2, claimed_at = now() WHERE task_id = $1")
        .bind(task.id)
        .bind(user.id.uuid())
        .execute(&house.pool)
        .await
        .unwrap();
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_has_many_tasks_is_told_to_stop_all_the_same(pool: PgPool) {
    let house = House::open(pool).await;
    let anna = house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let mut last = house.task("wijkteam-noord", "2025-12-31").await;
    for _ in 0..30 {
        last = house.task("wijkteam-noord", "2025-12-31").await;
        claimed(&house, &last, &anna).await;
    }
    house.hold(&last).await;
    let mut browser = house.browser("anna").await;
    for list in ["/", "/?lijst=mijn", "/?lijst=open", "/?lijst=afgerond"] {
        let page = browser.get(list).await.body;
        assert!(page.contains("Stop: nu geen contact"), "{list}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_task_whose_reasons_are_gone_is_not_for_today_and_claims_no_reason(pool: PgPool) {
    let house = House::open(pool).await;
    let anna = house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let gone = house.task("wijkteam-noord", "2025-11-25").await;
    house
        .ground(&gone, "debt.single", "Huurachterstand.", &[])
        .await;
    house
        .run("UPDATE task_grounds SET gone_as_of = '2025-11-24'")
        .await;
    claimed(&house, &gone, &anna).await;
    house.run("UPDATE tasks SET flagged = true").await;
    let stands = house.task("wijkteam-noord", "2025-11-27").await;
    let mut browser = house.browser("anna").await;
    let page = browser.get("/").await.body;
    let (before, list) = page.split_once("Alle taken").unwrap();
    let (decide, today) = before.split_once("Het huishouden voor vandaag").unwrap();
    assert!(decide.contains("Redenen vervallen: beslis zelf") && decide.contains(&gone.page()));
    assert!(today.contains(&stands.page()) && !today.contains(&gone.page()));
    assert!(list.contains(&gone.page()) && !page.contains("Huurachterstand."));

    let finish = format!("{}/afronden", gone.page());
    let task = browser.get(&gone.page()).await.body;
    assert!(task.contains("Alle redenen voor deze taak zijn vervallen"));
    browser
        .post(
            &finish,
            &[("version", "1"), ("outcome", "paid_or_arranged")],
        )
        .await;
    let task = browser.get(&gone.page()).await.body;
    assert!(!task.contains("Alle redenen voor deze taak zijn vervallen"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_lapsed_or_was_merged_is_on_the_list_of_what_ended(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let mut seeded = Vec::new();
    for (state, at) in [
        ("withdrawn", "2025-11-20T09:00:00Z"),
        ("merged", "2025-11-20T09:00:00Z"),
        ("withdrawn", "2025-11-01T09:00:00Z"),
    ] {
        let task = house.task("wijkteam-noord", "2025-11-27").await;
        house
            .ground(&task, "debt.single", "Huurachterstand.", &[])
            .await;
        sqlx::query("UPDATE tasks SET state = $2, closed_at = $3::timestamptz WHERE task_id = $1")
            .bind(task.id)
            .bind(state)
            .bind(at)
            .execute(&house.pool)
            .await
            .unwrap();
        seeded.push(task);
    }
    house
        .run("UPDATE task_grounds SET gone_as_of = '2025-11-20'")
        .await;
    let mut anna = house.browser("anna").await;
    let page = anna.get("/?lijst=afgerond").await.body;
    assert!(page.contains(&seeded[0].page()) && page.contains("Vervallen: Huurachterstand."));
    assert!(page.contains(&seeded[1].page()) && page.contains("Samengevoegd"));
    assert!(
        !page.contains(&seeded[2].page()),
        "longer than two weeks ago"
    );
    assert!(page.contains("Afgerond <span class=\"count\">2</span>"));
}
