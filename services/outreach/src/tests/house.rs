//! A small invented municipality: teams, colleagues, households with signals. No name in it belongs to anybody.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use jiff::Timestamp;
use prometheus::Registry;
use sqlx::PgPool;
use tower::ServiceExt;
use uuid::Uuid;
use voorveld_accounts::hash_password;
use voorveld_chassis::Clock;
use voorveld_domain::{Role, UserId};
use voorveld_policy::{Current, Policy};
use voorveld_seal::{Opener, OpeningKey, Sealer};
use voorveld_store::Store;
use voorveld_store::audit::{About, NewAuditEvent};
use voorveld_store::users::User;
use voorveld_wire::signal_v1::{SealedIdentity, seal_context};

use crate::{Config, Parts, router};

/// Everybody's password here.
pub const PASSWORD: &str = "een lange zin voor tests";
/// A Monday.
pub const NOW: &str = "2025-11-24T09:00:00Z";

pub struct House {
    pub app: Router,
    pub clock: Clock,
    /// By which sessions go.
    pub wall: Clock,
    pub pool: PgPool,
    pub store: Store,
    /// What is in force; another can be put in its place.
    pub policy: Current,
    sealer: Sealer,
}

impl House {
    /// Opens the door on a migrated database.
    pub async fn open(pool: PgPool) -> Self {
        let key = OpeningKey::generate().unwrap();
        let sealer = Sealer::new(key.sealing_key().clone());
        Self::with_opener(pool, sealer, Opener::new([key])).await
    }

    /// A door whose opener has other keys than the envelopes need.
    pub async fn with_wrong_keys(pool: PgPool) -> Self {
        let sealer = Sealer::new(OpeningKey::generate().unwrap().sealing_key().clone());
        let opener = Opener::new([OpeningKey::generate().unwrap()]);
        Self::with_opener(pool, sealer, opener).await
    }

    async fn with_opener(pool: PgPool, sealer: Sealer, opener: Opener) -> Self {
        let clock = Clock::manual(NOW.parse().unwrap());
        let wall = Clock::manual(NOW.parse().unwrap());
        let store = Store::from_pool(pool.clone());
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            https: false,
            strict_transport: false,
        };
        let policy = Current::new(Arc::new(Policy::shipped()));
        let parts = Parts {
            store: store.clone(),
            policy: policy.clone(),
            opener: Arc::new(opener),
            clock: clock.clone(),
            wall: wall.clone(),
            registry: Registry::new(),
            partition_of: Arc::new(|_| 3),
        };
        let (app, _) = router(&config, parts).unwrap();
        let house = Self {
            app,
            clock,
            wall,
            pool,
            store,
            policy,
            sealer,
        };
        house
            .run("INSERT INTO partners (partner_id, name, municipalities, kinds, partner_types, rows_per_minute, created_at)
                  VALUES ('woonstede', 'Woonstede', '{0518}', '{rent_arrears}', '{rent}', 1000, now())")
            .await;
        house
    }

    pub async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    /// An account.
    pub async fn colleague(&self, login: &str, roles: &[Role], teams: &[&str]) -> User {
        self.colleague_of("0518", login, roles, teams).await
    }

    pub async fn colleague_of(
        &self,
        municipality: &str,
        login: &str,
        roles: &[Role],
        teams: &[&str],
    ) -> User {
        let user = User {
            id: UserId::from_uuid(Uuid::new_v4()),
            municipality: municipality.parse().unwrap(),
            login: login.to_owned(),
            display_name: format!("Collega {login}"),
            roles: roles.to_vec(),
            teams: teams.iter().map(|team| team.parse().unwrap()).collect(),
            created_at: self.clock.now(),
            disabled_at: None,
            must_change: false,
        };
        let audit = NewAuditEvent {
            happened_at: self.clock.now(),
            municipality: Some(user.municipality),
            actor: "cli:test".to_owned(),
            action: "user.added",
            subject_kind: "user",
            subject_id: user.id.to_string(),
            about: About::default(),
            reason: "test".to_owned(),
            request_id: None,
        };
        let hash = hash_password(PASSWORD).unwrap();
        self.store.add_user(&user, &hash, audit).await.unwrap();
        user
    }

    /// An open debt-help task of a team in municipality 0518.
    pub async fn task(&self, team: &str, due: &str) -> SeededTask {
        self.task_of("0518", team, "debt_help", due).await
    }

    pub async fn task_of(
        &self,
        municipality: &str,
        team: &str,
        purpose: &str,
        due: &str,
    ) -> SeededTask {
        let task = SeededTask {
            id: Uuid::new_v4(),
            household: Uuid::new_v4(),
        };
        sqlx::query(
            "INSERT INTO tasks (task_id, municipality, household_id, purpose, state, urgency, ladder_step, due_on, team_id,
                                area_id, raised_as_of, raised_at)
             VALUES ($1, $2, $3, $4, 'open', 'raised', 2, $5::date, $6, 'noord', $5::date - 7, $5::date - 7)",
        )
        .bind(task.id)
        .bind(municipality)
        .bind(task.household)
        .bind(purpose)
        .bind(due)
        .bind(team)
        .execute(&self.pool)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO task_events (task_id, happened_at, event, detail) VALUES ($1, $2::timestamptz, 'raised', '{}')",
        )
        .bind(task.id)
        .bind(NOW)
        .execute(&self.pool)
        .await
        .unwrap();
        task
    }

    /// A reason for a task, with the signals behind it.
    pub async fn ground(&self, task: &SeededTask, rule: &str, words: &str, witnesses: &[Uuid]) {
        sqlx::query(
            "INSERT INTO task_grounds (task_id, rule_id, anchor, rule_version, rule_set, witnesses, evidence, words, due_on,
                                       added_as_of)
             SELECT $1, $2, '2025-11', 1, 'test', $3, '[]', $4, due_on, raised_as_of FROM tasks WHERE task_id = $1",
        )
        .bind(task.id)
        .bind(rule)
        .bind(witnesses)
        .bind(words)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// A rent signal of a household and its sealed identity.
    pub async fn signal(
        &self,
        task: &SeededTask,
        debtor: Option<Uuid>,
        on: &str,
        cents: i32,
        surname: &str,
    ) -> Uuid {
        let signal = self.sealed(1, surname).await;
        sqlx::query(
            "INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id,
                                  partner_type, kind, domain, event_date, first_received_at, received_at, amount_cents, crisis,
                                  warm_handover, debtor_id, area_id)
             VALUES ($1, $2, '0518', 1, 1, true, 'counted', 'woonstede', 'rent', 'rent_arrears', 'debt', $3::date,
                     $4::timestamptz, $4::timestamptz, $5, false, false, $6, 'noord')",
        )
        .bind(task.household)
        .bind(signal)
        .bind(on)
        .bind(NOW)
        .bind(cents)
        .bind(debtor)
        .execute(&self.pool)
        .await
        .unwrap();
        signal
    }

    /// A marker of a household (I10), and its sealed identity.
    pub async fn marker(&self, task: &SeededTask, debtor: Option<Uuid>, surname: &str) -> Uuid {
        let signal = self.signal(task, debtor, "2025-11-20", 100, surname).await;
        sqlx::query(
            "UPDATE signals SET kind = 'reporting_code_report', domain = 'safety', amount_cents = NULL WHERE signal_id = $1",
        )
        .bind(signal)
        .execute(&self.pool)
        .await
        .unwrap();
        signal
    }

    /// The sealed identity of a new signal.
    pub async fn sealed(&self, revision: u32, surname: &str) -> Uuid {
        let signal = Uuid::now_v7();
        self.seal(signal, revision, surname).await;
        signal
    }

    /// The sealed identity of a revision of a signal.
    pub async fn seal(&self, signal: Uuid, revision: u32, surname: &str) {
        let identity = SealedIdentity {
            initials: Some("T.".to_owned()),
            surname: Some(surname.to_owned()),
            street: Some("Voorbeeldstraat".to_owned()),
            house_number: Some("12".to_owned()),
            postcode: Some("1234 AB".to_owned()),
            reference: Some("HR-0001".to_owned()),
            ..SealedIdentity::default()
        };
        let plain = serde_json::to_vec(&identity).unwrap();
        let envelope = self
            .sealer
            .for_request()
            .unwrap()
            .seal(&seal_context(signal, revision), &plain)
            .unwrap();
        sqlx::query("INSERT INTO sealed_identities (signal_id, revision, envelope, received_at) VALUES ($1, $2, $3, $4::timestamptz)")
            .bind(signal)
            .bind(revision.cast_signed())
            .bind(envelope.as_bytes())
            .bind(NOW)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Stops all outreach at a task's household.
    pub async fn hold(&self, task: &SeededTask) -> Uuid {
        let hold = Uuid::new_v4();
        sqlx::query(
            "INSERT INTO holds (hold_id, municipality, household_id, reason, raised_at)
             VALUES ($1, '0518', $2, 'safety', $3::timestamptz)",
        )
        .bind(hold)
        .bind(task.household)
        .bind(NOW)
        .execute(&self.pool)
        .await
        .unwrap();
        hold
    }

    /// A marker for which no household was found.
    pub async fn unplaced_marker(&self, surname: &str) -> Uuid {
        let signal = self.sealed(1, surname).await;
        self.file_again(signal, 1, 1).await;
        signal
    }

    /// One more filing of a marker without a household.
    pub async fn file_again(&self, signal: Uuid, revision: i32, filing: i32) {
        sqlx::query(
            "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, unplaced_reason, withdrawn,
                                       partition, placed, received_at, decided_at)
             VALUES ($1, $2, $3, '0518', 'woonstede', 'reporting_code_report', 'no_address', false, 0, true, $4::timestamptz, now())",
        )
        .bind(signal)
        .bind(revision)
        .bind(filing)
        .bind(NOW)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// Somebody who signs in on the page.
    pub async fn browser(&self, login: &str) -> Browser {
        let mut browser = self.stranger();
        let answer = browser.sign_in(login, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        browser.learn_csrf().await;
        browser
    }

    /// Somebody who is not signed in.
    pub fn stranger(&self) -> Browser {
        Browser {
            app: self.app.clone(),
            cookies: Vec::new(),
            csrf: String::new(),
        }
    }
}

pub struct SeededTask {
    pub id: Uuid,
    pub household: Uuid,
}

impl SeededTask {
    pub fn page(&self) -> String {
        format!("/taken/{}", self.id)
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub location: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A browser with cookies, that sends its forms with the token it was given.
#[derive(Clone)]
pub struct Browser {
    app: Router,
    cookies: Vec<(String, String)>,
    pub csrf: String,
}

impl Browser {
    pub async fn sign_in(&mut self, login: &str, password: &str) -> Answer {
        self.cookies.retain(|(name, _)| name.ends_with("-form"));
        self.learn_csrf_from("/inloggen").await;
        self.post("/inloggen", &[("login", login), ("password", password)])
            .await
    }

    pub async fn learn_csrf(&mut self) {
        self.learn_csrf_from("/wachtwoord").await;
    }

    async fn learn_csrf_from(&mut self, path: &str) {
        let page = self.get(path).await.body;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        self.csrf = rest.split_once('"').unwrap().0.to_owned();
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path), String::new()).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend_from_slice(fields);
        self.post_bare(path, &all).await
    }

    /// A form without the token.
    pub async fn post_bare(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace(' ', "+")))
            .collect::<Vec<_>>()
            .join("&");
        let request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, body).await
    }

    pub async fn send(&mut self, request: axum::http::request::Builder, body: String) -> Answer {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ");
        let request = request
            .header(header::COOKIE, cookies)
            .body(Body::from(body))
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            assert!(text.contains("HttpOnly") && text.contains("SameSite=Lax"));
            let (name, rest) = text.split_once('=').unwrap();
            let value = rest.split_once(';').unwrap().0;
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        let status = response.status();
        let location = response
            .headers()
            .get(header::LOCATION)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            location,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What a page says that was seen of a hold's markers.
pub fn seen(page: &str, hold: Uuid) -> String {
    let (_, form) = page
        .split_once(&format!("action=\"/veiligheid/holds/{hold}\""))
        .unwrap();
    let (_, value) = form.split_once("name=\"seen\" value=\"").unwrap();
    value.split_once('"').unwrap().0.to_owned()
}
