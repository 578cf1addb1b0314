//! Objections, known clients and exclusions: who registers, who sees, who revokes.

use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;
use voorveld_domain::Role;

use super::house::{Answer, Browser, House, PASSWORD, SeededTask};
use crate::desk::UNDO_WINDOW;

const TEAM: &[Role] = &[Role::TeamMember];
const OFFICER: &[Role] = &[Role::PrivacyOfficer];
const DESK: &[Role] = &[Role::SafetyDesk];

/// A task about two persons, and its household as the resolver knows it.
async fn about_two(house: &House) -> (SeededTask, Uuid, Uuid) {
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let signals = [
        house
            .signal(&task, Some(one), "2025-11-06", 45_000, "Eerste")
            .await,
        house
            .signal(&task, Some(two), "2025-11-10", 10_000, "Tweede")
            .await,
    ];
    house
        .ground(&task, "debt.multiple", "Twee soorten partners.", &signals)
        .await;
    sqlx::query("INSERT INTO households VALUES ($1, '0518', now())")
        .bind(task.household)
        .execute(&house.pool)
        .await
        .unwrap();
    (task, one, two)
}

fn form<'a>(id: &'a str, about: &'a str, reason: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("id", id),
        ("about", about),
        ("reason", reason),
        ("since", "2025-11-24"),
        ("file_code", "Z-25/001"),
    ]
}

async fn rows(house: &House, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql)
        .fetch_all(&house.pool)
        .await
        .unwrap()
}

const ID: &str = "0198c0de-0000-7000-8000-000000000001";
const OTHER_ID: &str = "0198c0de-0000-7000-8000-000000000002";

#[sqlx::test(migrations = "../../migrations")]
async fn a_team_registers_a_persons_objection_at_a_task_it_sees(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("zita", TEAM, &["wijkteam-zuid"]).await;
    let (task, one, two) = about_two(&house).await;
    let (mut anna, mut zita) = (house.browser("anna").await, house.browser("zita").await);
    let door = format!("{}/vastleggen", task.page());
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains(&door), "the task's page leads there");
    let asked = anna.get(&door).await.body;
    assert!(asked.contains("Persoon A") && asked.contains(&two.to_string()));
    let one = one.to_string();
    let foreign = zita.post(&door, &form(ID, &one, "by_resident")).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    let bare = anna.post_bare(&door, &form(ID, &one, "by_resident")).await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN);
    let stranger = Uuid::new_v4().to_string();
    for (about, reason, code) in [
        (stranger.as_str(), "by_resident", "Z-1"),
        ("person", "by_resident", "Z-1"),
        (one.as_str(), "omdat", "Z-1"),
        (one.as_str(), "unsafe_to_visit", "Z-1"),
        (one.as_str(), "by_resident", "123456782"),
    ] {
        let mut fields = form(ID, about, reason);
        fields[4].1 = code;
        let refused = anna.post(&door, &fields).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{about} {reason}");
        assert!(!refused.body.contains("123456782"), "nothing is echoed");
    }
    for _ in 0..2 {
        let done = anna.post(&door, &form(ID, &one, "by_resident")).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    }
    let again = anna.post(&door, &form(OTHER_ID, &one, "by_resident")).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let written = rows(&house, "SELECT kind || ' ' || reason || ' ' || file_code || ' ' || (debtor_id IS NOT NULL) FROM registrations").await;
    assert_eq!(written, ["objection by_resident Z-25/001 true"]);
    let woken = rows(&house, "SELECT reason || ' ' || partition FROM wake_ups").await;
    assert_eq!(woken, ["registration 3"]);
    let audit = rows(&house, "SELECT action || ' ' || subject_id || ' ' || reason || ' ' || (task_id IS NOT NULL) FROM audit_events WHERE action LIKE 'registration%'").await;
    assert_eq!(
        audit,
        [format!(
            "registration.added {ID} objection: by_resident true"
        )]
    );
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Bezwaar: de inwoner maakt bezwaar"), "{page}");
    assert!(page.contains("Telt niet mee: bezwaar") && page.contains("Vastgelegd: bezwaar"));
    let opened = anna
        .post(
            &format!("{}/personen/{one}", task.page()),
            &[("reason", "contact")],
        )
        .await;
    assert_eq!(
        opened.status,
        StatusCode::CONFLICT,
        "whoever objected stays closed"
    );
    assert!(!opened.body.contains("Eerste"));
    let opened = anna
        .post(
            &format!("{}/personen/{two}", task.page()),
            &[("reason", "contact")],
        )
        .await;
    assert!(opened.body.contains("Tweede"), "the other one is not");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_known_client_is_told_on_the_task_and_unsafe_to_visit_reads_like_every_hold(
    pool: PgPool,
) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("vera", DESK, &[]).await;
    house.colleague("frank", OFFICER, &[]).await;
    let (task, _, _) = about_two(&house).await;
    let mut anna = house.browser("anna").await;
    let door = format!("{}/vastleggen", task.page());
    anna.post(&door, &form(ID, "household", "debt_help")).await;
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Bekend bij schuldhulpverlening") && page.contains("Oppakken"));
    let held = anna
        .post(&door, &form(OTHER_ID, "household", "unsafe_to_visit"))
        .await;
    assert_eq!(held.status, StatusCode::SEE_OTHER);
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Nu geen contact"));
    for hidden in ["veilig om langs", "Bekend", "unsafe", "uitgesloten"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
    let told = rows(&house, "SELECT event || ' ' || (actor IS NULL) FROM task_events WHERE event IN ('held', 'registered') ORDER BY event").await;
    assert_eq!(told, ["held true", "registered false"]);
    let again = anna
        .post(&door, &form(ID, "household", "by_resident"))
        .await;
    assert_eq!(
        again.status,
        StatusCode::SEE_OTHER,
        "back to the page that says to stop"
    );
    let mut frank = house.browser("frank").await;
    let list = frank.get("/registraties?lijst=alles").await.body;
    assert!(list.contains("bekend bij schuldhulpverlening"));
    assert!(
        !list.contains("Uitgesloten: niet veilig"),
        "why it is held is the desk's"
    );
    let revoke = format!("/registraties/{OTHER_ID}/intrekken");
    let refused = frank.post(&revoke, &[("reason", "ended")]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let mut vera = house.browser("vera").await;
    let desk = vera.get("/veiligheid").await.body;
    assert!(desk.contains("niet veilig om langs te gaan"));
    let hold: Uuid = sqlx::query_scalar("SELECT hold_id FROM holds")
        .fetch_one(&house.pool)
        .await
        .unwrap();
    let seen = super::house::seen(&desk, hold);
    let lifted = vera
        .post(
            &format!("/veiligheid/holds/{hold}"),
            &[("seen", &seen), ("reason", "safe_again")],
        )
        .await;
    assert_eq!(lifted.status, StatusCode::SEE_OTHER, "{}", lifted.body);
    let left = rows(
        &house,
        "SELECT reason FROM registrations WHERE revoked_at IS NULL",
    )
    .await;
    assert_eq!(left, ["debt_help"]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_privacy_officer_registers_by_an_id_and_revokes(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("frank", OFFICER, &[]).await;
    house.colleague_of("0307", "fien", OFFICER, &[]).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let (task, _, two) = about_two(&house).await;
    let signal: Uuid = sqlx::query_scalar("SELECT signal_id FROM signals WHERE debtor_id = $1")
        .bind(two)
        .fetch_one(&house.pool)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, withdrawn, partition, placed,
            received_at, decided_at) VALUES ($1, 1, 1, '0518', 'woonstede', 'rent_arrears', $2, false, 0, true, now(), now())",
    )
    .bind(signal)
    .bind(task.household)
    .execute(&house.pool)
    .await
    .unwrap();
    let mut frank = house.browser("frank").await;
    let home = frank.get("/").await;
    assert_eq!(home.location, "/registraties");
    let signal = signal.to_string();
    let mut fields = form(ID, "person", "by_representative");
    fields.push(("subject", &signal));
    let mut fien = house.browser("fien").await;
    let foreign = fien.post("/registraties", &fields).await;
    assert_eq!(
        foreign.status,
        StatusCode::BAD_REQUEST,
        "another municipality's is not found"
    );
    let done = frank.post("/registraties", &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let written: Vec<Uuid> = sqlx::query_scalar("SELECT debtor_id FROM registrations")
        .fetch_all(&house.pool)
        .await
        .unwrap();
    assert_eq!(written, [two]);
    let mut anna = house.browser("anna").await;
    assert_eq!(
        anna.get("/registraties").await.status,
        StatusCode::FORBIDDEN
    );
    let revoke = format!("/registraties/{ID}/intrekken");
    for (browser, name) in [
        (&mut anna, "no officer"),
        (&mut fien, "another municipality"),
    ] {
        let refused = browser.post(&revoke, &[("reason", "ended")]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{name}");
    }
    let list = frank.get("/registraties").await.body;
    assert!(list.contains("een vertegenwoordiger maakt bezwaar") && list.contains(&revoke));
    assert!(
        !list.contains(&two.to_string()),
        "nobody's id is on the page"
    );
    let done = frank.post(&revoke, &[("reason", "taken_back")]).await;
    assert_eq!(done.location, "/registraties?gedaan=ingetrokken");
    let late = frank.post(&revoke, &[("reason", "taken_back")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.body.contains("Deze registratie geldt niet meer"));
    let woken = rows(&house, "SELECT reason FROM wake_ups ORDER BY reason").await;
    assert_eq!(woken, ["registration", "registration_revoked"]);
    let audit = rows(&house, "SELECT action || ' ' || reason FROM audit_events WHERE action LIKE 'registration%' ORDER BY audit_id").await;
    assert_eq!(
        audit,
        [
            "registration.added objection: by_representative",
            "registration.revoked taken_back"
        ]
    );
    assert!(
        frank
            .get("/registraties")
            .await
            .body
            .contains("Er staat niets op deze lijst")
    );
    let all = frank.get("/registraties?lijst=alles").await.body;
    assert!(all.contains("ingetrokken door de inwoner"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_colleague_takes_a_mistake_back_for_ten_minutes(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("bram", TEAM, &["wijkteam-noord"]).await;
    let (task, _, _) = about_two(&house).await;
    let (mut anna, mut bram) = (house.browser("anna").await, house.browser("bram").await);
    let door = format!("{}/vastleggen", task.page());
    let id = task.id.to_string();
    let fields = [("reason", "mistaken"), ("task", id.as_str())];
    anna.post(&door, &form(ID, "household", "not_resident"))
        .await;
    let revoke = format!("/registraties/{ID}/intrekken");
    assert!(!bram.get(&task.page()).await.body.contains(&revoke));
    assert_eq!(
        bram.post(&revoke, &fields).await.status,
        StatusCode::NOT_FOUND
    );
    assert!(anna.get(&task.page()).await.body.contains(&revoke));
    let done = anna.post(&revoke, &fields).await;
    assert_eq!(done.location, format!("/taken/{id}?gedaan=ingetrokken"));
    anna.post(&door, &form(OTHER_ID, "household", "not_resident"))
        .await;
    house
        .clock
        .advance(UNDO_WINDOW + std::time::Duration::from_secs(1));
    let late = anna
        .post(&format!("/registraties/{OTHER_ID}/intrekken"), &fields)
        .await;
    assert_eq!(late.status, StatusCode::CONFLICT);
}

async fn call(program: &mut Browser, token: &str, path: &str, body: Option<Value>) -> Answer {
    let path = format!("/api/v1{path}");
    let request = match body {
        Some(_) => Request::post(path),
        None => Request::get(path),
    };
    let request = request
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json");
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    program.send(request, body).await
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_program_does_the_same(pool: PgPool) {
    let house = House::open(pool).await;
    house
        .colleague(
            "frank",
            &[Role::PrivacyOfficer, Role::TeamMember],
            &["wijkteam-noord"],
        )
        .await;
    let (task, one, _) = about_two(&house).await;
    let mut program = house.stranger();
    let credentials = json!({ "login": "frank", "password": PASSWORD });
    let begun = call(&mut program, "", "/session", Some(credentials))
        .await
        .json();
    let token = begun["token"].as_str().unwrap();
    let at_task = format!("/tasks/{}/registrations", task.id);
    let new = json!({ "id": ID, "about": one, "reason": "other_track", "until": "2025-12-24" });
    let done = call(&mut program, token, &at_task, Some(new)).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let shown = &done.json()["registrations"][0];
    assert_eq!(shown["kind"]["code"], "known_client");
    assert_eq!(
        (shown["about"].as_str(), shown["ofPerson"].as_bool()),
        (Some("Persoon A"), Some(true))
    );
    let wrong = json!({ "about": "household", "reason": "by_resident", "until": "2025-12-24" });
    let refused = call(&mut program, token, &at_task, Some(wrong)).await;
    assert_eq!(
        refused.json()["errors"][0]["pointer"],
        "/until",
        "an objection ends when it is revoked"
    );
    let by_id =
        json!({ "subject": task.household, "about": "household", "reason": "legal_person" });
    let done = call(&mut program, token, "/registrations", Some(by_id.clone())).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.body);
    let again = call(&mut program, token, "/registrations", Some(by_id)).await;
    assert_eq!(again.json()["errors"][0]["code"], "already_registered");
    let list = call(&mut program, token, "/registrations", None)
        .await
        .json();
    assert_eq!(list["registrations"].as_array().unwrap().len(), 2);
    let revoke = format!("/registrations/{ID}/revocation");
    let done = call(
        &mut program,
        token,
        &revoke,
        Some(json!({ "reason": "ended" })),
    )
    .await;
    assert_eq!(done.status, StatusCode::NO_CONTENT);
    let late = call(
        &mut program,
        token,
        &revoke,
        Some(json!({ "reason": "ended" })),
    )
    .await;
    assert_eq!(late.status, StatusCode::CONFLICT);
}
