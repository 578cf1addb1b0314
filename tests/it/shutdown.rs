//! Stopping the real binary: asked, it finishes what it holds; unasked, it says so with its exit code.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::json;

use crate::house::COLLECTOR;
use crate::process::{House, Keys};

/// Partners that send at the same time.
const SENDERS: usize = 4;
/// So many receipts are given before the house is asked to stop.
const RECEIPTS: usize = 40;

/// Sends signals one by one, until the door closes. Answers where each receipt can be found again.
async fn send_until_the_door_closes(
    house: &House,
    sender: &str,
    given: &AtomicUsize,
) -> Vec<String> {
    let client = reqwest::Client::new();
    let key = house.key(COLLECTOR.id);
    let mut receipts = Vec::new();
    for number in 0.. {
        let signal = json!({
            "reference": format!("{sender}-{number}"),
            "kind": "rent_arrears",
            "municipality": "0518",
            "signalledOn": "2025-03-03",
            "arisenOn": "2025-01-10",
            "amountCents": 45_000,
            "person": {"surname": "Voorbeeld"},
            "address": {"postcode": "1234AB", "houseNumber": format!("{}", 1 + number % 90)},
        });
        let request = client
            .post(format!("{}/v1/signals", house.door))
            .bearer_auth(&key)
            .json(&signal);
        match request.send().await {
            Ok(answer) if answer.status() == StatusCode::CREATED => {
                let place = answer.headers()["location"].to_str().unwrap().to_owned();
                receipts.push(place);
                given.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => break,
            Ok(answer) => panic!("{}: {}", answer.status(), answer.text().await.unwrap()),
            Err(_closed) => break,
        }
    }
    receipts
}

#[tokio::test]
async fn ctrl_c_drains() {
    let house = House::new(&Keys::generate().await).await;
    house.add_partner(&COLLECTOR).await;
    let mut receipts = Vec::new();
    for (signal, name) in [(Signal::INT, "int"), (Signal::TERM, "term")] {
        house.start().await;
        let given = AtomicUsize::new(0);
        let names: Vec<String> = (0..SENDERS)
            .map(|sender| format!("{name}-{sender}"))
            .collect();
        let senders = names
            .iter()
            .map(|sender| send_until_the_door_closes(&house, sender, &given));
        let stop = async {
            house
                .until("some receipts were given", async || {
                    RECEIPTS <= given.load(Ordering::Relaxed)
                })
                .await;
            house.stop(signal).await
        };
        let (sent, ended) = tokio::join!(join_all(senders), stop);
        assert_eq!(ended.code(), Some(0), "{name}");
        receipts.extend(sent.into_iter().flatten());
    }
    assert!(2 * RECEIPTS <= receipts.len());

    house.start().await;
    let client = reqwest::Client::new();
    for place in &receipts {
        let address = format!("{}{place}", house.door);
        let found = client
            .get(address)
            .bearer_auth(house.key(COLLECTOR.id))
            .send()
            .await
            .unwrap();
        assert_eq!(found.status(), StatusCode::OK, "a receipt is kept (I1)");
    }
    house.settle().await;
    let places = house.places().await;
    assert!(receipts.len() <= places.len());
    for place in places {
        assert!(place.ends_with(": timeline revision 1"), "{place}");
    }
    assert_eq!(house.stop(Signal::TERM).await.code(), Some(0));
    house.demolish().await;
}

#[tokio::test]
async fn a_task_that_ends_unasked_exits_one() {
    let house = House::new(&Keys::generate().await).await;
    house.start().await;
    house
        .until("both stages own their partitions", async || {
            house
                .texts("SELECT stage FROM partition_positions")
                .await
                .len()
                == 8
        })
        .await;
    assert_eq!(house.stop(Signal::TERM).await.code(), Some(0));
    // As if the topic had been deleted and made anew: the positions say nothing about it any more, and nothing may be skipped.
    sqlx::query("UPDATE partition_positions SET topic_id = gen_random_uuid()::text WHERE stage = 'correlator'")
        .execute(&house.pool)
        .await
        .unwrap();
    house.spawn().await;
    assert_eq!(house.ended().await.code(), Some(1));
    house.demolish().await;
}
