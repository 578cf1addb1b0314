//! The page in process, on a real PostgreSQL and the log that lives in it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use prometheus::Registry;
use sqlx::PgPool;
use tower::ServiceExt;
use uuid::Uuid;
use voorveld_accounts::{Accounts, REFRESH_HEADER, SESSION_IDLE, hash_password};
use voorveld_bus::{Log, Outgoing, TopicSpec};
use voorveld_chassis::Clock;
use voorveld_domain::{Role, UserId};
use voorveld_policy::{Current, Policy};
use voorveld_store::Store;
use voorveld_store::audit::{About, NewAuditEvent};
use voorveld_store::users::User;

use crate::{Config, Parts, Stage, router};

const PASSWORD: &str = "een lange zin voor tests";
const STAGES: [Stage; 2] = [
    Stage {
        name: "resolver",
        topic: "signals.received",
    },
    Stage {
        name: "correlator",
        topic: "signals.resolved",
    },
];

struct Console {
    clock: Clock,
    app: Router,
    accounts: Accounts,
    store: Store,
    log: Log,
}

impl Console {
    fn open(pool: PgPool) -> Self {
        let store = Store::from_pool(pool.clone());
        let log = Log::postgres(pool);
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            https: false,
            strict_transport: false,
        };
        let clock = Clock::manual("2025-11-24T09:00:00Z".parse().unwrap());
        let parts = Parts {
            store: store.clone(),
            log: log.clone(),
            stages: STAGES.to_vec(),
            policy: Current::new(Arc::new(Policy::shipped())),
            clock: clock.clone(),
            wall: clock.clone(),
            registry: Registry::new(),
        };
        let (app, accounts) = router(&config, parts).unwrap();
        Self {
            clock,
            app,
            accounts,
            store,
            log,
        }
    }

    async fn colleague(&self, role: Role) {
        let user = User {
            id: UserId::from_uuid(Uuid::new_v4()),
            municipality: "0518".parse().unwrap(),
            login: "beheer".to_owned(),
            display_name: "Collega Beheer".to_owned(),
            roles: vec![role],
            teams: Vec::new(),
            created_at: "2025-11-01T09:00:00Z".parse().unwrap(),
            disabled_at: None,
            must_change: false,
        };
        let audit = NewAuditEvent {
            happened_at: user.created_at,
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
    }

    async fn get(&self, path: &str, cookie: &str) -> (StatusCode, String) {
        let request = Request::get(path)
            .header(header::COOKIE, cookie)
            .body(Body::empty())
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn page(&self, path: &str) -> String {
        let begun = self.accounts.sign_in("beheer", PASSWORD).await.unwrap();
        let cookie = format!("{}={}", self.accounts.cookie_name(), begun.token.expose());
        let (status, page) = self.get(path, &cookie).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn only_operations_comes_in(pool: PgPool) {
    let console = Console::open(pool);
    let (status, _) = console.get("/", "").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    console.colleague(Role::TeamMember).await;
    assert!(console.accounts.sign_in("beheer", PASSWORD).await.is_err());
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_came_in_is_told_per_partner_and_period(pool: PgPool) {
    let console = Console::open(pool.clone());
    console.colleague(Role::Operations).await;
    sqlx::raw_sql(
        "INSERT INTO partners (partner_id, name, municipalities, kinds, partner_types, rows_per_minute, created_at)
         VALUES ('woonstede', 'Woonstede', '{0518}', '{}', '{rent}', 1, now()),
                ('elders', 'Elders', '{0363}', '{}', '{rent}', 1, now());
         INSERT INTO intake_counts VALUES
             ('2025-11-24', 'woonstede', '0518', 'accepted', '', 11),
             ('2025-11-20', 'woonstede', '0518', 'accepted', '', 100),
             ('2025-10-30', 'woonstede', '0518', 'accepted', '', 1000),
             ('2025-10-01', 'woonstede', '0518', 'accepted', '', 10000),
             ('2025-11-20', 'woonstede', '0363', 'accepted', '', 70000),
             ('2025-11-20', 'woonstede', '', 'refused', 'arrears_too_young', 7);",
    )
    .execute(&pool)
    .await
    .unwrap();
    for (path, accepted, refused) in [
        ("/?periode=vandaag", 11, false),
        ("/?periode=week", 111, true),
        ("/", 1_111, true),
    ] {
        let page = console.page(path).await;
        assert!(page.contains(&format!("<td>{accepted}</td>")), "{path}");
        assert_eq!(page.contains("achterstand te kort 7"), refused, "{path}");
        assert!(!page.contains("Elders"), "another municipality's partner");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_waits_and_what_is_late_is_told(pool: PgPool) {
    let console = Console::open(pool.clone());
    console.colleague(Role::Operations).await;
    let topics: Vec<TopicSpec> = STAGES
        .iter()
        .map(|stage| TopicSpec {
            name: stage.topic.to_owned(),
            partitions: 2,
            retention: std::time::Duration::from_hours(24),
        })
        .collect();
    console.log.ensure_topics(&topics).await.unwrap();
    let records = (0..50)
        .map(|n| Outgoing {
            key: format!("key {n}").into_bytes().into(),
            value: b"x"[..].into(),
            request_id: None,
        })
        .collect();
    console.log.append(STAGES[0].topic, records).await.unwrap();
    sqlx::raw_sql(
        "UPDATE log_records SET appended_at = '2025-11-24T08:15:00Z';
         INSERT INTO partition_positions VALUES
             ('resolver', 'signals.received', 0, 'id', 3, 1, 'resolver@machine:1', '2025-11-24T08:59:00Z');
         INSERT INTO dead_letters (dead_letter_id, stage, topic, partition, record_offset, record_key, payload, reason,
                                   withdrawal, state, died_at)
         VALUES (gen_random_uuid(), 'resolver', 'signals.received', 0, 1, '', '', 'unreadable', false, 'waiting',
                 '2025-11-22T09:00:00Z'),
                (gen_random_uuid(), 'resolver', 'signals.received', 0, 2, '', '', 'unreadable', false, 'discarded',
                 '2025-11-01T09:00:00Z');
         INSERT INTO tasks (task_id, municipality, household_id, purpose, state, urgency, ladder_step, due_on, team_id, area_id,
                            raised_as_of, raised_at)
         SELECT gen_random_uuid(), '0518', gen_random_uuid(), 'debt_help', 'open', 'routine', 1, due::date, 'wijkteam-noord',
                'noord', '2025-11-01', now()
         FROM unnest(ARRAY['2025-11-21', '2025-11-24', '2025-12-01']) AS due;
         INSERT INTO holds (hold_id, municipality, household_id, reason, raised_at)
         VALUES (gen_random_uuid(), '0518', gen_random_uuid(), 'safety', now());",
    )
    .execute(&pool)
    .await
    .unwrap();
    let page = console.page("/").await;
    assert!(
        page.contains("<td>47</td><td class=\"is-bad\">45 min</td>"),
        "{page}"
    );
    assert!(page.contains("<td class=\"is-bad\">1</td><td>2 dagen</td>"));
    assert!(page.contains("Wijkteam Noord"));
    assert!(page.contains("<td>3</td><td>0</td><td class=\"is-bad\">1</td>"));
    assert!(page.contains("<b>1</b>huishoudens: nu geen contact"));
    assert!(
        !page.contains("veiligheid"),
        "no hold tells its reason (K11)"
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_log_that_does_not_answer_is_unknown_and_not_zero(pool: PgPool) {
    let console = Console::open(pool);
    console.colleague(Role::Operations).await;
    // The topics were never made.
    let page = console.page("/").await;
    assert!(page.contains("<b>onbekend</b>achterstand in de log"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn receipts_that_wait_too_long_for_the_log_are_an_alarm(pool: PgPool) {
    let console = Console::open(pool.clone());
    console.colleague(Role::Operations).await;
    sqlx::raw_sql(
        "INSERT INTO partners (partner_id, name, municipalities, kinds, partner_types, rows_per_minute, created_at)
         VALUES ('woonstede', 'Woonstede', '{0518}', '{}', '{rent}', 1, now());
         INSERT INTO signal_receipts (signal_id, municipality, partner_id, reference_index, kind, revision, digest, state,
                                      first_received_at, received_at)
         SELECT gen_random_uuid(), '0518', 'woonstede', at::bytea, 'rent_arrears', 1, '', 'pending', at::timestamptz, at::timestamptz
         FROM unnest(ARRAY['2025-11-24T08:55:00Z', '2025-11-24T08:59:00Z']) AS at;",
    )
    .execute(&pool)
    .await
    .unwrap();
    let page = console.page("/").await;
    assert!(page.contains("<b>2</b>wacht op bevestiging, oudste 5 min"));
    assert!(page.contains("<td>2 (5 min)</td>"), "{page}");
    console.clock.advance(Duration::from_secs(1));
    let page = console.page("/").await;
    assert!(page.contains("<div class=\"tile alarm\"><b>2</b>wacht op bevestiging"));
    assert!(page.contains("<td class=\"is-bad\">2 (5 min)</td>"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_page_that_fetches_itself_again_does_not_keep_a_session_going(pool: PgPool) {
    let console = Console::open(pool);
    console.colleague(Role::Operations).await;
    let begun = console.accounts.sign_in("beheer", PASSWORD).await.unwrap();
    let cookie = format!(
        "{}={}",
        console.accounts.cookie_name(),
        begun.token.expose()
    );
    let step = SESSION_IDLE / 2;
    for status in [StatusCode::OK, StatusCode::SEE_OTHER] {
        console.clock.advance(step);
        let request = Request::get("/")
            .header(header::COOKIE, &cookie)
            .header(REFRESH_HEADER, "1")
            .body(Body::empty())
            .unwrap();
        let answer = console.app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn rules_on_trial_stand_beside_what_is_live_without_those_of_the_safety_desk(pool: PgPool) {
    let console = Console::open(pool.clone());
    console.colleague(Role::Operations).await;
    assert!(!console.page("/").await.contains("Regels op proef"));

    let policy = Policy::shipped();
    let hash = policy.bundle().hash().to_string();
    let mut tx = console.store.begin("test").await.unwrap();
    let shadow = voorveld_store::publications::NewPublication {
        mode: voorveld_store::publications::Mode::Shadow,
        bundle: &hash,
        files: policy.bundle().files(),
        rule_set: "r",
        content: &serde_json::json!({}),
        by: "A. Adviseur",
        reason: "test",
    };
    let number = tx.publish(&shadow, console.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert!(console.page("/").await.contains("nog niets gevonden"));
    sqlx::query(
        "INSERT INTO shadow_matches SELECT $1, gen_random_uuid(), rule, '2025-11', place, 2, '{}', '[]', true
         FROM (VALUES ('debt.high_amount', '0518'), ('safety.meldcode', '0518'), ('debt.high_amount', '0363')) n (rule, place)",
    )
    .bind(number)
    .execute(&pool)
    .await
    .unwrap();
    let page = console.page("/").await;
    assert!(page.contains("Hoge achterstand") && page.contains("op proef versie 2"));
    assert!(
        page.contains("<td>0</td><td>1</td><td>0</td><td>1</td><td>1</td>"),
        "one municipality: {page}"
    );
    assert!(!page.contains("meldcode"), "{page}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn how_far_each_feed_is_and_who_is_silent_is_told(pool: PgPool) {
    let console = Console::open(pool.clone());
    console.colleague(Role::Operations).await;
    sqlx::raw_sql(
        "INSERT INTO partners (partner_id, name, municipalities, kinds, partner_types, rows_per_minute, created_at, delivers_every_days)
         VALUES ('woonstede', 'Woonstede', '{0518}', '{rent_arrears,water_arrears,energy_arrears}', '{rent}', 1, '2025-01-01', 30),
                ('stroom', 'Stroom', '{0518}', '{energy_arrears}', '{energy}', 1, '2025-01-01', 30),
                ('elders', 'Elders', '{0363}', '{rent_arrears}', '{rent}', 1, '2025-01-01', 1);
         INSERT INTO intake_counts VALUES ('2025-10-10', 'woonstede', '0518', 'accepted', '', 1),
                                          ('2025-10-09', 'stroom', '0518', 'accepted', '', 1);
         INSERT INTO feed_marks (municipality, partner_id, kind, complete_through, given_by, given_at, effective_at)
         VALUES ('0518', 'woonstede', 'rent_arrears', '2025-09-30', 'partner', '2025-10-02', '2025-10-02'),
                ('0518', 'woonstede', 'rent_arrears', '2025-10-31', 'partner', '2025-10-03', NULL);
         INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, withdrawn, partition, placed, received_at,
                                   decided_at)
         VALUES (gen_random_uuid(), 1, 1, '0518', 'woonstede', 'rent_arrears', false, 0, true, '2025-10-01', now());",
    )
    .execute(&pool)
    .await
    .unwrap();
    let page = console.page("/").await;
    assert!(
        page.contains(
            "<td>Huurachterstand</td><td class=\"nowrap\">30-09-2025</td><td>31-10-2025, wacht op 1 signaal zonder huishouden</td>"
        ),
        "{page}"
    );
    assert!(
        page.contains(
            "<td>Achterstand drinkwater, Achterstand energie</td><td class=\"nowrap\">niet gezegd</td><td></td>"
        ),
        "{page}"
    );
    // 45 days are one and a half times 30: Woonstede is not late yet, Stroom is; nobody asks about another municipality's partner.
    assert!(page.contains("<div class=\"tile alarm\"><b>1</b>partners te lang stil"));
    assert!(page.contains("<td class=\"nowrap is-bad\">09-10-2025</td>"));
    assert!(page.contains("<td class=\"nowrap\">10-10-2025</td>"));
    assert!(!page.contains("Elders"));
}
