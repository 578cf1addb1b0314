//! Signing in and staying so.

use std::time::Duration;

use axum::http::{Request, StatusCode, header};
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinSet;
use voorveld_accounts::{
    HASHING_WAITING_MAX, SESSION_IDLE, SESSION_MAX, THROTTLE_FAILURES, THROTTLE_WINDOW,
};
use voorveld_domain::Role;

use super::house::{House, PASSWORD};

const TEAM: &[Role] = &[Role::TeamMember];

#[sqlx::test(migrations = "../../migrations")]
async fn who_is_not_signed_in_is_asked_to_and_comes_back_where_they_were(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let mut browser = house.stranger();
    let asked = browser.get(&task.page()).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER);
    assert_eq!(asked.location, format!("/inloggen?naar={}", task.page()));
    browser.sign_in("anna", PASSWORD).await;
    assert_eq!(browser.get(&task.page()).await.status, StatusCode::OK);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_wrong_password_an_unknown_login_and_an_ended_account_read_alike(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &[]).await;
    house.colleague("weg", TEAM, &[]).await;
    house
        .run("UPDATE users SET disabled_at = now() WHERE login = 'weg'")
        .await;
    let mut browser = house.stranger();
    for (login, password) in [
        ("anna", "verkeerd wachtwoord"),
        ("niemand", PASSWORD),
        ("weg", PASSWORD),
    ] {
        let answer = browser.sign_in(login, password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{login}");
        assert!(answer.body.contains("klopt niet"));
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_typed_in_the_wrong_field_is_not_kept(pool: PgPool) {
    let house = House::open(pool).await;
    let mut browser = house.stranger();
    browser.sign_in("Mijn Geheime Wachtwoord!", PASSWORD).await;
    let kept = house.count("SELECT count(*) FROM sign_in_failures").await;
    assert_eq!(kept, 0);
}

#[sqlx::test(migrations = "../../migrations")]
async fn after_ten_wrong_passwords_a_login_waits_a_quarter_of_an_hour(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &[]).await;
    let mut browser = house.stranger();
    for _ in 0..THROTTLE_FAILURES {
        browser.sign_in("anna", "verkeerd wachtwoord").await;
    }
    let waits = browser.sign_in("anna", PASSWORD).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    house.wall.advance(THROTTLE_WINDOW);
    let answer = browser.sign_in("anna", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let left = house.count("SELECT count(*) FROM sign_in_failures").await;
    assert_eq!(left, 0, "signing in forgets them");
}

/// So many programs sign in at the same moment; what they are answered.
async fn at_once(
    house: &House,
    many: usize,
    password: &str,
    login: fn(usize) -> String,
) -> Vec<StatusCode> {
    let mut all = JoinSet::new();
    for number in 0..many {
        let mut program = house.stranger();
        let body = json!({ "login": login(number), "password": password }).to_string();
        all.spawn(async move {
            let request =
                Request::post("/api/v1/session").header(header::CONTENT_TYPE, "application/json");
            program.send(request, body).await.status
        });
    }
    all.join_all().await
}

fn count(statuses: &[StatusCode], status: StatusCode) -> usize {
    statuses.iter().filter(|one| **one == status).count()
}

#[sqlx::test(migrations = "../../migrations")]
async fn wrong_passwords_sent_at_once_are_counted_one_by_one(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &[]).await;
    let answers = at_once(&house, 25, "verkeerd wachtwoord", |_| "anna".to_owned()).await;
    let looked_at = count(&answers, StatusCode::UNAUTHORIZED);
    assert_eq!(i64::try_from(looked_at).unwrap(), THROTTLE_FAILURES);
    assert_eq!(
        count(&answers, StatusCode::TOO_MANY_REQUESTS),
        25 - looked_at
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_knocks_while_too_many_wait_is_asked_to_come_back(pool: PgPool) {
    let house = House::open(pool).await;
    let many = HASHING_WAITING_MAX + 20;
    let answers = at_once(&house, many, PASSWORD, |number| format!("niemand{number}")).await;
    let busy = count(&answers, StatusCode::SERVICE_UNAVAILABLE);
    assert!(0 < busy, "{answers:?}");
    assert_eq!(count(&answers, StatusCode::UNAUTHORIZED), many - busy);
    // What cannot be a login costs nothing, and waits for nobody.
    let answers = at_once(&house, many, PASSWORD, |_| {
        "Geen Gebruikersnaam!".to_owned()
    })
    .await;
    assert_eq!(count(&answers, StatusCode::UNAUTHORIZED), many);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_session_ends_when_it_is_not_used_and_after_a_working_day(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &[]).await;
    let mut idle = house.browser("anna").await;
    let almost = SESSION_IDLE.saturating_sub(Duration::from_secs(1));
    house.wall.advance(almost);
    assert_eq!(idle.get("/").await.status, StatusCode::OK);
    house.wall.advance(SESSION_IDLE);
    assert_eq!(idle.get("/").await.status, StatusCode::SEE_OTHER);

    let mut busy = house.browser("anna").await;
    let step = SESSION_IDLE.saturating_sub(Duration::from_mins(1));
    let mut used = Duration::ZERO;
    while used + step < SESSION_MAX {
        house.wall.advance(step);
        used += step;
        assert_eq!(busy.get("/").await.status, StatusCode::OK, "{used:?}");
    }
    house.wall.advance(step);
    assert_eq!(busy.get("/").await.status, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_sends_a_form_too_late_is_told_that_it_was_not_kept_and_led_back(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let mut anna = house.browser("anna").await;
    house.wall.advance(SESSION_IDLE);
    for (path, back) in [
        (format!("{}/contact", task.page()), task.page()),
        (format!("{}/personen/{}", task.page(), task.id), task.page()),
        (
            format!("/veiligheid/holds/{}", task.id),
            "/veiligheid".to_owned(),
        ),
        ("/wachtwoord".to_owned(), "/wachtwoord".to_owned()),
    ] {
        let late = anna.post(&path, &[("reached", "ja")]).await;
        assert_eq!(late.location, format!("/inloggen?naar={back}&verlopen=ja"));
        let page = anna.get(&late.location).await.body;
        assert!(page.contains("Uw sessie was verlopen; dit is niet opgeslagen."));
        assert!(page.contains(&format!("name=\"naar\" value=\"{back}\"")));
    }
    let looked = anna.get("/").await;
    assert_eq!(
        looked.location, "/inloggen",
        "a page can be asked for again"
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_simulated_year_that_flies_by_signs_nobody_out(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &[]).await;
    let mut anna = house.browser("anna").await;
    house.clock.advance(Duration::from_hours(365 * 24));
    let page = anna.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("dinsdag 24 november"), "a year later");
}

#[sqlx::test(migrations = "../../migrations")]
async fn signing_out_ends_the_session_and_not_only_the_cookie(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &[]).await;
    let mut browser = house.browser("anna").await;
    let mut copy = browser.clone();
    assert_eq!(browser.post("/uitloggen", &[]).await.location, "/inloggen");
    assert_eq!(copy.get("/").await.status, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_form_without_the_sessions_token_changes_nothing(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("bram", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let mut anna = house.browser("anna").await;
    let bram = house.browser("bram").await;
    let claim = format!("{}/oppakken", task.page());
    let bare = anna.post_bare(&claim, &[("version", "1")]).await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN);
    let foreign = anna
        .post_bare(&claim, &[("version", "1"), ("csrf", &bram.csrf)])
        .await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let open = house
        .count("SELECT count(*) FROM tasks WHERE state = 'open'")
        .await;
    assert_eq!(open, 1);
    // Nor may another site sign a browser in.
    let mut stranger = house.stranger();
    let answer = stranger
        .post_bare("/inloggen", &[("login", "anna"), ("password", PASSWORD)])
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_temporary_password_must_be_changed_before_anything_else(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &[]).await;
    house.run("UPDATE users SET must_change = true").await;
    let mut browser = house.browser("anna").await;
    assert_eq!(browser.get("/").await.location, "/wachtwoord");
    let short = browser
        .post(
            "/wachtwoord",
            &[("current", PASSWORD), ("new", "kort"), ("again", "kort")],
        )
        .await;
    assert_eq!(short.status, StatusCode::BAD_REQUEST);
    let new = "nog een lange zin voor tests";
    let mut elsewhere = house.browser("anna").await;
    let done = browser
        .post(
            "/wachtwoord",
            &[("current", PASSWORD), ("new", new), ("again", new)],
        )
        .await;
    assert_eq!(done.location, "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    let ended = elsewhere.get("/").await;
    assert!(ended.location.starts_with("/inloggen"), "{ended:?}");
    let logged = house
        .count("SELECT count(*) FROM audit_events WHERE action = 'user.password_changed'")
        .await;
    assert_eq!(logged, 1);
}

#[sqlx::test(migrations = "../../migrations")]
async fn operations_has_no_business_here(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("beheer", &[Role::Operations], &[]).await;
    let mut browser = house.stranger();
    let answer = browser.sign_in("beheer", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[sqlx::test(migrations = "../../migrations")]
async fn while_the_database_is_away_pages_and_programs_are_asked_to_come_back(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let mut anna = house.browser("anna").await;
    house.pool.close().await;
    let page = anna.get("/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("Even niet beschikbaar"));
    let answer = anna.get("/api/v1/tasks").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["type"], "urn:voorveld:problem:unavailable");
}
