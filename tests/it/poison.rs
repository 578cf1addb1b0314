//! Hostile records straight into both topics, between records that are sound: each of them is put aside with a reason or, where what is left of it is a
//! sound record after all, stands in its place; none stops the stream, and what is sound comes out as if they had not been there.
//!
//! `VOORVELD_POISON=<many>` puts so many into each topic; `VOORVELD_POISON_SEED=<number>` makes others of them.
//!
//! A record of another release, and one that is sealed with a key that is not known, are none of these: they wait, and their partition with them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use uuid::Uuid;
use voorveld_bus::Outgoing;
use voorveld_wire::signal_v1::{
    Content, RECEIVED_TOPIC, RESOLVED_TOPIC, Received, Resolved, VERSION,
};

use crate::stages::{Stages, energy, rent};

const POISON: usize = 1_500;
const SEED: u64 = 2026;
/// Sound households among them.
const HOUSES: [&str; 12] = [
    "2", "4", "6", "8", "10", "12", "14", "16", "18", "20", "22", "24",
];
/// Records that go to the log at once.
const TOGETHER: usize = 250;

struct Dice(u64);

impl Dice {
    /// A linear congruential generator (Knuth's constants): repeatable, and good enough to be nasty.
    fn up_to(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.up_to(all.len())].clone()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "who runs this by hand says how many there are to be"
)]
fn asked_for(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What nobody expects in the place of a value.
fn nasty(dice: &mut Dice) -> Value {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let mut all = vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(0.5),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(u32::MAX),
        json!(i32::MAX),
        json!([]),
        json!({}),
        json!({"v": 1}),
        deep,
    ];
    all.extend(
        [
            "",
            " ",
            "0",
            "-1",
            "\u{0}",
            "nul \u{0} within",
            "\u{feff}",
            "\u{202e}",
            "\u{10ffff}",
            "'; DROP TABLE signals; --",
            "../../etc/passwd",
            "{{7*7}}",
            "9999-12-31",
            "-009999-01-01",
            "1899-12-31",
            "2200-01-01",
            "2025-02-30",
            "9999-12-30T22:00:00.999999999Z",
            "-009999-01-02T01:59:59Z",
            "2025-01-05T24:00:00Z",
            "0001-01-01T00:00:00Z",
            "00000000-0000-0000-0000-00000000000",
            "AAAA",
            "====",
            "rent",
            "RENT",
        ]
        .map(|text| json!(text)),
    );
    all.push(json!("x".repeat(70_000)));
    all.push(json!("é".repeat(300)));
    dice.of(&all)
}

/// Somewhere in it, by chance: the value itself, or one deeper in it.
fn somewhere<'a>(value: &'a mut Value, dice: &mut Dice) -> &'a mut Value {
    let deeper = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    if !deeper {
        return value;
    }
    match value {
        Value::Object(map) => {
            let nth = dice.up_to(map.len());
            let (_, inner) = map.iter_mut().nth(nth).unwrap();
            somewhere(inner, dice)
        }
        Value::Array(list) => {
            let nth = dice.up_to(list.len());
            somewhere(&mut list[nth], dice)
        }
        _ => unreachable!("only these are deeper"),
    }
}

/// One sound record made hostile.
fn poison(sound: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(sound).unwrap();
    let written = |value: &Value| serde_json::to_vec(value).unwrap();
    match dice.up_to(9) {
        0..=3 => {
            let times = 1 + dice.up_to(2);
            for _ in 0..times {
                let nasty = nasty(dice);
                *somewhere(&mut value, dice) = nasty;
            }
            written(&value)
        }
        4 => {
            // Something of it is left out: of the whole, or of what it says.
            let of_content = dice.up_to(2) == 0 && value["content"].is_object();
            let whole = if of_content {
                &mut value["content"]
            } else {
                &mut value
            };
            if let Value::Object(map) = whole {
                let nth = dice.up_to(map.len());
                let name = map.keys().nth(nth).unwrap().clone();
                map.remove(&name);
            }
            written(&value)
        }
        5 => {
            // A field of its own, that is no field of its kind.
            let nasty = nasty(dice);
            let mut fields = Map::new();
            fields.insert(dice.of(&["acute", "x", "", "\u{0}"]).to_owned(), nasty);
            if let Some(Value::Object(content)) = value.get_mut("content") {
                content.insert("fields".to_owned(), Value::Object(fields));
            }
            written(&value)
        }
        6 => {
            let mut bytes = written(&value);
            bytes.truncate(dice.up_to(bytes.len()));
            bytes
        }
        7 => {
            let length = dice.up_to(400);
            (0..length)
                .map(|_| u8::try_from(dice.up_to(256)).unwrap())
                .collect()
        }
        _ => {
            // The same name twice, with another value.
            let text = String::from_utf8(written(&value)).unwrap();
            let twice = format!("{{\"revision\":{},{}", nasty(dice), &text[1..]);
            twice.into_bytes()
        }
    }
}

/// Whether it is for another release, or sealed with a key that is not here: then waiting is right.
fn waits(bytes: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Versioned {
        v: u32,
    }
    serde_json::from_slice::<Versioned>(bytes).is_ok_and(|record| record.v != VERSION)
}

fn resolved(signal: Uuid) -> Resolved {
    Resolved {
        v: VERSION,
        signal,
        revision: 1,
        filing: 1,
        household: Uuid::new_v4(),
        lives_here: true,
        municipality: "0518".into(),
        partner: "partner-rent".into(),
        kind: "rent_arrears".into(),
        first_received_at: "2025-01-20T10:00:00Z".parse().unwrap(),
        received_at: "2025-01-20T10:00:00Z".parse().unwrap(),
        content: Some(Content {
            partner_type: "rent".into(),
            domain: "debt".into(),
            event_date: date(2025, 1, 5),
            arisen_on: Some(date(2025, 1, 1)),
            age_unknown: false,
            amount_cents: Some(30_000),
            crisis: false,
            warm_handover: false,
            supply_ends_on: Some(date(2025, 2, 1)),
            fields: BTreeMap::new(),
        }),
        debtor: Some(Uuid::new_v4()),
        area: Some("noord".into()),
        objected: false,
        withdrawn: false,
    }
}

/// So many hostile records for a topic, each about a signal of its own.
fn hostile(topic: &str, many: usize, stages: &Stages, dice: &mut Dice) -> Vec<(Uuid, Outgoing)> {
    let mut all = Vec::new();
    let mut number = if topic == RECEIVED_TOPIC {
        1_000_000
    } else {
        9_000_000
    };
    while all.len() < many {
        number += 1;
        let signal = Uuid::from_u128(number);
        let sound: Vec<u8> = if topic == RECEIVED_TOPIC {
            stages.record(&rent(number, "99")).value.to_vec()
        } else {
            resolved(signal).write()
        };
        let value = poison(&sound, dice);
        if waits(&value) {
            continue;
        }
        let key = match dice.up_to(4) {
            0 => Vec::new(),
            1 => vec![0xff; 300],
            2 => b"\0".to_vec(),
            _ => signal.to_string().into_bytes(),
        };
        let record = Outgoing {
            key: key.into(),
            value: value.into(),
            request_id: dice.of(&[None, Some("hostile".to_owned()), Some(String::new())]),
        };
        all.push((signal, record));
    }
    all
}

async fn signals_in(pool: &PgPool, table: &str) -> BTreeSet<Uuid> {
    let sql = format!("SELECT DISTINCT signal_id FROM {table}");
    let found: Vec<Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_all(pool)
        .await
        .unwrap();
    found.into_iter().collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn hostile_records_are_put_aside_with_a_reason_and_stop_nothing(pool: PgPool) {
    let many = asked_for("VOORVELD_POISON").map_or(POISON, |many| usize::try_from(many).unwrap());
    let mut dice = Dice(asked_for("VOORVELD_POISON_SEED").unwrap_or(SEED));
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.start().await;
    let mut sound = (0_u128..)
        .zip(HOUSES)
        .flat_map(|(house, number)| [rent(2 * house + 1, number), energy(2 * house + 2, number)]);
    let mut put_in: BTreeMap<&str, Vec<(Uuid, Outgoing)>> = BTreeMap::new();
    for topic in [RECEIVED_TOPIC, RESOLVED_TOPIC] {
        let records = hostile(topic, many, &stages, &mut dice);
        for (nth, together) in records.chunks(TOGETHER).enumerate() {
            // Many by hand take longer than a test is waited for.
            if nth % 20 == 19 {
                stages.settle().await;
            }
            let values = together.iter().map(|(_, record)| record.clone()).collect();
            stages.log.append(topic, values).await.unwrap();
            stages
                .send(&sound.next().into_iter().collect::<Vec<_>>())
                .await;
        }
        put_in.insert(topic, records);
    }
    stages.send(&sound.collect::<Vec<_>>()).await;
    stages.settle().await;

    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (topic, records) in &put_in {
        let rows: Vec<(Vec<u8>, String)> =
            sqlx::query_as("SELECT payload, reason FROM dead_letters WHERE topic = $1")
                .bind(topic)
                .fetch_all(&stages.pool)
                .await
                .unwrap();
        let mut aside: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (payload, reason) in rows {
            assert!(!reason.is_empty());
            *aside.entry(payload).or_default() += 1;
            *reasons.entry(format!("{topic} {reason}")).or_default() += 1;
        }
        let table = if *topic == RECEIVED_TOPIC {
            "signal_homes"
        } else {
            "signals"
        };
        let placed = signals_in(&stages.pool, table).await;
        let mut placed_of_these = 0;
        for (signal, record) in records {
            let left = aside.get_mut(&record.value[..]).filter(|left| 0 < **left);
            let is_aside = left.map(|left| *left -= 1).is_some();
            placed_of_these += usize::from(!is_aside);
            assert!(
                is_aside != placed.contains(signal),
                "in exactly one place: {topic} {} {}",
                is_aside,
                String::from_utf8_lossy(&record.value)
            );
        }
        // Besides, the resolver handed on what only the correlator knows to be wrong.
        for (payload, _) in aside.iter().filter(|(_, left)| 0 < **left) {
            let handed_on = Resolved::read(payload).unwrap().signal;
            assert!(
                put_in[RECEIVED_TOPIC]
                    .iter()
                    .any(|(signal, _)| *signal == handed_on)
            );
        }
        assert!(placed_of_these < many / 2, "most of them were hostile");
    }
    println!("{reasons:#?}");
    assert!(6 < reasons.len(), "of many kinds: {reasons:?}");
    // As sound as if nothing had been between them.
    let tasks = stages.texts(
        "SELECT household_id || purpose FROM tasks t WHERE state = 'open' AND EXISTS
           (SELECT 1 FROM task_grounds g WHERE g.task_id = t.task_id AND g.rule_id = 'debt.multiple')",
    );
    assert_eq!(tasks.await.len(), HOUSES.len());
    stages.stop(true).await;
}

/// A record that the log's other door would write is one that these read.
#[test]
fn what_hostile_records_are_made_of_is_sound() {
    let record = resolved(Uuid::from_u128(1)).write();
    assert!(Resolved::read(&record).is_ok());
    assert!(Received::read(&record).is_err());
}
