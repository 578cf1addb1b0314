//! What a household is kept in between batches leaves no trace in what is written of it.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use sqlx::PgPool;
use voorveld_bus::Log;
use voorveld_chassis::Clock;
use voorveld_policy::{Bundle, Policy};
use voorveld_recall::Retention;
use voorveld_store::Store;
use voorveld_store::positions::Claimed;
use voorveld_store::publications::Mode;
use voorveld_synthetic::Dice;
use voorveld_wire::signal_v1::{Content, FieldValue, VERSION};

use super::*;
use crate::memory::DEFAULT_CACHED_BYTES;
use crate::metrics::Metrics;
use crate::published::{self, Asked};

/// The kinds that are sent: with their domain, partner type and how many days back their events may lie.
const KINDS: [(&str, &str, &str, u32); 8] = [
    ("rent_arrears", "debt", "rent", 1_090),
    ("energy_arrears", "debt", "energy", 90),
    ("water_arrears", "debt", "water", 20),
    ("health_insurance_arrears", "debt", "health_insurance", 20),
    ("supply_end_notice", "debt", "energy", 10),
    ("gp_concern", "care", "gp", 364),
    ("reporting_code_report", "safety", "care", 5),
    ("known_debt_client", "debt_help", "debt_help", 5),
];
const HOUSEHOLDS: u32 = 40;
const BATCHES: u32 = 140;

/// Records as the resolver writes them: signals that come, come again, are corrected, taken back, objected to and move between households.
struct Traffic {
    dice: Dice,
    /// The last that was said of each signal.
    signals: Vec<Resolved>,
    sent: Vec<Resolved>,
}

impl Traffic {
    fn new() -> Self {
        Self {
            dice: Dice::new(11, 1),
            signals: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn id(&mut self) -> Uuid {
        let mut word = || u128::from(self.dice.below(u32::MAX));
        Uuid::from_u128(word() << 96 | word() << 64 | word() << 32 | word())
    }

    fn home(&mut self) -> Uuid {
        Uuid::from_u128(u128::from(self.dice.below(HOUSEHOLDS)) + 1)
    }

    fn content(&mut self, kind: usize, at: Timestamp) -> Content {
        let (kind, domain, partner_type, days_back) = KINDS[kind];
        let back = i64::from(self.dice.below(days_back));
        let event_date = voorveld_calendar::amsterdam_date(at).saturating_sub(back.days());
        let mut fields = BTreeMap::new();
        if kind == "rent_arrears" && self.dice.chance(600) {
            let rent = i64::from(self.dice.between(90, 900)) * 1_000;
            fields.insert("monthly_rent".to_owned(), FieldValue::Number(rent));
            fields.insert("read_by_no_rule".to_owned(), FieldValue::Boolean(true));
        }
        if kind == "reporting_code_report" {
            let is_acute = self.dice.chance(500);
            fields.insert("acute".to_owned(), FieldValue::Boolean(is_acute));
        }
        if kind == "known_debt_client" && self.dice.chance(700) {
            let until = event_date.saturating_add(40.days());
            fields.insert("known_until".to_owned(), FieldValue::Date(until));
        }
        Content {
            partner_type: partner_type.to_owned(),
            domain: domain.to_owned(),
            event_date,
            arisen_on: None,
            age_unknown: self.dice.chance(100),
            amount_cents: self
                .dice
                .chance(900)
                .then(|| self.dice.between(2_000, 90_000)),
            crisis: self.dice.chance(30),
            warm_handover: self.dice.chance(30),
            supply_ends_on: (kind == "supply_end_notice")
                .then(|| event_date.saturating_add(30.days())),
            fields,
        }
    }

    fn new_signal(&mut self, at: Timestamp) -> Resolved {
        let kind = self.dice.weighted(&[30, 24, 12, 20, 4, 5, 2, 3]);
        let home = self.home();
        Resolved {
            v: VERSION,
            signal: self.id(),
            revision: 1,
            filing: 1,
            household: home,
            lives_here: true,
            municipality: "0518".to_owned(),
            partner: format!("{}-{}", KINDS[kind].2.replace('_', "-"), self.dice.below(2)),
            kind: KINDS[kind].0.to_owned(),
            first_received_at: at,
            received_at: at,
            content: Some(self.content(kind, at)),
            debtor: self
                .dice
                .chance(800)
                .then(|| Uuid::from_u128(home.as_u128() * 2 + u128::from(self.dice.below(2)))),
            area: self
                .dice
                .chance(700)
                .then(|| (*self.dice.pick(&["noord", "oost", "zuid"])).to_owned()),
            objected: self.dice.chance(20),
            withdrawn: false,
        }
    }

    /// What comes next, received at this instant.
    fn next(&mut self, at: Timestamp) -> Vec<Resolved> {
        let known = u32::try_from(self.signals.len()).expect("few");
        let what = if known == 0 { 0 } else { self.dice.below(20) };
        if what < 13 {
            let signal = self.new_signal(at);
            self.signals.push(signal.clone());
            self.sent.push(signal.clone());
            return vec![signal];
        }
        let which = usize::try_from(self.dice.below(known)).expect("few");
        let mut record = self.signals[which].clone();
        record.received_at = at;
        let kind = KINDS.iter().position(|(kind, ..)| *kind == record.kind);
        let news = match what {
            13 | 14 => {
                // Once more what was said before, and perhaps is no longer so.
                let sent = u32::try_from(self.sent.len()).expect("few");
                let which = usize::try_from(self.dice.below(sent)).expect("few");
                return vec![self.sent[which].clone()];
            }
            15 => {
                record.revision += 1;
                record.withdrawn = true;
                record.content = None;
                record.area = None;
                vec![record]
            }
            16 | 17 => {
                let content = self.content(kind.expect("one of them"), at);
                let leaving = Resolved {
                    filing: record.filing + 1,
                    lives_here: false,
                    content: None,
                    area: None,
                    ..record.clone()
                };
                record.filing += 1;
                record.household = self.home();
                record.withdrawn = false;
                record.content = Some(content);
                record.area = Some("west".to_owned());
                if leaving.household == record.household {
                    vec![record]
                } else {
                    vec![leaving, record]
                }
            }
            _ => {
                record.revision += 1;
                record.withdrawn = false;
                record.content = Some(self.content(kind.expect("one of them"), at));
                vec![record]
            }
        };
        self.signals[which] = news.last().expect("at least one").clone();
        self.sent.extend(news.iter().cloned());
        news
    }
}

/// The same rules, of which one asks for less: it judges from a place in the log on, so that places are asked for.
fn second_version() -> Policy {
    let mut files = Bundle::shipped().files().clone();
    let rule = files.get_mut("rules/debt.crisis.yaml").unwrap();
    *rule = rule.replace("version: 1", "version: 2").replace(
        "each_signal: crisis",
        "each_signal: { any_of: [crisis, { amount_at_least: 300 }] }",
    );
    Policy::of_bundle(&Bundle::of_files(files).unwrap()).unwrap()
}

/// Lives through the traffic, and gives back the correlator at its end.
async fn live_through(pool: &PgPool, remembers: bool) -> Correlator {
    let store = Store::from_pool(pool.clone());
    let clock = Clock::manual("2025-01-02T10:00:00Z".parse().unwrap());
    let mut correlator = Correlator::new(Parts {
        store: store.clone(),
        log: Log::postgres(pool.clone()),
        policy: Arc::new(Policy::shipped()),
        clock: clock.clone(),
        metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
        owner: "test".to_owned(),
        cached_bytes: DEFAULT_CACHED_BYTES,
    });
    let claimed = store.claim_partitions(READER, "log", &[(0, 0)], "test", clock.now());
    assert!(matches!(claimed.await.unwrap(), Claimed::Ours(_)));
    published::install(&store, &Policy::shipped(), clock.now(), |_| Vec::new())
        .await
        .unwrap();
    let mut traffic = Traffic::new();
    let step = |from, to| Step {
        partition: 0,
        from,
        to,
        epoch: 1,
    };
    let mut next = 0;
    for batch in 0..BATCHES {
        clock.set(clock.now() + 61.hours());
        if batch == BATCHES - 12 {
            let second = second_version();
            let asked = Asked {
                policy: &second,
                mode: Mode::Live,
                by: "A. Adviseur",
                reason: "test",
            };
            let seen = store.in_force().await.unwrap();
            published::publish(&store, asked, &seen, clock.now(), |_| Vec::new())
                .await
                .unwrap();
            correlator.rules.look_at_once();
        }
        if batch % 10 == 5 {
            // Colleagues have seen to what was open, so that some of what comes is muted.
            let sql = "UPDATE tasks SET state = 'closed', outcome = 'needs_no_help', closed_as_of = $1::date, closed_at = $1::timestamptz
                 WHERE state = 'open'";
            let today = clock.today().to_string();
            sqlx::query(sql).bind(today).execute(pool).await.unwrap();
        }
        let mut records = Vec::new();
        for _ in 0..=traffic.dice.below(6) {
            // Some are read later than others that were received before them.
            let ago = i64::from(traffic.dice.below(90)).minutes();
            for resolved in traffic.next(clock.now() - ago) {
                records.push(Record {
                    partition: 0,
                    offset: next,
                    key: resolved.household.as_bytes().to_vec().into(),
                    value: resolved.write().into(),
                    request_id: Some(format!("test-{next}")),
                    appended_at_ms: 0,
                });
                next += 1;
            }
        }
        if !remembers {
            correlator.memory.forget();
        }
        let from = records[0].offset;
        correlator
            .batch(&[step(from, next)], &records)
            .await
            .unwrap();
        let today = clock.today();
        let expired = Retention::of(correlator.parts.policy.rules()).over_on(today);
        store
            .wake_expired(RESOLVED_TOPIC, &expired, today)
            .await
            .unwrap();
        let held = [step(next, next)];
        loop {
            let due = correlator.due(&held, &[]).await.unwrap();
            if !remembers {
                correlator.memory.forget();
            }
            if !correlator.wake(&held, due).await.unwrap() {
                break;
            }
        }
    }
    correlator
}

/// Everything that is stored, row by row, but for ids that are drawn at random.
async fn everything(pool: &PgPool) -> BTreeMap<String, Vec<String>> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut all = BTreeMap::new();
    for table in tables {
        let sql = format!("SELECT (to_jsonb(t) - 'hold_id')::text FROM {table} t ORDER BY 1");
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(sql));
        all.insert(table, rows.fetch_all(pool).await.unwrap());
    }
    all
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_memory_leaves_no_trace_in_what_is_written(pool: PgPool) {
    let remembering = live_through(&pool, true).await;
    let with_memory = everything(&pool).await;
    let names: Vec<&str> = with_memory.keys().map(String::as_str).collect();
    let empty = format!("TRUNCATE {} RESTART IDENTITY CASCADE", names.join(", "));
    sqlx::query(sqlx::AssertSqlSafe(empty))
        .execute(&pool)
        .await
        .unwrap();
    let forgetting = live_through(&pool, false).await;
    let without = everything(&pool).await;
    for (table, rows) in &with_memory {
        for (one, other) in rows.iter().zip(&without[table]) {
            assert_eq!(one, other, "{table}");
        }
        assert_eq!(rows.len(), without[table].len(), "{table}");
    }

    // And that said something.
    for (table, least) in [
        ("signals", 200),
        ("signal_history", 60),
        ("matches", 30),
        ("tasks", 30),
        ("task_events", 60),
        ("holds", 1),
        ("wake_ups_taken", 40),
    ] {
        assert!(
            least < with_memory[table].len(),
            "{table} {}",
            with_memory[table].len()
        );
    }
    assert!(with_memory["dead_letters"].is_empty());
    let metrics = |of: &Correlator| of.parts.metrics.clone();
    assert!(10 < metrics(&remembering).expired.get());
    let muted = |by| {
        metrics(&remembering)
            .suppressed
            .with_label_values(&[by])
            .get()
    };
    for by in ["before_activation", "repeat", "known_client"] {
        assert!(2 < muted(by), "{by} {}", muted(by));
    }
    let counted = |of: &Correlator, label| metrics(of).cache.with_label_values(&[label]).get();
    assert!(300 < counted(&remembering, "found"));
    assert!(50 < counted(&remembering, "loaded"), "what changes is read");
    assert_eq!(counted(&forgetting, "found"), 0);
}
