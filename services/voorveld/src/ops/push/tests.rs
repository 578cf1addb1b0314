//! A partner's command line against a real door. Everybody in here is invented.

use std::collections::BTreeSet;
use std::sync::Arc;

use prometheus::Registry;
use sqlx::PgPool;
use tempfile::TempDir;
use voorveld_bus::{Log, TopicSpec};
use voorveld_chassis::http::{bind, serve};
use voorveld_chassis::{Clock, Lifecycle};
use voorveld_gateway::{Parts, door, http::router};
use voorveld_policy::Policy;
use voorveld_seal::{ApiKey, IndexLabel, IndexSecret, OpeningKey, Sealer};
use voorveld_store::Store;
use voorveld_store::partners::Partner;
use voorveld_wire::signal_v1::RECEIVED_TOPIC;

use super::*;

/// A door that is open, and a partner's folder with its key.
struct Doorstep {
    folder: TempDir,
    url: String,
    _lifecycle: Lifecycle,
}

impl Doorstep {
    async fn new(pool: PgPool) -> Self {
        let clock = Clock::manual("2026-02-03T10:00:00Z".parse().unwrap());
        let store = Store::from_pool(pool.clone());
        let log = Log::postgres(pool);
        let topic = TopicSpec {
            name: RECEIVED_TOPIC.into(),
            partitions: 1,
            retention: Duration::from_hours(24),
        };
        log.ensure_topics(&[topic]).await.unwrap();
        let key = ApiKey::generate().unwrap();
        let partner = Partner {
            id: "woonstede".into(),
            name: "Woonstede".into(),
            municipalities: vec!["0518".into()],
            kinds: vec!["rent_arrears".into()],
            partner_types: vec!["rent".into()],
            rows_per_minute: 1_000_000,
            natural_key: false,
            disabled_at: None,
        };
        store
            .add_partner(&partner, &key.prefix, &key.hash, clock.now())
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), &*key.shown_once).unwrap();
        let secret = IndexSecret::generate().unwrap();
        let lifecycle = Lifecycle::new();
        let parts = Parts {
            store,
            log,
            policy: Arc::new(Policy::shipped()),
            sealer: Sealer::new(OpeningKey::generate().unwrap().sealing_key().clone()),
            references: secret.key(IndexLabel::References),
            digests: secret.key(IndexLabel::Digests),
            clock,
            registry: Registry::new(),
        };
        let config = voorveld_gateway::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: None,
            strict_transport: false,
            municipalities: BTreeSet::from(["0518".parse().unwrap()]),
            spool_dir: None,
        };
        let listener = bind("gateway", config.listen).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = router(door(config, parts, &lifecycle).unwrap());
        lifecycle.spawn("gateway", serve(listener, router, lifecycle.draining()));
        Self {
            folder,
            url,
            _lifecycle: lifecycle,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn push(&self, name: &str) -> Push {
        Push {
            file: self.path(name),
            url: self.url.clone(),
            key_file: self.path("key"),
            kind: Some("rent_arrears".parse().unwrap()),
            municipality: Some("0518".parse().unwrap()),
            complete_through: None,
            complete_kinds: Vec::new(),
            out: None,
            receipts: None,
        }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn refused_rows_come_back_to_be_corrected_as_often_as_it_takes(pool: PgPool) {
    let door = Doorstep::new(pool).await;
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let headings = [
        "Kenmerk",
        "Gemeentecode",
        "Achternaam",
        "Bedrag",
        "Ontstaansdatum",
    ];
    for (at, heading) in (0..).zip(headings) {
        sheet.write_string(0, at, heading).unwrap();
    }
    for (row, amount) in [(1, "450"), (2, "veel")] {
        sheet.write_number(row, 0, row).unwrap();
        sheet.write_number(row, 1, 518).unwrap();
        sheet.write_string(row, 2, "Brûlée").unwrap();
        sheet.write_string(row, 3, amount).unwrap();
        sheet.write_string(row, 4, "1-12-2025").unwrap();
    }
    std::fs::write(door.path("x.xlsx"), book.save_to_buffer().unwrap()).unwrap();
    // A file of last month is in the way.
    std::fs::write(door.path("x.te-verbeteren.csv"), "old").unwrap();
    let mut first = door.push("x.xlsx");
    first.receipts = Some(door.path("receipts.csv"));
    assert_eq!(deliver(&first).await.unwrap(), EXIT_ROWS_REFUSED);
    assert_eq!(door.read("x.te-verbeteren.csv"), "old");
    let receipts = door.read("receipts.csv");
    let lines: Vec<&str> = receipts.lines().collect();
    assert_eq!(lines[0], "\u{feff}regel;uitkomst;id;revisie");
    assert!(lines[1].starts_with("2;accepted;") && lines[1].ends_with(";1"));
    assert_eq!(lines[2], "3;refused;;");

    // A second round, in which the row is still wrong in another way; and a third, in which it is right.
    let round = door.read("x.te-verbeteren-2.csv");
    std::fs::write(door.path("y.csv"), round.replace("veel", "-5")).unwrap();
    assert_eq!(
        deliver(&door.push("y.csv")).await.unwrap(),
        EXIT_ROWS_REFUSED
    );
    let round = door.read("y.te-verbeteren.csv");
    assert_eq!(round.matches("Wat te doen").count(), 1, "{round}");
    std::fs::write(door.path("z.csv"), round.replace(";-5;", ";5;")).unwrap();
    assert_eq!(deliver(&door.push("z.csv")).await.unwrap(), EXIT_OK);
    let left: Vec<_> = std::fs::read_dir(door.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.') || name.starts_with("z.te"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_to_do_about_json_stands_beside_it(pool: PgPool) {
    let door = Doorstep::new(pool).await;
    let line = |reference: &str, amount: &str| {
        format!(
            "{{\"reference\":\"{reference}\",\"amountCents\":{amount},\"person\":{{\"surname\":\"Voorbeeld\"}}}}\n"
        )
    };
    let file = format!("\u{feff}{}\n{}", line("1", "1"), line("2", "-1"));
    std::fs::write(door.path("x.ndjson"), file).unwrap();
    assert_eq!(
        deliver(&door.push("x.ndjson")).await.unwrap(),
        EXIT_ROWS_REFUSED
    );
    assert_eq!(door.read("x.te-verbeteren.ndjson"), line("2", "-1"));
    let remarks = door.read("x.te-verbeteren.opmerkingen.csv");
    assert!(
        remarks
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("3;/amountCents;amount_range;"),
        "{remarks}"
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn nothing_is_sent_when_its_answers_could_not_be_written(pool: PgPool) {
    let door = Doorstep::new(pool.clone()).await;
    std::fs::write(door.path("x.csv"), "Kenmerk;Achternaam\r\n1;Voorbeeld\r\n").unwrap();
    for name in ["there.csv", "no/where.csv"] {
        std::fs::write(door.path("there.csv"), "old").unwrap();
        let mut out = door.push("x.csv");
        out.out = Some(door.path(name));
        let mut receipts = door.push("x.csv");
        receipts.receipts = Some(door.path(name));
        assert!(deliver(&out).await.is_err() && deliver(&receipts).await.is_err());
    }
    let deliveries: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(deliveries, 0);
    assert_eq!(deliver(&door.push("x.csv")).await.unwrap(), EXIT_OK);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_month_in_which_there_was_nothing_is_said_with_an_empty_file(pool: PgPool) {
    let store = Store::from_pool(pool.clone());
    let door = Doorstep::new(pool).await;
    std::fs::write(door.path("leeg.csv"), "Kenmerk;Gemeentecode;Achternaam\n").unwrap();
    let mut push = door.push("leeg.csv");
    let empty = deliver(&push).await.unwrap_err().to_string();
    assert!(empty.contains("geen signalen"), "{empty}");
    push.complete_through = Some(jiff::civil::date(2026, 2, 4));
    let future = deliver(&push).await.unwrap_err().to_string();
    assert!(future.contains("moet nog komen"), "{future}");
    push.complete_through = Some(jiff::civil::date(2026, 1, 31));
    push.complete_kinds = vec!["rent_arrears".parse().unwrap()];
    assert_eq!(deliver(&push).await.unwrap(), EXIT_OK);
    let said = store.said_marks("woonstede").await.unwrap();
    assert_eq!(said[0].known_through, push.complete_through);
}
