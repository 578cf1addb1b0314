//! The same for programs.

use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;
use voorveld_domain::Role;

use super::house::{Answer, Browser, House, PASSWORD, at};

const TEAM: &[Role] = &[Role::TeamMember];

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
async fn a_program_does_what_the_pages_do(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let debtor = Uuid::new_v4();
    let signal = house
        .signal(&task, Some(debtor), "2025-11-06", 45_000, "Eerste")
        .await;
    house
        .ground(&task, "debt.single", "Huurachterstand.", &[signal])
        .await;
    let mut program = house.stranger();
    let credentials = json!({ "login": "anna", "password": PASSWORD });
    let begun = call(&mut program, "", "/session", Some(credentials)).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.body);
    let begun = begun.json();
    let token = begun["token"].as_str().unwrap();
    assert_eq!(
        at(begun["expiresAt"].as_str().unwrap()),
        at("2025-11-24T21:00:00Z")
    );

    let list = call(&mut program, token, "/tasks?list=open", None)
        .await
        .json();
    let card = &list["tasks"][0];
    assert_eq!(card["id"], task.id.to_string());
    assert_eq!(card["why"], "Huurachterstand.");
    assert_eq!(card["dueOn"], "2025-11-27");
    assert_eq!(card["workingDaysLeft"], 3);
    assert_eq!(card["area"]["label"], "Noord");

    let one = format!("/tasks/{}", task.id);
    let act = |act: &str| format!("{one}/{act}");
    let claimed = call(
        &mut program,
        token,
        &act("claim"),
        Some(json!({ "version": 1 })),
    )
    .await;
    assert_eq!(claimed.status, StatusCode::OK, "{}", claimed.body);
    assert_eq!(claimed.json()["state"]["code"], "claimed");
    assert_eq!(claimed.json()["mine"], true);
    let again = call(
        &mut program,
        token,
        &act("claim"),
        Some(json!({ "version": 1 })),
    )
    .await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.json()["errors"][0]["code"], "changed");

    let opening = json!({ "person": debtor, "reason": "contact" });
    let who = call(&mut program, token, &act("identities"), Some(opening)).await;
    assert_eq!(who.json()["name"], "T. Eerste");
    let attempt = json!({ "triedOn": "2025-11-24", "channel": "telephone", "dayPart": "morning", "reached": false });
    let tried = call(&mut program, token, &act("contact-attempts"), Some(attempt)).await;
    assert_eq!(tried.json()["attempts"][0]["how"], "Telefoon, ochtend");
    let wrong = json!({ "version": 2, "outcome": "anders" });
    let refused = call(&mut program, token, &act("result"), Some(wrong)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/outcome");
    let result = json!({ "version": 2, "outcome": "no_contact" });
    let done = call(&mut program, token, &act("result"), Some(result)).await;
    assert_eq!(done.json()["outcome"]["code"], "no_contact");
    assert_eq!(done.json()["actions"], json!(["undo"]));
    let undone = call(
        &mut program,
        token,
        &act("undo"),
        Some(json!({ "version": 3 })),
    )
    .await;
    assert_eq!(undone.json()["state"]["code"], "claimed");
    let back = call(
        &mut program,
        token,
        &act("release"),
        Some(json!({ "version": 4 })),
    )
    .await;
    assert_eq!(back.json()["state"]["code"], "open");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_program_is_told_what_is_the_matter_in_a_problem(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-zuid", "2025-11-27").await;
    let mut program = house.stranger();
    let credentials = json!({ "login": "anna", "password": PASSWORD });
    let begun = call(&mut program, "", "/session", Some(credentials))
        .await
        .json();
    let token = begun["token"].as_str().unwrap();
    let foreign = format!("/tasks/{}", task.id);
    for (token, path, body, status) in [
        ("x", "/tasks", None, StatusCode::UNAUTHORIZED),
        (token, foreign.as_str(), None, StatusCode::NOT_FOUND),
        (token, "/tasks/geen", None, StatusCode::NOT_FOUND),
        (token, "/nergens", None, StatusCode::NOT_FOUND),
        (token, "/tasks?list=raar", None, StatusCode::BAD_REQUEST),
        (token, "/tasks?page=0", None, StatusCode::BAD_REQUEST),
        (
            token,
            "/tasks",
            Some(json!({})),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (
            token,
            "/session",
            Some(json!({ "login": 3 })),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let answer = call(&mut program, token, path, body).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(
            answer.json()["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:voorveld:problem:"),
            "{path}"
        );
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_program_of_the_safety_desk_sees_its_list_and_lifts_a_hold(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    house.colleague("desk", &[Role::SafetyDesk], &[]).await;
    let task = house
        .task_of("0518", "veiligheidsdesk", "safety", "2025-11-27")
        .await;
    let marker = house.marker(&task, None, "Eerste").await;
    house
        .ground(&task, "safety.meldcode", "Acute onveiligheid.", &[marker])
        .await;
    let hold = house.hold(&task).await;
    let nowhere = house.unplaced_marker("Zonderadres").await;
    let mut program = house.stranger();
    let mut token = async |login: &str| {
        let credentials = json!({ "login": login, "password": PASSWORD });
        let begun = call(&mut program, "", "/session", Some(credentials)).await;
        begun.json()["token"].as_str().unwrap().to_owned()
    };
    let (anna, desk) = (token("anna").await, token("desk").await);
    let lift = format!("/safety/holds/{hold}/lift");
    let hidden = call(&mut program, &anna, "/safety", None).await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);

    let list = call(&mut program, &desk, "/safety", None).await.json();
    assert_eq!(list["tasks"][0]["id"], task.id.to_string());
    assert_eq!(list["holds"][0]["reason"]["code"], "safety");
    assert_eq!(list["holds"][0]["task"], task.id.to_string());
    assert_eq!(list["markers"][0]["signal"], nowhere.to_string());
    let marker = format!("/safety/markers/{nowhere}");
    let opening = Some(json!({ "reason": "safety" }));
    let who = call(&mut program, &desk, &format!("{marker}/identity"), opening).await;
    assert_eq!(who.json()["name"], "T. Zonderadres");
    let judgement = Some(json!({ "revision": 1, "reason": "handed_over" }));
    let judged = call(
        &mut program,
        &desk,
        &format!("{marker}/judgement"),
        judgement,
    )
    .await;
    assert_eq!(judged.status, StatusCode::NO_CONTENT, "{}", judged.body);

    let one = call(&mut program, &desk, &format!("/tasks/{}", task.id), None)
        .await
        .json();
    assert!(one["advice"].as_str().unwrap().contains("Veilig Thuis"));
    assert_eq!(one["holds"][0]["id"], hold.to_string());
    let seen = list["holds"][0]["seen"].clone();
    house.marker(&task, None, "Tweede").await;
    let because = |seen: &Value| Some(json!({ "seen": seen, "reason": "handed_over" }));
    let blind = call(&mut program, &desk, &lift, because(&seen)).await;
    assert_eq!(blind.status, StatusCode::CONFLICT);
    assert_eq!(blind.json()["errors"][0]["code"], "changed");
    let list = call(&mut program, &desk, "/safety", None).await.json();
    let seen = list["holds"][0]["seen"].clone();
    let foreign = call(&mut program, &anna, &lift, because(&seen)).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    let lifted = call(&mut program, &desk, &lift, because(&seen)).await;
    assert_eq!(lifted.status, StatusCode::NO_CONTENT, "{}", lifted.body);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_change_by_cookie_needs_the_token_of_the_session(pool: PgPool) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let mut anna = house.browser("anna").await;
    let session = anna.get("/api/v1/session").await.json();
    let path = format!("/api/v1/tasks/{}/claim", task.id);
    let claim = || Request::post(&path).header(header::CONTENT_TYPE, "application/json");
    let body = r#"{"version":1}"#.to_owned();
    let bare = anna.send(claim(), body.clone()).await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN);
    let token = session["csrfToken"].as_str().unwrap();
    let with = anna.send(claim().header("x-csrf-token", token), body).await;
    assert_eq!(with.status, StatusCode::OK, "{}", with.body);
}

#[test]
fn the_document_names_every_act() {
    let document = serde_json::to_value(crate::openapi()).unwrap();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/registrations",
            "/registrations/{id}/revocation",
            "/safety",
            "/safety/holds/{id}/lift",
            "/safety/markers/{id}/identity",
            "/safety/markers/{id}/judgement",
            "/session",
            "/tasks",
            "/tasks/{id}",
            "/tasks/{id}/claim",
            "/tasks/{id}/contact-attempts",
            "/tasks/{id}/identities",
            "/tasks/{id}/registrations",
            "/tasks/{id}/release",
            "/tasks/{id}/result",
            "/tasks/{id}/undo",
        ]
    );
}
