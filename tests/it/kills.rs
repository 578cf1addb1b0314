//! The process is killed again and again while partners send: nothing is lost, nothing is there twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::date;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use voorveld_synthetic::{Fate, PARTNERS, Plan, Step};
use voorveld_tests::root;

use crate::house::{COLLECTOR, SUPPLIER_09, SUPPLIER_12};
use crate::process::{House, Keys, Sender, today};

/// One: tasks are a function of a household's records in log order (K2). Files that come one after the other then make the same order in both runs, so that
/// even the steps on the ladder must be the same; with more, the resolver may take up what waits in another order.
const PARTITIONS: i32 = 1;
const KILLS: u32 = 20;
/// How long a file may take to come through, with all that happens meanwhile.
const PATIENCE: Duration = Duration::from_mins(1);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// The next moment comes at most so much later.
const MOMENT_MAX_MS: u64 = 400;
/// Each so many kills, one waits until the stages have taken over what the killed process held: Kafka gives that away after ten seconds.
const DEEP_EVERY: u32 = 4;

/// A file and who sends it.
struct File {
    sender: String,
    path: PathBuf,
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

/// Sends the files one by one, spread over the kills, so that each kill meets one.
async fn send_all(house: &House, files: &[File], killed: &watch::Sender<u32>) {
    let mut killed = killed.subscribe();
    let count = u32::try_from(files.len()).unwrap();
    for (number, file) in (0..).zip(files) {
        let turn = number * KILLS / count;
        killed.wait_for(|killed| turn <= *killed).await.unwrap();
        send(house, file, &mut killed).await;
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
    // Terms count from the day of receipt: two runs are compared only if midnight did not come between.
    let (calm, rough) = loop {
        let day = today();
        let house = furnished(&keys).await;
        house.start().await;
        send_all(&house, &files, &watch::Sender::new(KILLS)).await;
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
            send_all(&house, &files, &killed),
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
