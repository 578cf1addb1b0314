//! Resolver and correlator in this process, on a log and a database of their own, fed as the gateway would feed them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use sqlx::PgPool;
use uuid::Uuid;
use voorveld_bus::{Log, Outgoing, TopicSpec};
use voorveld_chassis::{Clock, Lifecycle};
use voorveld_policy::Policy;
use voorveld_seal::{IndexLabel, IndexSecret, Opener, OpeningKey, Sealer};
use voorveld_store::Store;
use voorveld_wire::signal_v1::{
    Content, RECEIVED_TOPIC, RESOLVED_TOPIC, Received, SealedIdentity, VERSION, seal_context,
    signal_key,
};

/// How long a settled house may take before the test says that it does not settle.
const PATIENCE: Duration = Duration::from_mins(1);
pub const PARTITIONS: i32 = 4;

/// Everything the two stages share.
pub struct Stages {
    pub pool: PgPool,
    pub store: Store,
    pub log: Log,
    pub clock: Clock,
    sealer: Sealer,
    key_text: String,
    indexes: IndexSecret,
    pub policy: Arc<Policy>,
    /// When everybody here was born, as far as partners say.
    pub born_on: Option<jiff::civil::Date>,
    /// The list of excluded addresses: its lines behind the heading.
    pub excluded: Vec<&'static str>,
    /// When each signal came in first, as the gateway remembers it.
    first_received: Mutex<BTreeMap<u128, Timestamp>>,
    running: Option<Lifecycle>,
    /// What both stages count, since they were started.
    registry: prometheus::Registry,
}

/// A signal as a test writes it. Invented, like everything here.
#[derive(Debug, Clone)]
pub struct Sent {
    pub signal: u128,
    pub revision: u32,
    pub kind: &'static str,
    pub day: Date,
    pub cents: Option<u32>,
    pub house: Option<&'static str>,
    pub withdrawn: bool,
    /// Whom it names; nobody who can be told apart, when absent.
    pub bsn: Option<&'static str>,
}

/// Rent of a January month, at a front door.
pub fn rent(signal: u128, house: &'static str) -> Sent {
    Sent {
        signal,
        revision: 1,
        kind: "rent_arrears",
        day: date(2025, 1, 5),
        cents: Some(45_000),
        house: Some(house),
        withdrawn: false,
        bsn: None,
    }
}

/// Energy of the same month, at a front door.
pub fn energy(signal: u128, house: &'static str) -> Sent {
    Sent {
        kind: "energy_arrears",
        day: date(2025, 1, 12),
        ..rent(signal, house)
    }
}

impl Stages {
    pub async fn new(pool: PgPool, today: &str) -> Self {
        let opening = OpeningKey::generate().expect("randomness");
        let store = Store::from_pool(pool.clone());
        let log = Log::postgres(pool.clone());
        let topics = [RECEIVED_TOPIC, RESOLVED_TOPIC].map(|name| TopicSpec {
            name: name.to_owned(),
            partitions: PARTITIONS,
            retention: Duration::from_hours(14 * 24),
        });
        log.ensure_topics(&topics).await.expect("topics");
        Self {
            pool,
            store,
            log,
            clock: Clock::manual(format!("{today}T10:00:00Z").parse().expect("an instant")),
            sealer: Sealer::new(opening.sealing_key().clone()),
            key_text: opening.to_text().to_string(),
            indexes: IndexSecret::generate().expect("randomness"),
            policy: Arc::new(Policy::shipped()),
            born_on: None,
            excluded: Vec::new(),
            first_received: Mutex::new(BTreeMap::new()),
            running: None,
            registry: prometheus::Registry::new(),
        }
    }

    /// How long the shipped policy keeps signals.
    pub fn retention(&self) -> voorveld_correlator::Retention {
        voorveld_correlator::Retention::of(self.policy.rules())
    }

    pub async fn start(&mut self) {
        let lifecycle = Lifecycle::new();
        self.registry = prometheus::Registry::new();
        let registry = &self.registry;
        let policy = Arc::clone(&self.policy);
        let kinds = Arc::clone(&self.policy);
        let list = tempfile::NamedTempFile::new().expect("a file");
        let lines = format!(
            "municipality;postcode;house_number;suffix;reason\n{}\n",
            self.excluded.join("\n")
        );
        std::fs::write(list.path(), lines).expect("writes");
        let address_index = self.indexes.key(IndexLabel::Addresses);
        let excluded = voorveld_resolver::read_excluded(list.path(), &address_index)
            .expect("a list of addresses");
        let resolver = voorveld_resolver::Parts {
            store: self.store.clone(),
            log: self.log.clone(),
            opener: Opener::new([OpeningKey::from_text(&self.key_text).expect("our own key")]),
            address_index,
            person_index: self.indexes.key(IndexLabel::Persons),
            area_of: Arc::new(move |_, digits| policy.routing().area(Some(digits)).clone()),
            ends_on: Arc::new(move |kind, event_date, born_on| {
                kinds.catalogue().find(kind)?.ends_on(event_date, born_on)
            }),
            excluded,
            clock: self.clock.clone(),
            fresh_id: Arc::new(Uuid::new_v4),
            metrics: voorveld_resolver::Metrics::new(registry).expect("fresh registry"),
            owner: "test".into(),
        };
        voorveld_resolver::start(resolver, &lifecycle)
            .await
            .expect("starts");
        let correlator = voorveld_correlator::Parts {
            store: self.store.clone(),
            log: self.log.clone(),
            policy: Arc::clone(&self.policy),
            clock: self.clock.clone(),
            metrics: voorveld_correlator::Metrics::new(registry).expect("fresh registry"),
            owner: "test".into(),
            cached_bytes: voorveld_correlator::DEFAULT_CACHED_BYTES,
        };
        voorveld_correlator::start(&correlator, &lifecycle);
        self.running = Some(lifecycle);
    }

    /// Opens the partners' door in front of both stages, until the lifecycle drains; its address.
    pub async fn open_door(&self, lifecycle: &Lifecycle) -> String {
        let opening = OpeningKey::from_text(&self.key_text).expect("our own key");
        let parts = voorveld_gateway::Parts {
            store: self.store.clone(),
            log: self.log.clone(),
            policy: Arc::clone(&self.policy),
            sealer: Sealer::new(opening.sealing_key().clone()),
            references: self.indexes.key(IndexLabel::References),
            digests: self.indexes.key(IndexLabel::Digests),
            clock: self.clock.clone(),
            registry: prometheus::Registry::new(),
        };
        let config = voorveld_gateway::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: None,
            strict_transport: false,
            municipalities: BTreeSet::from(["0518".parse().expect("a code")]),
            spool_dir: None,
        };
        let address = voorveld_gateway::start(config, parts, lifecycle)
            .await
            .expect("opens");
        format!("http://{address}")
    }

    /// What a gauge says, of all its labels together.
    pub fn gauge(&self, name: &str) -> String {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let family = family.unwrap_or_else(|| panic!("{name} is counted"));
        let values = family.get_metric().iter();
        let sum: f64 = values.map(|metric| metric.get_gauge().get_value()).sum();
        sum.to_string()
    }

    /// Stops both stages, in an orderly way or not.
    pub async fn stop(&mut self, orderly: bool) {
        let lifecycle = self.running.take().expect("was started");
        if orderly {
            lifecycle.drain();
        } else {
            lifecycle.aborting().cancel();
        }
        lifecycle.drain();
        let never = futures::stream::pending();
        lifecycle
            .run(Box::pin(never), Duration::from_secs(20))
            .await;
    }

    /// As the gateway would write it.
    pub fn record(&self, sent: &Sent) -> Outgoing {
        let signal = Uuid::from_u128(sent.signal);
        let partner_type = match sent.kind {
            "energy_arrears" => "energy",
            "water_arrears" => "water",
            "reporting_code_report" => "care",
            _ => "rent",
        };
        let received_at: Timestamp = self.clock.now();
        let first_received_at = *self
            .first_received
            .lock()
            .unwrap()
            .entry(sent.signal)
            .or_insert(received_at);
        let identity = SealedIdentity {
            surname: Some("Voorbeeld".into()),
            birth_date: self.born_on,
            bsn: sent.bsn.map(str::to_owned),
            postcode: sent.house.map(|_| "1234 AB".into()),
            house_number: sent.house.map(str::to_owned),
            ..SealedIdentity::default()
        };
        let sealed = self
            .sealer
            .for_request()
            .expect("randomness")
            .seal(
                &seal_context(signal, sent.revision),
                &serde_json::to_vec(&identity).expect("JSON"),
            )
            .expect("seals");
        let mut fields = BTreeMap::new();
        if sent.kind == "reporting_code_report" {
            fields.insert(
                "acute".to_owned(),
                voorveld_wire::signal_v1::FieldValue::Boolean(true),
            );
        }
        let received = Received {
            v: VERSION,
            signal,
            revision: sent.revision,
            municipality: "0518".into(),
            partner: format!("partner-{partner_type}"),
            kind: sent.kind.into(),
            first_received_at,
            received_at,
            content: (!sent.withdrawn).then(|| Content {
                partner_type: partner_type.into(),
                domain: match sent.kind {
                    "reporting_code_report" => "safety".into(),
                    "payment_received" => "payment".into(),
                    _ => "debt".into(),
                },
                event_date: sent.day,
                arisen_on: None,
                age_unknown: false,
                amount_cents: sent.cents,
                crisis: false,
                warm_handover: false,
                supply_ends_on: None,
                fields,
            }),
            sealed: (!sent.withdrawn)
                .then(|| base64::engine::general_purpose::STANDARD.encode(sealed.as_bytes())),
            withdrawn: sent.withdrawn.then(|| "paid".into()),
            again: false,
        };
        Outgoing {
            key: signal_key(signal).into(),
            value: received.write().into(),
            request_id: Some(format!("test-{}", sent.signal)),
        }
    }

    /// Appends as the gateway would.
    pub async fn send(&self, sent: &[Sent]) {
        let records = sent.iter().map(|one| self.record(one)).collect();
        self.log
            .append(RECEIVED_TOPIC, records)
            .await
            .expect("appends");
    }

    /// Appends bytes as they are.
    pub async fn send_raw(&self, topic: &str, value: &'static [u8]) {
        let record = Outgoing {
            key: "raw".into(),
            value: value.into(),
            request_id: None,
        };
        self.log.append(topic, vec![record]).await.expect("appends");
    }

    /// Offers an unplaced signal again with the address it now has, as `queue correct` does.
    pub async fn correct(&self, sent: &Sent) {
        let signal = Uuid::from_u128(sent.signal);
        let unplaced = self.store.unplaced(Some(signal)).await.expect("answers");
        let kept = unplaced[0]
            .record
            .clone()
            .expect("something is kept to try again with");
        let kept: Received = serde_json::from_value(kept).expect("a record");
        let offered = self.record(sent);
        let offered = Received::read(&offered.value).expect("a record");
        let received = Received {
            sealed: offered.sealed,
            again: true,
            ..kept
        };
        let record = Outgoing {
            key: signal_key(signal).into(),
            value: received.write().into(),
            request_id: None,
        };
        self.log
            .append(RECEIVED_TOPIC, vec![record])
            .await
            .expect("appends");
    }

    /// Waits until this counts zero.
    pub async fn until_none(&self, count: &str) {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                tick.tick().await;
                let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count.to_owned()))
                    .fetch_one(&self.pool)
                    .await
                    .expect("counts");
                if left == 0 {
                    return;
                }
            }
        });
        waited.await.expect("it comes to nothing");
    }

    /// Waits until both stages have read all there is and nothing is left to produce.
    pub async fn settle(&self) {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                tick.tick().await;
                if self.is_settled().await {
                    return;
                }
            }
        });
        waited.await.expect("the stages settle");
    }

    async fn is_settled(&self) -> bool {
        for (stage, topic) in [("resolver", RECEIVED_TOPIC), ("correlator", RESOLVED_TOPIC)] {
            let left: i64 = sqlx::query_scalar(
                "SELECT coalesce(sum(l.next_offset - coalesce(p.next_offset, 0)), 0)::bigint FROM log_partitions l
                 LEFT JOIN partition_positions p ON p.topic = l.topic AND p.partition = l.partition AND p.stage = $1
                 WHERE l.topic = $2",
            )
            .bind(stage)
            .bind(topic)
            .fetch_one(&self.pool)
            .await
            .expect("positions");
            if left != 0 {
                return false;
            }
            let unproduced: i64 = sqlx::query_scalar("SELECT count(*) FROM unproduced_filings")
                .fetch_one(&self.pool)
                .await
                .expect("homes");
            if unproduced != 0 {
                return false;
            }
        }
        true
    }

    /// Every match by what names it apart from the household's random id: the signals of the household, rule, anchor, witnesses.
    pub async fn matches(&self) -> BTreeSet<String> {
        self.texts(
            "SELECT rule_id || ' ' || anchor || ' ' || array_to_string(witnesses, ',') FROM matches",
        )
        .await
    }

    /// Every open task by purpose, urgency, term and grounds. Not its step on the ladder: that is a function of the household's records in log
    /// order (K2, K7), and two runs that append differently are two logs.
    pub async fn open_tasks(&self) -> BTreeSet<String> {
        self.texts(
            "SELECT t.purpose || ' ' || t.urgency || ' ' || t.due_on || ' ' || t.team_id || ' ' ||
                (SELECT string_agg(g.rule_id || '@' || g.anchor || '=' || array_to_string(g.witnesses, ','), ' ' ORDER BY g.rule_id, g.anchor)
                 FROM task_grounds g WHERE g.task_id = t.task_id AND g.gone_as_of IS NULL)
             FROM tasks t WHERE t.state IN ('open', 'claimed')",
        )
        .await
    }

    pub async fn texts(&self, sql: &'static str) -> BTreeSet<String> {
        let rows: Vec<String> = sqlx::query_scalar(sql)
            .fetch_all(&self.pool)
            .await
            .expect(sql);
        let count = rows.len();
        let set: BTreeSet<String> = rows.into_iter().collect();
        assert_eq!(count, set.len(), "nothing is there twice");
        set
    }
}
