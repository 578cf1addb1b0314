//! A gateway with two partners, a clock that stands still and a log that can be taken away.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use prometheus::Registry;
use serde_json::Value;
use sqlx::PgPool;
use tower::ServiceExt;
use uuid::Uuid;
use voorveld_bus::{Log, TopicSpec};
use voorveld_chassis::{Clock, Lifecycle};
use voorveld_gateway::{Config, Parts, door, http::router};
use voorveld_policy::Policy;
use voorveld_seal::{ApiKey, IndexLabel, IndexSecret, Opener, OpeningKey, Sealer};
use voorveld_store::Store;
use voorveld_store::partners::Partner;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, Received, SealedIdentity, seal_context};

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The codes of a problem's errors, with their places.
    pub fn errors(&self) -> Vec<(String, String)> {
        let body = self.json();
        let listed = body["errors"].as_array().cloned().unwrap_or_default();
        listed
            .iter()
            .map(|error| {
                let place = ["pointer", "column"]
                    .iter()
                    .find_map(|name| error[*name].as_str())
                    .unwrap_or("");
                (place.to_owned(), error["code"].as_str().unwrap().to_owned())
            })
            .collect()
    }
}

pub struct World {
    pub pool: PgPool,
    pub store: Store,
    pub clock: Clock,
    pub lifecycle: Lifecycle,
    pub registry: Registry,
    pub router: Router,
    /// The key of `woonstede`, which sends rent, energy, water and health signals for 0518.
    pub key: String,
    /// The key of `school`, which may send nothing that has a ground.
    pub other_key: String,
    opener: Opener,
    secret: IndexSecret,
    public: voorveld_seal::SealingKey,
}

pub fn partner(id: &str, kinds: &[&str], types: &[&str]) -> Partner {
    Partner {
        id: id.into(),
        name: id.into(),
        municipalities: vec!["0518".into()],
        kinds: kinds.iter().map(|&kind| kind.into()).collect(),
        partner_types: types.iter().map(|&one| one.into()).collect(),
        rows_per_minute: 1_000_000,
        natural_key: false,
        disabled_at: None,
    }
}

pub const DEBT_KINDS: [&str; 12] = [
    "rent_arrears",
    "energy_arrears",
    "water_arrears",
    "health_insurance_arrears",
    "cak_health_insurance_arrears",
    "cak_contribution_arrears",
    "mortgage_arrears",
    "duo_arrears",
    "tax_arrears",
    "benefits_arrears",
    "other_arrears",
    "supply_end_notice",
];
pub const DEBT_TYPES: [&str; 11] = [
    "rent",
    "energy",
    "water",
    "health_insurance",
    "cak_health_insurance",
    "cak_contribution",
    "mortgage",
    "duo",
    "tax_administration",
    "benefits_office",
    "other",
];

impl World {
    /// Holds a table, so that nobody gets on with it until this is let go of.
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody breaks a test off in its transaction"
    )]
    pub async fn lock(&self, table: &'static str) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let mut held = self.pool.begin().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("LOCK TABLE {table}")))
            .execute(&mut *held)
            .await
            .unwrap();
        held
    }

    pub async fn new(pool: PgPool) -> Self {
        let log = Log::postgres(pool.clone());
        let topic = TopicSpec {
            name: RECEIVED_TOPIC.into(),
            partitions: 4,
            retention: std::time::Duration::from_hours(24),
        };
        log.ensure_topics(&[topic]).await.unwrap();
        let pair = OpeningKey::generate().unwrap();
        let public = pair.sealing_key().clone();
        let mut world = Self {
            store: Store::from_pool(pool.clone()),
            clock: Clock::manual("2026-02-03T10:00:00Z".parse().unwrap()),
            lifecycle: Lifecycle::new(),
            registry: Registry::new(),
            router: Router::new(),
            key: String::new(),
            other_key: String::new(),
            opener: Opener::new([pair]),
            secret: IndexSecret::generate().unwrap(),
            public,
            pool,
        };
        world.key = world
            .admit(&partner("woonstede", &DEBT_KINDS, &DEBT_TYPES))
            .await;
        world.other_key = world
            .admit(&partner("school", &["school_absence_16h"], &["school"]))
            .await;
        world.restart(log);
        world
    }

    pub async fn admit(&self, partner: &Partner) -> String {
        let key = ApiKey::generate().unwrap();
        self.store
            .add_partner(partner, &key.prefix, &key.hash, self.clock.now())
            .await
            .unwrap();
        key.shown_once.to_string()
    }

    /// A new process on the same database and keys.
    pub fn restart(&mut self, log: Log) {
        self.registry = Registry::new();
        self.lifecycle = Lifecycle::new();
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: None,
            strict_transport: false,
            municipalities: BTreeSet::from(["0518".parse().unwrap()]),
            spool_dir: None,
        };
        let parts = Parts {
            store: self.store.clone(),
            log,
            policy: Arc::new(Policy::shipped()),
            sealer: Sealer::new(self.public.clone()),
            references: self.secret.key(IndexLabel::References),
            digests: self.secret.key(IndexLabel::Digests),
            clock: self.clock.clone(),
            registry: self.registry.clone(),
        };
        self.router = router(door(config, parts, &self.lifecycle).unwrap());
    }

    /// A log that nobody can reach.
    pub async fn dead_log(&self) -> Log {
        let options = self.pool.connect_options().as_ref().clone();
        let pool = sqlx::postgres::PgPoolOptions::new().connect_lazy_with(options);
        pool.close().await;
        Log::postgres(pool)
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        media: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", media)
            .body(body.into())
            .unwrap();
        self.ask(request).await
    }

    pub async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, "application/json", body.to_string())
            .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "text/plain", Body::empty()).await
    }

    /// Everything the log holds, in order of arrival per partition.
    pub async fn produced(&self) -> Vec<Received> {
        let values: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT record_value FROM log_records WHERE topic = $1 ORDER BY partition, record_offset",
        )
        .bind(RECEIVED_TOPIC)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        values
            .iter()
            .map(|bytes| Received::read(bytes).unwrap())
            .collect()
    }

    /// What a record's envelope holds, opened as the resolver would.
    pub fn open(&self, record: &Received) -> SealedIdentity {
        let envelope = STANDARD.decode(record.sealed.as_ref().unwrap()).unwrap();
        let plain = self
            .opener
            .open(&envelope, &seal_context(record.signal, record.revision))
            .unwrap();
        serde_json::from_slice(&plain).unwrap()
    }

    pub fn metrics(&self) -> String {
        prometheus::TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap()
    }
}

/// A signal that fits.
pub fn signal(reference: &str) -> Value {
    serde_json::json!({
        "reference": reference, "kind": "rent_arrears", "municipality": "0518", "signalledOn": "2026-02-02",
        "arisenOn": "2025-12-01", "amountCents": 45_000,
        "person": {"surname": "Voorbeeld", "birthDate": "1985-06-15"},
        "address": {"postcode": "1234AB", "houseNumber": "10"}
    })
}

pub fn id(answer: &Value) -> Uuid {
    answer["id"].as_str().unwrap().parse().unwrap()
}
