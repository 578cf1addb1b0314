//! Signals by HTTP: receipts, corrections, withdrawals, refusals.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::future::join_all;
use jiff::civil::date;
use serde_json::json;
use sqlx::PgPool;
use voorveld_bus::Log;
use voorveld_wire::signal_v1::{Received, signal_key};

use crate::world::{World, id, signal};

#[sqlx::test(migrations = "../../migrations")]
async fn a_receipt_means_that_the_log_holds_it_and_the_identity_is_sealed(pool: PgPool) {
    let world = World::new(pool).await;
    let answer = world.json("POST", "/v1/signals", &signal("A-1")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.headers["api-version"], "1.0.0");
    assert!(answer.headers.contains_key("x-request-id"));
    let body = answer.json();
    assert_eq!(
        (body["outcome"].as_str(), body["revision"].as_u64()),
        (Some("accepted"), Some(1))
    );
    let place = answer.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(place, format!("/v1/signals/{}", id(&body)));

    let produced = world.produced().await;
    assert_eq!(produced.len(), 1);
    let record = &produced[0];
    assert_eq!(
        (record.signal, record.partner.as_str()),
        (id(&body), "woonstede")
    );
    let content = record.content.as_ref().unwrap();
    assert_eq!(
        (content.event_date, content.amount_cents),
        (date(2026, 2, 2), Some(45_000))
    );
    let opened = world.open(record);
    assert_eq!(opened.surname.as_deref(), Some("Voorbeeld"));
    assert_eq!(opened.reference.as_deref(), Some("A-1"));
    let line = String::from_utf8(record.write()).unwrap();
    for secret in ["Voorbeeld", "A-1", "1234AB", "1985"] {
        assert!(!line.contains(secret), "{secret} is outside the envelope");
    }

    let receipt = world.get(&place).await.json();
    assert_eq!(
        (
            receipt["status"].as_str(),
            receipt["acknowledged"].as_bool()
        ),
        (Some("received"), Some(true))
    );
    let metrics = world.metrics();
    assert!(
        metrics.contains(r#"voorveld_gateway_signals_total{outcome="accepted"} 1"#),
        "{metrics}"
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_list_answers_for_each_signal_by_itself(pool: PgPool) {
    let world = World::new(pool).await;
    let mut broken = signal("A-2");
    broken["amountCents"] = json!("veel");
    broken["extra"] = json!(1);
    let mut changed = signal("A-1");
    changed["amountCents"] = json!(50_000);
    let list = json!([
        signal("A-1"),
        broken,
        signal("A-1"),
        changed,
        signal("A-1"),
        7
    ]);
    let answer = world.json("POST", "/v1/signals", &list).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let results = answer.json()["results"].as_array().unwrap().clone();
    let outcomes: Vec<_> = results
        .iter()
        .map(|one| one["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        outcomes,
        [
            "accepted",
            "refused",
            "unchanged",
            "corrected",
            "unchanged",
            "refused"
        ]
    );
    assert_eq!(results[3]["revision"], 2);
    let problems = results[1]["problems"].as_array().unwrap();
    let places: Vec<_> = problems
        .iter()
        .map(|one| one["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["/1/amountCents", "/1"]);
    assert_eq!(results[5]["problems"][0]["code"], "not_an_object");
    let revisions: Vec<_> = world
        .produced()
        .await
        .iter()
        .map(|one| one.revision)
        .collect();
    assert_eq!(revisions, [1, 2]);
    let counted: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT outcome, code, signals FROM intake_counts ORDER BY 1, 2")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let row = |outcome: &str, code: &str, n| (outcome.to_owned(), code.to_owned(), n);
    assert_eq!(
        counted,
        [
            row("accepted", "", 1),
            row("corrected", "", 1),
            row("refused", "not_an_object", 1),
            row("refused", "wrong_type", 1),
            row("unchanged", "", 2)
        ]
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_single_refusal_tells_everything_at_once_in_the_callers_terms(pool: PgPool) {
    let world = World::new(pool).await;
    let answer = world
        .json(
            "POST",
            "/v1/signals",
            &json!({"kind": "made_up", "signalledOn": "gisteren", "person": {"bsn": "1"}}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let place = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
    assert_eq!(
        answer.errors(),
        [
            place("/signalledOn", "date_format"),
            place("/reference", "reference_missing"),
            place("/municipality", "required"),
            place("/kind", "kind_unknown"),
            place("/person/bsn", "bsn_format"),
        ]
    );
    assert!(world.produced().await.is_empty());
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_correction_is_the_next_revision_and_an_equal_one_changes_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let first = id(&world
        .json("POST", "/v1/signals", &signal("A-1"))
        .await
        .json());
    let path = format!("/v1/signals/{first}");
    let mut changed = signal("A-1");
    changed["address"]["houseNumber"] = json!("12");
    let outcomes = [
        (signal("A-1"), "unchanged", 1),
        (changed.clone(), "corrected", 2),
        (changed, "unchanged", 2),
        (signal("A-1"), "corrected", 3),
    ];
    for (body, outcome, revision) in outcomes {
        let answer = world.json("PUT", &path, &body).await;
        let found = answer.json();
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(
            (found["outcome"].as_str(), found["revision"].as_u64()),
            (Some(outcome), Some(revision))
        );
    }
    let produced = world.produced().await;
    assert_eq!(produced.len(), 3);
    assert!(produced.iter().all(|record| record.signal == first));
    assert_eq!(world.open(&produced[1]).house_number.as_deref(), Some("12"));

    let other = world.json("PUT", &path, &signal("A-2")).await;
    assert_eq!(other.errors()[0].1, "reference_fixed");
    let unknown = world
        .json(
            "PUT",
            "/v1/signals/0198c0de-0000-7000-8000-000000000001",
            &signal("A-1"),
        )
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn only_a_correction_revives_what_was_taken_back(pool: PgPool) {
    let world = World::new(pool).await;
    let first = id(&world
        .json("POST", "/v1/signals", &signal("A-1"))
        .await
        .json());
    let path = format!("/v1/signals/{first}");
    let withdrawal = format!("{path}/withdrawal");
    let taken_back = world
        .json("POST", &withdrawal, &json!({"reason": "paid"}))
        .await;
    assert_eq!(
        taken_back.json()["outcome"],
        "withdrawn",
        "{}",
        taken_back.text
    );
    let again = world
        .json("POST", &withdrawal, &json!({"reason": "paid"}))
        .await;
    assert_eq!(again.json()["outcome"], "unchanged");
    let receipt = world.get(&path).await.json();
    assert_eq!(
        (
            receipt["status"].as_str(),
            receipt["withdrawalReason"].as_str()
        ),
        (Some("withdrawn"), Some("paid"))
    );

    let same_row = world.json("POST", "/v1/signals", &signal("A-1")).await;
    assert_eq!(
        (same_row.status, same_row.json()["outcome"].as_str()),
        (StatusCode::OK, Some("unchanged"))
    );
    let mut changed = signal("A-1");
    changed["amountCents"] = json!(1);
    let new_row = world.json("POST", "/v1/signals", &changed).await;
    assert_eq!(
        new_row.errors(),
        [("/reference".to_owned(), "withdrawn".to_owned())]
    );
    let revived = world.json("PUT", &path, &signal("A-1")).await.json();
    assert_eq!(
        (revived["outcome"].as_str(), revived["revision"].as_u64()),
        (Some("corrected"), Some(3))
    );
    assert_eq!(world.get(&path).await.json()["status"], "received");
    let produced = world.produced().await;
    let withdrawn: Vec<_> = produced
        .iter()
        .map(|record| record.withdrawn.as_deref())
        .collect();
    assert_eq!(withdrawn, [None, Some("paid"), None]);

    for (body, code) in [
        (json!({}), "required"),
        (json!({"reason": "GEHEIM"}), "code_unknown"),
        (json!([]), "not_an_object"),
    ] {
        let answer = world.json("POST", &withdrawal, &body).await;
        assert_eq!(answer.errors()[0].1, code);
        assert!(!answer.text.contains("GEHEIM"));
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn with_the_log_down_nothing_is_promised_and_a_repeat_gets_the_same_revision(pool: PgPool) {
    let mut world = World::new(pool).await;
    let dead = world.dead_log().await;
    world.restart(dead);
    let answer = world.json("POST", "/v1/signals", &signal("A-1")).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        answer.text
    );
    assert!(answer.headers.contains_key("retry-after"));
    let pending: (uuid::Uuid, i32) = sqlx::query_as(
        "SELECT signal_id, r.revision FROM pending_receipts JOIN signal_receipts r USING (signal_id)",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(pending.1, 1);
    world.clock.advance(std::time::Duration::from_hours(1));

    let log = Log::postgres(world.pool.clone());
    world.restart(log);
    let answer = world.json("POST", "/v1/signals", &signal("A-1")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let body = answer.json();
    assert_eq!((id(&body), body["revision"].as_u64()), (pending.0, Some(1)));
    assert_eq!(
        body["receivedAt"], "2026-02-03T10:00:00Z",
        "knowledge time is the first receipt's"
    );
    let produced = world.produced().await;
    assert_eq!((produced.len(), produced[0].revision), (1, 1));
    let counted: i64 = sqlx::query_scalar("SELECT sum(signals)::bigint FROM intake_counts")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(counted, 1);
    let pending: i64 = sqlx::query_scalar("SELECT count(*) FROM pending_receipts")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(pending, 0);
}

#[sqlx::test(migrations = "../../migrations")]
async fn with_the_database_down_the_answer_is_come_back_later(pool: PgPool) {
    let world = World::new(pool).await;
    world.json("POST", "/v1/signals", &signal("A-1")).await;
    world.pool.close().await;
    for answer in [
        world.json("POST", "/v1/signals", &signal("A-2")).await,
        world
            .get("/v1/signals/0198c0de-0000-7000-8000-000000000001")
            .await,
    ] {
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{}",
            answer.text
        );
        assert!(answer.headers.contains_key("retry-after"));
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_signal_in_an_envelope_is_the_same_signal(pool: PgPool) {
    let world = World::new(pool).await;
    let event = |data: serde_json::Value| {
        json!({
            "specversion": "1.0", "id": "1", "source": "urn:nld:oin:00000001234567890000",
            "type": "nl.vroegsignalering.signaal-aangeleverd.v1", "data": data
        })
    };
    let one = world
        .send(
            "POST",
            "/v1/signals",
            "application/cloudevents+json",
            event(signal("A-1")).to_string(),
        )
        .await;
    assert_eq!(one.status, StatusCode::CREATED, "{}", one.text);
    let plain = world.json("POST", "/v1/signals", &signal("A-1")).await;
    assert_eq!(plain.json()["outcome"], "unchanged");
    let mut broken = signal("A-2");
    broken["kind"] = json!("made_up");
    let mut strange = event(signal("A-3"));
    strange["specversion"] = json!("0.3");
    let batch = json!([event(broken), event(signal("A-1")), strange]);
    let many = world
        .send(
            "POST",
            "/v1/signals",
            "application/cloudevents-batch+json",
            batch.to_string(),
        )
        .await
        .json();
    let results = many["results"].as_array().unwrap();
    assert_eq!(results[0]["problems"][0]["pointer"], "/0/data/kind");
    assert_eq!(results[1]["outcome"], "unchanged");
    assert_eq!(results[2]["problems"][0]["pointer"], "/2/specversion");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_signal_without_a_date_is_about_the_day_of_its_first_receipt(pool: PgPool) {
    let world = World::new(pool).await;
    let mut undated = signal("A-1");
    undated.as_object_mut().unwrap().remove("signalledOn");
    world.json("POST", "/v1/signals", &undated).await;
    world.clock.advance(std::time::Duration::from_hours(48));
    assert_eq!(
        world.json("POST", "/v1/signals", &undated).await.json()["outcome"],
        "unchanged"
    );
    undated["amountCents"] = json!(50_000);
    assert_eq!(
        world.json("POST", "/v1/signals", &undated).await.json()["outcome"],
        "corrected"
    );
    let dates: Vec<_> = world
        .produced()
        .await
        .iter()
        .map(|record| record.content.as_ref().unwrap().event_date)
        .collect();
    assert_eq!(dates, [date(2026, 2, 3), date(2026, 2, 3)]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_no_request_gets_a_problem_with_its_own_status(pool: PgPool) {
    let world = World::new(pool).await;
    let long = format!("[{}]", vec!["{}"; 1_001].join(","));
    for (method, path, media, body, status) in [
        (
            "POST",
            "/v1/signals",
            "application/json",
            "{".to_owned(),
            400,
        ),
        (
            "POST",
            "/v1/signals",
            "application/json",
            "[]".to_owned(),
            400,
        ),
        ("POST", "/v1/signals", "application/json", long, 413),
        (
            "POST",
            "/v1/signals",
            "application/json",
            " ".repeat(3 * 1024 * 1024),
            413,
        ),
        ("POST", "/v1/signals", "text/csv", "{}".to_owned(), 415),
        (
            "POST",
            "/v1/signals",
            "application/cloudevents-batch+json",
            "{}".to_owned(),
            400,
        ),
        (
            "GET",
            "/v1/signals/GEHEIM",
            "text/plain",
            String::new(),
            400,
        ),
        (
            "GET",
            "/v1/signals/0198c0de-0000-7000-8000-000000000001",
            "text/plain",
            String::new(),
            404,
        ),
        ("GET", "/v1/nothing", "text/plain", String::new(), 404),
        ("GET", "/nothing", "text/plain", String::new(), 404),
        ("DELETE", "/v1/signals", "text/plain", String::new(), 405),
    ] {
        let answer = world.send(method, path, media, body).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path}: {}",
            answer.text
        );
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{method} {path}"
        );
        assert_eq!(answer.headers["api-version"], "1.0.0");
        let body = answer.json();
        assert!(
            body["title"].is_string() && body["detail"].is_string() && body["status"] == status
        );
        assert!(!answer.text.contains("GEHEIM"));
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_gets_a_receipt_can_be_read_back_and_a_date_of_another_time_gets_none(pool: PgPool) {
    let world = World::new(pool).await;
    let mut taken_in = 0;
    for (n, day) in [
        "0001-01-01",
        "1899-12-31",
        "1900-01-01",
        "2026-01-01",
        "2199-12-31",
        "2200-01-01",
        "9999-12-31",
    ]
    .into_iter()
    .enumerate()
    {
        for place in [
            "signalledOn",
            "arisenOn",
            "birthDate",
            "supplyEndsOn",
            "field",
        ] {
            let mut said = signal(&format!("A-{n}-{place}"));
            match place {
                "birthDate" => said["person"]["birthDate"] = json!(day),
                "supplyEndsOn" | "field" => {
                    said["kind"] = json!("supply_end_notice");
                    said["partnerType"] = json!("energy");
                    if place == "field" {
                        said["fields"] = json!({"supply_ends_on": day});
                    } else {
                        said["supplyEndsOn"] = json!(day);
                    }
                }
                place => said[place] = json!(day),
            }
            let answer = world.json("POST", "/v1/signals", &said).await;
            let is_ours = ("1900-01-01"..="2199-12-31").contains(&day);
            let codes: Vec<String> = answer.errors().into_iter().map(|(_, code)| code).collect();
            assert_eq!(
                codes.iter().any(|code| code == "date_range"),
                !is_ours,
                "{place} {day}: {}",
                answer.text
            );
            if answer.status == StatusCode::CREATED {
                taken_in += 1;
                // Reading panics on a record that the resolver could not read.
                assert_eq!(world.produced().await.len(), taken_in, "{place} {day}");
            }
        }
    }
    assert!(taken_in >= 10, "{taken_in}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_repeat_of_what_was_never_answered_is_in_the_log_before_it_gets_a_receipt(pool: PgPool) {
    let mut world = World::new(pool).await;
    let dead = world.dead_log().await;
    world.restart(dead);
    let mut later = signal("A-1");
    later["amountCents"] = json!(50_000);
    for said in [signal("A-1"), later.clone()] {
        let answer = world.json("POST", "/v1/signals", &said).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    world.clock.advance(std::time::Duration::from_hours(1));

    let log = Log::postgres(world.pool.clone());
    world.restart(log);
    let answer = world.json("POST", "/v1/signals", &signal("A-1")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let body = answer.json();
    assert_eq!(
        (&body["revision"], &body["receivedAt"]),
        (&json!(1), &json!("2026-02-03T10:00:00Z"))
    );
    let held = |records: &[Received]| -> Vec<(u32, Option<u32>)> {
        records
            .iter()
            .map(|record| {
                (
                    record.revision,
                    record.content.as_ref().unwrap().amount_cents,
                )
            })
            .collect()
    };
    assert_eq!(held(&world.produced().await), [(1, Some(45_000))]);
    let path = format!("/v1/signals/{}", id(&body));
    let receipt = world.get(&path).await.json();
    assert_eq!(
        (&receipt["revision"], &receipt["acknowledged"]),
        (&json!(2), &json!(false)),
        "nobody was told that the log holds the second"
    );

    let answer = world.json("POST", "/v1/signals", &later).await.json();
    assert_eq!(
        (&answer["outcome"], &answer["revision"]),
        (&json!("corrected"), &json!(2))
    );
    let again = world
        .json("POST", "/v1/signals", &signal("A-1"))
        .await
        .json();
    assert_eq!(
        (&again["outcome"], &again["revision"]),
        (&json!("unchanged"), &json!(2))
    );
    assert_eq!(
        held(&world.produced().await),
        [(1, Some(45_000)), (2, Some(50_000))]
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_signal_has_the_key_in_the_log_that_everybody_gives_it(pool: PgPool) {
    let world = World::new(pool).await;
    let first = id(&world
        .json("POST", "/v1/signals", &signal("A-1"))
        .await
        .json());
    let withdrawal = format!("/v1/signals/{first}/withdrawal");
    world
        .json("POST", &withdrawal, &json!({"reason": "paid"}))
        .await;
    let keys: Vec<Vec<u8>> = sqlx::query_scalar("SELECT record_key FROM log_records")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!(keys, [signal_key(first), signal_key(first)]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_was_said_before_stays_said_however_late_it_comes_again(pool: PgPool) {
    let world = World::new(pool).await;
    let first = world.json("POST", "/v1/signals", &signal("A-1")).await;
    let place = format!("/v1/signals/{}", id(&first.json()));
    // Longer ago than such a signal is kept.
    world
        .clock
        .advance(std::time::Duration::from_hours(24 * 1_200));
    let list = json!([signal("A-1"), signal("A-2"), signal("A-1")]);
    let answer = world.json("POST", "/v1/signals", &list).await.json();
    let outcomes: Vec<_> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["outcome"].as_str().unwrap(),
                one["problems"][0]["code"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            ("unchanged", None),
            ("refused", Some("older_than_retention")),
            ("unchanged", None)
        ]
    );
    let same = world.json("PUT", &place, &signal("A-1")).await;
    assert_eq!(same.json()["outcome"], "unchanged", "{}", same.text);
    let mut changed = signal("A-1");
    changed["amountCents"] = json!(50_000);
    for answer in [
        world.json("POST", "/v1/signals", &changed).await,
        world.json("PUT", &place, &changed).await,
    ] {
        assert_eq!(
            answer.errors(),
            [("/signalledOn".to_owned(), "older_than_retention".to_owned())],
            "what is new is asked again"
        );
    }
    let receipts: i64 = sqlx::query_scalar("SELECT count(*) FROM signal_receipts")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!((receipts, world.produced().await.len()), (1, 1));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_correction_without_a_date_is_as_old_as_its_signal(pool: PgPool) {
    let world = World::new(pool).await;
    let mut undated = signal("A-1");
    undated["kind"] = json!("health_insurance_arrears");
    undated["arisenOn"] = json!("2025-11-20"); // 75 days; 100 is the most
    undated.as_object_mut().unwrap().remove("signalledOn");
    let first = world.json("POST", "/v1/signals", &undated).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let place = format!("/v1/signals/{}", id(&first.json()));
    world
        .clock
        .advance(std::time::Duration::from_hours(24 * 60));
    for (method, place, cents) in [("POST", "/v1/signals", 50_000), ("PUT", &place, 60_000)] {
        undated["amountCents"] = json!(cents);
        let answer = world.json(method, place, &undated).await;
        assert_eq!(answer.json()["outcome"], "corrected", "{}", answer.text);
    }
    undated["reference"] = json!("A-2");
    let new = world.json("POST", "/v1/signals", &undated).await;
    assert_eq!(
        new.errors(),
        [("/arisenOn".to_owned(), "arrears_too_old".to_owned())]
    );
    let dates: Vec<_> = world
        .produced()
        .await
        .iter()
        .map(|record| record.content.as_ref().unwrap().event_date)
        .collect();
    assert_eq!(dates, [date(2026, 2, 3); 3]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_erased_signal_says_so_and_its_reference_is_free(pool: PgPool) {
    let world = World::new(pool).await;
    let first = id(&world
        .json("POST", "/v1/signals", &signal("A-1"))
        .await
        .json());
    sqlx::query("INSERT INTO erasures (signal_id, erased_at) VALUES ($1, '2026-02-01')")
        .bind(first)
        .execute(&world.pool)
        .await
        .unwrap();
    let store = voorveld_store::Store::from_pool(world.pool.clone());
    let erased = store
        .erase_signals("2026-02-01T10:00:00Z".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(erased.signals, 1);
    let place = format!("/v1/signals/{first}");
    let withdrawal = format!("{place}/withdrawal");
    for answer in [
        world.get(&place).await,
        world.json("PUT", &place, &signal("A-1")).await,
        world
            .json("POST", &withdrawal, &json!({"reason": "paid"}))
            .await,
    ] {
        assert_eq!(answer.status, StatusCode::GONE, "S5");
        assert_eq!(answer.json()["type"], "urn:voorveld:problem:gone");
    }
    let again = world
        .json("POST", "/v1/signals", &signal("A-1"))
        .await
        .json();
    assert_eq!(again["outcome"], "accepted");
    assert_ne!(id(&again), first, "the reference names another signal now");
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_is_refused_while_it_sends_hears_the_refusal(pool: PgPool) {
    let world = World::new(pool).await;
    let (sent, was_sent) = tokio::sync::oneshot::channel();
    // It is sent when it is asked for, and nobody who refuses at the head asks.
    let body = futures::stream::once(async move {
        sent.send(()).unwrap();
        Ok::<_, std::io::Error>("[]")
    });
    let request = Request::post("/v1/signals")
        .header("authorization", "Bearer not-a-key")
        .header("content-type", "application/json")
        .body(Body::from_stream(body))
        .unwrap();
    let answer = world.ask(request).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    was_sent.await.expect("it was cut off");
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_comes_at_once_is_taken_in_together_and_answered_by_itself(pool: PgPool) {
    let world = World::new(pool).await;
    world.json("POST", "/v1/signals", &signal("A-0")).await;
    let mut held = world.lock("signal_receipts").await;
    let mut unknown = signal("A-2");
    unknown["kind"] = json!("not_a_kind");
    let bodies = [
        signal("A-1"),
        unknown,
        json!([signal("A-3"), signal("A-4")]),
        signal("A-1"),
        signal("A-5"),
        signal("A-0"),
    ];
    let asked = join_all(
        bodies
            .iter()
            .map(|body| world.json("POST", "/v1/signals", body)),
    );
    let release = async {
        let waits = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'signal_receipts' AND NOT l.granted \
                     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while sqlx::query_scalar::<_, i64>(waits)
            .fetch_one(&mut *held)
            .await
            .unwrap()
            == 0
        {}
        held.commit().await.unwrap();
    };
    let (answers, ()) = tokio::join!(asked, release);
    let statuses: Vec<u16> = answers
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    assert_eq!(statuses, [201, 400, 200, 200, 201, 200]);
    let refused = answers[1].errors();
    assert_eq!(refused.len(), 1, "{refused:?}");
    let list = answers[2].json();
    assert_eq!(list["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        answers[3].json()["outcome"],
        "unchanged",
        "the same twice, in order"
    );
    assert_eq!(id(&answers[3].json()), id(&answers[0].json()));
    assert_eq!(answers[5].json()["outcome"], "unchanged");

    let (revisions, requests, transactions): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(DISTINCT request_id), count(DISTINCT xmin::text) FROM signal_revisions",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!((revisions, requests), (5, 4), "each knows its own request");
    assert!(transactions <= 3, "{transactions} for five revisions");
    assert_eq!(world.produced().await.len(), 5);
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_gives_up_waiting_is_taken_in_all_the_same(pool: PgPool) {
    let world = World::new(pool).await;
    world.json("POST", "/v1/signals", &signal("A-0")).await;
    let held = world.lock("signal_receipts").await;
    let body = signal("A-1");
    let asked = world.json("POST", "/v1/signals", &body);
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(50), asked)
            .await
            .is_err()
    );
    held.commit().await.unwrap();
    let again = world.json("POST", "/v1/signals", &body).await;
    assert_eq!(
        (again.status, again.json()["outcome"].as_str()),
        (StatusCode::OK, Some("unchanged")),
        "{}",
        again.text
    );
    assert_eq!(world.produced().await.len(), 2);
}
