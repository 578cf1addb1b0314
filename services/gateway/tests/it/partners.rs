//! Who is let in, and how much of it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use jiff::ToSpan;
use serde_json::json;
use sqlx::PgPool;
use voorveld_gateway::deliveries::receive::ACCESS_ENDED;
use voorveld_seal::ApiKey;

use crate::world::{World, partner, signal};

async fn knock(world: &World, key: &str) -> StatusCode {
    let request = Request::get("/v1/signals/0198c0de-0000-7000-8000-000000000001")
        .header("authorization", format!("Bearer {key}"))
        .body(Body::empty())
        .unwrap();
    world.ask(request).await.status
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_rotated_key_opens_for_the_overlap_and_a_disabled_partner_never(pool: PgPool) {
    let world = World::new(pool).await;
    let fine = StatusCode::NOT_FOUND;
    let refused = StatusCode::UNAUTHORIZED;
    assert_eq!(knock(&world, &world.key).await, fine);
    let tampered = format!("{}x", &world.key[..world.key.len() - 1]);
    for wrong in ["", "x", &tampered, &ApiKey::generate().unwrap().shown_once] {
        assert_eq!(knock(&world, wrong).await, refused);
    }
    let bare = world
        .ask(Request::post("/v1/signals").body(Body::empty()).unwrap())
        .await;
    assert_eq!(
        (bare.status, bare.json()["status"].as_u64()),
        (refused, Some(401))
    );

    let new = ApiKey::generate().unwrap();
    let now = world.clock.now();
    world
        .store
        .rotate_partner_key("woonstede", &new.prefix, &new.hash, now + 24.hours(), now)
        .await
        .unwrap();
    world.clock.advance(Duration::from_hours(23));
    assert_eq!(knock(&world, &world.key).await, fine);
    assert_eq!(knock(&world, &new.shown_once).await, fine);
    world.clock.advance(Duration::from_hours(2));
    assert_eq!(knock(&world, &world.key).await, refused);
    assert_eq!(knock(&world, &new.shown_once).await, fine);
    world
        .store
        .disable_partner("woonstede", world.clock.now())
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(6));
    assert_eq!(knock(&world, &new.shown_once).await, refused);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_partner_sees_and_touches_only_its_own(pool: PgPool) {
    let mut world = World::new(pool).await;
    let place = world
        .json("POST", "/v1/signals", &signal("A-1"))
        .await
        .headers["location"]
        .to_str()
        .unwrap()
        .to_owned();
    std::mem::swap(&mut world.key, &mut world.other_key);
    assert_eq!(world.get(&place).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        world.json("PUT", &place, &signal("A-1")).await.status,
        StatusCode::NOT_FOUND
    );
    let withdrawal = format!("{place}/withdrawal");
    assert_eq!(
        world
            .json("POST", &withdrawal, &json!({"reason": "paid"}))
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    let foreign = world.json("POST", "/v1/signals", &signal("A-1")).await;
    assert_eq!(
        foreign.errors(),
        [("/kind".to_owned(), "kind_not_allowed".to_owned())]
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn more_than_agreed_is_asked_to_come_back_later(pool: PgPool) {
    let mut world = World::new(pool).await;
    let mut slow = partner("slow", &["rent_arrears"], &["rent"]);
    slow.rows_per_minute = 60;
    world.key = world.admit(&slow).await;
    let list: Vec<_> = (0..999).map(|n| signal(&format!("A-{n}"))).collect();
    let first = world.json("POST", "/v1/signals", &json!(list)).await;
    assert_eq!(
        first.status,
        StatusCode::OK,
        "one whole request always fits"
    );
    let second = world.json("POST", "/v1/signals", &json!(list)).await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        second.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_feed_with_a_natural_key_needs_no_reference(pool: PgPool) {
    let mut world = World::new(pool).await;
    let mut natural = partner("natural", &["rent_arrears"], &["rent"]);
    natural.natural_key = true;
    world.key = world.admit(&natural).await;
    let mut said = signal("x");
    said.as_object_mut().unwrap().remove("reference");
    let first = world.json("POST", "/v1/signals", &said).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let again = world.json("POST", "/v1/signals", &said).await.json();
    assert_eq!(
        (&again["outcome"], &again["id"]),
        (&json!("unchanged"), &first.json()["id"])
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_file_on_its_way_in_stops_when_its_sender_may_not_send_any_more(pool: PgPool) {
    let mut world = World::new(pool).await;
    let dead = world.dead_log().await;
    world.restart(dead);
    let file = signal("A-1").to_string();
    let answer = world
        .send("POST", "/v1/deliveries", "application/x-ndjson", file)
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    // The log is down, so the file is still on its way in.
    world
        .store
        .disable_partner("woonstede", world.clock.now())
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(6));
    let id = answer.json()["id"].as_str().unwrap().parse().unwrap();
    let stopped = loop {
        let delivery = world
            .store
            .delivery("woonstede", id)
            .await
            .unwrap()
            .unwrap();
        if delivery.state != "receiving" {
            break delivery;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (stopped.state.as_str(), stopped.problem.as_deref()),
        ("interrupted", Some(ACCESS_ENDED))
    );
}
