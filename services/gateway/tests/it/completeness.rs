//! Through which day a partner has delivered everything: said with a file, without one, and read back.

use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use voorveld_store::feeds::Moment;

use crate::world::{Answer, DEBT_KINDS, World, signal};

const CSV: &str = "Kenmerk;Soort;Gemeentecode;Signaaldatum;Ontstaansdatum;Bedrag;Achternaam;Postcode;Huisnummer\n";

async fn say(world: &World, body: Value) -> Answer {
    world.json("POST", "/v1/completeness", &body).await
}

/// `kind completeThrough` of each feed of which something was said.
async fn known(world: &World) -> Vec<String> {
    let answer = world.get("/v1/completeness").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let body = answer.json();
    let feeds = body["feeds"].as_array().unwrap();
    assert_eq!(feeds.len(), DEBT_KINDS.len(), "each kind it may send");
    feeds
        .iter()
        .filter_map(|feed| {
            let day = feed["completeThrough"].as_str()?;
            Some(format!("{} {day}", feed["kind"].as_str().unwrap()))
        })
        .collect()
}

async fn ended(world: &World, answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let place = answer.headers["location"].to_str().unwrap();
    loop {
        let delivery = world.get(place).await.json();
        if delivery["state"] != "receiving" {
            return delivery;
        }
        tokio::task::yield_now().await;
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn it_is_said_without_a_file_and_never_goes_back(pool: PgPool) {
    let world = World::new(pool).await;
    assert!(known(&world).await.is_empty());
    let body = json!({"completeThrough": "2026-01-31", "kinds": ["rent_arrears", "tax_arrears"]});
    let answer = say(&world, body.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let feeds = answer.json()["feeds"].as_array().unwrap().clone();
    assert_eq!(feeds.len(), 2);
    assert_eq!(
        feeds[0],
        json!({"municipality": "0518", "kind": "rent_arrears", "completeThrough": "2026-01-31", "saidThrough": "2026-01-31"})
    );
    // Twice is once; a lower day stands beside the higher and changes nothing, and the sender is told.
    say(&world, body).await;
    let lower = say(
        &world,
        json!({"completeThrough": "2025-12-31", "municipality": "0518"}),
    )
    .await
    .json();
    let remarks: Vec<(&str, &str)> = lower["feeds"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|feed| Some((feed["kind"].as_str()?, feed["remark"].as_str()?)))
        .collect();
    assert_eq!(
        remarks.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        ["rent_arrears", "tax_arrears"]
    );
    assert!(remarks[0].1.contains("31-01-2026"), "{remarks:?}");
    let known = known(&world).await;
    assert_eq!(known.len(), DEBT_KINDS.len(), "of all kinds it may send");
    assert!(known.contains(&"rent_arrears 2026-01-31".to_owned()));
    assert!(known.contains(&"energy_arrears 2025-12-31".to_owned()));
}

#[sqlx::test(migrations = "../../migrations")]
async fn today_has_come_and_tomorrow_has_not(pool: PgPool) {
    let world = World::new(pool).await;
    let answer = say(&world, json!({"completeThrough": "2026-02-03"})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    for (body, errors) in [
        (
            json!({"completeThrough": "2026-02-04"}),
            vec![("/completeThrough", "complete_in_future")],
        ),
        (
            json!({"completeThrough": "31-01-2026"}),
            vec![("/completeThrough", "date_format")],
        ),
        (
            json!({"completeThrough": "2026-01-31T00:00"}),
            vec![("/completeThrough", "date_format")],
        ),
        (
            json!({"completeThrough": 20_260_131}),
            vec![("/completeThrough", "wrong_type")],
        ),
        (json!({}), vec![("/completeThrough", "required")]),
        (json!([]), vec![("", "not_an_object")]),
        (
            json!({"completeThrough": "2026-01-31", "GEHEIM": 1}),
            vec![("", "field_unknown")],
        ),
        (
            json!({"completeThrough": "2026-01-31", "kinds": "rent_arrears"}),
            vec![("/kinds", "wrong_type")],
        ),
        (
            json!({"completeThrough": "2026-01-31", "kinds": []}),
            vec![("/kinds", "required")],
        ),
        (
            json!({"completeThrough": "2026-02-04", "kinds": ["GEHEIM", "school_absence_16h"], "municipality": "0363"}),
            vec![
                ("/completeThrough", "complete_in_future"),
                ("/kinds", "kind_unknown"),
                ("/kinds", "kind_not_allowed"),
                ("/municipality", "municipality_not_served"),
            ],
        ),
    ] {
        let answer = say(&world, body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let told = answer.errors();
        let told: Vec<(&str, &str)> = told.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(told, errors, "{body}");
        assert!(!answer.text.contains("GEHEIM"), "{}", answer.text);
    }
    assert_eq!(
        known(&world).await.len(),
        DEBT_KINDS.len(),
        "and what was refused changed nothing"
    );
    let text = world
        .send("POST", "/v1/completeness", "text/csv", "2026-01-31")
        .await;
    assert_eq!(text.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[sqlx::test(migrations = "../../migrations")]
async fn it_is_said_with_a_file_of_any_form_even_of_an_empty_one(pool: PgPool) {
    let world = World::new(pool).await;
    let row = "A-1;rent_arrears;0518;30-1-2026;1-12-2025;450;Voorbeeld;1234AB;10\n";
    let delivery = world
        .send(
            "POST",
            "/v1/deliveries?completeThrough=2026-01-31&kinds=rent_arrears,%20energy_arrears",
            "text/csv",
            format!("{CSV}{row}"),
        )
        .await;
    let delivery = ended(&world, &delivery).await;
    assert_eq!(delivery["rows"]["accepted"], 1);
    assert_eq!(
        delivery["completeness"][1],
        json!({"municipality": "0518", "kind": "rent_arrears", "completeThrough": "2026-01-31", "saidThrough": "2026-01-31"})
    );
    // Nothing this month, in each form that can say so.
    for (media, body, day) in [
        ("text/csv", CSV.to_owned(), "2026-02-01"),
        ("application/x-ndjson", String::new(), "2026-02-02"),
        (
            "application/x-ndjson",
            signal("A-2").to_string(),
            "2026-02-03",
        ),
    ] {
        // The kind of the rows is what it goes for, when no kinds are named.
        let path = format!("/v1/deliveries?kind=tax_arrears&completeThrough={day}");
        let answer = world.send("POST", &path, media, body).await;
        let delivery = ended(&world, &answer).await;
        assert_eq!(delivery["state"], "complete");
        assert_eq!(delivery["completeness"].as_array().unwrap().len(), 1);
        assert!(
            known(&world).await.contains(&format!("tax_arrears {day}")),
            "{media}"
        );
    }
    let feeds = world.get("/v1/completeness").await.json();
    let feeds = feeds["feeds"].as_array().unwrap();
    let rent = feeds.iter().find(|feed| feed["kind"] == "rent_arrears");
    assert_eq!(rent.unwrap()["deliveryId"], delivery["id"]);
    let without = world
        .send("POST", "/v1/deliveries", "text/csv", CSV.to_owned())
        .await;
    assert_eq!(without.errors()[0].1, "file_empty");
    assert!(
        world
            .send("POST", "/v1/deliveries", "text/csv", format!("{CSV}{row}"))
            .await
            .json()
            .get("completeness")
            .is_none(),
        "a file says nothing of itself"
    );
    for (query, errors) in [
        (
            "completeThrough=2026-02-04",
            vec![("completeThrough", "complete_in_future")],
        ),
        ("kinds=rent_arrears", vec![("completeThrough", "required")]),
        (
            "completeThrough=2026-01-31&kinds=school_absence_16h",
            vec![("kinds", "kind_not_allowed")],
        ),
        (
            "completeThrough=2026-01-31&municipality=0363",
            vec![("municipality", "municipality_not_served")],
        ),
        (
            "completeThrough=2026-01-31&kind=made_up",
            vec![("kind", "kind_unknown")],
        ),
    ] {
        let path = format!("/v1/deliveries?{query}");
        let answer = world
            .send("POST", &path, "text/csv", format!("{CSV}{row}"))
            .await;
        let told = answer.errors();
        let told: Vec<(&str, &str)> = told.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(told, errors, "{query}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_a_broken_delivery_said_is_not_so_and_its_sender_is_told(pool: PgPool) {
    let mut world = World::new(pool).await;
    world.restart(world.dead_log().await);
    let row = "A-1;rent_arrears;0518;30-1-2026;1-12-2025;450;Voorbeeld;1234AB;10\n";
    let answer = world
        .send(
            "POST",
            "/v1/deliveries?completeThrough=2026-01-31&kinds=rent_arrears",
            "text/csv",
            format!("{CSV}{row}"),
        )
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    // The process stops while the log is away.
    world.lifecycle.drain();
    let delivery = ended(&world, &answer).await;
    assert_eq!(delivery["state"], "interrupted");
    let said = &delivery["completeness"][0];
    assert_eq!(said["saidThrough"], "2026-01-31");
    assert!(said.get("completeThrough").is_none(), "{said}");
    assert!(said["remark"].as_str().unwrap().contains("brak af"));
    assert!(known(&world).await.is_empty());
    let moment = Moment {
        topic: "signals.resolved",
        today: world.clock.today(),
        now: world.clock.now(),
    };
    let settled = world.store.settle_marks(moment).await.unwrap();
    assert_eq!((settled.lapsed, settled.effective), (1, 0));
    assert!(known(&world).await.is_empty());
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_signal_of_tomorrow_is_taken_and_one_of_the_day_after_is_refused_by_name(pool: PgPool) {
    // S6: today and one day† are no future; a partner's clock may be ahead of ours.
    let world = World::new(pool).await;
    for (day, refused) in [
        ("2026-02-04", false),
        ("2026-02-05", true),
        ("2027-02-03", true),
    ] {
        let mut one = signal(&format!("A-{day}"));
        one["signalledOn"] = json!(day);
        let answer = world.json("POST", "/v1/signals", &one).await;
        if refused {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{day}");
            assert_eq!(
                answer.errors(),
                [("/signalledOn".to_owned(), "in_future".to_owned())],
                "{day}"
            );
        } else {
            assert!(answer.status.is_success(), "{day}: {}", answer.text);
        }
    }
    // The same by file: the row is refused by itself, the others go on, and months late is no reason to refuse.
    let file = format!(
        "{CSV}B-1;rent_arrears;0518;5-2-2026;1-12-2025;450;Voorbeeld;1234AB;10\nB-2;rent_arrears;0518;1-8-2025;1-6-2025;450;Voorbeeld;1234AB;10\n"
    );
    let answer = world.send("POST", "/v1/deliveries", "text/csv", file).await;
    let delivery = ended(&world, &answer).await;
    assert_eq!(
        (&delivery["rows"]["accepted"], &delivery["rows"]["refused"]),
        (&json!(1), &json!(1))
    );
    let results = format!("{}/results", answer.headers["location"].to_str().unwrap());
    let results = world.get(&results).await.json();
    assert_eq!(results["results"][0]["problems"][0]["code"], "in_future");
    assert_eq!(
        results["results"][0]["problems"][0]["column"],
        "Signaaldatum"
    );
}
