//! The process is killed again and again while partners send, correct and take back: nothing is lost, nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::date;
use reqwest::{Client, Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use voorveld_synthetic::{Fate, PARTNERS, Plan, Step};
use voorveld_tests::root;

use crate::house::{COLLECTOR, SUPPLIER_09, SUPPLIER_12};
use crate::process::{House, Keys, Sender, today};

/// One: tasks are a function of a household's records in log order (K2). What comes one after the other then makes the same order in both runs, so that
/// even the steps on the ladder must be the same; with more, the resolver may take up what waits in several of them in another order.
const PARTITIONS: i32 = 1;
const KILLS: u32 = 20;
/// How long a file may take to come through, with all that happens meanwhile.
const PATIENCE: Duration = Duration::from_mins(1);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// The next moment comes at most so much later.
const MOMENT_MAX_MS: u64 = 400;
/// Each so many kills, one waits until the stages have taken over what the killed process held: Kafka gives that away after ten seconds.
const DEEP_EVERY: u32 = 4;

/// Signals that a partner sends one by one, besides its files.
const SINGLES: usize = 48;
/// Of those, each so many is later told with another amount …
const AMENDED_EVERY: usize = 3;
/// … or moved to another door …
const MOVED_EVERY: usize = 4;
/// … or taken back.
const WITHDRAWN_EVERY: usize = 5;
/// So many requests go between two files.
const REQUESTS_TOGETHER: usize = 12;

/// A file and who sends it.
struct File {
    sender: String,
    path: PathBuf,
}

/// What a partner does by request, with the number of the signal it is about.
enum Request {
    Say(usize, Value),
    Correct(usize, Value),
    TakeBack(usize),
}

/// What is sent in one go.
enum Sending {
    File(File),
    Requests(Vec<Request>),
}

fn single(number: usize, cents: u32, house: usize) -> Value {
    json!({
        "reference": format!("los-{number}"),
        "kind": if number.is_multiple_of(2) { "rent_arrears" } else { "water_arrears" },
        "municipality": "0518",
        "signalledOn": format!("2025-0{}-1{}", 1 + number % 5, number % 9),
        "arisenOn": "2024-10-10",
        "amountCents": cents,
        "person": { "surname": "Voorbeeld" },
        "address": { "postcode": "1234AB", "houseNumber": house.to_string() },
    })
}

/// Signals of two kinds at shared doors; then corrections, moves and withdrawals of some of them.
fn requests() -> Vec<Request> {
    let house = |number: usize| 1 + number / 4;
    let of_every = |every: usize| (0..SINGLES).filter(move |number| number.is_multiple_of(every));
    let said = (0..SINGLES).map(|n| Request::Say(n, single(n, 20_000, house(n))));
    let amended = of_every(AMENDED_EVERY).map(|n| Request::Correct(n, single(n, 65_000, house(n))));
    let moved =
        of_every(MOVED_EVERY).map(|n| Request::Correct(n, single(n, 20_000, 100 + house(n))));
    let withdrawn = of_every(WITHDRAWN_EVERY).map(Request::TakeBack);
    said.chain(amended).chain(moved).chain(withdrawn).collect()
}

/// Files with requests between them, in an order that is the same in every run.
fn sendings(files: Vec<File>) -> Vec<Sending> {
    let mut requests = requests();
    let mut sendings = Vec::new();
    for file in files {
        sendings.push(Sending::File(file));
        let rest = requests.split_off(REQUESTS_TOGETHER.min(requests.len()));
        let now = std::mem::replace(&mut requests, rest);
        if !now.is_empty() {
            sendings.push(Sending::Requests(now));
        }
    }
    assert!(
        requests.is_empty(),
        "more requests than fit between the files"
    );
    sendings
}

/// The files of the other test, and three months of an invented municipality in every format. Answers how many signals the invented ones are.
fn files(folder: &Path) -> (Vec<File>, usize) {
    let mut files = vec![File {
        sender: COLLECTOR.id.to_owned(),
        path: root().join("tests/data/huur-en-water.csv"),
    }];
    let standards = root().join("../shared/standards");
    if standards.is_dir() {
        for (version, sender) in [("0.9", &SUPPLIER_09), ("1.2", &SUPPLIER_12)] {
            files.push(File {
                sender: sender.id.to_owned(),
                path: standards.join(format!(
                    "ddas-vroegsignalering-v{version}/meervoudigVoorbeeld.json"
                )),
            });
        }
    } else {
        eprintln!("skipped: the official DDAS examples, since ../shared is not there");
    }
    let plan = Plan {
        seed: 11,
        municipality: "0518".parse().unwrap(),
        inhabitants: 30_000,
        months: 3,
        until: date(2025, 6, 30),
    };
    let mut accepted = BTreeSet::new();
    for step in plan.steps() {
        if let Step::Deliver(delivery) = step {
            let path = folder.join(&delivery.name);
            std::fs::write(&path, &delivery.bytes).unwrap();
            files.push(File {
                sender: delivery.partner.id.to_owned(),
                path,
            });
            for row in delivery.ledger {
                if matches!(row.fate, Fate::Accepted | Fate::Unplaced(_)) {
                    accepted.insert((delivery.partner.id, row.reference));
                }
            }
        }
    }
    (files, accepted.len())
}

async fn furnished(keys: &Keys) -> House {
    let house = House::with_partitions(keys, PARTITIONS).await;
    for sender in [&COLLECTOR, &SUPPLIER_09, &SUPPLIER_12] {
        house.add_partner(sender).await;
    }
    for partner in PARTNERS {
        house
            .add_partner(&Sender {
                id: partner.id,
                municipalities: &["0518"],
                kinds: partner.kinds,
                types: &[partner.partner_type.code()],
            })
            .await;
    }
    house
}

/// Sends a file as an impatient partner would: when it hears nothing or the other side is gone, it breaks off and sends the same file again, until it came
/// through whole.
async fn send(house: &House, file: &File, killed: &mut watch::Receiver<u32>) {
    let mut tick = interval(TRY_AGAIN_AFTER);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sent = timeout(PATIENCE, async {
        loop {
            tick.tick().await;
            killed.mark_unchanged();
            tokio::select! {
                pushed = house.push(&file.sender, &file.path) => {
                    if matches!(pushed.status.code(), Some(0 | 3)) {
                        return;
                    }
                }
                _ = killed.changed() => {}
            }
        }
    });
    sent.await.expect("a file comes through");
}

/// Does a request as an impatient partner would: again, until it has an answer that promises something. Remembers the id of what was said.
async fn ask(house: &House, client: &Client, request: &Request, ids: &mut BTreeMap<usize, String>) {
    let (method, path, body) = match request {
        Request::Say(_, signal) => (Method::POST, "/v1/signals".to_owned(), signal.clone()),
        Request::Correct(number, signal) => (
            Method::PUT,
            format!("/v1/signals/{}", ids[number]),
            signal.clone(),
        ),
        Request::TakeBack(number) => (
            Method::POST,
            format!("/v1/signals/{}/withdrawal", ids[number]),
            json!({ "reason": "paid" }),
        ),
    };
    let key = house.key(COLLECTOR.id);
    let mut tick = interval(TRY_AGAIN_AFTER);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let asked = timeout(PATIENCE, async {
        loop {
            tick.tick().await;
            let request = client
                .request(method.clone(), format!("{}{path}", house.door))
                .bearer_auth(&key)
                .json(&body);
            let Ok(answer) = request.send().await else {
                continue;
            };
            let status = answer.status();
            if status == StatusCode::SERVICE_UNAVAILABLE {
                continue;
            }
            let Ok(answer) = answer.json::<Value>().await else {
                continue;
            };
            assert!(status.is_success(), "{path}: {status} {answer}");
            break answer;
        }
    });
    let answer = asked.await.expect("a request comes through");
    if let Request::Say(number, _) = request {
        let id = answer["id"].as_str().expect("a receipt has an id");
        ids.insert(*number, id.to_owned());
    }
}

/// Kills and starts the house at moments that this seed decides, and tells after each how many it were.
async fn kill_again_and_again(house: &House, seed: u64, killed: &watch::Sender<u32>) {
    let mut state = seed;
    for kill in 1..=KILLS {
        if kill % DEEP_EVERY == 0 {
            let before = house.done().await;
            house
                .until("the stages go on", async || before < house.done().await)
                .await;
        }
        // A linear congruential generator (Knuth's constants): repeatable, and good enough for moments.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Not a wait for something: the moment itself is the experiment.
        sleep(Duration::from_millis((state >> 33) % MOMENT_MAX_MS)).await;
        house.kill().await;
        killed.send_replace(kill);
        house.start().await;
    }
}

/// Sends everything one by one, spread over the kills, so that each kill meets something.
async fn send_all(house: &House, sendings: &[Sending], killed: &watch::Sender<u32>) {
    let mut killed = killed.subscribe();
    let count = u32::try_from(sendings.len()).unwrap();
    let (client, mut ids) = (Client::new(), BTreeMap::new());
    for (number, sending) in (0..).zip(sendings) {
        let turn = number * KILLS / count;
        killed.wait_for(|killed| turn <= *killed).await.unwrap();
        match sending {
            Sending::File(file) => send(house, file, &mut killed).await,
            Sending::Requests(requests) => {
                for request in requests {
                    ask(house, &client, request, &mut ids).await;
                }
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    places: Vec<String>,
    matches: Vec<String>,
    tasks: Vec<String>,
}

async fn holdings(house: &House) -> Holdings {
    Holdings {
        places: house.places().await,
        matches: house.matches().await,
        tasks: house.open_tasks().await,
    }
}

fn assert_same(what: &str, calm: &[String], rough: &[String]) {
    let [calm_set, rough_set] = [calm, rough].map(|list| list.iter().collect::<BTreeSet<_>>());
    let missing: Vec<_> = calm_set.difference(&rough_set).collect();
    let extra: Vec<_> = rough_set.difference(&calm_set).collect();
    assert!(
        missing.is_empty() && extra.is_empty() && calm.len() == rough.len(),
        "{what}: {} against {}; missing {missing:#?}; not there before {extra:#?}",
        calm.len(),
        rough.len()
    );
}

#[tokio::test]
async fn killed_at_twenty_random_moments_nothing_is_lost_or_doubled() {
    let keys = Keys::generate().await;
    let folder = tempfile::tempdir().unwrap();
    let (files, invented) = files(folder.path());
    assert!(
        usize::try_from(KILLS).unwrap() <= files.len() && 200 < invented,
        "{} files with {invented} signals",
        files.len()
    );
    let sendings = sendings(files);
    // Terms count from the day of receipt: two runs are compared only if midnight did not come between.
    let (calm, rough) = loop {
        let day = today();
        let house = furnished(&keys).await;
        house.start().await;
        send_all(&house, &sendings, &watch::Sender::new(KILLS)).await;
        house.settle().await;
        let calm = holdings(&house).await;
        let signals: i64 =
            sqlx::query_scalar("SELECT count(*) FROM signal_receipts WHERE partner_id = ANY ($1)")
                .bind(
                    PARTNERS
                        .iter()
                        .map(|partner| partner.id)
                        .collect::<Vec<_>>(),
                )
                .fetch_one(&house.pool)
                .await
                .unwrap();
        assert_eq!(usize::try_from(signals).unwrap(), invented);
        assert_eq!(house.stop(Signal::TERM).await.code(), Some(0));
        house.demolish().await;

        let house = furnished(&keys).await;
        house.start().await;
        let killed = watch::Sender::new(0);
        tokio::join!(
            send_all(&house, &sendings, &killed),
            kill_again_and_again(&house, 20, &killed)
        );
        house.settle().await;
        let rough = holdings(&house).await;
        assert_eq!(*killed.borrow(), KILLS);
        assert_eq!(house.stop(Signal::TERM).await.code(), Some(0));
        house.demolish().await;
        if day == today() {
            break (calm, rough);
        }
    };
    assert!(
        !calm.matches.is_empty() && !calm.tasks.is_empty(),
        "there is something to lose"
    );
    for place in &rough.places {
        assert!(
            !place.contains(',') && !place.contains("pending") && !place.contains("received"),
            "in one place, and not on its way: {place}"
        );
    }
    assert_same("places", &calm.places, &rough.places);
    assert_same("matches", &calm.matches, &rough.matches);
    assert_same("open tasks", &calm.tasks, &rough.tasks);
}
